//! One picture before it is encoded: where its bytes are, and how they are laid out.

use crate::time::MonoTime;
use bytes::Bytes;
use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// How a picture's bytes are laid out. `Mjpeg` is one whole JPEG picture in plane 0, as USB cameras
/// deliver it; it is decoded before it is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Planar 4:2:0: Y, U, V (V4L2 `YU12`).
    I420,
    /// Planar Y, then interleaved UV (V4L2 `NV12`).
    Nv12,
    /// Packed 4:2:2: Y0 U Y1 V.
    Yuyv,
    /// Packed 4:2:2: U Y0 V Y1, what HDMI bridges make.
    Uyvy,
    Mjpeg,
}

/// Where one plane of a picture is in its buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plane {
    /// Bytes from the start of the buffer.
    pub offset: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
}

/// Memory that a picture lives in: an owned allocation, or a capture buffer on loan that goes back
/// to its device when the last holder drops it.
pub trait FrameBuffer: Send + Sync {
    fn bytes(&self) -> &[u8];

    /// The same memory as a DMABUF, where the device exported one.
    fn dmabuf(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl FrameBuffer for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

impl FrameBuffer for Bytes {
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// One picture. Cloning shares the memory.
///
/// Invariant, kept by [`RawFrame::new`]: every plane that the format has lies within the buffer.
#[derive(Clone)]
pub struct RawFrame {
    captured: MonoTime,
    width: u32,
    height: u32,
    format: PixelFormat,
    planes: [Plane; 3],
    buffer: Arc<dyn FrameBuffer>,
}

/// Widest and highest picture the box handles, px: bounds every allocation made from a header.
pub const MAX_DIMENSION: u32 = 4096;

impl RawFrame {
    /// `None` when the size is zero, odd or over [`MAX_DIMENSION`], or a plane does not fit into the buffer:
    /// what a short or corrupt capture looks like. (`Mjpeg` needs no more than one byte.)
    pub fn new(
        captured: MonoTime,
        (width, height): (u32, u32),
        format: PixelFormat,
        planes: [Plane; 3],
        buffer: Arc<dyn FrameBuffer>,
    ) -> Option<Self> {
        let fits_the_box =
            |side: u32| (2..=MAX_DIMENSION).contains(&side) && (side.is_multiple_of(2) || format == PixelFormat::Mjpeg);
        if !fits_the_box(width) || !fits_the_box(height) {
            return None;
        }
        let (w, h, len) = (width as usize, height as usize, buffer.bytes().len());
        // Row bytes and rows of each plane.
        let needed: &[(usize, usize)] = match format {
            PixelFormat::I420 => &[(w, h), (w / 2, h / 2), (w / 2, h / 2)],
            PixelFormat::Nv12 => &[(w, h), (w, h / 2)],
            PixelFormat::Yuyv | PixelFormat::Uyvy => &[(w * 2, h)],
            PixelFormat::Mjpeg => &[(1, 1)],
        };
        for (plane, &(row, rows)) in planes.iter().zip(needed) {
            let end = plane.stride.checked_mul(rows - 1)?.checked_add(row)?.checked_add(plane.offset)?;
            if (plane.stride < row && rows > 1) || end > len {
                return None;
            }
        }
        Some(Self { captured, width, height, format, planes, buffer })
    }

    /// A picture whose planes follow each other without padding.
    pub fn packed(
        captured: MonoTime,
        (width, height): (u32, u32),
        format: PixelFormat,
        buffer: Arc<dyn FrameBuffer>,
    ) -> Option<Self> {
        Self::new(captured, (width, height), format, Self::packed_planes(width, height, format), buffer)
    }

    /// The layout that [`RawFrame::packed`] expects.
    pub fn packed_planes(width: u32, height: u32, format: PixelFormat) -> [Plane; 3] {
        let (w, h) = (width as usize, height as usize);
        let plane = |offset, stride| Plane { offset, stride };
        match format {
            PixelFormat::I420 => [plane(0, w), plane(w * h, w / 2), plane(w * h + w * h / 4, w / 2)],
            PixelFormat::Nv12 => [plane(0, w), plane(w * h, w), Plane::default()],
            PixelFormat::Yuyv | PixelFormat::Uyvy => [plane(0, w * 2), Plane::default(), Plane::default()],
            PixelFormat::Mjpeg => [Plane::default(); 3],
        }
    }

    /// Bytes of a packed picture; `None` for `Mjpeg`, whose size isn't fixed.
    pub fn packed_len(width: u32, height: u32, format: PixelFormat) -> Option<usize> {
        let pixels = width as usize * height as usize;
        match format {
            PixelFormat::I420 | PixelFormat::Nv12 => Some(pixels * 3 / 2),
            PixelFormat::Yuyv | PixelFormat::Uyvy => Some(pixels * 2),
            PixelFormat::Mjpeg => None,
        }
    }

    /// When the picture was taken.
    pub fn captured(&self) -> MonoTime {
        self.captured
    }

    pub fn width(&self) -> u32 {
        self.width
    }

    pub fn height(&self) -> u32 {
        self.height
    }

    pub fn format(&self) -> PixelFormat {
        self.format
    }

    pub fn planes(&self) -> &[Plane; 3] {
        &self.planes
    }

    /// The bytes from the start of plane `index` to the end of the buffer.
    pub fn plane(&self, index: usize) -> &[u8] {
        &self.buffer.bytes()[self.planes[index].offset..]
    }

    pub fn buffer(&self) -> &Arc<dyn FrameBuffer> {
        &self.buffer
    }

    /// The same picture at another time: what a repeated frame is.
    pub fn at(&self, captured: MonoTime) -> Self {
        Self { captured, ..self.clone() }
    }
}

impl fmt::Debug for RawFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawFrame({}x{} {:?} at {:?})", self.width, self.height, self.format, self.captured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_is_one_byte_short_is_no_frame() {
        for format in [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Yuyv, PixelFormat::Uyvy] {
            let len = RawFrame::packed_len(64, 48, format).expect("a fixed size");
            let frame = |len: usize| RawFrame::packed(MonoTime::ZERO, (64, 48), format, Arc::new(vec![0; len]));
            assert!(frame(len).is_some(), "{format:?}");
            assert!(frame(len - 1).is_none(), "{format:?}");
        }
    }

    #[test]
    fn sizes_from_a_lying_header_are_refused() {
        for size in [(0, 48), (64, 0), (63, 48), (4098, 2), (u32::MAX, u32::MAX)] {
            let frame = RawFrame::packed(MonoTime::ZERO, size, PixelFormat::Nv12, Arc::new(vec![0; 64]));
            assert!(frame.is_none(), "{size:?}");
        }
    }

    #[test]
    fn a_stride_shorter_than_a_row_is_refused() {
        let planes = [Plane { offset: 0, stride: 32 }, Plane::default(), Plane::default()];
        let frame = RawFrame::new(MonoTime::ZERO, (64, 48), PixelFormat::Yuyv, planes, Arc::new(vec![0; 64 * 96]));
        assert!(frame.is_none());
    }
}
