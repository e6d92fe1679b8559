//! Compressed pictures back to raw ones: MJPEG from USB cameras.
//!
//! Here: one picture in, one picture out, no state that matters between them.
//! Not here: H.264 (a contribution's ladder will need it), scaling, threads.

mod mjpeg;

pub use mjpeg::{DecodeError, MjpegDecoder};
