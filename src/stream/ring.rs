//! What a stream remembers, and where a reader stands in it. Sans-IO: no locks, no clock, no wake-ups.
//!
//! The ring keeps the current group of pictures and some history before it, so that a new reader
//! starts at once and one that hesitates loses nothing. It is bounded three times, in time, in bytes
//! and in units, so neither a stream without key frames nor one with broken timestamps can grow it.

use crate::media::{AccessUnit, Track, TrackId};
use crate::time::MonoTime;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// How much a stream remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Kept besides the current GOP: a reader may hesitate this long and lose nothing, ms.
    pub history_ms: u32,
    /// Kept at most, however long the GOP is, ms.
    pub max_ms: u32,
    /// Kept at most, bytes of access units.
    pub max_bytes: usize,
    /// Kept at most: timestamps that don't advance can't be bounded in time.
    pub max_units: usize,
}

impl Default for Limits {
    /// 3 s rides out a stalled output; 12 s holds the long GOPs that cameras make; 24 MB is 12 s at
    /// 16 Mbit/s; 4,096 units is 12 s of 60 pictures, AAC and Opus, twice over.
    fn default() -> Self {
        Self { history_ms: 3_000, max_ms: 12_000, max_bytes: 24 << 20, max_units: 4_096 }
    }
}

/// Over how long a bitrate is measured: two groups of pictures, as they are by default.
const BITRATE_OVER_NANOS: i64 = 2_000_000_000;

/// Where a reader starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the newest key frame there is, with the sound from there on; without one, at the next. A
    /// stream (or a choice) without video starts at its newest unit.
    LatestKeyframe,
    /// At the next key frame to come; sound alone starts with its next unit.
    NextKeyframe,
}

/// What a reader gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    Unit {
        track: Arc<Track>,
        unit: AccessUnit,
    },
    /// So many wanted units are lost, because the reader was too slow. The next picture is a key frame.
    Lagged {
        units: u64,
    },
    /// The publisher is gone; nothing follows.
    End,
}

#[derive(Debug)]
struct Entry {
    track: Arc<Track>,
    unit: AccessUnit,
    at: MonoTime,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    pushed: u64,
    evicted: u64,
    /// Place of the newest key frame.
    last_key: Option<u64>,
}

/// Numbered units, oldest first. Numbers never repeat.
#[derive(Debug)]
pub(super) struct Ring {
    limits: Limits,
    entries: VecDeque<Entry>,
    /// Number of the oldest entry.
    first: u64,
    bytes: usize,
    counts: BTreeMap<TrackId, Count>,
}

/// Where one reader stands.
#[derive(Debug)]
pub(super) struct Cursor {
    wants: Vec<Want>,
    /// Number of the unit to look at next.
    next: u64,
    /// Everything before this number is delivered, counted as missed, or older than the reader.
    counted_to: u64,
    /// No key frame to start from is here yet; units pass unread.
    seeking: bool,
    missed: u64,
}

#[derive(Debug)]
struct Want {
    id: TrackId,
    /// Units of this track before `next`.
    seen: u64,
    needs_key: bool,
    /// A unit was read: from here on, what passes unread is missed.
    begun: bool,
}

impl Ring {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, entries: VecDeque::new(), first: 0, bytes: 0, counts: BTreeMap::new() }
    }

    pub(super) fn push(&mut self, track: &Arc<Track>, unit: AccessUnit) {
        let number = self.end();
        let count = self.counts.entry(track.id).or_default();
        count.pushed += 1;
        if unit.keyframe && track.id.is_video() {
            count.last_key = Some(number);
        }
        self.bytes += unit.data.len();
        let at = MonoTime::from_ticks(unit.dts, track.timescale);
        self.entries.push_back(Entry { track: Arc::clone(track), unit, at });
        self.evict(at);
    }

    /// The newest key frame of the source's own pictures.
    pub(super) fn newest_key_frame(&self) -> Option<(&Arc<Track>, &AccessUnit)> {
        let key = self.counts.get(&TrackId::Video(0))?.last_key?;
        self.get(key).map(|entry| (&entry.track, &entry.unit))
    }

    /// What a track's units add up to over the last seconds, bits a second.
    pub(super) fn bitrate_bps(&self, id: TrackId) -> u64 {
        let mut units = self.entries.iter().rev().filter(|entry| entry.track.id == id);
        let Some(newest) = units.next() else { return 0 };
        let recent = units.take_while(|entry| newest.at.nanos_since(entry.at) <= BITRATE_OVER_NANOS);
        let (bytes, from) = recent.fold((0_u64, newest.at), |(sum, _), one| (sum + one.unit.data.len() as u64, one.at));
        match newest.at.nanos_since(from) {
            nanos @ 1.. => (u128::from(bytes) * 8_000_000_000 / u128::from(nanos.unsigned_abs())) as u64,
            _ => 0,
        }
    }

    /// When the newest of a track was decoded.
    pub(super) fn newest(&self, id: TrackId) -> Option<MonoTime> {
        self.entries.iter().rev().find(|entry| entry.track.id == id).map(|entry| entry.at)
    }

    /// By how much the newest sound ends after the newest picture; negative when it ends before. µs.
    pub(super) fn av_offset_us(&self) -> Option<i64> {
        let end = |id| {
            let newest = self.entries.iter().rev().find(|entry| entry.track.id == id)?;
            let end = newest.unit.pts.saturating_add(i64::from(newest.unit.duration));
            Some(MonoTime::from_ticks(end, newest.track.timescale))
        };
        Some(end(TrackId::Aac)?.nanos_since(end(TrackId::Video(0))?) / 1_000)
    }

    /// Bytes of access units held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn start(&self, wants: &[TrackId], start: Start) -> Cursor {
        let mut cursor = Cursor {
            wants: wants.iter().map(|&id| Want { id, seen: 0, needs_key: id.is_video(), begun: false }).collect(),
            next: self.end(),
            counted_to: 0,
            seeking: wants.iter().any(|id| id.is_video()),
            missed: 0,
        };
        if start == Start::LatestKeyframe {
            if let Some(key) = self.latest_key(&cursor) {
                cursor.next = self.sound_from(key, self.first);
                cursor.seeking = false;
            } else if !self.has_wanted_video(&cursor) {
                cursor.next = self.end().saturating_sub(1).max(self.first);
            }
        }
        cursor.counted_to = cursor.next;
        for want in &mut cursor.wants {
            let count = self.counts.get(&want.id).copied().unwrap_or_default();
            let ahead = self.from(cursor.next).filter(|entry| entry.track.id == want.id).count() as u64;
            want.seen = count.pushed - ahead;
        }
        cursor
    }

    /// What the reader gets next; `None` when it has everything.
    pub(super) fn read(&self, cursor: &mut Cursor) -> Option<Read> {
        if cursor.next < self.first {
            self.fall_behind(cursor);
        }
        while let Some(entry) = self.get(cursor.next) {
            let holds_sound = cursor.seeking && self.has_wanted_video(cursor);
            let Some(want) = cursor.wants.iter_mut().find(|want| want.id == entry.track.id) else {
                cursor.next += 1;
                continue;
            };
            let is_video = want.id.is_video();
            let readable = if is_video { entry.unit.keyframe || !want.needs_key } else { !holds_sound };
            if !readable {
                want.seen += 1;
                if want.begun && cursor.next >= cursor.counted_to {
                    cursor.missed += 1;
                }
                cursor.next += 1;
                continue;
            }
            if cursor.missed > 0 {
                break;
            }
            want.seen += 1;
            want.needs_key = false;
            cursor.next += 1;
            want.begun = true;
            cursor.seeking &= !is_video;
            return Some(Read::Unit { track: Arc::clone(&entry.track), unit: entry.unit.clone() });
        }
        let waits_for_key = cursor.seeking && self.get(cursor.next).is_none();
        if cursor.missed == 0 || waits_for_key {
            return None;
        }
        Some(Read::Lagged { units: std::mem::take(&mut cursor.missed) })
    }

    /// What the reader has not looked at yet, wanted or not.
    pub(super) fn unread(&self, cursor: &Cursor) -> impl Iterator<Item = (&Arc<Track>, &AccessUnit)> {
        self.from(cursor.next).map(|entry| (&entry.track, &entry.unit))
    }

    /// The reader's place has been evicted: counts what it lost and finds where it goes on.
    fn fall_behind(&self, cursor: &mut Cursor) {
        for want in &mut cursor.wants {
            let evicted = self.counts.get(&want.id).map_or(0, |count| count.evicted);
            // A picture that waited for its key frame and was counted is not counted again.
            let lost = evicted.saturating_sub(want.seen);
            if want.begun {
                cursor.missed += lost;
            }
            want.seen = want.seen.max(evicted);
        }
        cursor.next = self.first;
        if cursor.missed == 0 {
            return;
        }
        for want in &mut cursor.wants {
            want.needs_key = want.id.is_video();
        }
        let (sound_from, video_from) = match self.latest_key(cursor) {
            Some(key) => (self.sound_from(key, self.first), key),
            None if self.has_wanted_video(cursor) => {
                cursor.seeking = true;
                cursor.counted_to = self.first;
                return;
            }
            // Sound alone goes on at the newest: whoever was too slow once isn't given a backlog.
            None => (self.end(), self.end()),
        };
        for (number, entry) in (self.first..video_from).zip(&self.entries) {
            let Some(want) = cursor.wants.iter_mut().find(|want| want.id == entry.track.id) else { continue };
            cursor.missed += u64::from(want.begun && (number < sound_from || want.id.is_video()));
            want.seen += u64::from(number < sound_from);
        }
        cursor.next = sound_from;
        cursor.counted_to = video_from;
        cursor.seeking = false;
    }

    /// The newest key frame of the wanted pictures.
    fn latest_key(&self, cursor: &Cursor) -> Option<u64> {
        let keys = cursor.wants.iter().filter_map(|want| self.counts.get(&want.id)?.last_key);
        keys.filter(|&key| key >= self.first).max()
    }

    /// Where to begin so that no sound from the time of picture `key` on is missed: sound is often
    /// published before the picture of the same moment.
    fn sound_from(&self, key: u64, oldest: u64) -> u64 {
        let Some(at) = self.get(key).map(|entry| entry.at) else { return key };
        let before = oldest.saturating_sub(self.first) as usize..key.saturating_sub(self.first) as usize;
        let sound = self.entries.range(before.clone()).position(|entry| !entry.track.id.is_video() && entry.at >= at);
        sound.map_or(key, |index| oldest + index as u64)
    }

    fn has_wanted_video(&self, cursor: &Cursor) -> bool {
        let here = |id| self.counts.get(id).is_some_and(|count| count.pushed > count.evicted);
        cursor.wants.iter().any(|want| want.id.is_video() && here(&want.id))
    }

    fn evict(&mut self, now: MonoTime) {
        // Pictures up to here belong to no current GOP. Other renditions may be without a key frame for long, and
        // who begins with one asks for it.
        let own = self.counts.get(&TrackId::Video(0)).and_then(|count| count.last_key);
        let current_gop = own.filter(|&key| key >= self.first).unwrap_or(u64::MAX);
        while let Some(oldest) = self.entries.front() {
            let age_ms = now.nanos_since(oldest.at) / 1_000_000;
            let too_much = self.bytes > self.limits.max_bytes
                || self.entries.len() > self.limits.max_units
                || age_ms > i64::from(self.limits.max_ms);
            let not_needed = age_ms > i64::from(self.limits.history_ms) && self.first < current_gop;
            if !too_much && !not_needed {
                return;
            }
            self.bytes -= oldest.unit.data.len();
            if let Some(count) = self.counts.get_mut(&oldest.track.id) {
                count.evicted += 1;
            }
            self.first += 1;
            self.entries.pop_front();
        }
    }

    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn from(&self, number: u64) -> impl Iterator<Item = &Entry> {
        self.entries.iter().skip(number.saturating_sub(self.first) as usize)
    }
}
