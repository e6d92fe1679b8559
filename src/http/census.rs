//! Who is connected: counts, in all and by address. A [`Seat`] is held as long as its connection.

use super::Limits;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections now open. Never holds more addresses than connections.
#[derive(Debug, Default)]
pub struct Census {
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    House,
    Address,
}

/// One connection's place; dropping it gives it back.
#[derive(Debug)]
pub struct Seat {
    census: Arc<Census>,
    address: IpAddr,
}

impl Census {
    pub fn admit(self: &Arc<Self>, address: IpAddr, limits: &Limits) -> Result<Seat, Full> {
        let address = neighbourhood(address);
        let mut open = self.lock();
        if open.values().sum::<usize>() >= limits.connections {
            return Err(Full::House);
        }
        if open.get(&address).is_some_and(|count| *count >= limits.connections_per_address) {
            return Err(Full::Address);
        }
        *open.entry(address).or_default() += 1;
        drop(open);
        Ok(Seat { census: Arc::clone(self), address })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.census.lock();
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// One subscriber of IPv6 has at least a /64, so that counts as one address.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: fn() -> Limits = || Limits { connections: 3, connections_per_address: 2, ..Limits::default() };

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_address_leaves_room_for_others_and_places_come_back() {
        let census = Arc::new(Census::default());
        let first = census.admit(address("10.0.0.1"), &LIMITS()).expect("room");
        let _second = census.admit(address("::ffff:10.0.0.1"), &LIMITS()).expect("room");
        assert_eq!(census.admit(address("10.0.0.1"), &LIMITS()).err(), Some(Full::Address));
        let _other = census.admit(address("10.0.0.2"), &LIMITS()).expect("room");
        assert_eq!(census.admit(address("10.0.0.3"), &LIMITS()).err(), Some(Full::House));
        drop(first);
        assert_eq!(census.lock().values().sum::<usize>(), 2);
        assert!(census.admit(address("10.0.0.1"), &LIMITS()).is_ok());
    }

    #[test]
    fn a_whole_ipv6_network_is_one_address() {
        assert_eq!(neighbourhood(address("2001:db8::1")), neighbourhood(address("2001:db8::ffff:2")));
        assert_ne!(neighbourhood(address("2001:db8::1")), neighbourhood(address("2001:db8:0:1::1")));
    }
}
