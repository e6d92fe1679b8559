//! Rooms over HTTP: three people with aiortc, who may come in, and what means harm at the WebSocket. Chromium meets in
//! `browser`.

use crate::admin::{access, send, sign_in};
use crate::appliance::Appliance;
use crate::ffmpeg::run;
use crate::http::{exchange, parse};
use crate::whep::AIORTC;
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

const STREAM: &str = "[streams.camera]\ninput = { source = \"test\", size = \"320x180\", fps = 15 }\n";
const PEOPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/rtc/room.py");

#[test]
fn three_people_with_aiortc_meet_and_one_comes_back() {
    let box_ = Appliance::start(STREAM);
    let (path, origin) = (format!("PYTHONPATH={AIORTC}"), box_.url(""));
    let arguments = [path.as_str(), "PYTHONDONTWRITEBYTECODE=1", "python3", PEOPLE, &origin, "choir"];
    let report: Value = serde_json::from_slice(&run("env", &arguments)).expect("room.py writes JSON");
    assert_eq!(report, json!({ "hosts": [true, false, false], "resumed": true, "removed": 4001 }));
}

type Socket = WebSocket<TcpStream>;

/// Opens the WebSocket of a room. `query`: what follows its address.
fn open(box_: &Appliance, room: &str, query: &str) -> Socket {
    let url = box_.url(&format!("/rooms/{room}/ws{query}")).replace("http://", "ws://");
    let mut request = url.into_client_request().expect("a request");
    request.headers_mut().insert("sec-websocket-protocol", "capturebox.room.v1".parse().expect("a value"));
    let stream = TcpStream::connect(box_.address()).expect("connects");
    tungstenite::client(request, stream).expect("a WebSocket").0
}

fn say(socket: &mut Socket, message: &Value) {
    socket.send(Message::text(message.to_string())).expect("sent");
}

/// The next message of a type; or with which code the box closed.
fn told(socket: &mut Socket, kind: &str) -> Result<Value, Option<u16>> {
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => {
                let told: Value = serde_json::from_str(&text).expect("JSON");
                if told["type"] == kind {
                    return Ok(told);
                }
            }
            Ok(Message::Close(frame)) => return Err(frame.map(|frame| frame.code.into())),
            Ok(_) => {}
            Err(_) => return Err(None),
        }
    }
}

fn join(box_: &Appliance, room: &str) -> Socket {
    let mut socket = open(box_, room, "");
    say(&mut socket, &json!({ "type": "join", "name": "Ada" }));
    told(&mut socket, "welcome").expect("in");
    socket
}

#[test]
fn who_may_no_longer_be_there_is_put_out() {
    let box_ = Appliance::start(&format!("{}[rooms]\njoin = \"token\"\n{STREAM}", access()));
    let cookie = sign_in(&box_);
    let asked = r#"{"name":"singer","streams":["room-choir"],"publish":true}"#;
    let made: Value = serde_json::from_str(send(&box_, "POST", "/api/v1/tokens", &cookie, asked).text()).expect("JSON");
    let (id, token) = (made["id"].as_str().expect("an id"), made["token"].as_str().expect("a token"));
    let mut socket = open(&box_, "choir", &format!("?token={token}"));
    say(&mut socket, &json!({ "type": "join", "name": "Ada" }));
    told(&mut socket, "welcome").expect("in");
    assert_eq!(send(&box_, "DELETE", &format!("/api/v1/tokens/{id}"), &cookie, "").status, 204);
    assert_eq!(told(&mut socket, "nothing"), Err(Some(4001)));
    let rooms = send(&box_, "GET", "/api/v1/rooms", &cookie, "");
    assert!(!rooms.text().contains("Ada"), "the place is free: {}", rooms.text());
}

const UPGRADE: [(&str, &str); 5] = [
    ("connection", "Upgrade, close"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-protocol", "capturebox.room.v1"),
];

/// The answer's status to a request for the WebSocket with one header other, or left out where it is empty.
fn status(box_: &Appliance, path: &str, other: (&str, &str)) -> u16 {
    let mut request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n", box_.address());
    let headers = UPGRADE.iter().filter(|(name, _)| *name != other.0).chain([&other]);
    for (name, value) in headers.filter(|(_, value)| !value.is_empty()) {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    parse(&exchange(box_.address(), request.as_bytes()).expect("an answer"), false).expect("HTTP").status
}

#[test]
fn only_websockets_of_the_boxs_own_pages_come_in() {
    let box_ = Appliance::start(STREAM);
    for (path, other, expected) in [
        ("/rooms/choir/ws", ("upgrade", ""), 426),
        ("/rooms/choir/ws", ("sec-websocket-version", "8"), 426),
        ("/rooms/choir/ws", ("sec-websocket-key", "short"), 426),
        ("/rooms/choir/ws", ("sec-websocket-protocol", "chat"), 400),
        ("/rooms/choir/ws", ("origin", "https://evil.example"), 403),
        ("/rooms/../ws", ("x", "y"), 404),
    ] {
        assert_eq!(status(&box_, path, other), expected, "{path} {other:?}");
    }
    let closed = Appliance::start(&format!("{STREAM}[rooms]\nenabled = false\n"));
    assert_eq!(status(&closed, "/rooms/choir/ws", ("x", "y")), 404);
    let secret = Appliance::start(&format!("{STREAM}[rooms]\njoin = \"account\"\n"));
    assert_eq!(status(&secret, "/rooms/choir/ws", ("x", "y")), 401);
}

#[test]
fn harm_ends_its_own_websocket_and_nobody_elses() {
    let box_ = Appliance::start(STREAM);
    let mut ada = join(&box_, "choir");
    let refused = Err(Some(4_000));

    let mut nonsense = open(&box_, "choir", "");
    say(&mut nonsense, &json!({ "type": "dance" }));
    assert_eq!(told(&mut nonsense, "error").map(|told| told["code"].clone()), Ok(json!("malformed")));
    assert_eq!(told(&mut nonsense, "none"), refused);

    let mut binary = join(&box_, "choir");
    binary.send(Message::binary(vec![0; 100])).expect("sent");
    assert_eq!(told(&mut binary, "none"), refused);

    let mut early = open(&box_, "choir", "");
    say(&mut early, &json!({ "type": "offer", "connection": 1, "sdp": "v=0" }));
    assert_eq!(told(&mut early, "none"), refused);

    let mut long = open(&box_, "choir", "");
    let _ = long.send(Message::text("x".repeat(70_000)));
    assert!(told(&mut long, "none").is_err());

    let mut unmasked = open(&box_, "choir", "");
    unmasked.get_mut().write_all(&[0x81, 0x02, b'{', b'}']).expect("written");
    assert!(told(&mut unmasked, "none").is_err());

    let mut flood = join(&box_, "choir");
    for _ in 0..400 {
        if flood.send(Message::text(json!({ "type": "hand", "raised": true }).to_string())).is_err() {
            break;
        }
    }
    assert!(told(&mut flood, "none").is_err());

    // Nonsense where SDP should be is answered, and doesn't end anything.
    let mut odd = join(&box_, "choir");
    say(&mut odd, &json!({ "type": "offer", "connection": 1, "sdp": "v=0\r\nhello" }));
    assert_eq!(told(&mut odd, "error").map(|told| told["code"].clone()), Ok(json!("offer")));
    say(&mut odd, &json!({ "type": "chat", "text": "still here" }));
    assert_eq!(told(&mut odd, "chat").map(|told| told["text"].clone()), Ok(json!("still here")));
    assert_eq!(told(&mut ada, "chat").map(|told| told["text"].clone()), Ok(json!("still here")));
}
