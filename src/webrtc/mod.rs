//! WebRTC: streams to browsers at conversational delay.
//!
//! `packets` makes RTP payloads of access units, once for all viewers; `viewer` is one viewer's connection
//! around the sans-IO core of the `rtc` crate; `server` is the one UDP socket with everybody behind it.
//! Not here: WHEP's requests and answers (`http`), who may watch (`access`), encoding.

mod key_frames;
mod packets;
pub mod server;
mod stun;
#[cfg(test)]
mod tests;
mod viewer;
