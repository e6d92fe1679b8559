//! ICE over TCP (RFC 6544), for peers whose network lets no UDP through: they connect, the box never does. Each
//! packet is framed by its length (RFC 4571).
//!
//! A connection begins with a check that names a session, is closed when nothing comes for a while, and loses what its
//! peer doesn't take in time, as UDP would: real time that waits in a queue isn't any more.

use super::path::{Datagram, Remote, Transport, Way};
use super::stun;
use bytes::{Bytes, BytesMut};
use rtc::shared::tcp_framing::{TcpFrameDecoder, frame_packet};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

const BACKLOG: u32 = 64;
/// Connections, in all and from one address.
const MAX_CONNECTIONS: usize = 256;
const MAX_FROM_ONE: usize = 16;
/// The check with which a connection begins comes within this.
const BEGIN_WITHIN: Duration = Duration::from_secs(10);
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

/// Those that are open, by the peer's address.
#[derive(Clone)]
pub struct Connections {
    open: Arc<Mutex<HashMap<SocketAddr, mpsc::Sender<Bytes>>>>,
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
    pub fn send(&self, peer: SocketAddr, packet: &[u8]) {
        if let Some(out) = self.lock().get(&peer)
            && packet.len() <= MAX_PACKET
        {
            let _ = out.try_send(frame_packet(packet).into());
        }
    }

    /// A place for a peer; `None`: there are too many.
    fn enter(&self, peer: SocketAddr) -> Option<mpsc::Receiver<Bytes>> {
        let mut open = self.lock();
        let from_there = open.keys().filter(|address| address.ip() == peer.ip()).count();
        if open.len() >= MAX_CONNECTIONS || from_there >= MAX_FROM_ONE {
            return None;
        }
        let (out, packets) = mpsc::channel(OUT_QUEUE);
        open.insert(peer, out);
        Some(packets)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, mpsc::Sender<Bytes>>> {
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
        let peer = canonical(peer);
        let (Some(packets), Ok(local)) = (connections.enter(peer), stream.local_addr()) else { continue };
        let way = Way { remote: Remote { address: peer, over: Transport::Tcp }, local: canonical(local) };
        let (connections, came) = (connections.clone(), came.clone());
        tokio::spawn(async move {
            attend(stream, way, packets, came).await;
            connections.lock().remove(&peer);
        });
    }
}

/// Until either side ends, or the peer is silent or takes nothing.
async fn attend(stream: TcpStream, way: Way, mut packets: mpsc::Receiver<Bytes>, came: mpsc::Sender<Datagram>) {
    // Each packet is on time or of no use.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (mut reader, mut writer) = stream.into_split();
    let reads = async {
        let (mut decoder, mut buffer) = (TcpFrameDecoder::new(), BytesMut::with_capacity(READ_BUFFER));
        let mut begun = false;
        loop {
            buffer.clear();
            let patience = if begun { SILENT } else { BEGIN_WITHIN };
            match timeout(patience, reader.read_buf(&mut buffer)).await {
                Ok(Ok(read)) if read > 0 => decoder.extend_from_slice(&buffer),
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
            if !matches!(timeout(WRITE_WITHIN, writer.write_all(&packet)).await, Ok(Ok(()))) {
                return;
            }
        }
    };
    tokio::select! {
        () = reads => {}
        () = writes => {}
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    let ip: IpAddr = address.ip().to_canonical();
    SocketAddr::new(ip, address.port())
}
