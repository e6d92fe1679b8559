//! What stands at each address: one function from a request to its answer.

use super::access::{self, Caller, Needs};
use super::api::{self, Call, Problem, Takes};
use super::assets::{self, Page};
use super::body::Body;
use super::counts::ConnectionCounts;
use super::headers::shared;
use super::history::{self, History};
use super::media::Asked;
use super::metrics::{self, StreamSample};
use super::offers::{self, RealTime};
use super::problem::{not_found, problem, refusal};
use super::rooms;
use super::route::Route;
use super::setup::Setup;
use super::watch::Limits;
use crate::access::{Access, Action, Caller as Asker, Credential, Refusal, Who, is_key};
use crate::control::{Control, Served};
use crate::meet::Rooms;
use crate::push::Pushes;
use crate::snapshot::Snapshots;
use crate::stream::{Stream, Streams};
use crate::system::Status;
use crate::time::Epoch;
use crate::webrtc::server::Guest;
use bytes::Bytes;
use hyper::body::SizeHint;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, ALLOW, CONNECTION, HeaderValue,
    LOCATION, USER_AGENT, WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use std::fmt::Display;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::MissedTickBehavior;

const TOO_LARGE: &str = "Nothing here takes a body of that size.\n";
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// What the server serves; shared by all connections.
pub struct Site {
    control: Arc<Control>,
    access: Arc<Access>,
    snapshots: Snapshots,
    connections: ConnectionCounts,
    setup: Setup,
    real_time: Option<RealTime>,
    history: Mutex<History>,
    rooms: Option<Arc<Rooms>>,
    pushes: Arc<Pushes>,
}

impl Site {
    pub fn new(control: Arc<Control>, access: Arc<Access>) -> Self {
        Self {
            control,
            access,
            snapshots: Snapshots::default(),
            connections: ConnectionCounts::default(),
            setup: Setup::default(),
            real_time: None,
            history: Mutex::default(),
            rooms: None,
            pushes: Arc::default(),
        }
    }

    /// With what devices need to trust the box.
    pub fn with_setup(self, setup: Setup) -> Self {
        Self { setup, ..self }
    }

    /// With what answers those who watch and publish in real time.
    pub fn with_real_time(self, real_time: RealTime) -> Self {
        Self { real_time: Some(real_time), ..self }
    }

    /// With rooms to meet in.
    pub fn with_rooms(self, rooms: Option<Arc<Rooms>>) -> Self {
        Self { rooms, ..self }
    }

    /// With how it sends streams on.
    pub fn with_pushes(self, pushes: Arc<Pushes>) -> Self {
        Self { pushes, ..self }
    }

    /// How streams are sent on.
    pub fn pushes(&self) -> &Pushes {
        &self.pushes
    }

    /// `None`: there are none on this box.
    pub fn rooms(&self) -> Option<&Arc<Rooms>> {
        self.rooms.as_ref()
    }

    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Remembers how everything is, step by step, for as long as it is polled.
    pub async fn keep_history(self: Arc<Self>) {
        let mut step = tokio::time::interval(history::STEP);
        step.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            step.tick().await;
            let system = self.system_status().await;
            let zones = system.iter().flat_map(|status| &status.board.temperatures).map(|zone| zone.celsius);
            let hottest = zones.reduce(f64::max);
            let streams = self.streams().list();
            let now = streams.iter().map(|stream| (stream.name().to_owned(), self.sample(stream))).collect();
            self.history().push(hottest, now);
        }
    }

    fn sample(&self, stream: &Stream) -> history::StreamSample {
        let status = stream.status();
        let served = self.served(stream.name());
        let counts = served.as_ref().and_then(|served| served.report.as_ref()).map(|report| report.counts());
        let lost = counts.as_ref().map_or(0, |counts| counts.dropped_frames + counts.dropped_units);
        history::StreamSample {
            bitrate_bps: status.tracks.iter().map(|track| track.measured_bps).sum(),
            fps: counts.map(|counts| counts.capture_fps),
            dropped: status.dropped + lost,
            viewers: self.viewers_of(stream.name()),
        }
    }

    pub fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many watch a stream now.
    pub fn viewers_of(&self, stream: &str) -> usize {
        self.served(stream).map_or(0, |served| served.live.viewers()) + self.webrtc_viewers_of(stream)
    }

    fn webrtc_viewers_of(&self, stream: &str) -> usize {
        self.real_time.as_ref().map_or(0, |real_time| real_time.server.viewers(stream))
    }

    /// What became of the connections to it.
    pub fn connections(&self) -> &ConnectionCounts {
        &self.connections
    }

    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }

    pub fn access(&self) -> &Arc<Access> {
        &self.access
    }

    pub fn streams(&self) -> &Streams {
        self.control.streams()
    }

    pub fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// How the box does, read off the network threads; `None` when that failed, as the log says.
    pub async fn system_status(&self) -> Option<Arc<Status>> {
        let system = Arc::clone(self.control.system());
        tokio::task::spawn_blocking(move || system.status()).await.ok()
    }

    /// What EXT-X-PROGRAM-DATE-TIME is stamped by.
    pub fn epoch(&self) -> Epoch {
        self.control.epoch()
    }

    /// How a stream is served, where it is.
    pub fn served(&self, stream: &str) -> Option<Served> {
        self.control.served(stream)
    }

    /// Answers one request. Waits only for a part that is about to come, and then holds nothing of the
    /// request's own memory; or for what an endpoint of the API takes and does.
    pub async fn answer<B>(&self, caller: &Caller, limits: &Limits, request: Request<B>) -> Response<Body>
    where
        B: hyper::body::Body,
        B::Error: Display,
    {
        let (mut head, body) = request.into_parts();
        let asked = match self.find(caller, limits, &head, &body.size_hint()) {
            Found::Api(path) => return self.call(caller, limits, &head, path, body).await,
            Found::Answer(response) => return *response,
            Found::Metrics => return self.metrics().await,
            Found::Offer { needs, stream, session } => {
                return self.offered(caller, limits, &head, needs, (stream, session), body).await;
            }
            Found::RoomSocket(room) => {
                let room = room.to_owned();
                return self.enter_room(caller, &mut head, &room);
            }
            Found::Media(asked) => asked,
        };
        drop((head, body));
        asked.respond().await
    }

    fn find<'a>(&self, caller: &Caller, limits: &Limits, head: &'a Parts, body: &SizeHint) -> Found<'a> {
        let (uri, path) = (&head.uri, head.uri.path());
        log::debug!("http: {} {} {path}", caller.address, head.method);
        if path.len() + uri.query().map_or(0, str::len) > limits.target_bytes {
            return closing(refusal(path, StatusCode::URI_TOO_LONG, "That address is too long.\n")).into();
        }
        let route = Route::of(path);
        if let Route::Api(path) = route
            && head.method != Method::OPTIONS
        {
            return Found::Api(path);
        }
        match route {
            Route::Watch { stream, session } => return Found::Offer { needs: Needs::View, stream, session },
            Route::Publish { stream, session } => return Found::Offer { needs: Needs::Publish, stream, session },
            _ => {}
        }
        if unbounded(body, limits) {
            return closing(refusal(path, StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE)).into();
        }
        match head.method {
            Method::GET | Method::HEAD if route == Route::Metrics => self.may_count(caller, head),
            Method::GET | Method::HEAD => self.get(caller, route, head),
            Method::OPTIONS => options(route).into(),
            _ if route == Route::Unknown => self.get(caller, route, head),
            _ => {
                let text = "This address can only be read.\n";
                let mut response = refusal(path, StatusCode::METHOD_NOT_ALLOWED, text);
                response.headers_mut().insert(ALLOW, METHODS);
                response.into()
            }
        }
    }

    /// WHEP and WHIP. Who has a session's name has the session: it is as good as a password.
    async fn offered<B>(
        &self,
        caller: &Caller,
        limits: &Limits,
        head: &Parts,
        needs: Needs,
        (name, session): (&str, Option<&str>),
        body: B,
    ) -> Response<Body>
    where
        B: hyper::body::Body,
        B::Error: Display,
    {
        if head.method == Method::OPTIONS {
            return offers::options(session.is_some());
        }
        let Some(real_time) = &self.real_time else { return closing(offers::unavailable()) };
        match (session, &head.method) {
            (Some(session), &Method::PATCH) => real_time.patch(session, head, limits, body).await,
            (Some(session), &Method::DELETE) => real_time.delete(session).await,
            (None, &Method::POST) => {
                let asker = access::asker(caller, head, None);
                if let Err(refused) = access::decide(&self.access, &asker, caller, head, needs, name) {
                    return closing(shared(turned_away(head, refused)));
                }
                let guest = self.guest(caller, asker, needs, name);
                if needs == Needs::Publish {
                    return match offers::offer(head, limits, body).await {
                        Ok(offer) => self.publish(real_time, name, offer, guest).await,
                        Err(response) => closing(response),
                    };
                }
                let Some(stream) = self.streams().get(name) else {
                    return closing(shared(problem(StatusCode::NOT_FOUND, "There is no stream of that name.\n")));
                };
                match offers::offer(head, limits, body).await {
                    Ok(offer) => real_time.watch(stream, self.control.state(name), offer, guest).await,
                    Err(response) => closing(response),
                }
            }
            (session, _) => closing(offers::other_method(session.is_some())),
        }
    }

    /// Who was let in just now, and stays for as long as they would be again.
    fn guest(&self, caller: &Caller, asker: Asker, needs: Needs, stream: &str) -> Guest {
        let (access, stream) = (Arc::clone(&self.access), stream.to_owned());
        let may_stay = Box::new(move || {
            let action = if needs == Needs::Publish { Action::Publish(&stream) } else { Action::View(&stream) };
            access.decide(&asker, &action, access::now()).is_ok()
        });
        Guest { from: caller.address.ip(), may_stay }
    }

    async fn publish(&self, real_time: &RealTime, name: &str, offer: String, guest: Guest) -> Response<Body> {
        match self.control.invite(name).await {
            Ok(invitation) => real_time.publish(invitation, offer, guest).await,
            Err(error) => RealTime::no_place(error),
        }
    }

    async fn metrics(&self) -> Response<Body> {
        let system = self.system_status().await;
        let streams = self.streams().list();
        let sample = |stream: &Arc<Stream>| {
            let name = stream.name();
            StreamSample::new(
                stream.status(),
                self.served(name).as_ref(),
                self.webrtc_viewers_of(name),
                self.pushes.of(name),
            )
        };
        let samples: Vec<_> = streams.iter().map(sample).collect();
        let board = (self.control.troubles(), self.control.load());
        metrics::metrics(&samples, system, board, &self.connections)
    }

    /// Calls an endpoint of the API; `path` is below `/api/v1/`.
    async fn call<B>(&self, caller: &Caller, limits: &Limits, head: &Parts, path: &str, body: B) -> Response<Body>
    where
        B: hyper::body::Body,
        B::Error: Display,
    {
        let (endpoint, parameters) = match api::find(&head.method, path) {
            api::Found::Endpoint { endpoint, parameters } => (endpoint, parameters),
            api::Found::OtherMethods(allow) => {
                let detail = "This address has other methods; they stand in the Allow header.";
                let mut response = Response::from(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail));
                response.headers_mut().insert(ALLOW, allow);
                return shared(response);
            }
            api::Found::Nothing => return shared(Problem::not_found("There is nothing here.").into()),
        };
        let asker = access::asker(caller, head, None);
        let stream = parameters.first().copied().unwrap_or_default();
        if let Err(refusal) = access::decide(&self.access, &asker, caller, head, endpoint.needs, stream) {
            let (status, text) = told(refusal);
            return closing(shared(challenged(Problem::new(status, text.trim_end()).into(), refusal)));
        }
        let max_bytes = match endpoint.takes {
            Takes::Nothing if unbounded(&body.size_hint(), limits) => {
                return closing(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE.trim_end()).into());
            }
            Takes::Nothing => None,
            Takes::Json => Some(limits.body_bytes),
            Takes::LongJson => Some(limits.long_body_bytes),
        };
        let body = match max_bytes {
            None => Bytes::new(),
            Some(max_bytes) => match api::read(body, max_bytes, limits.body_time).await {
                Ok(bytes) => bytes,
                Err(problem) => return closing(shared(problem.into())),
            },
        };
        let call =
            Call { site: self, caller, asker, headers: &head.headers, query: head.uri.query(), parameters, body };
        shared((endpoint.run)(call).await)
    }

    /// Playlists and media, for who may view the stream. A viewing key may stand before the rest of the path.
    fn media(&self, caller: &Caller, stream: &str, path: &str, head: &Parts) -> Found<'static> {
        let (key, path) = match path.split_once('/') {
            Some((key, rest)) if is_key(key) => (Some(key), rest),
            _ => (None, path),
        };
        let asker = access::asker(caller, head, key);
        let who = match access::decide(&self.access, &asker, caller, head, Needs::View, stream) {
            Ok(who) => who,
            Err(refused) => return shared(turned_away(head, refused)).into(),
        };
        let Some(Served { live, .. }) = self.served(stream) else { return shared(not_found()).into() };
        let asked = match Asked::parse(live, path, head.uri.query(), &head.method, &head.headers) {
            Ok(asked) => asked.by(viewer(caller, head, key)),
            Err(response) => return Found::Answer(response),
        };
        // A player doesn't repeat the token for what the playlist names; addresses below a key need none.
        let below = match (&who, &asker.credential) {
            (Who::Token(id), Credential::Token(_)) => Some(self.access.viewing_key(stream, id)),
            _ => None,
        };
        Found::Media(asked.for_one_viewer(who != Who::Anybody, below))
    }

    /// The WebSocket of a room, for who may come in.
    fn enter_room(&self, caller: &Caller, head: &mut Parts, room: &str) -> Response<Body> {
        let Some(rooms) = &self.rooms else { return not_found() };
        let asker = access::asker(caller, head, None);
        match access::decide(&self.access, &asker, caller, head, Needs::Meet, room) {
            Ok(_) => rooms::enter(rooms, room, &self.access, &asker, caller, head),
            Err(refused) => turned_away(head, refused),
        }
    }

    /// The counters, for who may read them.
    fn may_count(&self, caller: &Caller, head: &Parts) -> Found<'static> {
        let asker = access::asker(caller, head, None);
        match access::decide(&self.access, &asker, caller, head, Needs::Metrics, "") {
            Ok(_) => Found::Metrics,
            Err(refused) => turned_away(head, refused).into(),
        }
    }

    fn get<'a>(&self, caller: &Caller, route: Route<'a>, head: &Parts) -> Found<'a> {
        let headers = &head.headers;
        let exists = |stream| self.streams().get(stream).is_some();
        let response = match route {
            Route::Home => assets::page(Page::Console, headers),
            Route::Asset(name) => assets::asset(name, headers),
            Route::Setup(name) => self.setup.respond(name, access::authority(head), headers),
            Route::Media { stream, path } => return self.media(caller, stream, path, head),
            Route::StreamWithoutSlash(stream) if exists(stream) => redirect(&format!("/{stream}/")),
            Route::StreamPage(stream) if exists(stream) => assets::page(Page::Viewer, headers),
            Route::PublishPage => assets::page(Page::Publish, headers),
            Route::RoomSocket(room) => return Found::RoomSocket(room),
            Route::RoomPage if self.rooms.is_none() => {
                problem(StatusCode::NOT_FOUND, "There are no rooms on this box.\n")
            }
            Route::RoomPage => assets::page(Page::Room, headers),
            Route::StreamWithoutSlash(_) | Route::StreamPage(_) => {
                problem(StatusCode::NOT_FOUND, "There is no stream of that name.\n")
            }
            Route::Unknown | Route::Api(_) | Route::Metrics | Route::Watch { .. } | Route::Publish { .. } => {
                refusal(head.uri.path(), StatusCode::NOT_FOUND, "There is nothing here.\n")
            }
        };
        response.into()
    }
}

/// What stands at an address: the answer, or something that may still have to come.
enum Found<'a> {
    Answer(Box<Response<Body>>),
    Media(Asked),
    Metrics,
    /// The WebSocket of a room.
    RoomSocket(&'a str),
    /// An address of the API, below `/api/v1/`.
    Api(&'a str),
    /// WHEP or WHIP, of a stream; and which session.
    Offer {
        needs: Needs,
        stream: &'a str,
        session: Option<&'a str>,
    },
}

impl From<Response<Body>> for Found<'_> {
    fn from(response: Response<Body>) -> Self {
        Self::Answer(Box::new(response))
    }
}

/// A player's number: who comes from one address with one program and one key counts as one.
fn viewer(caller: &Caller, head: &Parts, key: Option<&str>) -> u64 {
    let program = head.headers.get(USER_AGENT).map(HeaderValue::as_bytes);
    let mut hasher = DefaultHasher::new();
    (caller.address.ip().to_canonical(), program, key).hash(&mut hasher);
    hasher.finish()
}

/// A body whose length isn't told (chunked) could go on for ever.
fn unbounded(body: &SizeHint, limits: &Limits) -> bool {
    body.upper().is_none_or(|bytes| bytes > limits.body_bytes)
}

/// What may be asked of an address; also what a browser asks before a page of another site may (CORS preflight).
fn options(route: Route<'_>) -> Response<Body> {
    let methods = match route {
        Route::Api(path) => api::methods(path),
        _ => Some(METHODS),
    };
    let Some(methods) = methods else { return shared(Problem::not_found("There is nothing here.").into()) };
    let mut response = shared(Response::new(Body::default()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ALLOW, methods.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type, range, if-match, if-none-match, cache-control"),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

fn redirect(location: &str) -> Response<Body> {
    let Ok(location) = HeaderValue::from_str(location) else { return not_found() };
    let mut response = problem(StatusCode::PERMANENT_REDIRECT, "It is one slash further.\n");
    response.headers_mut().insert(LOCATION, location);
    response
}

/// A refusal's status, and its words.
fn told(refusal: Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::SignIn => (StatusCode::UNAUTHORIZED, "Sign in, or show a token.\n"),
        Refusal::Forbidden => (StatusCode::FORBIDDEN, "That is not for you.\n"),
    }
}

fn turned_away(head: &Parts, refused: Refusal) -> Response<Body> {
    let (status, text) = told(refused);
    challenged(refusal(head.uri.path(), status, text), refused)
}

/// Says how to be let in (RFC 9110 §11.6.1).
fn challenged(mut response: Response<Body>, refusal: Refusal) -> Response<Body> {
    if refusal == Refusal::SignIn {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
