//! Any bytes as an offer, as what follows it by PATCH, and as datagrams to who was answered.
#![no_main]
#![allow(clippy::disallowed_methods, reason = "simulated time begins somewhere")]

use capturebox::http::Fragment;
use capturebox::webrtc::Kind;
use capturebox::webrtc::path::Way;
use capturebox::webrtc::peer::{Identity, Peer, Settings};
use capturebox::webrtc::server::certificate;
use capturebox::webrtc::stun;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| Identity {
    certificate: certificate().expect("a certificate"),
    addresses: vec!["10.0.0.1:8189".parse().expect("an address")],
    tcp_addresses: vec!["10.0.0.1:8189".parse().expect("an address")],
});
const OFFER: &str = include_str!("../../seeds/offer/chromium");

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = stun::local_ufrag(bytes);
    let text = String::from_utf8_lossy(bytes);
    let now = Instant::now();
    // The first bit says whether they would send, too.
    let settings = Settings { receives: bytes.first().is_some_and(|first| first & 1 == 1), estimates: false };
    let answered = |offer: &str| {
        let mut peer = Peer::new(&IDENTITY, settings, now).expect("a peer");
        let video = peer.add_outgoing(Kind::Video, "box", [1, 2]).expect("a track");
        peer.add_outgoing(Kind::Audio, "box", [3, 4]).expect("a track");
        let answer = peer.answer(offer, now);
        let _ = peer.mid(video);
        (peer, answer)
    };
    let (mut peer, answer) = answered(&text);
    if answer.is_ok() {
        let _ = peer.answer(&text, now);
    }
    if let Some(fragment) = Fragment::parse(&text) {
        fragment.restarts(OFFER);
        let (mut peer, answer) = answered(OFFER);
        answer.expect("Chromium's offer is good");
        for candidate in &fragment.candidates {
            let _ = peer.add_remote_candidate(candidate);
        }
        let _ = peer.answer(&fragment.restarted(OFFER), now);
    }
    let (mut peer, _) = answered(OFFER);
    let way = Way::udp("10.0.0.2:5000".parse().expect("one"), "10.0.0.1:8189".parse().expect("one"));
    for (index, datagram) in bytes.chunks(200).take(8).enumerate() {
        peer.read(way, datagram, now + Duration::from_millis(index as u64));
        while peer.write().is_some() {}
        while peer.next_event().is_some() {}
    }
});
