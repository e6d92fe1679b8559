//! How long things took, as percentiles, in constant memory.

/// Counts of durations in µs: exact below 16, then sixteen steps to each doubling, so a percentile is
/// right to about 6 %.
#[derive(Debug, Clone)]
pub(super) struct Delays {
    counts: [u32; BUCKETS],
    total: u64,
}

const STEPS: u32 = 16;
const STEP_BITS: u32 = STEPS.ilog2();
/// Up to 2^32 µs, over an hour; what is longer counts as that.
const BUCKETS: usize = (STEPS * (32 - STEP_BITS + 1)) as usize;
/// Then all counts are halved: the percentiles follow the last hour or so.
const MAX_TOTAL: u64 = 1 << 16;

impl Default for Delays {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], total: 0 }
    }
}

impl Delays {
    pub(super) fn add(&mut self, micros: u64) {
        let micros = u32::try_from(micros).unwrap_or(u32::MAX);
        if let Some(count) = self.counts.get_mut(bucket(micros)) {
            *count += 1;
            self.total += 1;
        }
        if self.total >= MAX_TOTAL {
            self.total = 0;
            for count in &mut self.counts {
                *count /= 2;
                self.total += u64::from(*count);
            }
        }
    }

    /// The duration that `percent` of all stay within, µs; 0 when there are none.
    pub(super) fn percentile(&self, percent: u64) -> u64 {
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (index, &count) in self.counts.iter().enumerate() {
            seen += u64::from(count);
            if count > 0 && seen >= rank {
                return highest(index);
            }
        }
        0
    }
}

fn bucket(micros: u32) -> usize {
    let Some(doublings) = (micros / STEPS).checked_ilog2().map(|log| log + 1) else { return micros as usize };
    // The top bits below the leading one tell the step.
    let step = (micros >> (doublings - 1)) & (STEPS - 1);
    (doublings * STEPS + step) as usize
}

/// The longest duration that falls into a bucket.
fn highest(bucket: usize) -> u64 {
    let (doublings, step) = (bucket as u64 / u64::from(STEPS), bucket as u64 % u64::from(STEPS));
    match doublings {
        0 => step,
        _ => ((u64::from(STEPS) + step + 1) << (doublings - 1)) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_of_a_hundred() {
        let mut delays = Delays::default();
        assert_eq!(delays.percentile(99), 0);
        for millis in 1..=100 {
            delays.add(millis * 1_000);
        }
        assert!((50_000..=53_200).contains(&delays.percentile(50)), "{}", delays.percentile(50));
        assert!((99_000..=105_400).contains(&delays.percentile(99)), "{}", delays.percentile(99));
    }

    #[test]
    fn old_delays_fade() {
        let mut delays = Delays::default();
        for _ in 0..MAX_TOTAL {
            delays.add(10);
        }
        for _ in 0..3 * MAX_TOTAL {
            delays.add(1_000);
        }
        assert!(delays.percentile(50) >= 1_000);
    }

    proptest! {
        #[test]
        fn every_duration_lies_in_its_bucket(micros in any::<u32>()) {
            let index = bucket(micros);
            prop_assert!(index < BUCKETS);
            prop_assert!(highest(index) >= u64::from(micros));
            prop_assert!(index == 0 || highest(index - 1) < u64::from(micros));
        }
    }
}
