//! What an operator sees of a running box: snapshots, metrics, the system, the log.

use crate::appliance::Appliance;
use std::io::Write;
use std::process::{Command, Stdio};

const STREAM: &str = "[streams.camera]\ninput = { source = \"test\", size = \"1280x720\", fps = 30 }\n";

#[test]
fn a_snapshot_is_a_jpeg_that_ffmpeg_decodes() {
    let box_ = Appliance::start(STREAM);
    let snapshot = box_.wait_for("/api/v1/streams/camera/snapshot.jpg");
    assert_eq!(snapshot.header("content-type"), Some("image/jpeg"));
    let mut ffprobe = Command::new("ffprobe")
        .args(["-v", "error", "-f", "jpeg_pipe", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0"])
        .args(["-i", "pipe:0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffprobe is installed");
    ffprobe.stdin.take().expect("piped").write_all(&snapshot.body).expect("ffprobe reads");
    let said = ffprobe.wait_with_output().expect("ffprobe runs");
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "mjpeg,640,360");
    assert_eq!(box_.get("/api/v1/streams/nobody/snapshot.jpg").status, 404);
}
