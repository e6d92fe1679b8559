//! A room as one: everybody's picture in one picture, everybody's sound in one sound, and for each person the sound
//! without their own.
//!
//! `layout` says where tiles are, `compositor` draws them; `voice` is one person's jitter buffer, `sum` adds voices up;
//! `governor` says how much of it can be done in time. `room` is all that together, sans-IO, and `mixer` its thread.
//!
//! Not here: who is in a room and how they are connected (`meet`, `webrtc`), encoding pictures (the pipeline of the
//! stream that the room becomes).

mod compositor;
mod governor;
mod layout;
mod mixer;
mod room;
mod sum;
mod voice;

pub use compositor::{Compositor, Person};
pub use layout::{Layout, arrange};
pub use mixer::{MixError, Mixer};
pub use room::{Input, MAX_PEOPLE, Output, Settings, Source};
pub use sum::BLOCK_FRAMES;

/// Somebody in a room, for as long as they are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonId(pub u64);
