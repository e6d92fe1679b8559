//! ffmpeg and ffprobe as clients, and as makers of what the box is fed with.

use std::process::{Command, Stdio};
use std::time::Duration;

/// A frame of 8-bit 4:2:0, planes without padding.
#[derive(Clone, PartialEq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub bytes: Vec<u8>,
}

impl Picture {
    pub fn luma(&self) -> &[u8] {
        &self.bytes[..self.width * self.height]
    }

    /// The mean of Y, U and V around a point given in shares of width and height.
    pub fn colour_at(&self, x: f64, y: f64) -> [f64; 3] {
        let (luma, chroma) = self.bytes.split_at(self.width * self.height);
        let (u, v) = chroma.split_at(chroma.len() / 2);
        let mean = |plane: &[u8], width: usize, height: usize| {
            let (x, y) = ((x * width as f64) as usize, (y * height as f64) as usize);
            let rows = (y.saturating_sub(1)..(y + 2).min(height)).map(|row| row * width);
            let dots: Vec<f64> = rows
                .flat_map(|row| &plane[row + x.saturating_sub(1)..row + (x + 2).min(width)])
                .map(|&dot| f64::from(dot))
                .collect();
            dots.iter().sum::<f64>() / dots.len() as f64
        };
        let (half_width, half_height) = (self.width / 2, self.height / 2);
        [mean(luma, self.width, self.height), mean(u, half_width, half_height), mean(v, half_width, half_height)]
    }
}

/// Runs a tool to its end and returns its standard output; what it says on standard error is shown
/// when it fails.
pub fn run(program: &str, args: &[&str]) -> Vec<u8> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program} can't be started ({error}); scripts/deps test installs it"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?} failed with {}:\n{errors}", output.status);
    output.stdout
}

pub fn ffmpeg(args: &[&str]) -> Vec<u8> {
    let quiet = ["-nostdin", "-hide_banner", "-v", "error", "-y"];
    run("ffmpeg", &[&quiet[..], args].concat())
}

pub fn ffprobe(args: &[&str]) -> serde_json::Value {
    let json = run("ffprobe", &[&["-v", "error", "-of", "json"], args].concat());
    serde_json::from_slice(&json).expect("ffprobe writes JSON")
}

/// Plays `span` of a live stream in real time into a file, as it comes, from the oldest segment on.
pub fn record(url: &str, span: Duration, file: &str) {
    record_from(0, url, span, file);
}

/// The same from another segment; -1 is the newest.
pub fn record_from(segment: i32, url: &str, span: Duration, file: &str) {
    /// So often in a row, it is our doing.
    const TRIES: usize = 4;
    let (segment, seconds) = (segment.to_string(), span.as_secs_f64().to_string());
    for _ in 0..TRIES {
        ffmpeg(&["-y", "-live_start_index", &segment, "-i", url, "-t", &seconds, "-map", "0", "-c", "copy", file]);
        // It reads the renditions' playlists one after the other and begins each at a segment of its own: where a
        // segment ends between the two, one begins a whole segment after the other, and is cut short by that.
        let probe = ffprobe(&["-show_entries", "stream=start_time", file]);
        let streams = probe["streams"].as_array().expect("streams");
        let starts: Vec<f64> = streams.iter().map(|stream| self::seconds(&stream["start_time"])).collect();
        let (first, last) = starts.iter().fold((f64::MAX, f64::MIN), |(a, b), start| (a.min(*start), b.max(*start)));
        if last - first < 0.5 {
            return;
        }
    }
    panic!("{url}: {TRIES} times in a row, the renditions began far from each other");
}

/// Every picture of a file with its presentation time in seconds.
pub fn pictures(file: &str) -> Vec<(f64, Picture)> {
    let entries = ["-select_streams", "v:0", "-show_entries", "stream=width,height:frame=best_effort_timestamp_time"];
    let probe = ffprobe(&[&entries[..], &[file]].concat());
    let side = |name: &str| probe["streams"][0][name].as_u64().expect("a size") as usize;
    let (width, height) = (side("width"), side("height"));
    let times = probe["frames"].as_array().expect("frames").iter();
    let times = times.map(|frame| seconds(&frame["best_effort_timestamp_time"]));
    let raw = ffmpeg(&[
        "-i",
        file,
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
        "-pix_fmt",
        "yuv420p",
        "-f",
        "rawvideo",
        "-",
    ]);
    let frames = raw.chunks_exact(width * height * 3 / 2);
    assert_eq!(times.len(), frames.len(), "as many frames decode as are in the file");
    times.zip(frames.map(|bytes| Picture { width, height, bytes: bytes.to_vec() })).collect()
}

/// The first channel of a file's sound at 48 kHz, and the time of its first sample in seconds.
pub fn sound(file: &str) -> (f64, Vec<i16>) {
    let probe =
        ffprobe(&["-select_streams", "a:0", "-show_entries", "packet=pts_time", "-read_intervals", "%+#1", file]);
    let start = seconds(&probe["packets"][0]["pts_time"]);
    let raw = ffmpeg(&["-i", file, "-map", "0:a:0", "-af", "pan=mono|c0=c0", "-ar", "48000", "-f", "s16le", "-"]);
    (start, raw.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
}

/// The digests of a file's decoded pictures, or of its encoded sound, in order.
pub fn digests(file: &str, track: &str) -> Vec<String> {
    let copy: &[&str] = if track.starts_with('a') { &["-c", "copy"] } else { &["-fps_mode", "passthrough"] };
    let map = format!("0:{track}");
    let text = ffmpeg(&[&["-i", file, "-map", &map], copy, &["-f", "framemd5", "-"]].concat());
    let text = String::from_utf8(text).expect("framemd5 writes text");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit(',').next()).map(|digest| digest.trim().to_owned()).collect()
}

fn seconds(value: &serde_json::Value) -> f64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no time in {value}"))
}
