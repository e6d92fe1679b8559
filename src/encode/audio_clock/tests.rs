use super::*;
use proptest::prelude::*;
use std::sync::Arc;

const MS: i64 = 1_000_000;
/// Low, so that an hour is quick.
const RATE_HZ: u32 = 8_000;

fn scale(hz: u32) -> Timescale {
    Timescale::new(hz).expect("not zero")
}

/// A small generator, seeded, so that a failure can be run again.
struct Noise(u64);

impl Noise {
    /// 0 to `below`.
    fn next(&mut self, below: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as i64 % below.max(1)
    }
}

/// A sound card that runs `off_ppm` fast, whose blocks of 20 ms come with `jitter` ns of delay in their
/// capture times, and that beeps (one loud block) once in `beep_every` blocks.
struct Source {
    rate_hz: u32,
    off_ppm: i64,
    jitter: i64,
    beep_every: i64,
    noise: Noise,
    index: i64,
}

impl Source {
    fn new(rate_hz: u32, off_ppm: i64, jitter: i64) -> Self {
        Self { rate_hz, off_ppm, jitter, beep_every: 50, noise: Noise(11), index: 0 }
    }

    fn frames(&self) -> i64 {
        i64::from(self.rate_hz) / 50
    }

    /// When block `index` was really sampled, ns.
    fn true_time(&self, index: i64) -> i64 {
        let frames = i128::from(index * self.frames());
        let nanos =
            frames * 1_000_000_000 * 1_000_000 / (i128::from(self.rate_hz) * i128::from(1_000_000 + self.off_ppm));
        1_000 * MS + i64::try_from(nanos).expect("in range")
    }

    fn block(&mut self) -> PcmBlock {
        let beep = self.index % self.beep_every == self.beep_every - 1;
        let captured = MonoTime::from_nanos(self.true_time(self.index) + self.noise.next(self.jitter));
        self.index += 1;
        let len = self.frames() as usize;
        // 500 Hz, square.
        let high = |i: usize| (i * 1_000 / self.rate_hz as usize).is_multiple_of(2);
        let sample = |i: usize| {
            if !beep {
                0
            } else if high(i) {
                12_000
            } else {
                -12_000
            }
        };
        PcmBlock {
            captured,
            rate_hz: self.rate_hz,
            channels: 1,
            samples: (0..len).map(sample).collect::<Vec<_>>().into(),
        }
    }
}

/// Listens to the output: that it is unbroken, and when beeps begin.
#[derive(Default)]
struct Listener {
    expected: Option<i64>,
    channels: usize,
    quiet_for: usize,
    beeps: Vec<i64>,
    heard: Vec<i16>,
}

impl Listener {
    fn new(channels: usize) -> Self {
        Self { channels, quiet_for: 1_000, ..Self::default() }
    }

    fn hear(&mut self, run: Run<'_>) {
        assert!(self.expected.is_none_or(|tick| tick == run.tick), "{:?}, then {}", self.expected, run.tick);
        for (i, frame) in run.samples.chunks_exact(self.channels).enumerate() {
            if frame[0].abs() > 6_000 {
                if self.quiet_for > 100 {
                    self.beeps.push(run.tick + i as i64);
                }
                self.quiet_for = 0;
            } else {
                self.quiet_for += 1;
            }
        }
        self.expected = Some(run.tick + (run.samples.len() / self.channels) as i64);
        if self.heard.len() < 1 << 20 {
            self.heard.extend_from_slice(run.samples);
        }
    }
}

/// The worst distance of a beep from its true time, ns, over beeps from `settle` on.
fn worst(source: &Source, beeps: &[i64], rate_hz: u32, settle: usize) -> i64 {
    let error = |(n, tick): (usize, &i64)| {
        let true_time = source.true_time((n as i64 + 1) * source.beep_every - 1);
        (MonoTime::from_ticks(*tick, scale(rate_hz)).as_nanos() - true_time).abs()
    };
    beeps.iter().enumerate().skip(settle).map(error).max().expect("beeps")
}

#[test]
fn a_steady_source_comes_out_at_its_own_time_at_any_rate() {
    for rate_hz in [8_000, 11_025, 16_000, 32_000, 44_100, 48_000, 96_000, 192_000] {
        let mut source = Source::new(rate_hz, 0, 0);
        let mut clock = AudioClock::new(scale(48_000), 1);
        let mut listener = Listener::new(1);
        for _ in 0..250 {
            listener.hear(clock.push(&source.block()));
        }
        assert_eq!(listener.beeps.len(), 5, "{rate_hz} Hz");
        let off = worst(&source, &listener.beeps, 48_000, 0);
        // Two samples of the slower side: what the edge of a beep is worth.
        assert!(off <= 2_000_000_000 / i64::from(rate_hz.min(48_000)), "{rate_hz} Hz: {off} ns");
        assert_eq!(clock.counts(), Counts::default());
    }
}

#[test]
fn an_hour_on_a_clock_a_thousandth_off_keeps_in_sync_through_a_pipe() {
    for (off_ppm, jitter, seconds) in
        [(1_000, 40 * MS, 3_600), (-1_000, 40 * MS, 3_600), (1_000, 0, 600), (-300, 10 * MS, 600)]
    {
        let mut source = Source::new(RATE_HZ, off_ppm, jitter);
        let mut clock = AudioClock::new(scale(RATE_HZ), 1);
        let mut listener = Listener::new(1);
        for _ in 0..50 * seconds {
            listener.hear(clock.push(&source.block()));
        }
        assert_eq!(listener.beeps.len(), seconds);
        let (all, settled) =
            (worst(&source, &listener.beeps, RATE_HZ, 1), worst(&source, &listener.beeps, RATE_HZ, 60));
        assert!(all < 10 * MS, "{off_ppm} ppm: {all} ns");
        assert!(settled < 5 * MS, "{off_ppm} ppm: {settled} ns");
        assert!((clock.correction_ppm() + off_ppm).abs() < 600, "{off_ppm}: {}", clock.correction_ppm());
        assert_eq!(clock.counts().resyncs + clock.counts().gaps, 0);
    }
}

#[test]
fn sound_that_is_lost_leaves_a_hole_of_its_own_length() {
    let mut source = Source::new(RATE_HZ, 0, 0);
    let mut clock = AudioClock::new(scale(RATE_HZ), 1);
    let mut listener = Listener::new(1);
    for i in 0..500 {
        let block = source.block();
        if !(210..220).contains(&i) {
            listener.hear(clock.push(&block));
        }
    }
    assert_eq!(clock.counts().resyncs, 1);
    assert_eq!(clock.counts().silent_frames, 1_600, "200 ms");
    assert!(worst(&source, &listener.beeps, RATE_HZ, 0) < MS);
}

#[test]
fn blocks_held_up_and_then_delivered_at_once_are_left_alone() {
    let mut source = Source::new(RATE_HZ, 0, 0);
    let mut clock = AudioClock::new(scale(RATE_HZ), 1);
    let mut listener = Listener::new(1);
    for i in 0..500_i64 {
        let mut block = source.block();
        // 180 ms in which nothing is read, then all of it with the time of reading.
        if (210..219).contains(&i) {
            block.captured = MonoTime::from_nanos(source.true_time(219));
        }
        listener.hear(clock.push(&block));
    }
    assert_eq!(clock.counts(), Counts::default());
    assert!(worst(&source, &listener.beeps, RATE_HZ, 0) < 2 * MS);
}

#[test]
fn sound_that_comes_twice_is_dropped_at_once() {
    let mut source = Source::new(RATE_HZ, 0, 0);
    let mut clock = AudioClock::new(scale(RATE_HZ), 1);
    let mut listener = Listener::new(1);
    for i in 0..500 {
        if i == 210 {
            source.index -= 10;
        }
        listener.hear(clock.push(&source.block()));
    }
    assert!(clock.counts().resyncs >= 1);
    assert_eq!(clock.counts().dropped_frames, 1_600, "200 ms");
    assert_eq!(clock.counts().silent_frames, 0);
}

/// Pushes and polls in time order, as a shell does: a block arrives when it is complete.
fn live(source: &mut Source, blocks: i64, missing: std::ops::Range<i64>) -> (AudioClock, Listener, i64) {
    let mut clock = AudioClock::new(scale(RATE_HZ), 1);
    let mut listener = Listener::new(1);
    let mut longest_wait = 0;
    for _ in 0..blocks {
        let block = source.block();
        let arrival = MonoTime::from_nanos(source.true_time(source.index));
        while clock.deadline() < arrival && clock.deadline() > MonoTime::ZERO {
            let now = clock.deadline();
            listener.hear(clock.poll(now));
            let behind = now.nanos_since(MonoTime::from_ticks(listener.expected.expect("a run"), scale(RATE_HZ)));
            longest_wait = longest_wait.max(behind);
        }
        if !missing.contains(&(source.index - 1)) {
            listener.hear(clock.push(&block));
        }
    }
    (clock, listener, longest_wait)
}

#[test]
fn a_microphone_pulled_for_ten_seconds_is_silent_and_comes_back_in_place() {
    let mut source = Source::new(RATE_HZ, 0, 0);
    let (clock, listener, longest_wait) = live(&mut source, 2_000, 510..1_010);
    let counts = clock.counts();
    assert_eq!((counts.gaps, counts.resyncs, counts.dropped_frames), (1, 0, 0), "{counts:?}");
    assert!((i64::from(RATE_HZ) * 10 - counts.silent_frames as i64).abs() < 100, "{counts:?}");
    assert!(longest_wait < 260 * MS, "silence came {longest_wait} ns late");
    // Ten beeps were lost; those after it are where they belong.
    let lost = listener.beeps.len();
    assert_eq!(lost, 30);
    let last = *listener.beeps.last().expect("beeps");
    let off = MonoTime::from_ticks(last, scale(RATE_HZ)).nanos_since(MonoTime::from_nanos(source.true_time(1_999)));
    assert!(off.abs() < MS, "{off} ns");
}

#[test]
fn with_no_microphone_at_all_there_is_silence_from_the_start() {
    let mut clock = AudioClock::new(scale(48_000), 2);
    let mut listener = Listener::new(2);
    let mut now = MonoTime::from_millis(5_000);
    let _nothing_yet = clock.poll(now);
    while now < MonoTime::from_millis(8_000) {
        now = clock.deadline();
        listener.hear(clock.poll(now));
    }
    let frames = listener.heard.len() / 2;
    assert!((130_000..150_000).contains(&frames), "{frames} frames in three seconds");
    assert!(listener.heard.iter().all(|&sample| sample == 0));
    // Then one is plugged in.
    let block = PcmBlock { captured: now, rate_hz: 44_100, channels: 1, samples: Arc::from(vec![5_000_i16; 4_410]) };
    listener.hear(clock.push(&block));
    assert!(listener.heard.iter().any(|&sample| sample > 4_000));
}

#[test]
fn a_change_of_rate_is_no_hole() {
    let mut clock = AudioClock::new(scale(48_000), 1);
    let mut listener = Listener::new(1);
    let mut at = 1_000 * MS;
    for i in 0..100_i64 {
        let rate_hz = if i < 50 { 48_000 } else { 44_100 };
        let len = rate_hz / 50;
        let block = PcmBlock {
            captured: MonoTime::from_nanos(at),
            rate_hz,
            channels: 1,
            samples: vec![10_000_i16; len as usize].into(),
        };
        listener.hear(clock.push(&block));
        at += 20 * MS;
    }
    assert_eq!(clock.counts(), Counts::default());
    assert!((95_800..=96_000).contains(&listener.heard.len()), "{}", listener.heard.len());
}

#[test]
fn channels_are_mixed_and_doubled() {
    let cases: [(&[i16], usize, usize, &[f32]); 5] = [
        (&[8192, -8192], 1, 2, &[0.25, 0.25, -0.25, -0.25]),
        (&[8192, 16384], 2, 1, &[0.375]),
        (&[8192, 16384], 2, 2, &[0.25, 0.5]),
        (&[8192, 16384, 0, 0], 4, 2, &[0.125, 0.25]),
        (&[8192, 16384, 24576], 3, 1, &[0.5]),
    ];
    for (samples, from, to, expected) in cases {
        let mut mixed = Vec::new();
        mix(samples, from, to, &mut mixed);
        assert_eq!(mixed, expected, "{from} to {to}");
    }
}

#[test]
fn a_clock_set_back_silences_for_a_second_only() {
    let mut source = Source::new(RATE_HZ, 0, 0);
    let mut clock = AudioClock::new(scale(RATE_HZ), 1);
    let mut listener = Listener::new(1);
    for i in 0..500 {
        let mut block = source.block();
        if i >= 200 {
            block.captured = block.captured.plus_nanos(-3_600_000 * MS);
        }
        listener.hear(clock.push(&block));
    }
    let lost = clock.counts().dropped_frames;
    assert!((7_900..=8_400).contains(&lost), "{lost} frames of 8000 a second");
}

proptest! {
    /// Any blocks at any times: no hole, no overlap, no panic, bounded output.
    #[test]
    fn the_output_is_unbroken_for_any_input(
        steps in prop::collection::vec(
            (any::<i64>(), 0_i64..2_000 * MS, 0_u8..10, prop::sample::select(vec![0_u32, 8_000, 44_100, 48_000, 192_000, u32::MAX]), 0_u16..7, 0_usize..3_000),
            1..60,
        ),
        channels in 0_u16..4,
    ) {
        let mut clock = AudioClock::new(scale(48_000), channels);
        let mut listener = Listener::new(usize::from(channels.max(1)));
        let mut now = MonoTime::from_millis(10_000);
        for (noise, step, action, rate_hz, in_channels, len) in steps {
            now = now.plus_nanos(step);
            let run = if action < 4 {
                clock.poll(now)
            } else {
                let captured = if action == 4 { MonoTime::from_nanos(noise) } else { now.plus_nanos(-noise.rem_euclid(60 * MS)) };
                let samples = vec![1_000_i16; len * usize::from(in_channels)].into();
                clock.push(&PcmBlock { captured, rate_hz, channels: in_channels, samples })
            };
            prop_assert!(run.samples.len() < 48_000 * 4 * 4);
            if !run.samples.is_empty() {
                listener.hear(run);
            }
        }
    }
}
