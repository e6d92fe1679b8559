//! Sends streams on to other servers: by WHIP (RFC 9725).
//!
//! ```text
//! stream ─▶ errand (by its plan) ─▶ agent ─▶ the other server
//!                └── client ── whip ──┘
//! ```
//!
//! Here: what a push does next (`plan`), the requests (`client`) and what is said by them (`whip`), the connection
//! (`agent`), one push at work (`errand`), how it does (`status`), and which there are ([`keep`]).
//!
//! Invariants: a server that hangs, refuses or is gone costs its own push a little memory, and no other nor the
//! stream anything; it isn't asked more often than is good for it; no token stands in the log, nor the path of an
//! address, which may hold a key: a server is called by its host.

#![allow(clippy::disallowed_methods, reason = "shell: stamps pushes with the time")]

mod agent;
mod client;
mod errand;
mod plan;
mod status;
mod whip;

pub use errand::Ways;
pub use status::{Phase, Shown, Status};

use crate::config::{PushConfig, WebrtcConfig};
use crate::control::Control;
use crate::supervisor::Stop;
use crate::system::Trust;
use crate::time::MonoTime;
use client::Client;
use errand::Errand;
use rtc::peer_connection::configuration::RTCIceServer;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinSet;

/// How all pushes do, by stream.
#[derive(Default)]
pub struct Pushes {
    all: Mutex<BTreeMap<String, Vec<Arc<Mutex<Status>>>>>,
}

impl Pushes {
    /// Those of a stream, in the order of its configuration.
    pub fn of(&self, stream: &str) -> Vec<Status> {
        self.all().get(stream).into_iter().flatten().map(|status| lock(status).clone()).collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Arc<Mutex<Status>>>>> {
        lock(&self.all)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ways {
    pub fn new(config: &WebrtcConfig) -> Self {
        let server = |url: &String| {
            let login = config.turn.as_ref().filter(|_| url.starts_with("turn"));
            RTCIceServer {
                urls: vec![url.clone()],
                username: login.map(|login| login.username.clone()).unwrap_or_default(),
                credential: login.map(|login| login.credential.clone()).unwrap_or_default(),
            }
        };
        Self { ice_servers: config.ice_servers.iter().map(server).collect(), relay_only: config.relay_only }
    }
}

/// A push that is there, and how it is told to end.
struct Running {
    stream: String,
    config: PushConfig,
    status: Arc<Mutex<Status>>,
    stop: Stop,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.request();
    }
}

/// Sends streams where the configuration wants it, as it is and as it becomes, until the box stops and the other
/// servers know.
pub async fn keep(control: Arc<Control>, ways: Ways, pushes: Arc<Pushes>) {
    let (trust, box_stops) = (Trust::default(), control.supervisor().stop().clone());
    let mut wanted = control.pushes();
    let mut running: Vec<Running> = Vec::new();
    let mut tasks = JoinSet::new();
    wanted.mark_changed();
    loop {
        tokio::select! {
            () = box_stops.requested() => break,
            changed = wanted.changed() => if changed.is_err() { break },
            Some(_) = tasks.join_next() => continue,
        }
        let all = wanted.borrow_and_update().clone();
        let mut next = Vec::new();
        for (stream, configs) in &all {
            for config in configs {
                let same = |one: &Running| one.stream == *stream && one.config == *config;
                if let Some(at) = running.iter().position(same) {
                    next.push(running.swap_remove(at));
                    continue;
                }
                let status = Status::new(origin(&config.url), config.enabled, MonoTime::now());
                let (status, stop) = (Arc::new(Mutex::new(status)), Stop::new());
                if config.enabled {
                    let errand = Errand {
                        control: Arc::clone(&control),
                        stream: stream.clone(),
                        client: Client::new(config, trust.clone()),
                        config: config.clone(),
                        ways: ways.clone(),
                        status: Arc::clone(&status),
                        stop: stop.clone(),
                    };
                    tasks.spawn(errand.run());
                }
                next.push(Running { stream: stream.clone(), config: config.clone(), status, stop });
            }
        }
        // Those that are left end.
        running = next;
        let mut told = BTreeMap::<_, Vec<_>>::new();
        for one in &running {
            told.entry(one.stream.clone()).or_default().push(Arc::clone(&one.status));
        }
        *pushes.all() = told;
    }
    drop(running);
    while tasks.join_next().await.is_some() {}
}

/// `https://example.org:8443`.
fn origin(url: &hyper::Uri) -> String {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}", url.scheme_str().unwrap_or_default())
}
