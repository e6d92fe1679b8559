//! The part of a JPEG picture that stands before its entropy-coded data (ITU-T T.81 annex B).
//!
//! Read before anything is allocated or decoded: it bounds the size, refuses what cameras don't
//! make, and finds the two habits of cameras that a decoder must be told about: Huffman tables left
//! out (a USB camera may, every MJPEG decoder knows them) and padding after the end.

use super::DecodeError;
use crate::media::MAX_DIMENSION;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JpegHeader {
    /// px; not always even.
    pub width: u32,
    pub height: u32,
    pub gray: bool,
    /// False: the tables of T.81 annex K are meant.
    pub has_huffman_tables: bool,
    /// Bytes up to and including the end-of-image marker.
    pub len: usize,
}

const START_OF_IMAGE: [u8; 2] = [0xFF, 0xD8];
const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];

/// Reads the header and finds the end.
pub(super) fn parse(bytes: &[u8]) -> Result<JpegHeader, DecodeError> {
    let mut rest = bytes.strip_prefix(&START_OF_IMAGE).ok_or(DecodeError::NotJpeg)?;
    let mut has_huffman_tables = false;
    let mut frame = None;
    loop {
        let (marker, payload, after) = segment(rest)?;
        match marker {
            0xC0 | 0xC1 => frame = Some(start_of_frame(payload)?),
            0xC4 => has_huffman_tables = true,
            0xC2 => return Err(unsupported("progressive")),
            0xC3 | 0xC5..=0xCF => return Err(unsupported("not baseline Huffman-coded")),
            0xDA => break rest = after,
            _ => {}
        }
        rest = after;
    }
    let (width, height, gray) = frame.ok_or(DecodeError::Corrupt("no start of frame"))?;
    // Almost always the last two bytes; behind them cameras put zeros, or what was there before.
    let end = rest.windows(2).rposition(|pair| pair == END_OF_IMAGE).ok_or(DecodeError::Truncated)?;
    let len = bytes.len() - rest.len() + end + END_OF_IMAGE.len();
    Ok(JpegHeader { width, height, gray, has_huffman_tables, len })
}

/// The next marker, its payload, and what comes after; bytes between segments are skipped.
fn segment(bytes: &[u8]) -> Result<(u8, &[u8], &[u8]), DecodeError> {
    let mut rest = bytes;
    loop {
        match rest {
            [0xFF, 0xFF, ..] => rest = &rest[1..],
            // Stuffing, and markers that stand alone.
            [0xFF, 0x00 | 0x01 | 0xD0..=0xD8, ..] => rest = &rest[2..],
            [0xFF, 0xD9, ..] => return Err(DecodeError::Corrupt("it ends before its picture")),
            [0xFF, marker, high, low, ..] => {
                let len = usize::from(u16::from_be_bytes([*high, *low]));
                let (payload, after) = (rest.get(4..2 + len), rest.get(2 + len..));
                return match (payload, after) {
                    (Some(payload), Some(after)) => Ok((*marker, payload, after)),
                    _ if len < 2 => Err(DecodeError::Corrupt("a segment shorter than its length")),
                    _ => Err(DecodeError::Truncated),
                };
            }
            [_, _, _, _, ..] => rest = &rest[1..],
            _ => return Err(DecodeError::Truncated),
        }
    }
}

/// Width, height, whether it is gray (T.81 §B.2.2).
fn start_of_frame(payload: &[u8]) -> Result<(u32, u32, bool), DecodeError> {
    let [precision, h0, h1, w0, w1, count, components @ ..] = payload else {
        return Err(DecodeError::Truncated);
    };
    if *precision != 8 {
        return Err(unsupported("not 8 bits a sample"));
    }
    let (width, height) = (u16::from_be_bytes([*w0, *w1]).into(), u16::from_be_bytes([*h0, *h1]).into());
    if [width, height].iter().any(|side| !(2..=MAX_DIMENSION).contains(side)) {
        return Err(DecodeError::Size { width, height });
    }
    let factors = components.chunks_exact(3).map(|component| (component[1] >> 4, component[1] & 15));
    if !(*count == 1 || *count == 3) || components.len() != usize::from(*count) * 3 {
        return Err(unsupported("neither gray nor three components"));
    }
    if factors.clone().any(|(h, v)| !matches!(h, 1 | 2 | 4) || !matches!(v, 1 | 2)) {
        return Err(unsupported("an odd chroma subsampling"));
    }
    // The luma carries the finest sampling, in every picture of every camera.
    let luma = factors.clone().next().unwrap_or((1, 1));
    if factors.skip(1).any(|chroma| chroma.0 > luma.0 || chroma.1 > luma.1) {
        return Err(unsupported("chroma finer than luma"));
    }
    Ok((width, height, *count == 1))
}

fn unsupported(what: &'static str) -> DecodeError {
    DecodeError::Unsupported(what)
}
