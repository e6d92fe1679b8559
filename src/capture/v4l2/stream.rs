//! A running capture: filled buffers in, the newest frame out.
//!
//! Invariants: a buffer is either queued or on loan, never both; a frame that was captured before one
//! already delivered is never delivered; damaged and skipped frames are counted, and said once.

use super::errors::{explain, no_signal};
use super::format::Layout;
use super::h264::UnitReader;
use super::io::{Filled, Io, Signal};
use super::pool::Pool;
use crate::capture::{Capture, CaptureError, Captured};
use crate::media::RawFrame;
use crate::time::{FrameRate, MonoTime};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

/// A device that delivers no good frame for so long has failed, and is to be opened again.
pub(super) const NO_FRAME: Duration = Duration::from_secs(5);
/// When frames of an HDMI input stop, ask so often whether its signal is still the same: most
/// bridges have no interrupt.
pub(super) const SIGNAL_CHECK: Duration = Duration::from_millis(500);
/// A kernel timestamp further than this from now is of another clock.
const PLAUSIBLE: Duration = Duration::from_secs(2);
/// How long to rest when the device has nothing to wait on.
const REST: Duration = Duration::from_millis(5);

pub(super) struct V4l2Capture<D: Io> {
    device: Arc<D>,
    pool: Arc<Pool<D>>,
    name: String,
    layout: Layout,
    frame_rate: Option<FrameRate>,
    /// Of an HDMI input: what it was set to.
    signal: Option<Signal>,
    /// `Some` for a camera that makes H.264.
    units: Option<UnitReader>,
    last_frame: MonoTime,
    last_signal_check: MonoTime,
    last_captured: MonoTime,
    counts: Counts,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub delivered: u64,
    /// Older than another that was waiting too.
    pub skipped: u64,
    /// Marked so by the driver, short, or not to be parsed.
    pub damaged: u64,
}

impl<D: Io> V4l2Capture<D> {
    /// The stream is on and all buffers are queued.
    pub fn new(
        device: Arc<D>,
        pool: Arc<Pool<D>>,
        name: &str,
        layout: Layout,
        frame_rate: Option<FrameRate>,
        signal: Option<Signal>,
    ) -> Self {
        let now = device.now();
        let units = layout.pixel_format().is_none().then(|| UnitReader::new(frame_rate));
        Self {
            device,
            pool,
            name: name.to_owned(),
            layout,
            frame_rate,
            signal,
            units,
            last_frame: now,
            last_signal_check: now,
            last_captured: MonoTime::ZERO,
            counts: Counts::default(),
        }
    }

    #[cfg(test)]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What is filled now: of pictures the newest, of H.264 the oldest (every access unit counts).
    fn take_filled(&mut self) -> Result<Option<Captured>, CaptureError> {
        let mut newest: Option<Filled> = None;
        // At most once around: a fast device must not keep us here.
        for _ in 0..self.pool.len() {
            let filled = match self.device.dequeue() {
                Ok(filled) => filled,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(explain(&self.name, "reading a frame", error)),
            };
            if filled.damaged || filled.bytes_used < self.layout.min_len() {
                self.drop_damaged("marked as damaged or too short by its driver");
                self.queue(filled.index)?;
            } else if self.units.is_some() {
                if let Some(unit) = self.unit(filled)? {
                    return Ok(Some(unit));
                }
            } else if let Some(older) = newest.replace(filled) {
                self.counts.skipped += 1;
                self.queue(older.index)?;
            }
        }
        let Some(filled) = newest else { return Ok(None) };
        let captured = self.captured(&filled);
        let lease = self.lend(&filled)?;
        // H.264 has gone another way above.
        let Some(format) = self.layout.pixel_format() else { return Ok(None) };
        let size = (self.layout.size.width, self.layout.size.height);
        match RawFrame::new(captured, size, format, self.layout.planes(), Arc::new(lease)) {
            Some(frame) => {
                self.good_frame();
                Ok(Some(Captured::Frame(frame)))
            }
            None => {
                self.drop_damaged("shorter than its format says");
                Ok(None)
            }
        }
    }

    /// The buffer's access unit; the buffer goes back at once, since the unit is a copy.
    fn unit(&mut self, filled: Filled) -> Result<Option<Captured>, CaptureError> {
        let captured = self.captured(&filled);
        let lease = self.lend(&filled)?;
        let Some(units) = &mut self.units else { return Ok(None) };
        match units.read(crate::media::FrameBuffer::bytes(&lease), captured) {
            Ok(Some((track, unit))) => {
                self.good_frame();
                Ok(Some(Captured::Unit { track, unit }))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                log::debug!("{}: {error}", self.name);
                self.drop_damaged("not an H.264 access unit");
                Ok(None)
            }
        }
    }

    fn lend(&self, filled: &Filled) -> Result<super::pool::Lease<D>, CaptureError> {
        self.pool.lend(filled.index, filled.bytes_used).ok_or_else(|| CaptureError::BadData {
            device: self.name.clone(),
            problem: format!("its driver speaks of buffer {} of {}", filled.index, self.pool.len()),
        })
    }

    fn queue(&self, index: u32) -> Result<(), CaptureError> {
        self.device.queue(index).map_err(|error| explain(&self.name, "queueing a buffer", error))
    }

    /// When it was captured: the kernel's word where it is plausible, else now. Always later than the
    /// frame before.
    fn captured(&mut self, filled: &Filled) -> MonoTime {
        let now = self.device.now();
        let plausible = |stamp: &MonoTime| *stamp <= now && *stamp + PLAUSIBLE >= now;
        let captured = filled.stamped.filter(plausible).unwrap_or(now);
        self.last_captured = captured.max(self.last_captured.plus_nanos(1));
        self.last_captured
    }

    fn good_frame(&mut self) {
        self.last_frame = self.device.now();
        self.counts.delivered += 1;
    }

    fn drop_damaged(&mut self, how: &str) {
        if self.counts.damaged == 0 {
            log::warn!("{}: a frame is dropped: {how}; more are only counted", self.name);
        }
        self.counts.damaged += 1;
        if let Some(units) = &mut self.units {
            units.lost();
        }
    }

    /// Has been silent too long, or its signal has gone?
    fn check_silence(&mut self, now: MonoTime) -> Result<(), CaptureError> {
        if self.pool.all_on_loan() {
            // Not its fault: it has nowhere to put a frame.
            self.last_frame = now;
        }
        let silent_since = self.last_frame.max(self.last_signal_check);
        if let Some(known) = self.signal
            && silent_since + SIGNAL_CHECK <= now
        {
            self.last_signal_check = now;
            match self.device.signal() {
                Ok(signal) if signal.size != known.size => {
                    return Err(self.no_signal("the picture size has changed"));
                }
                Ok(signal) if (signal.interlaced, signal.frame_rate()) != (known.interlaced, known.frame_rate()) => {
                    return Err(self.no_signal("it has changed"));
                }
                Ok(_) => {}
                Err(error) => {
                    // A driver that can't tell while streaming says EBUSY; the deadline below holds.
                    if let Some(cause) = no_signal(&error) {
                        return Err(self.no_signal(cause));
                    }
                }
            }
        }
        if self.last_frame + NO_FRAME <= now {
            return Err(self.no_signal("no good picture for 5 s"));
        }
        Ok(())
    }

    fn no_signal(&self, cause: &'static str) -> CaptureError {
        CaptureError::NoSignal { device: self.name.clone(), cause }
    }

    /// Poll saw an error condition, and DQBUF had nothing to say about it.
    fn check_error(&self) -> Result<(), CaptureError> {
        if self.pool.all_on_loan() {
            self.device.pause(REST);
            Ok(())
        } else {
            Err(CaptureError::Unplugged { device: self.name.clone() })
        }
    }
}

impl<D: Io> Capture for V4l2Capture<D> {
    fn read(&mut self, timeout: Duration) -> Result<Option<Captured>, CaptureError> {
        let deadline = self.device.now() + timeout;
        loop {
            if let Some(captured) = self.take_filled()? {
                return Ok(Some(captured));
            }
            let now = self.device.now();
            self.check_silence(now)?;
            if now >= deadline {
                return Ok(None);
            }
            let ready = self.device.wait(now.until(deadline).min(SIGNAL_CHECK));
            let ready = ready.map_err(|error| explain(&self.name, "waiting for a frame", error))?;
            if ready.event && self.device.take_event().is_ok() && self.signal.is_some() {
                let gone = self.device.signal().err().and_then(|error| no_signal(&error));
                return Err(self.no_signal(gone.unwrap_or("it has changed")));
            }
            if ready.error && !ready.frame {
                if let Some(captured) = self.take_filled()? {
                    return Ok(Some(captured));
                }
                self.check_error()?;
            }
        }
    }

    fn frame_rate(&self) -> Option<FrameRate> {
        self.frame_rate
    }
}

impl<D: Io> Drop for V4l2Capture<D> {
    fn drop(&mut self) {
        // Errors here are those of a device that has gone; there is nobody to tell.
        let _ = self.device.stream_off();
        self.pool.close();
        // Gives the device up although somebody may still hold frames: the next opening can set a format.
        let _ = self.device.request_buffers(0);
        let Counts { delivered, skipped, damaged } = self.counts;
        log::info!("{}: closed after {delivered} frames; {skipped} skipped, {damaged} damaged", self.name);
    }
}

#[cfg(test)]
mod tests;
