//! A viewer of ours and a browser's part, on a simulated network: seeded loss, a delay, and simulated time.
#![allow(clippy::disallowed_methods, reason = "simulated time begins somewhere")]

use super::packets::{Kind, Packets};
use super::path::Way;
use super::peer::{Identity, Peer, PeerEvent};
use super::viewer::{Numbers, Viewer};
use crate::time::{MonoTime, Timescale};
use bytes::{Bytes, BytesMut};
use rtc::crypto::{SignatureScheme, default_provider};
use rtc::interceptor::Registry;
use rtc::peer_connection::certificate::{CertificateParams, RTCCertificate};
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::peer_connection::message::RTCMessage;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(5);

struct Net {
    peer: Peer,
    viewer: Viewer,
    browser: RTCPeerConnection,
    ours: SocketAddr,
    theirs: SocketAddr,
    now: Instant,
    /// When, whether to the browser, what.
    flying: VecDeque<(Instant, bool, BytesMut)>,
    delay: Duration,
    lost_percent: u64,
    seed: u64,
    /// Sequence numbers and payload sizes of the pictures that arrived.
    arrived: BTreeSet<u16>,
    sound: usize,
}

impl Net {
    fn new(lost_percent: u64) -> Self {
        let (ours, theirs) = ("10.0.0.1:8189".parse().expect("one"), "10.0.0.2:5000".parse().expect("one"));
        let now = Instant::now();
        let mut media = MediaEngine::default();
        media.register_default_codecs().expect("codecs");
        let registry = register_default_interceptors(Registry::new(), &mut media).expect("interceptors");
        let mut browser = RTCPeerConnectionBuilder::new()
            .with_media_engine(media)
            .with_interceptor_registry(registry)
            .build(now)
            .expect("a browser");
        for kind in [RtpCodecKind::Video, RtpCodecKind::Audio] {
            let only = RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Recvonly,
                ..RTCRtpTransceiverInit::default()
            };
            browser.add_transceiver_from_kind(kind, Some(only)).expect("a transceiver");
        }
        let base_config = CandidateConfig {
            network: "udp".to_owned(),
            address: "10.0.0.2".to_owned(),
            port: 5_000,
            component: 1,
            ..CandidateConfig::default()
        };
        let candidate =
            CandidateHostConfig { base_config, ..CandidateHostConfig::default() }.new_candidate_host().expect("one");
        browser.add_local_candidate(RTCIceCandidate::from(&candidate).to_json().expect("JSON")).expect("added");
        let offer = browser.create_offer(None).expect("an offer");
        browser.set_local_description(now, offer).expect("set");
        let offer = browser.local_description().expect("it").sdp;

        let provider = default_provider().expect("ring");
        let params = CertificateParams::new(vec!["box".to_owned()]).expect("a name");
        let certificate =
            RTCCertificate::generate(provider.crypto(), SignatureScheme::EcdsaP256Sha256, params).expect("one");
        let numbers = Numbers { ssrcs: [11, 12, 13, 14], sequence_numbers: [65_500, 7] };
        let identity = Identity { certificate, addresses: vec![ours], tcp_addresses: Vec::new() };
        let (peer, viewer, answer) = Viewer::answer(&offer, &identity, numbers, now).expect("an answer");
        browser.set_remote_description(now, RTCSessionDescription::answer(answer).expect("SDP")).expect("set");
        let flying = VecDeque::new();
        let delay = Duration::from_millis(20);
        let mut net = Self {
            peer,
            viewer,
            browser,
            ours,
            theirs,
            now,
            flying,
            delay,
            lost_percent: 0,
            seed: 7,
            arrived: BTreeSet::new(),
            sound: 0,
        };
        net.pass(Duration::from_secs(5), |net| net.peer.is_connected());
        assert!(net.peer.is_connected(), "they find each other");
        // The browser hears of it a little later.
        net.pass(Duration::from_millis(200), |_| false);
        net.lost_percent = lost_percent;
        net
    }

    fn is_lost(&mut self) -> bool {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % 100 < self.lost_percent
    }

    fn send(&mut self) {
        let mut out = Vec::new();
        while let Some((way, bytes)) = self.peer.write() {
            assert_eq!(way, Way::udp(self.theirs, self.ours));
            out.push((true, bytes));
        }
        while let Some(TaggedBytesMut { message, .. }) = self.browser.poll_write() {
            out.push((false, message));
        }
        for (to_browser, bytes) in out {
            if !self.is_lost() {
                self.flying.push_back((self.now + self.delay, to_browser, bytes));
            }
        }
    }

    fn pass(&mut self, span: Duration, over: impl Fn(&Self) -> bool) {
        let end = self.now + span;
        while self.now < end && !over(self) {
            self.send();
            self.now += STEP;
            while self.flying.front().is_some_and(|(at, ..)| *at <= self.now) {
                let Some((_, to_browser, message)) = self.flying.pop_front() else { break };
                if to_browser {
                    let transport = TransportContext {
                        local_addr: self.theirs,
                        peer_addr: self.ours,
                        transport_protocol: TransportProtocol::UDP,
                        ecn: None,
                    };
                    let _ = self.browser.handle_read(TaggedBytesMut { now: self.now, transport, message });
                } else {
                    self.peer.read(Way::udp(self.theirs, self.ours), &message, self.now);
                }
            }
            if self.peer.next_timeout().is_some_and(|at| at <= self.now) {
                self.peer.timeout(self.now);
            }
            if self.browser.poll_timeout().is_some_and(|at| at <= self.now) {
                let _ = self.browser.handle_timeout(self.now);
            }
            while self.browser.poll_event().is_some() {}
            while let Some(read) = self.browser.poll_read() {
                if let RTCMessage::RtpPacket(_, packet) = read.message {
                    if packet.header.ssrc == 13 {
                        self.sound += 1;
                    } else {
                        self.arrived.insert(packet.header.sequence_number);
                    }
                }
            }
        }
    }

    /// Seconds of a stream: 30 pictures of three packets each, 50 of sound.
    fn play(&mut self, seconds: u32) {
        for tick in 0..seconds * 150 {
            if tick % 5 == 0 {
                let payloads = vec![Bytes::from(vec![0x65; 900]); 3];
                let packets = Packets {
                    kind: Kind::Video,
                    timestamp: tick * 600,
                    starts: tick % 150 == 0,
                    payloads,
                    captured: MonoTime::from_ticks(0, Timescale::VIDEO),
                };
                self.viewer.send(&mut self.peer, &packets, self.now);
            }
            if tick % 3 == 0 {
                let payloads = vec![Bytes::from_static(&[0xF8, 0xFF, 0xFE])];
                let packets = Packets {
                    kind: Kind::Audio,
                    timestamp: tick * 320,
                    starts: true,
                    payloads,
                    captured: MonoTime::from_ticks(0, Timescale::VIDEO),
                };
                self.viewer.send(&mut self.peer, &packets, self.now);
            }
            self.pass(Duration::from_nanos(6_666_667), |_| false);
        }
        self.pass(Duration::from_secs(1), |_| false);
    }
}

#[test]
fn a_browser_gets_every_packet_of_picture_and_sound() {
    let mut net = Net::new(0);
    net.play(2);
    assert_eq!(net.arrived.len(), 2 * 30 * 3);
    assert_eq!(net.sound, 2 * 50);
}

#[test]
fn five_lost_in_a_hundred_are_sent_again() {
    let mut net = Net::new(5);
    net.play(10);
    let missing = 10 * 30 * 3 - net.arrived.len();
    assert!(missing <= 3, "{missing} packets of 900 never came");
}

#[test]
fn who_closes_is_gone_at_once_and_is_answered() {
    let mut net = Net::new(0);
    // Anybody could send one that isn't protected.
    net.peer.read(Way::udp(net.theirs, net.ours), &[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0], net.now);
    net.pass(Duration::from_millis(100), |_| false);
    let is_over =
        |net: &mut Net| std::iter::from_fn(|| net.peer.next_event()).any(|event| matches!(event, PeerEvent::Over));
    assert!(!is_over(&mut net));
    net.browser.close().expect("closes");
    net.pass(Duration::from_millis(30), |_| false);
    assert!(is_over(&mut net), "a way's delay later");
    assert!(net.flying.iter().any(|(_, to_browser, bytes)| *to_browser && bytes.starts_with(&[21, 254])));
}

#[test]
fn nonsense_is_refused() {
    let provider = default_provider().expect("ring");
    let params = CertificateParams::new(vec!["box".to_owned()]).expect("a name");
    let certificate =
        RTCCertificate::generate(provider.crypto(), SignatureScheme::EcdsaP256Sha256, params).expect("one");
    let numbers = Numbers { ssrcs: [1, 2, 3, 4], sequence_numbers: [1, 2] };
    let identity = Identity { certificate, addresses: Vec::new(), tcp_addresses: Vec::new() };
    for offer in ["", "v=0", "hello", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"] {
        assert!(Viewer::answer(offer, &identity, numbers, Instant::now()).is_err(), "{offer:?}");
    }
}
