//! Pictures: paced, repeated, replaced by the slate, straight through.

use super::{assert_seamless, drain, reader, state, stream};
use crate::config::{EncodeConfig, Size};
use crate::encode::{EncodeError, EncodedPicture, EncoderChoice, Profile, Timing, VideoEncoder, VideoSettings};
use crate::media::{AccessUnit, Codec, H264Params, PixelFormat, RawFrame, Track, TrackId};
use crate::pipeline::Line;
use crate::pipeline::Report;
use crate::pipeline::inbox::Mail;
use crate::pipeline::video::{LineSettings, VideoLine};
use crate::stream::{Kind, Reader, SourceState, Stream};
use crate::time::{FrameRate, MonoTime, Timescale};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const FRAME: i64 = 3_000;

fn track(width: u32, height: u32, name: &'static [u8]) -> Arc<Track> {
    Arc::new(Track {
        id: TrackId::Video(0),
        timescale: Timescale::VIDEO,
        language: None,
        bitrate_bps: 0,
        codec: Codec::H264(H264Params {
            sps: Bytes::from_static(name),
            pps: Bytes::from_static(b"pps"),
            width,
            height,
            frame_rate: FrameRate::new(30, 1),
        }),
    })
}

/// What the simulated encoder tells the test.
#[derive(Default)]
struct Seen {
    opened: AtomicUsize,
    fails: AtomicBool,
    /// Brightness of the first pixel of each picture: tells frames from the slate.
    luma: Mutex<Vec<u8>>,
}

struct SimulatedEncoder {
    track: Arc<Track>,
    seen: Arc<Seen>,
    out: VecDeque<AccessUnit>,
    first: bool,
}

impl VideoEncoder for SimulatedEncoder {
    fn bytes_copied(&self) -> u64 {
        0
    }

    fn name(&self) -> &str {
        "simulated"
    }

    fn submit(&mut self, picture: &RawFrame, timing: Timing, key: bool) -> Result<(), EncodeError> {
        if self.seen.fails.load(Ordering::Relaxed) {
            return Err(EncodeError::Failed { encoder: "simulated", reason: "on request".into() });
        }
        let luma = picture.plane(0)[0];
        self.seen.luma.lock().expect("no panic").push(luma);
        self.out.push_back(AccessUnit {
            dts: timing.pts,
            pts: timing.pts,
            duration: timing.duration,
            keyframe: key || std::mem::take(&mut self.first),
            data: Bytes::copy_from_slice(&[luma]),
        });
        Ok(())
    }

    fn receive(&mut self, _: Duration) -> Result<Option<EncodedPicture>, EncodeError> {
        Ok(self.out.pop_front().map(|unit| EncodedPicture { track: Arc::clone(&self.track), unit }))
    }

    fn set_bitrate(&mut self, _: u32) -> Result<(), EncodeError> {
        Ok(())
    }
}

fn settings() -> LineSettings {
    LineSettings {
        encode: EncodeConfig {
            video_bitrate_bps: 1_000_000,
            audio_bitrate_bps: 128_000,
            gop_ms: 1_000,
            encoder: EncoderChoice::Auto,
            profile: Profile::Main,
        },
        size: Size { width: 64, height: 48 },
        frame_rate: FrameRate::new(30, 1),
        scales: false,
        units_late: Duration::from_secs(1),
        macroblocks_per_s: None,
    }
}

struct Rig {
    line: VideoLine,
    now: MonoTime,
    seen: Arc<Seen>,
    stream: Arc<Stream>,
    reader: Reader,
    report: Arc<Report>,
}

impl Rig {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: LineSettings) -> Self {
        let (stream, seen, report) = (stream(), Arc::new(Seen::default()), Arc::new(Report::default()));
        let now = MonoTime::from_millis(1_000_000);
        let publisher = Arc::new(stream.publish().expect("free"));
        let open = {
            let seen = Arc::clone(&seen);
            Box::new(move |settings: &VideoSettings| {
                seen.opened.fetch_add(1, Ordering::Relaxed);
                let track = track(settings.width, settings.height, b"ours");
                let out = VecDeque::new();
                Ok(Box::new(SimulatedEncoder { track, seen: Arc::clone(&seen), out, first: true })
                    as Box<dyn VideoEncoder>)
            })
        };
        let line = VideoLine::new("camera", settings, publisher, open, Arc::clone(&report));
        let reader = reader(&stream);
        Self { line, now, seen, stream, reader, report }
    }

    /// Lets time pass, polling at every deadline, as the thread does.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(deadline) = self.line.deadline()
            && deadline <= end
        {
            self.now = self.now.max(deadline);
            self.line.poll(self.now);
        }
        self.now = end;
    }

    fn frame(&mut self, size: (u32, u32), luma: u8) {
        let mut bytes = vec![128; RawFrame::packed_len(size.0, size.1, PixelFormat::I420).expect("a fixed size")];
        bytes[0] = luma;
        let frame = RawFrame::packed(self.now, size, PixelFormat::I420, Arc::new(bytes)).expect("it fits");
        self.line.handle(Mail::Frame(frame), self.now);
    }

    fn frames(&mut self, count: u32, size: (u32, u32), luma: u8) {
        for _ in 0..count {
            self.frame(size, luma);
            self.pass(Duration::from_nanos(33_333_333));
        }
    }

    fn unit(&mut self, track: &Arc<Track>, keyframe: bool) {
        let dts = self.now.ticks(Timescale::VIDEO);
        let unit = AccessUnit { dts, pts: dts, duration: FRAME as u32, keyframe, data: Bytes::from_static(b"u") };
        self.line.handle(Mail::Unit { track: Arc::clone(track), unit }, self.now);
    }

    fn state(&self) -> SourceState {
        state(&self.stream, Kind::Video)
    }
}

#[test]
fn a_steady_camera_comes_out_frame_by_frame() {
    let mut rig = Rig::new();
    rig.frames(30, (64, 48), 200);
    let units = drain(&mut rig.reader);
    assert_eq!(units.len(), 30);
    assert_seamless(&units);
    assert!(units.iter().all(|(_, unit)| unit.data == Bytes::from_static(&[200])));
    assert_eq!(rig.state(), SourceState::Live);
}

#[test]
fn a_camera_that_is_not_there_gives_a_slate_with_the_cause() {
    let mut rig = Rig::new();
    rig.line.handle(Mail::Away("/dev/video0 is not there".into()), rig.now);
    rig.pass(Duration::from_secs(3));
    let units = drain(&mut rig.reader);
    assert!(units.len() > 50, "{}", units.len());
    assert_seamless(&units);
    assert_eq!(rig.state(), SourceState::NoSignal { cause: "/dev/video0 is not there".into() });
}

#[test]
fn unplugged_and_plugged_in_again_is_one_unbroken_track() {
    let mut rig = Rig::new();
    rig.frames(30, (64, 48), 200);
    rig.line.handle(Mail::Away("unplugged".into()), rig.now);
    rig.pass(Duration::from_secs(10));
    rig.line.handle(Mail::Here(None), rig.now);
    rig.frames(30, (64, 48), 210);
    let units = drain(&mut rig.reader);
    assert_seamless(&units);
    assert!((355..=365).contains(&units.len()), "{}", units.len());
    assert!(units.iter().all(|(track, _)| track == &units[0].0));
    assert_eq!(units.last().expect("units").1.data, Bytes::from_static(&[210]));
    assert_eq!(rig.seen.opened.load(Ordering::Relaxed), 1);
    assert_eq!(rig.state(), SourceState::Live);
    let slates = rig.seen.luma.lock().expect("no panic").iter().filter(|luma| **luma < 100).count();
    assert!((295..=305).contains(&slates), "{slates}");
}

#[test]
fn another_size_is_another_track_without_a_hole() {
    let mut rig = Rig::new();
    rig.frames(10, (64, 48), 200);
    rig.frames(10, (128, 96), 200);
    let units = drain(&mut rig.reader);
    assert_eq!(units.len(), 20);
    assert_seamless(&units);
    assert_ne!(units[9].0, units[10].0);
    assert!(units[10].1.keyframe);
}

#[test]
fn where_a_size_is_kept_another_one_is_scaled_and_players_notice_nothing() {
    let mut rig = Rig::with(LineSettings { scales: true, ..settings() });
    rig.frames(10, (64, 48), 200);
    assert_eq!(rig.report.counts().bytes_copied, 0);
    rig.frames(10, (128, 72), 200);
    rig.frames(10, (32, 48), 200);
    let units = drain(&mut rig.reader);
    assert_eq!(units.len(), 30);
    assert_seamless(&units);
    assert!(units.iter().all(|(track, _)| track == &units[0].0));
    assert_eq!(rig.seen.opened.load(Ordering::Relaxed), 1);
    assert_eq!(rig.report.counts().bytes_copied, 20 * 64 * 48 * 3 / 2);
}

#[test]
fn a_rate_that_the_encoder_cant_keep_up_with_is_halved_and_nothing_counts_as_dropped() {
    // 64x48 is 12 macroblocks, 128x96 is 48: 30 a second of those are 1,440.
    let mut rig = Rig::with(LineSettings { frame_rate: None, macroblocks_per_s: Some(800), ..settings() });
    rig.line.handle(Mail::Here(FrameRate::new(30, 1)), rig.now);
    rig.frames(30, (64, 48), 200);
    rig.frames(30, (128, 96), 200);
    rig.frames(30, (64, 48), 200);
    let units = drain(&mut rig.reader);
    let of = |width: u32| {
        let is = |track: &Track| matches!(&track.codec, Codec::H264(params) if params.width == width);
        units.iter().filter(|(track, _)| is(track)).count()
    };
    assert!((14..=16).contains(&of(128)), "{}", of(128));
    assert!((58..=61).contains(&of(64)), "{}", of(64));
    let counts = rig.report.counts();
    assert!(counts.dropped_frames <= 1, "{counts:?}");
    for pair in units.windows(2) {
        assert!(pair[1].1.dts >= pair[0].1.dts + i64::from(pair[0].1.duration), "time goes on");
    }
}

#[test]
fn a_broken_jpeg_repeats_the_last_picture() {
    let mut rig = Rig::new();
    rig.frames(5, (64, 48), 200);
    let broken =
        RawFrame::packed(rig.now, (64, 48), PixelFormat::Mjpeg, Arc::new(vec![0xff, 0xd8, 0xff])).expect("one");
    rig.line.handle(Mail::Frame(broken), rig.now);
    rig.pass(Duration::from_millis(34));
    let units = drain(&mut rig.reader);
    assert_eq!(units.len(), 6);
    assert_eq!(units[5].1.data, Bytes::from_static(&[200]));
    assert_eq!(rig.report.counts().bad_pictures, 1);
}

#[test]
fn an_encoder_that_fails_is_opened_again_after_a_second() {
    let mut rig = Rig::new();
    rig.frames(10, (64, 48), 200);
    rig.seen.fails.store(true, Ordering::Relaxed);
    rig.frames(10, (64, 48), 200);
    rig.seen.fails.store(false, Ordering::Relaxed);
    rig.frames(60, (64, 48), 200);
    assert!(rig.seen.opened.load(Ordering::Relaxed) <= 3);
    assert!(drain(&mut rig.reader).len() > 40);
}

#[test]
fn encoded_pictures_go_straight_through_and_a_slate_bridges_their_absence() {
    let mut rig = Rig::new();
    let theirs = track(64, 48, b"theirs");
    for n in 0..30 {
        rig.unit(&theirs, n == 0);
        rig.pass(Duration::from_nanos(33_333_333));
    }
    rig.pass(Duration::from_secs(4));
    let bridged = drain(&mut rig.reader);
    assert!(bridged[..30].iter().all(|(track, _)| *track == theirs));
    assert!(bridged[30..].iter().all(|(track, _)| *track != theirs));
    assert!(bridged.len() > 100, "{}", bridged.len());
    assert_eq!(rig.state(), SourceState::NoSignal { cause: "no pictures come from the source".into() });

    rig.unit(&theirs, false); // nothing can be decoded from here
    rig.pass(Duration::from_millis(34));
    rig.unit(&theirs, true);
    rig.pass(Duration::from_millis(34));
    rig.unit(&theirs, false);
    let mut units = bridged;
    units.extend(drain(&mut rig.reader));
    let back = units.iter().rposition(|(track, _)| *track != theirs).expect("a slate") + 1;
    assert_eq!(units.len() - back, 2);
    assert!(units[back].1.keyframe);
    assert_eq!(rig.state(), SourceState::Live);
    for pair in units.windows(2) {
        let gap = pair[1].1.dts - pair[0].1.dts - i64::from(pair[0].1.duration);
        assert!((0..=2 * FRAME).contains(&gap), "{gap}");
    }
}

#[test]
fn other_renditions_go_straight_through_beside_it_and_none_does_where_a_slate_stands() {
    let mut rig = Rig::new();
    let theirs = track(64, 48, b"theirs");
    let small = Arc::new(Track { id: TrackId::Video(2), ..(*track(32, 24, b"small")).clone() });
    let mut beside = rig.stream.read(&[small.id], crate::stream::Start::NextKeyframe);
    let mut both = |rig: &mut Rig, pictures: std::ops::Range<u32>, keys: [u32; 2]| {
        for n in pictures {
            rig.unit(&small, n == keys[1]);
            rig.unit(&theirs, n == keys[0]);
            rig.pass(Duration::from_nanos(33_333_333));
        }
        drain(&mut beside)
    };
    assert!(both(&mut rig, 0..10, [0, 0]).is_empty(), "it came before there was anything to be beside");
    assert!(rig.stream.take_key_frame_request_of(small.id), "so it is asked for one");
    let through = both(&mut rig, 10..20, [0, 12]);
    assert_eq!(through.len(), 8);
    assert!(through[0].1.keyframe && through.iter().all(|(track, _)| *track == small));
    assert_eq!(rig.stream.renditions().len(), 2);
    assert_eq!(drain(&mut rig.reader).len(), 20, "nothing to the source's own");

    rig.pass(Duration::from_secs(4));
    assert_eq!(rig.stream.renditions().len(), 1, "the slate");
    assert!(both(&mut rig, 20..30, [20, 99]).is_empty(), "not before a key frame");
    assert_eq!(both(&mut rig, 30..40, [99, 31]).len(), 9);

    rig.stream.set_private(true);
    assert!(both(&mut rig, 40..50, [42, 44]).is_empty(), "hidden");
    assert_eq!(rig.stream.renditions().len(), 1);
}

/// A camera with an encoder of its own needs its time: each picture comes some frames after it was taken.
#[test]
fn encoded_pictures_that_come_late_are_taken_again_after_an_outage() {
    for late in [0, 30_000_000, 80_000_000, 400_000_000] {
        let mut rig = Rig::new();
        let theirs = track(64, 48, b"theirs");
        let unit = |rig: &mut Rig, keyframe| {
            let arrives = rig.now;
            let dts = arrives.plus_nanos(-late).ticks(Timescale::VIDEO);
            let unit = AccessUnit { dts, pts: dts, duration: FRAME as u32, keyframe, data: Bytes::from_static(b"u") };
            rig.line.handle(Mail::Unit { track: Arc::clone(&theirs), unit }, arrives);
            rig.pass(Duration::from_nanos(33_333_333));
        };
        (0..60).for_each(|n| unit(&mut rig, n % 30 == 0));
        rig.line.handle(Mail::Away("unplugged".into()), rig.now);
        rig.pass(Duration::from_secs(5));
        rig.line.handle(Mail::Here(FrameRate::new(30, 1)), rig.now);
        (0..90).for_each(|n| unit(&mut rig, n % 30 == 0));
        assert_eq!(rig.state(), SourceState::Live, "{late} ns late");
        let units = drain(&mut rig.reader);
        let back = units.iter().rposition(|(track, _)| *track != theirs).expect("a slate") + 1;
        assert!(units.len() - back >= 45, "{late} ns late: {} of 90 after the slate", units.len() - back);
        assert!(units[back].1.keyframe);
        for pair in units.windows(2) {
            let gap = pair[1].1.dts - pair[0].1.dts - i64::from(pair[0].1.duration);
            assert!((0..=2 * FRAME).contains(&gap), "{late} ns late: {gap}");
        }
    }
}

#[test]
fn a_program_that_ended_is_bridged_at_once() {
    let mut rig = Rig::new();
    let theirs = track(64, 48, b"theirs");
    for n in 0..30 {
        rig.unit(&theirs, n == 0);
        rig.pass(Duration::from_nanos(33_333_333));
    }
    rig.line.handle(Mail::Away("it ended".into()), rig.now);
    rig.pass(Duration::from_millis(100));
    let units = drain(&mut rig.reader);
    assert!((31..=34).contains(&units.len()), "{}", units.len());
    assert_ne!(units.last().expect("units").0, theirs);
    assert_eq!(rig.state(), SourceState::NoSignal { cause: "it ended".into() });
}

/// What the readers of a private stream got: each picture's brightness.
fn lumas(units: &[(Arc<Track>, AccessUnit)]) -> Vec<u8> {
    units.iter().map(|(_, unit)| unit.data[0]).collect()
}

#[test]
fn a_private_picture_is_the_slate_at_once_and_begins_with_a_key_frame() {
    let mut rig = Rig::new();
    rig.frames(30, (64, 48), 200);
    rig.stream.set_private(true);
    assert!(rig.stream.newest_key_frame().is_none(), "a snapshot would show what was before");
    rig.frames(30, (64, 48), 200);
    let snapshot = rig.stream.newest_key_frame().expect("the slate").1;
    assert!(snapshot.data[0] < 100);
    assert_eq!(rig.state(), SourceState::Live, "the camera is well");
    rig.stream.set_private(false);
    rig.frames(30, (64, 48), 210);
    let units = drain(&mut rig.reader);
    assert_eq!(units.len(), 90);
    assert_seamless(&units);
    assert!(units.iter().all(|(track, _)| track == &units[0].0), "players notice nothing but the picture");
    let lumas = lumas(&units);
    assert!(lumas[..30].iter().all(|luma| *luma == 200), "{lumas:?}");
    assert!(lumas[30..60].iter().all(|luma| *luma < 100), "{lumas:?}");
    assert!(lumas[60..].iter().all(|luma| *luma == 210), "{lumas:?}");
    assert!(units[30].1.keyframe && units[60].1.keyframe);
}

#[test]
fn a_private_camera_that_goes_away_and_comes_back_stays_hidden() {
    let mut rig = Rig::new();
    rig.frames(10, (64, 48), 200);
    rig.stream.set_private(true);
    rig.frames(10, (64, 48), 200);
    rig.line.handle(Mail::Away("unplugged".into()), rig.now);
    rig.pass(Duration::from_secs(3));
    assert_eq!(rig.state(), SourceState::NoSignal { cause: "unplugged".into() });
    rig.line.handle(Mail::Here(None), rig.now);
    rig.frames(10, (128, 96), 200);
    assert_eq!(rig.state(), SourceState::Live);
    let units = drain(&mut rig.reader);
    assert_seamless(&units);
    assert!(lumas(&units)[10..].iter().all(|luma| *luma < 100));
    // Public again while it is away: the slate says why.
    rig.line.handle(Mail::Away("unplugged".into()), rig.now);
    rig.stream.set_private(false);
    rig.pass(Duration::from_secs(2));
    assert!(lumas(&drain(&mut rig.reader)).iter().all(|luma| *luma < 100));
    assert_eq!(rig.state(), SourceState::NoSignal { cause: "unplugged".into() });
}

#[test]
fn private_before_the_first_picture() {
    let mut rig = Rig::new();
    rig.stream.set_private(true);
    rig.frames(30, (64, 48), 200);
    assert!(lumas(&drain(&mut rig.reader)).iter().all(|luma| *luma < 100));
}

#[test]
fn encoded_pictures_that_are_private_are_replaced_in_their_time() {
    // As a camera's own encoder delivers them: late, each by the same.
    for late in [0, 80_000_000] {
        let mut rig = Rig::new();
        let theirs = track(64, 48, b"theirs");
        let mut from = [0; 2];
        for n in 0..240 {
            match n {
                70 => rig.stream.set_private(true),
                130 => rig.stream.set_private(false),
                _ => {}
            }
            let at = rig.now;
            rig.now = at.plus_nanos(-late);
            let dts = rig.now.ticks(Timescale::VIDEO);
            rig.now = at;
            if n == 70 || n == 130 {
                from[usize::from(n == 130)] = dts;
            }
            let data = Bytes::from_static(&[250]);
            let unit = AccessUnit { dts, pts: dts, duration: FRAME as u32, keyframe: n % 30 == 0, data };
            rig.line.handle(Mail::Unit { track: Arc::clone(&theirs), unit }, rig.now);
            rig.pass(Duration::from_nanos(33_333_333));
        }
        let units = drain(&mut rig.reader);
        for pair in units.windows(2) {
            let gap = pair[1].1.dts - pair[0].1.dts - i64::from(pair[0].1.duration);
            assert!((0..=FRAME).contains(&gap), "{gap}");
        }
        let hidden: Vec<_> = units.iter().filter(|(track, _)| *track != theirs).map(|(_, unit)| unit.dts).collect();
        // Until the next key frame, 20 pictures later.
        assert!((78..=82).contains(&hidden.len()), "{}", hidden.len());
        let theirs_at = units.iter().filter(|(track, _)| *track == theirs).map(|(_, unit)| unit.dts);
        assert!(theirs_at.clone().all(|dts| dts < from[0] || dts > from[1]));
        assert!(theirs_at.count() >= 158, "they go through again");
        assert_eq!(rig.state(), SourceState::Live);
    }
}

#[test]
fn half_the_frame_rate_is_twice_the_duration_and_key_frames_come_as_before() {
    let mut rig = Rig::new();
    rig.frames(30, (64, 48), 200);
    rig.stream.set_half_rate(true);
    rig.frames(90, (64, 48), 200);
    rig.stream.set_half_rate(false);
    rig.frames(30, (64, 48), 200);
    let units = drain(&mut rig.reader);
    assert_seamless(&units);
    assert!((104..=106).contains(&units.len()), "{}", units.len());
    let doubled: Vec<_> = units.iter().filter(|(_, unit)| i64::from(unit.duration) == 2 * FRAME).collect();
    assert!((44..=46).contains(&doubled.len()), "{}", doubled.len());
    let keys = doubled.iter().filter(|(_, unit)| unit.keyframe).count();
    assert_eq!(keys, 3, "one a second");
}
