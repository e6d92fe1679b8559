//! One rendition: a track cut, written as fragmented MP4, kept in a window, shown as a playlist.

use super::playlist::{self, Header};
use super::request::Rendition;
use super::segmenter::{Event, MAX_GAP_MS, Rule, Segmenter};
use super::settings::{Settings, Targets, frame_rate};
use super::window::{Bandwidth, Begin, Edge, Part, Window};
use crate::container::fmp4;
use crate::media::{AccessUnit, Codec, Track};
use crate::stream::Quiet;
use crate::time::{Epoch, FrameRate, MonoTime, Timescale, rescale};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;

/// Initialisation sections that are kept, with the segments that need them: a source whose parameter
/// sets change all the time must not fill the memory.
const MAX_INITS: usize = 64;

/// A playlist as it is sent, written once and shared.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub plain: Bytes,
    pub gzip: Bytes,
}

impl Text {
    pub(super) fn new(plain: String) -> Self {
        let mut gzip = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
        // Writing to memory can't fail.
        let gzip = gzip.write_all(plain.as_bytes()).and_then(|()| gzip.finish()).unwrap_or_default();
        Self { plain: plain.into(), gzip: gzip.into() }
    }
}

/// What one push brought.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// The pictures were cut at this time.
    pub boundary: Option<MonoTime>,
    /// When the first frame of the newest part was captured.
    pub captured: Option<MonoTime>,
    pub parts: u32,
}

pub(super) struct Packaged {
    rendition: Rendition,
    track: Arc<Track>,
    /// Zero of this rendition's timeline.
    origin: i64,
    part_target_nanos: i64,
    target_duration_s: u32,
    /// What the track said first, or what was counted.
    frame_rate: FrameRate,
    segmenter: Segmenter,
    window: Window,
    /// Oldest first; the last is the track's.
    inits: VecDeque<(u32, Bytes)>,
    fragments: u32,
    events: Vec<Event>,
    whole: Option<(Header, u64, Text)>,
    delta: Option<(Header, u64, Text)>,
}

/// Where a rendition that joins others begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Joint {
    pub msn: u64,
    pub discontinuities: u64,
}

impl Packaged {
    pub(super) fn new(
        settings: &Settings,
        (track, first): (&Arc<Track>, &AccessUnit),
        rule: Rule,
        target_duration_s: u32,
        joint: Joint,
    ) -> Self {
        let part_target_nanos = settings.part_target_nanos(track, first);
        let targets = Targets::new(settings, target_duration_s, part_target_nanos, track.timescale);
        let rate = frame_rate(track, first);
        let usual_duration = u32::try_from(rate.frame_start(1, track.timescale)).unwrap_or(1);
        let mut segmenter = Segmenter::new(rule, targets, max_gap(track.timescale), usual_duration);
        segmenter.count_discontinuities_from(joint.discontinuities);
        Self {
            rendition: if track.id.is_video() { Rendition::Video } else { Rendition::Audio },
            track: Arc::clone(track),
            origin: 0,
            part_target_nanos,
            target_duration_s,
            frame_rate: rate,
            segmenter,
            window: Window::new(settings.window, target_duration_s, joint.msn, joint.discontinuities),
            inits: VecDeque::from([(0, fmp4::init_section(track))]),
            fragments: 0,
            events: Vec::new(),
            whole: None,
            delta: None,
        }
    }

    /// Where a rendition that joins now begins, so that both count alike.
    pub(super) fn joint(&self) -> Joint {
        Joint { msn: self.window.unfinished_msn(), discontinuities: self.segmenter.discontinuities() }
    }

    pub(super) fn push(
        &mut self,
        settings: &Settings,
        epoch: Epoch,
        origin: MonoTime,
        track: &Arc<Track>,
        unit: AccessUnit,
    ) -> Progress {
        if !Arc::ptr_eq(track, &self.track) {
            self.change_track(settings, epoch, track);
        }
        self.origin = origin.ticks(self.track.timescale);
        self.segmenter.push(unit, &mut self.events);
        self.publish(epoch)
    }

    /// A track that decodes alike is only noted; another is a discontinuity with an initialisation
    /// section of its own.
    fn change_track(&mut self, settings: &Settings, epoch: Epoch, track: &Arc<Track>) {
        let init = fmp4::init_section(track);
        let known = self.inits.back();
        if known.is_none_or(|(_, known)| *known != init) {
            let targets = Targets::new(settings, self.target_duration_s, self.part_target_nanos, track.timescale);
            self.segmenter.change_track(targets, max_gap(track.timescale), &mut self.events);
            self.publish(epoch);
            let revision = self.inits.back().map_or(0, |(revision, _)| revision + 1);
            self.inits.push_back((revision, init));
            let Self { inits, window, .. } = self;
            while inits.len() > MAX_INITS
                || inits.front().is_some_and(|(old, _)| *old < revision && !window.needs_init(*old))
            {
                inits.pop_front();
            }
        }
        self.track = Arc::clone(track);
    }

    pub(super) fn break_off(&mut self, epoch: Epoch) {
        self.segmenter.break_off(&mut self.events);
        self.publish(epoch);
    }

    pub(super) fn finish(&mut self, epoch: Epoch) {
        self.segmenter.finish(&mut self.events);
        self.publish(epoch);
        self.window.close();
    }

    fn publish(&mut self, epoch: Epoch) -> Progress {
        let mut progress = Progress::default();
        let scale = self.track.timescale;
        for event in self.events.drain(..) {
            match event {
                Event::Begin { dts, pts, independent, discontinuity } => {
                    let unix_nanos = epoch.unix_nanos_at(MonoTime::from_ticks(pts, scale));
                    let init = self.inits.back().map_or(0, |(revision, _)| *revision);
                    self.window.begin(Begin { unix_nanos, init, independent, discontinuity });
                    progress.boundary = Some(MonoTime::from_ticks(dts, scale));
                }
                Event::Part { units, duration, independent, listed } => {
                    self.fragments = self.fragments.wrapping_add(1);
                    let data = fmp4::part(&self.track, self.fragments, &units, self.origin);
                    let nanos = rescale(duration, scale, Timescale::NANOS);
                    self.window.part(Part { data, nanos, independent }, listed);
                    progress.captured = units.first().map(|unit| MonoTime::from_ticks(unit.pts, scale));
                    progress.parts += 1;
                }
                Event::End => self.window.end(),
            }
        }
        progress
    }

    /// Units that need not be pushed before others come.
    pub(super) fn quiet(&self) -> Option<Quiet> {
        Some(Quiet { track: Arc::clone(&self.track), ends: self.segmenter.quiet()? })
    }

    pub(super) fn segmenter(&mut self) -> &mut Segmenter {
        &mut self.segmenter
    }

    pub(super) fn discontinuities(&self) -> u64 {
        self.segmenter.discontinuities()
    }

    pub(super) fn waits_for_key(&self) -> bool {
        self.segmenter.waits_for_key()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.segmenter.dropped()
    }

    pub(super) fn window(&self) -> &Window {
        &self.window
    }

    pub(super) fn track(&self) -> &Arc<Track> {
        &self.track
    }

    pub(super) fn rendition(&self) -> Rendition {
        self.rendition
    }

    pub(super) fn part_target_nanos(&self) -> i64 {
        self.part_target_nanos
    }

    pub(super) fn init(&self, revision: u32) -> Option<&Bytes> {
        self.inits.iter().find(|(known, _)| *known == revision).map(|(_, init)| init)
    }

    /// Ticks of this rendition at `time`.
    pub(super) fn ticks(&self, time: MonoTime) -> i64 {
        time.ticks(self.track.timescale)
    }

    pub(super) fn frame_rate(&self) -> FrameRate {
        match &self.track.codec {
            Codec::H264(params) => params.frame_rate.unwrap_or(self.frame_rate),
            _ => self.frame_rate,
        }
    }

    /// What was measured; before that what the encoder aims at, or else what is there.
    pub(super) fn bandwidth(&self) -> Bandwidth {
        self.window.bandwidth().unwrap_or_else(|| {
            let aim_bps = u64::from(self.track.bitrate_bps);
            let bps = if aim_bps > 0 { aim_bps } else { self.window.rough_bps() };
            Bandwidth { peak_bps: bps, average_bps: bps }
        })
    }

    /// Segment and index of the part that comes next; `None` while a segment is made that has no parts.
    pub(super) fn next_part(&self) -> Option<(u64, u32)> {
        let Some(open) = self.window.open() else { return Some((self.window.unfinished_msn(), 0)) };
        if self.segmenter.ends_here() {
            return Some((open.msn + 1, 0));
        }
        open.in_parts.then(|| (open.msn, u32::try_from(open.parts.len()).unwrap_or(u32::MAX)))
    }

    /// The playlist as it is now, from the cache when it is still the same.
    pub(super) fn playlist(
        &mut self,
        longest_part_nanos: i64,
        report: Option<(&'static str, Edge)>,
        ended: bool,
        skip: bool,
    ) -> Text {
        let header = Header {
            name: self.rendition.name(),
            target_duration_s: self.target_duration_s,
            part_target_nanos: self.part_target_nanos,
            longest_part_nanos,
            independent: self.window.always_independent(),
            ended,
            hint: if ended { None } else { self.next_part() },
            report,
        };
        let version = self.window.version();
        let cache = if skip { &mut self.delta } else { &mut self.whole };
        match cache {
            Some((of, at, text)) if *of == header && *at == version => text.clone(),
            _ => {
                let text = Text::new(playlist::write(&self.window, &header, skip));
                *cache = Some((header, version, text.clone()));
                text
            }
        }
    }
}

fn max_gap(scale: Timescale) -> i64 {
    rescale(MAX_GAP_MS, Timescale::MILLIS, scale)
}
