//! What can be done with the box at the touch of a button: one list, that buttons, the API and the console
//! all go by.
//!
//! Whoever can do something registers it here as an [`Act`]; nothing else knows what there is.
//! Not here: what the actions of the box itself do (`own`), buttons (`panel`), who may (`access`).

use super::Control;
use serde::Serialize;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use thiserror::Error;

/// One thing that can be done.
pub trait Act: Send + Sync {
    /// As it stands in a configuration and in the API: `show_address`.
    fn name(&self) -> &'static str;

    /// For people: `Show the address`.
    fn title(&self) -> &'static str;

    /// Whether it can be done to one stream; else it is the whole box's.
    fn on_streams(&self) -> bool {
        false
    }

    /// Whether it is for administrators alone, and not for operators too.
    fn administers(&self) -> bool {
        false
    }

    /// Whether it is on, for what is switched on and off; of all streams where none is named.
    fn is_on(&self, _control: &Control, _stream: Option<&str>) -> Option<bool> {
        None
    }

    /// Why it can't be done now, for people.
    fn refusal(&self, _control: &Control) -> Option<String> {
        None
    }

    /// Does it, and says so in a sentence for people.
    fn run<'a>(&'a self, control: &'a Arc<Control>, order: &'a Order) -> Run<'a>;
}

pub type Run<'a> = Pin<Box<dyn Future<Output = Result<String, ActionError>> + Send + 'a>>;

/// How something is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// To this stream; otherwise to all.
    pub stream: Option<String>,
    /// Switch it on, or off; otherwise whichever it isn't.
    pub on: Option<bool>,
}

#[derive(Debug, Error)]
pub enum ActionError {
    #[error("there is no action {name}; there are {there_are}")]
    Unknown { name: String, there_are: String },
    #[error("there is no stream of that name")]
    NoStream,
    #[error("{action} is for the whole box, not for one stream")]
    NotOnStreams { action: &'static str },
    #[error("{action} is done, not switched on and off")]
    NoSwitch { action: &'static str },
    /// It can't be done as things are.
    #[error("{why}")]
    Refused { why: String },
    /// It was tried.
    #[error("{why}")]
    Failed { why: String },
}

/// An action as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    pub name: &'static str,
    pub title: &'static str,
    /// Whether one stream can be named.
    pub on_streams: bool,
    /// Whether only an administrator may do it over the network.
    pub administers: bool,
    /// `None`: it isn't switched on and off. Of streams: on for all that it can be on for.
    pub on: Option<bool>,
    pub available: bool,
    /// Why it isn't available.
    pub cause: Option<String>,
}

/// The list, in the order in which actions registered.
#[derive(Default)]
pub struct Actions {
    list: RwLock<Vec<Arc<dyn Act>>>,
}

impl Actions {
    /// Puts an action on the list, in the place of one of that name.
    pub fn register(&self, act: impl Act + 'static) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        list.retain(|other| other.name() != act.name());
        list.push(Arc::new(act));
    }

    pub fn list(&self) -> Vec<Arc<dyn Act>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn find(&self, name: &str) -> Result<Arc<dyn Act>, ActionError> {
        let list = self.list();
        list.iter().find(|act| act.name() == name).cloned().ok_or_else(|| ActionError::Unknown {
            name: name.to_owned(),
            there_are: list.iter().map(|act| act.name()).collect::<Vec<_>>().join(", "),
        })
    }
}

impl Control {
    /// Does what an action is for, to its end, also when whoever waits for it goes away: restarting the network
    /// cuts the connection that asked for it. `by` is who wants it, for the log.
    pub async fn act(self: &Arc<Self>, name: &str, order: &Order, by: &str) -> Result<String, ActionError> {
        let act = self.actions().find(name)?;
        let (control, order, by) = (Arc::clone(self), order.clone(), by.to_owned());
        let doing = self.runtime.spawn(async move {
            let (done, name) = (control.done(&*act, &order).await, act.name());
            match &done {
                Ok(said) => log::info!("{by}: {name}: {said}"),
                Err(error) => log::warn!("{by}: {name}: {error}"),
            }
            done
        });
        doing.await.unwrap_or_else(|_| Err(ActionError::Failed { why: "it broke off; the log says why".to_owned() }))
    }

    /// Whether an action is the administrator's alone; `false` for one that isn't there.
    pub fn administers(&self, name: &str) -> bool {
        self.actions().find(name).is_ok_and(|act| act.administers())
    }

    /// What a button is for, without waiting for it; what becomes of it stands in the log. A button's stream is for
    /// those of its presses that are for streams.
    pub fn act_later(self: &Arc<Self>, name: &'static str, mut order: Order, by: String) {
        let control = Arc::clone(self);
        order.stream = order.stream.filter(|_| self.actions().find(name).is_ok_and(|act| act.on_streams()));
        self.runtime.spawn(async move {
            let _ = control.act(name, &order, &by).await;
        });
    }

    async fn done(self: &Arc<Self>, act: &dyn Act, order: &Order) -> Result<String, ActionError> {
        match &order.stream {
            Some(_) if !act.on_streams() => return Err(ActionError::NotOnStreams { action: act.name() }),
            Some(name) if self.streams().get(name).is_none() => return Err(ActionError::NoStream),
            _ => {}
        }
        if order.on.is_some() && act.is_on(self, order.stream.as_deref()).is_none() {
            return Err(ActionError::NoSwitch { action: act.name() });
        }
        if let Some(why) = self.refusal(act) {
            return Err(ActionError::Refused { why });
        }
        act.run(self, order).await
    }

    fn refusal(&self, act: &dyn Act) -> Option<String> {
        let off = self.actions_config().off.contains(&act.name());
        if off { Some("the configuration has it off ([actions])".to_owned()) } else { act.refusal(self) }
    }

    /// Every action there is, and how it stands.
    pub fn actions_shown(&self) -> Vec<Shown> {
        let shown = |act: &Arc<dyn Act>| {
            let cause = self.refusal(&**act);
            Shown {
                name: act.name(),
                title: act.title(),
                on_streams: act.on_streams(),
                administers: act.administers(),
                on: act.is_on(self, None),
                available: cause.is_none(),
                cause,
            }
        };
        self.actions().list().iter().map(shown).collect()
    }
}
