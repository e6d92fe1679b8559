//! Payloads of PES packets into access units, and the tracks that they make.

use super::pes::{Pes, Unwrap};
use super::{TsEvent, TsProblem};
use crate::codec::aac::{self, AdtsHeader};
use crate::codec::nal;
use crate::codec::sps::ParameterSets;
use crate::media::{AccessUnit, Codec, Track, TrackId};
use crate::time::{FrameRate, Timescale, rescale};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::sync::Arc;

/// A frame's duration where nothing tells it, ticks of 90 kHz: 30 a second.
const DEFAULT_DURATION: u32 = 3_000;
/// Longest distance that is taken for a frame's duration: ten seconds.
const MAX_DURATION: i64 = 900_000;
/// Stamps of sound that are off the count of samples by less than this part of a second are rounding.
const ROUNDING_PER_SECOND: i64 = 500;

/// H.264: one access unit in each PES packet, as every muxer does.
#[derive(Debug, Default)]
pub(super) struct H264Stream {
    parameter_sets: ParameterSets,
    track: Option<Arc<Track>>,
    /// Of the last unit: where it was, how long it is taken to be.
    last: Option<(i64, u32)>,
}

impl H264Stream {
    pub fn push(&mut self, pes: Pes, clock: &mut Unwrap, events: &mut VecDeque<TsEvent>) {
        let Ok(unit) = nal::from_annex_b(&pes.payload) else {
            return events.push_back(TsEvent::Problem(TsProblem::NotH264));
        };
        match self.parameter_sets.update(&unit) {
            Ok(Some(params)) => {
                let track = Arc::new(Track {
                    id: TrackId::Video(0),
                    timescale: Timescale::VIDEO,
                    language: None,
                    bitrate_bps: 0,
                    codec: Codec::H264(params),
                });
                self.track = Some(track.clone());
                events.push_back(TsEvent::Track(track));
            }
            Ok(None) => {}
            Err(error) => events.push_back(TsEvent::Problem(TsProblem::Sps(error))),
        }
        let Some(track) = self.track.clone().filter(|_| unit.has_picture()) else { return };
        // Without a stamp, it follows on from the last.
        let (last, length) = self.last.unwrap_or((0, DEFAULT_DURATION));
        let (dts, pts) = match (pes.dts.or(pes.pts), pes.pts) {
            (Some(dts), Some(pts)) => (clock.unwrap(dts), clock.unwrap(pts)),
            _ => (last.saturating_add(i64::from(length)), last.saturating_add(i64::from(length))),
        };
        let duration = self.duration(&track, dts);
        self.last = Some((dts, duration));
        let unit = AccessUnit { dts, pts, duration, keyframe: unit.keyframe, data: unit.data };
        events.push_back(TsEvent::Unit { track, unit });
    }

    /// Only the next unit will tell, so: as long as the last one was, or as the rate says.
    fn duration(&self, track: &Track, dts: i64) -> u32 {
        let Codec::H264(params) = &track.codec else { return DEFAULT_DURATION };
        let by_rate = |rate: FrameRate| u32::try_from(rate.frame_start(1, Timescale::VIDEO)).ok();
        let by_distance = self
            .last
            .map(|(last, _)| dts.saturating_sub(last))
            .filter(|distance| (1..MAX_DURATION).contains(distance))
            .and_then(|distance| u32::try_from(distance).ok());
        by_distance.or(params.frame_rate.and_then(by_rate)).unwrap_or(DEFAULT_DURATION)
    }
}

/// AAC in ADTS: any number of frames in a PES packet, the last of which may go on in the next.
#[derive(Debug, Default)]
pub(super) struct AdtsStream {
    rest: BytesMut,
    track: Option<Arc<Track>>,
    /// Where the next frame is by the count of samples.
    next: Option<i64>,
}

impl AdtsStream {
    pub fn push(&mut self, pes: Pes, clock: &mut Unwrap, events: &mut VecDeque<TsEvent>) {
        // A stamp is that of the first frame that begins in its packet (§2.4.3.7).
        let begins_at = self.rest.len();
        let mut stamp = pes.pts.map(|pts| clock.unwrap(pts));
        self.rest.extend_from_slice(&pes.payload);
        let mut consumed = 0;
        while let Some(header) = self.find_frame(&mut consumed) {
            let Some(frame) = self.rest.get(consumed..consumed + header.frame_len) else { break };
            let data = Bytes::copy_from_slice(frame.get(header.header_len..).unwrap_or_default());
            let begins_here = consumed >= begins_at;
            consumed += header.frame_len;
            self.frame(header, data, if begins_here { stamp.take() } else { None }, events);
        }
        let _ = self.rest.split_to(consumed.min(self.rest.len()));
    }

    /// Bytes are missing: a frame that had begun won't go on.
    pub fn lose(&mut self) {
        self.rest.clear();
    }

    /// The header at `at`, which is moved over what is none.
    fn find_frame(&self, at: &mut usize) -> Option<AdtsHeader> {
        loop {
            let bytes = self.rest.get(*at..).filter(|bytes| bytes.len() >= AdtsHeader::LEN)?;
            if let Some(header) = AdtsHeader::parse(bytes) {
                return Some(header);
            }
            *at += 1;
        }
    }

    fn frame(&mut self, header: AdtsHeader, data: Bytes, stamp: Option<i64>, events: &mut VecDeque<TsEvent>) {
        let params = match header.params() {
            Ok(params) if header.raw_blocks == 1 => params,
            Ok(_) => return events.push_back(TsEvent::Problem(TsProblem::SeveralBlocks)),
            Err(error) => return events.push_back(TsEvent::Problem(TsProblem::Aac(error))),
        };
        let Some(timescale) = Timescale::new(params.rate_hz) else { return };
        let codec = Codec::Aac(params);
        let track = match self.track.clone().filter(|track| track.codec == codec) {
            Some(track) => track,
            None => {
                let track = Arc::new(Track { id: TrackId::Aac, timescale, language: None, bitrate_bps: 0, codec });
                (self.track, self.next) = (Some(track.clone()), None);
                events.push_back(TsEvent::Track(track.clone()));
                track
            }
        };
        let stamp = stamp.map(|stamp| rescale(stamp, Timescale::VIDEO, timescale));
        let rounding = i64::from(timescale.hz()) / ROUNDING_PER_SECOND;
        let dts = match (stamp, self.next) {
            (Some(stamp), Some(next)) if stamp.abs_diff(next) <= rounding.unsigned_abs() => next,
            (Some(stamp), _) => stamp,
            (None, Some(next)) => next,
            // Nothing tells when this is.
            (None, None) => return,
        };
        self.next = Some(dts.saturating_add(i64::from(aac::FRAME_SAMPLES)));
        let unit = AccessUnit { dts, pts: dts, duration: aac::FRAME_SAMPLES, keyframe: true, data };
        events.push_back(TsEvent::Unit { track, unit });
    }
}
