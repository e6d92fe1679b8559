//! Any text as a request's path and query: what it routes to names no way out, and parses or is refused.
#![no_main]

use capturebox::http::Route;
use capturebox::package::Request;

libfuzzer_sys::fuzz_target!(|target: &str| {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    if let Route::Media { stream, path } = Route::of(path) {
        assert!(path.split('/').chain([stream]).all(|segment| !matches!(segment, "" | "." | "..")));
        _ = Request::parse(path, query);
    }
});
