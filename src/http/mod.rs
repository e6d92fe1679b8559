//! The box's web server: the page, the API, and low-latency HLS for any number of viewers.
//!
//! Data flows: [`Server`] accepts (`listener`) and shakes hands where TLS is on, `connection` speaks
//! HTTP/1.1 or HTTP/2 under the limits that `watch` holds, `route` turns a path into what is asked for, `site` answers it.
//! Not here: what a playlist says and when a part is ready (`package`), who may see it (the room
//! [`crate::access`]; the one question is asked in `access`).
//!
//! Invariants: every limit has a name in [`Limits`]; media is never copied, only its `Bytes` are shared;
//! a connection is one task, over HTTP/2 one more a request; bytes from outside never panic; a request's
//! body is read only after access has been granted, and only where an endpoint takes one.

mod access;
mod api;
mod assets;
mod body;
mod census;
mod connection;
mod counts;
mod headers;
mod history;
mod https;
mod listener;
mod media;
mod metrics;
mod offers;
mod problem;
mod range;
mod rooms;
mod route;
mod sdpfrag;
mod setup;
mod site;
mod watch;

pub use counts::ConnectionCounts;
pub use https::{HttpsError, open as open_https};
pub use listener::{BindError, Server};
pub use offers::RealTime;
pub use range::{ByteRange, RangeRequest};
pub use route::Route;
pub use sdpfrag::Fragment;
pub use setup::{Setup, Trust};
pub use site::Site;
pub use watch::Limits;

#[cfg(test)]
mod tests;
