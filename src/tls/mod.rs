//! The box's certificate: from files, or made by the box itself; always the right one, and never a restart
//! for it.
//!
//! Data flows: `names` says what the box is called; `authority` (a local CA, kept in the state folder) makes
//! certificates for that; `renewal` says when a new one is due; `files` reads those of others; [`Tls`] is the
//! shell that looks every few seconds and puts the current one where every handshake finds it; `profile`
//! writes the authority for devices. Not here: sockets and handshakes (`http`).
//!
//! Invariants: the authority can speak for the box's own names and for private addresses only (name
//! constraints), so that who trusts it trusts the box and nothing more; its key never leaves the state
//! folder; a certificate that can't be read or made leaves the old one in place.

mod authority;
mod files;
mod keeper;
mod names;
mod profile;
mod renewal;

pub use authority::{AuthorityError, Paper};
pub use keeper::{Tls, TlsError};
pub use profile::mobileconfig;

/// What HTTP/2 is called in the handshake (RFC 7301, RFC 9113 §3.2).
pub const ALPN_HTTP2: &[u8] = b"h2";
/// What HTTP/1.1 is called there.
const ALPN_HTTP1: &[u8] = b"http/1.1";
