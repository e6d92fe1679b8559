//! The test source through ffmpeg: codecs, frame count, every picture and every beep.

use crate::appliance::Appliance;
use crate::ffmpeg::{ffprobe, pictures, record, sound};
use capturebox::capture::test_pattern::Strip;
use std::time::Duration;

const STREAM: &str = r#"
[streams.camera]
input = { source = "test", size = "640x360", fps = 30 }
"#;

const SPAN: Duration = Duration::from_secs(10);

/// 75 % colour bars in BT.709 video range, as SMPTE RP 219 lists them: Y, Cb, Cr.
const BARS: [[f64; 3]; 7] = [
    [180.0, 128.0, 128.0],
    [168.0, 44.0, 136.0],
    [145.0, 147.0, 44.0],
    [133.0, 63.0, 52.0],
    [63.0, 193.0, 204.0],
    [51.0, 109.0, 212.0],
    [28.0, 212.0, 120.0],
];

#[test]
fn ffprobe_sees_h264_and_aac() {
    let box_ = Appliance::start(STREAM);
    box_.wait_for_segments("camera", 1);
    let probe = ffprobe(&["-show_streams", &box_.url("/camera/index.m3u8")]);
    let streams = probe["streams"].as_array().expect("streams");
    let of = |kind: &str| streams.iter().find(|s| s["codec_type"] == kind).unwrap_or_else(|| panic!("no {kind}"));
    let (video, audio) = (of("video"), of("audio"));
    assert_eq!(video["codec_name"], "h264");
    assert_eq!((video["width"].as_u64(), video["height"].as_u64()), (Some(640), Some(360)));
    assert_eq!(video["avg_frame_rate"], "30/1");
    assert_eq!(video["has_b_frames"], 0, "a live encoder reorders nothing");
    assert_eq!(audio["codec_name"], "aac");
    assert_eq!(audio["profile"], "LC");
    assert_eq!((audio["sample_rate"].as_str(), audio["channels"].as_u64()), (Some("48000"), Some(2)));
}

#[test]
fn ffmpeg_plays_every_frame_in_step_with_the_sound() {
    let box_ = Appliance::start(STREAM);
    box_.wait_for_segments("camera", 1);
    let file = box_.folder().file("recorded.mkv");
    record(&box_.url("/camera/index.m3u8"), SPAN, &file);
    let frames = pictures(&file);

    let expected = 30 * SPAN.as_secs() as usize;
    assert!(frames.len().abs_diff(expected) <= 3, "{} frames in {SPAN:?}", frames.len());

    // Each picture is the one after the one before, and is shown when it was taken.
    let read = |(time, picture): &(f64, crate::ffmpeg::Picture)| {
        let size = (picture.width, picture.height);
        let strip = Strip::read(picture.luma(), picture.width, size);
        (*time, strip.unwrap_or_else(|| panic!("the picture at {time} s can't be read")))
    };
    let strips: Vec<(f64, Strip)> = frames.iter().map(read).collect();
    let mut irregular = 0;
    for pair in strips.windows(2) {
        let [(time, strip), (next_time, next)] = pair else { unreachable!() };
        let (shown, taken) = ((next_time - time) * 1_000.0, f64::from(next.unix_ms.wrapping_sub(strip.unix_ms)));
        if next.frame == strip.frame + 1 {
            assert!((shown - taken).abs() <= 2.5, "at {next_time} s: shown after {shown} ms, taken after {taken} ms");
        } else {
            irregular += 1;
        }
    }
    // A busy machine may drop a frame, and show the one before twice.
    assert!(irregular <= 4, "{irregular} of {} frames don't follow the one before", frames.len());

    // The bars have their colours.
    let (_, picture) = &frames[frames.len() / 2];
    for (index, expected) in BARS.iter().enumerate() {
        let found = picture.colour_at((index as f64 + 0.5) / 7.0, 0.25);
        let error = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(error < 6.0, "bar {index} is {found:?}, not {expected:?}");
    }

    // Flash and beep come together.
    let flashes =
        rising(frames.iter().map(|(time, picture)| (*time, picture.colour_at(7.0 / 8.0, 6.0 / 8.0)[0] > 130.0)));
    let beeps = beeps(&file);
    assert!(flashes.len() + 1 >= SPAN.as_secs() as usize, "flashes at {flashes:?}");
    // A beep in the recording's first moments has no silence before it that would tell it from one cut in two.
    for flash in flashes.iter().filter(|flash| **flash > 0.150) {
        let offsets = beeps.iter().map(|beep| beep - flash);
        let offset = offsets.min_by(|a, b| a.abs().total_cmp(&b.abs())).expect("beeps");
        println!("at {flash:.3} s the sound is {:+.1} ms late", offset * 1_000.0);
        // A beep at the recording's very end may be missing.
        assert!(offset.abs() <= 0.020 || *flash > beeps[beeps.len() - 1], "{flashes:?} {beeps:?}");
    }
}

/// When a condition becomes true; not at the very start, where nobody knows since when it is.
pub fn rising(values: impl Iterator<Item = (f64, bool)>) -> Vec<f64> {
    let values: Vec<(f64, bool)> = values.collect();
    values.windows(2).filter(|pair| !pair[0].1 && pair[1].1).map(|pair| pair[1].0).collect()
}

/// When a beep starts, in seconds: the first loud sample after a tenth of a second without one.
pub fn beeps(file: &str) -> Vec<f64> {
    const LOUD: u16 = 2_500;
    const QUIET_SAMPLES: usize = 4_800;
    let (start, samples) = sound(file);
    let (mut quiet, mut beeps) = (0, Vec::new());
    for (index, sample) in samples.iter().enumerate() {
        if sample.unsigned_abs() < LOUD {
            quiet += 1;
            continue;
        }
        if quiet >= QUIET_SAMPLES {
            beeps.push(start + index as f64 / 48_000.0);
        }
        quiet = 0;
    }
    beeps
}
