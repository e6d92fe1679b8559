//! What waits to be delivered, and how long after a failure it is tried again. Sans-IO.

use std::collections::VecDeque;
use std::time::Duration;

/// Events that wait for a receiver which doesn't answer: an evening's.
pub(super) const MAX_WAITING: usize = 256;
/// Between attempts, s: a restart of the receiver is bridged, a receiver that is gone is given up in a quarter of an hour.
const DELAYS_S: [u64; 6] = [1, 5, 20, 60, 240, 600];

/// One POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delivery {
    pub event: &'static str,
    /// JSON.
    pub body: String,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Delivery>,
}

impl Queue {
    /// Whether the oldest had to go for it.
    pub fn push(&mut self, delivery: Delivery) -> bool {
        let full = self.waiting.len() >= MAX_WAITING;
        if full {
            self.waiting.pop_front();
        }
        self.waiting.push_back(delivery);
        full
    }

    pub fn pop(&mut self) -> Option<Delivery> {
        self.waiting.pop_front()
    }
}

/// How long to wait after so many failures before this one; `None`: give up.
pub(super) fn delay(failures: usize) -> Option<Duration> {
    DELAYS_S.get(failures).copied().map(Duration::from_secs)
}
