//! What is said about a room, as JSON: every message with its fields bounded. `PROTOCOL.md` describes them.

use crate::mix::Layout;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The WebSocket's subprotocol.
pub const SUBPROTOCOL: &str = "capturebox.room.v1";
pub const VERSION: u32 = 1;

/// A message, bytes: an offer of a room full of people.
pub const MAX_MESSAGE: usize = 64 << 10;
/// Any other, bytes.
const MAX_SMALL: usize = 4 << 10;
const MAX_SDP: usize = 60_000;
const MAX_CANDIDATE: usize = 512;
const MAX_PASSWORD: usize = 256;
/// Of a participant or a mid, bytes.
const MAX_ID: usize = 16;
const MAX_STREAM: usize = 64;
const MAX_CHAT: usize = 1_000;
pub const MAX_NAME: usize = 64;
/// Pictures that one can be sent at once.
pub const MAX_SHOWN: usize = 16;
/// 8K; no screen shows more.
const MAX_HEIGHT: u32 = 4_320;

/// What somebody sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Microphone,
    Camera,
    Screen,
    /// What the box makes of everybody's, in rooms that are mixed.
    #[serde(skip_deserializing)]
    Mix,
}

/// A picture that a client shows, and how high, pixels.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    pub participant: String,
    pub source: Source,
    pub height: u32,
}

/// What is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct On {
    pub audio: bool,
    pub video: bool,
    pub screen: bool,
}

impl On {
    pub fn of(self, source: Source) -> bool {
        match source {
            Source::Microphone => self.audio,
            Source::Camera => self.video,
            Source::Screen => self.screen,
            Source::Mix => true,
        }
    }
}

/// What two clients say to each other to connect directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    Offer,
    Answer,
    Candidate,
}

/// How it goes with the direct connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// What the other sends is there.
    Plays,
    /// It can't be made, or is lost.
    Lost,
}

/// From a client.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Said {
    Join {
        name: String,
        password: Option<String>,
        host_password: Option<String>,
        resume: Option<String>,
    },
    Offer {
        connection: u32,
        sdp: String,
        #[serde(default)]
        tracks: BTreeMap<String, Source>,
    },
    Candidate {
        connection: u32,
        #[serde(default)]
        candidate: String,
    },
    Media {
        audio: bool,
        video: bool,
        screen: bool,
    },
    Layout {
        show: Vec<Shown>,
    },
    Chat {
        text: String,
    },
    Hand {
        raised: bool,
    },
    Direct {
        call: u32,
        state: Progress,
    },
    Peer {
        call: u32,
        kind: Signal,
        text: String,
        mid: Option<String>,
    },
    Leave {},
    Mute {
        participant: String,
    },
    Remove {
        participant: String,
    },
    Bring {
        stream: String,
    },
    Dismiss {
        stream: String,
    },
    Lock {
        password: Option<String>,
    },
    Broadcast {
        on: bool,
        layout: Option<Layout>,
    },
}

/// Not a message of this protocol: what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub String);

impl Said {
    /// Reads one, and holds each field to its bounds.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let wrong = |what: &str| Malformed(what.to_owned());
        if text.len() > MAX_MESSAGE {
            return Err(wrong("the message is too long"));
        }
        let said: Self = serde_json::from_str(text).map_err(|error| Malformed(error.to_string()))?;
        let describes = matches!(said, Self::Offer { .. } | Self::Peer { kind: Signal::Offer | Signal::Answer, .. });
        if text.len() > MAX_SMALL && !describes {
            return Err(wrong("the message is too long"));
        }
        if said.is_bounded() { Ok(said) } else { Err(wrong("a field is empty, too long or out of range")) }
    }

    /// Whether it may come over the data channel.
    pub fn is_small_talk(&self) -> bool {
        matches!(self, Self::Chat { .. } | Self::Hand { .. })
    }

    fn is_bounded(&self) -> bool {
        let within = |text: &str, most| (1..=most).contains(&text.len());
        let optional = |text: &Option<String>| text.as_ref().is_none_or(|text| text.len() <= MAX_PASSWORD);
        match self {
            // Its name is answered more kindly.
            Self::Join { name: _, password, host_password, resume } => {
                [password, host_password, resume].into_iter().all(optional)
            }
            Self::Offer { connection, sdp, tracks } => {
                let sources: BTreeSet<_> = tracks.values().collect();
                let once = sources.len() == tracks.len();
                *connection > 0 && within(sdp, MAX_SDP) && once && tracks.keys().all(|mid| within(mid, MAX_ID))
            }
            Self::Candidate { connection, candidate } => *connection > 0 && candidate.len() <= MAX_CANDIDATE,
            Self::Peer { call: _, kind, text, mid } => {
                let (begins, most) = match kind {
                    Signal::Offer | Signal::Answer => ("v=0", MAX_SDP),
                    Signal::Candidate => ("candidate:", MAX_CANDIDATE),
                };
                text.starts_with(begins) && text.len() <= most && mid.as_ref().is_none_or(|mid| within(mid, MAX_ID))
            }
            Self::Layout { show } => {
                let good = |shown: &Shown| {
                    within(&shown.participant, MAX_ID)
                        && shown.source != Source::Microphone
                        && (1..=MAX_HEIGHT).contains(&shown.height)
                };
                show.len() <= MAX_SHOWN && show.iter().all(good)
            }
            Self::Chat { text } => {
                let printable = |c: char| !c.is_control() || c == '\n' || c == '\t';
                (1..=MAX_CHAT).contains(&text.chars().count()) && text.chars().all(printable)
            }
            Self::Mute { participant } | Self::Remove { participant } => within(participant, MAX_ID),
            Self::Bring { stream } | Self::Dismiss { stream } => within(stream, MAX_STREAM),
            Self::Lock { password } => password.as_ref().is_none_or(|password| within(password, MAX_PASSWORD)),
            Self::Media { .. } | Self::Hand { .. } | Self::Direct { .. } | Self::Leave {} | Self::Broadcast { .. } => {
                true
            }
        }
    }
}

/// A name as it is shown; `None`: it is none.
pub fn name(text: &str) -> Option<String> {
    let name = text.trim();
    let good = (1..=MAX_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    good.then(|| name.to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Person,
    /// A stream of the box.
    Camera,
}

/// As the others see somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Participant {
    pub id: String,
    pub name: String,
    pub kind: Kind,
    pub host: bool,
    pub here: bool,
    pub hand: bool,
    pub audio: bool,
    pub video: bool,
    pub screen: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IceServer {
    pub urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bounds {
    pub people: usize,
    pub video_bps: u32,
    pub audio_bps: u32,
    pub place_ms: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Welcome {
    pub version: u32,
    pub id: String,
    pub name: String,
    pub host: bool,
    pub resumed: bool,
    pub resume: String,
    pub room: String,
    pub mode: &'static str,
    pub locked: bool,
    pub broadcast: Option<String>,
    pub streams: Vec<String>,
    pub ice_servers: Vec<IceServer>,
    pub limits: Bounds,
}

/// Who is on a mid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seat {
    pub participant: String,
    pub source: Source,
}

/// How somebody's connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    Good,
    Fair,
    Poor,
}

/// To a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Told {
    Welcome(Box<Welcome>),
    Room { locked: bool, broadcast: Option<String> },
    Participants { participants: Vec<Participant> },
    Receive { audio: usize, video: usize },
    Answer { connection: u32, sdp: String },
    Assign { connection: u32, mids: BTreeMap<String, Seat> },
    Speaker { participant: Option<String> },
    Levels { levels: BTreeMap<String, u8> },
    Quality { quality: BTreeMap<String, Quality> },
    Chat { from: String, name: String, text: String, unix_ms: u64 },
    Direct { call: u32, with: Option<String>, offers: bool, plays: bool },
    Peer { call: u32, kind: Signal, text: String, mid: Option<String> },
    Muted { by: String },
    Removed { by: String },
    Error { code: &'static str, message: String, fatal: bool },
}

impl Told {
    /// Nothing in it can't be JSON.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Why something isn't done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Password,
    HostPassword,
    Wait,
    Name,
    Full,
    Removed,
    Malformed,
    Order,
    Flood,
    Offer,
    Candidate,
    Host,
    Participant,
    Ending,
}

impl Trouble {
    /// In the words of the protocol, and of people.
    pub fn told(self) -> Told {
        let (code, message) = match self {
            Self::Password => ("password", "This room has a password, and that isn't it."),
            Self::HostPassword => ("host_password", "That isn't the hosts' password."),
            Self::Wait => ("wait", "Too many wrong passwords. Wait half a minute, and try again."),
            Self::Name => ("name", "A name has 1 to 64 characters. Choose another one."),
            Self::Full => ("full", "There is no place left. Try again later."),
            Self::Removed => ("removed", "A host has put you out. Ask them, and come back in a minute."),
            Self::Malformed => ("malformed", "The page sent something that the box doesn't know. Load it again."),
            Self::Order => ("order", "The page sent something out of turn. Load it again."),
            Self::Flood => ("flood", "Too much was sent at once. Load the page again."),
            Self::Offer => ("offer", "The box can't take this browser's offer; it takes H.264 and Opus."),
            Self::Candidate => ("candidate", "The box can't read one of this browser's addresses."),
            Self::Host => ("host", "Only hosts can do that."),
            Self::Participant => ("participant", "There is nobody of that name here any more."),
            Self::Ending => ("ending", "The box is stopping. Come back in a moment."),
        };
        self.with(code, message.to_owned())
    }

    fn with(self, code: &'static str, message: String) -> Told {
        Told::Error { code, message, fatal: self.is_fatal() }
    }

    pub fn is_fatal(self) -> bool {
        match self {
            Self::Full | Self::Removed | Self::Malformed | Self::Order | Self::Flood | Self::Ending => true,
            Self::Password
            | Self::HostPassword
            | Self::Wait
            | Self::Name
            | Self::Offer
            | Self::Candidate
            | Self::Host
            | Self::Participant => false,
        }
    }
}

/// How the box closes a WebSocket.
pub mod close {
    pub const LEFT: u16 = 1_000;
    pub const ENDING: u16 = 1_001;
    pub const REFUSED: u16 = 4_000;
    pub const REMOVED: u16 = 4_001;
    pub const ELSEWHERE: u16 = 4_002;
    pub const UNHEARD: u16 = 4_003;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every JSON block of the protocol's description that a client sends is read, and every other one is refused.
    #[test]
    fn the_examples_of_the_description_are_messages() {
        let (client, server) = include_str!("PROTOCOL.md").split_once("## Box to client").expect("two parts");
        let blocks = |text: &str| -> Vec<String> {
            text.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
        };
        let examples = blocks(client);
        assert!(examples.len() >= 7, "{examples:?}");
        for line in examples.iter().flat_map(|block| block.lines()) {
            assert!(Said::parse(line).is_ok(), "{line}: {:?}", Said::parse(line));
        }
        let told = blocks(server);
        assert!(told.len() >= 12, "{told:?}");
        for block in told {
            let value: serde_json::Value = serde_json::from_str(&block).expect("JSON");
            assert!(value.get("type").is_some(), "{block}");
        }
    }

    #[test]
    fn what_the_box_says_is_what_the_description_shows() {
        let told = [
            (
                Told::Room { locked: true, broadcast: Some("room-choir".to_owned()) },
                r#"{"type":"room","locked":true,"broadcast":"room-choir"}"#,
            ),
            (Told::Receive { audio: 3, video: 4 }, r#"{"type":"receive","audio":3,"video":4}"#),
            (Told::Speaker { participant: None }, r#"{"type":"speaker","participant":null}"#),
            (
                Told::Assign {
                    connection: 1,
                    mids: [("4".to_owned(), Seat { participant: "p2".to_owned(), source: Source::Microphone })].into(),
                },
                r#"{"type":"assign","connection":1,"mids":{"4":{"participant":"p2","source":"microphone"}}}"#,
            ),
            (
                Trouble::Host.told(),
                r#"{"type":"error","code":"host","message":"Only hosts can do that.","fatal":false}"#,
            ),
        ];
        for (told, text) in told {
            assert_eq!(told.text(), text);
        }
    }

    #[test]
    fn fields_are_held_to_their_bounds() {
        let long = "x".repeat(5_000);
        let bad = [
            String::new(),
            "[]".to_owned(),
            "{}".to_owned(),
            r#"{"type":"join"}"#.to_owned(),
            r#"{"type":"leave","why":"x"}"#.to_owned(),
            r#"{"type":"offer","connection":0,"sdp":"v=0"}"#.to_owned(),
            r#"{"type":"offer","connection":1,"sdp":""}"#.to_owned(),
            r#"{"type":"offer","connection":-1,"sdp":"v=0"}"#.to_owned(),
            r#"{"type":"offer","connection":1,"sdp":"v=0","tracks":{"0":"camera","1":"camera"}}"#.to_owned(),
            r#"{"type":"layout","show":[{"participant":"p1","source":"microphone","height":9}]}"#.to_owned(),
            r#"{"type":"layout","show":[{"participant":"p1","source":"camera","height":0}]}"#.to_owned(),
            r#"{"type":"chat","text":""}"#.to_owned(),
            r#"{"type":"chat","text":"a\u0000b"}"#.to_owned(),
            format!(r#"{{"type":"chat","text":"{}"}}"#, "x".repeat(1_001)),
            format!(r#"{{"type":"join","name":"{long}"}}"#),
            format!(r#"{{"type":"mute","participant":"{}"}}"#, "x".repeat(17)),
            format!(r#"{{"type":"candidate","connection":1,"candidate":"{}"}}"#, "x".repeat(513)),
        ];
        for text in bad {
            assert!(Said::parse(&text).is_err(), "{text}");
        }
        assert_eq!(name("  Ada \t"), Some("Ada".to_owned()));
        for bad in ["", "   ", "a\nb", &"x".repeat(65)] {
            assert_eq!(name(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,200}", keys in proptest::collection::vec("[a-z_]{1,9}", 0..5)) {
            let _ = Said::parse(&text);
            let fields: Vec<_> = keys.iter().map(|key| format!("\"{key}\":1")).collect();
            let _ = Said::parse(&format!("{{\"type\":\"join\",{}}}", fields.join(",")));
        }
    }
}
