//! Microphones and HDMI sound through ALSA.
//!
//! From the outside in: `stream` is the running capture and recovers from overruns, `io` is what it
//! needs of a PCM, `pcm` is ALSA's, and opens it. `samples` and the arithmetic of timestamps are pure.
//!
//! Not here: resampling, gaps, the estimate of the true rate (`encode`); re-opening (the pipeline).

use super::{Capture, CaptureError, Source};

mod io;
pub(super) mod pcm;
mod samples;
mod stream;
mod true_rate;

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
        let (pcm, shape) = pcm::open(&self.device, &self.wanted)?;
        Ok(Box::new(stream::AlsaCapture::start(pcm, &self.device, shape)?))
    }

    fn name(&self) -> String {
        self.device.clone()
    }
}
