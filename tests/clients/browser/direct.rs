//! Two people in a room, past the box where the configuration says so; by the box when that breaks or a third comes.

use super::{list, number};
use crate::appliance::Appliance;
use crate::ffmpeg::run;
use serde_json::Value;

const VISIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/browser/direct.mjs");
const ROOMS: &str = "[rooms]\npeer_to_peer = true\n\
    [streams.camera]\ninput = { source = \"test\", size = \"160x90\", fps = 5 }\n";

#[test]
fn two_people_have_each_other_past_the_box_and_three_by_it() {
    let box_ = Appliance::start(ROOMS);
    let report = run("node", &[VISIT, box_.url("").trim_end_matches('/'), "choir"]);
    let report: Value = serde_json::from_slice(&report).expect("direct.mjs writes JSON");
    println!("{report:#}");
    assert_eq!(list(&report["problems"]), [""; 0]);
    assert!(number(&report, "heard") > 0.05, "the other's sound");
    assert!(number(&report["alone"], "box") < 5.0, "nothing goes by the box: {report:#}");
    assert!(number(&report["alone"], "past") > 100.0);
    assert_eq!(report["three"], true, "no connection past the box is left");
}
