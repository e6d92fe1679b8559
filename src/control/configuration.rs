//! The configuration file of a running box: read, checked, replaced, and what follows for the streams.
//!
//! The file is replaced in one step, and the one before it stays beside it as `FILE.bak`. Streams whose
//! sections are the same go on as if nothing had been. A box that chose its streams itself has no file until
//! something is changed. Secrets don't leave: who reads gets marks, and who writes a mark back keeps them.

use super::{Control, ControlError, Entry, State, What};
use crate::config::edit::{Hidden, merged, stray_mark};
use crate::config::{Config, ConfigError, Problem, StreamConfig};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a new configuration is called in messages.
const SENT: &str = "the configuration";

/// A configuration as it is shown.
#[derive(Debug)]
pub struct Configuration {
    /// The file's text, its secrets hidden.
    pub text: String,
    /// Another one for each content of the file.
    pub version: String,
    /// The file it stands in, or will, once something is changed.
    pub file: PathBuf,
    /// Whether that is there.
    pub saved: bool,
}

/// A configuration that somebody wants; marks of secrets stand for the secrets.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// As the file's text.
    Text(String),
    /// What it is to say; comments and order stay as they are.
    Settings(toml::Table),
}

/// What became of the streams when a configuration was replaced.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Replaced {
    pub unchanged: Vec<String>,
    pub started: Vec<String>,
    pub restarted: Vec<String>,
    pub removed: Vec<String>,
    pub failed: Vec<Failed>,
    /// Sections that have changed and take effect when the box is started again.
    pub after_restart: Vec<&'static str>,
    /// Of the configuration that is there now.
    #[serde(skip)]
    pub version: String,
}

/// A stream that is not as the configuration says.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Failed {
    pub stream: String,
    pub cause: String,
}

fn check(text: &str) -> Result<Config, Vec<Problem>> {
    let parsed = Config::parse(text, SENT).map_err(|error| match error {
        ConfigError::Invalid { problems, .. } => problems,
        ConfigError::Read { error, .. } => vec![Problem::at(text, 0, String::new(), error.to_string())],
    });
    match stray_mark(text) {
        Some(at) => {
            let message = "here stood a secret that the file no longer has; put it in again".to_owned();
            let mut problems = parsed.err().unwrap_or_default();
            let stray = Problem::at(text, at, String::new(), message);
            // The mark itself is no hash either; one message about it is enough.
            problems.retain(|problem| problem.line != stray.line);
            problems.push(stray);
            problems.sort();
            Err(problems)
        }
        None => parsed,
    }
}

/// What stands in the file; nothing, where there is none.
fn read(file: &Path) -> Result<Option<String>, ControlError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ControlError::File { file: file.to_owned(), error }),
    }
}

fn version(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl Control {
    /// The configuration as it is now.
    pub async fn configuration(self: &Arc<Self>) -> Result<Configuration, ControlError> {
        self.change(|control| {
            let file = control.file()?.to_owned();
            let saved = read(&file)?;
            let text = control.completed(saved.clone().unwrap_or_default());
            Ok(Configuration { version: version(&text), text: Hidden::of(&text).text, file, saved: saved.is_some() })
        })
        .await
    }

    /// Checks a configuration without using it; [`ControlError::Invalid`] is everything that is wrong with it.
    pub async fn check(self: &Arc<Self>, wanted: Wanted) -> Result<(), ControlError> {
        self.change(move |control| {
            let old = control.file().ok().map(read).transpose()?.flatten();
            let text = control.text_of(&wanted, old.unwrap_or_default());
            check(&text).map(drop).map_err(ControlError::Invalid)
        })
        .await
    }

    /// Replaces the configuration file and makes the streams what it says. Nothing is touched when the text
    /// is no good, the file can't be written, or it isn't one of `versions` any more.
    pub async fn replace(
        self: &Arc<Self>,
        wanted: Wanted,
        versions: Option<Vec<String>>,
    ) -> Result<Replaced, ControlError> {
        self.change(move |control| control.replace_now(&wanted, versions.as_deref())).await
    }

    /// A file's text, with the streams that the box chose itself where it has none.
    fn completed(&self, text: String) -> String {
        let without_streams = |text: &str| {
            let streams = |settings: toml::Table| settings.get("streams").cloned();
            let none = |streams: toml::Value| streams.as_table().is_some_and(toml::Table::is_empty);
            text.parse().is_ok_and(|settings| streams(settings).is_none_or(none))
        };
        match self.chosen.get() {
            Some(chosen) if text.is_empty() => chosen.clone(),
            Some(chosen) if without_streams(&text) => format!("{}\n\n{chosen}", text.trim_end()),
            _ => text,
        }
    }

    /// The text that is wanted, over the one that is there.
    fn text_of(&self, wanted: &Wanted, old: String) -> String {
        let shown = Hidden::of(&self.completed(old));
        shown.restored(&match wanted {
            Wanted::Text(text) => text.clone(),
            Wanted::Settings(settings) => merged(&shown.text, settings),
        })
    }

    fn file(&self) -> Result<&Path, ControlError> {
        self.file.get().map(PathBuf::as_path).ok_or(ControlError::NoFile)
    }

    fn replace_now(&self, wanted: &Wanted, versions: Option<&[String]>) -> Result<Replaced, ControlError> {
        let file = self.file()?;
        let saved = read(file)?;
        let current = self.completed(saved.clone().unwrap_or_default());
        if versions.is_some_and(|versions| !versions.contains(&version(&current))) {
            return Err(ControlError::Changed);
        }
        let text = self.text_of(wanted, current.clone());
        let new = check(&text).map_err(ControlError::Invalid)?;
        if new.streams.is_empty() {
            return Err(ControlError::NoStreams);
        }
        let failed = |error| ControlError::File { file: file.to_owned(), error };
        // Where the file is broken by now, everything beside the streams counts as changed.
        let old = Config::parse(&current, SENT).ok();
        if saved.is_some() {
            write_keeping_old(file, &text).map_err(failed)?;
            log::info!("the configuration has been replaced; the one before is {}", beside(file, "bak").display());
        } else {
            write_new(file, &text).map_err(failed)?;
            log::info!("the configuration stands in {} from now on", file.display());
        }
        // Before any stream starts that isn't for everybody.
        if let Some(access) = self.access.get() {
            access.set_policies(new.policies(), new.access.admin_password_hash.clone());
        }
        self.set_webhooks(new.webhooks.clone());
        self.set_pushes(new.pushes());
        self.set_actions(new.actions.clone());
        self.set_panel(new.panel.clone());
        let mut replaced = self.follow(&new);
        replaced.after_restart = [
            ("http", old.as_ref().is_none_or(|old| old.http != new.http)),
            ("webrtc", old.as_ref().is_none_or(|old| old.webrtc != new.webrtc)),
            ("discovery", old.as_ref().is_none_or(|old| old.discovery != new.discovery)),
            ("rooms", old.as_ref().is_none_or(|old| old.rooms != new.rooms)),
            ("state_dir", old.as_ref().is_none_or(|old| old.state_dir != new.state_dir)),
        ]
        .into_iter()
        .filter_map(|(section, changed)| changed.then_some(section))
        .collect();
        replaced.version = version(&text);
        self.tell(What::ConfigurationChanged);
        Ok(replaced)
    }

    /// Makes the streams what the configuration says. What fails is told and doesn't keep the rest.
    fn follow(&self, new: &Config) -> Replaced {
        let new: BTreeMap<_, _> = new.streams.iter().map(|(name, config)| (name.as_str(), config)).collect();
        let mut replaced = Replaced::default();
        let configured = |(name, entry): (&String, &Entry)| (!entry.made).then(|| name.clone());
        let names: Vec<String> = self.entries().iter().filter_map(configured).collect();
        for name in names.iter().filter(|name| !new.contains_key(name.as_str())) {
            let done = self.remove_now(name).map(|()| &mut replaced.removed);
            note(name, done.map_err(|error| (error, &mut replaced.failed)));
        }
        for (&name, &config) in &new {
            let old = self.entries().get(name).map(|entry| entry.config.clone());
            // For whom it is and where else it goes holds already, and is no reason to disturb those who watch.
            let old = old.map(|old| StreamConfig { access: config.access, pushes: config.pushes.clone(), ..old });
            let done = match old {
                Some(old) if old == *config => {
                    if let Some(entry) = self.entries_mut().get_mut(name) {
                        entry.config.access = config.access;
                        entry.config.pushes.clone_from(&config.pushes);
                        entry.made = false;
                    }
                    Ok(&mut replaced.unchanged)
                }
                Some(_) => self.restart_now(name, config).map(|()| &mut replaced.restarted),
                None => self.add_now(name, config.clone()).map(|()| &mut replaced.started),
            };
            note(name, done.map_err(|error| (error, &mut replaced.failed)));
        }
        replaced
    }

    /// A stream of the same name with other settings; one that was stopped stays so.
    fn restart_now(&self, name: &str, config: &StreamConfig) -> Result<(), ControlError> {
        let was_stopped = self.state(name) == Some(State::Stopped);
        self.remove_now(name)?;
        if was_stopped {
            self.insert(name, config.clone());
            return Ok(());
        }
        self.add_now(name, config.clone())
    }

    pub(super) fn remove_now(&self, name: &str) -> Result<(), ControlError> {
        self.stop_now(name)?;
        self.streams.remove(name);
        self.entries_mut().remove(name);
        Ok(())
    }
}

/// Puts a name on the list of what was done, or of what failed.
fn note(name: &str, done: Result<&mut Vec<String>, (ControlError, &mut Vec<Failed>)>) {
    match done {
        Ok(list) => list.push(name.to_owned()),
        Err((error, failed)) => {
            log::error!("{name}: {error}");
            failed.push(Failed { stream: name.to_owned(), cause: error.to_string() });
        }
    }
}

/// Replaces a file in one step: whoever reads it, and a box that loses its power, finds the old or the new.
fn write_keeping_old(file: &Path, text: &str) -> io::Result<()> {
    // Through a link, so that it stays one.
    let file = fs::canonicalize(file)?;
    let permissions = fs::metadata(&file)?.permissions();
    put(&beside(&file, "bak"), &fs::read(&file)?, &permissions)?;
    put(&file, text.as_bytes(), &permissions)
}

/// A file that isn't there yet; its owner's alone, since secrets may come to stand in it.
fn write_new(file: &Path, text: &str) -> io::Result<()> {
    put(file, text.as_bytes(), &Permissions::from_mode(0o600))
}

/// In one step, and on the disk before it returns.
fn put(path: &Path, bytes: &[u8], permissions: &Permissions) -> io::Result<()> {
    let temporary = beside(path, "new");
    let written = File::create(&temporary).and_then(|mut out| {
        // Before anything stands in it: there may be secrets.
        out.set_permissions(permissions.clone())?;
        out.write_all(bytes)?;
        out.sync_all()?;
        fs::rename(&temporary, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    // The name is on the disk too.
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// `FILE.bak`.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
