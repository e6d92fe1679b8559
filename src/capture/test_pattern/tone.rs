//! The tone: a quiet 440 Hz, and 1 kHz for the first tenth of each second. One second repeats
//! exactly, so it is computed once, and a sample's index is its phase.

use super::{BEEP_NANOS, RATE_HZ, SECOND_NANOS};
use std::f64::consts::TAU;

const TONE_HZ: u32 = 440;
const BEEP_HZ: u32 = 1_000;
/// −36 dBFS: one can tell that there is sound, and bear it.
const TONE_PEAK: f64 = 520.0;
/// −12 dBFS.
const BEEP_PEAK: f64 = 8_200.0;
/// The beep swells and fades for 1 ms, so it doesn't click and its start is still sharp.
const RAMP_SAMPLES: u32 = RATE_HZ / 1_000;
const BEEP_SAMPLES: u32 = (BEEP_NANOS * RATE_HZ as i64 / SECOND_NANOS) as u32;

pub(super) struct Tone {
    second: Box<[i16]>,
}

impl Tone {
    pub(super) fn new() -> Self {
        let sine = |hz: u32, index: u32| (TAU * f64::from(hz * index % RATE_HZ) / f64::from(RATE_HZ)).sin();
        let sample = |index: u32| {
            let edge = index.min(BEEP_SAMPLES.saturating_sub(index)).min(RAMP_SAMPLES);
            let swell = f64::from(edge) / f64::from(RAMP_SAMPLES);
            (TONE_PEAK * sine(TONE_HZ, index) + BEEP_PEAK * swell * sine(BEEP_HZ, index)).round() as i16
        };
        Self { second: (0..RATE_HZ).map(sample).collect() }
    }

    /// `count` samples from sample `start` on, where sample 0 is at monotonic zero.
    pub(super) fn samples(&self, start: i64, count: usize) -> impl Iterator<Item = i16> + '_ {
        let skip = usize::try_from(start.rem_euclid(i64::from(RATE_HZ))).unwrap_or_default();
        self.second.iter().copied().cycle().skip(skip).take(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beep_starts_with_the_second_and_lasts_a_tenth() {
        let tone = Tone::new();
        let loud = |sample: &i16| i32::from(*sample).abs() > 2 * TONE_PEAK as i32;
        let first = tone.second.iter().position(&loud).expect("a beep");
        let last = tone.second.iter().rposition(loud).expect("a beep");
        assert!(first < 48, "{first}");
        assert!((4_700..4_800).contains(&last), "{last}");
    }

    #[test]
    fn no_step_is_bigger_than_the_loudest_sine_makes() {
        let tone = Tone::new();
        let largest = TAU * (BEEP_PEAK * 1_000.0 + TONE_PEAK * 440.0) / 48_000.0 + 200.0;
        let all: Vec<i16> = tone.samples(0, 96_000).collect();
        for (index, pair) in all.windows(2).enumerate() {
            let step = (i32::from(pair[1]) - i32::from(pair[0])).abs();
            assert!(f64::from(step) <= largest, "a click of {step} at {index}");
        }
    }

    #[test]
    fn blocks_join_without_a_seam() {
        let tone = Tone::new();
        let whole: Vec<i16> = tone.samples(47_000, 4_000).collect();
        let parts: Vec<i16> = (0..10).flat_map(|i| tone.samples(47_000 + i * 400, 400)).collect();
        assert_eq!(whole, parts);
        assert_eq!(tone.samples(-1, 1).next(), tone.samples(47_999, 1).next());
    }
}
