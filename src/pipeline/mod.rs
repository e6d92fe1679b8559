//! One stream's way from its sources into the stream: capture → pace → encode → publish, with the
//! slate and silence that stand in when a source is away.
//!
//! Here: the threads ([`start`]), the handover between them, and what each does with what it gets
//! ([`video`], [`audio`]; both are handed the time). Not here: devices, clocks, encoders.
//!
//! ```text
//!  source ─▶ capture thread ─▶ inbox ─▶ video thread ─┐
//!         (feed)            └▶ inbox ─▶ audio thread ─┴▶ stream
//! ```

#![allow(clippy::disallowed_methods, reason = "shell: its threads read the clock")]

mod audio;
mod feed;
mod inbox;
mod report;
mod sources;
#[cfg(test)]
mod tests;
mod video;

pub use report::{Counts, Report};

use crate::capture::Kinds;
use crate::config::StreamConfig;
use crate::encode::{self, EncodeError};
use crate::stream::{AlreadyPublished, Stream};
use crate::supervisor::{Pulse, Stop, Supervisor, SupervisorError};
use crate::time::MonoTime;
use audio::AudioLine;
use feed::Outlets;
use inbox::{Inbox, Received};
use sources::Sources;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use video::VideoLine;

/// A thread that has nothing to do beats this often.
const BEAT: Duration = Duration::from_millis(500);

#[derive(Debug, Error)]
pub enum PipelineError {
    #[error("{stream}: {error}")]
    Audio { stream: String, error: EncodeError },
    #[error(transparent)]
    Taken(#[from] AlreadyPublished),
    #[error(transparent)]
    Thread(#[from] SupervisorError),
}

/// Starts the threads that publish into `stream` until the supervisor stops them.
pub fn start(
    name: &str,
    config: &StreamConfig,
    stream: &Arc<Stream>,
    supervisor: &Supervisor,
) -> Result<Arc<Report>, PipelineError> {
    let publisher = Arc::new(stream.publish()?);
    let report = Arc::new(Report::default());
    let sources = Sources::new(&config.inputs);

    let video = sources.video.as_ref().map(|_| Inbox::new());
    let audio = sources.audio.as_ref().map(|_| Inbox::new());

    if let (Some(hints), Some(inbox)) = (sources.video, &video) {
        let choice = config.encode.encoder;
        let open = Box::new(move |settings: &_| encode::open_video(choice, settings));
        let settings = video::LineSettings { encode: config.encode.clone(), size: hints.size, frame_rate: hints.rate };
        let line = VideoLine::new(name, settings, Arc::clone(&publisher), open, Arc::clone(&report));
        spawn(supervisor, format!("{name}:video"), line, Arc::clone(inbox))?;
    }
    if let (Some(hints), Some(inbox)) = (sources.audio, &audio) {
        let settings = audio::AudioSettings {
            channels: hints.channels,
            bitrate_bps: config.encode.audio_bitrate_bps,
            raw: hints.raw,
        };
        let line = AudioLine::new(name, settings, Arc::clone(&publisher), Arc::clone(&report))
            .map_err(|error| PipelineError::Audio { stream: name.to_owned(), error })?;
        spawn(supervisor, format!("{name}:audio"), line, Arc::clone(inbox))?;
    }
    for (kinds, mut source) in sources.sources {
        let outlets = Outlets {
            video: video.clone().filter(|_| kinds != Kinds::Audio),
            audio: audio.clone().filter(|_| kinds != Kinds::Video),
        };
        let what = match kinds {
            Kinds::Video => "camera",
            Kinds::Audio => "mic",
            Kinds::Both => "input",
        };
        let (stream, stop) = (name.to_owned(), supervisor.stop().clone());
        supervisor.spawn(format!("{name}:{what}"), move |pulse| {
            feed::run(&stream, &mut *source, &outlets, &stop, &pulse);
        })?;
    }
    Ok(report)
}

/// What the video and the audio thread have in common: mail, deadlines and the time, no clock.
trait Line: Send {
    fn handle(&mut self, mail: inbox::Mail, now: MonoTime);
    fn poll(&mut self, now: MonoTime);
    fn deadline(&self) -> Option<MonoTime>;
    /// What the inbox threw away so far.
    fn overran(&self, total: u64);
}

fn spawn(
    supervisor: &Supervisor,
    name: String,
    mut line: impl Line + 'static,
    inbox: Arc<Inbox>,
) -> Result<(), SupervisorError> {
    let stop = supervisor.stop().clone();
    supervisor.spawn(name, move |pulse| run(&mut line, &inbox, &stop, &pulse))
}

fn run(line: &mut impl Line, inbox: &Inbox, stop: &Stop, pulse: &Pulse) {
    while !stop.is_requested() {
        pulse.beat();
        let beat = MonoTime::now() + BEAT;
        match inbox.receive(Some(line.deadline().map_or(beat, |deadline| deadline.min(beat)))) {
            Received::Mail(mail) => line.handle(mail, MonoTime::now()),
            Received::Deadline => {}
            Received::Closed => return,
        }
        let now = MonoTime::now();
        if line.deadline().is_some_and(|deadline| deadline <= now) {
            line.poll(now);
        }
        line.overran(inbox.dropped());
    }
}
