//! A simulated PCM on its own clock; then libasound's `null` device.

use super::*;
use crate::capture::Source;
use crate::capture::alsa::io::Position;
use crate::capture::alsa::samples::SampleFormat;
use crate::capture::alsa::{AlsaSource, Wanted};

const SECOND: Duration = Duration::from_secs(1);
const SHAPE: Shape =
    Shape { format: SampleFormat::S16, rate_hz: 48_000, device_channels: 1, channels: 1, period: 480, buffer: 12_000 };

/// Samples count up, so that a lost or doubled one is seen. Time passes only while somebody waits, or
/// when a test holds it up.
struct Simulated {
    now: MonoTime,
    started: MonoTime,
    read: u64,
    /// Errors by the time from which they hold; each is met once, unless it stays.
    failures: Vec<(i64, i32, bool)>,
    resumes: usize,
    starts: usize,
    /// Delivers nothing from then on.
    silent_from: MonoTime,
}

impl Simulated {
    fn new() -> Self {
        let never = MonoTime::from_nanos(i64::MAX);
        let start = MonoTime::ZERO;
        Self { now: start, started: start, read: 0, failures: vec![], resumes: 0, starts: 0, silent_from: never }
    }

    fn failing_at(mut self, millis: i64, errno: i32, stays: bool) -> Self {
        self.failures.push((millis, errno, stays));
        self
    }

    fn waiting(&self) -> u64 {
        let until = self.now.min(self.silent_from);
        let sampled = until.nanos_since(self.started).max(0) * 48 / 1_000_000;
        sampled.unsigned_abs().saturating_sub(self.read)
    }

    fn failure(&mut self) -> Result<(), i32> {
        let now = self.now.as_nanos() / 1_000_000;
        let Some(due) = self.failures.iter().position(|(at, ..)| *at <= now) else {
            return if self.waiting() > u64::from(SHAPE.buffer) { Err(libc::EPIPE) } else { Ok(()) };
        };
        let (_, errno, stays) = self.failures[due];
        if !stays {
            self.failures.remove(due);
        }
        Err(errno)
    }
}

impl PcmIo for Simulated {
    fn restart(&mut self) -> Result<(), i32> {
        self.starts += 1;
        self.started = self.now;
        self.read = 0;
        Ok(())
    }

    fn resume(&mut self) -> Result<(), i32> {
        self.resumes += 1;
        if self.resumes < 3 { Err(libc::EAGAIN) } else { Ok(()) }
    }

    fn position(&mut self) -> Result<Position, i32> {
        let waiting = u32::try_from(self.waiting()).expect("small");
        Ok(Position { at: self.now, waiting, delay: waiting })
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, i32> {
        self.failure()?;
        let frames = (bytes.len() / 2).min(usize::try_from(self.waiting()).expect("small"));
        for (i, sample) in bytes.chunks_exact_mut(2).take(frames).enumerate() {
            sample.copy_from_slice(&(self.read as i16).wrapping_add(i as i16).to_le_bytes());
        }
        self.read += frames as u64;
        Ok(frames)
    }

    fn wait(&mut self, timeout: Duration) -> Result<bool, i32> {
        let until = self.now + timeout;
        while self.now < until {
            self.failure()?;
            if self.waiting() >= u64::from(SHAPE.period) {
                return Ok(true);
            }
            self.now = self.now + Duration::from_millis(1);
        }
        Ok(false)
    }

    fn pause(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    fn now(&self) -> MonoTime {
        self.now
    }
}

fn started(pcm: Simulated) -> AlsaCapture<Simulated> {
    AlsaCapture::start(pcm, "hw:7", SHAPE).expect("it starts")
}

fn block(captured: Result<Option<Captured>, CaptureError>) -> PcmBlock {
    match captured {
        Ok(Some(Captured::Pcm(block))) => block,
        other => panic!("no sound: {other:?}"),
    }
}

#[test]
fn blocks_follow_each_other_in_samples_and_in_time() {
    let mut capture = started(Simulated::new());
    let mut frames = 0;
    for _ in 0..100 {
        let block = block(capture.read(SECOND));
        assert_eq!((block.rate_hz, block.channels, block.samples[0]), (48_000, 1, frames as i16));
        assert_eq!(block.captured.as_nanos(), frames * 1_000_000 / 48, "sample {frames}");
        frames += block.frames() as i64;
    }
    assert_eq!(frames, 100 * 480);
}

#[test]
fn after_a_hold_up_what_waits_comes_in_pieces_with_their_own_times() {
    let mut capture = started(Simulated::new());
    block(capture.read(SECOND));
    capture.pcm.now = capture.pcm.now + Duration::from_millis(200);
    let mut next = 480;
    for _ in 0..6 {
        let block = block(capture.read(SECOND));
        assert!(block.frames() <= 480 * 4);
        assert_eq!((block.samples[0], block.captured.as_nanos()), (next as i16, next * 1_000_000 / 48));
        next += block.frames() as i64;
    }
    assert_eq!(capture.overruns, 0);
}

#[test]
fn an_overrun_loses_sound_but_not_time() {
    let mut capture = started(Simulated::new());
    block(capture.read(SECOND));
    capture.pcm.now = MonoTime::from_millis(400);
    let after = block(capture.read(SECOND));
    assert_eq!((after.captured, after.samples[0]), (MonoTime::from_millis(400), 0));
    assert_eq!((capture.overruns, capture.pcm.starts), (1, 2));
}

#[test]
fn a_storm_of_overruns_is_lived_through_and_one_without_sound_is_not() {
    let storm = (1..200).fold(Simulated::new(), |pcm, i| pcm.failing_at(i * 25, libc::EPIPE, false));
    let mut capture = started(storm);
    let mut blocks = 0;
    while capture.pcm.now < MonoTime::from_millis(5_000) {
        blocks += u32::from(capture.read(SECOND).expect("alive").is_some());
    }
    assert_eq!(capture.overruns, 199);
    assert!(blocks > 200, "{blocks}");

    let mut capture = started(Simulated::new().failing_at(0, libc::EPIPE, true));
    let error = capture.read(SECOND).expect_err("hopeless");
    assert!(error.to_string().contains("overruns in a row"), "{error}");
}

#[test]
fn sleep_is_resumed_from() {
    let pcm = [20, 21, 22].iter().fold(Simulated::new(), |pcm, at| pcm.failing_at(*at, libc::ESTRPIPE, false));
    let mut capture = started(pcm);
    for _ in 0..10 {
        block(capture.read(SECOND));
    }
    assert_eq!((capture.pcm.resumes, capture.overruns), (3, 0));
}

#[test]
fn unplugging_is_told() {
    for errno in [libc::ENODEV, libc::EBADFD, libc::EIO] {
        let mut capture = started(Simulated::new().failing_at(15, errno, true));
        block(capture.read(SECOND));
        let error = capture.read(SECOND).expect_err("unplugged");
        assert_eq!(error.to_string(), "hw:7 was unplugged");
    }
}

#[test]
fn silence_on_the_wire_is_an_error_after_a_while_only() {
    let mut pcm = Simulated::new();
    pcm.silent_from = MonoTime::from_millis(10);
    let mut capture = started(pcm);
    block(capture.read(SECOND));
    assert!(capture.read(SECOND).expect("not yet").is_none());
    let error = loop {
        match capture.read(SECOND) {
            Ok(None) => {}
            Ok(Some(_)) => panic!("from nowhere"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.to_string(), "hw:7 has no signal: no sound data for 5 s");
}

#[test]
fn libasounds_null_device_is_negotiated_and_read() {
    let wanted = Wanted { rate_hz: Some(44_100), channels: Some(1) };
    for (wanted, rate_hz, channels) in [(wanted, 44_100, 1), (Wanted::default(), 48_000, 2)] {
        let mut source = AlsaSource::new("null", wanted);
        let mut capture = source.open().expect("the null device opens");
        let block = block(capture.read(SECOND));
        assert_eq!((block.rate_hz, block.channels), (rate_hz, channels));
        assert!(!block.samples.is_empty() && block.samples.iter().all(|sample| *sample == 0));
    }
}

#[test]
fn a_device_that_isnt_there_is_not_found() {
    for device in ["hw:29", "plughw:CARD=Nobody,DEV=0", "no such name", "nul\0byte"] {
        let error = AlsaSource::new(device, Wanted::default()).open().err().expect("no such device");
        assert!(matches!(error, CaptureError::NotFound { .. }), "{device}: {error}");
    }
}

#[test]
fn a_device_that_runs_at_its_sources_rate_is_taken_for_what_it_is() {
    let shape = Shape { rate_hz: 44_100, ..SHAPE };
    let mut capture = AlsaCapture::start(Simulated::new(), "hw:tc358743", shape).expect("starts");
    let mut rates = Vec::new();
    while capture.pcm.now < MonoTime::from_millis(10_000) {
        if let Some(Captured::Pcm(block)) = capture.read(SECOND).expect("alive") {
            rates.push(block.rate_hz);
        }
    }
    rates.dedup();
    assert_eq!(rates, [44_100, 48_000]);
}
