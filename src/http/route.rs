//! A request's path → what is asked for. Knows no stream that runs, only the shape of paths.

use crate::config::{RESERVED, is_segment};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    /// `/`
    Home,
    /// `/assets/{name}`
    Asset(&'a str),
    /// `/metrics`
    Metrics,
    /// `/setup`, and what is below it: how devices come to trust the box.
    Setup(&'a str),
    /// `/rooms/{room}/ws`: the WebSocket of somebody who comes in.
    RoomSocket(&'a str),
    /// Below `/api/v1/`; which endpoint that is, and with which methods, says the table of the API.
    Api(&'a str),
    /// `/{stream}`: its page is one slash further.
    StreamWithoutSlash(&'a str),
    /// `/{stream}/`
    StreamPage(&'a str),
    /// `/{stream}/publish`: the page to send a stream from, whether there is one of that name or not.
    PublishPage,
    /// `/rooms/{room}`
    RoomPage,
    /// `/{stream}/whep`, and below it one viewer's session (RFC 9725's conventions).
    Watch {
        stream: &'a str,
        session: Option<&'a str>,
    },
    /// `/{stream}/whip`: to publish into it, and below it, a session.
    Publish {
        stream: &'a str,
        session: Option<&'a str>,
    },
    /// `/{stream}/…`: playlists and media.
    Media {
        stream: &'a str,
        path: &'a str,
    },
    Unknown,
}

impl<'a> Route<'a> {
    /// `path` as it came, without the query. Nothing of ours needs percent-encoding, so what has it is
    /// unknown, and there is nothing to decode twice.
    pub fn of(path: &'a str) -> Self {
        let Some(path) = path.strip_prefix('/') else { return Self::Unknown };
        let (first, rest) = match path.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (path, None),
        };
        match (first, rest) {
            ("", None) => Self::Home,
            ("metrics", None) => Self::Metrics,
            ("setup", None) => Self::Setup(""),
            ("setup", Some(name)) if is_segment(name) => Self::Setup(name),
            ("assets", Some(name)) if is_segment(name) => Self::Asset(name),
            ("api", Some(rest)) => match rest.strip_prefix("v1/") {
                Some(path) if path.split('/').all(is_segment) => Self::Api(path),
                _ => Self::Unknown,
            },
            ("rooms", Some(rest)) => match rest.split_once('/') {
                None if is_room(rest) => Self::RoomPage,
                Some((room, "ws")) if is_room(room) => Self::RoomSocket(room),
                _ => Self::Unknown,
            },
            (name, _) if RESERVED.contains(&name) || !is_segment(name) => Self::Unknown,
            (stream, None) => Self::StreamWithoutSlash(stream),
            (stream, Some("")) => Self::StreamPage(stream),
            (_, Some("publish")) => Self::PublishPage,
            (stream, Some("whep")) => Self::Watch { stream, session: None },
            (stream, Some("whip")) => Self::Publish { stream, session: None },
            (stream, Some(path)) if path.split('/').all(is_segment) => match path.split_once('/') {
                Some(("whep", session)) if is_segment(session) => Self::Watch { stream, session: Some(session) },
                Some(("whip", session)) if is_segment(session) => Self::Publish { stream, session: Some(session) },
                _ => Self::Media { stream, path },
            },
            _ => Self::Unknown,
        }
    }
}

/// Whether this can be a room's name: with `room-` before it, it can be a stream's.
fn is_room(name: &str) -> bool {
    const MAX_LEN: usize = 48;
    is_segment(name) && name.len() <= MAX_LEN
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn route_table() {
        use Route::{
            Api, Asset, Home, Media, Metrics, Publish, PublishPage, RoomPage, RoomSocket, Setup, StreamPage,
            StreamWithoutSlash, Unknown, Watch,
        };
        let table = [
            ("/", Home),
            ("/metrics", Metrics),
            ("/metrics/", Unknown),
            ("/setup", Setup("")),
            ("/setup/ca.mobileconfig", Setup("ca.mobileconfig")),
            ("/setup/", Unknown),
            ("/setup/../ca", Unknown),
            ("/camera", StreamWithoutSlash("camera")),
            ("/camera/", StreamPage("camera")),
            ("/camera/publish", PublishPage),
            ("/camera/publish/", Unknown),
            ("/rooms/choir", RoomPage),
            ("/rooms/publish", RoomPage),
            ("/rooms", Unknown),
            ("/rooms/", Unknown),
            ("/rooms/..", Unknown),
            ("/camera/index.m3u8", Media { stream: "camera", path: "index.m3u8" }),
            ("/a.b-c_d/s1/video/7.3.m4s", Media { stream: "a.b-c_d", path: "s1/video/7.3.m4s" }),
            ("/camera/whep", Watch { stream: "camera", session: None }),
            ("/camera/whep/0af3", Watch { stream: "camera", session: Some("0af3") }),
            ("/camera/whip", Publish { stream: "camera", session: None }),
            ("/camera/whip/0af3", Publish { stream: "camera", session: Some("0af3") }),
            ("/camera/whep/", Unknown),
            ("/camera/whep/0af3/x", Media { stream: "camera", path: "whep/0af3/x" }),
            ("/rooms/choir/ws", RoomSocket("choir")),
            ("/rooms/../ws", Unknown),
            ("/rooms/choir/", Unknown),
            ("/rooms/choir/ws/", Unknown),
            ("/rooms/a-name-of-many-letters-and-then-some-more-than-48", Unknown),
            ("/assets/main-0123.js", Asset("main-0123.js")),
            ("/api/v1/streams", Api("streams")),
            ("/api/v1/streams/camera/start", Api("streams/camera/start")),
            ("", Unknown),
            ("camera/", Unknown),
            ("*", Unknown),
            ("//", Unknown),
            ("//camera/", Unknown),
            ("/api", Unknown),
            ("/api/", Unknown),
            ("/api/v1/streams/", Unknown),
            ("/api/v1/../streams", Unknown),
            ("/api/v2/streams", Unknown),
            ("/live/index.m3u8", Unknown),
            ("/assets/", Unknown),
            ("/assets/../main.rs", Unknown),
            ("/./", Unknown),
            ("/../etc/passwd", Unknown),
            ("/camera/../desk/index.m3u8", Unknown),
            ("/camera//index.m3u8", Unknown),
            ("/camera/s1/", Unknown),
            ("/camera/%2e%2e/x", Unknown),
            ("/cam%65ra/", Unknown),
            ("/cam era/", Unknown),
            ("/cam\\era/", Unknown),
            ("/caméra/", Unknown),
        ];
        for (path, expected) in table {
            assert_eq!(Route::of(path), expected, "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn no_path_leads_out(path in "(/|%2e|\\.|[a-z]|%|\\PC){0,12}") {
            if let Route::Media { stream, path } = Route::of(&path) {
                prop_assert!(path.split('/').chain([stream]).all(|segment| segment != ".." && !segment.contains('%')));
            }
        }
    }
}
