//! Who may do what: accounts, tokens, sessions, and the one decision over them.
//!
//! Data flows: a protocol makes a [`Caller`] of what it was handed (an address, a credential) and an
//! [`Action`] of what is asked for; [`Access::decide`] says [`Who`] that is, or refuses. `policy` holds the
//! table of the decision, `book` what is kept on disk, `sessions`, `throttle` and `viewing` what isn't,
//! `live` holds them together and does the slow part, passwords, off the network threads.
//! Not here: HTTP, cookies, headers, or any other protocol: all of them ask the same question.
//!
//! Invariants: secrets are kept as hashes only, and never logged; there is no default password; whoever
//! changes something is an account, never an address; everything that outsiders can make grow is bounded.

mod address;
mod book;
mod live;
mod password;
mod policy;
mod secret;
mod sessions;
mod throttle;
mod viewing;

#[cfg(test)]
mod tests;

pub use address::is_lan;
pub use book::{Account, AccountName, BookError, Scope, Token, TokenRequest};
pub use live::{Access, AccessError, ChangeError, SignInError};
pub use password::{PasswordError, PasswordHash};
pub use policy::{Policies, Policy, Role, StreamPolicies};
pub use viewing::is_key;

use crate::time::MonoTime;
// The standard library's address types are plain values; from `core`, because a core opens no socket.
use core::net::IpAddr;

/// What somebody wants to do. Streams are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<'a> {
    View(&'a str),
    Publish(&'a str),
    /// Come into a room.
    Meet(&'a str),
    /// Read the counters of all streams.
    Metrics,
    /// See the console: system, log, devices, events.
    Observe,
    /// Start, stop, ask for a key frame, set a bitrate, mark.
    Operate,
    /// Configuration, tokens, accounts.
    Administer,
}

/// What a caller shows to be let in.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    None,
    Token(String),
    Session(String),
    /// A viewing key, out of an address that the box itself gave out.
    Key(String),
}

/// Credentials don't appear in logs.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token(…)",
            Self::Session(_) => "Session(…)",
            Self::Key(_) => "Key(…)",
        })
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// `None` where the address says nothing about who asks, as when a browser asks for a page of somebody
    /// else's: a web site isn't a neighbour because its visitor is.
    pub address: Option<IpAddr>,
    pub credential: Credential,
}

/// As whom a caller was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// It is public.
    Anybody,
    /// It is for the LAN, and the address is of it.
    Neighbour,
    /// A token, by its id.
    Token(String),
    Account {
        name: String,
        role: Role,
    },
}

/// Tokens, sessions and keys are too long to be guessed, so a wrong one is refused and not counted; tries at
/// passwords are ([`SignInError::TooManyTries`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no credential, or none that is good (any more).
    SignIn,
    /// The credential is good, and doesn't reach this far.
    Forbidden,
}

/// The box's two clocks: what ends on a date is measured by the one that survives a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub mono: MonoTime,
    /// Seconds since 1970.
    pub unix_s: u64,
}
