//! The wiring: configuration in, a running box out.
//!
//! ```text
//! sources ─▶ pipeline ─▶ stream ─▶ live HLS ─▶ web server
//! └───────────── control ───────────────┘
//! ```
//!
//! Not here: what any of them does.

#![allow(clippy::disallowed_methods, reason = "shell: owns the run")]

mod address;
mod real_time;
mod rooms;
mod welcome;

use crate::access::{Access, AccessError};
use crate::config::Config;
use crate::control::{Control, ControlError};
use crate::discovery::{self, Announcement, Scheme, Service};
use crate::http::{self, BindError, HttpsError, Server, Setup, Site, Trust};
use crate::panel;
use crate::push::{self, Pushes, Ways};
use crate::state::{StateDir, StateError};
use crate::supervisor::{Supervisor, SupervisorError, notify, signals};
use crate::system::System;
use crate::time::Epoch;
use crate::webhook;
use address::ShowAddress;
pub use real_time::RealTimeError;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Sockets need little: measured, one thread serves a thousand viewers with 0.36 of a core, and two cost
/// a tenth more, for waking each other. A board's cores are slower, but it has four.
fn network_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, 2))
}

/// The network threads show that they live this often.
const BEAT: Duration = Duration::from_millis(500);
/// Devices close and the last parts are written in well under this.
const STOP_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, Error)]
pub enum AppError {
    #[error("the network threads could not be started: {0}")]
    Runtime(io::Error),
    #[error("signals can't be caught: {0}")]
    Signals(io::Error),
    #[error(transparent)]
    Listen(#[from] BindError),
    #[error(transparent)]
    Https(#[from] HttpsError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    RealTime(#[from] RealTimeError),
    #[error(transparent)]
    Thread(#[from] SupervisorError),
}

/// What a configuration comes from, and goes to when it is changed.
#[derive(Debug, Default)]
pub struct Origin {
    /// The file; `None`: the one in the state folder, which isn't there yet.
    pub file: Option<PathBuf>,
    /// Streams that the file doesn't have, because the box chose them.
    pub chosen: Option<String>,
}

/// The configuration's file in the state folder, for a box that is started without one.
pub const OWN_FILE: &str = "capturebox.toml";

/// Runs the box until a signal, or a core thread's panic, stops it.
pub fn run(config: Config, origin: Origin) -> Result<(), AppError> {
    let supervisor = Supervisor::new();
    signals::watch(&supervisor).map_err(AppError::Signals)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(network_threads())
        .thread_name("network")
        .enable_all()
        .build()
        .map_err(AppError::Runtime)?;
    let epoch = Epoch::now();

    let server = runtime.block_on(async { Server::bind(config.http.listen, http::Limits::default()) })?;
    let state = Arc::new(StateDir::open(config.state_dir.as_deref())?);
    let own_file = state.path().join(OWN_FILE);
    let access = Access::open(Some(Arc::clone(&state)), config.policies(), config.access.admin_password_hash.clone())?;
    let access = Arc::new(access);
    let host_label = discovery::host_label(&rustix::system::uname().nodename().to_string_lossy());
    let mut http_config = config.http.clone();
    http_config.hosts.push(format!("{host_label}.local"));
    let https = runtime.block_on(async { http::open_https(&http_config, Some(&state), &server) })?;
    let address = server.address();
    let mut services = vec![Service { scheme: Scheme::Http, listens: address }];
    let mut servers = vec![server];
    let mut setup = Setup { http: Some(address), ..Setup::default() };
    let certificate = https.map(|(server, certificate)| {
        services.push(Service { scheme: Scheme::Https, listens: server.address() });
        setup.https = Some(server.address());
        setup.trust = certificate.paper().map_or(Trust::Files, |paper| Trust::Own(paper.clone()));
        servers.push(server);
        certificate
    });
    let control = Control::new(supervisor.clone(), runtime.handle().clone(), epoch);
    control.set_access(Arc::clone(&access));
    control.set_state_dir(Arc::clone(&state))?;
    control.set_actions(config.actions.clone());
    control.set_panel(config.panel.clone());
    control.set_system(Arc::new(System::new(vec!["/".into(), state.path().to_owned()])));
    control.set_file(origin.file.unwrap_or(own_file));
    if let Some(chosen) = origin.chosen {
        control.set_chosen(chosen);
    }
    // Before the streams, so that their start is told.
    control.set_webhooks(config.webhooks.clone());
    control.set_pushes(config.pushes());
    runtime.spawn(webhook::keep(control.webhooks(), control.events().listen()));
    for (name, stream) in &config.streams {
        runtime.block_on(control.add(name.as_str().to_owned(), stream.clone()))?;
    }
    runtime.spawn(Arc::clone(&control).watch());
    runtime.spawn(Arc::clone(&control).watch_disks());
    runtime.spawn(Arc::clone(&control).watch_contributions());
    runtime.spawn(Arc::clone(&control).watch_board());
    panel::start(&control)?;
    let pulse = supervisor.heartbeats().register("network");
    runtime.spawn(async move {
        let mut beat = tokio::time::interval(BEAT);
        loop {
            beat.tick().await;
            pulse.beat();
        }
    });
    welcome::announce(address, &config);
    welcome::tell_claim_code(&access, &state, &setup);
    let id = discovery::box_id(&state)?;
    let announced = runtime.block_on(async { announce_on_lan(&services, &config, &host_label, id) });
    // Without an announcement nobody else decides what the box is called.
    let name = announced.as_ref().map_or_else(|| watch::channel(None).1, Announcement::host);
    if let Some(certificate) = certificate {
        runtime.spawn(certificate.keep(name.clone()));
    }
    control.actions().register(ShowAddress::new(address, name.clone()));
    runtime.spawn(welcome::tell_name(name, address.port()));

    let stop = supervisor.stop().clone();
    notify::ready();
    let pushes = Arc::new(Pushes::default());
    let pushing = runtime.spawn(push::keep(Arc::clone(&control), Ways::new(&config.webrtc), Arc::clone(&pushes)));
    let site = Site::new(Arc::clone(&control), access).with_setup(setup).with_pushes(pushes);
    let site = Arc::new(match runtime.block_on(async { real_time::open(&config.webrtc, &control) })? {
        Some(real_time) => {
            let rooms = runtime.block_on(rooms::open(&real_time.server, &config, &control));
            site.with_real_time(real_time).with_rooms(rooms)
        }
        None => site,
    });
    serve(&runtime, servers, control, site, pushing, async move { stop.requested().await })
}

/// Serves until the stop; then sources first, so that players are told of the end, then the servers.
fn serve(
    runtime: &Runtime,
    servers: Vec<Server>,
    control: Arc<Control>,
    site: Arc<Site>,
    pushing: JoinHandle<()>,
    stop: impl Future<Output = ()>,
) -> Result<(), AppError> {
    let threads = control.supervisor().clone();
    runtime.spawn(Arc::clone(&site).keep_history());
    let rooms = site.rooms().cloned();
    let ended = async move {
        stop.await;
        if let Some(rooms) = rooms {
            rooms.end().await;
        }
        let joined = tokio::task::spawn_blocking(move || threads.join(STOP_WITHIN)).await;
        // The stop has reached them with everybody else; each takes a few seconds at most.
        let _ = pushing.await;
        // The last parts are closed and the playlists say so, before the server closes.
        control.packaged().await;
        joined
    };
    runtime.block_on(async {
        let (tell, told) = tokio::sync::watch::channel(false);
        let mut serving = JoinSet::new();
        for server in servers {
            let mut told = told.clone();
            serving.spawn(server.run(Arc::clone(&site), async move {
                // The sender lives in the other arm until it has sent.
                let _ = told.wait_for(|told| *told).await;
            }));
        }
        let stopping = async move {
            let joined = ended.await;
            tell.send_replace(true);
            joined
        };
        let (_, joined) = tokio::join!(serving.join_all(), stopping);
        match joined {
            Ok(result) => result.map_err(AppError::from),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    })
}

/// Makes the box known by name. Where that can't be done, it is found by its address as before.
fn announce_on_lan(services: &[Service], config: &Config, host_label: &str, id: String) -> Option<Announcement> {
    discovery::announce(&config.discovery, host_label, id, services)
        .inspect_err(|error| log::warn!("not announced on the LAN: {error}"))
        .ok()
        .flatten()
}
