//! The `file` source: what comes out is what went in, picture for picture.

use crate::appliance::{Appliance, Folder};
use crate::ffmpeg::{digests, ffmpeg, ffprobe, record};
use std::time::Duration;

const SPAN: Duration = Duration::from_secs(5);

/// Writes 12 s of 320x240 with B-frames and stereo sound.
fn make(file: &str, container: &[&str]) {
    let input = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=12"];
    let sound = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=12"];
    let video = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "25", "-pix_fmt", "yuv420p"];
    let audio = ["-c:a", "aac", "-b:a", "96k", "-ac", "2"];
    ffmpeg(&[&input[..], &sound, &video, &audio, container, &[file]].concat());
    let probe = ffprobe(&["-show_streams", "-select_streams", "v", file]);
    assert!(probe["streams"][0]["has_b_frames"].as_u64() > Some(0), "the file is meant to have B-frames");
}

fn plays_unchanged(container: &[&str]) {
    let folder = Folder::new();
    let source = folder.file("source.mp4");
    make(&source, container);
    let box_ = Appliance::start_in(
        folder,
        &format!("[streams.camera]\ninput = {{ source = \"file\", path = {source:?}, loop = false }}\n"),
    );
    box_.wait_for_segments("camera", 1);
    let played = box_.folder().file("played.mkv");
    record(&box_.url("/camera/index.m3u8"), SPAN, &played);
    for (track, fewest) in [("v:0", 120), ("a:0", 220)] {
        let (original, mut played) = (digests(&source, track), digests(&played, track));
        // The recording is cut in decoding order, so B-frames are missing among its last pictures.
        played.truncate(played.len().saturating_sub(3));
        assert!(played.len() >= fewest, "{} of {track} in {SPAN:?}", played.len());
        let found = original.windows(played.len()).any(|run| run == played);
        assert!(found, "{track} is not a run of the file's own:\n{played:#?}\n{original:#?}");
    }
}

#[test]
fn a_classic_mp4_plays_unchanged() {
    plays_unchanged(&[]);
}

#[test]
fn an_mp4_with_its_index_first_plays_unchanged() {
    plays_unchanged(&["-movflags", "+faststart"]);
}

#[test]
fn a_fragmented_mp4_plays_unchanged() {
    plays_unchanged(&["-movflags", "+frag_keyframe+empty_moov+default_base_moof"]);
}

#[test]
fn a_loop_goes_on_without_a_stall() {
    let folder = Folder::new();
    let source = folder.file("short.mp4");
    let input = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=2"];
    let sound = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=2"];
    ffmpeg(&[&input[..], &sound, &["-c:v", "libx264", "-g", "25", "-c:a", "aac", &source]].concat());
    let config = format!("[streams.camera]\ninput = {{ source = \"file\", path = {source:?}, loop = true }}\n");
    let box_ = Appliance::start_in(folder, &config);
    box_.wait_for_segments("camera", 1);
    let played = box_.folder().file("played.mkv");
    record(&box_.url("/camera/index.m3u8"), Duration::from_secs(9), &played);
    let frames = digests(&played, "v:0");
    assert!((215..=235).contains(&frames.len()), "{} frames in 9 s at 25 a second", frames.len());
    let first = &digests(&box_.folder().file("short.mp4"), "v:0")[0];
    assert!(frames.iter().filter(|frame| *frame == first).count() >= 4, "it started over every 2 s");
}
