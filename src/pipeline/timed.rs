//! An encoder that is watched: how long each picture takes to come out, and what is copied, for the report.

#![allow(clippy::disallowed_methods, reason = "shell: measures")]

use super::report::Report;
use crate::encode::{EncodeError, EncodedPicture, Timing, VideoEncoder};
use crate::media::RawFrame;
use crate::time::MonoTime;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// More pictures than any encoder holds; one that drops a picture says nothing, so its start goes by age.
const MAX_INSIDE: usize = 16;

/// See the module.
pub struct Timed {
    encoder: Box<dyn VideoEncoder>,
    report: Arc<Report>,
    /// Time stamp and start of each picture inside, oldest first.
    inside: VecDeque<(i64, MonoTime)>,
    /// What the report has of it.
    bytes_copied: u64,
}

impl Timed {
    pub fn new(encoder: Box<dyn VideoEncoder>, report: Arc<Report>) -> Self {
        Self { encoder, report, inside: VecDeque::with_capacity(MAX_INSIDE), bytes_copied: 0 }
    }
}

impl VideoEncoder for Timed {
    fn name(&self) -> &str {
        self.encoder.name()
    }

    fn submit(&mut self, picture: &RawFrame, timing: Timing, key: bool) -> Result<(), EncodeError> {
        if self.inside.len() == MAX_INSIDE {
            self.inside.pop_front();
        }
        self.inside.push_back((timing.pts, MonoTime::now()));
        let submitted = self.encoder.submit(picture, timing, key);
        let copied = self.encoder.bytes_copied();
        self.report.bytes_copied.add(copied.saturating_sub(self.bytes_copied));
        self.bytes_copied = copied;
        submitted
    }

    fn receive(&mut self, timeout: Duration) -> Result<Option<EncodedPicture>, EncodeError> {
        let received = self.encoder.receive(timeout)?;
        if let Some(encoded) = &received {
            while let Some((pts, started)) = self.inside.pop_front_if(|(pts, _)| *pts <= encoded.unit.pts) {
                if pts == encoded.unit.pts {
                    self.report.encode_time.add(started.until(MonoTime::now()));
                }
            }
        }
        Ok(received)
    }

    fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), EncodeError> {
        self.encoder.set_bitrate(bitrate_bps)
    }

    fn bytes_copied(&self) -> u64 {
        self.encoder.bytes_copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{self, EncoderChoice, Profile, VideoSettings};
    use crate::media::PixelFormat;
    use crate::time::FrameRate;

    #[test]
    fn every_picture_is_timed_once() {
        let settings = VideoSettings {
            width: 64,
            height: 64,
            frame_rate: FrameRate::DEFAULT,
            bitrate_bps: 200_000,
            gop_frames: 30,
            profile: Profile::Main,
        };
        let report = Arc::new(Report::default());
        let encoder = encode::open_video(EncoderChoice::OpenH264, &settings).expect("an encoder");
        let mut timed = Timed::new(encoder, Arc::clone(&report));
        let buffer = Arc::new(vec![128; 64 * 64 * 3 / 2]);
        let picture = RawFrame::packed(MonoTime::ZERO, (64, 64), PixelFormat::I420, buffer).expect("whole");
        for at in 0..5 {
            timed.submit(&picture, Timing { pts: at * 3_000, duration: 3_000 }, false).expect("encodes");
            while timed.receive(Duration::ZERO).expect("encodes").is_some() {}
        }
        let times = report.encode_time.read();
        assert_eq!(times.count, 5);
        assert!(times.sum_s > 0.0 && times.sum_s < 60.0, "{times:?}");
        assert!(timed.inside.is_empty());
    }
}
