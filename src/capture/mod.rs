//! Sources: where pictures and sound come into the box. One interface for cameras, sound cards,
//! programs, files, the test picture, and whoever publishes over the network.
//!
//! A [`Source`] is a description that can be opened again and again; an open one is a [`Capture`],
//! and dropping it closes the device. Re-opening after a failure, back-off, slates and silence are
//! the pipeline's job, not a source's.

use crate::media::{AccessUnit, PcmBlock, RawFrame, Track};
use crate::time::FrameRate;
use std::sync::Arc;
use std::time::Duration;

pub mod alsa;
pub mod command;
pub mod contribution;
pub mod devices;
mod error;
pub mod file;
mod kinds;
mod pace;
pub mod picture;
pub mod slate;
pub mod test_pattern;
pub mod v4l2;

pub use error::CaptureError;
pub use kinds::Kinds;
pub use slate::slate;

/// What a source delivers.
#[derive(Debug, Clone)]
pub enum Captured {
    Frame(RawFrame),
    Pcm(PcmBlock),
    /// Already encoded. Timestamps are on the monotonic clock, in the track's timescale; the track is
    /// the same `Arc` until something in it changes.
    Unit {
        track: Arc<Track>,
        unit: AccessUnit,
    },
    /// The source has come to its end by itself and must not be opened again (a file played once).
    End,
}

/// A source that is not open.
pub trait Source: Send {
    /// Opens the device, starts the program. Blocks; takes no longer than a few seconds.
    fn open(&mut self) -> Result<Box<dyn Capture>, CaptureError>;

    /// What an operator calls it: `/dev/video0`, `rpicam-vid`, `test picture`.
    fn name(&self) -> String;
}

/// An open source. Read on a thread of its own; dropping it closes and releases the device.
pub trait Capture: Send {
    /// Waits for what comes next, at most `timeout`; `Ok(None)` when nothing came in that time, so
    /// that the caller can look whether it should stop. An error is final: drop it and open again.
    fn read(&mut self, timeout: Duration) -> Result<Option<Captured>, CaptureError>;

    /// Pictures a second that the source was set to, or says it makes; asked after the first picture.
    /// `None` when not known, and for what isn't raw video.
    fn frame_rate(&self) -> Option<FrameRate> {
        None
    }
}
