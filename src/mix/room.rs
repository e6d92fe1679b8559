//! One room's mixing: what people send in, the composed picture and the sums of sound out. Sans-IO: handed the time,
//! asked to [`Room::poll`] at [`Room::deadline`].
//!
//! Pictures and sound stand on the clock's own grid: a picture that is late is left out, a block of sound that is very
//! late too. Not here: threads and queues (`mixer`), who is in the room.

#[cfg(test)]
mod tests;

use super::PersonId;
use super::compositor::{Compositor, Person};
use super::governor::Governor;
use super::layout::Layout;
use super::sum::{BLOCK_FRAMES, CHANNELS, RATE_HZ, Sums};
use super::voice::{Decode, Voice};
use crate::capture::Captured;
use crate::codec::{nal, opus};
use crate::decode::H264DecodeError;
use crate::encode::{AudioEncoder, EncodeError};
use crate::media::{AccessUnit, Codec, H264Params, PcmBlock, RawFrame, Track};
use crate::time::{FrameRate, MonoTime, Timescale};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// People in one mix at most: their tiles are no larger than a stamp then.
pub const MAX_PEOPLE: usize = 50;
/// Who sent no picture for so long has a placeholder.
const STALE: Duration = Duration::from_secs(12);
/// One person's key frames are asked for this often where one is needed…
const KEY_FRAME_EVERY: Duration = Duration::from_secs(1);
/// …and this often where only stills are shown.
const STILL_EVERY: Duration = Duration::from_secs(4);
/// Sound that is later than this is left out instead of made up for.
const SOUND_LATE: Duration = Duration::from_millis(200);

/// What a picture is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    Screen,
    Camera,
}

/// What the mixer is told.
#[derive(Debug, Clone)]
pub enum Input {
    Joined {
        person: PersonId,
        name: String,
    },
    Left(PersonId),
    Picture {
        person: PersonId,
        source: Source,
        track: Arc<Track>,
        unit: AccessUnit,
    },
    /// Pictures were lost on the way: what follows up to the next key frame can't be decoded.
    PicturesLost {
        person: PersonId,
        source: Source,
    },
    /// Switched off: a placeholder, or no screen any more.
    PictureOff {
        person: PersonId,
        source: Source,
    },
    /// One packet of Opus with its RTP timestamp.
    Sound {
        person: PersonId,
        timestamp: u32,
        packet: Bytes,
    },
    Speaker(Option<PersonId>),
    Layout(Layout),
}

/// What comes of it.
#[derive(Debug, Clone)]
pub enum Output {
    /// The composed picture, or everybody's sound.
    Everybody(Captured),
    /// What one person hears: the others, as a packet of Opus of [`BLOCK_FRAMES`]. Packets are numbered.
    Others { person: PersonId, number: i64, packet: Bytes },
    /// Nothing of this can be decoded before a key frame.
    KeyFrameWanted { person: PersonId, source: Source },
}

/// What a room is mixed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Even, px.
    pub size: (u32, u32),
    pub rate: FrameRate,
    pub layout: Layout,
    /// Everybody is to hear the others: a packet each.
    pub others: bool,
}

/// Decodes one person's pictures.
pub trait DecodePictures: Send {
    fn decode(
        &mut self,
        params: &H264Params,
        unit: &AccessUnit,
        now: MonoTime,
    ) -> Result<Option<RawFrame>, H264DecodeError>;
    /// The units up to the next key frame aren't going to come.
    fn lose(&mut self);
}

/// Opens decoders and encoders; another one in simulations.
pub trait Codecs: Send {
    fn pictures(&self) -> Box<dyn DecodePictures>;
    fn sound(&self) -> Box<dyn Decode>;
    fn others(&self) -> Result<Box<dyn AudioEncoder>, EncodeError>;
}

/// What one person shows.
struct View {
    decoder: Box<dyn DecodePictures>,
    newest: Option<RawFrame>,
    key_frame_asked: Option<MonoTime>,
    /// This track can't be decoded; said once.
    refused: Option<Arc<Track>>,
}

struct Member {
    name: String,
    voice: Voice<Box<dyn Decode>>,
    /// By source: screens first.
    views: BTreeMap<Source, View>,
    encoder: Option<Box<dyn AudioEncoder>>,
}

/// See the module.
pub struct Room {
    settings: Settings,
    codecs: Box<dyn Codecs>,
    people: BTreeMap<PersonId, Member>,
    speaker: Option<PersonId>,
    compositor: Compositor,
    sums: Sums,
    governor: Governor,
    /// Numbers on the clock's grid.
    next_picture: i64,
    next_block: i64,
}

impl Room {
    /// `None` for a size that no picture has.
    pub fn new(settings: Settings, codecs: Box<dyn Codecs>, now: MonoTime) -> Option<Self> {
        let compositor = Compositor::new(settings.size)?;
        let mut room = Self {
            codecs,
            people: BTreeMap::new(),
            speaker: None,
            compositor,
            sums: Sums::default(),
            governor: Governor::new(now),
            next_picture: 0,
            next_block: 0,
            settings,
        };
        room.next_picture = room.picture_after(now);
        room.next_block = block_after(now);
        Some(room)
    }

    /// When it wants to be polled.
    pub fn deadline(&self) -> MonoTime {
        self.picture_time(self.next_picture).min(block_time(self.next_block))
    }

    /// So long a call took. Only the shell knows.
    pub fn worked(&mut self, busy: Duration) {
        self.governor.worked(busy);
    }

    pub fn handle(&mut self, input: Input, now: MonoTime, out: &mut dyn FnMut(Output)) {
        match input {
            Input::Joined { person, name } => self.joined(person, name),
            Input::Left(person) => {
                if let Some(member) = self.people.remove(&person) {
                    log::debug!("the sound of {}: {:?}", member.name, member.voice.counts());
                }
                self.sums.keep(|kept| kept != person);
            }
            Input::Picture { person, source, track, unit } => self.picture(person, source, &track, &unit, now, out),
            Input::PicturesLost { person, source } => {
                if let Some(view) = self.people.get_mut(&person).and_then(|member| member.views.get_mut(&source)) {
                    view.decoder.lose();
                }
            }
            Input::PictureOff { person, source } => {
                if let Some(member) = self.people.get_mut(&person) {
                    member.views.remove(&source);
                }
            }
            Input::Sound { person, timestamp, packet } => {
                if let (Some(member), Some(frames)) = (self.people.get_mut(&person), opus::packet_samples(&packet)) {
                    member.voice.push(timestamp, packet, frames);
                }
            }
            Input::Speaker(speaker) => self.speaker = speaker,
            Input::Layout(layout) => self.settings.layout = layout,
        }
    }

    fn joined(&mut self, person: PersonId, name: String) {
        if let Some(member) = self.people.get_mut(&person) {
            member.name = name;
            return;
        }
        if self.people.len() >= MAX_PEOPLE {
            log::warn!("{name} isn't in the mixed picture: {MAX_PEOPLE} are");
            return;
        }
        let voice = Voice::new(self.codecs.sound());
        let encoder = if self.settings.others {
            let opened = self.codecs.others();
            opened.inspect_err(|error| log::error!("{name} won't hear the others: {error}")).ok()
        } else {
            None
        };
        self.people.insert(person, Member { name, voice, views: BTreeMap::new(), encoder });
    }

    fn picture(
        &mut self,
        person: PersonId,
        source: Source,
        track: &Arc<Track>,
        unit: &AccessUnit,
        now: MonoTime,
        out: &mut dyn FnMut(Output),
    ) {
        let (Some(member), Codec::H264(params)) = (self.people.get_mut(&person), &track.codec) else { return };
        let view = member.views.entry(source).or_insert_with(|| View {
            decoder: self.codecs.pictures(),
            newest: None,
            key_frame_asked: None,
            refused: None,
        });
        if view.refused.as_ref().is_some_and(|refused| refused == track) {
            return;
        }
        let stills = self.governor.shows_stills() && source == Source::Camera && self.speaker != Some(person);
        let asked_before =
            |view: &View, every: Duration| view.key_frame_asked.is_some_and(|when| when.until(now) < every);
        if stills && !unit.keyframe {
            view.decoder.lose();
            if !asked_before(view, STILL_EVERY) {
                view.key_frame_asked = Some(now);
                out(Output::KeyFrameWanted { person, source });
            }
            return;
        }
        if self.governor.skips_droppable() && is_droppable(unit) {
            return;
        }
        match view.decoder.decode(params, unit, now) {
            Ok(Some(frame)) => view.newest = Some(frame),
            Ok(None) => {}
            Err(H264DecodeError::Unsupported(reason)) => {
                log::warn!("the mix is without a picture of {}: {reason}", member.name);
                view.refused = Some(Arc::clone(track));
            }
            Err(H264DecodeError::Damaged(_) | H264DecodeError::NeedsKeyFrame) => {
                if !asked_before(view, KEY_FRAME_EVERY) {
                    view.key_frame_asked = Some(now);
                    out(Output::KeyFrameWanted { person, source });
                }
            }
        }
    }

    /// Makes what is due.
    pub fn poll(&mut self, now: MonoTime, out: &mut dyn FnMut(Output)) {
        if block_time(self.next_block) + SOUND_LATE < now {
            self.next_block = block_after(now) - 1;
        }
        while block_time(self.next_block) <= now {
            self.sound(out);
            self.next_block += 1;
        }
        let due = self.picture_time(self.next_picture);
        if due <= now {
            // The newest that is due: those before it are too late.
            let number = self.picture_after(now) - 1;
            self.show(self.picture_time(number), now, out);
            if self.governor.look(now) {
                log::info!("the mixer makes every {} of its pictures", Ordinal(self.governor.every()));
            }
            let every = i64::from(self.governor.every());
            self.next_picture = (number / every + 1) * every;
        }
    }

    fn sound(&mut self, out: &mut dyn FnMut(Output)) {
        let heard: BTreeMap<PersonId, Vec<i16>> =
            self.people.iter_mut().filter_map(|(id, member)| Some((*id, member.voice.block()?))).collect();
        self.sums.add(heard.values().map(Vec::as_slice));
        let block = PcmBlock {
            captured: block_time(self.next_block),
            rate_hz: RATE_HZ,
            channels: CHANNELS as u16,
            samples: self.sums.everybody().into(),
        };
        out(Output::Everybody(Captured::Pcm(block)));
        for (id, member) in &mut self.people {
            let Some(encoder) = &mut member.encoder else { continue };
            let own = heard.get(id).map_or(&[][..], Vec::as_slice);
            match encoder.encode(&self.sums.without(*id, own)) {
                Ok(packet) => out(Output::Others { person: *id, number: self.next_block, packet }),
                Err(error) => log::debug!("a packet for {}: {error}", member.name),
            }
        }
    }

    fn show(&mut self, captured: MonoTime, now: MonoTime, out: &mut dyn FnMut(Output)) {
        let mut tiles = Vec::new();
        // A screen is what everybody looks at; else who speaks.
        let mut large = None;
        for (id, member) in &self.people {
            let speaks = self.speaker == Some(*id);
            let fresh = |source: Source| {
                let newest = member.views.get(&source)?.newest.as_ref()?;
                (newest.captured().until(now) < STALE).then_some(newest)
            };
            if let Some(screen) = fresh(Source::Screen) {
                large = Some(tiles.len());
                tiles.push(Person { id: *id, name: &member.name, picture: Some(screen), whole: true, speaks: false });
            }
            tiles.push(Person { id: *id, name: &member.name, picture: fresh(Source::Camera), whole: false, speaks });
        }
        let large = large.or_else(|| tiles.iter().position(|tile| tile.speaks));
        match self.compositor.compose(&tiles, self.settings.layout, large, captured) {
            Some(frame) => out(Output::Everybody(Captured::Frame(frame))),
            None => log::debug!("a picture could not be composed"),
        }
    }

    fn picture_time(&self, number: i64) -> MonoTime {
        MonoTime::from_nanos(self.settings.rate.frame_start(number, Timescale::NANOS))
    }

    /// The first picture after `now`.
    fn picture_after(&self, now: MonoTime) -> i64 {
        let mut number = now.as_nanos() / self.settings.rate.period_nanos();
        while number > 0 && self.picture_time(number) > now {
            number -= 1;
        }
        while self.picture_time(number) <= now {
            number += 1;
        }
        number
    }
}

/// "2nd", for the log.
struct Ordinal(u32);

impl std::fmt::Display for Ordinal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            1 => f.write_str("one"),
            2 => f.write_str("2nd"),
            other => write!(f, "{other}th"),
        }
    }
}

fn block_time(number: i64) -> MonoTime {
    MonoTime::from_ticks(number.saturating_mul(BLOCK_FRAMES as i64), Timescale::SOUND)
}

/// The first block after `now`.
fn block_after(now: MonoTime) -> i64 {
    now.ticks(Timescale::SOUND) / BLOCK_FRAMES as i64 + 1
}

/// No other picture is made from it: `nal_ref_idc` of all its slices is 0 (H.264 §7.4.1).
fn is_droppable(unit: &AccessUnit) -> bool {
    let is_slice = |unit: &&[u8]| nal::NalType::of(unit).is_some_and(nal::NalType::is_slice);
    let mut slices = nal::length_prefixed_units(&unit.data).filter(is_slice).peekable();
    slices.peek().is_some() && slices.all(|slice| slice.first().is_some_and(|header| header & 0x60 == 0))
}
