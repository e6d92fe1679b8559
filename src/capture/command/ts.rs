//! MPEG-TS: picture and sound with the sender's timestamps, which are mapped to the monotonic clock
//! as one, so that they stay in step.

use super::Format;
use super::arrival::ArrivalClock;
use super::held::Held;
use crate::capture::{Captured, Kinds};
use crate::container::mpegts::{Demuxer, TsEvent, TsProblem};
use crate::media::{AccessUnit, Track};
use crate::time::{MonoTime, Timescale, rescale};
use std::sync::Arc;

/// Units that are read ahead of real time: a second or two, since picture and sound of one time may be far
/// apart in the stream.
const HELD_UNITS: usize = 128;
const HELD_BYTES: usize = 8 << 20;
const CHUNK: usize = 64 << 10;
/// Corrections of the clock below this aren't made, ns: timestamps of a sender are steadier than arrival.
const DEADBAND_NANOS: i64 = 20_000_000;
/// The timestamps of a track moved by more than this from one unit to the next: they jumped.
const JUMP_NANOS: i64 = 1_000_000_000;
/// Sound that would be this far from now belongs to a time that the picture hasn't jumped to yet.
const FAR_NANOS: i64 = 5_000_000_000;
/// So many bytes without anything that can be used are too many.
const BYTES_WITHOUT_UNIT: usize = 8 << 20;
/// Different problems that are logged; each once.
const PROBLEMS: usize = 8;

pub(super) struct Ts {
    /// Who writes it, for the log.
    program: String,
    kinds: Kinds,
    demuxer: Demuxer,
    chunk: Box<[u8]>,
    clock: ArrivalClock,
    video: Progress,
    audio: Progress,
    problems: Vec<TsProblem>,
    bytes_without_unit: usize,
}

/// How far a track has come.
#[derive(Debug, Default)]
struct Progress {
    /// The sender's time of the last unit, ns.
    source: Option<i64>,
    /// In the ticks handed out: where the last unit began, and where it ended.
    last: Option<(i64, i64)>,
}

impl Ts {
    pub(super) fn new(program: String, kinds: Kinds) -> Self {
        Self {
            program,
            kinds,
            demuxer: Demuxer::new(),
            chunk: vec![0; CHUNK].into(),
            clock: ArrivalClock::new(DEADBAND_NANOS),
            video: Progress::default(),
            audio: Progress::default(),
            problems: Vec::new(),
            bytes_without_unit: 0,
        }
    }

    fn take_events(&mut self, now: MonoTime, held: &mut Held) {
        while let Some(event) = self.demuxer.next() {
            match event {
                TsEvent::Track(_) => {}
                TsEvent::Unit { track, unit } if self.kinds.wants(track.id) => {
                    self.bytes_without_unit = 0;
                    self.unit(track, unit, now, held);
                }
                TsEvent::Unit { .. } => {}
                TsEvent::Problem(problem) => {
                    if !self.problems.contains(&problem) && self.problems.len() < PROBLEMS {
                        log::warn!("{}: in its MPEG-TS: {problem}", self.program);
                        self.problems.push(problem);
                    }
                }
            }
        }
    }

    fn unit(&mut self, track: Arc<Track>, unit: AccessUnit, now: MonoTime, held: &mut Held) {
        let is_video = track.id.is_video();
        // The picture's timestamps rule where there is a picture.
        let rules = is_video || self.video.source.is_none();
        let progress = if is_video { &mut self.video } else { &mut self.audio };
        if is_video && progress.source.is_none() && !unit.keyframe {
            return;
        }
        let source = rescale(unit.dts, track.timescale, Timescale::NANOS);
        let before = progress.source.replace(source);
        let away = |clock: &ArrivalClock| clock.time_of(source).nanos_since(now).saturating_abs();
        if rules {
            let jumped = before.is_some_and(|before| source.saturating_sub(before).saturating_abs() > JUMP_NANOS);
            if jumped && away(&self.clock) > JUMP_NANOS {
                self.clock.reset();
            }
            self.clock.arrived(source, now, held.take_was_full());
        } else if away(&self.clock) > FAR_NANOS {
            return;
        }
        // In whole ticks, so that distances stay what the sender made them.
        let offset = self.clock.time_of(0).ticks(track.timescale);
        if let Some(unit) = progress.place(offset, unit, is_video) {
            held.push(MonoTime::from_ticks(unit.dts, track.timescale), Captured::Unit { track, unit });
        }
    }
}

impl Progress {
    /// Moves a unit by `offset` ticks, and on behind the last one if the clock was put back. Sound that would
    /// then be heard twice is left out; pictures depend on each other and all go on.
    fn place(&mut self, offset: i64, unit: AccessUnit, is_video: bool) -> Option<AccessUnit> {
        let mut offset = offset;
        let length = i64::from(unit.duration);
        if let Some((begin, end)) = self.last {
            let dts = unit.dts.saturating_add(offset);
            if !is_video && dts < end.saturating_sub(length / 2) {
                return None;
            }
            offset = offset.saturating_add(begin.saturating_add(1).saturating_sub(dts).max(0));
        }
        let (dts, pts) = (unit.dts.saturating_add(offset), unit.pts.saturating_add(offset));
        self.last = Some((dts, dts.saturating_add(length)));
        Some(AccessUnit { dts, pts, ..unit })
    }
}

impl Format for Ts {
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
        self.bytes_without_unit = self.bytes_without_unit.saturating_add(len);
        self.demuxer.push(self.chunk.get(..len).unwrap_or_default());
        self.take_events(now, held);
        if self.bytes_without_unit > BYTES_WITHOUT_UNIT {
            let what = match self.kinds {
                Kinds::Both => "H.264 or AAC",
                Kinds::Video => "H.264",
                Kinds::Audio => "AAC",
            };
            let because = self.problems.last().map(|problem| format!(": {problem}")).unwrap_or_default();
            return Err(format!("wrote no MPEG-TS with {what} in {} MiB{because}", BYTES_WITHOUT_UNIT >> 20));
        }
        Ok(())
    }

    fn finish(&mut self, now: MonoTime, held: &mut Held) {
        self.demuxer.flush();
        self.take_events(now, held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn unit(dts: i64, duration: u32) -> AccessUnit {
        AccessUnit { dts, pts: dts + 10, duration, keyframe: true, data: Bytes::new() }
    }

    fn times(unit: Option<AccessUnit>) -> Option<(i64, i64)> {
        unit.map(|unit| (unit.dts, unit.pts))
    }

    #[test]
    fn after_the_clock_was_put_back_pictures_close_up_and_sound_is_left_out() {
        let mut video = Progress::default();
        assert_eq!(times(video.place(1_000, unit(0, 100), true)), Some((1_000, 1_010)));
        assert_eq!(times(video.place(700, unit(100, 100), true)), Some((1_001, 1_011)));
        assert_eq!(times(video.place(700, unit(200, 100), true)), Some((1_002, 1_012)));
        assert_eq!(times(video.place(700, unit(400, 100), true)), Some((1_100, 1_110)));
        let mut audio = Progress::default();
        assert_eq!(times(audio.place(1_000, unit(0, 100), false)), Some((1_000, 1_010)));
        assert_eq!(times(audio.place(900, unit(100, 100), false)), None);
        assert_eq!(times(audio.place(900, unit(160, 100), false)), Some((1_060, 1_070)));
        assert_eq!(times(audio.place(900, unit(260, 100), false)), Some((1_160, 1_170)));
    }

    #[test]
    fn no_times_panic() {
        let mut progress = Progress::default();
        for dts in [i64::MAX, i64::MIN, 0, i64::MAX] {
            let _ = progress.place(dts, AccessUnit { pts: dts, ..unit(0, u32::MAX) }, true);
            let _ = progress.place(i64::MIN, AccessUnit { dts, pts: dts, ..unit(0, u32::MAX) }, false);
        }
    }
}
