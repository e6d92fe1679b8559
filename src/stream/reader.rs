//! One reader of a stream.

use super::ring::{Cursor, Read};
use super::shell::{Quiet, Stream};
use crate::media::TrackId;
use std::sync::Arc;
use tokio::sync::Notify;

/// How the stream knows a reader.
#[derive(Debug)]
pub(super) struct Seat {
    pub number: u64,
    pub bell: Arc<Notify>,
}

/// Reads a stream at its own pace. See [`Stream::read`].
pub struct Reader {
    stream: Arc<Stream>,
    wants: Vec<TrackId>,
    cursor: Cursor,
    generation: u64,
    seat: Seat,
    /// Some units were not to wake it, last time.
    quiet: bool,
}

impl Reader {
    pub(super) fn new(stream: Arc<Stream>, wants: Vec<TrackId>, cursor: Cursor, generation: u64, seat: Seat) -> Self {
        Self { stream, wants, cursor, generation, seat, quiet: false }
    }

    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// What comes next, waiting for it. After [`Read::End`] it is `End` for ever. Cancel-safe.
    pub async fn next(&mut self) -> Read {
        loop {
            if let Some(read) = self.try_next() {
                return read;
            }
            if std::mem::take(&mut self.quiet) {
                self.hush(Vec::new());
            }
            self.seat.bell.notified().await;
        }
    }

    /// What comes next, if it is there.
    pub fn try_next(&mut self) -> Option<Read> {
        self.stream.try_read(&mut self.cursor, self.generation)
    }

    /// Waits until something is there to read that `quiet` doesn't cover; everything else that came
    /// meanwhile is there too. For a reader that can do nothing with single units: being woken for each
    /// costs more than reading it. Cancel-safe.
    pub async fn rest(&mut self, quiet: Vec<Quiet>) {
        self.quiet = !quiet.is_empty();
        // The bell may still have rung for what was read since.
        while !self.hush(quiet.clone()) {
            self.seat.bell.notified().await;
        }
    }

    fn hush(&self, quiet: Vec<Quiet>) -> bool {
        self.stream.set_quiet(&self.seat, quiet, &self.cursor, self.generation)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stream.leave(&self.seat, &self.wants);
    }
}
