//! NAL units of ITU-T H.264: §7.3.1 (the unit), Annex B (start codes) and ISO/IEC 14496-15
//! (length prefixes).
//!
//! Here: finding units in either framing, and turning one access unit into the form that the rest of
//! the box carries: four-byte lengths, slices and SEI only.
//! Not here: where one access unit of a byte stream ends and the next begins
//! (`container::annexb_stream`), and what is inside parameter sets ([`super::sps`]).

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

/// `nal_unit_type`, Table 7-1, as far as the box tells types apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NalType {
    /// A slice or slice partition of a picture that is no IDR picture (1 to 4).
    Slice,
    /// A slice of an IDR picture (5): decoding can start here.
    Idr,
    Sei,
    Sps,
    Pps,
    AccessUnitDelimiter,
    EndOfSequence,
    EndOfStream,
    Filler,
    /// Extensions, reserved and unspecified types, and units with `forbidden_zero_bit` set.
    Other(u8),
}

impl NalType {
    /// The type of a unit, from its first byte; `None` for an empty unit.
    pub fn of(unit: &[u8]) -> Option<Self> {
        unit.first().map(|&header| Self::from_header(header))
    }

    pub const fn from_header(header: u8) -> Self {
        if header & 0x80 != 0 {
            return Self::Other(header & 0x1f);
        }
        match header & 0x1f {
            1..=4 => Self::Slice,
            5 => Self::Idr,
            6 => Self::Sei,
            7 => Self::Sps,
            8 => Self::Pps,
            9 => Self::AccessUnitDelimiter,
            10 => Self::EndOfSequence,
            11 => Self::EndOfStream,
            12 => Self::Filler,
            other => Self::Other(other),
        }
    }

    pub const fn is_slice(self) -> bool {
        matches!(self, Self::Slice | Self::Idr)
    }

    /// Whether units of this type travel in access units: slices and SEI. Parameter sets travel in
    /// the track; delimiters, fillers and extension layers are of no use to a player.
    pub const fn is_carried(self) -> bool {
        matches!(self, Self::Slice | Self::Idr | Self::Sei)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NalError {
    #[error("no H.264 start code (00 00 01) in {len} bytes")]
    NoStartCode { len: usize },
    #[error("a NAL unit of {need} bytes is said to follow where {have} bytes are left")]
    Truncated { need: usize, have: usize },
    #[error("NAL unit lengths of {bytes} bytes don't exist: 1, 2 or 4 do")]
    LengthSize { bytes: u8 },
    #[error("a NAL unit of {len} bytes doesn't fit a 4-byte length")]
    TooLong { len: usize },
}

/// One access unit, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct H264Unit {
    /// The first sequence parameter set that came with it, without start code.
    pub sps: Option<Bytes>,
    /// The first picture parameter set, likewise.
    pub pps: Option<Bytes>,
    /// It has a slice of an IDR picture.
    pub keyframe: bool,
    /// Slices and SEI, each behind a four-byte big-endian length. Empty when only parameter sets came.
    pub data: Bytes,
}

impl H264Unit {
    /// Whether there is a picture in it, not only parameter sets or SEI.
    pub fn has_picture(&self) -> bool {
        self.keyframe || length_prefixed_units(&self.data).any(|unit| NalType::of(unit).is_some_and(NalType::is_slice))
    }
}

/// Where the next start code `00 00 01` begins at or after `from`.
pub fn find_start_code(bytes: &[u8], from: usize) -> Option<usize> {
    // Looks at the third byte of a would-be start code: most values there rule out three positions.
    let mut at = from.checked_add(2)?;
    while let Some(&third) = bytes.get(at) {
        match third {
            0 => at += 1,
            1 if bytes.get(at - 2..at) == Some(&[0, 0]) => return Some(at - 2),
            _ => at += 3,
        }
    }
    None
}

/// The NAL units of Annex B bytes, without start codes and trailing zeros, empty ones left out.
/// What stands before the first start code is no unit.
pub fn annex_b_units(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = find_start_code(bytes, 0).map(|at| at + 3);
    std::iter::from_fn(move || {
        let from = start?;
        let next = find_start_code(bytes, from);
        start = next.map(|at| at + 3);
        Some(trim_trailing_zeros(bytes.get(from..next.unwrap_or(bytes.len()))?))
    })
    .filter(|unit| !unit.is_empty())
}

/// `trailing_zero_8bits`, and the zero byte of a four-byte start code: a unit never ends in zero (§7.4.1).
pub(crate) fn trim_trailing_zeros(unit: &[u8]) -> &[u8] {
    let len = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    unit.get(..len).unwrap_or_default()
}

/// The NAL units behind four-byte lengths. Ends at the first length that doesn't fit.
pub fn length_prefixed_units(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    prefixed(bytes, 4).map_while(Result::ok)
}

fn prefixed(bytes: &[u8], length_size: usize) -> impl Iterator<Item = Result<&[u8], NalError>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some((length, after)) = rest.split_at_checked(length_size) else {
            let have = std::mem::take(&mut rest).len();
            return Some(Err(NalError::Truncated { need: length_size, have }));
        };
        let need = length.iter().fold(0_usize, |value, &byte| value << 8 | usize::from(byte));
        let Some((unit, after)) = after.split_at_checked(need) else {
            rest = &[];
            return Some(Err(NalError::Truncated { need, have: after.len() }));
        };
        rest = after;
        Some(Ok(unit))
    })
}

/// Takes one access unit apart that came with start codes, as encoders and cameras give it.
pub fn from_annex_b(bytes: &[u8]) -> Result<H264Unit, NalError> {
    let units: Vec<&[u8]> = annex_b_units(bytes).collect();
    if units.is_empty() {
        return Err(NalError::NoStartCode { len: bytes.len() });
    }
    from_units(&units)
}

/// Takes one access unit apart that came with lengths of 1, 2 or 4 bytes, as MP4 files have it. Shares
/// the memory where nothing has to change.
pub fn from_length_prefixed(bytes: &Bytes, length_size: u8) -> Result<H264Unit, NalError> {
    if !matches!(length_size, 1 | 2 | 4) {
        return Err(NalError::LengthSize { bytes: length_size });
    }
    let units = prefixed(bytes, usize::from(length_size)).collect::<Result<Vec<_>, _>>()?;
    let as_it_is = |unit: &&[u8]| NalType::of(unit).is_some_and(NalType::is_carried);
    if length_size == 4 && units.iter().all(as_it_is) {
        let keyframe = units.iter().any(|unit| NalType::of(unit) == Some(NalType::Idr));
        return Ok(H264Unit { keyframe, data: bytes.clone(), ..H264Unit::default() });
    }
    from_units(&units)
}

/// Takes one access unit apart, unit by unit.
pub fn from_units(units: &[&[u8]]) -> Result<H264Unit, NalError> {
    let carried = |unit: &&&[u8]| NalType::of(unit).is_some_and(NalType::is_carried);
    let mut data = BytesMut::with_capacity(units.iter().filter(carried).map(|unit| 4 + unit.len()).sum());
    let mut taken = H264Unit::default();
    for unit in units {
        match NalType::of(unit) {
            Some(NalType::Sps) if taken.sps.is_none() => taken.sps = Some(Bytes::copy_from_slice(unit)),
            Some(NalType::Pps) if taken.pps.is_none() => taken.pps = Some(Bytes::copy_from_slice(unit)),
            Some(kind) if kind.is_carried() => {
                data.put_u32(u32::try_from(unit.len()).map_err(|_| NalError::TooLong { len: unit.len() })?);
                data.put_slice(unit);
                taken.keyframe |= kind == NalType::Idr;
            }
            _ => {}
        }
    }
    taken.data = data.freeze();
    Ok(taken)
}

/// Whether a picture (length-prefixed) is one of B slices, as its first slice says: `first_mb_in_slice` is 0 there
/// (a bit 1), so `slice_type` begins with the next bit (§7.3.3): ue(1) is 010, ue(6) is 00111.
pub fn is_b_picture(data: &[u8]) -> bool {
    let slice = length_prefixed_units(data).find(|unit| NalType::of(unit).is_some_and(NalType::is_slice));
    slice.and_then(|slice| slice.get(1)).is_some_and(|byte| byte & 0xf0 == 0b1010_0000 || byte & 0xfc == 0b1001_1100)
}

/// Puts start codes before the units of `data` (length-prefixed), for decoders and files that want Annex B;
/// `parameter_sets` come first.
pub fn to_annex_b(parameter_sets: &[&[u8]], data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(parameter_sets.iter().map(|unit| unit.len() + 4).sum::<usize>() + data.len());
    for unit in parameter_sets.iter().copied().chain(length_prefixed_units(data)) {
        out.put_u32(1);
        out.put_slice(unit);
    }
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn units(bytes: &[u8]) -> Vec<&[u8]> {
        annex_b_units(bytes).collect()
    }

    #[test]
    fn start_codes_of_three_and_four_bytes_and_padding() {
        let bytes = [9, 9, 0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 0, 1, 0x65, 4, 0, 0];
        assert_eq!(units(&bytes), [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 4]]);
    }

    #[test]
    fn bytes_without_a_unit_have_none() {
        for bytes in [&[][..], &[0], &[0, 0, 1], &[0, 0, 0, 1], &[1, 2, 3, 4], &[0, 0, 1, 0, 0, 1]] {
            assert!(units(bytes).is_empty(), "{bytes:?}");
            assert_eq!(from_annex_b(bytes), Err(NalError::NoStartCode { len: bytes.len() }));
        }
    }

    #[test]
    fn an_access_unit_keeps_slices_and_sei_only() {
        let annex_b = [
            0, 0, 0, 1, 0x09, 0xf0, 0, 0, 0, 1, 0x67, 7, 0, 0, 1, 0x68, 8, 0, 0, 1, 0x06, 6, 0, 0, 1, 0x65, 5, 0, 0, 1,
            0x65, 55, 0, 0, 1, 0x0c, 0xff,
        ];
        let unit = from_annex_b(&annex_b).expect("an access unit");
        assert_eq!(unit.sps.as_deref(), Some(&[0x67, 7][..]));
        assert_eq!(unit.pps.as_deref(), Some(&[0x68, 8][..]));
        assert!(unit.keyframe && unit.has_picture());
        assert_eq!(unit.data[..], [0, 0, 0, 2, 0x06, 6, 0, 0, 0, 2, 0x65, 5, 0, 0, 0, 2, 0x65, 55]);
    }

    #[test]
    fn parameter_sets_alone_are_no_picture() {
        let unit = from_annex_b(&[0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 1]).expect("units");
        assert!(!unit.has_picture() && unit.data.is_empty());
    }

    #[test]
    fn lengths_of_every_size_become_four_bytes() {
        let want = [0, 0, 0, 2, 0x41, 1, 0, 0, 0, 1, 0x01];
        for (size, bytes) in [
            (1, &[2, 0x41, 1, 1, 0x01, 1, 0x09][..]),
            (2, &[0, 2, 0x41, 1, 0, 1, 0x01]),
            (4, &[0, 0, 0, 2, 0x41, 1, 0, 0, 0, 1, 0x01]),
        ] {
            let unit = from_length_prefixed(&Bytes::copy_from_slice(bytes), size).expect("an access unit");
            assert_eq!(unit.data[..], want, "length size {size}");
            assert!(!unit.keyframe);
        }
    }

    #[test]
    fn four_byte_lengths_share_the_memory() {
        let bytes = Bytes::from_static(&[0, 0, 0, 2, 0x65, 1]);
        let unit = from_length_prefixed(&bytes, 4).expect("an access unit");
        assert_eq!(unit.data.as_ptr(), bytes.as_ptr());
        assert!(unit.keyframe);
    }

    #[test]
    fn lengths_that_lie_are_errors() {
        let truncated = Bytes::from_static(&[0, 0, 0, 9, 0x65, 1]);
        assert_eq!(from_length_prefixed(&truncated, 4), Err(NalError::Truncated { need: 9, have: 2 }));
        assert_eq!(from_length_prefixed(&truncated, 3), Err(NalError::LengthSize { bytes: 3 }));
        assert!(from_length_prefixed(&Bytes::from_static(&[0, 0, 0]), 4).is_err());
    }

    fn a_unit() -> impl Strategy<Value = Vec<u8>> {
        // No zeros, so no emulated start codes: what an encoder's emulation prevention guarantees.
        (1_u8..32, proptest::collection::vec(1_u8.., 0..40)).prop_map(|(header, mut body)| {
            body.insert(0, header);
            body
        })
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..200)) {
            for unit in annex_b_units(&bytes) {
                prop_assert!(!unit.is_empty() && unit.last() != Some(&0));
                prop_assert!(find_start_code(unit, 0).is_none());
            }
            let _ = from_annex_b(&bytes);
            for size in 0..6 {
                let _ = from_length_prefixed(&Bytes::copy_from_slice(&bytes), size);
            }
        }

        #[test]
        fn what_was_framed_is_found_again(units in proptest::collection::vec(a_unit(), 1..8)) {
            let borrowed: Vec<&[u8]> = units.iter().map(Vec::as_slice).collect();
            let annex_b = to_annex_b(&borrowed, &[]);
            prop_assert_eq!(annex_b_units(&annex_b).collect::<Vec<_>>(), borrowed.clone());

            let unit = from_units(&borrowed).expect("fits");
            let carried: Vec<&[u8]> =
                borrowed.into_iter().filter(|unit| NalType::of(unit).is_some_and(NalType::is_carried)).collect();
            prop_assert_eq!(length_prefixed_units(&unit.data).collect::<Vec<_>>(), carried);
        }
    }
}
