use super::*;
use proptest::prelude::*;

const MS: i64 = 1_000_000;

fn rate(num: u32) -> FrameRate {
    FrameRate::new(num, 1).expect("a rate")
}

/// A small generator, seeded, so that a failure can be run again.
struct Noise(u64);

impl Noise {
    /// 0 to `below`, ns.
    fn next(&mut self, below: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as i64 % below.max(1)
    }
}

/// A picture: when it was taken and when it arrives, ns.
type Arrival = (i64, i64);

/// A camera of period `period` ns, its pictures arriving `delay` after they were taken, both with jitter.
fn camera(count: i64, period: i64, delay: i64, jitter: i64, seed: u64) -> Vec<Arrival> {
    let mut noise = Noise(seed);
    let mut last = 0;
    (0..count)
        .map(|i| {
            let captured = 500 * MS + i * period + noise.next(jitter) - jitter / 2;
            last = (captured + delay + noise.next(jitter)).max(last);
            (captured, last)
        })
        .collect()
}

/// What came out: the slot, and for a `New` one when its picture was taken.
struct Run {
    slots: Vec<(Slot, Option<i64>)>,
    counts: Counts,
}

impl Run {
    /// Runs the pacer over the arrivals and until `end`, polled whenever its deadline passes.
    fn of(rate: FrameRate, arrivals: &[Arrival], end: i64) -> Self {
        let mut pacer = FramePacer::new(rate);
        let mut slots = Vec::new();
        let mut arrivals = arrivals.iter().peekable();
        let mut now = 0;
        loop {
            let deadline = pacer.deadline().as_nanos().max(now);
            match arrivals.next_if(|arrival| arrival.1 <= deadline) {
                Some(&(captured, arrived)) => {
                    now = now.max(arrived);
                    let given = pacer.push(MonoTime::from_nanos(captured), MonoTime::from_nanos(now));
                    slots.extend(given.map(|slot| (slot, (slot.kind == Kind::New).then_some(captured))));
                }
                None if deadline > end && arrivals.peek().is_none() => break,
                None => {
                    now = deadline;
                    slots.extend(pacer.poll(MonoTime::from_nanos(now)).map(|slot| (slot, None)));
                }
            }
        }
        let run = Self { slots, counts: pacer.counts() };
        run.assert_unbroken();
        run
    }

    /// Each slot begins where the last one ended.
    fn assert_unbroken(&self) {
        for pair in self.slots.windows(2) {
            let (before, after) = (pair[0].0.timing, pair[1].0.timing);
            assert_eq!(before.pts + i64::from(before.duration), after.pts);
            assert!(before.duration > 0);
        }
    }

    /// How far the worst picture is shown from when it was taken, in thousandths of a period; the first
    /// `settle` pictures left out.
    fn worst_phase(&self, rate: FrameRate, settle: usize) -> i64 {
        let shown = self.slots.iter().filter_map(|(slot, captured)| Some((slot.timing.pts, (*captured)?)));
        shown
            .skip(settle)
            .map(|(pts, captured)| {
                let shown = MonoTime::from_ticks(pts, Timescale::VIDEO).as_nanos();
                (shown - captured).abs() * 1_000 / rate.period_nanos()
            })
            .max()
            .unwrap_or(0)
    }
}

#[test]
fn a_steady_camera_gets_every_slot_at_its_own_time() {
    for num in [15, 25, 30, 50, 60] {
        let arrivals = camera(1_000, rate(num).period_nanos(), 12 * MS, 0, 1);
        let run = Run::of(rate(num), &arrivals, arrivals[999].1);
        assert_eq!(run.counts, Counts { new: 1_000, ..Counts::default() }, "{num} fps");
        assert!(run.worst_phase(rate(num), 0) <= 1);
    }
}

#[test]
fn ntsc_timestamps_are_exact() {
    let ntsc = FrameRate::new(30_000, 1_001).expect("a rate");
    let arrivals = camera(300, ntsc.period_nanos(), 5 * MS, 0, 1);
    let run = Run::of(ntsc, &arrivals, 0);
    let first = run.slots[0].0.timing;
    assert!(run.slots.iter().enumerate().all(|(i, (slot, _))| slot.timing.pts == first.pts + 3_003 * i as i64));
}

#[test]
fn jitter_alone_neither_drops_nor_repeats() {
    for seed in 0..20 {
        // A third of a period either way, in the timestamp and on the way.
        let arrivals = camera(2_000, rate(30).period_nanos(), 8 * MS, 22 * MS, seed);
        let run = Run::of(rate(30), &arrivals, 0);
        assert_eq!((run.counts.repeated, run.counts.dropped), (0, 0), "seed {seed}");
    }
}

#[test]
fn a_camera_on_the_edge_between_two_slots_does_not_flap() {
    for offset in [40, 45, 50, 55, 60] {
        // One picture, then the rest of them at a phase of about half a period.
        let period = rate(30).period_nanos();
        let mut arrivals = camera(3_000, period, 8 * MS, 6 * MS, 3);
        for arrival in &mut arrivals[1..] {
            arrival.0 += period * offset / 100;
            arrival.1 += period * offset / 100;
        }
        let run = Run::of(rate(30), &arrivals, 0);
        let corrections = run.counts.repeated + run.counts.dropped;
        assert!(corrections <= 1, "{corrections} corrections at {offset} %");
    }
}

#[test]
fn a_clock_a_thousandth_off_costs_one_picture_in_a_thousand() {
    let period = rate(30).period_nanos();
    for (off, jitter) in [(1_000, 0), (-1_000, 0), (1_000, 8 * MS), (-1_000, 8 * MS)] {
        let arrivals = camera(20_000, period + period / off, 8 * MS, jitter, 7);
        let run = Run::of(rate(30), &arrivals, 0);
        let (wanted, other) =
            if off > 0 { (run.counts.repeated, run.counts.dropped) } else { (run.counts.dropped, run.counts.repeated) };
        assert!((19..=21).contains(&wanted) && other == 0, "{off}: {:?}", run.counts);
        let bound = 600 + jitter * 1_000 / period;
        assert!(run.worst_phase(rate(30), 0) <= bound, "{off}: {}", run.worst_phase(rate(30), 0));
    }
}

#[test]
fn other_rates_come_out_at_the_nominal_one() {
    for (from, to) in [(25, 30), (60, 30), (15, 30), (50, 30), (30, 25), (24, 60), (120, 30), (10, 30)] {
        let seconds = 60;
        let arrivals = camera(from * seconds, rate(from as u32).period_nanos(), 10 * MS, 2 * MS, 5);
        let run = Run::of(rate(to), &arrivals, 0);
        let slots = run.slots.len() as i64;
        assert!((slots - i64::from(to) * seconds).abs() <= 3, "{from} to {to}: {slots} slots");
        assert_eq!(run.counts.slate, 0);
        let (least_new, least_kept) = (from.min(i64::from(to)) * seconds * 99 / 100, run.counts.new as i64);
        assert!(least_kept >= least_new, "{from} to {to}: {:?}", run.counts);
        let phase = run.worst_phase(rate(to), 30);
        assert!(phase <= 850, "{from} to {to}: a picture {phase} thousandths of a slot off");
    }
}

#[test]
fn a_late_picture_is_repeated_for_and_then_dropped() {
    let period = rate(30).period_nanos();
    let mut arrivals = camera(100, period, 5 * MS, 0, 1);
    arrivals[50].1 += 2 * period - MS;
    arrivals[51].1 = arrivals[51].1.max(arrivals[50].1);
    let run = Run::of(rate(30), &arrivals, 0);
    assert_eq!((run.counts.repeated, run.counts.dropped, run.counts.new), (1, 1, 99));
}

#[test]
fn a_longer_way_is_learned_and_not_held_against_the_camera() {
    let period = rate(30).period_nanos();
    let mut arrivals = camera(400, period, 5 * MS, 0, 1);
    for arrival in &mut arrivals[100..] {
        arrival.1 += 120 * MS;
    }
    let run = Run::of(rate(30), &arrivals, 0);
    assert!(run.counts.dropped <= 5 && run.counts.repeated <= 5, "{:?}", run.counts);
}

#[test]
fn after_a_second_without_pictures_the_slate_is_shown_until_they_come_back() {
    let period = rate(30).period_nanos();
    let mut arrivals = camera(200, period, 5 * MS, 0, 1);
    for arrival in &mut arrivals[100..] {
        *arrival = (arrival.0 + 5_000 * MS + 13 * MS, arrival.1 + 5_000 * MS + 13 * MS);
    }
    let run = Run::of(rate(30), &arrivals, 0);
    assert_eq!(run.counts.new, 200);
    assert!((28..=31).contains(&run.counts.repeated), "{:?}", run.counts);
    assert!((118..=122).contains(&run.counts.slate), "{:?}", run.counts);
    assert!(run.worst_phase(rate(30), 0) <= 510, "the nearest slot");
}

#[test]
fn with_no_source_at_all_there_is_a_slate() {
    let run = Run::of(rate(30), &[], 3_000 * MS);
    assert!(run.counts.slate >= 55 && run.counts.new + run.counts.repeated == 0, "{:?}", run.counts);
}

#[test]
fn a_source_known_to_be_lost_is_not_repeated() {
    let mut pacer = FramePacer::new(rate(30));
    let at = |ms: i64| MonoTime::from_millis(ms);
    assert_eq!(pacer.push(at(100), at(110)).count(), 1);
    pacer.source_lost(at(120));
    let kinds: Vec<Kind> = pacer.poll(at(400)).map(|slot| slot.kind).collect();
    assert!(!kinds.is_empty() && kinds.iter().all(|kind| *kind == Kind::Slate));
    let back: Vec<Kind> = pacer.push(at(410), at(420)).map(|slot| slot.kind).collect();
    assert_eq!(back.last(), Some(&Kind::New));
}

#[test]
fn a_clock_set_back_stops_the_picture_for_a_second_only() {
    let period = rate(30).period_nanos();
    let mut arrivals = camera(300, period, 5 * MS, 0, 1);
    for arrival in &mut arrivals[100..] {
        arrival.0 -= 3_600_000 * MS;
    }
    let run = Run::of(rate(30), &arrivals, 0);
    assert!((25..=35).contains(&run.counts.dropped), "{:?}", run.counts);
    assert!(run.counts.new >= 260, "{:?}", run.counts);
}

#[test]
fn a_clock_ahead_of_ours_is_taken_as_now() {
    let period = rate(30).period_nanos();
    let mut arrivals = camera(300, period, 5 * MS, 0, 1);
    for arrival in &mut arrivals {
        arrival.0 += 3_600_000 * MS;
    }
    let run = Run::of(rate(30), &arrivals, 0);
    assert_eq!(run.counts, Counts { new: 300, ..Counts::default() });
}

#[test]
fn after_a_long_sleep_one_slot_lasts_for_most_of_it() {
    let mut pacer = FramePacer::new(rate(30));
    let mut slots: Vec<Slot> = pacer.push(MonoTime::ZERO, MonoTime::ZERO).collect();
    slots.extend(pacer.poll(MonoTime::from_millis(3_600_000)));
    assert!(slots.len() as i64 <= MAX_FILL + 1, "{} slots", slots.len());
    let run = Run { slots: slots.into_iter().map(|slot| (slot, None)).collect(), counts: pacer.counts() };
    run.assert_unbroken();
    let end = run.slots.last().map(|(slot, _)| slot.timing.pts).expect("slots");
    assert!((end - 90 * 3_600_000).abs() < 90 * 100, "caught up");
}

proptest! {
    /// Whatever comes at whatever time: no slot is left out or filled twice, nothing overflows, and the
    /// output keeps up with the clock.
    #[test]
    fn the_output_is_unbroken_for_any_input(
        num in 1_u32..240,
        steps in prop::collection::vec((any::<i64>(), 0_i64..3_000_000_000, any::<bool>(), 0_u8..20), 1..200),
    ) {
        let mut pacer = FramePacer::new(rate(num));
        let mut now = MonoTime::from_millis(5_000);
        let mut expected: Option<i64> = None;
        for (noise, step, wild, action) in steps {
            now = now.plus_nanos(step);
            let captured = if wild { MonoTime::from_nanos(noise) } else { now.plus_nanos(-(noise.rem_euclid(50_000_000))) };
            let slots: Vec<Slot> = match action {
                0 => { pacer.source_lost(now); Vec::new() }
                1..=9 => pacer.poll(now).collect(),
                _ => pacer.push(captured, now).collect(),
            };
            prop_assert!(slots.len() as i64 <= MAX_FILL + 1);
            for slot in slots {
                prop_assert!(expected.is_none_or(|pts| pts == slot.timing.pts));
                prop_assert!(slot.timing.duration > 0);
                expected = Some(slot.timing.pts + i64::from(slot.timing.duration));
            }
        }
        let lag = pacer.poll(now).count();
        prop_assert!(lag as i64 <= MAX_FILL + 1);
        prop_assert!(pacer.deadline() > now);
    }
}
