//! What a pipeline counts, for the status page: written by its threads, read by anyone.

#![allow(clippy::disallowed_methods, reason = "shell: says how it is now")]

use super::levels::{Level, Meter};
use super::measure::{Durations, Rate};
use crate::time::MonoTime;
use serde::Serialize;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Whoever shows levels looks once a second or so.
const LOOKS_WITHIN: Duration = Duration::from_secs(5);

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// For a total that is counted elsewhere.
    pub fn set(&self, total: u64) {
        self.0.store(total, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One pipeline's counts.
#[derive(Debug, Default)]
pub struct Report {
    encoder: Mutex<Option<String>>,
    /// Pictures that could not be decoded.
    pub bad_pictures: Counter,
    /// Pictures shown again because the source was late.
    pub repeated_frames: Counter,
    /// Pictures dropped because the source was early.
    pub dropped_frames: Counter,
    /// Pictures, blocks and units thrown away because this box was too slow.
    pub video_overruns: Counter,
    pub audio_overruns: Counter,
    /// Straight through: units that could not be used.
    pub dropped_units: Counter,
    /// Straight through: silent frames that stood in.
    pub silence_units: Counter,
    /// How many times sound was brought back into step at once.
    pub audio_resyncs: Counter,
    audio_correction_ppm: AtomicI64,
    /// Pictures that came from the source and weren't thrown away on the way to the encoder.
    pub captured_frames: Counter,
    /// Bytes of pictures that were scaled, converted or copied on their way into the encoder.
    pub bytes_copied: Counter,
    capture_rate: Mutex<Rate>,
    /// From handing a picture over until it comes out encoded.
    pub encode_time: Durations,
    levels: Mutex<Meter>,
    /// When somebody last looked at the levels, ns; 0: never.
    levels_wanted: AtomicI64,
}

/// A [`Report`] at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Counts {
    pub encoder: Option<String>,
    pub bad_pictures: u64,
    pub repeated_frames: u64,
    pub dropped_frames: u64,
    pub video_overruns: u64,
    pub audio_overruns: u64,
    pub dropped_units: u64,
    pub silence_units: u64,
    pub audio_resyncs: u64,
    /// By how much the sound card's clock is off this box's, parts a million.
    pub audio_correction_ppm: i64,
    pub captured_frames: u64,
    /// Bytes of pictures that were scaled, converted or copied on their way into the encoder; 0 where it reads
    /// them in the camera's own memory.
    pub bytes_copied: u64,
    /// Pictures a second that the source delivers, over the last second or so.
    pub capture_fps: f64,
    /// How loud each channel is; `null` where the sound isn't measured.
    pub audio_levels: Option<Vec<Level>>,
}

impl Report {
    pub fn set_encoder(&self, name: &str) {
        *self.encoder.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.to_owned());
    }

    pub fn set_audio_correction_ppm(&self, ppm: i64) {
        self.audio_correction_ppm.store(ppm, Ordering::Relaxed);
    }

    /// A picture has come.
    pub fn captured(&self, now: MonoTime) {
        self.captured_frames.add(1);
        self.capture_rate.lock().unwrap_or_else(PoisonError::into_inner).note(now);
    }

    /// Sound has come.
    pub fn heard(&self, samples: &[i16], channels: u16, now: MonoTime) {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner).push(samples, channels, now);
    }

    /// Somebody looks at the levels, and will again. Without that, sound that goes straight through isn't decoded
    /// to measure it.
    pub fn want_levels(&self, now: MonoTime) {
        self.levels_wanted.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// Whether somebody looks at the levels.
    pub fn levels_wanted(&self, now: MonoTime) -> bool {
        let wanted = self.levels_wanted.load(Ordering::Relaxed);
        wanted != 0 && MonoTime::from_nanos(wanted).until(now) < LOOKS_WITHIN
    }

    /// How loud each channel is; `None` where the sound isn't measured.
    pub fn levels(&self, now: MonoTime) -> Option<Vec<Level>> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner).read(now)
    }

    pub fn counts(&self) -> Counts {
        let now = MonoTime::now();
        Counts {
            encoder: self.encoder.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            bad_pictures: self.bad_pictures.get(),
            repeated_frames: self.repeated_frames.get(),
            dropped_frames: self.dropped_frames.get(),
            video_overruns: self.video_overruns.get(),
            audio_overruns: self.audio_overruns.get(),
            dropped_units: self.dropped_units.get(),
            silence_units: self.silence_units.get(),
            audio_resyncs: self.audio_resyncs.get(),
            audio_correction_ppm: self.audio_correction_ppm.load(Ordering::Relaxed),
            captured_frames: self.captured_frames.get(),
            bytes_copied: self.bytes_copied.get(),
            capture_fps: self.capture_rate.lock().unwrap_or_else(PoisonError::into_inner).at(now),
            audio_levels: self.levels(now),
        }
    }
}
