//! What the box tells by itself, as server-sent events.

use crate::appliance::{Appliance, PATIENCE};
use crate::playlist::Multivariant;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc;

const STREAM: &str = "[streams.camera]\ninput = { source = \"test\", size = \"320x180\", fps = 15 }\n";

/// The events from now on.
fn listen(box_: &Appliance) -> mpsc::Receiver<serde_json::Value> {
    let mut socket = TcpStream::connect(box_.address()).expect("it listens");
    let request = "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    socket.write_all(request.as_bytes()).expect("a request");
    let (tell, events) = mpsc::channel();
    let mut lines = BufReader::new(socket).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("retry:")), "the events begin");
    std::thread::spawn(move || {
        let data = lines.filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok());
        data.into_iter().try_for_each(|event| tell.send(event))
    });
    events
}

#[test]
fn players_come_and_go() {
    let box_ = Appliance::start(STREAM);
    let path = box_.wait_for_segments("camera", 1);
    let media = format!("/camera/{}", Multivariant::parse(box_.wait_for(&path).text()).variants[0].1);
    let viewers = || {
        let said: serde_json::Value = serde_json::from_str(box_.get("/api/v1/streams/camera").text()).expect("JSON");
        said["viewers"].as_u64().expect("a number")
    };
    let events = listen(&box_);
    let next = |name: &str| loop {
        let event = events.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{name} is told"));
        if event["event"] == name {
            assert_eq!(event["stream"], "camera");
            return event["readers"].as_u64().expect("a number");
        }
    };
    // The harness itself has watched until now.
    assert_eq!(viewers(), 1);
    for program in ["tv", "tv", "phone"] {
        box_.get_with(&media, &[("User-Agent", program)]);
    }
    assert!((2..=3).contains(&next("reader_joined")));
    assert_eq!(viewers(), 3, "a player is counted once");
    while next("reader_left") > 0 {}
    assert_eq!(viewers(), 0);
}
