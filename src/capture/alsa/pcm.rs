//! ALSA's PCM: opening, negotiation, and the verbs of [`PcmIo`].

use super::Wanted;
use super::io::{PcmIo, Position, Shape};
use super::samples::SampleFormat;
use crate::capture::CaptureError;
use crate::time::MonoTime;
use alsa::pcm::{Access, Format, HwParams, PCM, TstampType};
use alsa::{Direction, ValueOr};
use rustix::event::Timespec;
use std::ffi::CString;
use std::time::Duration;

/// Short enough for low latency, long enough that a thousand wake-ups a second aren't needed.
const PERIOD_US: u32 = 10_000;
/// How long the reader may be held up before sound is lost.
const BUFFER_US: u32 = 250_000;
/// What the encoders run at.
const USUAL_RATE_HZ: u32 = 48_000;
const USUAL_CHANNELS: u16 = 2;
/// What we deliver at most; of more, the first two.
const MAX_CHANNELS: u16 = 2;
/// Bounds the buffer that is made from a driver's word.
const MAX_DEVICE_CHANNELS: u32 = 64;
const RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=192_000;
const MAX_BUFFER_FRAMES: i64 = 1 << 20;
/// A timestamp further from now than this is of another clock, or none.
const PLAUSIBLE: Duration = Duration::from_secs(2);

pub(super) struct Pcm {
    pcm: PCM,
}

/// Opens and sets the device; it isn't started yet.
pub(super) fn open(device: &str, wanted: &Wanted) -> Result<(Pcm, Shape), CaptureError> {
    let said = keep_quiet();
    let opened = try_open(device, wanted);
    if let Some(said) = said {
        for line in said.borrow().to_string().lines() {
            log::debug!("{device}: {line}");
        }
    }
    opened
}

/// libasound writes to standard error; this collects it instead, for this thread.
pub(in crate::capture) fn keep_quiet() -> Option<std::rc::Rc<std::cell::RefCell<alsa::Output>>> {
    alsa::Output::local_error_handler().ok()
}

fn try_open(device: &str, wanted: &Wanted) -> Result<(Pcm, Shape), CaptureError> {
    let fail = |doing: &'static str| move |error: alsa::Error| explain(device, doing, error.errno());
    let name = CString::new(device).map_err(|_| CaptureError::NotFound { device: device.to_owned() })?;
    let pcm = PCM::open(&name, Direction::Capture, true).map_err(fail("opening"))?;
    let shape = negotiate(&pcm, device, wanted)?;
    {
        let software = pcm.sw_params_current().map_err(fail("reading its settings"))?;
        software.set_avail_min(shape.period.into()).map_err(fail("setting its period"))?;
        // Without them (an old plugin), arrival times are used.
        let _ = software.set_tstamp_mode(true);
        let _ = software.set_tstamp_type(TstampType::Monotonic);
        pcm.sw_params(&software).map_err(fail("setting it"))?;
    }
    log::info!(
        "{device}: {:?} at {} Hz, {} channels, periods of {} frames, buffer of {}",
        shape.format,
        shape.rate_hz,
        shape.device_channels,
        shape.period,
        shape.buffer
    );
    Ok((Pcm { pcm }, shape))
}

fn negotiate(pcm: &PCM, device: &str, wanted: &Wanted) -> Result<Shape, CaptureError> {
    let fail = |doing: &'static str| move |error: alsa::Error| explain(device, doing, error.errno());
    let unsupported =
        |wanted: String, offered: String| CaptureError::Unsupported { device: device.to_owned(), wanted, offered };

    let hardware = HwParams::any(pcm).map_err(fail("asking what it can do"))?;
    hardware.set_access(Access::RWInterleaved).map_err(fail("setting interleaved access"))?;
    let format = SampleFormat::BY_PREFERENCE
        .into_iter()
        .find(|format| hardware.test_format(alsa_format(*format)).is_ok())
        .ok_or_else(|| unsupported("16, 24 or 32 bit samples".to_owned(), "other formats".to_owned()))?;
    hardware.set_format(alsa_format(format)).map_err(fail("setting its sample format"))?;

    let channels = wanted.channels.unwrap_or(USUAL_CHANNELS);
    let device_channels =
        hardware.set_channels_near(channels.into()).map_err(fail("setting the number of channels"))?;
    let rate = wanted.rate_hz.unwrap_or(USUAL_RATE_HZ);
    let rate_hz = hardware.set_rate_near(rate, ValueOr::Nearest).map_err(fail("setting its rate"))?;
    if !(1..=MAX_DEVICE_CHANNELS).contains(&device_channels) || !RATES_HZ.contains(&rate_hz) {
        return Err(unsupported(
            format!("{channels} channels at {rate} Hz"),
            format!("{device_channels} channels at {rate_hz} Hz"),
        ));
    }
    // Only wishes: the device says what it made of them.
    let _ = hardware.set_buffer_time_near(BUFFER_US, ValueOr::Nearest);
    let _ = hardware.set_period_time_near(PERIOD_US, ValueOr::Nearest);
    pcm.hw_params(&hardware).map_err(fail("setting it"))?;
    let period = hardware.get_period_size().map_err(fail("reading its period"))?;
    let buffer = hardware.get_buffer_size().map_err(fail("reading its buffer size"))?;
    let frames = |frames: i64| u32::try_from(frames.clamp(1, MAX_BUFFER_FRAMES)).unwrap_or(1);
    // 64 at most, as checked.
    let device_channels = u16::try_from(device_channels).unwrap_or(1);
    Ok(Shape {
        format,
        rate_hz,
        device_channels,
        channels: device_channels.min(channels.clamp(1, MAX_CHANNELS)),
        period: frames(period),
        buffer: frames(buffer),
    })
}

const fn alsa_format(format: SampleFormat) -> Format {
    match format {
        SampleFormat::S16 => Format::S16LE,
        SampleFormat::S24 => Format::S24LE,
        SampleFormat::S24Packed => Format::S243LE,
        SampleFormat::S32 => Format::S32LE,
    }
}

/// What ALSA's error numbers mean for a person at the box.
pub(super) fn explain(device: &str, doing: &'static str, errno: i32) -> CaptureError {
    let device = device.to_owned();
    match errno.abs() {
        // libasound says EINVAL for a name that its configuration doesn't know.
        libc::ENOENT | libc::ENXIO => CaptureError::NotFound { device },
        libc::EINVAL if doing == "opening" => CaptureError::NotFound { device },
        libc::ENODEV if doing == "opening" => CaptureError::NotFound { device },
        libc::ENODEV | libc::EIO | libc::EBADFD => CaptureError::Unplugged { device },
        libc::EBUSY => CaptureError::Busy { device },
        libc::EACCES | libc::EPERM => CaptureError::Permission { device },
        errno => CaptureError::Io { device, doing, error: std::io::Error::from_raw_os_error(errno) },
    }
}

impl PcmIo for Pcm {
    fn restart(&mut self) -> Result<(), i32> {
        self.pcm.prepare().and_then(|()| self.pcm.start()).map_err(|error| error.errno().abs())
    }

    fn resume(&mut self) -> Result<(), i32> {
        self.pcm.resume().map_err(|error| error.errno().abs())
    }

    fn position(&mut self) -> Result<Position, i32> {
        // The rate plugin fetches and converts here and nowhere else: without this, what `plughw:` says
        // to be waiting stays nothing. (Run against snd-aloop at another rate.)
        self.pcm.avail_update().map_err(|error| error.errno().abs())?;
        let status = self.pcm.status().map_err(|error| error.errno().abs())?;
        let now = self.now();
        let stamp = status.get_htstamp();
        // As wide as the C library's `time_t`.
        #[allow(clippy::useless_conversion, reason = "a conversion on 32-bit boards")]
        let nanos = i64::from(stamp.tv_sec).saturating_mul(1_000_000_000).saturating_add(i64::from(stamp.tv_nsec));
        let stamp = MonoTime::from_nanos(nanos);
        let at = if stamp <= now && stamp + PLAUSIBLE >= now { stamp } else { now };
        let frames = |frames: i64| u32::try_from(frames.clamp(0, MAX_BUFFER_FRAMES)).unwrap_or(0);
        Ok(Position { at, waiting: frames(status.get_avail()), delay: frames(status.get_delay()) })
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, i32> {
        self.pcm.io_bytes().readi(bytes).map_err(|error| error.errno().abs())
    }

    fn wait(&mut self, timeout: Duration) -> Result<bool, i32> {
        let millis = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).clamp(1, 10_000);
        self.pcm.wait(Some(millis)).map_err(|error| error.errno().abs())
    }

    fn pause(&mut self, span: Duration) {
        let nanos = span.subsec_nanos().into();
        let span = Timespec { tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX), tv_nsec: nanos };
        // Waits on nothing; a signal may cut it short, which does no harm.
        let _ = rustix::event::poll(&mut [], Some(&span));
    }

    #[allow(clippy::disallowed_methods, reason = "the shell's clock; tests have another PCM")]
    fn now(&self) -> MonoTime {
        MonoTime::now()
    }
}
