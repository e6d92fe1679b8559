//! The box's buttons and lights, on a simulated GPIO chip: presses with bouncing contacts, lights read back, lines and
//! chips that others have or that aren't there.

use crate::Scenario;
use crate::appliance::Appliance;
use crate::board::Board;
use crate::devices::Gpio;

pub const SCENARIOS: &[Scenario] = &[
    ("panel::each_kind_of_press_does_its_own", each_kind_of_press_does_its_own),
    ("panel::lights_are_as_things_are", lights_are_as_things_are),
    ("panel::a_line_that_is_taken_is_told_once", a_line_that_is_taken_is_told_once),
    ("panel::a_chip_that_comes_later_is_found", a_chip_that_comes_later_is_found),
];

const BUTTON: u32 = 3;
const SIGNAL: u32 = 5;
const MUTED: u32 = 6;

/// A stream, a button and two lights. An emulated board bounces slowly.
fn start(board: &Board) -> Appliance<'_> {
    let stream = "[streams.hall]\ninput = { source = \"test\", size = \"320x180\", fps = 10 }\n\
        [streams.hall.hls]\nsegment_ms = 1000\n";
    let chip = format!("chip = \"{}\"\n", Gpio::LABEL);
    let button = format!(
        "[[panel.buttons]]\nline = {BUTTON}\n{chip}debounce_ms = 150\nlong_ms = 4000\ndouble_ms = 2000\n\
         short = \"mark\"\nlong = \"slate\"\ndouble = \"mute\"\n"
    );
    let light = |line, state| format!("[[panel.lights]]\nline = {line}\n{chip}shows = [\"{state}\"]\n");
    let lights = light(SIGNAL, "signal") + &light(MUTED, "mute");
    Appliance::start(board, &format!("{stream}{button}{lights}"))
}

fn is(appliance: &Appliance<'_>, what: &str) -> bool {
    appliance.status("hall")[what].as_bool().expect("a yes or no")
}

fn each_kind_of_press_does_its_own(board: &Board) {
    let gpio = Gpio::plug_in(board);
    let appliance = start(board);
    appliance.wait_until_live("hall", "video");
    appliance.wait_for_segments("hall", 2);
    gpio.wait_for_owner(BUTTON, "capturebox");

    let played = appliance.played_while("hall", || {
        gpio.press(BUTTON, "0.5");
        appliance.wait_for_log("button 3: mark: mark 1");

        gpio.press(BUTTON, "6");
        appliance.wait_for_log("button 3: slate: hall: the slate is shown");
        assert!(is(&appliance, "private"));
        assert!(!is(&appliance, "muted"));

        gpio.press_twice(BUTTON, "0.5");
        appliance.wait_for_log("button 3: mute: hall: muted");
        assert!(is(&appliance, "muted"));
    });
    played.goes_on();
    assert_eq!(appliance.said("button 3: "), 3, "each press is one");
}

fn lights_are_as_things_are(board: &Board) {
    let gpio = Gpio::plug_in(board);
    let appliance = start(board);
    appliance.wait_until_live("hall", "video");
    board.wait_until("the light for a signal", || gpio.is_lit(SIGNAL));
    assert!(!gpio.is_lit(MUTED));
    gpio.press_twice(BUTTON, "0.5");
    // It blinks.
    for lit in [true, false, true] {
        board.wait_until("the light for mute to change", || gpio.is_lit(MUTED) == lit);
    }
    assert!(gpio.is_lit(SIGNAL));
}

fn a_line_that_is_taken_is_told_once(board: &Board) {
    let gpio = Gpio::plug_in(board);
    let others = gpio.occupy(BUTTON);
    let appliance = start(board);
    appliance.wait_until_live("hall", "video");
    appliance.wait_for_log("is taken by \"gpioset\"; end that, or choose another line");
    // The others are had all the same.
    board.wait_until("the light for a signal", || gpio.is_lit(SIGNAL));
    appliance.wait_for_segments("hall", 5);
    assert_eq!(appliance.said("is taken by"), 1);
    board.run(&format!("kill {others}"));
    appliance.wait_for_log("panel: button 3 works now");
    gpio.press(BUTTON, "0.5");
    appliance.wait_for_log("button 3: mark: mark 1");
}

fn a_chip_that_comes_later_is_found(board: &Board) {
    let appliance = start(board);
    appliance.wait_until_live("hall", "video");
    appliance.wait_for_log(&format!("there is no GPIO chip {}; this board has ", Gpio::LABEL));
    appliance.wait_for_segments("hall", 5);
    assert_eq!(appliance.said("there is no GPIO chip"), 3, "once for each that hangs on it");
    let gpio = Gpio::plug_in(board);
    appliance.wait_for_log("panel: button 3 works now");
    board.wait_until("the light for a signal", || gpio.is_lit(SIGNAL));
    gpio.press(BUTTON, "0.5");
    appliance.wait_for_log("button 3: mark: mark 1");
}
