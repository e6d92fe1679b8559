//! One light: how things are in, on and off out. Sans-IO.

use crate::control::Shine;
use crate::time::MonoTime;
use std::time::Duration;

/// How a light shows that something is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    On,
    /// Once a second.
    Slow,
    /// Five times a second.
    Fast,
    /// A flash every two seconds.
    Flash,
}

impl Pattern {
    /// How long it is on, and then off, ms; `None`: always on.
    fn cycle(self) -> Option<(i64, i64)> {
        match self {
            Self::On => None,
            Self::Slow => Some((500, 500)),
            Self::Fast => Some((100, 100)),
            Self::Flash => Some((100, 1_900)),
        }
    }

    /// Whether it is lit at `now`, and until when. All lights of one pattern blink together.
    pub fn at(self, now: MonoTime) -> (bool, Option<MonoTime>) {
        let Some((on, off)) = self.cycle() else { return (true, None) };
        let ms = now.as_nanos().div_euclid(1_000_000);
        let begin = ms - ms.rem_euclid(on + off);
        let lit = ms - begin < on;
        (lit, Some(MonoTime::from_millis(begin + if lit { on } else { on + off })))
    }
}

/// One thing that a light shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shows {
    pub state: String,
    /// For what is wholly so; what is partly so blinks.
    pub pattern: Pattern,
}

/// See the module.
#[derive(Debug)]
pub struct Light {
    /// The first that is so is shown.
    shows: Vec<Shows>,
}

impl Light {
    pub fn new(shows: Vec<Shows>) -> Self {
        Self { shows }
    }

    /// Whether it is lit at `now`, and until when that holds if nothing changes. `shine` tells how something is.
    pub fn at(&self, now: MonoTime, shine: impl Fn(&str) -> Shine) -> (bool, Option<MonoTime>) {
        let first = self.shows.iter().find_map(|shows| match shine(&shows.state) {
            Shine::Off => None,
            Shine::Partly if shows.pattern == Pattern::Slow => Some(Pattern::Flash),
            Shine::Partly => Some(Pattern::Slow),
            Shine::On => Some(shows.pattern),
        });
        first.map_or((false, None), |pattern| pattern.at(now))
    }
}

/// Spells the last number of an address, digit by digit: so many blinks, a pause; ten for a nought. It is shown twice.
#[derive(Debug)]
pub struct Spelling {
    /// Ends of the spans that it is on and off by turns, from the start on.
    ends: Vec<Duration>,
    start: MonoTime,
}

impl Spelling {
    const BLINK: Duration = Duration::from_millis(250);
    const BETWEEN_DIGITS: Duration = Duration::from_millis(1_200);
    const BETWEEN_ROUNDS: Duration = Duration::from_millis(3_000);

    pub fn new(number: u8, start: MonoTime) -> Self {
        let mut ends = vec![Self::BETWEEN_DIGITS];
        let mut at = Self::BETWEEN_DIGITS;
        for _ in 0..2 {
            for digit in number.to_string().bytes() {
                let blinks = match digit - b'0' {
                    0 => 10,
                    digit => digit,
                };
                for _ in 0..blinks {
                    at += Self::BLINK;
                    ends.push(at);
                    at += Self::BLINK;
                    ends.push(at);
                }
                Self::lengthen(&mut ends, &mut at, Self::BETWEEN_DIGITS);
            }
            Self::lengthen(&mut ends, &mut at, Self::BETWEEN_ROUNDS);
        }
        Self { ends, start }
    }

    /// The pause at the end lasts longer.
    fn lengthen(ends: &mut [Duration], at: &mut Duration, by: Duration) {
        *at += by;
        if let Some(last) = ends.last_mut() {
            *last = *at;
        }
    }

    /// Whether a light is lit at `now`, and until when; `None` when all is said.
    pub fn at(&self, now: MonoTime) -> Option<(bool, MonoTime)> {
        let since = self.start.until(now);
        let span = self.ends.iter().position(|end| since < *end)?;
        Some((span % 2 == 1, self.start + *self.ends.get(span)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: i64) -> MonoTime {
        MonoTime::from_millis(ms)
    }

    #[test]
    fn patterns_in_time() {
        assert_eq!(Pattern::On.at(at(7)), (true, None));
        assert_eq!(Pattern::Slow.at(at(499)), (true, Some(at(500))));
        assert_eq!(Pattern::Slow.at(at(500)), (false, Some(at(1_000))));
        assert_eq!(Pattern::Fast.at(at(1_000)), (true, Some(at(1_100))));
        assert_eq!(Pattern::Flash.at(at(2_100)), (false, Some(at(4_000))));
    }

    #[test]
    fn the_first_that_is_so_is_shown() {
        let shows = |state: &str, pattern| Shows { state: state.to_owned(), pattern };
        let light = Light::new(vec![shows("too_hot", Pattern::Fast), shows("signal", Pattern::On)]);
        let lit = |hot, signal, ms| {
            let (lit, until) = light.at(at(ms), |state| if state == "too_hot" { hot } else { signal });
            (lit, until.map(|until| until.as_nanos() / 1_000_000))
        };
        assert_eq!(lit(Shine::Off, Shine::Off, 0), (false, None));
        assert_eq!(lit(Shine::Off, Shine::On, 0), (true, None));
        assert_eq!(lit(Shine::Off, Shine::Partly, 600), (false, Some(1_000)), "it blinks");
        assert_eq!(lit(Shine::On, Shine::On, 150), (false, Some(200)), "heat first");
    }

    /// What a person counts.
    fn counted(number: u8) -> Vec<u32> {
        let spelling = Spelling::new(number, at(0));
        let (mut now, mut blinks, mut counts) = (at(0), 0, Vec::new());
        while let Some((lit, until)) = spelling.at(now) {
            if lit {
                blinks += 1;
            } else if now.until(until) > Duration::from_millis(1_000) && blinks > 0 {
                counts.push(std::mem::take(&mut blinks));
            }
            now = until;
        }
        counts
    }

    #[test]
    fn an_address_can_be_counted() {
        assert_eq!(counted(142), [1, 4, 2, 1, 4, 2]);
        assert_eq!(counted(20), [2, 10, 2, 10]);
        assert_eq!(counted(7), [7, 7]);
    }

    proptest! {
        #[test]
        fn what_is_lit_stays_so_until_it_says(ms in -10_000_i64..10_000_000) {
            for pattern in [Pattern::Slow, Pattern::Fast, Pattern::Flash] {
                let (lit, until) = pattern.at(at(ms));
                let until = until.expect("it blinks");
                prop_assert!(until > at(ms));
                prop_assert_eq!(pattern.at(until.plus_nanos(-1)).0, lit);
                prop_assert_ne!(pattern.at(until).0, lit);
            }
        }
    }
}
