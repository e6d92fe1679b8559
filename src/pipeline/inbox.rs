//! The bounded handover from a capture thread to the thread that encodes or relays.
//!
//! Never blocks the side that pushes. Pictures: depth two, the older is dropped. Sound and encoded
//! units: deep enough for a scheduling hiccup; when even that overflows everything queued goes, since
//! half a GOP is of no use. What was dropped is counted, and the reader is told of lost units.

#![allow(clippy::disallowed_methods, reason = "shell: waits on the clock")]

use crate::capture::Captured;
use crate::media::{AccessUnit, PcmBlock, RawFrame, Track};
use crate::time::{FrameRate, MonoTime};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// One is being encoded, one is the newest: anything between is late already.
const FRAMES: usize = 2;
/// About 5 s of 10 ms blocks, or 3 s of three renditions' units with their audio.
const OTHERS: usize = 500;

/// What a capture thread tells the thread behind it.
#[derive(Debug, Clone)]
pub enum Mail {
    Frame(RawFrame),
    Pcm(PcmBlock),
    Unit {
        track: Arc<Track>,
        unit: AccessUnit,
    },
    /// The source is open and delivers; raw pictures at this rate, where it is known.
    Here(Option<FrameRate>),
    /// The source failed, or can't be opened; the words are for people.
    Away(String),
    /// Units were dropped here: what follows up to the next key frame can't be decoded.
    Lost,
    /// The source has played to its end.
    End,
}

impl From<Captured> for Mail {
    fn from(captured: Captured) -> Self {
        match captured {
            Captured::Frame(frame) => Self::Frame(frame),
            Captured::Pcm(block) => Self::Pcm(block),
            Captured::Unit { track, unit } => Self::Unit { track, unit },
            Captured::End => Self::End,
        }
    }
}

#[derive(Default)]
struct Queue {
    mail: VecDeque<Mail>,
    frames: usize,
    dropped: u64,
    closed: bool,
}

impl Queue {
    fn push(&mut self, mail: Mail) {
        if matches!(mail, Mail::Frame(_)) {
            if self.frames == FRAMES
                && let Some(oldest) = self.mail.iter().position(|m| matches!(m, Mail::Frame(_)))
            {
                self.mail.remove(oldest);
                self.frames -= 1;
                self.dropped += 1;
            }
            self.frames += 1;
        } else if self.mail.len() >= OTHERS {
            self.dropped += self.mail.len() as u64;
            self.mail.clear();
            self.frames = 0;
            self.mail.push_back(Mail::Lost);
        }
        self.mail.push_back(mail);
    }
}

/// See the module.
#[derive(Default)]
pub struct Inbox {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

/// What waiting brought.
#[derive(Debug)]
pub enum Received {
    Mail(Mail),
    Deadline,
    /// Nobody will send any more.
    Closed,
}

impl Inbox {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic elsewhere leaves the queue whole: every change to it is one step.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn push(&self, mail: Mail) {
        self.push_all(std::iter::once(mail));
    }

    /// Several that came together: the other side wakes once.
    pub fn push_all(&self, mail: impl IntoIterator<Item = Mail>) {
        let mut queue = self.lock();
        for mail in mail {
            queue.push(mail);
        }
        drop(queue);
        self.arrived.notify_one();
    }

    /// No more mail will come; what is queued is still delivered.
    pub fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Waits for mail until `deadline`; without one, for ever.
    pub fn receive(&self, deadline: Option<MonoTime>) -> Received {
        let mut queue = self.lock();
        loop {
            if let Some(mail) = queue.mail.pop_front() {
                if matches!(mail, Mail::Frame(_)) {
                    queue.frames -= 1;
                }
                return Received::Mail(mail);
            }
            if queue.closed {
                return Received::Closed;
            }
            queue = match deadline {
                None => self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = MonoTime::now().until(deadline);
                    if left.is_zero() {
                        return Received::Deadline;
                    }
                    self.arrived.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// How much mail was thrown away so far.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::PixelFormat;

    fn frame(at: i64) -> Mail {
        let buffer = Arc::new(vec![0; 6]);
        let frame = RawFrame::packed(MonoTime::from_nanos(at), (2, 2), PixelFormat::I420, buffer).expect("fits");
        Mail::Frame(frame)
    }

    fn captured(received: Received) -> i64 {
        match received {
            Received::Mail(Mail::Frame(frame)) => frame.captured().as_nanos(),
            other => panic!("not a frame: {other:?}"),
        }
    }

    #[test]
    fn of_three_frames_the_oldest_is_dropped_and_counted() {
        let inbox = Inbox::new();
        (1..=3).for_each(|at| inbox.push(frame(at)));
        assert_eq!(captured(inbox.receive(None)), 2);
        assert_eq!(captured(inbox.receive(None)), 3);
        assert_eq!(inbox.dropped(), 1);
    }

    #[test]
    fn news_of_the_source_survives_dropped_frames() {
        let inbox = Inbox::new();
        inbox.push(Mail::Here(None));
        (1..=9).for_each(|at| inbox.push(frame(at)));
        assert!(matches!(inbox.receive(None), Received::Mail(Mail::Here(_))));
        assert_eq!(captured(inbox.receive(None)), 8);
    }

    #[test]
    fn an_overflow_of_units_is_told_before_what_follows() {
        let inbox = Inbox::new();
        let block = PcmBlock { captured: MonoTime::ZERO, rate_hz: 48_000, channels: 1, samples: Arc::new([0; 480]) };
        (0..=OTHERS).for_each(|_| inbox.push(Mail::Pcm(block.clone())));
        assert!(matches!(inbox.receive(None), Received::Mail(Mail::Lost)));
        assert!(matches!(inbox.receive(None), Received::Mail(Mail::Pcm(_))));
        assert_eq!(inbox.dropped(), OTHERS as u64);
    }

    #[test]
    fn what_is_queued_is_delivered_after_closing() {
        let inbox = Inbox::new();
        inbox.push(frame(1));
        inbox.close();
        assert_eq!(captured(inbox.receive(None)), 1);
        assert!(matches!(inbox.receive(None), Received::Closed));
    }

    #[test]
    fn a_deadline_in_the_past_returns_at_once() {
        assert!(matches!(Inbox::new().receive(Some(MonoTime::ZERO)), Received::Deadline));
    }
}
