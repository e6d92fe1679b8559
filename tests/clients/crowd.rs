//! Two thousand connections that are idle and two hundred that play: what one of them costs the box.

use crate::appliance::Appliance;
use crate::frames::{self, DATA, END_STREAM, ask, settings};
use crate::http;
use crate::https::authority;
use crate::playlist::{Media, Multivariant};
use crate::tls::{self, Connection};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::sync::{Mutex, PoisonError};

const STREAM: &str = "[streams.camera]\ninput = { source = \"test\", size = \"320x180\", fps = 15 }\n\
    [streams.camera.encode]\nvideo_bitrate = \"300k\"\n";

const IDLE: usize = 2_000;
const ACTIVE: usize = 200;
/// Parts that each of the active ones waits for.
const ROUNDS: usize = 3;
/// What a connection may cost, bytes of resident memory.
const MAX_BYTES: f64 = 40.0 * 1024.0;

fn resident_bytes(box_: &Appliance) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", box_.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") * 1024.0
}

/// Reads one answer with a length, over HTTP/1.1; its body.
fn read_http1(connection: &mut Connection) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut some = [0; 16 * 1024];
    loop {
        let head = answer.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&answer[..head]).to_lowercase();
            assert!(text.starts_with("http/1.1 200 "), "{text}");
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
            if answer.len() >= head + 4 + length.parse::<usize>().expect("a number") {
                return answer[head + 4..].to_vec();
            }
        }
        let count = connection.read(&mut some).expect("an answer");
        assert!(count > 0, "it hung up");
        answer.extend_from_slice(&some[..count]);
    }
}

/// Reads the answer to the request `stream`, over HTTP/2; its body.
fn read_http2(connection: &mut Connection, stream: u32) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let mut head = [0; 9];
        connection.read_exact(&mut head).expect("a frame");
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        connection.read_exact(&mut payload).expect("a frame");
        let of = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        assert!(head[3] != frames::GOAWAY && head[3] != frames::RST_STREAM, "{head:?} {payload:?}");
        if of == stream && head[3] == DATA {
            body.extend_from_slice(&payload);
        }
        if of == stream && head[4] & END_STREAM != 0 {
            return body;
        }
    }
}

fn costs_little(protocol: &str) {
    // One crowd at a time: idle connections are hung up on when the others take too long.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("more descriptors");
    let mut box_ = Appliance::start(STREAM);
    let master = box_.wait_for_segments("camera", 2);
    let video = format!("/camera/{}", Multivariant::parse(box_.get(&master).text()).variants[0].1);
    let client = tls::client(&[&authority(&box_)], &[protocol]);
    let address = box_.https_address();
    let http2 = protocol == "h2";
    let connect = || {
        let mut connection = tls::connect(&client, address).expect("a handshake");
        assert_eq!(connection.conn.alpn_protocol(), Some(protocol.as_bytes()));
        if http2 {
            connection.write_all(&[frames::PREFACE, &settings(&[])].concat()).expect("open");
        }
        connection
    };
    let send = |connection: &mut Connection, number: u32, path: &str| {
        let bytes = match http2 {
            true => ask(number, path),
            false => format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes(),
        };
        connection.write_all(&bytes).and_then(|()| connection.flush()).expect("open");
    };
    let receive = |connection: &mut Connection, number: u32| match http2 {
        true => read_http2(connection, number),
        false => read_http1(connection),
    };
    // What the first ones bring about stays: threads, tickets, tables.
    for _ in 0..20 {
        let mut connection = connect();
        send(&mut connection, 1, &video);
        receive(&mut connection, 1);
    }
    let before = resident_bytes(&box_);
    // Idle ones have asked for something once.
    let used = |_| {
        let mut connection = connect();
        send(&mut connection, 1, "/api/v1/time");
        receive(&mut connection, 1);
        connection
    };
    let mut idle: Vec<_> = (0..IDLE).map(used).collect();
    let mut active: Vec<_> = (0..ACTIVE).map(|_| connect()).collect();
    let mut most = 0.0_f64;
    for round in 0..ROUNDS {
        let now = Media::parse(http::get(box_.address(), &video, &[]).expect("an answer").text());
        let path = format!("{video}?_HLS_msn={}&_HLS_part=0", now.open_msn() + 1);
        let number = 2 * round as u32 + 1;
        for connection in &mut active {
            send(connection, number, &path);
        }
        most = most.max(resident_bytes(&box_));
        for connection in &mut active {
            let body = receive(connection, number);
            assert!(Media::parse(&String::from_utf8(body).expect("text")).open_msn() > now.open_msn());
        }
    }
    most = most.max(resident_bytes(&box_));
    // They are still served, all of them.
    for connection in &mut idle {
        send(connection, 3, "/api/v1/time");
        receive(connection, 3);
    }
    let each = (most - before) / (IDLE + ACTIVE) as f64;
    println!("{protocol}: {:.1} KB a connection", each / 1024.0);
    assert!(each < MAX_BYTES, "{each} bytes a connection");
    // The measure is one: a connection over TLS can't cost nothing.
    assert!(each > 1024.0, "{each} bytes a connection");
}

#[test]
fn a_connection_over_tls_costs_under_40_kb() {
    costs_little("http/1.1");
}

#[test]
fn a_connection_over_http2_costs_under_40_kb() {
    costs_little("h2");
}
