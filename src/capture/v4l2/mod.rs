//! Cameras and HDMI inputs through V4L2.
//!
//! From the outside in: `open` chooses and sets a format, `stream` is the running capture,
//! `pool` lends the buffers out, `io` is what they need of a device and `sys` the kernel's.
//! `classify`, `negotiate` and `format` are pure.
//!
//! Not here: decoding MJPEG (`decode`), memory-to-memory devices (`encode`), re-opening (the pipeline).

use super::{Capture, CaptureError, Source};
use crate::config::{CameraFormat, EdidChoice, Size};
use crate::time::FrameRate;
use hdmi::Teller;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) mod classify;
pub mod edid;
pub(super) mod errors;
pub(super) mod format;
mod h264;
mod hdmi;
pub(super) mod io;
mod mapping;
pub(super) mod negotiate;
mod open;
mod pool;
#[cfg(test)]
pub(super) mod simulated;
mod stream;
pub(super) mod sys;

/// What a camera is asked for; `None` means: choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    pub size: Option<Size>,
    pub frame_rate: Option<FrameRate>,
    pub format: Option<CameraFormat>,
}

/// A camera or HDMI input that is not open.
#[derive(Debug, Clone)]
pub struct V4l2Source {
    device: PathBuf,
    wanted: Wanted,
    teller: Teller,
}

impl V4l2Source {
    /// `device` is a node (`/dev/video0`) or a stable name (`/dev/v4l/by-id/…`); it is looked up again
    /// at each opening, so a camera that comes back under another number is found.
    pub fn new(device: impl Into<PathBuf>, wanted: Wanted, edid: EdidChoice) -> Self {
        Self { device: device.into(), wanted, teller: Teller::new(edid) }
    }
}

impl Source for V4l2Source {
    fn open(&mut self) -> Result<Box<dyn Capture>, CaptureError> {
        let name = self.name();
        let device = sys::Device::open(&self.device).map_err(|error| errors::explain(&name, "opening", error))?;
        self.teller.tell(&device, &name);
        Ok(Box::new(open::open(Arc::new(device), &name, &self.wanted)?))
    }

    fn name(&self) -> String {
        self.device.display().to_string()
    }
}
