//! The pages in Debian's Chromium, headless: what a viewer sees and hears; below, what the console does.

mod broadcast;
mod console;
mod direct;
mod publish;
mod real_time;
mod rooms;

use crate::admin::send;
use crate::appliance::Appliance;
use crate::ffmpeg::run;
use serde_json::Value;

const SECONDS: u32 = 10;
const PLAYER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/browser/play.mjs");

/// A stream of its own pictures and sound.
const STREAM: &str = "[streams.camera]\ninput = { source = \"test\", size = \"640x360\", fps = 30 }\n";

/// A machine that is busy with something else makes a player wait; this often in a row, it is our doing.
const TRIES: usize = 3;

/// How playback went, after it had settled: the first time without a stall, or the last.
fn play(url: &str) -> Value {
    play_trusting(url, "")
}

/// The same in a browser whose user has installed an authority's certificate, a PEM file.
fn play_trusting(url: &str, authority: &str) -> Value {
    let mut tries = (0..TRIES).map(|_| {
        let json = run("node", &[PLAYER, url, &SECONDS.to_string(), "", authority]);
        let report: Value = serde_json::from_slice(&json).expect("play.mjs writes JSON");
        println!("{report:#}");
        report
    });
    let mut report = tries.next().expect("one try at least");
    while report["stalls"] != 0
        && let Some(next) = tries.next()
    {
        report = next;
    }
    report
}

fn list(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn number(report: &Value, name: &str) -> f64 {
    report[name].as_f64().unwrap_or_else(|| panic!("no {name} in {report:#}"))
}

fn plays(report: &Value) {
    assert_eq!(report["problems"], serde_json::json!([]));
    assert_eq!(number(report, "stalls"), 0.0, "it never waits");
    let (seconds, media) = (number(report, "seconds"), number(report, "media_seconds"));
    // After a hold-up the page plays up to a tenth faster until it is as close to live as before.
    assert!((0.9..1.15).contains(&(media / seconds)), "{media} s of video in {seconds} s");
    let decoded = number(report, "frames_decoded") / media;
    assert!((27.0..=33.0).contains(&decoded), "{decoded} frames for each second of video");
    assert!(number(report, "frames_presented") > 5.0 * seconds, "the picture moves");
}

#[test]
fn the_page_plays_the_test_source_live_with_sound() {
    let box_ = Appliance::start(STREAM);
    let report = play(&box_.url("/camera/?player=hls"));
    plays(&report);
    assert!(number(&report, "audio_bytes") > 0.0, "sound is decoded");
    assert!(number(&report, "strips_read") > 0.9 * number(&report, "frames_presented"));
    let p50 = number(&report["latency_ms"], "p50");
    println!("glass to glass: p50 {p50} ms");
    // scripts/bench measures it; this only notices a disaster on a busy machine.
    assert!((0.0..1_500.0).contains(&p50), "{p50} ms behind");
}

#[test]
fn the_page_plays_a_command_fed_with_real_video() {
    let input = r#"["ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"]"#;
    let sound = r#"["ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-ac", "2", "-f", "s16le", "-"]"#;
    let box_ = Appliance::start(&format!(
        r#"
[streams.desk]
video = {{ source = "command", command = {input}, format = "i420", size = "640x360", fps = 30 }}
audio = {{ source = "command", command = {sound}, format = "s16le", rate = 48000, channels = 2 }}
"#
    ));
    let report = play(&box_.url("/desk/?player=hls"));
    plays(&report);
    assert!(number(&report, "audio_bytes") > 0.0, "sound is decoded");
}

#[test]
fn who_trusts_the_box_plays_over_http_2_in_a_secure_context() {
    let mut box_ = Appliance::start(STREAM);
    let authority = box_.folder().file("authority.pem");
    std::fs::write(&authority, box_.wait_for("/setup/ca.pem").body).expect("the authority's certificate");
    let url = format!("https://localhost:{}/camera/?player=hls", box_.https_address().port());
    let report = play_trusting(&url, &authority);
    plays(&report);
    assert_eq!(report["secure"], true);
    assert_eq!(report["protocols"], serde_json::json!(["h2"]));
}

#[test]
fn a_page_opened_with_a_token_plays_what_others_may_not_see() {
    let stream = "[streams.camera]\ninput = { source = \"test\", size = \"640x360\", fps = 30 }\n\
        [streams.camera.access]\nview = \"token\"\n";
    let box_ = Appliance::start(stream);
    // Nobody has claimed it, so whoever sits at it may.
    let body = r#"{"name": "page", "streams": ["camera"], "view": true}"#;
    let made = send(&box_, "POST", "/api/v1/tokens", "", body);
    let made: Value = serde_json::from_str(made.text()).expect("JSON");
    let token = made["token"].as_str().unwrap_or_else(|| panic!("no token in {made}"));
    plays(&play(&box_.url(&format!("/camera/?token={token}&player=hls"))));
    assert_eq!(box_.get("/camera/index.m3u8").status, 401);
}
