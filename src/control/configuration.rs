//! The configuration file of a running box: read, checked, replaced, and what follows for the streams.
//!
//! The file is replaced in one step, and the one before it stays beside it as `FILE.bak`. Streams whose
//! sections are the same go on as if nothing had been.

use super::{Control, ControlError, State, What};
use crate::config::{Config, ConfigError, Problem, StreamConfig};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a new configuration is called in messages.
const SENT: &str = "the configuration";

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
}

/// A stream that is not as the configuration says.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Failed {
    pub stream: String,
    pub cause: String,
}

/// Checks a configuration without using it; `Err` is everything that is wrong with it.
pub fn check(text: &str) -> Result<Config, Vec<Problem>> {
    Config::parse(text, SENT).map_err(|error| match error {
        ConfigError::Invalid { problems, .. } => problems,
        ConfigError::Read { error, .. } => vec![Problem { line: 1, message: error.to_string() }],
    })
}

impl Control {
    /// The text of the configuration file as it is now.
    pub async fn configuration(self: &Arc<Self>) -> Result<String, ControlError> {
        self.change(|control| {
            let file = control.file()?;
            fs::read_to_string(file).map_err(|error| ControlError::File { file: file.to_owned(), error })
        })
        .await
    }

    /// Replaces the configuration file and makes the streams what it says. Nothing is touched when the text
    /// is no good or the file can't be written.
    pub async fn replace(self: &Arc<Self>, text: String) -> Result<Replaced, ControlError> {
        self.change(move |control| control.replace_now(&text)).await
    }

    fn file(&self) -> Result<&Path, ControlError> {
        self.file.get().map(PathBuf::as_path).ok_or(ControlError::NoFile)
    }

    fn replace_now(&self, text: &str) -> Result<Replaced, ControlError> {
        let new = check(text).map_err(ControlError::Invalid)?;
        if new.streams.is_empty() {
            return Err(ControlError::NoStreams);
        }
        let file = self.file()?;
        let failed = |error| ControlError::File { file: file.to_owned(), error };
        // Where the file is broken by now, everything beside the streams counts as changed.
        let old = Config::load(file).ok();
        write_keeping_old(file, text).map_err(failed)?;
        log::info!("the configuration has been replaced; the one before is {}", beside(file, "bak").display());
        // Before any stream starts that isn't for everybody.
        if let Some(access) = self.access.get() {
            access.set_policies(new.policies(), new.access.admin_password_hash.clone());
        }
        let mut replaced = self.follow(&new);
        replaced.after_restart = [
            ("http", old.as_ref().is_none_or(|old| old.http != new.http)),
            ("discovery", old.as_ref().is_none_or(|old| old.discovery != new.discovery)),
            ("state_dir", old.as_ref().is_none_or(|old| old.state_dir != new.state_dir)),
        ]
        .into_iter()
        .filter_map(|(section, changed)| changed.then_some(section))
        .collect();
        self.tell(What::ConfigurationChanged);
        Ok(replaced)
    }

    /// Makes the streams what the configuration says. What fails is told and doesn't keep the rest.
    fn follow(&self, new: &Config) -> Replaced {
        let new: BTreeMap<_, _> = new.streams.iter().map(|(name, config)| (name.as_str(), config)).collect();
        let mut replaced = Replaced::default();
        let names: Vec<String> = self.entries().keys().cloned().collect();
        for name in names.iter().filter(|name| !new.contains_key(name.as_str())) {
            let done = self.remove_now(name).map(|()| &mut replaced.removed);
            note(name, done.map_err(|error| (error, &mut replaced.failed)));
        }
        for (&name, &config) in &new {
            let old = self.entries().get(name).map(|entry| entry.config.clone());
            // For whom it is holds already, and is no reason to disturb those who watch.
            let old = old.map(|old| StreamConfig { access: config.access, ..old });
            let done = match old {
                Some(old) if old == *config => {
                    if let Some(entry) = self.entries_mut().get_mut(name) {
                        entry.config.access = config.access;
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

    fn remove_now(&self, name: &str) -> Result<(), ControlError> {
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
    let put = |path: &Path, bytes: &[u8]| {
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
        written
    };
    put(&beside(&file, "bak"), &fs::read(&file)?)?;
    put(&file, text.as_bytes())?;
    // The names are on the disk too.
    file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// `FILE.bak`.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
