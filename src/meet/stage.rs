//! The media of one room: what comes from each goes on to those who are to get it. Sans-IO.

use super::flow::{Inflow, choose};
use super::forward::{Flow, Incoming};
use super::member::{Datagram, Member, Offer};
use super::message::{Participant, Quality, Source, Told, Trouble};
use super::room::{MIX, PersonId, Room, id_text};
use super::speaker::Speakers;
use super::tap::Tap;
use crate::mix::{self, BLOCK_FRAMES, Input, Layout};
use crate::webrtc::Kind;
use crate::webrtc::inbound::Packet;
use crate::webrtc::packets::Packets;
use crate::webrtc::path::Way;
use crate::webrtc::peer::{Identity, PeerEvent, rtp};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often speakers, layers and bandwidths are looked at, and levels told.
const TICK: Duration = Duration::from_millis(250);
/// Of a member: camera in layers, screen, sound, and some that were.
const MAX_INFLOWS: usize = 16;
/// The data channel for chat and hands.
const CHANNEL: &str = "room";
/// Loss from which on a connection is not good any more, and from which on it is poor; of a hundred.
const FAIR: u32 = 3;
const POOR: u32 = 10;

/// What is to be done that the stage can't do.
#[derive(Debug)]
pub enum Act {
    Tell(PersonId, Told),
    All(Told),
    /// Somebody said this over their data channel.
    Said(PersonId, String),
    /// The encoder of a camera that takes part.
    KeyFrame(PersonId),
}

/// A camera of the box as a participant.
struct Camera {
    /// Picture and sound.
    flows: [Inflow; 2],
    numbers: [u16; 2],
}

/// See the module.
pub struct Stage {
    members: BTreeMap<PersonId, Member>,
    /// For those who have left.
    farewells: Vec<(PersonId, Datagram)>,
    cameras: BTreeMap<PersonId, Camera>,
    /// Two have each other's media without the box.
    direct: bool,
    /// What the room's mixer is told, where it has one.
    tap: Option<Tap>,
    speakers: Speakers,
    quality: BTreeMap<String, Quality>,
    levels_told: bool,
    /// Bits a second of a picture; more than twice of it isn't sent on.
    video_bps: u32,
    next_tick: Instant,
    acts: Vec<Act>,
}

impl Stage {
    pub fn new(video_bps: u32, now: Instant) -> Self {
        Self {
            members: BTreeMap::new(),
            farewells: Vec::new(),
            cameras: BTreeMap::new(),
            direct: false,
            tap: None,
            speakers: Speakers::default(),
            quality: BTreeMap::new(),
            levels_told: false,
            video_bps,
            next_tick: now + TICK,
            acts: Vec::new(),
        }
    }

    pub fn take_acts(&mut self) -> Vec<Act> {
        std::mem::take(&mut self.acts)
    }

    pub fn enter(&mut self, who: PersonId) {
        self.members.entry(who).or_default().told_again();
    }

    /// Ends somebody's connection, and forgets them.
    pub fn leave(&mut self, who: PersonId) {
        if let Some(mut member) = self.members.remove(&who) {
            member.hang_up();
            self.farewells.extend(member.farewells.into_iter().map(|farewell| (who, farewell)));
        }
        self.cameras.remove(&who);
        self.speakers.forget(who);
        self.quality.remove(&id_text(who));
    }

    pub fn bring(&mut self, who: PersonId) {
        self.bring_as(who, Source::Camera);
    }

    fn bring_as(&mut self, who: PersonId, picture: Source) {
        let flow = |ssrc, source| Inflow::new(Flow(who, ssrc), source, None);
        let flows = [flow(0, picture), flow(1, Source::Microphone)];
        self.cameras.insert(who, Camera { flows, numbers: [0; 2] });
    }

    /// The room gets another mixer, or has none any more. With `true` everybody is sent the mix, instead of everybody's.
    pub fn mix(&mut self, mixer: Option<(Layout, bool)>, now: Instant) {
        self.tap = mixer.map(|(layout, _)| Tap::new(layout, now));
        if !mixer.is_some_and(|(_, each)| each) {
            self.cameras.remove(&MIX);
        } else if !self.is_mixed() {
            // Of a mixer before, the numbers go on.
            self.bring_as(MIX, Source::Mix);
        }
    }

    /// Whether two have each other's media without the box: from the next seating on they are sent nothing. Returns
    /// whether that is news.
    pub fn set_direct(&mut self, direct: bool) -> bool {
        std::mem::replace(&mut self.direct, direct) != direct
    }

    pub fn set_layout(&mut self, layout: Layout) {
        if let Some(tap) = &mut self.tap {
            tap.set_layout(layout);
        }
    }

    pub fn take_inputs(&mut self) -> Vec<Input> {
        self.tap.as_mut().map(Tap::take_inputs).unwrap_or_default()
    }

    pub fn want_key_frame(&mut self, person: mix::PersonId, source: mix::Source) {
        if let Some(tap) = &mut self.tap {
            tap.want_key_frame(person, source);
        }
    }

    /// What somebody hears where everybody is sent the mix: a packet of Opus of 20 ms.
    pub fn others(&mut self, person: mix::PersonId, number: i64, packet: &Bytes, now: Instant) {
        let member = PersonId::try_from(person.0).ok().and_then(|who| self.members.get_mut(&who));
        let (Some(member), Some(mix)) = (member, self.cameras.get_mut(&MIX)) else { return };
        let [_, sound] = &mix.flows;
        // Both wrap.
        let (sequence_number, timestamp) = (number as u16, number.wrapping_mul(BLOCK_FRAMES as i64) as u32);
        let incoming = Incoming { flow: sound.flow, sequence_number, timestamp, starts: true, empty: false };
        member.pass(&incoming, Source::Microphone, false, packet, now);
    }

    /// Whether everybody is sent the mix.
    fn is_mixed(&self) -> bool {
        self.cameras.contains_key(&MIX)
    }

    /// The answer, and its user name.
    pub fn offer(
        &mut self,
        who: PersonId,
        offer: Offer<'_>,
        identity: &Identity,
        random: &mut dyn FnMut() -> u32,
        now: Instant,
    ) -> Result<(String, String), Trouble> {
        let member = self.members.get_mut(&who).ok_or(Trouble::Order)?;
        let answer = member.offer(offer, identity, random, now)?;
        let ufrag = member.link.as_ref().map(|link| link.ufrag.clone()).unwrap_or_default();
        Ok((answer, ufrag))
    }

    pub fn candidate(&mut self, who: PersonId, connection: u32, candidate: &str) -> Result<(), Trouble> {
        let Some(member) = self.members.get_mut(&who) else { return Err(Trouble::Order) };
        // Of a connection that is gone: it came too late.
        let Some(link) = member.link.as_mut().filter(|_| member.connection == connection) else { return Ok(()) };
        if candidate.is_empty() {
            return Ok(());
        }
        link.peer.add_remote_candidate(candidate).map_err(|_| Trouble::Candidate)
    }

    pub fn wish(&mut self, who: PersonId, wishes: Vec<(PersonId, Source, u32)>) {
        if let Some(member) = self.members.get_mut(&who) {
            member.wishes = wishes;
        }
    }

    /// Tells somebody over their data channel; `false`: it isn't open.
    pub fn message(&mut self, who: PersonId, text: &str, now: Instant) -> bool {
        let link = self.members.get_mut(&who).and_then(|member| member.link.as_mut());
        link.is_some_and(|link| link.peer.message(CHANNEL, text, now))
    }

    pub fn speaker(&self) -> Option<PersonId> {
        self.speakers.speaker()
    }

    /// A datagram from somebody.
    pub fn read(&mut self, room: &Room, who: PersonId, way: Way, datagram: &[u8], now: Instant) {
        let Some(link) = self.members.get_mut(&who).and_then(|member| member.link.as_mut()) else { return };
        link.peer.read(way, datagram, now);
        self.drain(room, who, now);
    }

    pub fn timeout(&mut self, room: &Room, now: Instant) {
        let mut due = Vec::new();
        for (who, member) in &mut self.members {
            if let Some(link) = member.link.as_mut()
                && link.peer.next_timeout().is_some_and(|at| at <= now)
            {
                link.peer.timeout(now);
                due.push(*who);
            }
        }
        for who in due {
            self.drain(room, who, now);
        }
        if self.next_tick <= now {
            self.next_tick = now + TICK;
            self.tick(room, now);
        }
    }

    pub fn next_timeout(&mut self) -> Instant {
        let peers = self.members.values_mut().filter_map(|member| member.link.as_mut());
        peers.filter_map(|link| link.peer.next_timeout()).fold(self.next_tick, Instant::min)
    }

    /// Sends all that is to be sent: for whom, by which way, and what. One peer after the other: to look whether one
    /// has something costs.
    pub fn write(&mut self, mut send: impl FnMut(PersonId, Way, &[u8])) {
        for (who, (way, contents)) in self.farewells.drain(..) {
            send(who, way, &contents);
        }
        for (who, member) in &mut self.members {
            for (way, contents) in member.farewells.drain(..) {
                send(*who, way, &contents);
            }
            let Some(link) = &mut member.link else { continue };
            while let Some((way, contents)) = link.peer.write() {
                send(*who, way, &contents);
            }
        }
    }

    fn drain(&mut self, room: &Room, who: PersonId, now: Instant) {
        while let Some(member) = self.members.get_mut(&who) {
            let Some(event) = member.link.as_mut().and_then(|link| link.peer.next_event()) else { return };
            match event {
                PeerEvent::Connected => self.seat(room, now),
                PeerEvent::Opened(opened) => {
                    let source = member.source(opened.mid.as_deref(), opened.kind);
                    if let Some(source) = source.filter(|_| member.inflows.len() < MAX_INFLOWS) {
                        let flow = Flow(who, opened.ssrc);
                        let inflow = Inflow::new(flow, source, opened.level_extension);
                        member.inflows.insert(opened.ssrc, inflow);
                        self.choose(now);
                    }
                }
                PeerEvent::Rtp(packet) => self.rtp(room, who, &packet, now),
                PeerEvent::KeyFrameWanted(out) => {
                    if let Some(flow) = member.behind(out) {
                        self.ask_for_key_frame(flow, now);
                    }
                }
                PeerEvent::Message { channel, data } if channel == CHANNEL => {
                    let text = String::from_utf8_lossy(&data).into_owned();
                    self.acts.push(Act::Said(who, text));
                }
                PeerEvent::Over => member.hang_up(),
                PeerEvent::Message { .. } | PeerEvent::ChannelOpened(_) | PeerEvent::Report { .. } => {}
            }
        }
    }

    fn rtp(&mut self, room: &Room, who: PersonId, packet: &rtp::Packet, now: Instant) {
        let Some(member) = self.members.get_mut(&who) else { return };
        let Some(inflow) = member.inflows.get_mut(&packet.header.ssrc) else { return };
        let (source, level_extension) = (inflow.source, inflow.level_extension);
        let Some(incoming) = inflow.take(&packet.header, &packet.payload, now) else { return };
        let too_much = inflow.rate_bps / 2 > self.video_bps;
        if !room.on(who).of(source) || too_much {
            return;
        }
        let level =
            level_extension.and_then(|id| packet.header.get_extension(id)).and_then(|bytes| bytes.first().copied());
        if let Some(level) = level.filter(|_| source == Source::Microphone) {
            self.speakers.heard(who, level & 0x7F, now);
        }
        if let Some(tap) = &mut self.tap {
            tap.packet(incoming.flow, source, taken(&packet.header, &packet.payload), now);
        }
        if self.is_mixed() {
            return;
        }
        for (_, other) in self.members.iter_mut().filter(|(other, _)| **other != who) {
            other.pass(&incoming, source, packet.header.marker, &packet.payload, now);
        }
    }

    /// An access unit of a camera that takes part.
    pub fn camera(&mut self, who: PersonId, packets: &Packets, now: Instant) {
        let Some(camera) = self.cameras.get_mut(&who) else { return };
        let index = usize::from(packets.kind == Kind::Audio);
        let (Some(inflow), Some(number)) = (camera.flows.get_mut(index), camera.numbers.get_mut(index)) else { return };
        let last = packets.payloads.len().saturating_sub(1);
        for (index, payload) in packets.payloads.iter().enumerate() {
            let header =
                rtp::Header { sequence_number: *number, timestamp: packets.timestamp, ..rtp::Header::default() };
            *number = number.wrapping_add(1);
            let Some(incoming) = inflow.take(&header, payload, now) else { continue };
            let marker = packets.kind == Kind::Video && index == last;
            if let Some(tap) = self.tap.as_mut().filter(|_| who != MIX) {
                let header = rtp::Header { marker, ..header };
                tap.packet(inflow.flow, inflow.source, taken(&header, payload), now);
            }
            for member in self.members.values_mut() {
                member.pass(&incoming, inflow.source, marker, payload, now);
            }
        }
    }

    fn ask_for_key_frame(&mut self, flow: Flow, now: Instant) {
        let Flow(who, ssrc) = flow;
        if let Some(camera) = self.cameras.get_mut(&who) {
            if camera.flows.iter_mut().any(|inflow| inflow.flow == flow && inflow.asks_for_key_frame(now)) {
                self.acts.push(Act::KeyFrame(who));
            }
        } else if let Some(member) = self.members.get_mut(&who)
            && member.inflows.get_mut(&ssrc).is_some_and(|inflow| inflow.asks_for_key_frame(now))
            && let Some(link) = &mut member.link
        {
            link.peer.request_key_frame(ssrc, now);
        }
    }

    /// Who is to be sent to whom, after anything has changed: who is there, what is on, what is shown.
    pub fn seat(&mut self, room: &Room, now: Instant) {
        let participants: Vec<PersonId> =
            room.participants().iter().filter_map(|participant| room.find(&participant.id)).collect();
        if let Some(tap) = &mut self.tap {
            let there = |participant: &Participant| {
                let who = room.find(&participant.id)?;
                Some((who, participant.name.clone(), room.on(who)))
            };
            tap.see(&room.participants().iter().filter_map(there).collect::<Vec<_>>());
        }
        let mixed = self.is_mixed();
        for (who, member) in &mut self.members {
            // Who isn't on the list hears and sees nobody.
            let listed = participants.contains(who) && !self.direct;
            if mixed && listed {
                member.wishes = vec![(MIX, Source::Mix, u32::MAX)];
                if let Some((audio, video)) = member.wants_more(1, 1) {
                    self.acts.push(Act::Tell(*who, Told::Receive { audio, video }));
                }
                member.seat(&[MIX], &[(MIX, Source::Mix)]);
                if let Some(mids) = member.assignment() {
                    self.acts.push(Act::Tell(*who, Told::Assign { connection: member.connection, mids }));
                }
                continue;
            }
            let others: Vec<_> = participants.iter().filter(|other| listed && *other != who).copied().collect();
            let there = |wish: &&(PersonId, Source, u32)| others.contains(&wish.0);
            let shown = member.wishes.iter().filter(there).count();
            if let Some((audio, video)) = member.wants_more(others.len(), shown) {
                self.acts.push(Act::Tell(*who, Told::Receive { audio, video }));
            }
            let heard: Vec<_> = others.iter().filter(|other| room.on(**other).audio).copied().collect();
            let places = member.places_for_voices();
            let voices = self.speakers.loudest(&heard, &member.voices_seated(), places, now);
            let is_on = |(of, source, _): &(PersonId, Source, u32)| {
                (others.contains(of) && room.on(*of).of(*source)).then_some((*of, *source))
            };
            let pictures: Vec<_> = member.wishes.iter().filter_map(is_on).collect();
            member.seat(&voices, &pictures);
            if let Some(mids) = member.assignment() {
                self.acts.push(Act::Tell(*who, Told::Assign { connection: member.connection, mids }));
            }
        }
        self.choose(now);
    }

    /// Layers for everybody, and key frames of those that are new to somebody.
    fn choose(&mut self, now: Instant) {
        let mut needed = Vec::new();
        let ids: Vec<_> = self.members.keys().copied().collect();
        for who in ids {
            let Some(mut member) = self.members.remove(&who) else { continue };
            let flows = |of: PersonId, source: Source| match self.cameras.get(&of) {
                Some(camera) => camera.flows.iter().filter(|inflow| inflow.source == source).collect(),
                None => self.members.get(&of).map_or_else(Vec::new, |other| other.layers(source).collect()),
            };
            needed.extend(member.choose(flows, now));
            self.members.insert(who, member);
        }
        if let Some(tap) = &mut self.tap {
            let layers = |(who, member): (&PersonId, &Member), source: Source, tap: &Tap| {
                let layers: Vec<_> = member.layers(source).collect();
                choose(&layers, None, tap.height(*who, source), u64::MAX, now)
            };
            for (who, member) in &self.members {
                for source in [Source::Camera, Source::Screen] {
                    if let Some(flow) = layers((who, member), source, tap) {
                        tap.aim(*who, source, flow);
                    }
                }
            }
            for (who, camera) in self.cameras.iter().filter(|(who, _)| **who != MIX) {
                let [picture, _] = &camera.flows;
                tap.aim(*who, Source::Camera, picture.flow);
            }
        }
        for flow in needed {
            self.ask_for_key_frame(flow, now);
        }
    }

    fn tick(&mut self, room: &Room, now: Instant) {
        if let Some(speaker) = self.speakers.decide(now) {
            self.acts.push(Act::All(Told::Speaker { participant: speaker.map(id_text) }));
        }
        let levels: BTreeMap<_, _> =
            self.speakers.levels(now).into_iter().map(|(who, level)| (id_text(who), level)).collect();
        if !levels.is_empty() || self.levels_told {
            self.levels_told = !levels.is_empty();
            self.acts.push(Act::All(Told::Levels { levels }));
        }
        if let Some(tap) = &mut self.tap {
            tap.speaker(self.speakers.speaker());
            for flow in tap.key_frames(now) {
                self.ask_for_key_frame(flow, now);
            }
        }
        for member in self.members.values_mut() {
            member.budget(now);
        }
        let crowded = |member: &Member| member.places_for_voices() < room.participants().len().saturating_sub(1);
        if self.members.values().any(crowded) {
            self.seat(room, now);
        } else {
            self.choose(now);
        }
        let quality = |(who, member): (&PersonId, &Member)| {
            let lost = member.inflows.values().filter(|inflow| !inflow.rests(now)).map(|inflow| inflow.lost_percent);
            let lost = lost.max().unwrap_or_default();
            member.link.as_ref().filter(|link| link.peer.is_connected())?;
            let quality = match lost {
                POOR.. => Quality::Poor,
                FAIR.. => Quality::Fair,
                _ if member.is_thin() => Quality::Fair,
                _ => Quality::Good,
            };
            Some((id_text(*who), quality))
        };
        let quality: BTreeMap<_, _> = self.members.iter().filter_map(quality).collect();
        if quality != self.quality {
            self.quality = quality.clone();
            self.acts.push(Act::All(Told::Quality { quality }));
        }
    }
}

/// What the tap takes of a packet.
fn taken(header: &rtp::Header, payload: &Bytes) -> Packet {
    let rtp::Header { sequence_number, timestamp, marker, .. } = *header;
    Packet { sequence_number, timestamp, marker, payload: payload.clone() }
}
