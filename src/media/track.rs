//! What a decoder must know before the first access unit.

use crate::time::{FrameRate, Timescale};
use bytes::Bytes;

/// Which of a stream's tracks. Everything of one stream carries the same programme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TrackId {
    /// A rung of the video ladder; 0 is the source's own.
    Video(u8),
    Aac,
    Opus,
}

impl TrackId {
    pub const fn is_video(self) -> bool {
        matches!(self, Self::Video(_))
    }
}

/// A track's description. Immutable: when anything in it changes, the publisher goes on with another
/// `Track`, and readers see the change because the two are not equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    pub id: TrackId,
    /// Ticks a second of this track's access units.
    pub timescale: Timescale,
    /// BCP 47, where known.
    pub language: Option<String>,
    /// What the encoder aims at, bits a second; 0 when not known (straight through).
    pub bitrate_bps: u32,
    pub codec: Codec,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Codec {
    H264(H264Params),
    Aac(AacParams),
    Opus(OpusParams),
}

/// ITU-T H.264. The parameter sets travel here, never in the access units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct H264Params {
    /// Sequence parameter set, one NAL unit without start code or length.
    pub sps: Bytes,
    /// Picture parameter set, likewise.
    pub pps: Bytes,
    /// Size after cropping, px.
    pub width: u32,
    pub height: u32,
    /// `None` when frames come as they like.
    pub frame_rate: Option<FrameRate>,
}

/// AAC-LC, ISO/IEC 14496-3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AacParams {
    /// AudioSpecificConfig.
    pub config: Bytes,
    pub rate_hz: u32,
    pub channels: u16,
}

/// Opus, RFC 6716; always 48 kHz on the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusParams {
    pub channels: u16,
    /// Samples at 48 kHz to drop at the start (RFC 7845 §4.2). Already subtracted from the
    /// timestamps; named for containers that carry it.
    pub pre_skip: u16,
}
