//! `capturebox check`: where a configuration is wrong, and what would be right.

use crate::appliance::{Folder, PROGRAM};
use std::process::{Command, Output};

fn check(text: &str) -> (Output, String) {
    let folder = Folder::new();
    let config = folder.file("capturebox.toml");
    std::fs::write(&config, text).expect("a configuration");
    let output = Command::new(PROGRAM).args(["check", "--config", &config]).output().expect("it starts");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, said)
}

#[test]
fn a_good_configuration_is_good() {
    let (output, said) = check("[streams.camera]\ninput = { source = \"test\" }\n");
    assert!(output.status.success(), "{said}");
}

#[test]
fn a_bad_configuration_is_refused_with_file_and_line() {
    // The text, the line that is wrong, a word that the message must have.
    for (text, line, word) in [
        ("[http]\nlisten = \"nowhere\"\n", 2, "listen"),
        ("[http]\nport = 80\n", 2, "port"),
        ("[streams.camera]\ninput = { source = \"tset\" }\n", 2, "tset"),
        ("[streams.camera]\ninput = { source = \"test\", colour = 1 }\n", 2, "colour"),
        ("[streams.api]\ninput = { source = \"test\" }\n", 1, "api"),
        ("[streams.\"a b\"]\ninput = { source = \"test\" }\n", 1, "a b"),
        ("[streams.camera]\ninput = { source = \"test\" }\n[streams.camera.hls]\nwindow = 1\n", 4, "window"),
        (
            "[streams.camera]\ninput = { source = \"test\" }\n[streams.camera.encode]\nvideo_bitrate = \"lots\"\n",
            4,
            "lots",
        ),
        ("[streams.camera]\nvideo = { source = \"test\", size = \"1279x720\" }\n", 2, "1279"),
        ("[streams.camera]\ninput = { source = \"test\"\n", 2, ""),
        ("[access]\nview = \"everybody\"\n", 2, "everybody"),
    ] {
        let (output, said) = check(text);
        assert!(!output.status.success(), "accepted:\n{text}");
        assert!(said.contains(&format!("capturebox.toml:{line}")), "line {line} of\n{text}\nit says {said}");
        assert!(said.contains(word), "{word} in {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn a_file_that_is_not_there_is_a_clear_message() {
    let output = Command::new(PROGRAM).args(["check", "--config", "/no/such/file.toml"]).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("/no/such/file.toml"), "{said}");
}

#[test]
fn devices_are_listed_even_where_there_are_none() {
    let output = Command::new(PROGRAM).arg("devices").output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!output.stdout.is_empty());
}
