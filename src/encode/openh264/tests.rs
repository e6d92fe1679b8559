use super::*;
use crate::media::PixelFormat;
use crate::time::{FrameRate, MonoTime};
use openh264::decoder::Decoder;
use openh264::formats::YUVSource;

const SIZE: (u32, u32) = (320, 240);
const FRAME_TICKS: i64 = 3_000;

fn settings() -> VideoSettings {
    VideoSettings {
        width: SIZE.0,
        height: SIZE.1,
        frame_rate: FrameRate::new(30, 1).expect("a rate"),
        bitrate_bps: 500_000,
        gop_frames: 30,
        profile: Profile::Main,
    }
}

/// A gradient that moves, with fine detail in it, in any size.
fn picture(index: usize) -> RawFrame {
    let (width, height) = (SIZE.0 as usize, SIZE.1 as usize);
    let mut bytes = Vec::with_capacity(width * height * 3 / 2);
    for y in 0..height {
        for x in 0..width {
            let wave = ((x + index * 3) % 64) + ((y * 2 + index) % 96);
            bytes.push(16 + wave as u8 + if (x / 8 + y / 8 + index / 4).is_multiple_of(2) { 24 } else { 0 });
        }
    }
    bytes.extend((0..width * height / 4).map(|i| 96 + ((i + index) % 32) as u8));
    bytes.extend((0..width * height / 4).map(|i| 160 - ((i / 160 + index) % 32) as u8));
    RawFrame::packed(MonoTime::ZERO, SIZE, PixelFormat::I420, Arc::new(bytes)).expect("a whole frame")
}

fn timing(index: usize) -> Timing {
    Timing { pts: index as i64 * FRAME_TICKS, duration: FRAME_TICKS as u32 }
}

fn encode(encoder: &mut OpenH264, index: usize, key: bool) -> EncodedPicture {
    encoder.submit(&picture(index), timing(index), key).expect("encodes");
    encoder.receive(Duration::ZERO).expect("encodes").expect("one in, one out")
}

/// What a decoder wants: parameter sets before every key frame, start codes everywhere.
fn annex_b(encoded: &EncodedPicture) -> Bytes {
    let Codec::H264(params) = &encoded.track.codec else { panic!("not H.264") };
    let sets: [&[u8]; 2] = [&params.sps, &params.pps];
    nal::to_annex_b(if encoded.unit.keyframe { &sets } else { &[] }, &encoded.unit.data)
}

fn luma_psnr(original: &RawFrame, decoded: &impl YUVSource) -> f64 {
    let (width, height) = (SIZE.0 as usize, SIZE.1 as usize);
    assert_eq!(decoded.dimensions(), (width, height));
    let stride = decoded.strides().0;
    let mut squares = 0_u64;
    for y in 0..height {
        for x in 0..width {
            let difference = i64::from(original.plane(0)[y * width + x]) - i64::from(decoded.y()[y * stride + x]);
            squares += (difference * difference) as u64;
        }
    }
    10.0 * (255.0 * 255.0 * (width * height) as f64 / squares.max(1) as f64).log10()
}

#[test]
fn every_picture_comes_out_at_once_and_decodes_to_what_went_in() {
    for profile in [Profile::ConstrainedBaseline, Profile::Main, Profile::High] {
        let settings = VideoSettings { profile, bitrate_bps: 1_500_000, ..settings() };
        let mut encoder = OpenH264::open(&settings).expect("opens");
        let mut decoder = Decoder::new().expect("a decoder");
        for index in 0..65 {
            let encoded = encode(&mut encoder, index, false);
            assert_eq!((encoded.unit.pts, encoded.unit.dts), (timing(index).pts, timing(index).pts));
            assert_eq!(encoded.unit.duration, FRAME_TICKS as u32);
            assert_eq!(encoded.unit.keyframe, index % 30 == 0, "picture {index}");
            let decoded = decoder.decode(&annex_b(&encoded)).expect("decodes").expect("a picture");
            let psnr = luma_psnr(&picture(index), &decoded);
            assert!(psnr > 30.0, "{profile:?}: picture {index} has {psnr} dB");
        }
    }
}

#[test]
fn the_profile_asked_for_is_the_profile_signalled() {
    for (profile, idc, constrained) in
        [(Profile::ConstrainedBaseline, 66, true), (Profile::Main, 77, true), (Profile::High, 100, false)]
    {
        let mut encoder = OpenH264::open(&VideoSettings { profile, ..settings() }).expect("opens");
        let encoded = encode(&mut encoder, 0, false);
        let Codec::H264(params) = &encoded.track.codec else { panic!("not H.264") };
        assert_eq!(params.sps[1], idc);
        assert_eq!(params.sps[2] & 0x40 != 0, constrained, "constraint_set1_flag");
        assert_eq!((params.width, params.height), SIZE);
        let info = crate::codec::sps::parse(&params.sps).expect("a parameter set");
        assert_eq!(((info.width, info.height), info.max_num_reorder_frames), (SIZE, Some(0)));
    }
}

#[test]
fn the_track_is_one_and_the_same_over_key_frames_and_bitrates() {
    let mut encoder = OpenH264::open(&settings()).expect("opens");
    let first = encode(&mut encoder, 0, false).track;
    encoder.set_bitrate(6_000_000).expect("a bitrate");
    for index in 1..70 {
        assert!(Arc::ptr_eq(&first, &encode(&mut encoder, index, false).track), "picture {index}");
    }
}

#[test]
fn a_key_frame_comes_when_it_is_asked_for_and_the_interval_starts_anew() {
    let mut encoder = OpenH264::open(&settings()).expect("opens");
    let keys: Vec<usize> = (0..60).filter(|&index| encode(&mut encoder, index, index == 7).unit.keyframe).collect();
    assert_eq!(keys, [0, 7, 37]);
}

#[test]
fn a_new_bitrate_shows_in_the_size_of_what_follows() {
    let mut encoder = OpenH264::open(&VideoSettings { bitrate_bps: 800_000, ..settings() }).expect("opens");
    let mut second =
        |from: usize| -> usize { (from..from + 30).map(|i| encode(&mut encoder, i, false).unit.data.len()).sum() };
    let before = (second(0), second(30)).1;
    encoder.set_bitrate(200_000).expect("a bitrate");
    let mut second =
        |from: usize| -> usize { (from..from + 30).map(|i| encode(&mut encoder, i, false).unit.data.len()).sum() };
    let after = (second(60), second(90)).1;
    assert!(after * 2 < before, "{before} bytes a second before, {after} after");
}

#[test]
fn a_picture_of_another_size_is_refused_by_name() {
    let mut encoder = OpenH264::open(&settings()).expect("opens");
    let small = RawFrame::packed(MonoTime::ZERO, (160, 120), PixelFormat::I420, Arc::new(vec![0; 160 * 120 * 3 / 2]));
    let error = encoder.submit(&small.expect("a frame"), timing(0), false).expect_err("too small");
    assert!(matches!(error, EncodeError::WrongSize { got_width: 160, .. }), "{error}");
}

#[test]
fn sizes_that_openh264_cannot_encode_are_refused_at_opening() {
    for (width, height) in [(8, 8), (4096, 2160), (2400, 2400)] {
        let error = OpenH264::open(&VideoSettings { width, height, ..settings() }).err().expect("refused");
        assert!(matches!(error, EncodeError::Open { .. }), "{error}");
    }
}

#[test]
fn whoever_does_not_receive_is_told_so() {
    let mut encoder = OpenH264::open(&settings()).expect("opens");
    let results: Vec<bool> = (0..20).map(|i| encoder.submit(&picture(i), timing(i), false).is_ok()).collect();
    assert_eq!(results.iter().filter(|ok| **ok).count(), MAX_READY);
}

#[test]
fn every_pixel_format_gives_the_same_picture() {
    let i420 = picture(0);
    let (width, height) = (SIZE.0 as usize, SIZE.1 as usize);
    let (u, v) = (i420.plane(1), i420.plane(2));
    let mut nv12 = i420.plane(0)[..width * height].to_vec();
    nv12.extend(u[..width * height / 4].iter().zip(v).flat_map(|(u, v)| [*u, *v]));
    let mut packed = [Vec::new(), Vec::new()];
    for y in 0..height {
        for x in 0..width / 2 {
            let (y0, y1) = (i420.plane(0)[y * width + 2 * x], i420.plane(0)[y * width + 2 * x + 1]);
            let (u, v) = (u[y / 2 * width / 2 + x], v[y / 2 * width / 2 + x]);
            packed[0].extend([y0, u, y1, v]);
            packed[1].extend([u, y0, v, y1]);
        }
    }
    let [yuyv, uyvy] = packed;
    let expected = encode(&mut OpenH264::open(&settings()).expect("opens"), 0, false).unit.data;
    for (format, bytes) in [(PixelFormat::Nv12, nv12), (PixelFormat::Yuyv, yuyv), (PixelFormat::Uyvy, uyvy)] {
        let frame = RawFrame::packed(MonoTime::ZERO, SIZE, format, Arc::new(bytes)).expect("a frame");
        let mut encoder = OpenH264::open(&settings()).expect("opens");
        encoder.submit(&frame, timing(0), false).expect("encodes");
        let encoded = encoder.receive(Duration::ZERO).expect("encodes").expect("a picture");
        assert_eq!(encoded.unit.data, expected, "{format:?}");
    }
}
