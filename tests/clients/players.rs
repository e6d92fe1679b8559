//! Players that people have: VLC and GStreamer, which know nothing of parts.

use crate::appliance::{Appliance, Folder, PATIENCE, wait_until};
use crate::ffmpeg::{Picture, pictures, sound};
use capturebox::capture::test_pattern::Strip;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

const STREAM: &str = r#"
[streams.camera]
input = { source = "test", size = "640x360", fps = 30 }
"#;
const SIZE: (usize, usize) = (640, 360);
const FRAME_BYTES: usize = SIZE.0 * SIZE.1 * 3 / 2;
/// Three seconds.
const FRAMES: usize = 90;
const SAMPLES: usize = 3 * 48_000;
/// Louder than what an encoder makes of silence.
const LOUD: u16 = 2_500;
/// VLC refuses to run as root.
const NOBODY: u32 = 65_534;

/// A program that doesn't outlive its test.
struct Player(Child);

impl Player {
    fn start(command: &mut Command) -> Self {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Self(
            child.unwrap_or_else(|error| panic!("{program} can't be started ({error}); scripts/deps test installs it")),
        )
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn length(file: &str) -> usize {
    std::fs::metadata(file).map_or(0, |metadata| usize::try_from(metadata.len()).expect("a length"))
}

/// Each picture is the test source's, and follows the one before.
fn assert_in_order(frames: &[Picture]) {
    let read = |picture: &Picture| Strip::read(picture.luma(), picture.width, (picture.width, picture.height));
    let numbers: Vec<_> = frames.iter().map(|picture| read(picture).expect("a readable picture").frame).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    // A busy machine may drop a frame, here or in the player, and show the one before twice.
    let irregular = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    assert!(irregular <= 4, "{irregular} irregular: {numbers:?}");
}

/// It beeps once a second, and not all the time.
fn assert_beeps(samples: &[i16]) {
    let loud = samples.iter().filter(|sample| sample.unsigned_abs() > LOUD).count();
    assert!(loud > samples.len() / 100 && loud < samples.len() / 2, "{loud} loud samples of {}", samples.len());
}

#[test]
fn gstreamer_plays_picture_and_sound_in_time() {
    let box_ = Appliance::start(STREAM);
    // Version 1.22 gives up for good when it loses its place in a live playlist that is shorter than the three
    // segments that it wants to stay behind.
    box_.wait_for_segments("camera", 5);
    let (video, audio) = (box_.folder().file("video.i420"), box_.folder().file("audio.s16"));
    // `sync=true`: written when a screen and a loudspeaker would have it.
    let file = |path: &str| format!("filesink sync=true buffer-mode=unbuffered location={path}");
    let video_sink = format!("videoconvert ! video/x-raw,format=I420 ! {}", file(&video));
    let pcm = "audioconvert ! audioresample ! audio/x-raw,format=S16LE,rate=48000,channels=1";
    let audio_sink = format!("{pcm} ! {}", file(&audio));
    let _player = Player::start(
        Command::new("gst-launch-1.0")
            .args(["--quiet", "playbin3"])
            .arg(format!("uri={}", box_.url("/camera/index.m3u8")))
            .arg(format!("video-sink={video_sink}"))
            .arg(format!("audio-sink={audio_sink}")),
    );
    wait_until("three seconds through GStreamer", PATIENCE, || {
        length(&video) >= FRAMES * FRAME_BYTES && length(&audio) >= SAMPLES * 2
    });
    let bytes = std::fs::read(&video).expect("GStreamer's pictures");
    let picture = |bytes: &[u8]| Picture { width: SIZE.0, height: SIZE.1, bytes: bytes.to_vec() };
    let frames: Vec<Picture> = bytes.chunks_exact(FRAME_BYTES).take(FRAMES).map(picture).collect();
    assert_in_order(&frames);
    let bytes = std::fs::read(&audio).expect("GStreamer's sound");
    let samples: Vec<i16> = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    assert_beeps(&samples);
}

#[test]
fn vlc_plays_picture_and_sound() {
    let box_ = Appliance::start(STREAM);
    box_.wait_for_segments("camera", 1);
    let folder = Folder::new();
    let (home, file) = (folder.file(""), folder.file("played.ts"));
    std::fs::set_permissions(&home, PermissionsExt::from_mode(0o777)).expect("a folder for all");
    let mut vlc = Command::new("cvlc");
    vlc.args(["--no-dbus", "--intf", "dummy", "--play-and-exit"])
        .arg(format!("--sout=#std{{access=file,mux=ts,dst={file}}}"))
        .arg(box_.url("/camera/index.m3u8"))
        .env("HOME", &home)
        .stderr(Stdio::null());
    if rustix::process::geteuid().is_root() {
        vlc.uid(NOBODY).gid(NOBODY);
    }
    {
        let _player = Player::start(&mut vlc);
        wait_until("some seconds through VLC", PATIENCE, || {
            length(&file) > 0 && decoded(&file).is_some_and(|frames| frames >= FRAMES)
        });
    }
    let frames: Vec<Picture> = pictures(&file).into_iter().map(|(_, picture)| picture).collect();
    // Cut off in the middle of its last one.
    assert_in_order(&frames[..frames.len() - 1]);
    assert_beeps(&sound(&file).1);
}

/// How many pictures a growing file has by now.
fn decoded(file: &str) -> Option<usize> {
    let count = ["-select_streams", "v:0", "-count_packets", "-show_entries", "stream=nb_read_packets"];
    let output = Command::new("ffprobe").args(["-v", "quiet", "-of", "csv=p=0"]).args(count).arg(file).output();
    let output = output.unwrap_or_else(|error| panic!("ffprobe can't be started ({error})"));
    String::from_utf8_lossy(&output.stdout).lines().next()?.trim_matches(',').trim().parse().ok()
}
