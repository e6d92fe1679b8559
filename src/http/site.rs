//! What stands at each address: one function from a request to its answer.

use super::access::{self, Caller};
use super::api;
use super::assets;
use super::body::Body;
use super::headers::shared;
use super::media::Asked;
use super::problem::{not_found, problem};
use super::route::Route;
use super::served::Served;
use super::watch::Limits;
use crate::package::live::LiveHls;
use crate::pipeline::Report;
use crate::stream::Streams;
use crate::time::Epoch;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, ALLOW, CONNECTION, HeaderValue,
    LOCATION,
};
use hyper::{Method, Request, Response, StatusCode};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// What the server serves; shared by all connections.
pub struct Site {
    streams: Arc<Streams>,
    served: RwLock<BTreeMap<String, Served>>,
    epoch: Epoch,
}

impl Site {
    /// `epoch` is what pages measure latency by while no stream runs; else it is the stream's own.
    pub fn new(streams: Arc<Streams>, epoch: Epoch) -> Self {
        Self { streams, served: RwLock::default(), epoch }
    }

    /// Serves a stream below its name; another one of that name gives way.
    pub fn insert(&self, live: Arc<LiveHls>, report: Option<Arc<Report>>) {
        let name = live.stream().name().to_owned();
        self.served.write().unwrap_or_else(PoisonError::into_inner).insert(name, Served { live, report });
    }

    /// What EXT-X-PROGRAM-DATE-TIME is stamped by. Streams start with one epoch, and follow the wall
    /// clock within a part of each other, so any of them will do.
    fn epoch(&self) -> Epoch {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        served.values().next().map_or(self.epoch, |served| served.live.epoch())
    }

    fn served(&self, stream: &str) -> Option<Served> {
        self.served.read().unwrap_or_else(PoisonError::into_inner).get(stream).cloned()
    }

    /// Answers one request. Waits only for a part that is about to come, and then holds nothing of the
    /// request's own memory.
    pub async fn answer<B: hyper::body::Body>(
        &self,
        caller: &Caller,
        limits: &Limits,
        request: Request<B>,
    ) -> Response<Body> {
        let found = self.find(caller, limits, &request);
        drop(request);
        match found {
            Found::Answer(response) => *response,
            Found::Media(asked) => asked.respond().await,
        }
    }

    fn find<B: hyper::body::Body>(&self, caller: &Caller, limits: &Limits, request: &Request<B>) -> Found {
        let uri = request.uri();
        log::debug!("http: {} {} {uri}", caller.address, request.method());
        if uri.path().len() + uri.query().map_or(0, str::len) > limits.target_bytes {
            return closing(problem(StatusCode::URI_TOO_LONG, "That address is too long.\n")).into();
        }
        // A body whose length isn't told (chunked) could go on for ever.
        if request.body().size_hint().upper().is_none_or(|bytes| bytes > limits.body_bytes) {
            let text = "Nothing here takes a body of that size.\n";
            return closing(problem(StatusCode::PAYLOAD_TOO_LARGE, text)).into();
        }
        let route = Route::of(uri.path());
        if let Err(status) = access::decide(caller, request.method(), &route, request.headers()) {
            return problem(status, "That is not for you.\n").into();
        }
        match *request.method() {
            Method::GET | Method::HEAD => self.get(route, request),
            Method::OPTIONS => options().into(),
            _ => {
                let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "This address can only be read.\n");
                response.headers_mut().insert(ALLOW, METHODS);
                response.into()
            }
        }
    }

    fn get<B>(&self, route: Route<'_>, request: &Request<B>) -> Found {
        let headers = request.headers();
        let exists = |stream| self.streams.get(stream).is_some();
        let response = match route {
            Route::Home => assets::page(headers),
            Route::Asset(name) => assets::asset(name, headers),
            Route::Time => shared(api::time(self.epoch())),
            Route::Streams => shared(api::streams(&self.streams.list(), |name| self.served(name))),
            Route::Media { stream, path } => match self.served(stream) {
                Some(Served { live, .. }) => {
                    return Asked::parse(live, path, request.uri().query(), request.method(), headers)
                        .map_or_else(Found::Answer, Found::Media);
                }
                None => shared(not_found()),
            },
            Route::StreamWithoutSlash(stream) if exists(stream) => redirect(&format!("/{stream}/")),
            Route::StreamPage(stream) if exists(stream) => assets::page(headers),
            Route::StreamWithoutSlash(_) | Route::StreamPage(_) => {
                problem(StatusCode::NOT_FOUND, "There is no stream of that name.\n")
            }
            Route::Unknown => not_found(),
        };
        response.into()
    }
}

/// What stands at an address: the answer, or something that may still have to come.
enum Found {
    Answer(Box<Response<Body>>),
    Media(Asked),
}

impl From<Response<Body>> for Found {
    fn from(response: Response<Body>) -> Self {
        Self::Answer(Box::new(response))
    }
}

fn options() -> Response<Body> {
    let mut response = shared(Response::new(Body::default()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ALLOW, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("range, if-none-match, cache-control"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

fn redirect(location: &str) -> Response<Body> {
    let Ok(location) = HeaderValue::from_str(location) else { return not_found() };
    let mut response = problem(StatusCode::PERMANENT_REDIRECT, "It is one slash further.\n");
    response.headers_mut().insert(LOCATION, location);
    response
}

fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
