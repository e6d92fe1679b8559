//! The capture buffers, and who has them: the device (queued), or somebody downstream (on loan).
//!
//! A [`Lease`] is a buffer on loan. When its last holder drops it, on whatever thread, the buffer is
//! queued again; when the device has been closed meanwhile, it is just memory.

use super::io::Io;
use super::mapping::Mapping;
use crate::media::FrameBuffer;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

pub(crate) struct Pool<D: Io> {
    /// `None` once the device is closed.
    state: Mutex<State<D>>,
    buffers: Vec<Buffer>,
}

struct State<D> {
    device: Option<Arc<D>>,
    on_loan: Vec<bool>,
}

struct Buffer {
    mapping: Mapping,
    /// Exported when first asked for; `None` when the driver can't.
    dmabuf: OnceLock<Option<OwnedFd>>,
}

impl<D: Io> Pool<D> {
    /// `mappings` are the device's buffers, by index, none of them queued.
    pub fn new(device: Arc<D>, mappings: Vec<Mapping>) -> Arc<Self> {
        let on_loan = vec![false; mappings.len()];
        let buffers = mappings.into_iter().map(|mapping| Buffer { mapping, dmabuf: OnceLock::new() }).collect();
        Arc::new(Self { state: Mutex::new(State { device: Some(device), on_loan }), buffers })
    }

    pub fn len(&self) -> usize {
        self.buffers.len()
    }

    pub fn all_on_loan(&self) -> bool {
        self.state().on_loan.iter().all(|on_loan| *on_loan)
    }

    /// A filled buffer, to be lent out. `None` when the driver made the index up.
    pub fn lend(self: &Arc<Self>, index: u32, bytes_used: usize) -> Option<Lease<D>> {
        let slot = index as usize;
        let len = bytes_used.min(self.buffers.get(slot)?.mapping.bytes().len());
        *self.state().on_loan.get_mut(slot)? = true;
        Some(Lease { pool: Arc::clone(self), index, len })
    }

    /// Takes the device away; buffers on loan keep their content. The caller has stopped the stream.
    pub fn close(&self) {
        let mut state = self.state();
        state.device = None;
        for (buffer, on_loan) in self.buffers.iter().zip(&state.on_loan) {
            if let Err(error) = buffer.mapping.detach(*on_loan) {
                log::warn!("a capture buffer stays mapped: {error}");
            }
        }
    }

    fn give_back(&self, index: u32) {
        let mut state = self.state();
        if let Some(on_loan) = state.on_loan.get_mut(index as usize) {
            *on_loan = false;
        }
        if let Some(device) = &state.device
            && let Err(error) = device.queue(index)
        {
            // An unplugged device; the reader will be told so too.
            log::debug!("capture buffer {index} can't be queued: {error}");
        }
    }

    fn dmabuf(&self, index: u32) -> Option<BorrowedFd<'_>> {
        let exported = self.buffers.get(index as usize)?.dmabuf.get_or_init(|| {
            let device = self.state().device.clone()?;
            device
                .export(index)
                .inspect_err(|error| log::debug!("capture buffer {index} can't be exported: {error}"))
                .ok()
        });
        exported.as_ref().map(AsFd::as_fd)
    }

    fn state(&self) -> MutexGuard<'_, State<D>> {
        // Nothing is left half done under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Lease<D: Io> {
    pool: Arc<Pool<D>>,
    index: u32,
    /// Bytes that the device filled.
    len: usize,
}

impl<D: Io> FrameBuffer for Lease<D> {
    fn bytes(&self) -> &[u8] {
        let buffer = self.pool.buffers.get(self.index as usize);
        buffer.and_then(|buffer| buffer.mapping.bytes().get(..self.len)).unwrap_or_default()
    }

    fn dmabuf(&self) -> Option<BorrowedFd<'_>> {
        self.pool.dmabuf(self.index)
    }
}

impl<D: Io> Drop for Lease<D> {
    fn drop(&mut self) {
        self.pool.give_back(self.index);
    }
}
