//! One button: edges of a bouncing contact in, presses out. Sans-IO.
//!
//! A level counts when it has stayed for the debounce time, from its beginning on. What was begun before a time is
//! up counts as in time, also when it is only certain afterwards.

use crate::time::MonoTime;
use std::time::Duration;

/// What a button can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Press {
    Short,
    Long,
    Double,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A level that lasts shorter is no press.
    pub debounce: Duration,
    /// Held for so long, it is a long press, told while it is still held. `None`: there is none, and however long
    /// it is held it is a short one.
    pub long: Option<Duration>,
    /// A second press that begins so soon after the end of the first makes a double one. `None`: there is none, and
    /// a short press needn't wait for it.
    pub double: Option<Duration>,
}

/// See the module.
#[derive(Debug)]
pub struct Button {
    timing: Timing,
    /// The contact as it was last heard of, and since when.
    contact: bool,
    contact_since: MonoTime,
    /// The last edge, until the debounce time after it is over: more of them may have been than were heard of.
    heard: Option<MonoTime>,
    /// What counts.
    pressed: bool,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    /// Pressed since then.
    Down(MonoTime),
    /// A short press ended then; a second one may follow.
    Once(MonoTime),
    /// It has been told what it is, or it was pressed from the start: its end says nothing.
    Told,
}

/// What time brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The contact has stayed.
    Settle,
    /// It is time to look how it was found.
    Look,
    /// It was held long, or no second press came.
    TimeIsUp,
}

impl Button {
    /// `pressed`: as it is found. A button that is held, or jammed, when the box starts does nothing until it is let
    /// go.
    pub fn new(timing: Timing, pressed: bool, now: MonoTime) -> Self {
        let phase = if pressed { Phase::Told } else { Phase::Idle };
        Self { timing, contact: pressed, contact_since: now, heard: None, pressed, phase }
    }

    /// The contact has changed. What was certain before that is told.
    pub fn edge(&mut self, at: MonoTime, closed: bool) -> Vec<Press> {
        // Edges come in their order; a clock that says otherwise isn't believed.
        let at = at.max(self.contact_since);
        let told = self.poll(at);
        self.heard = Some(at);
        if closed != self.contact {
            self.contact = closed;
            self.contact_since = at;
        }
        told
    }

    /// As the contact is found when [`Button::deadline`] is over, before it is polled: of a contact that bounces,
    /// edges get lost. It changed at the last edge, or in time: nobody holds a button by losing an edge.
    pub fn found(&mut self, closed: bool, now: MonoTime) {
        if closed != self.contact {
            let in_time = || self.deadline().map_or(now, |due| due.plus_nanos(-1).min(now));
            let in_time = self.heard.unwrap_or_else(in_time);
            self.contact = closed;
            self.contact_since = in_time.max(self.contact_since);
        }
    }

    /// What is certain by `now`, in its order.
    pub fn poll(&mut self, now: MonoTime) -> Vec<Press> {
        let mut told = Vec::new();
        while let Some((due, step)) = self.next()
            && due <= now
        {
            let press = match step {
                Step::Settle => {
                    self.pressed = self.contact;
                    self.settled(self.contact_since)
                }
                Step::Look => {
                    self.heard = None;
                    None
                }
                Step::TimeIsUp => self.time_is_up(),
            };
            told.extend(press);
        }
        told
    }

    /// When [`Button::poll`] has something to do, if no edge comes before.
    pub fn deadline(&self) -> Option<MonoTime> {
        self.next().map(|(due, _)| due)
    }

    fn next(&self) -> Option<(MonoTime, Step)> {
        let settle = (self.contact != self.pressed).then(|| self.contact_since + self.timing.debounce);
        let up = match self.phase {
            Phase::Down(since) => self.timing.long.map(|long| since + long),
            Phase::Once(since) => self.timing.double.map(|double| since + double),
            Phase::Idle | Phase::Told => None,
        };
        // A change that began in time, though it may still turn out to be none.
        let up = up.filter(|up| settle.is_none() || self.contact_since >= *up);
        let look = self.heard.map(|heard| heard + self.timing.debounce);
        let steps = [(up, Step::TimeIsUp), (settle, Step::Settle), (look, Step::Look)];
        steps.into_iter().filter_map(|(due, step)| Some((due?, step))).min_by_key(|(due, _)| *due)
    }

    /// It is pressed, or let go, since then.
    fn settled(&mut self, since: MonoTime) -> Option<Press> {
        let (phase, press) = match (self.phase, self.pressed) {
            (Phase::Once(_), true) => (Phase::Told, Some(Press::Double)),
            (_, true) => (Phase::Down(since), None),
            (Phase::Down(_), false) if self.timing.double.is_some() => (Phase::Once(since), None),
            (Phase::Down(_), false) => (Phase::Idle, Some(Press::Short)),
            (_, false) => (Phase::Idle, None),
        };
        self.phase = phase;
        press
    }

    fn time_is_up(&mut self) -> Option<Press> {
        let (phase, press) = match self.phase {
            Phase::Down(_) => (Phase::Told, Some(Press::Long)),
            Phase::Once(_) => (Phase::Idle, Some(Press::Short)),
            other => (other, None),
        };
        self.phase = phase;
        press
    }
}

#[cfg(test)]
#[path = "button_tests.rs"]
mod tests;
