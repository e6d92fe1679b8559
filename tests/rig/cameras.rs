//! Cameras: what people do to them, and what they do by themselves.

use crate::Scenario;
use crate::appliance::Appliance;
use crate::board::Board;
use crate::devices::{Camera, Loopback, fault, shows_bars};
use crate::ffmpeg;
use std::time::Duration;

pub const SCENARIOS: &[Scenario] = &[
    ("cameras::a_webcam_is_streamed", a_webcam_is_streamed),
    ("cameras::one_that_comes_later_is_found", one_that_comes_later_is_found),
    ("cameras::unplugged_and_back", unplugged_and_back),
    ("cameras::disconnected_and_its_driver_removed", disconnected_and_its_driver_removed),
    ("cameras::errors_of_its_driver_are_lived_through", errors_of_its_driver_are_lived_through),
    ("cameras::fewer_frames_are_made_up_for", fewer_frames_are_made_up_for),
    ("cameras::one_in_use_is_waited_for", one_in_use_is_waited_for),
    ("cameras::a_format_that_it_lacks_is_said", a_format_that_it_lacks_is_said),
    ("cameras::bad_jpegs_are_passed_over", bad_jpegs_are_passed_over),
    ("cameras::a_loopback_s_writer_ends_and_comes_back", a_loopback_s_writer_ends_and_comes_back),
    ("cameras::one_that_encodes_goes_straight_through", one_that_encodes_goes_straight_through),
];

/// A stream of the camera, small enough for an emulated processor.
fn stream(device: &str, more: &str) -> String {
    let video = format!("source = \"v4l2\", device = \"{device}\", size = \"320x180\", fps = 10{more}");
    format!("[streams.camera]\nvideo = {{ {video} }}\n[streams.camera.hls]\nsegment_ms = 1000\n")
}

/// A camera that is watched already.
fn live<'a>(board: &'a Board, device: &str) -> Appliance<'a> {
    let appliance = Appliance::start(board, &stream(device, ""));
    appliance.wait_until_live("camera", "video");
    appliance.wait_for_segments("camera", 2);
    appliance
}

fn a_webcam_is_streamed(board: &Board) {
    let camera = Camera::plug_in(board);
    let appliance = live(board, &camera.node);
    appliance.played_while("camera", || appliance.wait_for_segments("camera", 5)).is_steady(5);
    let pictures = appliance.pictures("camera", 2);
    assert!(pictures.len() >= 20, "{} pictures in two seconds", pictures.len());
    assert!(pictures.iter().all(shows_bars), "something else than what the camera sees");
    assert_eq!(appliance.said("video is live"), 1);
    assert_eq!(appliance.said("WARN"), 0);
}

fn one_that_comes_later_is_found(board: &Board) {
    let appliance = Appliance::start(board, &stream("/dev/video0", ""));
    appliance.wait_for_cause("camera", "video", "/dev/video0 is not there");
    appliance.wait_for_segments("camera", 2);
    assert!(!appliance.pictures("camera", 1).iter().any(shows_bars), "there is no camera");
    let played = appliance.played_while("camera", || {
        Camera::plug_in(board);
        appliance.wait_until_live("camera", "video");
    });
    played.goes_on();
    appliance.wait_for_picture("camera", shows_bars);
    assert_eq!(appliance.said("no video signal"), 1);
}

fn unplugged_and_back(board: &Board) {
    let camera = Camera::plug_in(board);
    let appliance = live(board, &camera.node);
    let played = appliance.played_while("camera", || {
        camera.unplug();
        appliance.wait_for_cause("camera", "video", "unplugged");
        appliance.wait_for_picture("camera", |picture| !shows_bars(picture));
        camera.plug_in_again();
        appliance.wait_until_live("camera", "video");
        appliance.wait_for_picture("camera", shows_bars);
    });
    played.goes_on();
    assert_eq!(appliance.said("no video signal"), 1);
    assert_eq!(appliance.said("video is live"), 2);
}

fn disconnected_and_its_driver_removed(board: &Board) {
    let camera = Camera::plug_in(board);
    let appliance = live(board, &camera.node);
    let played = appliance.played_while("camera", || {
        // It comes back by itself when nobody has it open any more.
        camera.set(fault::DISCONNECT);
        appliance.wait_for_log("unplugged");
        appliance.wait_until_live("camera", "video");
        camera.unplug();
        appliance.wait_for_cause("camera", "video", "unplugged");
        board.run("modprobe -r vivid");
        Camera::plug_in(board);
        appliance.wait_until_live("camera", "video");
    });
    played.goes_on();
    assert_eq!(appliance.said("no video signal"), 2);
    assert_eq!(appliance.said("video is live"), 3);
}

/// Each costs no more than an opening.
fn errors_of_its_driver_are_lived_through(board: &Board) {
    let camera = Camera::plug_in(board);
    let appliance = live(board, &camera.node);
    let played = appliance.played_while("camera", || {
        for fault in [fault::BAD_BUFFER, fault::QUEUEING_FAILS, fault::STREAM_BREAKS] {
            let before = appliance.count("camera", "captured_frames");
            camera.set(fault);
            board.wait_until(&format!("pictures after {fault}"), || {
                appliance.count("camera", "captured_frames") > before + 20
                    && appliance.source("camera", "video") == "live"
            });
        }
    });
    played.goes_on();
    assert_eq!(appliance.said("a frame is dropped"), 1);
}

fn fewer_frames_are_made_up_for(board: &Board) {
    let camera = Camera::plug_in(board);
    let appliance = live(board, &camera.node);
    let repeated = || appliance.count("camera", "repeated_frames");
    let before = repeated();
    let played = appliance.played_while("camera", || {
        camera.set("percentage_of_dropped_buffers=40");
        board.wait_until("pictures to be repeated", || repeated() > before + 20);
        camera.set("percentage_of_dropped_buffers=0");
        appliance.wait_for_segments("camera", 7);
    });
    played.goes_on();
    assert!(appliance.pictures("camera", 6).iter().all(shows_bars), "a slate in between");
    assert_eq!(appliance.said("video is live"), 1, "it was never away");
}

fn one_in_use_is_waited_for(board: &Board) {
    let camera = Camera::plug_in(board);
    let user = board.spawn(&format!("exec v4l2-ctl -d {} --stream-mmap", camera.node), "/tmp/user");
    let appliance = Appliance::start(board, &stream(&camera.node, ""));
    appliance.wait_for_cause("camera", "video", "in use by another program");
    appliance.wait_for_segments("camera", 2);
    let played = appliance.played_while("camera", || {
        board.run(&format!("kill {user}"));
        appliance.wait_until_live("camera", "video");
    });
    played.goes_on();
    assert_eq!(appliance.said("no video signal"), 1);
}

fn a_format_that_it_lacks_is_said(board: &Board) {
    let camera = Camera::plug_in(board);
    let appliance = Appliance::start(board, &stream(&camera.node, ", format = \"mjpeg\""));
    appliance.wait_for_cause("camera", "video", "can't do mjpeg");
    appliance.wait_for_segments("camera", 2);
    appliance.played_while("camera", || appliance.wait_for_segments("camera", 5)).goes_on();
    assert_eq!(appliance.said("no video signal"), 1);
    let cause = appliance.source("camera", "video");
    assert!(cause.contains("yuyv"), "it says what the camera offers: {cause}");
}

/// A picture as a webcam would send it.
fn jpeg() -> Vec<u8> {
    let args = ["-f", "lavfi", "-i", "pal75bars=size=320x180", "-frames:v", "1", "-pix_fmt", "yuvj422p"];
    ffmpeg::ffmpeg(&[&args[..], &["-f", "mjpeg", "-"]].concat())
}

fn bad_jpegs_are_passed_over(board: &Board) {
    let camera = Loopback::plug_in(board);
    let good = jpeg();
    board.write("/tmp/good.jpg", &good);
    board.write("/tmp/short.jpg", &good[..good.len() / 2]);
    board.write("/tmp/tiny.jpg", &good[..20]);
    let corrupt: Vec<u8> = good.iter().enumerate().map(|(at, byte)| if at % 7 == 3 { !byte } else { *byte }).collect();
    board.write("/tmp/corrupt.jpg", &corrupt);
    let writer = camera.feed("MJPG", "/tmp/good.jpg", 0.05);
    let appliance = live(board, &camera.node);
    let bad = || appliance.count("camera", "bad_pictures");
    assert_eq!(bad(), 0);
    let played = appliance.played_while("camera", || {
        camera.stop(writer);
        camera.feed("MJPG", "/tmp/good.jpg /tmp/short.jpg /tmp/corrupt.jpg /tmp/tiny.jpg", 0.05);
        board.wait_until("bad pictures to be counted", || bad() > 15);
    });
    played.goes_on();
    assert!(appliance.pictures("camera", 2).iter().all(shows_bars), "a bad picture was shown");
    assert_eq!(appliance.source("camera", "video"), "live");
}

fn a_loopback_s_writer_ends_and_comes_back(board: &Board) {
    let camera = Loopback::plug_in(board);
    board.write("/tmp/good.jpg", &jpeg());
    let writer = camera.feed("MJPG", "/tmp/good.jpg", 0.05);
    let appliance = live(board, &camera.node);
    let played = appliance.played_while("camera", || {
        camera.stop(writer);
        appliance.wait_for_picture("camera", |picture| !shows_bars(picture));
        appliance.wait_for_cause("camera", "video", "nothing feeds");
        camera.feed("MJPG", "/tmp/good.jpg", 0.05);
        appliance.wait_until_live("camera", "video");
        appliance.wait_for_picture("camera", shows_bars);
    });
    played.goes_on();
    // First that nothing comes, then that nobody feeds it; each once.
    for cause in ["no pictures come", "no good picture", "nothing feeds"] {
        assert_eq!(appliance.said(cause), 1, "{cause}");
    }
}

/// Ten access units as a camera with an encoder sends them, a file each; the first has parameter sets.
fn h264(board: &Board) -> String {
    let folder = std::env::temp_dir().join(format!("rig-h264-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let files = folder.join("%d.h264");
    let picture = ["-f", "lavfi", "-i", "pal75bars=size=320x180:rate=10", "-frames:v", "10", "-pix_fmt", "yuv420p"];
    let coding =
        ["-c:v", "libx264", "-tune", "zerolatency", "-g", "10", "-f", "image2", files.to_str().expect("UTF-8")];
    ffmpeg::ffmpeg(&[&picture[..], &coding].concat());
    let names: Vec<String> = (1..=10).map(|number| format!("{number}.h264")).collect();
    for name in &names {
        board.write(&format!("/tmp/{name}"), &std::fs::read(folder.join(name)).expect("an access unit"));
    }
    let _ = std::fs::remove_dir_all(folder);
    names.iter().map(|name| format!("/tmp/{name} ")).collect()
}

fn one_that_encodes_goes_straight_through(board: &Board) {
    let (camera, units) = (Loopback::plug_in(board), h264(board));
    let writer = camera.feed("H264", &units, 0.05);
    let appliance = Appliance::start(board, &stream(&camera.node, ", format = \"h264\""));
    appliance.wait_until_live("camera", "video");
    appliance.wait_for_segments("camera", 2);
    assert!(appliance.pictures("camera", 2).iter().all(shows_bars));
    assert_eq!(appliance.said("openh264 encodes"), 0, "nothing is encoded here");
    let played = appliance.played_while("camera", || {
        camera.stop(writer);
        appliance.wait_for_picture("camera", |picture| !shows_bars(picture));
        camera.feed("H264", &units, 0.05);
        appliance.wait_until_live("camera", "video");
        appliance.wait_for_picture("camera", shows_bars);
    });
    assert_eq!(played.changes, 2, "to the slate and back: {played:?}");
    // The camera's pictures have their own times: each change may cost a frame's, at 90,000 a second.
    assert!(played.jumped < 2 * 9_000 && played.longest < Duration::from_secs(3), "{played:?}");
}
