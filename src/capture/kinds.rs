//! Which of picture and sound is taken from a source that has both.

use crate::media::TrackId;

/// Picture, sound, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kinds {
    #[default]
    Both,
    Video,
    Audio,
}

impl Kinds {
    pub const fn wants(self, track: TrackId) -> bool {
        match self {
            Self::Both => true,
            Self::Video => track.is_video(),
            Self::Audio => !track.is_video(),
        }
    }

    /// Whether something is of both.
    pub fn meets(self, other: Self) -> bool {
        self == Self::Both || other == Self::Both || self == other
    }
}
