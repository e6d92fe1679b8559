//! Cameras that make H.264: buffers of Annex B to access units with their track.

use crate::codec::nal::{NalError, from_annex_b};
use crate::codec::sps::{SpsError, h264_params};
use crate::media::{AccessUnit, Codec, Track, TrackId};
use crate::time::{FrameRate, MonoTime, Timescale};
use bytes::Bytes;
use std::sync::Arc;
use thiserror::Error;

#[derive(Debug, Error)]
pub(super) enum UnitError {
    #[error(transparent)]
    Nal(#[from] NalError),
    #[error(transparent)]
    Sps(#[from] SpsError),
}

/// Frames a second of a camera that doesn't say, for the units' durations.
const USUAL_RATE: u32 = 30;

/// Remembers the parameter sets, which cameras send with key frames only.
pub(super) struct UnitReader {
    frame_rate: Option<FrameRate>,
    sps: Option<Bytes>,
    pps: Option<Bytes>,
    track: Option<Arc<Track>>,
    /// Set at the start and after a loss: nothing can be decoded before the next key frame.
    wants_key_frame: bool,
}

impl UnitReader {
    pub fn new(frame_rate: Option<FrameRate>) -> Self {
        Self { frame_rate, sps: None, pps: None, track: None, wants_key_frame: true }
    }

    /// A unit was lost: what follows would refer to it.
    pub fn lost(&mut self) {
        self.wants_key_frame = true;
    }

    /// One access unit in Annex B. `None` for what can't be decoded yet, or holds no picture.
    pub fn read(&mut self, bytes: &[u8], captured: MonoTime) -> Result<Option<(Arc<Track>, AccessUnit)>, UnitError> {
        let unit = from_annex_b(bytes)?;
        let has_picture = unit.has_picture();
        let changed = replace(&mut self.sps, unit.sps) | replace(&mut self.pps, unit.pps);
        if let (Some(sps), Some(pps), true) = (&self.sps, &self.pps, changed) {
            self.track = None;
            self.track = Some(Arc::new(track(sps.clone(), pps.clone(), self.frame_rate)?));
        }
        let Some(track) = self.track.clone().filter(|_| has_picture) else { return Ok(None) };
        if self.wants_key_frame && !unit.keyframe {
            return Ok(None);
        }
        self.wants_key_frame = false;
        let pts = captured.ticks(Timescale::VIDEO);
        let duration = duration(&track);
        Ok(Some((track, AccessUnit { dts: pts, pts, duration, keyframe: unit.keyframe, data: unit.data })))
    }
}

/// True when it came, and is another one.
fn replace(known: &mut Option<Bytes>, new: Option<Bytes>) -> bool {
    let changed = new.is_some() && *known != new;
    if changed {
        *known = new;
    }
    changed
}

/// `frame_rate` is what the camera was set to; what it writes into its parameter sets is often wrong.
fn track(sps: Bytes, pps: Bytes, frame_rate: Option<FrameRate>) -> Result<Track, SpsError> {
    let mut params = h264_params(sps, pps)?;
    params.frame_rate = frame_rate.or(params.frame_rate);
    Ok(Track {
        id: TrackId::Video(0),
        timescale: Timescale::VIDEO,
        language: None,
        bitrate_bps: 0,
        codec: Codec::H264(params),
    })
}

fn duration(track: &Track) -> u32 {
    let known = match &track.codec {
        Codec::H264(params) => params.frame_rate,
        Codec::Aac(_) | Codec::Opus(_) => None,
    };
    let ticks =
        known.map_or(i64::from(Timescale::VIDEO.hz() / USUAL_RATE), |rate| rate.frame_start(1, Timescale::VIDEO));
    u32::try_from(ticks).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::nal::length_prefixed_units;

    /// Its origin stands beside it.
    const CAMERA: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/h264_camera/camera.h264"));
    const DELIMITER: [u8; 5] = [0, 0, 0, 1, 9];

    fn buffers() -> Vec<&'static [u8]> {
        let starts: Vec<usize> =
            CAMERA.windows(5).enumerate().filter(|(_, bytes)| *bytes == DELIMITER).map(|(at, _)| at).collect();
        let ends = starts.iter().skip(1).copied().chain([CAMERA.len()]);
        starts.iter().zip(ends).map(|(start, end)| &CAMERA[*start..end]).collect()
    }

    fn read(reader: &mut UnitReader, buffer: &[u8], millis: i64) -> Option<(Arc<Track>, AccessUnit)> {
        reader.read(buffer, MonoTime::from_millis(millis)).expect("an access unit")
    }

    #[test]
    fn buffers_become_access_units_of_one_track() {
        let mut reader = UnitReader::new(FrameRate::new(15, 1));
        let units: Vec<_> = buffers().iter().zip(0..).map(|(buffer, i)| read(&mut reader, buffer, i * 66)).collect();
        let units: Vec<_> = units.into_iter().map(|unit| unit.expect("a picture")).collect();
        assert_eq!(units.iter().map(|(_, unit)| unit.keyframe).collect::<Vec<_>>(), [true, false, false, true]);
        assert_eq!(units.iter().map(|(_, unit)| unit.dts).collect::<Vec<_>>(), [0, 5_940, 11_880, 17_820]);
        assert!(units.iter().all(|(_, unit)| unit.duration == 6_000 && unit.pts == unit.dts));
        assert!(units.iter().all(|(track, _)| Arc::ptr_eq(track, &units[0].0)), "the same track throughout");
        let Codec::H264(params) = &units[0].0.codec else { panic!("H.264") };
        assert_eq!((params.width, params.height, params.sps[0] & 31, params.pps[0] & 31), (64, 48, 7, 8));
        for (_, unit) in &units {
            assert!(length_prefixed_units(&unit.data).all(|nal| matches!(nal[0] & 31, 1 | 5)), "slices only");
        }
    }

    #[test]
    fn nothing_comes_before_a_key_frame_nor_between_a_loss_and_the_next() {
        let buffers = buffers();
        let mut reader = UnitReader::new(None);
        assert!(read(&mut reader, buffers[1], 0).is_none());
        assert!(read(&mut reader, buffers[0], 1).is_some());
        reader.lost();
        assert!(read(&mut reader, buffers[2], 2).is_none());
        assert!(read(&mut reader, buffers[3], 3).is_some());
        assert!(reader.read(b"no start code", MonoTime::ZERO).is_err());
    }

    #[test]
    fn other_parameter_sets_make_another_track() {
        let mut reader = UnitReader::new(None);
        let key = buffers()[0];
        let (first, _) = read(&mut reader, key, 0).expect("a picture");
        // Another level: the fourth byte of the sequence parameter set.
        let mut other = key.to_vec();
        let sps = other.windows(4).position(|bytes| bytes == [0, 0, 1, 0x67]).expect("a parameter set");
        other[sps + 6] += 1;
        let (second, _) = read(&mut reader, &other, 1).expect("a picture");
        assert_ne!(first, second);
    }
}
