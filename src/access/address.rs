//! Which addresses are of the LAN.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Private (RFC 1918, RFC 4193), link-local or loopback; IPv4 in IPv6 counts as what it is.
pub fn is_lan(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_lan_v4(address),
        IpAddr::V6(address) => is_lan_v6(address),
    }
}

fn is_lan_v4(address: Ipv4Addr) -> bool {
    address.is_private() || address.is_link_local() || address.is_loopback()
}

fn is_lan_v6(address: Ipv6Addr) -> bool {
    address.is_unique_local() || address.is_unicast_link_local() || address.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lan_ends_where_the_private_ranges_end() {
        let table = [
            ("10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 192.168.255.255", true),
            ("127.0.0.1 127.8.8.8 169.254.1.1 ::1 fe80::1 febf::1 fc00::1 fdff::1", true),
            ("::ffff:192.168.1.1 ::ffff:127.0.0.1", true),
            ("9.255.255.255 11.0.0.0 172.15.255.255 172.32.0.0 192.167.0.1 192.169.0.1", false),
            ("8.8.8.8 0.0.0.0 255.255.255.255 100.64.0.1 169.253.1.1 224.0.0.1", false),
            (":: 2001:db8::1 fec0::1 fe00::1 ff02::1 2606:4700::1", false),
            ("::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::10.0.0.1", false),
        ];
        for (addresses, lan) in table {
            for address in addresses.split(' ') {
                assert_eq!(is_lan(address.parse().expect("an address")), lan, "{address}");
            }
        }
    }
}
