//! Raw pictures and sound to access units; the clocks that pace them.
//!
//! Here: the encoders behind [`VideoEncoder`] and [`AudioEncoder`] (in software, on the board, the one
//! for the other), the constant frame rate ([`pacer`]) and the sound's clock ([`audio_clock`]), both sans-IO.
//! Not here: threads, sources, streams: the pipeline connects them.

pub mod aac;
pub mod audio_clock;
pub mod convert;
pub mod fallback;
pub mod m2m;
pub mod openh264;
pub mod opus;
pub mod pacer;
pub mod scale;
#[cfg(test)]
mod test_sound;

use crate::media::{AccessUnit, RawFrame, Track};
use crate::time::FrameRate;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// What a video encoder is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoSettings {
    /// Even, px.
    pub width: u32,
    pub height: u32,
    pub frame_rate: FrameRate,
    pub bitrate_bps: u32,
    /// A key frame every so many frames; at least 1.
    pub gop_frames: u32,
    pub profile: Profile,
}

/// Which H.264 encoder to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EncoderChoice {
    /// The SoC's where there is one, else software.
    #[default]
    Auto,
    V4l2M2m,
    OpenH264,
}

/// H.264 profiles that every player can play; none uses B-frames here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    ConstrainedBaseline,
    #[default]
    Main,
    High,
}

/// When a picture is shown: ticks of [`crate::time::Timescale::VIDEO`] on the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    pub pts: i64,
    pub duration: u32,
}

/// One picture out of an encoder.
#[derive(Debug, Clone)]
pub struct EncodedPicture {
    /// The same `Arc` until a parameter set changes.
    pub track: Arc<Track>,
    pub unit: AccessUnit,
}

/// An H.264 encoder: pictures in, access units out, perhaps later and perhaps fewer.
pub trait VideoEncoder: Send {
    /// For people: `openh264`, `bcm2835-codec-encode`.
    fn name(&self) -> &str;

    /// Hands a picture over; it must have the settings' size. Any [`crate::media::PixelFormat`] is
    /// taken; what the encoder can't read itself is converted. `key` asks for a key frame here.
    fn submit(&mut self, picture: &RawFrame, timing: Timing, key: bool) -> Result<(), EncodeError>;

    /// The next access unit, waiting at most `timeout`.
    fn receive(&mut self, timeout: Duration) -> Result<Option<EncodedPicture>, EncodeError>;

    /// Takes effect from the next picture.
    fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), EncodeError>;

    /// Bytes of pictures that were copied or converted on their way in since it was opened: 0 while it reads
    /// them where the source put them.
    fn bytes_copied(&self) -> u64;
}

/// A sound encoder: one frame of samples in, one packet out.
pub trait AudioEncoder: Send {
    fn track(&self) -> &Arc<Track>;

    /// Samples a channel that [`AudioEncoder::encode`] takes.
    fn frame_len(&self) -> usize;

    /// By how many samples the output lags the input: subtract it from the timestamps.
    fn delay(&self) -> u32;

    /// `pcm` is interleaved, exactly `frame_len × channels` samples.
    fn encode(&mut self, pcm: &[i16]) -> Result<Bytes, EncodeError>;
}

#[derive(Debug, Error)]
pub enum EncodeError {
    #[error("{encoder} can't be opened: {reason}")]
    Open { encoder: &'static str, reason: String },
    #[error("{encoder} failed: {reason}")]
    Failed { encoder: &'static str, reason: String },
    /// Nothing came out for too long.
    #[error("{encoder} stalled: no picture for {silent_ms} ms")]
    Stalled { encoder: &'static str, silent_ms: u64 },
    #[error("a {got_width}x{got_height} picture came to an encoder opened for {width}x{height}")]
    WrongSize { width: u32, height: u32, got_width: u32, got_height: u32 },
    #[error("a picture that can't be read: {reason}")]
    BadPicture { reason: String },
}

/// What a board's encoder does at most: macroblocks a second, H.264 A.3.1 for level 4.0. That is 1080p30, or
/// 720p60.
const BOARD_MACROBLOCKS_PER_S: u64 = 245_760;

/// How many macroblocks a second the encoder chosen keeps up with; `None` where only the processor's speed says.
pub fn macroblocks_per_s(choice: EncoderChoice) -> Option<u64> {
    match choice {
        EncoderChoice::OpenH264 => None,
        EncoderChoice::Auto | EncoderChoice::V4l2M2m => m2m::find().map(|_| BOARD_MACROBLOCKS_PER_S),
    }
}

/// Every how many pictures one is taken so that an encoder keeps up: 1, 2, 4, …
pub fn every(macroblocks_per_s: Option<u64>, (width, height): (u32, u32), rate: FrameRate) -> u32 {
    let macroblocks = u64::from(width.div_ceil(16)) * u64::from(height.div_ceil(16));
    let (needed, unit) = (macroblocks * u64::from(rate.num()), u64::from(rate.den()));
    let keeps_up = |every: u32| {
        macroblocks_per_s.is_none_or(|limit| needed <= limit.saturating_mul(unit).saturating_mul(u64::from(every)))
    };
    // More than that, and it is no film any more.
    (0..=3).map(|halvings| 1 << halvings).find(|every| keeps_up(*every)).unwrap_or(8)
}

/// Opens the encoder chosen. Whatever is chosen but `OpenH264`, a board's encoder that is missing or fails
/// is replaced by software, at once or while running, with one line in the log.
pub fn open_video(choice: EncoderChoice, settings: &VideoSettings) -> Result<Box<dyn VideoEncoder>, EncodeError> {
    let board = match choice {
        EncoderChoice::OpenH264 => None,
        EncoderChoice::Auto | EncoderChoice::V4l2M2m => m2m::find(),
    };
    let Some(path) = board else {
        if choice == EncoderChoice::V4l2M2m {
            log::warn!("encoding in software: no V4L2 encoder for H.264 under /dev");
        }
        return Ok(Box::new(openh264::OpenH264::open(settings)?));
    };
    let at = |settings: &VideoSettings, bitrate_bps| VideoSettings { bitrate_bps, ..settings.clone() };
    let (for_board, for_software) = (settings.clone(), settings.clone());
    let encoder = fallback::Fallback::open(
        Box::new(move |bitrate_bps| Ok(Box::new(m2m::open(&path, &at(&for_board, bitrate_bps))?))),
        Box::new(move |bitrate_bps| Ok(Box::new(openh264::OpenH264::open(&at(&for_software, bitrate_bps))?))),
        settings.bitrate_bps,
    )?;
    Ok(Box::new(encoder))
}

fn check_size(picture: &RawFrame, width: u32, height: u32) -> Result<(), EncodeError> {
    let (got_width, got_height) = (picture.width(), picture.height());
    if (got_width, got_height) == (width, height) {
        Ok(())
    } else {
        Err(EncodeError::WrongSize { width, height, got_width, got_height })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_encoder_cant_keep_up_with_is_halved() {
        let rate = |num, den| FrameRate::new(num, den).expect("a rate");
        let (hd, full_hd) = ((1280, 720), (1920, 1080));
        let board = Some(BOARD_MACROBLOCKS_PER_S);
        let table = [
            (board, full_hd, rate(30, 1), 1),
            (board, full_hd, rate(25, 1), 1),
            (board, full_hd, rate(50, 1), 2),
            (board, full_hd, rate(60_000, 1001), 2),
            (board, hd, rate(60, 1), 1),
            (board, (640, 480), rate(120, 1), 1),
            (board, (4096, 4096), rate(1_000, 1), 8),
            (None, full_hd, rate(60, 1), 1),
        ];
        for (limit, size, rate, expected) in table {
            assert_eq!(every(limit, size, rate), expected, "{limit:?} {size:?} {rate}");
        }
    }
}
