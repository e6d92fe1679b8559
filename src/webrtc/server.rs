//! The one UDP socket, and the task that has all peers behind it.
//!
//! Who a datagram is for: a STUN request says so by its user name; everything else comes from an address to which
//! an answer to such a request has gone, or a request back. What `rtc` does with it, `peer` knows; what a peer is there for, the
//! roles ([`Role`]), each in a file of its own.

#![allow(clippy::disallowed_methods, reason = "a shell: peers are handed the time")]

use super::branch::{self, Branch, Outlet};
use super::codecs;
use super::feeder::{Feeder, Media};
use super::inbound::InboundError;
use super::layers::Layer;
use super::packets::{Kind, Packets};
use super::path::{Datagram, Way};
use super::peer::{Peer, PeerEvent};
use super::publisher::{Moment, Publisher};
use super::remotes::Remotes;
use super::stun;
use super::tcp;
use super::train::Train;
use super::viewer::{Numbers, Viewer};
use crate::capture::contribution::{Claim, Taken};
use crate::stream::Stream;
use crate::time::{Epoch, MonoTime};
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use rtc::crypto::{SignatureScheme, default_provider};
use rtc::peer_connection::certificate::{CertificateParams, RTCCertificate};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::io::Interest;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, oneshot};

/// Peers at once; each holds some 400 KB.
pub const MAX_PEERS: usize = 500;
/// Peers that have an answer and haven't come yet, in all and from one address: who never comes must not keep
/// others away. Each is gone after [`CONNECT_WITHIN`].
const MAX_COMING: usize = 128;
const MAX_COMING_FROM_ONE: usize = 16;
const CONNECT_WITHIN: Duration = Duration::from_secs(15);
/// Access units on their way from the streams' feeders.
const MEDIA_QUEUE: usize = 256;
const COMMAND_QUEUE: usize = 64;
/// Datagrams that are read before others get their turn.
const READ_AT_ONCE: usize = 64;
/// As much as the kernel hands over at once: datagrams of one sender come joined (GRO).
const RECEIVE_BUFFER: usize = 1 << 16;
/// How often it is looked at whether a guest may stay.
const MAY_STAY_EVERY: Duration = Duration::from_secs(5);
/// How often it is looked at what can be sent to viewers, and which rendition that is.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What the kernel holds each way, bytes: a key frame for each of fifty viewers comes to that.
const SOCKET_BUFFER: usize = 4 << 20;
/// How often viewers are told when a picture was taken.
const TELL_CAPTURE_EVERY: Duration = Duration::from_millis(500);

/// Why an offer isn't answered.
#[derive(Debug, Error)]
pub enum OfferError {
    #[error("the offer can't be answered: {0}")]
    Offer(String),
    #[error("the offer has neither H.264 (packetization-mode=1) nor Opus")]
    NoCodec,
    #[error(transparent)]
    Taken(#[from] Taken),
    #[error("too many are connected")]
    Full,
    #[error("there is no such session")]
    NoSession,
    #[error("the server is ending")]
    Ending,
}

/// Somebody whose offer is to be answered.
pub struct Guest {
    /// Where the offer came from.
    pub from: IpAddr,
    /// Whether what let them in still does: rights end, while sessions go on.
    pub may_stay: Box<dyn Fn() -> bool + Send>,
}

/// A peer that may come now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Names the session; nobody can guess it.
    pub id: String,
    pub sdp: String,
}

type Reply<T> = oneshot::Sender<Result<T, OfferError>>;

enum Command {
    Watch {
        stream: Arc<Stream>,
        offer: String,
        guest: Guest,
        reply: Reply<Answer>,
    },
    Publish {
        stream: Arc<Stream>,
        claim: Claim,
        key_frame_every: Duration,
        offer: String,
        guest: Guest,
        reply: Reply<Answer>,
    },
    /// A later offer of a session: other tracks, or an ICE restart.
    Again {
        id: String,
        offer: String,
        reply: Reply<String>,
    },
    Candidates {
        id: String,
        candidates: Vec<String>,
        reply: Reply<()>,
    },
    /// The offer and the answer that hold now.
    Agreed {
        id: String,
        reply: Reply<(String, String)>,
    },
    Leave {
        id: String,
        reply: oneshot::Sender<bool>,
    },
    Branch {
        reply: oneshot::Sender<Branch>,
    },
}

/// Viewers a stream.
type Audience = Arc<Mutex<BTreeMap<String, usize>>>;

/// Talks to the task.
#[derive(Debug, Clone)]
pub struct Server {
    commands: mpsc::Sender<Command>,
    address: SocketAddr,
    audience: Audience,
}

impl Server {
    /// Binds the socket; nothing happens before the future is polled. `tcp` is for peers that no UDP gets through to.
    /// `addresses` says where the box is reached now, `epoch` what viewers are told the time by.
    pub fn bind(
        listen: SocketAddr,
        tcp: Option<TcpListener>,
        addresses: impl Fn() -> Vec<IpAddr> + Send + Sync + 'static,
        epoch: impl Fn() -> Epoch + Send + 'static,
    ) -> io::Result<(Self, impl Future<Output = ()> + Send)> {
        let socket = std::net::UdpSocket::bind(listen)?;
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // As far as the system lets us.
        let _ = state.set_send_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER);
        let _ = state.set_recv_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER);
        let socket = UdpSocket::from_std(socket)?;
        let address = socket.local_addr()?;
        let certificate = certificate().map_err(io::Error::other)?;
        let (commands, orders) = mpsc::channel(COMMAND_QUEUE);
        let audience = Audience::default();
        let outlet = Outlet {
            socket: Arc::new(socket),
            state: Arc::new(state),
            port: address.port(),
            tcp: tcp.as_ref().map(tcp::Connections::of).transpose()?,
            certificate,
            addresses: Arc::new(addresses),
        };
        let task = Task {
            outlet,
            branch: None,
            epoch: Box::new(epoch),
            sessions: BTreeMap::new(),
            next: 0,
            by_ufrag: HashMap::new(),
            by_remote: Remotes::default(),
            feeders: BTreeMap::new(),
            next_look: Instant::now(),
            audience: Arc::clone(&audience),
            train: Train::default(),
            buffer: vec![0; RECEIVE_BUFFER],
        };
        Ok((Self { commands, address, audience }, task.run(orders, tcp)))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many watch a stream now.
    pub fn viewers(&self, stream: &str) -> usize {
        lock(&self.audience).get(stream).copied().unwrap_or_default()
    }

    /// Answers somebody who wants to watch a stream.
    pub async fn watch(&self, stream: Arc<Stream>, offer: String, guest: Guest) -> Result<Answer, OfferError> {
        self.ask(|reply| Command::Watch { stream, offer, guest, reply }).await
    }

    /// Answers somebody who wants to publish into a stream, and takes its place once the offer is good.
    /// `key_frame_every`: how often a key frame is asked for.
    pub async fn publish(
        &self,
        stream: Arc<Stream>,
        claim: Claim,
        key_frame_every: Duration,
        offer: String,
        guest: Guest,
    ) -> Result<Answer, OfferError> {
        self.ask(|reply| Command::Publish { stream, claim, key_frame_every, offer, guest, reply }).await
    }

    /// Answers a later offer of a session.
    pub async fn again(&self, id: String, offer: String) -> Result<String, OfferError> {
        self.ask(|reply| Command::Again { id, offer, reply }).await
    }

    /// Takes a peer's candidates that come after its offer.
    pub async fn candidates(&self, id: String, candidates: Vec<String>) -> Result<(), OfferError> {
        self.ask(|reply| Command::Candidates { id, candidates, reply }).await
    }

    /// The offer and the answer of a session that hold now.
    pub async fn agreed(&self, id: String) -> Result<(String, String), OfferError> {
        self.ask(|reply| Command::Agreed { id, reply }).await
    }

    /// Ends a session; whether there was one.
    pub async fn leave(&self, id: String) -> bool {
        let (reply, was_there) = oneshot::channel();
        self.commands.send(Command::Leave { id, reply }).await.is_ok() && was_there.await.unwrap_or(false)
    }

    /// What is for nobody here goes to whoever has branched off last. `None`: the server is ending.
    pub async fn branch(&self) -> Option<Branch> {
        let (reply, branch) = oneshot::channel();
        self.commands.send(Command::Branch { reply }).await.ok()?;
        branch.await.ok()
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, OfferError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| OfferError::Ending)?;
        answer.await.map_err(|_| OfferError::Ending)?
    }
}

fn lock(audience: &Audience) -> MutexGuard<'_, BTreeMap<String, usize>> {
    audience.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Another one for each start: what peers are told of it comes by signalling.
pub fn certificate() -> Result<RTCCertificate, rtc::shared::error::Error> {
    let other = |error: &dyn std::fmt::Display| rtc::shared::error::Error::Other(error.to_string());
    let provider = default_provider().map_err(|error| other(&error))?;
    let params = CertificateParams::new(vec!["capturebox".to_owned()]).map_err(|error| other(&error))?;
    RTCCertificate::generate(provider.crypto(), SignatureScheme::EcdsaP256Sha256, params)
}

/// What a peer is there for.
enum Role {
    Viewer {
        stream: String,
        viewer: Box<Viewer>,
        told_capture: Instant,
        /// It has come, and is one of the audience.
        counted: bool,
    },
    Publisher(Box<Publisher>),
}

struct Session {
    id: String,
    guest: Guest,
    /// When it is looked at whether the guest may stay.
    looks: Instant,
    peer: Peer,
    role: Role,
    /// As the last answer had it: a restart changes it.
    ufrag: String,
    answer: String,
    began: Instant,
    deadline: Instant,
}

struct Task {
    outlet: Outlet,
    /// For what is for nobody here.
    branch: Option<mpsc::Sender<Datagram>>,
    epoch: Box<dyn Fn() -> Epoch + Send>,
    sessions: BTreeMap<u64, Session>,
    next: u64,
    by_ufrag: HashMap<String, u64>,
    by_remote: Remotes<u64>,
    feeders: BTreeMap<String, Feeder>,
    next_look: Instant,
    audience: Audience,
    train: Train,
    /// Of [`RECEIVE_BUFFER`] bytes.
    buffer: Vec<u8>,
}

impl Task {
    async fn run(mut self, mut orders: mpsc::Receiver<Command>, tcp: Option<TcpListener>) {
        let (media_out, mut media) = mpsc::channel::<Media>(MEDIA_QUEUE);
        let (tcp_out, mut by_tcp) = mpsc::channel::<Datagram>(branch::QUEUE);
        if let Some((listener, connections)) = tcp.zip(self.outlet.tcp.clone()) {
            tokio::spawn(tcp::serve(listener, connections, tcp_out));
        }
        loop {
            let look = (!self.feeders.is_empty()).then_some(self.next_look);
            let deadline = self.sessions.values().map(|session| session.deadline).chain(look).min();
            let wait = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600));
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.order(order, &media_out),
                    None => return,
                },
                Some((stream, packets)) = media.recv() => self.media(&stream, packets),
                Some(datagram) = by_tcp.recv() => self.datagram(datagram.way, &datagram.contents),
                ready = self.outlet.socket.readable() => if ready.is_ok() { self.receive(); },
                () = tokio::time::sleep_until(wait.into()) => self.timeouts(),
            }
        }
    }

    /// Who asked and left in the meantime is gone by its deadline, so that nobody may hear an answer.
    fn order(&mut self, order: Command, media: &mpsc::Sender<Media>) {
        match order {
            Command::Watch { stream, offer, guest, reply } => {
                drop(reply.send(self.watch(&stream, &offer, guest, media)));
            }
            Command::Publish { stream, claim, key_frame_every, offer, guest, reply } => {
                let _ = reply.send(self.publish((stream, claim), key_frame_every, &offer, guest));
            }
            Command::Again { id, offer, reply } => drop(reply.send(self.again(&id, &offer))),
            Command::Candidates { id, candidates, reply } => drop(reply.send(self.candidates(&id, &candidates))),
            Command::Agreed { id, reply } => {
                let agreed = self.named(&id).and_then(|key| self.sessions.get(&key));
                let agreed = agreed.map(|session| (session.peer.offer().to_owned(), session.answer.clone()));
                let _ = reply.send(agreed.ok_or(OfferError::NoSession));
            }
            Command::Leave { id, reply } => {
                let found = self.named(&id);
                if let Some(key) = found {
                    self.end(key);
                }
                let _ = reply.send(found.is_some());
            }
            Command::Branch { reply } => {
                let (sender, datagrams) = mpsc::channel(branch::QUEUE);
                self.branch = Some(sender);
                let _ = reply.send(Branch { outlet: self.outlet.clone(), datagrams });
            }
        }
    }

    fn named(&self, id: &str) -> Option<u64> {
        self.sessions.iter().find(|(_, session)| session.id == id).map(|(key, _)| *key)
    }

    /// Whether somebody at `from` may come.
    fn has_room(&self, from: IpAddr) -> Result<(), OfferError> {
        let coming = || self.sessions.values().filter(|session| !session.peer.has_come());
        let from_there = coming().filter(|session| session.guest.from == from).count();
        let full = self.sessions.len() >= MAX_PEERS || coming().count() >= MAX_COMING;
        if full || from_there >= MAX_COMING_FROM_ONE { Err(OfferError::Full) } else { Ok(()) }
    }

    fn watch(
        &mut self,
        stream: &Arc<Stream>,
        offer: &str,
        guest: Guest,
        media: &mpsc::Sender<Media>,
    ) -> Result<Answer, OfferError> {
        self.has_room(guest.from)?;
        if !codecs::are_in(offer) {
            return Err(OfferError::NoCodec);
        }
        let now = Instant::now();
        let numbers = Numbers {
            ssrcs: [random_u32()?, random_u32()?, random_u32()?, random_u32()?],
            sequence_numbers: [random_u32()? as u16, random_u32()? as u16],
        };
        let identity = self.outlet.identity(guest.from);
        let (peer, viewer, sdp) = Viewer::answer(offer, &identity, numbers, now).map_err(|e| refused(&e))?;
        if !viewer.takes_any(&peer) {
            return Err(OfferError::NoCodec);
        }
        let name = stream.name().to_owned();
        let viewer = Box::new(viewer);
        let role = Role::Viewer { stream: name.clone(), viewer, told_capture: now, counted: false };
        let answer = self.begin(guest, peer, role, sdp)?;
        let feeder = self.feeders.entry(name).or_insert_with(|| Feeder::start(stream, media.clone(), now));
        feeder.viewers += 1;
        Ok(answer)
    }

    fn publish(
        &mut self,
        (stream, claim): (Arc<Stream>, Claim),
        key_frame_every: Duration,
        offer: &str,
        guest: Guest,
    ) -> Result<Answer, OfferError> {
        self.has_room(guest.from)?;
        if !codecs::are_in(offer) {
            return Err(OfferError::NoCodec);
        }
        let identity = self.outlet.identity(guest.from);
        let (peer, sdp) = Publisher::answer(offer, &identity, Instant::now()).map_err(|error| refused(&error))?;
        if !accepts_all(&sdp) {
            return Err(OfferError::NoCodec);
        }
        let publisher = Publisher::new(stream, claim.take()?, key_frame_every);
        self.begin(guest, peer, Role::Publisher(Box::new(publisher)), sdp)
    }

    /// Takes in a peer that has its answer.
    fn begin(&mut self, guest: Guest, peer: Peer, role: Role, sdp: String) -> Result<Answer, OfferError> {
        let ufrag = ufrag(&sdp).ok_or_else(|| refused(&"no user name came of it"))?.to_owned();
        let id = session_id()?;
        let key = self.next;
        self.next += 1;
        self.by_ufrag.insert(ufrag.clone(), key);
        let (answer, began) = (sdp.clone(), Instant::now());
        let looks = began + MAY_STAY_EVERY;
        let session = Session { id: id.clone(), guest, looks, peer, role, ufrag, answer, began, deadline: began };
        self.sessions.insert(key, session);
        self.settle(key);
        Ok(Answer { id, sdp })
    }

    fn again(&mut self, id: &str, offer: &str) -> Result<String, OfferError> {
        let key = self.named(id).ok_or(OfferError::NoSession)?;
        let session = self.sessions.get_mut(&key).ok_or(OfferError::NoSession)?;
        let sdp = match session.peer.answer(offer, Instant::now()) {
            Ok(sdp) => sdp,
            Err(error) => {
                self.settle(key);
                return Err(refused(&error));
            }
        };
        let ufrag = ufrag(&sdp).ok_or_else(|| refused(&"no user name came of it"))?.to_owned();
        session.answer.clone_from(&sdp);
        if session.ufrag != ufrag {
            self.by_ufrag.remove(&session.ufrag);
            session.ufrag.clone_from(&ufrag);
            self.by_ufrag.insert(ufrag, key);
        }
        self.settle(key);
        Ok(sdp)
    }

    fn candidates(&mut self, id: &str, candidates: &[String]) -> Result<(), OfferError> {
        let key = self.named(id).ok_or(OfferError::NoSession)?;
        let session = self.sessions.get_mut(&key).ok_or(OfferError::NoSession)?;
        for candidate in candidates {
            session.peer.add_remote_candidate(candidate).map_err(|error| refused(&error))?;
        }
        self.settle(key);
        Ok(())
    }

    fn receive(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..READ_AT_ONCE {
            let mut meta = [RecvMeta::default()];
            let read = self.outlet.socket.try_io(Interest::READABLE, || {
                let mut slices = [IoSliceMut::new(&mut buffer)];
                self.outlet.state.recv(UdpSockRef::from(&self.outlet.socket), &mut slices, &mut meta)
            });
            if read.is_err() {
                break;
            }
            let [meta] = meta;
            let whole = buffer.get(..meta.len).unwrap_or_default();
            let to = meta.dst_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)).to_canonical();
            let from = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
            for datagram in whole.chunks(meta.stride.max(1)) {
                self.datagram(Way::udp(from, SocketAddr::new(to, self.outlet.port)), datagram);
            }
        }
        self.buffer = buffer;
    }

    fn datagram(&mut self, way: Way, datagram: &[u8]) {
        let key = match stun::local_ufrag(datagram) {
            Some(ufrag) => self.by_ufrag.get(ufrag),
            None => self.by_remote.get(&way.remote),
        };
        let Some(key) = key.copied() else {
            if let Some(branch) = &self.branch {
                let _ = branch.try_send(Datagram { way, contents: datagram.to_vec() });
            }
            return;
        };
        if let Some(session) = self.sessions.get_mut(&key) {
            session.peer.read(way, datagram, Instant::now());
        }
        self.settle(key);
    }

    fn media(&mut self, stream: &str, packets: Option<Packets>) {
        let now = Instant::now();
        let watches =
            |session: &Session| matches!(&session.role, Role::Viewer { stream: watched, .. } if watched == stream);
        let keys: Vec<u64> =
            self.sessions.iter().filter(|(_, session)| watches(session)).map(|(key, _)| *key).collect();
        // The stream is over.
        let Some(packets) = packets else { return keys.into_iter().for_each(|key| drop(self.end(key))) };
        if let Some(feeder) = self.feeders.get_mut(stream) {
            feeder.goes_out(&packets);
        }
        for key in keys {
            let Some(Session { role: Role::Viewer { viewer, .. }, .. }) = self.sessions.get(&key) else { continue };
            let waits = packets.is_own_picture() && viewer.is_kept_waiting(now);
            let gop = waits.then(|| self.feeders.get(stream).map(|feeder| feeder.gop().to_vec())).flatten();
            // One after the other: queues that once held seconds of a stream would stay as large.
            for packets in gop.as_deref().unwrap_or(std::slice::from_ref(&packets)) {
                self.send(key, packets, now);
            }
        }
    }

    fn send(&mut self, key: u64, packets: &Packets, now: Instant) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let Role::Viewer { viewer, told_capture, .. } = &mut session.role else { return };
        viewer.send(&mut session.peer, packets, now);
        let shown = packets.kind == Kind::Video && viewer.rung() == packets.rung;
        if shown && *told_capture + TELL_CAPTURE_EVERY <= now {
            *told_capture = now;
            let media_us = (self.epoch)().unix_nanos_at(packets.captured) / 1_000;
            viewer.tell_capture(&mut session.peer, packets.timestamp, media_us, now);
        }
        self.flush(key);
    }

    /// Chooses viewers' renditions.
    fn look(&mut self, now: Instant) {
        let renditions: BTreeMap<String, Vec<Layer<u8>>> =
            self.feeders.iter().map(|(name, feeder)| (name.clone(), feeder.renditions())).collect();
        let mut sent = BTreeSet::new();
        for session in self.sessions.values_mut() {
            let Role::Viewer { stream, viewer, .. } = &mut session.role else { continue };
            let (Some(renditions), Some(feeder)) = (renditions.get(stream), self.feeders.get_mut(stream)) else {
                continue;
            };
            if !session.peer.is_connected() {
                continue;
            }
            viewer.choose(&session.peer, renditions, now);
            if let Some(rung) = viewer.waits_for() {
                feeder.read(rung, now);
                feeder.ask_for_key_frame(rung, false, now);
                sent.insert((stream.clone(), rung));
            }
            if viewer.rung() > 0 {
                sent.insert((stream.clone(), viewer.rung()));
            }
        }
        for (name, feeder) in &mut self.feeders {
            feeder.keep(|rung| sent.contains(&(name.clone(), rung)));
        }
    }

    fn timeouts(&mut self) {
        let now = Instant::now();
        if self.next_look <= now {
            self.next_look = now + LOOK_EVERY;
            self.look(now);
        }
        let due: Vec<u64> =
            self.sessions.iter().filter(|(_, session)| session.deadline <= now).map(|(key, _)| *key).collect();
        for key in due {
            let Some(session) = self.sessions.get_mut(&key) else { continue };
            if session.looks <= now {
                session.looks = now + MAY_STAY_EVERY;
                if !(session.guest.may_stay)() {
                    log::info!("webrtc: somebody at {} may no longer be here, and was sent away", session.guest.from);
                    self.end(key);
                    continue;
                }
            }
            session.peer.timeout(now);
            if let Role::Publisher(publisher) = &mut session.role {
                if let Err(error) = publisher.timeout(&mut session.peer, moment(now)) {
                    self.send_away(key, &error);
                    continue;
                }
                if publisher.is_displaced() {
                    self.end(key);
                    continue;
                }
            }
            if !session.peer.has_come() && session.began + CONNECT_WITHIN <= now {
                self.end(key);
            } else {
                self.settle(key);
            }
        }
    }

    /// Hands a peer's events to its role, and sends what there is to send.
    fn settle(&mut self, key: u64) {
        let now = Instant::now();
        while let Some(session) = self.sessions.get_mut(&key) {
            let Some(event) = session.peer.next_event() else { break };
            if matches!(event, PeerEvent::Connected) {
                log::debug!("webrtc: session {} is connected after {:?}", session.id, session.began.elapsed());
            }
            if matches!(event, PeerEvent::Over) {
                return drop(self.end(key));
            }
            let Role::Viewer { stream, viewer, counted, .. } = &mut session.role else {
                if let Err(error) = self.published(key, event, now) {
                    return self.send_away(key, &error);
                }
                continue;
            };
            if matches!(event, PeerEvent::Connected) && !std::mem::replace(counted, true) {
                *lock(&self.audience).entry(stream.clone()).or_default() += 1;
            }
            if viewer.heard(&event, now)
                && let Some(feeder) = self.feeders.get_mut(stream)
            {
                let has_come = matches!(event, PeerEvent::Connected);
                if has_come {
                    viewer.choose(&session.peer, &feeder.renditions(), now);
                }
                let rung = viewer.waits_for().unwrap_or(viewer.rung());
                feeder.read(rung, now);
                feeder.ask_for_key_frame(rung, has_come, now);
            }
        }
        self.flush(key);
    }

    /// Somebody who publishes has sent something.
    fn published(&mut self, key: u64, event: PeerEvent, now: Instant) -> Result<(), InboundError> {
        match self.sessions.get_mut(&key) {
            Some(Session { peer, role: Role::Publisher(publisher), .. }) => publisher.heard(event, peer, moment(now)),
            _ => Ok(()),
        }
    }

    /// What a publisher sends can't be used.
    fn send_away(&mut self, key: u64, error: &InboundError) {
        if let Some(Role::Publisher(publisher)) = self.end(key) {
            publisher.fail(error);
        }
    }

    /// Sends what a peer has to send, and sets its next deadline.
    fn flush(&mut self, key: u64) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        while let Some((way, contents)) = session.peer.write() {
            // An answer to a check, or a check back: either goes to nobody who hasn't shown the session's password.
            if stun::is_stun(&contents) {
                self.by_remote.insert(way.remote, key);
            }
            self.outlet.send(&mut self.train, way, &contents);
        }
        self.outlet.depart(&mut self.train);
        let now = Instant::now();
        let role = match &session.role {
            Role::Publisher(publisher) => publisher.next_timeout(moment(now)),
            Role::Viewer { .. } => None,
        };
        let next = session.peer.next_timeout().into_iter().chain(role).fold(session.looks, Instant::min);
        // A timeout that is due again and again must not keep the others from their turn.
        session.deadline = next.clamp(now + Duration::from_millis(1), now + CONNECT_WITHIN);
    }

    fn end(&mut self, key: u64) -> Option<Role> {
        if let Some(session) = self.sessions.get_mut(&key) {
            session.peer.close();
            self.flush(key);
        }
        let session = self.sessions.remove(&key)?;
        self.by_ufrag.remove(&session.ufrag);
        self.by_remote.keep(|owner| *owner != key);
        let Role::Viewer { stream, counted, .. } = &session.role else { return Some(session.role) };
        if *counted {
            let mut audience = lock(&self.audience);
            if let Some(viewers) = audience.get_mut(stream) {
                *viewers -= 1;
            }
            audience.retain(|_, viewers| *viewers > 0);
        }
        if let Some(feeder) = self.feeders.get_mut(stream) {
            feeder.viewers -= 1;
            if feeder.viewers == 0 {
                self.feeders.remove(stream);
            }
        }
        Some(session.role)
    }
}

/// This moment, which the connection's clock says already.
fn moment(connection: Instant) -> Moment {
    Moment { connection, media: MonoTime::now() }
}

/// Whether an answer takes every picture and sound of its offer.
fn accepts_all(answer: &str) -> bool {
    let is_media = |line: &&str| line.starts_with("m=audio ") || line.starts_with("m=video ");
    let mut media = answer.lines().filter(is_media).peekable();
    media.peek().is_some() && media.all(|line| line.split(' ').nth(1) != Some("0"))
}

fn refused(error: &dyn std::fmt::Display) -> OfferError {
    OfferError::Offer(error.to_string())
}

fn random<const N: usize>() -> Result<[u8; N], OfferError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| refused(&error))?;
    Ok(bytes)
}

fn random_u32() -> Result<u32, OfferError> {
    random().map(u32::from_ne_bytes)
}

fn session_id() -> Result<String, OfferError> {
    Ok(random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The user name fragment in an answer.
fn ufrag(sdp: &str) -> Option<&str> {
    sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).map(str::trim)
}
