//! Time: the one clock, integer ticks, and the one conversion between them.
//!
//! Here: [`MonoTime`] (the kernel's CLOCK_MONOTONIC in nanoseconds), [`Timescale`], [`FrameRate`],
//! [`Epoch`] (what the wall clock says beside the media time) and [`rescale`].
//! Not here: sleeping, timers, deadlines of any particular protocol.
//!
//! Invariants: no floats. Media time *is* monotonic time: a track's ticks are `MonoTime` rescaled to
//! its timescale, with the same zero. So two tracks of one stream are in sync by construction,
//! whatever their sources, and an output that wants to start at zero subtracts its own origin.

use std::num::NonZeroU32;
use std::ops::{Add, Sub};
use std::time::Duration;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Ticks a second of a track. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timescale(NonZeroU32);

impl Timescale {
    /// 90 kHz: video, as RTP and MPEG-TS count it.
    pub const VIDEO: Self = Self::of(90_000);
    /// 48 kHz: sound, wherever the box encodes it.
    pub const SOUND: Self = Self::of(48_000);
    /// Nanoseconds, the unit of [`MonoTime`].
    pub const NANOS: Self = Self::of(1_000_000_000);
    pub const MILLIS: Self = Self::of(1_000);

    /// `None` for zero.
    pub const fn new(hz: u32) -> Option<Self> {
        match NonZeroU32::new(hz) {
            Some(hz) => Some(Self(hz)),
            None => None,
        }
    }

    const fn of(hz: u32) -> Self {
        match Self::new(hz) {
            Some(scale) => scale,
            None => panic!("a timescale constant is not zero"),
        }
    }

    pub const fn hz(self) -> u32 {
        self.0.get()
    }
}

/// Converts ticks between timescales, to the nearest tick (halves go up); saturates at the ends of `i64`.
pub fn rescale(ticks: i64, from: Timescale, to: Timescale) -> i64 {
    if from == to {
        return ticks;
    }
    let (from, to) = (i128::from(from.hz()), i128::from(to.hz()));
    let nearest = (i128::from(ticks) * to + from / 2).div_euclid(from);
    i64::try_from(nearest).unwrap_or(if nearest < 0 { i64::MIN } else { i64::MAX })
}

/// A point on the kernel's CLOCK_MONOTONIC, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MonoTime(i64);

impl MonoTime {
    pub const ZERO: Self = Self(0);

    /// Reads the clock. Shells only: cores are handed the time (clippy.toml says so).
    pub fn now() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Self(now.tv_sec * NANOS_PER_SECOND + now.tv_nsec)
    }

    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    pub const fn from_micros(micros: i64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// This time as ticks of a track.
    pub fn ticks(self, scale: Timescale) -> i64 {
        rescale(self.0, Timescale::NANOS, scale)
    }

    pub fn from_ticks(ticks: i64, scale: Timescale) -> Self {
        Self(rescale(ticks, scale, Timescale::NANOS))
    }

    /// Nanoseconds from `earlier` to here; negative when `earlier` is later.
    pub const fn nanos_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// How long until `later`; zero when it has passed.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_nanos(later.nanos_since(self).max(0).unsigned_abs())
    }

    pub const fn plus_nanos(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

impl Add<Duration> for MonoTime {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        self.plus_nanos(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl Sub<Duration> for MonoTime {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        self.plus_nanos(i64::try_from(span.as_nanos()).map_or(i64::MIN, |n| -n))
    }
}

/// Frames a second as a fraction: 30/1, 30000/1001.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameRate {
    num: NonZeroU32,
    den: NonZeroU32,
}

impl FrameRate {
    /// When neither the configuration nor the source says a rate.
    pub const DEFAULT: Self = Self::new(30, 1).expect("neither is zero");

    /// `None` when either is zero.
    pub const fn new(num: u32, den: u32) -> Option<Self> {
        match (NonZeroU32::new(num), NonZeroU32::new(den)) {
            (Some(num), Some(den)) => Some(Self { num, den }),
            _ => None,
        }
    }

    pub const fn num(self) -> u32 {
        self.num.get()
    }

    pub const fn den(self) -> u32 {
        self.den.get()
    }

    /// When frame `index` starts, counted from frame 0, in `scale`: exact to the tick for any index,
    /// so rounding never accumulates.
    pub fn frame_start(self, index: i64, scale: Timescale) -> i64 {
        let ticks = i128::from(index) * i128::from(scale.hz()) * i128::from(self.den());
        i64::try_from(ticks.div_euclid(i128::from(self.num()))).unwrap_or(i64::MAX)
    }

    /// The length of one frame in nanoseconds, rounded down, at least 1.
    pub fn period_nanos(self) -> i64 {
        (NANOS_PER_SECOND * i64::from(self.den()) / i64::from(self.num())).max(1)
    }
}

impl std::fmt::Display for FrameRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.den() == 1 { write!(f, "{}", self.num()) } else { write!(f, "{}/{}", self.num(), self.den()) }
    }
}

/// What the wall clock said at one point of the monotonic clock. An NTP step makes a new `Epoch`;
/// it never moves media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    mono: MonoTime,
    unix_nanos: i64,
}

impl Epoch {
    pub const fn new(mono: MonoTime, unix_nanos: i64) -> Self {
        Self { mono, unix_nanos }
    }

    /// Reads both clocks. Shells only.
    #[allow(clippy::disallowed_methods, reason = "one of the two readers of the clock")]
    pub fn now() -> Self {
        let wall = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        Self { mono: MonoTime::now(), unix_nanos: wall.tv_sec * NANOS_PER_SECOND + wall.tv_nsec }
    }

    /// Nanoseconds since 1970 at `time`, by this epoch.
    pub const fn unix_nanos_at(self, time: MonoTime) -> i64 {
        self.unix_nanos.saturating_add(time.nanos_since(self.mono))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scale(hz: u32) -> Timescale {
        Timescale::new(hz).expect("not zero")
    }

    #[test]
    fn rescale_rounds_to_the_nearest_tick_on_both_sides_of_zero() {
        assert_eq!(rescale(1, scale(3), scale(2)), 1); // 0.67
        assert_eq!(rescale(1, scale(4), scale(2)), 1); // 0.5 goes up
        assert_eq!(rescale(-1, scale(4), scale(2)), 0); // -0.5 goes up
        assert_eq!(rescale(-3, scale(4), scale(2)), -1); // -1.5 goes up
        assert_eq!(rescale(1024, scale(48_000), Timescale::VIDEO), 1920);
    }

    #[test]
    fn rescale_saturates_instead_of_wrapping() {
        assert_eq!(rescale(i64::MAX, scale(1), Timescale::NANOS), i64::MAX);
        assert_eq!(rescale(i64::MIN, scale(1), Timescale::NANOS), i64::MIN);
    }

    #[test]
    fn ntsc_frames_never_drift() {
        let rate = FrameRate::new(30_000, 1_001).expect("a rate");
        assert_eq!(rate.frame_start(1, Timescale::VIDEO), 3_003);
        assert_eq!(rate.frame_start(30_000 * 24, Timescale::VIDEO), 90_000 * 1_001 * 24);
    }

    /// A timescale and ticks of it, within the 292 years that nanoseconds reach.
    fn hz_and_ticks() -> impl Strategy<Value = (u32, i64)> {
        (1_u32..1_000_000).prop_flat_map(|hz| {
            let most = i64::from(hz) * 9_000_000_000;
            (Just(hz), -most..=most)
        })
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_same_tick((hz, ticks) in hz_and_ticks()) {
            let back = rescale(rescale(ticks, scale(hz), Timescale::NANOS), Timescale::NANOS, scale(hz));
            prop_assert_eq!(back, ticks);
        }

        #[test]
        fn rescale_keeps_order(a in any::<i64>(), b in any::<i64>(), from in 1_u32.., to in 1_u32..) {
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(rescale(low, scale(from), scale(to)) <= rescale(high, scale(from), scale(to)));
        }
    }
}
