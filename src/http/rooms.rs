//! Rooms over HTTP: the WebSocket of somebody who comes into one. What is said over it, `meet` knows.

use super::access::{self, Caller};
use super::body::Body;
use super::problem::problem;
use crate::access::{Access, Action, Caller as Asker};
use crate::meet::message::{MAX_MESSAGE, SUBPROTOCOL, close};
use crate::meet::{Coming, Push, Rooms, Visitor};
use futures_util::{SinkExt, StreamExt};
use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

/// Who is there answers each.
const PING_EVERY: Duration = Duration::from_secs(3);
/// A reader that takes nothing for so long is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// Of a WebSocket, bytes: messages are small, but for offers.
const READ_BUFFER: usize = 8 << 10;
const WRITE_BUFFER: usize = 256 << 10;

/// Answers the request for a WebSocket of a caller who may come.
pub fn enter(
    rooms: &Arc<Rooms>,
    room: &str,
    decider: &Arc<Access>,
    asker: &Asker,
    caller: &Caller,
    head: &mut Parts,
) -> Response<Body> {
    let headers = &head.headers;
    let is = |name: HeaderName, word: &str| listed(headers, &name).any(|one| one.eq_ignore_ascii_case(word));
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
    let upgrade = head.extensions.remove::<OnUpgrade>();
    let asked = is(CONNECTION, "upgrade") && is(UPGRADE, "websocket") && is(SEC_WEBSOCKET_VERSION, "13");
    let (Some(key), Some(upgrade), true) = (key, upgrade, asked) else {
        let mut response = problem(StatusCode::UPGRADE_REQUIRED, "Here is a WebSocket (version 13, over HTTP/1.1).\n");
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return response;
    };
    if !listed(headers, &SEC_WEBSOCKET_PROTOCOL).any(|protocol| protocol == SUBPROTOCOL) {
        let text = "The WebSocket's subprotocol must be capturebox.room.v1.\n";
        return problem(StatusCode::BAD_REQUEST, text);
    }
    let accept = derive_accept_key(key.as_bytes());
    // Who operates the box hosts its rooms.
    let host = decider.decide(asker, &Action::Operate, access::now()).is_ok();
    let (access, viewer) = (Arc::clone(decider), asker.clone());
    let views = Arc::new(move |stream: &str| access.decide(&viewer, &Action::View(stream), access::now()).is_ok());
    let coming = Coming { room: room.to_owned(), address: caller.address.ip().to_canonical(), host, views };
    let (access, guest, room) = (Arc::clone(decider), asker.clone(), room.to_owned());
    let may_stay = move || access.decide(&guest, &Action::Meet(&room), access::now()).is_ok();
    let rooms = Arc::clone(rooms);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let Some(visitor) = rooms.open(coming).await else { return };
        attend(upgraded, visitor, may_stay).await;
    });
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// The words of a header's lists.
fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// Carries messages both ways until either side ends, or the visitor may no longer be there.
async fn attend(upgraded: Upgraded, mut visitor: Visitor, may_stay: impl Fn() -> bool) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER);
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told_heard = false;
    loop {
        let send = tokio::select! {
            came = socket.next() => match came {
                Some(Ok(Message::Text(text))) => {
                    visitor.said(text.to_string()).await;
                    continue;
                }
                // No message of the protocol: told so as any that can't be read.
                Some(Ok(Message::Binary(_))) => {
                    visitor.said(String::new()).await;
                    continue;
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                // Once between two pings of ours is enough to be known to be there.
                Some(Ok(_)) => {
                    if !std::mem::replace(&mut told_heard, true) {
                        visitor.heard().await;
                    }
                    continue;
                }
            },
            pushed = visitor.pushed.recv() => match pushed {
                Some(Push::Say(text)) => Message::text(text),
                Some(Push::Close(code)) => closing(code),
                None => return,
            },
            _ = ping.tick() => {
                if !may_stay() {
                    visitor.said(r#"{"type":"leave"}"#.to_owned()).await;
                    let _ = timeout(WRITE_WITHIN, socket.send(closing(close::REMOVED))).await;
                    return;
                }
                told_heard = false;
                Message::Ping("".into())
            }
        };
        let closes = send.is_close();
        let sent = timeout(WRITE_WITHIN, socket.send(send)).await;
        if closes || !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

fn closing(code: u16) -> Message {
    Message::Close(Some(CloseFrame { code: code.into(), reason: "".into() }))
}
