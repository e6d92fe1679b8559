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

#[test]
fn metrics_count_what_happens() {
    let box_ = Appliance::start(STREAM);
    box_.wait_for_segments("camera", 2);
    let page = box_.get("/metrics");
    assert_eq!(page.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let value = |name: &str| -> f64 {
        let line = page.text().lines().find_map(|line| line.strip_prefix(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in\n{}", page.text()));
        line.trim().parse().expect("a number")
    };
    let (captured, encoded) = (
        value("capturebox_captured_frames_total{stream=\"camera\"}"),
        value("capturebox_encode_time_seconds_count{stream=\"camera\"}"),
    );
    assert!(captured >= 30.0 && encoded >= 30.0, "{captured} captured, {encoded} encoded");
    assert!((15.0..45.0).contains(&value("capturebox_capture_fps{stream=\"camera\"}")), "{}", page.text());
    assert!(value("capturebox_bitrate_bits_per_second{stream=\"camera\",track=\"video0\"}") > 10_000.0);
    assert!(value("capturebox_audio_rms_dbfs{stream=\"camera\",channel=\"0\"}") > -90.0, "the tone is heard");
    assert!(value("capturebox_av_offset_seconds{stream=\"camera\"}").abs() < 0.5);
    assert!(value("capturebox_process_resident_bytes") > 1e6);
    assert!(page.text().ends_with("# EOF\n"));
}
