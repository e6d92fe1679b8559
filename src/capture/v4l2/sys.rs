//! The kernel's side: V4L2 ioctls (linux/videodev2.h), and nothing else. Every `unsafe` of V4L2
//! capture but the mapping's stands here.
//!
//! The `v4l` crate gives the structs, the request numbers and the call. Its typed layer isn't used: it
//! panics on strings and enumerations that it doesn't expect, and they come from drivers.

use super::classify::{NodeFacts, caps};
use super::format::{FourCc, Layout};
use super::io::{Filled, Io, Ready, Signal};
use super::mapping::Mapping;
use super::negotiate::{Offer, Rates, Sizes};
use crate::config::Size;
use crate::time::{FrameRate, MonoTime};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;
use v4l::v4l_sys::*;
use v4l::v4l2::vidioc::{self, _IOC_TYPE};

/// A driver that lists formats, sizes or rates without end is cut here.
const MAX_LISTED: u32 = 128;

const EDID_BLOCK: usize = 128;
/// HDMI knows no more.
const MAX_EDID_BLOCKS: usize = 4;

const CAPTURE: u32 = v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;
const CAPTURE_MPLANE: u32 = v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
const OUTPUT: u32 = v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT;
const OUTPUT_MPLANE: u32 = v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE;
const MMAP: u32 = v4l2_memory_V4L2_MEMORY_MMAP;

/// A request number together with the one struct that it goes with.
struct Request<T: Argument>(_IOC_TYPE, PhantomData<T>);

/// # Safety
///
/// A C struct without pointers that the kernel follows, for which all zeros is a valid value.
unsafe trait Argument: Copy {
    fn zeroed() -> Self {
        // SAFETY: what the trait promises.
        unsafe { std::mem::zeroed() }
    }
}

macro_rules! arguments {
    ($($name:ty),*) => {$(
        // SAFETY: integers, arrays and unions of them (linux/videodev2.h). `v4l2_buffer` and `v4l2_format`
        // can carry pointers, for memory and buffer types that aren't used here.
        unsafe impl Argument for $name {}
    )*};
}
arguments!(
    v4l2_capability,
    v4l2_fmtdesc,
    v4l2_format,
    v4l2_frmsizeenum,
    v4l2_frmivalenum,
    v4l2_streamparm,
    v4l2_input,
    i32,
    v4l2_requestbuffers,
    v4l2_buffer,
    v4l2_exportbuffer,
    v4l2_dv_timings,
    v4l2_event_subscription,
    v4l2_event
);

impl<T: Argument> Request<T> {
    /// The number carries the struct's size: a pair that doesn't match doesn't compile.
    const fn new(number: _IOC_TYPE) -> Self {
        assert!((number >> 16) as usize & 0x3FFF == size_of::<T>());
        Self(number, PhantomData)
    }

    /// `_IOC` of linux/ioctl.h, for what the `v4l` crate leaves out.
    const fn of(direction: u32, number: u32) -> Self {
        Self::new(((direction << 30) | ((size_of::<T>() as u32) << 16) | ((b'V' as u32) << 8) | number) as _IOC_TYPE)
    }
}

const WRITE: u32 = 1;
const READ: u32 = 2;

const QUERYCAP: Request<v4l2_capability> = Request::new(vidioc::VIDIOC_QUERYCAP);
const ENUM_FMT: Request<v4l2_fmtdesc> = Request::new(vidioc::VIDIOC_ENUM_FMT);
const ENUM_FRAMESIZES: Request<v4l2_frmsizeenum> = Request::new(vidioc::VIDIOC_ENUM_FRAMESIZES);
const ENUM_FRAMEINTERVALS: Request<v4l2_frmivalenum> = Request::new(vidioc::VIDIOC_ENUM_FRAMEINTERVALS);
const ENUMINPUT: Request<v4l2_input> = Request::new(vidioc::VIDIOC_ENUMINPUT);
const G_INPUT: Request<i32> = Request::new(vidioc::VIDIOC_G_INPUT);
const G_FMT: Request<v4l2_format> = Request::new(vidioc::VIDIOC_G_FMT);
const S_FMT: Request<v4l2_format> = Request::new(vidioc::VIDIOC_S_FMT);
const S_PARM: Request<v4l2_streamparm> = Request::new(vidioc::VIDIOC_S_PARM);
const REQBUFS: Request<v4l2_requestbuffers> = Request::new(vidioc::VIDIOC_REQBUFS);
const QUERYBUF: Request<v4l2_buffer> = Request::new(vidioc::VIDIOC_QUERYBUF);
const QBUF: Request<v4l2_buffer> = Request::new(vidioc::VIDIOC_QBUF);
const DQBUF: Request<v4l2_buffer> = Request::new(vidioc::VIDIOC_DQBUF);
const EXPBUF: Request<v4l2_exportbuffer> = Request::new(vidioc::VIDIOC_EXPBUF);
const STREAMON: Request<i32> = Request::new(vidioc::VIDIOC_STREAMON);
const STREAMOFF: Request<i32> = Request::new(vidioc::VIDIOC_STREAMOFF);
const S_DV_TIMINGS: Request<v4l2_dv_timings> = Request::of(READ | WRITE, 87);
const QUERY_DV_TIMINGS: Request<v4l2_dv_timings> = Request::of(READ, 99);
const SUBSCRIBE_EVENT: Request<v4l2_event_subscription> = Request::of(WRITE, 90);
const DQEVENT: Request<v4l2_event> = Request::of(READ, 89);

/// An open video node.
#[derive(Debug)]
pub(crate) struct Device {
    fd: OwnedFd,
}

impl Device {
    /// Opens without blocking, and without taking anything away from who else has it open.
    pub fn open(path: &Path) -> io::Result<Self> {
        let fd = rustix::fs::open(path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { fd })
    }

    fn call<T: Argument>(&self, request: Request<T>, argument: &mut T) -> io::Result<()> {
        loop {
            // SAFETY: the descriptor is open; `Request` pairs the number with its struct, which the kernel
            // reads and writes within its size.
            let result =
                unsafe { v4l::v4l2::ioctl(self.fd.as_raw_fd(), request.0, std::ptr::from_mut(argument).cast()) };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Calls `request` with index 0, 1, 2, … until the driver has no more.
    fn list<T: Argument>(&self, request: fn() -> Request<T>, argument: impl Fn(u32) -> T) -> Vec<T> {
        let mut listed = Vec::new();
        for index in 0..MAX_LISTED {
            let mut item = argument(index);
            if self.call(request(), &mut item).is_err() {
                break;
            }
            listed.push(item);
        }
        listed
    }

    fn formats(&self, queue: u32) -> Vec<FourCc> {
        let described = self.list(|| ENUM_FMT, |index| v4l2_fmtdesc { index, type_: queue, ..v4l2_fmtdesc::zeroed() });
        described.iter().map(|format| FourCc::from_u32(format.pixelformat)).collect()
    }

    fn sizes(&self, fourcc: FourCc) -> Vec<Sizes> {
        let listed = self.list(
            || ENUM_FRAMESIZES,
            |index| v4l2_frmsizeenum { index, pixel_format: fourcc.as_u32(), ..v4l2_frmsizeenum::zeroed() },
        );
        let sizes: Vec<Sizes> = listed.iter().map(size_of_enum).collect();
        if !sizes.is_empty() {
            return sizes;
        }
        // A driver without the ioctl: what it is set to now is what is known.
        let mut now = v4l2_format { type_: CAPTURE, ..v4l2_format::zeroed() };
        if self.call(G_FMT, &mut now).is_err() {
            return Vec::new();
        }
        // SAFETY: `pix` is the member of a capture format, and any bits are valid in it.
        let pix = unsafe { now.fmt.pix };
        vec![Sizes::One(Size { width: pix.width, height: pix.height })]
    }

    fn rates(&self, fourcc: FourCc, size: Size) -> Rates {
        let listed = self.list(
            || ENUM_FRAMEINTERVALS,
            |index| v4l2_frmivalenum {
                index,
                pixel_format: fourcc.as_u32(),
                width: size.width,
                height: size.height,
                ..v4l2_frmivalenum::zeroed()
            },
        );
        rates_of_enum(&listed)
    }

    /// The input that is chosen; cards with one input needn't know the question.
    fn input(&self) -> u32 {
        let mut input = 0;
        let known = self.call(G_INPUT, &mut input).is_ok();
        if known { input.unsigned_abs() } else { 0 }
    }

    /// G_EDID or S_EDID of whole blocks; answers how many blocks the driver made of it.
    fn edid_call(&self, number: _IOC_TYPE, blocks: &mut [[u8; EDID_BLOCK]]) -> io::Result<usize> {
        let mut edid = v4l2_edid {
            // Of a video node, the input.
            pad: self.input(),
            start_block: 0,
            blocks: u32::try_from(blocks.len()).unwrap_or(u32::MAX),
            reserved: [0; 5],
            edid: blocks.as_mut_ptr().cast(),
        };
        // SAFETY: the descriptor is open; both numbers go with this struct, and the kernel touches at most
        // `blocks` blocks behind the pointer, which are ours until the call returns.
        unsafe { v4l::v4l2::ioctl(self.fd.as_raw_fd(), number, std::ptr::from_mut(&mut edid).cast()) }?;
        Ok(edid.blocks as usize)
    }

    fn query_timings(&self) -> io::Result<v4l2_dv_timings> {
        let mut timings = v4l2_dv_timings::zeroed();
        self.call(QUERY_DV_TIMINGS, &mut timings)?;
        Ok(timings)
    }

    fn buffer(index: u32) -> v4l2_buffer {
        v4l2_buffer { index, type_: CAPTURE, memory: MMAP, ..v4l2_buffer::zeroed() }
    }
}

fn size_of_enum(item: &v4l2_frmsizeenum) -> Sizes {
    if item.type_ == v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
        // SAFETY: two integers, of which any bits are valid.
        let one = unsafe { item.__bindgen_anon_1.discrete };
        return Sizes::One(Size { width: one.width, height: one.height });
    }
    // SAFETY: six integers, of which any bits are valid.
    let steps = unsafe { item.__bindgen_anon_1.stepwise };
    Sizes::Steps {
        min: Size { width: steps.min_width, height: steps.min_height },
        max: Size { width: steps.max_width, height: steps.max_height },
        step: Size { width: steps.step_width, height: steps.step_height },
    }
}

/// An interval is a frame's length in seconds: the rate is its inverse, in lowest terms.
fn rate(interval: v4l2_fract) -> Option<FrameRate> {
    let (mut divisor, mut rest) = (interval.denominator, interval.numerator);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    let divisor = divisor.max(1);
    FrameRate::new(interval.denominator / divisor, interval.numerator / divisor)
}

fn rates_of_enum(listed: &[v4l2_frmivalenum]) -> Rates {
    let Some(first) = listed.first() else { return Rates::Unknown };
    if first.type_ == v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE {
        // SAFETY: two integers, of which any bits are valid.
        let rates = listed.iter().filter_map(|item| rate(unsafe { item.__bindgen_anon_1.discrete }));
        return Rates::List(rates.collect());
    }
    // SAFETY: six integers, of which any bits are valid.
    let steps = unsafe { first.__bindgen_anon_1.stepwise };
    match (rate(steps.max), rate(steps.min)) {
        (Some(slowest), Some(fastest)) => Rates::Range { slowest, fastest },
        // vivid and v4l2loopback say "from 0".
        (None, Some(fastest)) => {
            FrameRate::new(1, 1).map_or(Rates::Unknown, |slowest| Rates::Range { slowest, fastest })
        }
        _ => Rates::Unknown,
    }
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

fn signal_of(timings: &v4l2_dv_timings) -> Signal {
    // The struct is packed: copy the member before looking into it.
    // SAFETY: BT.656/1120 is the only kind of timings there is; integers, any bits are valid.
    let bt = unsafe { timings.__bindgen_anon_1.bt };
    let sum = |parts: [u32; 4]| parts.iter().map(|part| u64::from(*part)).sum::<u64>();
    let width = sum([bt.width, bt.hfrontporch, bt.hsync, bt.hbackporch]);
    let height = sum([bt.height, bt.vfrontporch, bt.vsync, bt.vbackporch]);
    Signal {
        size: Size { width: bt.width, height: bt.height },
        interlaced: bt.interlaced != 0,
        pixel_clock: bt.pixelclock,
        total_pixels: width.saturating_mul(height),
    }
}

impl Io for Device {
    fn facts(&self) -> io::Result<NodeFacts> {
        let mut capability = v4l2_capability::zeroed();
        self.call(QUERYCAP, &mut capability)?;
        let per_node = capability.capabilities & V4L2_CAP_DEVICE_CAPS != 0;
        let caps = if per_node { capability.device_caps } else { capability.capabilities };

        let mut input = 0;
        let mut described = v4l2_input::zeroed();
        let mut has_dv_timings = false;
        if self.call(G_INPUT, &mut input).is_ok() {
            described.index = input.unsigned_abs();
            let known = self.call(ENUMINPUT, &mut described).is_ok();
            has_dv_timings = known && described.capabilities & V4L2_IN_CAP_DV_TIMINGS != 0;
        }
        let queue = |multi: u32, multi_planar: u32, single: u32| {
            self.formats(if caps & multi != 0 { multi_planar } else { single })
        };
        Ok(NodeFacts {
            driver: text(&capability.driver),
            card: text(&capability.card),
            caps,
            has_dv_timings,
            capture_formats: queue(caps::VIDEO_CAPTURE_MPLANE | caps::VIDEO_M2M_MPLANE, CAPTURE_MPLANE, CAPTURE),
            output_formats: queue(caps::VIDEO_OUTPUT_MPLANE | caps::VIDEO_M2M_MPLANE, OUTPUT_MPLANE, OUTPUT),
        })
    }

    fn signal(&self) -> io::Result<Signal> {
        Ok(signal_of(&self.query_timings()?))
    }

    fn follow_signal(&self) -> io::Result<Signal> {
        let mut timings = self.query_timings()?;
        self.call(S_DV_TIMINGS, &mut timings)?;
        Ok(signal_of(&timings))
    }

    fn edid(&self) -> io::Result<Vec<u8>> {
        let mut blocks = [[0; EDID_BLOCK]; MAX_EDID_BLOCKS];
        match self.edid_call(vidioc::VIDIOC_G_EDID, &mut blocks) {
            Ok(count) => Ok(blocks.iter().take(count).flatten().copied().collect()),
            Err(error) if error.raw_os_error() == Some(libc::ENODATA) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn set_edid(&self, edid: &[u8]) -> io::Result<()> {
        let mut blocks = edid.as_chunks::<EDID_BLOCK>().0.to_vec();
        self.edid_call(vidioc::VIDIOC_S_EDID, &mut blocks).map(|_| ())
    }

    fn subscribe_source_change(&self) -> io::Result<()> {
        let mut subscription = v4l2_event_subscription {
            type_: V4L2_EVENT_SOURCE_CHANGE,
            // The input that it is about.
            id: self.input(),
            ..v4l2_event_subscription::zeroed()
        };
        self.call(SUBSCRIBE_EVENT, &mut subscription)
    }

    fn take_event(&self) -> io::Result<()> {
        self.call(DQEVENT, &mut v4l2_event::zeroed())
    }

    fn offers(&self, near: Size) -> Vec<Offer> {
        let mut offers = Vec::new();
        // vivid has ninety formats: only what can be used is looked into.
        for fourcc in self.formats(CAPTURE).into_iter().filter(|fourcc| fourcc.camera_format().is_some()) {
            for sizes in self.sizes(fourcc) {
                let at = match sizes {
                    Sizes::One(size) => Some(size),
                    Sizes::Steps { .. } => sizes.nearest(near),
                };
                let rates = at.map_or(Rates::Unknown, |size| self.rates(fourcc, size));
                offers.push(Offer { fourcc, sizes, rates });
            }
        }
        offers
    }

    fn set_format(&self, fourcc: FourCc, size: Size) -> io::Result<(FourCc, Layout)> {
        let mut format = v4l2_format { type_: CAPTURE, ..v4l2_format::zeroed() };
        let mut pix = v4l2_pix_format {
            width: size.width,
            height: size.height,
            pixelformat: fourcc.as_u32(),
            field: v4l2_field_V4L2_FIELD_NONE,
            // SAFETY: integers, for which zero is valid.
            ..unsafe { std::mem::zeroed() }
        };
        format.fmt.pix = pix;
        self.call(S_FMT, &mut format)?;
        // SAFETY: `pix` is the member of a capture format, and any bits are valid in it.
        pix = unsafe { format.fmt.pix };
        // Each buffer would be half a picture.
        if pix.field == v4l2_field_V4L2_FIELD_ALTERNATE {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let got = FourCc::from_u32(pix.pixelformat);
        let usable = got.camera_format().ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        let size = Size { width: pix.width, height: pix.height };
        Ok((got, Layout { format: usable, size, bytes_per_line: pix.bytesperline }))
    }

    fn set_frame_rate(&self, wanted: FrameRate) -> io::Result<Option<FrameRate>> {
        let mut parameters = v4l2_streamparm { type_: CAPTURE, ..v4l2_streamparm::zeroed() };
        parameters.parm.capture.timeperframe = v4l2_fract { numerator: wanted.den(), denominator: wanted.num() };
        self.call(S_PARM, &mut parameters)?;
        // SAFETY: `capture` is the member for a capture queue; integers, any bits are valid.
        Ok(rate(unsafe { parameters.parm.capture.timeperframe }))
    }

    fn request_buffers(&self, count: u32) -> io::Result<u32> {
        let mut request = v4l2_requestbuffers { count, type_: CAPTURE, memory: MMAP, ..v4l2_requestbuffers::zeroed() };
        self.call(REQBUFS, &mut request)?;
        Ok(request.count)
    }

    fn map(&self, index: u32) -> io::Result<Mapping> {
        let mut buffer = Self::buffer(index);
        self.call(QUERYBUF, &mut buffer)?;
        // SAFETY: `offset` is the member for MMAP; an integer, any bits are valid.
        let offset = unsafe { buffer.m.offset };
        Mapping::new(&self.fd, offset.into(), buffer.length as usize)
    }

    fn export(&self, index: u32) -> io::Result<OwnedFd> {
        let flags = libc::O_CLOEXEC.unsigned_abs() | libc::O_RDONLY.unsigned_abs();
        let mut export = v4l2_exportbuffer { type_: CAPTURE, index, flags, ..v4l2_exportbuffer::zeroed() };
        self.call(EXPBUF, &mut export)?;
        // SAFETY: the kernel has just opened it for us, and nobody else knows it.
        Ok(unsafe { OwnedFd::from_raw_fd(export.fd) })
    }

    fn queue(&self, index: u32) -> io::Result<()> {
        self.call(QBUF, &mut Self::buffer(index))
    }

    fn dequeue(&self) -> io::Result<Filled> {
        let mut buffer = Self::buffer(0);
        self.call(DQBUF, &mut buffer)?;
        let monotonic = buffer.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
        // The struct's integers are as wide as the C library's `time_t`.
        #[allow(clippy::useless_conversion, reason = "a conversion on 32-bit boards")]
        let micros = i64::from(buffer.timestamp.tv_sec)
            .saturating_mul(1_000_000)
            .saturating_add(i64::from(buffer.timestamp.tv_usec));
        Ok(Filled {
            index: buffer.index,
            bytes_used: buffer.bytesused as usize,
            stamped: monotonic.then(|| MonoTime::from_micros(micros)),
            damaged: buffer.flags & V4L2_BUF_FLAG_ERROR != 0,
        })
    }

    fn stream_on(&self) -> io::Result<()> {
        self.call(STREAMON, &mut CAPTURE.cast_signed())
    }

    fn stream_off(&self) -> io::Result<()> {
        self.call(STREAMOFF, &mut CAPTURE.cast_signed())
    }

    fn wait(&self, timeout: Duration) -> io::Result<Ready> {
        let mut fds = [PollFd::from_borrowed_fd(self.fd.as_fd(), PollFlags::IN | PollFlags::PRI)];
        match poll(&mut fds, Some(&timespec(timeout))) {
            // A signal: the caller looks at its deadline and comes again.
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [fd] = fds;
        let seen = fd.revents();
        Ok(Ready {
            frame: seen.contains(PollFlags::IN),
            event: seen.contains(PollFlags::PRI),
            error: seen.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL),
        })
    }

    fn pause(&self, span: Duration) {
        // Waits on nothing; a signal may cut it short, which does no harm.
        let _ = poll(&mut [], Some(&timespec(span)));
    }

    #[allow(clippy::disallowed_methods, reason = "the shell's clock; tests have another device")]
    fn now(&self) -> MonoTime {
        MonoTime::now()
    }
}

fn timespec(span: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX), tv_nsec: span.subsec_nanos().into() }
}
