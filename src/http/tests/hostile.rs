//! What no good client sends: requests within requests, and HTTP/2 that means harm.

use super::frames::*;
use super::*;

/// A second request, for whoever lets it pass as one.
const SMUGGLED: &str = "GET /api/v1/time HTTP/1.1\r\nhost: b\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn nothing_is_smuggled_behind_a_request_of_unclear_length() {
    let post = "POST /api/v1/session HTTP/1.1\r\nhost: b\r\ncontent-type: application/json\r\n";
    for (headers, body) in [
        ("content-length: 4\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding: chunked\r\ncontent-length: 4\r\n", "0\r\n\r\n"),
        ("transfer-encoding: chunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ("transfer-encoding: xchunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding : chunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", "0\r\n\r\n"),
        ("content-length: 2\r\ncontent-length: 0\r\n", "{}"),
        ("content-length: +2\r\n", "{}"),
        ("content-length: 2, 2\r\n", "{}"),
        ("content-length: 0x2\r\n", "{}"),
        ("content-length:\r\n 2\r\n", "{}"),
        ("x: y\r\n content-length: 2\r\n", "{}"),
        ("content-length: 18446744073709551618\r\n", "{}"),
        ("x\0: y\r\ncontent-length: 2\r\n", "{}"),
        ("x: a\rcontent-length: 40\r\n", ""),
    ] {
        let answer = exchange(&format!("{post}{headers}\r\n{body}{SMUGGLED}")).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{headers:?} -> {answer}");
        assert!(status(&answer).starts_with('4'), "{headers:?} -> {answer}");
        assert!(!answer.contains("unix_ms"), "{headers:?} -> {answer}");
    }
    // What the test looks for: after a good request the second one is answered.
    let answer = exchange(&format!("{post}content-length: 2\r\n\r\n{{}}{SMUGGLED}")).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{answer}");
}

/// Sends all of it, hangs on, and says how the connection ends and what came back.
async fn speak(site: Arc<Site>, bytes: &[u8]) -> (Ended, Vec<(u8, u32, Vec<u8>)>) {
    let (client, end, _stop) = connect_to(site, Protocol::Http2, 1 << 20);
    let (mut read, mut write) = tokio::io::split(client);
    let (mut answer, bytes) = (Vec::new(), bytes.to_vec());
    let sent = tokio::spawn(async move {
        // It may hang up before it has read everything.
        let _ = write.write_all(&bytes).await;
        write
    });
    let _ = read.read_to_end(&mut answer).await;
    let _ = sent.await;
    (end.await.expect("no panic"), frames(&answer))
}

fn begin(more: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    [PREFACE.to_vec(), settings(&[])].into_iter().chain(more).flatten().collect()
}

/// The error code of RST_STREAM and of GOAWAY.
fn code(kind: u8, payload: &[u8]) -> u8 {
    payload[if kind == GOAWAY { 7 } else { 3 }]
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_taken_back_at_once_end_the_connection() {
    let cancel = |stream| frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
    let flood = (0..2_000_u32).map(|n| 2 * n + 1).map(|stream| [ask(stream, "/"), cancel(stream)].concat());
    let (end, answer) = speak(site(), &begin(flood)).await;
    assert!(matches!(end, Ended::Failed(_)), "{end:?}");
    let enhance_your_calm = answer.iter().any(|(kind, _, payload)| *kind == GOAWAY && code(*kind, payload) == 11);
    assert!(enhance_your_calm, "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_goes_on_and_on_ends_the_connection() {
    let piece = [&[0x00, 0x01, b'x', 0x7f, 0x81, 0x7c][..], &[b'y'; 16_000]].concat();
    let flood = std::iter::repeat_n(frame(CONTINUATION, 0, 1, &piece), 500);
    let bytes = begin(std::iter::once(frame(HEADERS, END_STREAM, 1, &head("/"))).chain(flood));
    let (end, answer) = speak(site(), &bytes).await;
    assert!(matches!(end, Ended::Failed(_)), "{end:?}");
    assert!(answer.iter().any(|(kind, ..)| *kind == GOAWAY), "{answer:?}");

    let empty = std::iter::repeat_n(frame(CONTINUATION, 0, 1, &[]), 20_000);
    let bytes = begin(std::iter::once(frame(HEADERS, END_STREAM, 1, &head("/"))).chain(empty));
    let (end, _) = speak(site(), &bytes).await;
    assert!(matches!(end, Ended::Failed(_)), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_small_head_that_unpacks_to_a_large_one_is_not_answered() {
    // A field of 3,000 bytes goes into the table, and is then named a thousand times in a byte each.
    let field = [&[0x40, 0x01, b'x', 0x7f, 0xb9, 0x16][..], &[b'y'; 3_000]].concat();
    let bomb = [head("/"), field, vec![0xbe; 1_000]].concat();
    let bytes = begin([frame(HEADERS, END_STREAM | END_HEADERS, 1, &bomb)]);
    let (_, answer) = speak(site(), &bytes).await;
    // 0x88: ":status 200" out of the static table.
    let answered = |(kind, stream, payload): &(u8, u32, Vec<u8>)| {
        *kind == HEADERS && *stream == 1 && payload.first() == Some(&0x88)
    };
    assert!(!answer.iter().any(answered), "{answer:?}");
    let (_, answer) = speak(site(), &begin([ask(1, "/")])).await;
    assert!(answer.iter().any(answered), "a plain one is");
}

#[tokio::test(start_paused = true)]
async fn more_requests_than_may_be_under_way_are_refused() {
    let most = Limits::default().concurrent_requests;
    let (mut client, end, _stop) = connect_to(site(), Protocol::Http2, 1 << 20);
    let asks = (0..most + 36).map(|n| ask(2 * n + 1, "/api/v1/events"));
    client.write_all(&begin(asks)).await.expect("room");
    let mut answer = vec![0; 1 << 16];
    let mut count = 0;
    let refused = |bytes: &[u8]| {
        let refused = |(kind, _, payload): &(u8, u32, Vec<u8>)| *kind == RST_STREAM && code(*kind, payload) == 7;
        frames(bytes).iter().filter(|frame| refused(frame)).count()
    };
    while refused(&answer[..count]) < 36 {
        count += client.read(&mut answer[count..]).await.expect("open");
    }
    assert_eq!(refused(&answer[..count]), 36);
    drop(client);
    end.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn a_listener_to_events_that_takes_nothing_is_let_go_over_either_protocol() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let site = site();
        // A pipe that holds less than the answer's head; over HTTP/2, a window of nothing.
        let room = if protocol == Protocol::Http1 { 64 } else { 1 << 16 };
        let (mut client, end, _stop) = connect_to(Arc::clone(&site), protocol, room);
        let request = match protocol {
            Protocol::Http1 => b"GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(),
            Protocol::Http2 => [PREFACE.to_vec(), settings(&[(WINDOW, 0)]), ask(1, "/api/v1/events")].concat(),
        };
        client.write_all(&request).await.expect("room");
        let start = Instant::now();
        let end = end.await.expect("no panic");
        assert!(matches!(end, Ended::Overdue(Overdue::Stall)), "{protocol:?}: {end:?}");
        assert!(start.elapsed() <= 26 * SECOND, "{protocol:?}: {:?}", start.elapsed());
        while site.control().events().listeners() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_reads_stays_however_little_happens() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let (client, end, _stop) = connect_to(site(), protocol, 1 << 16);
        let (mut read, mut write) = tokio::io::split(client);
        let request = match protocol {
            Protocol::Http1 => b"GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(),
            Protocol::Http2 => begin([ask(1, "/api/v1/events")]),
        };
        write.write_all(&request).await.expect("room");
        let reading = tokio::spawn(async move {
            let mut heard = Vec::new();
            let _ = read.read_to_end(&mut heard).await;
            String::from_utf8_lossy(&heard).into_owned()
        });
        tokio::time::sleep(300 * SECOND).await;
        assert!(!end.is_finished(), "{protocol:?}");
        end.abort();
        let heard = reading.await.expect("no panic");
        assert!(heard.contains("retry: 2000") && heard.matches(": still here").count() >= 19, "{protocol:?}: {heard}");
    }
}

#[tokio::test]
async fn listeners_to_events_are_bounded() {
    let site = site();
    let mut held = Vec::new();
    let mut statuses = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..70 {
        let (mut client, end, stop) = connect_to(Arc::clone(&site), Protocol::Http1, 1 << 16);
        client.write_all(b"GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("room");
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.expect("an answer");
        *statuses.entry(String::from_utf8_lossy(&answer[9..]).into_owned()).or_default() += 1;
        held.push((client, end, stop));
    }
    assert_eq!(statuses, [("200".to_owned(), 64), ("503".to_owned(), 6)].into());
}
