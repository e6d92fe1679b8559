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
    pub(super) const fn wants(self, track: TrackId) -> bool {
        match self {
            Self::Both => true,
            Self::Video => track.is_video(),
            Self::Audio => !track.is_video(),
        }
    }
}
