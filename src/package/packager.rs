//! Ties the renditions of one stream into a presentation, and answers requests for it.
//!
//! Not here: waiting. An [`Answer::Wait`] says that asking again after the next news may help.

use super::answer::{Answer, Cache, Resource};
use super::multivariant::{self, Entry};
use super::rendition::{Joint, Packaged, Progress, Text};
use super::request::{Directives, Rendition, Request, Session};
use super::segmenter::Rule;
use super::settings::Settings;
use crate::media::{AccessUnit, Track, TrackId};
use crate::stream::Quiet;
use crate::time::{Epoch, MonoTime};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

const PLAYLIST: &str = "application/vnd.apple.mpegurl";
/// How much sound waits for the first picture, ms of media: then it begins alone.
const SOUND_WAITS_MS: i64 = 1_000;
/// Units of sound that wait for the first picture: more than a second of any codec.
const MAX_WAITING_SOUND: usize = 512;
/// How long the multivariant playlist waits for a rendition that is expected, ms of media.
const MULTIVARIANT_WAITS_MS: i64 = 3_000;
/// RFC 8216bis §6.2.5.2: a blocking reload may ask for this many segments beyond the last.
const MSN_AHEAD: u64 = 2;
/// Timestamps beyond this are broken, and would overflow: 1,000 years of 90 kHz fit.
const MAX_TICKS: u64 = 1 << 52;

/// What a push changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct News {
    pub video: bool,
    pub audio: bool,
    /// When the first frame of the newest part was captured; `None` when no part was finished.
    pub captured: Option<MonoTime>,
    /// Parts that were finished.
    pub parts: u32,
}

/// The sans-IO packager of one stream: one session, one video and one audio rendition.
pub struct Packager {
    settings: Settings,
    session: Session,
    epoch: Epoch,
    /// Zero of the presentation's timeline: its first key frame, or its first sound.
    origin: Option<MonoTime>,
    /// The end of the newest unit.
    newest: MonoTime,
    target_duration_s: u32,
    waiting_sound: VecDeque<(Arc<Track>, AccessUnit)>,
    video: Option<Packaged>,
    audio: Option<Packaged>,
    ended: bool,
    dropped: u64,
    multivariant: Option<((u64, u64), Text)>,
}

impl Packager {
    pub fn new(settings: Settings, session: Session, epoch: Epoch) -> Self {
        Self {
            settings,
            session,
            epoch,
            origin: None,
            newest: MonoTime::ZERO,
            target_duration_s: 0,
            waiting_sound: VecDeque::new(),
            video: None,
            audio: None,
            ended: false,
            dropped: 0,
            multivariant: None,
        }
    }

    pub fn session(&self) -> Session {
        self.session
    }

    /// EXT-X-TARGETDURATION, seconds; 0 before the first unit.
    pub fn target_duration_s(&self) -> u32 {
        self.target_duration_s
    }

    /// Units left out: before the first key frame or the first picture, out of order, of no use here.
    pub fn dropped(&self) -> u64 {
        self.dropped + self.renditions().map(Packaged::dropped).sum::<u64>()
    }

    /// Nothing more can be shown until a key frame comes: whoever can should ask for one.
    pub fn wants_key_frame(&self) -> bool {
        !self.ended && self.video.as_ref().is_some_and(Packaged::waits_for_key)
    }

    /// The wall clock has been set; segments from here on say so.
    pub fn set_epoch(&mut self, epoch: Epoch) {
        self.epoch = epoch;
    }

    /// Takes a unit of [`TrackId::Video`] 0 or [`TrackId::Aac`].
    pub fn push(&mut self, track: &Arc<Track>, unit: AccessUnit) -> News {
        let broken = unit.dts.unsigned_abs() > MAX_TICKS || unit.pts.unsigned_abs() > MAX_TICKS;
        if self.ended || broken || !matches!(track.id, TrackId::Video(0) | TrackId::Aac) {
            self.dropped += 1;
            return News::default();
        }
        let at = MonoTime::from_ticks(unit.dts, track.timescale);
        let is_video = track.id.is_video();
        if self.origin.is_none() {
            if is_video && !unit.keyframe {
                self.dropped += 1;
                return News::default();
            }
            if !is_video && self.settings.expect_video {
                return self.wait_for_picture(track, unit, at);
            }
            self.origin = Some(at);
        }
        let mut news = self.take(track, unit);
        for (track, unit) in std::mem::take(&mut self.waiting_sound) {
            news = news.and(self.take(&track, unit));
        }
        news
    }

    /// Units that need not be pushed before others come: they close nothing.
    pub fn quiet(&self) -> Vec<Quiet> {
        self.renditions().filter_map(Packaged::quiet).collect()
    }

    /// The reader missed units: goes on at the next key frame, with a discontinuity.
    pub fn discontinuity(&mut self) -> News {
        let epoch = self.epoch;
        self.waiting_sound.clear();
        for rendition in self.video.iter_mut().chain(&mut self.audio) {
            rendition.break_off(epoch);
        }
        News { video: self.video.is_some(), audio: self.audio.is_some(), ..News::default() }
    }

    /// The stream has ended: closes what is open and says so in the playlists.
    pub fn end(&mut self) -> News {
        let epoch = self.epoch;
        for rendition in self.video.iter_mut().chain(&mut self.audio) {
            rendition.finish(epoch);
        }
        self.ended = true;
        News { video: true, audio: true, ..News::default() }
    }

    pub fn answer(&mut self, request: &Request) -> Answer {
        let (session, rendition) = match *request {
            Request::Multivariant => return self.answer_multivariant(),
            Request::Playlist { session, rendition, .. }
            | Request::Init { session, rendition, .. }
            | Request::Segment { session, rendition, .. }
            | Request::Part { session, rendition, .. } => (session, rendition),
        };
        if session != self.session {
            return Answer::Gone;
        }
        let Some(packaged) = self.get(rendition) else {
            return if self.is_expected(rendition) { Answer::Wait } else { Answer::Gone };
        };
        let media = |body: Vec<Bytes>| {
            let content_type = if rendition == Rendition::Video { "video/mp4" } else { "audio/mp4" };
            Answer::Ready(Resource { content_type, cache: Cache::Immutable, body, gzip: None })
        };
        match *request {
            Request::Multivariant => Answer::Gone,
            Request::Playlist { directives, .. } => self.answer_playlist(rendition, directives),
            Request::Init { revision, .. } => match packaged.init(revision) {
                Some(init) => media(vec![init.clone()]),
                None => Answer::Gone,
            },
            Request::Segment { msn, .. } => match packaged.window().get(msn) {
                Some(segment) if segment.ended => media(segment.parts.iter().map(|part| part.data.clone()).collect()),
                _ => Answer::Gone,
            },
            Request::Part { msn, part, .. } => match packaged.window().get(msn) {
                Some(segment) if segment.in_parts && segment.parts.len() > part as usize => {
                    media(segment.parts.get(part as usize).map(|part| part.data.clone()).into_iter().collect())
                }
                _ if !self.ended && is_hinted(packaged, msn, part) => Answer::Wait,
                _ => Answer::Gone,
            },
        }
    }

    fn answer_playlist(&mut self, rendition: Rendition, directives: Directives) -> Answer {
        let (longest_part_nanos, ended) = (self.longest_part_nanos(), self.ended);
        let report = self.renditions().find(|other| other.rendition() != rendition);
        let report = report.and_then(|other| Some((other.rendition().name(), other.window().edge()?)));
        let Some(packaged) = self.get(rendition) else { return Answer::Gone };
        let window = packaged.window();
        let Some(edge) = window.edge() else { return if ended { Answer::Gone } else { Answer::Wait } };
        // Who asks for no part may be a player that makes nothing of a playlist without a whole segment.
        if directives.msn.is_none() && !ended && !window.has_whole() {
            return Answer::Wait;
        }
        // RFC 8216bis §6.2.5.2; an ended playlist never blocks.
        if let Some(msn) = directives.msn.filter(|_| !ended) {
            let last_part = edge.part.filter(|_| msn == edge.msn).map_or(0, |part| part + 1);
            let part_ahead = directives.part.unwrap_or(0).saturating_sub(last_part);
            let segment_is_here = window.has_segment(msn);
            if msn > edge.msn.saturating_add(MSN_AHEAD)
                || (!segment_is_here && part_ahead > advance_part_limit(packaged.part_target_nanos()))
            {
                return Answer::TooFarAhead;
            }
            let is_here = directives.part.map_or(segment_is_here, |part| window.has_part(msn, part));
            if !is_here {
                return Answer::Wait;
            }
        }
        let target_duration_s = self.target_duration_s;
        // RFC 8216bis Appendix B.1: a blocking reload is kept for six target durations, others for half of one.
        let cache = match directives.msn {
            Some(_) => Cache::BlockingPlaylist { max_age_s: target_duration_s.saturating_mul(6) },
            None => Cache::Playlist { max_age_s: target_duration_s / 2 },
        };
        let Some(packaged) = self.get_mut(rendition) else { return Answer::Gone };
        playlist_resource(packaged.playlist(longest_part_nanos, report, ended, directives.skip), cache)
    }

    fn answer_multivariant(&mut self) -> Answer {
        let has_media =
            |packaged: &Option<Packaged>| packaged.as_ref().is_some_and(|one| one.window().edge().is_some());
        let (has_video, has_audio) = (has_media(&self.video), has_media(&self.audio));
        let complete = (has_video || !self.settings.expect_video) && (has_audio || !self.settings.expect_audio);
        let patient =
            !self.ended && self.origin.is_none_or(|origin| millis(self.newest, origin) < MULTIVARIANT_WAITS_MS);
        if !(has_video || has_audio) || (!complete && patient) {
            return if self.ended { Answer::Gone } else { Answer::Wait };
        }
        let entry = |packaged: &'_ Packaged| packaged.window().version();
        let versions = (self.video.as_ref().map_or(0, entry), self.audio.as_ref().map_or(0, entry));
        let cache = Cache::Playlist { max_age_s: self.target_duration_s / 2 };
        if let Some((at, text)) = &self.multivariant
            && *at == versions
        {
            return playlist_resource(text.clone(), cache);
        }
        let video = self.video.as_ref().filter(|_| has_video).map(entry_of);
        let audio = self.audio.as_ref().filter(|_| has_audio).map(entry_of);
        // Only what is told beforehand can be promised for ever.
        let independent = match &self.video {
            Some(video) => self.settings.gop_ms.is_some() && video.window().always_independent(),
            None => true,
        };
        let text = Text::new(multivariant::write(self.session, video.as_ref(), audio.as_ref(), independent));
        self.multivariant = Some((versions, text.clone()));
        playlist_resource(text, cache)
    }

    fn wait_for_picture(&mut self, track: &Arc<Track>, unit: AccessUnit, at: MonoTime) -> News {
        self.waiting_sound.push_back((Arc::clone(track), unit));
        let Some((first, unit)) = self.waiting_sound.front() else { return News::default() };
        let oldest = MonoTime::from_ticks(unit.dts, first.timescale);
        if millis(at, oldest) < SOUND_WAITS_MS && self.waiting_sound.len() < MAX_WAITING_SOUND {
            return News::default();
        }
        self.origin = Some(oldest);
        let mut news = News::default();
        for (track, unit) in std::mem::take(&mut self.waiting_sound) {
            news = news.and(self.take(&track, unit));
        }
        news
    }

    /// Takes a unit once the origin is known.
    fn take(&mut self, track: &Arc<Track>, unit: AccessUnit) -> News {
        let Some(origin) = self.origin else { return News::default() };
        if unit.dts < origin.ticks(track.timescale) {
            self.dropped += 1;
            return News::default();
        }
        self.newest = self.newest.max(MonoTime::from_ticks(unit.dts, track.timescale));
        let is_video = track.id.is_video();
        let (settings, epoch) = (&self.settings, self.epoch);
        let (mine, other) =
            if is_video { (&mut self.video, &mut self.audio) } else { (&mut self.audio, &mut self.video) };
        let first = (track, &unit);
        let mine = match mine {
            Some(mine) => mine,
            None if is_video && !unit.keyframe => {
                self.dropped += 1;
                return News::default();
            }
            None => {
                let rule = match (is_video, &other) {
                    (true, _) => Rule::KeyFrames,
                    (false, Some(_)) => Rule::Follow,
                    (false, None) => Rule::Clock,
                };
                if self.target_duration_s == 0 {
                    self.target_duration_s = settings.target_duration_s(settings.part_target_nanos(track, first.1));
                }
                let joint = other.as_ref().map_or(Joint::default(), Packaged::joint);
                mine.insert(Packaged::new(settings, first, rule, self.target_duration_s, joint))
            }
        };
        let before = mine.window().version();
        let progress = mine.push(settings, epoch, origin, track, unit);
        let changed = mine.window().version() != before;
        if let Some(other) = other {
            align(is_video, progress, mine, other);
        }
        News {
            video: changed && is_video,
            audio: changed && !is_video,
            captured: progress.captured,
            parts: progress.parts,
        }
    }

    fn renditions(&self) -> impl Iterator<Item = &Packaged> {
        self.video.iter().chain(&self.audio)
    }

    fn get(&self, rendition: Rendition) -> Option<&Packaged> {
        match rendition {
            Rendition::Video => self.video.as_ref(),
            Rendition::Audio => self.audio.as_ref(),
        }
    }

    fn get_mut(&mut self, rendition: Rendition) -> Option<&mut Packaged> {
        match rendition {
            Rendition::Video => self.video.as_mut(),
            Rendition::Audio => self.audio.as_mut(),
        }
    }

    fn is_expected(&self, rendition: Rendition) -> bool {
        let expected = match rendition {
            Rendition::Video => self.settings.expect_video,
            Rendition::Audio => self.settings.expect_audio,
        };
        expected && !self.ended
    }

    fn longest_part_nanos(&self) -> i64 {
        self.renditions().map(Packaged::part_target_nanos).max().unwrap_or_default()
    }
}

impl News {
    fn and(self, later: Self) -> Self {
        Self {
            video: self.video || later.video,
            audio: self.audio || later.audio,
            captured: later.captured.or(self.captured),
            parts: self.parts + later.parts,
        }
    }
}

/// Cuts the sound where the pictures were cut, and gives both the same number of discontinuities:
/// players match renditions by it (RFC 8216bis §6.2.4).
fn align(is_video: bool, progress: Progress, mine: &mut Packaged, other: &mut Packaged) {
    if let Some(at) = progress.boundary.filter(|_| is_video) {
        let at = other.ticks(at);
        other.segmenter().boundary(at);
    }
    if mine.discontinuities() > other.discontinuities() {
        let at = progress.boundary.filter(|_| is_video).map_or(i64::MIN, |at| other.ticks(at));
        other.segmenter().discontinue_at(at);
    }
}

/// RFC 8216bis §6.2.5.2: three divided by PART-TARGET where that is under a second, else three.
fn advance_part_limit(part_target_nanos: i64) -> u32 {
    let in_three_seconds = (3_000_000_000 + part_target_nanos - 1) / part_target_nanos.max(1);
    u32::try_from(in_three_seconds.max(3)).unwrap_or(3)
}

/// The part that comes next, in this segment or, when it turns out to end here, in the next.
fn is_hinted(packaged: &Packaged, msn: u64, part: u32) -> bool {
    let here = packaged.window().open().is_some_and(|open| (msn, part as usize) == (open.msn, open.parts.len()));
    here || packaged.next_part() == Some((msn, part))
}

fn entry_of(packaged: &Packaged) -> Entry<'_> {
    Entry { track: packaged.track(), bandwidth: packaged.bandwidth(), frame_rate: packaged.frame_rate() }
}

fn playlist_resource(text: Text, cache: Cache) -> Answer {
    Answer::Ready(Resource { content_type: PLAYLIST, cache, body: vec![text.plain], gzip: Some(text.gzip) })
}

fn millis(later: MonoTime, earlier: MonoTime) -> i64 {
    later.nanos_since(earlier) / 1_000_000
}
