//! How fast a source's clock really runs: a slow loop over noisy capture times. Integers only.
//!
//! Sound can arrive late, but not before it was made. So of the errors of a second the least is taken (how
//! late the most punctual block was): it is the same for a pipe with 40 ms of jitter as for a sound card
//! with none. A proportional-integral loop holds that at zero.

/// What is looked at together, ns of sound.
const WINDOW_NANOS: i64 = 1_000_000_000;

/// Proportional gain 0.2 a second, integral a quarter of its square (no overshoot): a clock 0.1 % off is
/// followed within 4 ms.
const PROPORTIONAL_DIVISOR: i64 = 5;
const INTEGRAL_DIVISOR: i64 = 100;

/// The worst clock that is believed in, parts in 10⁹. USB sound cards are up to 0.1 % off.
const MAX_DRIFT_PPB: i64 = 3_000_000;

/// The most that is ever corrected by, parts in 10⁹: 0.5 %, a twelfth of a semitone.
pub(super) const MAX_CORRECTION_PPB: i64 = 5_000_000;

#[derive(Debug, Default)]
pub(super) struct RateLoop {
    least: Option<i64>,
    seen_nanos: i64,
    drift_ppb: i64,
    correction_ppb: i64,
}

impl RateLoop {
    /// A block of `duration` ns was captured `error` ns later than our count of samples says.
    pub fn observe(&mut self, error: i64, duration: i64) {
        self.least = Some(self.least.map_or(error, |least| least.min(error)));
        self.seen_nanos = self.seen_nanos.saturating_add(duration);
        if self.seen_nanos < WINDOW_NANOS {
            return;
        }
        // Errors are below 100 ms here (beyond, there is a resynchronisation): nothing overflows.
        let error = self.least.take().unwrap_or(0);
        self.seen_nanos = 0;
        let wanted = self.drift_ppb + error / PROPORTIONAL_DIVISOR;
        self.correction_ppb = wanted.clamp(-MAX_CORRECTION_PPB, MAX_CORRECTION_PPB);
        // At its limit the loop is catching up, not learning.
        if self.correction_ppb == wanted {
            self.drift_ppb = (self.drift_ppb + error / INTEGRAL_DIVISOR).clamp(-MAX_DRIFT_PPB, MAX_DRIFT_PPB);
        }
    }

    /// Forgets half a window, after samples were inserted or dropped: their errors no longer hold. What was
    /// learned of the clock stays.
    pub fn restart_window(&mut self) {
        self.least = None;
        self.seen_nanos = 0;
        self.correction_ppb = self.drift_ppb;
    }

    /// Samples are made longer by so much, parts in 10⁹.
    pub fn correction_ppb(&self) -> i64 {
        self.correction_ppb
    }
}
