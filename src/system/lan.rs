//! Where the box is on the LAN.

use std::net::{IpAddr, Ipv6Addr, UdpSocket};

/// This box's address on the LAN: the one that a packet to outside would leave from. Nothing is sent.
pub fn lan_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Any routable address will do (this one is reserved for documentation, RFC 5737).
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
}

/// Where a service that listens at `listen` is reached now: that address, or those of all interfaces.
pub fn addresses(listen: IpAddr) -> Vec<IpAddr> {
    if !listen.is_unspecified() {
        return vec![listen];
    }
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        log::warn!("the network's interfaces can't be read: {error}");
        Vec::new()
    });
    let reaches = |address: &IpAddr| match address {
        IpAddr::V4(_) => listen.is_ipv4() || listen == IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        // Without its interface, a link-local address is none.
        IpAddr::V6(address) => listen.is_ipv6() && !address.is_unicast_link_local(),
    };
    interfaces.iter().map(if_addrs::Interface::ip).filter(reaches).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_itself_and_all_are_those_of_the_interfaces() {
        let one = IpAddr::from([192, 0, 2, 7]);
        assert_eq!(addresses(one), [one]);
        let all = addresses(IpAddr::from([0, 0, 0, 0]));
        assert!(all.contains(&IpAddr::from([127, 0, 0, 1])), "{all:?}");
        assert!(all.iter().all(IpAddr::is_ipv4), "{all:?}");
    }
}
