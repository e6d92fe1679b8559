//! WebRTC: streams to and from browsers at conversational delay.
//!
//! `peer` is one connection around the sans-IO core of the `rtc` crate: what is negotiated stands in `codecs`, what
//! encoders offer otherwise than browsers in `encoders`, what later offers say in `again`, what is heard by RTCP in
//! `rtcp`, by which way the peer is reached in `path` (TCP's connections in `tcp`), what leaves when in `pacer`, and
//! what travels together in `train`. `server` is the one UDP socket with everybody behind it (`remotes`: whose which
//! address is), but those whom `branch` gives to others.
//!
//! `packets` makes RTP payloads of access units, once for all viewers; `viewer` is what somebody who watches a stream
//! is sent, `layers` which of its renditions that is, and `feeder` where that comes from. The other way round,
//! `inbound` makes pictures and sound of the packets that somebody who publishes sends, and `publisher` hands them to
//! the stream.
//!
//! Not here: WHEP's and WHIP's requests and answers (`http`), who may watch or publish (`access`), encoding.

mod again;
pub mod branch;
pub mod codecs;
mod encoders;
pub mod feeder;
pub mod inbound;
pub mod layers;
mod pacer;
pub mod packets;
pub mod path;
pub mod peer;
mod publisher;
pub mod remotes;
pub mod rtcp;
pub mod server;
pub mod stun;
pub mod tcp;
#[cfg(test)]
mod tests;
pub mod train;
mod viewer;

pub use packets::Kind;
pub use server::Server;
