//! How much a board that is held back leaves undone, and when it takes it up again. Sans-IO.
//!
//! Load goes in order: first what nobody misses in the stream, then what costs quality, then what is seen. It comes
//! back in the reverse order, slowly; the slower, the sooner the board was held back again the last time.

use crate::time::MonoTime;
use serde::Serialize;
use std::time::Duration;

/// A board that is held back for a moment needs nothing.
const FIRST_AFTER: Duration = Duration::from_secs(5);
/// What was done must have had time to help.
const NEXT_AFTER: Duration = Duration::from_secs(20);
/// So long it must be well for each step back.
const BACK_AFTER: Duration = Duration::from_secs(60);
/// Held back again so soon after a step back, that was too early.
const TOO_EARLY: Duration = Duration::from_secs(120);
/// The longest wait for a step back.
const BACK_AT_MOST: Duration = Duration::from_secs(960);

/// What is left undone; each with those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    #[default]
    Full,
    /// No snapshots are made.
    WithoutSnapshots,
    /// Pictures are encoded at a lower bitrate.
    LowBitrate,
    /// Every second picture is left out.
    HalfFrameRate,
}

impl Load {
    const STEPS: [Self; 4] = [Self::Full, Self::WithoutSnapshots, Self::LowBitrate, Self::HalfFrameRate];

    pub fn step(self) -> u8 {
        self as u8
    }

    /// As events and the API have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::WithoutSnapshots => "without_snapshots",
            Self::LowBitrate => "low_bitrate",
            Self::HalfFrameRate => "half_frame_rate",
        }
    }

    fn by(self, steps: i8) -> Self {
        let at = usize::from(self.step()).saturating_add_signed(steps.into());
        Self::STEPS.get(at).copied().unwrap_or(self)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Shed {
    load: Load,
    /// Whether the board is held back, and since when it is or isn't.
    held: bool,
    since: MonoTime,
    /// When the load last changed.
    changed: MonoTime,
    last_step_was_back: bool,
    back_after: Duration,
}

impl Shed {
    pub fn new(now: MonoTime) -> Self {
        Self {
            load: Load::Full,
            held: false,
            since: now,
            changed: now,
            last_step_was_back: false,
            back_after: BACK_AFTER,
        }
    }

    /// What the board is to do from `now` on, if that changes.
    pub fn look(&mut self, held: bool, now: MonoTime) -> Option<Load> {
        if held != self.held {
            self.held = held;
            self.since = now;
            if held && self.last_step_was_back && self.changed.until(now) < TOO_EARLY {
                self.back_after = (self.back_after * 2).min(BACK_AT_MOST);
            }
        }
        // It has been well at full load for long: the last step back was not too early.
        if !held && self.load == Load::Full && self.changed.until(now) >= TOO_EARLY {
            self.back_after = BACK_AFTER;
        }
        let lasted = self.since.until(now).min(self.changed.until(now));
        let wait = match (held, self.load) {
            (true, Load::Full) => FIRST_AFTER,
            (true, _) => NEXT_AFTER,
            (false, _) => self.back_after,
        };
        if lasted < wait {
            return None;
        }
        let load = self.load.by(if held { 1 } else { -1 });
        if load == self.load {
            return None;
        }
        (self.load, self.changed, self.last_step_was_back) = (load, now, !held);
        Some(load)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A second at a time; what changed, and when.
    fn run(shed: &mut Shed, from_s: i64, held: impl Fn(i64) -> bool, seconds: i64) -> Vec<(i64, Load)> {
        let look = |s: i64| Some((s, shed.look(held(s), MonoTime::from_millis(s * 1_000))?));
        (from_s..from_s + seconds).filter_map(look).collect()
    }

    #[test]
    fn load_goes_in_order_and_comes_back_in_reverse() {
        use Load::{Full, HalfFrameRate, LowBitrate, WithoutSnapshots};
        let mut shed = Shed::new(MonoTime::ZERO);
        let hot = run(&mut shed, 10, |_| true, 300);
        assert_eq!(hot, [(15, WithoutSnapshots), (35, LowBitrate), (55, HalfFrameRate)]);
        let cool = run(&mut shed, 310, |_| false, 600);
        assert_eq!(cool, [(370, LowBitrate), (430, WithoutSnapshots), (490, Full)]);
    }

    #[test]
    fn a_moment_is_nothing() {
        let mut shed = Shed::new(MonoTime::ZERO);
        assert_eq!(run(&mut shed, 0, |s| s % 10 < 4, 1_000), []);
    }

    #[test]
    fn what_comes_back_too_early_waits_longer_the_next_time() {
        let mut shed = Shed::new(MonoTime::ZERO);
        let mut waits = Vec::new();
        let mut now = 0;
        for _ in 0..6 {
            let down = run(&mut shed, now, |_| true, 6);
            assert_eq!(down.len(), 1, "{down:?}");
            let cool = now + 6;
            now = cool;
            while run(&mut shed, now, |_| false, 1).is_empty() {
                now += 1;
            }
            waits.push(now - cool);
            // Held back again a little later.
            assert_eq!(run(&mut shed, now + 1, |_| false, 29), []);
            now += 30;
        }
        assert_eq!(waits, [60, 120, 240, 480, 960, 960]);
        assert_eq!(run(&mut shed, now, |_| false, 200), []);
        assert_eq!(run(&mut shed, now + 200, |_| true, 6).len(), 1);
        assert_eq!(run(&mut shed, now + 206, |_| false, 61).len(), 1, "it was well for long");
    }

    proptest! {
        /// One step at a time, never up without being held back, never two at once.
        #[test]
        fn steps_are_single_and_have_their_reason(spans in proptest::collection::vec((any::<bool>(), 1_i64..200), 1..30)) {
            let mut shed = Shed::new(MonoTime::ZERO);
            let (mut now, mut load, mut last) = (0, Load::Full, i64::MIN / 2);
            for (held, seconds) in spans {
                for (at, next) in run(&mut shed, now, |_| held, seconds) {
                    prop_assert_eq!(next.step().abs_diff(load.step()), 1);
                    prop_assert_eq!(next > load, held);
                    prop_assert!(at - last >= 5, "{} after {}", at, last);
                    (load, last) = (next, at);
                }
                now += seconds;
            }
        }
    }
}
