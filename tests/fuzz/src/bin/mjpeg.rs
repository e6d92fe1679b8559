#![no_main]
//! Any bytes as a camera's JPEG picture.

use capturebox::decode::MjpegDecoder;
use capturebox::media::{PixelFormat, RawFrame};
use capturebox::time::MonoTime;
use std::sync::Arc;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let buffer = Arc::new(bytes.to_vec());
    if let Some(picture) = RawFrame::packed(MonoTime::ZERO, (64, 64), PixelFormat::Mjpeg, buffer) {
        let _ = MjpegDecoder::new().decode(&picture);
    }
});
