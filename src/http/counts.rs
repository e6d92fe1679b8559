//! What became of connections, by name, for the metrics.

use super::connection::Ended;
use super::watch::Overdue;
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
