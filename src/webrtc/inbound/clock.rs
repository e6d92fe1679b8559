//! The sender's RTP timestamps → this box's media time. Sans-IO.
//!
//! Each RTP stream counts its own time from a random start. Where that lies on the monotonic clock is found from
//! when packets arrive: the least delay of the last second or two is the truth, what is above it is jitter. Sender
//! reports (RFC 3550 6.4.1) tell what the streams' times are on one clock of the sender's; from then on all of
//! them share one offset, so that picture and sound are in step. Changes are slewed, so that drift and a
//! better knowledge of the network are never heard; only large ones are made at once.

use crate::time::{MonoTime, Timescale, rescale};
use std::collections::BTreeMap;

/// Streams that are known at once: three layers of pictures, sound, and those before a change.
const MAX_LINES: usize = 8;
/// Half of the window in which the least delay is sought, ns.
const HALF_WINDOW: i64 = 1_000_000_000;
/// Of the time that passes, an offset may move by one part in so many.
const SLEW: i64 = 50;
/// An offset that is off by more than this moves at once, ns.
const STEP: i64 = 100_000_000;
/// Reports that would move a stream by more than this are lies, ns.
const IMPLAUSIBLE: i64 = 2_000_000_000;
/// A packet that is off by more than this is of another time line: the sender began anew, ns.
const ANEW: i64 = 5_000_000_000;
/// A stream of which nothing came for so long tells nothing about the network, ns.
const STALE: i64 = 5_000_000_000;

/// See the module.
#[derive(Debug, Default)]
pub struct MediaClock {
    /// By SSRC.
    lines: BTreeMap<u32, Line>,
}

#[derive(Debug, Clone)]
struct Line {
    scale: Timescale,
    /// The newest timestamp, extended beyond 32 bits.
    ticks: i64,
    heard: MonoTime,
    /// The sender's clock minus the stream's time, ns.
    report: Option<i64>,
    /// Least arrival minus the stream's time: of this half of the window and of the one before, ns.
    least: [i64; 2],
    half_began: MonoTime,
    /// The monotonic clock minus the stream's time, ns: what is used.
    offset: i64,
}

impl Line {
    fn begin(scale: Timescale, timestamp: u32, now: MonoTime) -> Self {
        let ticks = i64::from(timestamp);
        let delay = now.as_nanos().saturating_sub(rescale(ticks, scale, Timescale::NANOS));
        let least = [delay, i64::MAX];
        Self { scale, ticks, heard: now, report: None, least, half_began: now, offset: delay }
    }

    /// A timestamp, extended.
    fn extended(&self, timestamp: u32) -> i64 {
        self.ticks.saturating_add(i64::from(timestamp.wrapping_sub(self.ticks as u32) as i32))
    }

    fn nanos(&self, timestamp: u32) -> i64 {
        rescale(self.extended(timestamp), self.scale, Timescale::NANOS)
    }

    fn least(&self) -> i64 {
        self.least[0].min(self.least[1])
    }

    fn note(&mut self, delay: i64, now: MonoTime) {
        if now.nanos_since(self.half_began) >= HALF_WINDOW {
            self.half_began = now;
            self.least = [i64::MAX, self.least[0]];
        }
        self.least[0] = self.least[0].min(delay);
    }
}

impl MediaClock {
    /// A packet has arrived.
    pub fn arrived(&mut self, ssrc: u32, scale: Timescale, timestamp: u32, now: MonoTime) {
        if !self.lines.contains_key(&ssrc) && self.lines.len() >= MAX_LINES {
            let oldest = self.lines.iter().min_by_key(|(_, line)| line.heard).map(|(ssrc, _)| *ssrc);
            oldest.and_then(|ssrc| self.lines.remove(&ssrc));
        }
        let line = self.lines.entry(ssrc).or_insert_with(|| Line::begin(scale, timestamp, now));
        let delay = now.as_nanos().saturating_sub(line.nanos(timestamp));
        if delay.saturating_sub(line.offset).saturating_abs() > ANEW {
            *line = Line::begin(scale, timestamp, now);
            return;
        }
        let passed = now.nanos_since(line.heard).max(0);
        line.ticks = line.ticks.max(line.extended(timestamp));
        line.heard = now;
        line.note(delay, now);
        let Some(target) = self.target(ssrc, now) else { return };
        if let Some(line) = self.lines.get_mut(&ssrc) {
            let error = target.saturating_sub(line.offset);
            let most = passed / SLEW;
            let by = if error.saturating_abs() > STEP { error } else { error.clamp(-most, most) };
            line.offset = line.offset.saturating_add(by);
        }
    }

    /// It was `ntp` (seconds since 1900, 32.32 bits) by the sender's clock at `timestamp` of a stream.
    pub fn report(&mut self, ssrc: u32, ntp: u64, timestamp: u32) {
        // Of a stream of which nothing came, the next report is as good.
        let Some(line) = self.lines.get_mut(&ssrc) else { return };
        let nanos = (u128::from(ntp) * 1_000_000_000) >> 32;
        let ntp = i64::try_from(nanos).unwrap_or(i64::MAX);
        line.report = Some(ntp.saturating_sub(line.nanos(timestamp)));
    }

    /// When that was; `None` for a stream of which nothing came.
    pub fn time_of(&self, ssrc: u32, timestamp: u32) -> Option<MonoTime> {
        let line = self.lines.get(&ssrc)?;
        Some(MonoTime::from_nanos(line.nanos(timestamp).saturating_add(line.offset)))
    }

    /// Where a stream's offset should be, ns.
    fn target(&self, ssrc: u32, now: MonoTime) -> Option<i64> {
        let line = self.lines.get(&ssrc)?;
        let own = line.least();
        let Some(report) = line.report else { return Some(own) };
        // The monotonic clock minus the sender's: by the stream that is quickest on its way.
        let fresh = self.lines.values().filter(|line| now.nanos_since(line.heard) < STALE);
        let shared = fresh.filter_map(|line| Some(line.least().saturating_sub(line.report?))).min();
        let together = shared.unwrap_or(own).saturating_add(report);
        let plausible = own.saturating_sub(together).saturating_abs() < IMPLAUSIBLE;
        Some(if plausible { together } else { own })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: i64 = 1_000_000;
    const VIDEO: (u32, u32) = (1, 90_000);
    const AUDIO: (u32, u32) = (2, 48_000);

    fn scale(hz: u32) -> Timescale {
        Timescale::new(hz).expect("not zero")
    }

    /// A sender with a clock of its own, whose second is `ppm` longer.
    struct Sender {
        ppm: i64,
        ntp_at_start: u64,
    }

    impl Sender {
        fn ntp(&self, ms: i64) -> u64 {
            let seconds = (u128::try_from(ms).expect("later") << 32) / 1_000;
            self.ntp_at_start + u64::try_from(seconds).expect("fits")
        }

        /// The RTP time of a stream at `ms` of the sender's clock; it starts anywhere.
        fn rtp((ssrc, hz): (u32, u32), ms: i64) -> u32 {
            ((ms * i64::from(hz) / 1_000) as u32).wrapping_add(ssrc.wrapping_mul(0xF000_1234))
        }

        /// When something of `ms` of the sender's clock is sent, on ours.
        fn true_ms(&self, ms: i64) -> MonoTime {
            MonoTime::from_nanos(1_000_000 * MS + ms * MS + ms * MS / 1_000_000 * self.ppm)
        }
    }

    /// Runs a call of picture and sound; says how far the two are apart at the end, and how far the sound is from
    /// the truth, ns. `late` is the way of a packet of the kind at a time, ms.
    fn call(ppm: i64, seconds: i64, reports_from_ms: i64, late: impl Fn(bool, i64) -> i64) -> (i64, i64) {
        let sender = Sender { ppm, ntp_at_start: 0xE000_0000_1234_5678 };
        let mut clock = MediaClock::default();
        let mut arrivals = Vec::new();
        for ms in (0..seconds * 1_000).step_by(20) {
            arrivals.push((sender.true_ms(ms).plus_nanos(late(false, ms) * MS), AUDIO, ms));
            if ms % 40 == 0 {
                arrivals.push((sender.true_ms(ms).plus_nanos(late(true, ms) * MS), VIDEO, ms));
            }
        }
        arrivals.sort_by_key(|(at, ..)| *at);
        for (at, stream, ms) in arrivals {
            clock.arrived(stream.0, scale(stream.1), Sender::rtp(stream, ms), at);
            if ms >= reports_from_ms && ms % 1_000 == 0 {
                clock.report(stream.0, sender.ntp(ms), Sender::rtp(stream, ms));
            }
        }
        let end = seconds * 1_000 - 40;
        let of = |stream: (u32, u32)| clock.time_of(stream.0, Sender::rtp(stream, end)).expect("known");
        (of(VIDEO).nanos_since(of(AUDIO)), of(AUDIO).nanos_since(sender.true_ms(end)))
    }

    #[test]
    fn without_reports_each_stream_is_where_its_quickest_packets_are() {
        let (apart, off) = call(0, 10, i64::MAX, |video, ms| if video { 30 + ms % 7 } else { 5 + ms / 20 % 3 });
        assert!((24 * MS..=26 * MS).contains(&apart), "{apart}");
        assert!((4 * MS..=6 * MS).contains(&off), "{off}");
    }

    #[test]
    fn with_reports_they_are_in_step_whatever_the_way_does() {
        for jitter in [1, 30] {
            let late = |video: bool, ms: i64| i64::from(video) * 45 + 10 + (ms / 20 * 7_919) % jitter;
            let (apart, off) = call(0, 20, 3_000, late);
            assert!(apart.abs() < 2 * MS, "{jitter}: {apart}");
            assert!((5 * MS..=20 * MS).contains(&off), "{jitter}: {off}");
        }
    }

    #[test]
    fn a_clock_that_is_off_is_followed_for_an_hour_and_they_stay_in_step() {
        for ppm in [-300, 300] {
            let (apart, off) = call(ppm, 3_600, 1_000, |video, ms| i64::from(video) * 20 + 10 + ms / 20 % 5);
            assert!(apart.abs() < 2 * MS, "{ppm} ppm: {apart}");
            assert!((0..=20 * MS).contains(&off), "{ppm} ppm: {off}");
        }
    }

    #[test]
    fn a_longer_way_is_followed_and_a_short_jam_isnt() {
        let (_, off) = call(0, 20, 0, |_, ms| if ms > 5_000 { 310 } else { 10 });
        assert!((305 * MS..=315 * MS).contains(&off), "{off}");
        let (_, off) = call(0, 20, 0, |_, ms| if (19_500..19_900).contains(&ms) { 19_900 - ms + 10 } else { 10 });
        assert!((5 * MS..=15 * MS).contains(&off), "{off}");
    }

    #[test]
    fn reports_that_lie_are_not_believed() {
        let mut clock = MediaClock::default();
        let now = MonoTime::from_millis(10_000);
        for n in 0..500_u32 {
            let at = now.plus_nanos(i64::from(n) * 20 * MS);
            clock.arrived(2, scale(48_000), n * 960, at);
            clock.arrived(1, scale(90_000), n * 1_800, at);
            clock.report(2, u64::MAX - u64::from(n), n * 960);
            clock.report(1, 7, n.wrapping_mul(77_777_777));
        }
        let end = now.plus_nanos(499 * 20 * MS);
        for (ssrc, timestamp) in [(1, 499 * 1_800), (2, 499 * 960)] {
            let off = clock.time_of(ssrc, timestamp).expect("known").nanos_since(end);
            assert!(off.abs() < 5 * MS, "{ssrc}: {off}");
        }
    }

    #[test]
    fn timestamps_wrap_and_a_sender_that_begins_anew_is_followed() {
        let mut clock = MediaClock::default();
        let first = u32::MAX - 5_000;
        for n in 0..100_i64 {
            clock.arrived(1, scale(90_000), first.wrapping_add(n as u32 * 900), MonoTime::from_millis(n * 10));
        }
        let end = clock.time_of(1, first.wrapping_add(99 * 900)).expect("known");
        assert_eq!(end, MonoTime::from_millis(990));
        clock.arrived(1, scale(90_000), 3_000_000_000, MonoTime::from_millis(1_000));
        assert_eq!(clock.time_of(1, 3_000_000_000), Some(MonoTime::from_millis(1_000)));
        for ssrc in 0..100 {
            clock.arrived(ssrc, scale(48_000), 0, MonoTime::from_millis(2_000 + i64::from(ssrc)));
        }
        assert!(clock.lines.len() <= MAX_LINES);
    }

    proptest! {
        #[test]
        fn whatever_is_sent_time_stays_near_the_present(
            steps in proptest::collection::vec((0_u32..3, any::<u32>(), any::<u64>(), any::<bool>(), 0_i64..50), 1..300)
        ) {
            let mut clock = MediaClock::default();
            let mut now = MonoTime::from_millis(1_000_000);
            for (ssrc, timestamp, ntp, reports, ms) in steps {
                now = now.plus_nanos(ms * MS);
                clock.arrived(ssrc, scale(90_000), timestamp, now);
                if reports {
                    clock.report(ssrc, ntp, timestamp);
                }
                let off = clock.time_of(ssrc, timestamp).expect("known").nanos_since(now);
                prop_assert!(off.abs() <= ANEW + IMPLAUSIBLE + STEP, "{off}");
            }
        }
    }
}
