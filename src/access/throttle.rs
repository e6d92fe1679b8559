//! Tries, counted: so many at once, then one every so often. By address, and by account.

use crate::time::MonoTime;
use core::net::{IpAddr, Ipv6Addr};
use std::collections::BTreeMap;
use std::time::Duration;

/// What one address may try. People mistype; machines don't stop at five.
const ADDRESS: Rate = Rate { burst: 5, refill: Duration::from_secs(12) };
/// What all addresses together may try on one account. It never locks: its owner waits half a minute.
const ACCOUNT: Rate = Rate { burst: 10, refill: Duration::from_secs(30) };
/// Addresses and names that are remembered. Beyond, the one with the least to its account is forgotten.
const MAX_REMEMBERED: usize = 4096;

#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: u32,
    refill: Duration,
}

/// For each key, when all its tries are there again: that one time says how many are left.
#[derive(Debug)]
struct Meter<K> {
    rate: Rate,
    full_at: BTreeMap<K, MonoTime>,
}

impl<K: Ord + Clone> Meter<K> {
    fn new(rate: Rate) -> Self {
        Self { rate, full_at: BTreeMap::new() }
    }

    /// How long until there is a try left; zero when there is.
    fn wait(&self, key: &K, now: MonoTime) -> Duration {
        let full_at = self.full_at.get(key).copied().unwrap_or(now);
        now.until(full_at).saturating_sub(self.rate.refill * self.rate.burst.saturating_sub(1))
    }

    fn take(&mut self, key: K, now: MonoTime) {
        self.full_at.retain(|_, full_at| *full_at > now);
        if self.full_at.len() >= MAX_REMEMBERED && !self.full_at.contains_key(&key) {
            let least = self.full_at.iter().min_by_key(|(_, full_at)| **full_at).map(|(key, _)| key.clone());
            least.map(|key| self.full_at.remove(&key));
        }
        let full_at = self.full_at.entry(key).or_insert(now);
        *full_at = *full_at + self.rate.refill;
    }

    fn give_back(&mut self, key: &K) {
        if let Some(full_at) = self.full_at.get_mut(key) {
            *full_at = *full_at - self.rate.refill;
        }
    }
}

/// Both counts.
#[derive(Debug)]
pub(super) struct Throttle {
    addresses: Meter<IpAddr>,
    accounts: Meter<String>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { addresses: Meter::new(ADDRESS), accounts: Meter::new(ACCOUNT) }
    }
}

impl Throttle {
    /// Takes a try before it is made, so that many at once don't slip through; `Err` says how long to wait.
    /// A name that no account has is counted like one, which tells nobody which names there are.
    pub fn take(&mut self, address: IpAddr, account: &str, now: MonoTime) -> Result<(), Duration> {
        let (address, account) = (neighbourhood(address), account.to_owned());
        let wait = self.addresses.wait(&address, now).max(self.accounts.wait(&account, now));
        if !wait.is_zero() {
            return Err(wait);
        }
        self.addresses.take(address, now);
        self.accounts.take(account, now);
        Ok(())
    }

    /// The try was no guess.
    pub fn give_back(&mut self, address: IpAddr, account: &str) {
        self.addresses.give_back(&neighbourhood(address));
        self.accounts.give_back(&account.to_owned());
    }
}

/// What one household has: an IPv4 address, or an IPv6 /64.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(core::net::Ipv4Addr::from_bits(number))
    }

    fn at(seconds: i64) -> MonoTime {
        MonoTime::from_millis(seconds * 1_000)
    }

    #[test]
    fn an_address_has_a_few_tries_and_then_one_at_a_time() {
        let mut throttle = Throttle::default();
        for n in 0..5 {
            assert_eq!(throttle.take(address(1), &format!("name{n}"), at(0)), Ok(()));
        }
        assert_eq!(throttle.take(address(1), "another", at(0)), Err(Duration::from_secs(12)));
        assert_eq!(throttle.take(address(2), "another", at(0)), Ok(()), "others are not held up");
        assert_eq!(throttle.take(address(1), "another", at(12)), Ok(()));
        assert!(throttle.take(address(1), "another", at(12)).is_err());
        for n in 0..5 {
            assert_eq!(throttle.take(address(1), &format!("name{n}"), at(1_000)), Ok(()), "all are there again");
        }
    }

    #[test]
    fn an_account_has_its_tries_whoever_tries() {
        let mut throttle = Throttle::default();
        for n in 0..10 {
            assert_eq!(throttle.take(address(n), "admin", at(0)), Ok(()));
        }
        assert_eq!(throttle.take(address(99), "admin", at(0)), Err(Duration::from_secs(30)));
        assert_eq!(throttle.take(address(99), "other", at(0)), Ok(()));
        // A refused try costs nothing.
        assert_eq!(throttle.take(address(99), "admin", at(30)), Ok(()));
    }

    #[test]
    fn who_gets_it_right_is_never_held_up() {
        let mut throttle = Throttle::default();
        for _ in 0..1_000 {
            assert_eq!(throttle.take(address(1), "admin", at(0)), Ok(()));
            throttle.give_back(address(1), "admin");
        }
    }

    #[test]
    fn an_ipv6_household_counts_as_one() {
        let mut throttle = Throttle::default();
        for n in 0..5 {
            let address = format!("2001:db8::{n}").parse().expect("an address");
            assert_eq!(throttle.take(address, &format!("name{n}"), at(0)), Ok(()));
        }
        assert!(throttle.take("2001:db8::ffff".parse().expect("an address"), "x", at(0)).is_err());
        assert!(throttle.take("2001:db8:0:1::1".parse().expect("an address"), "x", at(0)).is_ok());
    }

    proptest! {
        /// However tries come, an address never gets more than its burst and its refills, and what is
        /// remembered is bounded.
        #[test]
        fn no_pattern_of_tries_gets_more(steps in prop::collection::vec((0_u32..3, 0_i64..20), 1..200)) {
            let mut throttle = Throttle::default();
            let (mut now, mut allowed) = (0, [0_i64; 3]);
            for (index, (who, seconds)) in steps.into_iter().enumerate() {
                now += seconds;
                if throttle.take(address(who), &index.to_string(), at(now)).is_ok() {
                    allowed[who as usize] += 1;
                }
                for count in allowed {
                    prop_assert!(count <= 5 + now / 12);
                }
            }
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut throttle = Throttle::default();
        for n in 0..(MAX_REMEMBERED as u32 + 100) {
            let _ = throttle.take(address(n), &n.to_string(), at(0));
        }
        assert!(throttle.addresses.full_at.len() <= MAX_REMEMBERED);
        assert!(throttle.accounts.full_at.len() <= MAX_REMEMBERED);
    }
}
