//! Sans-IO: whether a certificate still does.

use super::names::Names;
use std::fmt;

const DAY_S: i64 = 24 * 3600;
/// How long a certificate of the box's own lasts, s. Browsers of Apple take up to 825 days; short, because
/// renewing costs nothing here.
pub const LIFETIME_S: i64 = 90 * DAY_S;
/// How much it is dated back, s: clocks of phones are late, too.
pub const BACKDATED_S: i64 = DAY_S;
/// How long before its end it is renewed, s.
const EARLY_S: i64 = 30 * DAY_S;

/// A certificate that was made: for what, and when it is valid, s since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    pub names: Names,
    pub not_before_s: i64,
    pub not_after_s: i64,
}

/// Why a new certificate is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    First,
    /// It ends soon, or has ended.
    Ending,
    /// A board without a battery starts in the past; when it learns the time, or loses it.
    ClockMoved,
    /// The box has a name or an address that isn't in it.
    NewNames,
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "the first since the start",
            Self::Ending => "the last one ends",
            Self::ClockMoved => "the clock was set",
            Self::NewNames => "the box has another name or address",
        })
    }
}

/// Why a new certificate is due at `now_s` for a box of the names `wanted`; `None`: the issued one still
/// does. A name too many is no reason: an address that comes and goes would make new ones for ever.
pub fn due(issued: Option<&Issued>, wanted: &Names, now_s: i64) -> Option<Due> {
    let Some(issued) = issued else { return Some(Due::First) };
    if now_s < issued.not_before_s {
        Some(Due::ClockMoved)
    } else if now_s.saturating_add(EARLY_S) >= issued.not_after_s {
        Some(if now_s > issued.not_after_s { Due::ClockMoved } else { Due::Ending })
    } else if !issued.names.cover(wanted) {
        Some(Due::NewNames)
    } else {
        None
    }
}

/// From when to when a certificate made at `now_s` is valid, s.
pub fn validity(now_s: i64) -> (i64, i64) {
    (now_s.saturating_sub(BACKDATED_S), now_s.saturating_add(LIFETIME_S))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(addresses: &[&str]) -> Names {
        Names::new("box", [], addresses.iter().map(|text| text.parse().expect("an address")))
    }

    fn issue(names: &Names, now_s: i64) -> Issued {
        let (not_before_s, not_after_s) = validity(now_s);
        Issued { names: names.clone(), not_before_s, not_after_s }
    }

    /// A box that looks every hour for three years, with a new address each hundred days.
    #[test]
    fn over_years_it_is_renewed_when_it_must_be_and_not_more() {
        let start = 1_800_000_000;
        let mut wanted = names(&["10.0.0.1"]);
        let mut issued = None::<Issued>;
        let mut causes = Vec::new();
        for hour in 0..3 * 365 * 24 {
            let now = start + hour * 3600;
            if hour == 100 * 24 {
                wanted = names(&["10.0.0.2"]);
            }
            if let Some(cause) = due(issued.as_ref(), &wanted, now) {
                causes.push((hour / 24, cause));
                issued = Some(issue(&wanted, now));
            }
            let issued = issued.as_ref().expect("made at once");
            assert!(issued.not_before_s <= now && now + EARLY_S <= issued.not_after_s, "always valid, with reserve");
        }
        assert_eq!(causes[..4], [(0, Due::First), (60, Due::Ending), (100, Due::NewNames), (160, Due::Ending)]);
        assert_eq!(causes.len(), 1 + 1 + 1 + 16, "{causes:?}");
    }

    #[test]
    fn a_clock_that_is_set_makes_a_new_one_both_ways() {
        let wanted = names(&[]);
        let at_1970 = issue(&wanted, 40);
        assert_eq!(due(Some(&at_1970), &wanted, 1_800_000_000), Some(Due::ClockMoved));
        assert_eq!(due(Some(&issue(&wanted, 1_800_000_000)), &wanted, 40), Some(Due::ClockMoved));
    }

    #[test]
    fn an_address_that_went_is_no_reason() {
        let issued = issue(&names(&["10.0.0.1", "10.0.0.2"]), 0);
        assert_eq!(due(Some(&issued), &names(&["10.0.0.1"]), 0), None);
        assert_eq!(due(Some(&issued), &names(&["10.0.0.3"]), 0), Some(Due::NewNames));
    }

    proptest! {
        #[test]
        fn a_fresh_one_is_never_due(now in any::<i32>()) {
            let wanted = names(&["10.0.0.1"]);
            prop_assert_eq!(due(Some(&issue(&wanted, now.into())), &wanted, now.into()), None);
        }
    }
}
