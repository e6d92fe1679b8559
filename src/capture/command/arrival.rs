//! When things were captured, from when they arrived: a pipe carries no timestamps, or ones of
//! another clock. Sans-IO.
//!
//! A source counts its own time (frames at the nominal rate, samples, the PTS of a transport stream);
//! [`ArrivalClock`] finds by how much that lies before the monotonic clock. What comes late came through
//! a busy machine, so the *least* delay of a window is the truth, and jitter never reaches a timestamp.
//! Three kinds of sources must come out right without being told apart by configuration:
//!
//! - live, with a clock that is not quite ours: the least delay moves slowly; it is followed by a slew;
//! - ahead, because it computes or reads a file: it would deliver at once whatever is asked for. The
//!   reader holds what is not yet due, stops reading, and the pipe makes the program wait. While that
//!   happens, or the delay falls faster than a clock can be wrong, nothing is corrected;
//! - slower than it said (a camera in the dark): the delay grows without end; arrival times are taken as they come.

use crate::time::MonoTime;

/// Behind by more than this: the source stood still, or jumped; counting starts again from here.
const LATE_NANOS: i64 = 500_000_000;
/// Half of the window over which the least delay is sought. Longer than the chunks in which programs
/// usually write (125 ms of sound).
const HALF_WINDOW_NANOS: i64 = 500_000_000;
/// Arrivals that make half a window at slow rates.
const HALF_WINDOW_ARRIVALS: u32 = 4;
/// The delay grows by more than 1/20 of the time from one half to the next: slower than it said.
const SLOW: i64 = 20;
/// The delay falls by more than 1/50: ahead of real time, and not a clock that is a little fast.
const AHEAD: i64 = 50;
/// Corrections up to this are slewed; beyond, they are made at once.
const SLEW_NANOS: i64 = 15_000_000;
/// A slew takes this part of what is left at each arrival.
const SLEW_SHARE: i64 = 16;

/// Maps a source's own time to the monotonic clock.
#[derive(Debug, Clone)]
pub(super) struct ArrivalClock {
    /// Corrections below this are not worth the unsteadiness, ns.
    deadband: i64,
    /// Monotonic minus source time, ns; `None` until something arrived.
    offset: Option<i64>,
    /// What is left of a slew, ns.
    pending: i64,
    window: Window,
    slow: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    start: Option<MonoTime>,
    first: Half,
    second: Half,
    held_back: bool,
}

#[derive(Debug, Clone, Copy)]
struct Half {
    least: i64,
    arrivals: u32,
}

impl Default for Half {
    fn default() -> Self {
        Self { least: i64::MAX, arrivals: 0 }
    }
}

impl Half {
    fn note(&mut self, delay: i64) {
        self.least = self.least.min(delay);
        self.arrivals = self.arrivals.saturating_add(1);
    }
}

impl ArrivalClock {
    pub(super) fn new(deadband_nanos: i64) -> Self {
        Self { deadband: deadband_nanos, offset: None, pending: 0, window: Window::default(), slow: false }
    }

    /// Something that ends at `source` ns of the source's time has fully arrived. `held_back` says that
    /// reading was stopped since the last call, because enough was waiting that is not yet due.
    pub(super) fn arrived(&mut self, source: i64, now: MonoTime, held_back: bool) {
        let delay = now.as_nanos().saturating_sub(source);
        let offset = *self.offset.get_or_insert(delay);
        let late = delay.saturating_sub(offset);
        if late > LATE_NANOS || (self.slow && late > 0) {
            self.offset = Some(delay);
            self.pending = 0;
        } else if self.pending != 0 {
            let step = self.pending / SLEW_SHARE;
            let step = if step == 0 { self.pending } else { step };
            self.pending -= step;
            self.offset = Some(offset.saturating_add(step));
        }
        self.note(delay, now, held_back);
    }

    /// When `source` ns of the source's time is; zero before anything arrived.
    pub(super) fn time_of(&self, source: i64) -> MonoTime {
        MonoTime::from_nanos(source.saturating_add(self.offset.unwrap_or_default()))
    }

    /// The source's time jumped: what arrives next counts as just in time.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.deadband);
    }

    fn note(&mut self, delay: i64, now: MonoTime, held_back: bool) {
        let window = &mut self.window;
        let age = now.nanos_since(*window.start.get_or_insert(now));
        window.held_back |= held_back;
        if window.second.arrivals == 0 && (age < HALF_WINDOW_NANOS || window.first.arrivals < HALF_WINDOW_ARRIVALS) {
            window.first.note(delay);
            return;
        }
        window.second.note(delay);
        if age >= 2 * HALF_WINDOW_NANOS && window.second.arrivals >= HALF_WINDOW_ARRIVALS {
            let window = std::mem::take(&mut self.window);
            self.judge(window, age);
        }
    }

    fn judge(&mut self, window: Window, age: i64) {
        let growth = window.second.least.saturating_sub(window.first.least);
        self.slow = growth > age / 2 / SLOW;
        self.pending = 0;
        if self.slow || window.held_back || growth < -age / 2 / AHEAD {
            return;
        }
        let offset = self.offset.unwrap_or_default();
        let correction = window.first.least.min(window.second.least).saturating_sub(offset);
        if correction.abs() > SLEW_NANOS {
            self.offset = Some(offset.saturating_add(correction));
        } else if correction.abs() > self.deadband {
            self.pending = correction;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: i64 = 1_000_000;
    const PERIOD: i64 = 33_333_333;

    /// Feeds frames that arrive at `arrival(n)` to a reader that never holds back; returns the stamp
    /// of each minus its arrival.
    fn lateness(frames: i64, arrival: impl Fn(i64) -> i64) -> Vec<i64> {
        let mut clock = ArrivalClock::new(MS / 2);
        let mut last = i64::MIN;
        (0..frames)
            .map(|n| {
                let now = MonoTime::from_nanos(arrival(n).max(last));
                last = now.as_nanos();
                clock.arrived(n * PERIOD, now, false);
                clock.time_of(n * PERIOD).nanos_since(now)
            })
            .collect()
    }

    #[test]
    fn jitter_does_not_reach_the_timestamps() {
        let jitter = |n: i64| n * 7_919 % 11 * MS;
        let stamps: Vec<i64> =
            lateness(900, |n| n * PERIOD + jitter(n)).iter().zip(0..).map(|(late, n)| late + jitter(n)).collect();
        assert!(stamps[60..].iter().all(|error| error.abs() < MS), "{stamps:?}");
    }

    #[test]
    fn a_camera_clock_that_is_off_is_followed_for_an_hour() {
        for ppm in [-2_000, -100, 100, 2_000] {
            let errors = lateness(30 * 3_600, |n| n * PERIOD + n * PERIOD / 1_000_000 * ppm);
            let worst = errors.iter().map(|error| error.abs()).max();
            assert!(worst < Some(8 * MS), "{ppm} ppm: {worst:?} ns away");
        }
    }

    #[test]
    fn a_burst_at_the_start_is_corrected_within_two_seconds() {
        // The first five frames waited for the program to come up.
        let errors = lateness(200, |n| (n * PERIOD).max(5 * PERIOD));
        assert!(errors[70..].iter().all(|error| error.abs() < MS), "{errors:?}");
    }

    #[test]
    fn a_stall_shifts_nothing() {
        let errors = lateness(300, |n| if (100..110).contains(&n) { 110 * PERIOD } else { n * PERIOD });
        assert!((100..110).all(|n| errors[n as usize] == (n - 110) * PERIOD), "stamped as if on time");
        assert!(errors[110..].iter().all(|error| error.abs() < MS));
    }

    #[test]
    fn after_a_long_stop_counting_starts_again() {
        let errors = lateness(200, |n| n * PERIOD + if n < 100 { 0 } else { 3_000 * MS });
        assert_eq!(errors[100], 0);
        assert!(errors[101..].iter().all(|error| error.abs() < MS));
    }

    #[test]
    fn half_the_promised_rate_is_stamped_as_it_arrives() {
        let errors = lateness(300, |n| 2 * n * PERIOD);
        assert!(errors[70..].iter().all(|error| error.abs() < 5 * MS), "{errors:?}");
    }

    #[test]
    fn sound_in_chunks_is_stamped_by_the_last_of_a_chunk() {
        // 10 ms blocks that come twelve at a time.
        let mut clock = ArrivalClock::new(MS / 2);
        for block in 0..500 {
            let arrival = (block / 12 + 1) * 120 * MS;
            clock.arrived((block + 1) * 10 * MS, MonoTime::from_nanos(arrival), false);
        }
        assert_eq!(clock.time_of(5_000 * MS), MonoTime::from_nanos(5_000 * MS));
    }

    #[test]
    fn a_program_that_runs_ahead_is_held_to_real_time() {
        // The reader keeps two frames that aren't due; everything else is there at once.
        let mut clock = ArrivalClock::new(MS / 2);
        let mut now = MonoTime::from_millis(5);
        let mut due: Vec<MonoTime> = Vec::new();
        let mut held_back = false;
        for n in 0..3_000 {
            clock.arrived(n * PERIOD, now, held_back);
            due.push(clock.time_of(n * PERIOD));
            held_back = due.iter().filter(|&&due| due > now).count() >= 2;
            if held_back {
                now = due[due.len() - 2];
            }
        }
        for (n, due) in (0_i64..).zip(&due) {
            assert_eq!(due.as_nanos(), 5 * MS + n * PERIOD, "frame {n}");
        }
    }

    #[test]
    fn a_program_that_is_a_little_too_fast_is_not_followed() {
        // 1.25 times real time: no queue is full for the first seconds.
        let errors = lateness(90, |n| n * PERIOD * 4 / 5);
        assert!(errors.windows(2).all(|pair| pair[1] > pair[0]), "its frames get ever earlier: {errors:?}");
    }

    proptest! {
        #[test]
        fn nothing_panics_and_stamps_are_never_in_the_future_by_more_than_the_source_ran_ahead(
            steps in proptest::collection::vec((any::<i64>(), 0_i64..2_000_000_000, any::<bool>()), 0..200)
        ) {
            let mut clock = ArrivalClock::new(MS);
            let mut now = MonoTime::ZERO;
            for (source, step, held) in steps {
                now = now.plus_nanos(step);
                clock.arrived(source, now, held);
                let _ = clock.time_of(source);
            }
        }
    }
}
