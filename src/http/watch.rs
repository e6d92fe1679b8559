//! Sans-IO: how long a connection may take for what it is doing.
//!
//! The connection's IO and service tell [`Watch`] what happens; the connection's one timer asks it now
//! and then whether patience is over. So no request sets a timer of its own.

use std::time::Duration;
use tokio::time::Instant;

/// What the server allows. The defaults are what the box runs with; tests shrink them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open connections. A thousand viewers have up to three each, and a crowd must not use up descriptors.
    pub connections: usize,
    /// Open connections from one address (IPv6: one /64), so that one machine can't lock out the rest.
    /// Generous: a reverse proxy is one address.
    pub connections_per_address: usize,
    /// Request line and headers, bytes. Browsers send under 2 KiB; cookies of others on the host add some.
    pub header_bytes: usize,
    /// The path and query, bytes. The longest of ours is under 300.
    pub target_bytes: usize,
    /// A request's body, bytes; what no endpoint reads may be no longer either.
    pub body_bytes: u64,
    /// The body of an endpoint that takes whole documents (a configuration in JSON), bytes.
    pub long_body_bytes: u64,
    /// How long a body may take to come.
    pub body_time: Duration,
    /// From the first byte of a request's head to its last, and from connecting to the first byte.
    pub header_time: Duration,
    /// How long a connection may stay open between requests.
    pub idle_time: Duration,
    /// A reader that takes less than [`Limits::stall_bytes`] in this time, while we have more for it, is gone.
    pub stall_time: Duration,
    pub stall_bytes: u64,
    /// What hyper may hold for one connection, bytes; media is shared and counts only once.
    pub buffer_bytes: usize,
    /// How long answers that have begun may take at shutdown.
    pub shutdown_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8192,
            connections_per_address: 6144,
            header_bytes: 16 * 1024,
            target_bytes: 4 * 1024,
            body_bytes: 16 * 1024,
            long_body_bytes: 2 * 1024 * 1024,
            body_time: Duration::from_secs(10),
            header_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            stall_time: Duration::from_secs(20),
            stall_bytes: 4 * 1024,
            buffer_bytes: 64 * 1024,
            shutdown_time: Duration::from_secs(2),
        }
    }
}

/// Why a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// The head of a request didn't come in time.
    Header,
    /// Nothing was asked for.
    Idle,
    /// The reader doesn't read.
    Stall,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing asked yet.
    New,
    /// Between requests.
    Idle,
    /// A request's head is coming in.
    Head,
    /// A request is being answered, or waits for a part: how long is the packager's to say.
    Answering,
}

/// What one connection is doing, and since when.
#[derive(Debug)]
pub struct Watch {
    phase: Phase,
    since: Instant,
    /// Set while the socket takes no more: since when, and what was written since.
    blocked: Option<(Instant, u64)>,
}

impl Watch {
    pub fn new(now: Instant) -> Self {
        Self { phase: Phase::New, since: now, blocked: None }
    }

    /// Bytes came in.
    pub fn read(&mut self, now: impl FnOnce() -> Instant) {
        match self.phase {
            Phase::New => self.phase = Phase::Head,
            Phase::Idle => {
                self.phase = Phase::Head;
                self.since = now();
            }
            Phase::Head | Phase::Answering => {}
        }
    }

    /// A request's head is complete.
    pub fn asked(&mut self) {
        self.phase = Phase::Answering;
    }

    /// The answer is handed over, though perhaps not yet written.
    pub fn answered(&mut self, now: Instant) {
        self.phase = Phase::Idle;
        self.since = now;
    }

    /// The socket took `bytes` and would take more.
    pub fn wrote(&mut self, bytes: u64, limits: &Limits) {
        if let Some((_, taken)) = &mut self.blocked {
            *taken = taken.saturating_add(bytes);
            if *taken >= limits.stall_bytes {
                self.blocked = None;
            }
        }
    }

    /// The socket takes nothing.
    pub fn blocked(&mut self, now: impl FnOnce() -> Instant) {
        if self.blocked.is_none() {
            self.blocked = Some((now(), 0));
        }
    }

    /// Everything is written.
    pub fn flushed(&mut self) {
        self.blocked = None;
    }

    /// When patience ends, if nothing more happens, and why.
    pub fn deadline(&self, limits: &Limits) -> Option<(Instant, Overdue)> {
        // While the reader stalls, it is not idle: it can't ask before it has read.
        if let Some((since, _)) = self.blocked {
            return Some((since + limits.stall_time, Overdue::Stall));
        }
        match self.phase {
            Phase::New | Phase::Head => Some((self.since + limits.header_time, Overdue::Header)),
            Phase::Idle => Some((self.since + limits.idle_time, Overdue::Idle)),
            Phase::Answering => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn overdue(watch: &Watch, now: Instant) -> Option<Overdue> {
        let (deadline, cause) = watch.deadline(&Limits::default())?;
        (now >= deadline).then_some(cause)
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickled_head_has_no_more_time_than_a_slow_one() {
        let start = Instant::now();
        let mut watch = Watch::new(start);
        for second in 0..10 {
            assert_eq!(overdue(&watch, start + SECOND * second), None);
            watch.read(|| start + SECOND * second);
        }
        assert_eq!(overdue(&watch, start + SECOND * 10), Some(Overdue::Header));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_waits_for_a_part_is_not_idle() {
        let start = Instant::now();
        let mut watch = Watch::new(start);
        watch.read(|| start);
        watch.asked();
        assert_eq!(watch.deadline(&Limits::default()), None);
        watch.answered(start + SECOND * 30);
        assert_eq!(overdue(&watch, start + SECOND * 89), None);
        assert_eq!(overdue(&watch, start + SECOND * 90), Some(Overdue::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_a_byte_at_a_time_stalls() {
        let (start, limits) = (Instant::now(), Limits::default());
        let mut watch = Watch::new(start);
        watch.asked();
        for second in 0..20 {
            watch.blocked(|| start + SECOND * second);
            watch.wrote(1, &limits);
        }
        assert_eq!(overdue(&watch, start + SECOND * 20), Some(Overdue::Stall));
        watch.wrote(limits.stall_bytes, &limits);
        assert_eq!(overdue(&watch, start + SECOND * 20), None, "it reads again");
    }
}
