//! A box sends its stream on to another one by WHIP: what arrives there, what both say, and what happens when the
//! other one goes away, comes back, or doesn't know it.

use crate::admin::{access, send, sign_in};
use crate::appliance::{Appliance, Folder, PATIENCE, wait_until};
use crate::ffmpeg::{ffprobe, pictures, record};
use crate::plays::beeps;
use crate::relay::Relay;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::time::Duration;

const STAGE: &str = "[streams.stage]\ninput = { source = \"publish\" }\n";
const OPEN: &str = "[access]\npublish = \"lan\"\n";

fn pushing(url: &str, more: &str) -> String {
    format!(
        "[streams.camera]\ninput = {{ source = \"test\", size = \"320x180\", fps = 30 }}\n\
         [streams.camera.encode]\nvideo_bitrate = \"500k\"\n[[streams.camera.push]]\nurl = \"{url}\"\n{more}"
    )
}

/// What the box says of its push.
fn said(box_: &Appliance) -> Value {
    let stream: Value = serde_json::from_str(box_.get("/api/v1/streams/camera").text()).expect("JSON");
    stream["push"][0].clone()
}

fn wait_for_state(box_: &Appliance, state: &str, patience: Duration) -> Value {
    let mut last = Value::Null;
    wait_until(&format!("the push to be {state}"), patience, || {
        last = said(box_);
        last["state"] == state
    });
    last
}

#[test]
fn a_stream_is_sent_on_with_a_token_and_again_when_the_other_box_comes_back() {
    let folder = Folder::new();
    let far = Appliance::start_in(folder, &format!("{}{STAGE}", access()));
    let cookie = sign_in(&far);
    let made = send(&far, "POST", "/api/v1/tokens", &cookie, r#"{"name":"hall","streams":["stage"],"publish":true}"#);
    assert_eq!(made.status, 201, "{}", made.text());
    let made: Value = serde_json::from_str(made.text()).expect("JSON");
    let token = made["token"].as_str().expect("a token");

    let near = Appliance::start(&pushing(&far.url("/stage/whip"), &format!("token = \"{token}\"\n")));
    let live = wait_for_state(&near, "live", PATIENCE);
    assert_eq!((live["to"].as_str(), live["failures"].as_u64()), (Some(&*far.url("")), Some(0)), "{live}");
    plays(&far);
    let live = said(&near);
    assert!(live["bitrate_bps"].as_u64().is_some_and(|bps| (50_000..2_000_000).contains(&bps)), "{live}");
    let metrics = near.get("/metrics");
    assert!(metrics.text().contains("capturebox_push_live{stream=\"camera\",push=\"0\",to="), "{}", metrics.text());
    let log = near.log().join("\n");
    assert!(!log.contains(token), "the token stands in no log: {log}");

    // Its network is gone from one moment to the next; another one comes to the same address.
    let address = far.address();
    let _ = kill_process(Pid::from_raw(far.pid() as i32).expect("a process"), Signal::KILL);
    drop(far);
    let resting = wait_for_state(&near, "resting", PATIENCE);
    assert!(resting["error"].as_str().is_some_and(|error| error.contains("127.0.0.1")), "{resting}");
    let http = format!("[http]\nlisten = \"{address}\"\nlisten_tls = \"off\"\n[webrtc]\nlisten = \"127.0.0.1:0\"\n");
    let mut far = Appliance::start_with(Folder::new(), &http, &format!("{OPEN}{STAGE}"));
    let live = wait_for_state(&near, "live", PATIENCE);
    assert!(live["error"].is_null() && live["failures"].as_u64() > Some(0), "{live}");
    // A stream that is stopped has nothing to send, however long that lasts.
    assert_eq!(send(&near, "POST", "/api/v1/streams/camera/stop", "", "").status, 200);
    let waiting = wait_for_state(&near, "waiting", PATIENCE);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(said(&near), waiting);
    assert_eq!(send(&near, "POST", "/api/v1/streams/camera/start", "", "").status, 200);
    wait_for_state(&near, "live", PATIENCE);
    // And who stops takes leave.
    drop(near);
    far.wait_for_log("stage: no video signal: nobody publishes", Duration::from_secs(3));
}

/// Picture and sound arrive at the other box, and HLS players get them there.
fn plays(far: &Appliance) {
    far.wait_for_segments("stage", 2);
    let file = far.folder().file("recorded.mkv");
    record(&far.url("/stage/index.m3u8"), Duration::from_secs(5), &file);
    let probe = ffprobe(&["-show_entries", "stream=codec_name", &file]);
    let streams = probe["streams"].as_array().expect("streams");
    let codecs: Vec<&str> = streams.iter().filter_map(|stream| stream["codec_name"].as_str()).collect();
    assert!(codecs.contains(&"h264") && codecs.contains(&"aac"), "{probe}");
    let frames = pictures(&file);
    assert!(frames.len() > 100, "{} frames in 5 s", frames.len());
    let beeps = beeps(&file);
    assert!(beeps.len() >= 3, "a beep a second: {beeps:?}");
}

#[test]
fn sound_alone_is_sent_on_too() {
    let far = Appliance::start(&format!("{OPEN}{STAGE}"));
    let near = Appliance::start(&format!(
        "[streams.camera]\naudio = {{ source = \"test\" }}\n[[streams.camera.push]]\nurl = \"{}\"\n",
        far.url("/stage/whip")
    ));
    wait_for_state(&near, "live", PATIENCE);
    wait_until("sound to flow", PATIENCE, || said(&near)["bitrate_bps"].as_u64() > Some(10_000));
}

#[test]
fn where_only_the_relay_may_be_used_it_is() {
    let relay = Relay::start();
    let far = Appliance::start(&format!("{OPEN}{STAGE}"));
    let webrtc = format!("[webrtc]\nlisten = \"127.0.0.1:0\"\n{}relay_only = true\n", relay.config());
    let http = format!("[http]\nlisten = \"127.0.0.1:0\"\nlisten_tls = \"off\"\n{webrtc}");
    let near = Appliance::start_with(Folder::new(), &http, &pushing(&far.url("/stage/whip"), ""));
    wait_for_state(&near, "live", PATIENCE);
    far.wait_for_segments("stage", 2);
    // The other box is still there, and nearer than the relay: it was reached by nothing else.
    drop(relay);
    let resting = wait_for_state(&near, "resting", PATIENCE);
    assert!(resting["failures"].as_u64() >= Some(1), "{resting}");
    far.wait_for_segments("stage", 1);
    wait_until("a try without the relay to fail", 2 * PATIENCE, || {
        said(&near)["error"].as_str().is_some_and(|error| error.contains("TURN server"))
    });
}

#[test]
fn a_wrong_token_is_told_and_a_good_one_taken_while_it_runs() {
    let far = Appliance::start(&format!("[access]\npublish = \"token\"\n{STAGE}"));
    let open = Appliance::start(&format!("{OPEN}{STAGE}"));
    let config = |url: &str| format!("{}{}", access(), pushing(url, "token = \"not-this-one\"\n"));
    let near = Appliance::start(&config(&far.url("/stage/whip")));
    let resting = wait_for_state(&near, "resting", PATIENCE);
    assert!(resting["error"].as_str().is_some_and(|error| error.contains("refuses the token")), "{resting}");
    assert_eq!(resting["failures"], 1, "{resting}");

    let cookie = sign_in(&near);
    let shown = near.get_with("/api/v1/config", &[("cookie", &cookie)]);
    assert!(!shown.text().contains("not-this-one"), "{}", shown.text());
    let text = std::fs::read_to_string(near.folder().file("capturebox.toml")).expect("its file");
    let (http, _) = text.split_once("[access]").expect("a section");
    let wanted = serde_json::json!({ "toml": format!("{http}{}", config(&open.url("/stage/whip"))) });
    let answer = send(&near, "PUT", "/api/v1/config", &cookie, &wanted.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let replaced: Value = serde_json::from_str(answer.text()).expect("JSON");
    assert_eq!(replaced["unchanged"], serde_json::json!(["camera"]), "who watches isn't disturbed");
    wait_for_state(&near, "live", PATIENCE);
}
