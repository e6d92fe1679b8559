//! The memory of capture buffers: mapped from the device, and outliving it.

use rustix::mm::{MapFlags, MremapFlags, ProtFlags, mmap, mmap_anonymous, mremap_fixed, munmap};
use std::io;
use std::os::fd::AsFd;
use std::ptr::{self, NonNull};

/// A read-only mapping of a capture buffer.
///
/// Who reads it must hold the buffer: while it is queued the device writes to it. [`super::pool`] sees to that.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is memory of this process, read-only, and belongs to nobody's thread.
unsafe impl Send for Mapping {}
// SAFETY: as above; there is no way to write through it.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `file` at `offset`.
    pub fn new(file: impl AsFd, offset: u64, len: usize) -> io::Result<Self> {
        if len == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory in use.
        let start = unsafe { mmap(ptr::null_mut(), len, ProtFlags::READ, MapFlags::SHARED, file, offset) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, len })
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `start` and `len` are one mapping, readable and there until `self` is dropped.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// Takes the device out of the mapping: the same address goes on as ordinary memory, with the same
    /// content when `keep` is set.
    ///
    /// A mapping holds its file open in the kernel. A frame that somebody still holds (the last one, to
    /// be repeated) would so keep an unplugged camera's node, and it would come back under another number.
    pub fn detach(&self, keep: bool) -> io::Result<()> {
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory in use.
        let copy = unsafe {
            mmap_anonymous(ptr::null_mut(), self.len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        }?;
        if keep {
            // SAFETY: both are mappings of `len` bytes, and they don't overlap: one is new.
            unsafe { ptr::copy_nonoverlapping(self.start.as_ptr(), copy.cast(), self.len) };
        }
        // SAFETY: moves the whole of `copy` onto the whole of our own mapping, in one step under the kernel's
        // lock of the address space: a reader meanwhile sees the old memory or the new, which have the
        // same content; where they don't (`keep` not set), the caller knows that nobody reads.
        let moved = unsafe { mremap_fixed(copy, self.len, self.len, MremapFlags::MAYMOVE, self.start.as_ptr().cast()) };
        if let Err(error) = moved {
            // SAFETY: `copy` is ours, and stayed where it was.
            let _ = unsafe { munmap(copy, self.len) };
            return Err(error.into());
        }
        Ok(())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and with `self` the last slice of it is gone.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsRawFd;

    fn device_memory(content: &[u8]) -> (std::os::fd::OwnedFd, Mapping) {
        let file = rustix::fs::memfd_create("capture-buffer", rustix::fs::MemfdFlags::CLOEXEC).expect("a memfd");
        rustix::io::write(&file, content).expect("room");
        let mapping = Mapping::new(&file, 0, content.len()).expect("a mapping");
        (file, mapping)
    }

    fn is_mapped(file: &impl AsFd) -> bool {
        let inode = rustix::fs::fstat(file).expect("a file").st_ino;
        let maps = fs::read_to_string("/proc/self/maps").expect("our maps");
        maps.lines().any(|line| line.split_whitespace().nth(4) == Some(&inode.to_string()))
    }

    #[test]
    fn a_mapping_shows_what_the_device_writes_until_it_is_detached() {
        let (file, mapping) = device_memory(&[7; 10_000]);
        let slice = mapping.bytes();
        rustix::io::pwrite(&file, &[9; 3], 5_000).expect("room");
        assert_eq!(slice[4_999..5_004], [7, 9, 9, 9, 7]);
        assert!(is_mapped(&file));

        mapping.detach(true).expect("memory");
        assert!(!is_mapped(&file), "the file of fd {} is free", file.as_raw_fd());
        rustix::io::pwrite(&file, &[1; 100], 5_000).expect("room");
        assert_eq!(slice[4_999..5_004], [7, 9, 9, 9, 7], "the same slice, the same picture");
    }

    #[test]
    fn what_nobody_holds_is_not_copied() {
        let (file, mapping) = device_memory(&[7; 10_000]);
        mapping.detach(false).expect("memory");
        assert!(!is_mapped(&file));
        assert_eq!(mapping.bytes(), [0; 10_000]);
    }

    #[test]
    fn nothing_is_no_mapping() {
        let file = rustix::fs::memfd_create("empty", rustix::fs::MemfdFlags::CLOEXEC).expect("a memfd");
        assert!(Mapping::new(&file, 0, 0).is_err());
    }
}
