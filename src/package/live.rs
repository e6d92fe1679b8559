//! The one shell of this room: feeds a packager from a stream, and wakes who waits.
//!
//! A viewer that waits costs a place in a list and one look when its rendition has news; what it then
//! gets was written once for all.
#![allow(clippy::disallowed_methods, reason = "a shell: measures delays, keeps deadlines, watches the wall clock")]

use super::delay::Delays;
use super::packager::{News, Packager};
use super::request::{Rendition, Session};
use super::viewers::Viewers;
use super::{Answer, Request, Settings};
use crate::media::TrackId;
use crate::stream::{Read, Start, Stream};
use crate::time::{Epoch, MonoTime};
use serde::Serialize;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Requests of one stream that may wait at a time: four times the viewers that the box is made for.
pub const MAX_WAITING: usize = 4_096;
/// RFC 8216bis §6.2.5.2: after so many target durations a request has waited enough.
const DEADLINE_TARGET_DURATIONS: u32 = 3;
/// A player asks each target duration at least: one that hasn't for so many has gone …
const GONE_AFTER_TARGET_DURATIONS: u32 = 3;
/// … but never after less than this: players pause to think.
const GONE_AFTER: Duration = Duration::from_secs(10);
/// The wall clock was set, when it is this far from where it should be: NTP slews what is less.
const CLOCK_STEP_NANOS: u64 = 100_000_000;

/// The live HLS of one stream.
pub struct LiveHls {
    stream: Arc<Stream>,
    /// For requests that come before the first unit.
    first_deadline: Duration,
    inner: Mutex<Inner>,
    video: Notify,
    audio: Notify,
    any: Notify,
    waiting: AtomicUsize,
    viewers: Mutex<Viewers>,
    /// While it reads the stream.
    reads: AtomicBool,
}

struct Inner {
    packager: Packager,
    epoch: Epoch,
    delays: Delays,
    parts: u64,
}

/// What the API says about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HlsStatus {
    /// Below which the renditions stand; changes with every start.
    pub session: String,
    /// Parts made since the start.
    pub parts: u64,
    /// Access units that could not be packaged: before the first key frame, out of order.
    pub dropped: u64,
    /// Players that have asked for media of late. Told beside what is HLS's own.
    #[serde(skip)]
    pub viewers: usize,
    /// Requests that wait now.
    pub waiting: usize,
    /// From the capture of a part's first frame until the part could be fetched, µs.
    pub part_delay_p50_us: u64,
    pub part_delay_p99_us: u64,
}

impl LiveHls {
    pub fn new(stream: Arc<Stream>, settings: Settings, epoch: Epoch) -> Arc<Self> {
        let target_duration_s = settings.target_duration_s(0);
        let session = new_session();
        log::debug!("{}: HLS session {session}", stream.name());
        Arc::new(Self {
            stream,
            first_deadline: deadline_after(target_duration_s),
            inner: Mutex::new(Inner {
                packager: Packager::new(settings, session, epoch),
                epoch,
                delays: Delays::default(),
                parts: 0,
            }),
            video: Notify::new(),
            audio: Notify::new(),
            any: Notify::new(),
            waiting: AtomicUsize::new(0),
            viewers: Mutex::default(),
            reads: AtomicBool::new(false),
        })
    }

    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// What EXT-X-PROGRAM-DATE-TIME is stamped by, now.
    pub fn epoch(&self) -> Epoch {
        self.lock().epoch
    }

    /// Packages the stream until it ends; then the playlists have their end, and are still answered.
    pub async fn run(self: Arc<Self>) {
        let mut reader = self.stream.read(&[TrackId::Video(0), TrackId::Aac], Start::LatestKeyframe);
        let _reads = Reads::begin(&self.reads);
        loop {
            while let Some(read) = reader.try_next() {
                let ended = read == Read::End;
                self.take(read);
                if ended {
                    return;
                }
            }
            let quiet = self.lock().packager.quiet();
            reader.rest(quiet).await;
        }
    }

    fn take(&self, read: Read) {
        let news = match read {
            Read::Unit { track, unit } => {
                let (news, wants_key_frame) = {
                    let packager = &mut self.lock().packager;
                    (packager.push(&track, unit), packager.wants_key_frame())
                };
                if wants_key_frame {
                    self.stream.request_key_frame();
                }
                if news.captured.is_some() {
                    self.note_part(news);
                }
                news
            }
            Read::Lagged { units } => {
                log::warn!("{}: HLS fell behind and lost {units} units", self.stream.name());
                self.lock().packager.discontinuity()
            }
            Read::End => self.lock().packager.end(),
        };
        self.wake(news);
    }

    /// Answers a request, waiting where the protocol says so. Never [`Answer::Wait`].
    pub async fn respond(&self, request: &Request) -> Answer {
        match self.lock().packager.answer(request) {
            Answer::Wait => {}
            answer => return answer,
        }
        let Some(_place) = Place::take(&self.waiting) else { return Answer::Busy };
        let target_duration_s = self.lock().packager.target_duration_s();
        let patience = if target_duration_s == 0 { self.first_deadline } else { deadline_after(target_duration_s) };
        let deadline = Instant::now() + patience;
        loop {
            let news = self.news_for(request).notified();
            tokio::pin!(news);
            // Listen first, then look: what comes in between wakes us.
            news.as_mut().enable();
            match self.lock().packager.answer(request) {
                Answer::Wait => {}
                answer => return answer,
            }
            if timeout_at(deadline, news).await.is_err() {
                return Answer::TimedOut;
            }
        }
    }

    /// A player has asked for a playlist or media; `viewer` is a number that is its own.
    pub fn saw(&self, viewer: u64) {
        self.viewers.lock().unwrap_or_else(PoisonError::into_inner).saw(viewer, MonoTime::now());
    }

    /// How many players there are.
    pub fn viewers(&self) -> usize {
        let asks_within = Duration::from_secs(u64::from(self.lock().packager.target_duration_s()));
        let gone_after = (asks_within * GONE_AFTER_TARGET_DURATIONS).max(GONE_AFTER);
        self.viewers.lock().unwrap_or_else(PoisonError::into_inner).count(MonoTime::now(), gone_after)
    }

    /// How many of the stream's readers are this packager: one while it runs.
    pub fn readers(&self) -> usize {
        usize::from(self.reads.load(Ordering::Relaxed))
    }

    pub fn status(&self) -> HlsStatus {
        let viewers = self.viewers();
        let inner = self.lock();
        HlsStatus {
            session: inner.packager.session().to_string(),
            parts: inner.parts,
            dropped: inner.packager.dropped(),
            viewers,
            waiting: self.waiting.load(Ordering::Relaxed),
            part_delay_p50_us: inner.delays.percentile(50),
            part_delay_p99_us: inner.delays.percentile(99),
        }
    }

    /// Counts a part, and looks whether the wall clock was set meanwhile.
    fn note_part(&self, news: News) {
        let (now, wall) = (MonoTime::now(), Epoch::now());
        let mut inner = self.lock();
        inner.parts += u64::from(news.parts);
        if let Some(captured) = news.captured {
            inner.delays.add(now.nanos_since(captured).max(0).unsigned_abs() / 1_000);
        }
        let stepped = wall.unix_nanos_at(now).abs_diff(inner.epoch.unix_nanos_at(now));
        if stepped > CLOCK_STEP_NANOS {
            log::info!("{}: the wall clock was set by {} ms", self.stream.name(), stepped / 1_000_000);
            inner.epoch = wall;
            inner.packager.set_epoch(wall);
        }
    }

    fn wake(&self, news: News) {
        if news.video {
            self.video.notify_waiters();
        }
        if news.audio {
            self.audio.notify_waiters();
        }
        if news.video || news.audio {
            self.any.notify_waiters();
        }
    }

    fn news_for(&self, request: &Request) -> &Notify {
        match request.rendition() {
            Some(Rendition::Video) => &self.video,
            Some(Rendition::Audio) => &self.audio,
            None => &self.any,
        }
    }

    /// A panic under the lock ends the process by way of the supervisor.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Set from its beginning to its end.
struct Reads<'a>(&'a AtomicBool);

impl<'a> Reads<'a> {
    fn begin(reads: &'a AtomicBool) -> Self {
        reads.store(true, Ordering::Relaxed);
        Self(reads)
    }
}

impl Drop for Reads<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A place among those who wait; dropping it, as when the viewer hangs up, frees it.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn deadline_after(target_duration_s: u32) -> Duration {
    Duration::from_secs(u64::from(DEADLINE_TARGET_DURATIONS) * u64::from(target_duration_s.max(1)))
}

/// Forty random bits: short in URLs, and no two starts of a box share them.
fn new_session() -> Session {
    Session::new(RandomState::new().build_hasher().finish() & ((1 << 40) - 1))
}
