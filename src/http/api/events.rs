//! What changes, as server-sent events (WHATWG HTML §9.2): one event a line of JSON, named like its
//! `event` member.
//!
//! A reader that is more than the backlog behind is let go, and asks `/streams` when it comes again;
//! nothing is sent twice.

use super::super::body::Body;
use super::{Call, Endpoint, Needs, Problem, Reply, Resource, Takes, now};
use crate::control::Event;
use crate::supervisor::Stop;
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, interval_at};

pub static RESOURCE: Resource = Resource {
    endpoints: &[Endpoint {
        method: Method::GET,
        path: "events",
        needs: Needs::Observe,
        takes: Takes::Nothing,
        run: |call| events(&call),
    }],
    openapi: include_str!("events.json"),
};

/// Listeners at a time: each is a task and a connection, and a box has few operators.
const MAX_LISTENERS: usize = 64;
/// A comment this often, so that both sides notice when the other is gone.
const PING: Duration = Duration::from_secs(15);
/// Browsers ask again after this, ms.
const HELLO: &[u8] = b"retry: 2000\n\n";

fn events<'a>(call: &Call<'_>) -> Reply<'a> {
    let events = call.site.control().events();
    if events.listeners() >= MAX_LISTENERS {
        return now(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many listen to events already.").into());
    }
    let (lines, body) = mpsc::channel(1);
    tokio::spawn(feed(events.listen(), lines, call.site.control().supervisor().stop().clone()));
    let mut response = Response::new(Body::coming(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    now(response)
}

/// Writes what is heard until the reader has gone, is too far behind, or the box stops.
async fn feed(mut events: broadcast::Receiver<Event>, lines: mpsc::Sender<Bytes>, stop: Stop) {
    let mut ping = interval_at(Instant::now() + PING, PING);
    let mut next = Bytes::from_static(HELLO);
    loop {
        tokio::select! {
            sent = lines.send(next) => if sent.is_err() { return },
            () = stop.requested() => return,
        }
        next = tokio::select! {
            event = events.recv() => match event {
                Ok(event) => line(&event),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    log::debug!("events: a reader missed {missed}: letting it go");
                    return;
                }
                Err(broadcast::error::RecvError::Closed) => return,
            },
            _ = ping.tick() => Bytes::from_static(b": still here\n\n"),
            () = lines.closed() => return,
            () = stop.requested() => return,
        };
    }
}

fn line(event: &Event) -> Bytes {
    // JSON has no line ends of its own.
    let data = serde_json::to_string(event).unwrap_or_default();
    Bytes::from(format!("id: {}\nevent: {}\ndata: {data}\n\n", event.id, event.what.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Events, What};

    fn started(stream: &str) -> What {
        What::StreamStarted { stream: stream.to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_hears_what_happens_and_pings_in_between() {
        let (events, stop) = (Events::default(), Stop::new());
        let (lines, mut body) = mpsc::channel(1);
        let task = tokio::spawn(feed(events.listen(), lines, stop.clone()));
        assert_eq!(body.recv().await.expect("open"), HELLO);
        events.tell(5, started("camera\n"));
        let heard = body.recv().await.expect("open");
        let text = "id: 1\nevent: stream_started\ndata: \
            {\"id\":1,\"unix_ms\":5,\"event\":\"stream_started\",\"stream\":\"camera\\n\"}\n\n";
        assert_eq!(std::str::from_utf8(&heard), Ok(text));
        assert_eq!(body.recv().await.expect("open"), &b": still here\n\n"[..]);
        stop.request();
        assert!(body.recv().await.is_none(), "the box stops");
        task.await.expect("no panic");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_does_not_read_is_let_go_and_one_that_has_gone_costs_nothing() {
        let (events, stop) = (Events::default(), Stop::new());
        let (lines, mut body) = mpsc::channel(1);
        let slow = tokio::spawn(feed(events.listen(), lines, stop.clone()));
        for _ in 0..10_000 {
            events.tell(0, started("camera"));
        }
        let mut heard = 0;
        while body.recv().await.is_some() {
            heard += 1;
        }
        slow.await.expect("no panic");
        assert!(heard < 10, "{heard}");

        let (lines, body) = mpsc::channel(1);
        let gone = tokio::spawn(feed(events.listen(), lines, stop));
        drop(body);
        gone.await.expect("it ends by itself");
        assert_eq!(events.listeners(), 0);
    }
}
