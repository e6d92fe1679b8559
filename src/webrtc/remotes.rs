//! Whose the addresses are that datagrams come from. Bounded: whoever shows more and more of them keeps the newest
//! only, and is found again by the next check. Pure.

use super::path::Remote;
use std::collections::HashMap;

/// Of one owner: a laptop with some interfaces, by UDP and by TCP, has a dozen.
const MAX_OF_ONE: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct Remotes<K> {
    owners: HashMap<Remote, K>,
}

impl<K> Default for Remotes<K> {
    fn default() -> Self {
        Self { owners: HashMap::new() }
    }
}

impl<K: PartialEq> Remotes<K> {
    pub fn get(&self, remote: &Remote) -> Option<&K> {
        self.owners.get(remote)
    }

    /// An owner has shown that it is there.
    pub fn insert(&mut self, remote: Remote, owner: K) {
        if self.owners.get(&remote) == Some(&owner) {
            return;
        }
        if self.owners.values().filter(|other| **other == owner).count() >= MAX_OF_ONE {
            self.owners.retain(|_, other| *other != owner);
        }
        self.owners.insert(remote, owner);
    }

    /// Keeps those whose owners are to be kept.
    pub fn keep(&mut self, owners: impl Fn(&K) -> bool) {
        self.owners.retain(|_, owner| owners(owner));
    }
}

#[cfg(test)]
mod tests {
    use super::super::path::Transport;
    use super::*;

    #[test]
    fn who_shows_more_and_more_addresses_keeps_the_newest_and_takes_nobody_elses_room() {
        let remote = |port: u16| Remote { address: ([192, 0, 2, 1], port).into(), over: Transport::Udp };
        let mut remotes = Remotes::default();
        remotes.insert(remote(1), "ada");
        for port in 1_000..3_000 {
            remotes.insert(remote(port), "mallory");
            assert_eq!(remotes.get(&remote(port)), Some(&"mallory"));
        }
        assert!(remotes.owners.len() <= 1 + MAX_OF_ONE);
        assert_eq!(remotes.get(&remote(1)), Some(&"ada"));
        remotes.keep(|owner| *owner == "ada");
        assert_eq!(remotes.owners.len(), 1);
    }
}
