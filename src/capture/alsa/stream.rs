//! A running sound capture: blocks of about a period, each with the time of its first frame; overruns
//! and sleep recovered from.

use super::io::{PcmIo, Shape};
use super::pcm::explain;
use super::samples::convert;
use super::true_rate::TrueRate;
use crate::capture::{Capture, CaptureError, Captured};
use crate::media::PcmBlock;
use crate::time::MonoTime;
use std::time::Duration;

/// A device that delivers nothing for so long has failed, and is to be opened again.
pub(super) const NO_SOUND: Duration = Duration::from_secs(5);
/// Overruns in a row without a sound between them: more is a broken device, not a busy box.
const MAX_RESTARTS: u32 = 10;
/// Overruns closer together than this are one trouble, and said once.
const ONE_TROUBLE: Duration = Duration::from_secs(10);
/// Frames of a block: after a hold-up, what waits comes in pieces of this many periods.
const BLOCK_PERIODS: u32 = 4;
/// How long hardware may take to wake up with the system.
const RESUME_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct AlsaCapture<P: PcmIo> {
    pcm: P,
    name: String,
    shape: Shape,
    rate: TrueRate,
    bytes: Vec<u8>,
    last_block: MonoTime,
    last_overrun: Option<MonoTime>,
    restarts: u32,
    overruns: u64,
}

impl<P: PcmIo> AlsaCapture<P> {
    /// The PCM is set, and not running.
    pub fn start(mut pcm: P, name: &str, shape: Shape) -> Result<Self, CaptureError> {
        pcm.restart().map_err(|errno| explain(name, "starting it", errno))?;
        let block = shape.period.saturating_mul(BLOCK_PERIODS).min(shape.buffer).max(1) as usize;
        let bytes = vec![0; block * usize::from(shape.device_channels) * shape.format.bytes()];
        let last_block = pcm.now();
        Ok(Self {
            pcm,
            name: name.to_owned(),
            shape,
            rate: TrueRate::new(shape.rate_hz),
            bytes,
            last_block,
            last_overrun: None,
            restarts: 0,
            overruns: 0,
        })
    }

    /// What waits, if it is at least `least` frames.
    fn block(&mut self, least: u32) -> Result<Option<PcmBlock>, i32> {
        let position = self.pcm.position()?;
        if position.waiting < least {
            return Ok(None);
        }
        let frame = usize::from(self.shape.device_channels) * self.shape.format.bytes();
        let wanted = self.bytes.len().min(position.waiting as usize * frame);
        let buffer = self.bytes.get_mut(..wanted).unwrap_or_default();
        let frames = match self.pcm.read(buffer) {
            Ok(frames) => frames,
            Err(libc::EAGAIN) => 0,
            Err(errno) => return Err(errno),
        };
        let Shape { format, device_channels, channels, .. } = self.shape;
        let Some(read) = self.bytes.get(..frames * frame).filter(|read| !read.is_empty()) else { return Ok(None) };
        let samples = convert(read, format, device_channels, channels);
        self.last_block = self.pcm.now();
        self.restarts = 0;
        if self.rate.came(position.first_sampled(self.rate.hz()), frames as u64) {
            let (set, is) = (self.shape.rate_hz, self.rate.hz());
            log::info!("{}: was set to {set} Hz and delivers {is} Hz: taken as that", self.name);
        }
        let rate_hz = self.rate.hz();
        Ok(Some(PcmBlock { captured: position.first_sampled(rate_hz), rate_hz, channels, samples }))
    }

    fn recover(&mut self, errno: i32) -> Result<(), CaptureError> {
        self.rate.lost();
        let recovered = match errno {
            libc::EPIPE => {
                self.note_overrun();
                self.pcm.restart()
            }
            libc::ESTRPIPE => match self.pcm.resume() {
                Err(libc::EAGAIN) => {
                    self.pcm.pause(RESUME_PAUSE);
                    Ok(())
                }
                // Hardware that can't resume starts anew.
                Err(_) => self.pcm.restart(),
                Ok(()) => Ok(()),
            },
            libc::EINTR => Ok(()),
            other => Err(other),
        };
        recovered.map_err(|errno| explain(&self.name, "capturing", errno))?;
        self.restarts += 1;
        if self.restarts > MAX_RESTARTS && errno == libc::EPIPE {
            let problem = format!("{MAX_RESTARTS} overruns in a row, and no sound between them");
            return Err(CaptureError::BadData { device: self.name.clone(), problem });
        }
        Ok(())
    }

    fn note_overrun(&mut self) {
        let now = self.pcm.now();
        if self.last_overrun.is_none_or(|last| last + ONE_TROUBLE < now) {
            log::warn!("{}: overrun: sound was lost because it wasn't read in time; more are only counted", self.name);
        }
        self.last_overrun = Some(now);
        self.overruns += 1;
    }
}

impl<P: PcmIo> Capture for AlsaCapture<P> {
    fn read(&mut self, timeout: Duration) -> Result<Option<Captured>, CaptureError> {
        let deadline = self.pcm.now() + timeout;
        let mut least = self.shape.period;
        loop {
            match self.block(least) {
                Ok(Some(block)) => return Ok(Some(Captured::Pcm(block))),
                Ok(None) => {}
                Err(errno) => self.recover(errno)?,
            }
            let now = self.pcm.now();
            if self.last_block + NO_SOUND <= now {
                return Err(CaptureError::NoSignal { device: self.name.clone(), cause: "no sound data for 5 s" });
            }
            if now >= deadline {
                return Ok(None);
            }
            match self.pcm.wait(now.until(deadline)) {
                // A plugin may count the period otherwise: what it calls ready is taken, or we would spin.
                Ok(ready) => least = if ready { 1 } else { self.shape.period },
                Err(errno) => self.recover(errno)?,
            }
        }
    }
}

impl<P: PcmIo> Drop for AlsaCapture<P> {
    fn drop(&mut self) {
        if self.overruns > 0 {
            log::info!("{}: closed after {} overruns", self.name, self.overruns);
        }
    }
}

#[cfg(test)]
mod tests;
