//! HTTPS and HTTP/2 with clients that know nothing of us: curl, nghttp, openssl.

use crate::appliance::{Appliance, Folder, PATIENCE, wait_until};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

const STREAM: &str = "[streams.camera]\ninput = { source = \"test\", size = \"320x180\", fps = 15 }\n\
                      [streams.camera.encode]\nvideo_bitrate = \"300k\"\n";

pub fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{program}: {error} (scripts/deps test)"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// curl that trusts `authority` only; its output.
fn curl(authority: &str, arguments: &[&str]) -> Output {
    run("curl", &[&["--silent", "--show-error", "--max-time", "20", "--cacert", authority], arguments].concat())
}

/// The box's authority as it lies in the state folder, in a file for clients.
pub fn authority(box_: &Appliance) -> String {
    let kept = std::fs::read(box_.folder().file("state/authority.json")).expect("kept");
    let kept: serde_json::Value = serde_json::from_slice(&kept).expect("JSON");
    let file = box_.folder().file("authority.pem");
    std::fs::write(&file, kept["certificate"].as_str().expect("PEM")).expect("written");
    file
}

#[test]
fn curl_that_trusts_the_box_gets_everything_over_both_protocols() {
    let mut box_ = Appliance::start(STREAM);
    box_.wait_for_segments("camera", 1);
    let port = box_.https_address().port();
    let authority = authority(&box_);
    for (option, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        for path in ["/", "/camera/index.m3u8", "/api/v1/time"] {
            for host in ["127.0.0.1", "localhost"] {
                let url = format!("https://{host}:{port}{path}");
                let output = curl(&authority, &[option, "-o", "/dev/null", "-w", "%{http_version} %{http_code}", &url]);
                assert_eq!(text(&output.stdout), format!("{version} 200"), "{url}: {}", text(&output.stderr));
            }
        }
    }
    let untrusting = run("curl", &["--silent", &format!("https://127.0.0.1:{port}/")]);
    assert_eq!(untrusting.status.code(), Some(60), "who doesn't trust the box is told");
    let head = curl(&authority, &["--http2", "--head", &format!("https://localhost:{port}/")]);
    assert!(text(&head.stdout).contains("content-length: "), "{}", text(&head.stdout));
}

#[test]
fn a_playlist_and_its_media_come_over_one_http2_connection() {
    let mut box_ = Appliance::start(STREAM);
    let master = box_.wait_for_segments("camera", 2);
    let base = format!("https://localhost:{}", box_.https_address().port());
    let authority = authority(&box_);
    let fetch = |path: &str| {
        let output = curl(&authority, &["--http2", "--fail", &format!("{base}{path}")]);
        assert!(output.status.success(), "{path}: {}", text(&output.stderr));
        output.stdout
    };
    let master = text(&fetch(&master));
    let video = master.lines().find(|line| line.ends_with("video.m3u8")).expect("a rendition");
    let (session, _) = video.split_once('/').expect("below a session");
    let playlist = text(&fetch(&format!("/camera/{video}")));
    let segment = playlist.lines().find(|line| line.ends_with(".m4s") && !line.starts_with('#')).expect("a segment");
    let path = format!("/camera/{session}/{segment}");
    let over_http1 = box_.get(&path);
    assert_eq!(fetch(&path), over_http1.body, "cut into frames and put together again");

    // nghttp asks for all of them at once on one connection, the last a part that is yet to come.
    let media = format!("{base}/camera/{video}");
    let sequence: u64 = playlist
        .lines()
        .find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"))
        .and_then(|number| number.parse().ok())
        .expect("a sequence number");
    let segments = playlist.matches("#EXTINF").count() as u64;
    let next = format!("{media}?_HLS_msn={}&_HLS_part=0", sequence + segments + 1);
    let output = run("nghttp", &["--stat", "--null-out", "--timeout=20", &format!("{base}{path}"), &media, &next]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    let answered = said.lines().filter(|line| line.contains(" 200 ")).count();
    assert_eq!(answered, 3, "{said}");
}

#[test]
fn alpn_agrees_on_what_both_speak() {
    let mut box_ = Appliance::start(STREAM);
    let address = box_.https_address().to_string();
    let authority = authority(&box_);
    for (offered, agreed) in
        [("h2,http/1.1", "ALPN protocol: h2"), ("http/1.1", "ALPN protocol: http/1.1"), ("", "No ALPN negotiated")]
    {
        let mut arguments = vec![
            "s_client",
            "-connect",
            &address,
            "-CAfile",
            &authority,
            "-verify_return_error",
            "-verify_ip",
            "127.0.0.1",
        ];
        if !offered.is_empty() {
            arguments.extend(["-alpn", offered]);
        }
        let said = text(&run("openssl", &arguments).stdout);
        assert!(said.contains(agreed), "{offered:?}: {said}");
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
        assert!(said.contains("TLSv1.3") || said.contains("TLSv1.2"), "{said}");
    }
    let foreign = run("openssl", &["s_client", "-connect", &address, "-alpn", "gopher"]);
    assert!(!foreign.status.success(), "nothing in common is no connection (RFC 7301 §3.2)");
    let old = run("openssl", &["s_client", "-connect", &address, "-tls1_1"]);
    assert!(!old.status.success(), "TLS 1.1 is over (RFC 8996)");
}

#[test]
fn what_is_no_tls_is_refused_and_the_box_goes_on() {
    let mut box_ = Appliance::start(STREAM);
    let address = box_.https_address();
    let exchange = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        // It may be reset.
        let _ = stream.read_to_end(&mut answer);
        text(&answer)
    };
    assert!(exchange(b"GET / HTTP/1.1\r\nhost: box\r\n\r\n").contains("https://"), "plain HTTP is told where it is");
    for garbage in [&[0x16, 3, 1, 0xff, 0xff, 1, 2, 3][..], &[0; 64], &[0x80, 0x2e, 1, 3, 1], &[0xff; 20_000]] {
        let _ = exchange(garbage);
    }
    let authority = authority(&box_);
    let output = curl(&authority, &["--http2", "--fail", &format!("https://{address}/api/v1/time")]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// A certificate for localhost, self-signed, and its key.
pub fn self_signed(folder: &Folder, name: &str) -> (String, String) {
    let (certificate, key) = (folder.file(&format!("{name}.pem")), folder.file(&format!("{name}-key.pem")));
    let made = run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            &format!("/CN={name}"),
            "-addext",
            "subjectAltName=DNS:localhost",
            // Strict clients take no authority for a server.
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            &key,
            "-out",
            &certificate,
        ],
    );
    assert!(made.status.success(), "{}", text(&made.stderr));
    (certificate, key)
}

/// A box whose certificate is in files of this folder, at first the one called `first`; another lies ready.
pub struct FromFiles {
    pub box_: Appliance,
    pub certificate: String,
    pub key: String,
    /// Certificate and key.
    pub first: (String, String),
    pub second: (String, String),
}

impl FromFiles {
    pub fn start(streams: &str) -> Self {
        let folder = Folder::new();
        let (first, second) = (self_signed(&folder, "first"), self_signed(&folder, "second"));
        let (certificate, key) = (folder.file("certificate.pem"), folder.file("key.pem"));
        std::fs::copy(&first.0, &certificate).expect("copied");
        std::fs::copy(&first.1, &key).expect("copied");
        let http = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\nlisten_tls = \"127.0.0.1:0\"\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n"
        );
        let box_ = Appliance::start_with(folder, &http, streams);
        Self { box_, certificate, key, first, second }
    }
}

#[test]
fn a_certificate_file_that_changes_is_served_without_a_break() {
    let FromFiles { mut box_, certificate, key, first: (first, _), second: (second, second_key) } =
        FromFiles::start(STREAM);
    box_.wait_for_segments("camera", 1);
    let port = box_.https_address().port();
    let url = format!("https://localhost:{port}/camera/index.m3u8");
    let trusts = |authority: &str| curl(authority, &["--http2", "--fail", &url]).status.success();
    assert!(trusts(&first));

    // A player that reads on while the certificate changes: one connection, held over it.
    let playing = format!("https://localhost:{port}/api/v1/time?[1-400]");
    let mut player = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--cacert", &first, "--rate", "30/s", "-w", "%{num_connects}\n"])
        .args(["-o", "/dev/null", &playing])
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl starts");
    std::fs::copy(&second, &certificate).expect("copied");
    // The two don't go together for a moment.
    box_.wait_for_log("going on with the old certificate", PATIENCE);
    assert!(trusts(&first), "half a change is none");
    std::fs::copy(&second_key, &key).expect("copied");
    wait_until("the new certificate", PATIENCE, || trusts(&second));
    assert!(!trusts(&first));
    let mut connects = String::new();
    player.stdout.take().expect("piped").read_to_string(&mut connects).expect("text");
    assert!(player.wait().expect("it ends").success(), "the open connection goes on");
    assert_eq!(connects.lines().filter(|line| *line != "0").count(), 1, "one connection for all of it");
}

#[test]
fn a_restart_keeps_the_authority_that_devices_trust() {
    let mut box_ = Appliance::start(STREAM);
    box_.https_address();
    let trusted = authority(&box_);
    let kept = std::fs::read(box_.folder().file("state/authority.json")).expect("kept");
    let again = Folder::new();
    std::fs::create_dir(again.file("state")).expect("a folder");
    std::fs::write(again.file("state/authority.json"), kept).expect("written");
    let mut second = Appliance::start_in(again, STREAM);
    let url = format!("https://{}/api/v1/time", second.https_address());
    let output = curl(&trusted, &["--http2", "--fail", &url]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}
