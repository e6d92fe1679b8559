//! `capturebox.toml` → validated types. Unknown keys are refused, with the line.
//!
//! Everything here is already checked: the rest of the program never meets a bad value.

use crate::encode::Profile;
use crate::time::FrameRate;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub http: HttpConfig,
    pub streams: BTreeMap<StreamName, StreamConfig>,
    pub access: AccessConfig,
}

/// One path segment of `[A-Za-z0-9._-]`, not `.`, `..` or a reserved word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(String);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    pub listen: SocketAddr,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamConfig {
    pub inputs: Inputs,
    pub encode: EncodeConfig,
    pub hls: HlsConfig,
}

/// Where a stream's picture and sound come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inputs {
    /// `input = …`: both from one source.
    Both(InputSource),
    /// `video = …` and `audio = …`; at least one.
    Separate { video: Option<VideoSource>, audio: Option<AudioSource> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputSource {
    Test {
        size: Size,
        frame_rate: FrameRate,
    },
    File {
        path: PathBuf,
        repeat: bool,
    },
    /// A program that writes MPEG-TS.
    Command {
        command: Vec<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoSource {
    Test { size: Size, frame_rate: FrameRate },
    V4l2 { device: PathBuf, size: Option<Size>, frame_rate: Option<FrameRate>, format: Option<CameraFormat> },
    Command { command: Vec<String>, format: VideoCommandFormat },
    File { path: PathBuf, repeat: bool },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioSource {
    /// The test tone, a beep a second.
    Test {
        channels: u16,
    },
    Alsa {
        device: String,
        rate_hz: Option<u32>,
        channels: Option<u16>,
    },
    Command {
        command: Vec<String>,
        format: AudioCommandFormat,
    },
    File {
        path: PathBuf,
        repeat: bool,
    },
}

/// What a camera is asked for; `None` in [`VideoSource::V4l2`] means: choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraFormat {
    Yuyv,
    Uyvy,
    Nv12,
    I420,
    Mjpeg,
    H264,
}

/// What a video program writes to its standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoCommandFormat {
    I420 {
        size: Size,
        frame_rate: FrameRate,
    },
    Nv12 {
        size: Size,
        frame_rate: FrameRate,
    },
    Yuyv {
        size: Size,
        frame_rate: FrameRate,
    },
    /// Size and rate stand in its header.
    Y4m,
    /// Annex B; its rate from the parameter sets, else `frame_rate`, else 30.
    H264 {
        frame_rate: Option<FrameRate>,
    },
    MpegTs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudioCommandFormat {
    S16le { rate_hz: u32, channels: u16 },
    MpegTs,
}

/// Even, px.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeConfig {
    pub video_bitrate_bps: u32,
    pub audio_bitrate_bps: u32,
    pub gop_ms: u32,
    pub encoder: EncoderChoice,
    pub profile: Profile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EncoderChoice {
    #[default]
    Auto,
    V4l2M2m,
    OpenH264,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HlsConfig {
    pub part_ms: u32,
    pub segment_ms: u32,
    /// Segments in the playlist.
    pub window: usize,
}

/// Parsed now; not enforced yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessConfig {
    pub view: Access,
    pub publish: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Public,
    Lan,
    Token,
    Account,
}
