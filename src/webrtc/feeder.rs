//! What feeds a stream's viewers: reads it for as long as somebody watches, and makes packets of it, once for all.

#![allow(clippy::disallowed_methods, reason = "a shell: stamps what it read with the time")]

use super::packets::{Kind, Packets, packetise};
use crate::media::TrackId;
use crate::stream::{Read, Start, Stream};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Key frames that one stream's viewers can ask for.
const KEY_FRAME_EVERY: Duration = Duration::from_millis(500);

/// A group of pictures that is longer isn't kept: who comes waits for the next key frame instead.
const MAX_GOP: usize = 600;
const MAX_GOP_BYTES: usize = 8 << 20;

/// A stream's name and what comes of it; `None` when it is over.
pub type Media = (String, Option<Packets>);

/// See the module.
pub struct Feeder {
    stream: Arc<Stream>,
    pub viewers: usize,
    key_frame_asked: Instant,
    /// The pictures since the last key frame.
    gop: Vec<Packets>,
    gop_bytes: usize,
    task: AbortHandle,
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Feeder {
    pub fn start(stream: &Arc<Stream>, media: mpsc::Sender<Media>, now: Instant) -> Self {
        let mut reader = stream.read(&[TrackId::Video(0), TrackId::Opus], Start::LatestKeyframe);
        let name = stream.name().to_owned();
        let task = tokio::spawn(async move {
            loop {
                let packets = match reader.next().await {
                    Read::Unit { track, unit } => packetise(&track, &unit),
                    // What was missed is gone; the reader goes on with a key frame.
                    Read::Lagged { .. } => None,
                    Read::End => break,
                };
                if let Some(packets) = packets
                    && media.send((name.clone(), Some(packets))).await.is_err()
                {
                    return;
                }
            }
            let _ = media.send((name, None)).await;
        });
        stream.request_key_frame();
        Self {
            stream: Arc::clone(stream),
            viewers: 0,
            key_frame_asked: now,
            gop: Vec::new(),
            gop_bytes: 0,
            task: task.abort_handle(),
        }
    }

    /// Asks the encoder, not too often, but for somebody who has just come always.
    pub fn ask_for_key_frame(&mut self, at_once: bool, now: Instant) {
        if at_once || self.key_frame_asked + KEY_FRAME_EVERY <= now {
            self.key_frame_asked = now;
            self.stream.request_key_frame();
        }
    }
    /// Takes note of what goes out now.
    pub fn goes_out(&mut self, packets: &Packets) {
        if packets.kind != Kind::Video {
            return;
        }
        if packets.starts {
            (self.gop, self.gop_bytes) = (Vec::new(), 0);
        } else if self.gop.is_empty() {
            return;
        }
        self.gop_bytes += packets.payloads.iter().map(Bytes::len).sum::<usize>();
        self.gop.push(packets.clone());
        if self.gop.len() > MAX_GOP || self.gop_bytes > MAX_GOP_BYTES {
            self.gop = Vec::new();
        }
    }

    /// What somebody can begin with for whom no key frame comes; empty when there is nothing.
    pub fn gop(&self) -> &[Packets] {
        &self.gop
    }
}
