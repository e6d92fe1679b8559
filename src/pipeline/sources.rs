//! Configuration → the sources of one stream, and what is known of them before they are open.

use crate::capture::alsa::{self, AlsaSource};
use crate::capture::command::{CommandAudio, CommandTs, CommandVideo};
use crate::capture::contribution::{ContributionSource, Desk};
use crate::capture::file::FileSource;
use crate::capture::test_pattern::{TestAudio, TestVideo};
use crate::capture::v4l2::{self, V4l2Source};
use crate::capture::{Kinds, Source};
use crate::config::{AudioCommandFormat, AudioSource, InputSource, Inputs, Size, VideoCommandFormat, VideoSource};
use crate::time::FrameRate;
use std::time::Duration;

/// The slate's size until the source has shown its own.
const DEFAULT_SIZE: Size = Size { width: 1280, height: 720 };
/// Channels when the source doesn't say.
const DEFAULT_CHANNELS: u16 = 2;

/// How late encoded pictures may be: the same second that the pacer gives raw frames.
const UNITS_LATE: Duration = Duration::from_secs(1);
/// Browsers send one picture a second of a screen on which nothing moves, and tell when they leave.
const CONTRIBUTIONS_LATE: Duration = Duration::from_secs(3);

/// What is known of a picture before its source is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoHints {
    pub size: Size,
    /// `None`: the source's own.
    pub rate: Option<FrameRate>,
    /// Whether the stream keeps `size` whatever the source does.
    pub scales: bool,
    /// How late encoded pictures may be before the slate stands in.
    pub units_late: Duration,
}

/// What is known of sound before its source is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioHints {
    pub channels: u16,
    /// Samples come, not encoded frames.
    pub raw: bool,
}

/// The sources of one stream.
pub struct Sources {
    pub sources: Vec<(Kinds, Box<dyn Source>)>,
    pub video: Option<VideoHints>,
    pub audio: Option<AudioHints>,
    /// Both come from one source, and only a slate is ever encoded.
    pub straight_through: bool,
}

impl Sources {
    pub fn new(stream: &str, inputs: &Inputs, desk: &Desk) -> Self {
        match inputs {
            Inputs::Both(input) => Self::both(stream, input, desk),
            Inputs::Separate { video, audio } => {
                let mut all = Self { sources: Vec::new(), video: None, audio: None, straight_through: false };
                if let Some(source) = video {
                    all.video = Some(video_hints(source));
                    all.sources.push((Kinds::Video, video_source(source)));
                }
                if let Some(source) = audio {
                    all.audio = Some(audio_hints(source));
                    all.sources.push((Kinds::Audio, audio_source(source)));
                }
                all
            }
        }
    }

    fn both(stream: &str, input: &InputSource, desk: &Desk) -> Self {
        let encoded = (
            Some(VideoHints { size: DEFAULT_SIZE, rate: None, scales: false, units_late: UNITS_LATE }),
            Some(AudioHints { channels: DEFAULT_CHANNELS, raw: false }),
        );
        let (sources, (video, audio)): (Vec<(Kinds, Box<dyn Source>)>, _) = match input {
            InputSource::Test { size, frame_rate } => (
                vec![
                    (Kinds::Video, Box::new(TestVideo::new(*size, *frame_rate))),
                    (Kinds::Audio, Box::new(TestAudio::new(DEFAULT_CHANNELS))),
                ],
                (
                    Some(VideoHints { size: *size, rate: Some(*frame_rate), scales: false, units_late: UNITS_LATE }),
                    Some(AudioHints { channels: DEFAULT_CHANNELS, raw: true }),
                ),
            ),
            InputSource::File { path, repeat } => {
                (vec![(Kinds::Both, Box::new(FileSource::new(path.clone(), *repeat)))], encoded)
            }
            InputSource::Command { command } => {
                (vec![(Kinds::Both, Box::new(CommandTs::new(command.clone())))], encoded)
            }
            // Sound is there from the start, whoever comes and with what.
            InputSource::Publish { .. } => (
                vec![(Kinds::Both, Box::new(ContributionSource::new(desk, stream)))],
                (
                    Some(VideoHints { size: DEFAULT_SIZE, rate: None, scales: false, units_late: CONTRIBUTIONS_LATE }),
                    Some(AudioHints { channels: DEFAULT_CHANNELS, raw: true }),
                ),
            ),
        };
        let straight_through = matches!(input, InputSource::File { .. } | InputSource::Command { .. });
        Self { sources, video, audio, straight_through }
    }
}

fn video_source(source: &VideoSource) -> Box<dyn Source> {
    match source {
        VideoSource::Test { size, frame_rate } => Box::new(TestVideo::new(*size, *frame_rate)),
        VideoSource::V4l2 { device, size, frame_rate, format, edid } => {
            let wanted = v4l2::Wanted { size: *size, frame_rate: *frame_rate, format: *format };
            Box::new(V4l2Source::new(device, wanted, edid.clone()))
        }
        VideoSource::Command { command, format } => Box::new(CommandVideo::new(command.clone(), *format)),
        VideoSource::File { path, repeat } => Box::new(FileSource::new(path.clone(), *repeat).only(Kinds::Video)),
    }
}

fn video_hints(source: &VideoSource) -> VideoHints {
    let (size, rate) = match source {
        VideoSource::Test { size, frame_rate } => (Some(*size), Some(*frame_rate)),
        VideoSource::V4l2 { size, frame_rate, .. } => (*size, *frame_rate),
        VideoSource::Command { format, .. } => match format {
            VideoCommandFormat::I420 { size, frame_rate }
            | VideoCommandFormat::Nv12 { size, frame_rate }
            | VideoCommandFormat::Yuyv { size, frame_rate } => (Some(*size), Some(*frame_rate)),
            VideoCommandFormat::H264 { frame_rate } => (None, *frame_rate),
            VideoCommandFormat::Y4m | VideoCommandFormat::MpegTs => (None, None),
        },
        VideoSource::File { .. } => (None, None),
    };
    // Of a device's pictures a size that is asked for is kept: an HDMI source changes its own as it likes.
    let scales = matches!(source, VideoSource::V4l2 { .. }) && size.is_some();
    VideoHints { size: size.unwrap_or(DEFAULT_SIZE), rate, scales, units_late: UNITS_LATE }
}

fn audio_source(source: &AudioSource) -> Box<dyn Source> {
    match source {
        AudioSource::Test { channels } => Box::new(TestAudio::new(*channels)),
        AudioSource::Alsa { device, rate_hz, channels } => {
            Box::new(AlsaSource::new(device.clone(), alsa::Wanted { rate_hz: *rate_hz, channels: *channels }))
        }
        AudioSource::Command { command, format } => Box::new(CommandAudio::new(command.clone(), *format)),
        AudioSource::File { path, repeat } => Box::new(FileSource::new(path.clone(), *repeat).only(Kinds::Audio)),
    }
}

fn audio_hints(source: &AudioSource) -> AudioHints {
    let (channels, raw) = match source {
        AudioSource::Test { channels } => (Some(*channels), true),
        AudioSource::Alsa { channels, .. } => (*channels, true),
        AudioSource::Command { format: AudioCommandFormat::S16le { channels, .. }, .. } => (Some(*channels), true),
        AudioSource::Command { format: AudioCommandFormat::MpegTs, .. } | AudioSource::File { .. } => (None, false),
    };
    AudioHints { channels: channels.unwrap_or(DEFAULT_CHANNELS), raw }
}
