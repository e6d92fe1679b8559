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
    /// Says, once and before the first stream, where switches are kept; a file that can't be read is an error,
    /// because a camera that was off would be on.
    pub fn set_state_dir(&self, dir: Arc<StateDir>) -> Result<(), StateError> {
        if let Some(bytes) = dir.read(FILE)? {
            let broken =
                |error: serde_json::Error| StateError::Read { path: dir.path().join(FILE), error: error.into() };
            *self.switches() = serde_json::from_slice(&bytes).map_err(broken)?;
        }
        // A second folder is the caller's mistake, and changes nothing.
        let _ = self.state_dir.set(dir);
        Ok(())
    }

    /// A new stream is as the one of its name was.
    pub(super) fn switch_as_before(&self, stream: &Stream) {
        let switches = self.switches();
        let (muted, private) = (switches.muted.contains(stream.name()), switches.private.contains(stream.name()));
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
        let now = {
            let mut switches = self.switches();
            self.streams().list().iter().for_each(|stream| switches.note(stream));
            switches.clone()
        };
        let Some(dir) = self.state_dir.get().map(Arc::clone) else { return Ok(()) };
        let bytes = serde_json::to_vec(&now).expect("names can be written");
        let written = tokio::task::spawn_blocking(move || dir.write(FILE, &bytes));
        // The runtime is going.
        written.await.unwrap_or(Ok(()))
    }
}
