//! Rooms of people with real connections on a simulated network: a delay, seeded loss, and simulated time.
#![allow(clippy::disallowed_methods, reason = "simulated time begins somewhere")]

use super::hall::{Coming, Hall, Means, Mixing, Output, Settings};
use super::message::close;
use crate::webrtc::path::Way;
use crate::webrtc::peer::Identity;
use bytes::{Bytes, BytesMut};
use rtc::crypto::{SignatureScheme, default_provider};
use rtc::interceptor::Registry;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::certificate::{CertificateParams, RTCCertificate};
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_H264, MIME_TYPE_OPUS, MediaEngine};
use rtc::peer_connection::message::RTCMessage;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpSenderId, RTCRtpTransceiverDirection, RTCRtpTransceiverId, RTCRtpTransceiverInit};
use rtc::sansio::Protocol;
use rtc::sdp::extmap::AUDIO_LEVEL_URI;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(5);
const DELAY: Duration = Duration::from_millis(20);

fn identity() -> Identity {
    let provider = default_provider().expect("ring");
    let params = CertificateParams::new(vec!["box".to_owned()]).expect("a name");
    let certificate =
        RTCCertificate::generate(provider.crypto(), SignatureScheme::EcdsaP256Sha256, params).expect("one");
    Identity { certificate, addresses: vec![ours()], tcp_addresses: Vec::new() }
}

fn ours() -> SocketAddr {
    "10.0.0.1:8189".parse().expect("one")
}

pub(super) fn settings() -> Settings {
    Settings {
        max_rooms: 2,
        max_people: 4,
        video_bps: 1_500_000,
        audio_bps: 64_000,
        password: None,
        host_password: None,
        ice_servers: Vec::new(),
        peer_to_peer: false,
        mixing: Mixing::default(),
    }
}

pub(super) fn hall(settings: Settings) -> Hall {
    let (identity, mut number) = (identity(), 1_u32);
    let means = Means {
        identity: Box::new(move |_| identity.clone()),
        random: Box::new(move || {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            number
        }),
        streams: Box::new(|| vec!["camera".to_owned(), "vestry".to_owned()]),
        unix_ms: Box::new(|| 7),
    };
    Hall::new(settings, means)
}

pub(super) fn coming(line: u64) -> Coming {
    let address = IpAddr::from([10, 0, 0, u8::try_from(line + 10).expect("few")]);
    let views = std::sync::Arc::new(|stream: &str| stream != "vestry");
    Coming { room: "choir".to_owned(), address, host: false, views }
}

/// What a line was told, and how it was closed.
pub(super) fn told(hall: &mut Hall, line: u64) -> (Vec<Value>, Option<u16>) {
    let (mut said, mut closed) = (Vec::new(), None);
    while let Some(output) = hall.next_output() {
        match output {
            Output::Say(to, text) if to == line => said.push(serde_json::from_str(&text).expect("JSON")),
            Output::Close(to, code) if to == line => closed = Some(code),
            _ => {}
        }
    }
    (said, closed)
}

fn types(told: &[Value]) -> Vec<&str> {
    told.iter().filter_map(|one| one["type"].as_str()).collect()
}

#[test]
fn what_comes_out_of_turn_is_refused_and_ends() {
    let now = Instant::now();
    for (first, then, code) in [
        (r#"{"type":"media","audio":true,"video":true,"screen":false}"#, None, "order"),
        ("nonsense", None, "malformed"),
        (r#"{"type":"join","name":"A"}"#, Some(r#"{"type":"join","name":"A"}"#), "order"),
        (r#"{"type":"join","name":"A"}"#, Some(r#"{"type":"dance"}"#), "malformed"),
    ] {
        let mut hall = hall(settings());
        hall.open(1, coming(1), now);
        hall.said(1, first, now);
        if let Some(then) = then {
            hall.said(1, then, now);
        }
        let (said, closed) = told(&mut hall, 1);
        let last = said.last().expect("told");
        assert_eq!((last["code"].as_str(), last["fatal"].as_bool()), (Some(code), Some(true)), "{first} {then:?}");
        assert_eq!(closed, Some(close::REFUSED));
    }
    let mut hall = hall(settings());
    hall.open(1, coming(1), now);
    hall.timeout(now + Duration::from_secs(10));
    assert_eq!(told(&mut hall, 1).1, Some(close::REFUSED), "who says nothing");
}

#[test]
fn an_offer_that_cannot_be_answered_ends_nothing_but_its_connection() {
    let now = Instant::now();
    let mut hall = hall(settings());
    hall.open(1, coming(1), now);
    hall.said(1, r#"{"type":"join","name":"A"}"#, now);
    for connection in [1, 1, 2] {
        hall.said(1, &json!({ "type": "offer", "connection": connection, "sdp": "v=0" }).to_string(), now);
        let (said, closed) = told(&mut hall, 1);
        assert_eq!((said.last().map(|one| one["code"].clone()), closed), (Some(json!("offer")), None));
    }
    hall.said(1, r#"{"type":"offer","connection":1,"sdp":"v=0"}"#, now);
    assert_eq!(told(&mut hall, 1).1, Some(close::REFUSED), "one that has ended");
}

#[test]
fn floods_end_and_a_quick_conversation_does_not() {
    let mut now = Instant::now();
    let mut hall = hall(settings());
    hall.open(1, coming(1), now);
    hall.said(1, r#"{"type":"join","name":"A"}"#, now);
    for _ in 0..600 {
        now += Duration::from_millis(30);
        hall.said(1, r#"{"type":"hand","raised":true}"#, now);
    }
    assert_eq!(told(&mut hall, 1).1, None);
    for _ in 0..300 {
        hall.said(1, r#"{"type":"hand","raised":true}"#, now);
    }
    let (said, closed) = told(&mut hall, 1);
    assert!(said.iter().any(|one| one["code"] == "flood") && closed == Some(close::REFUSED));

    // Offers are more work.
    hall.open(2, coming(2), now);
    hall.said(2, r#"{"type":"join","name":"B"}"#, now);
    for connection in 1..=21 {
        now += Duration::from_millis(5);
        hall.said(2, &json!({ "type": "offer", "connection": connection, "sdp": "v=0" }).to_string(), now);
    }
    let (said, closed) = told(&mut hall, 2);
    assert!(closed == Some(close::REFUSED) && said.iter().filter(|one| one["code"] == "offer").count() == 20);
}

#[test]
fn passwords_are_asked_for_and_guessing_is_slow() {
    let mut now = Instant::now();
    let mut hall = hall(Settings { password: Some(super::digest("blue")), ..settings() });
    hall.open(1, coming(1), now);
    let mut try_it = |password: &str, now| {
        hall.said(1, &json!({ "type": "join", "name": "A", "password": password }).to_string(), now);
        let (said, closed) = told(&mut hall, 1);
        assert_eq!(closed, None);
        said.iter().find_map(|one| Some(one["code"].as_str()?.to_owned())).unwrap_or_default()
    };
    assert_eq!(try_it("", now), "password", "asked for: no try is used up");
    for _ in 0..5 {
        assert_eq!(try_it("red", now), "password");
    }
    assert_eq!(try_it("blue", now), "wait");
    now += Duration::from_secs(31);
    assert_eq!(try_it("blue", now), "");
}

#[test]
fn who_is_asked_for_a_password_gets_time_to_type_it_once() {
    let mut now = Instant::now();
    let mut hall = hall(Settings { password: Some(super::digest("blue")), ..settings() });
    hall.open(1, coming(1), now);
    hall.said(1, r#"{"type":"join","name":"A"}"#, now);
    for _ in 0..3 {
        now += Duration::from_secs(35);
        hall.said(1, r#"{"type":"join","name":"A","password":"red"}"#, now);
        hall.timeout(now);
        assert_eq!(told(&mut hall, 1).1, None);
    }
    hall.timeout(now + Duration::from_secs(15));
    assert_eq!(told(&mut hall, 1).1, Some(close::REFUSED));
}

#[test]
fn hosts_mute_remove_lock_and_bring_and_others_do_not() {
    let now = Instant::now();
    let mut hall = hall(settings());
    for line in [1, 2] {
        hall.open(line, coming(line), now);
        hall.said(line, r#"{"type":"join","name":"A"}"#, now);
    }
    hall.said(2, r#"{"type":"media","audio":true,"video":false,"screen":false}"#, now);
    hall.said(2, r#"{"type":"lock","password":"x"}"#, now);
    assert!(told(&mut hall, 2).0.iter().any(|one| one["code"] == "host"));
    hall.said(1, r#"{"type":"mute","participant":"p2"}"#, now);
    let (said, _) = told(&mut hall, 2);
    assert!(types(&said).contains(&"muted"), "{said:?}");
    assert!(!hall.rooms()[0].participants[1].audio);
    hall.said(1, r#"{"type":"bring","stream":"nothing"}"#, now);
    hall.said(1, r#"{"type":"bring","stream":"vestry"}"#, now);
    let (said, _) = told(&mut hall, 1);
    assert_eq!(said.last().expect("an answer")["code"], "participant", "not a stream that they may view");
    hall.said(1, r#"{"type":"bring","stream":"camera"}"#, now);
    let feed = |on| Output::Feed { room: "choir".to_owned(), stream: "camera".to_owned(), on };
    let outputs: Vec<_> = std::iter::from_fn(|| hall.next_output()).collect();
    assert_eq!(outputs.iter().filter(|output| **output == feed(true)).count(), 1);
    assert_eq!(hall.rooms()[0].participants.len(), 3);
    hall.said(1, r#"{"type":"lock","password":"blue"}"#, now);
    hall.said(1, r#"{"type":"remove","participant":"p2"}"#, now);
    assert_eq!(told(&mut hall, 2).1, Some(close::REMOVED));
    hall.open(3, coming(2), now);
    hall.said(3, r#"{"type":"join","name":"A","password":"blue"}"#, now);
    assert_eq!(told(&mut hall, 3).1, Some(close::REMOVED), "from the same address, not at once");
    hall.open(4, coming(4), now);
    hall.said(4, r#"{"type":"join","name":"B"}"#, now);
    assert!(told(&mut hall, 4).0.iter().any(|one| one["code"] == "password"));
    hall.said(1, r#"{"type":"leave"}"#, now);
    assert!(hall.rooms().is_empty());
    assert!(std::iter::from_fn(|| hall.next_output()).any(|output| output == feed(false)));
}

#[test]
fn who_comes_back_in_time_has_the_place_and_is_told_everything_again() {
    let now = Instant::now();
    let mut hall = hall(settings());
    hall.open(1, coming(1), now);
    hall.said(1, r#"{"type":"join","name":"Ada"}"#, now);
    hall.said(1, r#"{"type":"hand","raised":true}"#, now);
    let (said, _) = told(&mut hall, 1);
    let secret = said[0]["resume"].as_str().expect("a secret").to_owned();
    hall.lost(1, now);
    let back = now + Duration::from_secs(20);
    hall.timeout(now + Duration::from_secs(10));
    assert!(hall.rooms()[0].participants.is_empty());
    hall.open(2, coming(2), back);
    hall.said(2, &json!({ "type": "join", "name": "", "resume": secret }).to_string(), back);
    let (said, _) = told(&mut hall, 2);
    assert_eq!((said[0]["resumed"].as_bool(), said[0]["id"].as_str()), (Some(true), Some("p1")), "{said:?}");
    assert_eq!(said[0]["name"], "Ada");
    assert!(types(&said).contains(&"participants"));
    hall.timeout(back + Duration::from_secs(10));
    assert_eq!(told(&mut hall, 2).1, Some(close::UNHEARD));
    hall.timeout(back + Duration::from_secs(30));
    assert!(hall.rooms().is_empty());
}

/// A browser's part.
pub(super) struct Client {
    line: u64,
    connection: RTCPeerConnection,
    address: SocketAddr,
    microphone: (RTCRtpTransceiverId, u32),
    camera: (RTCRtpTransceiverId, u32),
    pub(super) receives: [usize; 2],
    pub(super) assigned: Value,
    speaker: Value,
    offering: bool,
    wants_offer: bool,
    numbers: [u16; 2],
    /// Who was to be heard and seen: the mark in the packets, and whether it was a key frame; of each stream.
    pub(super) arrived: BTreeMap<u32, Vec<(u16, u8)>>,
}

fn track(kind: RtpCodecKind, ssrc: u32) -> MediaStreamTrack {
    let (mime, clock_rate, channels) = match kind {
        RtpCodecKind::Video => (MIME_TYPE_H264, 90_000, 0),
        _ => (MIME_TYPE_OPUS, 48_000, 2),
    };
    let codec = RTCRtpCodec { mime_type: mime.to_owned(), clock_rate, channels, ..RTCRtpCodec::default() };
    let rtp_coding_parameters = RTCRtpCodingParameters { ssrc: Some(ssrc), ..RTCRtpCodingParameters::default() };
    let encoding =
        RTCRtpEncodingParameters { rtp_coding_parameters, active: true, codec, ..RTCRtpEncodingParameters::default() };
    MediaStreamTrack::new("me".to_owned(), format!("{ssrc}"), format!("{ssrc}"), kind, vec![encoding])
}

impl Client {
    fn new(line: u64, now: Instant) -> Self {
        let mut media = MediaEngine::default();
        media.register_default_codecs().expect("codecs");
        let level = RTCRtpHeaderExtensionCapability { uri: AUDIO_LEVEL_URI.to_owned() };
        media.register_header_extension(level, RtpCodecKind::Audio, None).expect("registered");
        let registry = register_default_interceptors(Registry::new(), &mut media).expect("interceptors");
        let mut connection = RTCPeerConnectionBuilder::new()
            .with_media_engine(media)
            .with_interceptor_registry(registry)
            .build(now)
            .expect("a browser");
        let mut send = |kind, ssrc| {
            let only = RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Sendonly,
                ..RTCRtpTransceiverInit::default()
            };
            (connection.add_transceiver_from_track(track(kind, ssrc), Some(only)).expect("a transceiver"), ssrc)
        };
        let base = u32::try_from(line).expect("few") * 100;
        let (microphone, camera) = (send(RtpCodecKind::Audio, base), send(RtpCodecKind::Video, base + 1));
        let address = SocketAddr::from(([10, 0, 0, u8::try_from(line).expect("few") + 10], 5_000));
        let base_config = CandidateConfig {
            network: "udp".to_owned(),
            address: address.ip().to_string(),
            port: address.port(),
            component: 1,
            ..CandidateConfig::default()
        };
        let candidate =
            CandidateHostConfig { base_config, ..CandidateHostConfig::default() }.new_candidate_host().expect("one");
        connection.add_local_candidate(RTCIceCandidate::from(&candidate).to_json().expect("JSON")).expect("added");
        Self {
            line,
            connection,
            address,
            microphone,
            camera,
            receives: [0; 2],
            assigned: Value::Null,
            speaker: Value::Null,
            offering: false,
            wants_offer: false,
            numbers: [65_500, 7],
            arrived: BTreeMap::new(),
        }
    }

    fn mid(&mut self, transceiver: RTCRtpTransceiverId) -> String {
        self.connection.rtp_transceiver(transceiver).and_then(|one| one.mid().clone()).expect("a mid")
    }

    fn offer(&mut self, now: Instant) -> String {
        self.offering = true;
        let offer = self.connection.create_offer(None).expect("an offer");
        self.connection.set_local_description(now, offer).expect("set");
        let sdp = self.connection.local_description().expect("it").sdp;
        let (microphone, camera) = (self.mid(self.microphone.0), self.mid(self.camera.0));
        json!({ "type": "offer", "connection": 1, "sdp": sdp, "tracks": { microphone: "microphone", camera: "camera" } })
            .to_string()
    }

    fn told(&mut self, text: &str, now: Instant) {
        let told: Value = serde_json::from_str(text).expect("JSON");
        match told["type"].as_str().expect("a type") {
            "receive" => {
                for (index, (field, kind)) in
                    [("audio", RtpCodecKind::Audio), ("video", RtpCodecKind::Video)].into_iter().enumerate()
                {
                    let wanted = told[field].as_u64().expect("a number") as usize;
                    for _ in self.receives[index]..wanted {
                        let only = RTCRtpTransceiverInit {
                            direction: RTCRtpTransceiverDirection::Recvonly,
                            ..RTCRtpTransceiverInit::default()
                        };
                        self.connection.add_transceiver_from_kind(kind, Some(only)).expect("a transceiver");
                    }
                    self.receives[index] = wanted.max(self.receives[index]);
                }
                self.wants_offer = true;
            }
            "answer" => {
                let sdp = told["sdp"].as_str().expect("SDP").to_owned();
                let answer = RTCSessionDescription::answer(sdp).expect("SDP");
                self.connection.set_remote_description(now, answer).expect("set");
                self.offering = false;
            }
            "assign" => self.assigned = told["mids"].clone(),
            "speaker" => self.speaker = told["participant"].clone(),
            "error" => panic!("{told}"),
            _ => {}
        }
    }

    fn send(&mut self, picture: bool, tick: u32, level: u8, now: Instant) {
        let (transceiver, ssrc) = if picture { self.camera } else { self.microphone };
        let mime = if picture { MIME_TYPE_H264 } else { MIME_TYPE_OPUS };
        let Some(mut sender) = self.connection.rtp_sender(RTCRtpSenderId::from(transceiver)) else { return };
        let parameters = &sender.get_parameters().rtp_parameters;
        let codec = parameters.codecs.iter().find(|codec| codec.rtp_codec.mime_type == mime);
        let Some(payload_type) = codec.map(|codec| codec.payload_type) else { return };
        let extension = parameters.header_extensions.iter().find(|one| one.uri == AUDIO_LEVEL_URI).map(|one| one.id);
        let mut header = rtp::Header {
            version: 2,
            marker: picture,
            payload_type,
            sequence_number: self.numbers[usize::from(picture)],
            timestamp: tick * if picture { 3_000 } else { 960 },
            ssrc,
            ..rtp::Header::default()
        };
        if let Some(id) = extension.filter(|_| !picture) {
            header.set_extension(id as u8, Bytes::copy_from_slice(&[0x80 | level])).expect("set");
        }
        self.numbers[usize::from(picture)] = self.numbers[usize::from(picture)].wrapping_add(1);
        let kind = if tick.is_multiple_of(15) { 0x65 } else { 0x61 };
        let mark = u8::try_from(self.line).expect("few");
        let payload = Bytes::from(vec![if picture { kind } else { 0xF8 }, mark, 0, 0]);
        let _ = sender.write_rtp(now, rtp::Packet { header, payload });
    }
}

pub(super) struct Net {
    pub(super) hall: Hall,
    pub(super) clients: Vec<Client>,
    pub(super) now: Instant,
    /// When, from, to, what.
    flying: VecDeque<(Instant, SocketAddr, SocketAddr, BytesMut)>,
    lost_percent: u64,
    seed: u64,
    ticks: u32,
    /// Levels of those who speak.
    levels: Vec<u8>,
}

impl Net {
    /// A room of so many, who see and hear each other.
    fn of(people: u64) -> Self {
        Self::with(settings(), people)
    }

    pub(super) fn with(settings: Settings, people: u64) -> Self {
        let now = Instant::now();
        let clients = (1..=people).map(|line| Client::new(line, now)).collect();
        let levels = vec![60; people as usize];
        let flying = VecDeque::new();
        let mut net = Self { hall: hall(settings), clients, now, flying, lost_percent: 0, seed: 9, ticks: 0, levels };
        for line in 1..=people {
            net.hall.open(line, coming(line), now);
            net.hall.said(line, r#"{"type":"join","name":"A"}"#, now);
            net.hall.said(line, r#"{"type":"media","audio":true,"video":true,"screen":false}"#, now);
        }
        for line in 1..=people {
            let others = (1..=people).filter(|other| *other != line);
            let show: Vec<_> = others
                .map(|other| json!({ "participant": format!("p{other}"), "source": "camera", "height": 360 }))
                .collect();
            net.hall.said(line, &json!({ "type": "layout", "show": show }).to_string(), now);
        }
        net.pass(Duration::from_secs(3));
        net
    }

    fn is_lost(&mut self) -> bool {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % 100 < self.lost_percent
    }

    fn say(&mut self) {
        while let Some(output) = self.hall.next_output() {
            match output {
                Output::Say(line, text) => {
                    if let Some(client) = self.clients.iter_mut().find(|client| client.line == line) {
                        client.told(&text, self.now);
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        for client in &mut self.clients {
            if client.wants_offer && !client.offering {
                client.wants_offer = false;
                let offer = client.offer(self.now);
                self.hall.said(client.line, &offer, self.now);
            }
        }
    }

    fn fly(&mut self) {
        let mut out = Vec::new();
        self.hall.write(|way, bytes| out.push((way.local, way.remote.address, BytesMut::from(bytes))));
        for client in &mut self.clients {
            while let Some(TaggedBytesMut { message, .. }) = client.connection.poll_write() {
                out.push((client.address, ours(), message));
            }
        }
        for (from, to, bytes) in out {
            if !self.is_lost() {
                self.flying.push_back((self.now + DELAY, from, to, bytes));
            }
        }
    }

    pub(super) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.now += STEP;
            self.ticks += 1;
            for index in 0..self.clients.len() {
                let (client, level) = (&mut self.clients[index], self.levels[index]);
                if self.ticks.is_multiple_of(7) {
                    client.send(true, self.ticks / 7, 0, self.now);
                }
                if self.ticks.is_multiple_of(4) {
                    client.send(false, self.ticks / 4, level, self.now);
                }
            }
            while self.flying.front().is_some_and(|(at, ..)| *at <= self.now) {
                let Some((_, from, to, bytes)) = self.flying.pop_front() else { break };
                if to == ours() {
                    self.hall.datagram(Way::udp(from, to), &bytes, self.now);
                } else if let Some(client) = self.clients.iter_mut().find(|client| client.address == to) {
                    let transport = TransportContext {
                        local_addr: to,
                        peer_addr: from,
                        transport_protocol: TransportProtocol::UDP,
                        ecn: None,
                    };
                    let _ = client.connection.handle_read(TaggedBytesMut { now: self.now, transport, message: bytes });
                }
            }
            for client in &mut self.clients {
                self.hall.heard(client.line, self.now);
                if client.connection.poll_timeout().is_some_and(|at| at <= self.now) {
                    let _ = client.connection.handle_timeout(self.now);
                }
                while client.connection.poll_event().is_some() {}
                while let Some(read) = client.connection.poll_read() {
                    if let RTCMessage::RtpPacket(_, packet) = read.message
                        && let [kind, mark, ..] = *packet.payload
                    {
                        let mark = if kind == 0xF8 { mark + 100 } else { mark };
                        let numbers = client.arrived.entry(packet.header.ssrc).or_default();
                        numbers.push((packet.header.sequence_number, mark));
                    }
                }
            }
            self.hall.attend(self.now);
            if self.hall.next_timeout().is_some_and(|at| at <= self.now) {
                self.hall.timeout(self.now);
            }
            self.say();
            self.fly();
        }
    }

    /// Who is told by DTLS (an alert: close_notify) that it is over.
    fn farewells(&mut self) -> BTreeSet<SocketAddr> {
        let mut told = BTreeSet::new();
        self.hall.write(|way, bytes| {
            if bytes.starts_with(&[21, 254]) {
                told.insert(way.remote.address);
            }
        });
        told
    }

    /// Whose pictures (their number) and sound (and a hundred) come to somebody.
    fn comes_to(&mut self, index: usize, span: Duration) -> BTreeSet<u8> {
        self.clients.iter_mut().for_each(|client| client.arrived.clear());
        self.pass(span);
        self.clients[index].arrived.values().flatten().map(|(_, mark)| *mark).collect()
    }
}

#[test]
fn everybody_sees_and_hears_everybody_else() {
    let mut net = Net::of(3);
    assert_eq!(net.comes_to(0, Duration::from_secs(2)), [2, 3, 102, 103].into());
    for client in &net.clients {
        let mids = client.assigned.as_object().expect("assigned");
        assert_eq!(mids.len(), 4, "{mids:?}");
        for numbers in client.arrived.values() {
            let marks: BTreeSet<_> = numbers.iter().map(|(_, mark)| *mark).collect();
            assert_eq!(marks.len(), 1, "one on each");
            let gaps = numbers.windows(2).filter(|pair| pair[1].0 != pair[0].0.wrapping_add(1)).count();
            assert_eq!(gaps, 0, "{numbers:?}");
        }
    }
}

#[test]
fn two_who_have_each_other_are_sent_nothing_until_they_need_it_again() {
    let mut net = Net::with(Settings { peer_to_peer: true, ..settings() }, 2);
    assert_eq!(net.comes_to(0, Duration::from_secs(1)), [2, 102].into(), "meanwhile");
    let now = net.now;
    net.hall.said(1, r#"{"type":"peer","call":1,"kind":"offer","text":"v=0\r\n","mid":null}"#, now);
    let outputs = std::iter::from_fn(|| net.hall.next_output());
    let to: Vec<_> = outputs.filter(|one| matches!(one, Output::Say(_, text) if text.contains("v=0"))).collect();
    assert!(matches!(&to[..], [Output::Say(2, _)]), "{to:?}");
    for line in [1, 2] {
        net.hall.said(line, r#"{"type":"direct","call":1,"state":"plays"}"#, now);
    }
    net.pass(Duration::from_millis(100));
    assert_eq!(net.comes_to(0, Duration::from_secs(1)), [].into());
    assert_eq!(net.clients[0].assigned, json!({}));

    let now = net.now;
    net.hall.said(2, r#"{"type":"direct","call":1,"state":"lost"}"#, now);
    net.pass(Duration::from_millis(100));
    assert_eq!(net.comes_to(0, Duration::from_secs(1)), [2, 102].into());

    // Who stays alone and is joined by somebody else is led to them; a camera needs the box again.
    let now = net.now;
    net.hall.said(2, r#"{"type":"leave"}"#, now);
    net.hall.open(3, coming(3), now);
    net.hall.said(3, r#"{"type":"join","name":"C"}"#, now);
    let (said, _) = told(&mut net.hall, 1);
    let calls: Vec<_> = said.iter().filter(|one| one["type"] == "direct").collect();
    assert_eq!(calls.last().map(|one| (&one["call"], &one["with"])), Some((&json!(2), &json!("p3"))), "{said:?}");
    net.hall.said(1, r#"{"type":"bring","stream":"camera"}"#, now);
    let (said, _) = told(&mut net.hall, 1);
    assert!(said.iter().any(|one| one["type"] == "direct" && one["with"].is_null()), "{said:?}");
}

#[test]
fn what_is_off_or_not_shown_is_not_sent() {
    let mut net = Net::of(3);
    let now = net.now;
    net.hall.said(2, r#"{"type":"media","audio":false,"video":true,"screen":false}"#, now);
    net.hall.said(3, r#"{"type":"media","audio":true,"video":false,"screen":false}"#, now);
    net.pass(Duration::from_millis(100));
    assert_eq!(net.comes_to(0, Duration::from_secs(1)), [2, 103].into());
    let now = net.now;
    net.hall.said(1, r#"{"type":"layout","show":[]}"#, now);
    net.hall.said(3, r#"{"type":"media","audio":true,"video":true,"screen":false}"#, now);
    net.pass(Duration::from_millis(100));
    assert_eq!(net.comes_to(0, Duration::from_secs(1)), [103].into());
    let now = net.now;
    net.hall.said(1, r#"{"type":"layout","show":[{"participant":"p3","source":"camera","height":90}]}"#, now);
    assert_eq!(net.comes_to(0, Duration::from_secs(1)), [3, 103].into());
}

#[test]
fn the_loudest_is_the_speaker() {
    let mut net = Net::of(3);
    net.levels = vec![90, 20, 90];
    net.pass(Duration::from_secs(2));
    assert_eq!(net.clients[0].speaker, "p2");
    net.levels = vec![90, 90, 20];
    net.pass(Duration::from_secs(3));
    assert_eq!(net.clients[0].speaker, "p3");
}

#[test]
fn loss_is_repaired_both_ways() {
    let mut net = Net::of(2);
    net.lost_percent = 5;
    net.clients.iter_mut().for_each(|client| client.arrived.clear());
    net.pass(Duration::from_secs(10));
    net.lost_percent = 0;
    net.pass(Duration::from_secs(1));
    let pictures = net.clients[0].arrived.values().find(|numbers| numbers.iter().any(|(_, mark)| *mark == 2));
    let numbers: BTreeSet<_> = pictures.expect("pictures").iter().map(|(number, _)| *number).collect();
    let sent = 11_000 / 35;
    assert!(numbers.len() + 6 >= sent, "{} of {sent}", numbers.len());
}

#[test]
fn who_leaves_is_not_sent_any_more_and_the_others_go_on() {
    let mut net = Net::of(3);
    let now = net.now;
    net.hall.said(3, r#"{"type":"leave"}"#, now);
    while net.hall.next_output().is_some() {}
    assert_eq!(net.farewells(), [net.clients[2].address].into(), "by the connection, too");
    net.clients.truncate(2);
    net.pass(Duration::from_millis(100));
    assert_eq!(net.comes_to(0, Duration::from_secs(1)), [2, 102].into());

    let now = net.now;
    for line in [1, 2] {
        net.hall.said(line, r#"{"type":"leave"}"#, now);
    }
    assert!(net.hall.rooms().is_empty());
    assert_eq!(net.farewells().len(), 2, "also where nothing is left of the room");
}
