//! Two people who are alone in a room, led to each other past the box: which of them offers, what they say to each
//! other, and when the box stands in again. Pure; the box sends them their media until both say that the other's
//! are there.

use super::message::{Progress, Signal, Told, Trouble};
use super::room::{PersonId, id_text};
use std::time::{Duration, Instant};

/// It comes about within that, or not: on a LAN it takes tenths of a second.
const COMES_WITHIN: Duration = Duration::from_secs(10);
/// Of one side in one call; a laptop with a VPN or two has some twenty.
const MAX_CANDIDATES: u32 = 64;

/// What is to be said to whom.
pub type Tells = Vec<(PersonId, Told)>;

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Side {
    who: PersonId,
    described: bool,
    candidates: u32,
    plays: bool,
}

impl Side {
    fn new(who: PersonId) -> Self {
        Self { who, described: false, candidates: 0, plays: false }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Call {
    /// The first of them offers.
    sides: [Side; 2],
    /// Until then it is to play; `None`: it does.
    until: Option<Instant>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Direct {
    /// Counts the tries: what is said of an earlier one came too late.
    number: u32,
    call: Option<Call>,
    /// These two have tried in vain, or lost it.
    in_vain: Option<[PersonId; 2]>,
}

impl Direct {
    /// Whether they have each other's media without the box.
    pub fn plays(&self) -> bool {
        self.call.is_some_and(|call| call.until.is_none())
    }

    /// Who is there alone with somebody now, in the order in which they came; `None`: nobody, or more is needed of
    /// what they send than to show it to each other.
    pub fn see(&mut self, alone: Option<[PersonId; 2]>, now: Instant) -> Tells {
        let pair = self.call.map(|call| call.sides.map(|side| side.who));
        if pair == alone {
            return Tells::new();
        }
        let mut tells = self.end();
        if self.in_vain != alone {
            self.in_vain = None;
        }
        if let Some(pair) = alone.filter(|_| self.in_vain.is_none()) {
            self.number = self.number.wrapping_add(1);
            self.call = Some(Call { sides: pair.map(Side::new), until: Some(now + COMES_WITHIN) });
            tells.extend(self.tell_both());
        }
        tells
    }

    /// Somebody has come, or come back, and knows nothing of what was.
    pub fn forget(&mut self) -> Tells {
        self.in_vain = None;
        self.end()
    }

    /// One of them says how it goes.
    pub fn progress(&mut self, who: PersonId, number: u32, progress: Progress) -> Tells {
        let Some(call) = self.call.as_mut().filter(|_| number == self.number) else { return Tells::new() };
        let Some(side) = call.sides.iter_mut().find(|side| side.who == who) else { return Tells::new() };
        match progress {
            Progress::Lost => self.give_up(),
            Progress::Plays => {
                side.plays = true;
                if call.until.is_none() || !call.sides.iter().all(|side| side.plays) {
                    return Tells::new();
                }
                call.until = None;
                self.tell_both()
            }
        }
    }

    /// One of them says something to the other.
    pub fn relay(
        &mut self,
        who: PersonId,
        number: u32,
        kind: Signal,
        text: String,
        mid: Option<String>,
    ) -> Result<Tells, Trouble> {
        let Some(call) = self.call.as_mut().filter(|_| number == self.number) else { return Ok(Tells::new()) };
        let [first, second] = &mut call.sides;
        let (side, other, describes) = match who {
            _ if who == first.who => (first, second.who, Some(Signal::Offer)),
            _ if who == second.who => (second, first.who, first.described.then_some(Signal::Answer)),
            _ => return Ok(Tells::new()),
        };
        match kind {
            Signal::Offer | Signal::Answer => {
                if describes != Some(kind) || side.described {
                    return Err(Trouble::Order);
                }
                side.described = true;
            }
            Signal::Candidate => {
                if !side.described {
                    return Err(Trouble::Order);
                }
                // A machine of many networks has more than are of use.
                if side.candidates == MAX_CANDIDATES {
                    return Ok(Tells::new());
                }
                side.candidates += 1;
            }
        }
        Ok(vec![(other, Told::Peer { call: number, kind, text, mid })])
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.call?.until
    }

    pub fn timeout(&mut self, now: Instant) -> Tells {
        if self.next_timeout().is_some_and(|at| at <= now) { self.give_up() } else { Tells::new() }
    }

    fn give_up(&mut self) -> Tells {
        self.in_vain = self.call.map(|call| call.sides.map(|side| side.who));
        self.end()
    }

    /// The box stands in again.
    fn end(&mut self) -> Tells {
        let told = |side: Side| (side.who, Told::Direct { call: self.number, with: None, offers: false, plays: false });
        self.call.take().map(|call| call.sides.map(told).into()).unwrap_or_default()
    }

    fn tell_both(&self) -> Tells {
        let Some(Call { sides: [first, second], until }) = self.call else { return Tells::new() };
        let told = |who: PersonId, other: PersonId, offers| {
            let with = Some(id_text(other));
            (who, Told::Direct { call: self.number, with, offers, plays: until.is_none() })
        };
        vec![told(first.who, second.who, true), told(second.who, first.who, false)]
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "simulated time begins somewhere")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn direct(tells: &Tells) -> Vec<(PersonId, u32, bool, bool)> {
        let one = |(who, told): &(PersonId, Told)| match told {
            Told::Direct { call, with, plays, .. } => Some((*who, *call, with.is_some(), *plays)),
            _ => None,
        };
        tells.iter().filter_map(one).collect()
    }

    fn say(direct: &mut Direct, who: PersonId, call: u32, kind: Signal) -> Result<Vec<PersonId>, Trouble> {
        direct.relay(who, call, kind, "x".to_owned(), None).map(|tells| tells.iter().map(|(who, _)| *who).collect())
    }

    #[test]
    fn two_are_led_to_each_other_and_the_box_stands_back_when_both_have_what_they_need() {
        let (mut pair, now) = (Direct::default(), Instant::now());
        assert_eq!(direct(&pair.see(None, now)), []);
        assert_eq!(direct(&pair.see(Some([3, 7]), now)), [(3, 1, true, false), (7, 1, true, false)]);
        assert_eq!(direct(&pair.see(Some([3, 7]), now)), [], "said once");
        assert_eq!(say(&mut pair, 3, 1, Signal::Offer), Ok(vec![7]));
        assert_eq!(say(&mut pair, 7, 1, Signal::Answer), Ok(vec![3]));
        assert_eq!(say(&mut pair, 3, 1, Signal::Candidate), Ok(vec![7]));
        assert_eq!(direct(&pair.progress(3, 1, Progress::Plays)), []);
        assert!(!pair.plays());
        let both = [(3, 1, true, true), (7, 1, true, true)];
        assert_eq!(direct(&pair.progress(7, 1, Progress::Plays)), both);
        assert!(pair.plays() && pair.next_timeout().is_none());
        assert_eq!(direct(&pair.progress(7, 1, Progress::Plays)), []);
        assert_eq!(direct(&pair.see(None, now)), [(3, 1, false, false), (7, 1, false, false)], "a third has come");
        assert!(!pair.plays());
        assert_eq!(direct(&pair.see(Some([3, 7]), now)), [(3, 2, true, false), (7, 2, true, false)], "and gone");
    }

    #[test]
    fn what_does_not_come_about_or_breaks_is_left_until_somebody_comes() {
        let (mut pair, now) = (Direct::default(), Instant::now());
        pair.see(Some([1, 2]), now);
        assert_eq!(direct(&pair.timeout(now + COMES_WITHIN - Duration::from_millis(1))), []);
        let ended = [(1, 1, false, false), (2, 1, false, false)];
        assert_eq!(direct(&pair.timeout(now + COMES_WITHIN)), ended);
        assert_eq!(direct(&pair.see(Some([1, 2]), now)), [], "not again and again");
        assert_eq!(direct(&pair.forget()), []);
        assert_eq!(direct(&pair.see(Some([1, 2]), now)).len(), 2, "who came back may have another network");
        for who in [1, 2] {
            pair.progress(who, 2, Progress::Plays);
        }
        assert!(pair.plays());
        assert_eq!(direct(&pair.progress(1, 1, Progress::Lost)), [], "of another call");
        assert_eq!(direct(&pair.progress(1, 2, Progress::Lost)), [(1, 2, false, false), (2, 2, false, false)]);
        assert_eq!(direct(&pair.see(Some([1, 3]), now)).len(), 2, "others may have more luck");
    }

    #[test]
    fn nobody_says_more_than_it_takes_and_nothing_to_others() {
        let (mut pair, now) = (Direct::default(), Instant::now());
        pair.see(Some([1, 2]), now);
        assert_eq!(say(&mut pair, 2, 1, Signal::Answer), Err(Trouble::Order), "to nothing");
        assert_eq!(say(&mut pair, 2, 1, Signal::Offer), Err(Trouble::Order), "it isn't theirs");
        assert_eq!(say(&mut pair, 1, 1, Signal::Candidate), Err(Trouble::Order), "of nothing");
        assert_eq!(say(&mut pair, 1, 1, Signal::Offer), Ok(vec![2]));
        assert_eq!(say(&mut pair, 1, 1, Signal::Offer), Err(Trouble::Order), "twice");
        assert_eq!(say(&mut pair, 9, 1, Signal::Candidate), Ok(vec![]), "who isn't one of them");
        assert_eq!(say(&mut pair, 1, 7, Signal::Candidate), Ok(vec![]), "of another call");
        for _ in 0..MAX_CANDIDATES {
            assert_eq!(say(&mut pair, 1, 1, Signal::Candidate), Ok(vec![2]));
        }
        assert_eq!(say(&mut pair, 1, 1, Signal::Candidate), Ok(vec![]), "more than are of use");
    }

    proptest! {
        /// Whoever says what and whenever: messages go to one of the two only, and what is tried ends in time.
        #[test]
        fn only_the_two_are_told(steps in proptest::collection::vec((0u8..6, 1u32..4, 0u32..4, 0u64..6), 0..80)) {
            let (mut pair, mut now) = (Direct::default(), Instant::now());
            for (what, who, call, seconds) in steps {
                now += Duration::from_secs(seconds);
                let alone = (call > 0).then_some([who, who + call]);
                let known = pair.call.map(|call| call.sides.map(|side| side.who)).unwrap_or_default();
                let tells = match what {
                    0 => pair.see(alone, now),
                    1 => pair.progress(who, pair.number, Progress::Plays),
                    2 => pair.progress(who, call, Progress::Lost),
                    3 => pair.relay(who, pair.number, Signal::Offer, String::new(), None).unwrap_or_default(),
                    4 => pair.relay(who, pair.number, Signal::Candidate, String::new(), None).unwrap_or_default(),
                    _ => pair.timeout(now),
                };
                for (to, told) in tells {
                    let meant = known.contains(&to) || alone.is_some_and(|alone| alone.contains(&to));
                    let echoes = to == who && matches!(told, Told::Peer { .. });
                    prop_assert!(meant && !echoes);
                }
            }
            pair.timeout(now + COMES_WITHIN);
            prop_assert!(pair.call.is_none() || pair.plays());
        }
    }
}
