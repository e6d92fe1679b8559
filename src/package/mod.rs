//! Sans-IO low-latency HLS: access units in, parts, segments and playlists out (RFC 8216bis).
//!
//! ```text
//! AccessUnit ─▶ segmenter (track → parts → segments) ─▶ window ─▶ playlist, multivariant ─▶ Answer
//!                                                  request ─▶ packager ─┘
//! ```
//!
//! Not here: HTTP. [`live`] is the one shell: it feeds a packager from a stream and wakes who waits.

mod answer;
pub mod live;
mod request;
mod settings;

pub use answer::{Answer, Cache, Resource};
pub use request::{BadQuery, Directives, Rendition, Request, Session};
pub use settings::Settings;
