//! What changes on the box, told to whoever listens: the API's event stream, webhooks.

use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::broadcast;

/// Events that a slow listener may be behind; then it has missed some.
const BACKLOG: usize = 256;

/// Something has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Counts from 1 since the start of the box.
    pub id: u64,
    /// When, ms since 1970.
    pub unix_ms: i64,
    #[serde(flatten)]
    pub what: What,
}

/// `{"event": "source_state", "stream": "camera", …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    StreamStarted {
        stream: String,
    },
    StreamStopped {
        stream: String,
    },
    /// A source is `starting`, `live`, has `no_signal` (and why), or has `ended`.
    SourceState {
        stream: String,
        kind: &'static str,
        state: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    },
    /// Somebody has begun to watch a stream, or an output to read it; `readers` is how many there are now.
    ReaderJoined {
        stream: String,
        readers: usize,
    },
    ReaderLeft {
        stream: String,
        readers: usize,
    },
    /// Somebody marked this moment of a stream: a number, and the media time, µs.
    Mark {
        stream: String,
        mark: u64,
        media_us: i64,
    },
    /// Silence stands for a stream's sound from now on, or no more.
    Mute {
        stream: String,
        on: bool,
    },
    /// The slate stands for a stream's picture from now on, or no more.
    Slate {
        stream: String,
        on: bool,
    },
    /// The board suffers from something from now on, or no more.
    Board {
        trouble: &'static str,
        on: bool,
    },
    /// What a board that is held back leaves undone from now on.
    Load {
        load: &'static str,
    },
    /// Somebody wants to know where the box is.
    Address {
        address: String,
    },
    /// The configuration has been replaced.
    ConfigurationChanged,
    /// Little is left of the storage that the box writes to.
    DiskLow {
        path: String,
        free_bytes: u64,
    },
    /// Enough is left again.
    DiskOk {
        path: String,
        free_bytes: u64,
    },
}

impl What {
    /// Its name, as in the JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::StreamStarted { .. } => "stream_started",
            Self::StreamStopped { .. } => "stream_stopped",
            Self::SourceState { .. } => "source_state",
            Self::ReaderJoined { .. } => "reader_joined",
            Self::ReaderLeft { .. } => "reader_left",
            Self::Mark { .. } => "mark",
            Self::Mute { .. } => "mute",
            Self::Slate { .. } => "slate",
            Self::Board { .. } => "board",
            Self::Load { .. } => "load",
            Self::Address { .. } => "address",
            Self::ConfigurationChanged => "configuration_changed",
            Self::DiskLow { .. } => "disk_low",
            Self::DiskOk { .. } => "disk_ok",
        }
    }

    /// The stream it is about.
    pub fn stream(&self) -> Option<&str> {
        match self {
            Self::StreamStarted { stream }
            | Self::StreamStopped { stream }
            | Self::SourceState { stream, .. }
            | Self::Mark { stream, .. }
            | Self::Mute { stream, .. }
            | Self::Slate { stream, .. }
            | Self::ReaderJoined { stream, .. }
            | Self::ReaderLeft { stream, .. } => Some(stream),
            Self::Board { .. }
            | Self::Load { .. }
            | Self::Address { .. }
            | Self::ConfigurationChanged
            | Self::DiskLow { .. }
            | Self::DiskOk { .. } => None,
        }
    }
}

/// Where events are told and heard. Clones are one.
#[derive(Debug, Clone)]
pub struct Events {
    listeners: broadcast::Sender<Event>,
    told: Arc<AtomicU64>,
}

impl Default for Events {
    fn default() -> Self {
        Self { listeners: broadcast::Sender::new(BACKLOG), told: Arc::default() }
    }
}

impl Events {
    /// Never waits for a listener.
    pub fn tell(&self, unix_ms: i64, what: What) {
        let id = self.told.fetch_add(1, Ordering::Relaxed) + 1;
        log::debug!("event {id}: {what:?}");
        // An error would mean that nobody listens.
        let _ = self.listeners.send(Event { id, unix_ms, what });
    }

    /// How many listen now.
    pub fn listeners(&self) -> usize {
        self.listeners.receiver_count()
    }

    /// Hears everything from now on; who is more than 256 events behind is told that it lagged.
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.listeners.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_as_json() {
        let what = What::SourceState {
            stream: "camera".to_owned(),
            kind: "video",
            state: "no_signal",
            cause: Some("no cable".to_owned()),
        };
        let name = what.name();
        let event = serde_json::to_value(Event { id: 7, unix_ms: 1, what }).expect("plain");
        assert_eq!(event["event"], name);
        assert_eq!(
            event,
            serde_json::json!({ "id": 7, "unix_ms": 1, "event": "source_state", "stream": "camera",
                "kind": "video", "state": "no_signal", "cause": "no cable" })
        );
    }

    #[tokio::test]
    async fn a_listener_that_does_not_listen_has_missed_some_and_holds_nobody_up() {
        let events = Events::default();
        let (mut slow, mut quick) = (events.listen(), events.listen());
        for _ in 0..BACKLOG * 2 {
            events.tell(0, What::ConfigurationChanged);
            quick.recv().await.expect("in time");
        }
        assert!(matches!(slow.recv().await, Err(broadcast::error::RecvError::Lagged(_))));
    }
}
