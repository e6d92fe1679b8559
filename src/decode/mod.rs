//! Compressed pictures back to raw ones: MJPEG from USB cameras.
//!
//! Here: one picture in, one picture out, and nothing that matters between two of them.
//! Not here: H.264 (the ladder of a contribution will need it), scaling, threads.

mod jpeg_header;
mod mjpeg;

pub use mjpeg::{DecodeError, MjpegDecoder};
