//! Which of a camera's formats, sizes and rates to take. Pure: offers in, choice out.

use super::Wanted;
use super::format::{self, FourCc};
use crate::config::{CameraFormat, Size};
use crate::media::MAX_DIMENSION;
use crate::time::FrameRate;
use std::cmp::Ordering;
use std::fmt;

/// One thing that a device says it can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    pub fourcc: FourCc,
    pub sizes: Sizes,
    pub rates: Rates,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sizes {
    One(Size),
    Steps { min: Size, max: Size, step: Size },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rates {
    /// The device doesn't say; HDMI inputs go with their signal.
    Unknown,
    List(Vec<FrameRate>),
    Range {
        slowest: FrameRate,
        fastest: FrameRate,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    pub fourcc: FourCc,
    pub format: CameraFormat,
    pub size: Size,
    /// `None`: leave it to the device.
    pub frame_rate: Option<FrameRate>,
}

/// What is looked for when nothing is said: every phone plays it, every board encodes it.
pub(crate) const USUAL_SIZE: Size = Size { width: 1280, height: 720 };
const USUAL_RATE: u32 = 30;

/// The best of the offers, `None` when none can be used or none has the wanted format.
///
/// With a size wanted, its nearness comes first, then the frame rate; with none, the rate first:
/// 640x480 that moves is better than 1280x720 that stutters. Then what costs the encoder least: raw
/// before MJPEG, which must be decoded; H.264 only when asked for, or when there is nothing else.
pub(crate) fn negotiate(offers: &[Offer], wanted: &Wanted) -> Option<Choice> {
    let usual_rate = FrameRate::new(USUAL_RATE, 1)?;
    let target_size = wanted.size.unwrap_or(USUAL_SIZE);
    let target_rate = wanted.frame_rate.unwrap_or(usual_rate);
    let candidates = offers.iter().filter_map(|offer| {
        let format = offer.fourcc.camera_format()?;
        if wanted.format.is_some_and(|wanted| wanted != format) {
            return None;
        }
        let size = offer.sizes.nearest(target_size)?;
        let frame_rate = offer.rates.nearest(target_rate);
        let distance = size.width.abs_diff(target_size.width) + size.height.abs_diff(target_size.height);
        let (missing, excess) = frame_rate.map_or((0, 0), |rate| gap(rate, target_rate));
        let straight_through = format == CameraFormat::H264;
        let order = match wanted.size {
            Some(_) => (straight_through, u64::from(distance), missing, work(format), excess),
            None => (straight_through, missing, u64::from(distance), work(format), excess),
        };
        Some((order, Choice { fourcc: offer.fourcc, format, size, frame_rate }))
    });
    candidates.min_by_key(|(order, _)| *order).map(|(_, choice)| choice)
}

/// What a picture costs before it can be encoded. The planar formats also need three quarters of
/// packed 4:2:2's bytes on the bus.
const fn work(format: CameraFormat) -> u32 {
    match format {
        CameraFormat::I420 => 0,
        CameraFormat::Nv12 => 1,
        CameraFormat::Yuyv => 2,
        CameraFormat::Uyvy => 3,
        CameraFormat::Mjpeg => 4,
        CameraFormat::H264 => 5,
    }
}

impl Sizes {
    /// Even, and no larger than the box handles.
    pub fn nearest(self, target: Size) -> Option<Size> {
        let size = match self {
            Self::One(size) => size,
            Self::Steps { min, max, step } => Size {
                width: nearest_step(min.width, max.width, step.width, target.width)?,
                height: nearest_step(min.height, max.height, step.height, target.height)?,
            },
        };
        let usable = |side: u32| side.is_multiple_of(2) && (2..=MAX_DIMENSION).contains(&side);
        (usable(size.width) && usable(size.height)).then_some(size)
    }
}

/// The largest step not above `target`, made even; `min` when all are above.
fn nearest_step(min: u32, max: u32, step: u32, target: u32) -> Option<u32> {
    let step = step.max(1);
    let steps = target.min(max).saturating_sub(min) / step;
    let at = min.checked_add(steps.checked_mul(step)?)?;
    // An odd step, or an odd start: one step down is even, or none is.
    if at.is_multiple_of(2) || at < min.saturating_add(step) { Some(at) } else { Some(at - step) }
}

impl Rates {
    /// The slowest that reaches `target`, else the fastest. `None` when the device doesn't say.
    pub fn nearest(&self, target: FrameRate) -> Option<FrameRate> {
        match self {
            Self::Unknown => None,
            Self::List(rates) => {
                let reaching = rates.iter().copied().filter(|rate| gap(*rate, target).0 == 0);
                reaching
                    .min_by(|a, b| gap(*a, target).1.cmp(&gap(*b, target).1))
                    .or_else(|| rates.iter().copied().max_by(|a, b| compare(*a, *b)))
            }
            Self::Range { slowest, .. } if compare(target, *slowest) == Ordering::Less => Some(*slowest),
            Self::Range { fastest, .. } if compare(target, *fastest) == Ordering::Greater => Some(*fastest),
            Self::Range { .. } => Some(target),
        }
    }
}

fn compare(a: FrameRate, b: FrameRate) -> Ordering {
    let product = |num: u32, den: u32| u64::from(num) * u64::from(den);
    product(a.num(), b.den()).cmp(&product(b.num(), a.den()))
}

/// Thousandths of a frame a second that `rate` lacks from `target`, and by which it is off. A rate
/// within one percent (29.97 for 30) lacks nothing.
fn gap(rate: FrameRate, target: FrameRate) -> (u64, u64) {
    let milli = |rate: FrameRate| u64::from(rate.num()) * 1000 / u64::from(rate.den());
    let (rate, target) = (milli(rate), milli(target));
    let missing = if rate * 100 >= target * 99 { 0 } else { target - rate };
    (missing, rate.abs_diff(target))
}

/// For people: `yuyv 640x480, 1280x720; mjpeg 1280x720`. The rates would make a page of it.
pub(crate) struct Listed<'a>(pub &'a [Offer]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return write!(f, "nothing");
        }
        let mut separator = "";
        for offers in self.0.chunk_by(|a, b| a.fourcc == b.fourcc) {
            let known = offers.first().and_then(|offer| offer.fourcc.camera_format());
            let sizes: Vec<String> = offers.iter().map(|offer| offer.sizes.to_string()).collect();
            write!(f, "{separator}{} {}", known.map_or("another format", format::name), sizes.join(", "))?;
            separator = "; ";
        }
        write!(f, " (`capturebox devices` lists the frame rates)")
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(size) => write!(f, "{}x{}", size.width, size.height),
            Self::Steps { min, max, .. } => {
                write!(f, "{}x{} to {}x{}", min.width, min.height, max.width, max.height)
            }
        }
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => Ok(()),
            Self::List(rates) => {
                let rates: Vec<String> = rates.iter().map(FrameRate::to_string).collect();
                write!(f, "{}", rates.join(", "))
            }
            Self::Range { slowest, fastest } => write!(f, "{slowest} to {fastest}"),
        }
    }
}

#[cfg(test)]
mod tests;
