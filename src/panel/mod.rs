//! The box's own buttons and lights: presses in, light out, by GPIO lines.
//!
//! ```text
//! line ─edges─▶ button ─press─▶ the list of actions (control)
//! line ◀─on, off── light ◀──── the list of states (control)
//! ```
//!
//! Here: what a contact means (`button`), what a light shows (`light`), both over their lines (`desk`), the lines
//! themselves (`pins`: on a Raspberry Pi's header `pi`, elsewhere `cdev`), and the thread. Not here: what an action
//! does, how things are.
//!
//! Invariants: whatever is wrong with a line, it is said once, tried again, and no stream knows of it.

#![allow(clippy::disallowed_methods, reason = "shell: its thread reads the clock")]

mod button;
mod cdev;
mod desk;
mod light;
mod pi;
mod pins;

use crate::config::PanelConfig;
use crate::control::{Control, Event, Order, What};
use crate::supervisor::{Pulse, SupervisorError};
use crate::time::MonoTime;
use cdev::Cdev;
use desk::{Desk, Wanted};
use pi::Pi;
use pins::Pins;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;

/// So long without a look at whether the box stops or the configuration has changed.
const LOOK: Duration = Duration::from_millis(250);

/// Starts the panel's thread; it follows the configuration.
pub fn start(control: &Arc<Control>) -> Result<(), SupervisorError> {
    let mine = Arc::clone(control);
    control.supervisor().spawn("panel", move |pulse| run(&mine, &pulse))
}

fn run(control: &Arc<Control>, pulse: &Pulse) {
    let mut panel = control.panel();
    let mut events = control.events().listen();
    let stop = control.supervisor().stop();
    while !stop.is_requested() {
        let config = panel.borrow_and_update().clone();
        if config == PanelConfig::default() {
            while !panel.has_changed().unwrap_or(false) && !stop.wait_timeout(LOOK) {
                pulse.beat();
            }
            continue;
        }
        let mut desk = Desk::new(&config, pins(&config));
        while !stop.is_requested() && !panel.has_changed().unwrap_or(false) {
            pulse.beat();
            let missed = desk.catch_up(MonoTime::now);
            let now = MonoTime::now();
            if let Some(number) = asked_for_address(&mut events) {
                desk.spell(number, now);
            }
            let (wanted, until) = desk.attend(now, &control.status());
            let heard = desk.listen(now.until(until).min(LOOK), MonoTime::now);
            for Wanted { action, stream, by } in missed.into_iter().chain(wanted).chain(heard) {
                control.act_later(action, Order { stream, on: None }, by);
            }
            for (level, line) in desk.news() {
                log::log!(level, "{line}");
            }
        }
        desk.leave();
    }
}

/// A Raspberry Pi's own header by its registers; any other chip by the kernel.
fn pins(config: &PanelConfig) -> Box<dyn Pins> {
    let buttons = config.buttons.iter().map(|button| &button.line);
    let mut lines = buttons.chain(config.lights.iter().map(|light| &light.line));
    let header = lines.all(|line| line.chip.is_none());
    match header.then(Pi::open).flatten() {
        Some(pi) => Box::new(pi),
        None => Box::new(Cdev::default()),
    }
}

/// The last number of the newest address that somebody wanted to know.
fn asked_for_address(events: &mut Receiver<Event>) -> Option<u8> {
    use tokio::sync::broadcast::error::TryRecvError;
    let mut number = None;
    loop {
        match events.try_recv() {
            Ok(Event { what: What::Address { address }, .. }) => number = last_number(&address).or(number),
            Ok(_) | Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return number,
        }
    }
}

/// 9 of `http://192.168.1.9:8080/`; other kinds of addresses can't be counted.
fn last_number(url: &str) -> Option<u8> {
    let authority = url.parse::<hyper::Uri>().ok()?;
    let address: std::net::Ipv4Addr = authority.host()?.parse().ok()?;
    Some(address.octets()[3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spelled_of_an_address() {
        assert_eq!(last_number("http://192.168.1.142:8080/"), Some(142));
        assert_eq!(last_number("http://[fe80::1]:8080/"), None);
        assert_eq!(last_number("http://box.local/"), None);
    }
}
