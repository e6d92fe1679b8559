//! The `test` source: a picture and a tone that show by themselves whether a chain of outputs keeps
//! time. Needs no hardware.
//!
//! Everything hangs on whole seconds of the monotonic clock: at each one the beep starts, and the
//! frames captured while it sounds have the flash lit. Frames and samples lie exactly on the grid of
//! their rate, so picture and sound are in step to the nanosecond before anything is encoded.
//!
//! What a program reads from the picture: [`Strip`] (capture time and frame number) and
//! [`FLASH_CENTRE`].
//!
//! Invariant: frame `n` of a rate is captured at [`FrameRate::frame_start`] of `n`, and its picture
//! is a function of that time alone; when the machine is too slow frames are skipped, never moved.
#![allow(clippy::disallowed_methods, reason = "a source paces itself by the clock")]

mod drawing;
mod strip;
mod tone;

use super::pace::{index_at_or_after, wait_until};
use super::picture::FramePool;
use super::{Capture, CaptureError, Captured, Source};
use crate::config::Size;
use crate::media::{PcmBlock, PixelFormat, RawFrame};
use crate::time::{Epoch, FrameRate, MonoTime, Timescale};
use drawing::{Drawing, Moment};
use std::sync::Arc;
use std::time::Duration;
use tone::Tone;

pub use drawing::FLASH_CENTRE;
pub use strip::Strip;

const SECOND_NANOS: i64 = 1_000_000_000;
/// How long the beep sounds and the flash is lit.
const BEEP_NANOS: i64 = 100_000_000;
/// A frame that would be later than this is skipped: a camera doesn't wait either.
const LATE_NANOS: i64 = 100_000_000;
/// Sound is handed out late rather than skipped, up to this.
const SILENT_NANOS: i64 = SECOND_NANOS;

/// Whether the beep sounds at `time`.
fn beeps_at(time: MonoTime) -> bool {
    time.as_nanos().rem_euclid(SECOND_NANOS) < BEEP_NANOS
}

/// The moving test picture.
#[derive(Debug, Clone)]
pub struct TestVideo {
    size: Size,
    frame_rate: FrameRate,
}

impl TestVideo {
    pub fn new(size: Size, frame_rate: FrameRate) -> Self {
        Self { size, frame_rate }
    }
}

impl Source for TestVideo {
    fn open(&mut self) -> Result<Box<dyn Capture>, CaptureError> {
        let now = MonoTime::now();
        let Some(drawing) = Drawing::new(self.size) else {
            return Err(CaptureError::Unsupported {
                device: self.name(),
                wanted: format!("{}x{}", self.size.width, self.size.height),
                offered: "even sizes up to 4096x4096".into(),
            });
        };
        let next = index_at_or_after(self.frame_rate, now);
        // Running time counts from a whole second, so that it shows .000 as the flash lights.
        let origin = MonoTime::from_nanos(now.as_nanos().div_euclid(SECOND_NANOS) * SECOND_NANOS);
        Ok(Box::new(OpenVideo {
            size: (self.size.width, self.size.height),
            frame_rate: self.frame_rate,
            pool: FramePool::new(drawing.len()),
            drawing,
            origin,
            first: index_at_or_after(self.frame_rate, origin),
            next,
            drawn: None,
        }))
    }

    fn name(&self) -> String {
        "test picture".into()
    }
}

struct OpenVideo {
    size: (u32, u32),
    frame_rate: FrameRate,
    drawing: Drawing,
    pool: FramePool,
    /// Running time zero, and the index of the frame there.
    origin: MonoTime,
    first: i64,
    /// Index of the frame to hand out next.
    next: i64,
    /// That frame: drawn before it is due, so that drawing is not latency.
    drawn: Option<RawFrame>,
}

impl OpenVideo {
    fn draw(&mut self) -> Option<RawFrame> {
        let captured = MonoTime::from_nanos(self.frame_rate.frame_start(self.next, Timescale::NANOS));
        // Asked for each frame: an NTP step must not spoil a measured latency.
        let unix_ms = Epoch::now().unix_nanos_at(captured).div_euclid(1_000_000);
        let moment = Moment {
            running_ms: captured.nanos_since(self.origin) / 1_000_000,
            flash: beeps_at(captured),
            strip: Strip::new(unix_ms, self.next - self.first),
        };
        let mut buffer = self.pool.take();
        self.drawing.draw(&moment, buffer.bytes_mut());
        buffer.into_frame(captured, self.size, PixelFormat::I420)
    }
}

impl Capture for OpenVideo {
    fn read(&mut self, timeout: Duration) -> Result<Option<Captured>, CaptureError> {
        let now = MonoTime::now();
        let due = MonoTime::from_nanos(self.frame_rate.frame_start(self.next, Timescale::NANOS));
        if now.nanos_since(due) > LATE_NANOS {
            self.next = index_at_or_after(self.frame_rate, now);
            self.drawn = None;
        }
        let Some(frame) = self.drawn.take().or_else(|| self.draw()) else {
            return Ok(None);
        };
        if !wait_until(frame.captured(), timeout) {
            self.drawn = Some(frame);
            return Ok(None);
        }
        self.next += 1;
        Ok(Some(Captured::Frame(frame)))
    }

    fn frame_rate(&self) -> Option<FrameRate> {
        Some(self.frame_rate)
    }
}

/// The test tone: quiet, with one beep a second, the same in every channel.
#[derive(Debug, Clone)]
pub struct TestAudio {
    channels: u16,
}

impl TestAudio {
    /// At least one channel.
    pub fn new(channels: u16) -> Self {
        Self { channels: channels.max(1) }
    }
}

impl Source for TestAudio {
    fn open(&mut self) -> Result<Box<dyn Capture>, CaptureError> {
        let next = MonoTime::now().as_nanos().div_euclid(BLOCK_NANOS);
        Ok(Box::new(OpenAudio { tone: Tone::new(), channels: self.channels, next }))
    }

    fn name(&self) -> String {
        "test tone".into()
    }
}

const RATE_HZ: u32 = 48_000;
const BLOCK_FRAMES: i64 = 480;
const BLOCK_NANOS: i64 = BLOCK_FRAMES * SECOND_NANOS / RATE_HZ as i64;

struct OpenAudio {
    tone: Tone,
    channels: u16,
    /// Index of the block to hand out next; block 0 starts at monotonic zero.
    next: i64,
}

impl Capture for OpenAudio {
    fn read(&mut self, timeout: Duration) -> Result<Option<Captured>, CaptureError> {
        let now = MonoTime::now();
        if now.nanos_since(self.start()) > SILENT_NANOS {
            self.next = now.as_nanos().div_euclid(BLOCK_NANOS);
        }
        // Like a sound card's, a block is there once its last sample has sounded.
        if !wait_until(self.start().plus_nanos(BLOCK_NANOS), timeout) {
            return Ok(None);
        }
        let block =
            PcmBlock { captured: self.start(), rate_hz: RATE_HZ, channels: self.channels, samples: self.samples() };
        self.next += 1;
        Ok(Some(Captured::Pcm(block)))
    }
}

impl OpenAudio {
    fn start(&self) -> MonoTime {
        MonoTime::from_nanos(self.next.saturating_mul(BLOCK_NANOS))
    }

    fn samples(&self) -> Arc<[i16]> {
        let channels = usize::from(self.channels);
        self.tone
            .samples(self.next * BLOCK_FRAMES, BLOCK_FRAMES as usize)
            .flat_map(|sample| std::iter::repeat_n(sample, channels))
            .collect()
    }
}

#[cfg(test)]
mod tests;
