//! Lines of a GPIO chip, whoever drives them: one small trait, and why a line can't be had, in words that say what to
//! do.

use crate::config::{Active, LineConfig, Pull};
use crate::time::MonoTime;
use std::time::Duration;
use thiserror::Error;

/// A contact has closed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// By the kernel's clock.
    pub at: MonoTime,
    pub closed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PinError {
    #[error("there is no GPIO chip {chip}; this board has {there_are}")]
    NoChip { chip: String, there_are: String },
    #[error("{chip} has no line {line}; it has {there_are}")]
    NoLine { chip: String, line: String, there_are: String },
    #[error(
        "line {line} of {chip} is taken by {by}; end that, or choose another line in [panel] (gpioinfo lists them)"
    )]
    Taken { chip: String, line: u32, by: String },
    #[error("{chip} may not be opened; permit it to the box's account (board/README.md, udev)")]
    NotPermitted { chip: String },
    #[error("line {line} of {chip}: {reason}")]
    Other { chip: String, line: String, reason: String },
}

/// The lines that buttons and lights hang on, by numbers that the caller gives.
pub trait Pins {
    /// Takes a line as an input; says whether the contact is closed.
    fn take_button(&mut self, button: usize, line: &LineConfig, pull: Option<Pull>) -> Result<bool, PinError>;

    /// Whether a button's contact is closed now.
    fn is_closed(&mut self, button: usize) -> Option<bool>;

    /// Takes a line as an output, off.
    fn take_light(&mut self, light: usize, line: &LineConfig) -> Result<(), PinError>;

    fn set(&mut self, light: usize, lit: bool) -> Result<(), PinError>;

    /// Waits for a button's edge, not longer than `timeout`. A button that fails is given back.
    fn wait(&mut self, timeout: Duration) -> Option<(usize, Result<Edge, PinError>)>;

    fn give_back_light(&mut self, light: usize);
}

/// Where a line says nothing of a pull: towards what isn't pressed.
pub fn pull_of(line: &LineConfig, pull: Option<Pull>) -> Pull {
    pull.unwrap_or(match line.active {
        Active::Low => Pull::Up,
        Active::High => Pull::Down,
    })
}
