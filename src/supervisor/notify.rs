//! What the service manager is told (sd_notify). Without one, all of this does nothing.

use log::{debug, warn};
use sd_notify::NotifyState;

/// The box serves. Call it once, when the URL works.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// One line for `systemctl status`.
pub fn status(line: &str) {
    tell(&[NotifyState::Status(line)]);
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

pub(super) fn watchdog() {
    tell(&[NotifyState::Watchdog]);
}

fn tell(state: &[NotifyState<'_>]) {
    match sd_notify::notify(state) {
        Ok(()) => debug!("told the service manager: {state:?}"),
        Err(error) => warn!("the service manager can't be told {state:?}: {error}"),
    }
}
