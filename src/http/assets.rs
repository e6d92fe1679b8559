//! The built page, embedded: `index.html` and files whose names carry their content's hash.

use super::body::Body;
use super::headers::accepts_gzip;
use super::problem::not_found;
use bytes::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Response, StatusCode};
use std::sync::LazyLock;

/// One file of `src/http/ui/dist`; `build.rs` writes the table.
struct File {
    name: &'static str,
    body: &'static [u8],
    gzip: Option<&'static [u8]>,
}

static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/assets_table.rs"));

/// Everything comes from here; `blob:` is where media source extensions play from.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; frame-ancestors 'self'";

fn find(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

fn serve(file: &'static File, cache: &'static str, request: &HeaderMap) -> Response<Body> {
    let gzip = file.gzip.filter(|_| accepts_gzip(request));
    let mut response = Response::new(Body::from(Bytes::from_static(gzip.unwrap_or(file.body))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(file.name)));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if gzip.is_some() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// The page, the same for the box and for a stream; it looks at its own address.
pub fn page(request: &HeaderMap) -> Response<Body> {
    static TAG: LazyLock<HeaderValue> = LazyLock::new(|| {
        let body = find("index.html").map_or(&[][..], |file| file.body);
        // FNV-1a: tells one build from the next, guards nothing.
        let hash = body
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        // Weak: the same page compressed and plain.
        HeaderValue::try_from(format!("W/\"{hash:016x}\"")).unwrap_or_else(|_| HeaderValue::from_static("W/\"0\""))
    });
    let Some(file) = find("index.html") else { return not_found() };
    let known = request.get(IF_NONE_MATCH).is_some_and(|tags| matches_tag(tags.as_bytes(), TAG.as_bytes()));
    let mut response = if known {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    } else {
        serve(file, "no-cache", request)
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, TAG.clone());
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// A file below `/assets/`. Its name changes with its content, so it never changes.
pub fn asset(name: &str, request: &HeaderMap) -> Response<Body> {
    match find(name) {
        Some(file) if name != "index.html" => serve(file, "public, max-age=31536000, immutable", request),
        _ => not_found(),
    }
}

/// Weak comparison with a list of entity tags, or `*` (RFC 9110 §13.1.2).
fn matches_tag(tags: &[u8], ours: &[u8]) -> bool {
    let opaque = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag).to_vec();
    tags.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).any(|tag| tag == b"*" || opaque(tag) == opaque(ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_compare_weakly_in_lists() {
        assert!(matches_tag(b"\"a\", W/\"b\"", b"W/\"b\""));
        assert!(matches_tag(b"\"b\"", b"W/\"b\""));
        assert!(matches_tag(b"*", b"W/\"b\""));
        assert!(!matches_tag(b"\"a\"", b"W/\"b\""));
        assert!(!matches_tag(b"", b"W/\"b\""));
    }

    #[test]
    fn there_is_always_a_page_and_assets_are_only_what_was_built() {
        let none = HeaderMap::new();
        assert_eq!(page(&none).status(), StatusCode::OK);
        assert_eq!(asset("index.html", &none).status(), StatusCode::NOT_FOUND);
        assert_eq!(asset("main.js", &none).status(), StatusCode::NOT_FOUND);
        for file in FILES.iter().filter(|file| file.name != "index.html") {
            assert_eq!(asset(file.name, &none).status(), StatusCode::OK, "{}", file.name);
        }
    }

    #[test]
    fn a_page_that_the_browser_has_is_not_sent_again() {
        let first = page(&HeaderMap::new());
        let mut request = HeaderMap::new();
        request.insert(IF_NONE_MATCH, first.headers()[ETAG].clone());
        let second = page(&request);
        assert_eq!((second.status(), second.body().len()), (StatusCode::NOT_MODIFIED, 0));
    }
}
