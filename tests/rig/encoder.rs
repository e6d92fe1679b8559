//! The board's encoder: what stands between the program and the kernel's queues, run by `encoder_check` on the board.

use crate::Scenario;
use crate::appliance::Appliance;
use crate::board::Board;
use crate::devices::{Camera, Encoder};

pub const SCENARIOS: &[Scenario] = &[
    ("encoder::takes_the_formats_of_cameras", takes_the_formats_of_cameras),
    ("encoder::changes_its_format_and_reuses_its_buffers", changes_its_format_and_reuses_its_buffers),
    ("encoder::refuses_what_it_would_get_wrong", refuses_what_it_would_get_wrong),
    ("encoder::taken_away_is_an_error", taken_away_is_an_error),
    ("encoder::is_lent_the_camera_s_buffers", is_lent_the_camera_s_buffers),
    ("encoder::one_without_h264_is_left_alone", one_without_h264_is_left_alone),
];

fn check(board: &Board, arguments: &str) {
    board.run(&format!("encoder_check {arguments}"));
}

fn takes_the_formats_of_cameras(board: &Board) {
    let encoder = Encoder::plug_in(board);
    check(board, &format!("formats {}", encoder.node));
    for (format, fourcc) in [("I420", "YU12"), ("Nv12", "NV12"), ("Yuyv", "YUYV"), ("Uyvy", "UYVY")] {
        let file = encoder.decode(&format!("/tmp/{format}.fwht"), fourcc);
        check(board, &format!("decoded {format} {file}"));
    }
}

fn changes_its_format_and_reuses_its_buffers(board: &Board) {
    let encoder = Encoder::plug_in(board);
    check(board, &format!("change {}", encoder.node));
    check(board, &format!("many {}", encoder.node));
}

fn refuses_what_it_would_get_wrong(board: &Board) {
    let encoder = Encoder::plug_in(board);
    check(board, &format!("sizes {}", encoder.node));
}

fn taken_away_is_an_error(board: &Board) {
    let encoder = Encoder::plug_in(board);
    let log = "/tmp/gone";
    let pid = board.spawn(&format!("exec encoder_check gone {}", encoder.node), log);
    board.wait_until("it to encode", || {
        board.attempt(&format!("ls -l /proc/{pid}/fd | grep -q {}", encoder.node)).0 == 0
    });
    board.run("sleep 1");
    encoder.unplug();
    board.wait_until("it to notice", || board.attempt(&format!("kill -0 {pid}")).0 != 0);
    let said = board.run(&format!("cat {log}"));
    assert!(said.starts_with("v4l2m2m failed: "), "{said}");
}

fn is_lent_the_camera_s_buffers(board: &Board) {
    let (encoder, camera) = (Encoder::plug_in(board), Camera::plug_in(board));
    check(board, &format!("lent {} {}", encoder.node, camera.node));
}

fn one_without_h264_is_left_alone(board: &Board) {
    Encoder::plug_in(board);
    check(board, "find");
    let devices = board.run("capturebox devices --json");
    let devices: serde_json::Value = serde_json::from_str(&devices).expect("JSON");
    assert_eq!(devices["cameras"], serde_json::json!([]), "nothing of it is a camera");
    let video = "source = \"test\", size = \"320x180\", fps = 10";
    let appliance = Appliance::start(
        board,
        &format!(
            "[streams.camera]\nvideo = {{ {video} }}\n[streams.camera.encode]\nencoder = \"v4l2m2m\"\n\
             [streams.camera.hls]\nsegment_ms = 1000\n"
        ),
    );
    appliance.wait_for_segments("camera", 2);
    appliance.played_while("camera", || appliance.wait_for_segments("camera", 4)).goes_on();
    assert_eq!(appliance.said("no V4L2 encoder for H.264"), 1);
    assert_eq!(appliance.said("openh264 encodes 320x180"), 1);
}
