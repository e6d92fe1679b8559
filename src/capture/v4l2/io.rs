//! What the capture needs of a V4L2 device: thin verbs, one ioctl each, no decisions. The kernel's
//! device is [`super::sys::Device`]; tests have a simulated one.

use super::classify::NodeFacts;
use super::format::{FourCc, Layout};
use super::mapping::Mapping;
use super::negotiate::Offer;
use crate::config::Size;
use crate::time::{FrameRate, MonoTime};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// A filled capture buffer, as DQBUF returns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Filled {
    pub index: u32,
    pub bytes_used: usize,
    /// When it was captured, if the driver stamps with CLOCK_MONOTONIC.
    pub stamped: Option<MonoTime>,
    /// The driver says that its content is damaged.
    pub damaged: bool,
}

/// What poll saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ready {
    pub frame: bool,
    pub event: bool,
    pub error: bool,
}

/// What is on an HDMI cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signal {
    pub size: Size,
    pub interlaced: bool,
    /// Hz.
    pub pixel_clock: u64,
    /// Pixels of a frame with its blanking.
    pub total_pixels: u64,
}

impl Signal {
    /// Pictures a second, to the nearest whole one or the nearest NTSC one (59.94, 29.97, 23.98): the
    /// clock is measured, and never exact.
    pub fn frame_rate(&self) -> Option<FrameRate> {
        let micro =
            u64::try_from(u128::from(self.pixel_clock) * 1_000_000 / u128::from(self.total_pixels.max(1))).ok()?;
        let whole = micro.saturating_add(500_000) / 1_000_000;
        let ntsc = whole.checked_mul(1_000_000_000)? / 1001;
        let nearest_is_ntsc = micro.abs_diff(ntsc) < micro.abs_diff(whole * 1_000_000);
        let rate = u32::try_from(whole).ok().filter(|rate| *rate <= 1_000)?;
        if nearest_is_ntsc { FrameRate::new(rate * 1000, 1001) } else { FrameRate::new(rate, 1) }
    }
}

pub(crate) trait Io: Send + Sync + 'static {
    fn facts(&self) -> io::Result<NodeFacts>;

    /// QUERY_DV_TIMINGS: what is on the cable now. ENOLINK, ENOLCK, ERANGE say what is wrong.
    fn signal(&self) -> io::Result<Signal>;

    /// QUERY_DV_TIMINGS, S_DV_TIMINGS: goes with what is on the cable.
    fn follow_signal(&self) -> io::Result<Signal>;

    /// G_EDID: what the source on the cable is told now; empty where it is told nothing.
    fn edid(&self) -> io::Result<Vec<u8>>;

    /// S_EDID. The source sees the display go and come back.
    fn set_edid(&self, edid: &[u8]) -> io::Result<()>;

    /// Asks for a poll event when the signal changes; not every driver has one.
    fn subscribe_source_change(&self) -> io::Result<()>;

    /// Takes one event from the queue.
    fn take_event(&self) -> io::Result<()>;

    /// What the device says it can do, of what the box can use. Where sizes come in steps, rates are those at the step
    /// nearest to `near`.
    fn offers(&self, near: Size) -> Vec<Offer>;

    /// S_FMT; answers what the driver made of it.
    fn set_format(&self, fourcc: FourCc, size: Size) -> io::Result<(FourCc, Layout)>;

    /// S_PARM; answers the rate that the driver made of it.
    fn set_frame_rate(&self, rate: FrameRate) -> io::Result<Option<FrameRate>>;

    /// REQBUFS; answers how many there are. 0 releases them.
    fn request_buffers(&self, count: u32) -> io::Result<u32>;

    /// QUERYBUF and mmap.
    fn map(&self, index: u32) -> io::Result<Mapping>;

    /// EXPBUF.
    fn export(&self, index: u32) -> io::Result<OwnedFd>;

    /// QBUF.
    fn queue(&self, index: u32) -> io::Result<()>;

    /// DQBUF; `WouldBlock` when no buffer is filled.
    fn dequeue(&self) -> io::Result<Filled>;

    fn stream_on(&self) -> io::Result<()>;

    fn stream_off(&self) -> io::Result<()>;

    /// Waits for a filled buffer, an event or an error.
    fn wait(&self, timeout: Duration) -> io::Result<Ready>;

    /// Lets some time pass, for when the device has nothing to wait on.
    fn pause(&self, span: Duration);

    fn now(&self) -> MonoTime;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_a_signal_is_a_usual_one() {
        let table = [
            // pixel clock, total, rate (CEA-861)
            (74_250_000, 1650 * 750, Some((60, 1))),
            (74_175_824, 1650 * 750, Some((60_000, 1001))),
            (74_250_000, 1980 * 750, Some((50, 1))),
            (148_500_000, 2200 * 1125, Some((60, 1))),
            (74_249_000, 2200 * 1125, Some((30, 1))),
            (74_176_000, 2750 * 1125, Some((24_000, 1001))),
            (0, 0, None),
            (u64::MAX, 1, None),
        ];
        for (pixel_clock, total_pixels, rate) in table {
            let size = Size { width: 1280, height: 720 };
            let signal = Signal { size, interlaced: false, pixel_clock, total_pixels };
            let rate = rate.and_then(|(num, den)| FrameRate::new(num, den));
            assert_eq!(signal.frame_rate(), rate, "{pixel_clock} / {total_pixels}");
        }
    }
}
