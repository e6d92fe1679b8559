//! A WebRTC peer as a browser is one, behind a socket of its own, and cheap: packets of media are counted by their
//! headers, and only of some peers also decrypted.

use crate::Result;
use capturebox::time::{MonoTime, Timescale};
use capturebox::webrtc::codecs;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rtc::interceptor::Registry;
use rtc::peer_connection::certificate::RTCCertificate;
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::event::RTCPeerConnectionEvent;
use rtc::peer_connection::message::RTCMessage;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// As much as the kernel hands over at once.
const RECEIVE_BUFFER: usize = 1 << 16;
/// How often the sender is told what has come, as browsers do.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// What the kernel keeps while this program is busy with others, bytes.
const SOCKET_BUFFER: usize = 1 << 20;

pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// An address of this machine where a server is reached that doesn't listen on loopback; nothing leaves the machine.
pub fn own_address() -> Result<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    // That says only which interface it would take.
    socket.connect("192.0.2.1:9")?;
    Ok(socket.local_addr()?.ip())
}

/// What all peers share.
pub struct Means {
    certificate: RTCCertificate,
    buffer: RefCell<Vec<u8>>,
}

impl Means {
    pub fn new() -> Result<Rc<Self>> {
        let certificate = capturebox::webrtc::server::certificate()?;
        Ok(Rc::new(Self { certificate, buffer: RefCell::new(vec![0; RECEIVE_BUFFER]) }))
    }
}

/// What has come.
#[derive(Default)]
pub struct Seen {
    pub packets: u64,
    pub bytes: u64,
    pub lost: i64,
    /// Packets that were decrypted and are genuine.
    pub genuine: u64,
    /// By the video's time stamps, which are the box's monotonic clock.
    pub delay_ms: Vec<f32>,
}

impl Seen {
    pub fn add(&mut self, mut other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.lost += other.lost;
        self.genuine += other.genuine;
        self.delay_ms.append(&mut other.delay_ms);
    }
}

/// See the module.
pub struct Caller {
    pub connection: RTCPeerConnection,
    pub seen: Seen,
    means: Rc<Means>,
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    /// Everything is decrypted.
    reads_all: bool,
    /// Payload types of H.264.
    pictures: Vec<u8>,
    /// The newest sequence number of each SSRC, with how often they wrapped.
    newest: BTreeMap<u32, u32>,
    connected: bool,
    report_at: Instant,
}

impl Caller {
    /// `registry`: what else is to be done with packets; it needs `reads_all`.
    pub fn new(means: &Rc<Means>, from: IpAddr, reads_all: bool, registry: Registry) -> Result<Self> {
        let socket = std::net::UdpSocket::bind((from, 0))?;
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // Less is the system's to decide.
        let _ = state.set_recv_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER);
        let socket = UdpSocket::from_std(socket)?;
        let local = socket.local_addr()?;
        let now = Instant::now();
        let certificates = vec![means.certificate.clone()];
        let mut connection = RTCPeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().with_certificates(certificates).build())
            .with_media_engine(codecs::engine(true)?)
            .with_interceptor_registry(registry)
            .build(now)?;
        let base_config = CandidateConfig {
            network: "udp".to_owned(),
            address: local.ip().to_string(),
            port: local.port(),
            component: 1,
            ..CandidateConfig::default()
        };
        let host = CandidateHostConfig { base_config, ..CandidateHostConfig::default() }.new_candidate_host()?;
        connection.add_local_candidate(RTCIceCandidate::from(&host).to_json()?)?;
        Ok(Self {
            connection,
            seen: Seen::default(),
            means: Rc::clone(means),
            socket,
            state,
            local,
            reads_all,
            pictures: Vec::new(),
            newest: BTreeMap::new(),
            connected: false,
            report_at: now + REPORT_EVERY,
        })
    }

    /// Wants to be sent a track.
    pub fn wants(&mut self, kind: RtpCodecKind) -> Result<()> {
        let only = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Recvonly,
            ..RTCRtpTransceiverInit::default()
        };
        self.connection.add_transceiver_from_kind(kind, Some(only))?;
        Ok(())
    }

    pub fn offer(&mut self) -> Result<String> {
        let offer = self.connection.create_offer(None)?;
        self.connection.set_local_description(Instant::now(), offer)?;
        Ok(self.connection.local_description().ok_or("no offer")?.sdp)
    }

    pub fn take_answer(&mut self, answer: String) -> Result<()> {
        self.pictures = pictures(&answer);
        Ok(self.connection.set_remote_description(Instant::now(), RTCSessionDescription::answer(answer)?)?)
    }

    pub fn answer(&mut self, offer: String) -> Result<String> {
        self.pictures = pictures(&offer);
        let now = Instant::now();
        self.connection.set_remote_description(now, RTCSessionDescription::offer(offer)?)?;
        let answer = self.connection.create_answer(None)?;
        self.connection.set_local_description(now, answer)?;
        Ok(self.connection.local_description().ok_or("no answer")?.sdp)
    }

    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Does what there is to do, waiting for it until then at most.
    pub async fn turn(&mut self, until: Instant) -> Result<()> {
        self.settle()?;
        let due = self.connection.poll_timeout().map_or(until, |due| due.min(until)).min(self.report_at);
        tokio::select! {
            ready = self.socket.readable() => { ready?; self.receive(); }
            () = tokio::time::sleep_until(due.into()) => {
                let now = Instant::now();
                if self.connection.poll_timeout().is_some_and(|due| due <= now) {
                    self.connection.handle_timeout(now)?;
                }
                if self.report_at <= now {
                    self.report_at = now + REPORT_EVERY;
                    self.report(now)?;
                }
            }
        }
        self.settle()
    }

    /// Says that it is over.
    pub fn hang_up(&mut self) -> Result<()> {
        self.connection.close()?;
        self.settle()
    }

    fn receive(&mut self) {
        let means = Rc::clone(&self.means);
        let mut buffer = means.buffer.borrow_mut();
        loop {
            let mut meta = [RecvMeta::default()];
            let read = self.socket.try_io(Interest::READABLE, || {
                let mut slices = [IoSliceMut::new(&mut buffer)];
                self.state.recv(UdpSockRef::from(&self.socket), &mut slices, &mut meta)
            });
            if read.is_err() {
                return;
            }
            let [meta] = meta;
            let now = MonoTime::now();
            for datagram in buffer[..meta.len].chunks(meta.stride.max(1)) {
                if !self.note(datagram, now) || self.reads_all {
                    let transport = TransportContext {
                        local_addr: self.local,
                        peer_addr: meta.addr,
                        transport_protocol: TransportProtocol::UDP,
                        ecn: None,
                    };
                    let read = TaggedBytesMut { now: Instant::now(), transport, message: datagram.into() };
                    // What isn't genuine is missing in what is counted.
                    let _ = self.connection.handle_read(read);
                }
            }
        }
    }

    /// Counts a packet of media; `false`: it is none.
    fn note(&mut self, datagram: &[u8], now: MonoTime) -> bool {
        let [128..=191, kind, a, b, t0, t1, t2, t3, s0, s1, s2, s3, ..] = *datagram else { return false };
        if (192..=223).contains(&kind) {
            return false;
        }
        self.seen.packets += 1;
        self.seen.bytes += datagram.len() as u64;
        let (ssrc, number) = (u32::from_be_bytes([s0, s1, s2, s3]), u16::from_be_bytes([a, b]));
        let newest = self.newest.entry(ssrc).or_insert_with(|| u32::from(number.wrapping_sub(1)));
        match number.wrapping_sub(*newest as u16) {
            // It was missed before.
            0 | 0x8000.. => self.seen.lost -= 1,
            ahead => {
                self.seen.lost += i64::from(ahead) - 1;
                *newest = newest.wrapping_add(u32::from(ahead));
            }
        }
        if self.pictures.contains(&(kind & 0x7F)) {
            let sent = u32::from_be_bytes([t0, t1, t2, t3]);
            let ticks = (now.ticks(Timescale::VIDEO) as u32).wrapping_sub(sent) as i32;
            self.seen.delay_ms.push(ticks as f32 / 90.0);
        }
        true
    }

    fn report(&mut self, now: Instant) -> Result<()> {
        let Some(receiver) = self.connection.get_receivers().next() else { return Ok(()) };
        if !self.connected || self.newest.is_empty() {
            return Ok(());
        }
        let report = |(ssrc, newest): (&u32, &u32)| ReceptionReport {
            ssrc: *ssrc,
            last_sequence_number: *newest,
            ..ReceptionReport::default()
        };
        let report =
            ReceiverReport { reports: self.newest.iter().map(report).take(31).collect(), ..ReceiverReport::default() };
        let mut receiver = self.connection.rtp_receiver(receiver).ok_or("no receiver")?;
        Ok(receiver.write_rtcp(now, vec![Box::new(report)])?)
    }

    fn settle(&mut self) -> Result<()> {
        while let Some(event) = self.connection.poll_event() {
            if let RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) = event {
                self.connected = state == RTCPeerConnectionState::Connected;
                if state == RTCPeerConnectionState::Failed {
                    return Err("a connection failed".into());
                }
            }
        }
        while let Some(read) = self.connection.poll_read() {
            if let RTCMessage::RtpPacket(..) = read.message {
                self.seen.genuine += 1;
            }
        }
        while let Some(TaggedBytesMut { transport, message, .. }) = self.connection.poll_write() {
            let transmit = Transmit {
                destination: transport.peer_addr,
                ecn: None,
                contents: &message,
                segment_size: None,
                src_ip: None,
            };
            // What doesn't fit is lost as on any network.
            let _ = self
                .socket
                .try_io(Interest::WRITABLE, || self.state.try_send(UdpSockRef::from(&self.socket), &transmit));
        }
        Ok(())
    }
}

/// The payload types of H.264 in an SDP.
fn pictures(sdp: &str) -> Vec<u8> {
    let mapped = sdp.lines().filter_map(|line| line.strip_prefix("a=rtpmap:")?.split_once(' '));
    mapped.filter(|(_, codec)| codec.starts_with("H264/")).filter_map(|(number, _)| number.parse().ok()).collect()
}
