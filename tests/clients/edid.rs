//! What the box tells HDMI sources, judged by `edid-decode`, which knows the standards.

use capturebox::capture::v4l2::edid::Edid;
use std::io::Write;
use std::process::{Command, Stdio};

#[test]
fn the_boxs_own_edid_conforms_and_says_what_it_can() {
    let mut judge = Command::new("edid-decode")
        .arg("--check")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("edid-decode is there (scripts/deps test)");
    judge.stdin.take().expect("piped").write_all(Edid::own().bytes()).expect("read");
    let output = judge.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("EDID conformity: PASS"), "{said}");
    assert!(!said.contains("Warnings:"), "{said}");
    let squeezed = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "Display Product Name: 'capturebox'",
        "DTD 1: 1920x1080 30.000000 Hz",
        "First detailed timing is the preferred timing",
        "VIC 33: 1920x1080 25.000000 Hz",
        "VIC 31: 1920x1080 50.000000 Hz",
        "VIC 4: 1280x720 60.000000 Hz",
        "VIC 19: 1280x720 50.000000 Hz",
        "Basic audio support",
        "Linear PCM: Max channels: 2 Supported sample rates (kHz): 48 44.1 32",
    ] {
        assert!(squeezed.contains(words), "{words} is missing:\n{said}");
    }
}
