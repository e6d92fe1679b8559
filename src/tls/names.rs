//! Sans-IO: what the box is called, and which of it a certificate may say.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::BTreeSet;

/// A box has few; what has more is a router, or an attack. The first so many count.
const MAX_ADDRESSES: usize = 64;

/// Names and addresses of a certificate, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// DNS names in lower case.
    pub hosts: BTreeSet<String>,
    /// Private ones only.
    pub addresses: BTreeSet<IpAddr>,
}

impl Names {
    /// The host name itself, below `.local`, `localhost`, `further` ones, and `addresses` as far as they are
    /// private. What can't be a DNS name is left out.
    pub fn new(
        hostname: &str,
        further: impl IntoIterator<Item = String>,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        let first = hostname.split('.').next().unwrap_or_default();
        let hosts = [hostname.to_owned(), first.to_owned(), format!("{first}.local"), "localhost".to_owned()];
        let hosts = hosts.into_iter().chain(further).map(|name| name.to_ascii_lowercase());
        Self {
            hosts: hosts.filter(|name| is_dns_name(name)).collect(),
            addresses: addresses.into_iter().filter(|ip| is_usable(*ip)).take(MAX_ADDRESSES).collect(),
        }
    }

    /// Whether everything in `other` is here.
    pub fn cover(&self, other: &Self) -> bool {
        self.hosts.is_superset(&other.hosts) && self.addresses.is_superset(&other.addresses)
    }
}

/// Letters, digits and hyphens in labels of 1 to 63 characters (RFC 1123 §2.1).
pub fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// The networks that nobody routes on the internet (RFC 1918, 3927, 4193, loopback): address, prefix length.
pub const PRIVATE: [(IpAddr, u8); 7] = [
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
];

/// Private, and one that a browser can be pointed at: link-local IPv6 can't stand in a URL.
fn is_usable(address: IpAddr) -> bool {
    PRIVATE.iter().any(|(network, prefix)| match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (address.to_bits() ^ network.to_bits()).leading_zeros() >= u32::from(*prefix)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            (address.to_bits() ^ network.to_bits()).leading_zeros() >= u32::from(*prefix)
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn only_private_addresses_and_real_names_get_in() {
        let addresses =
            ["192.168.1.7", "8.8.8.8", "172.31.0.1", "172.32.0.1", "fd00::1", "fe80::1", "2001:db8::1", "::1"];
        let names = Names::new("Studio-Box.lan", ["extra.example".into(), "bad name".into()], addresses.map(address));
        let hosts: Vec<_> = names.hosts.iter().map(String::as_str).collect();
        assert_eq!(hosts, ["extra.example", "localhost", "studio-box", "studio-box.lan", "studio-box.local"]);
        let kept: Vec<_> = names.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(kept, ["172.31.0.1", "192.168.1.7", "::1", "fd00::1"]);
    }

    #[test]
    fn dns_names() {
        for yes in ["a", "box.local", "x-1.y", "0.pool"] {
            assert!(is_dns_name(yes), "{yes}");
        }
        for no in ["", ".", "a..b", "-a", "a-", "a_b", "a b", "é", "a.", &"x".repeat(64)] {
            assert!(!is_dns_name(no), "{no}");
        }
    }
}
