//! Sans-IO low-latency HLS: access units in, parts, segments and playlists out (RFC 8216bis).
//!
//! Not here: HTTP. `live` is the one shell: it feeds a packager from a stream and wakes who waits.
