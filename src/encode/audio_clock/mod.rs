//! The audio clock: blocks of sound as a device delivers them, at whatever rate it really runs, to one
//! unbroken run of samples at the nominal rate on the monotonic clock. Sans-IO.
//!
//! Output time is counted samples. Where the next input sample belongs is told by its capture time; the
//! difference steers the resampler (`rate`). A difference past 100 ms is not steered away: silence
//! is put in, or samples are dropped. Without input there is silence, so the sound never ends.
//!
//! Not here: encoding, threads, waiting.

mod frames;
mod rate;
mod resample;
#[cfg(test)]
mod tests;

pub use frames::{Frame, Frames};

use crate::media::PcmBlock;
use crate::time::{MonoTime, Timescale};
use rate::RateLoop;
use resample::Resampler;

/// Past this a block is where it doesn't belong, ns.
const RESYNC_NANOS: i64 = 100_000_000;

/// No block for so long after it was due: silence begins, ns.
const GAP_NANOS: i64 = 200_000_000;

/// Silence stays so far behind the present, so that a source that comes back finds its place free, ns.
const SILENCE_BEHIND_NANOS: i64 = 100_000_000;

/// Silence comes in pieces of at least so much, ns.
const SILENCE_STEP_NANOS: i64 = 20_000_000;

/// The most silence a call makes, ns: bounds memory. The next call makes more.
const MAX_SILENCE_NANOS: i64 = 1_000_000_000;

/// A block later than this isn't late, its clock is wrong, ns.
const IMPLAUSIBLE_NANOS: i64 = 2_000_000_000;

/// No block is further off than this, ns: a day, so that nothing overflows.
const MAX_ERROR_NANOS: i64 = 86_400_000_000_000;

/// After so much sound dropped in a row, the source's clock is taken to have been set, ns.
const RELOCK_NANOS: i64 = 1_000_000_000;

/// For so long after a start, a block that comes earlier than the first one promised moves the whole
/// clock, ns: the first one was held up on its way.
const SETTLE_NANOS: i64 = 500_000_000;

/// Earlier by less than this isn't worth a click, ns.
const SETTLE_STEP_NANOS: i64 = 2_000_000;

/// Rates that a sound card may have, Hz.
const RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// Samples, interleaved, at the nominal rate: each run begins where the last one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run<'a> {
    /// The first sample's time: ticks of the output rate on the monotonic clock.
    pub tick: i64,
    pub samples: &'a [i16],
}

/// What happened, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Times that silence was put in or sound dropped because the error was too large.
    pub resyncs: u64,
    /// Times that a source fell silent for too long.
    pub gaps: u64,
    /// Frames of silence put in (both causes).
    pub silent_frames: u64,
    /// Input frames dropped.
    pub dropped_frames: u64,
    /// Blocks that could not be used at all: a rate or channel count that doesn't exist.
    pub refused_blocks: u64,
}

pub struct AudioClock {
    scale: Timescale,
    channels: usize,
    /// The next output sample's time, ticks; `None` until the first one.
    next_tick: Option<i64>,
    /// When somebody first polled.
    started: Option<MonoTime>,
    resampler: Option<Resampler>,
    rate: RateLoop,
    /// Silence is running in place of a source.
    in_gap: bool,
    /// The usual length of a block, ns.
    block_nanos: i64,
    /// Sound left of the time after a start in which the clock may be moved, ns.
    settling_nanos: i64,
    /// Sound that came late by more than [`RESYNC_NANOS`] without a punctual block among it, ns, and the
    /// least of it.
    late_nanos: i64,
    least_late: i64,
    /// More is to be dropped than there was.
    dropping: bool,
    /// Sound dropped in a row, ns.
    dropped_nanos: i64,
    /// Added to capture times, after a source's clock was set, ns.
    correction_nanos: i64,
    counts: Counts,
    mixed: Vec<f32>,
    out: Vec<i16>,
}

impl AudioClock {
    /// `out_rate` in Hz is the output's timescale too; `channels` at least 1.
    pub fn new(out_rate: Timescale, channels: u16) -> Self {
        Self {
            scale: out_rate,
            channels: usize::from(channels.max(1)),
            next_tick: None,
            started: None,
            resampler: None,
            rate: RateLoop::default(),
            in_gap: false,
            block_nanos: 0,
            settling_nanos: 0,
            late_nanos: 0,
            least_late: 0,
            dropping: false,
            dropped_nanos: 0,
            correction_nanos: 0,
            counts: Counts::default(),
            mixed: Vec::new(),
            out: Vec::new(),
        }
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// By how much the source's sound is being made longer, parts in a million: positive for a slow clock.
    pub fn correction_ppm(&self) -> i64 {
        self.rate.correction_ppb() / 1_000
    }

    /// When [`AudioClock::poll`] has something to say, if no block comes before.
    pub fn deadline(&self) -> MonoTime {
        match self.due() {
            Some(due) if self.in_gap => due.plus_nanos(self.block_nanos + SILENCE_BEHIND_NANOS + SILENCE_STEP_NANOS),
            Some(due) => due.plus_nanos(self.block_nanos + GAP_NANOS),
            None => self.started.map_or(MonoTime::ZERO, |started| started.plus_nanos(GAP_NANOS)),
        }
    }

    /// When the next input sample should have been captured.
    fn due(&self) -> Option<MonoTime> {
        let held = self.resampler.as_ref().map_or(0, Resampler::held);
        Some(MonoTime::from_ticks(self.next_tick?.saturating_add(held), self.scale))
    }

    /// A block has arrived. Call [`AudioClock::poll`] at its deadlines too, or a long gap can't be told from
    /// a wrong clock.
    pub fn push(&mut self, block: &PcmBlock) -> Run<'_> {
        let first = self.begin();
        let frames = block.frames();
        if !RATES_HZ.contains(&block.rate_hz) || block.channels == 0 {
            self.counts.refused_blocks += 1;
        } else if frames > 0 {
            self.place(block, frames);
        }
        self.run_from(first, block.captured)
    }

    /// Nothing arrived until `now`: silence, where sound is overdue.
    pub fn poll(&mut self, now: MonoTime) -> Run<'_> {
        let first = self.begin();
        let started = *self.started.get_or_insert(now);
        if now >= self.deadline() {
            if !self.in_gap {
                self.in_gap = true;
                self.counts.gaps += 1;
                self.drain();
            }
            let next = *self.next_tick.get_or_insert(started.ticks(self.scale));
            let behind = self.block_nanos + SILENCE_BEHIND_NANOS;
            let missing = now.plus_nanos(-behind).nanos_since(MonoTime::from_ticks(next, self.scale));
            self.put_silence(missing.min(MAX_SILENCE_NANOS));
        }
        self.run_from(first, started)
    }

    fn begin(&mut self) -> Option<i64> {
        self.out.clear();
        self.next_tick
    }

    /// `otherwise` is where the output begins when this is its very first run.
    fn run_from(&self, first: Option<i64>, otherwise: MonoTime) -> Run<'_> {
        let tick = first.unwrap_or_else(|| match self.next_tick {
            Some(next) => next - (self.out.len() / self.channels) as i64,
            None => otherwise.ticks(self.scale),
        });
        Run { tick, samples: &self.out }
    }

    /// Finds out where a block belongs, and puts it there.
    fn place(&mut self, block: &PcmBlock, frames: usize) {
        let in_scale = Timescale::new(block.rate_hz).unwrap_or(self.scale);
        let nanos = |frames: usize| crate::time::rescale(frames as i64, in_scale, Timescale::NANOS);
        let duration = nanos(frames);
        self.prepare(block.rate_hz);
        let captured = block.captured.plus_nanos(self.correction_nanos);
        if self.next_tick.is_none() {
            self.next_tick = Some(captured.ticks(self.scale));
            self.settling_nanos = SETTLE_NANOS;
        }
        let due = self.due().unwrap_or(captured);
        let off = captured.nanos_since(due);
        let mut error = off.clamp(-MAX_ERROR_NANOS, MAX_ERROR_NANOS);
        if (error > IMPLAUSIBLE_NANOS || error.saturating_add(duration) < 0) && self.dropped_nanos >= RELOCK_NANOS {
            self.correction_nanos = self.correction_nanos.saturating_sub(off);
            error = 0;
        }
        let mut skip = 0;
        if error > IMPLAUSIBLE_NANOS {
            skip = frames;
        } else if std::mem::take(&mut self.in_gap) {
            // Back after a gap: exactly where it belongs.
            self.put_silence(error);
            skip = self.frames_to_drop(-error, in_scale);
            self.rate.restart_window();
            self.settling_nanos = SETTLE_NANOS;
        } else if error < -RESYNC_NANOS || (self.dropping && error < 0) {
            // What is dropped may be longer than this block: then the next ones go the same way.
            self.counts.resyncs += u64::from(!self.dropping);
            skip = self.frames_to_drop(-error, in_scale);
            self.rate.restart_window();
        } else if error > RESYNC_NANOS {
            // Held up on its way, or is something missing before it? When nothing punctual follows, the latter.
            self.least_late = if self.late_nanos == 0 { error } else { self.least_late.min(error) };
            self.late_nanos = self.late_nanos.saturating_add(duration);
            if self.late_nanos >= RESYNC_NANOS {
                self.counts.resyncs += 1;
                self.drain();
                self.put_silence(self.least_late);
                self.rate.restart_window();
                self.late_nanos = 0;
            }
        } else {
            self.late_nanos = 0;
            if self.settling_nanos > 0 && error < -SETTLE_STEP_NANOS {
                skip = self.frames_to_drop(-error, in_scale);
                self.rate.restart_window();
            } else {
                self.rate.observe(error, duration);
            }
            self.settling_nanos = self.settling_nanos.saturating_sub(duration);
        }
        self.dropping = skip > frames;
        let skip = skip.min(frames);
        self.counts.dropped_frames += skip as u64;
        self.dropped_nanos = if skip == frames { self.dropped_nanos.saturating_add(duration) } else { 0 };
        self.block_nanos = duration.min(MAX_SILENCE_NANOS);
        self.sound(block, skip);
    }

    fn frames_to_drop(&self, nanos: i64, in_scale: Timescale) -> usize {
        usize::try_from(crate::time::rescale(nanos, Timescale::NANOS, in_scale)).unwrap_or(0)
    }

    /// A resampler for this input rate.
    fn prepare(&mut self, rate_hz: u32) {
        if self.resampler.as_ref().is_none_or(|resampler| resampler.in_rate_hz() != rate_hz) {
            self.drain();
            self.resampler = Resampler::new(rate_hz, self.scale.hz(), self.channels);
        }
    }

    /// Mixes and resamples the block without its first `skip` frames.
    fn sound(&mut self, block: &PcmBlock, skip: usize) {
        let channels = usize::from(block.channels);
        let samples = block.samples.get(skip * channels..).unwrap_or_default();
        self.mixed.clear();
        mix(samples, channels, self.channels, &mut self.mixed);
        let from = self.out.len();
        if let Some(resampler) = &mut self.resampler
            && !self.mixed.is_empty()
        {
            resampler.feed(&self.mixed, self.rate.correction_ppb(), &mut self.out);
        }
        self.count_out(from);
    }

    /// What the resampler still holds, so that what follows can be put exactly behind it.
    fn drain(&mut self) {
        let from = self.out.len();
        if let Some(resampler) = &mut self.resampler {
            resampler.drain(&mut self.out);
        }
        self.count_out(from);
    }

    fn put_silence(&mut self, nanos: i64) {
        let frames = crate::time::rescale(nanos.max(0), Timescale::NANOS, self.scale);
        let from = self.out.len();
        self.out.resize(from + usize::try_from(frames).unwrap_or(0) * self.channels, 0);
        self.counts.silent_frames += frames.unsigned_abs();
        self.count_out(from);
    }

    fn count_out(&mut self, from: usize) {
        if let Some(next) = &mut self.next_tick {
            *next += ((self.out.len() - from) / self.channels) as i64;
        }
    }
}

/// Interleaved i16 of `from` channels to interleaved f32 of `to`: one channel goes to all; all go to one, averaged;
/// otherwise the first of each side (even ones left, odd ones right) are averaged.
fn mix(samples: &[i16], from: usize, to: usize, mixed: &mut Vec<f32>) {
    const SCALE: f32 = 1.0 / 32_768.0;
    let frames = samples.chunks_exact(from);
    match (from, to) {
        (from, to) if from == to => mixed.extend(samples.iter().map(|&sample| f32::from(sample) * SCALE)),
        (1, to) => mixed.extend(samples.iter().flat_map(|&s| std::iter::repeat_n(f32::from(s) * SCALE, to))),
        _ => {
            for frame in frames {
                for channel in 0..to {
                    let side = frame.iter().skip(channel % from).step_by(to);
                    let count = side.len().max(1) as f32;
                    mixed.push(side.map(|&s| f32::from(s)).sum::<f32>() * SCALE / count);
                }
            }
        }
    }
}
