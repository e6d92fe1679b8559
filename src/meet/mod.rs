//! Rooms: people who see and hear each other through the box.
//!
//! ```text
//! WebSocket ─ line ─▶ hall ─▶ room (who is in)      microphone, camera, screen of each
//!                      │                                        ▼
//!                      └─▶ stage ── seats ─▶ forward ─▶ what each receives
//! ```
//!
//! `message` is what is said over a WebSocket, which `PROTOCOL.md` beside this file describes; `hall` all rooms and
//! those who knock, `shell` its task; `room` is who is in a room and what they may, `speaker` who speaks; `stage` is
//! a room's media, `member` those of one person, `flow` one RTP stream that comes; `seats` which of the others one
//! receives, `forward` their packets under one numbering. `tap` is what a room's mixer (`mix`) is told, `broadcast`
//! the mixer and the stream that it becomes; `direct` leads two people to each other past the box.
//! Not here: WebSockets (`http`), connections (`webrtc`), who may come at all (`access`).

mod broadcast;
mod direct;
mod flow;
mod forward;
pub mod hall;
mod member;
pub mod message;
#[cfg(test)]
mod mix_tests;
mod room;
mod seats;
mod shell;
mod speaker;
mod stage;
mod tap;
#[cfg(test)]
mod tests;

pub use hall::{Coming, Mixing, RoomStatus, Settings};
pub use room::digest;
pub use shell::{Push, Rooms, Visitor};
