//! Why a source can't be opened or went away; each by its cause, in words for the person at the box.

use std::io;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum CaptureError {
    #[error("{device} is not there: plug it in, or choose another device (`capturebox devices` lists them)")]
    NotFound { device: String },
    #[error("{device} is in use by another program: stop that program, or choose another device")]
    Busy { device: String },
    #[error("no permission to open {device}: add this user to the group that owns it (video or audio)")]
    Permission { device: String },
    #[error("{device} was unplugged")]
    Unplugged { device: String },
    #[error("{device} has no signal: {cause}")]
    NoSignal { device: String, cause: &'static str },
    #[error("nobody publishes")]
    NobodyPublishes,
    #[error("whoever published was sent away: {fault}")]
    Refused { fault: String },
    #[error("{device} can't do {wanted}; it offers {offered}")]
    Unsupported { device: String, wanted: String, offered: String },
    #[error("{device}: {problem}")]
    BadData { device: String, problem: String },
    #[error("{program} could not be started: {error}")]
    Spawn { program: String, error: io::Error },
    #[error("{program} ended ({status})")]
    Exited { program: String, status: String },
    #[error("{device}: {doing} failed: {error}")]
    Io { device: String, doing: &'static str, error: io::Error },
}
