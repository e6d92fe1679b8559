//! Accepts connections, and goes on accepting whatever happens to single ones or to descriptors. With TLS,
//! shakes hands and learns which protocol was agreed on.

use super::access::Caller;
use super::census::{Census, Full};
use super::connection::{Ended, serve_connection};
use super::counts::count;
use super::site::Site;
use super::watch::{Limits, Protocol};
use crate::tls::ALPN_HTTP2;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// Connections that the kernel holds for us while we are busy.
const BACKLOG: u32 = 1024;
/// Pause after a failed accept. Out of descriptors it fails again at once, and would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Descriptors that are not connections: devices, log, listeners, with room to spare.
const OTHER_DESCRIPTORS: u64 = 128;
/// Refused connections get this without being read.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 40\r\n\r\nToo many connections; try again in 5 s.\n";
/// For who speaks plain HTTP on the port of HTTPS.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 43\r\n\r\nThis port speaks HTTPS: use https:// here.\n";

#[derive(Debug, Error)]
#[error("can't listen on {address}: {source} (another program there? [http] {key} = \"…\" sets the address)")]
pub struct BindError {
    address: SocketAddr,
    /// The setting that says where to listen.
    key: &'static str,
    source: io::Error,
}

/// A listening server.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
    census: Arc<Census>,
    tls: Option<Arc<ServerConfig>>,
}

impl Server {
    /// Listens, and raises the process's descriptor limit as far as it may. Needs a tokio runtime.
    pub fn bind(address: SocketAddr, limits: Limits) -> Result<Self, BindError> {
        Self::listen(address, "listen", limits, Arc::default(), None)
    }

    /// Listens for TLS too, beside this one: connections to both count together.
    pub fn beside(&self, address: SocketAddr, tls: Arc<ServerConfig>) -> Result<Self, BindError> {
        Self::listen(address, "listen_tls", self.limits, Arc::clone(&self.census), Some(tls))
    }

    fn listen(
        address: SocketAddr,
        key: &'static str,
        mut limits: Limits,
        census: Arc<Census>,
        tls: Option<Arc<ServerConfig>>,
    ) -> Result<Self, BindError> {
        let listen = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            // After a restart the old connections still linger on the port.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            let listener = socket.listen(BACKLOG)?;
            Ok((listener.local_addr()?, listener))
        };
        let (address, listener) = listen().map_err(|source| BindError { address, key, source })?;
        let room = usize::try_from(raise_descriptors().saturating_sub(OTHER_DESCRIPTORS).max(16)).unwrap_or(usize::MAX);
        if room < limits.connections {
            log::info!("http: {room} connections at most, for want of file descriptors (ulimit -n)");
            limits.connections = room;
        }
        Ok(Self { listener, address, limits, census, tls })
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
            let seat = match self.census.admit(address.ip(), &limits) {
                Ok(seat) => seat,
                Err(full) => {
                    state.full(full, address);
                    count(match full {
                        Full::House => &site.connections().refused_house,
                        Full::Address => &site.connections().refused_address,
                    });
                    if self.tls.is_none() {
                        // Best effort: a fresh socket's buffer takes it.
                        let _ = stream.try_write(FULL);
                    }
                    continue;
                }
            };
            state.room();
            if let Err(error) = stream.set_nodelay(true) {
                log::debug!("http: {address}: {error}");
                continue;
            }
            count(&site.connections().accepted);
            let (site, open, tls) = (Arc::clone(site), open.clone(), self.tls.clone());
            let mut closing = closing.subscribe();
            tokio::spawn(async move {
                let (_seat, _open) = (seat, open);
                let closing = async move {
                    let _ = closing.wait_for(|closing| *closing).await;
                };
                let counted = Arc::clone(&site);
                match tls {
                    Some(tls) => serve_tls(stream, address, tls, site, limits, closing).await,
                    None => {
                        let caller = Caller { address, tls: false };
                        let end = serve_connection(stream, Protocol::Http1, caller, site, limits, closing).await;
                        log_end(address, &end, &counted);
                    }
                }
                count(&counted.connections().ended);
            });
        }
    }
}

async fn serve_tls(
    stream: TcpStream,
    address: SocketAddr,
    tls: Arc<ServerConfig>,
    site: Arc<Site>,
    limits: Limits,
    closing: impl Future<Output = ()>,
) {
    let mut closing = pin!(closing);
    let handshake = async {
        // The first byte of TLS is no letter, and that of HTTP is one.
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0].is_ascii_alphabetic() {
            let _ = stream.try_write(PLAIN);
            return Err(io::Error::other("plain HTTP on the port of HTTPS"));
        }
        TlsAcceptor::from(tls).accept(stream).await
    };
    let shaken = tokio::select! {
        shaken = timeout(limits.handshake_time, handshake) => shaken,
        () = closing.as_mut() => return,
    };
    let stream = match shaken {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            count(&site.connections().handshake_failed);
            return log::debug!("https: {address}: {error}");
        }
        Err(_) => {
            count(&site.connections().handshake_overdue);
            return log::debug!("https: {address} closed: the TLS handshake took too long");
        }
    };
    let protocol = match stream.get_ref().1.alpn_protocol() {
        Some(protocol) if protocol == ALPN_HTTP2 => Protocol::Http2,
        _ => Protocol::Http1,
    };
    let counted = Arc::clone(&site);
    let caller = Caller { address, tls: true };
    log_end(address, &serve_connection(stream, protocol, caller, site, limits, closing).await, &counted);
}

fn log_end(address: SocketAddr, end: &Ended, site: &Site) {
    site.connections().count_end(end);
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
    fn the_refusals_are_as_long_as_they_say() {
        for refusal in [FULL, PLAIN] {
            let text = std::str::from_utf8(refusal).expect("ASCII");
            let (head, body) = text.split_once("\r\n\r\n").expect("a head");
            assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        }
    }
}
