//! Four people meet in a room, each with a page of their own: they see and hear each other, chat, raise a hand,
//! mute themselves, come back after a reload, and leave.

use super::{STREAM, list};
use crate::appliance::{Appliance, Folder};
use crate::ffmpeg::run;
use serde_json::Value;

const VISIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/browser/room.mjs");

#[test]
fn four_people_see_and_hear_each_other_in_a_room() {
    let folder = Folder::new();
    let screenshots = std::env::var("CAPTUREBOX_SCREENSHOTS").unwrap_or_else(|_| folder.file("screenshots"));
    let box_ = Appliance::start_in(folder, STREAM);
    let origin = box_.url("");
    let told = run("node", &[VISIT, origin.trim_end_matches('/'), "choir", &screenshots]);
    let report: Value = serde_json::from_slice(&told).expect("room.mjs writes JSON");
    println!("{report:#}");
    assert_eq!(list(&report["problems"]), [""; 0]);
    assert_eq!(list(&report["violations"]), [""; 0]);
    for name in ["Ada", "Bo", "Cem", "Dora"] {
        let heard = report["heard"][name].as_array().expect("sounds");
        let loud = heard.iter().filter(|sound| sound.as_f64().is_some_and(|rms| rms > 0.05)).count();
        assert_eq!(loud, 3, "{name} hears {heard:?}");
        assert_eq!(report["seen"][name].as_array().map(Vec::len), Some(3), "{name} sees the others");
    }
    assert_eq!(report["chat"], "Good morning");
    assert_eq!(report["tiles"], 4, "who came back has one place");
    assert_eq!(report["left"], "You have left the room.");
}
