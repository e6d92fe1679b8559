//! A picture made from any size, stride and offset either is refused or lies within its buffer.
#![no_main]

use capturebox::media::{PixelFormat, Plane, RawFrame};
use capturebox::time::MonoTime;
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

type Input = ((u16, u16), u8, [(u16, u16); 3], u16);

fuzz_target!(|input: Input| {
    let ((width, height), format, planes, len) = input;
    let formats = [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Yuyv, PixelFormat::Uyvy, PixelFormat::Mjpeg];
    let format = formats[usize::from(format) % formats.len()];
    let planes = planes.map(|(offset, stride)| Plane { offset: offset.into(), stride: stride.into() });
    let buffer = Arc::new(vec![0_u8; len.into()]);
    let size = (u32::from(width), u32::from(height));
    let Some(frame) = RawFrame::new(MonoTime::ZERO, size, format, planes, buffer) else { return };
    let (rows, row_len) = (usize::from(height), usize::from(width));
    match format {
        PixelFormat::Mjpeg => assert!(!frame.plane(0).is_empty()),
        PixelFormat::Yuyv | PixelFormat::Uyvy => {
            assert!(frame.plane(0).len() >= frame.planes()[0].stride * (rows - 1) + row_len * 2);
        }
        PixelFormat::I420 | PixelFormat::Nv12 => {
            assert!(frame.plane(0).len() >= frame.planes()[0].stride * (rows - 1) + row_len);
            assert!(frame.plane(1).len() >= frame.planes()[1].stride * (rows / 2 - 1) + row_len / 2);
        }
    }
});
