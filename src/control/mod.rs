//! The streams of the box, started and stopped singly, adjusted while they run, and what is told of it.
//!
//! One change at a time, each on a thread of its own, so that no request waits on the network's threads
//! for a device to close, and a caller who hangs up leaves nothing half done.
//! Not here: who may change what (`access`), what a change looks like on the wire (`http`).

#![allow(clippy::disallowed_methods, reason = "shell: stamps events with the wall clock")]

#[cfg(test)]
mod action_tests;
mod actions;
mod board;
mod configuration;
#[cfg(test)]
mod contribution_tests;
mod contributions;
mod disk;
mod error;
mod events;
mod marks;
mod own;
mod program;
mod running;
mod settings;
mod shed;
mod states;
mod switches;
#[cfg(test)]
mod tests;
mod troubles;
mod watch;

pub use actions::{Act, ActionError, Actions, Order, Run, Shown};
pub use configuration::{Configuration, Failed, Replaced, Wanted};
pub use contributions::{Invitation, Place};
pub use error::ControlError;
pub use events::{Event, Events, What};
pub use marks::Mark;
pub use running::Served;
pub use shed::Load;
pub use states::{Shine, States, Status};
pub use troubles::Troubles;

use crate::access::Access;
use crate::capture::contribution::Desk;
use crate::config::{self, ActionsConfig, Inputs, PanelConfig, PushConfig, StreamConfig, WebhookConfig};
use crate::state::StateDir;
use crate::stream::{Limits, Stream, StreamStatus, Streams};
use crate::supervisor::Supervisor;
use crate::system::System;
use crate::time::{Epoch, MonoTime};
use marks::Marks;
use running::Running;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as Plain, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use switches::Switches;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch as watched};

/// How often the streams are looked at for changes that they make by themselves.
const LOOK: Duration = Duration::from_millis(250);
/// How often the storage is.
const LOOK_AT_DISKS: Duration = Duration::from_secs(5);

/// Whether a stream is to run; how its sources do is the stream's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Running,
    /// Its source has come to its end by itself.
    Ended,
    Stopped,
    /// It was told to stop and a device hangs.
    Stopping,
}

/// Everything that runs. Shared by all who serve or change it.
pub struct Control {
    supervisor: Supervisor,
    runtime: Handle,
    epoch: Epoch,
    streams: Arc<Streams>,
    desk: Arc<Desk>,
    entries: RwLock<BTreeMap<String, Entry>>,
    /// Held by the one change that is being made.
    changing: Arc<Mutex<()>>,
    events: Events,
    /// What the configuration is read from, or will be.
    file: OnceLock<PathBuf>,
    /// The streams that the box chose itself, as they would stand in a file.
    chosen: OnceLock<String>,
    access: OnceLock<Arc<Access>>,
    webhooks: watched::Sender<Vec<WebhookConfig>>,
    pushes: watched::Sender<BTreeMap<String, Vec<PushConfig>>>,
    system: OnceLock<Arc<System>>,
    actions: Actions,
    actions_config: RwLock<ActionsConfig>,
    states: States,
    troubles: Plain<Troubles>,
    load: Plain<Load>,
    disk_low: AtomicBool,
    panel: watched::Sender<PanelConfig>,
    switches: Plain<Switches>,
    /// Held while they are written down.
    keeping: Mutex<()>,
    state_dir: OnceLock<Arc<StateDir>>,
    marks: Plain<Marks>,
}

/// A stream that the configuration names, or that was made for somebody who publishes.
struct Entry {
    config: StreamConfig,
    /// The configuration doesn't name it.
    made: bool,
    state: State,
    /// Also after a stop, so that the playlists go on saying that it is over.
    served: Option<Served>,
    running: Option<Running>,
}

impl Control {
    /// Nothing runs yet. `runtime` is where streams are packaged; `epoch` is what media time is told by.
    pub fn new(supervisor: Supervisor, runtime: Handle, epoch: Epoch) -> Arc<Self> {
        let actions = Actions::default();
        actions.register(own::Mark);
        actions.register(own::MUTE);
        actions.register(own::SLATE);
        own::Program::all().into_iter().for_each(|program| actions.register(program));
        Arc::new(Self {
            supervisor,
            runtime,
            epoch,
            streams: Arc::default(),
            desk: Arc::default(),
            entries: RwLock::default(),
            changing: Arc::default(),
            events: Events::default(),
            file: OnceLock::new(),
            chosen: OnceLock::new(),
            access: OnceLock::new(),
            webhooks: watched::Sender::default(),
            pushes: watched::Sender::default(),
            system: OnceLock::new(),
            actions,
            actions_config: RwLock::default(),
            states: States::own(),
            troubles: Plain::default(),
            load: Plain::default(),
            disk_low: AtomicBool::new(false),
            panel: watched::Sender::default(),
            switches: Plain::default(),
            keeping: Mutex::default(),
            state_dir: OnceLock::new(),
            marks: Plain::default(),
        })
    }

    /// Says, once, which file the configuration stands in.
    pub fn set_file(&self, file: PathBuf) {
        // A second file is the caller's mistake, and changes nothing.
        let _ = self.file.set(file);
    }

    /// Says, once, which streams the box chose itself, because the file has none or isn't there.
    pub fn set_chosen(&self, text: String) {
        let _ = self.chosen.set(text);
    }

    /// Says, once, who is told for whom streams are when the configuration changes.
    pub fn set_access(&self, access: Arc<Access>) {
        let _ = self.access.set(access);
    }

    /// Says, once, what tells how the board does, and which storage matters.
    pub fn set_system(&self, system: Arc<System>) {
        let _ = self.system.set(system);
    }

    /// How the board does; where nothing else was said, with the root's storage.
    pub fn system(&self) -> &Arc<System> {
        self.system.get_or_init(|| Arc::new(System::new(vec!["/".into()])))
    }

    /// Says who is told of events by others' servers; those who are the same go on undisturbed.
    pub fn set_webhooks(&self, webhooks: Vec<WebhookConfig>) {
        self.webhooks.send_if_modified(|old| {
            let changed = *old != webhooks;
            *old = webhooks;
            changed
        });
    }

    /// Says where else streams are published, by stream; those that are the same go on undisturbed.
    pub fn set_pushes(&self, pushes: BTreeMap<String, Vec<PushConfig>>) {
        self.pushes.send_if_modified(|old| {
            let changed = *old != pushes;
            *old = pushes;
            changed
        });
    }

    /// Where else streams are to be published, and whenever that changes.
    pub fn pushes(&self) -> watched::Receiver<BTreeMap<String, Vec<PushConfig>>> {
        self.pushes.subscribe()
    }

    /// What can be done at the touch of a button; others register what they can do.
    pub fn actions(&self) -> &Actions {
        &self.actions
    }

    /// What a light can show; others register what they know.
    pub fn states(&self) -> &States {
        &self.states
    }

    /// Whether little is left of the storage that the box writes to.
    pub fn disk_is_low(&self) -> bool {
        self.disk_low.load(Ordering::Relaxed)
    }

    /// Says which buttons and lights there are.
    pub fn set_panel(&self, panel: PanelConfig) {
        self.panel.send_if_modified(|old| {
            let changed = *old != panel;
            *old = panel;
            changed
        });
    }

    /// The buttons and lights, and whenever that changes.
    pub fn panel(&self) -> watched::Receiver<PanelConfig> {
        self.panel.subscribe()
    }

    /// Says what actions run, and which nobody can do.
    pub fn set_actions(&self, config: ActionsConfig) {
        *self.actions_config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    pub fn actions_config(&self) -> ActionsConfig {
        self.actions_config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was marked in a stream, oldest first.
    pub fn marks(&self, name: &str) -> Vec<Mark> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).of(name)
    }

    /// Marks this moment of some streams.
    fn mark(&self, names: &[&str]) -> Mark {
        let now = MonoTime::now();
        let unix_ms = Epoch::now().unix_nanos_at(now) / 1_000_000;
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = marks.add(names, now.as_nanos() / 1_000, unix_ms);
        drop(marks);
        for name in names {
            self.tell(What::Mark { stream: (*name).to_owned(), mark: mark.number, media_us: mark.media_us });
        }
        mark
    }

    /// Who is to be told of events now, and whenever that changes.
    pub fn webhooks(&self) -> watched::Receiver<Vec<WebhookConfig>> {
        self.webhooks.subscribe()
    }

    /// Every stream there is, running or not.
    pub fn streams(&self) -> &Arc<Streams> {
        &self.streams
    }

    /// Where those come who publish into streams.
    pub fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    pub fn events(&self) -> &Events {
        &self.events
    }

    /// How a stream is served, where it is or was.
    pub fn served(&self, name: &str) -> Option<Served> {
        self.entries().get(name)?.served.clone()
    }

    pub fn state(&self, name: &str) -> Option<State> {
        let entries = self.entries();
        let entry = entries.get(name)?;
        let over = entry.state == State::Running && entry.running.as_ref().is_some_and(Running::is_over);
        Some(if over { State::Ended } else { entry.state })
    }

    /// What EXT-X-PROGRAM-DATE-TIME is stamped by. Streams start with one epoch, and follow the wall
    /// clock within a part of each other, so any of them will do.
    pub fn epoch(&self) -> Epoch {
        let entries = self.entries();
        entries.values().find_map(|entry| entry.served.as_ref()).map_or(self.epoch, |served| served.live.epoch())
    }

    /// Adds a stream and starts it.
    pub async fn add(self: &Arc<Self>, name: String, config: StreamConfig) -> Result<(), ControlError> {
        self.change(move |control| control.add_now(&name, config)).await
    }

    /// Starts a stream that is stopped or has ended; one that runs goes on.
    pub async fn start(self: &Arc<Self>, name: &str) -> Result<(), ControlError> {
        let name = name.to_owned();
        self.change(move |control| control.start_now(&name)).await
    }

    /// Stops a stream: its sources close, its playlists end. It stays on the list.
    pub async fn stop(self: &Arc<Self>, name: &str) -> Result<(), ControlError> {
        let name = name.to_owned();
        self.change(move |control| control.stop_now(&name)).await
    }

    /// Asks the encoder for a key frame as soon as it can.
    pub fn request_key_frame(&self, name: &str) -> Result<(), ControlError> {
        self.asked_for_key_frames(name)?.request_key_frame();
        Ok(())
    }

    /// Asks the encoder for another bitrate, until the stream's configuration changes.
    pub fn set_bitrate(&self, name: &str, bitrate_bps: u32) -> Result<(), ControlError> {
        if !config::VIDEO_BITRATE_BPS.contains(&bitrate_bps) {
            return Err(ControlError::Bitrate { range: config::VIDEO_BITRATE_BPS });
        }
        self.encoding(name)?.set_bitrate_target(bitrate_bps);
        Ok(())
    }

    /// Tells events that come about by themselves, until the box stops.
    pub async fn watch(self: Arc<Self>) {
        let mut seen = watch::Seen::default();
        let mut look = tokio::time::interval(LOOK);
        let stop = self.supervisor.stop().clone();
        loop {
            tokio::select! {
                () = stop.requested() => return,
                _ = look.tick() => {}
            }
            let now: Vec<_> = self.streams.list().iter().map(|stream| self.with_audience(stream)).collect();
            for what in seen.look(&now) {
                self.tell(what);
            }
        }
    }

    /// Tells of storage that runs full, until the box stops.
    pub async fn watch_disks(self: Arc<Self>) {
        let mut disks = disk::Disks::default();
        let mut look = tokio::time::interval(LOOK_AT_DISKS);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let stop = self.supervisor.stop().clone();
        loop {
            tokio::select! {
                () = stop.requested() => return,
                _ = look.tick() => {}
            }
            // A file system of the network may make wait.
            let system = Arc::clone(self.system());
            let Ok(now) = tokio::task::spawn_blocking(move || system.storage()).await else { return };
            for what in disks.look(&now) {
                self.tell(what);
            }
            self.disk_low.store(disks.is_any_low(), Ordering::Relaxed);
        }
    }

    /// A stream, and how many watch or read it: viewers of HLS, and outputs besides its packager.
    fn with_audience(&self, stream: &Stream) -> (StreamStatus, usize) {
        let status = stream.status();
        let audience = match self.served(stream.name()) {
            Some(Served { live, .. }) => status.readers.saturating_sub(live.readers()) + live.viewers(),
            None => status.readers,
        };
        (status, audience)
    }

    /// After the box's threads have ended: waits until every playlist says that it is over.
    pub async fn packaged(&self) {
        let running: Vec<_> = self.entries_mut().values_mut().filter_map(|entry| entry.running.take()).collect();
        for mut running in running {
            running.packaged().await;
        }
    }

    /// A stream that runs and whose pictures are encoded here.
    fn encoding(&self, name: &str) -> Result<Arc<Stream>, ControlError> {
        self.running_if(name, settings::encodes)
    }

    /// A stream that runs and whose encoder, here or elsewhere, can be asked for key frames.
    fn asked_for_key_frames(&self, name: &str) -> Result<Arc<Stream>, ControlError> {
        self.running_if(name, settings::obliges)
    }

    fn running_if(&self, name: &str, is: fn(&Inputs) -> bool) -> Result<Arc<Stream>, ControlError> {
        let stream = self.streams.get(name).ok_or(ControlError::NoStream)?;
        if self.state(name) != Some(State::Running) {
            return Err(ControlError::Stopped { name: name.to_owned() });
        }
        let encodes = self.entries().get(name).is_some_and(|entry| is(&entry.config.inputs));
        if encodes { Ok(stream) } else { Err(ControlError::NotEncodedHere { name: name.to_owned() }) }
    }

    /// Makes one change, after those that were asked for before. It comes to its end even when nobody waits
    /// for it any more.
    async fn change<T, F>(self: &Arc<Self>, make: F) -> Result<T, ControlError>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, ControlError> + Send + 'static,
    {
        let turn = Arc::clone(&self.changing).lock_owned().await;
        let control = Arc::clone(self);
        let made = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            if control.supervisor.stop().is_requested() {
                return Err(ControlError::Ending);
            }
            make(&control)
        });
        match made.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going.
                Err(_) => Err(ControlError::Ending),
            },
        }
    }

    fn add_now(&self, name: &str, config: StreamConfig) -> Result<(), ControlError> {
        self.insert(name, config);
        self.start_now(name)
    }

    /// Puts a stream on the list, stopped.
    fn insert(&self, name: &str, config: StreamConfig) {
        // A name that is there already keeps its stream; the configuration has each once.
        let stream = Stream::new(name, Limits::default());
        self.switch_as_before(&stream);
        self.apply_load(&stream);
        let _ = self.streams.insert(stream);
        let entry = Entry { config, made: false, state: State::Stopped, served: None, running: None };
        self.entries_mut().insert(name.to_owned(), entry);
    }

    fn start_now(&self, name: &str) -> Result<(), ControlError> {
        let stream = self.streams.get(name).ok_or(ControlError::NoStream)?;
        match self.state(name).ok_or(ControlError::NoStream)? {
            State::Running => return Ok(()),
            // A device that hung may have come back meanwhile; what has ended is tidied up.
            State::Stopping | State::Ended => self.stop_now(name)?,
            State::Stopped => {}
        }
        let config = self.entries().get(name).map(|entry| entry.config.clone()).ok_or(ControlError::NoStream)?;
        let running = Running::start(&stream, &config, &self.desk, &self.supervisor, &self.runtime, self.epoch)?;
        if let Some(entry) = self.entries_mut().get_mut(name) {
            entry.served = Some(running.served.clone());
            entry.running = Some(running);
            entry.state = State::Running;
        }
        self.tell(What::StreamStarted { stream: name.to_owned() });
        Ok(())
    }

    fn stop_now(&self, name: &str) -> Result<(), ControlError> {
        let running = {
            let mut entries = self.entries_mut();
            let entry = entries.get_mut(name).ok_or(ControlError::NoStream)?;
            let running = entry.running.take();
            if running.is_some() {
                entry.state = State::Stopping;
            }
            running
        };
        let Some(mut running) = running else { return Ok(()) };
        let stopped = running.stop(&self.runtime);
        let private = self.streams.get(name).is_some_and(|stream| stream.is_private());
        if let Some(entry) = self.entries_mut().get_mut(name) {
            match stopped {
                Ok(()) => {
                    entry.state = State::Stopped;
                    // What a playlist that has ended holds, it holds on: also pictures of before the slate.
                    entry.served = entry.served.take().filter(|_| !private);
                }
                Err(_) => entry.running = Some(running),
            }
        }
        stopped?;
        log::info!("{name}: stopped");
        self.tell(What::StreamStopped { stream: name.to_owned() });
        Ok(())
    }

    pub fn tell(&self, what: What) {
        self.events.tell(Epoch::now().unix_nanos_at(MonoTime::now()) / 1_000_000, what);
    }

    fn switches(&self) -> MutexGuard<'_, Switches> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries(&self) -> RwLockReadGuard<'_, BTreeMap<String, Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Entry>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}
