//! MP4 files as sources, H.264 and AAC straight through: played in real time, once or in a loop.
//!
//! Not here: the file format (`container::mp4_file`). When a unit is due is [`timeline`]'s business.
//!
//! Invariant: a unit is handed out when its decode time has come on the monotonic clock, or at most
//! [`AHEAD`] earlier when another is due; memory holds one unit.
#![allow(clippy::disallowed_methods, reason = "plays in real time")]

mod timeline;

use super::pace::wait_until;
use super::{Capture, CaptureError, Captured, Kinds, Source};
use crate::container::mp4_file::{Mp4Error, Mp4File};
use crate::media::Track;
use crate::time::MonoTime;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use timeline::Timeline;

/// Further behind than this (the machine slept, the disk was gone): the rest is played later rather
/// than in a rush.
const LATE_NANOS: i64 = 1_000_000_000;
/// What is due within this goes out with what is due now: waking the threads behind costs more than
/// everything that they do with a unit, and a picture and its sound then wake them once.
const AHEAD: Duration = Duration::from_millis(100);
/// Playing starts at a multiple of this, which is a whole number of ticks for every usual timescale.
const START_GRID_NANOS: i64 = 10_000_000;

/// An MP4 file.
#[derive(Debug, Clone)]
pub struct FileSource {
    path: PathBuf,
    repeat: bool,
    kinds: Kinds,
}

impl FileSource {
    /// Plays picture and sound, for ever if `repeat`.
    pub fn new(path: PathBuf, repeat: bool) -> Self {
        Self { path, repeat, kinds: Kinds::Both }
    }

    /// Takes only one kind from it. Opening then fails when the file doesn't have it.
    pub fn only(self, kinds: Kinds) -> Self {
        Self { kinds, ..self }
    }

    fn error(&self, error: Mp4Error) -> CaptureError {
        match error {
            Mp4Error::Open { source, .. } => {
                CaptureError::Io { device: self.path.display().to_string(), doing: "opening it", error: source }
            }
            other => self.bad(other.to_string()),
        }
    }

    fn bad(&self, problem: String) -> CaptureError {
        CaptureError::BadData { device: self.path.display().to_string(), problem }
    }
}

impl Source for FileSource {
    fn open(&mut self) -> Result<Box<dyn Capture>, CaptureError> {
        let file = Mp4File::open(&self.path).map_err(|error| self.error(error))?;
        let wanted = |track: &Arc<Track>| self.kinds.wants(track.id).then(|| Arc::clone(track));
        let tracks: Vec<Option<Arc<Track>>> = file.tracks().iter().map(wanted).collect();
        if tracks.iter().all(Option::is_none) {
            let missing = if self.kinds == Kinds::Audio { "sound" } else { "picture" };
            return Err(self.bad(format!("has no {missing} in it")));
        }
        for ignored in file.ignored() {
            log::info!("{}: not played: {ignored}", self.name());
        }
        let now = MonoTime::now().as_nanos();
        let start = MonoTime::from_nanos(now.div_euclid(START_GRID_NANOS) * START_GRID_NANOS);
        let timeline = Timeline::new(start, file.tracks());
        Ok(Box::new(Playing {
            source: self.clone(),
            file,
            tracks,
            timeline,
            next: None,
            empty: true,
            woke: MonoTime::ZERO,
        }))
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

struct Playing {
    source: FileSource,
    file: Mp4File<File>,
    /// As in the file; `None` for what isn't wanted.
    tracks: Vec<Option<Arc<Track>>>,
    timeline: Timeline,
    /// What comes next, and when.
    next: Option<(MonoTime, Captured)>,
    /// Nothing came of this pass yet.
    empty: bool,
    /// What was handed out last was waited for until here.
    woke: MonoTime,
}

impl Playing {
    /// Reads on to what is handed out next.
    fn advance(&mut self) -> Result<(MonoTime, Captured), CaptureError> {
        loop {
            match self.file.next() {
                Some(Ok((index, unit))) => {
                    // What isn't wanted counts too: the seam of a loop is where both kinds have ended.
                    let (due, unit) = self.timeline.place(index, unit);
                    if let Some(Some(track)) = self.tracks.get(index) {
                        self.empty = false;
                        return Ok((due, Captured::Unit { track: Arc::clone(track), unit }));
                    }
                }
                Some(Err(error)) => return Err(self.source.error(error)),
                None if self.empty => return Err(self.source.bad("has nothing to play in it".into())),
                None if self.source.repeat => {
                    self.timeline.repeat();
                    self.file.rewind();
                    self.empty = true;
                }
                None => return Ok((self.timeline.end(), Captured::End)),
            }
        }
    }
}

impl Capture for Playing {
    fn read(&mut self, timeout: Duration) -> Result<Option<Captured>, CaptureError> {
        let (due, captured) = match self.next.take() {
            Some(next) => next,
            None => {
                let (due, captured) = self.advance()?;
                let late = MonoTime::now().nanos_since(due);
                if late > LATE_NANOS {
                    self.timeline.delay(late);
                    log::debug!("{}: {} ms behind: goes on from here", self.source.name(), late / 1_000_000);
                }
                (due, captured)
            }
        };
        if self.woke + AHEAD >= due {
            return Ok(Some(captured));
        }
        if !wait_until(due, timeout) {
            self.next = Some((due, captured));
            return Ok(None);
        }
        self.woke = due;
        Ok(Some(captured))
    }
}

#[cfg(test)]
mod tests;
