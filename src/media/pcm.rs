//! Sound before it is encoded.

use crate::time::MonoTime;
use std::sync::Arc;

/// A run of interleaved samples, `[frames × channels]`. Cloning shares the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcmBlock {
    /// When the first frame was sampled.
    pub captured: MonoTime,
    /// The source's nominal rate, Hz.
    pub rate_hz: u32,
    pub channels: u16,
    pub samples: Arc<[i16]>,
}

impl PcmBlock {
    /// Samples a channel.
    pub fn frames(&self) -> usize {
        self.samples.len() / usize::from(self.channels.max(1))
    }
}
