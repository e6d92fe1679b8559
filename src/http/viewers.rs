//! How many watch each stream. HLS has no sessions: who asked for it in the last seconds is watching, and
//! people are told apart by their address and their program. Handed requests and the time.

use crate::time::MonoTime;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Who asks for nothing for so long has gone. Plain HLS players ask once a segment.
const GONE_AFTER: Duration = Duration::from_secs(10);
/// Of one stream. More than the house has connections for; beyond it nobody is counted.
const MAX_VIEWERS: usize = 4096;

/// Who watches what, and when they last asked. Streams come and go with the configuration: one that nobody
/// watches any more holds nothing.
#[derive(Debug, Default)]
pub struct Viewers {
    seen: Mutex<HashMap<String, HashMap<u64, MonoTime>>>,
}

impl Viewers {
    /// Somebody asked for a stream that there is. `agent` is the program, in its own words.
    pub fn note(&self, stream: &str, address: IpAddr, agent: &[u8], now: MonoTime) {
        let mut hasher = DefaultHasher::new();
        (address, agent).hash(&mut hasher);
        let viewer = hasher.finish();
        let mut seen = self.lock();
        let Some(here) = seen.get_mut(stream) else {
            seen.insert(stream.to_owned(), HashMap::from([(viewer, now)]));
            return;
        };
        if let Some(last) = here.get_mut(&viewer) {
            *last = now;
            return;
        }
        if here.len() >= MAX_VIEWERS {
            here.retain(|_, last| last.until(now) <= GONE_AFTER);
        }
        if here.len() < MAX_VIEWERS {
            here.insert(viewer, now);
        }
    }

    /// How many watch it now.
    pub fn count(&self, stream: &str, now: MonoTime) -> usize {
        let mut seen = self.lock();
        let Some(here) = seen.get_mut(stream) else { return 0 };
        here.retain(|_, last| last.until(now) <= GONE_AFTER);
        let count = here.len();
        if count == 0 {
            seen.remove(stream);
        }
        count
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, HashMap<u64, MonoTime>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000;

    fn at(ms: i64) -> MonoTime {
        MonoTime::from_millis(ms)
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 168, 1, last])
    }

    #[test]
    fn viewers_are_told_apart_and_go_when_they_ask_no_more() {
        let viewers = Viewers::default();
        assert_eq!(viewers.count("camera", at(0)), 0);
        for ms in [0, 200, 400] {
            viewers.note("camera", address(1), b"phone", at(ms));
        }
        viewers.note("camera", address(2), b"phone", at(0));
        viewers.note("camera", address(2), b"television", at(400));
        viewers.note("stage", address(1), b"phone", at(0));
        assert_eq!((viewers.count("camera", at(400)), viewers.count("stage", at(400))), (3, 1));
        assert_eq!(viewers.count("camera", at(10 * SECOND + 1)), 2);
        assert_eq!(viewers.count("camera", at(60 * SECOND)), 0);
        assert!(!viewers.lock().contains_key("camera"), "nothing is kept of what nobody watches");
    }

    #[test]
    fn however_many_ask_only_so_many_are_remembered() {
        let viewers = Viewers::default();
        for number in 0..MAX_VIEWERS + 10 {
            viewers.note("camera", address(1), number.to_string().as_bytes(), at(0));
        }
        assert_eq!(viewers.count("camera", at(0)), MAX_VIEWERS);
        viewers.note("camera", address(1), b"new", at(11 * SECOND));
        assert_eq!(viewers.count("camera", at(11 * SECOND)), 1, "those who went made room");
    }
}
