//! How the sources of a stream are doing, and what the API says about it.

use crate::media::{Codec, Track, TrackId};
use serde::Serialize;

/// Which half of a stream; each may have a source of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Video,
    Audio,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Video => "video",
            Self::Audio => "audio",
        })
    }
}

/// No signal is a state, not an end: the stream goes on with a slate or silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SourceState {
    /// Being opened for the first time.
    Starting,
    Live,
    /// `cause` is for people: `no cable`, `/dev/video0 is gone`.
    NoSignal {
        cause: String,
    },
    /// Over by itself and not coming back: a file played once.
    Ended,
}

/// `GET /api/v1/streams` shows these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamStatus {
    pub name: String,
    /// Somebody publishes into it now.
    pub published: bool,
    /// Silence stands for the sound, because somebody wants it so.
    pub muted: bool,
    /// The slate stands for the picture, because somebody wants it so.
    pub private: bool,
    /// Empty until a source said how it is.
    pub sources: Vec<SourceStatus>,
    pub tracks: Vec<TrackStatus>,
    /// By how much the newest sound ends after the newest picture, µs; `None` without both.
    pub av_offset_us: Option<i64>,
    /// Readers at the moment: outputs, not viewers.
    pub readers: usize,
    /// Access units published since the start.
    pub units: u64,
    /// Bytes of access units published since the start.
    pub bytes: u64,
    /// Bytes of history kept now.
    pub history_bytes: usize,
    /// Access units that readers missed because they were too slow.
    pub dropped: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceStatus {
    pub kind: Kind,
    #[serde(flatten)]
    pub state: SourceState,
}

/// A track in words and numbers; what doesn't apply is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrackStatus {
    /// `video0`, `aac`, `opus`.
    pub id: String,
    pub codec: &'static str,
    /// What the encoder aims at; 0 when not known.
    pub bitrate_bps: u32,
    /// What it was over the last seconds.
    pub measured_bps: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// `30`, `30000/1001`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_hz: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

impl From<&Track> for TrackStatus {
    fn from(track: &Track) -> Self {
        let mut status = Self {
            id: match track.id {
                TrackId::Video(rung) => format!("video{rung}"),
                TrackId::Aac => "aac".to_owned(),
                TrackId::Opus => "opus".to_owned(),
            },
            codec: "",
            bitrate_bps: track.bitrate_bps,
            measured_bps: 0,
            width: None,
            height: None,
            frame_rate: None,
            rate_hz: None,
            channels: None,
            language: track.language.clone(),
        };
        match &track.codec {
            Codec::H264(params) => {
                status.codec = "h264";
                status.width = Some(params.width);
                status.height = Some(params.height);
                status.frame_rate = params.frame_rate.map(|rate| rate.to_string());
            }
            Codec::Aac(params) => {
                status.codec = "aac";
                status.rate_hz = Some(params.rate_hz);
                status.channels = Some(params.channels);
            }
            Codec::Opus(params) => {
                status.codec = "opus";
                status.rate_hz = Some(48_000);
                status.channels = Some(params.channels);
            }
        }
        status
    }
}
