//! Where the box is on the LAN.

use std::net::{IpAddr, UdpSocket};

/// This box's address on the LAN: the one that a packet to outside would leave from. Nothing is sent.
pub fn lan_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Any routable address will do (this one is reserved for documentation, RFC 5737).
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
}
