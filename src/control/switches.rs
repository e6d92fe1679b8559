//! Which streams are muted, or show the slate: kept over a restart, so that no camera comes back by itself that
//! somebody switched off.

use super::Control;
use crate::state::{StateDir, StateError};
use crate::stream::Stream;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// In the state folder.
const FILE: &str = "switches.json";

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Switches {
    muted: BTreeSet<String>,
    private: BTreeSet<String>,
    /// What was kept can't be read: every stream begins silent and hidden, until somebody says otherwise.
    #[serde(skip)]
    unknown: bool,
}

impl Switches {
    fn note(&mut self, stream: &Stream) {
        for (set, on) in [(&mut self.muted, stream.is_muted()), (&mut self.private, stream.is_private())] {
            if on {
                set.insert(stream.name().to_owned());
            } else {
                set.remove(stream.name());
            }
        }
    }
}

impl Control {
    /// Says, once and before the first stream, where switches are kept. Where that is damaged, no camera shows and no
    /// microphone is heard that might have been off: all begin switched off, and the console switches them on.
    pub fn set_state_dir(&self, dir: Arc<StateDir>) -> Result<(), StateError> {
        if let Some(bytes) = dir.read(FILE)? {
            *self.switches() = serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                let file = dir.path().join(FILE);
                log::error!("{}: {error}; all streams begin muted and behind the slate", file.display());
                Switches { unknown: true, ..Switches::default() }
            });
        }
        // A second folder is the caller's mistake, and changes nothing.
        let _ = self.state_dir.set(dir);
        Ok(())
    }

    /// A new stream is as the one of its name was.
    pub(super) fn switch_as_before(&self, stream: &Stream) {
        let switches = self.switches();
        let was = |set: &BTreeSet<String>| switches.unknown || set.contains(stream.name());
        let (muted, private) = (was(&switches.muted), was(&switches.private));
        stream.set_muted(muted);
        stream.set_private(private);
        if muted || private {
            let how = [muted.then_some("muted"), private.then_some("shows the slate")];
            let how: Vec<_> = how.into_iter().flatten().collect();
            log::info!("{}: {}, as it was before", stream.name(), how.join(" and "));
        }
    }

    /// Keeps how the streams are switched now.
    pub(super) async fn keep_switches(self: &Arc<Self>) -> Result<(), StateError> {
        // One after the other: what is written last is what holds.
        let _one_at_a_time = self.keeping.lock().await;
        let now = {
            let mut switches = self.switches();
            self.streams().list().iter().for_each(|stream| switches.note(stream));
            switches.unknown = false;
            switches.clone()
        };
        let Some(dir) = self.state_dir.get().map(Arc::clone) else { return Ok(()) };
        let bytes = serde_json::to_vec(&now).expect("names can be written");
        let written = tokio::task::spawn_blocking(move || dir.write(FILE, &bytes));
        // The runtime is going.
        written.await.unwrap_or(Ok(()))
    }
}
