//! RTP packets back into the sender's order: what comes twice is left out, what is missing is waited for, for a
//! while. Sans-IO.

use crate::time::MonoTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// Packets that wait for a missing one: a second of 8 Mbit/s.
const MAX_WAITING: usize = 1_024;
/// A packet further off than this is no late one: the sender began anew, or somebody lies.
const MAX_STEP: i64 = 3_000;
/// So long after the first packet, those that it has overtaken are there: one of them is where it begins.
const SETTLES: Duration = Duration::from_millis(40);
/// After so many of those in a row, they are right.
const STRAYS: u32 = 3;

/// What comes next in the sender's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next<T> {
    Packet(T),
    /// One packet or more never came before the next one.
    Lost,
}

/// See the module.
#[derive(Debug)]
pub struct Reorder<T> {
    patience: Duration,
    /// The number that comes next, extended beyond 16 bits.
    next: Option<i64>,
    /// When the first packet came, while it isn't clear where it begins.
    settling: Option<MonoTime>,
    waiting: BTreeMap<i64, T>,
    /// Since when `next` is missing.
    missing_since: Option<MonoTime>,
    /// The sender began anew.
    restarted: bool,
    strays: u32,
}

impl<T> Reorder<T> {
    /// `patience`: how long a missing packet is waited for.
    pub fn new(patience: Duration) -> Self {
        let waiting = BTreeMap::new();
        let (next, settling) = (None, None);
        Self { patience, next, settling, waiting, missing_since: None, restarted: false, strays: 0 }
    }

    pub fn push(&mut self, sequence_number: u16, packet: T, now: MonoTime) {
        let next = match self.next {
            Some(next) => next,
            None => {
                self.settling = Some(now);
                *self.next.insert(i64::from(sequence_number))
            }
        };
        let step = i64::from(sequence_number.wrapping_sub(next as u16) as i16);
        if step.abs() > MAX_STEP {
            self.strays += 1;
            if self.strays < STRAYS {
                return;
            }
            self.waiting.clear();
            self.next = Some(next.saturating_add(step));
            self.missing_since = None;
            self.restarted = true;
        }
        self.strays = 0;
        let number = next.saturating_add(step);
        if self.settling.is_some() {
            self.next = self.next.map(|next| next.min(number));
        }
        if self.next.is_some_and(|next| number >= next) {
            self.waiting.entry(number).or_insert(packet);
        }
        self.look(now);
    }

    pub fn pop(&mut self, now: MonoTime) -> Option<Next<T>> {
        if std::mem::take(&mut self.restarted) {
            return Some(Next::Lost);
        }
        if self.settling.is_some_and(|began| began + SETTLES > now) {
            return None;
        }
        self.settling = None;
        let next = self.next?;
        if let Some(packet) = self.waiting.remove(&next) {
            self.next = Some(next.saturating_add(1));
            self.missing_since = None;
            self.look(now);
            return Some(Next::Packet(packet));
        }
        let (&first, _) = self.waiting.first_key_value()?;
        let given_up = self.deadline().is_some_and(|deadline| deadline <= now) || self.waiting.len() > MAX_WAITING;
        if !given_up {
            return None;
        }
        self.next = Some(first);
        self.missing_since = None;
        Some(Next::Lost)
    }

    /// When [`Reorder::pop`] has something to say, if nothing comes before.
    pub fn deadline(&self) -> Option<MonoTime> {
        let settled = self.settling.map(|began| began + SETTLES);
        settled.or(self.missing_since.map(|since| since + self.patience))
    }

    fn look(&mut self, now: MonoTime) {
        let missing = self.next.is_some_and(|next| self.waiting.first_key_value().is_some_and(|(&at, _)| at > next));
        if missing {
            self.missing_since.get_or_insert(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PATIENCE: Duration = Duration::from_millis(100);

    fn at(ms: i64) -> MonoTime {
        MonoTime::from_millis(ms)
    }

    /// Pushes numbers, one each `step` ms, and takes what comes; `None` for a loss.
    fn order(step: i64, numbers: &[u16]) -> Vec<Option<u16>> {
        let mut reorder = Reorder::new(PATIENCE);
        let mut out = Vec::new();
        let mut take = |reorder: &mut Reorder<u16>, now| {
            while let Some(next) = reorder.pop(now) {
                out.push(match next {
                    Next::Packet(number) => Some(number),
                    Next::Lost => None,
                });
            }
        };
        for (number, n) in numbers.iter().zip(0..) {
            reorder.push(*number, *number, at(n * step));
            take(&mut reorder, at(n * step));
        }
        for ms in [100, 1_000] {
            take(&mut reorder, at(numbers.len() as i64 * step + ms));
        }
        out
    }

    #[test]
    fn what_is_swapped_or_doubled_comes_once_in_order_also_where_numbers_wrap() {
        // Also the very first.
        let sent = [65_534, 65_533, 65_535, 65_534, 65_534, 0, 2, 1, 0, 3, 3];
        assert_eq!(order(1, &sent), [65_533, 65_534, 65_535, 0, 1, 2, 3].map(Some));
    }

    #[test]
    fn what_is_missing_is_waited_for_and_then_given_up() {
        let mut reorder = Reorder::new(PATIENCE);
        reorder.push(1, 1, at(-50));
        assert_eq!((reorder.pop(at(-50)), reorder.deadline()), (None, Some(at(-10))));
        for number in [2, 5] {
            reorder.push(number, number, at(10));
        }
        assert_eq!(reorder.pop(at(10)), Some(Next::Packet(1)));
        assert_eq!(reorder.pop(at(10)), Some(Next::Packet(2)));
        assert_eq!(reorder.pop(at(10)), None);
        assert_eq!(reorder.deadline(), Some(at(110)));
        // One of two comes again: the other one is waited for from then on.
        reorder.push(3, 3, at(60));
        assert_eq!(reorder.pop(at(60)), Some(Next::Packet(3)));
        assert_eq!(reorder.deadline(), Some(at(160)));
        assert_eq!(reorder.pop(at(159)), None);
        assert_eq!(reorder.pop(at(160)), Some(Next::Lost));
        assert_eq!(reorder.pop(at(160)), Some(Next::Packet(5)));
        assert_eq!(reorder.deadline(), None);
        reorder.push(4, 4, at(170));
        assert_eq!(reorder.pop(at(170)), None, "too late");
    }

    #[test]
    fn a_stray_changes_nothing_and_a_sender_that_begins_anew_is_followed() {
        assert_eq!(order(50, &[10, 40_000, 11, 12]), [10, 11, 12].map(Some));
        assert_eq!(
            order(50, &[10, 11, 40_000, 40_001, 40_002, 40_003]),
            [Some(10), Some(11), None, Some(40_002), Some(40_003)]
        );
    }

    proptest! {
        #[test]
        fn whatever_comes_is_bounded_and_in_order(numbers in proptest::collection::vec(any::<u16>(), 0..3_000)) {
            let mut reorder = Reorder::new(PATIENCE);
            for (number, ms) in numbers.into_iter().zip(0..) {
                reorder.push(number, number, at(ms / 50));
                if ms % 7 == 0 {
                    while reorder.pop(at(ms / 50)).is_some() {}
                    prop_assert!(reorder.waiting.len() <= MAX_WAITING);
                }
            }
        }

        #[test]
        fn a_network_that_swaps_within_the_patience_loses_nothing(
            start in any::<u16>(), delays in proptest::collection::vec(0_i64..90, 1..300)
        ) {
            // Sent each ms; each delayed by up to 90 ms; the first to come isn't overtaken by much.
            let mut sent: Vec<(i64, u16)> = delays
                .iter()
                .zip(0..)
                .map(|(delay, n): (&i64, i64)| (n + delay.min(&(30 + n)), start.wrapping_add(n as u16)))
                .collect();
            sent.sort_by_key(|(ms, _)| *ms);
            let count = sent.len();
            let mut reorder = Reorder::new(PATIENCE);
            let mut got = Vec::new();
            let later = sent.last().map(|(ms, number)| (ms + 50, *number));
            for (ms, number) in sent.into_iter().chain(later) {
                reorder.push(number, number, at(ms));
                while let Some(next) = reorder.pop(at(ms)) {
                    let Next::Packet(number) = next else { panic!("lost") };
                    got.push(number);
                }
            }
            let expected: Vec<u16> = (0..count).map(|n| start.wrapping_add(n as u16)).collect();
            prop_assert_eq!(got, expected);
        }
    }
}
