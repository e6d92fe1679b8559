//! Sound for tests: a beep that starts at a known sample, and where it is found again.

/// A tone burst between silences, the same in all channels.
pub(super) struct Beep {
    pub rate_hz: u32,
    pub channels: u16,
    /// Samples a channel.
    pub start: usize,
    pub len: usize,
}

impl Beep {
    /// A sweep from 500 Hz up: nothing in it repeats, so that it can lie at one place only.
    fn at(&self, index: usize) -> f64 {
        match index.checked_sub(self.start) {
            Some(since) if since < self.len => {
                let t = since as f64 / f64::from(self.rate_hz);
                (std::f64::consts::TAU * (500.0 * t + 4_000.0 * t * t)).sin() * 12_000.0
            }
            _ => 0.0,
        }
    }

    pub fn samples(&self, frames: usize) -> Vec<i16> {
        (0..frames).flat_map(|i| std::iter::repeat_n(self.at(i) as i16, usize::from(self.channels))).collect()
    }
}

/// By how many samples the beep lies later in `decoded` than it went in, once `delay` samples are taken off.
/// Found by correlation on the first channel.
pub(super) fn onset_error(beep: &Beep, decoded: &[i16], delay: usize) -> i64 {
    let channels = usize::from(beep.channels);
    let mono: Vec<f64> = decoded.iter().step_by(channels).map(|&sample| f64::from(sample)).collect();
    let reach = 3_000_i64;
    let expected = (beep.start + delay) as i64;
    (-reach..=reach)
        .map(|shift| {
            let sum: f64 = (0..beep.len)
                .map(|i| {
                    let heard = usize::try_from(expected + shift + i as i64).ok().and_then(|at| mono.get(at));
                    heard.unwrap_or(&0.0) * beep.at(beep.start + i)
                })
                .sum();
            (shift, sum)
        })
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(shift, _)| shift)
        .expect("the range is not empty")
}
