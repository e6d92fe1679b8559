//! Playlists and media: the packager's answers as HTTP.

use super::body::Body;
use super::headers::{accepts_gzip, shared};
use super::problem::{not_found, problem};
use super::range::RangeRequest;
use crate::package::live::LiveHls;
use crate::package::{Answer, Cache, Request, Resource};
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, IF_RANGE, RANGE,
    RETRY_AFTER, VARY,
};
use hyper::{HeaderMap, Method, Response, StatusCode};
use std::sync::Arc;

/// A request for a playlist or media, and all that matters of its headers.
pub struct Asked {
    live: Arc<LiveHls>,
    request: Request,
    wants: Wants,
    /// Not everybody may have it, so nobody between may keep it.
    private: bool,
    /// Where what the multivariant playlist names stands, for this viewer.
    below: Option<String>,
}

/// How the client would like its answer.
struct Wants {
    gzip: bool,
    /// Not for HEAD (RFC 9110 §14.2), nor when `If-Range` asks for a validator, which media has none of.
    range: Option<HeaderValue>,
}

impl Wants {
    fn of(method: &Method, headers: &HeaderMap) -> Self {
        let range = headers.get(RANGE).filter(|_| method == Method::GET && !headers.contains_key(IF_RANGE));
        Self { gzip: accepts_gzip(headers), range: range.cloned() }
    }
}

impl Asked {
    /// `Err` is the answer to a path or query that can't be meant.
    pub fn parse(
        live: Arc<LiveHls>,
        path: &str,
        query: Option<&str>,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Self, Box<Response<Body>>> {
        match Request::parse(path, query) {
            Some(Ok(request)) => {
                Ok(Self { live, request, wants: Wants::of(method, headers), private: false, below: None })
            }
            Some(Err(bad)) => Err(Box::new(shared(problem(StatusCode::BAD_REQUEST, format!("{bad}\n"))))),
            None => Err(Box::new(shared(not_found()))),
        }
    }

    /// The same, from a viewer who is counted. Who asks what there is to choose from doesn't watch yet.
    pub fn by(self, viewer: u64) -> Self {
        if self.request != Request::Multivariant {
            self.live.saw(viewer);
        }
        self
    }

    /// The same, for somebody who isn't everybody; `below` is a segment that goes before the addresses in the
    /// multivariant playlist.
    pub fn for_one_viewer(self, private: bool, below: Option<String>) -> Self {
        Self { private, below, ..self }
    }

    /// Answers, waiting where the protocol says so.
    pub async fn respond(self) -> Response<Body> {
        let Self { live, request, wants, private, below } = self;
        let below = below.filter(|_| request == Request::Multivariant);
        shared(match live.respond(&request).await {
            Answer::Ready(resource) => {
                let resource = match below {
                    Some(segment) => addressed_below(&resource, &segment),
                    None => resource,
                };
                let response = resource_response(resource, &wants);
                if private { kept_private(response) } else { response }
            }
            Answer::TooFarAhead => problem(StatusCode::BAD_REQUEST, "That is too far in the future.\n"),
            Answer::Gone => problem(StatusCode::NOT_FOUND, "That is not here, or not here any more.\n"),
            Answer::Busy => soon(problem(StatusCode::SERVICE_UNAVAILABLE, "Too many are waiting already.\n")),
            Answer::TimedOut | Answer::Wait => {
                soon(problem(StatusCode::SERVICE_UNAVAILABLE, "It did not come in time.\n"))
            }
        })
    }
}

/// A multivariant playlist with `segment/` before the addresses in it, which are relative all of them.
fn addressed_below(resource: &Resource, segment: &str) -> Resource {
    let text = resource.body.concat();
    let mut below = String::new();
    for line in String::from_utf8_lossy(&text).lines() {
        if !line.is_empty() && !line.starts_with('#') {
            below.push_str(segment);
            below.push('/');
        }
        below.push_str(&line.replace("URI=\"", &format!("URI=\"{segment}/")));
        below.push('\n');
    }
    Resource { content_type: resource.content_type, cache: resource.cache, body: vec![below.into()], gzip: None }
}

/// For the one who asked, and not for a cache on the way.
fn kept_private(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    let kept = headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok());
    if let Some(kept) = kept.and_then(|kept| HeaderValue::try_from(kept.replace("public", "private")).ok()) {
        headers.insert(CACHE_CONTROL, kept);
    }
    response
}

fn soon(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn resource_response(resource: Resource, wants: &Wants) -> Response<Body> {
    let Resource { content_type, cache, body, gzip } = resource;
    let (compressible, gzip) = (gzip.is_some(), gzip.filter(|_| wants.gzip));
    let compressed = gzip.is_some();
    let mut range = None;
    let body = match gzip {
        Some(gzip) => Body::from(gzip),
        None if compressible => Body::from(body),
        None => {
            let len = body.iter().map(bytes::Bytes::len).sum::<usize>() as u64;
            let range_request = wants.range.as_ref().map(|range| RangeRequest::parse(range.as_bytes(), len));
            match range_request.unwrap_or(RangeRequest::Whole) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use hyper::body::Body as _;
    use hyper::header::{ACCEPT_ENCODING, CONTENT_LENGTH};

    /// A segment of ten bytes in two parts.
    fn segment() -> Resource {
        Resource {
            content_type: "video/mp4",
            cache: Cache::Immutable,
            body: vec![Bytes::from_static(b"01234"), Bytes::from_static(b"56789")],
            gzip: None,
        }
    }

    fn playlist() -> Resource {
        Resource {
            content_type: "application/vnd.apple.mpegurl",
            cache: Cache::BlockingPlaylist { max_age_s: 12 },
            body: vec![Bytes::from_static(b"#EXTM3U\n")],
            gzip: Some(Bytes::from_static(b"gz")),
        }
    }

    /// The answer to a request with these headers, and its body.
    fn ask(
        resource: Resource,
        method: Method,
        request: &[(hyper::header::HeaderName, &str)],
    ) -> (Response<()>, Vec<u8>) {
        let mut headers = HeaderMap::new();
        for (name, value) in request {
            headers.insert(name, HeaderValue::from_str(value).expect("a value"));
        }
        let (head, mut body) = resource_response(resource, &Wants::of(&method, &headers)).into_parts();
        assert!(!head.headers.contains_key(CONTENT_LENGTH), "hyper writes it, from the body's size");
        let size = body.size_hint().exact().expect("known from the start");
        let mut bytes = Vec::new();
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        while let std::task::Poll::Ready(Some(Ok(frame))) = std::pin::Pin::new(&mut body).poll_frame(&mut context) {
            let mut data = frame.into_data().unwrap_or_default();
            let len = data.len();
            bytes.extend_from_slice(&bytes::Buf::copy_to_bytes(&mut data, len));
        }
        assert_eq!(bytes.len() as u64, size);
        (Response::from_parts(head, ()), bytes)
    }

    fn text<'a>(response: &'a Response<()>, name: &hyper::header::HeaderName) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    #[test]
    fn media_is_served_in_ranges_over_its_parts() {
        let get = |range: &str| ask(segment(), Method::GET, &[(RANGE, range)]);
        let (whole, bytes) = ask(segment(), Method::GET, &[]);
        assert_eq!((whole.status(), bytes.as_slice()), (StatusCode::OK, &b"0123456789"[..]));
        assert_eq!(text(&whole, &ACCEPT_RANGES), "bytes");
        assert_eq!(text(&whole, &CACHE_CONTROL), "public, max-age=31536000, immutable");
        let (part, bytes) = get("bytes=3-6");
        assert_eq!((part.status(), bytes.as_slice()), (StatusCode::PARTIAL_CONTENT, &b"3456"[..]));
        assert_eq!(text(&part, &CONTENT_RANGE), "bytes 3-6/10");
        let (none, _) = get("bytes=10-");
        assert_eq!((none.status(), text(&none, &CONTENT_RANGE)), (StatusCode::RANGE_NOT_SATISFIABLE, "bytes */10"));
        let (several, bytes) = get("bytes=0-1,3-4");
        assert_eq!((several.status(), bytes.len()), (StatusCode::OK, 10));
    }

    #[test]
    fn a_range_is_for_get_and_without_a_condition_that_we_can_not_check() {
        let (head, _) = ask(segment(), Method::HEAD, &[(RANGE, "bytes=3-6")]);
        assert_eq!(head.status(), StatusCode::OK);
        let (conditional, bytes) = ask(segment(), Method::GET, &[(RANGE, "bytes=3-6"), (IF_RANGE, "\"tag\"")]);
        assert_eq!((conditional.status(), bytes.len()), (StatusCode::OK, 10));
    }

    #[test]
    fn what_a_token_opened_is_named_below_its_key_and_kept_by_its_viewer_alone() {
        let text =
            "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"1f/audio.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\n1f/video.m3u8\n";
        let one = Resource { body: vec![Bytes::from_static(text.as_bytes())], ..playlist() };
        let below = addressed_below(&one, "k-1-2");
        let expected = text.replace("1f/", "k-1-2/1f/");
        assert_eq!((below.body.concat(), below.gzip), (expected.into_bytes(), None));
        let response = kept_private(resource_response(segment(), &Wants { gzip: false, range: None }));
        assert_eq!(response.headers()[CACHE_CONTROL], "private, max-age=31536000, immutable");
    }

    #[test]
    fn playlists_are_compressed_for_those_who_take_it() {
        let (plain, bytes) = ask(playlist(), Method::GET, &[(RANGE, "bytes=0-1")]);
        assert_eq!((plain.status(), bytes.as_slice()), (StatusCode::OK, &b"#EXTM3U\n"[..]));
        assert_eq!((text(&plain, &VARY), text(&plain, &CONTENT_ENCODING)), ("accept-encoding", ""));
        let (gzip, bytes) = ask(playlist(), Method::GET, &[(ACCEPT_ENCODING, "br, gzip")]);
        assert_eq!((text(&gzip, &CONTENT_ENCODING), bytes.as_slice()), ("gzip", &b"gz"[..]));
        assert_eq!(text(&gzip, &CACHE_CONTROL), "public, max-age=12");
    }
}
