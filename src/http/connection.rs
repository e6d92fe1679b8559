//! One connection: HTTP/1.1 on anything that reads and writes, under the limits that [`Watch`] holds.
//!
//! The seam for TLS and HTTP/2: whoever has a handshaken stream calls [`serve_connection`] with it.
#![allow(clippy::disallowed_methods, reason = "the shell of Watch: it reads tokio's clock")]

use super::access::Caller;
use super::site::Site;
use super::watch::{Limits, Overdue, Watch};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

/// How often a connection's patience is looked at, at least; its limits are kept to within this.
const LOOK: Duration = Duration::from_secs(5);

/// How a connection ended.
#[derive(Debug)]
pub enum Ended {
    /// By the client, or after the last answer at shutdown.
    Closed,
    Overdue(Overdue),
    /// Answers that took longer than [`Limits::shutdown_time`].
    Shutdown,
    /// Malformed HTTP, or the network.
    Failed(hyper::Error),
}

/// The service's and the IO's common view of what the connection is doing.
type Shared = Arc<Mutex<Watch>>;

fn watching<T>(shared: &Shared, look: impl FnOnce(&mut Watch) -> T) -> T {
    look(&mut shared.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Serves requests until the client leaves, patience ends, or `closing` resolves and the answer under
/// way is out.
pub async fn serve_connection<IO>(
    io: IO,
    caller: Caller,
    site: Arc<Site>,
    limits: Limits,
    closing: impl Future<Output = ()>,
) -> Ended
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let watch: Shared = Arc::new(Mutex::new(Watch::new(Instant::now())));
    let io = TokioIo::new(Watched { io, watch: Arc::clone(&watch), limits });
    let service = service_fn(|request| {
        watching(&watch, Watch::asked);
        let turn = Turn(Arc::clone(&watch));
        let site = &site;
        async move {
            let mut response = site.answer(&caller, &limits, request).await;
            let body = std::mem::take(response.body_mut());
            Ok::<_, Infallible>(response.map(|_| body.ending(turn)))
        }
    });
    let connection = http1::Builder::new()
        .header_read_timeout(None) // Watch does this, without a timer for each request.
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.buffer_bytes)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let mut closing = pin!(closing);
    let mut look = pin!(sleep_until(Instant::now() + LOOK));
    let mut last_call: Option<Instant> = None;
    loop {
        tokio::select! {
            biased;
            end = connection.as_mut() => return end.map_or_else(Ended::Failed, |()| Ended::Closed),
            () = closing.as_mut(), if last_call.is_none() => {
                connection.as_mut().graceful_shutdown();
                let end = Instant::now() + limits.shutdown_time;
                last_call = Some(end);
                look.as_mut().reset(end);
            }
            () = look.as_mut() => {
                let now = Instant::now();
                let deadline = watching(&watch, |watch| watch.deadline(&limits));
                match (deadline, last_call) {
                    (Some((deadline, cause)), _) if deadline <= now => return Ended::Overdue(cause),
                    (_, Some(end)) if end <= now => return Ended::Shutdown,
                    _ => {}
                }
                let next = [deadline.map(|(deadline, _)| deadline), last_call].into_iter().flatten().min();
                look.as_mut().reset(next.map_or(now + LOOK, |next| next.min(now + LOOK)));
            }
        }
    }
}

/// The connection's turn to answer; over when the answer's body is dropped.
#[derive(Debug)]
pub struct Turn(Shared);

impl Drop for Turn {
    fn drop(&mut self) {
        watching(&self.0, |watch| watch.answered(Instant::now()));
    }
}

/// Tells the watch what the socket does.
struct Watched<IO> {
    io: IO,
    watch: Shared,
    limits: Limits,
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            watching(&self.watch, |watch| watch.read(Instant::now));
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO> Watched<IO> {
    fn saw(&self, wanted: usize, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(Ok(count)) if *count == wanted => watching(&self.watch, Watch::flushed),
            Poll::Ready(Ok(count)) => watching(&self.watch, |watch| watch.wrote(*count as u64, &self.limits)),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => watching(&self.watch, |watch| watch.blocked(Instant::now)),
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.saw(bytes.len(), &written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.saw(slices.iter().map(|slice| slice.len()).sum(), &written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
