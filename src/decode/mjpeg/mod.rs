//! MJPEG → I420.
//!
//! zune-jpeg delivers Y, Cb, Cr of each pixel; one pass over that makes planes, halves the chroma and
//! brings JPEG's full range to the video range that encoders and players take for granted. RGB is
//! never made.

use super::jpeg_header::{self, JpegHeader};
use crate::media::{PixelFormat, RawFrame};
use std::sync::Arc;
use thiserror::Error;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Why a picture is dropped. None of these is a reason to close the camera.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    #[error("not a JPEG picture")]
    NotJpeg,
    #[error("a JPEG picture that ends early")]
    Truncated,
    #[error("a JPEG picture of a kind that cameras don't make: {0}")]
    Unsupported(&'static str),
    #[error("a JPEG picture of {width}x{height}, which the box doesn't handle")]
    Size { width: u32, height: u32 },
    #[error("a damaged JPEG picture: {0}")]
    Corrupt(&'static str),
    #[error("a damaged JPEG picture: {0}")]
    Damaged(String),
}

/// Decodes JPEG pictures; keeps its working memory from one to the next.
#[derive(Debug, Default)]
pub struct MjpegDecoder {
    /// Y, Cb, Cr (or Y alone) of each pixel.
    pixels: Vec<u8>,
    /// The picture as it is handed to the JPEG decoder.
    jpeg: Vec<u8>,
}

/// An APP0 segment that says "AVI1": this is Motion JPEG, the Huffman tables are the standard ones.
const MOTION_JPEG: &[u8] = b"\xFF\xD8\xFF\xE0\x00\x10AVI1\0\0\0\0\0\0\0\0\0\0";

impl MjpegDecoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// The picture as I420 in video range, of the JPEG's own size cut to even, with the same capture
    /// time. A picture that isn't MJPEG comes back as it is.
    pub fn decode(&mut self, picture: &RawFrame) -> Result<RawFrame, DecodeError> {
        if picture.format() != PixelFormat::Mjpeg {
            return Ok(picture.clone());
        }
        let bytes = picture.plane(0);
        let header = jpeg_header::parse(bytes)?;
        self.prepare(bytes, &header);
        decode_pixels(&self.jpeg, &header, &mut self.pixels)?;

        let size = (header.width & !1, header.height & !1);
        let planes = to_i420(&self.pixels, header.width as usize, (size.0 as usize, size.1 as usize), header.gray);
        RawFrame::packed(picture.captured(), size, PixelFormat::I420, Arc::new(planes))
            .ok_or(DecodeError::Size { width: header.width, height: header.height })
    }

    /// Copies the picture, with the Huffman tables that it left out announced, and without its
    /// end-of-image marker: at that marker zune-jpeg goes on with zeros and says nothing, so a picture
    /// with a hole (a lost USB packet) would pass. Without it, it says that bytes are missing.
    fn prepare(&mut self, bytes: &[u8], header: &JpegHeader) {
        let (start, body) = bytes.split_at(2.min(bytes.len()));
        self.jpeg.clear();
        self.jpeg.extend_from_slice(if header.has_huffman_tables { start } else { MOTION_JPEG });
        self.jpeg.extend_from_slice(body.get(..header.len.saturating_sub(4)).unwrap_or_default());
        self.jpeg.extend_from_slice(&[0; READ_AHEAD]);
    }
}

/// Bytes that the JPEG decoder may look at beyond the last one that it needs.
const READ_AHEAD: usize = 8;

/// Fills `pixels` with `width × height` pixels of three bytes, of one when gray.
fn decode_pixels(jpeg: &[u8], header: &JpegHeader, pixels: &mut Vec<u8>) -> Result<(), DecodeError> {
    let colours = if header.gray { ColorSpace::Luma } else { ColorSpace::YCbCr };
    // Strict: otherwise what is missing comes as gray and nobody is told.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(header.width as usize)
        .set_max_height(header.height as usize)
        .jpeg_set_out_colorspace(colours);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    decoder.decode_headers().map_err(|error| DecodeError::Damaged(error.to_string()))?;
    // The header was read twice, by two readers: they must agree, or the planes would be shifted.
    let expected = header.width as usize * header.height as usize * colours.num_components();
    if decoder.dimensions() != Some((header.width as usize, header.height as usize))
        || decoder.output_buffer_size() != Some(expected)
    {
        return Err(DecodeError::Corrupt("two sizes"));
    }
    pixels.resize(expected, 0);
    decoder.decode_into(pixels).map_err(|error| DecodeError::Damaged(error.to_string()))
}

/// `pixels` are rows of `stride` pixels; `width` and `height` are even, px.
fn to_i420(pixels: &[u8], stride: usize, (width, height): (usize, usize), gray: bool) -> Vec<u8> {
    let bytes_a_pixel = if gray { 1 } else { 3 };
    let row = stride * bytes_a_pixel;
    let mut planes = vec![0; width * height * 3 / 2];
    let (luma, chroma) = planes.split_at_mut(width * height);
    if gray {
        for (to, from) in luma.chunks_exact_mut(width).zip(pixels.chunks_exact(row)) {
            to.iter_mut().zip(from).for_each(|(to, &y)| *to = video_range::<LUMA>(y.into()));
        }
        chroma.fill(128);
        return planes;
    }
    let (blue, red) = chroma.split_at_mut(width * height / 4);
    let rows = pixels.chunks_exact(row * 2);
    let luma = luma.chunks_exact_mut(width * 2);
    let chroma = blue.chunks_exact_mut(width / 2).zip(red.chunks_exact_mut(width / 2));
    for ((luma, (blue, red)), from) in luma.zip(chroma).zip(rows) {
        let (above, below) = from.split_at(row);
        let (luma_above, luma_below) = luma.split_at_mut(width);
        let pairs = above.chunks_exact(6).zip(below.chunks_exact(6));
        let luma = luma_above.chunks_exact_mut(2).zip(luma_below.chunks_exact_mut(2));
        for (((a, b), (up, down)), (blue, red)) in pairs.zip(luma).zip(blue.iter_mut().zip(red)) {
            up[0] = video_range::<LUMA>(a[0].into());
            up[1] = video_range::<LUMA>(a[3].into());
            down[0] = video_range::<LUMA>(b[0].into());
            down[1] = video_range::<LUMA>(b[3].into());
            let mean =
                |i: usize| (u32::from(a[i]) + u32::from(a[i + 3]) + u32::from(b[i]) + u32::from(b[i + 3]) + 2) / 4;
            *blue = video_range::<CHROMA>(mean(1));
            *red = video_range::<CHROMA>(mean(2));
        }
    }
    planes
}

/// Steps that 0–255 becomes: 16–235 for luma, 16–240 for chroma (BT.601).
const LUMA: u32 = 219;
const CHROMA: u32 = 224;

fn video_range<const STEPS: u32>(full: u32) -> u8 {
    // At most 16 + 224; the multiplication by 257 makes >> 16 a division by 255.
    (16 + ((full * STEPS * 257 + 32_896) >> 16)) as u8
}

#[cfg(test)]
mod tests;
