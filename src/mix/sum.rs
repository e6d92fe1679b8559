//! Sounds added up: all of them, and for each the others without it. Pure.
//!
//! The sum is made once, and what one person is not to hear is taken out of it again, so that N people cost N additions
//! and N subtractions. Not here: where samples come from (`voice`), encoding.

use super::PersonId;
use std::collections::BTreeMap;

/// Samples a second.
pub const RATE_HZ: u32 = 48_000;
pub const CHANNELS: usize = 2;
/// Samples a channel that are mixed at once: 20 ms, one packet of Opus.
pub const BLOCK_FRAMES: usize = 960;
/// Samples in a block, interleaved.
pub const BLOCK: usize = BLOCK_FRAMES * CHANNELS;

const FULL_SCALE: f32 = 32_768.0;
/// What a sum is turned down to; the rest is for what comes louder while it is being turned down.
const CEILING: f32 = 0.8 * FULL_SCALE;
/// Turned down within so many samples a channel: 1 ms.
const ATTACK_FRAMES: usize = 48;
/// Turned up again by this factor a block: 10 dB in a second.
const RELEASE: f32 = 1.023;

/// Keeps one sum within what samples can hold: turned down before it would clip, and slowly up again.
#[derive(Debug, Clone, Copy)]
struct Limiter {
    gain: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

impl Limiter {
    fn limit(&mut self, sum: &[i32]) -> Vec<i16> {
        let peak = sum.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0) as f32;
        let fits = if peak > CEILING { CEILING / peak } else { 1.0 };
        let from = self.gain;
        let to = fits.min(from * RELEASE);
        // Down at once, up over the whole block.
        let frames = if to < from { ATTACK_FRAMES } else { BLOCK_FRAMES };
        self.gain = to;
        let gain = |frame: usize| from + (to - from) * (frame as f32 / frames as f32).min(1.0);
        sum.iter().enumerate().map(|(at, sample)| rounded_off(*sample as f32 * gain(at / CHANNELS))).collect()
    }
}

/// The same up to the ceiling, and above it ever flatter towards full scale, never there.
fn rounded_off(sample: f32) -> i16 {
    let over = sample.abs() - CEILING;
    let room = FULL_SCALE - 1.0 - CEILING;
    let bent = if over <= 0.0 { sample } else { (CEILING + room * over / (over + room)).copysign(sample) };
    bent.round() as i16
}

/// One room's sums.
#[derive(Debug, Default)]
pub struct Sums {
    everybody: Limiter,
    others: BTreeMap<PersonId, Limiter>,
    sum: Vec<i32>,
    /// The sum without somebody.
    rest: Vec<i32>,
}

impl Sums {
    /// Adds up one block of everybody who is heard now; each has [`BLOCK`] samples (less is as if silence followed).
    pub fn add<'a>(&mut self, heard: impl IntoIterator<Item = &'a [i16]>) {
        self.sum.clear();
        self.sum.resize(BLOCK, 0);
        for samples in heard {
            for (sum, sample) in self.sum.iter_mut().zip(samples) {
                *sum = sum.saturating_add(i32::from(*sample));
            }
        }
    }

    /// All of them.
    pub fn everybody(&mut self) -> Vec<i16> {
        self.everybody.limit(&self.sum)
    }

    /// All of them but `own`: what of this person was added, nothing where nothing was.
    pub fn without(&mut self, person: PersonId, own: &[i16]) -> Vec<i16> {
        self.rest.clone_from(&self.sum);
        for (rest, own) in self.rest.iter_mut().zip(own) {
            *rest -= i32::from(*own);
        }
        self.others.entry(person).or_default().limit(&self.rest)
    }

    /// Forgets those who have left.
    pub fn keep(&mut self, is_there: impl Fn(PersonId) -> bool) {
        self.others.retain(|person, _| is_there(*person));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block() -> impl Strategy<Value = Vec<i16>> {
        // A few values repeated: quick to make, and every amplitude there is.
        (prop::collection::vec(any::<i16>(), 1..20)).prop_map(|some| some.iter().copied().cycle().take(BLOCK).collect())
    }

    fn add(sums: &mut Sums, blocks: &[Vec<i16>]) {
        sums.add(blocks.iter().map(Vec::as_slice));
    }

    #[test]
    fn two_quiet_ones_are_added_and_each_hears_the_other() {
        let (one, two) = (vec![100; BLOCK], vec![-30; BLOCK]);
        let mut sums = Sums::default();
        add(&mut sums, &[one.clone(), two.clone()]);
        assert_eq!(sums.everybody(), vec![70; BLOCK]);
        assert_eq!(sums.without(PersonId(1), &one), two);
        assert_eq!(sums.without(PersonId(2), &two), one);
        assert_eq!(sums.without(PersonId(3), &[]), vec![70; BLOCK]);
    }

    #[test]
    fn too_loud_is_turned_down_and_up_again_by_and_by() {
        let loud = vec![vec![30_000; BLOCK]; 4];
        let quiet = vec![vec![1_000; BLOCK]];
        let mut sums = Sums::default();
        add(&mut sums, &loud);
        sums.everybody();
        add(&mut sums, &loud);
        assert_eq!(sums.everybody()[BLOCK - 1], CEILING.round() as i16);
        add(&mut sums, &quiet);
        let just_after = sums.everybody()[BLOCK - 1];
        assert!((200..300).contains(&just_after), "{just_after}");
        let later = (0..100).map(|_| {
            add(&mut sums, &quiet);
            sums.everybody()[BLOCK - 1]
        });
        assert_eq!(later.last(), Some(1_000));
    }

    #[test]
    fn one_who_is_loud_alone_does_not_turn_down_what_they_hear() {
        let (loud, quiet) = (vec![32_000; BLOCK], vec![500; BLOCK]);
        let mut sums = Sums::default();
        for _ in 0..3 {
            add(&mut sums, &[loud.clone(), quiet.clone()]);
            assert_eq!(sums.without(PersonId(1), &loud), quiet);
        }
    }

    #[test]
    fn who_has_left_is_forgotten() {
        let mut sums = Sums::default();
        add(&mut sums, &[]);
        sums.without(PersonId(1), &[]);
        sums.without(PersonId(2), &[]);
        sums.keep(|person| person == PersonId(2));
        assert_eq!(sums.others.keys().collect::<Vec<_>>(), [&PersonId(2)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn nothing_clips(rounds in prop::collection::vec(prop::collection::vec(block(), 0..9), 1..4)) {
            let mut sums = Sums::default();
            for blocks in &rounds {
                add(&mut sums, blocks);
                let own = blocks.first().map_or(&[][..], Vec::as_slice);
                for mixed in [sums.everybody(), sums.without(PersonId(1), own)] {
                    prop_assert_eq!(mixed.len(), BLOCK);
                    // Full scale is for what was full scale to begin with, and was cut there by somebody else.
                    prop_assert!(mixed.iter().all(|sample| sample.unsigned_abs() < 32_767));
                }
            }
        }

        #[test]
        fn silence_stays_silence(before in prop::collection::vec(block(), 0..5), silent in 0_usize..9) {
            let mut sums = Sums::default();
            add(&mut sums, &before);
            sums.everybody();
            add(&mut sums, &vec![vec![0; BLOCK]; silent]);
            prop_assert!(sums.everybody().iter().all(|sample| *sample == 0));
            prop_assert!(sums.without(PersonId(1), &[0; BLOCK]).iter().all(|sample| *sample == 0));
        }

        #[test]
        fn order_does_not_matter(blocks in prop::collection::vec(block(), 1..6), turn in 0_usize..6) {
            let mut turned = blocks.clone();
            turned.rotate_left(turn % blocks.len());
            let (mut one, mut other) = (Sums::default(), Sums::default());
            add(&mut one, &blocks);
            add(&mut other, &turned);
            prop_assert_eq!(one.everybody(), other.everybody());
            prop_assert_eq!(one.without(PersonId(1), &blocks[0]), other.without(PersonId(1), &blocks[0]));
        }
    }
}
