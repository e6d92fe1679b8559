//! What is negotiated: H.264 and Opus, what goes with their packets, and how loss is told of.

use super::packets::Kind;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_RTX, MediaEngine};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use rtc::sdp::extmap::{AUDIO_LEVEL_URI, TRANSPORT_CC_URI};
use rtc::shared::error::Error;

/// The profiles that browsers offer for H.264, and the payload types that this side would give them: an answer
/// takes the offer's.
const PROFILES: [(&str, u8); 5] = [("42e01f", 96), ("42001f", 98), ("4d001f", 100), ("640032", 102), ("64001f", 104)];
const OPUS: u8 = 111;

/// With `repairs`, what is lost on the way to a peer comes again in a stream of its own (RTX, RFC 4588), and else
/// as it was: from peers, `rtc` understands only the latter.
pub fn engine(repairs: bool) -> Result<MediaEngine, Error> {
    with(&PROFILES, repairs)
}

/// For one who offers: what it sends is of this profile (`profile-level-id`); and of the one that everybody takes, as
/// few servers look closely.
pub fn offering(profile: Option<&str>) -> Result<MediaEngine, Error> {
    let [(common, first), (_, second), ..] = PROFILES;
    let own = profile.filter(|profile| !profile.starts_with("42e0")).map(|profile| (profile, second));
    let common = profile.filter(|_| own.is_none()).unwrap_or(common);
    let profiles: Vec<_> = own.into_iter().chain([(common, first)]).collect();
    with(&profiles, true)
}

fn with(profiles: &[(&str, u8)], repairs: bool) -> Result<MediaEngine, Error> {
    let mut media = MediaEngine::default();
    let feedback = |typ: &str, parameter: &str| RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() };
    for &(profile, payload_type) in profiles {
        let rtp_codec = RTCRtpCodec {
            mime_type: MIME_TYPE_H264.to_owned(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}"),
            rtcp_feedback: vec![feedback("ccm", "fir"), feedback("nack", ""), feedback("nack", "pli")],
        };
        register(&mut media, rtp_codec, payload_type, RtpCodecKind::Video)?;
        if repairs {
            let rtp_codec = RTCRtpCodec {
                mime_type: MIME_TYPE_RTX.to_owned(),
                clock_rate: 90_000,
                sdp_fmtp_line: format!("apt={payload_type}"),
                ..RTCRtpCodec::default()
            };
            register(&mut media, rtp_codec, payload_type + 1, RtpCodecKind::Video)?;
        }
    }
    register(&mut media, opus(), OPUS, RtpCodecKind::Audio)?;
    let level = RTCRtpHeaderExtensionCapability { uri: AUDIO_LEVEL_URI.to_owned() };
    media.register_header_extension(level, RtpCodecKind::Audio, None)?;
    for kind in [RtpCodecKind::Video, RtpCodecKind::Audio] {
        media.register_feedback(feedback("transport-cc", ""), kind);
        let numbers = RTCRtpHeaderExtensionCapability { uri: TRANSPORT_CC_URI.to_owned() };
        media.register_header_extension(numbers, kind, None)?;
    }
    Ok(media)
}

fn register(
    media: &mut MediaEngine,
    rtp_codec: RTCRtpCodec,
    payload_type: u8,
    kind: RtpCodecKind,
) -> Result<(), Error> {
    let codec = RTCRtpCodecParameters { rtp_codec, payload_type };
    media.register_codec(codec, kind)
}

pub fn h264() -> RTCRtpCodec {
    RTCRtpCodec { mime_type: MIME_TYPE_H264.to_owned(), clock_rate: 90_000, ..RTCRtpCodec::default() }
}

pub fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1".to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

/// Whether an offer has any media, and one of these codecs for some of it; `rtc` calls an offer with others nonsense.
/// An offer without media is left to it.
pub fn are_in(offer: &str) -> bool {
    names(offer).next().is_none() || has(offer, Kind::Video) || has(offer, Kind::Audio)
}

/// Whether an offer has the codec of a kind.
pub fn has(offer: &str, kind: Kind) -> bool {
    let ours = if kind == Kind::Video { "h264" } else { "opus" };
    names(offer).any(|name| name.eq_ignore_ascii_case(ours))
}

fn names(offer: &str) -> impl Iterator<Item = &str> {
    let mapped = offer.lines().filter_map(|line| line.strip_prefix("a=rtpmap:")?.split_once(' '));
    mapped.filter_map(|(_, codec)| codec.trim().split('/').next())
}
