//! Microphones: what people do to them, and what a box that hangs does to them.

use crate::Scenario;
use crate::appliance::Appliance;
use crate::board::Board;
use crate::devices::Microphone;

pub const SCENARIOS: &[Scenario] = &[
    ("microphones::sound_is_streamed", sound_is_streamed),
    ("microphones::one_that_comes_later_is_found", one_that_comes_later_is_found),
    ("microphones::unplugged_and_back", unplugged_and_back),
    ("microphones::one_in_use_is_waited_for", one_in_use_is_waited_for),
    ("microphones::overruns_without_end_are_lived_through", overruns_without_end_are_lived_through),
];

fn start(board: &Board) -> Appliance<'_> {
    let audio = format!("source = \"alsa\", device = \"{}\"", Microphone::NAME);
    let streams = format!("[streams.choir]\naudio = {{ {audio} }}\n[streams.choir.hls]\nsegment_ms = 1000\n");
    Appliance::start(board, &streams)
}

/// A microphone that somebody listens to already.
fn live(board: &Board) -> Appliance<'_> {
    let appliance = start(board);
    appliance.wait_until_live("choir", "audio");
    appliance.wait_for_segments("choir", 2);
    appliance
}

/// How loud the stream is now, dB of full scale; it is measured from the first question on.
fn loudness(appliance: &Appliance<'_>) -> Option<f64> {
    appliance.status("choir")["pipeline"]["audio_levels"][0]["rms_dbfs"].as_f64()
}

/// The tone is at -18 dBFS; silence is at -96.
fn hears(appliance: &Appliance<'_>, tone: bool) {
    appliance.board.wait_until(if tone { "the tone" } else { "silence" }, || {
        loudness(appliance).is_some_and(|db| if tone { (-25.0..-15.0).contains(&db) } else { db < -90.0 })
    });
}

fn sound_is_streamed(board: &Board) {
    let microphone = Microphone::plug_in(board);
    microphone.play_tone();
    let appliance = live(board);
    let played = appliance.played_while("choir", || {
        hears(&appliance, true);
        appliance.wait_for_segments("choir", 5);
    });
    played.goes_on();
    let sound = appliance.sound("choir", 2);
    let loud = sound.iter().filter(|sample| sample.unsigned_abs() > 2_000).count();
    assert!(loud > sound.len() / 4, "{loud} of {} samples are loud", sound.len());
    assert_eq!(appliance.said("audio is live"), 1);
    assert_eq!(appliance.said("WARN"), 0);
}

fn one_that_comes_later_is_found(board: &Board) {
    let appliance = start(board);
    appliance.wait_for_cause("choir", "audio", "is not there");
    appliance.wait_for_segments("choir", 2);
    assert!(appliance.sound("choir", 2).iter().all(|sample| sample.unsigned_abs() < 8), "silence stands in");
    let played = appliance.played_while("choir", || {
        Microphone::plug_in(board).play_tone();
        appliance.wait_until_live("choir", "audio");
        hears(&appliance, true);
    });
    played.goes_on();
    assert_eq!(appliance.said("no audio signal"), 1);
}

fn unplugged_and_back(board: &Board) {
    let microphone = Microphone::plug_in(board);
    microphone.play_tone();
    let appliance = live(board);
    let played = appliance.played_while("choir", || {
        hears(&appliance, true);
        microphone.unplug();
        appliance.wait_for_cause("choir", "audio", "unplugged");
        hears(&appliance, false);
        microphone.plug_in_again();
        microphone.play_tone();
        appliance.wait_until_live("choir", "audio");
        hears(&appliance, true);
    });
    played.goes_on();
    assert_eq!(appliance.said("no audio signal"), 1);
    assert_eq!(appliance.said("audio is live"), 2);
}

fn one_in_use_is_waited_for(board: &Board) {
    let microphone = Microphone::plug_in(board);
    let user = microphone.occupy();
    let appliance = start(board);
    appliance.wait_for_cause("choir", "audio", "in use by another program");
    appliance.wait_for_segments("choir", 2);
    let played = appliance.played_while("choir", || {
        board.run(&format!("kill {user}"));
        appliance.wait_until_live("choir", "audio");
    });
    played.goes_on();
    assert_eq!(appliance.said("no audio signal"), 1);
}

/// A box that hangs again and again for longer than the microphone's buffer lasts.
fn overruns_without_end_are_lived_through(board: &Board) {
    let microphone = Microphone::plug_in(board);
    microphone.play_tone();
    let appliance = live(board);
    let played = appliance.played_while("choir", || {
        for _ in 0..8 {
            appliance.hang(0.8);
        }
        hears(&appliance, true);
        appliance.wait_for_segments("choir", 6);
    });
    played.goes_on();
    assert_eq!(appliance.said("overrun: sound was lost"), 1, "it is said once");
    assert_eq!(appliance.said("no audio signal"), 0);
    assert_eq!(appliance.source("choir", "audio"), "live");
}
