//! Sees what changes in the streams by itself, and tells it as events.
//!
//! Looks at every stream's state now and then, so that nothing that carries pictures has to know that
//! somebody listens.

use super::events::What;
use crate::stream::{Kind, SourceState, StreamStatus};
use std::collections::BTreeMap;

/// What the streams were like when they were last looked at.
#[derive(Debug, Default)]
pub(super) struct Seen {
    streams: BTreeMap<String, (BTreeMap<Kind, SourceState>, usize)>,
}

impl Seen {
    /// What has changed since the last look; each stream with how many watch or read it.
    pub fn look(&mut self, now: &[(StreamStatus, usize)]) -> Vec<What> {
        let mut changes = Vec::new();
        let mut streams = BTreeMap::new();
        for (status, count) in now {
            let (states, readers) = self.streams.remove(&status.name).unwrap_or_default();
            let stream = || status.name.clone();
            let mut seen = BTreeMap::new();
            for source in &status.sources {
                if states.get(&source.kind) != Some(&source.state) {
                    changes.push(state(stream(), source.kind, &source.state));
                }
                seen.insert(source.kind, source.state.clone());
            }
            let count = *count;
            if count > readers {
                changes.push(What::ReaderJoined { stream: stream(), readers: count });
            } else if count < readers {
                changes.push(What::ReaderLeft { stream: stream(), readers: count });
            }
            streams.insert(stream(), (seen, count));
        }
        self.streams = streams;
        changes
    }
}

fn state(stream: String, kind: Kind, state: &SourceState) -> What {
    let kind = match kind {
        Kind::Video => "video",
        Kind::Audio => "audio",
    };
    let (state, cause) = match state {
        SourceState::Starting => ("starting", None),
        SourceState::Live => ("live", None),
        SourceState::NoSignal { cause } => ("no_signal", Some(cause.clone())),
        SourceState::Ended => ("ended", None),
    };
    What::SourceState { stream, kind, state, cause }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Limits, Stream};

    #[test]
    fn changes_are_told_once() {
        let mut seen = Seen::default();
        let stream = Stream::new("camera", Limits::default());
        let publisher = stream.publish().expect("free");
        let audience = std::cell::Cell::new(0);
        let mut names = |stream: &std::sync::Arc<Stream>| {
            seen.look(&[(stream.status(), audience.get())]).iter().map(What::name).collect::<Vec<_>>()
        };
        assert!(names(&stream).is_empty());
        publisher.set_state(Kind::Video, SourceState::Live);
        audience.set(2);
        assert_eq!(names(&stream), ["source_state", "reader_joined"]);
        assert!(names(&stream).is_empty());
        publisher.set_state(Kind::Video, SourceState::NoSignal { cause: "no cable".to_owned() });
        audience.set(1);
        assert_eq!(names(&stream), ["source_state", "reader_left"]);
    }
}
