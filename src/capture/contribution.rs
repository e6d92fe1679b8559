//! Streams that somebody publishes into: a browser or an encoder over the network, a room of the box itself.
//!
//! At the [`Desk`] a stream has one place. Who claims it is its [`Contributor`] and hands over pictures and sound,
//! encoded or raw; the stream's pipeline reads them through a [`ContributionSource`] like those of any source. The
//! queue between them is bounded and never holds up who pushes. Dropping the contributor ends the source, and
//! the slate says that nobody publishes.
//! Not here: protocols, and who may publish.

#![allow(clippy::disallowed_methods, reason = "a shell: waits for what is pushed")]

use super::{Capture, CaptureError, Captured, Source};
use crate::media::TrackId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How long opening waits for somebody to come, so that whoever comes is read at once.
const OPEN_WAITS: Duration = Duration::from_millis(400);
/// Raw pictures that wait: one is being read, one is the newest.
const MAX_FRAMES: usize = 2;
/// Encoded units, of three renditions, and blocks of sound that wait: some 3 s.
const MAX_OTHERS: usize = 500;
/// Bytes of those.
const MAX_BYTES: usize = 8 << 20;

/// Who has the place and has handed over nothing for so long has lost the network: it is free for others, and for
/// whoever comes back.
const SILENT: Duration = Duration::from_secs(4);

/// Somebody publishes into the stream already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("somebody else publishes into this stream")]
pub struct Taken;

/// Where contributors come to; one in a box.
#[derive(Debug, Default)]
pub struct Desk {
    places: Mutex<BTreeMap<String, Weak<Place>>>,
}

impl Desk {
    /// Takes the place of a stream, where nobody has it. Whether the stream is one that takes contributions is the
    /// caller's to know; what is pushed into another one isn't read.
    pub fn claim(&self, stream: &str) -> Result<Contributor, Taken> {
        self.claim_at(stream, Instant::now())
    }

    fn claim_at(&self, stream: &str, now: Instant) -> Result<Contributor, Taken> {
        let place = self.place(stream);
        if place.lock().is_busy(now) { Err(Taken) } else { Ok(Contributor::sit(place, now)) }
    }

    /// Takes the place of a stream, from whoever has it.
    pub fn take_over(&self, stream: &str) -> Contributor {
        Contributor::sit(self.place(stream), Instant::now())
    }

    /// Whether somebody publishes into the stream.
    pub fn is_taken(&self, stream: &str) -> bool {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.get(stream).and_then(Weak::upgrade);
        place.is_some_and(|place| place.lock().is_busy(Instant::now()))
    }

    fn place(&self, stream: &str) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(stream).and_then(Weak::upgrade) {
            return place;
        }
        // Those of streams that are gone, and whose contributors are.
        places.retain(|_, place| place.strong_count() > 0);
        let place = Arc::new(Place::default());
        places.insert(stream.to_owned(), Arc::downgrade(&place));
        place
    }
}

/// The right to take a stream's place, once.
pub struct Claim {
    desk: Arc<Desk>,
    stream: String,
    takeover: bool,
}

impl Claim {
    /// `takeover`: also from whoever has it. Refused at once where that is so already.
    pub fn new(desk: &Arc<Desk>, stream: &str, takeover: bool) -> Result<Self, Taken> {
        if !takeover && desk.is_taken(stream) {
            return Err(Taken);
        }
        Ok(Self { desk: Arc::clone(desk), stream: stream.to_owned(), takeover })
    }

    pub fn take(self) -> Result<Contributor, Taken> {
        if self.takeover { Ok(self.desk.take_over(&self.stream)) } else { self.desk.claim(&self.stream) }
    }
}

#[derive(Debug, Default)]
struct Place {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Place {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves it whole: every change is one step.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Inner {
    /// The number of whoever has the place.
    holder: Option<u64>,
    /// When something was last handed over, or the place taken.
    heard: Option<Instant>,
    /// Why the last one was sent away.
    fault: Option<String>,
    next: u64,
    queue: VecDeque<Captured>,
    frames: usize,
    bytes: usize,
    /// Renditions of which a key frame has come since units were dropped: others can't be decoded.
    whole: BTreeSet<TrackId>,
    dropped: u64,
}

impl Inner {
    fn is_busy(&self, now: Instant) -> bool {
        self.holder.is_some() && self.heard.is_some_and(|heard| now.saturating_duration_since(heard) < SILENT)
    }

    fn clear(&mut self) {
        self.queue.clear();
        self.whole.clear();
        (self.frames, self.bytes) = (0, 0);
    }

    fn push(&mut self, captured: Captured) {
        match &captured {
            Captured::Frame(_) => {
                if self.frames == MAX_FRAMES
                    && let Some(oldest) = self.queue.iter().position(|queued| matches!(queued, Captured::Frame(_)))
                {
                    self.queue.remove(oldest);
                    self.frames -= 1;
                    self.dropped += 1;
                }
                self.frames += 1;
            }
            Captured::Unit { track, unit } if track.id.is_video() => {
                if !unit.keyframe && !self.whole.contains(&track.id) {
                    self.dropped += 1;
                    return;
                }
                self.whole.insert(track.id);
            }
            Captured::Unit { .. } | Captured::Pcm(_) | Captured::End => {}
        }
        self.bytes = self.bytes.saturating_add(bytes(&captured));
        self.queue.push_back(captured);
        if self.queue.len() > MAX_OTHERS + MAX_FRAMES || self.bytes > MAX_BYTES {
            // Nobody reads, and half a group of pictures is of no use.
            self.dropped += self.queue.len() as u64;
            self.clear();
        }
    }

    fn absence(&self) -> CaptureError {
        match &self.fault {
            Some(fault) => CaptureError::Refused { fault: fault.clone() },
            None => CaptureError::NobodyPublishes,
        }
    }

    fn pop(&mut self) -> Option<Captured> {
        let captured = self.queue.pop_front()?;
        self.frames -= usize::from(matches!(captured, Captured::Frame(_)));
        self.bytes = self.bytes.saturating_sub(bytes(&captured));
        Some(captured)
    }
}

/// What waits in memory that is the contributor's; raw pictures are counted singly.
fn bytes(captured: &Captured) -> usize {
    match captured {
        Captured::Unit { unit, .. } => unit.data.len(),
        Captured::Pcm(block) => 2 * block.samples.len(),
        Captured::Frame(_) | Captured::End => 0,
    }
}

/// Who publishes into a stream. Dropping it frees the place.
#[derive(Debug)]
pub struct Contributor {
    place: Arc<Place>,
    number: u64,
}

impl Contributor {
    fn sit(place: Arc<Place>, now: Instant) -> Self {
        let mut inner = place.lock();
        let number = inner.next;
        inner.next += 1;
        inner.clear();
        inner.fault = None;
        inner.heard = Some(now);
        inner.holder = Some(number);
        drop(inner);
        place.changed.notify_all();
        Self { place, number }
    }

    /// Hands over what was captured: timestamps on the monotonic clock, the first encoded picture a key frame.
    /// Never waits; what can't be kept is dropped and counted.
    pub fn push(&self, captured: Captured) {
        let mut inner = self.place.lock();
        if inner.holder != Some(self.number) {
            return;
        }
        inner.heard = Some(Instant::now());
        inner.push(captured);
        drop(inner);
        self.place.changed.notify_all();
    }

    /// Whether the place is somebody else's by now: what is pushed is of no use any more.
    pub fn is_displaced(&self) -> bool {
        self.place.lock().holder != Some(self.number)
    }

    /// Leaves because what it has can't be used; people read why where the picture would be.
    pub fn leave(self, fault: &str) {
        let mut inner = self.place.lock();
        if inner.holder == Some(self.number) {
            inner.fault = Some(fault.to_owned());
        }
    }

    /// Whether encoded pictures are dropped until a key frame comes; those of every rendition.
    pub fn needs_key_frame(&self) -> bool {
        !self.place.lock().whole.contains(&TrackId::Video(0))
    }

    /// What was dropped because nobody read it in time, at this place so far.
    pub fn dropped(&self) -> u64 {
        self.place.lock().dropped
    }
}

impl Drop for Contributor {
    fn drop(&mut self) {
        let mut inner = self.place.lock();
        if inner.holder == Some(self.number) {
            inner.holder = None;
        }
        drop(inner);
        self.place.changed.notify_all();
    }
}

/// Reads what a stream's contributors hand over, one after the other.
pub struct ContributionSource {
    place: Arc<Place>,
}

impl ContributionSource {
    pub fn new(desk: &Desk, stream: &str) -> Self {
        Self { place: desk.place(stream) }
    }
}

impl Source for ContributionSource {
    fn open(&mut self) -> Result<Box<dyn Capture>, CaptureError> {
        let nobody = |inner: &mut Inner| inner.holder.is_none();
        let waited = self.place.changed.wait_timeout_while(self.place.lock(), OPEN_WAITS, nobody);
        let (inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let number = inner.holder.ok_or_else(|| inner.absence())?;
        drop(inner);
        Ok(Box::new(Contribution { place: Arc::clone(&self.place), number }))
    }

    fn name(&self) -> String {
        "whoever publishes".to_owned()
    }
}

/// One contributor's, while it lasts.
struct Contribution {
    place: Arc<Place>,
    number: u64,
}

impl Capture for Contribution {
    fn read(&mut self, timeout: Duration) -> Result<Option<Captured>, CaptureError> {
        let deadline = Instant::now() + timeout;
        let mut inner = self.place.lock();
        loop {
            // What another one pushes is read after the source was opened again.
            if inner.holder.is_some_and(|holder| holder != self.number) {
                return Err(CaptureError::NobodyPublishes);
            }
            if let Some(captured) = inner.pop() {
                return Ok(Some(captured));
            }
            if inner.holder.is_none() {
                return Err(inner.absence());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            inner = self.place.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{AccessUnit, Codec, H264Params, PcmBlock, PixelFormat, RawFrame, Track, TrackId};
    use crate::time::{MonoTime, Timescale};
    use bytes::Bytes;

    const SOON: Duration = Duration::from_millis(50);

    fn picture(dts: i64, keyframe: bool, len: usize) -> Captured {
        let params = H264Params {
            sps: Bytes::from_static(&[0x67]),
            pps: Bytes::from_static(&[0x68]),
            width: 64,
            height: 48,
            frame_rate: None,
        };
        let track = Track {
            id: TrackId::Video(0),
            timescale: Timescale::VIDEO,
            language: None,
            bitrate_bps: 0,
            codec: Codec::H264(params),
        };
        let unit = AccessUnit { dts, pts: dts, duration: 3_000, keyframe, data: vec![0; len].into() };
        Captured::Unit { track: Arc::new(track), unit }
    }

    fn sound(at: i64) -> Captured {
        let samples = vec![0; 480].into();
        Captured::Pcm(PcmBlock { captured: MonoTime::from_nanos(at), rate_hz: 48_000, channels: 1, samples })
    }

    fn frame(at: i64) -> Captured {
        let time = MonoTime::from_nanos(at);
        Captured::Frame(RawFrame::packed(time, (2, 2), PixelFormat::I420, Arc::new(vec![0; 6])).expect("fits"))
    }

    fn read(capture: &mut dyn Capture) -> Result<Option<i64>, CaptureError> {
        Ok(capture.read(SOON)?.map(|captured| match captured {
            Captured::Unit { unit, .. } => unit.dts,
            Captured::Frame(frame) => frame.captured().as_nanos(),
            Captured::Pcm(block) => block.captured.as_nanos(),
            Captured::End => i64::MAX,
        }))
    }

    #[test]
    fn a_stream_has_one_contributor_until_that_leaves() {
        let desk = Desk::default();
        let mut source = ContributionSource::new(&desk, "stage");
        assert!(matches!(source.open().err(), Some(CaptureError::NobodyPublishes)));
        let first = desk.claim("stage").expect("free");
        assert_eq!(desk.claim("stage").err(), Some(Taken));
        assert!(desk.claim("hall").is_ok(), "another stream's");
        assert!(desk.is_taken("stage") && !desk.is_taken("hall"));
        let mut capture = source.open().expect("somebody is there");
        first.push(picture(1, true, 9));
        drop(first);
        assert_eq!(read(&mut *capture).expect("what was pushed before it left"), Some(1));
        assert!(matches!(read(&mut *capture), Err(CaptureError::NobodyPublishes)));
        assert!(desk.claim("stage").is_ok());
    }

    #[test]
    fn who_has_fallen_silent_loses_the_place_to_who_comes() {
        let desk = Desk::default();
        let now = Instant::now();
        let first = desk.claim_at("stage", now).expect("free");
        first.push(sound(1));
        assert_eq!(desk.claim_at("stage", now + SILENT / 2).err(), Some(Taken));
        let second = desk.claim_at("stage", now + 2 * SILENT).expect("the first is silent");
        assert!(first.is_displaced() && !second.is_displaced());
    }

    #[test]
    fn why_somebody_was_sent_away_is_told_until_the_next_comes() {
        let desk = Desk::default();
        let mut source = ContributionSource::new(&desk, "stage");
        let contributor = desk.claim("stage").expect("free");
        let mut capture = source.open().expect("somebody is there");
        contributor.leave("it sends B-frames");
        let error = read(&mut *capture).expect_err("gone");
        assert_eq!(error.to_string(), "whoever published was sent away: it sends B-frames");
        assert_eq!(source.open().err().map(|error| error.to_string()), Some(error.to_string()));
        drop(desk.claim("stage"));
        assert!(matches!(source.open().err(), Some(CaptureError::NobodyPublishes)));
    }

    #[test]
    fn whoever_waits_is_woken_by_what_comes() {
        let desk = Desk::default();
        let mut source = ContributionSource::new(&desk, "stage");
        let contributor = desk.claim("stage").expect("free");
        let mut capture = source.open().expect("somebody is there");
        assert_eq!(read(&mut *capture).expect("nothing yet"), None);
        let pushing = std::thread::spawn(move || {
            contributor.push(sound(7));
            contributor
        });
        let read = capture.read(Duration::from_secs(60)).expect("there");
        assert!(matches!(read, Some(Captured::Pcm(_))));
        drop(pushing.join());
    }

    #[test]
    fn a_claim_that_came_before_the_stream_is_kept_for_it() {
        let desk = Desk::default();
        let contributor = desk.claim("new").expect("free");
        contributor.push(sound(1));
        let mut capture = ContributionSource::new(&desk, "new").open().expect("it is there");
        assert_eq!(read(&mut *capture).expect("kept"), Some(1));
    }

    #[test]
    fn taking_over_displaces_and_throws_away_what_was_queued() {
        let desk = Desk::default();
        let mut source = ContributionSource::new(&desk, "stage");
        let first = desk.claim("stage").expect("free");
        let mut capture = source.open().expect("somebody is there");
        first.push(picture(1, true, 9));
        let second = desk.take_over("stage");
        assert!(first.is_displaced() && !second.is_displaced());
        first.push(picture(2, true, 9));
        second.push(picture(3, true, 9));
        assert!(matches!(read(&mut *capture), Err(CaptureError::NobodyPublishes)));
        drop(first);
        let mut capture = source.open().expect("the second one's");
        assert_eq!(read(&mut *capture).expect("there"), Some(3));
    }

    #[test]
    fn a_queue_that_nobody_reads_starts_again_at_a_key_frame() {
        let desk = Desk::default();
        let contributor = desk.claim("stage").expect("free");
        contributor.push(picture(-1, false, 9));
        for dts in 0..9 {
            contributor.push(picture(dts, dts == 0, 1 << 20));
        }
        assert!(contributor.needs_key_frame());
        assert_eq!(contributor.dropped(), 1 + 9, "the one before any key frame, and all when it was full");
        contributor.push(picture(10, false, 9));
        contributor.push(sound(11));
        contributor.push(picture(12, true, 9));
        let mut capture = ContributionSource::new(&desk, "stage").open().expect("there");
        assert_eq!(read(&mut *capture).expect("sound"), Some(11));
        assert_eq!(read(&mut *capture).expect("a key frame"), Some(12));
        (0..10_000).for_each(|at| contributor.push(sound(at)));
        assert!(contributor.place.lock().queue.len() <= MAX_OTHERS + MAX_FRAMES);
    }

    #[test]
    fn of_raw_pictures_the_newest_two_are_kept() {
        let desk = Desk::default();
        let contributor = desk.claim("room").expect("free");
        (1..=4).for_each(|at| contributor.push(frame(at)));
        contributor.push(sound(5));
        assert_eq!(contributor.dropped(), 2);
        let mut capture = ContributionSource::new(&desk, "room").open().expect("there");
        for at in 3..=5 {
            assert_eq!(read(&mut *capture).expect("there"), Some(at));
        }
    }
}
