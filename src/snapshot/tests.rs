//! Real pictures, encoded here, through the decoder and back out of their JPEG.

use super::*;
use crate::decode::MjpegDecoder;
use crate::encode::{self, EncoderChoice, Profile, Timing, VideoSettings};
use crate::media::{Codec, PixelFormat, RawFrame, TrackId};
use crate::stream::{Limits, Publisher};
use crate::time::FrameRate;
use std::time::Duration;

const SIZE: (u32, u32) = (1280, 720);

/// Left half dark, right half bright, as key frames one tick of the clock apart.
fn key_frames(count: usize) -> Vec<(Arc<Track>, AccessUnit)> {
    let settings = VideoSettings {
        width: SIZE.0,
        height: SIZE.1,
        frame_rate: FrameRate::DEFAULT,
        bitrate_bps: 2_000_000,
        gop_frames: 30,
        profile: Profile::Main,
    };
    let mut encoder = encode::open_video(EncoderChoice::OpenH264, &settings).expect("an encoder");
    let row: Vec<u8> = (0..SIZE.0).map(|x| if x < SIZE.0 / 2 { 40 } else { 200 }).collect();
    let mut bytes = row.repeat(SIZE.1 as usize);
    bytes.resize(bytes.len() * 3 / 2, 128);
    let picture = RawFrame::packed(MonoTime::ZERO, SIZE, PixelFormat::I420, Arc::new(bytes)).expect("whole");
    let mut encoded = Vec::new();
    for at in 0..count {
        let timing = Timing { pts: at as i64 * 3_000, duration: 3_000 };
        encoder.submit(&picture, timing, true).expect("encodes");
        while let Some(done) = encoder.receive(Duration::ZERO).expect("encodes") {
            encoded.push((done.track, done.unit));
        }
    }
    assert_eq!(encoded.len(), count, "one in, one out");
    encoded
}

fn stream() -> (Arc<Stream>, Publisher) {
    let stream = Stream::new("camera", Limits::default());
    let publisher = stream.publish().expect("free");
    (stream, publisher)
}

fn decoded(jpeg: &Bytes) -> RawFrame {
    let frame = RawFrame::packed(MonoTime::ZERO, (640, 360), PixelFormat::Mjpeg, Arc::new(jpeg.clone()));
    MjpegDecoder::new().decode(&frame.expect("a JPEG")).expect("a sound JPEG")
}

#[tokio::test]
async fn the_newest_key_frame_small_and_as_it_was() {
    let (stream, publisher) = stream();
    for (track, unit) in key_frames(2) {
        publisher.push(&track, unit);
    }
    let snapshot = Snapshots::default().newest(&stream).await.expect("a picture");
    assert_eq!(snapshot.captured, MonoTime::from_ticks(3_000, crate::time::Timescale::VIDEO));
    let picture = decoded(&snapshot.jpeg);
    assert_eq!((picture.width(), picture.height()), (640, 360));
    let luma = |x: usize, y: usize| picture.plane(0)[y * picture.planes()[0].stride + x];
    for (x, expected) in [(50, 40), (300, 40), (340, 200), (600, 200)] {
        let is = luma(x, 180);
        assert!(is.abs_diff(expected) <= 4, "luma at {x} is {is}, not {expected}");
    }
}

#[tokio::test]
async fn one_key_frame_is_decoded_once_and_the_next_anew() {
    let (stream, publisher) = stream();
    let snapshots = Snapshots::default();
    let mut frames = key_frames(2).into_iter();
    let mut push = || frames.next().map(|(track, unit)| publisher.push(&track, unit));
    assert_eq!(snapshots.newest(&stream).await, Err(SnapshotError::NoPicture));
    push();
    let (first, same) = tokio::join!(snapshots.newest(&stream), snapshots.newest(&stream));
    let (first, same) = (first.expect("a picture"), same.expect("a picture"));
    assert!(std::ptr::eq(first.jpeg.as_ptr(), same.jpeg.as_ptr()), "the same bytes");
    push();
    let next = snapshots.newest(&stream).await.expect("a picture");
    assert!(next.captured > first.captured);
    assert_eq!(snapshots.made.lock().expect("whole").len(), 1, "the last one alone is kept");
}

#[tokio::test]
async fn a_stream_that_ended_has_no_picture_and_is_forgotten() {
    let (gone, publisher) = stream();
    let snapshots = Snapshots::default();
    let (track, unit) = key_frames(1).remove(0);
    publisher.push(&track, unit.clone());
    snapshots.newest(&gone).await.expect("a picture");
    drop(publisher);
    assert_eq!(snapshots.newest(&gone).await, Err(SnapshotError::NoPicture));
    drop(gone);
    let (other, publisher) = stream();
    publisher.push(&track, unit);
    snapshots.newest(&other).await.expect("a picture");
    assert_eq!(snapshots.made.lock().expect("whole").len(), 1);
}

#[tokio::test]
async fn damage_is_an_error_and_no_more() {
    let (track, unit) = key_frames(1).remove(0);
    let cases = [Bytes::new(), Bytes::from_static(&[0, 0, 0, 9, 5]), unit.data.slice(..unit.data.len() / 2)];
    for data in cases {
        let (stream, publisher) = stream();
        publisher.push(&track, AccessUnit { data: data.clone(), ..unit.clone() });
        let result = Snapshots::default().newest(&stream).await;
        assert!(matches!(result, Err(SnapshotError::Undecodable { .. })), "{} bytes: {result:?}", data.len());
    }
    let Codec::H264(params) = &track.codec else { panic!("not H.264") };
    for sps in [&b""[..], b"\x67", b"\x67\xff\xff\xff\xff\xff\xff\xff"] {
        let params = crate::media::H264Params { sps: Bytes::copy_from_slice(sps), ..params.clone() };
        let odd = Arc::new(Track { codec: Codec::H264(params), ..(*track).clone() });
        let (stream, publisher) = stream();
        publisher.push(&odd, unit.clone());
        let result = Snapshots::default().newest(&stream).await;
        assert!(matches!(result, Err(SnapshotError::Undecodable { .. })), "{result:?}");
    }
    assert_eq!(track.id, TrackId::Video(0));
}

/// Bits flipped anywhere: an answer, or an error, and the process lives.
#[test]
fn flipped_bits_never_end_the_process() {
    let (track, unit) = key_frames(1).remove(0);
    for at in (0..unit.data.len()).step_by(unit.data.len() / 60 + 1) {
        let mut bytes = unit.data.to_vec();
        bytes[at] ^= 0x55;
        let _ = picture::jpeg(&track, &AccessUnit { data: bytes.into(), ..unit.clone() });
    }
}
