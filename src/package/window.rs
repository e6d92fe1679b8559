//! One rendition's segments: what the playlist lists, and what has left it but can still be fetched.
//!
//! Not here: text, cutting. Invariants: media sequence numbers rise by one; what was published never
//! changes; memory is bounded.

use bytes::Bytes;
use std::collections::VecDeque;

#[derive(Debug, Clone)]
pub(super) struct Part {
    pub data: Bytes,
    pub nanos: i64,
    /// A key frame is in it.
    pub independent: bool,
}

#[derive(Debug)]
pub(super) struct Segment {
    pub msn: u64,
    /// What the wall clock said when its first frame was captured, ns since 1970.
    pub unix_nanos: i64,
    /// Revision of the initialisation section.
    pub init: u32,
    pub discontinuity: bool,
    pub parts: Vec<Part>,
    /// Its parts may be fetched one by one.
    pub in_parts: bool,
    pub ended: bool,
    pub nanos: i64,
    pub bytes: usize,
}

impl Segment {
    /// Parts that a playlist may list.
    pub(super) fn listed_parts(&self) -> usize {
        if self.in_parts { self.parts.len() } else { 0 }
    }
}

/// What a segment begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begin {
    pub unix_nanos: i64,
    pub init: u32,
    pub independent: bool,
    pub discontinuity: bool,
}

/// Where a playlist ends, as EXT-X-RENDITION-REPORT says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge {
    pub msn: u64,
    /// Index of the last part; `None` for a segment without parts.
    pub part: Option<u32>,
}

/// Bytes of segments that have left the playlist: beyond this they go before their time.
const MAX_RETIRED_BYTES: usize = 32 << 20;
/// Bytes in the playlist: at 40 Mbit/s this is half a minute. Beyond, the playlist gets shorter.
const MAX_LISTED_BYTES: usize = 160 << 20;
/// Segments in the playlist, however short they are.
const MAX_SEGMENTS: usize = 256;

#[derive(Debug)]
pub(super) struct Window {
    /// Segments that the playlist aims to hold.
    target_len: usize,
    target_duration_nanos: i64,
    /// Oldest first; the last may be open.
    segments: VecDeque<Segment>,
    /// With the end of the time in which they may still be fetched, as a sum of durations.
    retired: VecDeque<(Segment, i64)>,
    next_msn: u64,
    discontinuity_sequence: u64,
    /// Changes whenever the playlist does.
    version: u64,
    always_independent: bool,
    listed_nanos: i64,
    listed_bytes: usize,
    retired_bytes: usize,
    total_nanos: i64,
    total_bytes: u64,
    peak_bps: u64,
}

impl Window {
    pub(super) fn new(target_len: usize, target_duration_s: u32, first_msn: u64, discontinuities: u64) -> Self {
        Self {
            target_len,
            target_duration_nanos: i64::from(target_duration_s) * 1_000_000_000,
            segments: VecDeque::new(),
            retired: VecDeque::new(),
            next_msn: first_msn,
            discontinuity_sequence: discontinuities,
            version: 0,
            always_independent: true,
            listed_nanos: 0,
            listed_bytes: 0,
            retired_bytes: 0,
            total_nanos: 0,
            total_bytes: 0,
            peak_bps: 0,
        }
    }

    pub(super) fn begin(&mut self, begin: Begin) {
        self.always_independent &= begin.independent;
        self.segments.push_back(Segment {
            msn: self.next_msn,
            unix_nanos: begin.unix_nanos,
            init: begin.init,
            discontinuity: begin.discontinuity,
            parts: Vec::new(),
            in_parts: true,
            ended: false,
            nanos: 0,
            bytes: 0,
        });
        self.next_msn += 1;
    }

    pub(super) fn part(&mut self, part: Part, listed: bool) {
        let Some(open) = self.segments.back_mut() else { return };
        open.in_parts &= listed;
        open.nanos += part.nanos;
        open.bytes += part.data.len();
        self.listed_nanos += part.nanos;
        self.listed_bytes += part.data.len();
        self.total_nanos += part.nanos;
        self.total_bytes += part.data.len() as u64;
        open.parts.push(part);
        self.version += u64::from(listed);
    }

    pub(super) fn end(&mut self) {
        let Some(open) = self.segments.back_mut() else { return };
        open.ended = true;
        // RFC 8216bis §4.4.6.2: the peak counts what is at least half a target duration long.
        if open.nanos * 2 >= self.target_duration_nanos {
            self.peak_bps = self.peak_bps.max(bits_per_second(open.bytes as u64, open.nanos));
        }
        self.version += 1;
        self.slide();
    }

    /// Nothing follows: the playlist gets its end.
    pub(super) fn close(&mut self) {
        self.version += 1;
    }

    fn slide(&mut self) {
        while let Some(oldest) = self.segments.front() {
            // RFC 8216bis §6.2.2: what remains is at least three target durations.
            let stays_long = self.listed_nanos - oldest.nanos >= 3 * self.target_duration_nanos;
            let too_many = self.segments.len() > self.target_len.max(1) && stays_long;
            let too_much = self.segments.len() > MAX_SEGMENTS || self.listed_bytes > MAX_LISTED_BYTES;
            if !oldest.ended || self.segments.len() == 1 || !(too_many || too_much) {
                break;
            }
            let playlist_nanos = self.listed_nanos;
            let Some(oldest) = self.segments.pop_front() else { break };
            self.listed_nanos -= oldest.nanos;
            self.listed_bytes -= oldest.bytes;
            self.discontinuity_sequence += u64::from(oldest.discontinuity);
            self.retired_bytes += oldest.bytes;
            // RFC 8216bis §6.2.2: it stays available for its own duration and that of the longest
            // playlist that held it.
            let until = self.total_nanos + oldest.nanos + playlist_nanos;
            self.retired.push_back((oldest, until));
        }
        while let Some((oldest, until)) = self.retired.front() {
            if *until > self.total_nanos && self.retired_bytes <= MAX_RETIRED_BYTES {
                break;
            }
            self.retired_bytes -= oldest.bytes;
            self.retired.pop_front();
        }
    }

    /// Listed segments, oldest first.
    pub(super) fn segments(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter()
    }

    /// Any segment that can be fetched, ended or not.
    pub(super) fn get(&self, msn: u64) -> Option<&Segment> {
        let first = self.retired.front().map(|(segment, _)| segment.msn).or_else(|| self.media_sequence())?;
        let index = usize::try_from(msn.checked_sub(first)?).ok()?;
        match index.checked_sub(self.retired.len()) {
            None => self.retired.get(index).map(|(segment, _)| segment),
            Some(index) => self.segments.get(index),
        }
    }

    /// Whether any segment that can be fetched needs this initialisation section.
    pub(super) fn needs_init(&self, init: u32) -> bool {
        let retired = self.retired.iter().map(|(segment, _)| segment);
        retired.chain(&self.segments).any(|segment| segment.init == init)
    }

    /// EXT-X-MEDIA-SEQUENCE.
    pub(super) fn media_sequence(&self) -> Option<u64> {
        self.segments.front().map(|segment| segment.msn)
    }

    pub(super) fn discontinuity_sequence(&self) -> u64 {
        self.discontinuity_sequence
    }

    /// The segment that is being made, or the next one.
    pub(super) fn unfinished_msn(&self) -> u64 {
        self.open().map_or(self.next_msn, |open| open.msn)
    }

    pub(super) fn open(&self) -> Option<&Segment> {
        self.segments.back().filter(|segment| !segment.ended)
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// No segment so far began without a key frame.
    pub(super) fn always_independent(&self) -> bool {
        self.always_independent
    }

    /// The sum of what the playlist lists, ns.
    pub(super) fn listed_nanos(&self) -> i64 {
        self.listed_nanos
    }

    pub(super) fn edge(&self) -> Option<Edge> {
        let last = self.segments().rev().find(|segment| segment.ended || segment.listed_parts() > 0)?;
        let part = last.listed_parts().checked_sub(1).map(|part| u32::try_from(part).unwrap_or(u32::MAX));
        Some(Edge { msn: last.msn, part })
    }

    /// Whether any segment here is whole.
    pub(super) fn has_whole(&self) -> bool {
        self.segments.iter().any(|segment| segment.ended)
    }

    /// Whether segment `msn` is whole.
    pub(super) fn has_segment(&self, msn: u64) -> bool {
        msn < self.unfinished_msn()
    }

    /// Whether this part, or a later one, is in the playlist. An index beyond a segment's last means the
    /// next segment's first (RFC 8216bis §6.2.5.2).
    pub(super) fn has_part(&self, msn: u64, part: u32) -> bool {
        let unfinished = self.unfinished_msn();
        let open_parts = self.open().map_or(0, Segment::listed_parts);
        if msn >= unfinished {
            return msn == unfinished && open_parts > part as usize;
        }
        if msn + 1 < unfinished || open_parts > 0 {
            return true;
        }
        self.get(msn).is_none_or(|segment| !segment.in_parts || segment.parts.len() > part as usize)
    }

    /// Of the segments so far, bits a second; `None` before the first is whole.
    pub(super) fn bandwidth(&self) -> Option<Bandwidth> {
        let measured = self.segments.front().is_some_and(|segment| segment.ended) && self.peak_bps > 0;
        let average_bps = bits_per_second(self.total_bytes, self.total_nanos);
        measured.then_some(Bandwidth { peak_bps: self.peak_bps.max(average_bps), average_bps })
    }

    /// Of what is there, be it only a part.
    pub(super) fn rough_bps(&self) -> u64 {
        bits_per_second(self.total_bytes, self.total_nanos)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bandwidth {
    pub peak_bps: u64,
    pub average_bps: u64,
}

/// Rounded up.
fn bits_per_second(bytes: u64, nanos: i64) -> u64 {
    let nanos = u128::from(nanos.max(1).unsigned_abs());
    u64::try_from((u128::from(bytes) * 8_000_000_000).div_ceil(nanos)).unwrap_or(u64::MAX)
}
