//! Rooms that are mixed: when their mixers begin and end, what those are told, and what people are sent of it.
#![allow(clippy::disallowed_methods, reason = "simulated time begins somewhere")]

use super::hall::{Hall, Mix, Mixed, Mixing, Settings};
use super::tests::{Net, coming, hall, settings, told};
use crate::mix::{self, Input, Layout};
use crate::time::MonoTime;
use crate::webrtc::Kind;
use crate::webrtc::packets::Packets;
use bytes::Bytes;
use std::time::{Duration, Instant};

fn join(hall: &mut Hall, line: u64, now: Instant) {
    hall.open(line, coming(line), now);
    hall.said(line, r#"{"type":"join","name":"Ada"}"#, now);
}

/// What was begun and ended, and what was told in between, by kind.
fn mixes(hall: &mut Hall) -> Vec<String> {
    let mut all = Vec::new();
    while let Some((room, mix)) = hall.next_mix() {
        assert_eq!(room, "choir");
        match mix {
            Mix::Begin { layout, each, public } => all.push(format!("begin {layout:?} {each} {public}")),
            Mix::Tell(inputs) => all.extend(inputs.iter().map(|input| match input {
                Input::Joined { person, .. } => format!("joined {}", person.0),
                Input::Left(person) => format!("left {}", person.0),
                Input::Layout(layout) => format!("layout {layout:?}"),
                Input::Speaker(speaker) => format!("speaker {:?}", speaker.map(|who| who.0)),
                other => format!("{other:?}"),
            })),
            Mix::KeyFrame => all.push("key frame".to_owned()),
            Mix::End => all.push("end".to_owned()),
        }
    }
    all
}

#[test]
fn a_host_broadcasts_a_room_and_nobody_else_does() {
    let now = Instant::now();
    let mut hall = hall(settings());
    join(&mut hall, 1, now);
    join(&mut hall, 2, now);
    assert!(mixes(&mut hall).is_empty());
    hall.said(2, r#"{"type":"broadcast","on":true}"#, now);
    assert!(told(&mut hall, 2).0.iter().any(|one| one["code"] == "host"));
    hall.said(1, r#"{"type":"broadcast","on":true,"layout":"speaker"}"#, now);
    assert_eq!(mixes(&mut hall), ["begin Speaker false true", "joined 1", "joined 2"]);
    let rooms = |hall: &mut Hall| {
        let (said, _) = told(hall, 2);
        said.into_iter().filter(|one| one["type"] == "room").map(|one| one["broadcast"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(rooms(&mut hall), ["room-choir"]);
    hall.said(1, r#"{"type":"broadcast","on":true,"layout":"grid"}"#, now);
    assert_eq!(mixes(&mut hall), ["layout Grid"], "the same mixer");
    hall.said(2, r#"{"type":"leave"}"#, now);
    hall.timeout(now);
    assert_eq!(mixes(&mut hall), ["left 2"]);
    hall.said(1, r#"{"type":"broadcast","on":false}"#, now);
    assert_eq!(mixes(&mut hall), ["end"]);
}

#[test]
fn a_room_that_is_always_broadcast_ends_with_the_last_one() {
    let now = Instant::now();
    let mixing = Mixing { broadcast: true, ..Mixing::default() };
    let mut hall = hall(Settings { mixing, ..settings() });
    join(&mut hall, 1, now);
    assert_eq!(told(&mut hall, 1).0[0]["broadcast"], "room-choir");
    assert_eq!(mixes(&mut hall), ["begin Grid false true", "joined 1"]);
    hall.said(1, r#"{"type":"leave"}"#, now);
    assert_eq!(mixes(&mut hall), ["end"]);
}

#[test]
fn where_there_is_no_stream_for_it_a_room_goes_on_without() {
    let now = Instant::now();
    let mixing = Mixing { broadcast: true, ..Mixing::default() };
    let mut hall = hall(Settings { mixing, ..settings() });
    join(&mut hall, 1, now);
    mixes(&mut hall);
    told(&mut hall, 1);
    hall.mixed("choir", Mixed::Failed, now);
    assert_eq!(mixes(&mut hall), ["end"]);
    let (said, _) = told(&mut hall, 1);
    assert!(said.iter().any(|one| one["type"] == "room" && one["broadcast"].is_null()), "{said:?}");
}

#[test]
fn the_mixer_hears_everybody_who_is_on() {
    let mixing = Mixing { broadcast: true, ..Mixing::default() };
    let mut net = Net::with(Settings { mixing, ..settings() }, 2);
    let heard = |net: &mut Net| {
        let mut heard = std::collections::BTreeSet::new();
        while let Some((_, mix)) = net.hall.next_mix() {
            let Mix::Tell(inputs) = mix else { continue };
            heard.extend(inputs.iter().filter_map(|input| match input {
                Input::Sound { person, packet, .. } => Some((person.0, packet[1])),
                _ => None,
            }));
        }
        heard
    };
    net.pass(Duration::from_secs(1));
    // The mark in the packets is their sender's number.
    assert_eq!(heard(&mut net), [(1, 1), (2, 2)].into());
    let now = net.now;
    net.hall.said(2, r#"{"type":"media","audio":false,"video":true,"screen":false}"#, now);
    heard(&mut net);
    net.pass(Duration::from_secs(1));
    assert_eq!(heard(&mut net), [(1, 1)].into());
}

#[test]
fn in_a_mixed_room_everybody_is_sent_one_picture_and_their_own_sound() {
    let mixing = Mixing { each: true, ..Mixing::default() };
    let mut net = Net::with(Settings { mixing, ..settings() }, 3);
    for client in &mut net.clients {
        client.arrived.clear();
    }
    assert!(mixes(&mut net.hall).iter().any(|mix| mix == "begin Grid true false"));
    for number in 0..50_i64 {
        let payload = Bytes::from(vec![if number % 10 == 0 { 0x65 } else { 0x61 }, 77, 0, 0]);
        let packets = Packets {
            kind: Kind::Video,
            rung: 0,
            timestamp: number as u32 * 3_000,
            starts: number % 10 == 0,
            payloads: vec![payload],
            captured: MonoTime::ZERO,
        };
        let now = net.now;
        net.hall.mixed_picture("choir", &packets, now);
        for person in 1..=3_u8 {
            let packet = Bytes::from(vec![0xF8, person, 0, 0]);
            let person = mix::PersonId(person.into());
            net.hall.mixed("choir", Mixed::Others { person, number: 7_000_000_000 + number, packet }, now);
        }
        net.pass(Duration::from_millis(20));
    }
    net.pass(Duration::from_millis(200));
    for (client, own) in net.clients.iter().zip(101..) {
        assert_eq!(client.receives, [1, 1]);
        let mids = client.assigned.as_object().expect("assigned");
        let of_the_mix = mids.values().all(|seat| seat["participant"] == "room" && seat["source"] == "mix");
        assert!(mids.len() == 2 && of_the_mix, "{mids:?}");
        let marks: std::collections::BTreeSet<_> = client.arrived.values().flatten().map(|(_, mark)| *mark).collect();
        assert_eq!(marks, [77, own].into());
        for numbers in client.arrived.values() {
            assert!(numbers.len() >= 40, "{}", numbers.len());
            assert!(numbers.windows(2).all(|pair| pair[1].0 == pair[0].0.wrapping_add(1)), "{numbers:?}");
        }
    }
}

#[test]
fn a_mixed_room_that_is_broadcast_too_changes_its_mixer_and_keeps_its_layout() {
    let now = Instant::now();
    let mixing = Mixing { each: true, layout: Layout::Speaker, ..Mixing::default() };
    let mut hall = hall(Settings { mixing, ..settings() });
    join(&mut hall, 1, now);
    assert_eq!(told(&mut hall, 1).0[0]["mode"], "mix");
    assert_eq!(mixes(&mut hall), ["begin Speaker true false", "joined 1"]);
    hall.said(1, r#"{"type":"broadcast","on":true}"#, now);
    assert_eq!(mixes(&mut hall), ["begin Speaker true true", "joined 1"]);
    hall.said(1, r#"{"type":"broadcast","on":false}"#, now);
    assert_eq!(mixes(&mut hall), ["begin Speaker true false", "joined 1"]);
}
