//! Offers as encoders write them where browsers don't, and the answers to them. Pure.

/// What FFmpeg 8 makes of a constrained baseline's constraints: its own flag's number, in three digits of which there
/// are to be two.
const CONSTRAINED_BY_FFMPEG: &str = "200";

/// The offer as `rtc` can take it: with profiles that have a name (RFC 6184 8.1), and groups of sections that are
/// there (RFC 9143 7.2.1).
pub fn mended(offer: &str) -> String {
    let mids: Vec<&str> = offer.lines().filter_map(|line| line.strip_prefix("a=mid:")).map(str::trim).collect();
    let lines = offer.lines().map(|line| match line.strip_prefix("a=group:BUNDLE ") {
        Some(group) => {
            let there: Vec<_> = group.split_ascii_whitespace().filter(|mid| mids.contains(mid)).collect();
            format!("a=group:BUNDLE {}", there.join(" "))
        }
        None => profile_mended(line).unwrap_or_else(|| line.to_owned()),
    });
    lines.flat_map(|line| [line, "\r\n".to_owned()]).collect()
}

/// `None`: there is nothing to mend.
fn profile_mended(line: &str) -> Option<String> {
    const KEY: &str = "profile-level-id=";
    let at = line.starts_with("a=fmtp:").then(|| line.find(KEY)).flatten()? + KEY.len();
    let (before, id) = line.split_at_checked(at)?;
    let end = id.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(id.len());
    let (id, after) = id.split_at_checked(end)?;
    let (profile, rest) = id.split_at_checked(2)?;
    let level = rest.strip_prefix(CONSTRAINED_BY_FFMPEG).filter(|level| level.len() == 2)?;
    Some(format!("{before}{profile}e0{level}{after}"))
}

/// The answer with the role that is left (RFC 8842 5.3): who offers to wait for the handshake is called.
pub fn with_role(answer: String, offer: &str) -> String {
    let waits = offer.lines().any(|line| line.trim_end() == "a=setup:passive");
    if waits { answer.replace("a=setup:passive", "a=setup:active") } else { answer }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "some moment to begin at")]
mod tests {
    use super::super::packets::Kind;
    use super::super::path::Way;
    use super::super::peer::{Identity, Peer, Settings};
    use super::*;
    use rtc::crypto::{SignatureScheme, default_provider};
    use rtc::peer_connection::certificate::{CertificateParams, RTCCertificate};
    use rtc::stun::attributes::{ATTR_USE_CANDIDATE, ATTR_USERNAME, RawAttribute};
    use rtc::stun::fingerprint::FINGERPRINT;
    use rtc::stun::integrity::MessageIntegrity;
    use rtc::stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message, Setter, TransactionId};
    use rtc::stun::textattrs::TextAttribute;
    use rtc::stun::xoraddr::XorMappedAddress;
    use std::net::SocketAddr;
    use std::time::Instant;

    const PRINT: &str =
        "AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99";

    /// The shape of FFmpeg 8's offer (libavformat/whip.c, `generate_sdp_offer`, as looked up in 2026-11): one codec a
    /// section, `setup:passive`, no candidates, no feedback, a group of both sections even where there is one only.
    fn ffmpeg(profile: &str, with_audio: bool) -> String {
        let section = |kind: &str, mid: u8, payload: u8, codec: &str| {
            format!(
                "m={kind} 9 UDP/TLS/RTP/SAVPF {payload}\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:0a1b2c3d\r\n\
                 a=ice-pwd:00112233445566778899aabbccddeeff\r\na=fingerprint:sha-256 {PRINT}\r\na=setup:passive\r\n\
                 a=mid:{mid}\r\na=sendonly\r\na=msid:FFmpeg {kind}\r\na=rtcp-mux\r\na=rtpmap:{payload} {codec}\r\n\
                 a=ssrc:{}0 cname:FFmpeg\r\na=ssrc:{}0 msid:FFmpeg {kind}\r\n",
                mid + 1,
                mid + 1,
            )
        };
        let audio = if with_audio { section("audio", 0, 111, "opus/48000/2") } else { String::new() };
        let fmtp = format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}");
        let video = section("video", 1, 106, &format!("H264/90000\r\na=fmtp:106 {fmtp}"));
        format!(
            "v=0\r\no=FFmpeg 4489045141692799359 2 IN IP4 127.0.0.1\r\ns=FFmpegPublishSession\r\nt=0 0\r\n\
             a=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n{audio}{video}"
        )
    }

    /// The shape of OBS 30's (plugins/obs-webrtc/whip-output.cpp over libdatachannel's description.cpp, likewise): one
    /// fingerprint for the session, a group for lip-sync, codecs with feedback, candidates or none.
    fn obs(candidates: &str) -> String {
        let section = |kind: &str, mid: u8, payload: u8, codec: &str| {
            format!(
                "m={kind} 9 UDP/TLS/RTP/SAVPF {payload}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=sendonly\r\n\
                 a=ssrc:{}0 cname:c\r\na=ssrc:{}0 msid:s s-{kind}\r\na=msid:s s-{kind}\r\na=rtcp-mux\r\n\
                 a=rtpmap:{payload} {codec}\r\na=setup:actpass\r\na=ice-ufrag:0a1b\r\n\
                 a=ice-pwd:00112233445566778899aabb\r\n",
                mid + 1,
                mid + 1,
            )
        };
        let opus =
            "opus/48000/2\r\na=fmtp:111 minptime=10;maxaveragebitrate=96000;stereo=1;sprop-stereo=1;useinbandfec=1";
        let h264 = "H264/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 goog-remb\r\n\
                    a=fmtp:96 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1";
        format!(
            "v=0\r\no=rtc 1234567890 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=group:LS 0 1\r\n\
             a=msid-semantic:WMS *\r\na=ice-options:ice2,trickle\r\na=fingerprint:sha-256 {PRINT}\r\n{}{candidates}{}",
            section("audio", 0, 111, opus),
            section("video", 1, 96, h264)
        )
    }

    fn ours() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 8189))
    }

    fn answered(offer: &str) -> (Peer, String) {
        let provider = default_provider().expect("ring");
        let params = CertificateParams::new(vec!["box".to_owned()]).expect("a name");
        let certificate =
            RTCCertificate::generate(provider.crypto(), SignatureScheme::EcdsaP256Sha256, params).expect("one");
        let identity = Identity { certificate, addresses: vec![ours()], tcp_addresses: Vec::new() };
        let settings = Settings { receives: true, ..Settings::default() };
        let mut peer = Peer::new(&identity, settings, Instant::now()).expect("a peer");
        let answer = peer.answer(offer, Instant::now()).unwrap_or_else(|error| panic!("{error}: {offer}"));
        (peer, answer)
    }

    fn value<'a>(sdp: &'a str, key: &str) -> &'a str {
        sdp.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("no {key}: {sdp}")).trim()
    }

    /// Each section of the answer takes what is offered.
    fn takes(answer: &str, sections: &[(&str, Kind)]) {
        let media: Vec<_> = answer.lines().filter(|line| line.starts_with("m=")).collect();
        assert_eq!(media.len(), sections.len(), "{answer}");
        for (line, (payload, kind)) in media.iter().zip(sections) {
            let name = if *kind == Kind::Video { "m=video " } else { "m=audio " };
            assert!(line.starts_with(name) && !line.contains(" 0 UDP") && line.ends_with(payload), "{line}: {answer}");
        }
        assert_eq!(answer.matches("a=recvonly").count(), sections.len(), "{answer}");
        assert_eq!(value(answer, "a=candidate:").split(' ').nth(7), Some("host"), "FFmpeg wants one: {answer}");
    }

    #[test]
    fn ffmpeg_s_offers_are_answered_by_one_who_calls() {
        for profile in ["42001f", "422001f", "4d001f", "64001f", "4d0028"] {
            let offer = ffmpeg(profile, true);
            let (_, answer) = answered(&offer);
            takes(&answer, &[("111", Kind::Audio), ("106", Kind::Video)]);
            assert_eq!(answer.matches("a=setup:active").count(), 2, "{answer}");
            assert!(!answer.contains("a=setup:passive"), "{answer}");
        }
        let (_, answer) = answered(&ffmpeg("4d001f", false));
        takes(&answer, &[("106", Kind::Video)]);
    }

    /// A message of FFmpeg's, which has neither a priority nor a role (RFC 8445 7.1) in it.
    fn message(parts: &[Box<dyn Setter + '_>], password: &str) -> Vec<u8> {
        let provider = default_provider().expect("ring");
        let integrity =
            MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), provider.crypto());
        let mut message = Message::new();
        message.build(parts).expect("parts that go together");
        integrity.add_to(&mut message).expect("room");
        FINGERPRINT.add_to(&mut message).expect("room");
        message.raw
    }

    /// Everything that goes out, for some time; to FFmpeg alone.
    fn sent(peer: &mut Peer, now: &mut Instant, there: SocketAddr) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for _ in 0..20 {
            all.extend(std::iter::from_fn(|| peer.write()).map(|(way, out)| {
                assert_eq!(way.remote.address, there);
                out.to_vec()
            }));
            let Some(next) = peer.next_timeout() else { break };
            *now = next.max(*now);
            peer.timeout(*now);
        }
        all
    }

    #[test]
    fn a_line_that_only_rtc_would_see_is_refused() {
        let provider = default_provider().expect("ring");
        let params = CertificateParams::new(vec!["box".to_owned()]).expect("a name");
        let certificate =
            RTCCertificate::generate(provider.crypto(), SignatureScheme::EcdsaP256Sha256, params).expect("one");
        let identity = Identity { certificate, addresses: vec![ours()], tcp_addresses: Vec::new() };
        let hidden = format!("{}\ra=candidate:1 1 udp 1 192.0.2.7 53 typ host\r\n", ffmpeg("42e01f", true));
        let settings = Settings { receives: true, ..Settings::default() };
        let mut peer = Peer::new(&identity, settings, Instant::now()).expect("a peer");
        assert!(peer.answer(&hidden, Instant::now()).is_err());
    }

    #[test]
    fn ffmpeg_s_checks_which_all_nominate_are_answered_and_the_handshake_begun() {
        let offer = ffmpeg("422001f", true);
        let (mut peer, answer) = answered(&offer);
        let (mut now, there) = (Instant::now(), SocketAddr::from(([127, 0, 0, 1], 40_000)));
        let username = format!("{}:{}", value(&answer, "a=ice-ufrag:"), value(&offer, "a=ice-ufrag:"));
        let check = || {
            let nominates = RawAttribute { typ: ATTR_USE_CANDIDATE, length: 0, value: Vec::new() };
            let parts: [Box<dyn Setter>; 4] = [
                Box::new(TransactionId::new()),
                Box::new(BINDING_REQUEST),
                Box::new(TextAttribute::new(ATTR_USERNAME, username.clone())),
                Box::new(nominates),
            ];
            message(&parts, value(&answer, "a=ice-pwd:"))
        };
        peer.read(Way::udp(there, ours()), &check(), now);
        // `rtc` asks back first, which is why who may come is known by any STUN that goes there.
        let asked = sent(&mut peer, &mut now, there).into_iter().find(|out| out.starts_with(&[0, 1]));
        let mut back = Message::new();
        back.raw = asked.expect("a check of the box's");
        back.decode().expect("STUN");
        let parts: [Box<dyn Setter>; 3] = [
            Box::new(back.transaction_id),
            Box::new(BINDING_SUCCESS),
            Box::new(XorMappedAddress { ip: ours().ip(), port: ours().port() }),
        ];
        peer.read(Way::udp(there, ours()), &message(&parts, value(&offer, "a=ice-pwd:")), now);
        peer.read(Way::udp(there, ours()), &check(), now);
        let sent = sent(&mut peer, &mut now, there);
        assert!(sent.iter().any(|out| out.starts_with(&[1, 1])), "the check is answered");
        // A handshake's first record (RFC 6347 4.1, 4.2.2): content 22, message 1.
        assert!(sent.iter().any(|out| out.first() == Some(&22) && out.get(13) == Some(&1)), "and FFmpeg called");
    }

    #[test]
    fn obs_s_offer_is_answered() {
        let candidates = "a=candidate:1 1 UDP 2122317823 192.0.2.1 50000 typ host\r\na=end-of-candidates\r\n";
        for offer in [obs(""), obs(candidates)] {
            let (_, answer) = answered(&offer);
            takes(&answer, &[("111", Kind::Audio), ("96", Kind::Video)]);
            assert_eq!(answer.matches("a=setup:passive").count(), 2, "{answer}");
        }
    }

    #[test]
    fn what_needs_no_mending_stays_as_it_is() {
        assert_eq!(mended(&obs("")), obs(""));
        for line in ["a=fmtp:96 profile-level-id=42e01f", "a=fmtp:96 profile-level-id=4220", "a=fmtp:96 apt=200"] {
            assert_eq!(mended(line), format!("{line}\r\n"));
        }
        assert_eq!(mended("a=fmtp:96 profile-level-id=422001f;x=1"), "a=fmtp:96 profile-level-id=42e01f;x=1\r\n");
    }
}
