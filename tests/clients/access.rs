//! A box with a stream for token holders alone: claimed with its code, played by ffmpeg with a token,
//! refused without; and sent away from real time once the token is revoked.

use crate::admin::{access, cookie, send, sign_in};
use crate::appliance::{Appliance, Folder, PATIENCE, wait_until};
use crate::ffmpeg::ffprobe;
use crate::whep;
use std::time::Duration;

const STREAM: &str = "[streams.camera]\ninput = { source = \"test\", size = \"320x240\", fps = 30 }\n\
    [streams.camera.access]\nview = \"token\"\n";

#[test]
fn a_player_with_a_token_plays_and_one_without_does_not() {
    let folder = Folder::new();
    let code_file = folder.file("state/claim-code");
    let box_ = Appliance::start_in(folder, STREAM);
    assert_eq!(box_.get("/camera/index.m3u8").status, 401);

    let code = std::fs::read_to_string(code_file).expect("an unclaimed box has a code");
    let log = box_.log().join("\n");
    assert!(log.contains("claim-code") && !log.contains(code.trim()), "the log says where, and not what: {log}");
    let claim = format!(r#"{{"code":"{}","password":"long enough"}}"#, code.trim());
    let claimed = send(&box_, "POST", "/api/v1/claim", "", &claim);
    let cookie = cookie(&claimed);
    let made = send(&box_, "POST", "/api/v1/tokens", &cookie, r#"{"name":"tv","streams":["camera"],"view":true}"#);
    assert_eq!(made.status, 201, "{}", made.text());
    let made: serde_json::Value = serde_json::from_str(made.text()).expect("JSON");
    let (id, token) = (made["id"].as_str().expect("an id"), made["token"].as_str().expect("a token"));

    let path = format!("/camera/index.m3u8?token={token}");
    let playlist = box_.wait_for(&path);
    assert!(!playlist.text().contains(token), "the token stands in no address: {}", playlist.text());
    assert!(playlist.header("cache-control").is_none_or(|kept| !kept.contains("public")));
    let rendition = playlist.text().lines().find(|line| line.starts_with("k-")).expect("addresses below a key");
    let rendition = format!("/camera/{rendition}");
    box_.wait_for(&rendition);
    let without_key = rendition.splitn(4, '/').last().expect("the rest");
    assert_eq!(box_.get(&format!("/camera/{without_key}")).status, 401);

    let found = ffprobe(&["-show_entries", "stream=codec_name", &box_.url(&path)]);
    let codecs: Vec<_> = found["streams"].as_array().expect("streams").iter().map(|one| &one["codec_name"]).collect();
    assert!(codecs.iter().any(|codec| *codec == "h264"), "{codecs:?}");

    assert_eq!(send(&box_, "DELETE", &format!("/api/v1/tokens/{id}"), &cookie, "").status, 204);
    assert_eq!(box_.get(&path).status, 401, "revoked");
    assert_eq!(box_.get(&rendition).status, 401, "and its key with it");
}

#[test]
fn who_watches_in_real_time_is_sent_away_when_the_token_is_revoked() {
    let box_ = Appliance::start(&format!("{}{STREAM}", access()));
    let cookie = sign_in(&box_);
    let made = send(&box_, "POST", "/api/v1/tokens", &cookie, r#"{"name":"tv","streams":["camera"],"view":true}"#);
    let made: serde_json::Value = serde_json::from_str(made.text()).expect("JSON");
    let (id, token) = (made["id"].as_str().expect("an id"), made["token"].as_str().expect("a token"));
    assert_eq!(whep::watch(&box_.url("/camera/whep?token=wrong"), &[])["status"], 401);

    let viewers = || {
        let stream = send(&box_, "GET", "/api/v1/streams/camera", &cookie, "");
        let stream: serde_json::Value = serde_json::from_str(stream.text()).expect("JSON");
        stream["viewers"].as_u64().expect("a number")
    };
    let url = box_.url(&format!("/camera/whep?token={token}"));
    let report = std::thread::scope(|scope| {
        let watching = scope.spawn(|| whep::watch(&url, &[]));
        wait_until("somebody to watch", PATIENCE, || viewers() == 1);
        assert_eq!(send(&box_, "DELETE", &format!("/api/v1/tokens/{id}"), &cookie, "").status, 204);
        wait_until("nobody to watch", Duration::from_secs(8), || viewers() == 0);
        watching.join().expect("a report")
    });
    assert!(report["pictures"].as_u64().is_some_and(|pictures| pictures > 0), "{report}");
    assert_eq!(report["deleted"], serde_json::json!([404, 404]), "it was over before");
    assert!(box_.log().iter().any(|line| line.contains("was sent away")));
}
