//! The rate at which sound really comes. Sans-IO.
//!
//! An HDMI bridge is the clock of its sound link: whatever rate the board sets, sound comes at the rate of the
//! source on the cable, and that may change while it plays. Counted against the clock, it can't be mistaken: the
//! usual rates are far apart, and a crystal's error is small.

use crate::time::MonoTime;

/// Sound is counted over so long, ns. Two counts in a row must agree.
const WINDOW_NANOS: i64 = 1_000_000_000;
/// A device is at its rate when it is off by less than this, in thousandths; a crystal is off by less than one.
const AT_RATE: u64 = 40;
/// What was counted is a usual rate when it is off by less than this, in thousandths.
const USUAL: u64 = 20;
/// Hz.
const USUAL_RATES_HZ: [u32; 11] =
    [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000];

#[derive(Debug)]
pub(super) struct TrueRate {
    rate_hz: u32,
    /// When the count began, and how many frames came since.
    count: Option<(MonoTime, u64)>,
    /// What the count before this one said, where it wasn't the rate that holds.
    said: Option<u32>,
}

fn is_near(counted: u64, rate_hz: u32, thousandths: u64) -> bool {
    counted.abs_diff(u64::from(rate_hz)) * 1_000 < u64::from(rate_hz) * thousandths
}

impl TrueRate {
    /// `rate_hz` is what the device was set to.
    pub fn new(rate_hz: u32) -> Self {
        Self { rate_hz, count: None, said: None }
    }

    /// The rate that holds.
    pub fn hz(&self) -> u32 {
        self.rate_hz
    }

    /// Sound was lost: what was counted says nothing.
    pub fn lost(&mut self) {
        self.count = None;
    }

    /// `frames` came, the first of which was sampled at `sampled`. True when another rate holds from here on.
    pub fn came(&mut self, sampled: MonoTime, frames: u64) -> bool {
        let (began, counted) = *self.count.get_or_insert((sampled, 0));
        let span = sampled.nanos_since(began);
        if span < WINDOW_NANOS {
            self.count = Some((began, counted + frames));
            return false;
        }
        self.count = Some((sampled, frames));
        let per_second = u128::from(counted) * 1_000_000_000 / u128::from(span.unsigned_abs());
        let per_second = u64::try_from(per_second).unwrap_or(u64::MAX);
        if is_near(per_second, self.rate_hz, AT_RATE) {
            self.said = None;
            return false;
        }
        let usual = USUAL_RATES_HZ.into_iter().find(|rate| is_near(per_second, *rate, USUAL));
        let sure = usual.is_some() && self.said == usual;
        self.said = usual;
        if let Some(rate) = usual.filter(|_| sure) {
            (self.rate_hz, self.said) = (rate, None);
        }
        sure
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Plays for so many ms in blocks of 10 ms at `true_hz`, each up to `jitter` µs off; the times at which
    /// the rate changed, in ms.
    fn play(rate: &mut TrueRate, from_ms: i64, ms: i64, true_hz: u64, jitter: impl Fn(i64) -> i64) -> Vec<i64> {
        let mut changes = Vec::new();
        for block in 0..ms / 10 {
            let at = from_ms + block * 10;
            if rate.came(MonoTime::from_micros(at * 1_000 + jitter(block)), true_hz / 100) {
                changes.push(at - from_ms);
            }
        }
        changes
    }

    #[test]
    fn another_rate_is_noticed_within_three_seconds_and_once() {
        let mut rate = TrueRate::new(48_000);
        assert!(play(&mut rate, 0, 60_000, 48_000, |_| 0).is_empty());
        let changes = play(&mut rate, 60_000, 60_000, 44_100, |_| 0);
        assert_eq!((rate.hz(), changes.len()), (44_100, 1));
        assert!(changes[0] <= 3_000, "{changes:?}");
        let changes = play(&mut rate, 120_000, 60_000, 32_000, |_| 0);
        assert_eq!((rate.hz(), changes.len()), (32_000, 1));
        play(&mut rate, 180_000, 10_000, 48_000, |_| 0);
        assert_eq!(rate.hz(), 48_000);
    }

    #[test]
    fn a_hold_up_a_loss_or_a_rate_that_is_none_changes_nothing() {
        let mut rate = TrueRate::new(48_000);
        // One second in which only half of it came.
        play(&mut rate, 0, 5_000, 48_000, |_| 0);
        play(&mut rate, 5_000, 1_000, 24_000, |_| 0);
        play(&mut rate, 6_000, 5_000, 48_000, |_| 0);
        assert_eq!(rate.hz(), 48_000);
        assert!(play(&mut rate, 11_000, 20_000, 37_000, |_| 0).is_empty());
        // An overrun every half a second.
        for second in 0..20 {
            play(&mut rate, 40_000 + second * 500, 500, 44_100, |_| 0);
            rate.lost();
        }
        assert_eq!(rate.hz(), 48_000);
    }

    proptest! {
        /// Real crystals and jittery time stamps are no other rate.
        #[test]
        fn a_sound_card_is_what_it_says(ppm in -2_000_i64..2_000, jitter in 0_i64..15_000) {
            for set in USUAL_RATES_HZ {
                let mut rate = TrueRate::new(set);
                let true_hz = (i64::from(set) * (1_000_000 + ppm) / 1_000_000).unsigned_abs();
                let wobble = |block: i64| (block * 7_919).rem_euclid(2 * jitter + 1) - jitter;
                prop_assert!(play(&mut rate, 0, 20_000, true_hz, wobble).is_empty());
            }
        }
    }
}
