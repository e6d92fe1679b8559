//! What became of connections, by name, for the metrics.

use super::connection::Ended;
use super::watch::Overdue;
use hyper::StatusCode;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start. Each only grows.
#[derive(Debug, Default)]
pub struct ConnectionCounts {
    /// Taken on, HTTP and HTTPS.
    pub accepted: AtomicU64,
    /// Of those, over, in whichever way.
    pub ended: AtomicU64,
    /// Turned away because the house was full.
    pub refused_house: AtomicU64,
    /// Turned away because their address had its share.
    pub refused_address: AtomicU64,
    /// TLS that failed: malformed, a certificate that the client didn't trust, plain HTTP.
    pub handshake_failed: AtomicU64,
    /// TLS that took too long.
    pub handshake_overdue: AtomicU64,
    /// Requests whose head took too long, or never came.
    pub header_overdue: AtomicU64,
    /// Closed after nothing was asked for a while.
    pub idle_overdue: AtomicU64,
    /// Readers that stopped reading.
    pub stall_overdue: AtomicU64,
    /// Malformed HTTP, or the network.
    pub failed: AtomicU64,
    /// Answers by their status; what hyper refuses as malformed is none.
    answers: Answers,
}

/// A count for each status from 100 to 599.
#[derive(Debug)]
struct Answers([AtomicU64; 500]);

impl Default for Answers {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl ConnectionCounts {
    /// Connections that are open now.
    pub fn open(&self) -> u64 {
        let ended = self.ended.load(Ordering::Relaxed);
        self.accepted.load(Ordering::Relaxed).saturating_sub(ended)
    }

    /// What became of them: every count but that of those who ended, with its name, in the order above.
    pub fn list(&self) -> [(&'static str, u64); 9] {
        [
            ("accepted", &self.accepted),
            ("refused_house", &self.refused_house),
            ("refused_address", &self.refused_address),
            ("handshake_failed", &self.handshake_failed),
            ("handshake_overdue", &self.handshake_overdue),
            ("header_overdue", &self.header_overdue),
            ("idle_overdue", &self.idle_overdue),
            ("stall_overdue", &self.stall_overdue),
            ("failed", &self.failed),
        ]
        .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }

    /// The statuses that were answered with, and how many times.
    pub fn answers(&self) -> impl Iterator<Item = (u16, u64)> {
        let counts = self.answers.0.iter().map(|count| count.load(Ordering::Relaxed));
        (100..).zip(counts).filter(|(_, count)| *count > 0)
    }

    pub(super) fn answered(&self, status: StatusCode) {
        if let Some(counter) = self.answers.0.get(usize::from(status.as_u16()).saturating_sub(100)) {
            count(counter);
        }
    }

    pub(super) fn count_end(&self, end: &Ended) {
        match end {
            Ended::Closed | Ended::Shutdown => {}
            Ended::Overdue(Overdue::Header) => count(&self.header_overdue),
            Ended::Overdue(Overdue::Idle) => count(&self.idle_overdue),
            Ended::Overdue(Overdue::Stall) => count(&self.stall_overdue),
            Ended::Failed(_) => count(&self.failed),
        }
    }
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
