//! One person's sound: packets in as they come, even blocks of samples out.
//!
//! A small jitter buffer: packets wait for [`Voice::block`] in the order of their timestamps. What is missing is
//! concealed by the decoder and then silent; who is late too often waits longer; who has piled up (a burst, a clock that
//! runs fast) is cut back. Sans-IO: it is asked for a block every 20 ms. Not here: adding up (`sum`).

use super::sum::{BLOCK, BLOCK_FRAMES, CHANNELS};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Makes samples of packets: Opus, or a simulation.
pub trait Decode: Send {
    /// Appends a packet's samples, stereo at 48 kHz; `None` stands for 20 ms that never came.
    /// How many frames were appended; 0 when it can't be decoded.
    fn decode(&mut self, packet: Option<&[u8]>, samples: &mut VecDeque<i16>) -> usize;
}

impl Decode for Box<dyn Decode> {
    fn decode(&mut self, packet: Option<&[u8]>, samples: &mut VecDeque<i16>) -> usize {
        (**self).decode(packet, samples)
    }
}

/// One tick of the timestamps is one frame.
const MS: i64 = 48;
/// Waited for the first time, and at least.
const TARGET_MIN: i64 = 40 * MS;
/// A target that is missed grows by this…
const TARGET_STEP: i64 = 20 * MS;
/// …up to this: more is no conversation.
const TARGET_MAX: i64 = 200 * MS;
/// Concealed at most, before it is silence.
const CONCEAL_MAX: i64 = 60 * MS;
/// A gap in the timestamps up to this is played as one; over a longer one (a pause in the sending) is leapt.
const GAP_MAX: i64 = 120 * MS;
/// More than the target waits for so many blocks (2 s): 20 ms are left out.
const SLACK: i64 = 40 * MS;
const SLACK_BLOCKS: u32 = 100;
/// Nothing missed for so many blocks (30 s): the target shrinks again.
const CALM_BLOCKS: u32 = 1_500;
/// Packets that wait at most, a second of them: what is older goes.
const MAX_WAITING: usize = 50;
/// A timestamp that leaps by more than this is another stream.
const LEAP: i64 = 5_000 * MS;

/// What happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Packets that came after their time, or twice.
    pub late: u64,
    /// Blocks of 20 ms made up for what never came.
    pub concealed: u64,
    /// Blocks of 20 ms left out to catch up.
    pub left_out: u64,
}

/// See the module.
pub struct Voice<D> {
    decoder: D,
    waiting: BTreeMap<i64, (Bytes, i64)>,
    /// The newest timestamp, unwrapped.
    newest: Option<i64>,
    /// The timestamp of the next packet; `None` while the buffer fills.
    next: Option<i64>,
    decoded: VecDeque<i16>,
    target: i64,
    concealed: i64,
    slack: u32,
    calm: u32,
    counts: Counts,
}

impl<D: Decode> Voice<D> {
    pub fn new(decoder: D) -> Self {
        Self {
            decoder,
            waiting: BTreeMap::new(),
            newest: None,
            next: None,
            decoded: VecDeque::new(),
            target: TARGET_MIN,
            concealed: 0,
            slack: 0,
            calm: 0,
            counts: Counts::default(),
        }
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// A packet with its RTP timestamp (48 kHz, wraps) and how many frames it holds.
    pub fn push(&mut self, timestamp: u32, packet: Bytes, frames: u32) {
        let timestamp = self.unwrapped(timestamp);
        if self.newest.is_some_and(|newest| (timestamp - newest).abs() > LEAP) {
            self.waiting.clear();
            self.next = None;
            self.newest = Some(timestamp);
        }
        self.newest = self.newest.max(Some(timestamp));
        if self.next.is_some_and(|next| timestamp < next) || self.waiting.contains_key(&timestamp) {
            self.counts.late += 1;
            return;
        }
        self.waiting.insert(timestamp, (packet, i64::from(frames)));
        if self.waiting.len() > MAX_WAITING {
            self.waiting.pop_first();
        }
    }

    fn unwrapped(&self, timestamp: u32) -> i64 {
        let Some(newest) = self.newest else { return i64::from(timestamp) };
        // The nearest that ends in these 32 bits.
        let ahead = timestamp.wrapping_sub(newest as u32) as i32;
        newest + i64::from(ahead)
    }

    /// The next 20 ms; `None` while this person isn't heard.
    pub fn block(&mut self) -> Option<Vec<i16>> {
        if self.next.is_none() {
            let first = *self.waiting.keys().next()?;
            if self.waits() < self.target {
                return None;
            }
            self.next = Some(first);
            (self.concealed, self.slack, self.calm) = (0, 0, 0);
        }
        self.catch_up();
        while self.decoded.len() < BLOCK {
            if !self.decode_next() {
                // Said all there is. What is left of it is less than a block.
                self.next = None;
                self.target = (self.target + TARGET_STEP).min(TARGET_MAX);
                if self.decoded.is_empty() {
                    return None;
                }
                self.decoded.resize(BLOCK, 0);
            }
        }
        self.calm += 1;
        if self.calm >= CALM_BLOCKS {
            self.calm = 0;
            self.target = (self.target - TARGET_STEP).max(TARGET_MIN);
        }
        Some(self.decoded.drain(..BLOCK).collect())
    }

    /// Frames that wait. A gap in the timestamps is none: it may be a pause in the sending.
    fn waits(&self) -> i64 {
        self.waiting.values().map(|(_, frames)| frames).sum()
    }

    /// Leaves a packet out when more has waited for a while than is needed.
    fn catch_up(&mut self) {
        let waits = self.waits();
        self.slack = if waits > self.target + SLACK { self.slack + 1 } else { 0 };
        // A burst after an outage is caught up with at once, what a clock gains now and then.
        let far = waits > TARGET_MAX + TARGET_STEP;
        if (far || self.slack >= SLACK_BLOCKS)
            && let Some((timestamp, (_, frames))) = self.waiting.pop_first()
        {
            self.slack = 0;
            self.counts.left_out += 1;
            self.next = Some(timestamp + frames);
        }
    }

    /// Decodes what comes next, or makes it up; false when there is nothing more.
    fn decode_next(&mut self) -> bool {
        let Some(next) = self.next else { return false };
        let first = self.waiting.first_key_value().map(|(timestamp, _)| *timestamp);
        let gap = first.map(|first| first - next);
        let is_there = gap.is_some_and(|gap| gap <= 0 || gap > GAP_MAX);
        if is_there && let Some((timestamp, (packet, frames))) = self.waiting.pop_first() {
            let before = self.decoded.len();
            let decoded = self.decoder.decode(Some(&packet), &mut self.decoded);
            if decoded == 0 {
                self.decoded.truncate(before);
                self.decoded.extend(std::iter::repeat_n(0, usize::try_from(frames).unwrap_or(0) * CHANNELS));
            }
            self.next = Some(timestamp + frames.max(1));
            self.concealed = 0;
            return true;
        }
        self.calm = 0;
        if gap.is_none() && self.concealed >= CONCEAL_MAX {
            return false;
        }
        let made_up = self.concealed < CONCEAL_MAX && self.decoder.decode(None, &mut self.decoded) > 0;
        if !made_up {
            self.decoded.extend(std::iter::repeat_n(0, BLOCK));
        }
        self.counts.concealed += 1;
        self.concealed += BLOCK_FRAMES as i64;
        self.next = Some(next + BLOCK_FRAMES as i64);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A packet's one byte is the value of all its samples; what is made up is 1.
    struct Simulated;

    impl Decode for Simulated {
        fn decode(&mut self, packet: Option<&[u8]>, samples: &mut VecDeque<i16>) -> usize {
            let value = packet.map_or(Some(1), |packet| packet.first().map(|byte| i16::from(*byte)));
            let Some(value) = value else { return 0 };
            samples.extend(std::iter::repeat_n(value, BLOCK));
            BLOCK_FRAMES
        }
    }

    const START: u32 = u32::MAX - 3_000;

    /// Packet `number` of 20 ms, from near where timestamps wrap.
    fn push(voice: &mut Voice<Simulated>, number: u32) {
        let timestamp = START.wrapping_add(number * BLOCK_FRAMES as u32);
        voice.push(timestamp, Bytes::from(vec![u8::try_from(number % 200).expect("small") + 10]), BLOCK_FRAMES as u32);
    }

    fn heard(voice: &mut Voice<Simulated>) -> Option<i16> {
        voice.block().map(|block| {
            assert_eq!(block.len(), BLOCK);
            block[0]
        })
    }

    #[test]
    fn packets_are_heard_in_order_over_a_wrap_and_however_they_come() {
        let mut voice = Voice::new(Simulated);
        let order = [0, 2, 1, 3, 5, 4, 6, 8, 7, 9];
        let mut out = Vec::new();
        for number in order {
            push(&mut voice, number);
            out.extend(heard(&mut voice));
        }
        // Of ten the last one still waits.
        assert_eq!(out, (10..19).collect::<Vec<i16>>());
        assert_eq!(voice.counts(), Counts::default());
    }

    #[test]
    fn it_waits_before_it_begins() {
        let mut voice = Voice::new(Simulated);
        assert_eq!(heard(&mut voice), None);
        push(&mut voice, 0);
        assert_eq!(heard(&mut voice), None);
        push(&mut voice, 1);
        assert_eq!(heard(&mut voice), Some(10));
    }

    #[test]
    fn what_is_lost_is_made_up_and_what_is_late_left_out() {
        let mut voice = Voice::new(Simulated);
        for number in [0, 1, 3, 4] {
            push(&mut voice, number);
        }
        let out: Vec<_> = (0..4).map(|_| heard(&mut voice)).collect();
        assert_eq!(out, [Some(10), Some(11), Some(1), Some(13)]);
        push(&mut voice, 2);
        push(&mut voice, 4);
        assert_eq!(voice.counts(), Counts { late: 2, concealed: 1, left_out: 0 });
        assert_eq!(heard(&mut voice), Some(14));
    }

    #[test]
    fn who_stops_is_made_up_for_a_moment_then_silent_and_waits_longer_next_time() {
        let mut voice = Voice::new(Simulated);
        (0..2).for_each(|number| push(&mut voice, number));
        let out: Vec<_> = (0..7).map(|_| heard(&mut voice)).collect();
        assert_eq!(out, [Some(10), Some(11), Some(1), Some(1), Some(1), None, None]);
        (20..22).for_each(|number| push(&mut voice, number));
        assert_eq!(heard(&mut voice), None);
        push(&mut voice, 22);
        assert_eq!(heard(&mut voice), Some(30));
    }

    #[test]
    fn a_pause_in_the_timestamps_is_leapt_over() {
        let mut voice = Voice::new(Simulated);
        for number in [0, 1, 50, 51] {
            push(&mut voice, number);
        }
        let out: Vec<_> = (0..4).map(|_| heard(&mut voice)).collect();
        assert_eq!(out, [Some(10), Some(11), Some(60), Some(61)]);
    }

    #[test]
    fn a_burst_is_caught_up_with_and_a_fast_clock_too() {
        let mut voice = Voice::new(Simulated);
        (0..40).for_each(|number| push(&mut voice, number));
        for number in 40..200 {
            push(&mut voice, number);
            heard(&mut voice);
        }
        let wait = voice.waits();
        assert!(wait <= TARGET_MAX + TARGET_STEP, "{} ms", wait / MS);
        for number in 200..2_400 {
            push(&mut voice, number);
            heard(&mut voice);
        }
        let wait = voice.waits();
        assert!(wait <= TARGET_MIN + SLACK, "{} ms", wait / MS);
        assert_eq!(voice.counts().concealed, 0);
    }

    #[test]
    fn another_stream_of_the_same_person_goes_on() {
        let mut voice = Voice::new(Simulated);
        (0..2).for_each(|number| push(&mut voice, number));
        assert_eq!(heard(&mut voice), Some(10));
        (100_000..100_002).for_each(|number| push(&mut voice, number));
        assert!(heard(&mut voice).is_some());
    }

    #[test]
    fn what_cannot_be_decoded_is_silent() {
        let mut voice = Voice::new(Simulated);
        for number in 0..3 {
            voice.push(number * BLOCK_FRAMES as u32, Bytes::new(), BLOCK_FRAMES as u32);
        }
        assert_eq!(heard(&mut voice), Some(0));
    }

    proptest! {
        #[test]
        fn whatever_comes_blocks_are_whole_and_little_is_kept(
            steps in prop::collection::vec((any::<u32>(), 0_u32..6_000, any::<bool>()), 0..300),
        ) {
            let mut voice = Voice::new(Simulated);
            for (timestamp, frames, asked) in steps {
                voice.push(timestamp, Bytes::from_static(&[9]), frames);
                if asked && let Some(block) = voice.block() {
                    prop_assert_eq!(block.len(), BLOCK);
                }
                prop_assert!(voice.waiting.len() <= MAX_WAITING);
                prop_assert!(voice.decoded.len() <= 2 * BLOCK);
            }
        }
    }
}
