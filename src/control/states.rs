//! What a light can show: one list, that lights, the API and the console all go by.
//!
//! Whoever knows how something is registers it here; nothing else knows what there is.

use super::{Control, State, own};
use crate::stream::{SourceState, Stream};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shine {
    Off,
    /// Some of it is so, or it is about to be.
    Partly,
    On,
}

impl Shine {
    fn of(is: bool) -> Self {
        if is { Self::On } else { Self::Off }
    }

    /// Of several.
    fn of_all(all: impl Iterator<Item = bool>) -> Self {
        let (mut some, mut others) = (false, false);
        for is in all {
            some |= is;
            others |= !is;
        }
        match (some, others) {
            (false, _) => Self::Off,
            (true, true) => Self::Partly,
            (true, false) => Self::On,
        }
    }
}

type Tell = Box<dyn Fn(&Control) -> Shine + Send + Sync>;

/// The list, in the order in which states registered.
#[derive(Default)]
pub struct States {
    list: RwLock<Vec<(&'static str, Arc<Tell>)>>,
}

/// Everything that a light could show, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status(Vec<(&'static str, Shine)>);

impl Status {
    /// What nobody tells is off.
    pub fn of(&self, state: &str) -> Shine {
        self.0.iter().find(|(name, _)| *name == state).map_or(Shine::Off, |(_, shine)| *shine)
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(name, _)| *name)
    }
}

impl FromIterator<(&'static str, Shine)> for Status {
    fn from_iter<T: IntoIterator<Item = (&'static str, Shine)>>(states: T) -> Self {
        Self(states.into_iter().collect())
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.iter().copied().collect::<BTreeMap<_, _>>().serialize(serializer)
    }
}

impl States {
    /// Those that the box knows by itself.
    pub(super) fn own() -> Self {
        let states = Self::default();
        states.register("power", |_| Shine::On);
        states.register("ready", |control| {
            let of = |stream: &Arc<Stream>| control.state(stream.name());
            let all: Vec<_> = control.streams().list().iter().filter_map(of).collect();
            if all.is_empty() {
                Shine::Partly
            } else {
                Shine::of_all(all.into_iter().map(|state| state == State::Running))
            }
        });
        states.register("signal", |control| Shine::of_all(running(control).map(|stream| has_signal(&stream))));
        states
            .register("live", |control| Shine::of(running(control).any(|stream| control.with_audience(&stream).1 > 0)));
        states.register("mute", |control| Shine::of_all(own::MUTE.states(control).into_iter()));
        states.register("slate", |control| Shine::of_all(own::SLATE.states(control).into_iter()));
        states.register("disk_low", |control| Shine::of(control.disk_is_low()));
        states.register("too_hot", |control| Shine::of(control.troubles().too_hot));
        states.register("throttled", |control| Shine::of(control.troubles().throttled));
        states.register("under_voltage", |control| Shine::of(control.troubles().under_voltage));
        states
    }

    /// Puts a state on the list, in the place of one of that name.
    pub fn register(&self, name: &'static str, tell: impl Fn(&Control) -> Shine + Send + Sync + 'static) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        list.retain(|(other, _)| *other != name);
        list.push((name, Arc::new(Box::new(tell))));
    }
}

impl Control {
    /// How everything is that a light can show.
    pub fn status(&self) -> Status {
        let list = self.states().list.read().unwrap_or_else(PoisonError::into_inner).clone();
        list.iter().map(|(name, tell)| (*name, tell(self))).collect()
    }
}

fn running(control: &Control) -> impl Iterator<Item = Arc<Stream>> {
    let all = control.streams().list().into_iter();
    all.filter(|stream| control.state(stream.name()) == Some(State::Running))
}

fn has_signal(stream: &Stream) -> bool {
    let sources = stream.status().sources;
    !sources.is_empty() && sources.iter().all(|source| source.state == SourceState::Live)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_all_some_or_none() {
        let of = |all: &[bool]| Shine::of_all(all.iter().copied());
        assert_eq!(
            [of(&[]), of(&[false]), of(&[true, false]), of(&[true, true])],
            [Shine::Off, Shine::Off, Shine::Partly, Shine::On]
        );
    }
}
