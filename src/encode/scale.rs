//! Any raw picture in one size, for streams whose size stays whatever the source does: with its proportions
//! kept, and black where it doesn't reach.
//!
//! The scaling is `fast_image_resize`'s, which has vector code for ARM and x86.
//! Not here: JPEG (decoded before it comes here), when to scale (the pipeline).

use super::EncodeError;
use super::convert::I420Buffer;
use crate::media::{PixelFormat, RawFrame};
use fast_image_resize::images::{CroppedImageMut, Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use std::fmt::Display;
use std::sync::Arc;

/// Pictures that may be on their way to the encoder at once, with one to be repeated.
const KEPT: usize = 4;
/// Black in video range.
const BLACK_LUMA: u8 = 16;
const NO_COLOUR: u8 = 128;

/// A part of a picture, px, every edge even.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

/// Scales parts of pictures into parts of others.
pub struct Blitter {
    i420: I420Buffer,
    resizer: Resizer,
}

impl Default for Blitter {
    fn default() -> Self {
        Self { i420: I420Buffer::default(), resizer: Resizer::new() }
    }
}

impl Blitter {
    /// Scales `part` of a picture to `to` in packed I420 of `size`; the rest of that is left as it is.
    pub fn blit(
        &mut self,
        picture: &RawFrame,
        part: Window,
        target: &mut [u8],
        size: (u32, u32),
        to: Window,
    ) -> Result<(), EncodeError> {
        let bad = |reason: &dyn Display| EncodeError::BadPicture { reason: reason.to_string() };
        let from = self.i420.view(picture)?;
        let mut rest = target;
        for index in 0..3 {
            // The chroma planes have half of everything.
            let of = |value: u32| if index == 0 { value } else { value / 2 };
            let (width, height) = (of(size.0), of(size.1));
            let Some((plane, after)) = rest.split_at_mut_checked(width as usize * height as usize) else {
                return Err(bad(&"it doesn't fit"));
            };
            rest = after;
            let (stride, rows) = (from.strides[index], of(picture.height()) as usize);
            // A row may be padded, the last one needn't be: the padding is cut off as part of the picture's width.
            let source = from.planes[index];
            let padded;
            let source = match source.get(..stride * rows) {
                Some(whole) => whole,
                None => {
                    padded = [source, &vec![0; (stride * rows).saturating_sub(source.len())]].concat();
                    &padded[..]
                }
            };
            let source = ImageRef::new(u32::try_from(stride).unwrap_or(0), of(picture.height()), source, PixelType::U8)
                .map_err(|error| bad(&error))?;
            let mut plane = Image::from_slice_u8(width, height, plane, PixelType::U8).map_err(|error| bad(&error))?;
            let mut target = CroppedImageMut::new(&mut plane, of(to.x), of(to.y), of(to.width), of(to.height))
                .map_err(|error| bad(&error))?;
            let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).crop(
                of(part.x).into(),
                of(part.y).into(),
                of(part.width).into(),
                of(part.height).into(),
            );
            self.resizer.resize(&source, &mut target, &options).map_err(|error| bad(&error))?;
        }
        Ok(())
    }
}

/// Scales to one size.
pub struct Scaler {
    /// Even, px.
    size: (u32, u32),
    blitter: Blitter,
    /// Taken again when nobody holds them any more.
    buffers: Vec<Arc<Vec<u8>>>,
}

impl Scaler {
    /// `size` is even.
    pub fn new(size: (u32, u32)) -> Self {
        Self { size, blitter: Blitter::default(), buffers: Vec::new() }
    }

    /// The picture in this size, as I420.
    pub fn scale(&mut self, picture: &RawFrame) -> Result<RawFrame, EncodeError> {
        let bad = |reason: &dyn Display| EncodeError::BadPicture { reason: reason.to_string() };
        let (width, height) = self.size;
        let from_size = (picture.width(), picture.height());
        let inner = within(from_size, self.size);
        let corner = (even((width - inner.0) / 2), even((height - inner.1) / 2));

        let len = width as usize * height as usize * 3 / 2;
        let free = self.buffers.iter().position(|buffer| Arc::strong_count(buffer) == 1 && buffer.len() == len);
        let mut buffer = free.map_or_else(|| Arc::new(vec![0; len]), |index| self.buffers.swap_remove(index));
        let Some(bytes) = Arc::get_mut(&mut buffer) else { return Err(bad(&"a buffer is in use")) };

        if inner != self.size {
            let (luma, chroma) = bytes.split_at_mut(len * 2 / 3);
            luma.fill(BLACK_LUMA);
            chroma.fill(NO_COLOUR);
        }
        let all = Window { x: 0, y: 0, width: from_size.0, height: from_size.1 };
        let to = Window { x: corner.0, y: corner.1, width: inner.0, height: inner.1 };
        self.blitter.blit(picture, all, bytes, self.size, to)?;
        if self.buffers.len() < KEPT {
            self.buffers.push(Arc::clone(&buffer));
        }
        RawFrame::packed(picture.captured(), self.size, PixelFormat::I420, buffer).ok_or_else(|| bad(&"it doesn't fit"))
    }
}

fn even(value: u32) -> u32 {
    value & !1
}

/// The largest even size with `from`'s proportions within `to`.
pub fn within(from: (u32, u32), to: (u32, u32)) -> (u32, u32) {
    let scaled = |side: u32, by: u32, of: u32| {
        let scaled = u64::from(side) * u64::from(by) / u64::from(of.max(1));
        even(u32::try_from(scaled).unwrap_or(u32::MAX)).max(2)
    };
    let wider = u64::from(from.0) * u64::from(to.1) > u64::from(to.0) * u64::from(from.1);
    if wider { (to.0, scaled(from.1, to.0, from.0).min(to.1)) } else { (scaled(from.0, to.1, from.1).min(to.0), to.1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Plane;
    use crate::time::MonoTime;
    use proptest::prelude::*;

    fn picture(size: (u32, u32), luma: u8) -> RawFrame {
        let pixels = size.0 as usize * size.1 as usize;
        let bytes = [vec![luma; pixels], vec![90; pixels / 4], vec![160; pixels / 4]].concat();
        RawFrame::packed(MonoTime::from_millis(7), size, PixelFormat::I420, Arc::new(bytes)).expect("whole")
    }

    #[test]
    fn proportions_are_kept_and_the_rest_is_black() {
        let table = [
            ((1920, 1080), (1280, 720), (1280, 720)),
            ((1280, 720), (1920, 1080), (1920, 1080)),
            ((640, 480), (1280, 720), (960, 720)),
            ((1280, 720), (640, 480), (640, 360)),
            ((2, 1080), (1280, 720), (2, 720)),
            ((4096, 2), (1280, 720), (1280, 2)),
        ];
        for (from, to, expected) in table {
            assert_eq!(within(from, to), expected, "{from:?} {to:?}");
        }
        let scaled = Scaler::new((128, 72)).scale(&picture((64, 48), 200)).expect("scaled");
        assert_eq!((scaled.width(), scaled.height(), scaled.captured()), (128, 72, MonoTime::from_millis(7)));
        let luma = |x: usize, y: usize| scaled.plane(0)[y * 128 + x];
        assert_eq!(
            [luma(0, 0), luma(15, 36), luma(16, 36), luma(64, 0), luma(111, 71), luma(112, 36)],
            [16, 16, 200, 200, 200, 16]
        );
        let chroma = |index: usize, x: usize| scaled.plane(index)[18 * 64 + x];
        assert_eq!([chroma(1, 0), chroma(1, 32), chroma(2, 32), chroma(2, 63)], [128, 90, 160, 128]);
    }

    #[test]
    fn buffers_are_taken_again_and_never_while_somebody_holds_them() {
        let mut scaler = Scaler::new((32, 32));
        let held: Vec<RawFrame> =
            (0..8).map(|luma| scaler.scale(&picture((64, 64), luma * 10)).expect("scaled")).collect();
        for (frame, luma) in held.iter().zip(0..) {
            assert_eq!(frame.plane(0)[0], luma * 10);
        }
        let first = held[0].plane(0).as_ptr();
        drop(held);
        let again = scaler.scale(&picture((64, 64), 1)).expect("scaled");
        assert_eq!(again.plane(0).as_ptr(), first);
        assert!(scaler.buffers.len() <= KEPT);
    }

    proptest! {
        /// Padded rows, any format and size: scaled, and never more than the picture read.
        #[test]
        fn any_picture_is_scaled(
            (width, height, padding) in (1_u32..40, 1_u32..40, 0_usize..9),
            (to_width, to_height) in (1_u32..40, 1_u32..40),
            format in prop::sample::select(vec![PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Yuyv, PixelFormat::Uyvy]),
        ) {
            let (width, height, size) = (width * 2, height * 2, (to_width * 2, to_height * 2));
            let (w, h) = (width as usize, height as usize);
            let row = if matches!(format, PixelFormat::Yuyv | PixelFormat::Uyvy) { w * 2 } else { w };
            let stride = row + padding * 2;
            let plane = |offset, stride| Plane { offset, stride };
            let chroma = stride * h;
            let planes = match format {
                PixelFormat::I420 => [plane(0, stride), plane(chroma, stride / 2), plane(chroma + stride / 2 * (h / 2), stride / 2)],
                _ => [plane(0, stride), plane(chroma, stride), Plane::default()],
            };
            // No padding after the very last row.
            let len = match format {
                PixelFormat::I420 => planes[2].offset + stride / 2 * (h / 2 - 1) + w / 2,
                PixelFormat::Nv12 => chroma + stride * (h / 2 - 1) + w,
                _ => stride * (h - 1) + row,
            };
            let frame = RawFrame::new(MonoTime::ZERO, (width, height), format, planes, Arc::new(vec![77; len])).expect("whole");
            let scaled = Scaler::new(size).scale(&frame).expect("scaled");
            prop_assert_eq!((scaled.width(), scaled.height()), size);
            prop_assert!(scaled.plane(0).contains(&77));
        }
    }
}
