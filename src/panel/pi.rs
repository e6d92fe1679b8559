//! A Raspberry Pi's header by its registers (rppal): the lines that a header's pins are numbered by.
//!
//! Only written against its documentation: no emulator has what it needs.

#![allow(clippy::disallowed_methods, reason = "shell: waits for devices")]

use super::cdev;
use super::pins::{Edge, PinError, Pins, pull_of};
use crate::config::{Active, Line, LineConfig, Pull};
use crate::time::MonoTime;
use rppal::gpio::{Bias, Error, Gpio, InputPin, Level, OutputPin, Trigger};
use std::collections::BTreeMap;
use std::time::Duration;

/// What it is called in messages.
const HEADER: &str = "the Raspberry Pi's header";
/// The highest number that a pin of the header has.
const LAST: u32 = 27;

/// See the module.
pub struct Pi {
    gpio: Gpio,
    buttons: BTreeMap<usize, (InputPin, Active)>,
    lights: BTreeMap<usize, (OutputPin, Active)>,
}

impl Pi {
    /// `None` on any other board, and where its registers can't be reached.
    pub fn open() -> Option<Self> {
        let gpio = Gpio::new().ok()?;
        Some(Self { gpio, buttons: BTreeMap::new(), lights: BTreeMap::new() })
    }

    fn pin(&self, line: &LineConfig) -> Result<rppal::gpio::Pin, PinError> {
        let number = number(&line.line)?;
        // Its registers obey whoever writes to them; the kernel knows who has the line.
        if let Some(by) = cdev::taken_on_header(number.into()) {
            return Err(PinError::Taken { chip: HEADER.to_owned(), line: number.into(), by });
        }
        self.gpio.get(number).map_err(|error| told(number, &error))
    }
}

impl Pins for Pi {
    fn take_button(&mut self, button: usize, line: &LineConfig, pull: Option<Pull>) -> Result<bool, PinError> {
        let mut pin = self.pin(line)?.into_input();
        pin.set_bias(match pull_of(line, pull) {
            Pull::Up => Bias::PullUp,
            Pull::Down => Bias::PullDown,
            Pull::None => Bias::Off,
        });
        pin.set_interrupt(Trigger::Both, None).map_err(|error| told(pin.pin(), &error))?;
        let closed = is_closed(pin.read(), line.active);
        self.buttons.insert(button, (pin, line.active));
        Ok(closed)
    }

    fn is_closed(&mut self, button: usize) -> Option<bool> {
        self.buttons.get(&button).map(|(pin, active)| is_closed(pin.read(), *active))
    }

    fn take_light(&mut self, light: usize, line: &LineConfig) -> Result<(), PinError> {
        let pin = self.pin(line)?;
        let pin = match line.active {
            Active::High => pin.into_output_low(),
            Active::Low => pin.into_output_high(),
        };
        self.lights.insert(light, (pin, line.active));
        Ok(())
    }

    fn set(&mut self, light: usize, lit: bool) -> Result<(), PinError> {
        if let Some((pin, active)) = self.lights.get_mut(&light) {
            pin.write(if lit == (*active == Active::High) { Level::High } else { Level::Low });
        }
        Ok(())
    }

    fn wait(&mut self, timeout: Duration) -> Option<(usize, Result<Edge, PinError>)> {
        if self.buttons.is_empty() {
            std::thread::sleep(timeout);
            return None;
        }
        let pins: Vec<_> = self.buttons.values().map(|(pin, _)| pin).collect();
        let (number, event) = match self.gpio.poll_interrupts(&pins, false, Some(timeout)) {
            Ok(heard) => heard.map(|(pin, event)| (pin.pin(), event))?,
            // Whichever button it was: it is given back, said, and taken again later.
            Err(error) => {
                let (&button, (pin, _)) = self.buttons.first_key_value()?;
                let failed = told(pin.pin(), &error);
                self.buttons.remove(&button);
                return Some((button, Err(failed)));
            }
        };
        let (&button, (_, active)) = self.buttons.iter().find(|(_, (pin, _))| pin.pin() == number)?;
        let level = if event.trigger == Trigger::RisingEdge { Level::High } else { Level::Low };
        let at = MonoTime::from_nanos(i64::try_from(event.timestamp.as_nanos()).unwrap_or(i64::MAX));
        Some((button, Ok(Edge { at, closed: is_closed(level, *active) })))
    }

    fn give_back_light(&mut self, light: usize) {
        self.lights.remove(&light);
    }
}

fn is_closed(level: Level, active: Active) -> bool {
    (level == Level::High) == (active == Active::High)
}

/// `17`, or `GPIO17` as the kernel names it.
fn number(line: &Line) -> Result<u8, PinError> {
    let number = match line {
        Line::Number(number) => Some(*number),
        Line::Name(name) => name.strip_prefix("GPIO").and_then(|digits| digits.parse().ok()),
    };
    let number = number.filter(|number| *number <= LAST).and_then(|number| u8::try_from(number).ok());
    number.ok_or_else(|| PinError::NoLine {
        chip: HEADER.to_owned(),
        line: line.to_string(),
        there_are: format!("0 to {LAST}, or GPIO0 to GPIO{LAST}"),
    })
}

fn told(number: u8, error: &Error) -> PinError {
    match error {
        Error::PinUsed(_) => {
            PinError::Taken { chip: HEADER.to_owned(), line: number.into(), by: "another button or light".to_owned() }
        }
        Error::Io(error) if error.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error()) => {
            PinError::Taken { chip: HEADER.to_owned(), line: number.into(), by: "another program".to_owned() }
        }
        Error::PermissionDenied(path) => PinError::NotPermitted { chip: path.clone() },
        other => PinError::Other { chip: HEADER.to_owned(), line: number.to_string(), reason: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_by_number_and_by_name() {
        assert_eq!(number(&Line::Number(17)), Ok(17));
        assert_eq!(number(&Line::Name("GPIO4".to_owned())), Ok(4));
        for line in [Line::Number(28), Line::Name("GPIO40".to_owned()), Line::Name("ID_SDA".to_owned())] {
            let told = number(&line).expect_err("not on the header").to_string();
            assert!(told.ends_with("it has 0 to 27, or GPIO0 to GPIO27"), "{told}");
        }
        assert!(is_closed(Level::Low, Active::Low) && !is_closed(Level::High, Active::Low));
    }
}
