//! What a packager is made with, and the durations that follow from it.

use crate::media::{AccessUnit, Codec, Track};
use crate::time::{FrameRate, Timescale, rescale};

/// All of it is fixed for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// About how long a part is, ms; PART-TARGET is the nearest run of whole frames.
    pub part_ms: u32,
    /// A segment ends at the first key frame from here on, ms.
    pub segment_ms: u32,
    /// Segments in the playlist.
    pub window: usize,
    /// How far apart key frames are, ms; `None` when the source decides (straight through).
    pub gop_ms: Option<u32>,
    /// Whether pictures, or sound, are to come: the multivariant playlist waits for them a little while.
    pub expect_video: bool,
    pub expect_audio: bool,
}

/// Samples in a frame of AAC-LC.
const AAC_FRAME: u32 = 1_024;
/// Pictures whose track and durations say nothing.
const USUAL_RATE: FrameRate = match FrameRate::new(30, 1) {
    Some(rate) => rate,
    None => panic!("neither is zero"),
};
/// Longest part, however slow the pictures come, ns: an hour is no part.
const MAX_PART_NANOS: i64 = 10_000_000_000;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

impl Settings {
    /// EXT-X-TARGETDURATION, seconds: whole GOPs from `segment_ms` on. A source that doesn't say how
    /// far apart its key frames are is given twice `segment_ms` to come up with one.
    pub(super) fn target_duration_s(&self, longest_part_nanos: i64) -> u32 {
        let segment_ms = self.segment_ms.max(1);
        let longest_ms = match self.gop_ms {
            Some(gop_ms) => segment_ms.div_ceil(gop_ms.max(1)).saturating_mul(gop_ms.max(1)),
            None => segment_ms.saturating_mul(2),
        };
        let part_s = u32::try_from(longest_part_nanos / NANOS_PER_SECOND + 1).unwrap_or(u32::MAX);
        let longest_s = longest_ms.div_ceil(1_000);
        if longest_part_nanos > i64::from(longest_s) * NANOS_PER_SECOND { part_s } else { longest_s }
    }

    /// EXT-X-PART-INF:PART-TARGET, ns, rounded up. Whole frames, so that at a constant rate every part is
    /// all of it: of pictures no fewer than `part_ms`, of sound no more (so the pictures' PART-HOLD-BACK
    /// holds for both). Sound beside pictures comes in parts of half the length: an AAC encoder is some
    /// 60 ms behind, so with parts as long as the pictures' a player would always wait for the sound.
    pub(super) fn part_target_nanos(&self, track: &Track, first: &AccessUnit) -> i64 {
        let part_nanos = i128::from(self.part_ms.max(1)) * 1_000_000;
        let rate = frame_rate(track, first);
        let (num, den) = (i128::from(rate.den()), i128::from(rate.num()));
        let second = i128::from(NANOS_PER_SECOND);
        let (whole, rest) = (part_nanos * den / (num * second), part_nanos * den % (num * second));
        let frames = match (track.id.is_video(), self.expect_video) {
            (true, _) => whole + i128::from(rest > 0),
            (false, true) => (whole + 1) / 2,
            (false, false) => whole,
        };
        let nanos = (frames.max(1) * num * second + den - 1) / den;
        i64::try_from(nanos).unwrap_or(MAX_PART_NANOS).min(MAX_PART_NANOS)
    }
}

/// Frames a second: what the track says, or else what its first unit looks like.
pub(super) fn frame_rate(track: &Track, first: &AccessUnit) -> FrameRate {
    let counted = || FrameRate::new(track.timescale.hz(), first.duration);
    let known = match &track.codec {
        Codec::H264(params) => params.frame_rate.or_else(counted),
        Codec::Aac(_) => FrameRate::new(track.timescale.hz(), AAC_FRAME),
        Codec::Opus(_) => counted(),
    };
    known.unwrap_or(USUAL_RATE)
}

/// So the first key frame after it ends the first segment.
const FIRST_SEGMENT_MS: u32 = 500;

/// The durations of a session in the ticks of one track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Targets {
    /// PART-TARGET.
    pub part: i64,
    /// A segment ends at the first chance from here on.
    pub segment: i64,
    /// The same for a session's first: some players show nothing before they have a whole one.
    pub first_segment: i64,
    /// No segment is longer: rounded to a second it is still EXT-X-TARGETDURATION.
    pub limit: i64,
    /// From key frame to key frame, where that is known beforehand.
    pub gop: Option<i64>,
}

impl Targets {
    pub(super) fn new(settings: &Settings, target_duration_s: u32, part_nanos: i64, scale: Timescale) -> Self {
        let millis = |ms: u32| rescale(i64::from(ms), Timescale::MILLIS, scale).max(1);
        let limit_ms = target_duration_s.saturating_mul(1_000).saturating_add(499);
        Self {
            part: rescale(part_nanos, Timescale::NANOS, scale).max(1),
            segment: millis(settings.segment_ms),
            first_segment: millis(settings.segment_ms.min(FIRST_SEGMENT_MS)),
            limit: millis(limit_ms),
            gop: settings.gop_ms.map(millis),
        }
    }

    /// RFC 8216bis §4.4.4.9: every part but a segment's last is at least 85 % of PART-TARGET.
    pub(super) fn shortest_part(&self) -> i64 {
        (self.part * 85).div_euclid(100) + i64::from((self.part * 85) % 100 != 0)
    }

    /// How far a part may come out too long because timestamps jitter; it is cut down to the target,
    /// and the next one begins that much earlier.
    pub(super) fn jitter(&self, frame: i64) -> i64 {
        (self.part / 20).min(frame / 4)
    }
}
