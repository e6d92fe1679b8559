//! A live stream: one publisher, any number of readers, a bounded history between them.
//!
//! `ring` is the sans-IO heart: what is kept, where a reader resumes after it fell behind.
//! [`Stream`] is the thin shell around it: a lock, wake-ups, the state of the sources, requests that
//! go against the flow (a key frame, a bitrate).
//!
//! Not here: what the access units mean, who may read them, encoding.
//!
//! Invariants: the publisher never waits for a reader; nothing a reader wants is lost without a
//! [`Read::Lagged`] that counts it; after that the next picture is a key frame.

mod error;
mod reader;
mod registry;
mod ring;
mod shell;
mod state;

pub use error::{AlreadyPublished, NameTaken};
pub use reader::Reader;
pub use registry::Streams;
pub use ring::{Limits, Read, Start};
pub use shell::{Publisher, Quiet, Rendition, Stream};
pub use state::{Kind, SourceState, SourceStatus, StreamStatus, TrackStatus};

#[cfg(test)]
mod tests;
