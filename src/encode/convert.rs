//! Any raw picture as I420: where it lies, in a buffer that is kept from picture to picture, or written
//! straight to where an encoder wants it.
//!
//! Not here: JPEG (decoded before it comes here), scaling, colour matrices: camera YUV is passed on
//! as it is.

use super::EncodeError;
use crate::media::{PixelFormat, RawFrame};

/// The planes of an I420 picture, borrowed from wherever they lie.
#[derive(Debug, Clone, Copy)]
pub struct I420View<'a> {
    /// Y, U, V.
    pub planes: [&'a [u8]; 3],
    /// Bytes.
    pub strides: [usize; 3],
}

/// Memory for one converted picture; grows to the picture's size once.
#[derive(Debug, Default)]
pub struct I420Buffer {
    bytes: Vec<u8>,
}

impl I420Buffer {
    /// Bytes that [`I420Buffer::view`] writes for this picture.
    pub fn copies(picture: &RawFrame) -> u64 {
        let pixels = u64::from(picture.width()) * u64::from(picture.height());
        if picture.format() == PixelFormat::I420 { 0 } else { pixels * 3 / 2 }
    }

    /// `picture` as I420: the picture's own memory where it is I420 already, this buffer otherwise.
    pub fn view<'a>(&'a mut self, picture: &'a RawFrame) -> Result<I420View<'a>, EncodeError> {
        if picture.format() == PixelFormat::I420 {
            return Ok(I420View {
                planes: [picture.plane(0), picture.plane(1), picture.plane(2)],
                strides: picture.planes().map(|plane| plane.stride),
            });
        }
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        self.bytes.resize(width * height * 3 / 2, 0);
        write_i420(picture, &mut self.bytes, width)?;
        let (luma, chroma) = self.bytes.split_at(width * height);
        let (u, v) = chroma.split_at(width * height / 4);
        Ok(I420View { planes: [luma, u, v], strides: [width, width / 2, width / 2] })
    }
}

/// Writes `picture` as I420 into `to`: planes behind each other, luma rows `stride` bytes apart (even, at least
/// the width), chroma rows half of that.
pub fn write_i420(picture: &RawFrame, to: &mut [u8], stride: usize) -> Result<(), EncodeError> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (luma_len, chroma_len) = (stride * height, stride / 2 * (height / 2));
    let planes = to
        .get_mut(..luma_len + 2 * chroma_len)
        .filter(|_| stride >= width && stride.is_multiple_of(2))
        .and_then(|to| to.split_at_mut_checked(luma_len))
        .and_then(|(luma, chroma)| Some((luma, chroma.split_at_mut_checked(chroma_len)?)));
    let Some((luma, (u, v))) = planes else {
        return Err(EncodeError::BadPicture {
            reason: format!("a {width}x{height} picture doesn't fit rows of {stride} bytes in an encoder's buffer"),
        });
    };
    let [y_plane, u_plane, v_plane] = *picture.planes();
    match picture.format() {
        PixelFormat::I420 => {
            copy_rows(picture.plane(0), y_plane.stride, luma, stride, (width, height));
            copy_rows(picture.plane(1), u_plane.stride, u, stride / 2, (width / 2, height / 2));
            copy_rows(picture.plane(2), v_plane.stride, v, stride / 2, (width / 2, height / 2));
        }
        PixelFormat::Nv12 => {
            copy_rows(picture.plane(0), y_plane.stride, luma, stride, (width, height));
            let rows = picture.plane(1).chunks(u_plane.stride).take(height / 2);
            for ((u, v), from) in u.chunks_exact_mut(stride / 2).zip(v.chunks_exact_mut(stride / 2)).zip(rows) {
                for ((u, v), pair) in u.iter_mut().zip(v).zip(from.as_chunks::<2>().0.iter().take(width / 2)) {
                    [*u, *v] = *pair;
                }
            }
        }
        PixelFormat::Yuyv => unpack([0, 1, 2, 3], picture, [luma, u, v], stride),
        PixelFormat::Uyvy => unpack([1, 0, 3, 2], picture, [luma, u, v], stride),
        PixelFormat::Mjpeg => {
            return Err(EncodeError::BadPicture { reason: "a JPEG picture must be decoded first".into() });
        }
    }
    Ok(())
}

/// Packed 4:2:2 to planes, two rows at a time: the chroma of both is averaged. `order` says where in four bytes
/// Y0, U, Y1 and V are.
///
/// Own code: measured on a 1280x720 picture, 0.5 ms on x86-64 (compilers make vector code of it, on ARM better still)
/// against 0.3 ms for the `yuv` crate with AVX and 3.2 ms without; and that crate refuses a last row
/// without padding, which capture buffers may have.
#[inline(always)]
fn unpack([y0, u_at, y1, v_at]: [usize; 4], picture: &RawFrame, [luma, u, v]: [&mut [u8]; 3], stride: usize) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let average = |a: u8, b: u8| (u16::from(a) + u16::from(b)).div_ceil(2) as u8;
    let from_stride = picture.planes()[0].stride;
    let pairs = picture.plane(0).chunks(2 * from_stride).take(height / 2);
    let chroma = u.chunks_mut(stride / 2).zip(v.chunks_mut(stride / 2));
    for ((from, luma), (u, v)) in pairs.zip(luma.chunks_mut(2 * stride)).zip(chroma) {
        let (Some((top, bottom)), Some((luma_top, luma_bottom))) =
            (from.split_at_checked(from_stride), luma.split_at_mut_checked(stride))
        else {
            return;
        };
        let fours = top.as_chunks::<4>().0.iter().zip(bottom.as_chunks::<4>().0).take(width / 2);
        let luma = luma_top.as_chunks_mut::<2>().0.iter_mut().zip(luma_bottom.as_chunks_mut::<2>().0);
        for ((((top, bottom), (luma_top, luma_bottom)), u), v) in fours.zip(luma).zip(u).zip(v) {
            *luma_top = [top[y0], top[y1]];
            *luma_bottom = [bottom[y0], bottom[y1]];
            *u = average(top[u_at], bottom[u_at]);
            *v = average(top[v_at], bottom[v_at]);
        }
    }
}

/// Copies `rows` rows of `len` bytes from rows `from_stride` apart to rows `to_stride` apart. Bytes between rows are
/// left as they are, and a last row that ends without padding is no matter.
pub(super) fn copy_rows(from: &[u8], from_stride: usize, to: &mut [u8], to_stride: usize, (len, rows): (usize, usize)) {
    if from_stride == 0 || to_stride == 0 {
        return;
    }
    for (to, from) in to.chunks_mut(to_stride).zip(from.chunks(from_stride)).take(rows) {
        let len = len.min(to.len()).min(from.len());
        to[..len].copy_from_slice(&from[..len]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Plane;
    use crate::time::MonoTime;
    use std::sync::Arc;

    const SIZE: (u32, u32) = (48, 36);

    /// Luma, U and V of a pixel (chroma at half size): all different, so that a wrong place shows.
    fn luma(x: usize, y: usize) -> u8 {
        (x * 5 + y * 3) as u8
    }

    fn u(x: usize, y: usize) -> u8 {
        (100 + x * 2 + y) as u8
    }

    fn v(x: usize, y: usize) -> u8 {
        (200 - x - y * 2) as u8
    }

    /// The picture in `format`, with `padding` bytes after every row but the last.
    fn picture(format: PixelFormat, padding: usize) -> RawFrame {
        let (width, height) = (SIZE.0 as usize, SIZE.1 as usize);
        let mut bytes = Vec::new();
        let mut planes = [Plane::default(); 3];
        let mut plane = |index: usize, rows: usize, row: &dyn Fn(usize) -> Vec<u8>| {
            let stride = row(0).len() + padding;
            planes[index] = Plane { offset: bytes.len(), stride };
            for y in 0..rows {
                bytes.extend(row(y));
                if y + 1 < rows {
                    bytes.extend(std::iter::repeat_n(0xEE, padding));
                }
            }
        };
        let luma_row = |y| (0..width).map(|x| luma(x, y)).collect();
        let half = |at: fn(usize, usize) -> u8| move |y: usize| (0..width / 2).map(|x| at(x, y)).collect::<Vec<u8>>();
        match format {
            PixelFormat::I420 => {
                plane(0, height, &luma_row);
                plane(1, height / 2, &half(u));
                plane(2, height / 2, &half(v));
            }
            PixelFormat::Nv12 => {
                plane(0, height, &luma_row);
                plane(1, height / 2, &|y| (0..width / 2).flat_map(|x| [u(x, y), v(x, y)]).collect());
            }
            _ => plane(0, height, &|y| {
                let pixel = |x: usize| [luma(2 * x, y), u(x, y / 2), luma(2 * x + 1, y), v(x, y / 2)];
                let order =
                    |[a, b, c, d]: [u8; 4]| if format == PixelFormat::Yuyv { [a, b, c, d] } else { [b, a, d, c] };
                (0..width / 2).flat_map(|x| order(pixel(x))).collect()
            }),
        }
        RawFrame::new(MonoTime::ZERO, SIZE, format, planes, Arc::new(bytes)).expect("a whole frame")
    }

    fn assert_is_the_picture(view: &I420View<'_>, what: &str) {
        let (width, height) = (SIZE.0 as usize, SIZE.1 as usize);
        for y in 0..height {
            for x in 0..width {
                assert_eq!(view.planes[0][y * view.strides[0] + x], luma(x, y), "{what}: luma at {x},{y}");
            }
        }
        for (index, at) in [(1, u as fn(usize, usize) -> u8), (2, v)] {
            for y in 0..height / 2 {
                for x in 0..width / 2 {
                    assert_eq!(
                        view.planes[index][y * view.strides[index] + x],
                        at(x, y),
                        "{what}: plane {index} at {x},{y}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_format_converts_with_and_without_padding() {
        for format in [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Yuyv, PixelFormat::Uyvy] {
            for padding in [0, 16] {
                let what = format!("{format:?}, {padding} bytes of padding");
                let picture = picture(format, padding);
                assert_is_the_picture(&I420Buffer::default().view(&picture).expect("converts"), &what);
                // Into an encoder's buffer, with its own stride.
                let (stride, height) = (64, SIZE.1 as usize);
                let mut to = vec![0; stride * height * 3 / 2 + 100];
                write_i420(&picture, &mut to, stride).expect("converts");
                let planes = [&to[..], &to[stride * height..], &to[stride * height * 5 / 4..]];
                assert_is_the_picture(&I420View { planes, strides: [64, 32, 32] }, &what);
            }
        }
    }

    #[test]
    fn i420_stays_where_it_is() {
        let picture = picture(PixelFormat::I420, 0);
        let mut buffer = I420Buffer::default();
        let view = buffer.view(&picture).expect("a view");
        assert!(std::ptr::eq(view.planes[0].as_ptr(), picture.plane(0).as_ptr()));
    }

    #[test]
    fn what_does_not_fit_or_is_not_raw_is_refused() {
        let mut to = vec![0; 48 * 36];
        assert!(write_i420(&picture(PixelFormat::Nv12, 0), &mut to, 48).is_err(), "too short");
        let mut to = vec![0; 48 * 36 * 2];
        assert!(write_i420(&picture(PixelFormat::Nv12, 0), &mut to, 32).is_err(), "rows too short");
        let jpeg = RawFrame::packed(MonoTime::ZERO, SIZE, PixelFormat::Mjpeg, Arc::new(vec![0xFF])).expect("a frame");
        assert!(matches!(I420Buffer::default().view(&jpeg), Err(EncodeError::BadPicture { .. })));
    }
}
