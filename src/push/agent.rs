//! The connection to the other server, as a full ICE agent, around the `webrtc` crate: the box offers, sends one
//! picture and one sound, and hears when a key frame is wanted.

use crate::media::{Codec, Track};
use crate::webrtc::codecs;
use crate::webrtc::packets::{Kind, Packets};
use crate::webrtc::rtcp::{self, Ears, Heard, Hearing};
use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::{NackResponderBuilder, Registry, Slot, TwccSenderBuilder};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::configure_rtcp_reports;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_H264, MIME_TYPE_OPUS};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpRtxParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::shared::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder, RTCIceGatheringState,
    RTCIceServer, RTCIceTransportPolicy, RTCPeerConnectionIceEvent, RTCPeerConnectionState, RTCSessionDescription,
};
use webrtc::rtp_transceiver::RtpTransceiver;

/// Without an answer to a check, a way counts as interrupted, and after as much again as lost.
const SILENT: Duration = Duration::from_secs(5);
const LOST: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// What happens between two looks: a machine with many addresses finds a few dozen candidates.
const MAX_HAPPENINGS: usize = 256;

/// What has happened at the connection.
#[derive(Debug)]
pub enum Happening {
    /// A way that it may be reached by, as `candidate:…`.
    Candidate(String),
    /// There are no more of them.
    Gathered,
    Connected,
    Over,
}

/// Numbers that nobody may guess.
#[derive(Debug, Clone, Copy)]
pub struct Numbers {
    pub ssrcs: [u32; 3],
    pub sequence_numbers: [u16; 2],
}

struct Outgoing {
    kind: Kind,
    track: Arc<TrackLocalStaticRTP>,
    transceiver: Arc<dyn RtpTransceiver>,
    ssrc: u32,
    sequence_number: u16,
    /// As the answer has it; `None` where it doesn't take this.
    payload_type: Option<u8>,
}

/// Whoever lets go of it ends it: by itself it would go on for ever.
struct Connection(Arc<dyn PeerConnection>);

impl Drop for Connection {
    fn drop(&mut self) {
        let connection = Arc::clone(&self.0);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { connection.close().await });
        }
    }
}

/// See the module.
pub struct Agent {
    connection: Connection,
    happenings: mpsc::Receiver<Happening>,
    hearing: Hearing,
    outgoing: [Outgoing; 2],
    offer: RTCSessionDescription,
}

/// Tells what happens; what nobody has room for is lost, but `MAX_HAPPENINGS` don't come about.
struct Teller(mpsc::Sender<Happening>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Teller {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        if let Ok(candidate) = event.candidate.to_json() {
            let _ = self.0.try_send(Happening::Candidate(candidate.candidate));
        }
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.0.try_send(Happening::Gathered);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let happening = match state {
            RTCPeerConnectionState::Connected => Happening::Connected,
            RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed => Happening::Over,
            _ => return,
        };
        let _ = self.0.try_send(happening);
    }
}

impl Agent {
    /// One that offers to send pictures like `video`'s, and sound. `local`: the server runs on this machine.
    pub async fn new(video: Option<&Track>, local: bool, numbers: Numbers) -> Result<Self, Error> {
        let (tell, happenings) = mpsc::channel(MAX_HAPPENINGS);
        let hearing = Hearing::default();
        let registry = configure_rtcp_reports(Registry::new())
            .with(Slot::NackResponder, NackResponderBuilder::new().build())
            .with(Slot::TwccSender, TwccSenderBuilder::new().build())
            .with(Slot::from(rtcp::PLACE), Ears::new(hearing.clone()));
        let settings = SettingEngineBuilder::new()
            .with_ice_timeouts(Some(SILENT), Some(LOST), Some(KEEP_ALIVE))
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .build();
        // The first two are all addresses that others can reach.
        let mut addresses = vec![IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()];
        addresses.extend(local.then_some(IpAddr::from(Ipv4Addr::LOCALHOST)));
        let connection = PeerConnectionBuilder::new()
            .with_media_engine(codecs::offering(video.and_then(profile).as_deref())?)
            .with_setting_engine(settings)
            .with_interceptor_registry(registry)
            .with_udp_addrs(addresses.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect())
            .with_handler(Arc::new(Teller(tell)))
            .build()
            .await?;
        let connection = Connection(Arc::new(connection));
        let [video, again, audio] = numbers.ssrcs;
        let [video_first, audio_first] = numbers.sequence_numbers;
        let outgoing = [
            outgoing(&*connection.0, Kind::Video, [video, again], video_first).await?,
            outgoing(&*connection.0, Kind::Audio, [audio, audio], audio_first).await?,
        ];
        let offer = connection.0.create_offer(None).await?;
        Ok(Self { connection, happenings, hearing, outgoing, offer })
    }

    /// It has no candidates: what they are is known when the server has said which servers help to find them.
    pub fn offer(&self) -> &str {
        &self.offer.sdp
    }

    /// Takes the server's answer, and looks for ways there. `relay_only`: by TURN servers alone.
    pub async fn answered(
        &mut self,
        answer: String,
        ice_servers: Vec<RTCIceServer>,
        relay_only: bool,
    ) -> Result<(), Error> {
        let policy = if relay_only { RTCIceTransportPolicy::Relay } else { RTCIceTransportPolicy::All };
        let configuration = RTCConfigurationBuilder::new();
        let configuration = configuration.with_ice_servers(ice_servers).with_ice_transport_policy(policy).build();
        self.connection.0.set_configuration(configuration).await?;
        self.connection.0.set_local_description(self.offer.clone()).await?;
        self.connection.0.set_remote_description(RTCSessionDescription::answer(answer)?).await?;
        for outgoing in &mut self.outgoing {
            outgoing.settle().await?;
        }
        Ok(())
    }

    /// Whether the server takes it.
    pub fn takes(&self, kind: Kind) -> bool {
        self.outgoing.iter().any(|outgoing| outgoing.kind == kind && outgoing.payload_type.is_some())
    }

    /// What happens next. Cancel-safe.
    pub async fn next(&mut self) -> Happening {
        self.happenings.recv().await.unwrap_or(Happening::Over)
    }

    /// Whether a key frame was asked for since the last look.
    pub fn wants_key_frame(&self) -> bool {
        let video = self.outgoing.iter().find(|outgoing| outgoing.kind == Kind::Video).map(|outgoing| outgoing.ssrc);
        let mut wanted = false;
        while let Some(heard) = self.hearing.next() {
            wanted |= matches!(heard, Heard::KeyFrameWanted { ssrc } if Some(ssrc) == video);
        }
        wanted
    }

    /// Sends an access unit; bytes of payload. Waits where the connection has much to do.
    pub async fn send(&mut self, packets: &Packets) -> Result<usize, Error> {
        let Some(outgoing) = self.outgoing.iter_mut().find(|outgoing| outgoing.kind == packets.kind) else {
            return Ok(0);
        };
        let Some(payload_type) = outgoing.payload_type else { return Ok(0) };
        let last = packets.payloads.len().saturating_sub(1);
        let mut bytes = 0;
        for (index, payload) in packets.payloads.iter().enumerate() {
            let header = rtp::Header {
                version: 2,
                marker: packets.kind == Kind::Video && index == last,
                payload_type,
                sequence_number: outgoing.sequence_number,
                timestamp: packets.timestamp,
                ssrc: outgoing.ssrc,
                ..rtp::Header::default()
            };
            outgoing.sequence_number = outgoing.sequence_number.wrapping_add(1);
            bytes += payload.len();
            outgoing.track.write_rtp(rtp::Packet { header, payload: payload.clone() }).await?;
        }
        Ok(bytes)
    }

    pub async fn close(self) {
        if let Err(error) = self.connection.0.close().await {
            log::debug!("push: {error}");
        }
    }
}

impl Outgoing {
    /// Looks up what the answer says.
    async fn settle(&mut self) -> Result<(), Error> {
        let direction = self.transceiver.current_direction().await?;
        let sends = matches!(direction, RTCRtpTransceiverDirection::Sendonly | RTCRtpTransceiverDirection::Sendrecv);
        let Some(sender) = self.transceiver.sender().await?.filter(|_| sends) else { return Ok(()) };
        let mime = if self.kind == Kind::Video { MIME_TYPE_H264 } else { MIME_TYPE_OPUS };
        let codecs = sender.get_parameters().await?.rtp_parameters.codecs;
        let codec = codecs.iter().find(|codec| codec.rtp_codec.mime_type.eq_ignore_ascii_case(mime));
        self.payload_type = codec.map(|codec| codec.payload_type);
        Ok(())
    }
}

async fn outgoing(
    connection: &dyn PeerConnection,
    kind: Kind,
    ssrcs: [u32; 2],
    sequence_number: u16,
) -> Result<Outgoing, Error> {
    let [ssrc, again] = ssrcs;
    let (codec_kind, codec, rtx) = match kind {
        Kind::Video => (RtpCodecKind::Video, codecs::h264(), Some(RTCRtpRtxParameters { ssrc: again })),
        Kind::Audio => (RtpCodecKind::Audio, codecs::opus(), None),
    };
    let rtp_coding_parameters = RTCRtpCodingParameters { ssrc: Some(ssrc), rtx, ..RTCRtpCodingParameters::default() };
    let encoding =
        RTCRtpEncodingParameters { rtp_coding_parameters, active: true, codec, ..RTCRtpEncodingParameters::default() };
    // One group, so that receivers keep picture and sound in step.
    let (group, name) = ("box".to_owned(), codec_kind.to_string());
    let track = MediaStreamTrack::new(group.clone(), name.clone(), name, codec_kind, vec![encoding]);
    let track = Arc::new(TrackLocalStaticRTP::new(track));
    let init = RTCRtpTransceiverInit {
        direction: RTCRtpTransceiverDirection::Sendonly,
        streams: vec![group],
        ..RTCRtpTransceiverInit::default()
    };
    let local: Arc<dyn TrackLocal> = Arc::clone(&track) as _;
    let transceiver = connection.add_transceiver_from_track(local, Some(init)).await?;
    Ok(Outgoing { kind, track, transceiver, ssrc, sequence_number, payload_type: None })
}

/// A stream's `profile-level-id` (RFC 6184 8.1), at least at the level that browsers say.
fn profile(track: &Track) -> Option<String> {
    const LEVEL_3_1: u8 = 0x1f;
    let Codec::H264(params) = &track.codec else { return None };
    let &[_, profile, constraints, level, ..] = &*params.sps else { return None };
    // Constrained baseline has two names; this is the one that is understood everywhere.
    let constraints = if profile == 0x42 && constraints & 0x40 != 0 { 0xe0 } else { constraints };
    Some(format!("{profile:02x}{constraints:02x}{:02x}", level.max(LEVEL_3_1)))
}
