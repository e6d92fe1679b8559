//! Waiting for a point in time, and the grid of a frame rate.
#![allow(clippy::disallowed_methods, reason = "sources that aren't paced by a device sleep until a frame is due")]

use crate::time::{FrameRate, MonoTime, Timescale};
use std::time::Duration;

/// Sleeps until `due`, but no longer than `timeout`; true when it is due.
pub(super) fn wait_until(due: MonoTime, timeout: Duration) -> bool {
    let wait = MonoTime::now().until(due);
    if wait > timeout {
        std::thread::sleep(timeout);
        return false;
    }
    if !wait.is_zero() {
        std::thread::sleep(wait);
    }
    true
}

/// The first frame that starts at `time` or later, where frame 0 starts at monotonic zero.
pub(super) fn index_at_or_after(rate: FrameRate, time: MonoTime) -> i64 {
    let frames = i128::from(time.as_nanos()) * i128::from(rate.num());
    let second = i128::from(Timescale::NANOS.hz()) * i128::from(rate.den());
    i64::try_from(-(-frames).div_euclid(second)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_frame_is_the_first_that_is_not_before(nanos in 0_i64..1 << 55, num in 1_u32..240_000, den in 1_u32..2_000) {
            let rate = FrameRate::new(num, den).expect("a rate");
            let index = index_at_or_after(rate, MonoTime::from_nanos(nanos));
            prop_assert!(rate.frame_start(index, Timescale::NANOS) >= nanos);
            prop_assert!(rate.frame_start(index - 1, Timescale::NANOS) < nanos);
        }
    }
}
