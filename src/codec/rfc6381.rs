//! Codec strings for `CODECS` attributes and `MediaSource.isTypeSupported` (RFC 6381 §3).

use super::sps;
use crate::media::{Codec, Track};

/// `avc1.4D401F`, `mp4a.40.2`, `opus`.
pub fn rfc6381(track: &Track) -> String {
    match &track.codec {
        Codec::H264(params) => sps::codec_string(params),
        Codec::Aac(_) => "mp4a.40.2".to_owned(),
        Codec::Opus(_) => "opus".to_owned(),
    }
}
