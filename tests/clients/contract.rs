//! The API keeps what its OpenAPI document says: schemathesis makes requests out of the document, good and
//! bad ones, and holds every answer of a running box against it. `contract/` says how.

use crate::admin::{access, send, sign_in};
use crate::appliance::Appliance;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// No test shuts down the machine that it runs on.
const ACTIONS: &str = "[actions]\nshut_down = [\"true\"]\nrestart_network = [\"true\"]\n";
const STREAMS: &str = "[streams.camera]\ninput = { source = \"test\", size = \"320x180\", fps = 15 }\n\
    [streams.desk]\ninput = { source = \"test\", size = \"320x180\", fps = 15 }\n";
/// Where scripts/deps puts it.
const TOOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.cache/schemathesis");
const CONTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/contract");

#[test]
fn every_answer_is_as_the_document_says() {
    let box_ = Appliance::start(&format!("{}{ACTIONS}{STREAMS}", access()));
    box_.wait_for_segments("camera", 1);
    let (session, second) = (sign_in(&box_), sign_in(&box_));
    let secret = |cookie: &str| cookie.split_once('=').expect("name=value").1.to_owned();
    let asked = AtomicBool::new(false);
    let output = std::thread::scope(|scope| {
        // So that something happens while events are listened to.
        scope.spawn(|| {
            while !asked.load(Ordering::Relaxed) {
                for change in ["stop", "start"] {
                    send(&box_, "POST", &format!("/api/v1/streams/camera/{change}"), &session, "");
                }
            }
        });
        let output = Command::new(format!("{TOOL}/bin/schemathesis"))
            .arg("--config-file")
            .arg(format!("{CONTRACT}/schemathesis.toml"))
            .args(["run", &box_.url("/api/v1/openapi.json")])
            .env("PYTHONPATH", TOOL)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("HOOKS", format!("{CONTRACT}/hooks.py"))
            .env("CONFIGURATION", box_.folder().file("capturebox.toml"))
            .env("SESSION", secret(&session))
            .env("SECOND_SESSION", secret(&second))
            .current_dir(box_.folder().file(""))
            .stdin(Stdio::null())
            .output();
        asked.store(true, Ordering::Relaxed);
        output.expect("schemathesis is there (scripts/deps test)")
    });
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    // Something was asked, and by somebody who may.
    assert!(!said.contains("Authentication failed"), "{said}");
    let cases = said.split("Test cases:").nth(1).and_then(|after| after.split_whitespace().next());
    assert!(cases.and_then(|count| count.parse().ok()).is_some_and(|count: u32| count > 300), "{said}");
    println!("{said}");
    assert_eq!(box_.get("/api/v1/health").status, 200);
}
