//! The program from outside: what `check`, `devices` and wrong arguments print, and the exit codes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn capturebox(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_capturebox"))
        .args(arguments)
        .env_remove("RUST_LOG")
        .output()
        .expect("the built program runs")
}

/// Exit code, standard output, standard error.
fn result(output: &Output) -> (Option<i32>, &str, &str) {
    let text = |bytes| std::str::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A file that goes away with its test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("capturebox-cli-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).expect("the file can be written");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn check_accepts_the_example() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("capturebox.example.toml");
    let example = example.to_str().expect("UTF-8");
    let output = capturebox(&["check", "--config", example]);
    let expected = format!("{example}: good; streams: camera, desk, film, relay, stage, test\n");
    assert_eq!(result(&output), (Some(0), expected.as_str(), ""));
}

#[test]
fn check_and_run_refuse_a_bad_file_with_every_line() {
    let file = File::new("bad", "[http]\nlisten = 8080\n\n[streams.api]\nvidoe = { source = \"test\" }\n");
    let path = file.path();
    let expected = format!(
        "{path}:2: `listen` is the number 8080; it must be a string like \"0.0.0.0:8080\" (all interfaces) or \"127.0.0.1:8080\" (this machine only)\n\
         {path}:4: \"api\" can't be a stream's name: the box uses that path itself; use another one\n\
         {path}:4: stream api has no source; add `video`, `audio` or `input`, for example video = {{ source = \"test\" }}\n\
         {path}:5: unknown key `vidoe` in [streams.api]; did you mean `video`?\n"
    );
    for command in ["check", "run"] {
        let output = capturebox(&[command, "--config", path]);
        assert_eq!(result(&output), (Some(2), "", expected.as_str()), "{command}");
    }
}

#[test]
fn a_missing_file_is_named() {
    for command in ["check", "run"] {
        let output = capturebox(&[command, "--config", "/nowhere/capturebox.toml"]);
        let expected = "/nowhere/capturebox.toml: can't be read: No such file or directory (os error 2)\n";
        assert_eq!(result(&output), (Some(2), "", expected), "{command}");
    }
}

#[test]
fn wrong_arguments_get_the_usage() {
    for arguments in [&[][..], &["fly"], &["check"], &["run", "--file", "x"]] {
        let output = capturebox(arguments);
        let (code, stdout, stderr) = result(&output);
        assert_eq!((code, stdout), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains("Usage: capturebox"), "{arguments:?}: {stderr}");
    }
}

#[test]
fn help_is_no_error() {
    let output = capturebox(&["--help"]);
    let (code, stdout, stderr) = result(&output);
    assert_eq!((code, stderr), (Some(0), ""));
    for command in ["run", "check", "devices"] {
        assert!(stdout.contains(&format!("\n  {command} ")), "{stdout}");
    }
}

#[test]
fn devices_are_listed_for_people_and_for_programs() {
    assert_eq!(capturebox(&["devices"]).status.code(), Some(0));
    let output = capturebox(&["devices", "--json"]);
    let (code, stdout, _) = result(&output);
    assert_eq!(code, Some(0));
    let devices: serde_json::Value = serde_json::from_str(stdout).expect("JSON");
    for kind in ["cameras", "hdmi_inputs", "microphones", "encoders"] {
        assert!(devices[kind].is_array(), "{kind}: {devices}");
    }
}

#[test]
fn the_service_can_write_the_configuration_that_it_reads() {
    let unit = include_str!("../board/capturebox.service");
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    // Everything else is read-only there, and /etc is root's, whom the service is not.
    assert_eq!((value("ProtectSystem"), value("DynamicUser")), (Some("strict"), Some("yes")));
    // So its file is the one in its own folder, which is where the program looks without --config.
    assert_eq!(value("ExecStart"), Some("/usr/bin/capturebox run"));
    assert_eq!(value("StateDirectory"), Some("capturebox"));
}
