//! What is attached to this box: cameras, HDMI inputs, microphones, encoders.
//!
//! Here: looking, and what is taken when nothing is configured. `text` is what a person reads.
//! Not here: opening for use ([`super::v4l2`], [`super::alsa`]), being told of changes.

use serde::Serialize;
use std::path::PathBuf;

mod microphones;
mod text;
mod video;

/// Everything found. [`std::fmt::Display`] is what `capturebox devices` prints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Devices {
    pub cameras: Vec<VideoInput>,
    pub hdmi_inputs: Vec<VideoInput>,
    pub microphones: Vec<Microphone>,
    pub encoders: Vec<HardwareEncoder>,
    /// Video nodes and sound cards about which nothing could be learnt.
    pub unreadable: Vec<Unreadable>,
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
    /// What it says it can do, of what the box can use.
    pub modes: Vec<Mode>,
    /// Of an HDMI input: what is on the cable, or why nothing is.
    pub signal: Option<String>,
}

/// A format and size that a camera offers, written as the configuration takes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mode {
    /// `yuyv`, `mjpeg`, …
    pub format: String,
    /// `1280x720`; `16x16 to 1920x1080` where it is free.
    pub size: String,
    /// Frames a second: `30, 15`; `1 to 60` where they are free; empty when not known.
    pub rates: String,
}

/// An ALSA capture device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Microphone {
    pub name: String,
    /// What `device` in the configuration takes; stays the same when it is plugged in again.
    pub device: String,
    /// `None` when another program holds it.
    pub can: Option<SoundRange>,
}

/// What a sound card's hardware does by itself; `plughw:` converts the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SoundRange {
    pub min_rate_hz: u32,
    pub max_rate_hz: u32,
    pub min_channels: u32,
    pub max_channels: u32,
}

/// A V4L2 stateful encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HardwareEncoder {
    /// Its card name, by which it is found.
    pub name: String,
    pub path: PathBuf,
    /// V4L2 codes of what it makes: `H264`.
    pub makes: Vec<String>,
    /// V4L2 codes of what it takes: `YU12`, `NV12`.
    pub takes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    pub path: PathBuf,
    pub reason: String,
}

/// Looks at every device. Opens each for a moment; disturbs none that is in use.
pub fn list() -> Devices {
    let mut devices = Devices::default();
    video::list(&mut devices);
    devices.microphones = microphones::list();
    devices
}

/// The camera (else HDMI input) that is taken when nothing is configured: the first, by its stable
/// name where it has one.
pub fn first_camera() -> Option<PathBuf> {
    video::first()
}

/// The ALSA device that is taken when nothing is configured: the first card that captures.
pub fn first_microphone() -> Option<String> {
    microphones::first()
}
