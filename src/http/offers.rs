//! WHEP at `/{stream}/whep`, WHIP at `/{stream}/whip`: an offer is posted, the answer comes back with the address of the session, which is
//! patched (candidates that come later, ICE restarts) and deleted. The conventions of RFC 9725; WHEP itself is
//! draft-ietf-wish-whep.
//!
//! Not here: who may ([`super::access`]), what an offer says and how it is answered ([`crate::webrtc`]).

use super::api::{self, Problem};
use super::body::Body;
use super::headers::shared;
use super::problem::problem;
use super::sdpfrag::{self, Fragment};
use super::watch::Limits;
use crate::config::WebrtcConfig;
use crate::control::{ControlError, Invitation, State};
use crate::stream::Stream;
use crate::webrtc::packets::is_reordered;
use crate::webrtc::server::{Answer, Guest, OfferError, Server};
use bytes::Bytes;
use hyper::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH, LINK, LOCATION, RETRY_AFTER,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Response, StatusCode};
use std::fmt::Display;
use std::sync::Arc;

const SDP: &str = "application/sdp";
const SDPFRAG: &str = "application/trickle-ice-sdpfrag";
/// Of a description, bytes: a browser's with picture and sound has some eight thousand.
const MAX_SDP: u64 = 64 * 1024;
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
pub const METHODS: HeaderValue = HeaderValue::from_static("OPTIONS, POST");
pub const SESSION_METHODS: HeaderValue = HeaderValue::from_static("OPTIONS, PATCH, DELETE");

/// The server behind it, and what peers are told.
#[derive(Debug)]
pub struct RealTime {
    pub server: Server,
    links: Vec<HeaderValue>,
}

impl RealTime {
    pub fn new(server: Server, config: &WebrtcConfig) -> Self {
        let link = |url: &String| {
            let login = config.turn.as_ref().filter(|_| url.starts_with("turn"));
            let login = login.map_or_else(String::new, |login| {
                let (user, password) = (&login.username, &login.credential);
                format!("; username=\"{user}\"; credential=\"{password}\"; credential-type=\"password\"")
            });
            HeaderValue::from_str(&format!("<{url}>; rel=\"ice-server\"{login}")).ok()
        };
        Self { server, links: config.ice_servers.iter().filter_map(link).collect() }
    }

    /// The answer to somebody who offers, as it is sent: `session_path` is followed by the session.
    pub fn created(&self, answer: Answer, session_path: &str) -> Response<Body> {
        let mut response = Response::new(Body::from(Bytes::from(answer.sdp.clone())));
        *response.status_mut() = StatusCode::CREATED;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(SDP));
        headers.insert(ACCEPT_PATCH, HeaderValue::from_static(SDPFRAG));
        if let Ok(location) = HeaderValue::from_str(&format!("{session_path}/{}", answer.id)) {
            headers.insert(LOCATION, location);
        }
        headers.insert(ETAG, etag(&answer.sdp));
        for link in &self.links {
            headers.append(LINK, link.clone());
        }
        open(response)
    }

    /// What a session's peer sends later: candidates, or a restart.
    pub async fn patch<B>(&self, session: &str, head: &Parts, limits: &Limits, body: B) -> Response<Body>
    where
        B: hyper::body::Body,
        B::Error: Display,
    {
        let Ok((offer, answer)) = self.server.agreed(session.to_owned()).await else { return no_session() };
        if !is_kind(&head.headers, SDPFRAG) {
            return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("A session is patched with {SDPFRAG}.\n"));
        }
        let wanted = head.headers.get(IF_MATCH).and_then(|value| value.to_str().ok());
        let text = match text(body, limits).await {
            Ok(text) => text,
            Err(response) => return response,
        };
        let Some(fragment) = Fragment::parse(&text) else {
            return refused(StatusCode::BAD_REQUEST, "That is no SDP fragment (RFC 8840).\n");
        };
        let restarts = fragment.restarts(&offer);
        // A restart is of whatever holds now (RFC 9725 4.3.3); candidates belong to one generation.
        let matches = match wanted {
            Some("*") => true,
            Some(tag) => etag(&answer) == tag,
            None if restarts => true,
            None => return refused(StatusCode::PRECONDITION_REQUIRED, "If-Match is needed, with the ETag.\n"),
        };
        if !matches {
            return refused(StatusCode::PRECONDITION_FAILED, "That is of before an ICE restart.\n");
        }
        if !restarts {
            let candidates = fragment.candidates.iter().map(|one| (*one).to_owned()).collect();
            return match self.server.candidates(session.to_owned(), candidates).await {
                Ok(()) => open(status(StatusCode::NO_CONTENT)),
                Err(error) => failed(&error),
            };
        }
        match self.server.again(session.to_owned(), fragment.restarted(&offer)).await {
            Ok(answer) => {
                let mut response = Response::new(Body::from(Bytes::from(sdpfrag::of_answer(&answer))));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(SDPFRAG));
                response.headers_mut().insert(ETAG, etag(&answer));
                open(response)
            }
            Err(error) => failed(&error),
        }
    }

    pub async fn delete(&self, session: &str) -> Response<Body> {
        if self.server.leave(session.to_owned()).await { open(status(StatusCode::OK)) } else { no_session() }
    }

    /// Answers somebody who wants to watch.
    pub async fn watch(
        &self,
        stream: Arc<Stream>,
        state: Option<State>,
        offer: String,
        guest: Guest,
    ) -> Response<Body> {
        if state != Some(State::Running) {
            let mut response = refused(StatusCode::CONFLICT, "The stream is stopped; there is nothing to see.\n");
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
            return response;
        }
        if stream.tracks().iter().any(|track| is_reordered(track)) {
            let text = "This stream's pictures come in another order than they are shown in (B-frames), which \
                        WebRTC can't carry. Watch it as HLS, or have its source encode without B-frames.\n";
            return refused(StatusCode::NOT_ACCEPTABLE, text);
        }
        let path = format!("/{}/whep", stream.name());
        match self.server.watch(stream, offer, guest).await {
            Ok(answer) => self.created(answer, &path),
            Err(error) => failed(&error),
        }
    }

    /// Answers somebody who wants to publish, and may.
    pub async fn publish(&self, invitation: Invitation, offer: String, guest: Guest) -> Response<Body> {
        let Invitation { stream, claim, key_frame_every } = invitation;
        let path = format!("/{}/whip", stream.name());
        match self.server.publish(stream, claim, key_frame_every, offer, guest).await {
            Ok(answer) => self.created(answer, &path),
            Err(error) => failed(&error),
        }
    }

    /// Why nobody can publish there.
    pub fn no_place(error: ControlError) -> Response<Body> {
        open(Problem::from(error).into())
    }
}

/// An offer, where the request has one and takes an answer.
pub async fn offer<B>(head: &Parts, limits: &Limits, body: B) -> Result<String, Response<Body>>
where
    B: hyper::body::Body,
    B::Error: Display,
{
    if !is_kind(&head.headers, SDP) {
        return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("An offer is sent as {SDP}.\n")));
    }
    let takes = |accepted: &str| {
        let accepted = accepted.split(';').next().unwrap_or_default().trim();
        [SDP, "application/*", "*/*"].iter().any(|kind| kind.eq_ignore_ascii_case(accepted))
    };
    let accepts = head.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    if accepts.is_some_and(|accepts| !accepts.split(',').any(takes)) {
        return Err(refused(StatusCode::NOT_ACCEPTABLE, format!("The answer is {SDP}.\n")));
    }
    text(body, limits).await
}

/// What may be asked here; also what a browser asks before a page of another site may.
pub fn options(session: bool) -> Response<Body> {
    let mut response = open(status(StatusCode::NO_CONTENT));
    let methods = if session { SESSION_METHODS } else { METHODS };
    let headers = response.headers_mut();
    headers.insert(ALLOW, methods.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type, if-match, if-none-match"),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    if session {
        headers.insert(ACCEPT_PATCH, HeaderValue::from_static(SDPFRAG));
    } else {
        headers.insert(ACCEPT_POST, HeaderValue::from_static(SDP));
    }
    response
}

/// For a method that isn't one of these.
pub fn other_method(session: bool) -> Response<Body> {
    let text =
        if session { "A session is patched and deleted.\n" } else { "An offer is posted here, as application/sdp.\n" };
    let mut response = refused(StatusCode::METHOD_NOT_ALLOWED, text);
    response.headers_mut().insert(ALLOW, if session { SESSION_METHODS } else { METHODS });
    response
}

/// Where `[webrtc]` is off, or had no port.
pub fn unavailable() -> Response<Body> {
    refused(StatusCode::NOT_FOUND, "Real-time connections (WebRTC) are off here.\n")
}

/// Why an offer was not answered.
pub fn failed(error: &OfferError) -> Response<Body> {
    let status = match error {
        OfferError::Offer(_) => StatusCode::BAD_REQUEST,
        OfferError::NoCodec => StatusCode::NOT_ACCEPTABLE,
        OfferError::Taken(_) => StatusCode::CONFLICT,
        OfferError::NoSession => return no_session(),
        OfferError::Full | OfferError::Ending => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = refused(status, format!("This can't be: {error}.\n"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

fn refused(status: StatusCode, text: impl Into<std::borrow::Cow<'static, str>>) -> Response<Body> {
    open(problem(status, text))
}

fn no_session() -> Response<Body> {
    refused(StatusCode::NOT_FOUND, "There is no such session; it may have ended.\n")
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}

/// Lets pages of other sites read the answer, and what it is addressed and told by.
fn open(response: Response<Body>) -> Response<Body> {
    let mut response = shared(response);
    let exposed = HeaderValue::from_static("location, etag, link, accept-patch");
    response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    response
}

/// Names the generation of ICE: a restart changes its user name.
fn etag(answer: &str) -> HeaderValue {
    let ufrag = answer.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap_or_default();
    HeaderValue::from_str(&format!("\"{ufrag}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

fn is_kind(headers: &HeaderMap, kind: &str) -> bool {
    let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(kind)
}

async fn text<B>(body: B, limits: &Limits) -> Result<String, Response<Body>>
where
    B: hyper::body::Body,
    B::Error: Display,
{
    let bytes = api::read(body, MAX_SDP, limits.body_time).await.map_err(|problem| open(problem.into()))?;
    String::from_utf8(bytes.into()).map_err(|_| refused(StatusCode::BAD_REQUEST, "That is no text.\n"))
}
