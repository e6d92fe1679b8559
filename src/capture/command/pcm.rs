//! Raw sound: interleaved signed 16-bit little-endian samples, handed out in blocks of 10 ms. Any
//! bytes are samples.

use super::Format;
use super::arrival::ArrivalClock;
use super::held::Held;
use crate::capture::Captured;
use crate::media::PcmBlock;
use crate::time::{MonoTime, Timescale, rescale};

const BLOCKS_A_SECOND: u32 = 100;
/// Blocks that are read ahead of real time: longer than the chunks in which programs write (`arecord`:
/// 125 ms), so that those don't look like running ahead.
const HELD_BLOCKS: usize = 50;
/// Corrections of the clock below this aren't made, ns.
const DEADBAND_NANOS: i64 = 500_000;
const MAX_CHANNELS: u16 = 8;
const RATES_HZ: std::ops::RangeInclusive<u32> = BLOCKS_A_SECOND..=768_000;
const SAMPLE_BYTES: usize = 2;

pub(super) struct Pcm {
    rate_hz: u32,
    scale: Timescale,
    channels: u16,
    block: Box<[u8]>,
    /// Bytes of the coming block that have come.
    come: usize,
    block_frames: i64,
    /// Of the coming block's first frame, counted from the start.
    frame: i64,
    clock: ArrivalClock,
    /// Where the last block ended.
    end: Option<MonoTime>,
}

impl Pcm {
    /// `None` for a rate or number of channels beyond the limits.
    pub(super) fn new(rate_hz: u32, channels: u16) -> Option<Self> {
        if !RATES_HZ.contains(&rate_hz) || !(1..=MAX_CHANNELS).contains(&channels) {
            return None;
        }
        let block_frames = rate_hz / BLOCKS_A_SECOND;
        let block = vec![0; block_frames as usize * usize::from(channels) * SAMPLE_BYTES].into();
        Some(Self {
            rate_hz,
            scale: Timescale::new(rate_hz)?,
            channels,
            block,
            come: 0,
            block_frames: block_frames.into(),
            frame: 0,
            clock: ArrivalClock::new(DEADBAND_NANOS),
            end: None,
        })
    }

    fn nanos(&self, frame: i64) -> i64 {
        rescale(frame, self.scale, Timescale::NANOS)
    }
}

impl Format for Pcm {
    /// The kernel's usual 64 KiB: the less a program can run ahead, the better.
    fn pipe_bytes(&self) -> usize {
        64 << 10
    }

    fn held(&self) -> Held {
        Held::new(HELD_BLOCKS, usize::MAX)
    }

    fn space(&mut self) -> &mut [u8] {
        self.block.get_mut(self.come..).unwrap_or_default()
    }

    fn filled(&mut self, len: usize, now: MonoTime, held: &mut Held) -> Result<(), String> {
        self.come += len;
        if self.come < self.block.len() {
            return Ok(());
        }
        self.come = 0;
        let (start, end) = (self.nanos(self.frame), self.nanos(self.frame + self.block_frames));
        self.frame += self.block_frames;
        self.clock.arrived(end, now, held.take_was_full());
        let captured = self.clock.time_of(start);
        // The clock was put back by more than a slew: this time has been filled already.
        if self.end.is_some_and(|last| last.nanos_since(captured) > (end - start) / 2) {
            return Ok(());
        }
        let due = self.clock.time_of(end);
        self.end = Some(due);
        let (samples, _) = self.block.as_chunks::<SAMPLE_BYTES>();
        let samples = samples.iter().map(|&sample| i16::from_le_bytes(sample)).collect();
        let block = PcmBlock { captured, rate_hz: self.rate_hz, channels: self.channels, samples };
        held.push(due, Captured::Pcm(block));
        Ok(())
    }
}
