use super::device::Control;
use super::simulated::{PPS, SPS, Simulated, State};
use super::*;
use crate::encode::Profile;
use crate::media::{FrameBuffer, PixelFormat};
use crate::time::FrameRate;
use rustix::fs::MemfdFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Not a multiple of 64: rows are padded.
const SIZE: (u32, u32) = (720, 576);

fn settings() -> VideoSettings {
    VideoSettings {
        width: SIZE.0,
        height: SIZE.1,
        frame_rate: FrameRate::new(30, 1).expect("a rate"),
        bitrate_bps: 2_000_000,
        gop_frames: 10,
        profile: Profile::Main,
    }
}

fn config(settings: VideoSettings) -> Config {
    Config { settings, coded: FourCc::H264, parse: parse_h264 }
}

fn at(index: i64) -> MonoTime {
    MonoTime::from_millis(1_000 + index * 33)
}

fn timing(index: i64) -> Timing {
    Timing { pts: 90_000 + index * 3_000, duration: 3_000 }
}

/// A picture that tells its number in every sample.
fn picture(index: i64, format: PixelFormat) -> RawFrame {
    let len = RawFrame::packed_len(SIZE.0, SIZE.1, format).expect("a raw format");
    RawFrame::packed(at(index), SIZE, format, Arc::new(vec![0x80 | index as u8; len])).expect("a whole frame")
}

/// A picture in a camera's buffer.
struct Lent {
    bytes: Vec<u8>,
    file: OwnedFd,
}

impl FrameBuffer for Lent {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn dmabuf(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }
}

/// UYVY: its rows of 1440 bytes are padded to 1472 by the encoder unless the camera does so.
fn lent(index: i64, stride: usize) -> RawFrame {
    let file = rustix::fs::memfd_create("lent", MemfdFlags::CLOEXEC).expect("a file in memory");
    let buffer = Lent { bytes: vec![0x90; stride * SIZE.1 as usize], file };
    let mut planes = RawFrame::packed_planes(SIZE.0, SIZE.1, PixelFormat::Uyvy);
    planes[0].stride = stride;
    RawFrame::new(at(index), SIZE, PixelFormat::Uyvy, planes, Arc::new(buffer)).expect("a whole frame")
}

const PADDED: usize = 1_472;

fn open(change: impl FnOnce(&mut State)) -> (Machine<Simulated>, Simulated) {
    let simulated = Simulated::with(change);
    (Machine::open(simulated.clone(), config(settings()), at(0)).expect("opens"), simulated)
}

fn pop_all(machine: &mut Machine<Simulated>) -> Vec<CodedPicture> {
    std::iter::from_fn(|| machine.pop()).collect()
}

/// Encodes `count` pictures and gives back what came out.
fn run(machine: &mut Machine<Simulated>, from: i64, count: i64) -> Vec<CodedPicture> {
    let mut out = Vec::new();
    for i in from..from + count {
        let submitted = machine.submit(&picture(i, PixelFormat::I420), timing(i), false, at(i)).expect("goes in");
        assert_eq!(submitted, Submitted::Yes, "picture {i}");
        machine.collect(at(i)).expect("no stall");
        out.extend(pop_all(machine));
    }
    out
}

#[test]
fn everything_is_asked_in_the_order_that_bcm2835_codec_wants() {
    let (machine, simulated) = open(|_| ());
    let calls: Vec<String> = simulated.state().calls.clone();
    assert_eq!(
        calls,
        [
            "S_CTRL BitrateMode",
            "S_CTRL H264Profile",
            "S_CTRL H264Level",
            "S_CTRL BFrames",
            "S_CTRL GopSize",
            "S_CTRL H264IPeriod",
            "S_CTRL HeaderMode",
            "S_CTRL RepeatSeqHeader",
            "S_FMT Output YU12",
            "S_FMT Capture H264",
            "S_PARM Output 30",
            "REQBUFS Output Mmap 3",
            "REQBUFS Capture Mmap 4",
            "STREAMON Output",
            "STREAMON Capture",
        ]
    );
    drop(machine);
    let given_back: Vec<String> = simulated.state().calls.split_off(calls.len());
    assert_eq!(
        given_back,
        ["STREAMOFF Output", "REQBUFS Output Mmap 0", "STREAMOFF Capture", "REQBUFS Capture Mmap 0"]
    );
}

#[test]
fn the_kernels_document_has_the_coded_format_first() {
    let (_machine, simulated) = open(|state| state.card = "another");
    let formats: Vec<String> =
        simulated.state().calls.iter().filter(|call| call.starts_with("S_FMT")).cloned().collect();
    assert_eq!(formats, ["S_FMT Capture H264", "S_FMT Output YU12", "S_FMT Capture H264"]);
}

#[test]
fn pictures_come_out_with_their_own_times_and_content() {
    for depth in [0, 2] {
        let (mut machine, _) = open(|state| state.depth = depth);
        let mut out = run(&mut machine, 0, 25);
        machine.drain(at(25)).expect("drains");
        out.extend(pop_all(&mut machine));
        assert_eq!(out.len(), 25, "depth {depth}");
        for (i, coded) in out.iter().enumerate() {
            assert_eq!(coded.timing, timing(i as i64));
            assert_eq!(coded.keyframe, i % 10 == 0, "picture {i}");
            let expected = [0, 0, 0, 3, if coded.keyframe { 0x65 } else { 0x41 }, 0x80 | i as u8, 0x80];
            assert_eq!(coded.data[..], expected, "picture {i}: length-prefixed, no parameter sets");
            assert_eq!((&coded.sps[..], &coded.pps[..]), (&SPS[..], &PPS[..]));
        }
        assert_eq!(machine.counts().lost, 0);
    }
}

#[test]
fn a_size_that_is_silently_clamped_is_an_error() {
    let settings =
        VideoSettings { width: 2560, height: 1440, frame_rate: FrameRate::new(10, 1).expect("a rate"), ..settings() };
    let error = Machine::open(Simulated::new(), config(settings), at(0)).err().expect("refused");
    assert!(error.to_string().contains("2560x1440 YU12 became 1920x1440"), "{error}");
}

#[test]
fn more_than_level_4_can_do_is_an_error() {
    let at_60 = |width, height| VideoSettings {
        width,
        height,
        frame_rate: FrameRate::new(60, 1).expect("a rate"),
        ..settings()
    };
    let error = Machine::open(Simulated::new(), config(at_60(1920, 1080)), at(0)).err().expect("refused");
    assert!(error.to_string().contains("beyond 1080p30"), "{error}");
    assert!(Machine::open(Simulated::new(), config(at_60(1280, 720)), at(0)).is_ok());
}

#[test]
fn a_busy_encoder_says_so() {
    let error =
        Machine::open(Simulated::with(|state| state.busy = true), config(settings()), at(0)).err().expect("busy");
    assert!(error.to_string().contains("another program is using it"), "{error}");
}

#[test]
fn a_bitrate_that_fails_at_streamon_is_never_set() {
    let settings = VideoSettings { bitrate_bps: 25_000_000, ..settings() };
    let simulated = Simulated::new();
    let mut machine = Machine::open(simulated.clone(), config(settings), at(0)).expect("opens");
    assert_eq!(simulated.state().control(Control::Bitrate), Some(20_000_000));
    machine.set_bitrate(1_000).expect("while running");
    assert_eq!(simulated.state().control(Control::Bitrate), Some(25_000));
}

#[test]
fn garbage_before_the_first_picture_is_dropped() {
    let (mut machine, _) = open(|state| state.garbage_first = true);
    let out = run(&mut machine, 0, 5);
    assert_eq!((out.len(), machine.counts().garbage), (5, 1));
    assert!(out[0].keyframe);
}

#[test]
fn key_frames_without_parameter_sets_go_on_with_the_first_ones() {
    let (mut machine, _) = open(|state| state.ignores_repeat = true);
    let out = run(&mut machine, 0, 25);
    assert_eq!(out.len(), 25);
    assert!(out.iter().all(|coded| coded.sps[..] == SPS && coded.pps[..] == PPS));
}

#[test]
fn pictures_left_out_without_a_word_leave_the_others_their_times() {
    let (mut machine, _) = open(|state| state.drop_every = Some(4));
    let out = run(&mut machine, 0, 41);
    let kept: Vec<i64> = (0..41).filter(|i| (i + 1) % 4 != 0).collect();
    assert_eq!(
        out.iter().map(|coded| coded.timing).collect::<Vec<_>>(),
        kept.iter().map(|i| timing(*i)).collect::<Vec<_>>()
    );
    assert_eq!(machine.counts().lost, 10);
}

#[test]
fn an_encoder_that_hangs_is_found_out_after_a_second() {
    let (mut machine, simulated) = open(|_| ());
    run(&mut machine, 0, 5);
    simulated.state().hangs = true;
    machine.submit(&picture(5, PixelFormat::I420), timing(5), false, at(5)).expect("goes in");
    machine.collect(at(5).plus_nanos(990_000_000)).expect("not yet");
    let error = machine.collect(at(5).plus_nanos(1_000_000_000)).expect_err("hangs");
    assert!(matches!(error, EncodeError::Stalled { silent_ms: 1_000, .. }), "{error}");
}

#[test]
fn nothing_submitted_for_long_is_no_stall() {
    let (mut machine, _) = open(|_| ());
    run(&mut machine, 0, 5);
    machine.collect(at(1_000_000)).expect("idle");
    let late = machine.submit(&picture(6, PixelFormat::I420), timing(6), false, at(1_000_000));
    assert_eq!(late.expect("goes in"), Submitted::Yes);
    machine.collect(at(1_000_000)).expect("answers");
}

#[test]
fn a_full_encoder_says_so() {
    let (mut machine, simulated) = open(|state| state.hangs = true);
    let results: Vec<Submitted> = (0..4)
        .map(|i| machine.submit(&picture(i, PixelFormat::I420), timing(i), false, at(i)).expect("no failure"))
        .collect();
    assert_eq!(results, [Submitted::Yes, Submitted::Yes, Submitted::Yes, Submitted::Full]);
    simulated.state().hangs = false;
    machine.collect(at(5)).expect("answers");
    machine.collect(at(5)).expect("answers");
    assert_eq!(
        machine.submit(&picture(4, PixelFormat::I420), timing(4), false, at(5)).expect("goes in"),
        Submitted::Yes
    );
}

#[test]
fn a_key_frame_comes_when_it_is_asked_for() {
    let (mut machine, _) = open(|_| ());
    let mut keys = Vec::new();
    for i in 0..10 {
        machine.submit(&picture(i, PixelFormat::I420), timing(i), i == 4, at(i)).expect("goes in");
        machine.collect(at(i)).expect("answers");
        keys.extend(pop_all(&mut machine).iter().map(|coded| coded.keyframe));
    }
    assert_eq!(keys.iter().enumerate().filter(|(_, key)| **key).map(|(i, _)| i).collect::<Vec<_>>(), [0, 4]);
}

#[test]
fn the_bitrate_changes_while_it_runs() {
    let (mut machine, simulated) = open(|_| ());
    run(&mut machine, 0, 5);
    let calls = simulated.state().calls.len();
    machine.set_bitrate(600_000).expect("a bitrate");
    assert_eq!(run(&mut machine, 5, 5).len(), 5);
    assert_eq!(simulated.state().control(Control::Bitrate), Some(600_000));
    assert_eq!(simulated.state().calls.len(), calls, "nothing is stopped for it");
}

#[test]
fn lent_pictures_are_not_copied_and_are_given_back() {
    let (mut machine, simulated) = open(|_| ());
    let pictures: Vec<RawFrame> = (0..20).map(|i| lent(i, PADDED)).collect();
    let mut out = 0;
    for (i, picture) in (0..).zip(&pictures) {
        assert_eq!(machine.submit(picture, timing(i), false, at(i)).expect("goes in"), Submitted::Yes);
        machine.collect(at(i)).expect("answers");
        out += pop_all(&mut machine).len();
    }
    assert_eq!((out, machine.counts().bytes_copied), (20, 0));
    assert!(simulated.state().calls.contains(&"REQBUFS Output Dmabuf 3".to_owned()));
    assert!(pictures.iter().all(|picture| Arc::strong_count(picture.buffer()) == 1), "all given back");
}

#[test]
fn a_lent_picture_is_held_while_the_encoder_reads_it() {
    let (mut machine, simulated) = open(|state| state.hangs = true);
    let picture = lent(0, PADDED);
    machine.submit(&picture, timing(0), false, at(0)).expect("goes in");
    assert_eq!(Arc::strong_count(picture.buffer()), 2);
    simulated.state().hangs = false;
    machine.collect(at(1)).expect("answers");
    machine.collect(at(1)).expect("answers");
    assert_eq!(Arc::strong_count(picture.buffer()), 1);
}

#[test]
fn what_cannot_be_lent_is_copied() {
    // Rows as the encoder doesn't read them; a driver that refuses; a driver that can't lend at all.
    for (stride, refuses) in [(1_440, false), (PADDED, true)] {
        let (mut machine, _) = open(|state| state.refuses_lent = refuses);
        let mut out = Vec::new();
        for i in 0..5 {
            machine.submit(&lent(i, stride), timing(i), false, at(i)).expect("goes in");
            machine.collect(at(i)).expect("answers");
            out.extend(pop_all(&mut machine));
        }
        assert_eq!(out.len(), 5, "rows of {stride}");
        assert_eq!(out[0].data[5], 0x90, "the second row is where the encoder reads it");
        assert_eq!(machine.counts().bytes_copied, 5 * 1_472 * 576);
    }
}

#[test]
fn another_pixel_format_loses_no_picture() {
    let (mut machine, _) = open(|state| state.depth = 2);
    let mut out = Vec::new();
    for i in 0..30 {
        let format = match i {
            0..10 => PixelFormat::Uyvy,
            10..20 => PixelFormat::I420,
            _ => PixelFormat::Nv12,
        };
        machine.submit(&picture(i, format), timing(i), false, at(i)).expect("goes in");
        machine.collect(at(i)).expect("answers");
        out.extend(pop_all(&mut machine));
    }
    machine.drain(at(30)).expect("drains");
    out.extend(pop_all(&mut machine));
    let samples: Vec<u8> = out.iter().map(|coded| coded.data[5]).collect();
    assert_eq!(samples, (0..30).map(|i| 0x80 | i).collect::<Vec<u8>>());
    assert_eq!(machine.counts().lost, 0);
}

#[test]
fn what_the_encoder_cannot_read_is_converted() {
    let (mut machine, _) = open(|state| state.raw = vec![FourCc(*b"YU12")]);
    for (i, format) in [(0, PixelFormat::Uyvy), (1, PixelFormat::Nv12), (2, PixelFormat::Yuyv)] {
        machine.submit(&picture(i, format), timing(i), false, at(i)).expect("goes in");
        machine.collect(at(i)).expect("answers");
        assert_eq!(machine.pop().expect("a picture").data[5], 0x80 | i as u8, "{format:?}");
    }
}

#[test]
fn the_protocol_is_the_same_for_another_coded_format() {
    let simulated = Simulated::with(|state| {
        state.card = "vicodec";
        state.coded = FourCc::FWHT;
    });
    let parse = |bytes: &[u8]| Some(H264Unit { data: bytes::Bytes::copy_from_slice(bytes), ..H264Unit::default() });
    let config = Config { settings: settings(), coded: FourCc::FWHT, parse };
    let mut machine = Machine::open(simulated, config, at(0)).expect("opens without any control");
    let out = run(&mut machine, 0, 5);
    assert_eq!(out.len(), 5);
    assert!(out[0].keyframe && out[0].sps.is_empty());
}

#[test]
fn behind_the_trait_it_is_a_video_encoder() {
    let mut encoder = M2mEncoder::new(Simulated::with(|state| state.depth = 1), &settings()).expect("opens");
    let mut tracks = Vec::new();
    for i in 0..12 {
        encoder.submit(&picture(i, PixelFormat::I420), timing(i), false).expect("goes in");
        if let Some(encoded) = encoder.receive(Duration::ZERO).expect("answers") {
            assert_eq!((encoded.unit.pts, encoded.unit.keyframe), (timing(i - 1).pts, i % 10 == 1));
            tracks.push(encoded.track);
        }
    }
    assert_eq!(tracks.len(), 11);
    assert!(tracks.iter().all(|track| Arc::ptr_eq(track, &tracks[0])));
    let small = RawFrame::packed(at(0), (64, 64), PixelFormat::I420, Arc::new(vec![0; 64 * 96])).expect("a frame");
    assert!(matches!(encoder.submit(&small, timing(13), false), Err(EncodeError::WrongSize { .. })));
}

#[test]
fn a_failing_board_is_tried_once_more_and_then_replaced_by_software() {
    use crate::encode::fallback::Fallback;
    use crate::encode::openh264::OpenH264;
    let boards: Arc<std::sync::Mutex<Vec<Simulated>>> = Arc::default();
    let opened = Arc::clone(&boards);
    let board = move |bitrate_bps| -> Result<Box<dyn VideoEncoder>, EncodeError> {
        let simulated = Simulated::new();
        opened.lock().expect("no panic").push(simulated.clone());
        Ok(Box::new(M2mEncoder::new(simulated, &VideoSettings { bitrate_bps, ..settings() })?))
    };
    let software = |bitrate_bps| -> Result<Box<dyn VideoEncoder>, EncodeError> {
        Ok(Box::new(OpenH264::open(&VideoSettings { bitrate_bps, ..settings() })?))
    };
    let mut encoder = Fallback::open(Box::new(board), Box::new(software), 1_000_000).expect("opens");
    encoder.set_bitrate(700_000).expect("a bitrate");
    let mut names = Vec::new();
    for i in 0..15 {
        if i == 5 || i == 10 {
            boards.lock().expect("no panic").last().expect("a board").state().broken = true;
        }
        encoder.submit(&picture(i, PixelFormat::I420), timing(i), false).expect("never fails");
        let encoded = encoder.receive(Duration::ZERO).expect("never fails").expect("every picture comes out");
        assert_eq!(encoded.unit.pts, timing(i).pts);
        assert_eq!(encoded.unit.keyframe, i % 5 == 0, "picture {i}: a new encoder starts with a key frame");
        names.push(encoder.name().to_owned());
    }
    assert!(names[..10].iter().all(|name| name == BCM2835) && names[10..].iter().all(|name| name == "openh264"));
    let boards = boards.lock().expect("no panic");
    assert_eq!(boards.len(), 2);
    assert_eq!(boards[1].state().control(Control::Bitrate), Some(700_000), "the bitrate that held");
}

/// In real time: the watchdog is a second.
#[test]
fn a_board_that_hangs_is_opened_again_and_then_replaced_and_time_only_goes_forward() {
    use crate::encode::fallback::Fallback;
    use crate::encode::openh264::OpenH264;
    let boards: Arc<std::sync::Mutex<Vec<Simulated>>> = Arc::default();
    let opened = Arc::clone(&boards);
    let board = move |_| -> Result<Box<dyn VideoEncoder>, EncodeError> {
        // Everything else that it does wrong, too.
        let simulated = Simulated::with(|state| {
            (state.garbage_first, state.ignores_repeat, state.drop_every) = (true, true, Some(7));
        });
        opened.lock().expect("no panic").push(simulated.clone());
        Ok(Box::new(M2mEncoder::new(simulated, &settings())?))
    };
    let software = |_| -> Result<Box<dyn VideoEncoder>, EncodeError> { Ok(Box::new(OpenH264::open(&settings())?)) };
    let mut encoder = Fallback::open(Box::new(board), Box::new(software), 1_000_000).expect("opens");
    let (mut out, mut hung, mut left) = (Vec::new(), 0, 20);
    for i in 0.. {
        encoder.submit(&picture(i, PixelFormat::I420), timing(i), false).expect("never fails");
        out.extend(encoder.receive(Duration::from_millis(30)).expect("never fails"));
        let boards = boards.lock().expect("no panic");
        if boards.len() > hung && i > 20 {
            boards[hung].state().hangs = true;
            hung += 1;
        }
        left -= u32::from(encoder.name() == "openh264");
        if left == 0 {
            break;
        }
    }
    assert_eq!(boards.lock().expect("no panic").len(), 2, "opened again once");
    assert!(out.windows(2).all(|pair| pair[0].unit.pts < pair[1].unit.pts), "time goes forward");
    let starts = out.iter().enumerate().filter(|(n, coded)| *n == 0 || out[n - 1].track != coded.track);
    assert!(starts.clone().all(|(_, coded)| coded.unit.keyframe), "another track begins with a key frame");
    assert_eq!(starts.count(), 2, "the board's and the software's");
    let breaks: Vec<i64> = out.windows(2).map(|pair| pair[1].unit.pts - pair[0].unit.pts).collect();
    let longest = breaks.iter().max().expect("pictures");
    assert!(*longest < 3 * 90_000, "{longest} ticks without a picture");
}

#[test]
fn without_a_board_the_choice_falls_to_software() {
    // This machine has no encoder, or the test has nothing to say.
    if find().is_none() {
        for choice in [crate::encode::EncoderChoice::Auto, crate::encode::EncoderChoice::V4l2M2m] {
            assert_eq!(crate::encode::open_video(choice, &settings()).expect("opens").name(), "openh264");
        }
    }
}

#[test]
fn a_board_that_cannot_be_opened_falls_to_software() {
    use crate::encode::fallback::Fallback;
    use crate::encode::openh264::OpenH264;
    let board = |_| -> Result<Box<dyn VideoEncoder>, EncodeError> {
        Ok(Box::new(M2mEncoder::new(Simulated::with(|state| state.busy = true), &settings())?))
    };
    let software = |_| -> Result<Box<dyn VideoEncoder>, EncodeError> { Ok(Box::new(OpenH264::open(&settings())?)) };
    let encoder = Fallback::open(Box::new(board), Box::new(software), 1_000_000).expect("opens");
    assert_eq!(encoder.name(), "openh264");
}
