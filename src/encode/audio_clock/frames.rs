//! Runs of samples of any length, cut into the frames that an encoder takes.

use super::Run;
use std::collections::VecDeque;

/// One encoder frame of samples, interleaved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The first sample's time, ticks.
    pub tick: i64,
    pub samples: &'a [i16],
}

/// Collects samples for one encoder. Each has its own: AAC takes 1024 samples at a time, Opus 960.
#[derive(Debug)]
pub struct Frames {
    frame_len: usize,
    channels: usize,
    waiting: VecDeque<i16>,
    /// The first waiting sample's time.
    tick: i64,
    frame: Vec<i16>,
}

impl Frames {
    /// `frame_len` in samples a channel; both at least 1.
    pub fn new(frame_len: usize, channels: u16) -> Self {
        let (frame_len, channels) = (frame_len.max(1), usize::from(channels.max(1)));
        Self { frame_len, channels, waiting: VecDeque::new(), tick: 0, frame: vec![0; frame_len * channels] }
    }

    /// Takes a run. Take the frames out before the next one: what waits is less than a frame then.
    pub fn push(&mut self, run: Run<'_>) {
        if self.waiting.is_empty() {
            self.tick = run.tick;
        }
        self.waiting.extend(run.samples);
    }

    /// The next whole frame.
    pub fn pop(&mut self) -> Option<Frame<'_>> {
        if self.waiting.len() < self.frame.len() {
            return None;
        }
        for (to, from) in self.frame.iter_mut().zip(self.waiting.drain(..self.frame_len * self.channels)) {
            *to = from;
        }
        let tick = self.tick;
        self.tick += self.frame_len as i64;
        Some(Frame { tick, samples: &self.frame })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_sample_is_lost_or_moved(lens in prop::collection::vec(0_usize..3_000, 1..30), frame_len in 1_usize..1_500) {
            let mut frames = Frames::new(frame_len, 2);
            let (mut tick, mut expected) = (1_000_i64, 1_000_i64);
            for len in lens {
                // Each sample tells its own time.
                let samples: Vec<i16> = (0..len).flat_map(|i| [(tick as usize + i) as i16; 2]).collect();
                frames.push(Run { tick, samples: &samples });
                tick += len as i64;
                while let Some(frame) = frames.pop() {
                    prop_assert_eq!(frame.tick, expected);
                    prop_assert_eq!(frame.samples.len(), frame_len * 2);
                    prop_assert!(frame.samples.chunks(2).enumerate().all(|(i, s)| s == [(expected as usize + i) as i16; 2]));
                    expected += frame_len as i64;
                }
            }
            prop_assert!(tick - expected < frame_len as i64);
        }
    }
}
