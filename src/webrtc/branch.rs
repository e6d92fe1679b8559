//! The one UDP socket, for those who have peers of their own behind it: they get the datagrams that are for none of
//! the server's, and send by the same socket.

use super::path::{Datagram, Transport, Way};
use super::peer::Identity;
use super::tcp::Connections;
use super::train::{Piece, Train};
use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};
use rtc::peer_connection::certificate::RTCCertificate;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// Datagrams on their way: what comes in the time that a busy task takes. More are lost, as on any network.
pub(super) const QUEUE: usize = 1_024;

/// Sends, and says who the box is. All share it.
#[derive(Clone)]
pub struct Outlet {
    pub(super) socket: Arc<UdpSocket>,
    pub(super) state: Arc<UdpSocketState>,
    pub(super) port: u16,
    /// Those that came by TCP, where it is listened on.
    pub(super) tcp: Option<Connections>,
    pub(super) certificate: RTCCertificate,
    pub(super) addresses: Arc<dyn Fn() -> Vec<IpAddr> + Send + Sync>,
}

impl Outlet {
    /// The box to a peer at `from`: only from the box itself is its loopback reached.
    pub fn identity(&self, from: IpAddr) -> Identity {
        let near = from.to_canonical().is_loopback();
        let addresses = (self.addresses)().into_iter().filter(|ip| near || !ip.is_loopback());
        let addresses: Vec<_> = addresses.map(|ip| SocketAddr::new(ip, self.port)).collect();
        let tcp_port = self.tcp.as_ref().map(Connections::port);
        let tcp_addresses = tcp_port.map(|port| addresses.iter().map(|one| SocketAddr::new(one.ip(), port)).collect());
        Identity { certificate: self.certificate.clone(), addresses, tcp_addresses: tcp_addresses.unwrap_or_default() }
    }

    /// Puts a datagram on a train, which departs first if it is for others.
    pub fn send(&self, train: &mut Train, way: Way, datagram: &[u8]) {
        if !train.takes(way, datagram, self.state.max_gso_segments()) {
            self.depart(train);
        }
        train.add(way, datagram);
    }

    /// Sends what is on the train. What doesn't fit into the socket's buffer is lost as on any network; peers ask
    /// for it again.
    pub fn depart(&self, train: &mut Train) {
        if let Some(piece) = train.piece() {
            if piece.way.remote.over == Transport::Tcp {
                let send = |datagram| self.tcp.iter().for_each(|tcp| tcp.send(piece.way, datagram));
                piece.datagrams().for_each(send);
            } else if self.transmit(piece, piece.bytes).is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock)
                && piece.bytes.len() > piece.segment
            {
                // A network interface may turn out not to split.
                piece.datagrams().for_each(|datagram| drop(self.transmit(piece, datagram)));
            }
        }
        train.clear();
    }

    fn transmit(&self, piece: Piece<'_>, contents: &[u8]) -> io::Result<()> {
        let segment_size = (contents.len() > piece.segment).then_some(piece.segment);
        let (destination, src_ip) = (piece.way.remote.address, Some(piece.way.local.ip()));
        let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip };
        self.socket.try_io(Interest::WRITABLE, || self.state.try_send(UdpSockRef::from(&self.socket), &transmit))
    }
}

/// See the module.
pub struct Branch {
    pub outlet: Outlet,
    pub datagrams: mpsc::Receiver<Datagram>,
}
