//! Whole lives of a device, on its own clock.

use super::*;
use crate::capture::v4l2::Wanted;
use crate::capture::v4l2::open::{BUFFERS, open};
use crate::capture::v4l2::simulated::{BUFFER_LEN, Event, SIZE, Simulated};
use crate::config::{CameraFormat, Size};
use crate::media::PixelFormat;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn opened(device: Simulated) -> (Arc<Simulated>, V4l2Capture<Simulated>) {
    let device = Arc::new(device);
    let capture = open(Arc::clone(&device), "/dev/video7", &Wanted::default()).expect("it opens");
    (device, capture)
}

fn refusal(device: Simulated, wanted: Wanted) -> String {
    match open(Arc::new(device), "/dev/video7", &wanted) {
        Ok(_) => panic!("it opens"),
        Err(error) => error.to_string(),
    }
}

fn frame(captured: Result<Option<Captured>, CaptureError>) -> RawFrame {
    match captured {
        Ok(Some(Captured::Frame(frame))) => frame,
        other => panic!("no frame: {other:?}"),
    }
}

fn signal(width: u32, height: u32) -> Signal {
    Signal { size: Size { width, height }, interlaced: false, pixel_clock: 60 * 100, total_pixels: 100 }
}

#[test]
fn frames_come_with_their_capture_time_and_go_back_when_dropped() {
    let (device, mut capture) = opened(Simulated::camera(b"YUYV").picture_at(33, 1).picture_at(66, 2));
    assert_eq!(capture.frame_rate(), FrameRate::new(30, 1));
    assert_eq!(device.queued(), BUFFERS as usize);
    let first = frame(capture.read(SECOND));
    assert_eq!((first.captured(), first.format()), (MonoTime::from_millis(33), PixelFormat::Yuyv));
    assert_eq!(first.plane(0), [1; BUFFER_LEN]);
    let second = frame(capture.read(SECOND));
    assert_eq!((second.plane(0)[0], first.plane(0)[0]), (2, 1), "a frame on loan is not written to");
    assert_eq!(device.queued(), BUFFERS as usize - 2);
    let copy = first.clone();
    drop(first);
    assert_eq!(device.queued(), BUFFERS as usize - 2, "somebody still holds it");
    drop((copy, second));
    assert_eq!(device.queued(), BUFFERS as usize);
}

#[test]
fn the_newest_of_those_waiting_is_delivered() {
    let device = Simulated::camera(b"YUYV").picture_at(0, 1).picture_at(0, 2).picture_at(0, 3);
    let (device, mut capture) = opened(device);
    let frame = frame(capture.read(SECOND));
    assert_eq!(frame.plane(0)[0], 3);
    assert_eq!(capture.counts(), Counts { delivered: 1, skipped: 2, damaged: 0 });
    assert_eq!(device.queued(), BUFFERS as usize - 1);
}

#[test]
fn damaged_and_short_frames_are_dropped_and_counted() {
    let bad = |len: usize, damaged| Event::Frame { content: vec![9; len], damaged, stamped: None };
    let device = Simulated::camera(b"YUYV")
        .at(10, bad(BUFFER_LEN, true))
        .at(20, bad(BUFFER_LEN - 1, false))
        .at(30, bad(0, false))
        .picture_at(40, 1)
        .at(40, bad(100, false));
    let (device, mut capture) = opened(device);
    assert_eq!(frame(capture.read(SECOND)).plane(0)[0], 1, "a short frame never replaces a good one");
    assert_eq!(capture.counts(), Counts { delivered: 1, skipped: 0, damaged: 4 });
    assert_eq!(device.queued(), BUFFERS as usize);
}

#[test]
fn a_read_that_times_out_is_no_error_until_it_has_been_silent_too_long() {
    let (device, mut capture) = opened(Simulated::camera(b"YUYV").picture_at(100, 1));
    frame(capture.read(SECOND));
    let mut timeouts = 0;
    let error = loop {
        match capture.read(Duration::from_millis(200)) {
            Ok(None) => timeouts += 1,
            Ok(Some(_)) => panic!("from nowhere"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.to_string(), "/dev/video7 has no signal: no good picture for 5 s");
    assert_eq!(device.now(), MonoTime::from_millis(100) + NO_FRAME);
    assert_eq!(timeouts, 24, "200 ms each, up to the deadline");
}

#[test]
fn damaged_frames_alone_are_no_life_either() {
    let bad = || Event::Frame { content: vec![9; 10], damaged: false, stamped: None };
    let device = (1..=60).fold(Simulated::camera(b"YUYV"), |device, i| device.at(i * 100, bad()));
    let (device, mut capture) = opened(device);
    let error = loop {
        match capture.read(SECOND) {
            Ok(None) => {}
            Ok(Some(_)) => panic!("from nowhere"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CaptureError::NoSignal { .. }), "{error}");
    assert_eq!(device.now(), MonoTime::ZERO + NO_FRAME);
}

#[test]
fn unplugging_is_told_at_once_and_frames_on_loan_live_on() {
    for errno in [libc::ENODEV, libc::EIO] {
        let device = Simulated::camera(b"YUYV").picture_at(33, 5).at(50, Event::Fail(errno));
        let (device, mut capture) = opened(device);
        let held = frame(capture.read(SECOND));
        let error = capture.read(SECOND).expect_err("unplugged");
        assert!(matches!(error, CaptureError::Unplugged { .. }), "{error}");
        assert_eq!(device.now(), MonoTime::from_millis(50));
        drop(capture);
        assert_eq!(held.plane(0), [5; BUFFER_LEN]);
        assert_eq!(Arc::strong_count(&device), 1, "the device is closed although a frame is held");
        drop(held);
    }
}

#[test]
fn closing_stops_and_releases_the_device_and_nothing_is_queued_after() {
    let (device, mut capture) = opened(Simulated::camera(b"YUYV").picture_at(33, 5));
    let held = frame(capture.read(SECOND));
    drop(capture);
    drop(held);
    let calls = device.calls();
    assert_eq!(calls[calls.len() - 2..], ["stream off", "request buffers 0"]);
    assert_eq!(device.queued(), 0);
}

#[test]
fn when_all_buffers_are_on_loan_it_waits_and_goes_on() {
    let device = (1..=20).fold(Simulated::camera(b"YUYV"), |device, i| device.picture_at(i * 10, i as u8));
    let (device, mut capture) = opened(device);
    let held: Vec<RawFrame> = (0..BUFFERS).map(|_| frame(capture.read(SECOND))).collect();
    for _ in 0..10 {
        assert!(capture.read(SECOND).expect("no error").is_none(), "it has nowhere to put a frame");
    }
    assert!(device.now() > MonoTime::ZERO + NO_FRAME);
    drop(held);
    assert_eq!(device.queued(), BUFFERS as usize);
    assert!(capture.read(SECOND).is_ok());
}

#[test]
fn a_timestamp_of_another_clock_is_not_believed() {
    let at = |stamped| Event::Frame { content: vec![1; BUFFER_LEN], damaged: false, stamped };
    let device = Simulated::camera(b"YUYV")
        .at(10_000, at(None))
        .at(11_000, at(Some(MonoTime::ZERO)))
        .at(12_000, at(Some(MonoTime::from_millis(1_700_000_000_000))))
        .at(13_000, at(Some(MonoTime::from_millis(12_990))))
        .at(13_001, at(Some(MonoTime::from_millis(12_000))));
    let (_device, mut capture) = opened(device.picture_at(13_002, 1));
    let mut times = Vec::new();
    while times.len() < 5 {
        match capture.read(Duration::from_secs(20)) {
            Ok(Some(Captured::Frame(frame))) => times.push(frame.captured().as_nanos() / 1_000_000),
            // Ten seconds of silence at the start of this script.
            Err(_) if times.is_empty() => capture.last_frame = capture.device.now(),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(times, [10_000, 11_000, 12_000, 12_990, 12_990], "and it never goes back");
}

#[test]
fn dmabufs_are_exported_when_asked_for_once_a_buffer() {
    let (device, mut capture) = opened(Simulated::camera(b"YUYV").picture_at(1, 1));
    let held = frame(capture.read(SECOND));
    assert!(!device.calls().iter().any(|call| call.starts_with("export")));
    assert!(held.buffer().dmabuf().is_some());
    assert!(held.buffer().dmabuf().is_some());
    assert_eq!(device.calls().iter().filter(|call| call.starts_with("export")).count(), 1);

    let (_, mut capture) = opened(Simulated::camera(b"YUYV").picture_at(1, 1).refusing("export", libc::ENOTTY));
    assert!(frame(capture.read(SECOND)).buffer().dmabuf().is_none());
}

#[test]
fn every_unit_of_an_h264_camera_is_delivered_and_its_buffer_given_back() {
    let vector = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/h264_camera/camera.h264"));
    // One buffer, several slices: enough to see that nothing is skipped.
    let at = |device: Simulated, millis| {
        device.at(millis, Event::Frame { content: vector.to_vec(), damaged: false, stamped: None })
    };
    let device = at(at(at(Simulated::camera(b"H264"), 10), 10), 10);
    let (device, mut capture) = opened(device);
    for _ in 0..3 {
        let unit = capture.read(SECOND).expect("alive");
        assert!(matches!(unit, Some(Captured::Unit { .. })), "{unit:?}");
        assert_eq!(device.queued(), BUFFERS as usize);
    }
    assert_eq!(capture.counts(), Counts { delivered: 3, skipped: 0, damaged: 0 });
}

#[test]
fn an_hdmi_signal_that_goes_or_changes_ends_the_capture_by_name() {
    let picture = |device: Simulated| device.picture_at(10, 1);
    let slower = Signal { pixel_clock: 50 * 100, ..signal(64, 48) };
    let halves = Signal { interlaced: true, ..signal(64, 48) };
    let table: [(Event, u64, &str); 7] = [
        (Event::QuietChange(Ok(slower)), 1_500, "it has changed"),
        (Event::QuietChange(Ok(halves)), 1_500, "it has changed"),
        (Event::SourceChange(Err(libc::ENOLINK)), 1_000, "no cable, or the other end is off"),
        (Event::SourceChange(Ok(signal(1920, 1080))), 1_000, "it has changed"),
        (Event::QuietChange(Err(libc::ENOLINK)), 1_500, "no cable, or the other end is off"),
        (Event::QuietChange(Err(libc::ENOLCK)), 1_500, "no sync: the signal is unstable"),
        (Event::QuietChange(Ok(signal(1920, 1080))), 1_500, "the picture size has changed"),
    ];
    for (event, within_ms, cause) in table {
        let (device, mut capture) = opened(picture(Simulated::hdmi(Ok(signal(64, 48)))).at(1_000, event));
        frame(capture.read(SECOND));
        let error = loop {
            match capture.read(Duration::from_millis(100)) {
                Ok(None) => {}
                Ok(Some(_)) => panic!("from nowhere"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), format!("/dev/video7 has no signal: {cause}"));
        assert!(device.now() <= MonoTime::ZERO + Duration::from_millis(within_ms) + SIGNAL_CHECK, "{:?}", device.now());
    }
}

#[test]
fn an_hdmi_input_runs_at_its_signals_rate() {
    let (_, capture) = opened(Simulated::hdmi(Ok(signal(64, 48))));
    assert_eq!(capture.frame_rate(), FrameRate::new(60, 1));
}

#[test]
fn every_refusal_says_what_to_do() {
    let any = Wanted::default();
    let nv12 = Wanted { format: Some(CameraFormat::Nv12), size: Some(SIZE), ..any };
    let encoder = || {
        let mut device = Simulated::camera(b"YUYV");
        device.facts.card = "bcm2835-codec-encode".to_owned();
        device
    };
    let bare = || {
        let mut device = Simulated::camera(b"YUYV");
        device.facts.capture_formats.clear();
        device
    };
    let multi_planar = || {
        let mut device = Simulated::camera(b"YUYV");
        device.facts.caps = 0x1000 | 0x0400_0000;
        device
    };
    let camera = || Simulated::camera(b"YUYV");
    let table = [
        (camera().refusing("set format", libc::EBUSY), any, "in use by another program"),
        (camera().refusing("stream on", libc::EBUSY), any, "in use by another program"),
        (camera().refusing("request buffers", libc::EBUSY), any, "in use by another program"),
        (camera().refusing("stream on", libc::ENOSPC), any, "another USB port"),
        (camera().refusing("facts", libc::ENOTTY), any, "not a video capture device"),
        (camera().refusing("facts", libc::ENODEV), any, "was unplugged"),
        (camera(), nv12, "can't do nv12 64x48; it offers yuyv 64x48 ("),
        (encoder(), any, "it is an encoder, not a camera"),
        (bare(), any, "it offers no picture format"),
        (multi_planar(), any, "multi-planar"),
        (Simulated::hdmi(Err(libc::ENOLINK)), any, "no cable"),
        (Simulated::hdmi(Err(libc::ENOLCK)), any, "no sync"),
        (Simulated::hdmi(Err(libc::ERANGE)), any, "out of range"),
        (Simulated::hdmi(Ok(signal(64, 48))).refusing("stream on", libc::EINVAL), any, "not enough lanes"),
        (Simulated::hdmi(Ok(Signal { interlaced: true, ..signal(64, 48) })), any, "interlaced"),
        (Simulated::hdmi(Ok(signal(0, 0))), any, "no sync"),
    ];
    for (device, wanted, words) in table {
        let said = refusal(device, wanted);
        assert!(said.contains(words) && said.starts_with("/dev/video7"), "{said:?} lacks {words:?}");
    }
}

#[test]
fn a_camera_whose_rate_cant_be_set_is_taken_as_it_is() {
    for errno in [libc::EINVAL, libc::ENOTTY] {
        let (_, capture) = opened(Simulated::camera(b"YUYV").refusing("set frame rate", errno));
        assert_eq!(capture.frame_rate(), None);
    }
}

proptest! {
    /// Whatever is held how long: no buffer is queued twice or lost (the simulated device asserts the first).
    #[test]
    fn buffers_are_neither_lost_nor_doubled(
        frames in proptest::collection::vec((0_i64..30, any::<bool>(), 0_usize..3), 1..60),
    ) {
        let mut now = 0;
        let device = frames.iter().fold(Simulated::camera(b"YUYV"), |device, (gap, damaged, _)| {
            now += gap;
            device.at(now, Event::Frame { content: vec![1; BUFFER_LEN], damaged: *damaged, stamped: None })
        });
        let (device, mut capture) = opened(device);
        let mut held = std::collections::VecDeque::new();
        for (_, _, hold) in &frames {
            if let Some(Captured::Frame(frame)) = capture.read(Duration::from_millis(20)).expect("alive") {
                held.push_back(frame);
            }
            while held.len() > *hold {
                held.pop_front();
            }
            prop_assert_eq!(device.queued() + held.len(), BUFFERS as usize);
        }
    }
}
