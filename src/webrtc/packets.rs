//! Access units as RTP payloads: H.264 by RFC 6184 (non-interleaved), Opus by RFC 7587. Pure.

use crate::codec::{nal, sps};
use crate::media::{AccessUnit, Codec, Track, TrackId};
use crate::time::{MonoTime, Timescale, rescale};
use bytes::Bytes;
use rtc::rtp::codec::h264::H264Payloader;
use rtc::rtp::packetizer::Payloader;

/// Bytes of a payload at most: what is left of Ethernet's 1,500 by IPv6, UDP, SRTP, extensions, and a tunnel.
const MAX_PAYLOAD: usize = 1_180;

/// One access unit, ready for every viewer.
#[derive(Debug, Clone)]
pub struct Packets {
    pub kind: Kind,
    /// Which rendition of the picture; 0 for sound.
    pub rung: u8,
    /// By the codec's RTP clock; its lowest 32 bits are sent.
    pub timestamp: u32,
    /// A viewer can begin here.
    pub starts: bool,
    pub payloads: Vec<Bytes>,
    /// When it was captured, on the monotonic clock.
    pub captured: MonoTime,
}

impl Packets {
    /// Whether it is of the source's own pictures.
    pub fn is_own_picture(&self) -> bool {
        self.kind == Kind::Video && self.rung == 0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Video,
    Audio,
}

/// `None` for a codec that browsers aren't sent by RTP.
pub fn packetise(track: &Track, unit: &AccessUnit) -> Option<Packets> {
    let captured = MonoTime::from_ticks(unit.pts, track.timescale);
    let rung = if let TrackId::Video(rung) = track.id { rung } else { 0 };
    match &track.codec {
        Codec::H264(params) => {
            let sets: &[&[u8]] = if unit.keyframe { &[&params.sps, &params.pps] } else { &[] };
            let annex_b = nal::to_annex_b(sets, &unit.data);
            let payloads = H264Payloader::default().payload(MAX_PAYLOAD, &annex_b).ok()?;
            let timestamp = rtp_clock(rescale(unit.pts, track.timescale, Timescale::VIDEO));
            Some(Packets { kind: Kind::Video, rung, timestamp, starts: unit.keyframe, payloads, captured })
        }
        // Its timescale is the RTP clock.
        Codec::Opus(_) => {
            let timestamp = rtp_clock(unit.pts);
            let payloads = vec![unit.data.clone()];
            Some(Packets { kind: Kind::Audio, rung, timestamp, starts: true, payloads, captured })
        }
        Codec::Aac(_) => None,
    }
}

/// Whether pictures come in another order than they are shown in (B-frames), which RTP to browsers can't carry.
pub fn is_reordered(track: &Track) -> bool {
    match &track.codec {
        Codec::H264(params) => {
            sps::parse(&params.sps).is_ok_and(|sps| sps.max_num_reorder_frames.is_some_and(|frames| frames > 0))
        }
        _ => false,
    }
}

/// It wraps.
fn rtp_clock(ticks: i64) -> u32 {
    ticks.rem_euclid(1 << 32) as u32
}
