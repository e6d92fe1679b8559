//! How a push does, as the API, the metrics and the console show it.

use crate::time::{Epoch, MonoTime};
use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The configuration has it turned off.
    Off,
    /// The stream has nothing to send.
    Waiting,
    Connecting,
    Live,
    /// It failed, and is tried again after a while.
    Resting,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The server, without the path and what else may be a secret.
    pub to: String,
    pub phase: Phase,
    pub since: MonoTime,
    /// What is sent now.
    pub bitrate_bps: u64,
    /// Bytes of payload, since the configuration has it.
    pub sent_bytes: u64,
    pub failures: u64,
    /// Why it isn't live, or wasn't the last time it was tried.
    pub cause: Option<String>,
}

/// `GET /api/v1/streams/{name}` shows these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    pub to: String,
    pub state: Phase,
    pub since_unix_ms: i64,
    pub bitrate_bps: u64,
    pub sent_bytes: u64,
    pub failures: u64,
    pub error: Option<String>,
}

impl Status {
    pub fn new(to: String, enabled: bool, now: MonoTime) -> Self {
        let phase = if enabled { Phase::Waiting } else { Phase::Off };
        Self { to, phase, since: now, bitrate_bps: 0, sent_bytes: 0, failures: 0, cause: None }
    }

    pub fn shown(&self, epoch: Epoch) -> Shown {
        Shown {
            to: self.to.clone(),
            state: self.phase,
            since_unix_ms: epoch.unix_nanos_at(self.since) / 1_000_000,
            bitrate_bps: self.bitrate_bps,
            sent_bytes: self.sent_bytes,
            failures: self.failures,
            error: self.cause.clone(),
        }
    }
}
