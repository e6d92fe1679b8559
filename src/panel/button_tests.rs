//! Buttons in simulated time: clean, bouncing, at the edges of what counts.

use super::*;
use proptest::prelude::*;

const TIMING: Timing = Timing {
    debounce: Duration::from_millis(20),
    long: Some(Duration::from_millis(800)),
    double: Some(Duration::from_millis(400)),
};

/// A contact's changes, ms, in their order.
fn presses(timing: Timing, edges: &[(u64, bool)]) -> Vec<(Press, u64)> {
    let at = |ms: u64| MonoTime::from_millis(1_000_000 + ms as i64);
    let ms = |time: MonoTime| (time.as_nanos() / 1_000_000 - 1_000_000) as u64;
    let mut button = Button::new(timing, false, at(0));
    let mut told = Vec::new();
    let end = [(edges.last().map_or(0, |(ms, _)| *ms) + 10_000, false)];
    for (n, (time, closed)) in edges.iter().chain(&end).enumerate() {
        while let Some(due) = button.deadline()
            && due < at(*time)
        {
            told.extend(button.poll(due).into_iter().map(|press| (press, ms(due))));
        }
        if n < edges.len() {
            told.extend(button.edge(at(*time), *closed).into_iter().map(|press| (press, *time)));
        }
    }
    assert_eq!(button.deadline(), None, "it rests");
    told
}

fn kinds(timing: Timing, edges: &[(u64, bool)]) -> Vec<Press> {
    presses(timing, edges).into_iter().map(|(press, _)| press).collect()
}

#[test]
fn each_kind_is_told_once_and_as_soon_as_it_is_certain() {
    use Press::{Double, Long, Short};
    let short = [(0, true), (100, false)];
    assert_eq!(presses(TIMING, &short), [(Short, 500)], "no second one came");
    assert_eq!(presses(Timing { double: None, ..TIMING }, &short), [(Short, 120)], "none is waited for");
    assert_eq!(presses(TIMING, &[(0, true), (3_000, false)]), [(Long, 800)], "while it is held");
    let double = [(0, true), (100, false), (300, true), (400, false)];
    assert_eq!(presses(TIMING, &double), [(Double, 320)]);
    assert_eq!(presses(Timing { double: None, ..TIMING }, &double), [(Short, 120), (Short, 420)]);
    assert_eq!(presses(Timing { long: None, ..TIMING }, &[(0, true), (3_000, false)]), [(Short, 3_400)]);
    // The second press of a double one may be as long as it likes, and a third one begins anew.
    let three = [(0, true), (100, false), (300, true), (2_000, false), (2_100, true), (2_200, false)];
    assert_eq!(kinds(TIMING, &three), [Double, Short]);
}

#[test]
fn what_began_in_time_counts() {
    use Press::{Double, Long, Short};
    for (held, kind) in [(799, Short), (800, Long), (801, Long), (790, Short)] {
        assert_eq!(kinds(TIMING, &[(0, true), (held, false)]), [kind], "held for {held} ms");
    }
    for (pause, expected) in [(399, vec![Double]), (400, vec![Short, Short]), (401, vec![Short, Short])] {
        let edges = [(0, true), (100, false), (100 + pause, true), (200 + pause, false)];
        assert_eq!(kinds(TIMING, &edges), expected, "after {pause} ms");
    }
    for (length, expected) in [(19, vec![]), (20, vec![Short]), (21, vec![Short])] {
        assert_eq!(kinds(TIMING, &[(0, true), (length, false)]), expected, "closed for {length} ms");
    }
    // A contact that opens for a moment, just as the time is up, was held all the same.
    assert_eq!(kinds(TIMING, &[(0, true), (795, false), (805, true), (900, false)]), [Long]);
}

#[test]
fn what_is_held_at_the_start_says_nothing_until_it_is_let_go() {
    let start = MonoTime::from_millis(0);
    let mut button = Button::new(TIMING, true, start);
    assert_eq!(button.deadline(), None);
    assert_eq!(button.edge(start + Duration::from_secs(5), false), []);
    assert_eq!(button.poll(start + Duration::from_secs(6)), []);
    button.edge(start + Duration::from_secs(7), true);
    assert_eq!(button.poll(start + Duration::from_secs(9)), [Press::Long]);
}

#[test]
fn a_lost_edge_makes_no_long_press() {
    let at = MonoTime::from_millis;
    let mut button = Button::new(TIMING, false, at(0));
    button.edge(at(1_000), true);
    assert_eq!(button.poll(at(1_100)), []);
    // It was let go, and nobody heard of it.
    let due = button.deadline().expect("it may become a long one");
    button.found(false, due);
    assert_eq!(button.poll(due), []);
    assert_eq!(button.poll(at(5_000)), [Press::Short]);
    // What is as it was heard of changes nothing.
    button.edge(at(6_000), true);
    button.found(true, at(6_800));
    assert_eq!(button.poll(at(6_800)), [Press::Long]);
}

#[test]
fn an_edge_that_was_lost_among_bounces_is_made_up_for() {
    let at = MonoTime::from_millis;
    let mut button = Button::new(TIMING, false, at(0));
    button.edge(at(1_000), true);
    assert_eq!(button.poll(at(1_100)), []);
    // It opened, closed and opened: the last was lost.
    button.edge(at(1_200), false);
    button.edge(at(1_205), true);
    let due = button.deadline().expect("it is looked at");
    assert_eq!(due, at(1_225));
    button.found(false, due);
    assert_eq!(button.poll(due), []);
    assert_eq!(button.deadline(), Some(at(1_605)), "a second one may follow the end of the first");
    assert_eq!(button.poll(at(1_605)), [Press::Short]);
    assert_eq!(button.deadline(), None);
}

#[test]
fn a_clock_that_goes_back_is_not_believed() {
    let mut button = Button::new(TIMING, false, MonoTime::from_millis(1_000));
    button.edge(MonoTime::from_millis(500), true);
    assert_eq!(button.deadline(), Some(MonoTime::from_millis(1_020)));
}

/// Bounces after a change, shorter apart than the debounce time, ending as it is to be.
fn bouncing(edges: &[(u64, bool)], bounces: &[u64]) -> Vec<(u64, bool)> {
    let mut all = Vec::new();
    for (time, closed) in edges {
        let mut now = *time;
        all.push((now, *closed));
        for gap in bounces {
            now += gap;
            all.push((now, !*closed));
            now += 1;
            all.push((now, *closed));
        }
    }
    all
}

proptest! {
    /// A contact that bounces is told as one that doesn't, if it was clear what that is.
    #[test]
    fn bounces_change_nothing(
        durations in proptest::collection::vec((120_u64..3_000, 120_u64..3_000), 1..8),
        bounces in proptest::collection::vec(1_u64..15, 0..6),
    ) {
        let mut edges = Vec::new();
        let mut now = 0;
        for (held, pause) in durations {
            // Away from where a few ms decide.
            let clear = |ms: u64, limit: u64| if ms.abs_diff(limit) < 120 { ms + 240 } else { ms };
            let (held, pause) = (clear(held, 800), clear(pause, 400));
            edges.push((now, true));
            edges.push((now + held, false));
            now += held + pause;
        }
        prop_assert_eq!(kinds(TIMING, &bouncing(&edges, &bounces)), kinds(TIMING, &edges));
    }

    /// Whatever comes: never more presses than the contact closed, and it comes to rest.
    #[test]
    fn no_press_without_a_contact(gaps in proptest::collection::vec(0_u64..1_000, 0..60)) {
        let mut now = 0;
        let edges: Vec<_> = gaps.iter().enumerate().map(|(n, gap)| { now += gap; (now, n % 2 == 0) }).collect();
        let mut edges = edges;
        if edges.len() % 2 == 1 {
            edges.push((now + 5_000, false));
        }
        let closed = edges.iter().filter(|(_, closed)| *closed).count();
        prop_assert!(kinds(TIMING, &edges).len() <= closed);
    }

    /// However often it is asked in between, the same is told.
    #[test]
    fn asking_more_often_changes_nothing(gaps in proptest::collection::vec(1_u64..1_000, 2..20), every in 1_u64..50) {
        let mut now = 0;
        let mut edges: Vec<_> = gaps.iter().enumerate().map(|(n, gap)| { now += gap; (now, n % 2 == 0) }).collect();
        if edges.len() % 2 == 1 {
            edges.push((now + 5_000, false));
        }
        let mut button = Button::new(TIMING, false, MonoTime::from_millis(1_000_000));
        let mut told = Vec::new();
        let mut rest = edges.iter().peekable();
        for ms in 0..now + 10_000 {
            let at = MonoTime::from_millis(1_000_000 + ms as i64);
            while let Some((_, closed)) = rest.next_if(|(time, _)| *time == ms) {
                told.extend(button.edge(at, *closed));
            }
            if ms % every == 0 {
                told.extend(button.poll(at));
            }
        }
        prop_assert_eq!(told, kinds(TIMING, &edges));
    }
}
