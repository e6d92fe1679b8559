//! What flows through the box, data only: raw pictures and sound on the left, tracks and access
//! units on the right.
//!
//! Not here: bitstream syntax (`codec`), files and boxes (`container`), anything that moves or
//! changes media. Nothing in this room reads a clock, a device or a socket.

mod frame;
mod pcm;
mod track;
mod unit;

pub use frame::{FrameBuffer, MAX_DIMENSION, PixelFormat, Plane, RawFrame};
pub use pcm::PcmBlock;
pub use track::{AacParams, Codec, H264Params, OpusParams, Track, TrackId};
pub use unit::AccessUnit;
