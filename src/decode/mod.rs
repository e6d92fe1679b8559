//! Compressed pictures back to raw ones: MJPEG from USB cameras; and AAC back to samples, for meters.
//!
//! Here: one picture (or frame of sound) in, one out, and nothing that matters between two of them.
//! Not here: H.264 (the ladder of a contribution will need it), scaling, threads.

mod aac;
mod jpeg_header;
mod mjpeg;

pub use aac::{AacDecodeError, AacDecoder};
pub use mjpeg::{DecodeError, MjpegDecoder};
