//! `Range` requests (RFC 9110 §14) over a list of chunks, without copying.

use bytes::Bytes;

/// Bytes `first..=last` of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    pub first: u64,
    pub last: u64,
}

/// What a `Range` header asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeRequest {
    /// No range, several, or nothing we understand: the whole resource, as §14.2 allows.
    Whole,
    Part(ByteRange),
    /// Nothing of the resource is in the range: 416.
    Unsatisfiable,
}

impl RangeRequest {
    /// `header` as the client sent it, `len` the resource's bytes.
    pub fn parse(header: &[u8], len: u64) -> Self {
        Self::specifier(header, len).unwrap_or(Self::Whole)
    }

    /// `None` when the header has to be ignored.
    fn specifier(header: &[u8], len: u64) -> Option<Self> {
        let text = std::str::from_utf8(header).ok()?;
        let (unit, ranges) = text.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = ranges.trim().split_once('-')?;
        let end = len.checked_sub(1);
        let range = if first.is_empty() {
            // The last so many bytes.
            let count = number(last)?;
            end.filter(|_| count > 0).map(|last| ByteRange { first: len.saturating_sub(count), last })
        } else {
            let first = number(first)?;
            let last = if last.is_empty() { u64::MAX } else { number(last)? };
            if last < first {
                return None;
            }
            end.filter(|end| first <= *end).map(|end| ByteRange { first, last: last.min(end) })
        };
        Some(range.map_or(Self::Unsatisfiable, Self::Part))
    }
}

/// Digits only; saturates, since any number past the end means the same.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

impl ByteRange {
    /// The range's bytes out of `chunks`, shared.
    pub fn of(self, chunks: Vec<Bytes>) -> Vec<Bytes> {
        let mut start = 0_u64;
        let mut taken = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let len = chunk.len() as u64;
            // Within the chunk: both fit into usize, for they are at most its length.
            let from = self.first.saturating_sub(start).min(len) as usize;
            let to = self.last.saturating_add(1).saturating_sub(start).min(len) as usize;
            if from < to {
                taken.push(chunk.slice(from..to));
            }
            start += len;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(first: u64, last: u64) -> RangeRequest {
        RangeRequest::Part(ByteRange { first, last })
    }

    #[test]
    fn range_table() {
        use RangeRequest::{Unsatisfiable, Whole};
        let table: &[(&str, u64, RangeRequest)] = &[
            ("bytes=0-0", 10, part(0, 0)),
            ("bytes=0-9", 10, part(0, 9)),
            ("bytes=3-", 10, part(3, 9)),
            ("bytes=3-99", 10, part(3, 9)),
            ("bytes=-3", 10, part(7, 9)),
            ("bytes=-99", 10, part(0, 9)),
            ("Bytes=9-9", 10, part(9, 9)),
            ("bytes= 1-2 ", 10, part(1, 2)),
            ("bytes=0-99999999999999999999999", 10, part(0, 9)),
            ("bytes=10-", 10, Unsatisfiable),
            ("bytes=99999999999999999999999-", 10, Unsatisfiable),
            ("bytes=-0", 10, Unsatisfiable),
            ("bytes=0-0", 0, Unsatisfiable),
            ("bytes=-1", 0, Unsatisfiable),
            // Ignored: bad syntax, another unit, several ranges.
            ("bytes=5-3", 10, Whole),
            ("bytes=-", 10, Whole),
            ("bytes=", 10, Whole),
            ("bytes", 10, Whole),
            ("", 10, Whole),
            ("bytes=a-b", 10, Whole),
            ("bytes=+1-2", 10, Whole),
            ("bytes=1--2", 10, Whole),
            ("items=0-1", 10, Whole),
            ("bytes=0-1,3-4", 10, Whole),
        ];
        for (header, len, expected) in table {
            assert_eq!(RangeRequest::parse(header.as_bytes(), *len), *expected, "{header:?} of {len}");
        }
        assert_eq!(RangeRequest::parse(b"bytes=\xff-", 10), Whole);
    }

    proptest! {
        #[test]
        fn any_header_gives_a_range_within_the_resource(header in prop::collection::vec(any::<u8>(), 0..24), len in any::<u64>()) {
            if let RangeRequest::Part(range) = RangeRequest::parse(&header, len) {
                prop_assert!(range.first <= range.last && range.last < len);
            }
        }

        #[test]
        fn a_range_of_chunks_is_the_range_of_the_whole(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 1..9),
            first in 0_u64..80, last in 0_u64..80,
        ) {
            let whole = chunks.concat();
            let header = format!("bytes={first}-{last}");
            if let RangeRequest::Part(range) = RangeRequest::parse(header.as_bytes(), whole.len() as u64) {
                let taken = range.of(chunks.into_iter().map(Bytes::from).collect()).concat();
                prop_assert_eq!(&taken[..], &whole[range.first as usize..=range.last as usize]);
            }
        }
    }
}
