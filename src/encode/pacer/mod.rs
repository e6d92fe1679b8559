//! A constant frame rate, whatever a camera delivers. Sans-IO.
//!
//! Time is cut into slots of one frame period, locked to the first picture. Every slot is filled
//! exactly once and in order: with the picture that arrives for it, at once; with the last picture again
//! when none comes in time; with the slate when none has come for long. What is left over is dropped.
//!
//! Two numbers decide where a picture goes. Its *phase*: how much later than the next slot it was taken;
//! and the mean of that, which jitter doesn't move. Both are held against thresholds that lie
//! more than one period apart, so a camera whose phase sits on the edge between two slots doesn't
//! make the pacer drop and repeat by turns.
//!
//! Not here: the pictures, the slate, waiting.

#[cfg(test)]
mod tests;

use super::Timing;
use crate::time::{FrameRate, MonoTime, Timescale};

/// For so long after the last picture it is repeated; then the slate is shown, ns.
const SLATE_AFTER_NANOS: i64 = 1_000_000_000;

/// The longest way from sensor to here that is waited for, ns: beyond it a picture is late, whatever was usual.
const MAX_DELIVERY_NANOS: i64 = 500_000_000;

/// At most so many slots are filled at once, when nobody asked for long; the first then lasts for the rest.
const MAX_FILL: i64 = 64;

/// So long may every picture be dropped as too old before its clock is taken to have been set back, ns.
const RELOCK_AFTER_NANOS: i64 = 1_000_000_000;

/// No picture is further off than this, ns: a day, so that nothing overflows.
const MAX_PHASE_NANOS: i64 = 86_400_000_000_000;

/// What goes into a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The picture that was just pushed.
    New,
    /// The last picture again.
    Repeat,
    /// There has been no picture for a while: the slate.
    Slate,
}

/// One frame period of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    pub timing: Timing,
    pub kind: Kind,
}

/// Gives every slot its picture.
#[derive(Debug)]
pub struct FramePacer {
    rate: FrameRate,
    /// ns.
    period: i64,
    /// Where slot 0 lies, once there is a grid.
    anchor: Option<MonoTime>,
    /// When somebody first asked.
    started: Option<MonoTime>,
    /// The next slot to fill.
    next: i64,
    /// The slot of the last picture.
    last_new: Option<i64>,
    /// The source is known to be gone: no use repeating its last picture.
    lost: bool,
    /// The mean phase of the pictures taken, ns.
    mean_phase: i64,
    /// The camera's own period, ns, and when it took its last picture.
    camera_period: i64,
    last_captured: Option<MonoTime>,
    /// Pictures arrive so long after they were taken: learned at once when it grows, forgotten slowly, ns.
    delivery: i64,
    /// Added to capture times, after a camera's clock was set back, ns.
    correction: i64,
    dropping_since: Option<MonoTime>,
    counts: Counts,
}

/// What became of slots and pictures, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub new: u64,
    pub repeated: u64,
    pub slate: u64,
    /// Pictures that found no slot.
    pub dropped: u64,
}

impl FramePacer {
    pub fn new(rate: FrameRate) -> Self {
        let period = rate.period_nanos();
        Self {
            rate,
            period,
            anchor: None,
            started: None,
            next: 0,
            last_new: None,
            lost: false,
            mean_phase: 0,
            camera_period: period,
            last_captured: None,
            delivery: 0,
            correction: 0,
            dropping_since: None,
            counts: Counts::default(),
        }
    }

    /// A pacer that goes on where something else left off: its first slot begins at `start`.
    pub fn resuming(rate: FrameRate, start: MonoTime) -> Self {
        Self { anchor: Some(start), ..Self::new(rate) }
    }

    /// Where the next slot begins, once there is a grid.
    pub fn next_start(&self) -> Option<MonoTime> {
        self.anchor.is_some().then(|| self.slot_time(self.next))
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// When [`FramePacer::poll`] has something to say, if no picture comes before.
    pub fn deadline(&self) -> MonoTime {
        match (self.anchor, self.started) {
            (Some(_), _) => self.slot_time(self.next).plus_nanos(self.delivery).plus_nanos(self.period),
            (None, Some(started)) => started.plus_nanos(SLATE_AFTER_NANOS),
            (None, None) => MonoTime::ZERO,
        }
    }

    /// A picture, taken at `captured`, has arrived. Fill the slots given; when none is `New`, the picture
    /// is dropped.
    pub fn push(&mut self, captured: MonoTime, now: MonoTime) -> Slots {
        // A picture can't have been taken after now: a clock that says so isn't ours.
        let captured = captured.plus_nanos(self.correction).min(now);
        self.learn(captured, now);
        let unlocked =
            self.lost || self.last_new.is_none_or(|slot| self.next > slot.saturating_add(self.slate_slots()));
        self.lost = false;
        if self.anchor.is_none() {
            self.anchor = Some(captured.max(now.plus_nanos(-MAX_DELIVERY_NANOS)));
        }

        let off = captured.nanos_since(self.slot_time(self.next));
        let mut phase = off.clamp(-MAX_PHASE_NANOS, MAX_PHASE_NANOS);
        // Coming back after a gap, the nearest slot is the right one. Otherwise the mean decides, at a little
        // more than half a period off, and a single picture only when it is far off. A camera that is too
        // fast has a nearer picture to come sooner.
        let (edge, mean_edge) = if unlocked { (50, 50) } else { (75, 55) };
        let early = self.camera_period.min(self.period);
        let half = self.period / 2;
        let mut mean = if unlocked { phase } else { self.mean_phase + (phase - self.mean_phase) / 16 };
        let far_early = phase < -early * edge / 100;
        if far_early || (mean < -early * mean_edge / 100 && phase < 0) {
            if !self.set_back_for_long(now) {
                self.mean_phase = if far_early { (phase + early).clamp(-half, half) } else { mean + early };
                self.counts.dropped += 1;
                return self.slots(0, false);
            }
            // Taken as if it were in time from now on.
            self.correction = self.correction.saturating_sub(off);
            (phase, mean) = (0, 0);
        }
        let mut fill = 0;
        if phase > self.period * edge / 100 {
            // As many periods as bring it below half of one.
            fill = (phase + half) / self.period;
            mean = phase;
        } else if mean > self.period * mean_edge / 100 && phase > 0 {
            fill = 1;
        }
        self.mean_phase = mean - fill * self.period;
        self.dropping_since = None;
        self.slots(fill, true)
    }

    /// Nothing arrived until `now`: the slots that can't wait any longer.
    pub fn poll(&mut self, now: MonoTime) -> Slots {
        if self.anchor.is_none() {
            let started = *self.started.get_or_insert(now);
            if now.nanos_since(started) < SLATE_AFTER_NANOS {
                return self.slots(0, false);
            }
            self.anchor = Some(now);
        }
        let overdue = now.nanos_since(self.deadline());
        let fill = if overdue < 0 { 0 } else { overdue / self.period + 1 };
        self.slots(fill, false)
    }

    /// The source is gone: show the slate from the next slot on.
    pub fn source_lost(&mut self, now: MonoTime) {
        self.lost = true;
        self.last_captured = None;
        self.anchor.get_or_insert(now);
    }

    fn slot_time(&self, slot: i64) -> MonoTime {
        self.anchor.unwrap_or(MonoTime::ZERO).plus_nanos(self.rate.frame_start(slot, Timescale::NANOS))
    }

    fn slate_slots(&self) -> i64 {
        (SLATE_AFTER_NANOS / self.period).max(1)
    }

    fn learn(&mut self, captured: MonoTime, now: MonoTime) {
        let delivery = now.nanos_since(captured).clamp(0, MAX_DELIVERY_NANOS);
        self.delivery = delivery.max(self.delivery - (self.delivery - delivery) / 32);
        if let Some(last) = self.last_captured {
            let period = captured.nanos_since(last).clamp(self.period / 16, self.period * 2);
            self.camera_period += (period - self.camera_period) / 8;
        }
        self.last_captured = Some(captured);
    }

    fn set_back_for_long(&mut self, now: MonoTime) -> bool {
        let since = *self.dropping_since.get_or_insert(now);
        now.nanos_since(since) >= RELOCK_AFTER_NANOS
    }

    /// Fills `fill` slots without a picture, then one with it if there is one.
    fn slots(&mut self, fill: i64, new: bool) -> Slots {
        let fill_end = self.next.saturating_add(fill.max(0));
        let slate_from = match self.last_new {
            Some(slot) if !self.lost => slot.saturating_add(self.slate_slots()).max(self.next),
            _ => self.next,
        };
        let slots = Slots {
            anchor_ticks: self.anchor.unwrap_or(MonoTime::ZERO).ticks(Timescale::VIDEO),
            rate: self.rate,
            next: self.next,
            skip_to: (fill_end - MAX_FILL + 1).max(self.next + 1),
            slate_from,
            fill_end,
            end: fill_end.saturating_add(i64::from(new)),
        };
        for slot in slots.clone() {
            match slot.kind {
                Kind::New => self.counts.new += 1,
                Kind::Repeat => self.counts.repeated += 1,
                Kind::Slate => self.counts.slate += 1,
            }
        }
        if new {
            self.last_new = Some(fill_end);
        }
        self.next = slots.end;
        slots
    }
}

/// Slots to fill now, in order, each directly behind the one before it.
#[derive(Debug, Clone)]
#[must_use = "a slot that isn't filled is a hole in the stream"]
pub struct Slots {
    anchor_ticks: i64,
    rate: FrameRate,
    next: i64,
    /// Where the first slot ends: at its own end, unless there are too many.
    skip_to: i64,
    slate_from: i64,
    fill_end: i64,
    end: i64,
}

impl Iterator for Slots {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        if self.next >= self.end {
            return None;
        }
        let slot = self.next;
        let kind = match slot {
            slot if slot >= self.fill_end => Kind::New,
            slot if slot >= self.slate_from => Kind::Slate,
            _ => Kind::Repeat,
        };
        self.next = if kind == Kind::New { slot + 1 } else { self.skip_to.max(slot + 1) };
        let start = |slot| self.anchor_ticks.saturating_add(self.rate.frame_start(slot, Timescale::VIDEO));
        let pts = start(slot);
        let duration = u32::try_from(start(self.next).saturating_sub(pts)).unwrap_or(u32::MAX);
        Some(Slot { timing: Timing { pts, duration }, kind })
    }
}
