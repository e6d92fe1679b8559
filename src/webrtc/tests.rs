//! A viewer of ours and a browser's part, on a simulated network: seeded loss, delay, jitter, a bottleneck with a
//! queue, and simulated time.
#![allow(clippy::disallowed_methods, reason = "simulated time begins somewhere")]

use super::layers::Layer;
use super::packets::{Kind, Packets};
use super::path::Way;
use super::peer::{Identity, Peer, PeerEvent};
use super::viewer::{Numbers, Viewer};
use crate::time::{MonoTime, Timescale};
use bytes::{Bytes, BytesMut};
use rtc::crypto::{SignatureScheme, default_provider};
use rtc::interceptor::{NackGeneratorBuilder, Registry, Slot};
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
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What waits in front of the bottleneck at most; the rest is lost.
const QUEUE: Duration = Duration::from_millis(250);

/// On its way: when it arrives, a number, whether to the browser, what.
type Datagram = (Instant, u64, bool, Vec<u8>);

/// A packet of a picture that arrived.
struct Arrived {
    timestamp: u32,
    rung: u8,
    at: Instant,
}

struct Net {
    peer: Peer,
    viewer: Viewer,
    browser: RTCPeerConnection,
    ours: SocketAddr,
    theirs: SocketAddr,
    now: Instant,
    flying: BinaryHeap<Reverse<Datagram>>,
    sent: u64,
    delay: Duration,
    jitter_ms: u64,
    lost_percent: u64,
    /// To the browser, bits a second, and until when it is taken.
    bottleneck: Option<u64>,
    busy_until: Instant,
    seed: u64,
    /// What arrived of the pictures, by sequence numbers that don't wrap.
    arrived: BTreeMap<u64, Arrived>,
    newest: u64,
    sound: Vec<(u16, Instant)>,
    /// The stream's renditions: their bits a second, and pictures that wait for one that is a key frame.
    rungs: Vec<(u64, bool)>,
    tick: u32,
    looked: Instant,
    key_frames_asked: Vec<(u8, Instant)>,
}

impl Net {
    fn new(lost_percent: u64) -> Self {
        let (ours, theirs) = ("10.0.0.1:8189".parse().expect("one"), "10.0.0.2:5000".parse().expect("one"));
        let now = Instant::now();
        let mut media = MediaEngine::default();
        media.register_default_codecs().expect("codecs");
        // It doesn't know what came again, and would ask for ever.
        let asks = NackGeneratorBuilder::new().with_max_nacks_per_packet(4).build();
        let registry = register_default_interceptors(Registry::new(), &mut media).expect("interceptors");
        let registry = registry.with(Slot::NackGenerator, asks);
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
        let mut net = Self {
            peer,
            viewer,
            browser,
            ours,
            theirs,
            now,
            flying: BinaryHeap::new(),
            sent: 0,
            delay: Duration::from_millis(20),
            jitter_ms: 0,
            lost_percent: 0,
            bottleneck: None,
            busy_until: now,
            seed: 7,
            arrived: BTreeMap::new(),
            newest: 65_500,
            sound: Vec::new(),
            rungs: vec![(648_000, false)],
            tick: 0,
            looked: now,
            key_frames_asked: Vec::new(),
        };
        net.pass(Duration::from_secs(5), |net| net.peer.is_connected());
        assert!(net.peer.is_connected(), "they find each other");
        // The browser hears of it a little later.
        net.pass(Duration::from_millis(200), |_| false);
        net.lost_percent = lost_percent;
        net
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    /// When something that is sent now arrives; `None`: it is lost.
    fn arrives(&mut self, to_browser: bool, bytes: usize) -> Option<Instant> {
        if self.random(100) < self.lost_percent {
            return None;
        }
        let mut leaves = self.now;
        if let Some(bps) = self.bottleneck.filter(|_| to_browser) {
            let begins = self.busy_until.max(self.now);
            if begins > self.now + QUEUE {
                return None;
            }
            leaves = begins + Duration::from_nanos(bytes as u64 * 8_000_000_000 / bps);
            self.busy_until = leaves;
        }
        let jitter = self.jitter_ms.checked_sub(1).map_or(0, |most| self.random(most + 2));
        Some(leaves + self.delay + Duration::from_millis(jitter))
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
            if let Some(at) = self.arrives(to_browser, bytes.len()) {
                self.sent += 1;
                self.flying.push(Reverse((at, self.sent, to_browser, bytes.to_vec())));
            }
        }
    }

    fn pass(&mut self, span: Duration, over: impl Fn(&Self) -> bool) {
        let end = self.now + span;
        while self.now < end && !over(self) {
            self.send();
            let next = self.flying.peek().map(|Reverse((at, ..))| *at);
            let timeouts = [self.peer.next_timeout(), self.browser.poll_timeout(), next];
            let next = timeouts.into_iter().flatten().min().unwrap_or(end);
            self.now =
                next.clamp(self.now + Duration::from_micros(500), end.max(self.now + Duration::from_micros(500)));
            while self.flying.peek().is_some_and(|Reverse((at, ..))| *at <= self.now) {
                let Some(Reverse((_, _, to_browser, message))) = self.flying.pop() else { break };
                if to_browser {
                    let transport = TransportContext {
                        local_addr: self.theirs,
                        peer_addr: self.ours,
                        transport_protocol: TransportProtocol::UDP,
                        ecn: None,
                    };
                    let message = BytesMut::from(&*message);
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
                    let rtc::rtp::Header { ssrc, sequence_number, timestamp, .. } = packet.header;
                    if ssrc == 13 {
                        self.sound.push((sequence_number, self.now));
                    } else if let Some(rung) = packet.payload.get(1) {
                        let ahead = sequence_number.wrapping_sub(self.newest as u16) as i16;
                        let number = self.newest.saturating_add_signed(ahead.into());
                        self.newest = self.newest.max(number);
                        self.arrived.entry(number).or_insert(Arrived { timestamp, rung: *rung, at: self.now });
                    }
                }
            }
        }
    }

    /// Seconds of a stream: 30 pictures of each rendition, 50 packets of sound. A key frame is one that is asked for.
    fn play(&mut self, seconds: u32) {
        for _ in 0..seconds * 150 {
            if self.tick.is_multiple_of(5) {
                for rung in 0..self.rungs.len() {
                    let (bps, key) = self.rungs[rung];
                    if bps == 0 {
                        continue;
                    }
                    let first = self.tick == 0;
                    self.rungs[rung].1 = false;
                    // A key frame has thrice the bytes.
                    let bytes = (bps / 240) as usize * if key { 3 } else { 1 };
                    let count = bytes.div_ceil(1_100);
                    let packets = Packets {
                        kind: Kind::Video,
                        rung: rung as u8,
                        // Those of smaller ones come a little later.
                        timestamp: (self.tick * 600).wrapping_sub(rung as u32 * 400),
                        starts: first || key,
                        payloads: vec![Bytes::from(vec![rung as u8; bytes / count]); count],
                        captured: MonoTime::from_ticks(0, Timescale::VIDEO),
                    };
                    self.viewer.send(&mut self.peer, &packets, self.now);
                }
            }
            if self.tick.is_multiple_of(3) {
                let payloads = vec![Bytes::from_static(&[0xF8, 0xFF, 0xFE])];
                let packets = Packets {
                    kind: Kind::Audio,
                    rung: 0,
                    timestamp: self.tick * 320,
                    starts: true,
                    payloads,
                    captured: MonoTime::from_ticks(0, Timescale::VIDEO),
                };
                self.viewer.send(&mut self.peer, &packets, self.now);
            }
            self.tick += 1;
            self.look();
            self.pass(Duration::from_nanos(6_666_667), |_| false);
        }
    }

    /// As the server does, four times a second.
    fn look(&mut self) {
        if self.looked + Duration::from_millis(250) > self.now {
            return;
        }
        self.looked = self.now;
        let layer = |(rung, (rate_bps, _)): (usize, &(u64, bool))| Layer {
            id: rung as u8,
            height: 720 >> rung,
            rate_bps: *rate_bps,
            awake: *rate_bps > 0,
        };
        let renditions: Vec<_> = self.rungs.iter().enumerate().map(layer).collect();
        self.viewer.choose(&self.peer, &renditions, self.now);
        if let Some(rung) = self.viewer.waits_for() {
            self.rungs[usize::from(rung)].1 = true;
            self.key_frames_asked.push((rung, self.now));
        }
    }

    /// How long no packet of a picture came at the longest, from a moment on.
    fn longest_freeze(&self, from: Instant) -> Duration {
        let mut at: Vec<_> = self.arrived.values().map(|arrived| arrived.at).filter(|at| *at >= from).collect();
        at.sort();
        at.windows(2).map(|pair| pair[1] - pair[0]).max().expect("pictures")
    }

    /// Which rendition the newest packet is of.
    fn shown(&self) -> u8 {
        self.arrived.last_key_value().expect("pictures").1.rung
    }

    /// What holds whatever the network does: one stream of numbers, in which time goes on.
    fn assert_one_stream(&self) {
        let times: Vec<u32> = self.arrived.values().map(|arrived| arrived.timestamp).collect();
        assert!(times.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) < 900_000), "time goes back");
        let mut rungs: BTreeMap<u32, u8> = BTreeMap::new();
        for arrived in self.arrived.values() {
            let rung = *rungs.entry(arrived.timestamp).or_insert(arrived.rung);
            assert_eq!(rung, arrived.rung, "two renditions in one picture");
        }
    }
}

/// A picture of three renditions.
fn three() -> Vec<(u64, bool)> {
    vec![(2_500_000, false), (900_000, false), (250_000, false)]
}

#[test]
fn a_browser_gets_every_packet_of_picture_and_sound() {
    let mut net = Net::new(0);
    net.play(2);
    net.pass(Duration::from_secs(1), |_| false);
    assert_eq!(net.arrived.len(), 2 * 30 * 3);
    assert_eq!(net.sound.len(), 2 * 50);
    assert!(net.key_frames_asked.is_empty(), "who has one rendition waits for none");
}

#[test]
fn five_lost_in_a_hundred_are_sent_again_and_nothing_freezes() {
    let mut net = Net::new(5);
    net.play(10);
    net.pass(Duration::from_secs(1), |_| false);
    let missing = 10 * 30 * 3 - net.arrived.len();
    assert!(missing <= 3, "{missing} packets of 900 never came");
    let began = net.arrived.values().next().expect("pictures").at;
    assert!(net.longest_freeze(began) < Duration::from_millis(120), "{:?}", net.longest_freeze(began));
}

#[test]
fn jitter_and_what_is_overtaken_change_nothing() {
    let mut net = Net::new(1);
    (net.jitter_ms, net.rungs) = (8, three());
    net.play(20);
    net.pass(Duration::from_secs(1), |_| false);
    net.assert_one_stream();
    assert_eq!(net.shown(), 0, "the largest");
    let (first, last) = (net.arrived.first_key_value().expect("some"), net.arrived.last_key_value().expect("some"));
    let missing = last.0 - first.0 + 1 - net.arrived.len() as u64;
    assert!(missing * 200 < net.arrived.len() as u64, "{missing} of {} never came", net.arrived.len());
}

#[test]
fn an_estimate_follows_the_link_down_within_seconds_and_up_again() {
    let mut net = Net::new(0);
    net.rungs = three();
    net.bottleneck = Some(4_000_000);
    net.play(15);
    assert_eq!(net.shown(), 0, "all of it fits");
    let high = net.peer.estimate_bps().expect("it tells");
    net.bottleneck = Some(500_000);
    net.play(4);
    let low = net.peer.estimate_bps().expect("it tells");
    assert!(high > 2_000_000 && low < 600_000, "{high} {low}");
    net.bottleneck = Some(4_000_000);
    net.play(30);
    let again = net.peer.estimate_bps().expect("it tells");
    assert!(again > 1_000_000, "{again}");
}

#[test]
fn on_a_narrowed_link_the_smaller_rendition_is_shown_and_then_the_larger_one_again() {
    let mut net = Net::new(0);
    net.rungs = three();
    net.bottleneck = Some(4_000_000);
    net.play(12);
    assert_eq!(net.shown(), 0);
    let narrowed = net.now;
    net.bottleneck = Some(500_000);
    net.play(5);
    assert_eq!(net.shown(), 2, "what fits");
    // It takes what is on its way, the estimate, a key frame.
    assert!(net.longest_freeze(narrowed) < Duration::from_millis(1_500), "{:?}", net.longest_freeze(narrowed));
    let settled = net.now;
    net.play(10);
    assert!(net.longest_freeze(settled) < Duration::from_millis(700), "{:?}", net.longest_freeze(settled));
    let widened = net.now;
    net.bottleneck = Some(4_000_000);
    while net.shown() != 0 && net.now < widened + Duration::from_secs(90) {
        net.play(5);
    }
    assert_eq!(net.shown(), 0);
    assert!(net.longest_freeze(widened) < Duration::from_millis(300), "{:?}", net.longest_freeze(widened));
    net.assert_one_stream();

    // The sound is one stream throughout, and comes whole where the link isn't full.
    let heard = |from, to| net.sound.iter().filter(|(_, at)| (from..to).contains(at)).count();
    let (quiet, span) = (settled + Duration::from_secs(5), Duration::from_secs(5));
    assert!(heard(quiet, quiet + span) >= 245, "{}", heard(quiet, quiet + span));
    let (whole, seconds) = (heard(widened, net.now), (net.now - widened).as_secs() as usize);
    assert!(whole >= seconds * 49, "{whole} in {seconds} s");
    let asked = net.key_frames_asked.len();
    assert!(asked < 30, "{asked} key frames were asked for");
}

#[test]
fn who_publishes_puts_a_layer_off_and_its_viewers_move() {
    let mut net = Net::new(0);
    net.rungs = three();
    net.play(12);
    assert_eq!(net.shown(), 0);
    net.rungs[0].0 = 0;
    let put_off = net.now;
    net.play(2);
    assert_eq!(net.shown(), 1);
    assert!(net.longest_freeze(put_off) < Duration::from_millis(700), "{:?}", net.longest_freeze(put_off));
    net.rungs[0].0 = 2_500_000;
    net.play(10);
    assert_eq!(net.shown(), 0);
    net.assert_one_stream();
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
    assert!(net.flying.iter().any(|Reverse((_, _, to_browser, bytes))| *to_browser && bytes.starts_with(&[21, 254])));
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
