//! The one UDP socket, for those who have peers of their own behind it: they get the datagrams that are for none of
//! the server's, and send by the same socket.

use super::peer::Identity;
use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};
use rtc::peer_connection::certificate::RTCCertificate;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// Datagrams on their way: what comes in the time that a busy task takes. More are lost, as on any network.
pub(super) const QUEUE: usize = 1_024;

pub struct Datagram {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub contents: Vec<u8>,
}

/// Sends, and says who the box is. All share it.
#[derive(Clone)]
pub struct Outlet {
    pub(super) socket: Arc<UdpSocket>,
    pub(super) state: Arc<UdpSocketState>,
    pub(super) port: u16,
    pub(super) certificate: RTCCertificate,
    pub(super) addresses: Arc<dyn Fn() -> Vec<IpAddr> + Send + Sync>,
}

impl Outlet {
    /// The box to a peer at `from`: only from the box itself is its loopback reached.
    pub fn identity(&self, from: IpAddr) -> Identity {
        let near = from.to_canonical().is_loopback();
        let addresses = (self.addresses)().into_iter().filter(|ip| near || !ip.is_loopback());
        let addresses = addresses.map(|ip| SocketAddr::new(ip, self.port)).collect();
        Identity { certificate: self.certificate.clone(), addresses }
    }

    /// What doesn't fit into the socket's buffer is lost as on any network; peers ask for it again.
    pub fn send(&self, destination: SocketAddr, from: SocketAddr, contents: &[u8]) {
        let transmit = Transmit { destination, ecn: None, contents, segment_size: None, src_ip: Some(from.ip()) };
        let _ =
            self.socket.try_io(Interest::WRITABLE, || self.state.try_send(UdpSockRef::from(&self.socket), &transmit));
    }
}

/// See the module.
pub struct Branch {
    pub outlet: Outlet,
    pub datagrams: mpsc::Receiver<Datagram>,
}
