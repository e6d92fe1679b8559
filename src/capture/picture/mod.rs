//! Small drawings on I420 pictures: rectangles, colour bars, text. The test picture and the slate
//! are drawn with it.
//!
//! Not here: what is drawn (`test_pattern`, `slate`), reading pictures, scaling.
//!
//! Invariant: everything is clipped to the picture; no coordinate panics.

mod canvas;
mod font;
mod pool;

pub use canvas::{Canvas, Rect, Yuv};
pub use font::{GLYPH, text_width};
pub use pool::{FramePool, PooledBuffer};
