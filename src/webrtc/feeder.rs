//! What feeds a stream's viewers: reads it for as long as somebody watches, and makes packets of it, once for all.
//! Of several renditions it reads the source's own, and those that somebody is sent.

#![allow(clippy::disallowed_methods, reason = "a shell: stamps what it read with the time")]

use super::layers::Layer;
use super::packets::{Packets, packetise};
use crate::media::TrackId;
use crate::stream::{Read, Start, Stream};
use crate::time::MonoTime;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Key frames that one stream's viewers can ask for, of each rendition.
const KEY_FRAME_EVERY: Duration = Duration::from_millis(500);
/// Without a picture for so long a rendition rests: its sender has put it off.
const RESTS_AFTER: Duration = Duration::from_millis(1_500);

/// A group of pictures that is longer isn't kept: who comes waits for the next key frame instead.
const MAX_GOP: usize = 600;
const MAX_GOP_BYTES: usize = 8 << 20;

/// A stream's name and what comes of it; `None` when it is over.
pub type Media = (String, Option<Packets>);

/// See the module.
pub struct Feeder {
    stream: Arc<Stream>,
    media: mpsc::Sender<Media>,
    pub viewers: usize,
    /// What is read, by rendition.
    lines: BTreeMap<u8, Line>,
    /// The pictures since the last key frame.
    gop: Vec<Packets>,
    gop_bytes: usize,
}

/// One rendition that is read.
struct Line {
    key_frame_asked: Instant,
    task: AbortHandle,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Feeder {
    pub fn start(stream: &Arc<Stream>, media: mpsc::Sender<Media>, now: Instant) -> Self {
        let mut feeder = Self {
            stream: Arc::clone(stream),
            media,
            viewers: 0,
            lines: BTreeMap::new(),
            gop: Vec::new(),
            gop_bytes: 0,
        };
        feeder.read(0, now);
        feeder
    }

    /// Reads a rendition from now on; with the source's own comes the sound.
    pub fn read(&mut self, rung: u8, now: Instant) {
        if self.lines.contains_key(&rung) {
            return;
        }
        let (wants, start): (&[_], _) = match rung {
            0 => (&[TrackId::Video(0), TrackId::Opus], Start::LatestKeyframe),
            // What is past is of no use to who changes over.
            _ => (&[TrackId::Video(rung)], Start::NextKeyframe),
        };
        let mut reader = self.stream.read(wants, start);
        let (name, media) = (self.stream.name().to_owned(), self.media.clone());
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
            // Of what there is beside it, the end is the same one.
            if rung == 0 {
                let _ = media.send((name, None)).await;
            }
        });
        self.stream.request_key_frame_of(TrackId::Video(rung));
        self.lines.insert(rung, Line { key_frame_asked: now, task: task.abort_handle() });
    }

    /// Reads no rendition but these any more, and the source's own.
    pub fn keep(&mut self, rungs: impl Fn(u8) -> bool) {
        self.lines.retain(|rung, _| *rung == 0 || rungs(*rung));
    }

    /// What there is to choose from.
    pub fn renditions(&self) -> Vec<Layer<u8>> {
        let now = MonoTime::now();
        let layer = |rendition: crate::stream::Rendition| match rendition.id {
            TrackId::Video(id) => Some(Layer {
                id,
                height: rendition.height,
                rate_bps: rendition.bitrate_bps,
                awake: rendition.newest.until(now) < RESTS_AFTER,
            }),
            TrackId::Aac | TrackId::Opus => None,
        };
        self.stream.renditions().into_iter().filter_map(layer).collect()
    }

    /// Asks the encoder, not too often, but for somebody who has just come always.
    pub fn ask_for_key_frame(&mut self, rung: u8, at_once: bool, now: Instant) {
        let Some(line) = self.lines.get_mut(&rung) else { return };
        if at_once || line.key_frame_asked + KEY_FRAME_EVERY <= now {
            line.key_frame_asked = now;
            self.stream.request_key_frame_of(TrackId::Video(rung));
        }
    }

    /// Takes note of what goes out now.
    pub fn goes_out(&mut self, packets: &Packets) {
        if !packets.is_own_picture() {
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
