//! The media of one person in a room: what comes from them, and which of the others they are sent. Sans-IO.

use super::flow::{Inflow, choose};
use super::forward::{Flow, Forward, Incoming};
use super::message::{Seat, Source, Trouble};
use super::room::{MIX, PersonId, id_text};
use super::seats::Seats;
use crate::webrtc::Kind;
use crate::webrtc::codecs;
use crate::webrtc::layers::Budget;
use crate::webrtc::path::Way;
use crate::webrtc::peer::{Identity, OutId, Peer, Sent, Settings};
use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;
use std::time::Instant;

/// Others whose sound one is sent at once: the loudest.
pub const MAX_VOICES: usize = 6;
/// Pictures that one is sent at once.
pub const MAX_PICTURES: usize = super::message::MAX_SHOWN;

/// A picture that one wants to see: whose, and how high it is shown.
pub type Wish = (PersonId, Source, u32);

struct Out {
    id: OutId,
    mid: Option<String>,
    forward: Forward,
}

/// What one receives of one kind.
struct Side<T> {
    kind: Kind,
    seats: Seats<T>,
    outs: Vec<Out>,
    /// How many the client was told to be ready for.
    told: usize,
}

impl<T: Copy + PartialEq> Side<T> {
    fn new(kind: Kind) -> Self {
        Self { kind, seats: Seats::default(), outs: Vec::new(), told: 0 }
    }

    fn out_of(&mut self, who: T) -> Option<&mut Out> {
        let (seat, _) = self.seats.taken().find(|(_, sits)| *sits == who)?;
        self.outs.get_mut(seat)
    }

    /// As many as the offer has places for.
    fn grow(&mut self, to: usize, peer: &mut Peer, random: &mut dyn FnMut() -> u32) -> Result<(), Trouble> {
        let clock_hz = if self.kind == Kind::Video { 90_000 } else { 48_000 };
        while self.outs.len() < to {
            // Each by itself: who sits there changes.
            let group = format!("{:?}{}", self.kind, self.outs.len()).to_lowercase();
            let id = peer.add_outgoing(self.kind, &group, [random(), random()]).map_err(|_| Trouble::Offer)?;
            self.outs.push(Out { id, mid: None, forward: Forward::new(clock_hz, random()) });
        }
        Ok(())
    }

    fn answered(&mut self, peer: &mut Peer) {
        for out in &mut self.outs {
            out.mid = peer.mid(out.id).filter(|_| peer.takes(out.id));
        }
        let taken = self.outs.iter().take_while(|out| out.mid.is_some()).count();
        self.seats.grow(taken);
    }
}

/// A datagram that is to be sent, and by which way.
pub type Datagram = (Way, BytesMut);

/// The connection of a person.
pub struct Link {
    pub peer: Peer,
    pub ufrag: String,
    tracks: BTreeMap<String, Source>,
}

/// See the module.
pub struct Member {
    pub connection: u32,
    pub link: Option<Link>,
    /// What tells the other side that a connection is over.
    pub farewells: Vec<Datagram>,
    pub inflows: BTreeMap<u32, Inflow>,
    pub wishes: Vec<Wish>,
    voices: Side<PersonId>,
    pictures: Side<(PersonId, Source)>,
    told_mids: Option<BTreeMap<String, Seat>>,
    budget: Budget,
}

impl Default for Member {
    fn default() -> Self {
        Self {
            connection: 0,
            link: None,
            farewells: Vec::new(),
            inflows: BTreeMap::new(),
            wishes: Vec::new(),
            voices: Side::new(Kind::Audio),
            pictures: Side::new(Kind::Video),
            told_mids: None,
            budget: Budget::default(),
        }
    }
}

/// An offer, as the protocol has it.
pub struct Offer<'a> {
    pub connection: u32,
    pub sdp: &'a str,
    pub tracks: BTreeMap<String, Source>,
}

impl Member {
    /// Answers; a higher number of the connection ends the one before. `Ok`: the answer.
    pub fn offer(
        &mut self,
        offer: Offer<'_>,
        identity: &Identity,
        random: &mut dyn FnMut() -> u32,
        now: Instant,
    ) -> Result<String, Trouble> {
        let Offer { connection, sdp, tracks } = offer;
        if connection < self.connection {
            return Err(Trouble::Order);
        }
        // After a failure the number may be the same.
        if connection > self.connection || self.link.is_none() {
            self.hang_up();
            self.connection = connection;
            let settings = Settings { receives: true, estimates: true };
            let peer = Peer::new(identity, settings, now).map_err(|_| Trouble::Offer)?;
            self.link = Some(Link { peer, ufrag: String::new(), tracks: BTreeMap::new() });
        }
        let Some(link) = &mut self.link else { return Err(Trouble::Order) };
        let (audio, video) = places(sdp);
        self.voices.grow(audio.min(MAX_VOICES), &mut link.peer, random)?;
        self.pictures.grow(video.min(MAX_PICTURES), &mut link.peer, random)?;
        let answered = link.peer.answer(sdp, now).ok().and_then(|answer| Some((ufrag(&answer)?.to_owned(), answer)));
        let Some((ufrag, answer)) = answered else {
            self.hang_up();
            return Err(Trouble::Offer);
        };
        link.ufrag = ufrag;
        link.tracks = tracks;
        self.voices.answered(&mut link.peer);
        self.pictures.answered(&mut link.peer);
        // Who reads the answer wants to know who is where, whether or not that has changed.
        self.told_mids = None;
        Ok(answer)
    }

    /// Ends the connection; a new one has a higher number.
    pub fn hang_up(&mut self) {
        let mut farewells = std::mem::take(&mut self.farewells);
        if let Some(link) = &mut self.link {
            link.peer.close();
            farewells.extend(std::iter::from_fn(|| link.peer.write()));
        }
        let (audio, video) = (self.voices.told, self.pictures.told);
        let kept = (self.connection, std::mem::take(&mut self.wishes));
        *self = Self { connection: kept.0, wishes: kept.1, farewells, ..Self::default() };
        (self.voices.told, self.pictures.told) = (audio, video);
    }

    /// What the tracks of an offer say that a medium is; `None`: nothing that a room takes.
    pub fn source(&self, mid: Option<&str>, kind: Kind) -> Option<Source> {
        let source = *self.link.as_ref()?.tracks.get(mid?)?;
        ((source == Source::Microphone) == (kind == Kind::Audio)).then_some(source)
    }

    pub fn layers(&self, source: Source) -> impl Iterator<Item = &Inflow> {
        self.inflows.values().filter(move |inflow| inflow.source == source)
    }

    /// How many media the client is to be ready for, when that is more than before.
    pub fn wants_more(&mut self, voices: usize, pictures: usize) -> Option<(usize, usize)> {
        let (voices, pictures) = (voices.min(MAX_VOICES), pictures.min(MAX_PICTURES));
        let more = voices > self.voices.told || pictures > self.pictures.told;
        self.voices.told = self.voices.told.max(voices);
        self.pictures.told = self.pictures.told.max(pictures);
        more.then_some((self.voices.told, self.pictures.told))
    }

    /// The same again, for somebody who has come back.
    pub fn told_again(&mut self) {
        (self.voices.told, self.pictures.told, self.told_mids) = (0, 0, None);
    }

    pub fn voices_seated(&self) -> Vec<PersonId> {
        self.voices.seats.taken().map(|(_, who)| who).collect()
    }

    pub fn places_for_voices(&self) -> usize {
        self.voices.seats.len()
    }

    /// Seats those who are to be heard and to be seen. Who is on another place than before begins there anew.
    pub fn seat(&mut self, voices: &[PersonId], pictures: &[(PersonId, Source)]) {
        fn settle<T: Copy + PartialEq>(side: &mut Side<T>, wanted: &[T]) {
            let before = side.seats.clone();
            side.seats.seat(wanted);
            for (seat, out) in side.outs.iter_mut().enumerate() {
                if before.get(seat) != side.seats.get(seat) {
                    out.forward.cut(None);
                }
            }
        }
        settle(&mut self.voices, voices);
        settle(&mut self.pictures, pictures);
    }

    /// Who is on which medium, when that isn't what was told last.
    pub fn assignment(&mut self) -> Option<BTreeMap<String, Seat>> {
        self.link.as_ref()?;
        let seat = |who: PersonId, source| match who {
            MIX => Seat { participant: "room".to_owned(), source: Source::Mix },
            who => Seat { participant: id_text(who), source },
        };
        let voices =
            self.voices.seats.taken().map(|(at, who)| (self.voices.outs.get(at), seat(who, Source::Microphone)));
        let pictures =
            self.pictures.seats.taken().map(|(at, (who, source))| (self.pictures.outs.get(at), seat(who, source)));
        let mids: BTreeMap<_, _> =
            voices.chain(pictures).filter_map(|(out, seat)| Some((out?.mid.clone()?, seat))).collect();
        let news = self.told_mids.as_ref() != Some(&mids);
        self.told_mids = Some(mids.clone());
        news.then_some(mids)
    }

    /// Chooses a layer for each picture and a flow for each voice, of those that `flows` finds; returns those of
    /// which a key frame is needed.
    pub fn choose<'a>(&mut self, flows: impl Fn(PersonId, Source) -> Vec<&'a Inflow>, now: Instant) -> Vec<Flow> {
        let mut left = self.budget.bps();
        let mut needed = Vec::new();
        for (at, who) in self.voices.seats.taken() {
            let Some(out) = self.voices.outs.get_mut(at) else { continue };
            let flow = flows(who, Source::Microphone).last().map(|inflow| inflow.flow);
            if out.forward.target() != flow {
                out.forward.aim(flow);
            }
        }
        let height = |who| self.wishes.iter().find(|(of, source, _)| (*of, *source) == who).map_or(0, |wish| wish.2);
        let order = self.wishes.iter().map(|(of, source, _)| (*of, *source));
        for who in order {
            let height = height(who);
            let layers = flows(who.0, who.1);
            let Some(out) = self.pictures.out_of(who) else { continue };
            let flow = choose(&layers, out.forward.target(), height, left, now);
            if out.forward.target() != flow {
                out.forward.aim(flow);
            }
            let rate = layers.iter().find(|layer| Some(layer.flow) == flow).map_or(0, |layer| layer.rate_bps);
            left = left.saturating_sub(u64::from(rate));
            if out.forward.is_waiting() {
                needed.extend(flow);
            }
        }
        needed
    }

    /// Of which flow a key frame is wanted when it is wanted of that.
    pub fn behind(&self, out: OutId) -> Option<Flow> {
        let out = self.pictures.outs.iter().find(|one| one.id == out)?;
        out.forward.target().or(out.forward.current())
    }

    /// Sends on what came from somebody else, if it is for a place here.
    pub fn pass(&mut self, packet: &Incoming, source: Source, marker: bool, payload: &Bytes, now: Instant) {
        let Some(link) = self.link.as_mut().filter(|link| link.peer.is_connected()) else { return };
        let who = packet.flow.0;
        let out = match source {
            Source::Microphone => self.voices.out_of(who),
            _ => self.pictures.out_of((who, source)),
        };
        let Some(out) = out else { return };
        let Some(numbers) = out.forward.pass(packet, now) else { return };
        let marker = marker || (source == Source::Microphone && numbers.changed);
        let (sequence_number, timestamp) = (numbers.sequence_number, numbers.timestamp);
        self.budget.sent(payload.len());
        link.peer.send(out.id, Sent { sequence_number, timestamp, marker, payload: payload.clone() }, now);
    }

    /// Looks at what is sent, and at what is estimated can be.
    pub fn budget(&mut self, now: Instant) {
        let Some(link) = &self.link else { return };
        self.budget.look(link.peer.estimate_bps(), now);
    }

    /// How much the pictures would be that are wanted, bits a second, at their best.
    pub fn is_thin(&self) -> bool {
        self.pictures.seats.taken().count() > 0 && self.budget.bps() < 400_000
    }
}

/// The places for the box's media in an offer: sound, pictures.
fn places(sdp: &str) -> (usize, usize) {
    let (audio, video) = places_offered(sdp);
    // Where our codec isn't in, a section is refused, and the others are good.
    let of = |kind, places| if codecs::has(sdp, kind) { places } else { 0 };
    (of(Kind::Audio, audio), of(Kind::Video, video))
}

fn places_offered(sdp: &str) -> (usize, usize) {
    let (mut audio, mut video, mut kind) = (0, 0, None);
    for line in sdp.lines().map(str::trim_end) {
        match line {
            _ if line.starts_with("m=audio") => kind = Some(Kind::Audio),
            _ if line.starts_with("m=video") => kind = Some(Kind::Video),
            _ if line.starts_with("m=") => kind = None,
            "a=recvonly" => match kind.take() {
                Some(Kind::Audio) => audio += 1,
                Some(Kind::Video) => video += 1,
                None => {}
            },
            _ => {}
        }
    }
    (audio, video)
}

fn ufrag(sdp: &str) -> Option<&str> {
    sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_an_offer_are_counted() {
        let sdp = "v=0\r\nm=application 9 x\r\na=recvonly\r\nm=audio 9 x\r\na=sendonly\r\nm=audio 9 x\r\na=recvonly\r\n\
                   m=video 9 x\r\na=recvonly\r\na=recvonly\r\nm=video 9 x\na=recvonly\n";
        assert_eq!(places_offered(sdp), (1, 2));
        assert_eq!(places_offered(""), (0, 0));
    }
}
