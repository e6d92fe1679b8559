//! The desk on simulated lines, in simulated time.

use super::*;
use crate::config::{Config, LineConfig, Pull};
use crate::control::Shine;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

#[derive(Default)]
struct Board {
    taken_by_others: bool,
    breaks: bool,
    closed: bool,
    edges: VecDeque<(usize, Result<Edge, PinError>)>,
    lit: BTreeMap<usize, bool>,
    tries: usize,
}

#[derive(Clone, Default)]
struct Simulated(Rc<RefCell<Board>>);

impl Simulated {
    fn take(&self, line: &LineConfig) -> Result<(), PinError> {
        let mut board = self.0.borrow_mut();
        board.tries += 1;
        let crate::config::Line::Number(line) = line.line else { panic!("by number") };
        let taken = || PinError::Taken { chip: "gpiochip0".to_owned(), line, by: "\"fan\"".to_owned() };
        if board.taken_by_others { Err(taken()) } else { Ok(()) }
    }
}

impl Pins for Simulated {
    fn take_button(&mut self, _: usize, line: &LineConfig, _: Option<Pull>) -> Result<bool, PinError> {
        self.take(line).map(|()| false)
    }

    fn is_closed(&mut self, _: usize) -> Option<bool> {
        Some(self.0.borrow().closed)
    }

    fn take_light(&mut self, light: usize, line: &LineConfig) -> Result<(), PinError> {
        self.take(line)?;
        self.0.borrow_mut().lit.insert(light, false);
        Ok(())
    }

    fn set(&mut self, light: usize, lit: bool) -> Result<(), PinError> {
        let mut board = self.0.borrow_mut();
        if board.breaks {
            let (chip, line) = ("gpiochip0".to_owned(), "22".to_owned());
            return Err(PinError::Other { chip, line, reason: "No such device".to_owned() });
        }
        board.lit.insert(light, lit);
        Ok(())
    }

    fn wait(&mut self, _: Duration) -> Option<(usize, Result<Edge, PinError>)> {
        self.0.borrow_mut().edges.pop_front()
    }

    fn give_back_light(&mut self, light: usize) {
        self.0.borrow_mut().lit.remove(&light);
    }
}

const PANEL: &str = "[[panel.buttons]]\nline = 17\nshort = \"mark\"\nlong = \"slate\"\ndouble = \"mute\"\nstream = \"camera\"\n\
    [[panel.lights]]\nline = 22\nshows = [\"too_hot\", \"ready\"]\n[[panel.lights]]\nline = 23\nshows = [\"live\"]\n";

struct Rig {
    desk: Desk,
    board: Simulated,
    now: MonoTime,
    status: Status,
    done: Vec<String>,
}

impl Rig {
    fn new() -> Self {
        let board = Simulated::default();
        let config = Config::parse(PANEL, "test").expect("good").panel;
        let status = Status::from_iter([("ready", Shine::On)]);
        let desk = Desk::new(&config, Box::new(board.clone()));
        Self { desk, board, now: MonoTime::from_millis(1_000_000), status, done: Vec::new() }
    }

    /// As the thread does: attends at every deadline.
    fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        loop {
            let now = self.now;
            let missed = self.desk.catch_up(|| now);
            let (wanted, until) = self.desk.attend(self.now, &self.status);
            let heard = self.desk.listen(Duration::ZERO, || now);
            for Wanted { action, stream, by } in missed.into_iter().chain(wanted).chain(heard) {
                self.done.push(format!("{by}: {action} {}", stream.unwrap_or_default()));
            }
            if self.now >= end {
                return;
            }
            self.now = until.max(self.now.plus_nanos(1)).min(end);
        }
    }

    /// Closes or opens the contact, bouncing for some ms.
    fn contact(&mut self, closed: bool) {
        self.board.0.borrow_mut().closed = closed;
        for (after, closed) in [(0, closed), (1, !closed), (3, closed), (4, !closed), (7, closed)] {
            let at = self.now + Duration::from_millis(after);
            self.board.0.borrow_mut().edges.push_back((0, Ok(Edge { at, closed })));
        }
        self.pass(0);
    }

    fn lit(&self) -> Vec<bool> {
        self.board.0.borrow().lit.values().copied().collect()
    }

    fn news(&mut self) -> Vec<String> {
        self.desk.news().into_iter().map(|(_, line)| line).collect()
    }
}

#[test]
fn a_press_that_was_over_before_anybody_looked_was_short() {
    let mut rig = Rig::new();
    rig.pass(10);
    rig.contact(true);
    // The thread is held up for five seconds; the contact opened long before.
    let at = rig.now + Duration::from_millis(90);
    rig.board.0.borrow_mut().edges.push_back((0, Ok(Edge { at, closed: false })));
    rig.board.0.borrow_mut().closed = false;
    rig.now = rig.now + Duration::from_secs(5);
    rig.pass(2_000);
    assert_eq!(rig.done, ["button 17: mark camera"]);
}

#[test]
fn each_press_does_what_it_is_for() {
    let mut rig = Rig::new();
    rig.pass(10);
    for (presses, held, action) in [(1, 100, "mark"), (1, 1_500, "slate"), (2, 100, "mute")] {
        for _ in 0..presses {
            rig.contact(true);
            rig.pass(held);
            rig.contact(false);
            rig.pass(150);
        }
        rig.pass(2_000);
        assert_eq!(std::mem::take(&mut rig.done), [format!("button 17: {action} camera")]);
    }
    assert!(rig.news().is_empty());
}

#[test]
fn lights_are_as_things_are_and_go_out_at_the_end() {
    let mut rig = Rig::new();
    rig.pass(0);
    assert_eq!(rig.lit(), [true, false]);
    rig.status = Status::from_iter([("ready", Shine::On), ("too_hot", Shine::On), ("live", Shine::Partly)]);
    let (mut hot, mut live) = (0, 0);
    for _ in 0..1_000 {
        rig.pass(10);
        let lit = rig.lit();
        hot += usize::from(lit[0]);
        live += usize::from(lit[1]);
    }
    assert!((480..=520).contains(&hot) && (480..=520).contains(&live), "half of the time: {hot} {live}");
    rig.desk.leave();
    assert_eq!(rig.lit(), [false, false]);
}

#[test]
fn an_address_is_spelled_by_the_light_that_says_ready() {
    let mut rig = Rig::new();
    rig.pass(0);
    rig.desk.spell(13, rig.now);
    let (mut blinks, mut before) = (0, true);
    for _ in 0..3_000 {
        rig.pass(10);
        assert!(!rig.lit()[1]);
        blinks += usize::from(rig.lit()[0] && !before);
        before = rig.lit()[0];
    }
    assert_eq!(blinks, 2 * 4 + 1, "twice, and then as before");
    assert!(before);
}

#[test]
fn a_line_that_is_taken_is_told_once_and_tried_until_it_is_free() {
    let mut rig = Rig::new();
    rig.board.0.borrow_mut().taken_by_others = true;
    rig.pass(60_000);
    let told = rig.news();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].starts_with("panel: button 17: line 17 of gpiochip0 is taken by \"fan\"; end that, or"),
        "{told:?}"
    );
    let tries = rig.board.0.borrow().tries;
    assert!((3 * 8..3 * 20).contains(&tries), "further and further apart: {tries}");
    rig.board.0.borrow_mut().taken_by_others = false;
    rig.pass(10_000);
    assert_eq!(rig.news(), ["panel: button 17 works now", "panel: light 22 works now", "panel: light 23 works now"]);
    assert_eq!(rig.lit(), [true, false]);
}

#[test]
fn a_chip_that_goes_away_is_told_and_taken_again() {
    let mut rig = Rig::new();
    rig.pass(1_000);
    rig.board.0.borrow_mut().breaks = true;
    let gone = PinError::Other { chip: "gpiochip0".into(), line: "17".into(), reason: "No such device".into() };
    rig.board.0.borrow_mut().edges.push_back((0, Err(gone)));
    rig.status = Status::from_iter([]);
    rig.pass(300);
    let told = rig.news();
    assert!(told.iter().any(|line| line == "panel: button 17: line 17 of gpiochip0: No such device"), "{told:?}");
    assert!(told.iter().any(|line| line == "panel: light 22: line 22 of gpiochip0: No such device"), "{told:?}");
    rig.board.0.borrow_mut().breaks = false;
    rig.status = Status::from_iter([("ready", Shine::On)]);
    rig.pass(10_000);
    assert_eq!(rig.lit(), [true, false]);
    rig.contact(true);
    rig.pass(100);
    rig.contact(false);
    rig.pass(1_000);
    assert_eq!(rig.done, ["button 17: mark camera"]);
}

#[test]
fn a_press_whose_end_was_lost_is_no_long_one() {
    let mut rig = Rig::new();
    rig.pass(10);
    rig.contact(true);
    rig.pass(100);
    rig.board.0.borrow_mut().closed = false;
    rig.pass(5_000);
    assert_eq!(rig.done, ["button 17: mark camera"]);
}
