//! Sequence parameter sets: ITU-T H.264 §7.3.2.1, parsed by `h264-reader`.
//!
//! Lenient where players are: bytes after the parameter set and pictures larger than the level
//! allows are let through, since cameras send both and every decoder plays them.

use super::nal::H264Unit;
use crate::media::{H264Params, MAX_DIMENSION};
use crate::time::FrameRate;
use bytes::Bytes;
use h264_reader::nal::sps::{ChromaFormat, FrameMbsFlags, SeqParameterSet};
use h264_reader::rbsp::{BitReader, ByteReader};
use thiserror::Error;

/// Longest parameter set taken, bytes: `avcC` counts in 16 bits; real ones have under a hundred.
const MAX_LEN: usize = 4096;
/// Level 6.2, the highest: the parser holds pictures to their level, we hold them to [`MAX_DIMENSION`].
const HIGHEST_LEVEL_IDC: u8 = 62;

/// What the box needs to know from a sequence parameter set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpsInfo {
    /// Size after cropping, px.
    pub width: u32,
    pub height: u32,
    pub profile_idc: u8,
    /// `constraint_set0_flag` is the highest bit.
    pub constraint_flags: u8,
    pub level_idc: u8,
    /// From the VUI's timing; `None` when it has none, or a nonsensical one.
    pub frame_rate: Option<FrameRate>,
    /// How many frames can be decoded before, and shown after, another; `None` when it isn't said.
    /// 0 means that pictures come in the order in which they are shown.
    pub max_num_reorder_frames: Option<u32>,
    /// Whether pictures may be coded as fields.
    pub interlaced: bool,
    /// What the colours mean: Table E-5; `None` when it isn't said.
    pub matrix_coefficients: Option<u8>,
    /// Luma is 0 to 255, not 16 to 235.
    pub full_range: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpsError {
    #[error("a sequence parameter set of {len} bytes: 4 to {MAX_LEN} can be one")]
    Length { len: usize },
    #[error("not a sequence parameter set: NAL unit type {nal_type}")]
    NotSps { nal_type: u8 },
    #[error("not a picture parameter set: {len} bytes, NAL unit type {nal_type}")]
    NotPps { len: usize, nal_type: u8 },
    #[error("a sequence parameter set that can't be read: {reason}")]
    Malformed { reason: String },
    #[error("a picture of {width}x{height}: 2x2 to {MAX_DIMENSION}x{MAX_DIMENSION} can be handled")]
    Size { width: u32, height: u32 },
    #[error("8-bit 4:2:0 video only: this is {luma_bits}-bit, chroma format {chroma_format_idc}")]
    Format { luma_bits: u8, chroma_format_idc: u32 },
}

/// Parses one NAL unit without start code.
pub fn parse(sps: &[u8]) -> Result<SpsInfo, SpsError> {
    let malformed = |reason: String| SpsError::Malformed { reason };
    let &[header, profile_idc, constraint_flags, level_idc, ..] = sps else {
        return Err(SpsError::Length { len: sps.len() });
    };
    if sps.len() > MAX_LEN {
        return Err(SpsError::Length { len: sps.len() });
    }
    if header & 0x9f != 7 {
        return Err(SpsError::NotSps { nal_type: header & 0x1f });
    }
    let mut lenient = sps.to_vec();
    if let Some(level) = lenient.get_mut(3) {
        *level = HIGHEST_LEVEL_IDC;
    }
    let bits = Lenient(BitReader::new(ByteReader::skipping_h264_header(lenient.as_slice())));
    let parsed = SeqParameterSet::from_bits(bits).map_err(|error| malformed(format!("{error:?}")))?;

    let (width, height) = parsed.pixel_dimensions().map_err(|error| malformed(format!("{error:?}")))?;
    if !(2..=MAX_DIMENSION).contains(&width) || !(2..=MAX_DIMENSION).contains(&height) {
        return Err(SpsError::Size { width, height });
    }
    let chroma = &parsed.chroma_info;
    if chroma.bit_depth_luma_minus8 != 0
        || chroma.bit_depth_chroma_minus8 != 0
        || !matches!(chroma.chroma_format, ChromaFormat::YUV420 | ChromaFormat::Monochrome)
    {
        return Err(SpsError::Format {
            luma_bits: chroma.bit_depth_luma_minus8.saturating_add(8),
            chroma_format_idc: chroma.chroma_format.to_u32(),
        });
    }
    let vui = parsed.vui_parameters.as_ref();
    let signal = vui.and_then(|vui| vui.video_signal_type.as_ref());
    Ok(SpsInfo {
        width,
        height,
        profile_idc,
        constraint_flags,
        level_idc,
        frame_rate: vui.and_then(|vui| vui.timing_info.as_ref()).and_then(|timing| {
            // Two ticks a frame (§E.2.1).
            plausible_rate(timing.time_scale, timing.num_units_in_tick.checked_mul(2)?)
        }),
        max_num_reorder_frames: reorder_frames(
            profile_idc,
            constraint_flags,
            &parsed,
            vui.and_then(|vui| vui.bitstream_restrictions.as_ref()).map(|said| said.max_num_reorder_frames),
        ),
        interlaced: matches!(parsed.frame_mbs_flags, FrameMbsFlags::Fields { .. }),
        matrix_coefficients: signal
            .and_then(|signal| signal.colour_description.as_ref())
            .map(|colours| colours.matrix_coefficients),
        full_range: signal.is_some_and(|signal| signal.video_full_range_flag),
    })
}

/// §E.2.1 says it, or the profile has no B-frames, or the picture order type rules reordering out (§8.2.1.3).
fn reorder_frames(profile_idc: u8, flags: u8, sps: &SeqParameterSet, said: Option<u32>) -> Option<u32> {
    use h264_reader::nal::sps::PicOrderCntType::TypeTwo;
    // constraint_set3_flag with these profiles: intra only.
    let intra_only = matches!(profile_idc, 44 | 86 | 100 | 110 | 122 | 244) && flags & 0x10 != 0;
    match said {
        Some(frames) => Some(frames),
        None if profile_idc == 66 || intra_only || matches!(sps.pic_order_cnt, TypeTwo) => Some(0),
        None => None,
    }
}

/// Reduced; `None` for under one frame in ten seconds or over 1000 a second: cameras write such nonsense.
fn plausible_rate(num: u32, den: u32) -> Option<FrameRate> {
    const fn gcd(a: u32, b: u32) -> u32 {
        if b == 0 { a } else { gcd(b, a % b) }
    }
    let divisor = gcd(num, den).max(1);
    let rate = FrameRate::new(num / divisor, den / divisor)?;
    (1_000_000..=10_000_000_000).contains(&rate.period_nanos()).then_some(rate)
}

/// A track's parameters from the two parameter sets, each one NAL unit without start code.
pub fn h264_params(sps: Bytes, pps: Bytes) -> Result<H264Params, SpsError> {
    let info = parse(&sps)?;
    let nal_type = pps.first().map_or(0, |header| header & 0x1f);
    if nal_type != 8 || !(2..=MAX_LEN).contains(&pps.len()) {
        return Err(SpsError::NotPps { len: pps.len(), nal_type });
    }
    Ok(H264Params { sps, pps, width: info.width, height: info.height, frame_rate: info.frame_rate })
}

/// The parameter sets of a stream that carries them in band: says when they are another track's.
#[derive(Debug, Default)]
pub struct ParameterSets {
    sps: Option<Bytes>,
    pps: Option<Bytes>,
}

impl ParameterSets {
    /// Takes what came with a unit; the parameters of a new track when they are complete and have changed.
    /// An error comes once for each bad parameter set, and the track stays as it was.
    pub fn update(&mut self, unit: &H264Unit) -> Result<Option<H264Params>, SpsError> {
        let differs = |new: &Option<Bytes>, old: &Option<Bytes>| new.is_some() && new != old;
        if !differs(&unit.sps, &self.sps) && !differs(&unit.pps, &self.pps) {
            return Ok(None);
        }
        self.sps = unit.sps.clone().or(self.sps.take());
        self.pps = unit.pps.clone().or(self.pps.take());
        match (&self.sps, &self.pps) {
            (Some(sps), Some(pps)) => h264_params(sps.clone(), pps.clone()).map(Some),
            _ => Ok(None),
        }
    }
}

/// `avc1.` and profile, constraint flags and level in hexadecimal (RFC 6381 §3.3).
pub fn codec_string(params: &H264Params) -> String {
    let byte = |index: usize| params.sps.get(index).copied().unwrap_or_default();
    format!("avc1.{:02X}{:02X}{:02X}", byte(1), byte(2), byte(3))
}

/// Profiles whose parameter sets say their chroma format and bit depth (§7.3.2.1.1).
pub const fn has_chroma_info(profile_idc: u8) -> bool {
    matches!(profile_idc, 100 | 110 | 122 | 144 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

/// A bit reader that doesn't mind what follows the parameter set.
struct Lenient<R: std::io::BufRead + Clone>(BitReader<R>);

mod lenient {
    use super::Lenient;
    use h264_reader::rbsp::{BitRead, BitReaderError, Integer, Primitive};
    use std::io::BufRead;

    type Read<T> = Result<T, BitReaderError>;

    impl<R: BufRead + Clone> BitRead for Lenient<R> {
        fn read_ue(&mut self, name: &'static str) -> Read<u32> {
            self.0.read_ue(name)
        }
        fn read_se(&mut self, name: &'static str) -> Read<i32> {
            self.0.read_se(name)
        }
        fn read_bit(&mut self, name: &'static str) -> Read<bool> {
            self.0.read_bit(name)
        }
        fn read<const BITS: u32, I: Integer>(&mut self, name: &'static str) -> Read<I> {
            self.0.read::<BITS, I>(name)
        }
        fn read_var<I: Integer>(&mut self, bit_count: u32, name: &'static str) -> Read<I> {
            self.0.read_var(bit_count, name)
        }
        fn read_to<V: Primitive>(&mut self, name: &'static str) -> Read<V> {
            self.0.read_to(name)
        }
        fn skip(&mut self, bit_count: u32, name: &'static str) -> Read<()> {
            self.0.skip(bit_count, name)
        }
        fn byte_aligned(&self) -> bool {
            self.0.byte_aligned()
        }
        fn has_more_rbsp_data(&mut self, name: &'static str) -> Read<bool> {
            self.0.has_more_rbsp_data(name)
        }
        fn finish_rbsp(self) -> Read<()> {
            Ok(())
        }
        fn finish_sei_payload(self) -> Read<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// x264 core 164 through ffmpeg 5.1.9, `-profile:v main`, 1280x720 at 30 frames a second.
    const X264_720P30: &[u8] = &[
        0x67, 0x4d, 0x40, 0x1f, 0xec, 0xa0, 0x28, 0x02, 0xdd, 0x80, 0x88, 0x00, 0x00, 0x03, 0x00, 0x08, 0x00, 0x00,
        0x03, 0x01, 0xe0, 0x78, 0xc1, 0x8c, 0xb0,
    ];

    #[test]
    fn size_rate_and_codec_string() {
        let info = parse(X264_720P30).expect("an SPS");
        assert_eq!((info.width, info.height), (1280, 720));
        assert_eq!((info.profile_idc, info.constraint_flags, info.level_idc), (0x4d, 0x40, 0x1f));
        assert_eq!(info.frame_rate, FrameRate::new(30, 1));
        assert!(!info.interlaced);

        let params = h264_params(Bytes::from_static(X264_720P30), Bytes::from_static(&[0x68, 0xeb, 0xe3, 0xcb, 0x20]))
            .expect("params");
        assert_eq!(codec_string(&params), "avc1.4D401F");
        assert_eq!((params.width, params.height), (1280, 720));
    }

    #[test]
    fn bytes_after_the_set_and_a_level_too_low_are_let_through() {
        let mut sps = X264_720P30.to_vec();
        sps.extend_from_slice(&[0xca, 0xfe]);
        sps[3] = 10; // level 1: 176x144
        let info = parse(&sps).expect("an SPS");
        assert_eq!((info.width, info.height, info.level_idc), (1280, 720, 10));
    }

    #[test]
    fn the_last_bits_may_not_be_missing() {
        for len in 0..12 {
            assert!(parse(&X264_720P30[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn other_units_are_refused_by_name() {
        assert_eq!(parse(&[0x68, 0xee, 0x3c, 0x80]), Err(SpsError::NotSps { nal_type: 8 }));
        let swapped = h264_params(Bytes::from_static(X264_720P30), Bytes::from_static(X264_720P30));
        assert!(matches!(swapped, Err(SpsError::NotPps { nal_type: 7, .. })), "{swapped:?}");
    }

    #[test]
    fn parameter_sets_make_a_track_when_both_are_there_and_another_when_one_changes() {
        const PPS: &[u8] = &[0x68, 0xeb, 0xe3, 0xcb, 0x20];
        let unit = |sps: Option<&'static [u8]>, pps: Option<&'static [u8]>| H264Unit {
            sps: sps.map(Bytes::from_static),
            pps: pps.map(Bytes::from_static),
            ..H264Unit::default()
        };
        let mut sets = ParameterSets::default();
        assert_eq!(sets.update(&unit(None, None)), Ok(None));
        assert_eq!(sets.update(&unit(Some(X264_720P30), None)), Ok(None));
        assert!(matches!(sets.update(&unit(None, Some(PPS))), Ok(Some(_))));
        assert_eq!(sets.update(&unit(Some(X264_720P30), Some(PPS))), Ok(None), "the same again");
        assert!(sets.update(&unit(Some(&X264_720P30[..5]), None)).is_err());
        assert_eq!(sets.update(&unit(Some(&X264_720P30[..5]), None)), Ok(None), "one error is enough");
        assert!(matches!(sets.update(&unit(Some(X264_720P30), None)), Ok(Some(_))));
    }

    #[test]
    fn rates_are_reduced_and_nonsense_is_none() {
        assert_eq!(plausible_rate(60_000, 2_002), FrameRate::new(30_000, 1_001));
        assert_eq!(plausible_rate(0, 2), None);
        assert_eq!(plausible_rate(30, 0), None);
        assert_eq!(plausible_rate(u32::MAX, 1), None);
        assert_eq!(plausible_rate(1, u32::MAX), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(mut bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse(&bytes);
            if let Some(header) = bytes.first_mut() {
                *header = 0x67;
            }
            let _ = parse(&bytes);
        }

        #[test]
        fn any_flipped_bit_is_survived(at in 0..25_usize * 8) {
            let mut sps = X264_720P30.to_vec();
            sps[at / 8] ^= 1 << (at % 8);
            if let Ok(info) = parse(&sps) {
                prop_assert!(info.width <= MAX_DIMENSION && info.height <= MAX_DIMENSION);
            }
        }
    }
}
