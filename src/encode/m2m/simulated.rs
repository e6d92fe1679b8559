//! bcm2835-codec as HARDWARE's notes describe it, for tests: its order, alignments, limits and faults. What the
//! real driver would be harmed by is a panic here.

use super::device::{Coded, Control, Device, Format, FourCc, Memory, Queue};
use crate::time::FrameRate;
use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

pub(super) const SPS: [u8; 4] = [0x67, 77, 64, 40];
pub(super) const PPS: [u8; 3] = [0x68, 0xEE, 0x80];

/// What it does wrong, and what it was asked.
pub(super) struct State {
    pub card: &'static str,
    pub raw: Vec<FourCc>,
    pub coded: FourCc,
    pub busy: bool,
    /// The first output is noise with timestamp 0.
    pub garbage_first: bool,
    /// Every so many pictures one is left out without a word.
    pub drop_every: Option<u64>,
    /// Pictures go in, nothing comes out.
    pub hangs: bool,
    /// Key frames come without parameter sets but for the first.
    pub ignores_repeat: bool,
    /// EINVAL when a lent picture is queued.
    pub refuses_lent: bool,
    /// EIO when anything is queued.
    pub broken: bool,
    /// Pictures that stay inside until more come, or a drain.
    pub depth: usize,
    pub calls: Vec<String>,
    pub controls: Vec<(Control, i32)>,
    streaming: [bool; 2],
    format: Format,
    coded_size: u32,
    inside: VecDeque<(u32, i64, u8)>,
    done: VecDeque<u32>,
    coded_free: VecDeque<u32>,
    out: VecDeque<Coded>,
    data: Vec<Vec<u8>>,
    pictures: u64,
    sent_sets: bool,
    force_key: bool,
    since_key: i32,
    stopped: bool,
}

/// A handle: the test keeps one, the machine the other (which has the mapped buffers).
#[derive(Clone)]
pub(super) struct Simulated {
    state: Arc<Mutex<State>>,
    pictures: Vec<Vec<u8>>,
    coded: Vec<Vec<u8>>,
}

impl Simulated {
    pub fn new() -> Self {
        let raw = [b"YU12", b"NV12", b"YUYV", b"UYVY"].map(|code| FourCc(*code)).to_vec();
        let state = State {
            card: super::BCM2835,
            raw,
            coded: FourCc::H264,
            busy: false,
            garbage_first: false,
            drop_every: None,
            hangs: false,
            ignores_repeat: false,
            refuses_lent: false,
            broken: false,
            depth: 0,
            calls: Vec::new(),
            controls: Vec::new(),
            streaming: [false; 2],
            format: Format { fourcc: FourCc(*b"YU12"), width: 32, height: 32, stride: 64, size: 0 },
            coded_size: 512 * 1024,
            inside: VecDeque::new(),
            done: VecDeque::new(),
            coded_free: VecDeque::new(),
            out: VecDeque::new(),
            data: Vec::new(),
            pictures: 0,
            sent_sets: false,
            force_key: false,
            since_key: 0,
            stopped: false,
        };
        Self { state: Arc::new(Mutex::new(state)), pictures: Vec::new(), coded: Vec::new() }
    }

    pub fn with(change: impl FnOnce(&mut State)) -> Self {
        let simulated = Self::new();
        change(&mut simulated.state());
        simulated
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panicked with it")
    }
}

fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

impl State {
    pub fn control(&self, control: Control) -> Option<i32> {
        self.controls.iter().rev().find(|(set, _)| *set == control).map(|(_, value)| *value)
    }

    fn queue(&mut self, index: u32, timestamp: i64, sample: u8) -> io::Result<()> {
        if self.broken {
            return Err(error(libc::EIO));
        }
        assert!(self.streaming[0] && self.streaming[1], "both queues stream before the first picture");
        self.inside.push_back((index, timestamp, sample));
        self.encode(self.depth);
        Ok(())
    }

    /// Encodes what is inside down to `keep` pictures.
    fn encode(&mut self, keep: usize) {
        while self.inside.len() > keep && !self.hangs {
            let Some((index, timestamp, sample)) = self.inside.pop_front() else { return };
            self.done.push_back(index);
            self.pictures += 1;
            if std::mem::take(&mut self.garbage_first) {
                self.emit(&[0, 0, 1, 0x61, 0x12, 0x34], 0, false);
            }
            if self.drop_every.is_some_and(|every| self.pictures.is_multiple_of(every)) {
                continue;
            }
            let period = self.control(Control::H264IPeriod).unwrap_or(60);
            let key = std::mem::take(&mut self.force_key) || !self.sent_sets || self.since_key >= period;
            self.since_key = if key { 1 } else { self.since_key + 1 };
            let mut bytes = Vec::new();
            let repeats = self.control(Control::RepeatSeqHeader) == Some(1) && !self.ignores_repeat;
            if key && (repeats || !self.sent_sets) {
                bytes.extend([0, 0, 0, 1]);
                bytes.extend(SPS);
                bytes.extend([0, 0, 0, 1]);
                bytes.extend(PPS);
            }
            self.sent_sets = true;
            bytes.extend([0, 0, 0, 1, if key { 0x65 } else { 0x41 }, sample, 0x80]);
            self.emit(&bytes, timestamp, key);
        }
    }

    fn emit(&mut self, bytes: &[u8], timestamp: i64, keyframe: bool) {
        let index = self.coded_free.pop_front().expect("room for coded data: buffers are given back");
        self.data[index as usize] = bytes.to_vec();
        self.out.push_back(Coded { index, bytes_used: bytes.len(), timestamp, keyframe, ..Coded::default() });
    }
}

impl Device for Simulated {
    fn card(&self) -> &str {
        self.state().card
    }

    fn formats(&self, queue: Queue) -> Vec<FourCc> {
        let state = self.state();
        if queue == Queue::Output { state.raw.clone() } else { vec![state.coded] }
    }

    fn set_format(&mut self, queue: Queue, mut format: Format) -> io::Result<Format> {
        let mut state = self.state();
        state.calls.push(format!("S_FMT {queue:?} {:?}", format.fourcc));
        if state.busy {
            return Err(error(libc::EBUSY));
        }
        // Silently clamped.
        (format.width, format.height) = (format.width.min(1920), format.height.min(1920));
        if queue == Queue::Capture {
            format.fourcc = state.coded;
            format.size = format.size.max(512 * 1024);
            state.coded_size = format.size;
            return Ok(format);
        }
        if !state.raw.contains(&format.fourcc) {
            format.fourcc = state.raw[0];
        }
        let (row, align, thirds) = match &format.fourcc.0 {
            b"NV12" => (format.width, 32, 3),
            b"YU12" => (format.width, 64, 3),
            _ => (format.width * 2, 64, 2),
        };
        format.stride = format.stride.max(row).next_multiple_of(align);
        format.size = format.stride * format.height * thirds / 2;
        state.format = format;
        Ok(format)
    }

    fn set_control(&mut self, control: Control, value: i32) -> io::Result<()> {
        let mut state = self.state();
        let running = matches!(control, Control::Bitrate | Control::ForceKeyFrame);
        let late = state.calls.iter().any(|call| call.starts_with("S_FMT"));
        assert!(running || !late || state.card != super::BCM2835, "{control:?} after the formats");
        if control == Control::ForceKeyFrame {
            state.force_key = true;
        }
        if !running {
            state.calls.push(format!("S_CTRL {control:?}"));
        }
        if state.coded == FourCc::FWHT || control == Control::HeaderMode && state.card == super::BCM2835 {
            return Err(error(libc::EINVAL));
        }
        state.controls.push((control, value));
        Ok(())
    }

    fn set_frame_rate(&mut self, rate: FrameRate) -> io::Result<()> {
        self.state().calls.push(format!("S_PARM Output {rate}"));
        Ok(())
    }

    fn request_buffers(&mut self, queue: Queue, memory: Memory, count: u32) -> io::Result<u32> {
        let mut state = self.state();
        state.calls.push(format!("REQBUFS {queue:?} {memory:?} {count}"));
        assert!(!state.streaming[queue as usize], "buffers are requested while streaming");
        let size = state.format.size as usize;
        if queue == Queue::Capture {
            state.data = vec![Vec::new(); count as usize];
            state.coded_free.clear();
        }
        drop(state);
        match (queue, memory) {
            (Queue::Output, Memory::Mmap) => self.pictures = vec![vec![0; size]; count as usize],
            (Queue::Output, Memory::Dmabuf) => self.pictures.clear(),
            (Queue::Capture, _) => self.coded = vec![Vec::new(); count as usize],
        }
        Ok(count)
    }

    fn stream(&mut self, queue: Queue, on: bool) -> io::Result<()> {
        let mut state = self.state();
        state.calls.push(format!("STREAM{} {queue:?}", if on { "ON" } else { "OFF" }));
        if on && state.control(Control::Bitrate).is_some_and(|bitrate| bitrate > 20_000_000) {
            return Err(error(libc::EINVAL));
        }
        state.streaming[queue as usize] = on;
        if !on {
            state.inside.clear();
            state.done.clear();
            state.out.clear();
            state.stopped = false;
            // A stream that starts anew starts with its parameter sets.
            state.sent_sets = false;
        }
        Ok(())
    }

    fn picture_memory(&mut self, index: u32) -> &mut [u8] {
        &mut self.pictures[index as usize]
    }

    fn queue_picture(&mut self, index: u32, len: usize, timestamp: i64) -> io::Result<()> {
        let memory = &self.pictures[index as usize];
        assert!(len > 0 && len <= memory.len(), "an empty picture buffer is queued, or too long a one");
        let mut state = self.state();
        // The second row: a wrong stride shows.
        let sample = memory[state.format.stride as usize];
        state.queue(index, timestamp, sample)
    }

    fn queue_dmabuf(
        &mut self,
        index: u32,
        _fd: BorrowedFd<'_>,
        len: usize,
        size: usize,
        timestamp: i64,
    ) -> io::Result<()> {
        let mut state = self.state();
        assert!(len > 0 && self.pictures.is_empty());
        if state.refuses_lent || size < state.format.size as usize {
            return Err(error(libc::EINVAL));
        }
        state.queue(index, timestamp, 0x99)
    }

    fn queue_coded(&mut self, index: u32) -> io::Result<()> {
        let mut state = self.state();
        assert!(state.coded_size >= 1_536 * 1_024, "the default is too small for a key frame");
        state.coded_free.push_back(index);
        Ok(())
    }

    fn dequeue_picture(&mut self) -> io::Result<Option<u32>> {
        Ok(self.state().done.pop_front())
    }

    fn dequeue_coded(&mut self) -> io::Result<Option<Coded>> {
        let mut state = self.state();
        let keep = if state.stopped { 0 } else { state.depth };
        state.encode(keep);
        if let Some(coded) = state.out.pop_front() {
            let data = std::mem::take(&mut state.data[coded.index as usize]);
            drop(state);
            self.coded[coded.index as usize] = data;
            return Ok(Some(coded));
        }
        if std::mem::take(&mut state.stopped) && !state.hangs {
            let index = state.coded_free.pop_front().expect("a buffer for the last");
            return Ok(Some(Coded { index, last: true, ..Coded::default() }));
        }
        Ok(None)
    }

    fn coded(&self, index: u32, len: usize) -> &[u8] {
        &self.coded[index as usize][..len]
    }

    fn command(&mut self, stop: bool) -> io::Result<()> {
        let mut state = self.state();
        state.calls.push(if stop { "STOP" } else { "START" }.to_owned());
        state.stopped = stop;
        Ok(())
    }

    fn wait(&mut self, _timeout: Duration) -> io::Result<()> {
        Ok(())
    }
}
