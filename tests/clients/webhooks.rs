//! Webhooks to a receiver that isn't ours, over HTTP and HTTPS.

use crate::appliance::{Appliance, Folder, PATIENCE, PROGRAM};
use crate::http::{Response, exchange, parse};
use crate::network::{Lan, done};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

const SECRET: &str = "an open secret of this test";
const STREAM: &str = "[streams.camera]\ninput = { source = \"test\", size = \"320x180\", fps = 10 }\n";

/// Ends with its owner.
struct Receiver {
    program: Child,
    lines: mpsc::Receiver<String>,
    port: u16,
}

impl Receiver {
    fn start(certificate_and_key: &[&str]) -> Self {
        Self::start_by(Command::new("python3"), certificate_and_key)
    }

    fn start_by(mut python: Command, certificate_and_key: &[&str]) -> Self {
        let mut program = python
            .args(["-c", include_str!("webhook_receiver.py"), SECRET])
            .args(certificate_and_key)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let output = BufReader::new(program.stdout.take().expect("piped"));
        let (line, lines) = mpsc::channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
        let port = lines.recv_timeout(PATIENCE).expect("it listens").parse().expect("a port");
        Self { program, lines, port }
    }

    /// The next request; its signature must be right.
    fn next(&self) -> serde_json::Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("a request");
        let request: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((&request["signed"], &request["named"]), (&true.into(), &true.into()), "{request}");
        request
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn send(box_: &Appliance, method: &str, path: &str, body: &str) -> Response {
    let (address, length) = (box_.address(), body.len());
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    parse(&exchange(address, request.as_bytes()).expect("an answer"), false).expect("HTTP")
}

fn hook(url: &str, more: &str) -> String {
    format!("[[webhooks]]\nurl = \"{url}\"\nsecret = \"{SECRET}\"\n{more}")
}

#[test]
fn events_arrive_signed_after_refusals_and_a_change_applies_at_once() {
    let receiver = Receiver::start(&[]);
    let url = format!("http://127.0.0.1:{}/hook?key=geheim", receiver.port);
    let mut box_ =
        Appliance::start(&format!("{}{STREAM}", hook(&url, "events = [\"stream_started\", \"stream_stopped\"]\n")));
    let refused = [receiver.next(), receiver.next()];
    let taken = receiver.next();
    assert!(refused.iter().all(|one| one["status"] == 503 && one["event"] == taken["event"]), "{refused:?}, {taken}");
    assert_eq!((&taken["status"], &taken["path"]), (&204.into(), &"/hook?key=geheim".into()));
    assert_eq!(taken["event"]["event"], "stream_started");
    assert_eq!(taken["event"]["stream"], "camera");
    assert!(taken["event"]["unix_ms"].as_i64().is_some_and(|ms| ms > 1_600_000_000_000), "{taken}");
    box_.wait_for_log("takes events again", PATIENCE);

    assert_eq!(send(&box_, "POST", "/api/v1/streams/camera/stop", "").status / 100, 2);
    assert_eq!(receiver.next()["event"]["event"], "stream_stopped");

    // Another receiver instead, while the box runs; it hears of that change itself.
    let other = Receiver::start(&[]);
    let file = std::fs::read_to_string(box_.folder().file("capturebox.toml")).expect("its configuration");
    let (http, _) = file.split_once("[[webhooks]]").expect("as written");
    let new = format!("{http}{}{STREAM}", hook(&format!("http://127.0.0.1:{}/", other.port), ""));
    let answer = send(&box_, "PUT", "/api/v1/config", &serde_json::json!({ "toml": new }).to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(other.next()["event"]["event"], "configuration_changed");
    assert!(receiver.lines.try_recv().is_err(), "the first one is out");

    let log = box_.log().join("\n");
    assert!(!log.contains(SECRET) && !log.contains("geheim"), "{log}");
}

#[test]
fn https_goes_to_who_has_a_certificate_of_the_authority_in_the_file() {
    let folder = Folder::new();
    let mut params = CertificateParams::new([]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = params.self_signed(&key).expect("a certificate").pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let leaf = leaf.signed_by(&key, &issuer).expect("a certificate").pem();
    let files = [("ca.pem", authority), ("leaf.pem", leaf), ("key.pem", key.serialize_pem())].map(|(name, pem)| {
        std::fs::write(folder.file(name), pem).expect("a file");
        folder.file(name)
    });
    let [ca, certificate, key] = &files;
    let receiver = Receiver::start(&[certificate, key]);
    let url = format!("https://localhost:{}/", receiver.port);
    let trusting = hook(&url, &format!("ca = \"{ca}\"\n"));
    let mut box_ =
        Appliance::start_in(folder, &format!("{trusting}{}{STREAM}", hook(&url, "events = [\"source_state\"]\n")));
    assert_eq!(receiver.next()["event"]["event"], "stream_started");
    let said = box_.wait_for_log("source_state is tried again", PATIENCE);
    assert!(said.contains("certificate"), "who isn't trusted is told why: {said}");
}

#[test]
fn storage_that_runs_full_is_told_and_that_it_is_no_more() {
    let lan = Lan::new();
    let (machine, folder) = (lan.machine("box", 1), Folder::new());
    let state = folder.file("state");
    std::fs::create_dir(&state).expect("a folder");
    done(machine.command("mount").args(["-t", "tmpfs", "-o", "size=20m,mode=700", "tmpfs", &state]));
    let receiver = Receiver::start_by(machine.command("python3"), &[]);
    let hook = hook(
        &format!("http://127.0.0.1:{}/", receiver.port),
        "events = [\"disk_low\", \"disk_ok\", \"configuration_changed\"]\n",
    );
    let program = machine.command(PROGRAM);
    let _box = Appliance::start_by(program, folder, "127.0.0.1:8080", &format!("{hook}{STREAM}"));
    // The machine's own disk may be low as well.
    let told = |name: &str| loop {
        let event = receiver.next()["event"].clone();
        if event["path"] == state.as_str() && event["event"] == name {
            return event["free_bytes"].as_u64().expect("a number");
        }
    };
    let full = format!("{state}/full");
    done(machine.command("fallocate").args(["--length", "17M", &full]));
    assert!(told("disk_low") < 5 << 20);
    done(machine.command("rm").arg(&full));
    assert!(told("disk_ok") > 15 << 20);
}
