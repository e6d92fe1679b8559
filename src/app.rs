//! The wiring: configuration in, a running box out. Reads as the block diagram in the README.

use crate::config::Config;
use crate::supervisor::{Supervisor, SupervisorError, signals};
use std::io;
use std::time::Duration;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum AppError {
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    #[error("the signal handler could not be started: {0}")]
    Signals(io::Error),
}

/// Runs the box until it is asked to stop.
pub fn run(_config: Config) -> Result<(), AppError> {
    let supervisor = Supervisor::new();
    signals::watch(&supervisor).map_err(AppError::Signals)?;
    while !supervisor.stop().wait_timeout(Duration::from_secs(60)) {}
    supervisor.join(Duration::from_secs(5))?;
    Ok(())
}
