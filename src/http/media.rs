//! Playlists and media: the packager's answers as HTTP.

use super::body::Body;
use super::problem::{not_found, problem};
use super::range::RangeRequest;
use super::site::{accepts_gzip, shared};
use crate::package::live::LiveHls;
use crate::package::{Answer, Cache, Request, Resource};
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, IF_RANGE, RANGE,
    RETRY_AFTER, VARY,
};
use hyper::{HeaderMap, Method, Response, StatusCode};

/// Answers a path below a stream, waiting where the protocol says so.
pub async fn respond(
    live: &LiveHls,
    path: &str,
    query: Option<&str>,
    method: &Method,
    headers: &HeaderMap,
) -> Response<Body> {
    shared(match Request::parse(path, query) {
        None => not_found(),
        Some(Err(bad)) => problem(StatusCode::BAD_REQUEST, format!("{bad}\n")),
        Some(Ok(request)) => match live.respond(&request).await {
            Answer::Ready(resource) => resource_response(resource, method, headers),
            Answer::TooFarAhead => problem(StatusCode::BAD_REQUEST, "That is too far in the future.\n"),
            Answer::Gone => problem(StatusCode::NOT_FOUND, "That is not here, or not here any more.\n"),
            Answer::Busy => soon(problem(StatusCode::SERVICE_UNAVAILABLE, "Too many are waiting already.\n")),
            Answer::TimedOut | Answer::Wait => {
                soon(problem(StatusCode::SERVICE_UNAVAILABLE, "It did not come in time.\n"))
            }
        },
    })
}

fn soon(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn resource_response(resource: Resource, method: &Method, request: &HeaderMap) -> Response<Body> {
    let Resource { content_type, cache, body, gzip } = resource;
    let (compressible, gzip) = (gzip.is_some(), gzip.filter(|_| accepts_gzip(request)));
    let compressed = gzip.is_some();
    let mut range = None;
    let body = match gzip {
        Some(gzip) => Body::from(gzip),
        None if compressible => Body::from(body),
        None => {
            let len = body.iter().map(bytes::Bytes::len).sum::<usize>() as u64;
            match requested(method, request, len) {
                RangeRequest::Whole => Body::from(body),
                RangeRequest::Unsatisfiable => return unsatisfiable(len),
                RangeRequest::Part(part) => {
                    range = HeaderValue::try_from(format!("bytes {}-{}/{len}", part.first, part.last)).ok();
                    Body::from(part.of(body))
                }
            }
        }
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.reserve(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, cache_control(cache));
    if compressible {
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    } else {
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    if let Some(range) = range {
        headers.insert(CONTENT_RANGE, range);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// Ranges are for GET (RFC 9110 §14.2), and media has no validator that `If-Range` could match.
fn requested(method: &Method, request: &HeaderMap, len: u64) -> RangeRequest {
    match request.get(RANGE) {
        Some(range) if method == Method::GET && !request.contains_key(IF_RANGE) => {
            RangeRequest::parse(range.as_bytes(), len)
        }
        _ => RangeRequest::Whole,
    }
}

fn unsatisfiable(len: u64) -> Response<Body> {
    let mut response = problem(StatusCode::RANGE_NOT_SATISFIABLE, "There is nothing in that range.\n");
    if let Ok(range) = HeaderValue::try_from(format!("bytes */{len}")) {
        response.headers_mut().insert(CONTENT_RANGE, range);
    }
    response
}

fn cache_control(cache: Cache) -> HeaderValue {
    match cache {
        Cache::Immutable => HeaderValue::from_static("public, max-age=31536000, immutable"),
        Cache::Playlist { max_age_s: 0 } | Cache::BlockingPlaylist { max_age_s: 0 } => {
            HeaderValue::from_static("no-cache")
        }
        Cache::Playlist { max_age_s } | Cache::BlockingPlaylist { max_age_s } => {
            HeaderValue::try_from(format!("public, max-age={max_age_s}"))
                .unwrap_or_else(|_| HeaderValue::from_static("no-cache"))
        }
    }
}
