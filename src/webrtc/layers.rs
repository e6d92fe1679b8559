//! Which of several layers or renditions of one picture somebody is sent: how much can be sent to them, and what of
//! that fits. Pure; rooms and viewers share it.

use std::time::{Duration, Instant};

/// What is sent before anything is known, bits a second.
const FIRST: u64 = 2_500_000;
const MIN: u64 = 100_000;
const MAX: u64 = 20_000_000;
/// Over what is sent is measured: a key frame alone is no reason to think that it is too much.
const SENT_OVER_MS: u64 = 1_000;
/// After more was sent than went through, as much isn't tried again for so long; each time twice as long.
const HOLD: Duration = Duration::from_secs(10);
const HOLD_MOST: Duration = Duration::from_secs(80);
/// Nothing went wrong for so long: what happened before is forgotten.
const FORGIVES: Duration = Duration::from_secs(120);
/// What a larger layer leaves of what can be sent, so that not every little change is one of layers, of a hundred.
const SPARE: u64 = 15;

/// What can be sent to somebody: what is estimated; at once where that is less than it was, and slowly where it is more.
#[derive(Debug)]
pub struct Budget {
    bps: u64,
    sent_bytes: u64,
    sent_bps: u64,
    looked: Option<Instant>,
    /// What was too much, until when that isn't tried again, and how long that was.
    failed: Option<(u64, Instant, Duration)>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bps: FIRST, sent_bytes: 0, sent_bps: 0, looked: None, failed: None }
    }
}

impl Budget {
    pub fn sent(&mut self, bytes: usize) {
        self.sent_bytes += bytes as u64;
    }

    /// Bits a second.
    pub fn bps(&self) -> u64 {
        self.bps
    }

    /// Looks at what was sent, and at what is estimated can be; `None`: the other side says nothing of which it could
    /// be known.
    pub fn look(&mut self, estimate_bps: Option<u64>, now: Instant) {
        let since = self.looked.replace(now).unwrap_or(now);
        let ms = now.saturating_duration_since(since).as_millis() as u64;
        let sent_bps = self.sent_bytes * 8_000 / ms.max(1);
        let weight = ms.min(SENT_OVER_MS);
        self.sent_bps = (self.sent_bps * (SENT_OVER_MS - weight) + sent_bps * weight) / SENT_OVER_MS;
        self.sent_bytes = 0;
        let more = self.bps + self.bps * ms / 10_000;
        self.bps = match estimate_bps {
            Some(estimate) if estimate * 10 < self.sent_bps * 9 => {
                self.fail(now);
                estimate
            }
            Some(estimate) => estimate.min(more),
            None => more,
        };
        if let Some((failed, until, _)) = self.failed
            && now < until
        {
            self.bps = self.bps.min(failed * 9 / 10);
        }
        self.bps = self.bps.clamp(MIN, MAX);
    }

    fn fail(&mut self, now: Instant) {
        let hold = match self.failed {
            // It is still the same.
            Some((failed, until, hold)) if now < until => {
                self.failed = Some((failed.min(self.sent_bps), until, hold));
                return;
            }
            Some((_, until, hold)) if now < until + FORGIVES => (hold * 2).min(HOLD_MOST),
            _ => HOLD,
        };
        self.failed = Some((self.sent_bps, now + hold, hold));
    }
}

/// One of several, and what it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer<K> {
    pub id: K,
    /// Of the shorter side, px; 0: not known yet.
    pub height: u32,
    pub rate_bps: u64,
    /// Something comes of it.
    pub awake: bool,
}

/// The layer for a picture of that height and a part of the bandwidth, bits a second: the least that is high
/// enough, or the most that there is; and then no more than fits, and from `current` up only what fits well. The
/// lowest always does.
pub fn choose<K: Copy + PartialEq>(layers: &[Layer<K>], current: Option<K>, height: u32, budget_bps: u64) -> Option<K> {
    let mut awake: Vec<_> = layers.iter().filter(|layer| layer.awake).collect();
    awake.sort_by_key(|layer| (layer.height, layer.rate_bps));
    // A picture is still good when it is scaled up a little.
    let high_enough = |layer: &&Layer<K>| u64::from(layer.height) * 5 / 4 >= u64::from(height);
    let wanted = awake.iter().position(high_enough).unwrap_or(awake.len().saturating_sub(1));
    let upto = awake.get(..=wanted).unwrap_or_default();
    let now = current.and_then(|current| upto.iter().position(|layer| layer.id == current));
    let fits = |(at, layer): &(usize, &&Layer<K>)| {
        let spare = if now.is_some_and(|now| *at > now) { layer.rate_bps * SPARE / 100 } else { 0 };
        layer.rate_bps + spare <= budget_bps
    };
    let best = upto.iter().enumerate().rev().find(fits).map(|(_, layer)| layer).or(upto.first());
    // Nothing comes of any: it stays as it is, or is the first that comes.
    let resting = || current.filter(|current| layers.iter().any(|layer| layer.id == *current));
    best.map(|layer| layer.id).or_else(resting).or_else(|| layers.first().map(|layer| layer.id))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "simulated time begins somewhere")]

    use super::*;

    fn layer(id: u8, height: u32, rate_bps: u64) -> Layer<u8> {
        Layer { id, height, rate_bps, awake: true }
    }

    #[test]
    fn layers_are_chosen_by_size_and_by_what_fits() {
        let layers = [layer(3, 720, 1_500_000), layer(1, 180, 150_000), layer(2, 360, 500_000)];
        let chosen = |height, budget| choose(&layers, None, height, budget);
        assert_eq!(chosen(200, 9_000_000), Some(1));
        assert_eq!(chosen(360, 9_000_000), Some(2));
        assert_eq!(chosen(2_000, 9_000_000), Some(3));
        assert_eq!(chosen(u32::MAX, 9_000_000), Some(3));
        assert_eq!(chosen(720, 600_000), Some(2));
        assert_eq!(chosen(720, 1_000), Some(1), "the lowest always");
        let asleep = layers.map(|layer| Layer { awake: false, ..layer });
        assert_eq!(choose(&asleep, None, 720, 9_000_000), Some(3), "all rest: some one");
        assert_eq!(choose(&asleep, Some(2), 720, 9_000_000), Some(2), "all rest: it stays");
        assert_eq!(choose::<u8>(&[], Some(2), 720, 9_000_000), None);
    }

    #[test]
    fn up_goes_what_fits_well_and_down_what_fits_no_more() {
        let layers = [layer(1, 180, 150_000), layer(2, 360, 500_000), layer(3, 720, 1_500_000)];
        let chosen = |current, budget| choose(&layers, Some(current), u32::MAX, budget);
        assert_eq!(chosen(2, 1_600_000), Some(2));
        assert_eq!(chosen(2, 1_800_000), Some(3));
        assert_eq!(chosen(3, 1_600_000), Some(3));
        assert_eq!(chosen(3, 1_499_999), Some(2));
        assert_eq!(chosen(1, 1_600_000), Some(2), "as far as fits well");
    }

    /// Four looks a second for so long, at so much sent; what came of it.
    fn looks(budget: &mut Budget, now: &mut Instant, seconds: u32, sent_bps: u64, estimate: Option<u64>) -> u64 {
        for _ in 0..seconds * 4 {
            *now += Duration::from_millis(250);
            budget.sent((sent_bps / 32) as usize);
            budget.look(estimate, *now);
        }
        budget.bps()
    }

    #[test]
    fn a_budget_falls_at_once_and_grows_slowly() {
        let (mut budget, mut now) = (Budget::default(), Instant::now());
        assert!((3_500_000..4_500_000).contains(&looks(&mut budget, &mut now, 5, 2_000_000, Some(20_000_000))));
        budget.sent(62_500);
        budget.look(Some(400_000), now + Duration::from_millis(250));
        assert_eq!(budget.bps(), 400_000, "at once");
        now += Duration::from_millis(250);
        let grown = looks(&mut budget, &mut now, 5, 300_000, Some(4_000_000));
        assert!((500_000..800_000).contains(&grown), "{grown}");
        assert!(looks(&mut budget, &mut now, 60, 300_000, None) > 10_000_000, "who says nothing of it");
    }

    #[test]
    fn what_failed_is_tried_again_ever_less_often() {
        let (mut budget, mut now) = (Budget::default(), Instant::now());
        let mut tries = Vec::new();
        let began = now;
        // 1.5 Mbit/s don't go through, half of it does.
        let mut high = true;
        while now < began + Duration::from_secs(300) {
            let (sent, estimate) = if high { (1_500_000, 800_000) } else { (700_000, 4_000_000) };
            looks(&mut budget, &mut now, 1, sent, Some(estimate));
            let was = std::mem::replace(&mut high, budget.bps() > 1_725_000);
            if high && !was {
                tries.push((now - began).as_secs());
            }
        }
        assert!((3..=6).contains(&tries.len()), "{tries:?}");
        assert!(tries.windows(3).all(|pair| pair[2] - pair[1] + 1 >= pair[1] - pair[0]), "{tries:?}");
    }
}
