//! The built pages, embedded, and the files that they load, whose names carry their content's hash.

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

/// Everything comes from here, and from what the pages made themselves: pictures that were fetched, and what
/// media source extensions play. Nobody shows the pages inside of theirs.
const POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// A page; what it shows it finds out by its address and the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    Console,
    /// The page of one stream.
    Viewer,
    /// Where a stream is sent from.
    Publish,
    /// Where people meet.
    Room,
}

impl Page {
    fn file(self) -> &'static str {
        match self {
            Self::Console => "index.html",
            Self::Viewer => "viewer.html",
            Self::Publish => "publish.html",
            Self::Room => "room.html",
        }
    }

    fn tag(self) -> &'static HeaderValue {
        static CONSOLE: LazyLock<HeaderValue> = LazyLock::new(|| tag_of(Page::Console));
        static VIEWER: LazyLock<HeaderValue> = LazyLock::new(|| tag_of(Page::Viewer));
        static PUBLISH: LazyLock<HeaderValue> = LazyLock::new(|| tag_of(Page::Publish));
        static ROOM: LazyLock<HeaderValue> = LazyLock::new(|| tag_of(Page::Room));
        match self {
            Self::Console => &CONSOLE,
            Self::Viewer => &VIEWER,
            Self::Publish => &PUBLISH,
            Self::Room => &ROOM,
        }
    }
}

fn tag_of(page: Page) -> HeaderValue {
    let body = find(page.file()).map_or(&[][..], |file| file.body);
    // FNV-1a: tells one build from the next, guards nothing.
    let hash = body
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    // Weak: the same page compressed and plain.
    HeaderValue::try_from(format!("W/\"{hash:016x}\"")).unwrap_or_else(|_| HeaderValue::from_static("W/\"0\""))
}

fn find(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
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

pub fn page(page: Page, request: &HeaderMap) -> Response<Body> {
    let Some(file) = find(page.file()) else { return not_found() };
    let tag = page.tag();
    let known = request.get(IF_NONE_MATCH).is_some_and(|tags| matches_tag(tags.as_bytes(), tag.as_bytes()));
    let mut response = if known {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    } else {
        serve(file, "no-cache", request)
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, tag.clone());
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// A file below `/assets/`. Its name changes with its content, so it never changes.
pub fn asset(name: &str, request: &HeaderMap) -> Response<Body> {
    match find(name) {
        Some(file) if !name.ends_with(".html") => serve(file, "public, max-age=31536000, immutable", request),
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
    fn there_are_always_pages_and_assets_are_only_what_was_built() {
        let none = HeaderMap::new();
        for which in [Page::Console, Page::Viewer, Page::Publish, Page::Room] {
            let page = page(which, &none);
            assert_eq!(page.status(), StatusCode::OK);
            assert_eq!(page.headers()[CONTENT_SECURITY_POLICY], POLICY);
            assert_eq!(page.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(page.headers()[REFERRER_POLICY], "no-referrer");
            assert_eq!(asset(which.file(), &none).status(), StatusCode::NOT_FOUND);
        }
        assert_eq!(asset("main.js", &none).status(), StatusCode::NOT_FOUND);
        for file in FILES.iter().filter(|file| !file.name.ends_with(".html")) {
            assert_eq!(asset(file.name, &none).status(), StatusCode::OK, "{}", file.name);
        }
    }

    #[test]
    fn a_page_that_the_browser_has_is_not_sent_again() {
        let first = page(Page::Viewer, &HeaderMap::new());
        let mut request = HeaderMap::new();
        request.insert(IF_NONE_MATCH, first.headers()[ETAG].clone());
        let second = page(Page::Viewer, &request);
        assert_eq!((second.status(), second.body().len()), (StatusCode::NOT_MODIFIED, 0));
    }
}
