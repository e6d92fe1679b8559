//! The folder where the box keeps what it must know after a restart: accounts, tokens, keys, certificates.
//!
//! Here: which folder that is, and files in it that are read whole and replaced at once. Not here: what
//! stands in them.
//!
//! Invariants: the folder is its owner's alone (0700), and so are its files (0600); a file is the old one or
//! the new one, also after a power cut; a file that can't be read is an error and never "not there", because
//! a box that forgets its accounts would let anybody claim it.

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use thiserror::Error;

/// Whatever the box keeps is small: keys, certificates, a few hundred tokens. Bytes.
pub const MAX_FILE_LEN: u64 = 4 << 20;

/// Others may look into a folder that was there before, but may not put anything into it.
const WRITABLE_BY_OTHERS: u32 = 0o022;

#[derive(Debug, Error)]
pub enum StateError {
    #[error("no folder to keep accounts and keys in: set state_dir in the configuration, or HOME")]
    Nowhere,
    #[error("the state folder {} can't be made: {error} (state_dir in the configuration sets another)", path.display())]
    Folder { path: PathBuf, error: io::Error },
    #[error("others can write to the state folder {path}; run: chmod 700 {path}", path = path.display())]
    Open { path: PathBuf },
    #[error("{}: can't be read: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{}: can't be written: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
}

/// The folder. Cheap to pass by reference; writes from several threads don't mix.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
}

impl StateDir {
    /// The folder of the configuration, else systemd's `$STATE_DIRECTORY`, else
    /// `$XDG_STATE_HOME/capturebox`, else `~/.local/state/capturebox`. It is made where it isn't there.
    pub fn open(configured: Option<&Path>) -> Result<Self, StateError> {
        Self::open_at(choose(configured, |name| std::env::var_os(name)).ok_or(StateError::Nowhere)?)
    }

    fn open_at(path: PathBuf) -> Result<Self, StateError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path).and_then(|()| path.metadata());
        match made {
            Err(error) => Err(StateError::Folder { path, error }),
            Ok(found) if found.permissions().mode() & WRITABLE_BY_OTHERS != 0 => Err(StateError::Open { path }),
            Ok(_) => Ok(Self { path }),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file's bytes; `None` when there is none of that name. `name` is one path segment.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        let path = self.path.join(name);
        let read = || {
            one_segment(name)?;
            let mut bytes = Vec::new();
            File::open(&path)?.take(MAX_FILE_LEN + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > MAX_FILE_LEN {
                return Err(io::Error::other(format!("it has more than {MAX_FILE_LEN} bytes")));
            }
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StateError::Read { path, error }),
        }
    }

    /// Puts `bytes` in the place of the file, at once, and on the disk before it returns. Blocks.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let path = self.path.join(name);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let new = self.path.join(format!(".{name}.{}.{number}.new", std::process::id()));
        let write = || {
            one_segment(name)?;
            if bytes.len() as u64 > MAX_FILE_LEN {
                return Err(io::Error::other(format!("more than {MAX_FILE_LEN} bytes")));
            }
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let open = || rustix::fs::open(&new, flags, Mode::RUSR | Mode::WUSR);
            let mut file = File::from(match open() {
                // Left behind by an earlier process of this number, in the middle of writing.
                Err(Errno::EXIST) => std::fs::remove_file(&new).and_then(|()| Ok(open()?))?,
                opened => opened?,
            });
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&new, &path)?;
            // The new name is on the disk when the folder is.
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|error| {
            let _ = std::fs::remove_file(&new);
            StateError::Write { path, error }
        })
    }

    /// Takes a file away; none of that name is as good.
    pub fn remove(&self, name: &str) -> Result<(), StateError> {
        let path = self.path.join(name);
        match one_segment(name).and_then(|()| std::fs::remove_file(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StateError::Write { path, error }),
            _ => Ok(()),
        }
    }
}

fn one_segment(name: &str) -> io::Result<()> {
    let plain = !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']);
    if plain { Ok(()) } else { Err(io::Error::other("that is no file's name")) }
}

/// `variable` tells an environment variable. Empty ones count as not set, and so do relative paths of XDG,
/// as its specification says.
fn choose(configured: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let variable = |name| variable(name).filter(|value| !value.is_empty());
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    // systemd names several folders with colons between them, where a unit has several.
    let systemd = || std::env::split_paths(&variable("STATE_DIRECTORY")?).next();
    configured
        .map(Path::to_owned)
        .or_else(systemd)
        .or_else(|| Some(absolute("XDG_STATE_HOME")?.join("capturebox")))
        .or_else(|| Some(absolute("HOME")?.join(".local/state/capturebox")))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("capturebox-state-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn the_folder_is_the_configured_one_else_that_of_systemd_else_of_xdg() {
        let all = [("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), ("XDG_STATE_HOME", "/xdg"), ("HOME", "/home/me")];
        let chosen = |configured: Option<&str>, set: &[(&str, &str)]| {
            let variable = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into());
            choose(configured.map(Path::new), variable).map(|path| path.to_str().expect("UTF-8").to_owned())
        };
        assert_eq!(chosen(Some("/srv/box"), &all).as_deref(), Some("/srv/box"));
        assert_eq!(chosen(None, &all).as_deref(), Some("/var/lib/a"));
        assert_eq!(chosen(None, &all[1..]).as_deref(), Some("/xdg/capturebox"));
        assert_eq!(chosen(None, &all[2..]).as_deref(), Some("/home/me/.local/state/capturebox"));
        let unusable = [("STATE_DIRECTORY", ""), ("XDG_STATE_HOME", "relative"), ("HOME", "/home/me")];
        assert_eq!(chosen(None, &unusable).as_deref(), Some("/home/me/.local/state/capturebox"));
        assert_eq!(chosen(None, &[]), None);
    }

    #[test]
    fn what_is_written_is_read_and_only_the_owner_reads_it() {
        let folder = Folder::new("write");
        let state = StateDir::open_at(folder.0.join("deep/er")).expect("made");
        assert_eq!(mode(state.path()), 0o700);
        assert_eq!(state.read("keys").expect("readable"), None);
        for text in [&b"one"[..], b"", b"another"] {
            state.write("keys", text).expect("written");
            assert_eq!(state.read("keys").expect("readable").as_deref(), Some(text));
        }
        assert_eq!(mode(&state.path().join("keys")), 0o600);
        let left: Vec<_> = state.path().read_dir().expect("listed").collect();
        assert_eq!(left.len(), 1, "nothing but the file: {left:?}");
        // Opened again, it is the same folder.
        let again = StateDir::open_at(state.path().to_owned()).expect("there already");
        assert_eq!(again.read("keys").expect("readable").as_deref(), Some(&b"another"[..]));
        for _ in 0..2 {
            again.remove("keys").expect("removed, or not there");
            assert_eq!(again.read("keys").expect("readable"), None);
        }
    }

    #[test]
    fn what_can_not_be_read_is_not_taken_for_missing() {
        let folder = Folder::new("errors");
        let state = StateDir::open_at(folder.0.clone()).expect("made");
        std::fs::create_dir(state.path().join("folder")).expect("made");
        assert!(matches!(state.read("folder"), Err(StateError::Read { .. })));
        assert!(matches!(state.write("folder", b"x"), Err(StateError::Write { .. })));
        File::create(state.path().join("long")).expect("made").set_len(MAX_FILE_LEN + 1).expect("sparse");
        assert!(matches!(state.read("long"), Err(StateError::Read { .. })));
        for name in ["", ".", "..", "../x", "a/b", "/etc/passwd"] {
            assert!(matches!(state.read(name), Err(StateError::Read { .. })), "{name}");
            assert!(matches!(state.write(name, b"x"), Err(StateError::Write { .. })), "{name}");
        }
        let left: Vec<_> = state
            .path()
            .read_dir()
            .expect("listed")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        assert_eq!(left.iter().filter(|name| name.ends_with(".new")).count(), 0, "{left:?}");
    }

    #[test]
    fn a_folder_that_others_write_to_is_refused() {
        let folder = Folder::new("open");
        std::fs::create_dir(&folder.0).expect("made");
        for (bits, good) in [(0o777, false), (0o770, false), (0o755, true), (0o700, true)] {
            std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(bits)).expect("ours");
            assert_eq!(StateDir::open_at(folder.0.clone()).is_ok(), good, "{bits:o}");
        }
    }
}
