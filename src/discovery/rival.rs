//! Two boxes under one host name: who keeps it, and what the other is called then. Sans-IO.
//!
//! Probing (RFC 6762 section 8) settles most conflicts before a box announces itself. What it can't see are
//! boxes that couldn't hear each other then: after a power cut they start before the switch between them
//! does. Each says its id, and hears the others'.

use core::cmp::Ordering;

/// How a box stands to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// They have names of their own, or are the same.
    Apart,
    /// They have one name: this one keeps it.
    Keeps,
    /// They have one name: this one takes another.
    Yields,
}

/// How `ours` (id and host name) stands to `theirs`: of two that have one name, the smaller id keeps it, so that
/// both come to the same end, and to the same one after each power cut.
pub(super) fn standing(ours: (&str, &str), theirs: (&str, &str)) -> Standing {
    let ((id, host), (their_id, their_host)) = (ours, theirs);
    match id.cmp(their_id) {
        _ if !host.eq_ignore_ascii_case(their_host) => Standing::Apart,
        Ordering::Equal => Standing::Apart,
        Ordering::Less => Standing::Keeps,
        Ordering::Greater => Standing::Yields,
    }
}

/// The label after `current` in `base`, `base-2`, `base-3`, …
pub(super) fn next_label(base: &str, current: &str) -> String {
    let number = current.strip_prefix(base).and_then(|rest| rest.strip_prefix('-')?.parse::<u32>().ok());
    format!("{base}-{}", number.unwrap_or(1).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_counted_up() {
        assert_eq!(next_label("box", "box"), "box-2");
        assert_eq!(next_label("box", "box-2"), "box-3");
        assert_eq!(next_label("box", "box-9"), "box-10");
        assert_eq!(next_label("cam-1", "cam-1"), "cam-1-2", "a number of its own stays");
        assert_eq!(next_label("cam-1", "cam-1-2"), "cam-1-3");
        assert_eq!(next_label("box", "boxer"), "box-2");
    }

    #[test]
    fn case_is_no_difference_and_oneself_is_no_rival() {
        assert_eq!(standing(("b", "box.local."), ("a", "Box.local.")), Standing::Yields);
        assert_eq!(standing(("a", "box.local."), ("b", "Box.local.")), Standing::Keeps);
        assert_eq!(standing(("b", "box.local."), ("b", "box.local.")), Standing::Apart);
        assert_eq!(standing(("b", "box.local."), ("a", "box-2.local.")), Standing::Apart);
    }

    proptest! {
        /// Boxes of one name that all hear each other come to names of their own, whoever looks first.
        #[test]
        fn all_end_with_names_of_their_own(ids in proptest::collection::btree_set("[0-9a-f]{4}", 1..8), order in any::<u64>()) {
            let mut boxes: Vec<_> = ids.iter().map(|id| (id.clone(), "box".to_owned())).collect();
            let mut turn = order;
            for _ in 0..1_000 {
                turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let looks = usize::try_from(turn >> 33).unwrap_or_default() % boxes.len();
                let (id, host) = boxes[looks].clone();
                let yields = |theirs: &(String, String)| {
                    standing((&id, &host), (&theirs.0, &theirs.1)) == Standing::Yields
                };
                if boxes.iter().any(yields) {
                    boxes[looks].1 = next_label("box", &host);
                }
            }
            let hosts: BTreeSet<_> = boxes.iter().map(|(_, host)| host).collect();
            prop_assert_eq!(hosts.len(), boxes.len());
            prop_assert_eq!(&boxes[0].1, "box", "the smallest id keeps it");
        }
    }
}
