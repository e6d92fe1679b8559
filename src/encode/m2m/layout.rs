//! How a picture lies in an encoder's one buffer: planes behind each other, rows as long as the driver wants
//! (bcm2835-codec aligns them to 64 bytes for I420 and packed formats, 32 for NV12: read back, not assumed).

use super::device::FourCc;
use crate::encode::EncodeError;
use crate::encode::convert::copy_rows;
use crate::media::{PixelFormat, RawFrame};

/// A picture format in one buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub format: PixelFormat,
    /// Bytes from one row of the first plane to the next.
    pub stride: usize,
    /// Rows.
    pub height: usize,
    /// Bytes of the whole picture.
    pub len: usize,
}

/// V4L2's name; `None` for what is no raw format.
pub(super) fn fourcc(format: PixelFormat) -> Option<FourCc> {
    match format {
        PixelFormat::I420 => Some(FourCc(*b"YU12")),
        PixelFormat::Nv12 => Some(FourCc(*b"NV12")),
        PixelFormat::Yuyv => Some(FourCc(*b"YUYV")),
        PixelFormat::Uyvy => Some(FourCc(*b"UYVY")),
        PixelFormat::Mjpeg => None,
    }
}

/// Stride, rows and offset of each plane.
type Planes = [(usize, usize, usize); 3];

fn planes(format: PixelFormat, stride: usize, height: usize) -> (Planes, usize) {
    let luma = stride * height;
    let half = stride / 2 * (height / 2);
    match format {
        PixelFormat::I420 => {
            let chroma = |offset| (stride / 2, height / 2, offset);
            ([(stride, height, 0), chroma(luma), chroma(luma + half)], luma + 2 * half)
        }
        PixelFormat::Nv12 => {
            ([(stride, height, 0), (stride, height / 2, luma), (0, 0, 0)], luma + stride * (height / 2))
        }
        PixelFormat::Yuyv | PixelFormat::Uyvy | PixelFormat::Mjpeg => {
            ([(stride, height, 0), (0, 0, 0), (0, 0, 0)], luma)
        }
    }
}

/// Whether a picture lies in its buffer as an encoder reads one with the same stride: from the start, without gaps
/// between planes.
pub(super) fn is_one_block(picture: &RawFrame) -> bool {
    let own = picture.planes();
    let (expected, _) = planes(picture.format(), own[0].stride, picture.height() as usize);
    own.iter()
        .zip(expected)
        .all(|(plane, (stride, _, offset))| stride == 0 || (plane.stride, plane.offset) == (stride, offset))
}

impl Layout {
    /// `stride` and `size` as the driver gave them; 0 where it left them open.
    pub fn of(format: PixelFormat, stride: u32, height: u32, size: u32) -> Self {
        let (stride, height) = (stride as usize, height as usize);
        let (_, len) = planes(format, stride, height);
        Self { format, stride, height, len: len.max(size as usize) }
    }

    /// Writes a picture of the same format.
    pub fn copy(self, picture: &RawFrame, to: &mut [u8]) -> Result<(), EncodeError> {
        let (width, rows) = (picture.width() as usize, picture.height() as usize);
        let (expected, needed) = planes(self.format, self.stride, self.height);
        let row_bytes = match self.format {
            PixelFormat::I420 => [width, width / 2, width / 2],
            PixelFormat::Nv12 => [width, width, 0],
            PixelFormat::Yuyv | PixelFormat::Uyvy | PixelFormat::Mjpeg => [width * 2, 0, 0],
        };
        let fits = to.len() >= needed && self.height >= rows && self.stride >= row_bytes[0];
        if !fits {
            return Err(EncodeError::BadPicture {
                reason: format!("a {width}x{rows} picture doesn't fit the encoder's buffer of {} bytes", to.len()),
            });
        }
        for (index, (stride, plane_rows, offset)) in expected.into_iter().enumerate().filter(|(_, plane)| plane.0 > 0) {
            let to = to.get_mut(offset..).unwrap_or_default();
            let rows = (row_bytes[index], plane_rows);
            copy_rows(picture.plane(index), picture.planes()[index].stride, to, stride, rows);
        }
        Ok(())
    }
}
