//! From a file's own time to the monotonic clock, over and over. Sans-IO.

use crate::media::{AccessUnit, Track};
use crate::time::{MonoTime, Timescale, rescale};
use std::sync::Arc;

/// A pass takes at least this long: a file that says it is over at once must not be played in a frenzy.
const MIN_PASS_NANOS: i64 = 100_000_000;

/// Where a file's presentation time 0 is, and how far the file reaches.
#[derive(Debug)]
pub(super) struct Timeline {
    base: MonoTime,
    tracks: Vec<Extent>,
}

/// What one pass has of one track, ns from the start of the presentation.
#[derive(Debug, Clone, Copy)]
struct Extent {
    timescale: Timescale,
    is_video: bool,
    start: i64,
    end: i64,
}

impl Timeline {
    pub(super) fn new(base: MonoTime, tracks: &[Arc<Track>]) -> Self {
        let extent =
            |track: &Arc<Track>| Extent { timescale: track.timescale, is_video: track.id.is_video(), start: 0, end: 0 };
        Self { base, tracks: tracks.iter().map(extent).collect() }
    }

    /// Puts a unit with the file's times on the clock; says when it is due to be decoded.
    pub(super) fn place(&mut self, track: usize, unit: AccessUnit) -> (MonoTime, AccessUnit) {
        let Some(extent) = self.tracks.get_mut(track) else { return (self.base, unit) };
        let nanos = |ticks: i64| rescale(ticks, extent.timescale, Timescale::NANOS);
        // Pictures may be decoded before the start, while the last pass is still shown; sound of two
        // passes must not overlap.
        let (start, end) = (nanos(unit.dts), nanos(unit.pts.max(unit.dts).saturating_add(unit.duration.into())));
        if !extent.is_video {
            extent.start = extent.start.min(start);
        }
        extent.end = extent.end.max(end);
        let base = self.base.ticks(extent.timescale);
        let placed = AccessUnit { dts: base.saturating_add(unit.dts), pts: base.saturating_add(unit.pts), ..unit };
        (self.base.plus_nanos(start), placed)
    }

    /// The file starts again where the longer of its tracks has ended.
    pub(super) fn repeat(&mut self) {
        let lead = self.tracks.iter().map(|extent| extent.start).min().unwrap_or_default();
        let end = self.tracks.iter().map(|extent| extent.end).max().unwrap_or_default();
        self.base = self.base.plus_nanos(end.saturating_sub(lead).max(MIN_PASS_NANOS));
        for extent in &mut self.tracks {
            (extent.start, extent.end) = (0, 0);
        }
    }

    /// Everything from here on is later by so much.
    pub(super) fn delay(&mut self, nanos: i64) {
        self.base = self.base.plus_nanos(nanos);
    }

    /// When what has been placed is over.
    pub(super) fn end(&self) -> MonoTime {
        self.base.plus_nanos(self.tracks.iter().map(|extent| extent.end).max().unwrap_or_default())
    }
}
