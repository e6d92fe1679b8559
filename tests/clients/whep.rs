//! Watching in real time: WHEP's requests and answers, aiortc and GStreamer as the viewers, also over a bad network, and what
//! means harm at the UDP port. Chromium watches in `browser`.

use crate::appliance::{Appliance, Folder, PATIENCE, wait_until};
use crate::ffmpeg::{ffmpeg, run};
use crate::http::{Response, exchange, parse};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};

pub const STREAM: &str = "[streams.camera]\ninput = { source = \"test\", size = \"640x360\", fps = 30 }\n";
/// Where scripts/deps puts aiortc.
pub const AIORTC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.cache/aiortc");
/// GStreamer's webrtcbin, driven by Debian's own Python, for which Debian has the bindings.
pub const GSTREAMER: [&str; 2] = ["/usr/bin/python3", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/rtc/gst.py")];
const VIEWER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/rtc/whep.py");
const SECONDS: f64 = 8.0;

/// What somebody sends who wants picture and sound, and would take VP8 only where `video` says so.
pub fn offer(video: &str, direction: &str) -> String {
    let fingerprint = ["AB"; 32].join(":");
    let common = format!(
        "c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=fingerprint:sha-256 {fingerprint}\r\n\
         a=setup:actpass\r\na={direction}\r\na=rtcp-mux\r\n"
    );
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=rtpmap:96 {video}/90000\r\n{common}"
    )
}

pub fn send(box_: &Appliance, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", box_.address());
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("content-length: {}\r\n\r\n{body}", body.len());
    parse(&exchange(box_.address(), request.as_bytes()).expect("an answer"), false).expect("HTTP")
}

const SDP: [(&str, &str); 1] = [("content-type", "application/sdp")];
const H264: &str = "a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n";

fn h264_offer() -> String {
    offer("H264", "recvonly") + H264
}

/// Where the box listens for WebRTC.
pub fn port(box_: &mut Appliance) -> SocketAddr {
    let line = box_.wait_for_log("(UDP) for WebRTC", PATIENCE);
    let address = line.split_once("listening on ").and_then(|(_, rest)| rest.split(' ').next());
    address.and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("no address in {line:?}"))
}

pub fn watch(url: &str, more: &[&str]) -> Value {
    let (path, seconds) = (format!("PYTHONPATH={AIORTC}"), SECONDS.to_string());
    let mut arguments = vec![path.as_str(), "PYTHONDONTWRITEBYTECODE=1", "python3", VIEWER, url, &seconds];
    arguments.extend(more);
    let report: Value = serde_json::from_slice(&run("env", &arguments)).expect("whep.py writes JSON");
    println!("{report:#}");
    report
}

fn number(report: &Value, name: &str) -> f64 {
    report[name].as_f64().unwrap_or_else(|| panic!("no {name} in {report:#}"))
}

/// Picture and sound, most of the time that it was there.
fn plays(report: &Value) {
    assert_eq!(report["status"], 201);
    assert_eq!(report["size"], serde_json::json!([640, 360]));
    let spanned = number(report, "seconds_of_pictures");
    assert!(spanned > SECONDS - 3.0, "{spanned} s of pictures in {SECONDS} s");
    assert!(number(report, "pictures") > 0.9 * 30.0 * spanned, "the picture moves");
    assert!(number(report, "contrast") > 40.0, "colour bars are no grey");
    assert!(number(report, "loudest") > 500.0, "the test sound is heard");
    assert!(number(report, "stamps") >= 5.0, "it is told when pictures were taken");
    assert_eq!(report["deleted"], serde_json::json!([200, 404]), "a session ends once");
}

#[test]
fn aiortc_watches_in_real_time() {
    let box_ = Appliance::start(STREAM);
    let report = watch(&box_.url("/camera/whep"), &[]);
    plays(&report);
    assert!(number(&report, "seconds_of_sound") > SECONDS - 3.0);
}

#[test]
fn gstreamer_watches_in_real_time() {
    let box_ = Appliance::start(STREAM);
    let [python, script] = GSTREAMER;
    let report = run(python, &[script, "watch", &box_.url("/camera/whep"), "5"]);
    let report: Value = serde_json::from_slice(&report).expect("gst.py writes JSON");
    assert_eq!((&report["size"], &report["left"]), (&serde_json::json!([640, 360]), &serde_json::json!(200)));
    assert!(number(&report, "pictures") > 0.9 * 30.0 * 5.0, "{report}");
    assert!(number(&report, "loudest") > 500.0, "{report}");
}

#[test]
fn candidates_may_come_later_and_belong_to_their_generation() {
    let box_ = Appliance::start(STREAM);
    let report = watch(&box_.url("/camera/whep"), &["--trickle"]);
    plays(&report);
    assert_eq!(report["patched"], serde_json::json!([412, 204]));
}

#[test]
fn five_lost_in_a_hundred_at_40_ms_do_not_freeze_it() {
    let box_ = Appliance::start(STREAM);
    let report = watch(&box_.url("/camera/whep"), &["--loss", "0.05", "--delay", "20"]);
    plays(&report);
    assert!(number(&report, "longest_gap_ms") < 1_500.0);
}

#[test]
fn who_comes_between_distant_key_frames_does_not_wait_for_the_next() {
    let folder = Folder::new();
    let file = folder.file("long.mp4");
    // One key frame in 30 s, from a source that nobody can ask for another.
    let source = "testsrc2=size=640x360:rate=30:duration=30";
    ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        source,
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-bf",
        "0",
        "-g",
        "900",
        "-sc_threshold",
        "0",
        "-pix_fmt",
        "yuv420p",
        &file,
    ]);
    let mut box_ =
        Appliance::start_in(folder, &format!("[streams.camera]\ninput = {{ source = \"file\", path = \"{file}\" }}\n"));
    box_.wait_for_log("video is live", PATIENCE);
    let report = watch(&box_.url("/camera/whep"), &[]);
    assert!(number(&report, "first_picture_ms") < 3_000.0);
    assert!(number(&report, "pictures") > 150.0);
}

#[test]
fn pictures_in_another_order_are_refused_in_plain_words() {
    let folder = Folder::new();
    let file = folder.file("b.mp4");
    let source = "testsrc2=size=320x180:rate=30:duration=20";
    ffmpeg(&[
        "-f", "lavfi", "-i", source, "-c:v", "libx264", "-preset", "fast", "-bf", "2", "-g", "30", "-pix_fmt",
        "yuv420p", &file,
    ]);
    let mut box_ =
        Appliance::start_in(folder, &format!("[streams.camera]\ninput = {{ source = \"file\", path = \"{file}\" }}\n"));
    box_.wait_for_log("video is live", PATIENCE);
    let answer = send(&box_, "POST", "/camera/whep", &SDP, &h264_offer());
    assert_eq!(answer.status, 406);
    assert!(answer.text().contains("B-frames"), "{}", answer.text());
}

#[test]
fn every_wrong_request_has_its_answer() {
    let box_ = Appliance::start(STREAM);
    box_.wait_for_segments("camera", 1);
    let good = h264_offer();
    let status = |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        let answer = send(&box_, method, path, headers, body);
        assert!(
            answer.status < 400 || answer.text().trim_end().ends_with(['.', '}']),
            "{method} {path}: {}",
            answer.text()
        );
        answer.status
    };
    assert_eq!(status("POST", "/camera/whep", &SDP, &good), 201);
    assert_eq!(status("POST", "/nothing/whep", &SDP, &good), 404);
    assert_eq!(status("POST", "/camera/whep", &[], &good), 415);
    assert_eq!(status("POST", "/camera/whep", &[("content-type", "application/json")], "{}"), 415);
    assert_eq!(status("POST", "/camera/whep", &[SDP[0], ("accept", "text/html")], &good), 406);
    assert_eq!(status("POST", "/camera/whep", &[SDP[0], ("accept", "text/html, application/sdp;q=0.5")], &good), 201);
    assert_eq!(status("POST", "/camera/whep", &SDP, &offer("VP8", "recvonly")), 406);
    for body in ["", "hello", "v=0\r\n", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"] {
        assert_eq!(status("POST", "/camera/whep", &SDP, body), 400, "{body:?}");
    }
    assert_eq!(status("POST", "/camera/whep", &SDP, &"a=x\r\n".repeat(20_000)), 413);
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let answer = send(&box_, method, "/camera/whep", &[], "");
        assert_eq!((answer.status, answer.header("allow")), (405, Some("OPTIONS, POST")), "{method}");
    }
    let session = "/camera/whep/00112233445566778899aabbccddeeff";
    assert_eq!(status("DELETE", session, &[], ""), 404);
    assert_eq!(status("PATCH", session, &[("content-type", "application/trickle-ice-sdpfrag")], ""), 404);
    let answer = send(&box_, "POST", session, &[], "");
    assert_eq!((answer.status, answer.header("allow")), (405, Some("OPTIONS, PATCH, DELETE")));

    let answer = send(&box_, "OPTIONS", "/camera/whep", &[("origin", "https://church.example")], "");
    assert_eq!((answer.status, answer.header("accept-post")), (204, Some("application/sdp")));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));

    send(&box_, "POST", "/api/v1/streams/camera/stop", &[], "");
    let answer = send(&box_, "POST", "/camera/whep", &SDP, &good);
    assert_eq!((answer.status, answer.header("retry-after")), (409, Some("5")));
}

#[test]
fn a_session_is_patched_as_rfc_9725_says() {
    let box_ = Appliance::start(&format!("{STREAM}[access]\nview = \"public\"\n"));
    box_.wait_for_segments("camera", 1);
    let created = send(&box_, "POST", "/camera/whep", &[SDP[0], ("origin", "https://church.example")], &h264_offer());
    assert_eq!(created.status, 201, "a page of another site may show a public stream: {}", created.text());
    assert_eq!(created.header("content-type"), Some("application/sdp"));
    let session = created.header("location").expect("a location").to_owned();
    assert!(session.starts_with("/camera/whep/"), "{session}");
    let etag = created.header("etag").expect("an etag").to_owned();
    let ufrag =
        |sdp: &str| sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).expect("a user name").to_owned();
    let before = ufrag(created.text());

    let patch = |headers: &[(&str, &str)], body: &str| send(&box_, "PATCH", &session, headers, body);
    let kind = ("content-type", "application/trickle-ice-sdpfrag");
    let candidate = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n\
                     a=candidate:1 1 udp 2122260223 127.0.0.1 9 typ host\r\na=candidate:2 1 udp 2122260223 0f2c.local 9 typ host\r\n";
    assert_eq!(patch(&[("content-type", "application/sdp"), ("if-match", &etag)], candidate).status, 415);
    assert_eq!(patch(&[kind], candidate).status, 428);
    assert_eq!(patch(&[kind, ("if-match", "\"x\"")], candidate).status, 412);
    assert_eq!(patch(&[kind, ("if-match", &etag)], "nonsense").status, 400);
    assert_eq!(patch(&[kind, ("if-match", &etag)], candidate).status, 204);

    let restart =
        "a=ice-ufrag:wxyz\r\na=ice-pwd:zyxwvutsrqponmlkjihgfe\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n";
    let restarted = patch(&[kind, ("if-match", "*")], restart);
    assert_eq!((restarted.status, restarted.header("content-type")), (200, Some(kind.1)));
    assert_ne!(ufrag(restarted.text()), before, "a restart has a user name of its own");
    assert!(restarted.text().contains("a=candidate:"), "{}", restarted.text());
    let next = restarted.header("etag").expect("an etag");
    assert_ne!(next, etag);
    assert_eq!(patch(&[kind, ("if-match", &etag)], candidate).status, 412, "that is of before the restart");
    assert_eq!(send(&box_, "DELETE", &session, &[], "").status, 200);
    assert_eq!(patch(&[kind, ("if-match", next)], candidate).status, 404);
}

#[test]
fn who_may_not_view_may_not_watch() {
    let box_ = Appliance::start(&format!("{STREAM}[access]\nview = \"token\"\n"));
    assert_eq!(send(&box_, "POST", "/camera/whep", &SDP, &h264_offer()).status, 401);
    assert_eq!(send(&box_, "POST", "/camera/whep?token=wrong", &SDP, &h264_offer()).status, 401);
}

#[test]
fn what_means_harm_at_the_port_disturbs_nobody() {
    let mut box_ = Appliance::start(STREAM);
    let port = port(&mut box_);
    let url = box_.url("/camera/whep");
    let before = box_.log().len();
    std::thread::scope(|scope| {
        let viewer = scope.spawn(|| watch(&url, &[]));
        let viewers = || box_.get("/metrics").text().contains("capturebox_webrtc_viewers{stream=\"camera\"} 1");
        wait_until("the viewer has come", PATIENCE, viewers);
        // Many come and never show themselves.
        let answers: Vec<u16> =
            (0..100).map(|_| send(&box_, "POST", "/camera/whep", &SDP, &h264_offer()).status).collect();
        assert!(answers.iter().all(|status| [201, 503].contains(status)), "{answers:?}");
        assert!(answers.contains(&503), "there is an end to those who are waited for");

        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let mut seed: u64 = 1;
        let mut byte = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as u8
        };
        for round in 0..20_000_u32 {
            let len = usize::from(byte()) * 5 + 1;
            let mut datagram: Vec<u8> = (0..len).map(|_| byte()).collect();
            match round % 5 {
                // STUN requests for whoever, DTLS, SRTP, SRTCP, and noise.
                0 => datagram.splice(0..0, [0, 1, 0, 8, 0x21, 0x12, 0xA4, 0x42]).for_each(drop),
                1 => datagram.splice(0..0, [22, 254, 253, 0, 0]).for_each(drop),
                2 => datagram.splice(0..0, [0x80, 96]).for_each(drop),
                3 => datagram.splice(0..0, [0x81, 206, 0, 2]).for_each(drop),
                _ => {}
            }
            // A full buffer drops it, as any network may.
            let _ = socket.send_to(&datagram, port);
        }
        plays(&viewer.join().expect("it watched"));
    });
    let said = box_.log().len() - before;
    assert!(said < 20, "{said} lines of log for strangers' noise: {:#?}", box_.log());
}

#[test]
fn what_means_harm_by_tcp_is_closed_and_bounded() {
    let box_ = Appliance::start(STREAM);
    let created = send(&box_, "POST", "/camera/whep", &SDP, &h264_offer());
    assert_eq!(created.status, 201, "{}", created.text());
    let candidate = created.text().lines().find(|line| line.contains(" tcptype passive")).expect("it is told");
    let port = candidate.split(' ').nth(5).and_then(|port| port.parse().ok()).expect("a port");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let connect = || {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream
    };
    let closes = |mut stream: TcpStream, what: &str| {
        let read = stream.read(&mut [0; 16]);
        let reset = matches!(&read, Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset);
        assert!(matches!(read, Ok(0)) || reset, "{what}: {read:?}");
    };
    for (what, bytes) in [
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".repeat(300)),
        ("a packet that is too long", [&[0xFF, 0xFF][..], &[0; 5_000]].concat()),
        ("DTLS before any check", vec![0, 5, 22, 254, 253, 0, 0]),
        ("an empty packet", vec![0, 0]),
    ] {
        let mut stream = connect();
        stream.write_all(&bytes).expect("sent");
        closes(stream, what);
    }
    let idle: Vec<TcpStream> = (0..16).map(|_| connect()).collect();
    closes(connect(), "one too many from there");
    drop(idle);
    // A check for nobody gets no answer, and keeps its connection a little while only.
    let mut check = vec![0, 32, 0, 1, 0, 12, 0x21, 0x12, 0xA4, 0x42];
    check.extend([7; 12]);
    check.extend([0, 6, 0, 7]);
    check.extend(b"no:body\0");
    wait_until("a place to be free", PATIENCE, || {
        let mut stream = connect();
        stream.set_read_timeout(Some(std::time::Duration::from_millis(300))).expect("set");
        let waits = stream.write_all(&check).is_ok()
            && matches!(stream.read(&mut [0; 16]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
        if waits {
            stream.set_read_timeout(Some(PATIENCE)).expect("set");
            closes(stream, "a check for nobody");
        }
        waits
    });
    assert_eq!(send(&box_, "POST", "/camera/whep", &SDP, &h264_offer()).status, 201);
}
