//! `/api/v1/…`: a table of endpoints, one file a resource, each with its part of the OpenAPI document
//! beside it.
//!
//! An [`Endpoint`] is a method, a path with parameters, what it takes and needs, and a function from a
//! [`Call`] to an answer. To add one: a file here with `RESOURCE`, its `.json` beside it, and a line in
//! [`RESOURCES`]. Errors are problem documents ([`Problem`]).
//! Not here: who may call (`http/access.rs`, asked before anything is read), what a call does (the rooms
//! to the left).

mod accounts;
mod actions;
mod body;
mod config;
mod devices;
mod events;
mod health;
mod history;
mod log;
mod openapi;
mod problem;
mod rooms;
mod session;
mod setup;
mod snapshot;
mod status;
mod streams;
mod system;
mod table;
mod time;
mod tokens;

pub use body::read;
pub use problem::Problem;
#[cfg(test)]
pub use table::all;
pub use table::{Found, find, methods};

use super::access::{self, Caller, Needs};
use super::body::Body;
use super::site::Site;
use crate::access::{Action, Caller as Asker};
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::pin::Pin;

/// All there is, in the order of the document.
static RESOURCES: &[&Resource] = &[
    &streams::RESOURCE,
    &snapshot::RESOURCE,
    &actions::RESOURCE,
    &status::RESOURCE,
    &devices::RESOURCE,
    &config::RESOURCE,
    &system::RESOURCE,
    &health::RESOURCE,
    &setup::RESOURCE,
    &history::RESOURCE,
    &rooms::RESOURCE,
    &session::RESOURCE,
    &tokens::RESOURCE,
    &accounts::RESOURCE,
    &events::RESOURCE,
    &log::RESOURCE,
    &time::RESOURCE,
    &openapi::RESOURCE,
];

/// Endpoints that belong together, and what the OpenAPI document says about them.
pub struct Resource {
    pub endpoints: &'static [Endpoint],
    /// `{"paths": {…}, "schemas": {…}}`, paths below `/api/v1`.
    pub openapi: &'static str,
}

/// One method at one path.
pub struct Endpoint {
    pub method: Method,
    /// Below `/api/v1/`; `{…}` stands for one segment.
    pub path: &'static str,
    pub needs: Needs,
    pub takes: Takes,
    pub run: for<'a> fn(Call<'a>) -> Reply<'a>,
}

/// What an endpoint reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// No body; a small one is ignored.
    Nothing,
    /// `application/json`, up to [`Limits::body_bytes`](super::Limits::body_bytes).
    Json,
    /// `application/json`, up to [`Limits::long_body_bytes`](super::Limits::long_body_bytes).
    LongJson,
}

pub type Reply<'a> = Pin<Box<dyn Future<Output = Response<Body>> + Send + 'a>>;

/// What an endpoint is called with.
pub struct Call<'a> {
    pub site: &'a Site,
    pub caller: &'a Caller,
    /// The caller as decisions know it: with its credential.
    pub asker: Asker,
    pub headers: &'a HeaderMap,
    pub query: Option<&'a str>,
    /// What stands for the `{…}` of the path, in order.
    pub parameters: Vec<&'a str>,
    /// Empty for [`Takes::Nothing`].
    pub body: Bytes,
}

impl Call<'_> {
    /// Whether the caller may view a stream: lists leave out what it may not.
    pub fn may_view(&self, stream: &str) -> bool {
        self.site.access().decide(&self.asker, &Action::View(stream), access::now()).is_ok()
    }

    /// Whether the caller may do what administrators do.
    pub fn administers(&self) -> bool {
        self.site.access().decide(&self.asker, &Action::Administer, access::now()).is_ok()
    }

    /// The body as a `T`; `Err` is the answer to one that isn't.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Box<Response<Body>>> {
        body::parse(self.headers, &self.body).map_err(|problem| Box::new(problem.into()))
    }

    /// The path's `{…}` number `index`; the table has seen to it that it is there.
    pub fn parameter(&self, index: usize) -> &str {
        self.parameters.get(index).copied().unwrap_or_default()
    }
}

/// An answer that is known at once.
pub fn now<'a>(response: Response<Body>) -> Reply<'a> {
    Box::pin(std::future::ready(response))
}

/// 200 with a JSON body.
pub fn json(value: &impl Serialize) -> Response<Body> {
    json_with(StatusCode::OK, value)
}

pub fn json_with(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let text = match serde_json::to_vec(value) {
        Ok(text) => text,
        // A path that isn't UTF-8.
        Err(error) => return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}.")).into(),
    };
    let mut response = Response::new(Body::from(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 204: done, and nothing to say.
pub fn done() -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
