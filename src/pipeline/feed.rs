//! The capture thread: opens a source, reads it into inboxes, and opens it again when it fails.
//!
//! Tells each change once: away (and why), here again. The stream logs it; repeats of the same failure
//! are silent.

#![allow(clippy::disallowed_methods, reason = "shell: owns the device")]

use super::inbox::{Inbox, Mail};
use crate::capture::{CaptureError, Captured, Source};
use crate::supervisor::{Backoff, Pulse, Stop};
use crate::time::MonoTime;
use std::sync::Arc;
use std::time::Duration;

/// How long a read may keep us from noticing that we should stop.
const READ_TIMEOUT: Duration = Duration::from_millis(200);

/// While it waits to try again, the thread beats this often.
const BEAT: Duration = Duration::from_millis(500);

/// Where a source's pictures and sound go; a source of one kind has one outlet.
pub struct Outlets {
    pub video: Option<Arc<Inbox>>,
    pub audio: Option<Arc<Inbox>>,
}

impl Outlets {
    fn push(&self, captured: Captured) {
        let outlet = match &captured {
            Captured::Frame(_) => &self.video,
            Captured::Pcm(_) => &self.audio,
            Captured::Unit { track, .. } if track.id.is_video() => &self.video,
            Captured::Unit { .. } => &self.audio,
            Captured::End => return self.tell(&Mail::End),
        };
        if let Some(inbox) = outlet {
            inbox.push(captured.into());
        }
    }

    fn tell(&self, news: &Mail) {
        for inbox in [&self.video, &self.audio].into_iter().flatten() {
            inbox.push(news.clone());
        }
    }
}

impl Drop for Outlets {
    fn drop(&mut self) {
        for inbox in [&self.video, &self.audio].into_iter().flatten() {
            inbox.close();
        }
    }
}

/// Runs until `stop`, or until the source has come to its end by itself.
pub fn run(stream: &str, source: &mut dyn Source, outlets: &Outlets, stop: &Stop, pulse: &Pulse) {
    let mut backoff = Backoff::default();
    let mut said = String::new();
    while !stop.is_requested() {
        let Err(error) = read(stream, source, outlets, stop, pulse, &mut backoff, &mut said) else { return };
        let cause = error.to_string();
        if cause != said {
            outlets.tell(&Mail::Away(cause.clone()));
            said = cause;
        }
        let mut left = backoff.failed(MonoTime::now());
        while !left.is_zero() && !stop.wait_timeout(left.min(BEAT)) {
            pulse.beat();
            left = left.saturating_sub(BEAT);
        }
    }
}

/// One life of the source: `Ok` when there is nothing more to read.
fn read(
    stream: &str,
    source: &mut dyn Source,
    outlets: &Outlets,
    stop: &Stop,
    pulse: &Pulse,
    backoff: &mut Backoff,
    said: &mut String,
) -> Result<(), CaptureError> {
    let mut capture = source.open()?;
    let mut delivers = false;
    while !stop.is_requested() {
        pulse.beat();
        let Some(captured) = capture.read(READ_TIMEOUT)? else { continue };
        if !delivers {
            delivers = true;
            backoff.running(MonoTime::now());
            log::debug!("{stream}: {} delivers", source.name());
            said.clear();
            outlets.tell(&Mail::Here(capture.frame_rate()));
        }
        let end = matches!(captured, Captured::End);
        outlets.push(captured);
        if end {
            log::debug!("{stream}: {} has ended", source.name());
            return Ok(());
        }
    }
    Ok(())
}
