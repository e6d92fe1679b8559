//! The table of the decision: what is asked × what the stream's policy says × what the caller has.

use super::{Action, Refusal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an account may do; each may also do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Watch, and see how the box is.
    Viewer,
    /// Publish, start, stop, mark.
    Operator,
    /// Everything.
    Admin,
}

/// For whom a stream is. Each lets in fewer than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// Everybody.
    Public,
    /// Private and link-local addresses and loopback; others with a token or an account.
    Lan,
    /// Whoever has a token for it, or an account.
    Token,
    /// Accounts alone.
    Account,
}

/// One stream's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamPolicies {
    pub view: Policy,
    pub publish: Policy,
}

impl Default for StreamPolicies {
    fn default() -> Self {
        Self { view: Policy::Lan, publish: Policy::Token }
    }
}

/// Those of all streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    /// For metrics, and for streams that aren't named below.
    pub default: StreamPolicies,
    pub streams: BTreeMap<String, StreamPolicies>,
    /// Who may come into rooms.
    pub rooms: Policy,
}

impl Default for Policies {
    fn default() -> Self {
        Self { default: StreamPolicies::default(), streams: BTreeMap::new(), rooms: Policy::Lan }
    }
}

impl Policies {
    /// `None` where no policy matters: those things are for accounts.
    pub(super) fn of(&self, action: &Action<'_>) -> Option<Policy> {
        let stream = |name: &str| self.streams.get(name).copied().unwrap_or(self.default);
        match action {
            Action::View(name) => Some(stream(name).view),
            Action::Publish(name) => Some(stream(name).publish),
            Action::Metrics => Some(self.default.view),
            Action::Meet(_) => Some(self.rooms),
            Action::Observe | Action::Operate | Action::Administer => None,
        }
    }
}

/// What a caller turned out to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// A good token; whether its scope reaches what is asked for.
    Token {
        covers: bool,
    },
    Account(Role),
}

/// Whether the address alone opens the door, whatever else the caller has.
pub(super) fn open_to(policy: Option<Policy>, neighbour: bool) -> bool {
    match policy {
        Some(Policy::Public) => true,
        Some(Policy::Lan) => neighbour,
        Some(Policy::Token | Policy::Account) | None => false,
    }
}

/// Whether what the caller has opens it.
pub(super) fn opens(action: &Action<'_>, policy: Option<Policy>, standing: Standing) -> Result<(), Refusal> {
    let needed = match action {
        Action::View(_) | Action::Metrics | Action::Meet(_) | Action::Observe => Role::Viewer,
        Action::Publish(_) | Action::Operate => Role::Operator,
        Action::Administer => Role::Admin,
    };
    let opens = match standing {
        Standing::Token { covers } => covers && policy.is_some_and(|policy| policy != Policy::Account),
        Standing::Account(role) => role >= needed,
    };
    if opens { Ok(()) } else { Err(Refusal::Forbidden) }
}
