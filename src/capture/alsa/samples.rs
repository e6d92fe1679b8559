//! A sound card's samples to interleaved i16. Pure.

use std::sync::Arc;

/// Little-endian, as every sound card has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SampleFormat {
    S16,
    /// 24 bits in the low three of four bytes.
    S24,
    /// 24 bits in three bytes.
    S24Packed,
    S32,
}

impl SampleFormat {
    /// The ones that need no conversion first.
    pub const BY_PREFERENCE: [Self; 4] = [Self::S16, Self::S32, Self::S24, Self::S24Packed];

    pub const fn bytes(self) -> usize {
        match self {
            Self::S16 => 2,
            Self::S24Packed => 3,
            Self::S24 | Self::S32 => 4,
        }
    }

    /// `bytes` has [`Self::bytes`] of them.
    fn sample(self, bytes: &[u8]) -> i16 {
        match (self, bytes) {
            (Self::S16, [a, b, ..]) => i16::from_le_bytes([*a, *b]),
            (Self::S24 | Self::S24Packed, [a, b, c, ..]) => rounded(i32::from_le_bytes([0, *a, *b, *c])),
            (Self::S32, [a, b, c, d, ..]) => rounded(i32::from_le_bytes([*a, *b, *c, *d])),
            _ => 0,
        }
    }
}

/// The upper half, to the nearest.
fn rounded(sample: i32) -> i16 {
    (sample.saturating_add(1 << 15) >> 16) as i16
}

/// The first `channels` of each frame of `device_channels`; bytes of an incomplete frame are left out.
pub(super) fn convert(bytes: &[u8], format: SampleFormat, device_channels: u16, channels: u16) -> Arc<[i16]> {
    let frame = format.bytes() * usize::from(device_channels.max(1));
    let taken = format.bytes() * usize::from(channels.min(device_channels));
    let frames = bytes.chunks_exact(frame).map(|frame| frame.get(..taken).unwrap_or_default());
    frames.flat_map(|frame| frame.chunks_exact(format.bytes())).map(|bytes| format.sample(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_becomes_the_same_sixteen_bits() {
        let table: [(SampleFormat, &[u8], i16); 12] = [
            (SampleFormat::S16, &[0x34, 0x12], 0x1234),
            (SampleFormat::S16, &[0x00, 0x80], i16::MIN),
            (SampleFormat::S32, &[0xFF, 0x7F, 0x34, 0x12], 0x1234),
            (SampleFormat::S32, &[0x00, 0x80, 0x34, 0x12], 0x1235),
            (SampleFormat::S32, &[0xFF, 0xFF, 0xFF, 0x7F], i16::MAX),
            (SampleFormat::S32, &[0x00, 0x00, 0x00, 0x80], i16::MIN),
            (SampleFormat::S24, &[0x7F, 0x34, 0x12, 0x00], 0x1234),
            // The fourth byte is the sign's, or nobody's.
            (SampleFormat::S24, &[0x00, 0xFF, 0xFF, 0xFF], -1),
            (SampleFormat::S24, &[0x00, 0xFF, 0xFF, 0x00], -1),
            (SampleFormat::S24, &[0xFF, 0xFF, 0x7F, 0x00], i16::MAX),
            (SampleFormat::S24Packed, &[0x80, 0x34, 0x12], 0x1235),
            (SampleFormat::S24Packed, &[0x00, 0x00, 0x80], i16::MIN),
        ];
        for (format, bytes, expected) in table {
            assert_eq!(convert(bytes, format, 1, 1)[..], [expected], "{format:?} {bytes:?}");
        }
    }

    #[test]
    fn of_many_channels_the_first_are_taken() {
        let bytes: Vec<u8> = (1_i16..=8).flat_map(i16::to_le_bytes).collect();
        assert_eq!(convert(&bytes, SampleFormat::S16, 4, 2)[..], [1, 2, 5, 6]);
        assert_eq!(convert(&bytes, SampleFormat::S16, 2, 2)[..], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(convert(&bytes[..7], SampleFormat::S16, 1, 1)[..], [1, 2, 3], "half a sample is none");
        assert!(convert(&bytes, SampleFormat::S16, 0, 0).is_empty());
    }
}
