//! What a V4L2 memory-to-memory encoder can be asked: one method an ioctl. The kernel stands behind it in
//! the box, a simulated encoder in tests.

use crate::time::FrameRate;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// A V4L2 pixel format, as its four characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FourCc(pub [u8; 4]);

impl FourCc {
    pub const H264: Self = Self(*b"H264");
    /// vicodec's, for trying the protocol without an encoder chip.
    pub const FWHT: Self = Self(*b"FWHT");
}

impl std::fmt::Debug for FourCc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// The two queues, named as V4L2 names them: seen from the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Pictures, to the encoder.
    Output,
    /// Coded data, from the encoder.
    Capture,
}

/// Where the pictures' memory comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// The encoder's own, mapped here.
    Mmap,
    /// The camera's, lent.
    Dmabuf,
}

/// `v4l2_pix_format_mplane`, with one plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    pub fourcc: FourCc,
    pub width: u32,
    pub height: u32,
    /// `bytesperline`; 0 lets the driver choose.
    pub stride: u32,
    /// `sizeimage`; 0 lets the driver choose.
    pub size: u32,
}

/// Codec controls, each one `V4L2_CID_MPEG_VIDEO_…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    Bitrate,
    BitrateMode,
    HeaderMode,
    RepeatSeqHeader,
    GopSize,
    H264IPeriod,
    H264Profile,
    H264Level,
    BFrames,
    ForceKeyFrame,
}

/// A buffer of coded data that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Coded {
    pub index: u32,
    pub bytes_used: usize,
    /// What the picture was queued with, µs.
    pub timestamp: i64,
    pub keyframe: bool,
    /// The drain is complete (the buffer may be empty).
    pub last: bool,
    /// The encoder says that the data is damaged.
    pub damaged: bool,
}

/// An open encoder. Never blocks but in [`Device::wait`].
pub trait Device: Send {
    /// Card name, as the driver gives it.
    fn card(&self) -> &str;
    /// ENUM_FMT.
    fn formats(&self, queue: Queue) -> Vec<FourCc>;
    /// S_FMT: what the driver made of it.
    fn set_format(&mut self, queue: Queue, format: Format) -> io::Result<Format>;
    /// S_CTRL.
    fn set_control(&mut self, control: Control, value: i32) -> io::Result<()>;
    /// S_PARM on the output queue.
    fn set_frame_rate(&mut self, rate: FrameRate) -> io::Result<()>;
    /// REQBUFS, and for the encoder's own memory QUERYBUF and mmap of each: how many there are. 0 gives them back.
    fn request_buffers(&mut self, queue: Queue, memory: Memory, count: u32) -> io::Result<u32>;
    /// STREAMON and STREAMOFF.
    fn stream(&mut self, queue: Queue, on: bool) -> io::Result<()>;
    /// The memory of a picture buffer of the encoder's own; empty when there is no such buffer.
    fn picture_memory(&mut self, index: u32) -> &mut [u8];
    /// QBUF of a picture that was written to [`Device::picture_memory`].
    fn queue_picture(&mut self, index: u32, len: usize, timestamp: i64) -> io::Result<()>;
    /// QBUF of a picture where it lies: `len` bytes of picture in a buffer of `size`.
    fn queue_dmabuf(
        &mut self,
        index: u32,
        fd: BorrowedFd<'_>,
        len: usize,
        size: usize,
        timestamp: i64,
    ) -> io::Result<()>;
    /// QBUF of a buffer for coded data.
    fn queue_coded(&mut self, index: u32) -> io::Result<()>;
    /// DQBUF of a picture buffer that the encoder is done with; `None` when there is none.
    fn dequeue_picture(&mut self) -> io::Result<Option<u32>>;
    /// DQBUF of coded data; `None` when there is none.
    fn dequeue_coded(&mut self) -> io::Result<Option<Coded>>;
    /// The bytes of coded data; shorter when the buffer is.
    fn coded(&self, index: u32, len: usize) -> &[u8];
    /// ENC_CMD_STOP, and ENC_CMD_START after it.
    fn command(&mut self, stop: bool) -> io::Result<()>;
    /// Until something can be dequeued, at most `timeout`.
    fn wait(&mut self, timeout: Duration) -> io::Result<()>;
}
