//! Bitstream syntax: NAL units and parameter sets of H.264, headers of AAC and Opus, and the codec
//! strings of RFC 6381.
//!
//! Here: parsing and writing of what codecs define, on byte slices, without state and without I/O.
//! Not here: boxes, packets and files (`container`); encoders and decoders.
//!
//! Invariant: every function takes any bytes and answers with a value or an error, never a panic.

pub mod aac;
pub mod nal;
pub mod opus;
mod rfc6381;
pub mod sps;

pub use rfc6381::rfc6381;
