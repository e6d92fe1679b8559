//! How long to wait before the next try. Sans-IO.

use crate::time::MonoTime;
use std::time::Duration;

/// A device that comes back (a cable) is seen again at once.
const FIRST: Duration = Duration::from_millis(250);
/// Long enough to cost nothing, short enough that a person who replugs a camera doesn't think it broken.
const LONGEST: Duration = Duration::from_secs(8);
/// Who ran this long has recovered: its next failure is a new one.
const HEALTHY: Duration = Duration::from_secs(10);

/// 250 ms, doubled by each failure up to 8 s; back to the start after 10 s of health.
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
    running_since: Option<MonoTime>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

impl Backoff {
    pub const fn new() -> Self {
        Self { next: FIRST, running_since: None }
    }

    /// It works from now on (a device delivers, a connection stands). Saying it again while it runs
    /// changes nothing.
    pub fn running(&mut self, now: MonoTime) {
        self.running_since.get_or_insert(now);
    }

    /// It failed: how long to wait before trying again.
    pub fn failed(&mut self, now: MonoTime) -> Duration {
        if self.running_since.take().is_some_and(|since| since.until(now) >= HEALTHY) {
            self.next = FIRST;
        }
        let delay = self.next;
        self.next = (delay * 2).min(LONGEST);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> MonoTime {
        MonoTime::from_millis(ms)
    }

    #[test]
    fn doubles_up_to_eight_seconds() {
        let mut backoff = Backoff::new();
        let delays: Vec<_> = (0..8).map(|_| backoff.failed(at(0)).as_millis()).collect();
        assert_eq!(delays, [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
    }

    #[test]
    fn ten_seconds_of_health_reset_it_and_less_does_not() {
        let mut backoff = Backoff::new();
        backoff.failed(at(0));
        backoff.running(at(1_000));
        assert_eq!(backoff.failed(at(10_999)).as_millis(), 500);
        backoff.running(at(20_000));
        backoff.running(at(29_000)); // still the same run
        assert_eq!(backoff.failed(at(30_000)).as_millis(), 250);
    }

    #[test]
    fn a_failure_ends_the_run_that_counted() {
        let mut backoff = Backoff::new();
        backoff.running(at(0));
        backoff.failed(at(20_000));
        assert_eq!(backoff.failed(at(40_000)).as_millis(), 500);
    }
}
