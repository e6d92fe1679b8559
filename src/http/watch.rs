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
    /// Requests under way on one HTTP/2 connection. A page and its player have under ten.
    pub concurrent_requests: u32,
    /// From connecting to the end of the TLS handshake.
    pub handshake_time: Duration,
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
            concurrent_requests: 64,
            handshake_time: Duration::from_secs(10),
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

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing asked yet.
    New,
    /// Between requests.
    Idle,
    /// A request's head is coming in.
    Head,
    /// Requests are being answered, or wait for a part: how long is the packager's to say.
    Answering,
}

/// What one connection is doing, and since when.
#[derive(Debug)]
pub struct Watch {
    protocol: Protocol,
    phase: Phase,
    since: Instant,
    /// Requests being answered; over HTTP/1.1 one at most.
    answering: usize,
    /// Answers of which more is there than was taken, and when some of any of them last was. Over HTTP/2
    /// the socket can be free while the client's flow control takes nothing.
    offered: (usize, Instant),
    /// Set while the socket takes no more: since when, and what was written since.
    blocked: Option<(Instant, u64)>,
}

impl Watch {
    pub fn new(now: Instant, protocol: Protocol) -> Self {
        Self { protocol, phase: Phase::New, since: now, answering: 0, offered: (0, now), blocked: None }
    }

    /// Bytes came in. Over HTTP/2 they may be no request (acknowledgements, pings): there a slow head is
    /// an idle connection, and so is one that only pings.
    pub fn read(&mut self, now: impl FnOnce() -> Instant) {
        match (self.phase, self.protocol) {
            (Phase::New, Protocol::Http1) => self.phase = Phase::Head,
            (Phase::New, Protocol::Http2) => self.phase = Phase::Idle,
            (Phase::Idle, Protocol::Http1) => {
                self.phase = Phase::Head;
                self.since = now();
            }
            (Phase::Idle, Protocol::Http2) | (Phase::Head | Phase::Answering, _) => {}
        }
    }

    /// A request's head is complete.
    pub fn asked(&mut self) {
        self.phase = Phase::Answering;
        self.answering = self.answering.saturating_add(1);
    }

    /// The answer is handed over, though perhaps not yet written.
    pub fn answered(&mut self, now: Instant) {
        self.answering = self.answering.saturating_sub(1);
        if self.answering == 0 {
            self.phase = Phase::Idle;
            self.since = now;
        }
    }

    /// An answer is there to be taken.
    pub fn offered(&mut self, now: Instant) {
        self.offered.1 = now;
        self.offered.0 = self.offered.0.saturating_add(1);
    }

    /// Some of an answer was taken.
    pub fn took(&mut self, now: Instant) {
        self.offered.1 = now;
    }

    /// An offered answer is out, or given up.
    pub fn withdrawn(&mut self) {
        self.offered.0 = self.offered.0.saturating_sub(1);
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
        if let (1.., since) = self.offered {
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
        let mut watch = Watch::new(start, Protocol::Http1);
        for second in 0..10 {
            assert_eq!(overdue(&watch, start + SECOND * second), None);
            watch.read(|| start + SECOND * second);
        }
        assert_eq!(overdue(&watch, start + SECOND * 10), Some(Overdue::Header));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_waits_for_a_part_is_not_idle() {
        let start = Instant::now();
        let mut watch = Watch::new(start, Protocol::Http1);
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
        let mut watch = Watch::new(start, Protocol::Http1);
        watch.asked();
        for second in 0..20 {
            watch.blocked(|| start + SECOND * second);
            watch.wrote(1, &limits);
        }
        assert_eq!(overdue(&watch, start + SECOND * 20), Some(Overdue::Stall));
        watch.wrote(limits.stall_bytes, &limits);
        assert_eq!(overdue(&watch, start + SECOND * 20), None, "it reads again");
    }

    #[tokio::test(start_paused = true)]
    async fn over_http2_pings_keep_nothing_open_and_one_answer_of_two_is_not_the_end() {
        let start = Instant::now();
        let mut watch = Watch::new(start, Protocol::Http2);
        assert_eq!(overdue(&watch, start + SECOND * 10), Some(Overdue::Header), "no preface");
        watch.asked();
        watch.asked();
        watch.answered(start);
        assert_eq!(overdue(&watch, start + SECOND * 1000), None, "the other one waits for a part");
        watch.answered(start);
        watch.read(|| start + SECOND * 50);
        assert_eq!(overdue(&watch, start + SECOND * 59), None);
        assert_eq!(overdue(&watch, start + SECOND * 60), Some(Overdue::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_whose_flow_control_takes_nothing_stalls() {
        let start = Instant::now();
        let mut watch = Watch::new(start, Protocol::Http2);
        watch.asked();
        watch.offered(start);
        watch.took(start + SECOND * 15);
        assert_eq!(overdue(&watch, start + SECOND * 34), None);
        assert_eq!(overdue(&watch, start + SECOND * 35), Some(Overdue::Stall));
        watch.withdrawn();
        assert_eq!(overdue(&watch, start + SECOND * 35), None);
    }
}
