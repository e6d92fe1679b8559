//! The shell around the ring: a lock, wake-ups, and what goes against the flow.

use super::error::AlreadyPublished;
use super::reader::{Reader, Seat};
use super::ring::{Cursor, Limits, Read, Ring, Start};
use super::state::{Kind, SourceState, SourceStatus, StreamStatus, TrackStatus};
use crate::media::{AccessUnit, Codec, Track, TrackId};
use crate::time::MonoTime;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A live stream: published by one, read by many.
pub struct Stream {
    name: String,
    limits: Limits,
    inner: Mutex<Inner>,
    /// A bit a rung of the video.
    key_frames_wanted: AtomicU32,
    /// Rungs of the video that somebody reads, a bit each.
    watched: AtomicU32,
    /// 0: nobody asked for a bitrate.
    bitrate_target_bps: AtomicU32,
    /// Of the bitrate that is asked for, parts of a hundred.
    bitrate_percent: AtomicU32,
    half_rate: AtomicBool,
    muted: AtomicBool,
    private: AtomicBool,
    /// From here on no picture is the source's own, ticks of the video; the end of time until the encoder has
    /// said so.
    private_from: AtomicI64,
}

/// Causes of one outage that are warned of: a program that writes new nonsense at each start must not
/// fill the log.
const MAX_CAUSES_LOGGED: u32 = 3;

struct Inner {
    ring: Ring,
    published: bool,
    /// Counts publishers: a reader belongs to the one it started with.
    generation: u64,
    tracks: BTreeMap<TrackId, Arc<Track>>,
    states: BTreeMap<Kind, SourceState>,
    /// Causes logged since the source was live.
    causes_logged: BTreeMap<Kind, u32>,
    /// Readers that want each track.
    wanted: BTreeMap<TrackId, usize>,
    /// By the number of the reader.
    readers: BTreeMap<u64, Alarm>,
    next_reader: u64,
    units: u64,
    bytes: u64,
    dropped: u64,
}

/// Units of a track that need not wake a reader: they wait until one comes that does.
#[derive(Debug, Clone)]
pub struct Quiet {
    pub track: Arc<Track>,
    /// Where such a unit ends, ticks. One that ends elsewhere wakes, as does a key frame.
    pub ends: Range<i64>,
}

impl Quiet {
    pub fn covers(&self, track: &Arc<Track>, unit: &AccessUnit) -> bool {
        Arc::ptr_eq(track, &self.track)
            && self.ends.contains(&unit.dts.saturating_add(i64::from(unit.duration)))
            && !(unit.keyframe && track.id.is_video())
    }
}

/// How one reader is woken.
#[derive(Debug)]
struct Alarm {
    /// Keeps one call for a reader that doesn't listen yet.
    bell: Arc<Notify>,
    wants: Vec<TrackId>,
    quiet: Vec<Quiet>,
}

impl Alarm {
    /// Who reads other renditions than the source's own reads that as well, and counts once.
    fn is_output(&self) -> bool {
        self.wants.is_empty() || self.wants.iter().any(|id| !matches!(id, TrackId::Video(1..)))
    }

    fn wakes_at(&self, track: &Arc<Track>, unit: &AccessUnit) -> bool {
        self.wants.contains(&track.id) && !self.quiet.iter().any(|quiet| quiet.covers(track, unit))
    }
}

/// One of the renditions of a stream's pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rendition {
    pub id: TrackId,
    /// Of the shorter side, px: what people call 720p.
    pub height: u32,
    /// What it was over the last seconds, or what is aimed at where that is more, bits a second.
    pub bitrate_bps: u64,
    /// When its newest picture was.
    pub newest: MonoTime,
}

/// A rung's place among flags. Sound has none, and who is above the 31st shares it.
fn bit(id: TrackId) -> u32 {
    match id {
        TrackId::Video(rung) => 1 << rung.min(31),
        TrackId::Aac | TrackId::Opus => 0,
    }
}

impl Inner {
    fn wake_all(&self) {
        for alarm in self.readers.values() {
            alarm.bell.notify_one();
        }
    }

    fn watched(&self) -> u32 {
        self.wanted.iter().filter(|(_, count)| **count > 0).fold(0, |bits, (id, _)| bits | bit(*id))
    }

    fn track_status(&self, track: &Track) -> TrackStatus {
        let measured_bps = if self.published { self.ring.bitrate_bps(track.id) } else { 0 };
        TrackStatus { measured_bps, ..TrackStatus::from(track) }
    }
}

impl Stream {
    pub fn new(name: &str, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            limits,
            inner: Mutex::new(Inner {
                ring: Ring::new(limits),
                published: false,
                generation: 0,
                tracks: BTreeMap::new(),
                states: BTreeMap::new(),
                causes_logged: BTreeMap::new(),
                wanted: BTreeMap::new(),
                readers: BTreeMap::new(),
                next_reader: 0,
                units: 0,
                bytes: 0,
                dropped: 0,
            }),
            key_frames_wanted: AtomicU32::new(0),
            watched: AtomicU32::new(0),
            bitrate_target_bps: AtomicU32::new(0),
            bitrate_percent: AtomicU32::new(100),
            half_rate: AtomicBool::new(false),
            muted: AtomicBool::new(false),
            private: AtomicBool::new(false),
            private_from: AtomicI64::new(i64::MAX),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes the one place of a publisher; dropping the [`Publisher`] frees it. A new publisher starts
    /// with an empty history; readers of the one before have come to their [`Read::End`].
    pub fn publish(self: &Arc<Self>) -> Result<Publisher, AlreadyPublished> {
        let mut inner = self.lock();
        if inner.published {
            return Err(AlreadyPublished { name: self.name.clone() });
        }
        if inner.generation > 0 {
            inner.ring = Ring::new(self.limits);
        }
        inner.published = true;
        inner.generation += 1;
        inner.tracks.clear();
        inner.states.clear();
        inner.wake_all();
        drop(inner);
        Ok(Publisher { stream: Arc::clone(self) })
    }

    /// Reads these tracks, of which one may be video, from `start` on. Before the first publisher, the
    /// reader waits for it.
    pub fn read(self: &Arc<Self>, wants: &[TrackId], start: Start) -> Reader {
        let mut inner = self.lock();
        for &id in wants {
            *inner.wanted.entry(id).or_default() += 1;
        }
        self.watched.store(inner.watched(), Ordering::Relaxed);
        let number = inner.next_reader;
        inner.next_reader += 1;
        let bell = Arc::new(Notify::new());
        let alarm = Alarm { bell: Arc::clone(&bell), wants: wants.to_vec(), quiet: Vec::new() };
        inner.readers.insert(number, alarm);
        let cursor = inner.ring.start(wants, start);
        let generation = inner.generation.max(1);
        drop(inner);
        Reader::new(Arc::clone(self), wants.to_vec(), cursor, generation, Seat { number, bell })
    }

    /// Asks the encoder for a key frame as soon as it can. A source straight through can't oblige, unless
    /// it can be asked, as browsers can.
    pub fn request_key_frame(&self) {
        self.request_key_frame_of(TrackId::Video(0));
    }

    /// The same of one rendition: their key frames needn't be at the same time.
    pub fn request_key_frame_of(&self, id: TrackId) {
        self.key_frames_wanted.fetch_or(bit(id), Ordering::Relaxed);
    }

    /// Whether somebody asked for a key frame since the last call: for a source that encodes elsewhere and can be
    /// asked.
    pub fn take_key_frame_request(&self) -> bool {
        self.take_key_frame_request_of(TrackId::Video(0))
    }

    /// The same of one rendition.
    pub fn take_key_frame_request_of(&self, id: TrackId) -> bool {
        let bit = bit(id);
        // Most of the time there is none, and to look costs less.
        self.key_frames_wanted.load(Ordering::Relaxed) & bit != 0
            && self.key_frames_wanted.fetch_and(!bit, Ordering::Relaxed) & bit != 0
    }

    /// Whether anybody reads a rendition.
    pub fn is_watched(&self, id: TrackId) -> bool {
        self.watched.load(Ordering::Relaxed) & bit(id) != 0
    }

    /// Asks the video encoder for another bitrate.
    pub fn set_bitrate_target(&self, bitrate_bps: u32) {
        self.bitrate_target_bps.store(bitrate_bps, Ordering::Relaxed);
    }

    /// The video bitrate that somebody asked for, bits a second.
    pub fn bitrate_target(&self) -> Option<u32> {
        let bitrate_bps = self.bitrate_target_bps.load(Ordering::Relaxed);
        (bitrate_bps > 0).then_some(bitrate_bps)
    }

    /// Asks the video encoder for so many parts of a hundred of the bitrate it would otherwise aim at.
    pub fn set_bitrate_percent(&self, percent: u32) {
        self.bitrate_percent.store(percent, Ordering::Relaxed);
    }

    pub fn bitrate_percent(&self) -> u32 {
        self.bitrate_percent.load(Ordering::Relaxed)
    }

    /// Whether every second picture is to be left out.
    pub fn set_half_rate(&self, half: bool) {
        self.half_rate.store(half, Ordering::Relaxed);
    }

    pub fn has_half_rate(&self) -> bool {
        self.half_rate.load(Ordering::Relaxed)
    }

    /// From now on silence stands for the sound.
    pub fn set_muted(&self, muted: bool) {
        self.muted.store(muted, Ordering::Relaxed);
    }

    pub fn is_muted(&self) -> bool {
        self.muted.load(Ordering::Relaxed)
    }

    /// From now on the slate stands for the picture: no picture that is taken from here on gets to a reader.
    pub fn set_private(&self, private: bool) {
        if private && !self.is_private() {
            self.private_from.store(i64::MAX, Ordering::SeqCst);
        }
        self.private.store(private, Ordering::SeqCst);
    }

    pub fn is_private(&self) -> bool {
        self.private.load(Ordering::SeqCst)
    }

    /// The tracks published so far, video first.
    pub fn tracks(&self) -> Vec<Arc<Track>> {
        self.lock().tracks.values().cloned().collect()
    }

    /// The same pictures in different sizes or qualities: of what is published now, what there is to choose from.
    /// The source's own is first.
    pub fn renditions(&self) -> Vec<Rendition> {
        let inner = self.lock();
        let rendition = |track: &Arc<Track>| {
            let Codec::H264(params) = &track.codec else { return None };
            let newest = inner.ring.newest(track.id).filter(|_| inner.published)?;
            let bitrate_bps = inner.ring.bitrate_bps(track.id).max(u64::from(track.bitrate_bps));
            Some(Rendition { id: track.id, height: params.height.min(params.width), bitrate_bps, newest })
        };
        inner.tracks.values().filter_map(rendition).collect()
    }

    /// The newest key frame of the source's own pictures, without becoming a reader; `None` when nobody
    /// publishes, and while the picture is private, until the slate stands there.
    pub fn newest_key_frame(&self) -> Option<(Arc<Track>, AccessUnit)> {
        let inner = self.lock();
        let (track, unit) = inner.ring.newest_key_frame().filter(|_| inner.published)?;
        if self.is_private() && unit.pts < self.private_from.load(Ordering::SeqCst) {
            return None;
        }
        Some((Arc::clone(track), unit.clone()))
    }

    pub fn status(&self) -> StreamStatus {
        let inner = self.lock();
        let source = |(&kind, state): (&Kind, &SourceState)| SourceStatus { kind, state: state.clone() };
        StreamStatus {
            name: self.name.clone(),
            published: inner.published,
            muted: self.is_muted(),
            private: self.is_private(),
            sources: inner.states.iter().map(source).collect(),
            tracks: inner.tracks.values().map(|track| inner.track_status(track)).collect(),
            av_offset_us: inner.ring.av_offset_us().filter(|_| inner.published),
            readers: inner.readers.values().filter(|alarm| alarm.is_output()).count(),
            units: inner.units,
            bytes: inner.bytes,
            history_bytes: inner.ring.bytes(),
            dropped: inner.dropped,
        }
    }

    pub(super) fn try_read(&self, cursor: &mut Cursor, generation: u64) -> Option<Read> {
        let mut inner = self.lock();
        if generation < inner.generation {
            return Some(Read::End);
        }
        match inner.ring.read(cursor) {
            Some(Read::Lagged { units }) => {
                inner.dropped += units;
                Some(Read::Lagged { units })
            }
            Some(read) => Some(read),
            None if !inner.published && inner.generation > 0 => Some(Read::End),
            None => None,
        }
    }

    /// What doesn't wake this reader from now on; true when something that would is there already.
    pub(super) fn set_quiet(&self, seat: &Seat, quiet: Vec<Quiet>, cursor: &Cursor, generation: u64) -> bool {
        let mut inner = self.lock();
        let ended = generation < inner.generation || (!inner.published && inner.generation > 0);
        let Inner { ring, readers, .. } = &mut *inner;
        let Some(alarm) = readers.get_mut(&seat.number) else { return true };
        alarm.quiet = quiet;
        ended || ring.unread(cursor).any(|(track, unit)| alarm.wakes_at(track, unit))
    }

    pub(super) fn leave(&self, seat: &Seat, wants: &[TrackId]) {
        let mut inner = self.lock();
        inner.readers.remove(&seat.number);
        for id in wants {
            if let Some(count) = inner.wanted.get_mut(id) {
                *count -= 1;
            }
        }
        self.watched.store(inner.watched(), Ordering::Relaxed);
    }

    /// A panic under the lock ends the process by way of the supervisor; until then what is inside is
    /// still consistent enough to read.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one who fills a stream. Dropping it ends the readers, after they have read what is there.
pub struct Publisher {
    stream: Arc<Stream>,
}

impl Publisher {
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Hands a unit to every reader. Never waits for any. The first unit of a video track is a key
    /// frame; pass the same `Arc` until something in the track changes.
    pub fn push(&self, track: &Arc<Track>, unit: AccessUnit) {
        let mut inner = self.stream.lock();
        inner.units += 1;
        inner.bytes += unit.data.len() as u64;
        let known = inner.tracks.get(&track.id).is_some_and(|known| Arc::ptr_eq(known, track));
        if !known {
            inner.tracks.insert(track.id, Arc::clone(track));
        }
        for alarm in inner.readers.values().filter(|alarm| alarm.wakes_at(track, &unit)) {
            alarm.bell.notify_one();
        }
        inner.ring.push(track, unit);
    }

    /// A rendition isn't published any more.
    pub fn retire(&self, id: TrackId) {
        self.stream.lock().tracks.remove(&id);
    }

    /// Whether somebody asked for a key frame since the last call.
    pub fn take_key_frame_request(&self) -> bool {
        self.stream.take_key_frame_request()
    }

    /// The video bitrate that somebody asked for, bits a second.
    pub fn bitrate_target(&self) -> Option<u32> {
        self.stream.bitrate_target()
    }

    pub fn is_muted(&self) -> bool {
        self.stream.is_muted()
    }

    pub fn is_private(&self) -> bool {
        self.stream.is_private()
    }

    /// A slate was made for the picture at `pts`, because it is private.
    pub fn hid(&self, pts: i64) {
        self.stream.private_from.fetch_min(pts, Ordering::SeqCst);
    }

    /// Whether any reader reads this track: what nobody wants needn't be encoded.
    pub fn is_wanted(&self, id: TrackId) -> bool {
        self.stream.lock().wanted.get(&id).is_some_and(|&count| count > 0)
    }

    /// Says how a source is doing. A change is logged, here and once.
    pub fn set_state(&self, kind: Kind, state: SourceState) {
        let mut inner = self.stream.lock();
        if inner.states.get(&kind) == Some(&state) {
            return;
        }
        inner.states.insert(kind, state.clone());
        let causes = inner.causes_logged.entry(kind).or_default();
        match state {
            SourceState::NoSignal { .. } => *causes += 1,
            SourceState::Live => *causes = 0,
            SourceState::Starting | SourceState::Ended => {}
        }
        let level = if *causes > MAX_CAUSES_LOGGED { log::Level::Debug } else { log::Level::Warn };
        drop(inner);
        let name = &self.stream.name;
        match state {
            SourceState::Starting => log::info!("{name}: {kind} is starting"),
            SourceState::Live => log::info!("{name}: {kind} is live"),
            SourceState::NoSignal { cause } => log::log!(level, "{name}: no {kind} signal: {cause}"),
            SourceState::Ended => log::info!("{name}: {kind} has ended"),
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let mut inner = self.stream.lock();
        inner.published = false;
        inner.wake_all();
    }
}
