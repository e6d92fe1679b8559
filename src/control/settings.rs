//! A stream's configuration → what its packager is made with.

use crate::config::{CameraFormat, InputSource, Inputs, StreamConfig, VideoCommandFormat, VideoSource};
use crate::package;

pub(super) fn packaging(config: &StreamConfig) -> package::Settings {
    let (expect_video, expect_audio) = match &config.inputs {
        Inputs::Both(_) => (true, true),
        Inputs::Separate { video, audio } => (video.is_some(), audio.is_some()),
    };
    package::Settings {
        part_ms: config.hls.part_ms,
        segment_ms: config.hls.segment_ms,
        window: config.hls.window,
        gop_ms: encodes(&config.inputs).then_some(config.encode.gop_ms),
        expect_video,
        expect_audio,
    }
}

/// Whether whoever encodes the pictures can be asked for key frames.
pub(super) fn obliges(inputs: &Inputs) -> bool {
    encodes(inputs) || matches!(inputs, Inputs::Both(InputSource::Publish { .. }))
}

/// Whether the pictures are encoded here, so that the distance of key frames and the bitrate are ours.
pub(super) fn encodes(inputs: &Inputs) -> bool {
    match inputs {
        Inputs::Both(source) => matches!(source, InputSource::Test { .. }),
        Inputs::Separate { video: None, .. } => false,
        Inputs::Separate { video: Some(source), .. } => match source {
            VideoSource::Test { .. } => true,
            VideoSource::V4l2 { format, .. } => *format != Some(CameraFormat::H264),
            VideoSource::Command { format, .. } => {
                !matches!(format, VideoCommandFormat::H264 { .. } | VideoCommandFormat::MpegTs)
            }
            VideoSource::File { .. } => false,
        },
    }
}
