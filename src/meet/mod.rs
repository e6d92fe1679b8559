//! Rooms: people who see and hear each other through the box.
//!
//! ```text
//! WebSocket ─ line ─▶ hall ─▶ room (who is in)      microphone, camera, screen of each
//!                      │                                        ▼
//!                      └─▶ stage ── seats ─▶ forward ─▶ what each receives
//! ```
//!
//! `message` is what is said over a WebSocket, which
//! `PROTOCOL.md` beside this file describes; `room` is who is in a room and what they may; `speaker` who
//! speaks; `seats` which of the others one receives, `forward` their packets under one numbering.
//! Not here: WebSockets (`http`), connections (`webrtc`), who may come at all (`access`).

mod flow;
mod forward;
pub mod hall;
mod member;
pub mod message;
mod room;
mod seats;
mod shell;
mod speaker;
mod stage;
#[cfg(test)]
mod tests;

pub use hall::{Coming, RoomStatus, Settings};
pub use room::digest;
pub use shell::{Push, Rooms, Visitor};
