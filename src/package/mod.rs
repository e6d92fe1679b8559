//! Sans-IO low-latency HLS: access units in, parts, segments and playlists out (RFC 8216bis).
//!
//! ```text
//! AccessUnit ─▶ segmenter (track → parts → segments) ─▶ window ─▶ playlist, multivariant ─▶ Answer
//!                                                  request ─▶ packager ─┘
//! ```
//!
//! Not here: HTTP. [`live`] is the one shell: it feeds a packager from a stream and wakes who waits.

mod answer;
mod delay;
pub mod live;
mod multivariant;
mod packager;
mod playlist;
mod rendition;
mod request;
mod segmenter;
mod settings;
mod text;
mod viewers;
mod window;

pub use answer::{Answer, Cache, Resource};
pub use packager::{News, Packager};
pub use request::{BadQuery, Directives, Rendition, Request, Session};
pub use settings::Settings;

#[cfg(test)]
mod tests;
