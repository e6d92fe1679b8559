//! Cameras: what people do to them, and what they do by themselves.

use crate::Scenario;
use crate::appliance::Appliance;
use crate::board::Board;
use crate::devices::{Camera, shows_bars};

pub const SCENARIOS: &[Scenario] = &[("cameras::a_webcam_is_streamed", a_webcam_is_streamed)];

/// A stream of the camera, small enough for an emulated processor.
fn stream(device: &str) -> String {
    format!(
        "[streams.camera]\nvideo = {{ source = \"v4l2\", device = \"{device}\", size = \"320x180\", fps = 10 }}\n\
         [streams.camera.hls]\nsegment_ms = 1000\n"
    )
}

fn a_webcam_is_streamed(board: &Board) {
    let camera = Camera::plug_in(board);
    let appliance = Appliance::start(board, &stream(&camera.node));
    appliance.wait_for_source("camera", "video", "live");
    appliance.wait_for_segments("camera", 2);
    appliance.played_while("camera", || appliance.wait_for_segments("camera", 5)).is_steady(5);
    let pictures = appliance.pictures("camera", 2);
    assert!(pictures.len() >= 20, "{} pictures in two seconds", pictures.len());
    assert!(pictures.iter().all(shows_bars), "something else than what the camera sees");
    assert_eq!(appliance.said("video is live"), 1, "it is said once");
}
