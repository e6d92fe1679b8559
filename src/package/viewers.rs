//! Who watches: players that have asked for something of late. Sans-IO.

use crate::time::MonoTime;
use std::collections::HashMap;
use std::time::Duration;

/// As many as may be connected; more are served all the same, and not counted.
const MAX_VIEWERS: usize = 8_192;

/// Each by a number that is its own, and when it was last seen.
#[derive(Debug, Default)]
pub(super) struct Viewers {
    seen: HashMap<u64, MonoTime>,
}

impl Viewers {
    pub fn saw(&mut self, viewer: u64, now: MonoTime) {
        if self.seen.len() < MAX_VIEWERS || self.seen.contains_key(&viewer) {
            self.seen.insert(viewer, now);
        }
    }

    /// How many there are; who wasn't seen for so long has gone.
    pub fn count(&mut self, now: MonoTime, gone_after: Duration) -> usize {
        self.seen.retain(|_, seen| seen.until(now) < gone_after);
        self.seen.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GONE_AFTER: Duration = Duration::from_secs(10);

    fn at(second: i64) -> MonoTime {
        MonoTime::from_nanos(second * 1_000_000_000)
    }

    #[test]
    fn who_asks_on_is_one_viewer_and_who_does_not_has_gone() {
        let mut viewers = Viewers::default();
        for second in 0..5 {
            viewers.saw(1, at(second));
        }
        viewers.saw(2, at(1));
        assert_eq!(viewers.count(at(5), GONE_AFTER), 2);
        assert_eq!(viewers.count(at(11), GONE_AFTER), 1);
        assert_eq!(viewers.count(at(14), GONE_AFTER), 0);
        viewers.saw(2, at(15));
        assert_eq!(viewers.count(at(15), GONE_AFTER), 1, "it is back");
    }

    #[test]
    fn their_number_is_bounded() {
        let mut viewers = Viewers::default();
        (0..2 * MAX_VIEWERS as u64).for_each(|viewer| viewers.saw(viewer, at(0)));
        assert_eq!(viewers.count(at(0), GONE_AFTER), MAX_VIEWERS);
        viewers.saw(0, at(9));
        assert_eq!(viewers.count(at(10), GONE_AFTER), 1, "who is known goes on being seen");
    }
}
