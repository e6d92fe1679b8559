//! What is asked for: the path below the stream, and the query.

use thiserror::Error;

/// One start of a packager. Everything but the multivariant playlist stands below it, so nothing ever
/// changes under a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session(u64);

impl Session {
    /// Any number that no start before this one had.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

impl std::fmt::Display for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendition {
    Video,
    Audio,
}

impl Rendition {
    /// As it stands in URLs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
        }
    }
}

/// A request, parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// `index.m3u8`
    Multivariant,
    /// `{session}/video.m3u8`
    Playlist { session: Session, rendition: Rendition, directives: Directives },
    /// `{session}/video/init-N.mp4`
    Init { session: Session, rendition: Rendition, revision: u32 },
    /// `{session}/video/MSN.m4s`
    Segment { session: Session, rendition: Rendition, msn: u64 },
    /// `{session}/video/MSN.PART.m4s`
    Part { session: Session, rendition: Rendition, msn: u64, part: u32 },
}

/// Delivery directives, RFC 8216bis §6.2.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Directives {
    /// `_HLS_msn`
    pub msn: Option<u64>,
    /// `_HLS_part`
    pub part: Option<u32>,
    /// `_HLS_skip`
    pub skip: bool,
}

/// A delivery directive that can't be meant: 400.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadQuery {
    #[error("{directive} is no number: `{value}`")]
    NotANumber { directive: &'static str, value: String },
    #[error("_HLS_part needs _HLS_msn")]
    PartWithoutMsn,
    #[error("_HLS_skip is YES or v2, not `{value}`")]
    BadSkip { value: String },
    #[error("{directive} is given twice")]
    Twice { directive: &'static str },
}

/// Longest piece of a bad query that an error repeats, bytes.
const MAX_QUOTED: usize = 32;

impl Request {
    /// Parses a path below the stream, without a leading slash, and the query as it stands in the URL.
    /// `None`: not a path of ours, 404. Parameters that aren't delivery directives are left to others.
    pub fn parse(path: &str, query: Option<&str>) -> Option<Result<Self, BadQuery>> {
        if path == "index.m3u8" {
            return Some(Ok(Self::Multivariant));
        }
        let (session, rest) = path.split_once('/')?;
        let session = parse_session(session)?;
        let (rendition, file) = match rest.split_once('/') {
            None => {
                let rendition = parse_rendition(rest.strip_suffix(".m3u8")?)?;
                return Some(Directives::parse(query).map(|directives| Self::Playlist {
                    session,
                    rendition,
                    directives,
                }));
            }
            Some((rendition, file)) => (parse_rendition(rendition)?, file),
        };
        if let Some(revision) = file.strip_prefix("init-").and_then(|rest| rest.strip_suffix(".mp4")) {
            return Some(Ok(Self::Init { session, rendition, revision: number(revision)?.try_into().ok()? }));
        }
        let numbers = file.strip_suffix(".m4s")?;
        Some(Ok(match numbers.split_once('.') {
            None => Self::Segment { session, rendition, msn: number(numbers)? },
            Some((msn, part)) => {
                Self::Part { session, rendition, msn: number(msn)?, part: number(part)?.try_into().ok()? }
            }
        }))
    }
}

impl Request {
    /// `None`: the multivariant playlist, which is about all.
    pub const fn rendition(&self) -> Option<Rendition> {
        match *self {
            Self::Multivariant => None,
            Self::Playlist { rendition, .. }
            | Self::Init { rendition, .. }
            | Self::Segment { rendition, .. }
            | Self::Part { rendition, .. } => Some(rendition),
        }
    }
}

impl Directives {
    fn parse(query: Option<&str>) -> Result<Self, BadQuery> {
        let (mut msn, mut part, mut skip) = (None, None, None);
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (slot, directive) = match name {
                "_HLS_msn" => (&mut msn, "_HLS_msn"),
                "_HLS_part" => (&mut part, "_HLS_part"),
                "_HLS_skip" => (&mut skip, "_HLS_skip"),
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(BadQuery::Twice { directive });
            }
        }
        let parse = |value: Option<&str>, directive| match value {
            None => Ok(None),
            Some(value) => match number(value) {
                Some(number) => Ok(Some(number)),
                None => Err(BadQuery::NotANumber { directive, value: quoted(value) }),
            },
        };
        let msn = parse(msn, "_HLS_msn")?;
        // Any part index beyond a segment's last means the same, so clamping loses nothing.
        let part = parse(part, "_HLS_part")?.map(|part| u32::try_from(part).unwrap_or(u32::MAX));
        if part.is_some() && msn.is_none() {
            return Err(BadQuery::PartWithoutMsn);
        }
        let skip = match skip {
            None => false,
            Some("YES" | "v2") => true,
            Some(value) => return Err(BadQuery::BadSkip { value: quoted(value) }),
        };
        Ok(Self { msn, part, skip })
    }
}

fn parse_session(text: &str) -> Option<Session> {
    let session = Session(u64::from_str_radix(text, 16).ok()?);
    // One way to write each: no sign, no capitals, no leading zeros.
    (session.to_string() == text).then_some(session)
}

fn parse_rendition(text: &str) -> Option<Rendition> {
    match text {
        "video" => Some(Rendition::Video),
        "audio" => Some(Rendition::Audio),
        _ => None,
    }
}

/// A decimal-integer as RFC 8216bis §4.2 writes it, without leading zeros so that URLs are unique.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = digits && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

fn quoted(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).take(MAX_QUOTED).collect()
}
