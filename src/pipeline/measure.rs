//! Rates and durations, measured as they happen; handed the time.

use crate::time::MonoTime;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often something happens, over about a second.
#[derive(Debug, Default)]
pub struct Rate {
    /// When the second began, and what came since.
    since: Option<MonoTime>,
    count: u32,
    last: MonoTime,
    per_second: f64,
}

/// Over what span a rate is taken.
const SPAN: Duration = Duration::from_secs(1);
/// What has been silent for so long has no rate.
const SILENT: Duration = Duration::from_secs(2);

impl Rate {
    pub fn note(&mut self, now: MonoTime) {
        let silent = self.last.until(now) > SILENT;
        self.last = now;
        match self.since {
            Some(since) if !silent => {
                self.count += 1;
                let span = since.until(now);
                if span >= SPAN {
                    self.per_second = f64::from(self.count) / span.as_secs_f64();
                    (self.since, self.count) = (Some(now), 0);
                }
            }
            _ => (self.since, self.count, self.per_second) = (Some(now), 0, 0.0),
        }
    }

    pub fn at(&self, now: MonoTime) -> f64 {
        if self.since.is_none() || self.last.until(now) > SILENT { 0.0 } else { self.per_second }
    }
}

/// Upper ends of the steps of `Durations`, s: around the frame periods of 120, 60, 30 and 25 fps.
pub const STEPS_S: [f64; 11] = [0.001, 0.002, 0.004, 0.006, 0.008, 0.012, 0.016, 0.025, 0.033, 0.050, 0.100];

/// A histogram of durations.
#[derive(Debug, Default)]
pub struct Durations {
    /// The last counts what is longer than all steps.
    counts: [AtomicU64; STEPS_S.len() + 1],
    sum_us: AtomicU64,
}

/// `Durations` at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    pub count: u64,
    pub sum_s: f64,
    /// For each of [`STEPS_S`], and for what is longer: how many fell there.
    pub counts: [u64; STEPS_S.len() + 1],
}

impl Durations {
    pub fn add(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let step = STEPS_S.iter().position(|end| seconds <= *end).unwrap_or(STEPS_S.len());
        if let Some(count) = self.counts.get(step) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub fn read(&self) -> Histogram {
        let counts = self.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        let sum_s = self.sum_us.load(Ordering::Relaxed) as f64 / 1e6;
        Histogram { count: counts.iter().sum(), sum_s, counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_follows_and_falls_to_nothing() {
        let mut rate = Rate::default();
        assert_eq!(rate.at(MonoTime::from_millis(1)), 0.0);
        for frame in 0..=90 {
            rate.note(MonoTime::from_millis(10_000 + frame * 1_000 / 30));
        }
        let is = rate.at(MonoTime::from_millis(13_000));
        assert!((is - 30.0).abs() < 1.1, "{is}");
        assert_eq!(rate.at(MonoTime::from_millis(15_001)), 0.0, "silent");
        rate.note(MonoTime::from_millis(60_000));
        assert_eq!(rate.at(MonoTime::from_millis(60_000)), 0.0, "the pause is no rate");
    }

    #[test]
    fn durations_fall_into_their_steps() {
        let durations = Durations::default();
        for millis in [1, 2, 3, 100, 101] {
            durations.add(Duration::from_millis(millis));
        }
        let read = durations.read();
        assert_eq!((read.count, read.counts[0], read.counts[1], read.counts[2]), (5, 1, 1, 1));
        assert_eq!((read.counts[10], read.counts[11]), (1, 1));
        assert!((read.sum_s - 0.207).abs() < 1e-9);
    }
}
