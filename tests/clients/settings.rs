//! The configuration and the log of a running box, from outside.

use crate::appliance::{Appliance, Folder, PROGRAM};
use crate::http::{Response, exchange, parse};
use std::process::Command;

const OWN: &str = "# Ours\n[http]\nlisten = \"127.0.0.1:0\"\nlisten_tls = \"off\"\n\n\
                   [streams.camera] # the altar\ninput = { source = \"test\", size = \"320x180\", fps = 15 }\n";

/// A request from the box itself, which nobody has claimed: it may do everything.
fn send(box_: &Appliance, method: &str, path: &str, headers: &str, body: &str) -> Response {
    let (address, length) = (box_.address(), body.len());
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    );
    parse(&exchange(address, request.as_bytes()).expect("an answer"), false).expect("HTTP")
}

fn json(response: &Response) -> serde_json::Value {
    serde_json::from_slice(&response.body).unwrap_or_else(|error| panic!("{error}: {}", response.text()))
}

#[test]
fn a_box_without_a_configuration_of_others_keeps_its_own() {
    let folder = Folder::new();
    std::fs::create_dir(folder.file("state")).expect("a folder");
    let file = folder.file("state/capturebox.toml");
    std::fs::write(&file, OWN).expect("written");
    // What the harness appends are the shell's arguments, not the program's.
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" run", PROGRAM]);
    let mut box_ = Appliance::start_by(shell, folder, "unused", "");
    let said = box_.wait_for_log("the configuration is ", crate::appliance::PATIENCE);
    assert!(said.contains("state/capturebox.toml"), "{said}");

    let read = box_.get("/api/v1/config");
    let tag = read.header("etag").expect("a version").to_owned();
    let mut settings = json(&read)["settings"].clone();
    assert_eq!(json(&read)["toml"], OWN);
    settings["streams"]["camera"]["encode"] = serde_json::json!({ "video_bitrate": "400k" });
    let body = serde_json::json!({ "settings": settings }).to_string();
    let put = send(&box_, "PUT", "/api/v1/config", &format!("If-Match: {tag}\r\n"), &body);
    assert_eq!((put.status, &json(&put)["restarted"]), (200, &serde_json::json!(["camera"])), "{}", put.text());
    let kept = std::fs::read_to_string(&file).expect("there");
    assert!(kept.starts_with(OWN) && kept.contains("[streams.camera.encode]\nvideo_bitrate = \"400k\""), "{kept}");
    assert_eq!(std::fs::read_to_string(format!("{file}.bak")).expect("kept"), OWN);

    let late = send(&box_, "PUT", "/api/v1/config", &format!("If-Match: {tag}\r\n"), &body);
    assert_eq!(late.status, 412, "{}", late.text());
    settings["streams"]["camera"]["input"]["size"] = "1x1".into();
    let body = serde_json::json!({ "settings": settings }).to_string();
    let refused = send(&box_, "POST", "/api/v1/config/check", "", &body);
    assert_eq!(refused.status, 422);
    let place = &json(&refused)["errors"][0];
    assert_eq!((&place["path"], &place["line"]), (&"streams.camera.input.size".into(), &7.into()), "{place}");
}

#[test]
fn the_log_is_read_on_from_where_one_was() {
    let box_ = Appliance::start("[streams.camera]\ninput = { source = \"test\", size = \"320x180\", fps = 15 }\n");
    let first = json(&box_.get("/api/v1/log"));
    let listening = |lines: &serde_json::Value| {
        let lines = lines["lines"].as_array().expect("a list");
        lines.iter().any(|line| line["message"].as_str().is_some_and(|text| text.starts_with("listening on http://")))
    };
    assert!(listening(&first), "{first}");
    let path = format!("/api/v1/log?after={}", first["after"]);
    assert!(!listening(&json(&box_.get(&path))), "only what is new");
    assert_eq!(box_.get("/api/v1/log?level=loud").status, 400);
    assert_eq!(box_.get_with("/api/v1/log", &[("Origin", "http://evil.example")]).status, 401);
}

/// By the console's pages: see settings.mjs.
mod browser {
    use super::*;
    use crate::ffmpeg;
    use serde_json::Value;

    const VISIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/browser/settings.mjs");
    const STREAM: &str = "[streams.camera]\ninput = { source = \"test\", size = \"320x180\", fps = 15 } # the altar\n";

    #[test]
    fn settings_people_log_and_phones_work_on_a_desktop_and_on_a_phone() {
        let folder = Folder::new();
        let code_file = folder.file("state/claim-code");
        let screenshots = std::env::var("CAPTUREBOX_SCREENSHOTS").unwrap_or_else(|_| folder.file("screenshots"));
        let mut box_ = Appliance::start_in(folder, STREAM);
        let url = format!("https://{}/", box_.https_address());
        let code = std::fs::read_to_string(code_file).expect("an unclaimed box has a code");
        let said = ffmpeg::run("node", &[VISIT, &url, code.trim(), &screenshots]);
        let visits: Value = serde_json::from_slice(&said).expect("settings.mjs writes JSON");
        println!("{visits:#}");
        let visits = visits.as_array().expect("visits");
        assert_eq!(visits.len(), 2);
        for (visit, rate) in visits.iter().zip(["12", "10"]) {
            assert_eq!((&visit["problems"], &visit["violations"]), (&Value::from([""; 0]), &Value::from([""; 0])));
            let text = |name: &str| visit[name].as_str().unwrap_or_else(|| panic!("no {name} in {visit:#}"));
            assert!(text("atField").contains("it must be from 1 to 120"), "at the field");
            assert!(text("told").contains("Started anew, with a short gap: camera"), "{}", text("told"));
            assert!(text("saved").contains(&format!("fps = {rate} }} # the altar")), "{}", text("saved"));
            let hook = text("hook");
            assert!(hook.contains("url = \"http://127.0.0.1:9/hook\"") && hook.contains("disk_low"), "{hook}");
            assert!(hook.contains("secret = \"(unchanged ") && !hook.contains("a secret of some length"), "{hook}");
            assert!(!text("unhooked").contains("webhooks"), "{}", text("unhooked"));
            assert_eq!(visit["theirs"], true, "what somebody else saved is still there");
            ffmpeg::run(
                "ffmpeg",
                &["-v", "error", "-tls_verify", "0", "-i", text("player"), "-t", "1", "-f", "null", "-"],
            );
            assert!(visit["found"].as_u64() > Some(0), "the log has it");
        }
    }
}
