//! Pixel formats: V4L2's codes, the ones that the box can use, and where their planes lie.

use crate::config::{CameraFormat, Size};
use crate::media::{PixelFormat, Plane, RawFrame};
use std::fmt;

/// A V4L2 pixel format code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FourCc(pub [u8; 4]);

impl FourCc {
    pub const fn from_u32(code: u32) -> Self {
        Self(code.to_le_bytes())
    }

    pub const fn as_u32(self) -> u32 {
        u32::from_le_bytes(self.0)
    }

    /// `None` for what the box has no use for.
    pub fn camera_format(self) -> Option<CameraFormat> {
        Some(match &self.0 {
            b"YUYV" => CameraFormat::Yuyv,
            b"UYVY" => CameraFormat::Uyvy,
            b"NV12" => CameraFormat::Nv12,
            b"YU12" => CameraFormat::I420,
            // Two names of the same thing.
            b"MJPG" | b"JPEG" => CameraFormat::Mjpeg,
            b"H264" => CameraFormat::H264,
            _ => return None,
        })
    }

    /// A compressed picture: what makes a memory-to-memory device an encoder or a decoder.
    pub fn is_coded(self) -> bool {
        matches!(
            &self.0,
            b"H264"
                | b"AVC1"
                | b"S264"
                | b"HEVC"
                | b"S265"
                | b"VP80"
                | b"VP8F"
                | b"VP90"
                | b"VP9F"
                | b"AV1F"
                | b"MPG1"
                | b"MPG2"
                | b"MPG4"
                | b"MG2S"
                | b"H263"
                | b"XVID"
                | b"VC1G"
                | b"VC1L"
                | b"FWHT"
                | b"SFWH"
                | b"MJPG"
                | b"JPEG"
        )
    }

    /// A Bayer pattern as it comes from a bare sensor. (Some codes are RGB elsewhere: ask only about
    /// a device that has no format the box can use.)
    pub fn is_bayer(self) -> bool {
        matches!(
            &self.0,
            b"GBRG"
                | b"GRBG"
                | b"RGGB"
                | b"BYR2"
                | [b'B' | b'G' | b'R', b'A' | b'B' | b'D' | b'G' | b'R', b'0'..=b'9', b'0'..=b'9']
                | [b'p', b'B' | b'G' | b'g' | b'R', ..]
        )
    }
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii().to_string().trim_end())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How the configuration names it.
pub(crate) const fn name(format: CameraFormat) -> &'static str {
    match format {
        CameraFormat::Yuyv => "yuyv",
        CameraFormat::Uyvy => "uyvy",
        CameraFormat::Nv12 => "nv12",
        CameraFormat::I420 => "i420",
        CameraFormat::Mjpeg => "mjpeg",
        CameraFormat::H264 => "h264",
    }
}

/// What S_FMT answered, as far as a picture's layout goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub format: CameraFormat,
    pub size: Size,
    /// Bytes from one row of plane 0 to the next; 0 for coded pictures.
    pub bytes_per_line: u32,
}

impl Layout {
    /// `None` for H.264, which isn't a picture.
    pub fn pixel_format(&self) -> Option<PixelFormat> {
        Some(match self.format {
            CameraFormat::Yuyv => PixelFormat::Yuyv,
            CameraFormat::Uyvy => PixelFormat::Uyvy,
            CameraFormat::Nv12 => PixelFormat::Nv12,
            CameraFormat::I420 => PixelFormat::I420,
            CameraFormat::Mjpeg => PixelFormat::Mjpeg,
            CameraFormat::H264 => return None,
        })
    }

    /// Planes in one buffer, one after another, as V4L2's contiguous formats have them: chroma rows of
    /// NV12 are as long as luma's, of YU12 half. A driver that says 0 means: without padding.
    pub fn planes(&self) -> [Plane; 3] {
        let Some(format) = self.pixel_format() else { return [Plane::default(); 3] };
        let mut planes = RawFrame::packed_planes(self.size.width, self.size.height, format);
        let (stride, rows) = (self.bytes_per_line as usize, self.size.height as usize);
        if stride > planes[0].stride {
            let luma = stride.saturating_mul(rows);
            match format {
                PixelFormat::Yuyv | PixelFormat::Uyvy => planes[0].stride = stride,
                PixelFormat::Nv12 => planes = [(0, stride), (luma, stride), (0, 0)].map(plane),
                PixelFormat::I420 => {
                    let quarter = (stride / 2).saturating_mul(rows / 2);
                    planes = [(0, stride), (luma, stride / 2), (luma.saturating_add(quarter), stride / 2)].map(plane);
                }
                PixelFormat::Mjpeg => {}
            }
        }
        planes
    }

    /// Bytes that a whole picture has at least; 1 for coded ones.
    pub fn min_len(&self) -> usize {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        let [first, second, third] = self.planes();
        let end = |plane: Plane, row: usize, rows: usize| {
            plane.offset.saturating_add(plane.stride.saturating_mul(rows.saturating_sub(1))).saturating_add(row)
        };
        match self.pixel_format() {
            Some(PixelFormat::Yuyv | PixelFormat::Uyvy) => end(first, width * 2, height),
            Some(PixelFormat::Nv12) => end(second, width, height / 2),
            Some(PixelFormat::I420) => end(third, width / 2, height / 2),
            Some(PixelFormat::Mjpeg) | None => 1,
        }
    }
}

fn plane((offset, stride): (usize, usize)) -> Plane {
    Plane { offset, stride }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MonoTime;
    use std::sync::Arc;

    fn layout(format: CameraFormat, bytes_per_line: u32) -> Layout {
        Layout { format, size: Size { width: 64, height: 48 }, bytes_per_line }
    }

    #[test]
    fn the_least_length_is_exactly_what_a_frame_needs() {
        use CameraFormat::{I420, Nv12, Uyvy, Yuyv};
        for (format, stride) in [(Yuyv, 0), (Yuyv, 192), (Uyvy, 128), (Nv12, 64), (Nv12, 96), (I420, 0), (I420, 128)] {
            let layout = layout(format, stride);
            let pixels = layout.pixel_format().expect("raw");
            let frame =
                |len: usize| RawFrame::new(MonoTime::ZERO, (64, 48), pixels, layout.planes(), Arc::new(vec![0; len]));
            assert!(frame(layout.min_len()).is_some(), "{format:?} {stride}");
            assert!(frame(layout.min_len() - 1).is_none(), "{format:?} {stride}");
        }
    }

    #[test]
    fn padded_rows_move_the_chroma() {
        let planes = layout(CameraFormat::I420, 128).planes();
        let expected = [(0, 128), (128 * 48, 64), (128 * 48 + 64 * 24, 64)].map(plane);
        assert_eq!(planes, expected);
        assert_eq!(layout(CameraFormat::Nv12, 80).planes()[1], plane((80 * 48, 80)));
    }

    #[test]
    fn codes_are_told_apart() {
        let table: [(&[u8; 4], bool, bool, bool); 8] = [
            // code, usable, coded, Bayer
            (b"YUYV", true, false, false),
            (b"H264", true, true, false),
            (b"HEVC", false, true, false),
            (b"BG10", false, false, true),
            (b"pRAA", false, false, true),
            (b"RGGB", false, false, true),
            (b"RGB3", false, false, false),
            (b"GREY", false, false, false),
        ];
        for (code, usable, coded, bayer) in table {
            let code = FourCc(*code);
            assert_eq!(
                (code.camera_format().is_some(), code.is_coded(), code.is_bayer()),
                (usable, coded, bayer),
                "{code}"
            );
        }
        assert_eq!(FourCc(*b"Y10 ").to_string(), "Y10");
        assert_eq!(FourCc([0, 0xFF, b'a', b'b']).to_string(), "\\x00\\xffab");
    }
}
