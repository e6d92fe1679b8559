//! HDMI inputs: what happens on the cable, and what the source on it is told.

use crate::Scenario;
use crate::appliance::Appliance;
use crate::board::Board;
use crate::devices::{HdmiInput, shows_bars};
use capturebox::capture::v4l2::edid::Edid;

pub const SCENARIOS: &[Scenario] = &[
    ("hdmi::a_cable_that_is_out_for_ten_seconds_leaves_a_slate", a_cable_that_is_out_for_ten_seconds_leaves_a_slate),
    ("hdmi::another_signal_is_another_picture_size", another_signal_is_another_picture_size),
    ("hdmi::another_signal_is_scaled_where_a_size_is_given", another_signal_is_scaled_where_a_size_is_given),
    ("hdmi::sync_that_is_lost_is_found_again", sync_that_is_lost_is_found_again),
    ("hdmi::the_source_is_told_what_it_may_send", the_source_is_told_what_it_may_send),
    ("hdmi::an_edid_is_replaced_while_the_stream_runs", an_edid_is_replaced_while_the_stream_runs),
    ("hdmi::sound_changes_its_rate", sound_changes_its_rate),
];

/// Few pictures a second: an emulated processor has to make, scale and encode them.
fn stream(input: &HdmiInput, more: &str) -> String {
    format!(
        "[streams.camera]\nvideo = {{ source = \"v4l2\", device = \"{}\", fps = 5{more} }}\n\
         [streams.camera.hls]\nsegment_ms = 1000\n",
        input.node
    )
}

/// Whether the input's EDID is this one; its driver puts an address of its own into the second block.
fn has(input: &HdmiInput, board: &Board, edid: &[u8]) -> bool {
    let found = input.edid(board);
    found.len() == edid.len() && found[..128] == edid[..128]
}

fn a_cable_that_is_out_for_ten_seconds_leaves_a_slate(board: &Board) {
    let input = HdmiInput::plug_in(board);
    let appliance = Appliance::start(board, &stream(&input, ", size = \"320x180\""));
    appliance.wait_until_live("camera", "video");
    appliance.wait_for_segments("camera", 2);
    let played = appliance.played_while("camera", || {
        input.signal(board, "No Signal");
        appliance.wait_for_cause("camera", "video", "no cable");
        board.pass(10);
        assert!(!appliance.pictures("camera", 1).iter().all(shows_bars), "a slate stands in");
        input.signal(board, "Current DV Timings");
        appliance.wait_until_live("camera", "video");
    });
    played.is_steady(50);
    assert_eq!(appliance.said("no cable, or the other end is off"), 1, "it is said once");
    assert_eq!(appliance.said("video is live"), 2, "so is that it is back");
}

fn another_signal_is_another_picture_size(board: &Board) {
    let input = HdmiInput::plug_in(board);
    input.timings(board, 720);
    let appliance = Appliance::start(board, &stream(&input, "").replace("fps = 5", "fps = 2"));
    appliance.wait_until_live("camera", "video");
    appliance.wait_for_size("camera", (1280, 720));
    appliance.wait_for_segments("camera", 2);
    let played = appliance.played_while("camera", || {
        for (height, size) in [(1080, (1920, 1080)), (720, (1280, 720))] {
            input.timings(board, height);
            appliance.wait_for_size("camera", size);
            appliance.wait_until_live("camera", "video");
        }
    });
    played.lasts(10);
    assert_eq!(appliance.count("camera", "bytes_copied"), 0, "the encoder reads pictures where the driver put them");
    // At 60 a second there may be no picture before the first change is told.
    assert!(appliance.said("has no signal: ") <= 2, "each change is said once at most:\n{}", appliance.log());
}

fn another_signal_is_scaled_where_a_size_is_given(board: &Board) {
    let input = HdmiInput::plug_in(board);
    let appliance = Appliance::start(board, &stream(&input, ", size = \"320x180\""));
    appliance.wait_until_live("camera", "video");
    appliance.wait_for_segments("camera", 2);
    let map = appliance.map("camera");
    let played = appliance.played_while("camera", || {
        input.timings(board, 720);
        appliance.wait_for_log("1280x720 at 60");
        appliance.wait_until_live("camera", "video");
    });
    played.is_steady(10);
    let pictures = appliance.pictures("camera", 1);
    assert!(pictures.iter().all(|picture| (picture.width, picture.height) == (320, 180)), "its size stays");
    assert!(appliance.count("camera", "bytes_copied") > 0, "that has its price, and it is told");
    assert_eq!(appliance.map("camera"), map, "players notice nothing");
}

fn sync_that_is_lost_is_found_again(board: &Board) {
    let input = HdmiInput::plug_in(board);
    let appliance = Appliance::start(board, &stream(&input, ", size = \"320x180\""));
    appliance.wait_until_live("camera", "video");
    appliance.wait_for_segments("camera", 2);
    let played = appliance.played_while("camera", || {
        for (signal, cause) in [("No Lock", "no sync"), ("Out of Range", "out of range")] {
            input.signal(board, signal);
            appliance.wait_for_cause("camera", "video", cause);
            input.signal(board, "Current DV Timings");
            appliance.wait_until_live("camera", "video");
        }
    });
    played.is_steady(15);
    for cause in ["no sync", "out of range"] {
        assert_eq!(appliance.said(cause), 1, "{cause} is said once:\n{}", appliance.log());
    }
}

fn the_source_is_told_what_it_may_send(board: &Board) {
    let input = HdmiInput::plug_in(board);
    input.signal(board, "No Signal");
    input.write_edid(board, &[]);
    let appliance = Appliance::start(board, &stream(&input, ", size = \"320x180\""));
    appliance.wait_for_cause("camera", "video", "no cable");
    assert!(has(&input, board, Edid::own().bytes()));
    input.signal(board, "Current DV Timings");
    appliance.wait_until_live("camera", "video");
    assert_eq!(appliance.said("told its source what it may send"), 1, "at the start alone");
}

fn an_edid_is_replaced_while_the_stream_runs(board: &Board) {
    let input = HdmiInput::plug_in(board);
    board.write("/tmp/edid", Edid::own().bytes());
    let appliance = Appliance::start(board, &stream(&input, ", size = \"320x180\", edid = \"/tmp/edid\""));
    appliance.wait_until_live("camera", "video");
    appliance.wait_for_segments("camera", 2);
    let mut other = Edid::own().bytes().to_vec();
    // Another serial number, and the sum that goes with it.
    other[12] = 1;
    other[127] = other[127].wrapping_sub(1);
    let played = appliance.played_while("camera", || {
        board.write("/tmp/edid", &other);
        // It takes effect when the source looks again.
        input.signal(board, "No Signal");
        appliance.wait_for_cause("camera", "video", "no cable");
        input.signal(board, "Current DV Timings");
        appliance.wait_until_live("camera", "video");
        assert!(has(&input, board, &other));
        // So it is when another program clears it.
        input.signal(board, "No Signal");
        appliance.wait_for_cause("camera", "video", "no cable");
        input.write_edid(board, &[]);
        board.wait_until("the EDID to be back", || has(&input, board, &other));
        input.signal(board, "Current DV Timings");
        appliance.wait_until_live("camera", "video");
    });
    played.is_steady(15);
    assert_eq!(appliance.said("no cable, or the other end is off"), 2, "once for each time");
}

fn sound_changes_its_rate(board: &Board) {
    let input = HdmiInput::plug_in(board);
    board.run("modprobe snd-aloop");
    board.spawn("exec aplay -q -D hw:Loopback,0 -f S16_LE -c 2 -r 48000 /dev/urandom", "/tmp/aplay");
    let appliance = Appliance::start(
        board,
        &stream(&input, ", size = \"320x180\"").replace(
            "[streams.camera.hls]",
            "audio = { source = \"alsa\", device = \"hw:Loopback,1\" }\n[streams.camera.hls]",
        ),
    );
    for kind in ["video", "audio"] {
        appliance.wait_until_live("camera", kind);
    }
    appliance.wait_for_segments("camera", 2);
    let played = appliance.played_while("camera", || {
        // The bridge is the clock: what was set to 48 kHz delivers at the rate of the source from now on.
        board.run("amixer -q -c Loopback cset iface=PCM,name='PCM Rate Shift 100000',device=1 108844");
        appliance.wait_for_log("delivers 44100 Hz: taken as that");
        appliance.wait_until_live("camera", "audio");
        board.pass(3);
    });
    played.is_steady(10);
    assert_eq!(appliance.source("camera", "audio"), "live");
    // What the change itself left over is made up for first.
    board.wait_until("the source to be taken for what it is", || {
        let correction = appliance.status("camera")["pipeline"]["audio_correction_ppm"].as_i64();
        correction.expect("a number").abs() < 2_000
    });
}
