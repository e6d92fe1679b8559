//! All rooms: lines come in, are asked for a name and a password, and are in a room from then on. Sans-IO.
//!
//! Fed with what is said over lines (WebSockets) and what comes from the network, it tells what is to be said and
//! sent, and until when it has nothing to do.

use super::direct::Direct;
use super::member::{Datagram, Offer};
use super::message::{Bounds, IceServer, On, Participant, Said, Told, Trouble, VERSION, Welcome, close, name};
use super::room::{Joining, Line, MIX, PLACE_KEPT, Password, PersonId, Room, digest, id_text};
use super::stage::{Act, Stage};
use crate::mix::{self, Input, Layout};
use crate::webrtc::packets::Packets;
use crate::webrtc::path::Way;
use crate::webrtc::peer::Identity;
use crate::webrtc::remotes::Remotes;
use crate::webrtc::stun;
use bytes::Bytes;
use core::net::IpAddr;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

mod mixing;
mod pair;

/// Lines at once, whether or not they are in a room.
const MAX_LINES: usize = 512;
/// From one address: a school's router is one.
const MAX_LINES_FROM_ONE: usize = 64;
/// Who says nothing good for so long after coming is sent away.
const JOIN_WITHIN: Duration = Duration::from_secs(10);
/// Who asks for a password gets time to type it.
const TYPE_WITHIN: Duration = Duration::from_secs(120);
/// Wrong passwords of one address, in [`TRIES_WITHIN`].
const MAX_TRIES: usize = 5;
const TRIES_WITHIN: Duration = Duration::from_secs(30);
/// Wrong passwords that are remembered.
const MAX_WRONG: usize = 1_024;
/// A message costs so much of a line's credit, which comes back with time and has an end.
const MESSAGE_COSTS: Duration = Duration::from_millis(25);
/// An offer is work: ten of the others.
const OFFER_COSTS: Duration = Duration::from_millis(250);
const MAX_CREDIT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct Settings {
    pub max_rooms: usize,
    pub max_people: usize,
    /// Of camera and screen each, bits a second.
    pub video_bps: u32,
    pub audio_bps: u32,
    pub password: Option<Password>,
    pub host_password: Option<Password>,
    pub ice_servers: Vec<IceServer>,
    /// Two people alone are led to each other.
    pub peer_to_peer: bool,
    pub mixing: Mixing,
}

/// What is made of everybody's picture and sound together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mixing {
    /// Everybody is sent the mix, and nobody's own.
    pub each: bool,
    /// Each room is a stream from its beginning.
    pub broadcast: bool,
    pub layout: Layout,
}

/// For a room's mixer.
#[derive(Debug)]
pub enum Mix {
    /// Another one, in the place of the one before. `public`: what it makes is a stream for everybody.
    Begin {
        layout: Layout,
        each: bool,
        public: bool,
    },
    Tell(Vec<Input>),
    /// Of its picture.
    KeyFrame,
    End,
}

/// From a room's mixer.
#[derive(Debug)]
pub enum Mixed {
    KeyFrameWanted {
        person: mix::PersonId,
        source: mix::Source,
    },
    /// What one hears: 20 ms of Opus; they are numbered.
    Others {
        person: mix::PersonId,
        number: i64,
        packet: Bytes,
    },
    /// There is no stream for it.
    Failed,
}

/// The stream that a room is when it is broadcast.
pub fn stream_of(room: &str) -> String {
    format!("room-{room}")
}

/// What the hall has from outside.
pub struct Means {
    /// The box to a peer at an address.
    pub identity: Box<dyn Fn(IpAddr) -> Identity + Send>,
    /// Numbers that nobody can guess.
    pub random: Box<dyn FnMut() -> u32 + Send>,
    /// The box's streams that can be brought in.
    pub streams: Box<dyn Fn() -> Vec<String> + Send>,
    pub unix_ms: Box<dyn Fn() -> u64 + Send>,
}

/// A line that comes.
#[derive(Clone)]
pub struct Coming {
    pub room: String,
    pub address: IpAddr,
    /// An account that hosts.
    pub host: bool,
    /// Which streams they may view: others they don't bring in.
    pub views: Arc<dyn Fn(&str) -> bool + Send + Sync>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    Say(Line, String),
    Close(Line, u16),
    /// A stream is wanted in a room, or isn't any more.
    Feed {
        room: String,
        stream: String,
        on: bool,
    },
    KeyFrame {
        stream: String,
    },
}

/// A room as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoomStatus {
    pub name: String,
    pub locked: bool,
    /// The id of whoever is speaking.
    pub speaker: Option<String>,
    pub participants: Vec<Participant>,
}

struct Visit {
    coming: Coming,
    person: Option<PersonId>,
    came: Instant,
    /// They have tried to come in, and get time to type a password.
    tried: bool,
    credit: Duration,
    at: Instant,
}

impl Visit {
    /// Whoever is nobody by then is sent away.
    fn until(&self) -> Instant {
        self.came + if self.tried { TYPE_WITHIN } else { JOIN_WITHIN }
    }
}

struct Place {
    room: Room,
    stage: Stage,
    broadcast: bool,
    layout: Layout,
    /// As its mixer was begun: for each, and for everybody.
    mixing: Option<(bool, bool)>,
    direct: Direct,
}

impl Place {
    fn told(&self, name: &str) -> Told {
        Told::Room { locked: self.room.is_locked(), broadcast: self.broadcast.then(|| stream_of(name)) }
    }
}

/// See the module.
pub struct Hall {
    settings: Settings,
    means: Means,
    places: BTreeMap<String, Place>,
    lines: BTreeMap<Line, Visit>,
    wrong: VecDeque<(IpAddr, Instant)>,
    by_ufrag: HashMap<String, (String, PersonId)>,
    by_remote: Remotes<(String, PersonId)>,
    outputs: VecDeque<Output>,
    mixes: VecDeque<(String, Mix)>,
    /// For the last ones of rooms that are gone.
    farewells: Vec<Datagram>,
}

impl Hall {
    pub fn new(settings: Settings, means: Means) -> Self {
        Self {
            settings,
            means,
            places: BTreeMap::new(),
            lines: BTreeMap::new(),
            wrong: VecDeque::new(),
            by_ufrag: HashMap::new(),
            by_remote: Remotes::default(),
            outputs: VecDeque::new(),
            mixes: VecDeque::new(),
            farewells: Vec::new(),
        }
    }

    pub fn rooms(&self) -> Vec<RoomStatus> {
        let status = |(name, place): (&String, &Place)| RoomStatus {
            name: name.clone(),
            locked: place.room.is_locked() || self.settings.password.is_some(),
            speaker: place.stage.speaker().map(id_text),
            participants: place.room.participants(),
        };
        self.places.iter().map(status).collect()
    }

    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What a room's mixer is to do.
    pub fn next_mix(&mut self) -> Option<(String, Mix)> {
        self.mixes.pop_front()
    }

    pub fn open(&mut self, line: Line, coming: Coming, now: Instant) {
        let from_there = self.lines.values().filter(|visit| visit.coming.address == coming.address).count();
        if self.lines.len() >= MAX_LINES || from_there >= MAX_LINES_FROM_ONE {
            return self.refuse(line, Trouble::Full);
        }
        let visit = Visit { coming, person: None, came: now, tried: false, credit: MAX_CREDIT, at: now };
        self.lines.insert(line, visit);
    }

    /// Something, were it only an answer to a ping, has come over a line.
    pub fn heard(&mut self, line: Line, now: Instant) {
        let Some(visit) = self.lines.get(&line) else { return };
        if let Some(person) = visit.person
            && let Some(place) = self.places.get_mut(&visit.coming.room)
        {
            place.room.heard(person, now);
        }
    }

    /// A line is gone.
    pub fn lost(&mut self, line: Line, now: Instant) {
        let Some(visit) = self.lines.remove(&line) else { return };
        let name = visit.coming.room;
        if let Some(person) = visit.person
            && let Some(place) = self.places.get_mut(&name)
        {
            place.room.lost(person, line);
            self.changed(&name, now);
        }
    }

    /// A message over a line.
    pub fn said(&mut self, line: Line, text: &str, now: Instant) {
        self.heard(line, now);
        let Some(visit) = self.lines.get_mut(&line) else { return };
        visit.credit = (visit.credit + now.saturating_duration_since(visit.at)).min(MAX_CREDIT);
        visit.at = now;
        let said = Said::parse(text);
        let cost = if matches!(said, Ok(Said::Offer { .. })) { OFFER_COSTS } else { MESSAGE_COSTS };
        let Some(credit) = visit.credit.checked_sub(cost) else { return self.refuse(line, Trouble::Flood) };
        visit.credit = credit;
        let (name, person) = (visit.coming.room.clone(), visit.person);
        let done = match (said, person) {
            (Err(malformed), _) => {
                log::debug!("room {name}: {}", malformed.0);
                Err(Trouble::Malformed)
            }
            (Ok(Said::Join { name, password, host_password, resume }), None) => {
                self.join(line, &name, password.as_deref(), host_password.as_deref(), resume.as_deref(), now)
            }
            (Ok(said), Some(person)) => self.act(&name, line, person, said, now),
            (Ok(_), None) => Err(Trouble::Order),
        };
        if let Err(trouble) = done {
            self.refuse(line, trouble);
        }
        self.settle(now);
    }

    fn say(&mut self, line: Line, told: &Told) {
        self.outputs.push_back(Output::Say(line, told.text()));
    }

    /// Tells what is wrong; where that ends it, a place is kept.
    fn refuse(&mut self, line: Line, trouble: Trouble) {
        self.say(line, &trouble.told());
        if trouble.is_fatal() {
            let code = match trouble {
                Trouble::Removed => close::REMOVED,
                Trouble::Ending => close::ENDING,
                _ => close::REFUSED,
            };
            self.outputs.push_back(Output::Close(line, code));
        }
    }

    fn join(
        &mut self,
        line: Line,
        shown: &str,
        password: Option<&str>,
        host_password: Option<&str>,
        resume: Option<&str>,
        now: Instant,
    ) -> Result<(), Trouble> {
        let visit = self.lines.get_mut(&line).ok_or(Trouble::Order)?;
        visit.tried = true;
        let Coming { room: name_of_room, address, host, .. } = visit.coming.clone();
        if let Some(secret) = resume
            && let Some(place) = self.places.get_mut(&name_of_room)
            && let Some((person, before)) = place.room.resume(secret, line, now)
        {
            place.stage.enter(person);
            if let Some(before) = before {
                self.lines.remove(&before);
                self.outputs.push_back(Output::Close(before, close::ELSEWHERE));
            }
            self.welcome(&name_of_room, line, person, secret.to_owned(), true, now);
            return Ok(());
        }
        let shown = name(shown).ok_or(Trouble::Name)?;
        self.wrong.retain(|(_, at)| *at + TRIES_WITHIN > now);
        if self.wrong.iter().filter(|(from, _)| *from == address).count() >= MAX_TRIES {
            return Err(Trouble::Wait);
        }
        let is_host = match (host_password, &self.settings.host_password) {
            (Some(given), Some(right)) if digest(given) == *right => true,
            (Some(given), Some(_)) if !given.is_empty() => {
                self.wrong_password(address, now);
                return Err(Trouble::HostPassword);
            }
            _ => host,
        };
        let configured = self.settings.password.as_ref();
        let opens = match self.places.get(&name_of_room) {
            Some(place) => place.room.opens_to(password, configured),
            None => configured.is_none_or(|right| password.is_some_and(|given| digest(given) == *right)),
        };
        if !opens && !is_host {
            if password.is_some_and(|given| !given.is_empty()) {
                self.wrong_password(address, now);
            }
            return Err(Trouble::Password);
        }
        let new = !self.places.contains_key(&name_of_room);
        if new && self.places.len() >= self.settings.max_rooms {
            return Err(Trouble::Full);
        }
        let Settings { max_people, video_bps, host_password, mixing, .. } = &self.settings;
        let place = self.places.entry(name_of_room.clone()).or_insert_with(|| Place {
            room: Room::new(*max_people, host_password.is_none()),
            stage: Stage::new(*video_bps, now),
            broadcast: mixing.broadcast,
            layout: mixing.layout,
            mixing: None,
            direct: Direct::default(),
        });
        let secret: String = (0..4).map(|_| format!("{:08x}", (self.means.random)())).collect();
        let joining = Joining { line, name: shown, address, secret: secret.clone(), host: is_host };
        let person = place.room.join(joining, now)?;
        place.stage.enter(person);
        self.mix(&name_of_room, now);
        self.welcome(&name_of_room, line, person, secret, false, now);
        Ok(())
    }

    fn wrong_password(&mut self, address: IpAddr, now: Instant) {
        if self.wrong.len() >= MAX_WRONG {
            self.wrong.pop_front();
        }
        self.wrong.push_back((address, now));
    }

    fn welcome(&mut self, name: &str, line: Line, person: PersonId, resume: String, resumed: bool, now: Instant) {
        let Some(place) = self.places.get(name) else { return };
        let Some(who) = place.room.person(person) else { return };
        if let Some(visit) = self.lines.get_mut(&line) {
            visit.person = Some(person);
        }
        let limits = Bounds {
            people: self.settings.max_people,
            video_bps: self.settings.video_bps,
            audio_bps: self.settings.audio_bps,
            place_ms: PLACE_KEPT.as_millis() as u32,
        };
        let welcome = Welcome {
            version: VERSION,
            id: id_text(person),
            name: who.name.clone(),
            host: who.host,
            resumed,
            resume,
            room: name.to_owned(),
            mode: if place.mixing.is_some_and(|(each, _)| each) { "mix" } else { "forward" },
            locked: place.room.is_locked(),
            broadcast: place.broadcast.then(|| stream_of(name)),
            streams: if who.host { self.streams_for(line) } else { Vec::new() },
            ice_servers: self.settings.ice_servers.clone(),
            limits,
        };
        let speaker = Told::Speaker { participant: place.stage.speaker().map(id_text) };
        self.say(line, &Told::Welcome(Box::new(welcome)));
        let tells = self.places.get_mut(name).map(|place| place.direct.forget()).unwrap_or_default();
        self.lead(name, tells, now);
        self.changed(name, now);
        self.say(line, &speaker);
    }

    /// The streams that who comes by a line may bring in.
    fn streams_for(&self, line: Line) -> Vec<String> {
        let Some(Visit { coming, .. }) = self.lines.get(&line) else { return Vec::new() };
        (self.means.streams)().into_iter().filter(|stream| (coming.views)(stream)).collect()
    }

    /// Somebody came, went, or has something else on: everybody sees it, and is sent what follows.
    fn changed(&mut self, name: &str, now: Instant) {
        let Some(place) = self.places.get_mut(name) else { return };
        let participants = Told::Participants { participants: place.room.participants() };
        place.stage.seat(&place.room, now);
        self.tell_all(name, &participants);
        self.pair_up(name, now);
    }

    fn tell_all(&mut self, name: &str, told: &Told) {
        let Some(place) = self.places.get(name) else { return };
        let lines: Vec<_> = place.room.people().iter().filter_map(|person| person.line).collect();
        let text = told.text();
        self.outputs.extend(lines.into_iter().map(|line| Output::Say(line, text.clone())));
    }

    fn act(&mut self, name: &str, line: Line, who: PersonId, said: Said, now: Instant) -> Result<(), Trouble> {
        let address = self.lines.get(&line).map_or(IpAddr::from([127, 0, 0, 1]), |visit| visit.coming.address);
        let place = self.places.get_mut(name).ok_or(Trouble::Order)?;
        let is_host = place.room.person(who).is_some_and(|person| person.host);
        let hosts_only = matches!(
            said,
            Said::Mute { .. }
                | Said::Remove { .. }
                | Said::Bring { .. }
                | Said::Dismiss { .. }
                | Said::Lock { .. }
                | Said::Broadcast { .. }
        );
        if hosts_only && !is_host {
            return Err(Trouble::Host);
        }
        let find = |participant: &str| place.room.find(participant).ok_or(Trouble::Participant);
        match said {
            Said::Join { .. } => return Err(Trouble::Order),
            Said::Offer { connection, sdp, tracks } => {
                let offer = Offer { connection, sdp: &sdp, tracks };
                let identity = (self.means.identity)(address);
                let (sdp, ufrag) = place.stage.offer(who, offer, &identity, &mut self.means.random, now)?;
                self.forget_ways(name, who);
                self.by_ufrag.insert(ufrag, (name.to_owned(), who));
                self.say(line, &Told::Answer { connection, sdp });
                if let Some(place) = self.places.get_mut(name) {
                    place.stage.seat(&place.room, now);
                }
            }
            Said::Candidate { connection, candidate } => place.stage.candidate(who, connection, &candidate)?,
            Said::Media { audio, video, screen } => {
                if let Some(person) = place.room.person_mut(who) {
                    person.on = On { audio, video, screen };
                }
                self.changed(name, now);
            }
            Said::Layout { show } => {
                // Who has just gone may still be in it.
                let wish = |shown: &super::message::Shown| {
                    Some((place.room.find(&shown.participant)?, shown.source, shown.height))
                };
                let wishes = show.iter().filter_map(wish).collect();
                place.stage.wish(who, wishes);
                place.stage.seat(&place.room, now);
            }
            Said::Chat { text } => self.chat(name, who, text, now),
            Said::Hand { raised } => {
                if let Some(person) = place.room.person_mut(who) {
                    person.hand = raised;
                }
                self.changed(name, now);
            }
            Said::Direct { call, state } => {
                let tells = place.direct.progress(who, call, state);
                self.lead(name, tells, now);
            }
            Said::Peer { call, kind, text, mid } => {
                let tells = place.direct.relay(who, call, kind, text, mid)?;
                self.lead(name, tells, now);
            }
            Said::Leave {} => self.put_out(name, who, close::LEFT, now),
            Said::Mute { participant } => {
                let whom = find(&participant)?;
                let muted = place.room.person_mut(whom).map(|person| {
                    person.on.audio = false;
                    person.line
                });
                if let Some(line) = muted.flatten() {
                    self.say(line, &Told::Muted { by: id_text(who) });
                }
                self.changed(name, now);
            }
            Said::Remove { participant } => {
                let whom = find(&participant)?;
                let line = place.room.person(whom).ok_or(Trouble::Participant)?.line;
                if let Some(line) = line {
                    self.say(line, &Told::Removed { by: id_text(who) });
                }
                if let Some(place) = self.places.get_mut(name) {
                    place.room.remove(whom, now);
                }
                self.gone(name, whom, line, close::REMOVED, now);
            }
            Said::Bring { stream } => {
                // Two mirrors that face each other.
                if stream == stream_of(name) || !self.streams_for(line).contains(&stream) {
                    return Err(Trouble::Participant);
                }
                let place = self.places.get_mut(name).ok_or(Trouble::Order)?;
                let camera = place.room.bring(&stream)?;
                place.stage.bring(camera);
                self.outputs.push_back(Output::Feed { room: name.to_owned(), stream, on: true });
                self.changed(name, now);
            }
            Said::Dismiss { stream } => {
                if !self.dismiss(name, &stream, now) {
                    return Err(Trouble::Participant);
                }
            }
            Said::Lock { password } => {
                place.room.lock(password.as_deref());
                let told = place.told(name);
                self.tell_all(name, &told);
            }
            Said::Broadcast { on, layout } => {
                place.broadcast = on;
                place.layout = layout.unwrap_or(place.layout);
                place.stage.set_layout(place.layout);
                let told = place.told(name);
                self.mix(name, now);
                self.tell_all(name, &told);
                self.pair_up(name, now);
            }
        }
        Ok(())
    }

    fn chat(&mut self, name: &str, from: PersonId, text: String, now: Instant) {
        let unix_ms = (self.means.unix_ms)();
        let Some(place) = self.places.get_mut(name) else { return };
        let Some(sender) = place.room.person(from).map(|person| person.name.clone()) else { return };
        let told = Told::Chat { from: id_text(from), name: sender, text, unix_ms }.text();
        for person in place.room.people().iter().filter(|person| !person.unseen) {
            if !place.stage.message(person.id, &told, now)
                && let Some(line) = person.line
            {
                self.outputs.push_back(Output::Say(line, told.clone()));
            }
        }
    }

    fn dismiss(&mut self, name: &str, stream: &str, now: Instant) -> bool {
        let Some(place) = self.places.get_mut(name) else { return false };
        let Some(camera) = place.room.dismiss(stream) else { return false };
        place.stage.leave(camera);
        self.outputs.push_back(Output::Feed { room: name.to_owned(), stream: stream.to_owned(), on: false });
        self.changed(name, now);
        true
    }

    /// Gives somebody's place back.
    fn put_out(&mut self, name: &str, who: PersonId, code: u16, now: Instant) {
        let Some(place) = self.places.get_mut(name) else { return };
        let line = place.room.person(who).and_then(|person| person.line);
        place.room.leave(who);
        self.gone(name, who, line, code, now);
    }

    /// What there is of somebody beside the place.
    fn gone(&mut self, name: &str, who: PersonId, line: Option<Line>, code: u16, now: Instant) {
        if let Some(line) = line {
            self.lines.remove(&line);
            self.outputs.push_back(Output::Close(line, code));
        }
        self.forget_ways(name, who);
        let Some(place) = self.places.get_mut(name) else { return };
        place.stage.leave(who);
        if place.room.is_empty() {
            let cameras: Vec<_> = place.room.cameras().iter().map(|camera| camera.stream.clone()).collect();
            let feed = |stream| Output::Feed { room: name.to_owned(), stream, on: false };
            self.outputs.extend(cameras.into_iter().map(feed));
            if place.mixing.is_some() {
                self.mixes.push_back((name.to_owned(), Mix::End));
            }
            place.stage.write(|_, way, contents| self.farewells.push((way, contents.into())));
            self.places.remove(name);
        } else {
            self.changed(name, now);
        }
    }

    fn forget_ways(&mut self, name: &str, who: PersonId) {
        let others = |(room, person): &(String, PersonId)| room != name || *person != who;
        self.by_ufrag.retain(|_, owner| others(owner));
    }

    /// What stages have for others to do.
    fn settle(&mut self, now: Instant) {
        let names: Vec<_> = self.places.keys().cloned().collect();
        for name in names {
            for act in self.places.get_mut(&name).map(|place| place.stage.take_acts()).unwrap_or_default() {
                self.done(&name, act, now);
            }
            let inputs = self.places.get_mut(&name).map(|place| place.stage.take_inputs()).unwrap_or_default();
            if !inputs.is_empty() {
                self.mixes.push_back((name, Mix::Tell(inputs)));
            }
        }
    }

    fn done(&mut self, name: &str, act: Act, now: Instant) {
        match act {
            Act::All(told) => self.tell_all(name, &told),
            Act::Tell(who, told) => {
                let line = self.places.get(name).and_then(|place| place.room.person(who)?.line);
                if let Some(line) = line {
                    self.say(line, &told);
                }
            }
            Act::KeyFrame(MIX) => self.mixes.push_back((name.to_owned(), Mix::KeyFrame)),
            Act::KeyFrame(camera) => {
                let cameras = self.places.get(name).map_or(&[][..], |place| place.room.cameras());
                let stream = cameras.iter().find(|one| one.id == camera).map(|one| one.stream.clone());
                self.outputs.extend(stream.map(|stream| Output::KeyFrame { stream }));
            }
            Act::Said(who, text) => {
                let line = self.places.get(name).and_then(|place| place.room.person(who)?.line);
                let Some(line) = line else { return };
                match Said::parse(&text) {
                    Ok(said) if said.is_small_talk() => self.said(line, &text, now),
                    _ => self.refuse(line, Trouble::Malformed),
                }
            }
        }
    }

    /// A datagram; whether it is for anybody here.
    pub fn datagram(&mut self, way: Way, datagram: &[u8], now: Instant) -> bool {
        let owner = match stun::local_ufrag(datagram) {
            Some(ufrag) => self.by_ufrag.get(ufrag),
            None => self.by_remote.get(&way.remote),
        };
        let Some((name, who)) = owner else { return false };
        let Some(place) = self.places.get_mut(name) else { return false };
        place.stage.read(&place.room, *who, way, datagram, now);
        true
    }

    /// What stages have to say after datagrams.
    pub fn attend(&mut self, now: Instant) {
        self.settle(now);
    }

    /// Sends all that is to be sent: by which way, and what.
    pub fn write(&mut self, mut send: impl FnMut(Way, &[u8])) {
        for (way, contents) in self.farewells.drain(..) {
            send(way, &contents);
        }
        for (name, place) in &mut self.places {
            place.stage.write(|who, way, contents| {
                // An answer to a check, or a check back, goes to nobody who hasn't shown the connection's password.
                if stun::is_stun(contents) {
                    self.by_remote.insert(way.remote, (name.clone(), who));
                }
                send(way, contents);
            });
        }
    }

    /// An access unit of a stream that a room has brought in; `None`: the stream is over.
    pub fn packets(&mut self, name: &str, stream: &str, packets: Option<&Packets>, now: Instant) {
        let Some(place) = self.places.get_mut(name) else { return };
        let camera = place.room.cameras().iter().find(|camera| camera.stream == stream).map(|camera| camera.id);
        match (camera, packets) {
            (Some(camera), Some(packets)) => place.stage.camera(camera, packets, now),
            (Some(_), None) => drop(self.dismiss(name, stream, now)),
            (None, _) => {}
        }
        self.settle(now);
    }

    pub fn timeout(&mut self, now: Instant) {
        let late = self.lines.iter().filter(|(_, visit)| visit.person.is_none() && visit.until() <= now);
        let late: Vec<_> = late.map(|(line, _)| *line).collect();
        for line in late {
            self.lines.remove(&line);
            self.refuse(line, Trouble::Order);
        }
        let names: Vec<_> = self.places.keys().cloned().collect();
        for name in names {
            let Some(place) = self.places.get_mut(&name) else { continue };
            place.stage.timeout(&place.room, now);
            let tells = place.direct.timeout(now);
            self.lead(&name, tells, now);
            let Some(place) = self.places.get_mut(&name) else { continue };
            for gone in place.room.overdue(now) {
                if gone.for_good {
                    self.gone(&name, gone.id, gone.line, close::UNHEARD, now);
                    continue;
                }
                if let Some(line) = gone.line {
                    self.lines.remove(&line);
                    self.outputs.push_back(Output::Close(line, close::UNHEARD));
                }
                self.changed(&name, now);
            }
        }
        let places = &self.places;
        self.by_remote.keep(|(name, who)| places.get(name).is_some_and(|place| place.room.person(*who).is_some()));
        self.settle(now);
    }

    pub fn next_timeout(&mut self) -> Option<Instant> {
        let of = |place: &mut Place| {
            [Some(place.stage.next_timeout()), place.room.next_timeout(), place.direct.next_timeout()]
        };
        let rooms = self.places.values_mut().flat_map(of);
        let lines = self.lines.values().filter(|visit| visit.person.is_none()).map(|visit| Some(visit.until()));
        rooms.chain(lines).flatten().min()
    }

    /// Everybody is told that the box ends, and may come back.
    pub fn end(&mut self) {
        let lines: Vec<_> = self.lines.keys().copied().collect();
        lines.into_iter().for_each(|line| self.refuse(line, Trouble::Ending));
    }
}
