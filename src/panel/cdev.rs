//! The GPIO character device: any chip that Linux knows.

#![allow(clippy::disallowed_methods, reason = "shell: waits for devices")]

use super::pins::{Edge, PinError, Pins, pull_of};
use crate::config::{Active, Line, LineConfig, Pull};
use crate::time::MonoTime;
use gpiocdev::chip::{Chip, chips};
use gpiocdev::line::{Bias, EdgeDetection, EdgeKind, Value};
use gpiocdev::request::{Builder, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a line is told to be taken by.
const CONSUMER: &str = "capturebox";
/// The chips behind a Raspberry Pi's header, by their labels: 1 to 3 and Zero; 4; 5.
const HEADERS: [&str; 3] = ["pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"];

/// See the module.
#[derive(Default)]
pub struct Cdev {
    buttons: BTreeMap<usize, Taken>,
    lights: BTreeMap<usize, Taken>,
}

struct Taken {
    request: Request,
    chip: String,
    line: u32,
}

impl Taken {
    fn failed(&self, reason: impl ToString) -> PinError {
        PinError::Other { chip: self.chip.clone(), line: self.line.to_string(), reason: reason.to_string() }
    }
}

impl Pins for Cdev {
    fn take_button(&mut self, button: usize, line: &LineConfig, pull: Option<Pull>) -> Result<bool, PinError> {
        let bias = match pull_of(line, pull) {
            Pull::Up => Bias::PullUp,
            Pull::Down => Bias::PullDown,
            Pull::None => Bias::Disabled,
        };
        let taken = take(line, |builder| {
            builder.as_input().with_edge_detection(EdgeDetection::BothEdges).with_bias(bias);
        })?;
        let closed = taken.request.value(taken.line).map_err(|error| taken.failed(error))? == Value::Active;
        self.buttons.insert(button, taken);
        Ok(closed)
    }

    fn is_closed(&mut self, button: usize) -> Option<bool> {
        let taken = self.buttons.get(&button)?;
        taken.request.value(taken.line).ok().map(|value| value == Value::Active)
    }

    fn take_light(&mut self, light: usize, line: &LineConfig) -> Result<(), PinError> {
        let taken = take(line, |builder| {
            builder.as_output(Value::Inactive);
        })?;
        self.lights.insert(light, taken);
        Ok(())
    }

    fn set(&mut self, light: usize, lit: bool) -> Result<(), PinError> {
        let Some(taken) = self.lights.get(&light) else { return Ok(()) };
        let value = if lit { Value::Active } else { Value::Inactive };
        taken.request.set_value(taken.line, value).map_err(|error| taken.failed(error))
    }

    fn wait(&mut self, timeout: Duration) -> Option<(usize, Result<Edge, PinError>)> {
        if self.buttons.is_empty() {
            std::thread::sleep(timeout);
            return None;
        }
        let (ready, gone) = {
            let fds = self.buttons.values().map(|taken| PollFd::from_borrowed_fd(taken.request.as_fd(), PollFlags::IN));
            let mut fds: Vec<_> = fds.collect();
            let timeout = Timespec { tv_sec: timeout.as_secs() as _, tv_nsec: timeout.subsec_nanos() as _ };
            // Interrupted by a signal: as if the time were up.
            poll(&mut fds, Some(&timeout)).ok()?;
            let ready = fds.iter().position(|fd| !fd.revents().is_empty())?;
            (ready, fds.get(ready).is_some_and(|fd| !fd.revents().contains(PollFlags::IN)))
        };
        let (&button, taken) = self.buttons.iter().nth(ready)?;
        if gone {
            let error = taken.failed("it is gone");
            self.buttons.remove(&button);
            return Some((button, Err(error)));
        }
        let edge = taken.request.read_edge_event().map_err(|error| taken.failed(error)).map(|event| Edge {
            // CLOCK_MONOTONIC, unless another clock is asked for.
            at: MonoTime::from_nanos(i64::try_from(event.timestamp_ns).unwrap_or(i64::MAX)),
            closed: event.kind == EdgeKind::Rising,
        });
        if edge.is_err() {
            self.buttons.remove(&button);
        }
        Some((button, edge))
    }

    fn give_back_light(&mut self, light: usize) {
        self.lights.remove(&light);
    }
}

fn take(line: &LineConfig, set_up: impl FnOnce(&mut Builder)) -> Result<Taken, PinError> {
    let chip = open(line.chip.as_deref())?;
    let name = called(chip.path());
    let offset = offset(&chip, &name, &line.line)?;
    let mut builder = Request::builder();
    builder.on_chip(chip.path()).with_consumer(CONSUMER).with_line(offset);
    set_up(&mut builder);
    match line.active {
        Active::Low => builder.as_active_low(),
        Active::High => builder.as_active_high(),
    };
    let request = builder.request().map_err(|error| match taken_by(&chip, offset) {
        Some(by) => PinError::Taken { chip: name.clone(), line: offset, by },
        None => PinError::Other { chip: name.clone(), line: offset.to_string(), reason: error.to_string() },
    })?;
    Ok(Taken { request, chip: name, line: offset })
}

/// Who has a line, where somebody has it.
fn taken_by(chip: &Chip, offset: u32) -> Option<String> {
    let info = chip.line_info(offset).ok().filter(|info| info.used)?;
    Some(if info.consumer.is_empty() { "the kernel".to_owned() } else { format!("\"{}\"", info.consumer) })
}

/// By its path, its name or its label; without any of them the one behind a Pi's header, else the first.
fn open(wanted: Option<&str>) -> Result<Chip, PinError> {
    let all: Vec<(PathBuf, String)> = {
        let paths = chips().unwrap_or_default().into_iter();
        paths
            .map(|path| (path.clone(), Chip::from_path(&path).ok().and_then(|chip| chip.info().ok())))
            .map(label)
            .collect()
    };
    let find = |is: &dyn Fn(&(PathBuf, String)) -> bool| all.iter().find(|chip| is(chip)).map(|(path, _)| path.clone());
    let path = match wanted {
        Some(path) if path.starts_with('/') => Some(PathBuf::from(path)),
        Some(name) => find(&|(path, label)| called(path) == name || label == name),
        None => find(&|(_, label)| HEADERS.contains(&label.as_str())).or_else(|| find(&|_| true)),
    };
    let there_are = || {
        let told = all.iter().map(
            |(path, label)| {
                if label.is_empty() { called(path) } else { format!("{} ({label})", called(path)) }
            },
        );
        let told: Vec<_> = told.collect();
        if told.is_empty() { "none".to_owned() } else { told.join(", ") }
    };
    let none = || PinError::NoChip { chip: wanted.unwrap_or("at all").to_owned(), there_are: there_are() };
    let path = path.ok_or_else(&none)?;
    // What the crate makes of errors doesn't tell these two apart.
    match File::options().read(true).write(true).open(&path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(PinError::NotPermitted { chip: path.display().to_string() })
        }
        Err(_) => Err(none()),
        Ok(_) => Chip::from_path(&path).map_err(|error| PinError::Other {
            chip: called(&path),
            line: "any".to_owned(),
            reason: error.to_string(),
        }),
    }
}

/// Who has a line of a Raspberry Pi's header, where somebody has it.
pub fn taken_on_header(line: u32) -> Option<String> {
    let opened = chips().unwrap_or_default().into_iter().filter_map(|path| Chip::from_path(path).ok());
    let mut headers = opened.filter(|chip| chip.info().is_ok_and(|info| HEADERS.contains(&info.label.as_str())));
    taken_by(&headers.next()?, line)
}

fn label((path, info): (PathBuf, Option<gpiocdev::chip::Info>)) -> (PathBuf, String) {
    (path, info.map(|info| info.label).unwrap_or_default())
}

fn called(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn offset(chip: &Chip, name: &str, line: &Line) -> Result<u32, PinError> {
    let lines = chip.info().map_or(0, |info| info.num_lines);
    let none = |line: String, there_are: String| PinError::NoLine { chip: name.to_owned(), line, there_are };
    match line {
        Line::Number(number) if *number < lines => Ok(*number),
        Line::Number(number) => Err(none(number.to_string(), format!("0 to {}", lines.saturating_sub(1)))),
        Line::Name(wanted) => {
            let found = chip.find_line_info(wanted).map(|info| info.offset);
            found.ok_or_else(|| none(wanted.clone(), "lines of other names (gpioinfo lists them)".to_owned()))
        }
    }
}
