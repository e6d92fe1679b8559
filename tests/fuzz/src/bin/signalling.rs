//! Any text as what people say to rooms: each line is a WebSocket's number, seconds that pass, and a message.
#![no_main]
#![allow(clippy::disallowed_methods, reason = "simulated time begins somewhere")]

use capturebox::meet::hall::{Coming, Hall, Means, Mixing, Settings};
use capturebox::webrtc::peer::Identity;
use capturebox::webrtc::server::certificate;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| Identity {
    certificate: certificate().expect("a certificate"),
    addresses: vec!["10.0.0.1:8189".parse().expect("an address")],
    tcp_addresses: vec!["10.0.0.1:8189".parse().expect("an address")],
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut number = 1_u32;
    let means = Means {
        identity: Box::new(|_| IDENTITY.clone()),
        random: Box::new(move || {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            number
        }),
        streams: Box::new(|| vec!["camera".to_owned()]),
        unix_ms: Box::new(|| 0),
    };
    let settings = Settings {
        max_rooms: 2,
        max_people: 3,
        video_bps: 1_000_000,
        audio_bps: 64_000,
        password: None,
        host_password: None,
        ice_servers: Vec::new(),
        peer_to_peer: true,
        mixing: Mixing::default(),
    };
    let (mut hall, mut now) = (Hall::new(settings, means), Instant::now());
    for said in bytes.split(|byte| *byte == b'\n') {
        let [line, seconds, message @ ..] = said else { continue };
        let line = u64::from(line % 8);
        now += Duration::from_secs(u64::from(seconds % 16));
        hall.timeout(now);
        match message {
            b"open" => {
                let room = ["a", "b", "c"][line as usize % 3].to_owned();
                let address = [10, 0, 0, line as u8].into();
                hall.open(line, Coming { room, address, host: line == 7, views: Arc::new(|_| true) }, now);
            }
            b"lost" => hall.lost(line, now),
            _ => hall.said(line, &String::from_utf8_lossy(message), now),
        }
        while hall.next_output().is_some() {}
        hall.write(|_, _| {});
        let rooms = hall.rooms();
        assert!(rooms.len() <= 2);
        for room in rooms {
            let people = room.participants.iter().filter(|one| one.kind == capturebox::meet::message::Kind::Person);
            assert!(people.count() <= 3);
        }
    }
});
