//! The protocol of a V4L2 stateful encoder, and everything that bcm2835-codec does its own way. Handed the
//! time; waits only to drain. The quirks are named where they are handled.

use super::device::{Coded, Control, Device, Format, FourCc, Memory, Queue};
use super::layout::{self, Layout};
use crate::codec::nal::H264Unit;
use crate::encode::convert::write_i420;
use crate::encode::{EncodeError, Profile, Timing, VideoSettings};
use crate::media::{PixelFormat, RawFrame};
use crate::time::{MonoTime, Timescale, rescale};
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

/// Pictures inside the encoder at once. Each holds a camera buffer when it is lent: cameras have four or so.
const PICTURES: u32 = 3;

/// Buffers for coded data.
const CODED_BUFFERS: u32 = 4;

/// Quirk: bcm2835-codec's default of 512 to 768 KiB is too little for a key frame at a high bitrate, bytes.
const CODED_BUFFER_SIZE: u32 = 1_536 * 1_024;

/// Bits a second. Quirk: the control allows 25M, STREAMON then fails; 20M works.
const BITRATE_BPS: std::ops::RangeInclusive<u32> = 25_000..=20_000_000;

/// Quirk: level 4.0, macroblocks a second: 1080p30, 720p60.
const MAX_MACROBLOCKS: u64 = 245_760;

/// Nothing out for so long while pictures are in: the encoder hangs, ns.
const STALL_NANOS: i64 = 1_000_000_000;

/// Draining waits so often, so long at most: 240 ms in all, beyond which what is inside is given up.
const DRAIN_WAITS: u32 = 6;
const DRAIN_WAIT: Duration = Duration::from_millis(40);

/// Picture data ready to be taken at most; the rest waits in the encoder.
const MAX_READY: usize = 16;

/// What is to be encoded into what.
#[derive(Debug, Clone)]
pub struct Config {
    pub settings: VideoSettings,
    pub coded: FourCc,
    /// Takes one coded picture apart; `None` is garbage.
    pub parse: fn(&[u8]) -> Option<H264Unit>,
}

/// One coded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodedPicture {
    pub timing: Timing,
    pub keyframe: bool,
    pub data: Bytes,
    /// The parameter sets that it needs; empty for formats without.
    pub sps: Bytes,
    pub pps: Bytes,
}

/// What happened, since the encoder was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub submitted: u64,
    pub encoded: u64,
    /// Pictures that the encoder left out without a word, or that were inside when it had to be restarted.
    pub lost: u64,
    /// Pictures that came while the encoder had no room.
    pub refused: u64,
    /// Output that was no picture.
    pub garbage: u64,
    /// Bytes of pictures written by the CPU on their way into the encoder. Lent pictures add none.
    pub bytes_copied: u64,
}

/// Whether a picture went in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    Yes,
    /// All buffers are in the encoder: wait, or drop the picture.
    Full,
}

struct InFlight {
    /// µs: what the driver copies to the coded data.
    timestamp: i64,
    timing: Timing,
    submitted: MonoTime,
}

/// How pictures go in at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Input {
    layout: Layout,
    memory: Memory,
}

pub struct Machine<D: Device> {
    device: D,
    config: Config,
    raw_formats: Vec<FourCc>,
    input: Option<Input>,
    free: Vec<u32>,
    /// Lent pictures, by buffer: given back when the encoder is done with them.
    lent: Vec<Option<RawFrame>>,
    in_flight: VecDeque<InFlight>,
    /// The timestamp of the last picture that came out.
    last_out: Option<i64>,
    ready: VecDeque<CodedPicture>,
    sps: Bytes,
    pps: Bytes,
    /// Lending was tried and refused.
    lending_refused: bool,
    drained: bool,
    last_progress: MonoTime,
    counts: Counts,
}

impl<D: Device> Machine<D> {
    /// Sets the encoder up and starts it, so that whatever is wrong shows now.
    pub fn open(device: D, config: Config, now: MonoTime) -> Result<Self, EncodeError> {
        let raw_formats = device.formats(Queue::Output);
        let mut machine = Self {
            device,
            config,
            raw_formats,
            input: None,
            free: Vec::new(),
            lent: Vec::new(),
            in_flight: VecDeque::new(),
            last_out: None,
            ready: VecDeque::new(),
            sps: Bytes::new(),
            pps: Bytes::new(),
            lending_refused: false,
            drained: false,
            last_progress: now,
            counts: Counts::default(),
        };
        machine.check_limits()?;
        machine.set_controls().map_err(|error| opening("controls", &error))?;
        let format = if machine.takes(PixelFormat::I420) { PixelFormat::I420 } else { PixelFormat::Nv12 };
        if !machine.takes(format) {
            return Err(refused(format!("it takes {:?}, none of which we have", machine.raw_formats)));
        }
        machine.start(format, 0, Memory::Mmap)?;
        Ok(machine)
    }

    pub fn device(&self) -> &D {
        &self.device
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn takes(&self, format: PixelFormat) -> bool {
        layout::fourcc(format).is_some_and(|fourcc| self.raw_formats.contains(&fourcc))
    }

    fn is_bcm2835(&self) -> bool {
        self.device.card() == super::BCM2835
    }

    fn check_limits(&self) -> Result<(), EncodeError> {
        let VideoSettings { width, height, frame_rate, .. } = self.config.settings;
        let macroblocks = u64::from(width.div_ceil(16)) * u64::from(height.div_ceil(16));
        let a_second = macroblocks * u64::from(frame_rate.num()) / u64::from(frame_rate.den());
        if self.is_bcm2835() && a_second > MAX_MACROBLOCKS {
            return Err(refused(format!("{width}x{height} at {frame_rate} fps is beyond 1080p30 (720p60)")));
        }
        Ok(())
    }

    /// Quirk: bcm2835-codec wants its controls before the formats. Those that a driver doesn't have are no
    /// loss; only the bitrate of H.264 must be kept.
    fn set_controls(&mut self) -> io::Result<()> {
        let settings = &self.config.settings;
        let profile = match settings.profile {
            Profile::ConstrainedBaseline => 1,
            Profile::Main => 2,
            Profile::High => 4,
        };
        let gop = i32::try_from(settings.gop_frames.max(1)).unwrap_or(i32::MAX);
        let bitrate = settings.bitrate_bps;
        let wanted = [
            // Variable: what the driver starts with, and what its users run it with.
            (Control::BitrateMode, 0),
            (Control::H264Profile, profile),
            // 4.0, the highest it has.
            (Control::H264Level, 11),
            (Control::BFrames, 0),
            (Control::GopSize, gop),
            // Every I picture of bcm2835-codec is an IDR picture.
            (Control::H264IPeriod, gop),
            // Parameter sets in one buffer with the picture, and with each key frame.
            (Control::HeaderMode, 1),
            (Control::RepeatSeqHeader, 1),
        ];
        for (control, value) in wanted {
            if let Err(error) = self.device.set_control(control, value) {
                if error.raw_os_error() == Some(libc::EBUSY) {
                    return Err(error);
                }
                log::debug!("{}: {control:?} = {value}: {error}", self.device.card());
            }
        }
        let result = self.set_bitrate(bitrate);
        if self.config.coded == FourCc::H264 { result } else { Ok(()) }
    }

    /// Works while streaming.
    pub fn set_bitrate(&mut self, bitrate_bps: u32) -> io::Result<()> {
        let bitrate = bitrate_bps.clamp(*BITRATE_BPS.start(), *BITRATE_BPS.end());
        self.config.settings.bitrate_bps = bitrate;
        self.device.set_control(Control::Bitrate, bitrate as i32)
    }

    /// Formats, frame rate, buffers, go; in the order of bcm2835-codec, or of the kernel's document.
    fn start(&mut self, format: PixelFormat, stride: u32, memory: Memory) -> Result<(), EncodeError> {
        let VideoSettings { width, height, frame_rate, .. } = self.config.settings;
        let fourcc = layout::fourcc(format).ok_or_else(|| refused(format!("{format:?} is no raw format")))?;
        let raw = Format { fourcc, width, height, stride, size: 0 };
        let coded = Format { fourcc: self.config.coded, width, height, stride: 0, size: CODED_BUFFER_SIZE };
        // The kernel's document has the coded format first, and some drivers insist.
        if !self.is_bcm2835() {
            self.set_format(Queue::Capture, coded)?;
        }
        let got = self.set_format(Queue::Output, raw)?;
        // Quirk: above 1920 the size is silently clamped. (Others round up: that would show garbage at the edge.)
        if (got.fourcc, got.width, got.height) != (fourcc, width, height) {
            return Err(refused(format!(
                "{width}x{height} {fourcc:?} became {}x{} {:?}",
                got.width, got.height, got.fourcc
            )));
        }
        let coded = self.set_format(Queue::Capture, coded)?;
        if coded.fourcc != self.config.coded {
            return Err(refused(format!("it makes {:?}, not {:?}", coded.fourcc, self.config.coded)));
        }
        // Quirk: on the output queue only (EINVAL on the other); above the real rate it slows encoding, and 0 (which
        // a FrameRate can't be) corrupts pictures.
        if let Err(error) = self.device.set_frame_rate(frame_rate) {
            log::debug!("{}: {frame_rate} fps: {error}", self.device.card());
        }
        let layout = Layout::of(format, got.stride, got.height, got.size);
        let io = |what: &'static str| move |error: io::Error| opening(what, &error);
        let pictures = self.device.request_buffers(Queue::Output, memory, PICTURES).map_err(io("picture buffers"))?;
        let coded =
            self.device.request_buffers(Queue::Capture, Memory::Mmap, CODED_BUFFERS).map_err(io("coded buffers"))?;
        if pictures == 0 || coded == 0 {
            return Err(refused("it has no buffers to give".into()));
        }
        // The coded buffers only: an empty picture buffer must never be queued.
        for index in 0..coded {
            self.device.queue_coded(index).map_err(io("coded buffers"))?;
        }
        self.device.stream(Queue::Output, true).map_err(io("start"))?;
        self.device.stream(Queue::Capture, true).map_err(io("start"))?;
        self.free = (0..pictures.min(PICTURES)).rev().collect();
        self.lent = (0..pictures).map(|_| None).collect();
        self.input = Some(Input { layout, memory });
        self.drained = false;
        Ok(())
    }

    fn set_format(&mut self, queue: Queue, format: Format) -> Result<Format, EncodeError> {
        self.device.set_format(queue, format).map_err(|error| opening("formats", &error))
    }

    /// Gives everything back. What is still inside is lost.
    fn stop(&mut self) {
        for queue in [Queue::Output, Queue::Capture] {
            let stopped = self.device.stream(queue, false).and_then(|()| {
                self.device.request_buffers(queue, self.input.map_or(Memory::Mmap, |input| input.memory), 0)
            });
            if let Err(error) = stopped {
                log::debug!("{}: stopping: {error}", self.device.card());
            }
        }
        self.counts.lost += self.in_flight.len() as u64;
        self.in_flight.clear();
        self.free.clear();
        self.lent.clear();
        self.input = None;
    }

    /// Hands a picture over. `key` asks for a key frame.
    pub fn submit(
        &mut self,
        picture: &RawFrame,
        timing: Timing,
        key: bool,
        now: MonoTime,
    ) -> Result<Submitted, EncodeError> {
        self.collect(now)?;
        self.prepare(picture, now)?;
        let (Some(input), Some(&index)) = (self.input, self.free.last()) else {
            return Ok(Submitted::Full);
        };
        if key && let Err(error) = self.device.set_control(Control::ForceKeyFrame, 1) {
            log::debug!("{}: a key frame asked for: {error}", self.device.card());
        }
        // Quirk: copied to the output, cut to microseconds: so it is whole microseconds. Never 0, which the garbage has.
        let timestamp = rescale(timing.pts, Timescale::VIDEO, MICROS).max(1);
        let queued = match (input.memory, picture.buffer().dmabuf()) {
            (Memory::Dmabuf, Some(fd)) => {
                let size = picture.buffer().bytes().len();
                let queued = self.device.queue_dmabuf(index, fd, input.layout.len, size, timestamp);
                if queued.is_ok()
                    && let Some(lent) = self.lent.get_mut(index as usize)
                {
                    *lent = Some(picture.clone());
                }
                queued
            }
            _ => {
                self.copy(picture, input.layout, index)?;
                self.device.queue_picture(index, input.layout.len, timestamp)
            }
        };
        if let Err(error) = queued {
            if input.memory == Memory::Dmabuf && !self.lending_refused {
                // This encoder can't take that memory after all: copy from now on.
                log::debug!("{}: a lent picture: {error}", self.device.card());
                self.lending_refused = true;
                return self.submit(picture, timing, key, now);
            }
            return Err(failed("queueing a picture", &error));
        }
        self.free.pop();
        if self.in_flight.is_empty() {
            self.last_progress = now;
        }
        self.in_flight.push_back(InFlight { timestamp, timing, submitted: now });
        self.counts.submitted += 1;
        Ok(Submitted::Yes)
    }

    /// Makes the encoder ready for pictures like this one; restarts it when it is set up for others.
    fn prepare(&mut self, picture: &RawFrame, now: MonoTime) -> Result<(), EncodeError> {
        // What it can't read is converted to I420 on the way.
        let format = if self.takes(picture.format()) { picture.format() } else { PixelFormat::I420 };
        let stride = picture.planes()[0].stride;
        let lendable = !self.lending_refused
            && format == picture.format()
            && picture.buffer().dmabuf().is_some()
            && layout::is_one_block(picture);
        let memory = if lendable { Memory::Dmabuf } else { Memory::Mmap };
        let fits = |input: Input| {
            input.layout.format == format
                && input.memory == memory
                && (memory == Memory::Mmap || input.layout.stride == stride)
        };
        if self.input.is_some_and(fits) {
            return Ok(());
        }
        if self.input.is_some() {
            self.drain(now)?;
            self.stop();
        }
        let wanted_stride = if lendable { u32::try_from(stride).unwrap_or(0) } else { 0 };
        let started = self.start(format, wanted_stride, memory);
        if !lendable {
            return started;
        }
        // Lent pictures must lie as the encoder reads them: its rows, its length.
        let as_it_lies = self
            .input
            .is_some_and(|input| input.layout.stride == stride && input.layout.len <= picture.buffer().bytes().len());
        if started.is_ok() && as_it_lies {
            return Ok(());
        }
        log::debug!("{}: pictures with rows of {stride} bytes can't be lent, they are copied", self.device.card());
        self.lending_refused = true;
        self.stop();
        self.start(format, 0, Memory::Mmap)
    }

    fn copy(&mut self, picture: &RawFrame, layout: Layout, index: u32) -> Result<(), EncodeError> {
        let to = self.device.picture_memory(index);
        if picture.format() == layout.format {
            layout.copy(picture, to)?;
        } else {
            write_i420(picture, to, layout.stride)?;
        }
        self.counts.bytes_copied += layout.len as u64;
        Ok(())
    }

    /// Takes back whatever the encoder is done with. Fails when it hangs.
    pub fn collect(&mut self, now: MonoTime) -> Result<(), EncodeError> {
        while let Some(index) =
            self.device.dequeue_picture().map_err(|error| failed("taking a picture back", &error))?
        {
            if let Some(lent) = self.lent.get_mut(index as usize) {
                *lent = None;
                self.free.push(index);
            }
        }
        while self.ready.len() < MAX_READY
            && let Some(coded) = self.device.dequeue_coded().map_err(|error| failed("taking coded data", &error))?
        {
            self.take(coded, now);
            self.device.queue_coded(coded.index).map_err(|error| failed("giving a buffer back", &error))?;
        }
        // Quirk: it may leave pictures out without a word, so each is never waited for; but all of them at
        // once for a second is a hang.
        let oldest = self.in_flight.front().map_or(now, |picture| picture.submitted);
        let silent = now.nanos_since(oldest.max(self.last_progress));
        if silent >= STALL_NANOS {
            return Err(EncodeError::Stalled { encoder: super::NAME, silent_ms: (silent / 1_000_000).unsigned_abs() });
        }
        Ok(())
    }

    fn take(&mut self, coded: Coded, now: MonoTime) {
        self.drained |= coded.last;
        if coded.bytes_used == 0 || coded.damaged {
            self.counts.garbage += u64::from(coded.damaged);
            return;
        }
        let unit = (self.config.parse)(self.device.coded(coded.index, coded.bytes_used));
        let Some(unit) = unit else {
            self.counts.garbage += 1;
            return;
        };
        if let (Some(sps), Some(pps)) = (&unit.sps, &unit.pps) {
            (self.sps, self.pps) = (sps.clone(), pps.clone());
        }
        // Quirk: without REPEAT_SEQ_HEADER key frames come bare: the sets of the first one go on holding. But
        // before the first one nothing can be decoded.
        let headless = self.config.coded == FourCc::H264 && self.sps.is_empty();
        if headless || unit.data.is_empty() {
            self.counts.garbage += u64::from(headless);
            return;
        }
        let Some(timing) = self.timing_of(coded.timestamp) else {
            // Quirk: a first output of garbage with timestamp 0 has been seen.
            self.counts.garbage += 1;
            return;
        };
        self.last_progress = now;
        self.counts.encoded += 1;
        self.ready.push_back(CodedPicture {
            timing,
            keyframe: unit.keyframe || (coded.keyframe && self.config.coded != FourCc::H264),
            data: unit.data,
            sps: self.sps.clone(),
            pps: self.pps.clone(),
        });
    }

    /// The picture that went in with this timestamp. Those before it won't come any more.
    fn timing_of(&mut self, timestamp: i64) -> Option<Timing> {
        let at = self.in_flight.iter().position(|picture| picture.timestamp == timestamp)?;
        self.counts.lost += at as u64;
        let timing = self.in_flight.drain(..=at).next_back()?.timing;
        // Time only goes forward.
        let forward = self.last_out.is_none_or(|last| timestamp > last);
        self.last_out = Some(timestamp);
        forward.then_some(timing)
    }

    /// The next coded picture.
    pub fn pop(&mut self) -> Option<CodedPicture> {
        self.ready.pop_front()
    }

    /// Lets the encoder finish what it has; gives up after a quarter of a second.
    pub fn drain(&mut self, now: MonoTime) -> Result<(), EncodeError> {
        self.collect(now)?;
        if self.in_flight.is_empty() {
            return Ok(());
        }
        // Never an empty picture buffer instead: the command. A driver without it finishes by itself.
        if let Err(error) = self.device.command(true) {
            log::debug!("{}: draining: {error}", self.device.card());
        }
        for _ in 0..DRAIN_WAITS {
            if self.drained || self.in_flight.is_empty() {
                break;
            }
            self.device.wait(DRAIN_WAIT).map_err(|error| failed("draining", &error))?;
            self.collect(now)?;
        }
        Ok(())
    }

    /// Until the encoder has something to say, at most `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Result<(), EncodeError> {
        self.device.wait(timeout).map_err(|error| failed("waiting", &error))
    }

    /// A picture was dropped because the encoder had no room for it.
    pub fn count_refused(&mut self) {
        self.counts.refused += 1;
    }

    /// Nothing is inside.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }
}

impl<D: Device> Drop for Machine<D> {
    fn drop(&mut self) {
        if self.input.is_some() {
            self.stop();
        }
    }
}

const MICROS: Timescale = match Timescale::new(1_000_000) {
    Some(scale) => scale,
    None => Timescale::NANOS,
};

fn refused(reason: String) -> EncodeError {
    EncodeError::Open { encoder: super::NAME, reason }
}

fn opening(what: &str, error: &io::Error) -> EncodeError {
    // Quirk: one program at a time.
    let busy = error.raw_os_error() == Some(libc::EBUSY);
    refused(if busy { format!("another program is using it ({what})") } else { format!("{what}: {error}") })
}

fn failed(what: &str, error: &io::Error) -> EncodeError {
    EncodeError::Failed { encoder: super::NAME, reason: format!("{what}: {error}") }
}
