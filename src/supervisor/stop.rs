//! The request to stop, for threads and for tasks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// A request to stop that everybody holds a clone of. Once made it stays.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Beside the channel, so that a hot loop can ask without a lock.
    requested: AtomicBool,
    tasks: watch::Sender<bool>,
    threads: (std::sync::Mutex<()>, std::sync::Condvar),
    /// Requests that this one includes.
    children: Mutex<Vec<Weak<Shared>>>,
}

impl Stop {
    pub fn new() -> Self {
        Self::default()
    }

    /// A request of its own, which this one includes: asking here asks there, not the other way round.
    pub fn child(&self) -> Self {
        let child = Self::new();
        let mut children = self.shared.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.retain(|child| child.strong_count() > 0);
        children.push(Arc::downgrade(&child.shared));
        drop(children);
        // After it is on the list: a request in between reaches it in one way or the other.
        if self.is_requested() {
            child.request();
        }
        child
    }

    /// Wakes everybody who waits. Asking again changes nothing.
    pub fn request(&self) {
        // The lock orders this against a thread between its look at the flag and its wait.
        let guard = self.shared.threads.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.shared.requested.store(true, Ordering::Release);
        drop(guard);
        self.shared.threads.1.notify_all();
        self.shared.tasks.send_replace(true);
        let children = self.shared.children.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for shared in children.iter().filter_map(Weak::upgrade) {
            Self { shared }.request();
        }
    }

    pub fn is_requested(&self) -> bool {
        self.shared.requested.load(Ordering::Acquire)
    }

    /// Blocks a thread for `timeout`, less when a stop is requested meanwhile; says whether it is.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        let (lock, changed) = &self.shared.threads;
        let guard = lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        drop(changed.wait_timeout_while(guard, timeout, |()| !self.is_requested()));
        self.is_requested()
    }

    /// Waits in a task until a stop is requested. Cancel-safe.
    pub async fn requested(&self) {
        // An error would mean that the sender is gone; `self` holds it.
        let _ = self.shared.tasks.subscribe().wait_for(|stop| *stop).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_wakes_a_waiting_thread() {
        let stop = Stop::new();
        let waiter = std::thread::spawn({
            let stop = stop.clone();
            move || stop.wait_timeout(Duration::from_secs(60))
        });
        stop.request();
        assert!(waiter.join().expect("no panic"));
    }

    #[test]
    fn a_request_includes_its_children_and_not_its_parent() {
        let parent = Stop::new();
        let (one, two) = (parent.child(), parent.child());
        one.request();
        assert!(one.is_requested() && !two.is_requested() && !parent.is_requested());
        parent.request();
        assert!(two.is_requested());
        assert!(parent.child().is_requested(), "a child that comes too late");
    }

    #[test]
    fn without_a_request_the_wait_ends_by_itself() {
        assert!(!Stop::new().wait_timeout(Duration::from_millis(1)));
    }

    #[tokio::test]
    async fn a_task_sees_a_request_made_before_and_after_it_waits() {
        let stop = Stop::new();
        let before = tokio::spawn({
            let stop = stop.clone();
            async move { stop.requested().await }
        });
        tokio::task::yield_now().await;
        stop.request();
        before.await.expect("no panic");
        stop.requested().await;
    }
}
