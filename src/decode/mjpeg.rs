//! MJPEG → I420.

use crate::media::RawFrame;
use thiserror::Error;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    #[error("not a JPEG picture: {0}")]
    NotJpeg(&'static str),
    #[error("a JPEG picture that ends early")]
    Truncated,
    #[error("a JPEG picture of a kind that cameras don't make: {0}")]
    Unsupported(String),
    #[error("a damaged JPEG picture: {0}")]
    Corrupt(String),
}

/// Decodes JPEG pictures; keeps its working memory from one to the next.
#[derive(Debug, Default)]
pub struct MjpegDecoder {
    /// Y, Cb, Cr of each pixel, as the JPEG decoder delivers them.
    interleaved: Vec<u8>,
}

impl MjpegDecoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// The picture as I420 in video range, of the JPEG's own size made even, with the same capture time.
    /// A picture that isn't MJPEG comes back as it is.
    pub fn decode(&mut self, picture: &RawFrame) -> Result<RawFrame, DecodeError> {
        let _ = (&mut self.interleaved, picture);
        Err(DecodeError::NotJpeg("no decoder yet"))
    }
}
