//! H.264 by the board: V4L2 stateful memory-to-memory encoders, multi-planar. Written for
//! bcm2835-codec (Raspberry Pi up to 4) from its source; takes others that make H.264.
//!
//! Left to right: [`device`] (the ioctls, as a trait), `sys` (the kernel behind it), [`machine`] (the protocol
//! and the quirks), and here: finding an encoder, reading the clock, tracks.

#![allow(clippy::disallowed_methods, reason = "a shell: the machine is handed the time")]

pub mod device;
mod layout;
pub mod machine;
#[cfg(test)]
mod simulated;
mod sys;
#[cfg(test)]
mod tests;

use super::{EncodeError, EncodedPicture, Timing, VideoEncoder, VideoSettings};
use crate::codec::nal::{self, H264Unit};
use crate::media::{AccessUnit, Codec, H264Params, RawFrame, Track, TrackId};
use crate::time::{MonoTime, Timescale};
use device::{Device, FourCc, Queue};
use machine::{CodedPicture, Config, Counts, Machine, Submitted};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
pub use sys::Node;

/// The Raspberry Pi's encoder, by card name.
pub const BCM2835: &str = "bcm2835-codec-encode";

const NAME: &str = "v4l2m2m";

/// How long a picture waits for room in the encoder before it is dropped.
const ROOM_WAIT: Duration = Duration::from_millis(100);

/// One poll; the watchdog looks at the time after each.
const POLL: Duration = Duration::from_millis(200);

/// The most `/dev/video*` nodes that are looked at.
const MAX_NODES: usize = 64;

/// A V4L2 encoder behind [`VideoEncoder`].
pub struct M2mEncoder<D: Device> {
    machine: Machine<D>,
    settings: VideoSettings,
    card: String,
    track: Option<Arc<Track>>,
}

/// Where the board's encoder is: bcm2835-codec's by name, else the first that makes H.264 of raw pictures.
pub fn find() -> Option<PathBuf> {
    let mut others = None;
    for path in video_nodes() {
        // What can't be opened or isn't multi-planar memory-to-memory is somebody else's.
        let Ok(node) = Node::open(&path) else { continue };
        if node.card() == BCM2835 {
            return Some(path);
        }
        let raw = node.formats(Queue::Output);
        let makes_h264 = node.formats(Queue::Capture).contains(&FourCc::H264)
            && (raw.contains(&FourCc(*b"YU12")) || raw.contains(&FourCc(*b"NV12")));
        if others.is_none() && makes_h264 {
            others = Some(path);
        }
    }
    others
}

fn video_nodes() -> Vec<PathBuf> {
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix("video")?.parse::<u32>().ok();
    let entries = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    let mut nodes: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| number(path).is_some()).collect();
    nodes.sort_by_key(|path| number(path));
    nodes.truncate(MAX_NODES);
    nodes
}

/// Opens the encoder at `path` for H.264.
pub fn open(path: &Path, settings: &VideoSettings) -> Result<M2mEncoder<Node>, EncodeError> {
    let node = Node::open(path)
        .map_err(|error| EncodeError::Open { encoder: NAME, reason: format!("{}: {error}", path.display()) })?;
    M2mEncoder::new(node, settings)
}

fn parse_h264(bytes: &[u8]) -> Option<H264Unit> {
    nal::from_annex_b(bytes).ok()
}

impl<D: Device> M2mEncoder<D> {
    pub fn new(device: D, settings: &VideoSettings) -> Result<Self, EncodeError> {
        let card = device.card().to_owned();
        let config = Config { settings: settings.clone(), coded: FourCc::H264, parse: parse_h264 };
        let machine = Machine::open(device, config, MonoTime::now())?;
        Ok(Self { machine, settings: settings.clone(), card, track: None })
    }

    /// What happened since it was opened; `bytes_copied` is 0 as long as the camera's buffers are lent.
    pub fn counts(&self) -> Counts {
        self.machine.counts()
    }

    fn encoded(&mut self, picture: CodedPicture) -> EncodedPicture {
        let known = self.track.as_ref().filter(|track| {
            matches!(&track.codec, Codec::H264(params) if params.sps == picture.sps && params.pps == picture.pps)
        });
        let track = match known {
            Some(track) => Arc::clone(track),
            None => {
                let codec = Codec::H264(H264Params {
                    sps: picture.sps,
                    pps: picture.pps,
                    width: self.settings.width,
                    height: self.settings.height,
                    frame_rate: Some(self.settings.frame_rate),
                });
                Arc::new(Track {
                    id: TrackId::Video(0),
                    timescale: Timescale::VIDEO,
                    language: None,
                    bitrate_bps: self.settings.bitrate_bps,
                    codec,
                })
            }
        };
        self.track = Some(Arc::clone(&track));
        let Timing { pts, duration } = picture.timing;
        let unit = AccessUnit { dts: pts, pts, duration, keyframe: picture.keyframe, data: picture.data };
        EncodedPicture { track, unit }
    }
}

impl<D: Device> VideoEncoder for M2mEncoder<D> {
    fn name(&self) -> &str {
        &self.card
    }

    fn submit(&mut self, picture: &RawFrame, timing: Timing, key: bool) -> Result<(), EncodeError> {
        super::check_size(picture, self.settings.width, self.settings.height)?;
        let until = MonoTime::now() + ROOM_WAIT;
        loop {
            let now = MonoTime::now();
            match self.machine.submit(picture, timing, key, now)? {
                Submitted::Yes => return Ok(()),
                Submitted::Full if now >= until => {
                    self.machine.count_refused();
                    return Ok(());
                }
                Submitted::Full => self.machine.wait(now.until(until))?,
            }
        }
    }

    fn receive(&mut self, timeout: Duration) -> Result<Option<EncodedPicture>, EncodeError> {
        let until = MonoTime::now() + timeout;
        loop {
            let now = MonoTime::now();
            self.machine.collect(now)?;
            if let Some(picture) = self.machine.pop() {
                return Ok(Some(self.encoded(picture)));
            }
            if self.machine.is_idle() || now >= until {
                return Ok(None);
            }
            self.machine.wait(now.until(until).min(POLL))?;
        }
    }

    fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), EncodeError> {
        self.machine
            .set_bitrate(bitrate_bps)
            .map_err(|error| EncodeError::Failed { encoder: NAME, reason: format!("bitrate {bitrate_bps}: {error}") })
    }

    fn bytes_copied(&self) -> u64 {
        self.machine.counts().bytes_copied
    }
}
