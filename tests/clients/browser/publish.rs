//! The publishing page: a phone's window sends the fake camera, others watch that as HLS and in real time, and
//! a second publisher is told what is wrong.

use super::{list, number};
use crate::appliance::{Appliance, Folder};
use crate::ffmpeg::run;
use serde_json::{Value, json};

const VISIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/browser/publish.mjs");
const OPEN: &str = "[access]\npublish = \"lan\"\n\
    [streams.camera]\ninput = { source = \"test\", size = \"160x90\", fps = 5 }\n";

#[test]
fn what_a_page_publishes_plays_as_hls_and_in_real_time() {
    let folder = Folder::new();
    let screenshots = std::env::var("CAPTUREBOX_SCREENSHOTS").unwrap_or_else(|_| folder.file("screenshots"));
    let box_ = Appliance::start_in(folder, OPEN);
    // No stream of that name is configured: it is made for who publishes.
    let told = run("node", &[VISIT, &box_.url("/phone/"), &screenshots]);
    let report: Value = serde_json::from_slice(&told).expect("publish.mjs writes JSON");
    println!("{report:#}");
    assert_eq!(list(&report["problems"]), [""; 0]);
    assert_eq!(list(&report["violations"]), [""; 0]);
    // One session, which was led over another way: nothing was opened anew.
    assert_eq!(report["asked"], json!({ "POST": 1, "PATCH": 1, "DELETE": 1 }));
    for transport in ["hls", "webrtc"] {
        let seen = &report[transport];
        assert_eq!(list(&seen["problems"]), [""; 0]);
        assert_eq!(seen["transport"], transport);
        assert!(number(&seen["after"], "green") > 0.5, "the fake camera is green: {seen:#}");
        assert!(number(seen, "heard") > 0.02, "its microphone beeps: {seen:#}");
    }
    let taken = report["taken"].as_str().unwrap_or_default();
    assert!(taken.contains("publishes into this stream"), "{taken:?}");
    assert_eq!(report["status"], "Not live");
}
