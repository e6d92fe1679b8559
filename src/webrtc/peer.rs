//! One connection to a browser or the like, sans-IO, both ways, around the `rtc` crate: the peer's offers in and
//! answers out, datagrams in and out, RTP both ways, and messages. What `rtc` gets wrong is made good here, so
//! that nobody else has to know.
//!
//! The peer always offers and the box always answers: there is no glare.

use super::again;
use super::codecs;
use super::encoders;
use super::pacer::Paced;
use super::packets::Kind;
use super::path::{Path, Remote, Transport, Way};
use super::rtcp::{self, Ears, Heard, Hearing};
use super::stun;
use bytes::{Bytes, BytesMut};
use rtc::data_channel::RTCDataChannelId;
use rtc::ice::tcp_type::TcpType;
use rtc::interceptor::{
    BandwidthEstimator, CongestionControlBuilder, Gcc, NackGeneratorBuilder, NackResponderBuilder, PacketReport,
    ReceiverReportBuilder, Registry, SenderReportBuilder, Slot, TwccReceiverBuilder, TwccSenderBuilder,
};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::certificate::RTCCertificate;
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::interceptor_registry::configure_simulcast_extension_headers;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_H264, MIME_TYPE_OPUS};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::event::{RTCDataChannelEvent, RTCPeerConnectionEvent, RTCTrackEvent, RTCTrackEventInit};
use rtc::peer_connection::message::RTCMessage;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCDtlsRole, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpRtxParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpReceiverId, RTCRtpSenderId, RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub use rtc::rtp;

/// `rtc` would watch one pair of addresses only; [`Path`] says when a peer is gone.
const OFF: Duration = Duration::ZERO;
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// How often one packet is asked for again: repairs by RTX aren't seen, and it would be asked for for ever.
const NACKS_A_PACKET: u16 = 4;
/// Packets after which they are taken from `rtc`: each of its dozen queues stays as large as it ever was.
const TAKEN_AT_ONCE: usize = 16;
/// Packets of each track that can be sent again: two seconds of 2 Mbit/s, half of one of 8. Each takes some 150 bytes
/// beside what all viewers share.
const REMEMBERED: u16 = 512;
/// What a peer may send in one message, and what waits for it; bytes.
const MAX_MESSAGE: usize = 16 * 1024;
const MAX_MESSAGES_WAITING: usize = 256 * 1024;
/// Data channels that a peer may open in all, and their names' bytes.
const MAX_CHANNELS: usize = 8;
const MAX_LABEL: usize = 64;
/// Media sections of an offer: each costs at every packet. A room needs some 30.
const MAX_SECTIONS: usize = 64;
/// SSRCs in what comes from a peer: `rtc` remembers each, also those of garbage.
const MAX_SSRCS: usize = 64;
/// Addresses that a peer is answered at: `rtc` checks each with all others.
const MAX_ADDRESSES: usize = 32;
/// RTP streams of a peer that are known at once: three layers of camera and screen, sound, and some that were.
const MAX_INCOMING: usize = 32;
/// The estimate while nothing speaks against it, and the bounds of one; bits a second.
const ESTIMATE_FIRST: f64 = 5_000_000.0;
const ESTIMATE_MIN: f64 = 50_000.0;
const ESTIMATE_MAX: f64 = 20_000_000.0;

/// Who the box is to its peers, and where it can be reached.
#[derive(Clone)]
pub struct Identity {
    pub certificate: RTCCertificate,
    /// By UDP.
    pub addresses: Vec<SocketAddr>,
    /// By TCP, where that is listened on.
    pub tcp_addresses: Vec<SocketAddr>,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// Media come from this peer.
    pub receives: bool,
    /// It is estimated how much can be sent to it.
    pub estimates: bool,
}

/// What is sent to a peer as one track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutId(RTCRtpSenderId);

/// What a peer sends as one RTP stream: a track, or one layer of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    pub ssrc: u32,
    pub kind: Kind,
    pub mid: Option<String>,
    /// Which layer of a simulcast (RFC 8852).
    pub rid: Option<String>,
    /// The number of the header extension that tells how loud it is (RFC 6464).
    pub level_extension: Option<u8>,
}

/// What has happened at a peer.
#[derive(Debug)]
pub enum PeerEvent {
    Connected,
    /// Media will come with this SSRC.
    Opened(Incoming),
    /// In the order in which it came; duplicates are among it.
    Rtp(rtp::Packet),
    /// It was `ntp` (seconds since 1900, 32.32 bits) at `rtp` of a stream that comes from the peer.
    Report {
        ssrc: u32,
        ntp: u64,
        rtp: u32,
    },
    /// It wants a key frame of what is sent to it.
    KeyFrameWanted(OutId),
    /// One of the peer's data channels can be written to.
    ChannelOpened(String),
    Message {
        channel: String,
        data: Bytes,
    },
    /// Failed, or closed by the peer. Nothing comes after it.
    Over,
}

/// One packet that is sent. Which SSRC and payload type it has is the peer's matter.
#[derive(Debug, Clone)]
pub struct Sent {
    pub sequence_number: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: Bytes,
}

struct Outgoing {
    id: OutId,
    kind: Kind,
    ssrc: u32,
    /// As the last answer has it; `None` where the offer hasn't the codec, or no place for the track.
    payload_type: Option<u8>,
}

/// See the module.
pub struct Peer {
    connection: RTCPeerConnection,
    outgoing: Vec<Outgoing>,
    incoming: BTreeMap<u32, RTCRtpReceiverId>,
    channels: Vec<(RTCDataChannelId, String)>,
    hearing: Hearing,
    estimate_bps: Arc<AtomicU64>,
    events: VecDeque<PeerEvent>,
    state: RTCPeerConnectionState,
    has_come: bool,
    receives: bool,
    /// That are yet to be told.
    candidates: Vec<Remote>,
    offer: String,
    channels_opened: usize,
    ssrcs: BTreeSet<u32>,
    answered: BTreeSet<SocketAddr>,
    path: Path,
    /// Taken from `rtc`, and still to be sent.
    held: VecDeque<TaggedBytesMut>,
    /// Packets.
    sent: usize,
}

impl Peer {
    pub fn new(identity: &Identity, settings: Settings, now: Instant) -> Result<Self, Error> {
        let hearing = Hearing::default();
        let estimate_bps = Arc::new(AtomicU64::new(0));
        let mut media = codecs::engine(!settings.receives)?;
        let mut registry = Registry::new()
            .with(Slot::SenderReport, SenderReportBuilder::new().build())
            .with(Slot::NackResponder, NackResponderBuilder::new().with_size(REMEMBERED).build())
            .with(Slot::Pacer, Paced::new(Arc::clone(&estimate_bps)))
            .with(Slot::from(rtcp::PLACE), Ears::new(hearing.clone()));
        if settings.receives {
            configure_simulcast_extension_headers(&mut media)?;
            let asks = NackGeneratorBuilder::new().with_max_nacks_per_packet(NACKS_A_PACKET).build();
            registry = registry
                .with(Slot::NackGenerator, asks)
                .with(Slot::TwccReceiver, TwccReceiverBuilder::new().build())
                .with(Slot::ReceiverReport, ReceiverReportBuilder::new().build());
        }
        if settings.estimates {
            let estimator = Estimator {
                gcc: Gcc::new(ESTIMATE_FIRST, ESTIMATE_MIN, ESTIMATE_MAX),
                told: Arc::clone(&estimate_bps),
            };
            registry = registry
                .with(Slot::CongestionControl, CongestionControlBuilder::new(estimator).build())
                .with(Slot::TwccSender, TwccSenderBuilder::new().build());
        }
        let setting_engine = SettingEngineBuilder::new()
            .with_lite(true)
            .with_answering_dtls_role(RTCDtlsRole::Server)
            .with_ice_timeouts(Some(OFF), Some(OFF), Some(KEEP_ALIVE))
            .build();
        let certificates = vec![identity.certificate.clone()];
        let connection = RTCPeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().with_certificates(certificates).build())
            .with_setting_engine(setting_engine)
            .with_media_engine(media)
            .with_interceptor_registry(registry)
            .build(now)?;
        Ok(Self {
            connection,
            outgoing: Vec::new(),
            incoming: BTreeMap::new(),
            channels: Vec::new(),
            hearing,
            estimate_bps,
            events: VecDeque::new(),
            state: RTCPeerConnectionState::New,
            has_come: false,
            receives: settings.receives,
            candidates: identity.candidates(),
            offer: String::new(),
            channels_opened: 0,
            ssrcs: BTreeSet::new(),
            answered: BTreeSet::new(),
            path: Path::default(),
            held: VecDeque::new(),
            sent: 0,
        })
    }

    /// A track that is sent to the peer, from the next answer on, where the offer has a place for it. `group`: what
    /// is to be kept in step has the same. `ssrcs`, of the packets and of those that come again, nobody may guess.
    pub fn add_outgoing(&mut self, kind: Kind, group: &str, ssrcs: [u32; 2]) -> Result<OutId, Error> {
        let [ssrc, again] = ssrcs;
        let (codec_kind, codec, rtx) = match kind {
            Kind::Video => (RtpCodecKind::Video, codecs::h264(), Some(RTCRtpRtxParameters { ssrc: again })),
            Kind::Audio => (RtpCodecKind::Audio, codecs::opus(), None),
        };
        let rtp_coding_parameters =
            RTCRtpCodingParameters { ssrc: Some(ssrc), rtx, ..RTCRtpCodingParameters::default() };
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters,
            active: true,
            codec,
            ..RTCRtpEncodingParameters::default()
        };
        let name = format!("{codec_kind}{ssrc}");
        let track = MediaStreamTrack::new(group.to_owned(), name.clone(), name, codec_kind, vec![encoding]);
        // Only so does what the peer sends get a place of its own.
        let init = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            streams: vec![group.to_owned()],
            ..RTCRtpTransceiverInit::default()
        };
        let transceiver = self.connection.add_transceiver_from_track(track, Some(init))?;
        let id = OutId(RTCRtpSenderId::from(transceiver));
        self.outgoing.push(Outgoing { id, kind, ssrc, payload_type: None });
        Ok(id)
    }

    /// Answers an offer: the first, or a later one with other tracks or after an ICE restart. `Err`: it is nothing
    /// that can be answered, and the connection is over.
    pub fn answer(&mut self, offer: &str, now: Instant) -> Result<String, Error> {
        self.answer_it(offer, now).inspect_err(|_| self.events.push_back(PeerEvent::Over))
    }

    fn answer_it(&mut self, offer: &str, now: Instant) -> Result<String, Error> {
        // `rtc` passes over returns that end no line, and would see lines that nobody here has looked at.
        if offer.replace("\r\n", "").contains('\r') {
            return Err(Error::Other("a return that ends no line".to_owned()));
        }
        if offer.lines().filter(|line| line.starts_with("m=")).count() > MAX_SECTIONS {
            return Err(Error::Other("more than 64 media sections".to_owned()));
        }
        // Who is lite answers checks and sends none: candidates aren't needed, and nobody may choose whom to check.
        let told = again::without_known_tracks(offer, &self.offer);
        let told = encoders::mended(&told);
        let told = told.lines().filter(|line| !line.starts_with("a=candidate:"));
        let told: String = told.flat_map(|line| [line, "\r\n"]).collect();
        self.connection.set_remote_description(now, RTCSessionDescription::offer(told)?)?;
        if again::restarts(offer, &self.offer) {
            // It begins to know addresses anew.
            self.answered.clear();
        }
        for candidate in std::mem::take(&mut self.candidates) {
            self.connection.add_local_candidate(RTCIceCandidate::from(&host(candidate)?).to_json()?)?;
        }
        let answer = self.connection.create_answer(None)?;
        self.connection.set_local_description(now, answer)?;
        offer.clone_into(&mut self.offer);
        for outgoing in &mut self.outgoing {
            let mime = if outgoing.kind == Kind::Video { MIME_TYPE_H264 } else { MIME_TYPE_OPUS };
            outgoing.payload_type = payload_type(&mut self.connection, outgoing.id, mime);
        }
        self.settle();
        let answer = self.connection.local_description().ok_or(Error::ErrPeerConnLocalDescriptionNil)?;
        Ok(encoders::with_role(answer.sdp, offer))
    }

    /// The offer that was answered last.
    pub fn offer(&self) -> &str {
        &self.offer
    }

    /// Takes a candidate that comes after its offer (RFC 8838), as `candidate:…`. It is only looked at: see `answer`.
    pub fn add_remote_candidate(&mut self, candidate: &str) -> Result<(), Error> {
        let mut words = candidate.split_ascii_whitespace();
        let good = words.next().is_some_and(|word| word.len() > "candidate:".len() && word.starts_with("candidate:"))
            && words.nth(5) == Some("typ")
            && words.next().is_some();
        if good { Ok(()) } else { Err(Error::Other(format!("not a candidate: {candidate:.80}"))) }
    }

    /// Whether the peer takes a track that is sent.
    pub fn takes(&self, out: OutId) -> bool {
        self.outgoing.iter().any(|outgoing| outgoing.id == out && outgoing.payload_type.is_some())
    }

    /// Which media section of the offer a track that is sent is in.
    pub fn mid(&mut self, out: OutId) -> Option<String> {
        self.connection.rtp_transceiver(out.0.into())?.mid().clone()
    }

    pub fn is_connected(&self) -> bool {
        self.state == RTCPeerConnectionState::Connected
    }

    /// Whether it ever was.
    pub fn has_come(&self) -> bool {
        self.has_come
    }

    /// Tells the peer that it is over; what there is to send then is the last.
    pub fn close(&mut self) {
        if let Err(error) = self.connection.close() {
            log::debug!("webrtc: {error}");
        }
    }

    /// Bits a second that can be sent to it; `None`: it has told nothing of which that could be known, or never does.
    pub fn estimate_bps(&self) -> Option<u64> {
        Some(self.estimate_bps.load(Ordering::Relaxed)).filter(|told| *told > 0)
    }

    /// Sends a packet; what can't be sent is lost.
    pub fn send(&mut self, out: OutId, packet: Sent, now: Instant) {
        let Some(outgoing) = self.outgoing.iter().find(|outgoing| outgoing.id == out) else { return };
        let Some(payload_type) = outgoing.payload_type else { return };
        let header = rtp::Header {
            version: 2,
            marker: packet.marker,
            payload_type,
            sequence_number: packet.sequence_number,
            timestamp: packet.timestamp,
            ssrc: outgoing.ssrc,
            ..rtp::Header::default()
        };
        let Some(mut sender) = self.connection.rtp_sender(out.0) else { return };
        if let Err(error) = sender.write_rtp(now, rtp::Packet { header, payload: packet.payload }) {
            log::debug!("webrtc: {error}");
        }
        self.sent = self.sent.wrapping_add(1);
        if self.sent.is_multiple_of(TAKEN_AT_ONCE) {
            self.held.extend(std::iter::from_fn(|| self.connection.poll_write()));
        }
    }

    /// Asks the peer for a key frame of one of its streams (PLI).
    pub fn request_key_frame(&mut self, ssrc: u32, now: Instant) {
        let Some(receiver) = self.incoming.get(&ssrc) else { return };
        let Some(mut receiver) = self.connection.rtp_receiver(*receiver) else { return };
        let asks = PictureLossIndication { sender_ssrc: 0, media_ssrc: ssrc };
        if let Err(error) = receiver.write_rtcp(now, vec![Box::new(asks)]) {
            log::debug!("webrtc: {error}");
        }
    }

    /// Sends a text by one of the peer's data channels; `false` when it has none of that name, or doesn't read.
    pub fn message(&mut self, channel: &str, text: &str, now: Instant) -> bool {
        let Some((id, _)) = self.channels.iter().find(|(_, label)| label == channel) else { return false };
        let Some(mut channel) = self.connection.data_channel(*id) else { return false };
        channel.outstanding_bytes() < MAX_MESSAGES_WAITING && channel.send_text(now, text).is_ok()
    }

    pub fn read(&mut self, way: Way, datagram: &[u8], now: Instant) {
        let from = way.remote.address;
        if !self.listens_to(from, datagram) {
            return;
        }
        let transport_protocol = match way.remote.over {
            Transport::Udp => TransportProtocol::UDP,
            Transport::Tcp => TransportProtocol::TCP,
        };
        let transport = TransportContext { local_addr: way.local, peer_addr: from, transport_protocol, ecn: None };
        self.path.read(way, datagram, now);
        let message = BytesMut::from(datagram);
        // What can't be read is nobody's loss but the sender's.
        if let Err(error) = self.connection.handle_read(TaggedBytesMut { now, transport, message }) {
            log::debug!("webrtc: {from}: {error}");
        }
        if is_alert(datagram) && self.is_connected() {
            self.take_farewell();
        }
        self.settle();
        // Only what is the peer's gets so far. FFmpeg 8.0 checks no more once it is connected.
        if matches!(self.events.back(), Some(PeerEvent::Rtp(_))) {
            self.path.hears(now);
        }
    }

    /// `rtc` answers a peer that closes (close_notify), and only one that has shown who it is; it doesn't say so.
    fn take_farewell(&mut self) {
        self.held.extend(std::iter::from_fn(|| self.connection.poll_write()));
        if self.held.iter().any(|out| is_alert(&out.message)) {
            self.events.push_back(PeerEvent::Over);
        }
    }

    pub fn timeout(&mut self, now: Instant) {
        if let Err(error) = self.connection.handle_timeout(now) {
            log::debug!("webrtc: {error}");
        }
        self.settle();
        if self.path.takes_loss(now) {
            self.events.push_back(PeerEvent::Over);
        }
    }

    pub fn next_timeout(&mut self) -> Option<Instant> {
        self.connection.poll_timeout().into_iter().chain(self.path.deadline()).min()
    }

    /// The next datagram that is to be sent, and by which way.
    pub fn write(&mut self) -> Option<(Way, BytesMut)> {
        let out = self.held.pop_front().or_else(|| self.connection.poll_write());
        let TaggedBytesMut { transport, message, .. } = out?;
        if stun::is_success(&message) {
            self.answered.insert(transport.peer_addr);
        }
        let over = if transport.transport_protocol == TransportProtocol::TCP { Transport::Tcp } else { Transport::Udp };
        let remote = Remote { address: transport.peer_addr, over };
        let way = self.path.write(Way { remote, local: transport.local_addr }, &message);
        Some((way, message))
    }

    /// Whether a datagram is one that `rtc` may see: it remembers, before it knows whether something is genuine.
    fn listens_to(&mut self, from: SocketAddr, datagram: &[u8]) -> bool {
        if stun::is_stun(datagram) {
            let known = self.answered.len() < MAX_ADDRESSES || self.answered.contains(&from);
            return known && !stun::is_of_controlled(datagram);
        }
        let is_rtcp = match datagram {
            [128..=191, kind, ..] => (192..=223).contains(kind),
            // DTLS. What is nothing of RFC 7983, 7, `rtc` may take for STUN.
            [first, ..] => return (20..64).contains(first),
            [] => return false,
        };
        let at = if is_rtcp { 4 } else { 8 };
        let Some(ssrc) = datagram.get(at..).and_then(|rest| rest.first_chunk()).copied().map(u32::from_be_bytes) else {
            return false;
        };
        let known = self.ssrcs.contains(&ssrc) || (self.ssrcs.len() < MAX_SSRCS && self.ssrcs.insert(ssrc));
        known && (is_rtcp || self.receives)
    }

    pub fn next_event(&mut self) -> Option<PeerEvent> {
        self.events.pop_front()
    }

    fn settle(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) => self.changed(state),
                RTCPeerConnectionEvent::OnTrack(RTCTrackEvent::OnOpen(track)) => self.opened(track),
                RTCPeerConnectionEvent::OnDataChannel(event) => self.channel(&event),
                _ => {}
            }
        }
        while let Some(read) = self.connection.poll_read() {
            match read.message {
                RTCMessage::RtpPacket(_, packet) => self.events.push_back(PeerEvent::Rtp(packet)),
                RTCMessage::DataChannelMessage(id, message) if message.data.len() <= MAX_MESSAGE => {
                    if let Some((_, label)) = self.channels.iter().find(|(known, _)| *known == id) {
                        let (channel, data) = (label.clone(), message.data.freeze());
                        self.events.push_back(PeerEvent::Message { channel, data });
                    }
                }
                _ => {}
            }
        }
        while let Some(heard) = self.hearing.next() {
            match heard {
                Heard::KeyFrameWanted { ssrc } => {
                    let wanted = self.outgoing.iter().find(|outgoing| outgoing.ssrc == ssrc);
                    self.events.extend(wanted.map(|outgoing| PeerEvent::KeyFrameWanted(outgoing.id)));
                }
                Heard::Report { ssrc, ntp, rtp } => self.events.push_back(PeerEvent::Report { ssrc, ntp, rtp }),
            }
        }
    }

    fn changed(&mut self, state: RTCPeerConnectionState) {
        match state {
            RTCPeerConnectionState::Connected if !self.is_connected() => {
                self.has_come = true;
                self.events.push_back(PeerEvent::Connected);
            }
            RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed => self.events.push_back(PeerEvent::Over),
            _ => {}
        }
        self.state = state;
    }

    fn opened(&mut self, track: RTCTrackEventInit) {
        let RTCTrackEventInit { receiver_id, ssrc, rid, .. } = track;
        if self.incoming.len() >= MAX_INCOMING {
            return;
        }
        let mid = self.connection.rtp_transceiver(receiver_id.into()).and_then(|one| one.mid().clone());
        let Some(mut receiver) = self.connection.rtp_receiver(receiver_id) else { return };
        let kind = match receiver.track().kind() {
            RtpCodecKind::Video => Kind::Video,
            RtpCodecKind::Audio => Kind::Audio,
            _ => return,
        };
        let extensions = &receiver.get_parameters().rtp_parameters.header_extensions;
        let level = extensions.iter().find(|extension| extension.uri == rtc::sdp::extmap::AUDIO_LEVEL_URI);
        let level_extension = level.and_then(|extension| u8::try_from(extension.id).ok());
        self.incoming.insert(ssrc, receiver_id);
        self.events.push_back(PeerEvent::Opened(Incoming { ssrc, kind, mid, rid, level_extension }));
    }

    fn channel(&mut self, event: &RTCDataChannelEvent) {
        match event {
            RTCDataChannelEvent::OnOpen(id) => {
                let label = self.connection.data_channel(*id).map(|channel| channel.label().to_owned());
                self.channels_opened += 1;
                match label {
                    Some(label) if self.channels_opened <= MAX_CHANNELS && label.len() <= MAX_LABEL => {
                        self.channels.push((*id, label.clone()));
                        self.events.push_back(PeerEvent::ChannelOpened(label));
                    }
                    // Each is remembered for ever.
                    _ => self.events.push_back(PeerEvent::Over),
                }
            }
            RTCDataChannelEvent::OnClose(id) => self.channels.retain(|(known, _)| known != id),
            _ => {}
        }
    }
}

/// Tells what it finds.
struct Estimator {
    gcc: Gcc,
    /// 0: nothing yet.
    told: Arc<AtomicU64>,
}

impl BandwidthEstimator for Estimator {
    fn on_reports(&mut self, now: Instant, reports: &[PacketReport]) {
        self.gcc.on_reports(now, reports);
        self.told.store(self.gcc.target_bitrate() as u64, Ordering::Relaxed);
    }

    fn target_bitrate(&self) -> f64 {
        self.gcc.target_bitrate()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.gcc.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.gcc.poll_timeout()
    }
}

/// Whether a datagram begins with an alert of DTLS (RFC 6347, 4.1; RFC 5246, A.1).
fn is_alert(datagram: &[u8]) -> bool {
    matches!(datagram, [21, 254, ..])
}

impl Identity {
    fn candidates(&self) -> Vec<Remote> {
        let over = |addresses: &[SocketAddr], over| -> Vec<Remote> {
            addresses.iter().map(|address| Remote { address: *address, over }).collect()
        };
        [over(&self.addresses, Transport::Udp), over(&self.tcp_addresses, Transport::Tcp)].concat()
    }
}

/// One of the box's own addresses. TCP connections come in, and none goes out (RFC 6544).
fn host(Remote { address, over }: Remote) -> Result<rtc::ice::candidate::Candidate, Error> {
    let (network, tcp_type) = match over {
        Transport::Udp => ("udp", TcpType::Unspecified),
        Transport::Tcp => ("tcp", TcpType::Passive),
    };
    let base_config = CandidateConfig {
        network: network.to_owned(),
        address: address.ip().to_string(),
        port: address.port(),
        component: 1,
        ..CandidateConfig::default()
    };
    CandidateHostConfig { base_config, tcp_type }.new_candidate_host()
}

/// What the answer gave a codec; `None` where the offer hasn't it.
fn payload_type(connection: &mut RTCPeerConnection, out: OutId, mime: &str) -> Option<u8> {
    connection.rtp_transceiver(out.0.into())?.mid().as_ref()?;
    let mut sender = connection.rtp_sender(out.0)?;
    let codecs = &sender.get_parameters().rtp_parameters.codecs;
    codecs.iter().find(|codec| codec.rtp_codec.mime_type.eq_ignore_ascii_case(mime)).map(|codec| codec.payload_type)
}
