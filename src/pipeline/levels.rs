//! How loud sound is: peak and RMS of each channel, as meters show them. Handed samples and the time.

use crate::time::MonoTime;
use serde::Serialize;
use std::collections::VecDeque;
use std::time::Duration;

/// Sound is summed up in steps of this length.
const STEP: Duration = Duration::from_millis(100);
/// Peaks are held this long, so that whoever looks once a second misses none.
const PEAK_OVER: Duration = Duration::from_secs(1);
/// RMS is taken over this: what a VU meter integrates.
const RMS_OVER: Duration = Duration::from_millis(300);
/// What silence is said to be: below it 16 bits can't tell anything.
const FLOOR_DBFS: f64 = -96.0;
/// More channels than meters are drawn for aren't measured.
const MAX_CHANNELS: usize = 8;

/// One channel, dB below (so negative) what 16 bits can hold; a full-scale sine has a peak of 0 and an RMS
/// of -3.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Level {
    pub peak_dbfs: f64,
    pub rms_dbfs: f64,
}

#[derive(Debug)]
struct Step {
    from: MonoTime,
    /// Samples a channel.
    frames: u64,
    /// Peak and sum of squares of each channel.
    channels: Vec<(u16, u64)>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Meter {
    steps: VecDeque<Step>,
}

impl Meter {
    /// Interleaved samples that came at `now`.
    pub fn push(&mut self, samples: &[i16], channels: u16, now: MonoTime) {
        let count = usize::from(channels);
        if count == 0 || count > MAX_CHANNELS {
            return self.steps.clear();
        }
        if self.steps.back().is_some_and(|step| step.channels.len() != count) {
            self.steps.clear();
        }
        while self.steps.front().is_some_and(|step| step.from.until(now) > PEAK_OVER) {
            self.steps.pop_front();
        }
        if self.steps.back().is_none_or(|step| step.from.until(now) >= STEP) {
            self.steps.push_back(Step { from: now, frames: 0, channels: vec![(0, 0); count] });
        }
        let Some(step) = self.steps.back_mut() else { return };
        for frame in samples.chunks_exact(count) {
            step.frames += 1;
            for ((peak, squares), sample) in step.channels.iter_mut().zip(frame) {
                let size = sample.unsigned_abs();
                *peak = (*peak).max(size);
                *squares += u64::from(size) * u64::from(size);
            }
        }
    }

    /// Each channel's level at `now`; `None` when no sound was measured for a second.
    pub fn read(&self, now: MonoTime) -> Option<Vec<Level>> {
        let within = |span| self.steps.iter().filter(move |step| step.from.until(now) <= span);
        let channels = within(PEAK_OVER).next()?.channels.len();
        let level = |channel: usize| {
            let of = |step: &Step| step.channels.get(channel).copied().unwrap_or_default();
            let peak = within(PEAK_OVER).map(|step| of(step).0).max().unwrap_or(0);
            let (mut squares, mut frames) = (0_u64, 0_u64);
            for step in within(RMS_OVER) {
                squares = squares.saturating_add(of(step).1);
                frames += step.frames;
            }
            let mean = if frames == 0 { 0.0 } else { squares as f64 / frames as f64 };
            Level { peak_dbfs: dbfs(f64::from(peak)), rms_dbfs: dbfs(mean.sqrt()) }
        };
        Some((0..channels).map(level).collect())
    }
}

/// To a tenth of a decibel.
fn dbfs(size: f64) -> f64 {
    let level = 20.0 * (size / 32_768.0).log10();
    ((level * 10.0).round() / 10.0).max(FLOOR_DBFS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 10 ms at 48 kHz: a sine of 1 kHz on the left, half of it on the right.
    fn block(amplitude: f64) -> Vec<i16> {
        let sine = |at: usize| (at as f64 * std::f64::consts::TAU / 48.0).sin() * amplitude;
        (0..480).flat_map(|at| [sine(at) as i16, (sine(at) / 2.0) as i16]).collect()
    }

    #[test]
    fn a_full_sine_and_half_of_it() {
        let mut meter = Meter::default();
        for at in 0..100 {
            meter.push(&block(32_767.0), 2, MonoTime::from_millis(at * 10));
        }
        let levels = meter.read(MonoTime::from_millis(1_000)).expect("sound");
        let [left, right] = levels[..] else { panic!("{levels:?}") };
        assert!((left.peak_dbfs - 0.0).abs() < 0.11 && (left.rms_dbfs + 3.0).abs() < 0.11, "{left:?}");
        assert!((right.peak_dbfs + 6.0).abs() < 0.11 && (right.rms_dbfs + 9.0).abs() < 0.11, "{right:?}");
    }

    #[test]
    fn a_peak_is_held_while_the_rms_falls_and_then_both_are_gone() {
        let mut meter = Meter::default();
        meter.push(&block(32_767.0), 2, MonoTime::ZERO);
        for at in 1..=60 {
            meter.push(&[0; 960], 2, MonoTime::from_millis(at * 10));
        }
        let left = meter.read(MonoTime::from_millis(600)).expect("sound")[0];
        assert!(left.peak_dbfs > -0.2 && left.rms_dbfs == FLOOR_DBFS, "{left:?}");
        assert_eq!(meter.read(MonoTime::from_millis(1_700)), None);
    }

    #[test]
    fn what_no_meter_is_drawn_for_is_not_measured() {
        let mut meter = Meter::default();
        meter.push(&[1; 64], 0, MonoTime::ZERO);
        meter.push(&[1; 64], 64, MonoTime::ZERO);
        assert_eq!(meter.read(MonoTime::ZERO), None);
    }

    proptest! {
        #[test]
        fn levels_stay_within_the_scale_and_memory_within_its_bound(
            samples in prop::collection::vec(any::<i16>(), 0..64),
            channels in 0_u16..12,
            steps in prop::collection::vec(0_i64..300, 0..60),
        ) {
            let (mut meter, mut now) = (Meter::default(), 0);
            for step in steps {
                now += step;
                meter.push(&samples, channels, MonoTime::from_millis(now));
                prop_assert!(meter.steps.len() <= 12);
                for level in meter.read(MonoTime::from_millis(now)).into_iter().flatten() {
                    prop_assert!((FLOOR_DBFS..=0.0).contains(&level.peak_dbfs), "{level:?}");
                    prop_assert!((FLOOR_DBFS..=0.0).contains(&level.rms_dbfs), "{level:?}");
                }
            }
        }
    }
}
