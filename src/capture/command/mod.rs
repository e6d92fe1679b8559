//! Programs as sources: whatever writes pictures or sound to its standard output is a camera or a
//! microphone. `rpicam-vid` comes in this way.
//!
//! From the left: `child` runs the program; a `Format` turns its bytes into media (`raw`, `pcm`,
//! `h264`, `ts`); `arrival` says when that was; `held` keeps what is not yet due, and while
//! enough is waiting nothing is read, so the pipe makes a program that runs ahead wait.
//!
//! Not here: restarting (the pipeline opens the source again, with back-off), bitstreams and
//! containers.
//!
//! Invariants: any bytes are media or an error that says what is wrong, never a panic; the program
//! ends with the open source, whatever it does.
#![allow(clippy::disallowed_methods, reason = "reads a process in real time")]

mod arrival;
mod child;
mod h264;
mod held;
mod lines;
mod pcm;
mod raw;
mod ts;

use super::{Capture, CaptureError, Captured, Kinds, Source};
use crate::config::{AudioCommandFormat, VideoCommandFormat};
use crate::media::PixelFormat;
use crate::time::{FrameRate, MonoTime};
use child::{Child, Heard, program_name};
use held::Held;
use std::time::Duration;

/// Bytes in, media out; knows one format. Sans-IO.
trait Format: Send {
    /// How much the pipe should hold, bytes: enough that a program isn't kept waiting, and not more.
    fn pipe_bytes(&self) -> usize;

    /// What may be held that is not yet due.
    fn held(&self) -> Held;

    /// Where the next bytes go; not empty.
    fn space(&mut self) -> &mut [u8];

    /// The first `len` bytes of the space were filled, the last of them at `now`. An error is a clause
    /// about the program: "wrote no …".
    fn filled(&mut self, len: usize, now: MonoTime, held: &mut Held) -> Result<(), String>;

    /// The program has ended; what is complete now?
    fn finish(&mut self, _now: MonoTime, _held: &mut Held) {}

    fn frame_rate(&self) -> Option<FrameRate> {
        None
    }
}

/// A program that makes pictures.
#[derive(Debug, Clone)]
pub struct CommandVideo {
    command: Vec<String>,
    format: VideoCommandFormat,
}

impl CommandVideo {
    pub fn new(command: Vec<String>, format: VideoCommandFormat) -> Self {
        Self { command, format }
    }
}

impl Source for CommandVideo {
    fn open(&mut self) -> Result<Box<dyn Capture>, CaptureError> {
        let raw = |pixels, size, frame_rate| {
            raw::Raw::new(pixels, size, frame_rate).ok_or_else(|| CaptureError::Unsupported {
                device: self.name(),
                wanted: format!("{}x{}", size.width, size.height),
                offered: "even sizes up to 4096x4096".into(),
            })
        };
        match self.format {
            VideoCommandFormat::I420 { size, frame_rate } => {
                start(&self.command, raw(PixelFormat::I420, size, frame_rate)?)
            }
            VideoCommandFormat::Nv12 { size, frame_rate } => {
                start(&self.command, raw(PixelFormat::Nv12, size, frame_rate)?)
            }
            VideoCommandFormat::Yuyv { size, frame_rate } => {
                start(&self.command, raw(PixelFormat::Yuyv, size, frame_rate)?)
            }
            VideoCommandFormat::Y4m => start(&self.command, raw::Y4m::new()),
            VideoCommandFormat::H264 { frame_rate } => start(&self.command, h264::H264::new(frame_rate)),
            VideoCommandFormat::MpegTs => start(&self.command, ts::Ts::new(self.name(), Kinds::Video)),
        }
    }

    fn name(&self) -> String {
        program_name(&self.command)
    }
}

/// A program that makes sound.
#[derive(Debug, Clone)]
pub struct CommandAudio {
    command: Vec<String>,
    format: AudioCommandFormat,
}

impl CommandAudio {
    pub fn new(command: Vec<String>, format: AudioCommandFormat) -> Self {
        Self { command, format }
    }
}

impl Source for CommandAudio {
    fn open(&mut self) -> Result<Box<dyn Capture>, CaptureError> {
        match self.format {
            AudioCommandFormat::S16le { rate_hz, channels } => {
                let pcm = pcm::Pcm::new(rate_hz, channels).ok_or_else(|| CaptureError::Unsupported {
                    device: self.name(),
                    wanted: format!("{channels} channels at {rate_hz} Hz"),
                    offered: "1 to 8 channels at 100 to 768000 Hz".into(),
                })?;
                start(&self.command, pcm)
            }
            AudioCommandFormat::MpegTs => start(&self.command, ts::Ts::new(self.name(), Kinds::Audio)),
        }
    }

    fn name(&self) -> String {
        program_name(&self.command)
    }
}

/// A program that writes picture and sound as one MPEG-TS.
#[derive(Debug, Clone)]
pub struct CommandTs {
    command: Vec<String>,
}

impl CommandTs {
    pub fn new(command: Vec<String>) -> Self {
        Self { command }
    }
}

impl Source for CommandTs {
    fn open(&mut self) -> Result<Box<dyn Capture>, CaptureError> {
        start(&self.command, ts::Ts::new(self.name(), Kinds::Both))
    }

    fn name(&self) -> String {
        program_name(&self.command)
    }
}

fn start(command: &[String], format: impl Format + 'static) -> Result<Box<dyn Capture>, CaptureError> {
    Ok(Box::new(Running::start(command, format)?))
}

/// A program at work.
struct Running<F> {
    child: Child,
    format: F,
    held: Held,
    /// It has ended for this reason, which is told once everything held is handed out.
    ended: Option<CaptureError>,
}

impl<F: Format> Running<F> {
    fn start(command: &[String], format: F) -> Result<Self, CaptureError> {
        let child = Child::spawn(command, format.pipe_bytes())?;
        Ok(Self { child, held: format.held(), format, ended: None })
    }

    /// Reads and parses once, waiting at most `wait`.
    fn advance(&mut self, wait: Duration) -> Result<(), CaptureError> {
        if self.ended.is_some() || self.held.is_full() {
            self.child.idle(wait);
            return Ok(());
        }
        match self.child.read(self.format.space(), wait)? {
            Heard::Nothing => {}
            Heard::Bytes(len) => {
                let parsed = self.format.filled(len, MonoTime::now(), &mut self.held);
                parsed.map_err(|problem| CaptureError::BadData { device: self.child.program().into(), problem })?;
            }
            Heard::End => {
                self.format.finish(MonoTime::now(), &mut self.held);
                self.ended = Some(self.child.farewell());
            }
        }
        Ok(())
    }
}

impl<F: Format> Capture for Running<F> {
    fn read(&mut self, timeout: Duration) -> Result<Option<Captured>, CaptureError> {
        let deadline = MonoTime::now() + timeout;
        loop {
            if let Some(captured) = self.held.pop(MonoTime::now()) {
                return Ok(Some(captured));
            }
            if self.held.is_empty()
                && let Some(reason) = self.ended.take()
            {
                return Err(reason);
            }
            let now = MonoTime::now();
            let until = self.held.next_due().map_or(deadline, |due| due.min(deadline));
            self.advance(now.until(until))?;
            if now >= deadline {
                return Ok(self.held.pop(MonoTime::now()));
            }
        }
    }

    fn frame_rate(&self) -> Option<FrameRate> {
        self.format.frame_rate()
    }
}

#[cfg(test)]
mod tests;
