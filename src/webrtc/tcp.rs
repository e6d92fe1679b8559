//! ICE over TCP (RFC 6544), for peers whose network lets no UDP through: they connect, the box never does. Each
//! packet is framed by its length (RFC 4571).
//!
//! A connection begins with a check that is answered, is closed when nothing comes for a while, and loses what its peer
//! doesn't take in time, as UDP would: real time that waits in a queue isn't any more.

use super::path::{Datagram, Remote, Transport, Way};
use super::stun;
use bytes::{Bytes, BytesMut};
use rtc::shared::tcp_framing::{TcpFrameDecoder, frame_packet};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};

const BACKLOG: u32 = 64;
/// Connections in all, and those that aren't answered yet, in all and from one address: who has no session must not
/// keep those away who have one.
const MAX_CONNECTIONS: usize = 256;
/// Of one address, answered ones among them: a few dozen people behind one router.
const MAX_FROM_ONE: usize = 96;
const MAX_COMING: usize = 64;
const MAX_COMING_FROM_ONE: usize = 16;
/// The check with which a connection begins comes, and is answered, within this.
const BEGIN_WITHIN: Duration = Duration::from_secs(5);
/// Peers check every few seconds whether the box is there.
const SILENT: Duration = Duration::from_secs(30);
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// Of a packet, bytes. Those of WebRTC fit into one of Ethernet's.
const MAX_PACKET: usize = 4 * 1_024;
const READ_BUFFER: usize = 16 * 1_024;
/// Packets for a peer: what a key frame has, and some.
const OUT_QUEUE: usize = 256;
/// What the kernel holds for a peer beside them, bytes: half a second at 2 Mbit/s. By default it would be megabytes,
/// and as many seconds.
const SEND_BUFFER: u32 = 128 * 1_024;
/// When no more connections can be taken, as without descriptors.
const PAUSE: Duration = Duration::from_millis(100);

struct Open {
    out: mpsc::Sender<Bytes>,
    /// A check that came by it was good: the peer has a session.
    answered: Arc<AtomicBool>,
}

impl Open {
    fn is_coming(&self) -> bool {
        !self.answered.load(Ordering::Relaxed)
    }
}

/// Those that are open, by both ends.
#[derive(Clone)]
pub struct Connections {
    open: Arc<Mutex<HashMap<Way, Open>>>,
    port: u16,
}

impl Connections {
    pub fn of(listener: &TcpListener) -> io::Result<Self> {
        Ok(Self { open: Arc::default(), port: listener.local_addr()?.port() })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// What doesn't fit into the queue is lost, and so is what is for nobody.
    pub fn send(&self, way: Way, packet: &[u8]) {
        if let Some(open) = self.lock().get(&way)
            && packet.len() <= MAX_PACKET
        {
            if stun::is_success(packet) {
                open.answered.store(true, Ordering::Relaxed);
            }
            let _ = open.out.try_send(frame_packet(packet).into());
        }
    }

    /// A place for a peer: what goes to it, and whether it was answered. `None`: there are too many.
    fn enter(&self, way: Way) -> Option<(mpsc::Receiver<Bytes>, Arc<AtomicBool>)> {
        let mut open = self.lock();
        let ip = way.remote.address.ip();
        if open.keys().filter(|other| other.remote.address.ip() == ip).count() >= MAX_FROM_ONE {
            return None;
        }
        let coming = || open.iter().filter(|(_, one)| one.is_coming()).map(|(other, _)| other.remote.address.ip());
        let from_there = coming().filter(|other| *other == ip).count();
        if open.len() >= MAX_CONNECTIONS || coming().count() >= MAX_COMING || from_there >= MAX_COMING_FROM_ONE {
            return None;
        }
        let (out, packets) = mpsc::channel(OUT_QUEUE);
        let answered = Arc::new(AtomicBool::new(false));
        open.insert(way, Open { out, answered: Arc::clone(&answered) });
        Some((packets, answered))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Way, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Needs a tokio runtime.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Takes connections for as long as somebody takes what comes by them.
pub async fn serve(listener: TcpListener, connections: Connections, came: mpsc::Sender<Datagram>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = came.closed() => return,
        };
        let Ok((stream, peer)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let Ok(local) = stream.local_addr() else { continue };
        let way = Way { remote: Remote { address: canonical(peer), over: Transport::Tcp }, local: canonical(local) };
        let Some((packets, answered)) = connections.enter(way) else { continue };
        let (connections, came) = (connections.clone(), came.clone());
        tokio::spawn(async move {
            // Only when it is closed can there be another one between the same ends.
            attend(&stream, way, packets, &answered, came).await;
            connections.lock().remove(&way);
            drop(stream);
        });
    }
}

/// Until either side ends, or the peer is silent or takes nothing.
async fn attend(
    stream: &TcpStream,
    way: Way,
    mut packets: mpsc::Receiver<Bytes>,
    answered: &AtomicBool,
    came: mpsc::Sender<Datagram>,
) {
    // Each packet is on time or of no use.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let reads = async {
        let (mut decoder, mut buffer) = (TcpFrameDecoder::new(), BytesMut::with_capacity(READ_BUFFER));
        let begin_until = Instant::now() + BEGIN_WITHIN;
        let mut begun = false;
        loop {
            buffer.clear();
            let until = if answered.load(Ordering::Relaxed) { Instant::now() + SILENT } else { begin_until };
            match timeout_at(until, read(stream, &mut buffer)).await {
                Ok(Ok(read)) if read > 0 => decoder.extend_from_slice(&buffer),
                // It was answered in the meantime.
                Err(_) if until == begin_until && answered.load(Ordering::Relaxed) => continue,
                _ => return,
            }
            while let Some(contents) = decoder.next_packet() {
                begun = begun || stun::local_ufrag(&contents).is_some();
                if !begun || contents.len() > MAX_PACKET || came.send(Datagram { way, contents }).await.is_err() {
                    return;
                }
            }
            // No packet of that length is waited for.
            if decoder.buffered_len() > MAX_PACKET {
                return;
            }
        }
    };
    let writes = async {
        while let Some(packet) = packets.recv().await {
            if !matches!(timeout(WRITE_WITHIN, write_all(stream, &packet)).await, Ok(Ok(()))) {
                return;
            }
        }
    };
    tokio::select! {
        () = reads => {}
        () = writes => {}
    }
}

/// Reads what there is; 0 at the end.
async fn read(stream: &TcpStream, buffer: &mut BytesMut) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        match stream.try_read_buf(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
    }
}

async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => bytes = bytes.get(done?..).unwrap_or_default(),
        }
    }
    Ok(())
}

fn canonical(address: SocketAddr) -> SocketAddr {
    let ip: IpAddr = address.ip().to_canonical();
    SocketAddr::new(ip, address.port())
}
