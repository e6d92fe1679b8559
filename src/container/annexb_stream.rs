//! A raw H.264 byte stream (Annex B) into access units, sans-IO.
//!
//! A byte stream doesn't say where an access unit ends, only where the next begins (§7.4.1.2.3): at
//! an access unit delimiter, parameter set or SEI after a slice, or at the first slice of another
//! picture. So a unit comes out when the first bytes of the next one have come in, one frame later;
//! a sender that writes a delimiter as soon as a picture is done saves that time. A caller who knows
//! that a unit is whole, because it was written in one go and the pipe went quiet, says so with
//! [`AnnexBSplitter::flush`].
//!
//! Simplified: the first slice of a picture is the one with `first_mb_in_slice` = 0. Arbitrary slice
//! order (extended and baseline profile, never used by cameras) would be cut wrongly. Two fields of a
//! frame are two units.

use crate::codec::nal::{self, H264Unit, NalType};
use bytes::{Buf, BytesMut};

/// Longest access unit, bytes: an uncompressed 4096x4096 picture would have three times that.
pub const MAX_UNIT_BYTES: usize = 8 << 20;
/// Most NAL units in one access unit: one slice for each row of macroblocks, and then some.
const MAX_NALS: usize = 4096;
/// Most bytes that are held between [`AnnexBSplitter::push`] and `next`.
const MAX_BUFFERED_BYTES: usize = 2 * MAX_UNIT_BYTES;
const START_CODE_BYTES: usize = 3;

/// What is held beyond a unit that may still end: the next start code, a header and a zero byte.
const LOOK_AHEAD_BYTES: usize = 8;

/// Splits what is pushed; as an iterator it yields the units that are complete. `None` means: push more.
#[derive(Debug, Default)]
pub struct AnnexBSplitter {
    /// Begins where the current unit does.
    buffer: BytesMut,
    /// Up to here `buffer` has been searched for start codes.
    searched: usize,
    unit: Current,
    dropped_units: u64,
}

/// What is known of the unit that is coming in.
#[derive(Debug, Default)]
struct Current {
    /// Where each of its NAL units begins in the buffer, behind the start code.
    nals: Vec<usize>,
    has_slice: bool,
    /// It began with something that begins a unit; until then, bytes are passed over.
    synchronised: bool,
    /// It is over a limit: it is passed over to its end.
    too_long: bool,
}

impl AnnexBSplitter {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream. Take the units out after each push: a backlog of more than
    /// 16 MiB is dropped.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.buffer.len().saturating_add(bytes.len()) > MAX_BUFFERED_BYTES {
            self.restart();
            self.dropped_units += 1;
        }
        let excess = bytes.len().saturating_sub(MAX_BUFFERED_BYTES);
        self.buffer.extend_from_slice(bytes.get(excess..).unwrap_or_default());
    }

    /// Ends the current unit here, because the stream has ended, or because the caller knows it to be
    /// whole. `None` when there is no picture in it. Take out what `next` gives first.
    pub fn flush(&mut self) -> Option<H264Unit> {
        let unit = if self.unit.has_slice { self.cut(self.buffer.len()) } else { None };
        self.restart();
        unit
    }

    /// How many access units were dropped for being over a limit.
    pub fn dropped_units(&self) -> u64 {
        self.dropped_units
    }

    fn restart(&mut self) {
        *self = Self { dropped_units: self.dropped_units, ..Self::default() };
    }

    /// Notes the NAL unit whose start code is at `at`.
    fn open(&mut self, at: usize, opening: Opening) {
        self.searched = at + START_CODE_BYTES;
        self.unit.synchronised |= opening.begins_unit;
        self.unit.has_slice |= opening.is_slice;
        self.unit.too_long |= self.unit.nals.len() >= MAX_NALS;
        if self.unit.synchronised && !self.unit.too_long {
            self.unit.nals.push(self.searched);
        }
    }

    /// Ends the current unit at `end`, where a start code or the end of the stream is.
    fn cut(&mut self, end: usize) -> Option<H264Unit> {
        let bytes = self.buffer.split_to(end.min(self.buffer.len()));
        let unit = std::mem::take(&mut self.unit);
        self.searched = 0;
        if !unit.synchronised {
            return None;
        }
        if unit.too_long || bytes.len() > MAX_UNIT_BYTES {
            self.dropped_units += 1;
            return None;
        }
        let ends = unit.nals.iter().skip(1).map(|next| next - START_CODE_BYTES).chain([bytes.len()]);
        let nals: Vec<&[u8]> = unit
            .nals
            .iter()
            .zip(ends)
            .filter_map(|(&from, to)| Some(nal::trim_trailing_zeros(bytes.get(from..to)?)))
            .collect();
        nal::from_units(&nals).ok()
    }

    /// Forgets bytes that can't come out any more, so that the buffer stays bounded. When this happens
    /// doesn't change what comes out.
    fn forget(&mut self) {
        self.unit.too_long |= self.buffer.len() > MAX_UNIT_BYTES + LOOK_AHEAD_BYTES;
        if self.unit.too_long || !self.unit.synchronised {
            self.unit.nals.clear();
            self.buffer.advance(self.searched.min(self.buffer.len()));
            self.searched = 0;
        }
    }
}

impl Iterator for AnnexBSplitter {
    type Item = H264Unit;

    fn next(&mut self) -> Option<H264Unit> {
        loop {
            let found = nal::find_start_code(&self.buffer, self.searched);
            // The last two bytes may begin a start code.
            let tail = self.buffer.len().saturating_sub(START_CODE_BYTES - 1);
            self.searched = found.unwrap_or(tail.max(self.searched));
            let after = found.and_then(|at| self.buffer.get(at + START_CODE_BYTES..)).unwrap_or_default();
            let Some((at, opening)) = found.zip(Opening::of(after)) else {
                self.forget();
                return None;
            };
            if opening.begins_unit && self.unit.has_slice {
                let finished = self.cut(at);
                self.open(0, opening);
                if finished.is_some() {
                    return finished;
                }
            } else {
                self.open(at, opening);
            }
        }
    }
}

/// What the first bytes of a NAL unit tell.
#[derive(Debug, Clone, Copy)]
struct Opening {
    is_slice: bool,
    /// Behind a slice, this begins another access unit.
    begins_unit: bool,
}

impl Opening {
    /// `None` when more bytes are needed.
    fn of(nal: &[u8]) -> Option<Self> {
        let &header = nal.first()?;
        let kind = NalType::from_header(header);
        let begins_unit = match kind {
            NalType::AccessUnitDelimiter | NalType::Sps | NalType::Pps | NalType::Sei => true,
            // first_mb_in_slice is Exp-Golomb coded: a one bit is 0. Slice data partitions B and C don't have it.
            NalType::Slice | NalType::Idr if matches!(header & 0x1f, 1 | 2 | 5) => nal.get(1)? & 0x80 != 0,
            _ => false,
        };
        Some(Self { is_slice: kind.is_slice(), begins_unit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AUD: &[u8] = &[0, 0, 0, 1, 0x09, 0xf0];
    const SPS: &[u8] = &[0, 0, 0, 1, 0x67, 7];
    const PPS: &[u8] = &[0, 0, 0, 1, 0x68, 8];
    const IDR: &[u8] = &[0, 0, 1, 0x65, 0x88, 1];
    const FIRST: &[u8] = &[0, 0, 1, 0x41, 0x9a, 2];
    /// A further slice of the same picture: first_mb_in_slice is not 0.
    const FURTHER: &[u8] = &[0, 0, 1, 0x41, 0x42, 3];

    fn split(stream: &[u8], chunk: usize) -> Vec<H264Unit> {
        let mut splitter = AnnexBSplitter::new();
        let mut units = Vec::new();
        for chunk in stream.chunks(chunk.max(1)) {
            splitter.push(chunk);
            units.extend(&mut splitter);
        }
        units.extend(splitter.flush());
        units
    }

    fn nal_types(unit: &H264Unit) -> Vec<u8> {
        nal::length_prefixed_units(&unit.data).map(|nal| nal[0] & 0x1f).collect()
    }

    #[test]
    fn pictures_with_parameter_sets_and_several_slices() {
        let stream = [SPS, PPS, IDR, FIRST, FURTHER, FURTHER, FIRST].concat();
        let units = split(&stream, usize::MAX);
        assert_eq!(units.iter().map(nal_types).collect::<Vec<_>>(), [vec![5], vec![1, 1, 1], vec![1]]);
        assert_eq!(units[0].sps.as_deref(), Some(&SPS[4..]));
        assert_eq!(units[0].pps.as_deref(), Some(&PPS[4..]));
        assert_eq!(units.iter().map(|unit| unit.keyframe).collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn what_x264_writes_is_split_as_ffprobe_splits_it() {
        for (stream, listing, slices) in [
            (
                include_bytes!("../../tests/vectors/bframes.h264").as_slice(),
                include_str!("../../tests/vectors/bframes.h264.packets"),
                1,
            ),
            (
                include_bytes!("../../tests/vectors/slices.h264").as_slice(),
                include_str!("../../tests/vectors/slices.h264.packets"),
                4,
            ),
        ] {
            let units = split(stream, 100);
            assert_eq!(split(stream, 1), units);
            let keys: Vec<_> = units.iter().map(|unit| unit.keyframe).collect();
            assert_eq!(keys, listing.lines().map(|packet| packet.contains("|K")).collect::<Vec<_>>());
            for unit in &units {
                assert_eq!(nal_types(unit).iter().filter(|&&kind| kind != 6).count(), slices);
                assert_eq!(unit.sps.is_some() && unit.pps.is_some(), unit.keyframe);
            }
        }
    }

    #[test]
    fn a_delimiter_ends_a_unit_at_once_and_a_slice_with_its_second_byte() {
        let mut splitter = AnnexBSplitter::new();
        splitter.push(&[SPS, IDR].concat());
        assert_eq!(splitter.next(), None);
        splitter.push(&AUD[..4]);
        assert_eq!(splitter.next(), None);
        splitter.push(&AUD[4..5]);
        assert!(splitter.next().is_some());

        splitter.push(&[FIRST, &FIRST[..4]].concat());
        assert_eq!(splitter.next(), None);
        splitter.push(&FIRST[4..5]);
        assert!(splitter.next().is_some());
    }

    #[test]
    fn flush_gives_what_is_there() {
        let mut splitter = AnnexBSplitter::new();
        assert_eq!(splitter.flush(), None);
        splitter.push(&[SPS, PPS].concat());
        assert_eq!(splitter.next(), None);
        assert_eq!(splitter.flush(), None, "parameter sets are no picture");
        splitter.push(IDR);
        assert_eq!(splitter.next(), None);
        assert!(splitter.flush().is_some_and(|unit| unit.keyframe));
    }

    #[test]
    fn a_stream_that_begins_in_the_middle_of_a_picture_begins_with_the_next() {
        let stream = [&[1, 2, 3, 0, 0][..], FURTHER, FURTHER, FIRST, FIRST].concat();
        assert_eq!(split(&stream, 5).iter().map(nal_types).collect::<Vec<_>>(), [vec![1], vec![1]]);
    }

    #[test]
    fn a_unit_over_the_limit_is_dropped_and_counted_and_the_next_comes() {
        for chunk in [usize::MAX, 1 << 16, 1_000_003] {
            let mut splitter = AnnexBSplitter::new();
            let stream = [SPS, IDR, &vec![0x55; MAX_UNIT_BYTES], FIRST, FIRST].concat();
            let mut units = Vec::new();
            for chunk in stream.chunks(chunk) {
                splitter.push(chunk);
                units.extend(&mut splitter);
                assert!(splitter.buffer.len() <= MAX_UNIT_BYTES + 2 * (1 << 20));
            }
            units.extend(splitter.flush());
            assert_eq!((units.len(), splitter.dropped_units()), (2, 1), "chunks of {chunk}");
        }
    }

    #[test]
    fn garbage_is_not_kept() {
        let mut splitter = AnnexBSplitter::new();
        for _ in 0..64 {
            splitter.push(&vec![0xaa; 1 << 20]);
            assert_eq!(splitter.next(), None);
            assert!(splitter.buffer.len() < 8);
        }
    }

    #[test]
    fn start_codes_without_end_are_not_kept() {
        let mut splitter = AnnexBSplitter::new();
        splitter.push(&[SPS, IDR].concat());
        for _ in 0..64 {
            splitter.push(&FURTHER.repeat(1_000));
            assert_eq!(splitter.next(), None);
        }
        assert!(splitter.buffer.len() < 8 && splitter.unit.nals.len() <= MAX_NALS);
        splitter.push(FIRST);
        assert_eq!(splitter.next(), None);
        assert_eq!(splitter.dropped_units(), 1);
        assert!(splitter.flush().is_some());
    }

    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => prop::sample::select(vec![AUD, SPS, PPS, IDR, FIRST, FURTHER]).prop_map(<[u8]>::to_vec),
            1 => proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..12),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_units(stream in pieces(), chunk in 1_usize..20) {
            let at_once = split(&stream, usize::MAX);
            prop_assert_eq!(split(&stream, chunk), at_once.clone());
            prop_assert!(at_once.iter().all(H264Unit::has_picture));
        }
    }
}
