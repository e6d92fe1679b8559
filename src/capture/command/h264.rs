//! H.264 Annex B, which has no timestamps: pictures are counted at the rate that the parameter sets
//! say (else the configuration, else 30), and the count is locked to when they arrive.
//!
//! A picture's end is known when the next begins, so this lags one frame, which the
//! timestamps leave out.

use super::Format;
use super::arrival::ArrivalClock;
use super::held::Held;
use crate::capture::Captured;
use crate::codec::nal::{self, H264Unit};
use crate::codec::sps::ParameterSets;
use crate::container::annexb_stream::{AnnexBSplitter, MAX_UNIT_BYTES};
use crate::media::{AccessUnit, Codec, H264Params, Track, TrackId};
use crate::time::{FrameRate, MonoTime, Timescale};
use bytes::Bytes;
use std::sync::Arc;

/// Pictures that are read ahead of real time.
const HELD_UNITS: usize = 8;
const HELD_BYTES: usize = 4 << 20;
const CHUNK: usize = 64 << 10;
/// Corrections of the clock below this aren't made, ns.
const DEADBAND_NANOS: i64 = 1_000_000;
/// So many bytes without a picture are no H.264.
const BYTES_WITHOUT_PICTURE: usize = 2 * MAX_UNIT_BYTES;
/// So many pictures that can't be decoded, for want of parameter sets or a key frame, are too many: half a minute.
const PICTURES_WITHOUT_START: u32 = 900;

pub(super) struct H264 {
    configured_rate: Option<FrameRate>,
    splitter: AnnexBSplitter,
    chunk: Box<[u8]>,
    parameter_sets: ParameterSets,
    /// Once a decoder can start.
    started: Option<Started>,
    bytes_without_picture: usize,
    pictures_without_start: u32,
}

struct Started {
    track: Arc<Track>,
    frame_rate: FrameRate,
    clock: ArrivalClock,
    /// Counted from the last change of rate.
    index: i64,
    last_dts: Option<i64>,
}

impl H264 {
    pub(super) fn new(configured_rate: Option<FrameRate>) -> Self {
        Self {
            configured_rate,
            splitter: AnnexBSplitter::new(),
            chunk: vec![0; CHUNK].into(),
            parameter_sets: ParameterSets::default(),
            started: None,
            bytes_without_picture: 0,
            pictures_without_start: 0,
        }
    }

    fn unit(&mut self, unit: H264Unit, now: MonoTime, held: &mut Held) -> Result<(), String> {
        let changed = self.parameter_sets.update(&unit);
        if let Some(params) = changed.map_err(|error| format!("writes H.264 that can't be used: {error}"))? {
            self.set_parameters(params);
        }
        if unit.data.is_empty() {
            return Ok(());
        }
        self.bytes_without_picture = 0;
        if let Some(started) = &mut self.started
            && (unit.keyframe || started.last_dts.is_some())
        {
            if nal::is_b_picture(&unit.data) {
                return Err("writes H.264 with B-frames, whose order can't be known without timestamps: \
                            switch them off, or write mpegts"
                    .into());
            }
            started.push(unit.keyframe, unit.data, now, held);
            return Ok(());
        }
        self.pictures_without_start += 1;
        if self.pictures_without_start > PICTURES_WITHOUT_START {
            return Err(
                "writes H.264 without parameter sets or key frames: have them repeated (rpicam-vid: --inline)".into()
            );
        }
        Ok(())
    }

    fn set_parameters(&mut self, params: H264Params) {
        let frame_rate = params.frame_rate.or(self.configured_rate).unwrap_or(FrameRate::DEFAULT);
        let params = H264Params { frame_rate: Some(frame_rate), ..params };
        let track = Track {
            id: TrackId::Video(0),
            timescale: Timescale::VIDEO,
            language: None,
            bitrate_bps: 0,
            codec: Codec::H264(params),
        };
        match &mut self.started {
            Some(started) => {
                if *started.track != track {
                    started.track = Arc::new(track);
                }
                if started.frame_rate != frame_rate {
                    started.frame_rate = frame_rate;
                    started.index = 0;
                    started.clock.reset();
                }
            }
            None => {
                self.started = Some(Started {
                    track: Arc::new(track),
                    frame_rate,
                    clock: ArrivalClock::new(DEADBAND_NANOS),
                    index: 0,
                    last_dts: None,
                });
            }
        }
    }
}

impl Started {
    fn push(&mut self, keyframe: bool, data: Bytes, now: MonoTime, held: &mut Held) {
        let start = |index: i64, scale: Timescale| self.frame_rate.frame_start(index, scale);
        // It ended when the next began.
        self.clock.arrived(start(self.index + 1, Timescale::NANOS), now, held.take_was_full());
        let captured = self.clock.time_of(start(self.index, Timescale::NANOS));
        // Pictures depend on each other: none is dropped, also when the clock was put back.
        let dts = captured.ticks(Timescale::VIDEO).max(self.last_dts.map_or(i64::MIN, |last| last.saturating_add(1)));
        let ticks = start(self.index + 1, Timescale::VIDEO) - start(self.index, Timescale::VIDEO);
        self.index += 1;
        self.last_dts = Some(dts);
        let duration = u32::try_from(ticks).unwrap_or_default();
        let unit = AccessUnit { dts, pts: dts, duration, keyframe, data };
        held.push(captured, Captured::Unit { track: Arc::clone(&self.track), unit });
    }
}

impl Format for H264 {
    fn pipe_bytes(&self) -> usize {
        256 << 10
    }

    fn held(&self) -> Held {
        Held::new(HELD_UNITS, HELD_BYTES)
    }

    fn space(&mut self) -> &mut [u8] {
        &mut self.chunk
    }

    fn filled(&mut self, len: usize, now: MonoTime, held: &mut Held) -> Result<(), String> {
        self.splitter.push(self.chunk.get(..len).unwrap_or_default());
        self.bytes_without_picture = self.bytes_without_picture.saturating_add(len);
        while let Some(unit) = self.splitter.next() {
            self.unit(unit, now, held)?;
        }
        if self.bytes_without_picture > BYTES_WITHOUT_PICTURE {
            return Err(format!("wrote no H.264 picture in {} MiB", BYTES_WITHOUT_PICTURE >> 20));
        }
        Ok(())
    }

    fn finish(&mut self, now: MonoTime, held: &mut Held) {
        if let Some(unit) = self.splitter.flush() {
            // The last picture; the program has ended anyway.
            let _ = self.unit(unit, now, held);
        }
    }
}
