//! Samples at a source's rate to samples at ours, with a ratio that may change from call to call. The only
//! place with floats: sample values and the ratio.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable, Async, FixedAsync, Resampler as _, Resizable, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};

/// Input frames at a time.
const CHUNK: usize = 1024;

/// Twice what [`super::rate`] corrects by at most.
const MAX_RELATIVE_RATIO: f64 = 1.02;

/// Taps. Measured (48 kHz stereo, CPU a second on x86-64, response at 18 kHz):
///
/// | interpolation          | CPU    | 18 kHz   |
/// |------------------------|--------|----------|
/// | polynomial, 8 points   | 2.2 ms | −1.5 dB, images at −17 dB |
/// | sinc 32, linear        | 3.7 ms | −10.8 dB |
/// | **sinc 64, linear**    | 5.0 ms | 0.0 dB   |
/// | sinc 64, cubic         | 7.4 ms | 0.0 dB   |
/// | sinc 128, linear       | 7.5 ms | 0.0 dB   |
const TAPS: usize = 64;

pub(super) struct Resampler {
    inner: Async<f32>,
    in_rate_hz: u32,
    out_rate_hz: u32,
    channels: usize,
    /// Output frames still to leave out: the filter's delay at its start.
    skip: usize,
    /// Something was fed since the last drain.
    active: bool,
    output: Vec<f32>,
}

impl Resampler {
    /// `None` for what can't be resampled: a rate or channel count of zero.
    pub fn new(in_rate_hz: u32, out_rate_hz: u32, channels: usize) -> Option<Self> {
        let parameters = SincInterpolationParameters::new(TAPS, WindowFunction::Blackman2)
            .oversampling_factor(256)
            .interpolation(SincInterpolationType::Linear);
        let ratio = f64::from(out_rate_hz) / f64::from(in_rate_hz);
        let inner = Async::new_sinc(ratio, MAX_RELATIVE_RATIO, &parameters, CHUNK, channels, FixedAsync::Input).ok()?;
        let output = vec![0.0; inner.output_frames_max() * channels];
        let skip = inner.output_delay();
        Some(Self { inner, in_rate_hz, out_rate_hz, channels, skip, active: false, output })
    }

    pub fn in_rate_hz(&self) -> u32 {
        self.in_rate_hz
    }

    /// How many frames of output belong to input that was fed and haven't come out yet. Right within one.
    pub fn held(&self) -> i64 {
        if !self.active {
            return 0;
        }
        // The filter's delay, and the two input frames that rubato reads ahead.
        let ahead = (2 * u64::from(self.out_rate_hz)).div_ceil(u64::from(self.in_rate_hz));
        self.inner.output_delay() as i64 + ahead as i64
    }

    /// Resamples interleaved `input` and appends what comes out to `to`; `correction_ppb` makes it longer
    /// (positive) or shorter.
    pub fn feed(&mut self, input: &[f32], correction_ppb: i64, to: &mut Vec<i16>) {
        let nominal = f64::from(self.out_rate_hz) / f64::from(self.in_rate_hz);
        let ratio = nominal * (1.0 + correction_ppb as f64 * 1e-9);
        // Out of bounds it would stay as it was; the bound is twice the largest correction.
        let _in_bounds = self.inner.set_resample_ratio(ratio, false);
        for chunk in input.chunks(CHUNK * self.channels) {
            self.feed_chunk(chunk, to);
        }
    }

    fn feed_chunk(&mut self, chunk: &[f32], to: &mut Vec<i16>) {
        let frames = chunk.len() / self.channels;
        let room = self.output.len() / self.channels;
        let mut made = || {
            self.inner.set_chunk_size(frames).ok()?;
            let input = InterleavedSlice::new(chunk, self.channels, frames).ok()?;
            let mut output = InterleavedSlice::new_mut(&mut self.output, self.channels, room).ok()?;
            Some(self.inner.process_into_buffer(&input, &mut output, None).ok()?.1)
        };
        // Nothing of this fails: 1 to CHUNK frames in, room for the most that they can make.
        let made = made().unwrap_or(0);
        self.active |= frames > 0;
        let skipped = self.skip.min(made);
        self.skip -= skipped;
        let fresh = self.output.get(skipped * self.channels..made * self.channels).unwrap_or_default();
        // `as` saturates: a loud sample clips, it doesn't wrap.
        to.extend(fresh.iter().map(|sample| (sample * 32_768.0).round() as i16));
    }

    /// Lets out what is held, then starts anew.
    pub fn drain(&mut self, to: &mut Vec<i16>) {
        let held = usize::try_from(self.held()).unwrap_or(0) * self.channels;
        let end = to.len() + held;
        let silence = [0.0; TAPS];
        while self.active && to.len() < end {
            for chunk in silence.chunks(TAPS / self.channels * self.channels) {
                self.feed_chunk(chunk, to);
            }
        }
        to.truncate(end);
        self.inner.reset();
        self.skip = self.inner.output_delay();
        self.active = false;
    }
}
