//! Core threads: named, counted, joined with a deadline; a panic in one ends the process in order.

use super::{Heartbeats, Pulse, Stop};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;
use thiserror::Error;

/// Owns the core threads. Clones share them; a [`Supervisor::scope`] owns some of them.
#[derive(Debug, Clone, Default)]
pub struct Supervisor {
    stop: Stop,
    /// Of the box: requested when a core thread panics.
    box_stop: Stop,
    /// Whose threads [`Supervisor::join`] waits for; `None`: everybody's.
    scope: Option<u64>,
    heartbeats: Heartbeats,
    threads: Arc<Threads>,
}

#[derive(Debug, Default)]
struct Threads {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Threads and scopes so far.
    started: u64,
    running: Vec<Running>,
    /// The first core thread that panicked.
    panicked: Option<String>,
}

#[derive(Debug)]
struct Running {
    id: u64,
    scope: Option<u64>,
    name: String,
}

impl State {
    /// The threads of a scope, or all.
    fn of(&self, scope: Option<u64>) -> impl Iterator<Item = &Running> {
        self.running.iter().filter(move |running| scope.is_none() || running.scope == scope)
    }
}

#[derive(Debug, Error)]
pub enum SupervisorError {
    #[error("the thread {thread} panicked (its message stands in the log above)")]
    Panicked { thread: String },
    #[error("still running after the time for an orderly stop: {}", threads.join(", "))]
    Stuck { threads: Vec<String> },
    #[error("the thread {thread} could not be started: {error}")]
    Start { thread: String, error: io::Error },
}

impl Supervisor {
    pub fn new() -> Self {
        let stop = Stop::new();
        Self { box_stop: stop.clone(), stop, ..Self::default() }
    }

    /// For threads that are stopped and joined by themselves, as those of one stream are: its stop and its
    /// join are about them alone. A stop of the box stops them too, and a panic in one stops the box.
    pub fn scope(&self) -> Self {
        let mut state = self.threads.state();
        state.started += 1;
        let scope = Some(state.started);
        drop(state);
        Self { stop: self.stop.child(), scope, ..self.clone() }
    }

    /// None of its threads runs.
    pub fn is_idle(&self) -> bool {
        self.threads.state().of(self.scope).next().is_none()
    }

    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    pub fn heartbeats(&self) -> &Heartbeats {
        &self.heartbeats
    }

    /// Starts a core thread. It should look at [`Supervisor::stop`] and beat its [`Pulse`] at least once
    /// a second. When it returns, it has done its work; when it panics, the whole box is stopped, and
    /// [`Supervisor::join`] says which thread it was. (The kernel shows the first 15 bytes of `name`.)
    pub fn spawn<F>(&self, name: impl Into<String>, body: F) -> Result<(), SupervisorError>
    where
        F: FnOnce(Pulse) + Send + 'static,
    {
        let name = name.into();
        let pulse = self.heartbeats.register(&name);
        let id = self.threads.begin(&name, self.scope);
        let thread = {
            let (name, supervisor) = (name.clone(), self.clone());
            move || {
                let panicked = catch_unwind(AssertUnwindSafe(|| body(pulse))).is_err();
                if panicked {
                    log::error!("core thread {name} panicked: stopping the box");
                    supervisor.box_stop.request();
                }
                supervisor.threads.end(id, panicked);
            }
        };
        Builder::new().name(name.clone()).spawn(thread).map(drop).map_err(|error| {
            self.threads.end(id, false);
            SupervisorError::Start { thread: name, error }
        })
    }

    /// Waits until all core threads have ended, at most `deadline`. Request a stop first.
    pub fn join(&self, deadline: Duration) -> Result<(), SupervisorError> {
        let threads = &self.threads;
        let waited =
            threads.ended.wait_timeout_while(threads.state(), deadline, |state| state.of(self.scope).next().is_some());
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        // That is for whoever stops the box to hear.
        if self.scope.is_none()
            && let Some(thread) = state.panicked.take()
        {
            return Err(SupervisorError::Panicked { thread });
        }
        let threads: Vec<_> = state.of(self.scope).map(|running| running.name.clone()).collect();
        if threads.is_empty() { Ok(()) } else { Err(SupervisorError::Stuck { threads }) }
    }
}

impl Threads {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, name: &str, scope: Option<u64>) -> u64 {
        let mut state = self.state();
        state.started += 1;
        let id = state.started;
        state.running.push(Running { id, scope, name: name.to_owned() });
        id
    }

    fn end(&self, id: u64, panicked: bool) {
        let mut state = self.state();
        if let Some(place) = state.running.iter().position(|running| running.id == id) {
            let Running { name, .. } = state.running.swap_remove(place);
            if panicked {
                state.panicked.get_or_insert(name);
            }
        }
        drop(state);
        self.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn threads_have_names_and_end_on_request() {
        let supervisor = Supervisor::new();
        let (tell, told) = std::sync::mpsc::channel();
        let stop = supervisor.stop().clone();
        let body = move |pulse: Pulse| {
            tell.send(std::thread::current().name().map(str::to_owned)).expect("somebody listens");
            while !stop.wait_timeout(Duration::from_millis(10)) {
                pulse.beat();
            }
        };
        supervisor.spawn("camera/video", body).expect("a thread");
        assert_eq!(told.recv_timeout(LONG).expect("it runs").as_deref(), Some("camera/video"));
        supervisor.stop().request();
        supervisor.join(LONG).expect("it ends");
    }

    #[test]
    fn a_panic_stops_the_box_and_is_named() {
        let supervisor = Supervisor::new();
        supervisor
            .spawn("healthy", {
                let stop = supervisor.stop().clone();
                move |_| while !stop.wait_timeout(LONG) {}
            })
            .expect("a thread");
        supervisor.spawn("sick", |_| panic!("as the test wants it")).expect("a thread");
        assert!(supervisor.stop().wait_timeout(LONG), "the panic requests a stop");
        let error = supervisor.join(LONG).expect_err("the panic");
        assert!(matches!(&error, SupervisorError::Panicked { thread } if thread == "sick"), "{error}");
    }

    fn waiting(supervisor: &Supervisor, name: &str) {
        let stop = supervisor.stop().clone();
        supervisor.spawn(name, move |_| while !stop.wait_timeout(LONG) {}).expect("a thread");
    }

    #[test]
    fn a_scope_is_stopped_and_joined_without_the_rest() {
        let supervisor = Supervisor::new();
        let (camera, desk) = (supervisor.scope(), supervisor.scope());
        waiting(&camera, "camera");
        waiting(&desk, "desk");
        camera.stop().request();
        camera.join(LONG).expect("it ends");
        assert!(camera.is_idle() && !desk.is_idle() && !supervisor.is_idle());
        assert!(!supervisor.stop().is_requested());
        let error = desk.join(Duration::from_millis(1)).expect_err("it runs");
        assert!(matches!(&error, SupervisorError::Stuck { threads } if threads == &["desk"]), "{error}");
        supervisor.stop().request();
        supervisor.join(LONG).expect("all end");
    }

    #[test]
    fn a_panic_in_a_scope_stops_the_box() {
        let supervisor = Supervisor::new();
        let scope = supervisor.scope();
        waiting(&supervisor, "other");
        scope.spawn("sick", |_| panic!("as the test wants it")).expect("a thread");
        assert!(supervisor.stop().wait_timeout(LONG));
        scope.join(LONG).expect("it has ended");
        let error = supervisor.join(LONG).expect_err("the panic");
        assert!(matches!(&error, SupervisorError::Panicked { thread } if thread == "sick"), "{error}");
    }

    #[test]
    fn a_thread_that_does_not_end_is_named() {
        let supervisor = Supervisor::new();
        let (release, released) = std::sync::mpsc::channel::<()>();
        supervisor.spawn("stuck", move |_| _ = released.recv()).expect("a thread");
        let error = supervisor.join(Duration::from_millis(1)).expect_err("stuck");
        assert!(error.to_string().ends_with("orderly stop: stuck"), "{error}");
        drop(release);
        supervisor.join(LONG).expect("it ends");
    }

    #[test]
    fn a_finished_thread_no_longer_has_to_beat() {
        let supervisor = Supervisor::new();
        supervisor.spawn("short", |_| ()).expect("a thread");
        supervisor.join(LONG).expect("it ends");
        let much_later = crate::time::MonoTime::from_nanos(i64::MAX);
        assert_eq!(supervisor.heartbeats().quiet(much_later), [""; 0]);
    }
}
