//! What somebody publishes, packet by packet, → pictures and sound at their time, and when a key frame is to be
//! asked for. Sans-IO.
//!
//! `reorder` puts packets back into order, `h264` makes pictures of them, `clock` knows when they were. Of several
//! layers of one picture (simulcast), the largest that comes is the source's own; another one takes its place at a
//! key frame. The smaller ones go on beside it, as renditions with numbers of their own that they keep.
//! Not here: the connection, who may publish, decoding.

mod clock;
mod h264;
mod reorder;
#[cfg(test)]
mod tests;

use crate::capture::Captured;
use crate::codec::nal;
use crate::codec::opus::packet_samples;
use crate::codec::sps::ParameterSets;
use crate::media::{AccessUnit, Codec, OpusParams, Track, TrackId};
use crate::time::{MonoTime, Timescale};
use bytes::Bytes;
use clock::MediaClock;
use h264::{Picture, Pictures};
use reorder::{Next, Reorder};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// How long a missing packet of a picture is waited for: it is asked for every 100 ms, and takes its way.
const PICTURES_WAIT: Duration = Duration::from_millis(250);
/// Sound isn't sent again: only what was overtaken is waited for.
const SOUND_WAITS: Duration = Duration::from_millis(60);
/// Layers of one picture.
pub const MAX_LAYERS: usize = 4;
/// How often a layer that nobody watches is asked for a key frame that it needs.
const ASK_UNWATCHED: Duration = Duration::from_secs(5);
/// A layer that brings no picture for so long has been switched off by its sender.
const LAYER_AWAY: Duration = Duration::from_secs(2);
/// Key frames are asked for as often at most.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// A sender begins with a key frame by itself; it takes so long to get here.
const FIRST_KEY_FRAME: Duration = Duration::from_millis(400);
/// What a picture takes until the next where that isn't known yet, ticks: at 30 a second.
const FIRST_DURATION: u32 = 3_000;
/// The longest that a picture is said to take, ticks: a second.
const MAX_DURATION: u32 = 90_000;

/// Why what comes can't be used; for whoever publishes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InboundError {
    #[error("it sends H.264 with B-frames, which browsers can't show: switch them off in the encoder")]
    BFrames,
    #[error("it sends H.264 that can't be used: {0}")]
    Unusable(String),
}

/// What is taken of an RTP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    pub sequence_number: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: Bytes,
}

/// See the module.
#[derive(Debug)]
pub struct Inbound {
    /// How often a key frame is asked for even though nothing is lost.
    key_frame_every: Duration,
    clock: MediaClock,
    /// By SSRC.
    layers: BTreeMap<u32, Layer>,
    /// The one that goes on.
    chosen: Option<u32>,
    /// The one that would be better, and has to begin with a key frame.
    better: Option<u32>,
    sound: Option<(u32, Reorder<Packet>)>,
    opus: Arc<Track>,
    /// Of the largest.
    spacing: Spacing,
    asked: Option<MonoTime>,
    /// Somebody who watches needs a key frame.
    wanted: bool,
}

impl Inbound {
    pub fn new(key_frame_every: Duration) -> Self {
        let opus = Track {
            id: TrackId::Opus,
            timescale: Timescale::SOUND,
            language: None,
            bitrate_bps: 0,
            codec: Codec::Opus(OpusParams { channels: 2, pre_skip: 0 }),
        };
        Self {
            key_frame_every,
            clock: MediaClock::default(),
            layers: BTreeMap::new(),
            chosen: None,
            better: None,
            sound: None,
            opus: Arc::new(opus),
            spacing: Spacing::default(),
            asked: None,
            wanted: false,
        }
    }

    /// Pictures, or a layer of them, will come with this SSRC.
    pub fn open_video(&mut self, ssrc: u32) {
        if self.layers.len() < MAX_LAYERS && !self.layers.contains_key(&ssrc) {
            self.layers.insert(ssrc, Layer::new(self.layers.len() as u8 + 1));
        }
    }

    /// Sound will come with this SSRC, and with no other one any more.
    pub fn open_audio(&mut self, ssrc: u32) {
        self.sound = Some((ssrc, Reorder::new(SOUND_WAITS)));
    }

    /// A packet has come; what it makes whole goes to `out`. An error is final.
    pub fn push(
        &mut self,
        ssrc: u32,
        packet: Packet,
        now: MonoTime,
        out: &mut Vec<Captured>,
    ) -> Result<(), InboundError> {
        if let Some(layer) = self.layers.get_mut(&ssrc) {
            layer.first.get_or_insert(now);
            self.clock.arrived(ssrc, Timescale::VIDEO, packet.timestamp, now);
            layer.reorder.push(packet.sequence_number, packet, now);
            self.pictures(ssrc, now, out)?;
        } else if let Some((_, reorder)) = self.sound.as_mut().filter(|(sound, _)| *sound == ssrc) {
            self.clock.arrived(ssrc, Timescale::SOUND, packet.timestamp, now);
            reorder.push(packet.sequence_number, packet, now);
            self.take_sound(now, out);
        }
        Ok(())
    }

    /// It was `ntp` by the sender's clock at `timestamp` of one of its streams.
    pub fn report(&mut self, ssrc: u32, ntp: u64, timestamp: u32) {
        self.clock.report(ssrc, ntp, timestamp);
    }

    /// Nothing came until `now`.
    pub fn timeout(&mut self, now: MonoTime, out: &mut Vec<Captured>) -> Result<(), InboundError> {
        let ssrcs: Vec<u32> = self.layers.keys().copied().collect();
        for ssrc in ssrcs {
            self.pictures(ssrc, now, out)?;
        }
        self.take_sound(now, out);
        Ok(())
    }

    /// When [`Inbound::timeout`] or [`Inbound::take_key_frame_request`] has something to do.
    pub fn next_timeout(&self) -> Option<MonoTime> {
        let layers = self.layers.values().filter_map(|layer| layer.reorder.deadline());
        let sound = self.sound.as_ref().and_then(|(_, reorder)| reorder.deadline());
        layers.chain(sound).chain(self.requests_due().map(|(_, due)| due)).min()
    }

    /// Somebody who watches needs a key frame.
    pub fn want_key_frame(&mut self) {
        self.wanted = true;
    }

    /// Somebody who watches one of the smaller layers needs a key frame of it.
    pub fn want_key_frame_of(&mut self, rung: u8) {
        for layer in self.layers.values_mut().filter(|layer| layer.rung == rung) {
            layer.wanted = true;
        }
    }

    /// All who watch need one.
    pub fn want_key_frames(&mut self) {
        self.wanted = true;
        for layer in self.layers.values_mut() {
            layer.wanted = true;
        }
    }

    /// Which of the smaller layers somebody watches.
    pub fn watched(&mut self, is_watched: impl Fn(u8) -> bool) {
        for layer in self.layers.values_mut() {
            layer.watched = is_watched(layer.rung);
        }
    }

    /// The stream of which a key frame is to be asked at this moment, if there is one; there may be more.
    pub fn take_key_frame_request(&mut self, now: MonoTime) -> Option<u32> {
        if let Some((ssrc, _)) = self.request_due().filter(|(_, due)| *due <= now) {
            self.asked = Some(now);
            self.wanted = false;
            return Some(ssrc);
        }
        let (ssrc, _) = self.requests_beside().find(|(_, due)| *due <= now)?;
        self.layers.get_mut(&ssrc)?.asked = Some(now);
        Some(ssrc)
    }

    fn requests_due(&self) -> impl Iterator<Item = (u32, MonoTime)> {
        self.request_due().into_iter().chain(self.requests_beside())
    }

    /// Of the smaller layers.
    fn requests_beside(&self) -> impl Iterator<Item = (u32, MonoTime)> {
        let top = self.top();
        let beside = self.layers.iter().filter(move |(ssrc, _)| Some(**ssrc) != top && self.layers.len() > 1);
        beside.filter_map(|(ssrc, layer)| Some((*ssrc, layer.request_due()?)))
    }

    /// The largest layer there is or was.
    fn top(&self) -> Option<u32> {
        let largest = self.layers.iter().max_by_key(|(ssrc, layer)| (layer.area, self.chosen == Some(**ssrc)));
        largest.map(|(ssrc, _)| *ssrc)
    }

    fn request_due(&self) -> Option<(u32, MonoTime)> {
        let chosen = self.better.or(self.chosen).and_then(|ssrc| self.layers.get_key_value(&ssrc));
        let (&ssrc, layer) = chosen.or_else(|| self.layers.iter().find(|(_, layer)| layer.first.is_some()))?;
        let reason = match layer.key_frame {
            Some(last) if self.wanted || self.better.is_some() || layer.pictures.needs_key_frame() => last,
            Some(last) => last + self.key_frame_every,
            None => layer.first? + FIRST_KEY_FRAME,
        };
        Some((ssrc, self.asked.map_or(reason, |asked| reason.max(asked + ASK_EVERY))))
    }

    fn pictures(&mut self, ssrc: u32, now: MonoTime, out: &mut Vec<Captured>) -> Result<(), InboundError> {
        let Some(layer) = self.layers.get_mut(&ssrc) else { return Ok(()) };
        let mut ready = Vec::new();
        while let Some(next) = layer.reorder.pop(now) {
            match next {
                Next::Lost => layer.pictures.lost(),
                Next::Packet(packet) => {
                    layer.pictures.push(packet.timestamp, packet.marker, &packet.payload);
                    while let Some(picture) = layer.pictures.next() {
                        ready.extend(layer.take(picture, now)?);
                    }
                }
            }
        }
        for Whole { own, beside, picture } in ready {
            self.pass_beside(ssrc, beside, &picture, out);
            if self.chosen != Some(ssrc) {
                let better = self.is_better(ssrc, now);
                if !better || !picture.unit.keyframe {
                    self.better = self.better.filter(|other| *other != ssrc || better).or(better.then_some(ssrc));
                    continue;
                }
                (self.chosen, self.better) = (Some(ssrc), None);
            }
            let Some(time) = self.clock.time_of(ssrc, picture.timestamp) else { continue };
            out.push(Captured::Unit { track: own, unit: self.spacing.unit(picture, time) });
        }
        Ok(())
    }

    /// A layer's picture goes on beside the largest one's. While that one stays away, it stands for it as well: who
    /// watches the smaller layer isn't to notice.
    fn pass_beside(&mut self, ssrc: u32, track: Arc<Track>, picture: &Picture, out: &mut Vec<Captured>) {
        let is_top = self.top() == Some(ssrc);
        let Some(layer) = self.layers.get_mut(&ssrc) else { return };
        layer.goes_on = !is_top && (layer.goes_on || picture.unit.keyframe);
        if layer.goes_on
            && let Some(time) = self.clock.time_of(ssrc, picture.timestamp)
        {
            out.push(Captured::Unit { track, unit: layer.spacing.unit(picture.clone(), time) });
        }
    }

    /// Whether a layer's picture is larger than that of the one that goes on, or that one stays away.
    fn is_better(&self, ssrc: u32, now: MonoTime) -> bool {
        let area = |ssrc: &u32| self.layers.get(ssrc).map_or(0, |layer| layer.area);
        let chosen = self.chosen.as_ref().filter(|chosen| {
            let heard = self.layers.get(chosen).and_then(|layer| layer.heard);
            heard.is_some_and(|heard| heard.until(now) < LAYER_AWAY)
        });
        chosen.is_none_or(|chosen| area(&ssrc) > area(chosen))
    }

    fn take_sound(&mut self, now: MonoTime, out: &mut Vec<Captured>) {
        let Some((ssrc, reorder)) = &mut self.sound else { return };
        while let Some(next) = reorder.pop(now) {
            // What is lost is seen from the timestamps.
            let Next::Packet(packet) = next else { continue };
            let Some(duration) = packet_samples(&packet.payload) else { continue };
            let Some(time) = self.clock.time_of(*ssrc, packet.timestamp) else { continue };
            let pts = time.ticks(Timescale::SOUND);
            let unit = AccessUnit { dts: pts, pts, duration, keyframe: true, data: packet.payload };
            out.push(Captured::Unit { track: Arc::clone(&self.opus), unit });
        }
    }
}

/// Pictures of one rendition, one after the other.
#[derive(Debug)]
struct Spacing {
    /// Where the last one begins, ticks, and what it takes.
    last: Option<i64>,
    duration: u32,
}

impl Default for Spacing {
    fn default() -> Self {
        Self { last: None, duration: FIRST_DURATION }
    }
}

impl Spacing {
    fn unit(&mut self, picture: Picture, time: MonoTime) -> AccessUnit {
        let pts = time.ticks(Timescale::VIDEO);
        let dts = self.last.map_or(pts, |last| pts.max(last.saturating_add(1)));
        if let Some(last) = self.last {
            // What the last one took, this one takes as well.
            let took = u32::try_from(dts.saturating_sub(last)).unwrap_or(MAX_DURATION);
            self.duration = took.clamp(1, MAX_DURATION);
        }
        self.last = Some(dts);
        AccessUnit { dts, pts: dts, duration: self.duration, keyframe: picture.unit.keyframe, data: picture.unit.data }
    }
}

/// A picture, and its track: as the source's own, and as a rendition beside that.
struct Whole {
    own: Arc<Track>,
    beside: Arc<Track>,
    picture: Picture,
}

/// The pictures of one SSRC.
#[derive(Debug)]
struct Layer {
    /// Which rendition it is, beside the largest.
    rung: u8,
    /// It is one now.
    goes_on: bool,
    spacing: Spacing,
    watched: bool,
    wanted: bool,
    asked: Option<MonoTime>,
    reorder: Reorder<Packet>,
    pictures: Pictures,
    sets: ParameterSets,
    /// See [`Whole`].
    tracks: Option<[Arc<Track>; 2]>,
    /// Pixels of a picture.
    area: u64,
    /// When the first packet came, the last picture, and the last key frame.
    first: Option<MonoTime>,
    heard: Option<MonoTime>,
    key_frame: Option<MonoTime>,
}

impl Layer {
    fn new(rung: u8) -> Self {
        Self {
            rung,
            goes_on: false,
            spacing: Spacing::default(),
            watched: false,
            wanted: false,
            asked: None,
            reorder: Reorder::new(PICTURES_WAIT),
            pictures: Pictures::default(),
            sets: ParameterSets::default(),
            tracks: None,
            area: 0,
            first: None,
            heard: None,
            key_frame: None,
        }
    }

    /// When a key frame is to be asked for that it needs as a rendition beside the largest.
    fn request_due(&self) -> Option<MonoTime> {
        let needs = self.wanted || !self.goes_on || self.pictures.needs_key_frame();
        let first = self.first.filter(|_| needs)? + FIRST_KEY_FRAME;
        let every = if self.watched { ASK_EVERY } else { ASK_UNWATCHED };
        Some(self.asked.map_or(first, |asked| first.max(asked + every)))
    }

    /// Finds a picture's track; `None` for what has none, or is no picture.
    fn take(&mut self, picture: Picture, now: MonoTime) -> Result<Option<Whole>, InboundError> {
        let changed = self.sets.update(&picture.unit).map_err(|error| InboundError::Unusable(error.to_string()))?;
        if let Some(params) = changed {
            self.area = u64::from(params.width) * u64::from(params.height);
            let track = |id| {
                let codec = Codec::H264(params.clone());
                Arc::new(Track { id, timescale: Timescale::VIDEO, language: None, bitrate_bps: 0, codec })
            };
            self.tracks = Some([TrackId::Video(0), TrackId::Video(self.rung)].map(track));
        }
        if !picture.unit.has_picture() {
            return Ok(None);
        }
        if nal::is_b_picture(&picture.unit.data) {
            return Err(InboundError::BFrames);
        }
        self.heard = Some(now);
        if picture.unit.keyframe {
            self.key_frame = Some(now);
            self.wanted = false;
        }
        Ok(self.tracks.clone().map(|[own, beside]| Whole { own, beside, picture }))
    }
}
