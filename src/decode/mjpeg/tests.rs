//! The pictures and what they must become are in tests/vectors/jpeg, with their origin.

use super::*;
use crate::time::MonoTime;
use proptest::prelude::*;

macro_rules! vector {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/jpeg/", $name)).as_slice()
    };
}

fn camera_picture(jpeg: &[u8]) -> RawFrame {
    let time = MonoTime::from_millis(7);
    RawFrame::packed(time, (96, 64), PixelFormat::Mjpeg, Arc::new(jpeg.to_vec())).expect("one byte at least")
}

fn decode(jpeg: &[u8]) -> Result<RawFrame, DecodeError> {
    MjpegDecoder::new().decode(&camera_picture(jpeg))
}

/// Mean squared error × 100, so that it is an integer.
fn error_100(a: &[u8], b: &[u8]) -> u64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum::<u64>() * 100 / a.len() as u64
}

#[test]
fn every_subsampling_becomes_what_ffmpeg_makes_of_it() {
    // Limits: luma within rounding of another inverse transform; chroma as far as interpolating and
    // averaging back softens the sharp edges of this picture.
    let table: [(&str, &[u8], &[u8]); 4] = [
        ("4:2:0", vector!("420.jpg"), vector!("420.i420")),
        ("4:2:2", vector!("422.jpg"), vector!("422.i420")),
        ("4:4:4", vector!("444.jpg"), vector!("444.i420")),
        ("gray", vector!("gray.jpg"), vector!("gray.i420")),
    ];
    for (name, jpeg, expected) in table {
        let picture = decode(jpeg).expect(name);
        assert_eq!((picture.width(), picture.height(), picture.format()), (96, 64, PixelFormat::I420), "{name}");
        assert_eq!(picture.captured(), MonoTime::from_millis(7));
        let (luma, chroma) = picture.plane(0).split_at(96 * 64);
        let luma_error = error_100(luma, &expected[..96 * 64]);
        let chroma_error = error_100(chroma, &expected[96 * 64..]);
        println!("{name}: luma {luma_error}/100, chroma {chroma_error}/100");
        assert!(luma_error < 100, "{name}: luma is off by {luma_error}/100");
        assert!(chroma_error < 10_000, "{name}: chroma is off by {chroma_error}/100");
    }
}

#[test]
fn an_odd_picture_is_cut_to_even() {
    let picture = decode(vector!("odd.jpg")).expect("a picture");
    assert_eq!((picture.width(), picture.height()), (32, 16));
}

#[test]
fn huffman_tables_left_out_are_the_standard_ones() {
    let jpeg = vector!("422.jpg");
    let mut bare = Vec::new();
    let mut at = 2;
    bare.extend_from_slice(&jpeg[..2]);
    while jpeg[at + 1] != 0xDA {
        let len = 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] != 0xC4 {
            bare.extend_from_slice(&jpeg[at..at + len]);
        }
        at += len;
    }
    bare.extend_from_slice(&jpeg[at..]);
    assert!(bare.len() + 400 < jpeg.len(), "the tables were there");
    let (with, without) = (decode(jpeg).expect("a picture"), decode(&bare).expect("a picture"));
    assert_eq!(with.plane(0), without.plane(0));
}

#[test]
fn padding_after_the_end_is_not_looked_at() {
    let jpeg = vector!("420.jpg");
    let padded = [jpeg, &[0; 4096]].concat();
    assert_eq!(decode(&padded).expect("a picture").plane(0), decode(jpeg).expect("a picture").plane(0));
}

#[test]
fn no_picture_that_was_cut_is_shown() {
    for jpeg in [vector!("420.jpg"), vector!("422.jpg"), vector!("gray.jpg")] {
        for len in 1..jpeg.len() {
            assert!(decode(&jpeg[..len]).is_err(), "{len} of {} bytes", jpeg.len());
        }
    }
}

#[test]
fn a_hole_in_the_middle_is_seen() {
    // What a lost USB packet leaves: the end is there, the middle is not.
    let jpeg = vector!("422.jpg");
    let hole = [&jpeg[..1200], &jpeg[2200..]].concat();
    assert!(matches!(decode(&hole), Err(DecodeError::Damaged(_))), "{:?}", decode(&hole));
}

#[test]
fn what_cameras_dont_make_is_refused_by_name() {
    assert_eq!(decode(vector!("progressive.jpg")).unwrap_err(), DecodeError::Unsupported("progressive"));
    assert_eq!(decode(b"GIF89a").unwrap_err(), DecodeError::NotJpeg);
    assert_eq!(decode(&[0]).unwrap_err(), DecodeError::NotJpeg);
    let mut huge = vector!("420.jpg").to_vec();
    let sof = huge.windows(2).position(|pair| pair == [0xFF, 0xC0]).expect("a frame header");
    huge[sof + 5..sof + 9].fill(0xFF);
    assert_eq!(decode(&huge).unwrap_err(), DecodeError::Size { width: 65_535, height: 65_535 });
}

#[test]
fn the_ends_of_the_range_are_exact() {
    let luma: Vec<u8> = [0, 128, 255].map(video_range::<LUMA>).to_vec();
    let chroma: Vec<u8> = [0, 128, 255].map(video_range::<CHROMA>).to_vec();
    assert_eq!((luma, chroma), (vec![16, 126, 235], vec![16, 128, 240]));
}

#[test]
fn a_raw_picture_passes_untouched() {
    let raw = RawFrame::packed(MonoTime::ZERO, (4, 2), PixelFormat::Yuyv, Arc::new(vec![1; 16])).expect("a frame");
    let same = MjpegDecoder::new().decode(&raw).expect("untouched");
    assert!(Arc::ptr_eq(raw.buffer(), same.buffer()));
}

proptest! {
    #[test]
    fn damage_never_panics(at in 0_usize..2600, value: u8, len in 1_usize..8) {
        for jpeg in [vector!("420.jpg"), vector!("422.jpg"), vector!("444.jpg"), vector!("gray.jpg")] {
            let mut damaged = jpeg.to_vec();
            let at = at.min(damaged.len() - 1);
            let end = (at + len).min(damaged.len());
            damaged[at..end].fill(value);
            let _ = decode(&damaged);
        }
    }
}
