//! A V4L2 device in memory, with a clock of its own: its buffers are a memfd, mapped as a device's are.
//! A script says what happens when; time passes only while somebody waits.

use super::classify::{NodeFacts, caps};
use super::format::{FourCc, Layout};
use super::io::{Filled, Io, Ready, Signal};
use super::mapping::Mapping;
use super::negotiate::{Offer, Rates, Sizes};
use crate::config::{CameraFormat, Size};
use crate::time::{FrameRate, MonoTime};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::time::Duration;

pub(crate) const SIZE: Size = Size { width: 64, height: 48 };
pub(crate) const BUFFER_LEN: usize = 64 * 48 * 2;
/// From one buffer to the next in the device's memory: whole pages, on any board.
const SLOT: u64 = 65_536;

/// What happens at a point of time.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// The device fills a buffer with this content, marked as damaged or not.
    Frame { content: Vec<u8>, damaged: bool, stamped: Option<MonoTime> },
    /// The signal is another one, and the driver says so.
    SourceChange(Result<Signal, i32>),
    /// The signal is another one, and the driver keeps quiet.
    QuietChange(Result<Signal, i32>),
    /// From now on, every call fails with this error.
    Fail(i32),
}

#[derive(Debug)]
pub(crate) struct Simulated {
    pub facts: NodeFacts,
    pub offers: Vec<Offer>,
    /// Calls that fail from the start: name, errno.
    pub refuses: Vec<(&'static str, i32)>,
    /// What it puts into the EDID's last byte but one, as drivers do with their CEC address.
    edid_address: Option<u8>,
    memory: OwnedFd,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    now: MonoTime,
    script: VecDeque<(MonoTime, Event)>,
    queued: VecDeque<u32>,
    filled: VecDeque<Filled>,
    signal: Option<Result<Signal, i32>>,
    edid: Vec<u8>,
    event: bool,
    failed: Option<i32>,
    streaming: bool,
    buffers: u32,
    calls: Vec<String>,
}

impl Simulated {
    /// A camera with one format.
    pub fn camera(format: &[u8; 4]) -> Self {
        let fourcc = FourCc(*format);
        let rates = Rates::List(FrameRate::new(30, 1).into_iter().collect());
        Self {
            facts: NodeFacts {
                driver: "uvcvideo".to_owned(),
                card: "Simulated camera".to_owned(),
                caps: caps::VIDEO_CAPTURE | caps::STREAMING,
                capture_formats: vec![fourcc],
                ..NodeFacts::default()
            },
            offers: vec![Offer { fourcc, sizes: Sizes::One(SIZE), rates }],
            refuses: Vec::new(),
            edid_address: None,
            memory: rustix::fs::memfd_create("camera", rustix::fs::MemfdFlags::CLOEXEC).expect("a memfd"),
            state: Mutex::default(),
        }
    }

    pub fn hdmi(signal: Result<Signal, i32>) -> Self {
        let mut device = Self::camera(b"UYVY");
        device.facts.has_dv_timings = true;
        device.state().signal = Some(signal);
        device
    }

    /// Adds to the script; in order of time.
    pub fn at(self, millis: i64, event: Event) -> Self {
        self.state().script.push_back((MonoTime::from_millis(millis), event));
        self
    }

    /// A good picture of bytes `value`.
    pub fn picture_at(self, millis: i64, value: u8) -> Self {
        let stamped = Some(MonoTime::from_millis(millis));
        self.at(millis, Event::Frame { content: vec![value; BUFFER_LEN], damaged: false, stamped })
    }

    pub fn refusing(mut self, call: &'static str, errno: i32) -> Self {
        self.refuses.push((call, errno));
        self
    }

    /// Puts an address into every EDID, as drivers with CEC do.
    pub fn with_edid_address(mut self, address: u8) -> Self {
        self.edid_address = Some(address);
        self
    }

    /// Buffers that the device has.
    pub fn queued(&self) -> usize {
        let state = self.state();
        state.queued.len() + state.filled.len()
    }

    /// What was asked of it, in order, but for frames.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic under the lock")
    }

    fn call(&self, name: &'static str, detail: &str) -> io::Result<()> {
        let mut state = self.state();
        state.calls.push(format!("{name}{detail}"));
        let refused = self.refuses.iter().find(|(call, _)| *call == name).map(|(_, errno)| *errno);
        match state.failed.or(refused) {
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => Ok(()),
        }
    }

    /// Lets the script happen that is due.
    fn run(&self, state: &mut State) {
        while let Some((at, event)) = state.script.pop_front() {
            if at > state.now {
                state.script.push_front((at, event));
                break;
            }
            match event {
                Event::Frame { content, damaged, stamped } => {
                    // Without a buffer, the picture is lost, as with a real device.
                    let Some(index) = state.queued.pop_front() else { continue };
                    let offset = u64::from(index) * SLOT;
                    rustix::io::pwrite(&self.memory, &content, offset).expect("room");
                    state.filled.push_back(Filled { index, bytes_used: content.len(), stamped, damaged });
                }
                Event::SourceChange(signal) => {
                    state.signal = Some(signal);
                    state.event = true;
                }
                Event::QuietChange(signal) => state.signal = Some(signal),
                Event::Fail(errno) => state.failed = Some(errno),
            }
        }
    }
}

impl Io for Simulated {
    fn facts(&self) -> io::Result<NodeFacts> {
        self.call("facts", "").map(|()| self.facts.clone())
    }

    fn signal(&self) -> io::Result<Signal> {
        self.call("signal", "")?;
        self.state().signal.unwrap_or(Err(libc::ENOTTY)).map_err(io::Error::from_raw_os_error)
    }

    fn follow_signal(&self) -> io::Result<Signal> {
        self.signal()
    }

    fn edid(&self) -> io::Result<Vec<u8>> {
        self.call("edid", "")?;
        Ok(self.state().edid.clone())
    }

    fn set_edid(&self, edid: &[u8]) -> io::Result<()> {
        self.call("set edid", "")?;
        let mut edid = edid.to_vec();
        if let Some((byte, address)) = edid.iter_mut().nth_back(1).zip(self.edid_address) {
            *byte = address;
        }
        self.state().edid = edid;
        Ok(())
    }

    fn subscribe_source_change(&self) -> io::Result<()> {
        self.call("subscribe", "")
    }

    fn take_event(&self) -> io::Result<()> {
        self.call("take event", "")?;
        self.state().event = false;
        Ok(())
    }

    fn offers(&self, _: Size) -> Vec<Offer> {
        self.offers.clone()
    }

    fn set_format(&self, fourcc: FourCc, size: Size) -> io::Result<(FourCc, Layout)> {
        self.call("set format", &format!(" {fourcc} {}x{}", size.width, size.height))?;
        let format = fourcc.camera_format().unwrap_or(CameraFormat::Yuyv);
        Ok((fourcc, Layout { format, size, bytes_per_line: 0 }))
    }

    fn set_frame_rate(&self, rate: FrameRate) -> io::Result<Option<FrameRate>> {
        self.call("set frame rate", &format!(" {rate}")).map(|()| Some(rate))
    }

    fn request_buffers(&self, count: u32) -> io::Result<u32> {
        self.call("request buffers", &format!(" {count}"))?;
        rustix::fs::ftruncate(&self.memory, u64::from(count.max(1)) * SLOT)?;
        self.state().buffers = count;
        Ok(count)
    }

    fn map(&self, index: u32) -> io::Result<Mapping> {
        Mapping::new(&self.memory, u64::from(index) * SLOT, BUFFER_LEN)
    }

    fn export(&self, index: u32) -> io::Result<OwnedFd> {
        self.call("export", &format!(" {index}"))?;
        self.memory.try_clone()
    }

    fn queue(&self, index: u32) -> io::Result<()> {
        let mut state = self.state();
        assert!(index < state.buffers, "a buffer that isn't there");
        let there = state.queued.contains(&index) || state.filled.iter().any(|filled| filled.index == index);
        assert!(!there, "buffer {index} is queued twice");
        if let Some(errno) = state.failed {
            return Err(io::Error::from_raw_os_error(errno));
        }
        state.queued.push_back(index);
        Ok(())
    }

    fn dequeue(&self) -> io::Result<Filled> {
        let mut state = self.state();
        assert!(state.streaming, "dequeue from a stopped device");
        self.run(&mut state);
        match (state.failed, state.filled.pop_front()) {
            (Some(errno), _) => Err(io::Error::from_raw_os_error(errno)),
            (None, Some(filled)) => Ok(filled),
            (None, None) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn stream_on(&self) -> io::Result<()> {
        self.call("stream on", "")?;
        self.state().streaming = true;
        Ok(())
    }

    fn stream_off(&self) -> io::Result<()> {
        self.call("stream off", "")?;
        let mut state = self.state();
        state.streaming = false;
        state.queued.clear();
        state.filled.clear();
        Ok(())
    }

    fn wait(&self, timeout: Duration) -> io::Result<Ready> {
        let mut state = self.state();
        let until = state.now + timeout;
        state.now = state.script.front().map_or(until, |(at, _)| until.min((*at).max(state.now)));
        self.run(&mut state);
        let error = state.failed.is_some() || state.queued.is_empty() && state.filled.is_empty();
        Ok(Ready { frame: !state.filled.is_empty(), event: state.event, error })
    }

    fn pause(&self, span: Duration) {
        let mut state = self.state();
        state.now = state.now + span;
    }

    fn now(&self) -> MonoTime {
        self.state().now
    }
}
