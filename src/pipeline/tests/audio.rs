//! Sound: encoded, filled with silence, straight through.

use super::{assert_seamless, drain, reader, state, stream};
use crate::codec::aac;
use crate::encode::AudioEncoder;
use crate::encode::aac::AacEncoder;
use crate::media::{AacParams, AccessUnit, Codec, PcmBlock, Track, TrackId};
use crate::pipeline::audio::{AudioLine, AudioSettings};
use crate::pipeline::inbox::Mail;
use crate::pipeline::{Line, Report};
use crate::stream::{Kind, Reader, SourceState, Stream};
use crate::time::{MonoTime, Timescale};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Rig {
    pub line: AudioLine,
    pub now: MonoTime,
    pub stream: Arc<Stream>,
    pub reader: Reader,
    pub report: Arc<Report>,
}

impl Rig {
    pub fn new(raw: bool) -> Self {
        let (stream, report) = (stream(), Arc::new(Report::default()));
        let publisher = Arc::new(stream.publish().expect("free"));
        let settings = AudioSettings { channels: 2, bitrate_bps: 128_000, raw };
        let now = MonoTime::from_millis(1_000_000);
        let line = AudioLine::new("camera", settings, publisher, Arc::clone(&report)).expect("an encoder");
        let reader = reader(&stream);
        Self { line, now, stream, reader, report }
    }

    pub fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(deadline) = self.line.deadline()
            && deadline <= end
        {
            self.now = self.now.max(deadline);
            self.line.poll(self.now);
        }
        self.now = end;
    }

    pub fn blocks(&mut self, count: u32) {
        for _ in 0..count {
            let samples = Arc::from(vec![1_000_i16; 960]);
            let block = PcmBlock { captured: self.now, rate_hz: 48_000, channels: 2, samples };
            self.pass(Duration::from_millis(10)); // a block is there when its last sample is
            self.line.handle(Mail::Pcm(block), self.now);
        }
    }

    pub fn unit(&mut self, track: &Arc<Track>) {
        let dts = self.now.ticks(track.timescale);
        let unit = AccessUnit { dts, pts: dts, duration: 1_024, keyframe: true, data: Bytes::from_static(b"theirs") };
        self.line.handle(Mail::Unit { track: Arc::clone(track), unit }, self.now);
    }
}

fn theirs() -> Arc<Track> {
    Arc::new(Track {
        id: TrackId::Aac,
        timescale: Timescale::new(48_000).expect("not zero"),
        language: None,
        bitrate_bps: 0,
        codec: Codec::Aac(AacParams { config: Bytes::from_static(&[0x11, 0x90]), rate_hz: 48_000, channels: 2 }),
    })
}

#[test]
fn samples_become_frames_at_their_time() {
    let mut rig = Rig::new(true);
    let start = rig.now.ticks(Timescale::new(48_000).expect("not zero"));
    rig.blocks(200);
    let units = drain(&mut rig.reader);
    assert_seamless(&units);
    // Two seconds, less what waits for a whole frame and in the resampler.
    assert!((88..=94).contains(&units.len()), "{}", units.len());
    let first = units[0].1.dts - start;
    assert!((-2_200..=0).contains(&first), "the encoder's delay is subtracted: {first}");
    assert_eq!(state(&rig.stream, Kind::Audio), SourceState::Live);
}

#[test]
fn a_microphone_that_goes_away_leaves_silence_and_comes_back_in_step() {
    let mut rig = Rig::new(true);
    rig.blocks(100);
    rig.line.handle(Mail::Away("unplugged".into()), rig.now);
    rig.pass(Duration::from_secs(5));
    assert_eq!(state(&rig.stream, Kind::Audio), SourceState::NoSignal { cause: "unplugged".into() });
    rig.blocks(100);
    let units = drain(&mut rig.reader);
    assert_seamless(&units);
    assert!((318..=330).contains(&units.len()), "seven seconds: {}", units.len());
    let end = units.last().map(|(_, unit)| unit.dts + 1_024).expect("units");
    let now = rig.now.ticks(Timescale::new(48_000).expect("not zero"));
    assert!((0..9_600).contains(&(now - end)), "within 200 ms of now: {}", now - end);
}

#[test]
fn without_a_microphone_there_is_silence_from_the_start() {
    let mut rig = Rig::new(true);
    rig.line.handle(Mail::Away("not there".into()), rig.now);
    rig.pass(Duration::from_secs(3));
    let units = drain(&mut rig.reader);
    assert_seamless(&units);
    assert!(units.len() > 110, "{}", units.len());
}

#[test]
fn encoded_sound_goes_straight_through_and_silence_bridges_its_absence() {
    let mut rig = Rig::new(false);
    let theirs = theirs();
    for _ in 0..47 {
        rig.unit(&theirs);
        rig.pass(Duration::from_nanos(21_333_333));
    }
    rig.pass(Duration::from_secs(2));
    for _ in 0..10 {
        rig.unit(&theirs);
        rig.pass(Duration::from_nanos(21_333_333));
    }
    let units = drain(&mut rig.reader);
    let silence = aac::silent_frame(2).expect("stereo");
    let silent = units.iter().filter(|(_, unit)| unit.data == silence).count();
    assert!((70..=100).contains(&silent), "{silent}");
    assert_eq!(rig.report.counts().silence_units, silent as u64);
    for pair in units.windows(2) {
        let gap = pair[1].1.dts - pair[0].1.dts - 1_024;
        assert!((-512..=1_024).contains(&gap), "{gap}");
    }
}

#[test]
fn sound_that_comes_back_further_behind_takes_the_place_of_the_silence_and_keeps_it() {
    for behind in [Duration::from_millis(400), Duration::from_millis(1_500)] {
        let mut rig = Rig::new(false);
        let theirs = theirs();
        rig.unit(&theirs);
        rig.pass(Duration::from_secs(5));
        drain(&mut rig.reader);
        // From now on all of it comes so much later than it was made, and in bursts.
        let begun = rig.now;
        let mut sent = 0_u32;
        while sent < 470 {
            rig.pass(Duration::from_millis(200));
            while begun + behind + sent * Duration::from_nanos(21_333_333) <= rig.now {
                let dts = (begun + sent * Duration::from_nanos(21_333_333)).ticks(theirs.timescale);
                let data = Bytes::from_static(b"theirs");
                let unit = AccessUnit { dts, pts: dts, duration: 1_024, keyframe: true, data };
                rig.line.handle(Mail::Unit { track: Arc::clone(&theirs), unit }, rig.now);
                sent += 1;
            }
        }
        let units = drain(&mut rig.reader);
        let silent = units.iter().rposition(|(_, unit)| unit.data != "theirs").expect("silence at first");
        let last = units[silent].1.dts - begun.ticks(theirs.timescale);
        let lasted = Duration::from_nanos(u64::try_from(last).expect("later") * 1_000_000_000 / 48_000);
        assert!(lasted <= behind + Duration::from_millis(400), "{behind:?} behind: silence for {lasted:?}");
        for pair in units.windows(2) {
            let gap = pair[1].1.dts - pair[0].1.dts - 1_024;
            assert!((-512..=1_024).contains(&gap), "{gap}");
        }
    }
}

#[test]
fn a_source_that_was_behind_once_is_not_waited_for_for_ever() {
    let mut rig = Rig::new(false);
    let theirs = theirs();
    let frame = Duration::from_nanos(21_333_333);
    rig.unit(&theirs);
    rig.pass(Duration::from_secs(5));
    // What was held up comes at once, and all that follows in time.
    for late in (0..90).rev() {
        let dts = rig.now.ticks(theirs.timescale) - late * 1_024;
        let unit = AccessUnit { dts, pts: dts, duration: 1_024, keyframe: true, data: Bytes::from_static(b"theirs") };
        rig.line.handle(Mail::Unit { track: Arc::clone(&theirs), unit }, rig.now);
    }
    for _ in 0..1_000 {
        rig.pass(frame);
        rig.unit(&theirs);
    }
    drain(&mut rig.reader);
    rig.pass(Duration::from_secs(1));
    let silent = drain(&mut rig.reader).len();
    assert!(silent > 25, "silence after 300 ms: {silent} frames");
}

#[test]
fn a_source_without_sound_makes_no_track() {
    let mut rig = Rig::new(false);
    rig.pass(Duration::from_secs(10));
    assert!(drain(&mut rig.reader).is_empty());
}

#[test]
fn sound_that_goes_straight_through_is_measured_while_somebody_looks() {
    let mut rig = Rig::new(false);
    let mut encoder = AacEncoder::new(48_000, 2, 128_000).expect("an encoder");
    let track = Arc::clone(encoder.track());
    let mut second = |rig: &mut Rig| {
        for frame in 0..47 {
            // A quarter of full scale on the left, a tenth of that on the right.
            let tone = |at: i32| (f64::from(frame * 1_024 + at) * std::f64::consts::TAU / 48.0).sin() * 8_192.0;
            let pcm: Vec<i16> = (0..1_024).flat_map(|at| [tone(at) as i16, (tone(at) / 10.0) as i16]).collect();
            let (dts, data) = (rig.now.ticks(track.timescale), encoder.encode(&pcm).expect("it encodes"));
            let unit = AccessUnit { dts, pts: dts, duration: 1_024, keyframe: true, data };
            rig.line.handle(Mail::Unit { track: Arc::clone(&track), unit }, rig.now);
            rig.pass(Duration::from_nanos(21_333_333));
        }
    };
    second(&mut rig);
    assert_eq!(rig.report.levels(rig.now), None, "nobody looks: nothing is decoded");
    rig.report.want_levels(rig.now);
    second(&mut rig);
    let levels = rig.report.levels(rig.now).expect("measured");
    let near = |level: f64, dbfs: f64| (level - dbfs).abs() < 1.0;
    assert!(near(levels[0].peak_dbfs, -12.0) && near(levels[0].rms_dbfs, -15.0), "{levels:?}");
    assert!(near(levels[1].peak_dbfs, -32.0) && near(levels[1].rms_dbfs, -35.0), "{levels:?}");
    for _ in 0..7 {
        second(&mut rig);
    }
    assert_eq!(rig.report.levels(rig.now), None, "nobody looks any more");
}

#[test]
fn muted_sound_is_silence_in_its_time() {
    let mut rig = Rig::new(true);
    rig.blocks(100);
    let heard = drain(&mut rig.reader);
    rig.stream.set_muted(true);
    rig.blocks(200);
    let muted = drain(&mut rig.reader);
    let levels = rig.report.levels(rig.now).expect("measured");
    assert!(levels.iter().all(|level| level.rms_dbfs < -90.0), "{levels:?}");
    rig.stream.set_muted(false);
    rig.blocks(100);
    let again = drain(&mut rig.reader);
    let mut decoder = crate::decode::AacDecoder::new(match &heard[0].0.codec {
        Codec::Aac(params) => &params.config,
        other => panic!("{other:?}"),
    })
    .expect("a decoder");
    // Some frames after a switch are of before: they were in the encoder.
    let mut loudest = |units: &[(Arc<Track>, AccessUnit)]| {
        let peaks = units.iter().map(|(_, unit)| {
            decoder.decode(&unit.data).expect("whole").0.iter().map(|sample| sample.unsigned_abs()).max()
        });
        peaks.skip(6).flatten().max().expect("units")
    };
    assert!(loudest(&heard) > 500);
    assert!(loudest(&muted) < 5);
    assert!(loudest(&again) > 500);
    assert_seamless(&[heard, muted, again].concat());
}

#[test]
fn muted_sound_straight_through_is_silence_in_its_time() {
    let mut rig = Rig::new(false);
    let theirs = theirs();
    for n in 0..30 {
        rig.stream.set_muted((10..20).contains(&n));
        rig.unit(&theirs);
        rig.pass(Duration::from_nanos(21_333_333));
    }
    let units = drain(&mut rig.reader);
    assert_eq!(units.len(), 30);
    let silence = aac::silent_frame(2).expect("stereo");
    for (n, (_, unit)) in units.iter().enumerate() {
        assert_eq!(unit.data == silence, (10..20).contains(&n), "{n}");
    }
    assert_eq!(rig.report.counts().silence_units, 0, "nothing was missing");
}
