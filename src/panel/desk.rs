//! The buttons and lights of a configuration over the lines they hang on: takes the lines, turns edges into presses,
//! keeps the lights as things are. Handed the time and the lines; owns no clock and no thread.
//!
//! A line that can't be had is told once, and tried again.

use super::button::{Button, Press, Timing};
use super::light::{Light, Pattern, Shows, Spelling};
use super::pins::{Edge, PinError, Pins};
use crate::config::{ButtonConfig, LightConfig, LightPattern, PanelConfig};
use crate::control::Status;
use crate::supervisor::Backoff;
use crate::time::MonoTime;
use std::time::Duration;

/// Edges that a kernel keeps for a few lines, and more: bouncing contacts don't keep the lights from their turn.
const MAX_EDGES: usize = 256;
/// How often the lights follow what has changed.
const LOOK: Duration = Duration::from_millis(250);

/// What a press is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub action: &'static str,
    pub stream: Option<String>,
    /// Whose, for the log: `button 17`.
    pub by: String,
}

/// See the module.
pub struct Desk {
    pins: Box<dyn Pins>,
    buttons: Vec<ButtonAt>,
    lights: Vec<LightAt>,
    spelling: Option<Spelling>,
    /// What is to be told, a line each.
    news: Vec<(log::Level, String)>,
}

struct ButtonAt {
    config: ButtonConfig,
    /// While its line is ours.
    button: Option<Button>,
    again: Again,
}

struct LightAt {
    config: LightConfig,
    light: Light,
    /// How it is lit, while its line is ours.
    lit: Option<bool>,
    again: Again,
}

/// When a line is tried again, and what was told of it.
#[derive(Default)]
struct Again {
    backoff: Backoff,
    at: Option<MonoTime>,
    told: Option<PinError>,
}

impl Again {
    fn is_due(&self, now: MonoTime) -> bool {
        self.at.is_none_or(|at| at <= now)
    }

    /// What to tell, if that is new.
    fn failed(&mut self, what: &str, error: PinError, now: MonoTime) -> Option<(log::Level, String)> {
        self.at = Some(now + self.backoff.failed(now));
        let new = self.told.as_ref() != Some(&error);
        let news = new.then(|| (log::Level::Warn, format!("panel: {what}: {error}")));
        self.told = Some(error);
        news
    }

    fn succeeded(&mut self, what: &str, now: MonoTime) -> Option<(log::Level, String)> {
        self.backoff.running(now);
        self.told.take().map(|_| (log::Level::Info, format!("panel: {what} works now")))
    }
}

impl ButtonAt {
    fn name(&self) -> String {
        format!("button {}", self.config.line.line)
    }
}

impl LightAt {
    fn name(&self) -> String {
        format!("light {}", self.config.line.line)
    }
}

impl Desk {
    pub fn new(config: &PanelConfig, pins: Box<dyn Pins>) -> Self {
        let button = |config: &ButtonConfig| ButtonAt { config: config.clone(), button: None, again: Again::default() };
        let light = |config: &LightConfig| LightAt {
            config: config.clone(),
            light: Light::new(shows(config)),
            lit: None,
            again: Again::default(),
        };
        Self {
            pins,
            buttons: config.buttons.iter().map(button).collect(),
            lights: config.lights.iter().map(light).collect(),
            spelling: None,
            news: Vec::new(),
        }
    }

    /// What is to be told since it was last asked.
    pub fn news(&mut self) -> Vec<(log::Level, String)> {
        std::mem::take(&mut self.news)
    }

    /// Spells the last number of an address on the lights.
    pub fn spell(&mut self, number: u8, now: MonoTime) {
        self.spelling = Some(Spelling::new(number, now));
    }

    /// Reads the edges that came while nobody looked, so that a press which is long over isn't taken for one that is
    /// still held.
    pub fn catch_up(&mut self, now: impl Fn() -> MonoTime) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        for _ in 0..MAX_EDGES {
            let Some(heard) = self.hear(Duration::ZERO, &now) else { break };
            wanted.extend(heard);
        }
        wanted
    }

    /// Does what is due: takes lines, tells presses, sets the lights. Says until when nothing else is.
    pub fn attend(&mut self, now: MonoTime, status: &Status) -> (Vec<Wanted>, MonoTime) {
        let mut wanted = Vec::new();
        let mut until = now + LOOK;
        for number in 0..self.buttons.len() {
            self.take_button(number, now);
            let Some(at) = self.buttons.get_mut(number) else { continue };
            if let Some(button) = &mut at.button {
                if button.deadline().is_some_and(|due| due <= now)
                    && let Some(closed) = self.pins.is_closed(number)
                {
                    button.found(closed, now);
                }
                let presses = button.poll(now);
                until = button.deadline().map_or(until, |deadline| until.min(deadline));
                wanted.extend(presses.into_iter().filter_map(|press| does(&at.config, press)));
            }
        }
        let spelled = self.spelling.as_ref().and_then(|spelling| spelling.at(now));
        if spelled.is_none() {
            self.spelling = None;
        }
        for number in 0..self.lights.len() {
            self.take_light(number, now);
            let spells = self.spells(number);
            let Some(at) = self.lights.get_mut(number) else { continue };
            let (lit, next) = match spelled {
                Some((lit, next)) if spells => (lit, Some(next)),
                _ => at.light.at(now, |state| status.of(state)),
            };
            until = next.map_or(until, |next| until.min(next));
            self.set(number, lit, now);
        }
        (wanted, until)
    }

    /// Waits for an edge, not longer than `timeout`, and says what was pressed. Further presses come by
    /// [`Desk::attend`].
    pub fn listen(&mut self, timeout: Duration, now: impl Fn() -> MonoTime) -> Vec<Wanted> {
        self.hear(timeout, &now).unwrap_or_default()
    }

    /// `None`: no edge came.
    fn hear(&mut self, timeout: Duration, now: &impl Fn() -> MonoTime) -> Option<Vec<Wanted>> {
        let (number, heard) = self.pins.wait(timeout)?;
        let at = self.buttons.get_mut(number)?;
        let name = at.name();
        Some(match (heard, &mut at.button) {
            (Ok(Edge { at: time, closed }), Some(button)) => {
                button.edge(time, closed).into_iter().filter_map(|press| does(&at.config, press)).collect()
            }
            (Err(error), _) => {
                at.button = None;
                self.news.extend(at.again.failed(&name, error, now()));
                Vec::new()
            }
            (Ok(_), None) => Vec::new(),
        })
    }

    /// Nothing is lit when the box ends.
    pub fn leave(&mut self) {
        for number in 0..self.lights.len() {
            // What is gone is dark.
            let _ = self.pins.set(number, false);
        }
    }

    fn take_button(&mut self, number: usize, now: MonoTime) {
        let Some(at) = self.buttons.get_mut(number) else { return };
        if at.button.is_some() || !at.again.is_due(now) {
            return;
        }
        let name = at.name();
        let news = match self.pins.take_button(number, &at.config.line, at.config.pull) {
            Ok(closed) => {
                at.button = Some(Button::new(timing(&at.config), closed, now));
                at.again.succeeded(&name, now)
            }
            Err(error) => at.again.failed(&name, error, now),
        };
        self.news.extend(news);
    }

    fn take_light(&mut self, number: usize, now: MonoTime) {
        let Some(at) = self.lights.get_mut(number) else { return };
        if at.lit.is_some() || !at.again.is_due(now) {
            return;
        }
        let name = at.name();
        let news = match self.pins.take_light(number, &at.config.line) {
            Ok(()) => {
                at.lit = Some(false);
                at.again.succeeded(&name, now)
            }
            Err(error) => at.again.failed(&name, error, now),
        };
        self.news.extend(news);
    }

    fn set(&mut self, number: usize, lit: bool, now: MonoTime) {
        let Some(at) = self.lights.get_mut(number).filter(|at| at.lit.is_some_and(|is| is != lit)) else { return };
        match self.pins.set(number, lit) {
            Ok(()) => at.lit = Some(lit),
            Err(error) => {
                at.lit = None;
                self.pins.give_back_light(number);
                let name = at.name();
                self.news.extend(at.again.failed(&name, error, now));
            }
        }
    }

    /// An address is spelled by the lights that say that the box is ready, or else by all.
    fn spells(&self, number: usize) -> bool {
        let ready = |at: &LightAt| at.config.shows.iter().any(|state| ["ready", "power"].contains(state));
        self.lights.get(number).is_some_and(ready) || !self.lights.iter().any(ready)
    }
}

fn does(config: &ButtonConfig, press: Press) -> Option<Wanted> {
    let action = match press {
        Press::Short => config.short,
        Press::Long => config.long,
        Press::Double => config.double,
    };
    let by = format!("button {}", config.line.line);
    action.map(|action| Wanted { action, stream: config.stream.clone(), by })
}

fn timing(config: &ButtonConfig) -> Timing {
    let ms = |ms: u32| Duration::from_millis(ms.into());
    Timing {
        debounce: ms(config.debounce_ms),
        long: config.long.map(|_| ms(config.long_ms)),
        double: config.double.map(|_| ms(config.double_ms)),
    }
}

fn shows(config: &LightConfig) -> Vec<Shows> {
    let pattern = |state: &str| match config.pattern {
        Some(LightPattern::On) => Pattern::On,
        Some(LightPattern::Slow) => Pattern::Slow,
        Some(LightPattern::Fast) => Pattern::Fast,
        Some(LightPattern::Flash) => Pattern::Flash,
        None => match state {
            "too_hot" | "under_voltage" => Pattern::Fast,
            "mute" | "slate" | "disk_low" | "throttled" => Pattern::Slow,
            _ => Pattern::On,
        },
    };
    let shows = config.shows.iter();
    shows.map(|state| Shows { state: (*state).to_owned(), pattern: pattern(state) }).collect()
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
