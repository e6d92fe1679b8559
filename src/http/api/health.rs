//! Whether the box is well, in a word: for monitors, which needn't sign in.
#![allow(clippy::disallowed_methods, reason = "a thread's silence is judged by the time now")]

use super::{Call, Endpoint, Needs, Reply, Resource, Takes, json, now};
use crate::control::State;
use crate::stream::SourceState;
use crate::time::MonoTime;
use hyper::Method;
use serde::Serialize;

pub static RESOURCE: Resource = Resource {
    endpoints: &[Endpoint {
        method: Method::GET,
        path: "health",
        needs: Needs::Nothing,
        takes: Takes::Nothing,
        run: |call| health(&call),
    }],
    openapi: include_str!("health.json"),
};

/// Counts only: which streams there are is not for everybody.
#[derive(Debug, Default, Serialize)]
struct Health {
    /// `ok`, or `degraded`: a thread is stuck, or a stream that should run has no signal.
    status: &'static str,
    version: &'static str,
    /// Threads without a sign of life.
    quiet_threads: usize,
    running: usize,
    /// Of those that run: without picture or sound from their source.
    no_signal: usize,
    stopped: usize,
    ended: usize,
}

fn health<'a>(call: &Call<'_>) -> Reply<'a> {
    let control = call.site.control();
    let quiet_threads = control.supervisor().heartbeats().quiet(MonoTime::now()).len();
    let mut health = Health { version: env!("CARGO_PKG_VERSION"), quiet_threads, ..Health::default() };
    let mut stuck = quiet_threads > 0;
    for stream in control.streams().list() {
        match control.state(stream.name()) {
            Some(State::Running) => {
                let away = |state: &SourceState| matches!(state, SourceState::NoSignal { .. });
                health.running += 1;
                health.no_signal += usize::from(stream.status().sources.iter().any(|source| away(&source.state)));
            }
            Some(State::Ended) => health.ended += 1,
            Some(State::Stopping) => stuck = true,
            Some(State::Stopped) | None => health.stopped += 1,
        }
    }
    health.status = if stuck || health.no_signal > 0 { "degraded" } else { "ok" };
    now(json(&health))
}
