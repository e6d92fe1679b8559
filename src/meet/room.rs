//! Who is in a room, and what they may: places, names, hands, hosts. Knows no media.
//!
//! A place is taken by joining and given back by leaving. Somebody whose line is lost keeps it: the others still
//! see them for [`UNSEEN_AFTER`] since they were last heard, and they can come back to it for [`PLACE_KEPT`].

use super::message::{Kind, On, Participant, Trouble};
use core::net::IpAddr;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Somebody's WebSocket.
pub type Line = u64;
/// Somebody in a room; `p7` in messages.
pub type PersonId = u32;
/// Who the mix of all is, as if it were somebody; people are numbered from 1.
pub const MIX: PersonId = 0;

/// Nothing was heard for so long: gone for the others.
pub const UNSEEN_AFTER: Duration = Duration::from_secs(10);
pub const PLACE_KEPT: Duration = Duration::from_secs(30);
/// Who was put out doesn't come back for so long.
const OUT_FOR: Duration = Duration::from_secs(60);
/// Addresses that are remembered as put out.
const MAX_OUT: usize = 64;
/// The box's streams that are in a room at once.
const MAX_CAMERAS: usize = 4;

pub type Password = [u8; 32];

/// What is kept of a password: a room's is only as secret as the people who share it.
pub fn digest(password: impl AsRef<[u8]>) -> Password {
    Sha256::digest(password).into()
}

/// `p7`.
pub fn id_text(id: PersonId) -> String {
    format!("p{id}")
}

#[derive(Debug)]
pub struct Person {
    pub id: PersonId,
    pub name: String,
    pub host: bool,
    pub hand: bool,
    pub on: On,
    /// `None`: lost.
    pub line: Option<Line>,
    /// The others don't see them any more; the place is kept.
    pub unseen: bool,
    secret: String,
    heard: Instant,
    address: IpAddr,
}

/// A stream of the box that takes part.
#[derive(Debug)]
pub struct Camera {
    pub id: PersonId,
    pub stream: String,
    pub on: On,
}

/// Somebody who wants in, as far as the room can't know it.
#[derive(Debug)]
pub struct Joining {
    pub line: Line,
    /// As it is shown.
    pub name: String,
    pub address: IpAddr,
    /// Of the place; nobody can guess it.
    pub secret: String,
    pub host: bool,
}

/// Somebody who is gone.
#[derive(Debug, PartialEq, Eq)]
pub struct Gone {
    pub id: PersonId,
    /// Whose line has to be closed.
    pub line: Option<Line>,
    /// The place is free again.
    pub for_good: bool,
}

#[derive(Debug)]
pub struct Room {
    people: Vec<Person>,
    cameras: Vec<Camera>,
    next: PersonId,
    lock: Option<Password>,
    out: VecDeque<(IpAddr, Instant)>,
    max_people: usize,
    /// Whoever is first is host.
    first_is_host: bool,
}

impl Room {
    pub fn new(max_people: usize, first_is_host: bool) -> Self {
        Self {
            people: Vec::new(),
            cameras: Vec::new(),
            next: 1,
            lock: None,
            out: VecDeque::new(),
            max_people,
            first_is_host,
        }
    }

    /// Those who have a place.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    pub fn person(&self, id: PersonId) -> Option<&Person> {
        self.people.iter().find(|person| person.id == id)
    }

    pub fn person_mut(&mut self, id: PersonId) -> Option<&mut Person> {
        self.people.iter_mut().find(|person| person.id == id)
    }

    /// The two who are here with nobody else; `None`: others are, or one of them may be gone.
    pub fn pair(&self) -> Option<[PersonId; 2]> {
        let mut seen = self.people.iter().filter(|person| !person.unseen);
        let (Some(one), Some(other), None) = (seen.next(), seen.next(), seen.next()) else { return None };
        (one.line.is_some() && other.line.is_some()).then_some([one.id, other.id])
    }

    pub fn cameras(&self) -> &[Camera] {
        &self.cameras
    }

    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// What a participant has on; nothing for who isn't seen.
    pub fn on(&self, id: PersonId) -> On {
        let person = self.people.iter().find(|person| person.id == id && !person.unseen).map(|person| person.on);
        person
            .or_else(|| self.cameras.iter().find(|camera| camera.id == id).map(|camera| camera.on))
            .unwrap_or_default()
    }

    /// The participant of that id, as messages have it.
    pub fn find(&self, text: &str) -> Option<PersonId> {
        let id = text.strip_prefix('p')?.parse().ok()?;
        let there = self.person(id).is_some_and(|person| !person.unseen);
        (there || self.cameras.iter().any(|camera| camera.id == id)).then_some(id)
    }

    pub fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    pub fn lock(&mut self, password: Option<&str>) {
        self.lock = password.map(digest);
    }

    /// Whether somebody new may come with this password. A host's lock comes before the configured password.
    pub fn opens_to(&self, password: Option<&str>, configured: Option<&Password>) -> bool {
        let wanted = self.lock.as_ref().or(configured);
        wanted.is_none_or(|wanted| password.is_some_and(|password| digest(password) == *wanted))
    }

    /// Gives the place of that secret back to who had it. `Ok`: who it is, and the line that they had.
    pub fn resume(&mut self, secret: &str, line: Line, now: Instant) -> Option<(PersonId, Option<Line>)> {
        let kept = |person: &&mut Person| person.secret == secret && person.heard + PLACE_KEPT > now;
        let person = self.people.iter_mut().find(kept)?;
        person.unseen = false;
        person.heard = now;
        let before = person.line.replace(line);
        let id = person.id;
        self.elect();
        Some((id, before))
    }

    pub fn join(&mut self, joining: Joining, now: Instant) -> Result<PersonId, Trouble> {
        self.out.retain(|(_, at)| *at + OUT_FOR > now);
        if self.out.iter().any(|(address, _)| *address == joining.address) {
            return Err(Trouble::Removed);
        }
        if self.people.len() >= self.max_people {
            return Err(Trouble::Full);
        }
        let Joining { line, name, address, secret, host } = joining;
        let host = host || (self.first_is_host && !self.people.iter().any(|person| person.host));
        let id = self.new_id();
        let (hand, on, unseen) = (false, On::default(), false);
        self.people.push(Person { id, name, host, hand, on, line: Some(line), unseen, secret, heard: now, address });
        Ok(id)
    }

    fn new_id(&mut self) -> PersonId {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        id
    }

    pub fn heard(&mut self, id: PersonId, now: Instant) {
        if let Some(person) = self.person_mut(id) {
            person.heard = now;
        }
    }

    /// Somebody's line is lost; whoever has another one by now has lost nothing.
    pub fn lost(&mut self, id: PersonId, line: Line) {
        if let Some(person) = self.person_mut(id).filter(|person| person.line == Some(line)) {
            person.line = None;
        }
    }

    /// Gives the place back.
    pub fn leave(&mut self, id: PersonId) {
        self.people.retain(|person| person.id != id);
        self.elect();
    }

    /// Somebody is put out, and stays out for a while.
    pub fn remove(&mut self, id: PersonId, now: Instant) {
        // Through a proxy on the box all come from the same address.
        if let Some(address) = self.person(id).map(|person| person.address).filter(|address| !address.is_loopback()) {
            if self.out.len() >= MAX_OUT {
                self.out.pop_front();
            }
            self.out.push_back((address, now));
        }
        self.leave(id);
    }

    /// A room in which the first is host has one, as long as anybody is in it.
    fn elect(&mut self) {
        if self.first_is_host
            && !self.people.iter().any(|person| person.host)
            && let Some(eldest) = self.people.iter_mut().find(|person| !person.unseen)
        {
            eldest.host = true;
        }
    }

    /// A stream of the box comes in; `Err`: it is in, or too many are.
    pub fn bring(&mut self, stream: &str) -> Result<PersonId, Trouble> {
        let there = self.cameras.iter().any(|camera| camera.stream == stream);
        if there || self.cameras.len() >= MAX_CAMERAS {
            return Err(Trouble::Participant);
        }
        let id = self.new_id();
        let on = On { audio: true, video: true, screen: false };
        self.cameras.push(Camera { id, stream: stream.to_owned(), on });
        Ok(id)
    }

    pub fn dismiss(&mut self, stream: &str) -> Option<PersonId> {
        let at = self.cameras.iter().position(|camera| camera.stream == stream)?;
        Some(self.cameras.remove(at).id)
    }

    /// Who has been unheard for too long by now.
    pub fn overdue(&mut self, now: Instant) -> Vec<Gone> {
        let mut gone = Vec::new();
        for person in self.people.iter_mut().filter(|person| !person.unseen && person.heard + UNSEEN_AFTER <= now) {
            person.unseen = true;
            person.hand = false;
            gone.push(Gone { id: person.id, line: person.line.take(), for_good: false });
        }
        let freed = self.people.iter().filter(|person| person.heard + PLACE_KEPT <= now);
        let freed: Vec<_> = freed.map(|person| Gone { id: person.id, line: None, for_good: true }).collect();
        self.people.retain(|person| person.heard + PLACE_KEPT > now);
        gone.extend(freed);
        if !gone.is_empty() {
            self.elect();
        }
        gone
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        let due = |person: &Person| person.heard + if person.unseen { PLACE_KEPT } else { UNSEEN_AFTER };
        self.people.iter().map(due).min()
    }

    /// Everybody who is seen, in the order in which they came.
    pub fn participants(&self) -> Vec<Participant> {
        let of = |id, name: &str, kind, on: On| {
            let On { audio, video, screen } = on;
            let (host, here, hand) = (false, true, false);
            (id, Participant { id: id_text(id), name: name.to_owned(), kind, host, here, hand, audio, video, screen })
        };
        let people = self.people.iter().filter(|person| !person.unseen).map(|person| {
            let (id, participant) = of(person.id, &person.name, Kind::Person, person.on);
            (id, Participant { host: person.host, here: person.line.is_some(), hand: person.hand, ..participant })
        });
        let cameras = self.cameras.iter().map(|camera| of(camera.id, &camera.stream, Kind::Camera, camera.on));
        let mut all: Vec<_> = people.chain(cameras).collect();
        all.sort_by_key(|(id, _)| *id);
        all.into_iter().map(|(_, participant)| participant).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "simulated time begins somewhere")]

    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn join(room: &mut Room, line: Line, host: bool, now: Instant) -> Result<PersonId, Trouble> {
        let address = IpAddr::from(Ipv4Addr::from(0x0A00_0000 + line as u32));
        let (name, secret) = (format!("n{line}"), format!("s{line}"));
        room.join(Joining { line, name, address, secret, host }, now)
    }

    fn after(now: Instant, seconds: u64) -> Instant {
        now + Duration::from_secs(seconds)
    }

    #[test]
    fn who_vanishes_is_gone_after_ten_seconds_and_keeps_the_place_for_thirty() {
        let (mut room, now) = (Room::new(8, true), Instant::now());
        let ada = join(&mut room, 1, false, now).expect("a place");
        let bo = join(&mut room, 2, false, now).expect("a place");
        room.lost(bo, 2);
        assert!(room.participants().iter().any(|p| p.id == id_text(bo) && !p.here), "still to be seen");
        room.heard(ada, after(now, 9));
        assert_eq!(room.overdue(after(now, 9)), []);
        assert_eq!(room.overdue(after(now, 10)), [Gone { id: bo, line: None, for_good: false }]);
        assert_eq!(room.participants().len(), 1);
        assert_eq!(room.resume("s2", 3, after(now, 29)), Some((bo, None)));
        assert_eq!(room.participants().len(), 2);
        room.heard(ada, after(now, 60));
        assert_eq!(room.overdue(after(now, 39)), [Gone { id: bo, line: Some(3), for_good: false }]);
        assert_eq!(room.resume("s2", 4, after(now, 59)), None, "too late");
        assert_eq!(room.overdue(after(now, 59)), [Gone { id: bo, line: None, for_good: true }]);
        assert_eq!(room.people().len(), 1);
    }

    #[test]
    fn the_newer_of_two_lines_has_the_place() {
        let (mut room, now) = (Room::new(8, true), Instant::now());
        let ada = join(&mut room, 1, false, now).expect("a place");
        assert_eq!(room.resume("s1", 2, now), Some((ada, Some(1))));
        room.lost(ada, 1);
        assert!(room.participants().iter().all(|p| p.here), "the older one's end changes nothing");
        assert_eq!(room.resume("guess", 3, now), None);
    }

    #[test]
    fn a_room_has_a_host_and_places_have_an_end() {
        let (mut room, now) = (Room::new(2, true), Instant::now());
        let ada = join(&mut room, 1, false, now).expect("a place");
        let bo = join(&mut room, 2, false, now).expect("a place");
        assert_eq!(join(&mut room, 3, true, now), Err(Trouble::Full));
        assert!(room.person(ada).is_some_and(|p| p.host) && room.person(bo).is_some_and(|p| !p.host));
        room.leave(ada);
        assert!(room.person(bo).is_some_and(|p| p.host), "the eldest follows");
        let mut strict = Room::new(2, false);
        let cy = join(&mut strict, 1, false, now).expect("a place");
        assert!(strict.person(cy).is_some_and(|p| !p.host), "where there is a hosts' password");
    }

    #[test]
    fn who_is_put_out_stays_out_for_a_minute() {
        let (mut room, now) = (Room::new(8, true), Instant::now());
        join(&mut room, 1, false, now).expect("a place");
        let bo = join(&mut room, 2, false, now).expect("a place");
        room.remove(bo, now);
        assert_eq!(join(&mut room, 2, false, after(now, 59)), Err(Trouble::Removed));
        assert_eq!(room.resume("s2", 2, now), None);
        assert!(join(&mut room, 2, false, after(now, 60)).is_ok());
    }

    #[test]
    fn a_lock_holds_and_comes_before_the_configured_password() {
        let mut room = Room::new(8, true);
        let configured = digest("all");
        assert!(room.opens_to(None, None));
        assert!(!room.opens_to(None, Some(&configured)) && room.opens_to(Some("all"), Some(&configured)));
        room.lock(Some("blue"));
        assert!(!room.opens_to(Some("all"), Some(&configured)) && room.opens_to(Some("blue"), Some(&configured)));
        room.lock(None);
        assert!(room.opens_to(Some("all"), Some(&configured)) && !room.is_locked());
    }

    proptest! {
        /// Whatever comes in whatever order: never more than the places, ids never twice, a host while anybody is
        /// seen, and everything that isn't heard ends.
        #[test]
        fn places_are_kept_and_given_back(steps in proptest::collection::vec((0u8..6, 0u64..8, 0u64..12), 0..80)) {
            let (mut room, mut now, mut line, mut ids) = (Room::new(4, true), Instant::now(), 0, Vec::new());
            for (what, whom, seconds) in steps {
                now = after(now, seconds);
                let whom_id = room.people().get(whom as usize).map(|person| person.id);
                match (what, whom_id) {
                    (0, _) => {
                        line += 1;
                        if let Ok(id) = join(&mut room, line, false, now) {
                            prop_assert!(!ids.contains(&id));
                            ids.push(id);
                        }
                    }
                    (1, Some(id)) => room.leave(id),
                    (2, Some(id)) => room.heard(id, now),
                    (3, Some(id)) => room.remove(id, now),
                    (4, _) => { line += 1; room.resume(&format!("s{whom}"), line, now); }
                    _ => {}
                }
                room.overdue(now);
                prop_assert!(room.people().len() <= 4);
                let seen = room.participants();
                prop_assert!(seen.is_empty() || seen.iter().any(|p| p.host) || room.people().iter().any(|p| p.host));
                prop_assert!(room.next_timeout().is_none_or(|at| at > now));
            }
            room.overdue(after(now, 31));
            prop_assert!(room.is_empty());
        }
    }
}
