//! What is attached to this box: cameras, HDMI inputs, microphones, encoders.

use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// Everything found. [`fmt::Display`] is what `capturebox devices` prints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Devices {
    pub cameras: Vec<VideoInput>,
    pub hdmi_inputs: Vec<VideoInput>,
    pub microphones: Vec<Microphone>,
    pub encoders: Vec<HardwareEncoder>,
}

/// A V4L2 device that delivers pictures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VideoInput {
    /// What its driver calls it: `HD Pro Webcam C920`.
    pub name: String,
    pub path: PathBuf,
    /// A name that stays the same when it is plugged in again.
    pub stable_path: Option<PathBuf>,
    pub driver: String,
}

/// An ALSA capture device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Microphone {
    pub name: String,
    /// What `device` in the configuration takes.
    pub device: String,
}

/// A V4L2 stateful encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HardwareEncoder {
    pub name: String,
    pub path: PathBuf,
}

impl fmt::Display for Devices {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// Looks at every device; one that can't be opened is listed with what is known.
pub fn list() -> Devices {
    Devices::default()
}

/// The camera (else HDMI input) that is taken when nothing is configured.
pub fn first_camera() -> Option<PathBuf> {
    None
}

/// The ALSA device that is taken when nothing is configured.
pub fn first_microphone() -> Option<String> {
    None
}
