//! By which way a peer is reached, and whether it is still there: it says so by its connectivity checks. Sans-IO.
//!
//! `rtc` stays with the first pair of addresses that was nominated. A peer with two interfaces, as a laptop on cable
//! and Wi-Fi, nominates another one a moment later and lets go of the first (RFC 8445 §7.3.2 has the lite side follow).

use super::stun;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    Udp,
    Tcp,
}

/// Somebody's address, as it is seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Remote {
    pub address: SocketAddr,
    pub over: Transport,
}

/// From one of the box's addresses to one of a peer's, and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Way {
    pub remote: Remote,
    pub local: SocketAddr,
}

impl Way {
    pub fn udp(peer: SocketAddr, local: SocketAddr) -> Self {
        Self { remote: Remote { address: peer, over: Transport::Udp }, local }
    }
}

/// A peer that isn't heard for so long is gone. Some check every 5 s only.
const SILENT: Duration = Duration::from_secs(25);

/// Something that came.
pub struct Datagram {
    pub way: Way,
    pub contents: Vec<u8>,
}

/// Checks that wait for their answers: those that come together.
const MAX_CHECKS: usize = 16;

/// A check that came, until it is answered: only the answer says that it was the peer's.
#[derive(Debug, Clone, Copy)]
struct Check {
    way: Way,
    nominates: bool,
    at: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Path {
    /// The newest last.
    checks: VecDeque<Check>,
    nominated: Option<Way>,
    heard: Option<Instant>,
}

impl Path {
    /// A datagram came.
    pub fn read(&mut self, way: Way, datagram: &[u8], now: Instant) {
        if stun::local_ufrag(datagram).is_some() {
            if self.checks.len() == MAX_CHECKS {
                self.checks.pop_front();
            }
            self.checks.push_back(Check { way, nominates: stun::nominates(datagram), at: now });
        }
    }

    /// A datagram is to go by `way`: which way it does go.
    pub fn write(&mut self, way: Way, datagram: &[u8]) -> Way {
        if !stun::is_stun(datagram) {
            return self.nominated.unwrap_or(way);
        }
        if stun::is_success(datagram)
            && let Some(newest) = self.checks.iter().rev().find(|check| check.way == way)
        {
            // Some checks are never answered: those before it are done with, too.
            self.heard = Some(newest.at);
            if self.checks.iter().any(|check| check.way == way && check.nominates) {
                self.nominated = Some(way);
            }
            self.checks.retain(|check| check.way != way);
        }
        way
    }

    /// Media came from a peer that is there.
    pub fn hears(&mut self, now: Instant) {
        self.heard = self.heard.map(|_| now);
    }

    /// When the peer is gone unless it is heard before.
    pub fn deadline(&self) -> Option<Instant> {
        Some(self.heard? + SILENT)
    }

    /// Whether it is gone; said once.
    pub fn takes_loss(&mut self, now: Instant) -> bool {
        let gone = self.deadline().is_some_and(|deadline| deadline <= now);
        if gone {
            self.heard = None;
        }
        gone
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "some moment to count from")]
mod tests {
    use super::*;

    const RTP: [u8; 12] = [0x80; 12];

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    /// A check, as far as it matters here, and the answer to it.
    fn check(nominates: bool) -> Vec<u8> {
        let mut attributes = b"\x00\x06\x00\x03a:b\x00".to_vec();
        if nominates {
            attributes.extend([0, 0x25, 0, 0]);
        }
        let mut datagram = vec![0, 1, 0, attributes.len() as u8, 0x21, 0x12, 0xA4, 0x42];
        datagram.extend([7; 12]);
        datagram.extend(attributes);
        datagram
    }

    fn answer() -> Vec<u8> {
        let mut datagram = vec![1, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
        datagram.extend([7; 12]);
        datagram
    }

    #[test]
    fn media_follows_the_last_nomination_that_was_answered() {
        let (mut path, now) = (Path::default(), Instant::now());
        let two = Way::udp(address(2), address(1));
        let three = Way { remote: Remote { address: address(2), over: Transport::Tcp }, local: address(9) };
        assert_eq!(path.write(two, &RTP), two, "as rtc has it");
        path.read(two, &check(true), now);
        path.write(two, &answer());
        path.read(three, &check(false), now);
        path.write(three, &answer());
        assert_eq!(path.write(two, &RTP), two, "a check alone changes nothing");
        path.read(three, &check(true), now);
        assert_eq!(path.write(two, &RTP), two, "nor does what anybody may send");
        path.write(three, &answer());
        assert_eq!(path.write(two, &RTP), three);
        path.read(two, &check(true), now);
        path.read(three, &check(false), now);
        path.write(two, &answer());
        assert_eq!(path.write(three, &RTP), two, "a check that comes beside hides none");
        path.write(three, &answer());
        assert_eq!(path.write(two, &answer()), two, "answers go where they were asked for");
    }

    #[test]
    fn who_is_not_heard_is_gone_once() {
        let (mut path, began, two) = (Path::default(), Instant::now(), Way::udp(address(2), address(1)));
        assert!(!path.takes_loss(began + 2 * SILENT), "who never was there isn't gone");
        path.read(two, &check(false), began);
        assert_eq!(path.deadline(), None, "anybody may send that");
        path.write(two, &answer());
        let before = began + SILENT - Duration::from_millis(1);
        assert!(!path.takes_loss(before));
        path.hears(before);
        assert!(!path.takes_loss(began + SILENT), "who sends is there");
        let began = before;
        // Checks that were never answered hold up nothing.
        for second in 1..10 {
            path.read(two, &check(false), began + Duration::from_secs(second));
        }
        path.write(two, &answer());
        let began = began + Duration::from_secs(9);
        assert!(!path.takes_loss(began + SILENT - Duration::from_millis(1)));
        assert!(path.takes_loss(began + SILENT));
        assert!(!path.takes_loss(began + SILENT));
    }
}
