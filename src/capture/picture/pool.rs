//! Picture buffers that are used again: a fresh 1.4 MB allocation a frame costs more than drawing
//! into it.

use crate::media::{FrameBuffer, PixelFormat, RawFrame};
use crate::time::MonoTime;
use std::sync::{Arc, Mutex, PoisonError};

/// Buffers kept for the next frame. Capture → encode holds two, drawing one, a repeat one; what goes
/// beyond is given back to the allocator.
const KEPT: usize = 4;

/// Hands out buffers of one length, and takes them back when the last holder of a frame drops it.
#[derive(Debug, Clone)]
pub struct FramePool {
    len: usize,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl FramePool {
    pub fn new(len: usize) -> Self {
        Self { len, spare: Arc::default() }
    }

    /// A buffer with whatever was in it last.
    pub fn take(&self) -> PooledBuffer {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = spare.unwrap_or_else(|| vec![0; self.len]);
        PooledBuffer { bytes, spare: Arc::clone(&self.spare) }
    }
}

/// A buffer on loan.
#[derive(Debug)]
pub struct PooledBuffer {
    bytes: Vec<u8>,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl PooledBuffer {
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// A packed picture in this buffer; `None` when it doesn't fit (see [`RawFrame::packed`]).
    pub fn into_frame(self, captured: MonoTime, size: (u32, u32), format: PixelFormat) -> Option<RawFrame> {
        RawFrame::packed(captured, size, format, Arc::new(self))
    }
}

impl FrameBuffer for PooledBuffer {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < KEPT {
            spare.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_frame_gives_its_buffer_back() {
        let pool = FramePool::new(64 * 48 * 3 / 2);
        let mut buffer = pool.take();
        buffer.bytes_mut()[0] = 77;
        let frame = buffer.into_frame(MonoTime::ZERO, (64, 48), PixelFormat::I420).expect("fits");
        let copy = frame.clone();
        drop(frame);
        assert_eq!(pool.take().bytes()[0], 0, "still held by the copy");
        drop(copy);
        let (a, b) = (pool.take(), pool.take());
        assert!(a.bytes()[0] == 77 || b.bytes()[0] == 77);
    }

    #[test]
    fn the_pool_keeps_no_more_than_its_limit() {
        let pool = FramePool::new(16);
        let all: Vec<_> = (0..10).map(|_| pool.take()).collect();
        drop(all);
        assert_eq!(pool.spare.lock().expect("not poisoned").len(), KEPT);
    }
}
