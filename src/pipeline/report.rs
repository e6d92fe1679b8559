//! What a pipeline counts, for the status page: written by its threads, read by anyone.

use serde::Serialize;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

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
}

/// A [`Report`] at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
}

impl Report {
    pub fn set_encoder(&self, name: &str) {
        *self.encoder.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.to_owned());
    }

    pub fn set_audio_correction_ppm(&self, ppm: i64) {
        self.audio_correction_ppm.store(ppm, Ordering::Relaxed);
    }

    pub fn counts(&self) -> Counts {
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
        }
    }
}
