//! What changes, as server-sent events (WHATWG HTML §9.2): one event a line of JSON, named like its
//! `event` member.
//!
//! A reader that is more than the backlog behind is let go, and asks `/streams` when it comes again;
//! nothing is sent twice. Whoever may listen may view every stream (the table of decisions has it so), so
//! nothing is left out; and who may not any more, having signed out, hears nothing further.

use super::super::access;
use super::super::body::Body;
use super::{Call, Endpoint, Needs, Problem, Reply, Resource, Takes, now};
use crate::access::{Access, Action, Caller as Asker};
use crate::control::Event;
use crate::supervisor::Stop;
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, interval_at, timeout};

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
/// A comment this often, so that both sides notice when the other is gone. More often than
/// [`Limits::stall_time`](crate::http::Limits::stall_time): who takes nothing that long has stalled.
const PING: Duration = Duration::from_secs(15);
/// A line that isn't taken in this time, though the connection may do well otherwise, is the last.
const STALL: Duration = Duration::from_secs(20);
/// Browsers ask again after this, ms.
const HELLO: &[u8] = b"retry: 2000\n\n";

fn events<'a>(call: &Call<'_>) -> Reply<'a> {
    let events = call.site.control().events();
    if events.listeners() >= MAX_LISTENERS {
        return now(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many listen to events already.").into());
    }
    let (lines, body) = mpsc::channel(1);
    let listener = Listener::new(Arc::clone(call.site.access()), call.asker.clone());
    tokio::spawn(feed(events.listen(), lines, listener, call.site.control().supervisor().stop().clone()));
    let mut response = Response::new(Body::coming(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    now(response)
}

/// Who listens, and was let in once.
struct Listener {
    access: Arc<Access>,
    asker: Asker,
    /// Let in without a credential, because nobody has claimed the box.
    unclaimed: bool,
}

impl Listener {
    fn new(access: Arc<Access>, asker: Asker) -> Self {
        let unclaimed = !access.is_claimed();
        Self { access, asker, unclaimed }
    }

    fn may_still_listen(&self) -> bool {
        let in_its_own_right = || self.access.decide(&self.asker, &Action::Observe, access::now()).is_ok();
        if self.unclaimed { !self.access.is_claimed() } else { in_its_own_right() }
    }
}

/// Writes what is heard until the reader has gone, stalls, is too far behind or signed out, or the box stops.
async fn feed(mut events: broadcast::Receiver<Event>, lines: mpsc::Sender<Bytes>, listener: Listener, stop: Stop) {
    let mut ping = interval_at(Instant::now() + PING, PING);
    let mut next = Bytes::from_static(HELLO);
    loop {
        tokio::select! {
            sent = timeout(STALL, lines.send(next)) => if !matches!(sent, Ok(Ok(()))) { return },
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
        if !listener.may_still_listen() {
            return;
        }
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
    use crate::access::{Credential, Policies};
    use crate::control::{Events, What};

    fn started(stream: &str) -> What {
        What::StreamStarted { stream: stream.to_owned() }
    }

    fn nobody() -> Listener {
        let access = Access::open(None, Policies::default(), None).expect("in memory");
        Listener::new(Arc::new(access), Asker { address: None, credential: Credential::None })
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_hears_what_happens_and_pings_in_between() {
        let (events, stop) = (Events::default(), Stop::new());
        let (lines, mut body) = mpsc::channel(1);
        let task = tokio::spawn(feed(events.listen(), lines, nobody(), stop.clone()));
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
        let slow = tokio::spawn(feed(events.listen(), lines, nobody(), stop.clone()));
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
        let gone = tokio::spawn(feed(events.listen(), lines, nobody(), stop.clone()));
        drop(body);
        gone.await.expect("it ends by itself");

        // Nothing happens, and nothing is taken: the greeting fills the place of the first ping.
        let (lines, _body) = mpsc::channel(1);
        let start = Instant::now();
        feed(events.listen(), lines, nobody(), stop).await;
        assert_eq!(start.elapsed(), PING + STALL);
        assert_eq!(events.listeners(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_signs_out_hears_nothing_further_and_a_claimed_box_has_no_nameless_listeners() {
        let (events, stop) = (Events::default(), Stop::new());
        let listener = nobody();
        let access = Arc::clone(&listener.access);
        let (lines, mut nameless) = mpsc::channel(1);
        tokio::spawn(feed(events.listen(), lines, listener, stop.clone()));
        assert!(nameless.recv().await.is_some());
        let code = access.claim_code().expect("unclaimed");
        let address = [127, 0, 0, 1].into();
        let session = access.claim(address, &code, "a good password".to_owned(), access::now()).await.expect("claimed");
        events.tell(0, started("camera"));
        assert!(nameless.recv().await.is_none());

        let asker = Asker { address: None, credential: Credential::Session(session) };
        let listener = Listener::new(Arc::clone(&access), asker.clone());
        let (lines, mut admin) = mpsc::channel(1);
        tokio::spawn(feed(events.listen(), lines, listener, stop));
        assert!(admin.recv().await.is_some());
        events.tell(0, started("camera"));
        assert!(admin.recv().await.is_some());
        access.sign_out(&asker.credential);
        events.tell(0, started("camera"));
        assert!(admin.recv().await.is_none());
    }
}
