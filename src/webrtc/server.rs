//! The one UDP socket, and the task that has all viewers behind it.
//!
//! Who a datagram is for: a STUN request says so by its user name; everything else comes from an address to which
//! an answer to such a request has gone. What `rtc` does with it, `viewer` knows.

#![allow(clippy::disallowed_methods, reason = "a shell: viewers are handed the time")]

use super::packets::{Kind, Packets, packetise};
use super::stun;
use super::viewer::{Numbers, Viewer};
use crate::media::TrackId;
use crate::stream::{Read, Start, Stream};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rtc::crypto::{SignatureScheme, default_provider};
use rtc::peer_connection::certificate::{CertificateParams, RTCCertificate};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

/// Viewers at once; each holds some 400 KB.
pub const MAX_VIEWERS: usize = 500;
/// Viewers that have an answer and haven't come yet. Each is gone after [`CONNECT_WITHIN`].
const MAX_COMING: usize = 32;
const CONNECT_WITHIN: Duration = Duration::from_secs(15);
/// Access units on their way from the streams' feeders.
const MEDIA_QUEUE: usize = 256;
const COMMAND_QUEUE: usize = 64;
/// Key frames that one stream's viewers can ask for.
const KEY_FRAME_EVERY: Duration = Duration::from_millis(500);
/// Datagrams that are read before others get their turn.
const READ_AT_ONCE: usize = 64;
/// Larger than any datagram that a viewer sends.
const DATAGRAM: usize = 2_048;

/// Why an offer isn't answered.
#[derive(Debug, Error)]
pub enum WatchError {
    #[error("the offer can't be answered: {0}")]
    Offer(String),
    #[error("the offer takes neither H.264 (packetization-mode=1) nor Opus")]
    NoCodec,
    #[error("too many are watching")]
    Full,
    #[error("the server is ending")]
    Ending,
}

/// A viewer that may come now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Names the session; nobody can guess it.
    pub id: String,
    pub sdp: String,
}

enum Command {
    Watch { stream: Arc<Stream>, offer: String, reply: oneshot::Sender<Result<Answer, WatchError>> },
    Leave { id: String, reply: oneshot::Sender<bool> },
}

/// Talks to the task.
#[derive(Debug, Clone)]
pub struct Server {
    commands: mpsc::Sender<Command>,
    address: SocketAddr,
}

impl Server {
    /// Binds the socket; nothing happens before the future is polled. `addresses` says where the box is reached now.
    pub fn bind(
        listen: SocketAddr,
        addresses: impl Fn() -> Vec<IpAddr> + Send + 'static,
    ) -> io::Result<(Self, impl Future<Output = ()> + Send)> {
        let socket = std::net::UdpSocket::bind(listen)?;
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let socket = UdpSocket::from_std(socket)?;
        let address = socket.local_addr()?;
        let certificate = certificate().map_err(io::Error::other)?;
        let (commands, orders) = mpsc::channel(COMMAND_QUEUE);
        let task = Task {
            socket,
            state,
            port: address.port(),
            certificate,
            addresses: Box::new(addresses),
            sessions: BTreeMap::new(),
            next: 0,
            by_ufrag: HashMap::new(),
            by_address: HashMap::new(),
            feeders: BTreeMap::new(),
        };
        Ok((Self { commands, address }, task.run(orders)))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub async fn watch(&self, stream: Arc<Stream>, offer: String) -> Result<Answer, WatchError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Watch { stream, offer, reply };
        self.commands.send(command).await.map_err(|_| WatchError::Ending)?;
        answer.await.map_err(|_| WatchError::Ending)?
    }

    /// Whether there was such a viewer.
    pub async fn leave(&self, id: String) -> bool {
        let (reply, was_there) = oneshot::channel();
        self.commands.send(Command::Leave { id, reply }).await.is_ok() && was_there.await.unwrap_or(false)
    }
}

fn certificate() -> Result<RTCCertificate, rtc::shared::error::Error> {
    let provider = default_provider().map_err(|error| rtc::shared::error::Error::Other(error.to_string()))?;
    let params = CertificateParams::new(vec!["capturebox".to_owned()])
        .map_err(|error| rtc::shared::error::Error::Other(error.to_string()))?;
    RTCCertificate::generate(provider.crypto(), SignatureScheme::EcdsaP256Sha256, params)
}

struct Session {
    id: String,
    stream: String,
    viewer: Viewer,
    ufrag: String,
    addresses: Vec<SocketAddr>,
    began: Instant,
    deadline: Instant,
}

/// Reads a stream and makes packets of it, for as long as somebody watches.
struct Feeder {
    stream: Arc<Stream>,
    viewers: usize,
    key_frame_asked: Instant,
    task: AbortHandle,
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Media = (String, Option<Packets>);

struct Task {
    socket: UdpSocket,
    state: UdpSocketState,
    port: u16,
    certificate: RTCCertificate,
    addresses: Box<dyn Fn() -> Vec<IpAddr> + Send>,
    sessions: BTreeMap<u64, Session>,
    next: u64,
    by_ufrag: HashMap<String, u64>,
    by_address: HashMap<SocketAddr, u64>,
    feeders: BTreeMap<String, Feeder>,
}

impl Task {
    async fn run(mut self, mut orders: mpsc::Receiver<Command>) {
        let (media_out, mut media) = mpsc::channel::<Media>(MEDIA_QUEUE);
        loop {
            let deadline = self.sessions.values().map(|session| session.deadline).min();
            let wait = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600));
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.order(order, &media_out),
                    None => return,
                },
                Some((stream, packets)) = media.recv() => self.media(&stream, packets),
                ready = self.socket.readable() => if ready.is_ok() { self.receive(); },
                () = tokio::time::sleep_until(wait.into()) => self.timeouts(),
            }
        }
    }

    fn order(&mut self, order: Command, media: &mpsc::Sender<Media>) {
        match order {
            Command::Watch { stream, offer, reply } => {
                // Who asked and left in the meantime is gone by its deadline.
                let _ = reply.send(self.watch(&stream, &offer, media));
            }
            Command::Leave { id, reply } => {
                let found = self.sessions.iter().find(|(_, session)| session.id == id).map(|(key, _)| *key);
                if let Some(key) = found {
                    self.end(key);
                }
                let _ = reply.send(found.is_some());
            }
        }
    }

    fn watch(&mut self, stream: &Arc<Stream>, offer: &str, media: &mpsc::Sender<Media>) -> Result<Answer, WatchError> {
        let coming = self.sessions.values().filter(|session| !session.viewer.is_connected()).count();
        if self.sessions.len() >= MAX_VIEWERS || coming >= MAX_COMING {
            return Err(WatchError::Full);
        }
        let now = Instant::now();
        let refused = |error: &dyn std::fmt::Display| WatchError::Offer(error.to_string());
        let numbers = random::<16>().map_err(|error| refused(&error))?;
        let id = random::<16>().map_err(|error| refused(&error))?;
        let number = |at: usize| u32::from_be_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]]);
        let numbers = Numbers {
            ssrcs: [number(0), number(4), number(8)],
            sequence_numbers: number(12)
                .to_be_bytes()
                .as_chunks::<2>()
                .0
                .iter()
                .map(|b| u16::from_be_bytes(*b))
                .collect::<Vec<_>>()
                .try_into()
                .unwrap_or_default(),
        };
        let addresses: Vec<_> = (self.addresses)().into_iter().map(|ip| SocketAddr::new(ip, self.port)).collect();
        let (viewer, sdp) =
            Viewer::answer(offer, &self.certificate, &addresses, numbers, now).map_err(|error| refused(&error))?;
        if !viewer.takes(Kind::Video) && !viewer.takes(Kind::Audio) {
            return Err(WatchError::NoCodec);
        }
        let ufrag = ufrag(&sdp).ok_or_else(|| refused(&"no user name came of it"))?.to_owned();
        let name = stream.name().to_owned();
        let feeder = self.feeders.entry(name.clone()).or_insert_with(|| Feeder::start(stream, media.clone(), now));
        feeder.viewers += 1;
        let key = self.next;
        self.next += 1;
        self.by_ufrag.insert(ufrag.clone(), key);
        let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let session =
            Session { id: id.clone(), stream: name, viewer, ufrag, addresses: Vec::new(), began: now, deadline: now };
        self.sessions.insert(key, session);
        self.flush(key);
        Ok(Answer { id, sdp })
    }

    fn receive(&mut self) {
        let mut buffer = [0; DATAGRAM];
        for _ in 0..READ_AT_ONCE {
            let mut meta = [RecvMeta::default()];
            let read = self.socket.try_io(Interest::READABLE, || {
                let mut slices = [IoSliceMut::new(&mut buffer)];
                self.state.recv(UdpSockRef::from(&self.socket), &mut slices, &mut meta)
            });
            if read.is_err() {
                return;
            }
            let [meta] = meta;
            let whole = buffer.get(..meta.len).unwrap_or_default();
            let to = SocketAddr::new(meta.dst_ip.unwrap_or(IpAddr::from([127, 0, 0, 1])), self.port);
            let from = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
            for datagram in whole.chunks(meta.stride.max(1)) {
                self.datagram(from, SocketAddr::new(to.ip().to_canonical(), to.port()), datagram);
            }
        }
    }

    fn datagram(&mut self, from: SocketAddr, to: SocketAddr, datagram: &[u8]) {
        let named = stun::local_ufrag(datagram).and_then(|ufrag| self.by_ufrag.get(ufrag));
        let Some(key) = named.or_else(|| self.by_address.get(&from)).copied() else { return };
        if let Some(session) = self.sessions.get_mut(&key) {
            let was = session.viewer.is_connected();
            session.viewer.read(from, to, datagram, Instant::now());
            let connected = session.viewer.is_connected() && !was;
            if connected {
                log::debug!("webrtc: {} watches {} after {:?}", from, session.stream, session.began.elapsed());
            }
            if session.viewer.takes_key_frame_request() || connected {
                let stream = session.stream.clone();
                self.ask_for_key_frame(&stream, connected);
            }
        }
        self.flush(key);
    }

    fn ask_for_key_frame(&mut self, stream: &str, at_once: bool) {
        let now = Instant::now();
        if let Some(feeder) = self.feeders.get_mut(stream)
            && (at_once || feeder.key_frame_asked + KEY_FRAME_EVERY <= now)
        {
            feeder.key_frame_asked = now;
            feeder.stream.request_key_frame();
        }
    }

    fn media(&mut self, stream: &str, packets: Option<Packets>) {
        let now = Instant::now();
        let keys: Vec<u64> =
            self.sessions.iter().filter(|(_, session)| session.stream == stream).map(|(key, _)| *key).collect();
        for key in keys {
            match (&packets, self.sessions.get_mut(&key)) {
                (Some(packets), Some(session)) => {
                    session.viewer.send(packets, now);
                    self.flush(key);
                }
                // The stream is over.
                _ => self.end(key),
            }
        }
    }

    fn timeouts(&mut self) {
        let now = Instant::now();
        let due: Vec<u64> =
            self.sessions.iter().filter(|(_, session)| session.deadline <= now).map(|(key, _)| *key).collect();
        for key in due {
            let Some(session) = self.sessions.get_mut(&key) else { continue };
            session.viewer.timeout(now);
            let late = !session.viewer.is_connected() && session.began + CONNECT_WITHIN <= now;
            if late || session.viewer.is_over() {
                self.end(key);
            } else {
                self.flush(key);
            }
        }
    }

    /// Sends what a viewer has to send, and sets its next deadline.
    fn flush(&mut self, key: u64) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        while let Some((destination, from, contents)) = session.viewer.write() {
            if stun::is_stun(&contents) && !session.addresses.contains(&destination) {
                session.addresses.push(destination);
                self.by_address.insert(destination, key);
            }
            let transmit =
                Transmit { destination, ecn: None, contents: &contents, segment_size: None, src_ip: Some(from.ip()) };
            // What doesn't fit into the socket's buffer is lost as on any network; viewers ask for it again.
            let _ = self
                .socket
                .try_io(Interest::WRITABLE, || self.state.try_send(UdpSockRef::from(&self.socket), &transmit));
        }
        let now = Instant::now();
        let next = session.viewer.next_timeout().unwrap_or(now + CONNECT_WITHIN);
        // A timeout that is due again and again must not keep the others from their turn.
        session.deadline = next.clamp(now + Duration::from_millis(1), now + CONNECT_WITHIN);
    }

    fn end(&mut self, key: u64) {
        let Some(session) = self.sessions.remove(&key) else { return };
        self.by_ufrag.remove(&session.ufrag);
        self.by_address.retain(|_, owner| *owner != key);
        if let Some(feeder) = self.feeders.get_mut(&session.stream) {
            feeder.viewers -= 1;
            if feeder.viewers == 0 {
                self.feeders.remove(&session.stream);
            }
        }
    }
}

impl Feeder {
    fn start(stream: &Arc<Stream>, media: mpsc::Sender<Media>, now: Instant) -> Self {
        let mut reader = stream.read(&[TrackId::Video(0), TrackId::Opus], Start::NextKeyframe);
        let name = stream.name().to_owned();
        let task = tokio::spawn(async move {
            loop {
                let packets = match reader.next().await {
                    Read::Unit { track, unit } => packetise(&track, &unit),
                    Read::Lagged { .. } => None,
                    Read::End => break,
                };
                if let Some(packets) = packets
                    && media.send((name.clone(), Some(packets))).await.is_err()
                {
                    return;
                }
            }
            let _ = media.send((name, None)).await;
        });
        stream.request_key_frame();
        Self { stream: Arc::clone(stream), viewers: 0, key_frame_asked: now, task: task.abort_handle() }
    }
}

fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// The user name fragment in an answer.
fn ufrag(sdp: &str) -> Option<&str> {
    sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).map(str::trim)
}
