//! What the capture needs of a PCM: thin verbs, no decisions. ALSA's is [`super::pcm::Pcm`]; tests
//! have a simulated one. Errors are errno values, as ALSA has them.

use super::samples::SampleFormat;
use crate::time::MonoTime;
use std::time::Duration;

/// What was negotiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub format: SampleFormat,
    pub rate_hz: u32,
    /// In the device's frames.
    pub device_channels: u16,
    /// In ours: at most two.
    pub channels: u16,
    /// Frames.
    pub period: u32,
    pub buffer: u32,
}

/// How many frames wait, and when that was so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub at: MonoTime,
    /// Frames that can be read.
    pub waiting: u32,
    /// Frames between the microphone and the reader: those waiting and those still in the hardware.
    pub delay: u32,
}

impl Position {
    /// When the first of the waiting frames was sampled. The hardware's share of the delay counts while
    /// it is believable: some drivers report nonsense after an overrun.
    pub fn first_sampled(&self, rate_hz: u32) -> MonoTime {
        let believable = self.delay >= self.waiting && self.delay - self.waiting <= rate_hz / 2;
        let frames = if believable { self.delay } else { self.waiting };
        let nanos = i64::from(frames) * 1_000_000_000 / i64::from(rate_hz.max(1));
        self.at.plus_nanos(-nanos)
    }
}

pub(super) trait PcmIo: Send {
    /// Makes it ready again after an overrun, and starts it.
    fn restart(&mut self) -> Result<(), i32>;

    /// Goes on after the system slept; EAGAIN while the hardware isn't awake yet.
    fn resume(&mut self) -> Result<(), i32>;

    fn position(&mut self) -> Result<Position, i32>;

    /// Reads whole frames; answers how many.
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, i32>;

    /// Waits for a period to be there; false when it took too long.
    fn wait(&mut self, timeout: Duration) -> Result<bool, i32>;

    /// Lets some time pass.
    fn pause(&mut self, span: Duration);

    fn now(&self) -> MonoTime;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_waiting_frame_is_as_old_as_all_that_wait() {
        let at = MonoTime::from_millis(1_000);
        let table = [
            // waiting, delay, rate, sampled at (µs)
            (480, 480, 48_000, 990_000),
            (480, 528, 48_000, 989_000),
            // A delay below what waits, or of more than half a second of hardware, is nonsense.
            (480, 0, 48_000, 990_000),
            (480, 480 + 24_001, 48_000, 990_000),
            (441, 441, 44_100, 990_000),
            (0, 0, 48_000, 1_000_000),
        ];
        for (waiting, delay, rate_hz, micros) in table {
            let position = Position { at, waiting, delay };
            assert_eq!(position.first_sampled(rate_hz), MonoTime::from_micros(micros), "{position:?} at {rate_hz}");
        }
        let silly = Position { at, waiting: u32::MAX, delay: u32::MAX };
        assert!(silly.first_sampled(0) < MonoTime::ZERO);
    }
}
