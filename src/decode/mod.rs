//! Compressed pictures back to raw ones: MJPEG from USB cameras, H.264 for mixing; AAC back to samples, for meters;
//! and Opus, for mixing and for players that don't take it.
//!
//! Here: one picture (or frame of sound) in, one out, and nothing that matters between two of them but
//! what a decoder must remember.
//! Not here: scaling, threads, what to do about what was lost.

mod aac;
mod h264;
mod jpeg_header;
mod mjpeg;
mod opus;

pub use aac::{AacDecodeError, AacDecoder};
pub use h264::{H264DecodeError, H264Decoder};
pub use mjpeg::{DecodeError, MjpegDecoder};
pub use opus::{OpusDecodeError, OpusDecoder};
