//! One reader of a stream.

use super::ring::{Cursor, Read};
use super::shell::Stream;
use crate::media::TrackId;
use std::sync::Arc;

/// Reads a stream at its own pace. See [`Stream::read`].
pub struct Reader {
    stream: Arc<Stream>,
    wants: Vec<TrackId>,
    cursor: Cursor,
    generation: u64,
}

impl Reader {
    pub(super) fn new(stream: Arc<Stream>, wants: Vec<TrackId>, cursor: Cursor, generation: u64) -> Self {
        Self { stream, wants, cursor, generation }
    }

    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// What comes next, waiting for it. After [`Read::End`] it is `End` for ever. Cancel-safe.
    pub async fn next(&mut self) -> Read {
        let stream = Arc::clone(&self.stream);
        loop {
            let news = stream.news();
            tokio::pin!(news);
            // Listen first, then look: what comes in between wakes us.
            news.as_mut().enable();
            if let Some(read) = self.try_next() {
                return read;
            }
            news.await;
        }
    }

    /// What comes next, if it is there.
    pub fn try_next(&mut self) -> Option<Read> {
        self.stream.try_read(&mut self.cursor, self.generation)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stream.leave(&self.wants);
    }
}
