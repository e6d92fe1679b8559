//! What an encoder makes and every output carries.

use bytes::Bytes;

/// One encoded picture or audio frame.
///
/// H.264 is length-prefixed NAL units (four bytes, big-endian) without parameter sets or access unit
/// delimiters; AAC is one raw data block without ADTS; Opus one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// Decode and presentation time, ticks of the track, on the monotonic clock (see [`crate::time`]).
    /// An encoder's delay and priming are already subtracted.
    pub dts: i64,
    pub pts: i64,
    /// Ticks.
    pub duration: u32,
    /// Decoding can start here (IDR; always true for audio).
    pub keyframe: bool,
    pub data: Bytes,
}
