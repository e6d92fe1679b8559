//! From an open node to a running capture: is it a camera, what can it do, set it, give it buffers.

use super::Wanted;
use super::classify::{Role, caps, classify};
use super::errors::explain;
use super::format;
use super::io::{Io, Signal};
use super::negotiate::{Choice, Listed, USUAL_SIZE, negotiate};
use super::pool::Pool;
use super::stream::V4l2Capture;
use crate::capture::CaptureError;
use crate::time::FrameRate;
use std::io::ErrorKind;
use std::sync::Arc;

/// Capture buffers to ask for: one being filled, one filled, and what the pipeline may hold at once:
/// two on their way to the encoder, one in it, one kept to be repeated.
pub(super) const BUFFERS: u32 = 6;
/// More than a driver would make of that; bounds what is mapped.
const MAX_BUFFERS: u32 = 32;

pub(super) fn open<D: Io>(device: Arc<D>, name: &str, wanted: &Wanted) -> Result<V4l2Capture<D>, CaptureError> {
    let fail = |doing: &'static str| move |error| explain(name, doing, error);

    let facts = device.facts().map_err(fail("asking what it is"))?;
    let role = classify(&facts);
    let signal = match role {
        Role::HdmiInput => Some(device.follow_signal().map_err(fail("looking for a signal"))?),
        Role::Camera => None,
        Role::Unusable if facts.capture_formats.is_empty() => {
            return Err(no_signal(name, "it offers no picture format; a loopback device that nothing feeds?"));
        }
        other => return Err(problem(name, other.why_not())),
    };
    if facts.caps & caps::VIDEO_CAPTURE == 0 {
        return Err(problem(name, "it captures with the multi-planar API only, which isn't supported yet"));
    }
    if let Some(signal) = signal {
        check_signal(name, &signal)?;
        // Without the event, a change is seen by polling.
        let _ = device.subscribe_source_change();
    }

    // An HDMI input has the size of its signal, whatever was asked for; the pipeline scales.
    let wanted = Wanted { size: signal.map(|signal| signal.size).or(wanted.size), ..*wanted };
    let offers = device.offers(wanted.size.unwrap_or(USUAL_SIZE));
    let choice = negotiate(&offers, &wanted).ok_or_else(|| CaptureError::Unsupported {
        device: name.to_owned(),
        wanted: describe(&wanted),
        offered: Listed(&offers).to_string(),
    })?;
    let (got, layout) = device.set_format(choice.fourcc, choice.size).map_err(fail("setting its format"))?;
    if got != choice.fourcc {
        return Err(problem(name, &format!("it was set to {} and answers {got}", choice.fourcc)));
    }
    let frame_rate = set_frame_rate(&*device, name, &choice, signal.as_ref());
    let rate = frame_rate.map_or_else(String::new, |rate| format!(" at {rate}"));
    let (what, size) = (format::name(layout.format), layout.size);
    log::info!("{name}: {}, {what} {}x{}{rate}", facts.card, size.width, size.height);

    let pool = buffers(&device, name)?;
    device.stream_on().map_err(|error| match error.raw_os_error() {
        // The receiver's word for a signal that needs more of the cable's lanes than are wired.
        Some(libc::EINVAL) if signal.is_some() => no_signal(
            name,
            "not enough lanes between the HDMI bridge and the board for this signal: set the player to 1080p30 or 720p",
        ),
        _ => explain(name, "starting it", error),
    })?;
    Ok(V4l2Capture::new(device, pool, name, layout, frame_rate, signal))
}

fn buffers<D: Io>(device: &Arc<D>, name: &str) -> Result<Arc<Pool<D>>, CaptureError> {
    let fail = |doing: &'static str| move |error| explain(name, doing, error);
    let count = device.request_buffers(BUFFERS).map_err(fail("reserving buffers"))?;
    if !(2..=MAX_BUFFERS).contains(&count) {
        return Err(problem(name, &format!("it gave {count} buffers, asked for {BUFFERS}")));
    }
    let mappings =
        (0..count).map(|index| device.map(index)).collect::<Result<_, _>>().map_err(fail("mapping buffers"))?;
    let pool = Pool::new(Arc::clone(device), mappings);
    for index in 0..count {
        device.queue(index).map_err(fail("queueing buffers"))?;
    }
    Ok(pool)
}

/// What the device was set to, or runs at anyway. A device that can't be set is no failure: the pacer
/// makes the rate constant.
fn set_frame_rate<D: Io>(device: &D, name: &str, choice: &Choice, signal: Option<&Signal>) -> Option<FrameRate> {
    if let Some(rate) = signal.and_then(Signal::frame_rate) {
        return Some(rate);
    }
    let wanted = choice.frame_rate?;
    match device.set_frame_rate(wanted) {
        Ok(rate) => rate,
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => None,
        Err(error) => {
            log::warn!("{name}: its frame rate can't be set to {wanted}: {error}");
            None
        }
    }
}

fn check_signal(name: &str, signal: &Signal) -> Result<(), CaptureError> {
    if signal.interlaced {
        return Err(no_signal(name, "an interlaced picture, which isn't supported: set the player to 720p or 1080p"));
    }
    if signal.size.width == 0 || signal.size.height == 0 {
        return Err(no_signal(name, "no sync: a signal without a size"));
    }
    Ok(())
}

fn describe(wanted: &Wanted) -> String {
    let mut words = Vec::new();
    words.extend(wanted.format.map(|format| format::name(format).to_owned()));
    words.extend(wanted.size.map(|size| format!("{}x{}", size.width, size.height)));
    words.extend(wanted.frame_rate.map(|rate| format!("at {rate}")));
    if words.is_empty() { "a picture format that the box can use".to_owned() } else { words.join(" ") }
}

fn problem(device: &str, problem: &str) -> CaptureError {
    CaptureError::BadData { device: device.to_owned(), problem: problem.to_owned() }
}

fn no_signal(device: &str, cause: &'static str) -> CaptureError {
    CaptureError::NoSignal { device: device.to_owned(), cause }
}
