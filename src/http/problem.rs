//! Small plain texts for what went wrong, written for the person who reads them.

use super::api::Problem;
use super::body::Body;
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use std::borrow::Cow;

/// `text` is one sentence, with its newline.
pub fn problem(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Response<Body> {
    let mut response = Response::new(Body::from(match text.into() {
        Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
        Cow::Owned(text) => Bytes::from(text),
    }));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    // What is missing now may be there in a moment.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// In the words of who asks: a problem document for a program below `/api/`, plain text elsewhere.
pub fn refusal(path: &str, status: StatusCode, text: &'static str) -> Response<Body> {
    if path.starts_with("/api/") { Problem::new(status, text.trim_end()).into() } else { problem(status, text) }
}

pub fn not_found() -> Response<Body> {
    problem(StatusCode::NOT_FOUND, "There is nothing here.\n")
}
