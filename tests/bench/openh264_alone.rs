//! The openh264 library by itself, for scripts/bench: encodes I420 pictures from memory at their frame
//! rate, with the product's own settings, and throws the result away.
//!
//! ```text
//! openh264_alone FILE.i420 WIDTH HEIGHT FPS SECONDS
//! ```
//!
//! Prints the number of encoded pictures at the end.
#![allow(clippy::disallowed_methods, reason = "it paces itself like a camera")]

use capturebox::encode::openh264::set_params;
use capturebox::encode::{Profile, VideoSettings};
use capturebox::time::FrameRate;
use openh264_sys2 as sys;
use std::error::Error;
use std::ptr::null_mut;
use std::time::{Duration, Instant};

const BITRATE_BPS: u32 = 3_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, width, height, fps, seconds] = &args[..] else {
        return Err("usage: openh264_alone FILE.i420 WIDTH HEIGHT FPS SECONDS".into());
    };
    let (width, height): (u32, u32) = (width.parse()?, height.parse()?);
    let (fps, seconds): (u32, u32) = (fps.parse()?, seconds.parse()?);
    let pictures = std::fs::read(file)?;
    let mut encode = open(VideoSettings {
        width,
        height,
        frame_rate: FrameRate::new(fps, 1).ok_or("no frame rate")?,
        bitrate_bps: BITRATE_BPS,
        gop_frames: fps,
        profile: Profile::default(),
    })?;
    let start = Instant::now();
    let mut encoded = 0;
    let pictures = pictures.chunks_exact((width * height * 3 / 2) as usize);
    for (index, picture) in (0..fps * seconds).zip(pictures.cycle()) {
        let due = start + Duration::from_secs(1) * index / fps;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        encoded += encode(picture, i64::from(index) * 1_000 / i64::from(fps))?;
    }
    println!("{encoded}");
    Ok(())
}

/// An encoder as a function: a picture and its time in milliseconds in, 1 for each encoded one out.
fn open(settings: VideoSettings) -> Result<impl FnMut(&[u8], i64) -> Result<u32, String>, String> {
    let (width, height) = (settings.width as i32, settings.height as i32);
    let checked = |call: &str, code: i32| if code == 0 { Ok(()) } else { Err(format!("{call} returned {code}")) };
    let mut encoder: *mut sys::ISVCEncoder = null_mut();
    // SAFETY: the out-pointer is valid.
    checked("WelsCreateSVCEncoder", unsafe { sys::source::APILoader::WelsCreateSVCEncoder(&raw mut encoder) })?;
    // SAFETY: the object starts with a pointer to its function table.
    let table = unsafe { &**encoder };
    let mut params = sys::SEncParamExt::default();
    let defaults = table.GetDefaultParams.ok_or("no GetDefaultParams")?;
    // SAFETY: `params` is a valid structure to fill.
    checked("GetDefaultParams", unsafe { defaults(encoder, &raw mut params) })?;
    set_params(&mut params, &settings);
    let initialize = table.InitializeExt.ok_or("no InitializeExt")?;
    // SAFETY: `params` outlives the call, which copies it.
    checked("InitializeExt", unsafe { initialize(encoder, &raw const params) })?;
    let encode = table.EncodeFrame.ok_or("no EncodeFrame")?;
    let mut output = Box::<sys::SFrameBSInfo>::default();
    Ok(move |picture: &[u8], millis: i64| {
        let luma = (width * height) as usize;
        assert_eq!(picture.len(), luma * 3 / 2, "a whole picture");
        let plane = |offset: usize| picture[offset..].as_ptr().cast_mut();
        let source = sys::SSourcePicture {
            iColorFormat: sys::videoFormatI420,
            iStride: [width, width / 2, width / 2, 0],
            pData: [plane(0), plane(luma), plane(luma * 5 / 4), null_mut()],
            iPicWidth: width,
            iPicHeight: height,
            uiTimeStamp: millis,
            ..Default::default()
        };
        // SAFETY: the planes were just checked to be as long as the size says; `output` is a valid
        // structure to fill; the encoder lives until the process ends.
        checked("EncodeFrame", unsafe { encode(encoder, &raw const source, &raw mut *output) })?;
        Ok(u32::from(output.eFrameType != sys::videoFrameTypeSkip))
    })
}
