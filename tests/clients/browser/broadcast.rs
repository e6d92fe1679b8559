//! A room that is broadcast: four people meet, and somebody watches them all in one picture, as one HLS stream.

use super::number;
use crate::appliance::Appliance;
use crate::ffmpeg::run;
use serde_json::{Value, json};

// The test picture of a box without configured streams would take the processor from the room.
const ROOMS: &str = "[rooms]\nbroadcast = true\n\
    [streams.camera]\ninput = { source = \"test\", size = \"160x90\", fps = 5 }\n";
const VISIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/browser/broadcast.mjs");

#[test]
fn four_pages_meet_and_the_room_plays_as_one_stream() {
    let box_ = Appliance::start(ROOMS);
    let visit: Value = serde_json::from_slice(&run("node", &[VISIT, box_.url("").trim_end_matches('/'), "choir"]))
        .expect("broadcast.mjs writes JSON");
    println!("{visit:#}");
    assert_eq!(visit["problems"], json!([]));
    assert_eq!(visit["transport"], "hls");
    assert_eq!(visit["size"], json!([1280, 720]));
    // The mixer may make fewer pictures where four browsers take the processor; not none.
    assert!(number(&visit, "frames") > 10.0, "the picture moves");
    assert!(number(&visit, "heard") > 0.01, "everybody's sound");
    assert_eq!(box_.get("/room-choir/index.m3u8").status, 200, "it goes on for a while when all have left");
}
