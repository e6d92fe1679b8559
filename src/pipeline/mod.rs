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
//!
//! Encoding pictures must not hold up the sound, so each has a thread. Where one source delivers both
//! encoded, there is nothing to encode but a slate, and one thread does both.

#![allow(clippy::disallowed_methods, reason = "shell: its threads read the clock")]

mod audio;
mod feed;
mod inbox;
mod levels;
mod measure;
mod report;
mod sources;
#[cfg(test)]
mod tests;
mod timed;
mod transcode;
mod video;

pub use levels::Level;
pub use measure::{Histogram, STEPS_S};
pub use report::{Counts, Report};

use crate::capture::Kinds;
use crate::capture::contribution::Desk;
use crate::config::StreamConfig;
use crate::encode::{self, EncodeError, VideoEncoder};
use crate::stream::{AlreadyPublished, Stream};
use crate::supervisor::{Pulse, Stop, Supervisor, SupervisorError};
use crate::time::MonoTime;
use audio::AudioLine;
use feed::Outlets;
use inbox::{Inbox, Mail, Received};
use sources::Sources;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use timed::Timed;
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

/// Starts the threads that publish into `stream` until the supervisor stops them. `desk` is where contributions
/// come from.
pub fn start(
    name: &str,
    config: &StreamConfig,
    stream: &Arc<Stream>,
    desk: &Desk,
    supervisor: &Supervisor,
) -> Result<Arc<Report>, PipelineError> {
    let publisher = Arc::new(stream.publish()?);
    let report = Arc::new(Report::default());
    let sources = Sources::new(name, &config.inputs, desk);

    let video = sources.video.map(|hints| {
        let choice = config.encode.encoder;
        let watched = Arc::clone(&report);
        let open = Box::new(move |settings: &_| -> Result<Box<dyn VideoEncoder>, EncodeError> {
            Ok(Box::new(Timed::new(encode::open_video(choice, settings)?, Arc::clone(&watched))))
        });
        let settings = video::LineSettings {
            encode: config.encode.clone(),
            size: hints.size,
            frame_rate: hints.rate,
            scales: hints.scales,
            units_late: hints.units_late,
            macroblocks_per_s: encode::macroblocks_per_s(choice),
        };
        VideoLine::new(name, settings, Arc::clone(&publisher), open, Arc::clone(&report))
    });
    let audio = sources.audio.map(|hints| {
        let settings = audio::AudioSettings {
            channels: hints.channels,
            bitrate_bps: config.encode.audio_bitrate_bps,
            raw: hints.raw,
        };
        AudioLine::new(name, settings, Arc::clone(&publisher), Arc::clone(&report))
            .map_err(|error| PipelineError::Audio { stream: name.to_owned(), error })
    });
    let mut inboxes = Vec::new();
    match (video, audio.transpose()?) {
        (Some(video), Some(audio)) if sources.straight_through => {
            inboxes.push((Kinds::Both, spawn(supervisor, format!("{name}:relay"), Both { video, audio })?));
        }
        (video, audio) => {
            if let Some(line) = video {
                inboxes.push((Kinds::Video, spawn(supervisor, format!("{name}:video"), line)?));
            }
            if let Some(line) = audio {
                inboxes.push((Kinds::Audio, spawn(supervisor, format!("{name}:audio"), line)?));
            }
        }
    }
    for (kinds, mut source) in sources.sources {
        let outlets = Outlets(inboxes.iter().filter(|(takes, _)| kinds.meets(*takes)).cloned().collect());
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
    fn handle(&mut self, mail: Mail, now: MonoTime);
    fn poll(&mut self, now: MonoTime);
    fn deadline(&self) -> Option<MonoTime>;
    /// What the inbox threw away so far.
    fn overran(&self, total: u64);
}

/// Both lines of a source that delivers both, encoded.
struct Both {
    video: VideoLine,
    audio: AudioLine,
}

impl Line for Both {
    fn handle(&mut self, mail: Mail, now: MonoTime) {
        match &mail {
            Mail::Frame(_) => self.video.handle(mail, now),
            Mail::Pcm(_) => self.audio.handle(mail, now),
            Mail::Unit { track, .. } if track.id.is_video() => self.video.handle(mail, now),
            Mail::Unit { .. } => self.audio.handle(mail, now),
            Mail::Here(_) | Mail::Away(_) | Mail::Lost | Mail::End => {
                self.video.handle(mail.clone(), now);
                self.audio.handle(mail, now);
            }
        }
    }

    fn poll(&mut self, now: MonoTime) {
        let due = |deadline: Option<MonoTime>| deadline.is_some_and(|deadline| deadline <= now);
        if due(self.video.deadline()) {
            self.video.poll(now);
        }
        if due(self.audio.deadline()) {
            self.audio.poll(now);
        }
    }

    fn deadline(&self) -> Option<MonoTime> {
        [self.video.deadline(), self.audio.deadline()].into_iter().flatten().min()
    }

    fn overran(&self, total: u64) {
        self.video.overran(total);
    }
}

fn spawn(supervisor: &Supervisor, name: String, mut line: impl Line + 'static) -> Result<Arc<Inbox>, SupervisorError> {
    let (stop, inbox) = (supervisor.stop().clone(), Inbox::new());
    let mine = Arc::clone(&inbox);
    supervisor.spawn(name, move |pulse| run(&mut line, &mine, &stop, &pulse))?;
    Ok(inbox)
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
