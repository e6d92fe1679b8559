//! The page of a stream in real time: pictures and sound by WebRTC, HLS where and while that doesn't get
//! through, and real time again.

use super::{STREAM, number, play};
use crate::appliance::Appliance;
use crate::ffmpeg::run;
use crate::relay::Relay;
use serde_json::{Value, json};

const VISIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/browser/real_time.mjs");
const WAYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/browser/ways.mjs");
const STAGE: &str = "[access]\npublish = \"lan\"\n[streams.stage]\ninput = { source = \"publish\" }\n";

#[test]
fn the_page_plays_in_real_time_and_knows_its_delay() {
    let box_ = Appliance::start(STREAM);
    let report = play(&box_.url("/camera/?player=webrtc"));
    assert_eq!(report["problems"], json!([]));
    assert_eq!(report["page"]["transport"], "webrtc");
    let seconds = number(&report, "seconds");
    assert!(number(&report, "frames_decoded") > 25.0 * seconds, "{report:#}");
    assert!(number(&report, "strips_read") > 0.9 * number(&report, "frames_presented"));
    // scripts/bench measures it; this only notices a disaster on a busy machine.
    let p50 = number(&report["latency_ms"], "p50");
    println!("glass to glass: p50 {p50} ms");
    assert!((0.0..300.0).contains(&p50), "{p50} ms behind");
    // What the page tells comes from the box's stamps, the other from the picture itself.
    let told = number(&report["page"], "latencyMs");
    assert!((told - p50).abs() < 60.0, "the page tells of {told} ms, the picture of {p50} ms");
}

#[test]
fn the_page_falls_back_to_hls_and_comes_back() {
    // The test's own configuration begins in [webrtc].
    let box_ = Appliance::start(&format!("listen_tcp = \"off\"\n{STREAM}"));
    let visits: Value =
        serde_json::from_slice(&run("node", &[VISIT, &box_.url("/camera/")])).expect("real_time.mjs writes JSON");
    println!("{visits:#}");
    for visit in ["watched", "comesBack", "changesNetwork", "stopped", "withoutUdp"] {
        assert_eq!(visits[visit]["problems"], json!([]), "{visit}");
    }
    assert!(number(&visits["watched"], "heard") > 0.01, "sound comes too");
    assert!(number(&visits["watched"]["steady"], "latencyMs") > number(&visits["watched"]["live"], "latencyMs"));
    assert_eq!(visits["comesBack"]["said"], "No real time now: steady instead.");

    // One session, which was led over: nothing was opened anew.
    assert_eq!(visits["changesNetwork"]["asked"]["POST"], 1);
    assert_eq!(visits["changesNetwork"]["after"]["reloads"], 0);

    let stopped = &visits["stopped"];
    assert_eq!(stopped["said"], "This stream is stopped. When it starts again, it plays here by itself.");
    assert_eq!((&stopped["state"], &stopped["shown"]), (&json!("off air"), &json!(false)));
    let back_ms = number(stopped, "back_ms");
    assert!(back_ms < 10_000.0, "real time was back after {back_ms} ms only");

    let after_ms = number(&visits["withoutUdp"], "after_ms");
    assert!(after_ms < 15_000.0, "HLS stood in after {after_ms} ms only");
}

/// Publishes and watches by one way only, and looks whether that was taken.
fn goes(box_: &Appliance, way: &str, taken: &Value) {
    let report = run("node", &[WAYS, &box_.url(""), "stage", "8", way]);
    let report: Value = serde_json::from_slice(&report).expect("ways.mjs writes JSON");
    println!("{report:#}");
    assert_eq!((&report["published"], &report["watched"]), (taken, taken));
    assert!(number(&report["frames"], "decoded") > 100.0, "{report:#}");
}

#[test]
fn where_no_udp_gets_through_tcp_does() {
    let box_ = Appliance::start(STAGE);
    // From which port it connects isn't known before (RFC 6544, 4.5).
    goes(&box_, "tcp", &json!({ "candidateType": "prflx", "protocol": "tcp" }));
}

#[test]
fn where_only_a_relay_gets_through_it_does() {
    let relay = Relay::start();
    let box_ = Appliance::start(&format!("{}{STAGE}", relay.config()));
    goes(&box_, "relay", &json!({ "candidateType": "relay", "protocol": "udp" }));
}
