//! What a request gets.

use bytes::Bytes;

/// The answer to one [`super::Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Ready(Resource),
    /// It will come: ask again when there is news. [`super::live::LiveHls::respond`] never returns this.
    Wait,
    /// A blocking reload beyond what may be asked for (RFC 8216bis §6.2.5.2): 400.
    TooFarAhead,
    /// Not here any more, or never was: 404.
    Gone,
    /// Too many wait already: 503.
    Busy,
    /// It didn't come within three target durations (RFC 8216bis §6.2.5.2): 503.
    TimedOut,
}

/// Bytes to send. Everything in it is shared, nothing copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    pub content_type: &'static str,
    pub cache: Cache,
    /// One after the other; a segment is its parts.
    pub body: Vec<Bytes>,
    /// The same as `body`, compressed, where that pays: playlists.
    pub gzip: Option<Bytes>,
}

impl Resource {
    /// Bytes of the body.
    pub fn len(&self) -> usize {
        self.body.iter().map(Bytes::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How long a response may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// Never changes under its URL.
    Immutable,
    /// A playlist as it is now.
    Playlist { max_age_s: u32 },
    /// A playlist asked for with `_HLS_msn`: that version stays right for longer.
    BlockingPlaylist { max_age_s: u32 },
}
