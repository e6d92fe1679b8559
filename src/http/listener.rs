//! Accepts connections, and goes on accepting whatever happens to single ones or to descriptors.

use super::access::Caller;
use super::census::{Census, Full};
use super::connection::{Ended, serve_connection};
use super::site::Site;
use super::watch::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

/// Connections that the kernel holds for us while we are busy.
const BACKLOG: u32 = 1024;
/// Pause after a failed accept. Out of descriptors it fails again at once, and would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Descriptors that are not connections: devices, log, listeners, with room to spare.
const OTHER_DESCRIPTORS: u64 = 128;
/// Refused connections get this without being read.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 40\r\n\r\nToo many connections; try again in 5 s.\n";

#[derive(Debug, Error)]
#[error("can't listen on {address}: {source} (another program there? [http] listen = \"…\" sets the address)")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

/// A listening server.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
}

impl Server {
    /// Listens, and raises the process's descriptor limit as far as it may. Needs a tokio runtime.
    pub fn bind(address: SocketAddr, mut limits: Limits) -> Result<Self, BindError> {
        let listen = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            // After a restart the old connections still linger on the port.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            let listener = socket.listen(BACKLOG)?;
            Ok((listener.local_addr()?, listener))
        };
        let (address, listener) = listen().map_err(|source| BindError { address, source })?;
        let room = usize::try_from(raise_descriptors().saturating_sub(OTHER_DESCRIPTORS).max(16)).unwrap_or(usize::MAX);
        if room < limits.connections {
            log::info!("http: {room} connections at most, for want of file descriptors (ulimit -n)");
            limits.connections = room;
        }
        Ok(Self { listener, address, limits })
    }

    /// Where it listens; the real port when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` resolves; then lets answers under way finish, for
    /// [`Limits::shutdown_time`] at most.
    pub async fn run(self, site: Arc<Site>, stop: impl Future<Output = ()>) {
        let (closing, _) = watch::channel(false);
        // Every connection holds a sender; when the last is gone, nothing comes any more.
        let (open, mut all_closed) = mpsc::channel::<()>(1);
        tokio::select! {
            () = stop => {}
            () = self.accept(&site, &closing, &open) => {}
        }
        drop(self.listener);
        drop(open);
        closing.send_replace(true);
        // Connections keep to the time themselves; this is the belt to the braces.
        let _ = timeout(self.limits.shutdown_time * 2, all_closed.recv()).await;
    }

    async fn accept(&self, site: &Arc<Site>, closing: &watch::Sender<bool>, open: &mpsc::Sender<()>) {
        let limits = self.limits;
        let census = Arc::new(Census::default());
        let mut state = Transitions::default();
        loop {
            let (stream, address) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                // The client gave up while it waited: its business alone.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    state.failing(&error);
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            state.accepting();
            let seat = match census.admit(address.ip(), &limits) {
                Ok(seat) => seat,
                Err(full) => {
                    state.full(full, address);
                    // Best effort: a fresh socket's buffer takes it.
                    let _ = stream.try_write(FULL);
                    continue;
                }
            };
            state.room();
            if let Err(error) = stream.set_nodelay(true) {
                log::debug!("http: {address}: {error}");
                continue;
            }
            let (site, open, mut closing) = (Arc::clone(site), open.clone(), closing.subscribe());
            tokio::spawn(async move {
                let (_seat, _open) = (seat, open);
                let closing = async move {
                    let _ = closing.wait_for(|closing| *closing).await;
                };
                log_end(address, &serve::<TcpStream>(stream, address, site, limits, closing).await);
            });
        }
    }
}

/// Where TLS will shake hands.
async fn serve<IO>(
    io: IO,
    address: SocketAddr,
    site: Arc<Site>,
    limits: Limits,
    closing: impl Future<Output = ()>,
) -> Ended
where
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    serve_connection(io, Caller { address }, site, limits, closing).await
}

fn log_end(address: SocketAddr, end: &Ended) {
    match end {
        Ended::Closed => {}
        Ended::Overdue(cause) => log::debug!("http: {address} closed: {cause:?} took too long"),
        Ended::Shutdown => log::debug!("http: {address} cut off at shutdown"),
        Ended::Failed(error) => log::debug!("http: {address}: {error}"),
    }
}

/// Soft limit up to the hard one; returns what is allowed now.
fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let now = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    now.current.unwrap_or(u64::MAX)
}

/// What is logged once when it begins and once when it ends.
#[derive(Debug, Default)]
struct Transitions {
    failing: bool,
    full: Option<Full>,
}

impl Transitions {
    fn failing(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            log::warn!("http: can't accept connections: {error}");
        }
    }

    fn accepting(&mut self) {
        if std::mem::take(&mut self.failing) {
            log::info!("http: accepting connections again");
        }
    }

    fn full(&mut self, full: Full, address: SocketAddr) {
        if self.full.replace(full) != Some(full) {
            match full {
                Full::House => log::warn!("http: full; refusing new connections"),
                Full::Address => log::warn!("http: {} has its share of connections; refusing more", address.ip()),
            }
        }
    }

    fn room(&mut self) {
        if self.full.take().is_some() {
            log::info!("http: taking new connections again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        let text = std::str::from_utf8(FULL).expect("ASCII");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
    }
}
