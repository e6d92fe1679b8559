//! The `command` source: every format that a program may write, and programs that end, hang or write
//! nonsense.

use crate::appliance::{Appliance, PATIENCE, wait_until};
use crate::ffmpeg::{ffmpeg, ffprobe, pictures, record, record_from};
use std::time::Duration;

const SPAN: Duration = Duration::from_secs(4);

/// Colour bars in real time, as ffmpeg's arguments before those of the format.
const BARS: [&str; 6] = ["ffmpeg", "-v", "error", "-re", "-f", "lavfi"];
const PICTURE: &str = "smptebars=size=320x240:rate=30";

/// A TOML array of strings; TOML's escapes are a superset of those that appear here.
fn command(args: &[&str]) -> String {
    format!("{args:?}")
}

fn bars(format: &[&str]) -> String {
    command(&[&BARS[..], &["-i", PICTURE], format, &["-"]].concat())
}

/// One stream for each format, all in one box.
fn streams() -> String {
    let raw = |pixels: &'static str| bars(&["-pix_fmt", pixels, "-f", "rawvideo"]);
    let h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30", "-pix_fmt", "yuv420p"];
    let annex_b = bars(&[&h264[..], &["-f", "h264"]].concat());
    let tone = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-c:a", "aac", "-ac", "2"];
    let ts = command(&[&BARS[..], &["-i", PICTURE, "-re"], &tone, &h264, &["-f", "mpegts", "-"]].concat());
    let pcm =
        command(&[&BARS[..], &["-i", "sine=frequency=440:sample_rate=44100", "-ac", "1", "-f", "s16le", "-"]].concat());
    let (i420, nv12, yuyv) = (raw("yuv420p"), raw("nv12"), raw("yuyv422"));
    let y4m = bars(&["-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe"]);
    let fixed = "size = \"320x240\", fps = 30";
    format!(
        r#"
[streams.i420]
video = {{ source = "command", command = {i420}, format = "i420", {fixed} }}
audio = {{ source = "command", command = {pcm}, format = "s16le", rate = 44100, channels = 1 }}
[streams.nv12]
video = {{ source = "command", command = {nv12}, format = "nv12", {fixed} }}
[streams.yuyv]
video = {{ source = "command", command = {yuyv}, format = "yuyv", {fixed} }}
[streams.y4m]
video = {{ source = "command", command = {y4m}, format = "y4m" }}
[streams.h264]
video = {{ source = "command", command = {annex_b}, format = "h264" }}
[streams.mpegts]
input = {{ source = "command", command = {ts}, format = "mpegts" }}
"#
    )
}

#[test]
fn every_format_plays_with_the_right_picture() {
    let mut box_ = Appliance::start(&streams());
    let original = box_.folder().file("original.mkv");
    ffmpeg(&["-f", "lavfi", "-i", PICTURE, "-frames:v", "1", "-pix_fmt", "yuv420p", "-c:v", "ffv1", &original]);
    let (_, original) = pictures(&original).swap_remove(0);
    for name in ["i420", "nv12", "yuyv", "y4m", "h264", "mpegts"] {
        // Until the program writes, there is a slate, which may have another size.
        box_.wait_for_log(&format!("{name}: video is live"), PATIENCE);
        let path = box_.wait_for_segments(name, 3);
        let file = box_.folder().file(&format!("{name}.mkv"));
        record_from(-1, &box_.url(&path), SPAN, &file);

        let frames = pictures(&file);
        let expected = 30 * SPAN.as_secs() as usize;
        assert!(frames.len().abs_diff(expected) <= 6, "{name}: {} frames in {SPAN:?}", frames.len());
        let (_, picture) = &frames[frames.len() - 1];
        assert_eq!((picture.width, picture.height), (320, 240), "{name}");
        for x in 0..7 {
            let at = ((f64::from(x) + 0.5) / 7.0, 0.3);
            let (found, wanted) = (picture.colour_at(at.0, at.1), original.colour_at(at.0, at.1));
            let error = found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(error < 8.0, "{name}: the colour at {at:?} is {found:?}, not {wanted:?}");
        }
        let sound = ffprobe(&["-show_streams", "-select_streams", "a", &file]);
        let tracks = sound["streams"].as_array().map_or(0, Vec::len);
        assert_eq!(tracks, usize::from(matches!(name, "i420" | "mpegts")), "{name}'s sound");
    }
}

/// A white picture that a shell script writes; what is not white is the slate.
const WHITE: &str = "head -c 3456000 /dev/zero | tr '\\\\0' '\\\\353'"; // 30 frames of 320x240

fn shell(script: &str) -> String {
    format!(
        "[streams.camera]\nvideo = {{ source = \"command\", command = [\"sh\", \"-c\", \"{script}\"], \
         format = \"i420\", size = \"320x240\", fps = 30 }}\n"
    )
}

/// Whether each picture of the next few seconds is the program's white one. Along the way: the stream
/// never stops.
fn shows_white(box_: &Appliance, span: Duration) -> Vec<bool> {
    let file = box_.folder().file("seen.mkv");
    record(&box_.url("/camera/index.m3u8"), span, &file);
    let frames = pictures(&file);
    let expected = 30.0 * span.as_secs_f64();
    assert!(frames.len() as f64 > expected - 10.0, "{} frames, {expected} were due", frames.len());
    for pair in frames.windows(2) {
        let step = pair[1].0 - pair[0].0;
        assert!((0.030..0.037).contains(&step), "a frame after {step} s at {} s", pair[1].0);
    }
    let is_white = |luma: &[u8]| luma.iter().map(|&y| u64::from(y)).sum::<u64>() / luma.len() as u64 > 225;
    frames.iter().map(|(_, picture)| is_white(picture.luma())).collect()
}

#[test]
fn a_program_that_ends_is_started_again_and_the_stream_goes_on() {
    let box_ = Appliance::start(&shell(WHITE));
    box_.wait_for_segments("camera", 1);
    let white = shows_white(&box_, Duration::from_secs(10));
    assert!(white.contains(&true) && white.contains(&false), "both the picture and the slate are seen");
    let came_back = white.windows(2).any(|pair| pair == [false, true]);
    assert!(came_back, "the picture came back after a slate");
}

#[test]
fn a_program_that_hangs_gets_a_slate_and_one_line_in_the_log() {
    let mut box_ = Appliance::start(&shell(&format!("{WHITE}; exec sleep 1000")));
    box_.wait_for_segments("camera", 1);
    let white = shows_white(&box_, Duration::from_secs(8));
    assert_eq!(white.last(), Some(&false), "nothing comes any more: that is a slate");
    box_.terminate();
    assert!(box_.wait().success());
    let said = box_.log().iter().filter(|line| line.contains("WARN") && line.contains("camera")).count();
    assert!((1..=4).contains(&said), "{said} warnings: {:#?}", box_.log());
}

#[test]
fn garbage_is_a_slate_and_nothing_else_suffers() {
    let garbage = |name: &str, rest: &str| {
        format!("[streams.{name}]\nvideo = {{ source = \"command\", command = [\"cat\", \"/dev/urandom\"], {rest} }}\n")
    };
    let config = [
        garbage("h264", "format = \"h264\""),
        garbage("y4m", "format = \"y4m\""),
        garbage("mpegts", "format = \"mpegts\""),
        "[streams.missing]\nvideo = { source = \"command\", command = [\"/no/such/program\"], format = \"y4m\" }\n"
            .into(),
        "[streams.camera]\ninput = { source = \"test\", size = \"320x240\", fps = 30 }\n".into(),
    ];
    let mut box_ = Appliance::start(&config.concat());
    box_.wait_for_segments("camera", 1);
    let file = box_.folder().file("good.mkv");
    record(&box_.url("/camera/index.m3u8"), SPAN, &file);
    let frames = pictures(&file).len();
    assert!(frames.abs_diff(30 * SPAN.as_secs() as usize) <= 6, "{frames} frames of the good stream");
    let streams = box_.get("/api/v1/streams");
    assert_eq!(streams.status, 200);
    box_.wait_for_log("/no/such/program", PATIENCE);
    let warnings = box_.log().iter().filter(|line| line.contains("WARN")).count();
    assert!(warnings <= 4 * 4, "the log says it once, not at each try: {:#?}", box_.log());
    box_.terminate();
    assert!(box_.wait().success());
}

#[test]
fn its_programs_end_with_the_box() {
    let script = "echo $$ > PIDFILE; exec sleep 1000";
    let folder = crate::appliance::Folder::new();
    let pid_file = folder.file("pid");
    let mut box_ = Appliance::start_in(folder, &shell(&script.replace("PIDFILE", &pid_file)));
    let read = || std::fs::read_to_string(&pid_file).ok().and_then(|text| text.trim().parse::<u32>().ok());
    wait_until("the program to start", PATIENCE, || read().is_some());
    let pid = read().expect("waited for it");
    box_.terminate();
    assert!(box_.wait().success());
    let gone = || !std::path::Path::new(&format!("/proc/{pid}")).exists();
    wait_until("the program to end", Duration::from_secs(3), gone);
}
