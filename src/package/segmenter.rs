//! One track's access units → parts → segments. Decides where to cut, and nothing else.
//!
//! Pictures are cut at key frames; sound where the pictures were cut, or by the clock when there are
//! none. A part is closed the moment its last frame is there: durations are known, so nothing waits for
//! the frame after it.
//!
//! Invariants (RFC 8216bis §4.4.4.9, §4.4.3.1): no part is longer than PART-TARGET, none but a segment's
//! last shorter than 85 % of it; no segment is longer than TARGETDURATION when rounded. Between two
//! discontinuities each part begins where the last one ended: what jitters is moved onto that line.

use super::settings::Targets;
use crate::media::AccessUnit;
use std::collections::VecDeque;
use std::ops::Range;

/// What decides where a segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Pictures: at a key frame.
    KeyFrames,
    /// Sound alone: as soon as it is long enough.
    Clock,
    /// Sound beside pictures: where the pictures' segments begin.
    Follow,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A segment begins with a unit of this time.
    Begin {
        dts: i64,
        pts: i64,
        independent: bool,
        discontinuity: bool,
    },
    Part {
        units: Vec<AccessUnit>,
        /// Ticks.
        duration: i64,
        /// A key frame is in it.
        independent: bool,
        /// False: this is a whole segment that can't be cut into parts.
        listed: bool,
    },
    End,
}

/// A hole longer than this is a discontinuity, as is a step back, ms: players jump shorter ones.
pub(super) const MAX_GAP_MS: i64 = 500;
/// Units in one part: timestamps that hardly advance must not fill the memory.
const MAX_PART_UNITS: usize = 1_024;
/// Cuts of the pictures that the sound hasn't come to yet: many segments more than it can be behind.
const MAX_BOUNDARIES: usize = 64;

#[derive(Debug)]
pub(super) struct Segmenter {
    rule: Rule,
    targets: Targets,
    max_gap: i64,
    /// For units that come without one, ticks.
    usual_duration: u32,
    /// The open part.
    part: Vec<AccessUnit>,
    segment: Option<Open>,
    /// Where the last unit ends; `None` when the next may be anywhere.
    end: Option<i64>,
    /// The last unit's own dts, before it was moved.
    last_dts: Option<i64>,
    last_key: Option<i64>,
    /// From key frame to key frame, as told or as seen.
    gop: Option<i64>,
    boundaries: VecDeque<i64>,
    /// The next segment from here on begins with a discontinuity.
    break_at: Option<i64>,
    waits_for_key: bool,
    /// No segment has ended yet.
    first: bool,
    discontinuities: u64,
    dropped: u64,
}

#[derive(Debug)]
struct Open {
    start: i64,
    independent: bool,
    /// It holds a unit longer than PART-TARGET, so it isn't published in parts.
    whole: bool,
    parts: u32,
}

impl Segmenter {
    /// `max_gap` is [`MAX_GAP_MS`] in ticks, `usual_duration` that of a unit.
    pub(super) fn new(rule: Rule, targets: Targets, max_gap: i64, usual_duration: u32) -> Self {
        Self {
            rule,
            targets,
            max_gap,
            usual_duration: usual_duration.max(1),
            part: Vec::new(),
            segment: None,
            end: None,
            last_dts: None,
            last_key: None,
            gop: targets.gop,
            boundaries: VecDeque::new(),
            break_at: None,
            waits_for_key: rule == Rule::KeyFrames,
            first: true,
            discontinuities: 0,
            dropped: 0,
        }
    }

    /// Discontinuities so far; all renditions of a session come to the same number.
    pub(super) fn discontinuities(&self) -> u64 {
        self.discontinuities
    }

    /// A rendition that joins late counts from where the others are.
    pub(super) fn count_discontinuities_from(&mut self, discontinuities: u64) {
        self.discontinuities = discontinuities;
    }

    /// Units that had to be left out: before the first key frame, or out of order.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Pictures are left out until a key frame comes.
    pub(super) fn waits_for_key(&self) -> bool {
        self.waits_for_key
    }

    /// The pictures were cut at this tick (of this track).
    pub(super) fn boundary(&mut self, at: i64) {
        self.rule = Rule::Follow;
        if self.boundaries.len() == MAX_BOUNDARIES {
            self.boundaries.pop_front();
        }
        self.boundaries.push_back(at);
    }

    /// Begins a segment with a discontinuity at the first chance from `at` on.
    pub(super) fn discontinue_at(&mut self, at: i64) {
        self.break_at.get_or_insert(at);
    }

    /// Ends what is open; the next unit begins elsewhere in time.
    pub(super) fn break_off(&mut self, out: &mut Vec<Event>) {
        self.end_segment(out);
        self.end = None;
        self.last_dts = None;
        self.last_key = None;
        self.waits_for_key = self.rule == Rule::KeyFrames;
        self.break_at = Some(i64::MIN);
    }

    /// Ends what is open, for good.
    pub(super) fn finish(&mut self, out: &mut Vec<Event>) {
        self.end_segment(out);
    }

    /// Another track: its durations in its own ticks.
    pub(super) fn change_track(&mut self, targets: Targets, max_gap: i64, out: &mut Vec<Event>) {
        self.break_off(out);
        self.boundaries.clear();
        self.gop = targets.gop.or(self.gop.filter(|_| targets == self.targets));
        (self.targets, self.max_gap) = (targets, max_gap);
    }

    /// Where units end that only fill the open part: those are taken as well later, together, with the
    /// one that closes it. `None`: the next unit may close something, or begin it.
    pub(super) fn quiet(&self) -> Option<Range<i64>> {
        let (open, end) = (self.segment.as_ref().filter(|open| !open.whole)?, self.end?);
        if self.break_at.is_some() || self.waits_for_key {
            return None;
        }
        let start = self.part.first().map_or(end, |first| first.dts);
        let frame = self.part.last().map_or(i64::from(self.usual_duration), |last| i64::from(last.duration));
        // Half a frame early, for timestamps that are moved onto the line.
        let before = |at: i64| at - frame - frame / 2;
        let cut = match self.rule {
            Rule::KeyFrames => None,
            Rule::Clock => Some(open.start + self.enough()),
            Rule::Follow => self.boundaries.iter().find(|&&at| at >= open.start + self.targets.part).copied(),
        };
        let limit = open.start + self.targets.limit;
        let until = before(limit.min(start + self.targets.part).min(cut.unwrap_or(i64::MAX)));
        (until > start).then_some(start..until)
    }

    /// Whether the unit after the last one is expected to begin a segment: what a preload hint must know.
    pub(super) fn ends_here(&self) -> bool {
        let (Some(open), Some(end)) = (&self.segment, self.end) else { return true };
        let (Some(key), Some(gop)) = (self.last_key, self.gop) else { return false };
        self.part.is_empty() && end >= key + gop - gop / 64 && self.long_enough(open, end, 0)
    }

    pub(super) fn push(&mut self, mut unit: AccessUnit, out: &mut Vec<Event>) {
        if unit.duration == 0 {
            unit.duration = self.usual_duration;
        }
        unit.duration = unit.duration.min(u32::try_from(self.targets.limit).unwrap_or(u32::MAX));
        let is_key = unit.keyframe || self.rule != Rule::KeyFrames;
        if let Some(last) = self.last_dts {
            let expected = self.end.unwrap_or(last);
            if unit.dts.saturating_sub(expected) > self.max_gap || last.saturating_sub(unit.dts) > self.max_gap {
                self.break_off(out);
            } else if unit.dts <= last {
                self.dropped += 1;
                return;
            }
        }
        if self.waits_for_key && !is_key {
            self.dropped += 1;
            return;
        }
        self.waits_for_key = false;
        self.last_dts = Some(unit.dts);
        self.join(&mut unit);
        if unit.keyframe {
            if let Some(key) = self.last_key {
                self.gop = self.targets.gop.or(Some(unit.dts - key));
            }
            self.last_key = Some(unit.dts);
        }
        if self.starts_segment(&unit) {
            self.end_segment(out);
        } else {
            self.make_room(&unit, out);
        }
        self.append(unit, out);
    }

    /// Puts the unit onto the line: right behind the one before it.
    fn join(&mut self, unit: &mut AccessUnit) {
        let Some(mut end) = self.end else { return };
        let frame = i64::from(unit.duration);
        let pictures = self.rule == Rule::KeyFrames;
        if !pictures && (unit.dts - end).abs() <= frame / 2 {
            return move_to(unit, end);
        }
        // In the open part, the picture before lasts until this one, as far as the part has room.
        if let (Some(first), Some(open)) = (self.part.first().map(|first| first.dts), &self.segment)
            && let Some(last) = self.part.last_mut()
        {
            let part = if open.whole { i64::MAX } else { first + self.targets.part };
            let room = part.min(open.start + self.targets.limit);
            let until = unit.dts.min(room).max(last.dts + 1);
            last.duration = u32::try_from(until - last.dts).unwrap_or(u32::MAX);
            end = until;
            self.end = Some(end);
        }
        let hole = unit.dts - end;
        if hole < 0 {
            move_to(unit, end);
            if pictures {
                unit.duration = u32::try_from((frame + hole).max(1)).unwrap_or(1);
            }
        } else if pictures {
            // A picture that comes late is shown early: a hole would stall players.
            let pull = hole.min((self.targets.part - frame).max(0));
            move_to(unit, unit.dts - pull);
            unit.duration = u32::try_from(frame + pull).unwrap_or(unit.duration);
        }
    }

    fn starts_segment(&mut self, unit: &AccessUnit) -> bool {
        let Some(open) = &self.segment else { return true };
        let frame = i64::from(unit.duration);
        if unit.dts + frame - open.start > self.targets.limit || self.part.len() >= MAX_PART_UNITS {
            return true;
        }
        let may_cut = unit.keyframe || self.rule != Rule::KeyFrames;
        if may_cut && self.break_at.is_some_and(|at| unit.dts + frame / 2 >= at) {
            return true;
        }
        match self.rule {
            Rule::KeyFrames if unit.keyframe => !open.independent || self.long_enough(open, unit.dts, frame / 2),
            Rule::KeyFrames => false,
            Rule::Clock => unit.dts - open.start + frame / 2 >= self.enough(),
            Rule::Follow => self.passed_boundary(unit.dts + frame / 2),
        }
    }

    /// A segment is long enough from here on.
    fn enough(&self) -> i64 {
        if self.first { self.targets.first_segment } else { self.targets.segment }
    }

    /// Whether a segment that ends at `end` is a good one: long enough, or too long at the key frame after.
    fn long_enough(&self, open: &Open, end: i64, slack: i64) -> bool {
        let duration = end - open.start;
        duration + slack >= self.enough() || self.gop.is_some_and(|gop| duration + gop > self.targets.limit)
    }

    /// Whether the pictures were cut before `until`, not counting cuts that fall on this segment's start.
    fn passed_boundary(&mut self, until: i64) -> bool {
        let Some(open) = &self.segment else { return false };
        while self.boundaries.front().is_some_and(|&at| at < open.start + self.targets.part) {
            self.boundaries.pop_front();
        }
        self.boundaries.front().is_some_and(|&at| at <= until)
    }

    /// Closes the open part, or if it is too short the segment, when the unit doesn't fit in any more.
    fn make_room(&mut self, unit: &AccessUnit, out: &mut Vec<Event>) {
        let Some(open) = &mut self.segment else { return };
        if open.whole {
            return;
        }
        let frame = i64::from(unit.duration);
        let jitter = self.targets.jitter(frame);
        if frame > self.targets.part + jitter {
            if open.parts == 0 {
                open.whole = true;
            } else {
                self.end_segment(out);
            }
            return;
        }
        let Some(first) = self.part.first() else { return };
        if unit.dts + frame - first.dts <= self.targets.part + jitter {
            return;
        }
        if self.end.unwrap_or(first.dts) - first.dts >= self.targets.shortest_part() {
            self.close_part(out);
        } else {
            self.end_segment(out);
        }
    }

    fn append(&mut self, mut unit: AccessUnit, out: &mut Vec<Event>) {
        let frame = i64::from(unit.duration);
        let jitter = self.targets.jitter(frame);
        if self.segment.is_none() {
            let independent = unit.keyframe || self.rule != Rule::KeyFrames;
            let discontinuity = self.break_at.take_if(|at| unit.dts + frame / 2 >= *at && independent).is_some();
            self.discontinuities += u64::from(discontinuity);
            let whole = frame > self.targets.part + jitter;
            self.segment = Some(Open { start: unit.dts, independent, whole, parts: 0 });
            out.push(Event::Begin { dts: unit.dts, pts: unit.pts, independent, discontinuity });
        }
        let whole = self.segment.as_ref().is_some_and(|open| open.whole);
        let start = self.part.first().map_or(unit.dts, |first| first.dts);
        let mut end = unit.dts + frame;
        if !whole && end - start > self.targets.part {
            end = start + self.targets.part;
            unit.duration = u32::try_from((end - unit.dts).max(1)).unwrap_or(1);
        }
        self.end = Some(end);
        self.part.push(unit);
        let full = end - start >= self.targets.shortest_part() && end - start + frame > self.targets.part + jitter;
        if !whole && full {
            self.close_part(out);
        }
        let open_start = self.segment.as_ref().map_or(end, |open| open.start);
        let ends = match self.rule {
            Rule::KeyFrames => false,
            Rule::Clock => end - open_start + frame / 2 >= self.enough(),
            Rule::Follow => self.passed_boundary(end + frame / 2),
        };
        if ends {
            self.end_segment(out);
        }
    }

    fn close_part(&mut self, out: &mut Vec<Event>) {
        let (Some(open), Some(first)) = (&mut self.segment, self.part.first()) else { return };
        let duration = self.end.unwrap_or(first.dts) - first.dts;
        let units = std::mem::take(&mut self.part);
        let independent = units.iter().any(|unit| unit.keyframe) || self.rule != Rule::KeyFrames;
        open.parts += 1;
        out.push(Event::Part { units, duration, independent, listed: !open.whole });
    }

    fn end_segment(&mut self, out: &mut Vec<Event>) {
        self.close_part(out);
        if self.segment.take().is_some() {
            self.first = false;
            out.push(Event::End);
        }
    }
}

/// Moves a unit in time. Where decoding and presentation order differ, presentation stays.
fn move_to(unit: &mut AccessUnit, dts: i64) {
    if unit.pts == unit.dts {
        unit.pts = dts;
    }
    unit.dts = dts;
}
