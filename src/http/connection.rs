//! One connection: HTTP/1.1 or HTTP/2 on anything that reads and writes, under the limits that [`Watch`]
//! holds.
//!
//! Not here: TLS and which protocol was agreed on in it (`listener`). The site sees no difference between
//! the protocols: what they say in different ways is made the same here.
#![allow(clippy::disallowed_methods, reason = "the shell of Watch: it reads tokio's clock")]

use super::access::Caller;
use super::body::Body;
use super::problem::refusal;
use super::site::Site;
use super::watch::{Limits, Overdue, Protocol, Watch};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

/// How often a connection's patience is looked at, at least; its limits are kept to within this.
const LOOK: Duration = Duration::from_secs(5);
/// The largest DATA frame that every client takes (RFC 9113 §4.2), bytes.
const DATA_FRAME_LEN: NonZeroUsize = NonZeroUsize::new(16 * 1024).expect("not zero");

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

/// Serves requests until the client leaves, patience ends, or `closing` resolves and the answers under
/// way are out. Over HTTP/2 every request is a task of its own; all end with the connection.
pub async fn serve_connection<IO>(
    io: IO,
    protocol: Protocol,
    caller: Caller,
    site: Arc<Site>,
    limits: Limits,
    closing: impl Future<Output = ()>,
) -> Ended
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let watch: Shared = Arc::new(Mutex::new(Watch::new(Instant::now(), protocol)));
    let io = TokioIo::new(Watched { io, watch: Arc::clone(&watch), limits });
    let shared = Arc::clone(&watch);
    let service = service_fn(move |request| {
        watching(&shared, Watch::asked);
        let turn = Turn { watch: Arc::clone(&shared), offering: false };
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(answer(&site, &caller, &limits, protocol, request, turn).await) }
    });
    match protocol {
        Protocol::Http1 => {
            let connection = http1::Builder::new()
                .header_read_timeout(None) // Watch does this, without a timer for each request.
                .max_header_size(limits.header_bytes)
                .max_buf_size(limits.buffer_bytes)
                .serve_connection(io, service)
                .with_upgrades();
            attend(connection, http1::UpgradeableConnection::graceful_shutdown, &watch, &limits, closing).await
        }
        Protocol::Http2 => {
            let bytes = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let connection = http2::Builder::new(TokioExecutor::new())
                .max_concurrent_streams(limits.concurrent_requests)
                .max_header_list_size(bytes(limits.header_bytes))
                .initial_stream_window_size(bytes(limits.buffer_bytes))
                .initial_connection_window_size(bytes(limits.buffer_bytes))
                .max_send_buf_size(limits.buffer_bytes)
                .serve_connection(io, service);
            attend(connection, http2::Connection::graceful_shutdown, &watch, &limits, closing).await
        }
    }
}

/// Answers one request, whichever protocol it came by.
async fn answer(
    site: &Site,
    caller: &Caller,
    limits: &Limits,
    protocol: Protocol,
    mut request: Request<Incoming>,
    turn: Turn,
) -> Response<Body> {
    let head_only = protocol == Protocol::Http2 && request.method() == Method::HEAD;
    if let (Protocol::Http2, Some(authority)) = (protocol, request.uri().authority()) {
        // What HTTP/1.1 calls Host (RFC 9113 §8.3.1). The two may not differ, so ours is the one.
        if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
            request.headers_mut().insert(HOST, host);
        }
    }
    // Two answers to how long the body is are how requests are smuggled past a proxy (RFC 9112 §6.1).
    let chunked = protocol == Protocol::Http1 && request.headers().contains_key(TRANSFER_ENCODING);
    let mut response = match chunked && request.headers().contains_key(CONTENT_LENGTH) {
        true => refusal(request.uri().path(), StatusCode::BAD_REQUEST, "The body has two lengths.\n"),
        false => site.answer(caller, limits, request).await,
    };
    if chunked {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    site.connections().answered(response.status());
    let mut body = std::mem::take(response.body_mut());
    if head_only {
        // Over HTTP/1.1 hyper does this.
        if let Some(length) = hyper::body::Body::size_hint(&body).exact() {
            response.headers_mut().entry(CONTENT_LENGTH).or_insert(length.into());
        }
        body = Body::default();
    }
    if protocol == Protocol::Http2 {
        body = body.in_pieces_of(DATA_FRAME_LEN);
    }
    response.map(|_| body.ending(turn))
}

/// Drives a connection until it ends or patience does; `finish` tells it to end after the answers under
/// way.
async fn attend<C>(
    connection: C,
    finish: impl Fn(Pin<&mut C>),
    watch: &Shared,
    limits: &Limits,
    closing: impl Future<Output = ()>,
) -> Ended
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    let mut closing = pin!(closing);
    let mut look = pin!(sleep_until(Instant::now() + LOOK));
    let mut last_call: Option<Instant> = None;
    loop {
        tokio::select! {
            biased;
            end = connection.as_mut() => return end.map_or_else(Ended::Failed, |()| Ended::Closed),
            () = closing.as_mut(), if last_call.is_none() => {
                finish(connection.as_mut());
                let end = Instant::now() + limits.shutdown_time;
                last_call = Some(end);
                look.as_mut().reset(end);
            }
            () = look.as_mut() => {
                let now = Instant::now();
                let deadline = watching(watch, |watch| watch.deadline(limits));
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

/// A request's turn to be answered; over when the answer's body is dropped.
#[derive(Debug)]
pub struct Turn {
    watch: Shared,
    /// Some of the answer waits to be taken.
    offering: bool,
}

impl Turn {
    /// The answer is there.
    pub fn offer(&mut self) {
        self.offering = true;
        watching(&self.watch, |watch| watch.offered(Instant::now()));
    }

    /// Some of it was taken. Not the end, even if nothing is left: the last piece may still wait for the
    /// client's flow control.
    pub fn take(&self) {
        watching(&self.watch, |watch| watch.took(Instant::now()));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        watching(&self.watch, |watch| {
            if self.offering {
                watch.withdrawn();
            }
            watch.answered(Instant::now());
        });
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
