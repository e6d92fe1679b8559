//! One viewer's connection, sans-IO: an offer in, an answer out, datagrams in and out, and the stream's packets
//! into it.

use super::key_frames::{self, Watch};
use super::packets::{Kind, Packets};
use bytes::BytesMut;
use rtc::interceptor::{Registry, Slot};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::certificate::RTCCertificate;
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::interceptor_registry::{configure_nack, configure_rtcp_reports};
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_RTX, MediaEngine};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::event::RTCPeerConnectionEvent;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCDtlsRole, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp;
use rtc::rtp_transceiver::RTCRtpSenderId;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpRtxParameters, RtpCodecKind,
};
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// ICE calls a peer disconnected after so long without a check, and failed after so long again. Some peers check
/// every 5 s only.
const DISCONNECTED: Duration = Duration::from_secs(15);
const FAILED: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// The profiles that browsers offer for H.264, and the payload types that this side would give them: an answer
/// takes the offer's.
const PROFILES: [(&str, u8); 4] = [("4d001f", 96), ("42e01f", 98), ("42001f", 100), ("640032", 102)];
const OPUS: u8 = 111;

/// What goes out of one kind.
struct Outgoing {
    sender: RTCRtpSenderId,
    ssrc: u32,
    payload_type: u8,
    sequence_number: u16,
}

/// See the module.
pub struct Viewer {
    connection: RTCPeerConnection,
    video: Option<Outgoing>,
    audio: Option<Outgoing>,
    key_frame_wanted: Arc<AtomicBool>,
    state: RTCPeerConnectionState,
    /// A picture was sent that it could begin with.
    begun: bool,
}

/// Numbers that nobody may guess.
#[derive(Debug, Clone, Copy)]
pub struct Numbers {
    pub ssrcs: [u32; 3],
    pub sequence_numbers: [u16; 2],
}

impl Viewer {
    /// `addresses` is where the box can be reached. `Err`: the offer is nothing that can be answered.
    pub fn answer(
        offer: &str,
        certificate: &RTCCertificate,
        addresses: &[SocketAddr],
        numbers: Numbers,
        now: Instant,
    ) -> Result<(Self, String), Error> {
        let key_frame_wanted = Arc::new(AtomicBool::new(false));
        let mut media = codecs()?;
        let registry = configure_rtcp_reports(configure_nack(Registry::new(), &mut media));
        let registry = registry.with(Slot::from(key_frames::PLACE), Watch::new(Arc::clone(&key_frame_wanted)));
        let settings = SettingEngineBuilder::new()
            .with_lite(true)
            .with_answering_dtls_role(RTCDtlsRole::Server)
            .with_ice_timeouts(Some(DISCONNECTED), Some(FAILED), Some(KEEP_ALIVE))
            .build();
        let mut connection = RTCPeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().with_certificates(vec![certificate.clone()]).build())
            .with_setting_engine(settings)
            .with_media_engine(media)
            .with_interceptor_registry(registry)
            .build(now)?;
        let [video_ssrc, rtx_ssrc, audio_ssrc] = numbers.ssrcs;
        let video = connection.add_track(track(RtpCodecKind::Video, video_ssrc, Some(rtx_ssrc)))?;
        let audio = connection.add_track(track(RtpCodecKind::Audio, audio_ssrc, None))?;
        connection.set_remote_description(now, RTCSessionDescription::offer(offer.to_owned())?)?;
        for address in addresses {
            connection.add_local_candidate(RTCIceCandidate::from(&host(*address)?).to_json()?)?;
        }
        let answer = connection.create_answer(None)?;
        connection.set_local_description(now, answer)?;
        let answer = connection.local_description().ok_or(Error::ErrPeerConnLocalDescriptionNil)?.sdp;

        let [video_first, audio_first] = numbers.sequence_numbers;
        let mut outgoing = |sender, ssrc, mime: &str, sequence_number| {
            let payload_type = payload_type(&mut connection, sender, mime)?;
            Some(Outgoing { sender, ssrc, payload_type, sequence_number })
        };
        let video = outgoing(video, video_ssrc, MIME_TYPE_H264, video_first);
        let audio = outgoing(audio, audio_ssrc, MIME_TYPE_OPUS, audio_first);
        let viewer =
            Self { connection, video, audio, key_frame_wanted, state: RTCPeerConnectionState::New, begun: false };
        Ok((viewer, answer))
    }

    /// Whether it takes the stream's pictures, and its sound.
    pub fn takes(&self, kind: Kind) -> bool {
        match kind {
            Kind::Video => self.video.is_some(),
            Kind::Audio => self.audio.is_some(),
        }
    }

    pub fn read(&mut self, from: SocketAddr, to: SocketAddr, datagram: &[u8], now: Instant) {
        let transport =
            TransportContext { local_addr: to, peer_addr: from, transport_protocol: TransportProtocol::UDP, ecn: None };
        let message = BytesMut::from(datagram);
        // What can't be read is nobody's loss but the sender's.
        if let Err(error) = self.connection.handle_read(TaggedBytesMut { now, transport, message }) {
            log::debug!("webrtc: {from}: {error}");
        }
        self.settle();
    }

    pub fn timeout(&mut self, now: Instant) {
        if let Err(error) = self.connection.handle_timeout(now) {
            log::debug!("webrtc: {error}");
        }
        self.settle();
    }

    pub fn next_timeout(&mut self) -> Option<Instant> {
        self.connection.poll_timeout()
    }

    /// The next datagram that is to be sent: to whom, and from which of the box's addresses.
    pub fn write(&mut self) -> Option<(SocketAddr, SocketAddr, BytesMut)> {
        let TaggedBytesMut { transport, message, .. } = self.connection.poll_write()?;
        Some((transport.peer_addr, transport.local_addr, message))
    }

    /// An access unit of the stream; nothing before it is connected and a picture has come with which it can begin.
    pub fn send(&mut self, packets: &Packets, now: Instant) {
        if self.state != RTCPeerConnectionState::Connected {
            return;
        }
        match packets.kind {
            Kind::Video if !self.begun && !packets.starts => return,
            Kind::Video => self.begun = true,
            Kind::Audio => {}
        }
        let outgoing = match packets.kind {
            Kind::Video => &mut self.video,
            Kind::Audio => &mut self.audio,
        };
        let Some(outgoing) = outgoing else { return };
        let last = packets.payloads.len().saturating_sub(1);
        for (index, payload) in packets.payloads.iter().enumerate() {
            let header = rtp::Header {
                version: 2,
                marker: packets.kind == Kind::Video && index == last,
                payload_type: outgoing.payload_type,
                sequence_number: outgoing.sequence_number,
                timestamp: packets.timestamp,
                ssrc: outgoing.ssrc,
                ..rtp::Header::default()
            };
            outgoing.sequence_number = outgoing.sequence_number.wrapping_add(1);
            let Some(mut sender) = self.connection.rtp_sender(outgoing.sender) else { return };
            if let Err(error) = sender.write_rtp(now, rtp::Packet { header, payload: payload.clone() }) {
                log::debug!("webrtc: {error}");
                return;
            }
        }
    }

    /// Whether it asked for a key frame since the last look, or waits for the first one.
    pub fn takes_key_frame_request(&mut self) -> bool {
        self.key_frame_wanted.swap(false, Ordering::Relaxed)
    }

    pub fn is_connected(&self) -> bool {
        self.state == RTCPeerConnectionState::Connected
    }

    pub fn is_over(&self) -> bool {
        matches!(self.state, RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed)
    }

    fn settle(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            if let RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) = event {
                self.state = state;
            }
        }
        // Nothing that viewers send is used but what the interceptors see.
        while self.connection.poll_read().is_some() {}
    }
}

fn codecs() -> Result<MediaEngine, Error> {
    let mut media = MediaEngine::default();
    let feedback = |typ: &str, parameter: &str| RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() };
    for (profile, payload_type) in PROFILES {
        let h264 = RTCRtpCodec {
            mime_type: MIME_TYPE_H264.to_owned(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}"),
            rtcp_feedback: vec![feedback("ccm", "fir"), feedback("nack", ""), feedback("nack", "pli")],
        };
        let again = RTCRtpCodec {
            mime_type: MIME_TYPE_RTX.to_owned(),
            clock_rate: 90_000,
            sdp_fmtp_line: format!("apt={payload_type}"),
            ..RTCRtpCodec::default()
        };
        for (rtp_codec, payload_type) in [(h264, payload_type), (again, payload_type + 1)] {
            let codec = RTCRtpCodecParameters { rtp_codec, payload_type, ..RTCRtpCodecParameters::default() };
            media.register_codec(codec, RtpCodecKind::Video)?;
        }
    }
    let codec = RTCRtpCodecParameters { rtp_codec: opus(), payload_type: OPUS, ..RTCRtpCodecParameters::default() };
    media.register_codec(codec, RtpCodecKind::Audio)?;
    Ok(media)
}

fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1".to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

fn track(kind: RtpCodecKind, ssrc: u32, rtx_ssrc: Option<u32>) -> MediaStreamTrack {
    let codec = match kind {
        RtpCodecKind::Video => {
            RTCRtpCodec { mime_type: MIME_TYPE_H264.to_owned(), clock_rate: 90_000, ..RTCRtpCodec::default() }
        }
        _ => opus(),
    };
    let rtp_coding_parameters = RTCRtpCodingParameters {
        ssrc: Some(ssrc),
        rtx: rtx_ssrc.map(|ssrc| RTCRtpRtxParameters { ssrc }),
        ..RTCRtpCodingParameters::default()
    };
    let encoding =
        RTCRtpEncodingParameters { rtp_coding_parameters, active: true, codec, ..RTCRtpEncodingParameters::default() };
    // One stream, so that browsers keep picture and sound in step.
    MediaStreamTrack::new("box".to_owned(), kind.to_string(), kind.to_string(), kind, vec![encoding])
}

fn host(address: SocketAddr) -> Result<rtc::ice::candidate::Candidate, Error> {
    let base_config = CandidateConfig {
        network: "udp".to_owned(),
        address: address.ip().to_string(),
        port: address.port(),
        component: 1,
        ..CandidateConfig::default()
    };
    CandidateHostConfig { base_config, ..CandidateHostConfig::default() }.new_candidate_host()
}

/// What the answer gave a codec; `None` where the offer hasn't it.
fn payload_type(connection: &mut RTCPeerConnection, sender: RTCRtpSenderId, mime: &str) -> Option<u8> {
    let mut sender = connection.rtp_sender(sender)?;
    let codecs = &sender.get_parameters().rtp_parameters.codecs;
    codecs.iter().find(|codec| codec.rtp_codec.mime_type.eq_ignore_ascii_case(mime)).map(|codec| codec.payload_type)
}
