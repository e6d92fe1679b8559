//! What means the box harm, all at once, over plain connections and TLS: it is refused, counted and bounded,
//! and a player notices nothing. The finer points are tested without a network (src/http/tests/).

use crate::appliance::{Appliance, PATIENCE, wait_until};
use crate::frames::{self, CONTINUATION, END_STREAM, HEADERS, RST_STREAM, ask, frame, settings};
use crate::http;
use crate::https::authority;
use crate::steady::{Over, play};
use crate::tls;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const STREAM: &str = "[streams.camera]\ninput = { source = \"test\", size = \"320x180\", fps = 15 }\n\
    [streams.camera.encode]\nvideo_bitrate = \"300k\"\n";

/// Of each kind.
const MANY: usize = 40;

/// The counters of connections and answers, by name and label.
fn counters(box_: &Appliance) -> BTreeMap<String, u64> {
    let page = box_.get("/metrics");
    let lines = page.text().lines().filter_map(|line| line.strip_prefix("capturebox_http_"));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, value)| {
            let value: f64 = value.parse().expect("a number");
            (name.to_owned(), value as u64)
        })
        .collect()
}

fn connection(result: &str) -> String {
    format!("connections_total{{result=\"{result}\"}}")
}

/// Sends a byte a second on each connection until the box has hung up on all of them.
fn trickle(mut open: Vec<(TcpStream, u8)>, patience: Duration) {
    let give_up = Instant::now() + patience;
    for (socket, _) in &open {
        socket.set_nonblocking(true).expect("a socket");
    }
    while !open.is_empty() {
        assert!(Instant::now() < give_up, "{} are still open after {patience:?}", open.len());
        // The pace of those who mean harm.
        std::thread::sleep(Duration::from_secs(1));
        open.retain_mut(|(socket, byte)| {
            let written = socket.write(&[*byte]);
            let mut answer = [0; 4096];
            let hung_up = loop {
                match socket.read(&mut answer) {
                    Ok(0) => break true,
                    Ok(_) => {}
                    Err(error) => break error.kind() != ErrorKind::WouldBlock,
                }
            };
            !hung_up && written.is_ok()
        });
    }
}

fn open(address: SocketAddr, begin: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("it listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let _ = socket.write_all(begin);
    socket
}

/// Sends it and reads until the box hangs up; it may do so before it has read everything.
fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = open(address, bytes);
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn malformed_tls(address: SocketAddr) {
    for n in 0..MANY {
        let noise: Vec<u8> = (0..200 + n * 97).map(|i| (i * 31 + n * 17) as u8).collect();
        // A record of a handshake, of an alert, of nothing that there is; SSLv2; and noise.
        let begin: &[u8] =
            [&[0x16, 3, 1, 0x02, 0x00][..], &[0x15, 3, 3, 0, 2], &[0x63, 3, 3, 1, 0], &[0x80, 0x2e], &[]][n % 5];
        exchange(address, &[begin, &noise].concat());
    }
}

fn slow_handshakes(address: SocketAddr) {
    let silent = (0..MANY).map(|_| (open(address, &[]), 0x16));
    // The head of a hello that says it is long.
    let begun = (0..MANY).map(|_| (open(address, &[0x16, 3, 1, 0x0f, 0xff, 1, 0, 0x0f, 0xfb, 3, 3]), 0));
    trickle(silent.chain(begun).collect(), PATIENCE);
}

fn slow_heads(address: SocketAddr) {
    let silent = (0..MANY).map(|_| (open(address, &[]), b'G'));
    let begun = (0..MANY).map(|_| (open(address, b"GET /camera/index.m3u8 HTTP/1.1\r\nhost: box\r\nx: "), b'y'));
    trickle(silent.chain(begun).collect(), PATIENCE);
}

fn requests_that_never_end(address: SocketAddr) {
    let head = "POST /api/v1/session HTTP/1.1\r\nhost: box\r\ncontent-type: application/json\r\n";
    let told = format!("{head}content-length: 10000\r\n\r\n{{");
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n");
    let told = (0..MANY).map(|_| (open(address, told.as_bytes()), b' '));
    let chunked = (0..MANY).map(|_| (open(address, chunked.as_bytes()), b'0'));
    trickle(told.chain(chunked).collect(), PATIENCE);
}

fn huge_bodies(address: SocketAddr) {
    let head = "POST /api/v1/session HTTP/1.1\r\nhost: box\r\ncontent-type: application/json\r\n";
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    for _ in 0..MANY {
        let told = exchange(address, format!("{head}content-length: 10000000000\r\n\r\n").as_bytes());
        assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
        // The answer may be lost in the reset that follows what the box won't read.
        let chunked =
            exchange(address, format!("{head}transfer-encoding: chunked\r\n\r\n{}", chunk.repeat(20)).as_bytes());
        assert!(chunked.is_empty() || chunked.starts_with("HTTP/1.1 413 "), "{chunked}");
    }
}

fn tricks(address: SocketAddr) {
    let smuggled = "POST /api/v1/session HTTP/1.1\r\nhost: b\r\ncontent-type: application/json\r\n\
        content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /api/v1/time HTTP/1.1\r\nhost: b\r\n\r\n";
    for _ in 0..MANY {
        let answer = exchange(address, smuggled.as_bytes());
        // An empty body isn't JSON; what follows it is never taken for a request.
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.matches("HTTP/1.1 ").count() == 1, "{answer}");
        let bomb =
            exchange(address, format!("GET / HTTP/1.1\r\nhost: b\r\n{}\r\n", "a: b\r\n".repeat(2_000)).as_bytes());
        assert!(bomb.is_empty() || bomb.starts_with("HTTP/1.1 431 "), "{bomb}");
        for path in
            ["/../../etc/passwd", "/camera/..%2f..%2fetc/passwd", "/camera//index.m3u8", "/%00", "/camera/\\..\\x"]
        {
            let answer = http::get(address, path, &[]).expect("an answer");
            assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
        }
    }
}

/// HTTP/2 that means harm; the box must hang up by itself.
fn hostile_http2(address: SocketAddr, authority: &str) {
    let client = tls::client(&[authority], &["h2"]);
    let cancel = |stream| frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
    let reset = (0..3_000_u32).map(|n| 2 * n + 1).flat_map(|stream| [ask(stream, "/"), cancel(stream)].concat());
    let reset: Vec<u8> = reset.collect();
    let endless = frame(HEADERS, END_STREAM, 1, &frames::head("/"));
    let endless = [endless, frame(CONTINUATION, 0, 1, &[]).repeat(20_000)].concat();
    for bytes in [reset, endless] {
        for _ in 0..MANY / 4 {
            let mut connection = tls::connect(&client, address).expect("a handshake");
            let begin = [frames::PREFACE, &settings(&[])].concat();
            // It may hang up in the middle.
            let _ = connection.write_all(&begin).and_then(|()| connection.write_all(&bytes));
            let _ = connection.flush();
            let mut answer = Vec::new();
            let _ = connection.read_to_end(&mut answer);
        }
    }
}

#[test]
fn what_means_harm_is_refused_and_counted_and_a_player_notices_nothing() {
    let mut box_ = Appliance::start(STREAM);
    box_.wait_for_segments("camera", 1);
    let (plain, secure) = (box_.address(), box_.https_address());
    let authority = authority(&box_);
    let before = counters(&box_);
    let over = Over::default();
    let played = std::thread::scope(|scope| {
        let ends = over.at_last();
        let player = scope.spawn(|| play(|path| box_.get(path), "camera", &over));
        let harm = [
            scope.spawn(|| malformed_tls(secure)),
            scope.spawn(|| slow_handshakes(secure)),
            scope.spawn(|| slow_heads(plain)),
            scope.spawn(|| requests_that_never_end(plain)),
            scope.spawn(|| huge_bodies(plain)),
            scope.spawn(|| tricks(plain)),
            scope.spawn(|| hostile_http2(secure, &authority)),
        ];
        let harm = harm.map(|one| one.join());
        drop(ends);
        let played = player.join().expect("the player goes on");
        assert!(harm.iter().all(Result::is_ok));
        played
    });
    println!("{played:?}");
    played.is_steady(30);

    let many = MANY as u64;
    let mut grown = BTreeMap::new();
    let expected = [
        // Noise, and a byte again and again, which is no record; what only ends too early is overdue.
        (connection("handshake_failed"), many),
        (connection("handshake_overdue"), many),
        (connection("header_overdue"), 2 * many),
        // Bombs, and HTTP/2 that means harm.
        (connection("failed"), many + many / 4),
        ("responses_total{status=\"408\"}".to_owned(), 2 * many),
        ("responses_total{status=\"413\"}".to_owned(), 2 * many),
        ("responses_total{status=\"400\"}".to_owned(), many),
        ("responses_total{status=\"404\"}".to_owned(), 4 * many),
    ];
    wait_until("the counters", PATIENCE, || {
        let now = counters(&box_);
        let of = |counts: &BTreeMap<String, u64>, name: &str| counts.get(name).copied().unwrap_or(0);
        grown = expected.iter().map(|(name, _)| (name.clone(), of(&now, name) - of(&before, name))).collect();
        // All of them are gone again, but for this one that asks.
        expected.iter().all(|(name, least)| grown[name] >= *least) && now["open_connections"] <= 1
    });
    println!("{grown:?}");
}
