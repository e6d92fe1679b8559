//! The one shell of this room: feeds a packager from a stream, and wakes who waits.

use super::{Answer, Request, Settings};
use crate::stream::Stream;
use crate::time::Epoch;
use serde::Serialize;
use std::sync::Arc;

/// The live HLS of one stream.
pub struct LiveHls {
    stream: Arc<Stream>,
}

/// What the API says about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HlsStatus {
    /// Parts made since the start.
    pub parts: u64,
    /// Requests that wait now.
    pub waiting: usize,
    /// From the capture of a part's first frame until the part could be fetched, µs.
    pub part_delay_p50_us: u64,
    pub part_delay_p99_us: u64,
}

impl LiveHls {
    pub fn new(stream: Arc<Stream>, _settings: Settings, _epoch: Epoch) -> Arc<Self> {
        Arc::new(Self { stream })
    }

    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Packages the stream until it ends.
    pub async fn run(self: Arc<Self>) {
        std::future::pending::<()>().await;
    }

    /// Answers a request, waiting where the protocol says so.
    pub async fn respond(&self, _request: &Request) -> Answer {
        Answer::TimedOut
    }

    pub fn status(&self) -> HlsStatus {
        HlsStatus { parts: 0, waiting: 0, part_delay_p50_us: 0, part_delay_p99_us: 0 }
    }
}
