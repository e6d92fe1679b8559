//! The core threads' beat: who is alive, and who has gone quiet.

#![allow(clippy::disallowed_methods, reason = "a beat is stamped where it happens")]

use crate::time::MonoTime;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A core thread that is quiet for longer is stuck: twice what a device may take to open.
pub const QUIET_LIMIT: Duration = Duration::from_secs(10);

/// Every core thread's last beat.
#[derive(Debug, Clone, Default)]
pub struct Heartbeats {
    hearts: Arc<Mutex<Vec<Arc<Heart>>>>,
}

#[derive(Debug)]
struct Heart {
    name: String,
    last_nanos: AtomicI64,
}

/// One thread's beat. Dropping it takes the thread off the list.
#[derive(Debug)]
pub struct Pulse {
    heart: Arc<Heart>,
    all: Heartbeats,
}

impl Heartbeats {
    /// The first beat is now.
    pub fn register(&self, name: &str) -> Pulse {
        let heart = Arc::new(Heart { name: name.to_owned(), last_nanos: AtomicI64::new(MonoTime::now().as_nanos()) });
        self.hearts.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&heart));
        Pulse { heart, all: self.clone() }
    }

    /// The names of those that have been quiet for longer than 10 s.
    pub fn quiet(&self, now: MonoTime) -> Vec<String> {
        let hearts = self.hearts.lock().unwrap_or_else(PoisonError::into_inner);
        let last = |heart: &Heart| MonoTime::from_nanos(heart.last_nanos.load(Ordering::Relaxed));
        hearts.iter().filter(|heart| last(heart).until(now) > QUIET_LIMIT).map(|heart| heart.name.clone()).collect()
    }
}

impl Pulse {
    /// Says that this thread is alive. Cheap; to be called at least once a second.
    pub fn beat(&self) {
        self.heart.last_nanos.store(MonoTime::now().as_nanos(), Ordering::Relaxed);
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        let mut hearts = self.all.hearts.lock().unwrap_or_else(PoisonError::into_inner);
        hearts.retain(|heart| !Arc::ptr_eq(heart, &self.heart));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_thread_is_named_and_a_finished_one_is_not() {
        let all = Heartbeats::default();
        let (video, audio) = (all.register("video"), all.register("audio"));
        let later = MonoTime::now() + QUIET_LIMIT + Duration::from_secs(1);
        assert_eq!(all.quiet(MonoTime::now()), [""; 0]);
        assert_eq!(all.quiet(later), ["video", "audio"]);
        drop(audio);
        assert_eq!(all.quiet(later), ["video"]);
        video.heart.last_nanos.store(later.as_nanos(), Ordering::Relaxed);
        assert_eq!(all.quiet(later), [""; 0]);
    }

    #[test]
    fn a_beat_is_now() {
        let all = Heartbeats::default();
        let pulse = all.register("video");
        pulse.heart.last_nanos.store(0, Ordering::Relaxed);
        let before = MonoTime::now();
        pulse.beat();
        assert!(pulse.heart.last_nanos.load(Ordering::Relaxed) >= before.as_nanos());
    }
}
