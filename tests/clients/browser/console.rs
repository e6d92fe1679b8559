//! The console from end to end: a desktop's and a phone's Chromium claim the box and sign in over HTTPS, see
//! live pictures and graphs, change the bitrate and make a token; ffmpeg plays with it, and not without.

use super::list;
use crate::appliance::{Appliance, Folder};
use crate::ffmpeg::run;
use serde_json::Value;
use std::process::{Command, Stdio};

const VISIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/browser/console.mjs");
const STREAM: &str = "[streams.camera]\ninput = { source = \"test\", size = \"320x180\", fps = 15 }\n\
    [streams.camera.encode]\nvideo_bitrate = \"300k\"\n[streams.camera.access]\nview = \"token\"\n";

#[test]
fn desktop_and_phone_sign_in_see_change_and_let_others_in() {
    let folder = Folder::new();
    let code_file = folder.file("state/claim-code");
    let screenshots = std::env::var("CAPTUREBOX_SCREENSHOTS").unwrap_or_else(|_| folder.file("screenshots"));
    let mut box_ = Appliance::start_in(folder, STREAM);
    let url = format!("https://{}/", box_.https_address());
    let code = std::fs::read_to_string(code_file).expect("an unclaimed box has a code");
    let visits: Value = serde_json::from_slice(&run("node", &[VISIT, &url, code.trim(), &screenshots]))
        .expect("console.mjs writes JSON");
    println!("{visits:#}");
    let visits = visits.as_array().expect("visits");
    assert_eq!(visits.len(), 2);

    let address = box_.url("/camera/index.m3u8");
    for visit in visits {
        assert_eq!(list(&visit["problems"]), [""; 0]);
        assert_eq!(list(&visit["violations"]), [""; 0]);
        assert!(list(&visit["views"]).len() >= 4, "{visit:#}");
        assert_eq!(visit["skip"], "To the content", "the keyboard's first stop");
        let token = visit["token"].as_str().expect("a token");
        let with_token = format!("{address}?token={token}");
        run("ffmpeg", &["-v", "error", "-i", &with_token, "-t", "1", "-f", "null", "-"]);
    }
    let refused = Command::new("ffmpeg")
        .args(["-v", "error", "-i", &address, "-t", "1", "-f", "null", "-"])
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg runs");
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("401"), "{refused:?}");
}
