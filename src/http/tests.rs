//! The server from outside: bytes in, bytes out; in memory with simulated time, and over loopback.

use super::access::Caller;
use super::connection::{Ended, serve_connection};
use super::watch::{Overdue, Protocol};
use super::{Limits, Server, Site};
use crate::access::{Access, Policies};
use crate::control::Control;
use crate::supervisor::Supervisor;
use crate::time::{Epoch, MonoTime};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

#[allow(dead_code, reason = "shared with the client tests, which need other parts of it")]
mod frames;
mod hostile;
mod roles;

const SECOND: Duration = Duration::from_secs(1);

fn site() -> Arc<Site> {
    let runtime = tokio::runtime::Handle::current();
    let access = Access::open(None, Policies::default(), None).expect("nothing to read");
    Arc::new(Site::new(Control::new(Supervisor::new(), runtime, Epoch::new(MonoTime::ZERO, 0)), Arc::new(access)))
}

/// A connection in memory, and how it ends. `room` is what the pipe holds, bytes.
fn connect(room: usize) -> (DuplexStream, JoinHandle<Ended>, oneshot::Sender<()>) {
    connect_to(site(), Protocol::Http1, room)
}

fn connect_to(
    site: Arc<Site>,
    protocol: Protocol,
    room: usize,
) -> (DuplexStream, JoinHandle<Ended>, oneshot::Sender<()>) {
    let (client, server) = duplex(room);
    let (stop, stopped) = oneshot::channel();
    let caller = Caller { address: SocketAddr::from(([127, 0, 0, 1], 1)), tls: false };
    let closing = async move {
        // A dropped sender is no stop.
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let end = tokio::spawn(serve_connection(server, protocol, caller, site, Limits::default(), closing));
    (client, end, stop)
}

/// Everything that comes back for `request` until the server closes; the client says that it closes.
async fn exchange(request: &str) -> String {
    let (mut client, end, _stop) = connect(1 << 20);
    // The server may hang up before it has read everything.
    let _ = client.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.expect("a pipe that closes");
    end.await.expect("no panic");
    String::from_utf8_lossy(&answer).into_owned()
}

/// `GET path` with further header lines, each with its line end.
fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: box\r\nconnection: close\r\n{headers}\r\n")
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[tokio::test]
async fn every_kind_of_request_has_its_status() {
    let long = "x".repeat(5_000);
    let table = [
        (get("/", ""), "200"),
        (get("/api/v1/time", ""), "200"),
        (get("/metrics", ""), "200"),
        (get("/metrics", "").replace("GET", "POST"), "405"),
        (get("/api/v1/system", ""), "401"),
        (get("/api/v1/streams", ""), "200"),
        (get("/api/v1/openapi.json", ""), "200"),
        (get("/api/v1/streams/nobody", ""), "404"),
        (get("/api/v1/streams/nobody/none", ""), "404"),
        (get("/api/v2/streams", ""), "404"),
        (get("/api/v1/time", "").replace("GET", "DELETE"), "405"),
        (get("/api/v1/time", "content-length: 99999999\r\n"), "413"),
        (get("/nobody/", ""), "404"),
        (get("/nobody", ""), "404"),
        (get("/nobody/index.m3u8", ""), "404"),
        (get("/assets/none.js", ""), "404"),
        (get("/%2e%2e/etc/passwd", ""), "404"),
        (get("/../../etc/passwd", ""), "404"),
        (get(&format!("/{long}"), ""), "414"),
        (get(&format!("/?{long}"), ""), "414"),
        (get("/", &format!("cookie: {}\r\n", "x".repeat(20_000))), "431"),
        (get("/", &"a: b\r\n".repeat(200)), "431"),
        (get("/", "content-length: 99999999\r\n"), "413"),
        (get("/", "transfer-encoding: chunked\r\n"), "413"),
        (get("/", "content-length: 1\r\ncontent-length: 2\r\n"), "400"),
        (get("/", "content-length: -1\r\n"), "400"),
        (get("/", "no colon\r\n"), "400"),
        (get("/", "").replace("GET", "POST"), "405"),
        (get("/", "").replace("GET", "OPTIONS"), "204"),
        (get("/", "").replace("GET /", "OPTIONS *"), "204"),
        (get("/api/v1/none", "").replace("GET", "OPTIONS"), "404"),
        (get("/", "").replace("HTTP/1.1", "HTTP/9.9"), "400"),
        ("\u{0}\u{1}\u{2}\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\nhost: b\u{0}x\r\n\r\n".to_owned(), "400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
    ];
    for (request, expected) in table {
        let answer = exchange(&request).await;
        let line = request.lines().next().unwrap_or_default();
        assert_eq!(status(&answer), expected, "{:.80} -> {answer:.300}", line);
    }
}

#[tokio::test]
async fn below_api_what_went_wrong_is_a_problem_document() {
    let too_long = format!("/api/v1/{}", "x".repeat(5_000));
    for request in [
        get("/api/v1/none", ""),
        get("/api/none", ""),
        get("/api/v1/time", "").replace("GET", "PUT"),
        get("/api/v1/time", "transfer-encoding: chunked\r\n"),
        get(&too_long, ""),
    ] {
        let answer = exchange(&request).await;
        assert_eq!(header(&answer, "content-type"), Some("application/problem+json"), "{answer}");
        let body = answer.split("\r\n\r\n").nth(1).expect("a body");
        let problem: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(problem["status"].to_string(), status(&answer), "{answer}");
    }
}

#[tokio::test]
async fn a_preflight_is_told_the_methods_of_its_address() {
    for (path, methods) in [
        ("/", "GET, HEAD, OPTIONS"),
        ("/api/v1/streams", "GET, HEAD, OPTIONS"),
        ("/api/v1/streams/camera/bitrate", "PUT, OPTIONS"),
        ("/api/v1/config", "GET, HEAD, PUT, OPTIONS"),
    ] {
        let answer = exchange(&get(path, "origin: http://nas.local\r\n").replace("GET", "OPTIONS")).await;
        assert_eq!(header(&answer, "access-control-allow-methods"), Some(methods), "{path}");
        assert_eq!(header(&answer, "allow"), Some(methods), "{path}");
        assert!(header(&answer, "access-control-allow-headers").is_some_and(|names| names.contains("authorization")));
    }
}

#[tokio::test]
async fn head_says_what_get_would_and_no_more() {
    let get_answer = exchange(&get("/", "")).await;
    let head_answer = exchange(&get("/", "").replace("GET", "HEAD")).await;
    assert_eq!(status(&head_answer), "200");
    assert_eq!(header(&head_answer, "content-length"), header(&get_answer, "content-length"));
    assert!(head_answer.ends_with("\r\n\r\n"), "no body");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let both = get("/api/v1/time", "").replace("connection: close\r\n", "") + &get("/nobody/", "");
    let answer = exchange(&both).await;
    let statuses: Vec<_> = answer.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "404"]);
}

#[tokio::test]
async fn other_sites_may_ask_for_media_and_the_api() {
    for path in ["/api/v1/time", "/api/v1/streams", "/nobody/index.m3u8"] {
        assert_eq!(header(&exchange(&get(path, "")).await, "access-control-allow-origin"), Some("*"), "{path}");
    }
    let preflight = get("/camera/index.m3u8", "origin: http://other\r\naccess-control-request-headers: range\r\n");
    let answer = exchange(&preflight.replace("GET", "OPTIONS")).await;
    assert!(header(&answer, "access-control-allow-headers").is_some_and(|allowed| allowed.contains("range")));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_ends_the_connection() {
    for (trickle, what) in [(&b""[..], "nothing"), (b"GET / HTTP/1.1\r\nx: ", "a byte a second")] {
        let (mut client, mut end, _stop) = connect(1 << 16);
        let start = Instant::now();
        client.write_all(trickle).await.expect("room");
        let end = loop {
            tokio::select! {
                end = &mut end => break end.expect("no panic"),
                () = tokio::time::sleep(SECOND) => if !trickle.is_empty() {
                    let _ = client.write_all(b"y").await;
                },
            }
        };
        assert!(matches!(end, Ended::Overdue(Overdue::Header)), "{what}: {end:?}");
        assert!(start.elapsed() <= Duration::from_secs(16), "{what}: {:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_kept_for_a_while_and_no_longer() {
    let (mut client, end, _stop) = connect(1 << 20);
    for _ in 0..2 {
        client.write_all(b"GET /api/v1/time HTTP/1.1\r\nhost: b\r\n\r\n").await.expect("open");
        let mut some = [0; 15];
        client.read_exact(&mut some).await.expect("an answer");
        tokio::time::sleep(50 * SECOND).await;
    }
    let start = Instant::now();
    assert!(matches!(end.await.expect("no panic"), Ended::Overdue(Overdue::Idle)));
    assert!(start.elapsed() <= 16 * SECOND, "60 s from the last answer, looked at every 5 s");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stops_reading_costs_only_its_own_connection() {
    let (mut client, end, _stop) = connect(64);
    client.write_all(get("/", "").as_bytes()).await.expect("read as it is written");
    let start = Instant::now();
    assert!(matches!(end.await.expect("no panic"), Ended::Overdue(Overdue::Stall)));
    assert!(start.elapsed() <= 26 * SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_that_goes_on_reading_gets_everything() {
    let (mut client, end, _stop) = connect(64);
    client.write_all(get("/", "").as_bytes()).await.expect("read as it is written");
    let (mut answer, mut some) = (Vec::new(), [0; 4096]);
    loop {
        match client.read(&mut some).await.expect("open") {
            0 => break,
            count => answer.extend_from_slice(&some[..count]),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(matches!(end.await.expect("no panic"), Ended::Closed));
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert_eq!(header(&answer, "content-length"), Some(&*body.len().to_string()));
}

#[tokio::test(start_paused = true)]
async fn at_shutdown_an_idle_connection_closes_and_an_answer_under_way_finishes_in_bounds() {
    let (_client, end, stop) = connect(1 << 16);
    let start = Instant::now();
    stop.send(()).expect("running");
    assert!(matches!(end.await.expect("no panic"), Ended::Closed));
    assert!(start.elapsed() < SECOND);

    let (mut client, end, stop) = connect(64);
    client.write_all(get("/", "").as_bytes()).await.expect("read as it is written");
    tokio::time::sleep(SECOND).await;
    let start = Instant::now();
    stop.send(()).expect("running");
    assert!(matches!(end.await.expect("no panic"), Ended::Shutdown), "the reader doesn't read");
    assert_eq!(start.elapsed(), Limits::default().shutdown_time);
}

#[tokio::test]
async fn over_loopback_it_serves_refuses_what_is_too_many_and_stops() {
    let limits = Limits { connections_per_address: 2, ..Limits::default() };
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), limits).expect("a free port");
    let address = server.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let run = tokio::spawn(server.run(site(), async move {
        let _ = stopped.await;
    }));

    let ask = async |request: &str| {
        let mut client = TcpStream::connect(address).await.expect("it listens");
        client.write_all(request.as_bytes()).await.expect("open");
        let mut answer = String::new();
        // The refused one may be reset after its answer.
        let _ = client.read_to_string(&mut answer).await;
        answer
    };
    assert_eq!(status(&ask(&get("/", "")).await), "200");
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = TcpStream::connect(address).await.expect("it listens");
        client.write_all(b"GET /api/v1/time HTTP/1.1\r\nhost: b\r\n\r\n").await.expect("open");
        client.read_exact(&mut [0; 15]).await.expect("an answer");
        held.push(client);
    }
    let refused = TcpStream::connect(address).await.expect("the kernel accepts");
    refused.readable().await.expect("an answer without asking");
    let mut answer = [0; 12];
    assert_eq!(refused.try_read(&mut answer).expect("ready"), 12);
    assert_eq!(&answer, b"HTTP/1.1 503");
    drop(held);
    // The server notices the closed connections when it reads from them.
    while status(&ask(&get("/", "")).await) != "200" {
        tokio::task::yield_now().await;
    }
    stop.send(()).expect("running");
    run.await.expect("no panic");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn an_address_in_use_is_explained() {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let first = Server::bind(address, Limits::default()).expect("a free port");
    let error = Server::bind(first.address(), Limits::default()).expect_err("taken");
    let text = error.to_string();
    assert!(text.contains(&first.address().to_string()) && text.contains("[http] listen"), "{text}");
}

#[tokio::test]
async fn strangers_get_the_page_and_nothing_that_runs() {
    let site = site();
    for (address, host, metrics) in
        [([192, 168, 1, 5], "box", "200"), ([192, 168, 1, 5], "evil.example", "401"), ([203, 0, 113, 9], "box", "401")]
    {
        for (path, expected) in [
            ("/metrics", metrics),
            ("/camera/index.m3u8", if metrics == "200" { "404" } else { "401" }),
            ("/api/v1/events", "401"),
            ("/api/v1/devices", "401"),
            ("/api/v1/config", "401"),
            ("/api/v1/streams", "200"),
            ("/", "200"),
        ] {
            let (mut client, server) = duplex(1 << 20);
            let caller = Caller { address: SocketAddr::from((address, 1)), tls: false };
            let (site, never) = (Arc::clone(&site), std::future::pending());
            tokio::spawn(serve_connection(server, Protocol::Http1, caller, site, Limits::default(), never));
            let request = get(path, "").replace("host: box", &format!("host: {host}"));
            client.write_all(request.as_bytes()).await.expect("open");
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.expect("a pipe that closes");
            assert_eq!(status(&answer), expected, "{address:?} {host} {path}");
            assert_eq!(header(&answer, "www-authenticate").is_some(), expected == "401", "{path}");
        }
    }
}

/// `METHOD path` with a JSON body, from the box itself.
fn send(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

#[tokio::test]
async fn a_box_is_claimed_and_its_accounts_and_tokens_are_managed() {
    let site = site();
    let ask = async |request: String| {
        let (mut client, server) = duplex(1 << 20);
        let caller = Caller { address: SocketAddr::from(([192, 168, 1, 5], 1)), tls: false };
        let never = std::future::pending();
        let end = tokio::spawn(serve_connection(
            server,
            Protocol::Http1,
            caller,
            Arc::clone(&site),
            Limits::default(),
            never,
        ));
        client.write_all(request.as_bytes()).await.expect("open");
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("a pipe that closes");
        end.await.expect("no panic");
        answer
    };
    let code = site.access().claim_code().expect("unclaimed");
    let session = ask(send("GET", "/api/v1/session", "", "")).await;
    assert!(session.contains(r#"{"account":null,"role":null,"claimed":false}"#), "{session}");
    assert_eq!(status(&ask(send("GET", "/api/v1/tokens", "", "")).await), "401");
    let claim =
        |code: &str| send("POST", "/api/v1/claim", "", &format!(r#"{{"code":"{code}","password":"long enough"}}"#));
    assert_eq!(status(&ask(claim("AAAA-AAAA")).await), "401");
    let foreign = claim(&code).replace("content-type", "origin: http://evil.example\r\ncontent-type");
    assert_eq!(status(&ask(foreign).await), "403");
    let claimed = ask(claim(&code)).await;
    assert_eq!(status(&claimed), "204");
    let cookie = header(&claimed, "set-cookie").expect("a session");
    assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
    assert_eq!(status(&ask(claim(&code)).await), "409");
    let signed_in = format!("cookie: {}\r\n", cookie.split(';').next().expect("a pair"));

    let made = ask(send("POST", "/api/v1/tokens", &signed_in, r#"{"name":"tv","view":true}"#)).await;
    assert_eq!(status(&made), "201");
    let text = |answer: &str, key: &str| {
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
        let value: serde_json::Value = serde_json::from_str(body).expect("JSON");
        value[key].as_str().expect("a text").to_owned()
    };
    let (id, token) = (text(&made, "id"), text(&made, "token"));
    let listed = ask(send("GET", "/api/v1/tokens", &signed_in, "")).await;
    assert!(listed.contains(&id) && !listed.contains(&token), "{listed}");
    let revoke = || send("DELETE", &format!("/api/v1/tokens/{id}"), &signed_in, "");
    assert_eq!(status(&ask(revoke()).await), "204");
    assert_eq!(status(&ask(revoke()).await), "404");
    let useless = send("POST", "/api/v1/tokens", &signed_in, r#"{"name":"tv"}"#);
    assert_eq!(status(&ask(useless).await), "422");

    let viewer = r#"{"name":"eye","role":"viewer","password":"long enough"}"#;
    assert_eq!(status(&ask(send("POST", "/api/v1/accounts", &signed_in, viewer)).await), "204");
    assert_eq!(status(&ask(send("POST", "/api/v1/accounts", &signed_in, viewer)).await), "409");
    assert!(ask(send("GET", "/api/v1/accounts", &signed_in, "")).await.contains(r#"{"name":"eye","role":"viewer"}"#));
    let sign_in =
        |password: &str| send("POST", "/api/v1/session", "", &format!(r#"{{"name":"eye","password":"{password}"}}"#));
    assert_eq!(status(&ask(sign_in("something else")).await), "401");
    let eye = ask(sign_in("long enough")).await;
    let eye =
        format!("cookie: {}\r\n", header(&eye, "set-cookie").and_then(|text| text.split(';').next()).expect("it"));
    assert!(ask(send("GET", "/api/v1/session", &eye, "")).await.contains(r#""account":"eye","role":"viewer""#));
    assert_eq!(status(&ask(send("GET", "/api/v1/tokens", &eye, "")).await), "403");
    assert_eq!(status(&ask(send("GET", "/api/v1/devices", &eye, "")).await), "200");
    assert_eq!(status(&ask(send("PATCH", "/api/v1/accounts/eye", &signed_in, r#"{"role":"operator"}"#)).await), "204");
    assert_eq!(status(&ask(send("PATCH", "/api/v1/accounts/admin", &signed_in, r#"{"role":"viewer"}"#)).await), "409");
    assert_eq!(status(&ask(send("DELETE", "/api/v1/accounts/eye", &signed_in, "")).await), "204");
    assert!(ask(send("GET", "/api/v1/session", &eye, "")).await.contains(r#""account":null"#));
    let out = ask(send("DELETE", "/api/v1/session", &signed_in, "")).await;
    assert_eq!((status(&out), header(&out, "set-cookie").is_some_and(|set| set.contains("Max-Age=0"))), ("204", true));
    assert_eq!(status(&ask(send("GET", "/api/v1/accounts", &signed_in, "")).await), "401");
    for _ in 0..5 {
        let _ = ask(sign_in("something else")).await;
    }
    let held = ask(sign_in("long enough")).await;
    assert_eq!((status(&held), header(&held, "retry-after").is_some()), ("429", true), "{held}");
}
