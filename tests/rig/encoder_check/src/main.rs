//! The program's encoder machine (`encode::m2m`) against a kernel's real queues: `encoder_check SUBJECT NODE`.
//!
//! The kernel's virtual encoder, vicodec, speaks the same multi-planar API as a board's, but makes FWHT, not H.264. So
//! it can't stand behind the box itself; here the machine is told to take that format, and what it is handed comes out
//! as it is. Panics where something is wrong.
#![allow(clippy::disallowed_methods, reason = "a program of its own, which reads the clock")]

use bytes::Bytes;
use capturebox::capture::v4l2::{V4l2Source, Wanted};
use capturebox::capture::{Capture, Captured, Source};
use capturebox::codec::nal::H264Unit;
use capturebox::config::{CameraFormat, EdidChoice, Size};
use capturebox::encode::m2m::device::FourCc;
use capturebox::encode::m2m::machine::{CodedPicture, Config, Counts, Machine, Submitted};
use capturebox::encode::m2m::{self, Node};
use capturebox::encode::{EncodeError, Profile, Timing, VideoSettings};
use capturebox::media::{PixelFormat, RawFrame};
use capturebox::time::{FrameRate, MonoTime};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// vicodec has none below 640x360, and makes multiples of 16 of them.
const SIZE: (u32, u32) = (640, 480);
/// Ticks of a picture, at 10 a second.
const DURATION: u32 = 9_000;
const GOP: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let subject = arguments.get(1).map(String::as_str);
    let node = || Path::new(arguments.get(2).expect("a node"));
    match subject {
        Some("formats") => formats(node()),
        Some("change") => change(node()),
        Some("many") => many(node()),
        Some("sizes") => sizes(node()),
        Some("gone") => gone(node()),
        Some("lent") => lent(node(), arguments.get(3).expect("a camera")),
        Some("find") => assert_eq!(m2m::find(), None, "taken for an encoder that makes H.264"),
        Some("decoded") => decoded(arguments.get(2).expect("a format"), Path::new(arguments.get(3).expect("a file"))),
        _ => panic!("encoder_check formats|change|many|sizes|gone|lent|find NODE"),
    }
}

fn open(node: &Path, (width, height): (u32, u32)) -> Result<Machine<Node>, EncodeError> {
    let settings = VideoSettings {
        width,
        height,
        frame_rate: FrameRate::new(10, 1).expect("a rate"),
        bitrate_bps: 1_000_000,
        gop_frames: GOP as u32,
        profile: Profile::Main,
    };
    let config = Config { settings, coded: FourCc::FWHT, parse: parse_fwht };
    Machine::open(Node::open(node).expect("a multi-planar encoder"), config, MonoTime::now())
}

/// linux/v4l2-controls.h.
const V4L2_FWHT_FL_I_FRAME: u32 = 1 << 10;

/// The picture as it is. Its header (drivers/media/test-drivers/vicodec/codec-fwht.h) says in its sixth word, of 32
/// bits, whether it needs no other; the encoder doesn't say it of its buffer.
fn parse_fwht(bytes: &[u8]) -> Option<H264Unit> {
    let flags = u32::from_be_bytes(bytes.get(20..24)?.try_into().ok()?);
    let keyframe = flags & V4L2_FWHT_FL_I_FRAME != 0;
    Some(H264Unit { sps: None, pps: None, keyframe, data: Bytes::copy_from_slice(bytes) })
}

/// One shade of grey, which tells pictures apart.
fn shade(index: usize) -> u8 {
    40 + 10 * (index % 16) as u8
}

fn picture(index: usize, format: PixelFormat) -> RawFrame {
    let pixels = SIZE.0 as usize * SIZE.1 as usize;
    let (luma, grey) = (shade(index), 128);
    let bytes: Vec<u8> = match format {
        PixelFormat::Yuyv => [luma, grey].repeat(pixels),
        PixelFormat::Uyvy => [grey, luma].repeat(pixels),
        _ => [vec![luma; pixels], vec![grey; pixels / 2]].concat(),
    };
    RawFrame::packed(MonoTime::now(), SIZE, format, Arc::new(bytes)).expect("a picture")
}

fn timing(index: usize) -> Timing {
    Timing { pts: 90_000 + index as i64 * i64::from(DURATION), duration: DURATION }
}

/// Hands a picture over as soon as there is room, and takes what is ready.
fn submit(machine: &mut Machine<Node>, index: usize, picture: &RawFrame, out: &mut Vec<CodedPicture>) {
    while machine.submit(picture, timing(index), false, MonoTime::now()).expect("taken") == Submitted::Full {
        machine.wait(Duration::from_millis(100)).expect("waits");
        out.extend(std::iter::from_fn(|| machine.pop()));
    }
    out.extend(std::iter::from_fn(|| machine.pop()));
}

fn finish(machine: &mut Machine<Node>, out: &mut Vec<CodedPicture>) {
    machine.drain(MonoTime::now()).expect("drains");
    out.extend(std::iter::from_fn(|| machine.pop()));
}

/// Every picture came out, in order, with its own time, and nothing else did.
fn is_whole(machine: &Machine<Node>, out: &[CodedPicture], count: usize) {
    let times: Vec<i64> = out.iter().map(|picture| picture.timing.pts).collect();
    assert_eq!(times, (0..count).map(|index| timing(index).pts).collect::<Vec<_>>());
    assert!(out.iter().all(|picture| !picture.data.is_empty()));
    let Counts { lost, refused, garbage, .. } = machine.counts();
    assert_eq!((lost, refused, garbage), (0, 0, 0));
}

/// Each picture format gets through with its planes where they belong: leaves NODE's streams in /tmp.
fn formats(node: &Path) {
    const COUNT: usize = 12;
    for format in [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Yuyv, PixelFormat::Uyvy] {
        let mut machine = open(node, SIZE).expect("opens");
        let mut out = Vec::new();
        for index in 0..COUNT {
            submit(&mut machine, index, &picture(index, format), &mut out);
        }
        finish(&mut machine, &mut out);
        is_whole(&machine, &out, COUNT);
        let stream: Vec<u8> = out.iter().flat_map(|picture| picture.data.clone()).collect();
        std::fs::write(format!("/tmp/{format:?}.fwht"), stream).expect("a file");
    }
}

/// A stream of [`formats`], decoded again: every picture has its shade, and no colour.
fn decoded(format: &str, file: &Path) {
    let bytes = std::fs::read(file).expect("a file");
    let pixels = SIZE.0 as usize * SIZE.1 as usize;
    let packed = matches!(format, "Yuyv" | "Uyvy");
    let frames: Vec<&[u8]> = bytes.chunks_exact(if packed { pixels * 2 } else { pixels * 3 / 2 }).collect();
    assert!(frames.len() >= 10, "{} pictures", frames.len());
    for (index, frame) in frames.into_iter().enumerate() {
        let (luma, chroma): (Vec<u8>, Vec<u8>) = match format {
            "Yuyv" => frame.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip(),
            "Uyvy" => frame.chunks_exact(2).map(|pair| (pair[1], pair[0])).unzip(),
            _ => (frame[..pixels].to_vec(), frame[pixels..].to_vec()),
        };
        let near = |samples: &[u8], wanted: u8| samples.iter().all(|sample| sample.abs_diff(wanted) <= 4);
        assert!(near(&luma, shade(index)) && near(&chroma, 128), "picture {index} of {format}");
    }
}

/// Another picture format while it runs: drained, started again, nothing lost.
fn change(node: &Path) {
    let mut machine = open(node, SIZE).expect("opens");
    let mut out = Vec::new();
    for index in 0..12 {
        let format = if index / 3 % 2 == 0 { PixelFormat::I420 } else { PixelFormat::Yuyv };
        submit(&mut machine, index, &picture(index, format), &mut out);
    }
    finish(&mut machine, &mut out);
    is_whole(&machine, &out, 12);
    assert!(out.iter().step_by(3).all(|picture| picture.keyframe), "each start begins with a key frame");
}

/// As many as fit at once, again and again: buffers go round, and key frames come as often as asked for.
fn many(node: &Path) {
    let mut machine = open(node, SIZE).expect("opens");
    // Of a plain picture it makes key frames only.
    let luma = (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| 60 + ((x ^ y) & 63) as u8));
    let bytes: Vec<u8> = luma.chain(std::iter::repeat_n(128, (SIZE.0 * SIZE.1 / 2) as usize)).collect();
    let still = RawFrame::packed(MonoTime::now(), SIZE, PixelFormat::I420, Arc::new(bytes)).expect("a picture");
    let mut out = Vec::new();
    for index in 0..100 {
        submit(&mut machine, index, &still, &mut out);
    }
    finish(&mut machine, &mut out);
    is_whole(&machine, &out, 100);
    let keys: Vec<usize> = (0..100).filter(|&index| out[index].keyframe).collect();
    assert_eq!(keys, (0..100).step_by(GOP).collect::<Vec<_>>());
}

/// A size that the driver makes another of is refused, and says so.
fn sizes(node: &Path) {
    for (size, became) in [((320, 180), "became 640x368"), ((644, 484), "became 656x496")] {
        let error = open(node, size).err().expect("refused").to_string();
        assert!(error.contains(became), "{error}");
    }
}

/// Encodes until the encoder is taken away, which must be an error and no hang.
fn gone(node: &Path) {
    let mut machine = open(node, SIZE).expect("opens");
    let still = picture(0, PixelFormat::I420);
    for index in 0.. {
        let now = MonoTime::now();
        let went_in = machine.submit(&still, timing(index), false, now);
        let waited = went_in.and_then(|_| machine.wait(Duration::from_millis(50)));
        if let Err(error) = waited {
            println!("{error}");
            return;
        }
        while machine.pop().is_some() {}
    }
}

/// From a camera's buffers into the encoder without a copy.
fn lent(node: &Path, camera: &str) {
    let wanted = Wanted {
        size: Some(Size { width: SIZE.0, height: SIZE.1 }),
        frame_rate: FrameRate::new(10, 1),
        format: Some(CameraFormat::Yuyv),
    };
    let mut camera = V4l2Source::new(camera, wanted, EdidChoice::Keep).open().expect("a camera");
    let mut machine = open(node, SIZE).expect("opens");
    let mut out = Vec::new();
    for index in 0..20 {
        let frame = next_frame(&mut *camera);
        assert!(frame.buffer().dmabuf().is_some(), "the camera lends its buffers");
        submit(&mut machine, index, &frame, &mut out);
    }
    finish(&mut machine, &mut out);
    is_whole(&machine, &out, 20);
    assert_eq!(machine.counts().bytes_copied, 0, "{:?}", machine.counts());
}

fn next_frame(camera: &mut dyn Capture) -> RawFrame {
    loop {
        if let Some(Captured::Frame(frame)) = camera.read(Duration::from_secs(1)).expect("a picture") {
            return frame;
        }
    }
}
