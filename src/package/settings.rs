//! What a packager is made with.

/// All of it is fixed for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// About how long a part is, ms; PART-TARGET is the nearest run of whole frames.
    pub part_ms: u32,
    /// A segment ends at the first key frame from here on, ms.
    pub segment_ms: u32,
    /// Segments in the playlist.
    pub window: usize,
    /// How far apart key frames are, ms; `None` when the source decides (straight through).
    pub gop_ms: Option<u32>,
    /// Whether pictures, or sound, are to come: the multivariant playlist waits for them a little while.
    pub expect_video: bool,
    pub expect_audio: bool,
}
