//! What a push does next, and when it tries again. Sans-IO.

use super::status::{Phase, Status};
use crate::time::MonoTime;
use std::time::Duration;

/// From the request until packets flow: with TURN servers that don't answer, addresses alone take some seconds.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);
/// A server that restarts is back soon; one that is gone isn't asked more often than each minute.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// Who was live this long has recovered: the next failure is a new one.
const HEALTHY: Duration = Duration::from_secs(10);
/// Who says no does so until somebody changes something.
const REFUSED: Duration = Duration::from_secs(60);
/// A server may ask for patience, but not for ever.
const LONGEST_ASKED: Duration = Duration::from_secs(600);

/// Why nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In words for the person whose stream it is.
    pub cause: String,
    /// The other server said no, or would.
    pub refused: bool,
    /// When it wants to be asked again.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// One that may be over the next time.
    pub fn passing(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), refused: false, retry_after: None }
    }

    /// One that lasts until somebody changes something.
    pub fn refused(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), refused: true, retry_after: None }
    }
}

/// One push: told what happens, it says what it is about, and until when.
#[derive(Debug)]
pub struct Plan {
    phase: Phase,
    since: MonoTime,
    /// How long the next rest is.
    rest: Duration,
    failures: u64,
    cause: Option<String>,
}

impl Plan {
    pub fn new(now: MonoTime) -> Self {
        Self { phase: Phase::Waiting, since: now, rest: FIRST, failures: 0, cause: None }
    }

    /// There is something to send: it connects. Returns until when that must have come about.
    pub fn connects(&mut self, now: MonoTime) -> MonoTime {
        self.go(Phase::Connecting, now);
        later(now, CONNECT_WITHIN)
    }

    /// Packets flow.
    pub fn connected(&mut self, now: MonoTime) {
        self.cause = None;
        self.go(Phase::Live, now);
    }

    /// The stream has come to its end, or pauses: that is nobody's failure.
    pub fn paused(&mut self, now: MonoTime) {
        self.go(Phase::Waiting, now);
    }

    /// It didn't come about, or is over. `chance`, from 0 to 1, spreads those who failed together. Returns when it is
    /// tried again: never earlier than the server wants.
    pub fn failed(&mut self, failure: Failure, now: MonoTime, chance: f64) -> MonoTime {
        let least = if failure.refused { REFUSED } else { Duration::ZERO };
        let asked = failure.retry_after.unwrap_or_default().min(LONGEST_ASKED);
        if self.phase == Phase::Live && self.since.until(now) >= HEALTHY {
            self.rest = FIRST;
        }
        let delay = self.rest.max(least).max(asked);
        self.rest = (self.rest * 2).min(LONGEST);
        self.failures += 1;
        self.cause = Some(failure.cause);
        self.go(Phase::Resting, now);
        later(now, delay.mul_f64(1.0 + chance.clamp(0.0, 1.0) / 2.0))
    }

    /// Whether what goes wrong now was already going wrong: it is told once.
    pub fn is_new(&self, failure: &Failure) -> bool {
        self.cause.as_ref() != Some(&failure.cause)
    }

    /// Puts down how it is.
    pub fn tell(&self, status: &mut Status) {
        if status.phase != self.phase {
            status.bitrate_bps = 0;
        }
        status.phase = self.phase;
        status.since = self.since;
        status.failures = self.failures;
        status.cause.clone_from(&self.cause);
    }

    fn go(&mut self, phase: Phase, now: MonoTime) {
        (self.phase, self.since) = (phase, now);
    }
}

fn later(now: MonoTime, delay: Duration) -> MonoTime {
    now.plus_nanos(i64::try_from(delay.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> MonoTime {
        MonoTime::from_millis(s * 1_000)
    }

    fn status(plan: &Plan) -> Status {
        let mut status = Status::new("https://example.org".to_owned(), true, at(0));
        plan.tell(&mut status);
        status
    }

    /// Seconds until the next try.
    fn wait(plan: &mut Plan, failure: Failure, now: MonoTime, chance: f64) -> f64 {
        plan.connects(now);
        plan.failed(failure, now, chance).nanos_since(now) as f64 / 1e9
    }

    #[test]
    fn an_evening_with_a_server_that_goes_and_comes() {
        let mut plan = Plan::new(at(0));
        assert_eq!(status(&plan).phase, Phase::Waiting);
        assert_eq!(plan.connects(at(5)), at(25), "a server that hangs is given up");
        plan.connected(at(6));
        assert_eq!((status(&plan).phase, status(&plan).since), (Phase::Live, at(6)));
        // An hour later it is gone, for five minutes.
        let mut now = at(3_606);
        let again = plan.failed(Failure::passing("gone"), now, 0.0);
        assert_eq!(again, at(3_607), "after an hour of health, at once");
        assert_eq!(status(&plan).cause.as_deref(), Some("gone"));
        let mut tries = 0;
        while now < at(3_906) {
            now = again.max(now);
            plan.connects(now);
            now = plan.failed(Failure::passing("gone"), now, 0.5);
            tries += 1;
        }
        assert!((5..=10).contains(&tries), "{tries} tries in five minutes");
        plan.connects(now);
        plan.connected(now);
        let told = status(&plan);
        assert_eq!((told.phase, told.cause, told.failures), (Phase::Live, None, tries + 1));
        // The service is over: that is no failure.
        plan.paused(at(9_000));
        assert_eq!((status(&plan).phase, status(&plan).failures), (Phase::Waiting, tries + 1));
    }

    #[test]
    fn who_is_refused_does_not_hammer() {
        let mut plan = Plan::new(at(0));
        assert!((60.0..=90.0).contains(&wait(&mut plan, Failure::refused("no"), at(0), 0.0)));
        assert!((60.0..=90.0).contains(&wait(&mut plan, Failure::refused("no"), at(100), 0.99)));
        assert!(!plan.is_new(&Failure::refused("no")) && plan.is_new(&Failure::passing("else")));
    }

    #[test]
    fn a_server_that_asks_for_patience_gets_it_within_reason() {
        let asks = |s| Failure { retry_after: Some(Duration::from_secs(s)), ..Failure::passing("busy") };
        let mut plan = Plan::new(at(0));
        for chance in [0.0, 0.3, 1.0] {
            assert!(wait(&mut plan, asks(120), at(0), chance) >= 120.0, "never earlier");
        }
        assert!(wait(&mut plan, asks(1_000_000), at(0), 1.0) <= 900.0);
    }

    #[test]
    fn those_who_failed_together_come_back_apart() {
        let mut plans = [Plan::new(at(0)), Plan::new(at(0)), Plan::new(at(0))];
        let waits: Vec<f64> = plans
            .iter_mut()
            .zip([0.0, 0.5, 1.0])
            .map(|(plan, chance)| {
                for _ in 0..5 {
                    wait(plan, Failure::passing("gone"), at(0), chance);
                }
                wait(plan, Failure::passing("gone"), at(0), chance)
            })
            .collect();
        assert_eq!(waits, [32.0, 40.0, 48.0]);
    }
}
