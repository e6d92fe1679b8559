//! The kernel behind [`Device`]: multi-planar V4L2 ioctls (linux/videodev2.h) and mappings. All `unsafe` of this
//! encoder stands here.

use super::device::{Coded, Control, Device, Format, FourCc, Memory, Queue};
use crate::time::FrameRate;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::ptr::{NonNull, null_mut};
use std::time::Duration;
use v4l::v4l_sys::*;
use v4l::v4l2::vidioc::{self, _IOC_TYPE};

/// A driver that lists formats without end is cut here.
const MAX_FORMATS: u32 = 128;

/// The buffers that a driver may give, at most (the kernel's own limit).
const MAX_BUFFERS: u32 = 32;

/// An open encoder node.
pub struct Node {
    fd: OwnedFd,
    card: String,
    pictures: Vec<Mapping>,
    coded: Vec<Mapping>,
    /// Where the data begins in each coded buffer, bytes.
    coded_offsets: Vec<usize>,
}

impl Node {
    /// Opens without blocking. Fails for what is no multi-planar memory-to-memory device.
    pub fn open(path: &Path) -> io::Result<Self> {
        let fd = rustix::fs::open(path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
        let mut node =
            Self { fd, card: String::new(), pictures: Vec::new(), coded: Vec::new(), coded_offsets: Vec::new() };
        // SAFETY: integers and arrays of them: all zeros is a valid value.
        let mut capability: v4l2_capability = unsafe { std::mem::zeroed() };
        node.call(vidioc::VIDIOC_QUERYCAP, &mut capability)?;
        let own = capability.capabilities & V4L2_CAP_DEVICE_CAPS != 0;
        let capabilities = if own { capability.device_caps } else { capability.capabilities };
        if capabilities & V4L2_CAP_VIDEO_M2M_MPLANE == 0 || capabilities & V4L2_CAP_STREAMING == 0 {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "not a multi-planar memory-to-memory device"));
        }
        let name: Vec<u8> = capability.card.iter().copied().take_while(|&byte| byte != 0).collect();
        node.card = String::from_utf8_lossy(&name).into_owned();
        Ok(node)
    }

    /// Every caller pairs the number with its struct; pointers in it point to what outlives the call.
    fn call<T>(&self, request: _IOC_TYPE, argument: &mut T) -> io::Result<()> {
        debug_assert_eq!((request >> 16) as usize & 0x3FFF, size_of::<T>(), "the number carries the struct's size");
        loop {
            // SAFETY: the descriptor is open; the kernel reads and writes `argument` within its size, and what its
            // pointers (to one `v4l2_plane`) point to.
            let result = unsafe { v4l::v4l2::ioctl(self.fd.as_raw_fd(), request, std::ptr::from_mut(argument).cast()) };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Runs a buffer ioctl with its one plane.
    fn call_buffer(&self, request: _IOC_TYPE, buffer: &mut v4l2_buffer, plane: &mut v4l2_plane) -> io::Result<()> {
        buffer.m.planes = plane;
        buffer.length = 1;
        self.call(request, buffer)
    }

    fn map(&self, queue: Queue, index: u32) -> io::Result<Mapping> {
        let (mut buffer, mut plane) = new_buffer(queue, Memory::Mmap, index);
        self.call_buffer(vidioc::VIDIOC_QUERYBUF, &mut buffer, &mut plane)?;
        // SAFETY: the member for MMAP; an integer, any bits are valid.
        let offset = unsafe { plane.m.mem_offset };
        Mapping::new(&self.fd, offset.into(), plane.length as usize)
    }

    fn dequeue(&self, queue: Queue, memory: Memory) -> io::Result<Option<(v4l2_buffer, v4l2_plane)>> {
        let (mut buffer, mut plane) = new_buffer(queue, memory, 0);
        match self.call_buffer(vidioc::VIDIOC_DQBUF, &mut buffer, &mut plane) {
            Ok(()) => Ok(Some((buffer, plane))),
            // EPIPE: everything has come since the drain.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EPIPE)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// DMABUF when no picture memory is mapped.
    fn picture_memory_kind(&self) -> Memory {
        if self.pictures.is_empty() { Memory::Dmabuf } else { Memory::Mmap }
    }
}

fn buffer_type(queue: Queue) -> u32 {
    match queue {
        Queue::Output => v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE,
        Queue::Capture => v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE,
    }
}

fn memory_type(memory: Memory) -> u32 {
    match memory {
        Memory::Mmap => v4l2_memory_V4L2_MEMORY_MMAP,
        Memory::Dmabuf => v4l2_memory_V4L2_MEMORY_DMABUF,
    }
}

fn new_buffer(queue: Queue, memory: Memory, index: u32) -> (v4l2_buffer, v4l2_plane) {
    // SAFETY: integers and unions of them and of pointers: all zeros is a valid value.
    let (mut buffer, plane): (v4l2_buffer, v4l2_plane) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    buffer.type_ = buffer_type(queue);
    buffer.memory = memory_type(memory);
    buffer.index = index;
    buffer.field = v4l2_field_V4L2_FIELD_NONE;
    (buffer, plane)
}

fn stamp(buffer: &mut v4l2_buffer, micros: i64) {
    #[allow(clippy::useless_conversion, reason = "a conversion on 32-bit boards")]
    {
        buffer.timestamp.tv_sec = (micros / 1_000_000).try_into().unwrap_or_default();
        buffer.timestamp.tv_usec = (micros % 1_000_000).try_into().unwrap_or_default();
    }
}

fn control_id(control: Control) -> u32 {
    match control {
        Control::Bitrate => V4L2_CID_MPEG_VIDEO_BITRATE,
        Control::BitrateMode => V4L2_CID_MPEG_VIDEO_BITRATE_MODE,
        Control::HeaderMode => V4L2_CID_MPEG_VIDEO_HEADER_MODE,
        Control::RepeatSeqHeader => V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER,
        Control::GopSize => V4L2_CID_MPEG_VIDEO_GOP_SIZE,
        Control::H264IPeriod => V4L2_CID_MPEG_VIDEO_H264_I_PERIOD,
        Control::H264Profile => V4L2_CID_MPEG_VIDEO_H264_PROFILE,
        Control::H264Level => V4L2_CID_MPEG_VIDEO_H264_LEVEL,
        Control::BFrames => V4L2_CID_MPEG_VIDEO_B_FRAMES,
        Control::ForceKeyFrame => V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME,
    }
}

impl Device for Node {
    fn card(&self) -> &str {
        &self.card
    }

    fn formats(&self, queue: Queue) -> Vec<FourCc> {
        let format = |index| {
            // SAFETY: integers and arrays of them: all zeros is a valid value.
            let mut format: v4l2_fmtdesc = unsafe { std::mem::zeroed() };
            format.index = index;
            format.type_ = buffer_type(queue);
            self.call(vidioc::VIDIOC_ENUM_FMT, &mut format).ok()?;
            Some(FourCc(format.pixelformat.to_le_bytes()))
        };
        (0..MAX_FORMATS).map_while(format).collect()
    }

    fn set_format(&mut self, queue: Queue, wanted: Format) -> io::Result<Format> {
        // SAFETY: integers and unions of them (the window member's pointers belong to another type): zeros are valid.
        let mut format: v4l2_format = unsafe { std::mem::zeroed() };
        format.type_ = buffer_type(queue);
        // SAFETY: as above; integers and arrays of them.
        let mut pix: v4l2_pix_format_mplane = unsafe { std::mem::zeroed() };
        pix.width = wanted.width;
        pix.height = wanted.height;
        pix.pixelformat = u32::from_le_bytes(wanted.fourcc.0);
        pix.field = v4l2_field_V4L2_FIELD_NONE;
        // As the software encoder describes its colours.
        pix.colorspace = if wanted.height >= 720 {
            v4l2_colorspace_V4L2_COLORSPACE_REC709
        } else {
            v4l2_colorspace_V4L2_COLORSPACE_SMPTE170M
        };
        pix.num_planes = 1;
        pix.plane_fmt[0].bytesperline = wanted.stride;
        pix.plane_fmt[0].sizeimage = wanted.size;
        format.fmt.pix_mp = pix;
        self.call(vidioc::VIDIOC_S_FMT, &mut format)?;
        // SAFETY: the member for multi-planar types; integers, any bits are valid.
        let pix = unsafe { format.fmt.pix_mp };
        if pix.num_planes != 1 {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "pictures in more than one plane of memory"));
        }
        // Copied out: the struct is packed.
        let plane = pix.plane_fmt[0];
        Ok(Format {
            fourcc: FourCc({ pix.pixelformat }.to_le_bytes()),
            width: pix.width,
            height: pix.height,
            stride: plane.bytesperline,
            size: plane.sizeimage,
        })
    }

    fn set_control(&mut self, control: Control, value: i32) -> io::Result<()> {
        self.call(vidioc::VIDIOC_S_CTRL, &mut v4l2_control { id: control_id(control), value })
    }

    fn set_frame_rate(&mut self, rate: FrameRate) -> io::Result<()> {
        // SAFETY: integers and unions of them: all zeros is a valid value.
        let mut parameters: v4l2_streamparm = unsafe { std::mem::zeroed() };
        parameters.type_ = buffer_type(Queue::Output);
        parameters.parm.output.timeperframe = v4l2_fract { numerator: rate.den(), denominator: rate.num() };
        self.call(vidioc::VIDIOC_S_PARM, &mut parameters)
    }

    fn request_buffers(&mut self, queue: Queue, memory: Memory, count: u32) -> io::Result<u32> {
        // A mapped buffer can't be given back.
        match queue {
            Queue::Output => self.pictures.clear(),
            Queue::Capture => self.coded.clear(),
        }
        let memory = if queue == Queue::Capture { Memory::Mmap } else { memory };
        // SAFETY: integers and arrays of them: all zeros is a valid value.
        let mut request: v4l2_requestbuffers = unsafe { std::mem::zeroed() };
        request.count = count;
        request.type_ = buffer_type(queue);
        request.memory = memory_type(memory);
        self.call(vidioc::VIDIOC_REQBUFS, &mut request)?;
        let given = request.count.min(MAX_BUFFERS);
        if memory == Memory::Mmap {
            let mapped = (0..given).map(|index| self.map(queue, index)).collect::<io::Result<Vec<_>>>()?;
            match queue {
                Queue::Output => self.pictures = mapped,
                Queue::Capture => self.coded = mapped,
            }
        }
        if queue == Queue::Capture {
            self.coded_offsets = vec![0; given as usize];
        }
        Ok(given)
    }

    fn stream(&mut self, queue: Queue, on: bool) -> io::Result<()> {
        let request = if on { vidioc::VIDIOC_STREAMON } else { vidioc::VIDIOC_STREAMOFF };
        self.call(request, &mut buffer_type(queue).cast_signed())
    }

    fn picture_memory(&mut self, index: u32) -> &mut [u8] {
        self.pictures.get_mut(index as usize).map(Mapping::bytes_mut).unwrap_or_default()
    }

    fn queue_picture(&mut self, index: u32, len: usize, timestamp: i64) -> io::Result<()> {
        let (mut buffer, mut plane) = new_buffer(Queue::Output, Memory::Mmap, index);
        stamp(&mut buffer, timestamp);
        plane.bytesused = len as u32;
        plane.length = self.pictures.get(index as usize).map_or(0, |mapping| mapping.len) as u32;
        self.call_buffer(vidioc::VIDIOC_QBUF, &mut buffer, &mut plane)
    }

    fn queue_dmabuf(
        &mut self,
        index: u32,
        fd: BorrowedFd<'_>,
        len: usize,
        size: usize,
        timestamp: i64,
    ) -> io::Result<()> {
        let (mut buffer, mut plane) = new_buffer(Queue::Output, Memory::Dmabuf, index);
        stamp(&mut buffer, timestamp);
        plane.bytesused = len as u32;
        plane.length = size as u32;
        plane.m.fd = fd.as_raw_fd();
        self.call_buffer(vidioc::VIDIOC_QBUF, &mut buffer, &mut plane)
    }

    fn queue_coded(&mut self, index: u32) -> io::Result<()> {
        let (mut buffer, mut plane) = new_buffer(Queue::Capture, Memory::Mmap, index);
        plane.length = self.coded.get(index as usize).map_or(0, |mapping| mapping.len) as u32;
        self.call_buffer(vidioc::VIDIOC_QBUF, &mut buffer, &mut plane)
    }

    fn dequeue_picture(&mut self) -> io::Result<Option<u32>> {
        Ok(self.dequeue(Queue::Output, self.picture_memory_kind())?.map(|(buffer, _)| buffer.index))
    }

    fn dequeue_coded(&mut self) -> io::Result<Option<Coded>> {
        let Some((buffer, plane)) = self.dequeue(Queue::Capture, Memory::Mmap)? else {
            return Ok(None);
        };
        let offset = plane.data_offset.min(plane.bytesused) as usize;
        if let Some(kept) = self.coded_offsets.get_mut(buffer.index as usize) {
            *kept = offset;
        }
        #[allow(clippy::useless_conversion, reason = "a conversion on 32-bit boards")]
        let timestamp = i64::from(buffer.timestamp.tv_sec)
            .saturating_mul(1_000_000)
            .saturating_add(i64::from(buffer.timestamp.tv_usec));
        Ok(Some(Coded {
            index: buffer.index,
            bytes_used: plane.bytesused as usize - offset,
            timestamp,
            keyframe: buffer.flags & V4L2_BUF_FLAG_KEYFRAME != 0,
            last: buffer.flags & V4L2_BUF_FLAG_LAST != 0,
            damaged: buffer.flags & V4L2_BUF_FLAG_ERROR != 0,
        }))
    }

    fn coded(&self, index: u32, len: usize) -> &[u8] {
        let bytes = self.coded.get(index as usize).map(Mapping::bytes).unwrap_or_default();
        let offset = self.coded_offsets.get(index as usize).copied().unwrap_or(0);
        let bytes = bytes.get(offset..).unwrap_or_default();
        bytes.get(..len).unwrap_or(bytes)
    }

    fn command(&mut self, stop: bool) -> io::Result<()> {
        // SAFETY: integers and unions of them: all zeros is a valid value.
        let mut command: v4l2_encoder_cmd = unsafe { std::mem::zeroed() };
        command.cmd = if stop { V4L2_ENC_CMD_STOP } else { V4L2_ENC_CMD_START };
        self.call(vidioc::VIDIOC_ENCODER_CMD, &mut command)
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        let mut fds = [PollFd::from_borrowed_fd(self.fd.as_fd(), PollFlags::IN | PollFlags::OUT)];
        match poll(&mut fds, Some(&timeout)) {
            // A signal: the caller looks at the time and comes again.
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [fd] = fds;
        let seen = fd.revents();
        if seen.intersects(PollFlags::ERR | PollFlags::NVAL) && !seen.intersects(PollFlags::IN | PollFlags::OUT) {
            return Err(io::Error::other("the encoder reports an error"));
        }
        Ok(())
    }
}

/// A buffer of the driver's, mapped.
struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: memory that only its owner points to.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(file: impl AsFd, offset: u64, len: usize) -> io::Result<Self> {
        if len == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let start =
            unsafe { mmap(null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, file, offset) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, len })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: one mapping, there until `self` is dropped. The device writes to it only while it is queued, and
        // the machine reads it only while it isn't.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and nobody else has a reference to it.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`, unmapped once.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node that is no encoder: every ioctl comes back with an error, and its number was held against the size of
    /// its struct on the way.
    #[test]
    fn what_is_no_encoder_refuses_everything_and_nothing_panics() {
        assert!(Node::open(Path::new("/dev/null")).is_err());
        assert!(Node::open(Path::new("/dev/there-is-no-such-node")).is_err());
        let fd = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).expect("opens");
        let mut node =
            Node { fd, card: String::new(), pictures: Vec::new(), coded: Vec::new(), coded_offsets: Vec::new() };
        let format = Format { fourcc: FourCc::H264, width: 64, height: 64, stride: 0, size: 0 };
        let file = std::fs::File::open("/dev/null").expect("opens");
        assert!(node.formats(Queue::Capture).is_empty());
        assert!(node.set_format(Queue::Capture, format).is_err());
        assert!(node.set_control(Control::Bitrate, 1).is_err());
        assert!(node.set_frame_rate(FrameRate::new(30, 1).expect("a rate")).is_err());
        assert!(node.request_buffers(Queue::Output, Memory::Mmap, 1).is_err());
        assert!(node.map(Queue::Output, 0).is_err());
        assert!(node.stream(Queue::Output, true).is_err());
        assert!(node.picture_memory(0).is_empty());
        assert!(node.queue_picture(0, 1, 1).is_err());
        assert!(node.queue_dmabuf(0, file.as_fd(), 1, 1, 1).is_err());
        assert!(node.queue_coded(0).is_err());
        assert!(node.dequeue_picture().is_err() && node.dequeue_coded().is_err());
        assert!(node.coded(0, 10).is_empty());
        assert!(node.command(true).is_err());
    }
}
