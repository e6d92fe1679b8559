//! The capture thread: opens a source, reads it into inboxes, and opens it again when it fails.
//!
//! Tells each change once: away (and why), here again. The stream logs it; repeats of the same failure
//! are silent.

#![allow(clippy::disallowed_methods, reason = "shell: owns the device")]

use super::inbox::{Inbox, Mail};
use crate::capture::{Capture, CaptureError, Captured, Kinds, Source};
use crate::supervisor::{Backoff, Pulse, Stop};
use crate::time::MonoTime;
use std::sync::Arc;
use std::time::Duration;

/// How long a read may keep us from noticing that we should stop.
const READ_TIMEOUT: Duration = Duration::from_millis(200);

/// A device that is there without a signal is looked at this often: that costs a few calls, and somebody is about to
/// plug in the cable and look at the picture.
const SIGNAL_BACK: Duration = Duration::from_secs(1);

/// For somebody to publish, the source itself waits.
const SOMEBODY_COMES: Duration = Duration::from_millis(10);

/// While it waits to try again, the thread beats this often.
const BEAT: Duration = Duration::from_millis(500);

/// Units that are handed on together at most: a program that writes faster than real time must not keep
/// us from looking up.
const TOGETHER: usize = 32;

/// Where a source's pictures and sound go, each to the first inbox that takes its kind.
pub struct Outlets(pub Vec<(Kinds, Arc<Inbox>)>);

impl Outlets {
    fn push(&self, captured: Captured) {
        if let Some(inbox) = self.of(&captured) {
            inbox.push(captured.into());
        }
    }

    /// Encoded units that came together.
    fn push_all(&self, mut units: Vec<Captured>) {
        for (kinds, inbox) in &self.0 {
            let mine =
                |captured: &mut Captured| matches!(captured, Captured::Unit { track, .. } if kinds.wants(track.id));
            let mut mail = units.extract_if(.., mine).map(Mail::from).peekable();
            if mail.peek().is_some() {
                inbox.push_all(mail);
            }
        }
    }

    fn of(&self, captured: &Captured) -> Option<&Inbox> {
        let takes = |kinds: &Kinds| match captured {
            Captured::Frame(_) => *kinds != Kinds::Audio,
            Captured::Pcm(_) => *kinds != Kinds::Video,
            Captured::Unit { track, .. } => kinds.wants(track.id),
            Captured::End => false,
        };
        self.0.iter().find(|(kinds, _)| takes(kinds)).map(|(_, inbox)| &**inbox)
    }

    fn tell(&self, news: &Mail) {
        for (_, inbox) in &self.0 {
            inbox.push(news.clone());
        }
    }
}

impl Drop for Outlets {
    fn drop(&mut self) {
        for (_, inbox) in &self.0 {
            inbox.close();
        }
    }
}

/// Runs until `stop`, or until the source has come to its end by itself.
pub fn run(stream: &str, source: &mut dyn Source, outlets: &Outlets, stop: &Stop, pulse: &Pulse) {
    let mut backoff = Backoff::default();
    let mut said = None;
    while !stop.is_requested() {
        let Err(error) = read(stream, source, outlets, stop, pulse, &mut backoff, &mut said) else { return };
        let longest = match error {
            CaptureError::NoSignal { .. } => SIGNAL_BACK,
            CaptureError::NobodyPublishes | CaptureError::Refused { .. } => SOMEBODY_COMES,
            _ => Duration::MAX,
        };
        if is_news(&error, said.as_ref()) {
            outlets.tell(&Mail::Away(error.to_string()));
            said = Some(error);
        }
        let mut left = backoff.failed(MonoTime::now()).min(longest);
        while !left.is_zero() && !stop.wait_timeout(left.min(BEAT)) {
            pulse.beat();
            left = left.saturating_sub(BEAT);
        }
    }
}

/// Whether a failure is another than the last one that was told.
fn is_news(error: &CaptureError, said: Option<&CaptureError>) -> bool {
    match (error, said) {
        (_, None) => true,
        // What was unplugged isn't there.
        (CaptureError::NotFound { .. }, Some(CaptureError::Unplugged { .. })) => false,
        (error, Some(said)) => error.to_string() != said.to_string(),
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
    said: &mut Option<CaptureError>,
) -> Result<(), CaptureError> {
    let mut capture = source.open()?;
    let mut delivers = false;
    let mut held = None;
    while !stop.is_requested() {
        pulse.beat();
        let captured = match held.take() {
            Some(held) => held,
            None => match capture.read(READ_TIMEOUT)? {
                Some(captured) => captured,
                None => continue,
            },
        };
        if !delivers {
            delivers = true;
            backoff.running(MonoTime::now());
            log::debug!("{stream}: {} delivers", source.name());
            *said = None;
            outlets.tell(&Mail::Here(capture.frame_rate()));
        }
        match captured {
            Captured::End => {
                outlets.tell(&Mail::End);
                log::debug!("{stream}: {} has ended", source.name());
                return Ok(());
            }
            unit @ Captured::Unit { .. } => {
                let (units, then) = together(&mut *capture, unit);
                outlets.push_all(units);
                held = then?;
            }
            other => outlets.push(other),
        }
    }
    Ok(())
}

/// The unit and those that are there already, and what came instead of another.
fn together(capture: &mut dyn Capture, first: Captured) -> (Vec<Captured>, Result<Option<Captured>, CaptureError>) {
    let mut units = vec![first];
    while units.len() < TOGETHER {
        match capture.read(Duration::ZERO) {
            Ok(Some(unit @ Captured::Unit { .. })) => units.push(unit),
            then => return (units, then),
        }
    }
    (units, Ok(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_once_and_being_gone_is_no_other_than_being_unplugged() {
        let device = || "/dev/video0".to_owned();
        let (unplugged, not_found) =
            (CaptureError::Unplugged { device: device() }, CaptureError::NotFound { device: device() });
        let busy = CaptureError::Busy { device: device() };
        assert!(is_news(&not_found, None));
        assert!(!is_news(&not_found, Some(&not_found)));
        assert!(!is_news(&not_found, Some(&unplugged)));
        assert!(is_news(&unplugged, Some(&not_found)));
        assert!(is_news(&busy, Some(&unplugged)));
    }
}
