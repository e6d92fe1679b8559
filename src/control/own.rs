//! The actions that the box can do by itself: mute, slate and mark on its streams, and programs of the system.
//!
//! Not here: the list of all actions (`actions`), showing the address, which whoever knows it registers.

use super::actions::{Act, ActionError, Order, Run};
use super::{Control, State, What, program};
use crate::config::{ActionsConfig, Inputs, StreamConfig};
use crate::stream::Stream;
use std::sync::Arc;

/// Remembers this moment.
pub struct Mark;

/// A switch of streams.
pub(super) struct Switch {
    name: &'static str,
    title: &'static str,
    /// Which streams have what is switched, and what that is called.
    has: fn(&StreamConfig) -> bool,
    what: &'static str,
    is_on: fn(&Stream) -> bool,
    set: fn(&Stream, bool),
    told: fn(String, bool) -> What,
    /// What is said of a stream that is on, or off.
    said: [&'static str; 2],
}

/// Silence in the place of the sound.
pub(super) const MUTE: Switch = Switch {
    name: "mute",
    title: "Mute",
    has: |config| !matches!(config.inputs, Inputs::Separate { audio: None, .. }),
    what: "sound",
    is_on: Stream::is_muted,
    set: Stream::set_muted,
    told: |stream, on| What::Mute { stream, on },
    said: ["the sound goes out", "muted"],
};

/// The slate in the place of the picture.
pub(super) const SLATE: Switch = Switch {
    name: "slate",
    title: "Slate",
    has: |config| !matches!(config.inputs, Inputs::Separate { video: None, .. }),
    what: "picture",
    is_on: Stream::is_private,
    set: Stream::set_private,
    told: |stream, on| What::Slate { stream, on },
    said: ["the picture goes out", "the slate is shown in the place of the picture"],
};

impl Switch {
    /// The streams that it can be switched on: the named one, or all.
    fn streams(&self, control: &Control, name: Option<&str>) -> Vec<Arc<Stream>> {
        let wanted = |stream: &Arc<Stream>| {
            let has = control.entries().get(stream.name()).is_some_and(|entry| (self.has)(&entry.config));
            has && name.is_none_or(|name| name == stream.name())
        };
        control.streams().list().into_iter().filter(wanted).collect()
    }

    /// Of each stream that it is for, whether it is on.
    pub fn states(&self, control: &Control) -> Vec<bool> {
        self.streams(control, None).iter().map(|stream| (self.is_on)(stream)).collect()
    }

    /// Of several streams, it is on when it is for all.
    fn on_for(&self, control: &Control, name: Option<&str>) -> bool {
        let streams = self.streams(control, name);
        !streams.is_empty() && streams.iter().all(|stream| (self.is_on)(stream))
    }

    fn turn<'a>(&'a self, control: &'a Arc<Control>, order: &'a Order) -> Run<'a> {
        Box::pin(async move {
            let name = order.stream.as_deref();
            let streams = self.streams(control, name);
            if streams.is_empty() {
                let who = name.unwrap_or("the box");
                return Err(ActionError::Refused { why: format!("{who} has no {}", self.what) });
            }
            let on = order.on.unwrap_or_else(|| !self.on_for(control, name));
            for stream in &streams {
                if (self.is_on)(stream) != on {
                    (self.set)(stream, on);
                    control.tell((self.told)(stream.name().to_owned(), on));
                }
            }
            let names: Vec<_> = streams.iter().map(|stream| stream.name()).collect();
            let said = format!("{}: {}", names.join(", "), self.said[usize::from(on)]);
            match control.keep_switches().await {
                Ok(()) => Ok(said),
                // It is done, which matters more.
                Err(error) => Ok(format!("{said}; after a restart it will not be: {error}")),
            }
        })
    }
}

impl Act for Switch {
    fn name(&self) -> &'static str {
        self.name
    }

    fn title(&self) -> &'static str {
        self.title
    }

    fn on_streams(&self) -> bool {
        true
    }

    fn is_on(&self, control: &Control, stream: Option<&str>) -> Option<bool> {
        Some(self.on_for(control, stream))
    }

    fn run<'a>(&'a self, control: &'a Arc<Control>, order: &'a Order) -> Run<'a> {
        self.turn(control, order)
    }
}

impl Act for Mark {
    fn name(&self) -> &'static str {
        "mark"
    }

    fn title(&self) -> &'static str {
        "Mark"
    }

    fn on_streams(&self) -> bool {
        true
    }

    fn refusal(&self, control: &Control) -> Option<String> {
        let runs = |stream: &Arc<Stream>| control.state(stream.name()) == Some(State::Running);
        (!control.streams().list().iter().any(runs)).then(|| "no stream runs that could be marked".to_owned())
    }

    fn run<'a>(&'a self, control: &'a Arc<Control>, order: &'a Order) -> Run<'a> {
        Box::pin(async move {
            let wanted = |name: &str| order.stream.as_deref().is_none_or(|wanted| wanted == name);
            let runs = |name: &str| control.state(name) == Some(State::Running);
            let streams = control.streams().list();
            let names = streams.iter().map(|stream| stream.name()).filter(|name| wanted(name) && runs(name));
            let names: Vec<_> = names.collect();
            if names.is_empty() {
                return Err(ActionError::Refused { why: "it is stopped: there is no moment to mark".to_owned() });
            }
            Ok(format!("mark {}", control.mark(&names).number))
        })
    }
}

/// A program of the system: `shut_down`, `restart_network`.
pub struct Program {
    pub name: &'static str,
    pub title: &'static str,
    /// What is said when it went well.
    pub done: &'static str,
    pub command: fn(ActionsConfig) -> Vec<String>,
}

impl Program {
    /// All there are.
    pub fn all() -> [Self; 2] {
        [
            Self {
                name: "restart_network",
                title: "Restart the network",
                done: "the network is being set up anew",
                command: |config| config.restart_network,
            },
            Self {
                name: "shut_down",
                title: "Shut down",
                done: "the box shuts down",
                command: |config| config.shut_down,
            },
        ]
    }
}

impl Act for Program {
    fn name(&self) -> &'static str {
        self.name
    }

    fn title(&self) -> &'static str {
        self.title
    }

    fn administers(&self) -> bool {
        true
    }

    fn run<'a>(&'a self, control: &'a Arc<Control>, _: &'a Order) -> Run<'a> {
        Box::pin(async move {
            program::run(&(self.command)(control.actions_config())).await.map_err(|why| ActionError::Failed { why })?;
            Ok(self.done.to_owned())
        })
    }
}
