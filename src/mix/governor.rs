//! How much a mixer takes on, so that it never falls behind: by how busy it is, fewer pictures a second, and then fewer
//! that are decoded at all. Sans-IO.

use crate::time::MonoTime;
use std::time::Duration;

/// Busy for longer than this part of the time, in percent: one step down.
const TOO_BUSY: u64 = 75;
/// Less than this for a while: one step up, which at most doubles it.
const CALM: u64 = 30;
const CALM_FOR: Duration = Duration::from_secs(10);
/// A step up that had to be taken back within this time isn't tried again so soon.
const REGRET_WITHIN: Duration = Duration::from_secs(15);
const CALM_FOR_MAX: Duration = Duration::from_secs(160);
/// Looked at this often.
const WINDOW: Duration = Duration::from_millis(500);
/// The lowest step: an eighth of the pictures.
const MAX_LEVEL: u32 = 3;

/// See the module.
#[derive(Debug, Clone)]
pub struct Governor {
    level: u32,
    since: MonoTime,
    busy: Duration,
    /// When it was last not calm, or changed.
    stirred: MonoTime,
    calm_for: Duration,
    stepped_up: Option<MonoTime>,
}

impl Governor {
    pub fn new(now: MonoTime) -> Self {
        Self { level: 0, since: now, busy: Duration::ZERO, stirred: now, calm_for: CALM_FOR, stepped_up: None }
    }

    /// Of the frame rate's pictures every how many is made: 1, 2, 4, 8.
    pub fn every(&self) -> u32 {
        1 << self.level
    }

    /// Pictures that no other needs are left out.
    pub fn skips_droppable(&self) -> bool {
        self.level >= 1
    }

    /// Of cameras of who doesn't speak, only key frames are shown.
    pub fn shows_stills(&self) -> bool {
        self.level >= 2
    }

    /// So long something was worked on.
    pub fn worked(&mut self, busy: Duration) {
        self.busy += busy;
    }

    /// Looks at what was spent; whether it is another step now.
    pub fn look(&mut self, now: MonoTime) -> bool {
        let elapsed = self.since.until(now);
        if elapsed < WINDOW {
            return false;
        }
        let percent = self.busy.as_micros() as u64 * 100 / (elapsed.as_micros() as u64).max(1);
        (self.since, self.busy) = (now, Duration::ZERO);
        let before = self.level;
        if percent > TOO_BUSY {
            self.level = (self.level + 1).min(MAX_LEVEL);
            let regrets = self.stepped_up.is_some_and(|when| when.until(now) < REGRET_WITHIN);
            self.calm_for = if regrets { (self.calm_for * 2).min(CALM_FOR_MAX) } else { self.calm_for };
            self.stepped_up = None;
            self.stirred = now;
        } else if percent > CALM {
            self.stirred = now;
        } else if self.level > 0 && self.stirred.until(now) >= self.calm_for {
            self.level -= 1;
            self.stirred = now;
            self.stepped_up = Some(now);
        }
        if self.stepped_up.is_some_and(|when| when.until(now) >= REGRET_WITHIN) {
            (self.stepped_up, self.calm_for) = (None, CALM_FOR);
        }
        before != self.level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many seconds at `percent` of the time; the highest and the last step.
    fn run(governor: &mut Governor, now: &mut MonoTime, seconds: u32, percent: impl Fn(u32) -> u32) -> (u32, u32) {
        let mut most = governor.every();
        for _ in 0..seconds * 10 {
            let slot = Duration::from_millis(100);
            governor.worked(slot * percent(governor.every()) / 100);
            *now = *now + slot;
            governor.look(*now);
            most = most.max(governor.every());
        }
        (most, governor.every())
    }

    #[test]
    fn who_keeps_up_makes_every_picture() {
        let (mut now, mut governor) = (MonoTime::ZERO, Governor::new(MonoTime::ZERO));
        assert_eq!(run(&mut governor, &mut now, 60, |_| 70), (1, 1));
        assert!(!governor.skips_droppable() && !governor.shows_stills());
    }

    #[test]
    fn too_much_is_halved_until_it_fits_and_comes_back_when_it_is_calm() {
        let (mut now, mut governor) = (MonoTime::ZERO, Governor::new(MonoTime::ZERO));
        assert_eq!(run(&mut governor, &mut now, 9, |every| 200 / every), (4, 4));
        assert!(governor.shows_stills());
        assert_eq!(run(&mut governor, &mut now, 60, |_| 10), (4, 1));
    }

    #[test]
    fn it_never_stops_altogether() {
        let (mut now, mut governor) = (MonoTime::ZERO, Governor::new(MonoTime::ZERO));
        assert_eq!(run(&mut governor, &mut now, 60, |_| 100), (8, 8));
    }

    #[test]
    fn what_swings_is_tried_ever_more_seldom() {
        let (mut now, mut governor) = (MonoTime::ZERO, Governor::new(MonoTime::ZERO));
        // At half the rate it looks calm, at the whole it is too much.
        let swings = |every: u32| if every == 1 { 90 } else { 20 };
        let changes = |governor: &mut Governor, now: &mut MonoTime| {
            let mut changes = 0;
            for _ in 0..100 {
                let before = governor.every();
                run(governor, now, 1, swings);
                changes += u32::from(governor.every() != before);
            }
            changes
        };
        let (first, later) = (changes(&mut governor, &mut now), changes(&mut governor, &mut now));
        assert!(later < first && later <= 4, "{first} and then {later}");
    }
}
