//! Chromium, aiortc and GStreamer publish by WHIP, and others watch that as HLS: codecs, key frames, sound in step with the
//! picture, a bad network, another size in the middle, and what is refused.

use crate::appliance::{Appliance, wait_until};
use crate::ffmpeg::{ffprobe, pictures, record, run};
use crate::http;
use crate::plays::{beeps, rising};
use crate::whep::{AIORTC, GSTREAMER};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/browser/whip.mjs");
const NARROW: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/browser/narrow.mjs");
const PYTHON_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/rtc/whip.py");
const OPEN: &str = "[access]\npublish = \"lan\"\n";
const CONFIGURED: &str = "[streams.stage]\ninput = { source = \"publish\" }\n";

/// Somebody who publishes, until it has done so for some seconds.
struct Publisher {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Publisher {
    /// Chromium.
    fn start(box_: &Appliance, path: &str, seconds: u32, turn_after: &str) -> (Self, Value) {
        Self::run(Command::new("node").args([SCRIPT, &box_.url(""), path, &seconds.to_string(), turn_after]))
    }

    fn aiortc(box_: &Appliance, path: &str, seconds: u32, more: &[&str]) -> (Self, Value) {
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", AIORTC).env("PYTHONDONTWRITEBYTECODE", "1");
        Self::run(command.args([PYTHON_SCRIPT, &box_.url(path), &seconds.to_string()]).args(more))
    }

    fn run(command: &mut Command) -> (Self, Value) {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts; scripts/deps test installs it");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut publisher = Self { child, lines };
        let begun = publisher.line();
        (publisher, begun)
    }

    fn line(&mut self) -> Value {
        let line = self.lines.next().expect("it says how it went").expect("text");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// What it sent, and what became of its leaving.
    fn finish(mut self) -> Value {
        let end = self.line();
        assert!(self.child.wait().expect("it ends").success());
        end
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn post(box_: &Appliance, path: &str, content_type: &str, body: &str) -> http::Response {
    send(box_, "POST", path, &format!("content-type: {content_type}\r\n"), body)
}

fn send(box_: &Appliance, method: &str, path: &str, headers: &str, body: &str) -> http::Response {
    let (address, length) = (box_.address(), body.len());
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\ncontent-length: {length}");
    let answer = http::exchange(address, format!("{head}\r\n{headers}\r\n{body}").as_bytes()).expect("an answer");
    http::parse(&answer, false).expect("HTTP")
}

/// Records the stream `stage`, of a time when it was published already: a file has no place for another size.
fn record_published(box_: &Appliance, span: Duration) -> String {
    wait_until("the stream to be live", Duration::from_secs(20), || {
        box_.log().iter().any(|line| line.contains("stage: video is live"))
    });
    std::thread::sleep(Duration::from_secs(3));
    let file = box_.folder().file("recorded.mkv");
    crate::ffmpeg::record_from(-1, &box_.url("/stage/index.m3u8"), span, &file);
    file
}

/// The stream `stage` is H.264 and AAC, and its beeps come with the flashes.
fn in_step(box_: &Appliance) {
    let file = record_published(box_, Duration::from_secs(10));
    let probe = ffprobe(&["-show_entries", "stream=codec_name,codec_type,width,height", &file]);
    let streams = probe["streams"].as_array().expect("streams");
    let codecs: Vec<&str> = streams.iter().filter_map(|stream| stream["codec_name"].as_str()).collect();
    assert!(codecs.contains(&"h264") && codecs.contains(&"aac"), "{probe}");

    let frames = pictures(&file);
    assert!(frames.len() > 200, "{} frames in 10 s", frames.len());
    let flashes = rising(frames.iter().map(|(time, picture)| (*time, picture.colour_at(0.5, 0.3)[0] > 120.0)));
    let beeps = beeps(&file);
    assert!(flashes.len() >= 8 && beeps.len() >= 8, "{flashes:?} {beeps:?}");
    let (first, last) = (beeps[0], beeps[beeps.len() - 1]);
    let offsets: Vec<f64> = flashes
        .iter()
        .filter(|flash| (first..last).contains(*flash))
        .map(|flash| {
            let offsets = beeps.iter().map(|beep| beep - flash);
            offsets.min_by(|a, b| a.abs().total_cmp(&b.abs())).expect("beeps")
        })
        .collect();
    println!("the sound is late by, s: {offsets:.3?}");
    // A picture of a page is up to two frames old, and its sound has a buffer; a busy machine holds up one or the other.
    let mut off: Vec<f64> = offsets.iter().map(|offset| offset.abs()).collect();
    off.sort_by(f64::total_cmp);
    assert!(off[off.len() / 2] < 0.080 && off[off.len() - 1] < 0.250, "{offsets:?}");
}

#[test]
fn what_a_browser_publishes_plays_as_hls_with_sound_in_step() {
    let box_ = Appliance::start(&format!("{OPEN}{CONFIGURED}"));
    let (publisher, begun) = Publisher::start(&box_, "/stage/whip", 25, "");
    assert_eq!(begun["status"], 201, "{begun}");
    assert!(begun["location"].as_str().is_some_and(|location| location.starts_with("/stage/whip/")), "{begun}");
    let second = post(&box_, "/stage/whip", "application/sdp", "v=0\r\n");
    assert_eq!(second.status, 409, "{}", second.text());

    in_step(&box_);

    let end = publisher.finish();
    println!("{end}");
    assert_eq!(end["left"], 200);
    // Asked for each second.
    assert!(end["keyFrames"].as_u64().is_some_and(|keys| (15..=45).contains(&keys)), "{end}");
    wait_until("the stream to be without its publisher", Duration::from_secs(10), || {
        box_.log().iter().any(|line| line.contains("stage: no video signal: nobody publishes"))
    });
}

#[test]
fn what_aiortc_publishes_plays_as_hls_with_sound_in_step() {
    let box_ = Appliance::start(&format!("{OPEN}{CONFIGURED}"));
    let (publisher, begun) = Publisher::aiortc(&box_, "/stage/whip", 22, &[]);
    assert_eq!(begun["status"], 201, "{begun}");
    in_step(&box_);
    assert_eq!(publisher.finish()["left"], 200);
}

#[test]
fn what_gstreamer_publishes_plays_as_hls_with_sound_in_step() {
    let box_ = Appliance::start(&format!("{OPEN}{CONFIGURED}"));
    let [python, script] = GSTREAMER;
    let (publisher, begun) =
        Publisher::run(Command::new(python).args([script, "publish", &box_.url("/stage/whip"), "22"]));
    assert_eq!(begun["connected"], true);
    in_step(&box_);
    assert_eq!(publisher.finish()["left"], 200);
}

#[test]
fn five_lost_in_a_hundred_at_40_ms_are_hardly_missed() {
    let box_ = Appliance::start(&format!("{OPEN}{CONFIGURED}"));
    let (publisher, begun) = Publisher::aiortc(&box_, "/stage/whip", 22, &["--loss", "0.05", "--delay", "20"]);
    assert_eq!(begun["status"], 201, "{begun}");
    in_step(&box_);
    // The network is gone from one moment to the next; who comes back finds the place free before the box gives the
    // old connection up.
    drop(publisher);
    std::thread::sleep(Duration::from_secs(5));
    let (publisher, begun) = Publisher::aiortc(&box_, "/stage/whip", 1, &[]);
    assert_eq!(begun["status"], 201, "{begun}");
    assert_eq!(publisher.finish()["left"], 200);
}

#[test]
fn of_a_simulcast_hls_has_the_largest_layer_and_who_watches_in_real_time_what_fits() {
    let box_ = Appliance::start(&format!("{OPEN}{CONFIGURED}"));
    let (publisher, begun) = Publisher::start(&box_, "/stage/whip", 60, "layers");
    assert_eq!(begun["status"], 201, "{begun}");
    let stage = || serde_json::from_str::<Value>(box_.get("/api/v1/streams/stage").text()).expect("JSON");
    let width = |id: &str| {
        let tracks = stage()["tracks"].as_array().cloned().unwrap_or_default();
        tracks.iter().find(|track| track["id"] == id).and_then(|track| track["width"].as_u64())
    };
    wait_until("the largest layer", Duration::from_secs(35), || width("video0") == Some(960));
    let told = run("node", &[NARROW, box_.url("").trim_end_matches('/'), "/stage/whep"]);
    let seen: Value = serde_json::from_slice(&told).expect("narrow.mjs writes JSON");
    println!("{seen:#}");
    assert_goes_on(&seen);
    assert_eq!(width("video0"), Some(960), "to others it is what it was");
    drop(publisher);
}

/// Over a narrowed way a smaller picture comes, which doesn't stand still, and the sound goes on.
pub fn assert_goes_on(seen: &Value) {
    let of = |when: &str, what: &str| seen[when][what].as_f64().expect("a number");
    assert!(of("small", "width") <= of("large", "width") / 2.0 + 1.0, "{seen}");
    // Chromium counts a picture as standing still when it comes a little late; a busy machine makes some late.
    let [frozen, afterwards] =
        [of("small", "frozen") - of("large", "frozen"), of("settled", "frozen") - of("small", "frozen")];
    assert!(frozen < 8.0 && afterwards < 1.5, "{frozen} {afterwards}: {seen}");
    assert!(of("settled", "frames") - of("small", "frames") > 30.0, "4 s of pictures: {seen}");
    let [samples, concealed] = ["samples", "concealed"].map(|what| of("settled", what) - of("small", what));
    assert!(samples > 150_000.0 && concealed < samples / 4.0, "{concealed} of {samples}: {seen}");
}

#[test]
fn a_stream_is_made_for_who_publishes_and_a_turned_picture_is_another_section() {
    let box_ =
        Appliance::start(&format!("{OPEN}[streams.camera]\ninput = {{ source = \"test\", size = \"320x240\" }}\n"));
    assert_eq!(box_.get("/phone/index.m3u8").status, 404);
    let (publisher, begun) = Publisher::start(&box_, "/phone/whip", 16, "6");
    assert_eq!(begun["status"], 201, "{begun}");
    let file = box_.folder().file("recorded.mkv");
    box_.wait_for("/phone/index.m3u8");
    record(&box_.url("/phone/index.m3u8"), Duration::from_secs(14), &file);
    let master = box_.get("/phone/index.m3u8");
    let video = crate::playlist::Multivariant::parse(master.text()).uris().into_iter().next().expect("video");
    let playlist = box_.get(&format!("/phone/{video}"));
    assert!(playlist.text().contains("#EXT-X-DISCONTINUITY"), "{}", playlist.text());
    drop(publisher);
}

#[test]
fn while_camera_and_microphone_are_off_the_stream_goes_on_without_a_gap() {
    let box_ = Appliance::start(&format!("{OPEN}{CONFIGURED}"));
    let (publisher, begun) = Publisher::start(&box_, "/stage/whip", 20, "pause");
    assert_eq!(begun["status"], 201, "{begun}");
    let file = record_published(&box_, Duration::from_secs(14));
    assert_eq!(publisher.finish()["left"], 200);

    let beeps = beeps(&file);
    let pauses: Vec<f64> = beeps.windows(2).map(|pair| pair[1] - pair[0]).filter(|apart| *apart > 2.5).collect();
    assert!(beeps.len() >= 6 && pauses.len() == 1 && (3.5..6.5).contains(&pauses[0]), "one pause of 4 s: {beeps:?}");
    let times: Vec<f64> = pictures(&file).into_iter().map(|(time, _)| time).collect();
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    assert!(longest < 1.5, "the picture goes on, black or with the slate: {longest} s without any");
    let sound = ffprobe(&["-select_streams", "a", "-show_entries", "packet=pts_time,duration_time", &file]);
    let packets = sound["packets"].as_array().expect("packets");
    let second = |packet: &Value, name: &str| packet[name].as_str().and_then(|time| time.parse::<f64>().ok());
    let ends = packets.iter().filter_map(|packet| Some(second(packet, "pts_time")? + second(packet, "duration_time")?));
    let begins = packets.iter().skip(1).filter_map(|packet| second(packet, "pts_time"));
    let gap = begins.zip(ends).map(|(begins, ends)| begins - ends).fold(0.0, f64::max);
    assert!(gap < 0.1, "the sound has a gap of {gap} s");
}

#[test]
fn what_is_no_good_is_refused() {
    let box_ = Appliance::start(&format!(
        "{OPEN}{CONFIGURED}[streams.camera]\ninput = {{ source = \"test\", size = \"320x240\" }}\n\
         [streams.private]\ninput = {{ source = \"publish\" }}\naccess.publish = \"token\"\n"
    ));
    let sdp = "application/sdp";
    let nonsense = ["", "hello", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"];
    for body in nonsense {
        let status = post(&box_, "/stage/whip", sdp, body).status;
        assert!([400, 406].contains(&status), "{body:?}: {status}");
    }
    for (path, content_type, expected) in [
        ("/stage/whip", "text/plain", 415),
        ("/camera/whip", sdp, 409),
        ("/private/whip", sdp, 401),
        ("/api/whip", sdp, 404),
    ] {
        let answer = post(&box_, path, content_type, nonsense[2]);
        assert_eq!(answer.status, expected, "{path}: {}", answer.text());
    }
    let other = send(&box_, "PUT", "/stage/whip", "", "");
    assert_eq!(other.status, 405);
    let gone = send(&box_, "DELETE", "/stage/whip/0123", "", "");
    assert_eq!(gone.status, 404);
    let options = send(&box_, "OPTIONS", "/stage/whip", "", "");
    assert_eq!((options.status, options.header("accept-post")), (204, Some("application/sdp")));
}
