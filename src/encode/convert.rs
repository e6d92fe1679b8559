//! Any raw picture as I420, in one buffer that is kept from picture to picture.
//!
//! Not here: JPEG (decoded before it comes here), scaling, colour matrices: camera YUV is passed on
//! as it is.

use super::EncodeError;
use crate::media::{PixelFormat, RawFrame};
use yuv::{BufferStoreMut, YuvPackedImage, YuvPlanarImageMut};

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
    /// `picture` as I420: the picture's own memory where it is I420 already, this buffer otherwise.
    pub fn view<'a>(&'a mut self, picture: &'a RawFrame) -> Result<I420View<'a>, EncodeError> {
        let planes = picture.planes();
        if picture.format() == PixelFormat::I420 {
            return Ok(I420View {
                planes: [picture.plane(0), picture.plane(1), picture.plane(2)],
                strides: planes.map(|plane| plane.stride),
            });
        }
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        self.bytes.resize(width * height * 3 / 2, 0);
        let (luma, chroma) = self.bytes.split_at_mut(width * height);
        let (u, v) = chroma.split_at_mut(width * height / 4);
        match picture.format() {
            PixelFormat::I420 => {}
            PixelFormat::Nv12 => {
                let rows = picture.plane(0).chunks(planes[0].stride);
                for (to, from) in luma.chunks_exact_mut(width).zip(rows) {
                    copy_row(to, from);
                }
                let rows = picture.plane(1).chunks(planes[1].stride);
                for ((u, v), from) in u.chunks_exact_mut(width / 2).zip(v.chunks_exact_mut(width / 2)).zip(rows) {
                    for ((u, v), pair) in u.iter_mut().zip(v).zip(from.as_chunks::<2>().0) {
                        [*u, *v] = *pair;
                    }
                }
            }
            format @ (PixelFormat::Yuyv | PixelFormat::Uyvy) => {
                let packed = YuvPackedImage {
                    yuy: picture.plane(0),
                    yuy_stride: planes[0].stride as u32,
                    width: picture.width(),
                    height: picture.height(),
                };
                let mut planar = YuvPlanarImageMut {
                    y_plane: BufferStoreMut::Borrowed(luma),
                    y_stride: width as u32,
                    u_plane: BufferStoreMut::Borrowed(u),
                    u_stride: width as u32 / 2,
                    v_plane: BufferStoreMut::Borrowed(v),
                    v_stride: width as u32 / 2,
                    width: picture.width(),
                    height: picture.height(),
                };
                let convert = if format == PixelFormat::Yuyv { yuv::yuyv422_to_yuv420 } else { yuv::uyvy422_to_yuv420 };
                convert(&mut planar, &packed).map_err(|error| EncodeError::BadPicture { reason: error.to_string() })?;
            }
            PixelFormat::Mjpeg => {
                return Err(EncodeError::BadPicture { reason: "a JPEG picture must be decoded first".into() });
            }
        }
        let (luma, chroma) = self.bytes.split_at(width * height);
        let (u, v) = chroma.split_at(width * height / 4);
        Ok(I420View { planes: [luma, u, v], strides: [width, width / 2, width / 2] })
    }
}

/// The last row of a buffer may end early where its padding was cut off.
fn copy_row(to: &mut [u8], from: &[u8]) {
    let len = to.len().min(from.len());
    to[..len].copy_from_slice(&from[..len]);
}
