//! The thread that listens to the outside: signals ask for a stop, the watchdog is fed, and a stop
//! that doesn't come to its end is ended.

#![allow(clippy::disallowed_methods, reason = "reads the clock to judge the threads' beat")]

use super::{Supervisor, notify};
use crate::time::MonoTime;
use log::{error, info, warn};
use std::io;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// An orderly stop closes devices and the last part in well under a second; whatever still runs after
/// this is stuck. Below the 90 s in which systemd kills.
pub const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How often the beat is looked at when no service manager asks for pings.
const LOOK: Duration = Duration::from_secs(5);

/// From here on SIGTERM and SIGINT ask `supervisor` to stop. A second signal ends the process at once,
/// with 128 + its number, as a shell would say; a stop that takes longer than [`STOP_LIMIT`] ends it
/// with 1. The service manager's watchdog, where there is one, is fed while all core threads beat.
pub fn watch(supervisor: &Supervisor) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    // Listening before the thread runs: a signal that comes at once is not lost.
    let listener = {
        let _context = runtime.enter();
        Listener { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? }
    };
    let supervisor = supervisor.clone();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(listener.run(&supervisor)))
        .map(drop)
}

struct Listener {
    terminate: Signal,
    interrupt: Signal,
}

impl Listener {
    async fn run(mut self, supervisor: &Supervisor) {
        let asked = sd_notify::watchdog_enabled();
        let mut look = tokio::time::interval(asked.map_or(LOOK, |interval| interval / 2));
        let mut health = Health::default();
        loop {
            tokio::select! {
                () = supervisor.stop().requested() => {
                    notify::stopping();
                    break;
                }
                number = self.next() => {
                    info!("stopping on {}", name(number));
                    // First: a quick stop ends the process before this thread is back.
                    notify::stopping();
                    supervisor.stop().request();
                    break;
                }
                _ = look.tick() => {
                    if health.look(&supervisor.heartbeats().quiet(MonoTime::now())) && asked.is_some() {
                        notify::watchdog();
                    }
                }
            }
        }
        tokio::select! {
            number = self.next() => {
                warn!("{} while stopping: ending at once", name(number));
                std::process::exit(128 + number);
            }
            () = tokio::time::sleep(STOP_LIMIT) => {
                error!("not stopped after {} s: ending", STOP_LIMIT.as_secs());
                std::process::exit(1);
            }
        }
    }

    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        }
    }
}

fn name(number: i32) -> &'static str {
    if number == SignalKind::interrupt().as_raw_value() { "SIGINT" } else { "SIGTERM" }
}

/// Whether all core threads beat; says once when that changes.
#[derive(Debug, Default)]
struct Health {
    quiet: Vec<String>,
}

impl Health {
    fn look(&mut self, quiet: &[String]) -> bool {
        if self.quiet != quiet {
            match quiet {
                [] => info!("all core threads run again"),
                names => error!("no sign of life from {}: no more watchdog pings", names.join(", ")),
            }
            self.quiet = quiet.to_vec();
        }
        quiet.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_quiet_thread_is_enough_to_withhold_the_ping() {
        let mut health = Health::default();
        assert!(health.look(&[]));
        assert!(!health.look(&["camera/video".to_owned()]));
        assert!(!health.look(&["camera/video".to_owned()]));
        assert!(health.look(&[]));
    }
}
