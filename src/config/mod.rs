//! `capturebox.toml` → validated types. Unknown keys are refused, with the line.
//!
//! Everything here is already checked: the rest of the program never meets a bad value. Whether a
//! device, a program or a file is there isn't checked: that can change while the box runs, and is the
//! capture room's to say.
//!
//! Reading goes over the spanned TOML tables by hand rather than through serde's derive, because serde
//! stops at the first error and the person at the keyboard wants all of them, each with its line.

mod actions;
mod discovery;
pub mod edit;
mod http;
mod panel;
mod problem;
mod pushes;
mod rooms;
#[cfg(test)]
mod schema_tests;
mod section;
mod sources;
mod streams;
#[cfg(test)]
mod tests;
mod value;
mod webhooks;
mod webrtc;

pub use actions::{ACTIONS, ActionsConfig};
pub use discovery::DiscoveryConfig;
pub use http::{HttpConfig, Listen};
pub use panel::{Active, ButtonConfig, LightConfig, LightPattern, Line, LineConfig, PanelConfig, Pull, STATES};
pub use problem::{ConfigError, Problem};
pub use pushes::PushConfig;
pub use rooms::{RoomLayout, RoomMode, RoomsConfig};
pub use webhooks::{EVENTS, Secret, WebhookConfig};
pub use webrtc::{TurnLogin, WebrtcConfig};

/// What can be configured, as a JSON Schema (2020-12).
pub const SCHEMA: &str = include_str!("schema.json");

use crate::access::{PasswordHash, Policies, Policy, StreamPolicies};
use crate::encode::{EncoderChoice, Profile};
use crate::time::FrameRate;
use problem::Document;
use section::{Field, Section};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use thiserror::Error;
use toml::de::DeTable;

/// A configuration is written by hand; whatever is larger is another file. Bytes.
const MAX_FILE_LEN: u64 = 1 << 20;
/// Each stream has threads and an encoder of its own; a small board runs out of cores long before.
pub const MAX_STREAMS: usize = 16;
/// It stands in URLs, logs and thread names.
pub const MAX_NAME_LEN: usize = 64;
/// What the audio encoders take.
pub const MAX_CHANNELS: u16 = 2;
/// What a source of sound can deliver, Hz; it is resampled.
pub const RATE_HZ: RangeInclusive<u32> = 8_000..=192_000;
/// Below, nothing can be made out; above, H.264 level 4 and a home's network end.
pub const VIDEO_BITRATE_BPS: RangeInclusive<u32> = 50_000..=50_000_000;
/// What AAC-LC at 48 kHz can do.
pub const AUDIO_BITRATE_BPS: RangeInclusive<u32> = 16_000..=320_000;
/// Shorter wastes bits, longer makes viewers wait for a key frame.
pub const GOP_MS: RangeInclusive<u32> = 100..=10_000;
/// Shorter costs a request each few frames; longer isn't low latency.
pub const PART_MS: RangeInclusive<u32> = 50..=1_000;
/// The playlist counts in whole seconds; longer makes viewers wait at the start.
pub const SEGMENT_MS: RangeInclusive<u32> = 500..=10_000;
/// Players hold back three target durations.
pub const WINDOW: RangeInclusive<u32> = 3..=60;
/// How much of a stream its playlist may keep in memory: going further back is a recording's job.
pub const MAX_HISTORY_S: u64 = 120;

/// First segments of paths that the box has other uses for.
pub const RESERVED: [&str; 7] = ["api", "metrics", "setup", "rooms", "recordings", "live", "assets"];

/// The default has no streams.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    pub http: HttpConfig,
    pub streams: BTreeMap<StreamName, StreamConfig>,
    pub access: AccessConfig,
    /// Where the box keeps accounts and keys; `None`: where the system has such things.
    pub state_dir: Option<PathBuf>,
    pub discovery: DiscoveryConfig,
    pub webhooks: Vec<WebhookConfig>,
    pub actions: ActionsConfig,
    pub panel: PanelConfig,
    pub webrtc: WebrtcConfig,
    pub rooms: RoomsConfig,
}

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let cannot = |error| ConfigError::Read { file: path.to_owned(), error };
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(MAX_FILE_LEN + 1).read_to_end(&mut bytes))
            .map_err(cannot)?;
        if bytes.len() as u64 > MAX_FILE_LEN {
            let message = format!("longer than {MAX_FILE_LEN} bytes: this is no configuration");
            return Err(cannot(std::io::Error::other(message)));
        }
        let file = path.display().to_string();
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::parse(text, &file),
            Err(error) => {
                let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let message = "a byte that is not UTF-8; save the file as UTF-8 text".to_owned();
                let text = String::from_utf8_lossy(good);
                let problem = Problem::at(&text, text.len(), String::new(), message);
                Err(ConfigError::Invalid { file, problems: vec![problem] })
            }
        }
    }

    /// Checks a text; `file` is what messages call it.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let document = Document::new(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            // What was recovered from bad syntax is a guess: nothing else is said about it.
            for error in &errors {
                let at = error.span().map_or(0, |span| span.start);
                document.refuse(at, "", format!("not TOML: {}", error.message().replace('\n', " ")));
            }
            return document.finish(file, ()).and(Ok(Self::default()));
        }
        let root = Section::root(&document, table.get_ref());
        let streams = root.section("streams").map_or_else(BTreeMap::new, |section| streams::streams(&section));
        let names: Vec<_> = streams.keys().map(StreamName::as_str).collect();
        let actions = root.section("actions").map_or_else(ActionsConfig::default, |section| actions::read(&section));
        let panel = root.section("panel").map(|section| panel::read(&section, &names, &actions.off));
        let http = root.section("http").map_or_else(HttpConfig::default, |section| http::http(&section));
        let webrtc = webrtc::read(root.section("webrtc").as_ref(), http.listen);
        let config = Self {
            http,
            streams,
            access: root.section("access").map_or_else(AccessConfig::default, |section| access(&section)),
            state_dir: root.field("state_dir").and_then(|field| state_dir(&field)),
            discovery: root
                .section("discovery")
                .map_or_else(DiscoveryConfig::default, |section| discovery::read(&section)),
            webhooks: webhooks::read(&root),
            actions,
            panel: panel.unwrap_or_default(),
            webrtc,
            rooms: root.section("rooms").map_or_else(RoomsConfig::default, |section| rooms::read(&section)),
        };
        root.finish();
        document.finish(file, config)
    }

    /// Where each stream is published as well, of those that are anywhere.
    pub fn pushes(&self) -> BTreeMap<String, Vec<PushConfig>> {
        let pushed = self.streams.iter().filter(|(_, stream)| !stream.pushes.is_empty());
        pushed.map(|(name, stream)| (name.as_str().to_owned(), stream.pushes.clone())).collect()
    }

    /// For whom each stream is.
    pub fn policies(&self) -> Policies {
        let AccessConfig { view, publish, .. } = self.access;
        let of = |stream: &StreamConfig| StreamPolicies {
            view: stream.access.view.unwrap_or(view),
            publish: stream.access.publish.unwrap_or(publish),
        };
        Policies {
            default: StreamPolicies { view, publish },
            rooms: self.rooms.join,
            streams: self.streams.iter().map(|(name, stream)| (name.as_str().to_owned(), of(stream))).collect(),
        }
    }

    /// What runs when nothing is configured: one stream, `camera`, from this camera and this
    /// microphone; without a camera, from the test picture and, without a microphone, its tone.
    pub fn automatic(camera: Option<PathBuf>, microphone: Option<String>) -> Self {
        let mut config = Self::default();
        config.add_automatic_stream(camera, microphone);
        config
    }

    /// The stream of [`Config::automatic`] as it would stand in a file.
    pub fn automatic_text(camera: Option<&Path>, microphone: Option<&str>) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let camera = camera.map(|device| quoted(&device.to_string_lossy()));
        let lines = match (camera, microphone.map(quoted)) {
            (None, None) => "input = { source = \"test\" }\n".to_owned(),
            (camera, microphone) => {
                let video = camera.map_or_else(
                    || "{ source = \"test\" }".to_owned(),
                    |device| format!("{{ source = \"v4l2\", device = {device} }}"),
                );
                let audio = microphone.map(|device| format!("audio = {{ source = \"alsa\", device = {device} }}\n"));
                format!("video = {video}\n{}", audio.unwrap_or_default())
            }
        };
        format!("# Chosen by the box, because no stream was configured.\n[streams.camera]\n{lines}")
    }

    /// Gives a configuration without streams the one of [`Config::automatic`].
    pub fn add_automatic_stream(&mut self, camera: Option<PathBuf>, microphone: Option<String>) {
        let audio = microphone.map(|device| AudioSource::Alsa { device, rate_hz: None, channels: None });
        let (size, frame_rate) = (sources::TEST_SIZE, sources::TEST_FRAME_RATE);
        let inputs = match (camera, audio) {
            (None, None) => Inputs::Both(InputSource::Test { size, frame_rate }),
            (None, audio) => Inputs::Separate { video: Some(VideoSource::Test { size, frame_rate }), audio },
            (Some(device), audio) => {
                let video =
                    VideoSource::V4l2 { device, size: None, frame_rate: None, format: None, edid: EdidChoice::Own };
                Inputs::Separate { video: Some(video), audio }
            }
        };
        let stream = StreamConfig {
            inputs,
            encode: EncodeConfig::default(),
            hls: HlsConfig::default(),
            access: StreamAccess::default(),
            pushes: Vec::new(),
        };
        self.streams.insert(StreamName("camera".to_owned()), stream);
    }
}

/// Absolute, because the box is started from wherever.
fn state_dir(field: &Field<'_>) -> Option<PathBuf> {
    const EXAMPLE: &str = "\"/var/lib/capturebox\"";
    let path = PathBuf::from(field.string(EXAMPLE)?);
    if path.is_absolute() {
        return Some(path);
    }
    field.refuse(format!("must be an absolute path, like {EXAMPLE}"));
    None
}

fn access(section: &Section<'_>) -> AccessConfig {
    let default = AccessConfig::default();
    let StreamAccess { view, publish } = who(section);
    let hash = section.field("admin_password_hash").and_then(|field| {
        let text = field.string("\"$argon2id$v=19$…\"")?;
        // The message doesn't repeat it.
        PasswordHash::parse(text).map_err(|error| field.refuse(format!("isn't good: {error}"))).ok()
    });
    section.finish();
    AccessConfig {
        view: view.unwrap_or(default.view),
        publish: publish.unwrap_or(default.publish),
        admin_password_hash: hash,
    }
}

const WHO: [(&str, Policy); 4] =
    [("public", Policy::Public), ("lan", Policy::Lan), ("token", Policy::Token), ("account", Policy::Account)];

/// For whom it is, as far as it is said.
fn who(section: &Section<'_>) -> StreamAccess {
    let one = |key| section.field(key).and_then(|field: Field<'_>| field.one_of(&WHO));
    StreamAccess { view: one("view"), publish: one("publish") }
}

/// One path segment of `[A-Za-z0-9._-]`, not `.`, `..` or a reserved word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(String);

/// Why something can't be a stream's name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    #[error("it is empty; a name has at least one character")]
    Empty,
    #[error("it has more than {MAX_NAME_LEN} characters; a shorter one is needed")]
    TooLong,
    #[error("it can have letters A to Z, digits and . _ - only, because it stands in the URL")]
    Character,
    #[error("in a URL that means a directory; use another one")]
    Dots,
    #[error("the box uses that path itself; use another one")]
    Reserved,
}

/// Whether this is one path segment of `[A-Za-z0-9._-]` that is not `.` or `..`.
pub fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

impl StreamName {
    pub fn new(name: &str) -> Result<Self, NameError> {
        match name {
            "" => Err(NameError::Empty),
            "." | ".." => Err(NameError::Dots),
            _ if RESERVED.contains(&name) => Err(NameError::Reserved),
            _ if !is_segment(name) => Err(NameError::Character),
            _ if name.len() > MAX_NAME_LEN => Err(NameError::TooLong),
            _ => Ok(Self(name.to_owned())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamConfig {
    pub inputs: Inputs,
    pub encode: EncodeConfig,
    pub hls: HlsConfig,
    pub access: StreamAccess,
    pub pushes: Vec<PushConfig>,
}

/// Where a stream's picture and sound come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inputs {
    /// `input = …`: both from one source.
    Both(InputSource),
    /// `video = …` and `audio = …`; at least one.
    Separate { video: Option<VideoSource>, audio: Option<AudioSource> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputSource {
    Test {
        size: Size,
        frame_rate: FrameRate,
    },
    File {
        path: PathBuf,
        repeat: bool,
    },
    /// A program that writes MPEG-TS.
    Command {
        command: Vec<String>,
    },
    /// Whoever publishes into the stream over the network.
    Publish {
        /// Whoever comes takes the place of who is there.
        takeover: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoSource {
    Test {
        size: Size,
        frame_rate: FrameRate,
    },
    V4l2 {
        device: PathBuf,
        size: Option<Size>,
        frame_rate: Option<FrameRate>,
        format: Option<CameraFormat>,
        /// Of an HDMI input: what its source is told.
        edid: EdidChoice,
    },
    Command {
        command: Vec<String>,
        format: VideoCommandFormat,
    },
    File {
        path: PathBuf,
        repeat: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioSource {
    /// The test tone, a beep a second.
    Test {
        channels: u16,
    },
    Alsa {
        device: String,
        rate_hz: Option<u32>,
        channels: Option<u16>,
    },
    Command {
        command: Vec<String>,
        format: AudioCommandFormat,
    },
    File {
        path: PathBuf,
        repeat: bool,
    },
}

/// Which EDID an HDMI input has: what its source reads about the display that it believes to see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum EdidChoice {
    /// The box's own.
    #[default]
    Own,
    /// The one that is there: another program sees to it.
    Keep,
    /// A file's, binary.
    File(PathBuf),
}

/// What a camera is asked for; `None` in [`VideoSource::V4l2`] means: choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraFormat {
    Yuyv,
    Uyvy,
    Nv12,
    I420,
    Mjpeg,
    H264,
}

/// What a video program writes to its standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoCommandFormat {
    I420 {
        size: Size,
        frame_rate: FrameRate,
    },
    Nv12 {
        size: Size,
        frame_rate: FrameRate,
    },
    Yuyv {
        size: Size,
        frame_rate: FrameRate,
    },
    /// Size and rate stand in its header.
    Y4m,
    /// Annex B; its rate from the parameter sets, else `frame_rate`, else 30.
    H264 {
        frame_rate: Option<FrameRate>,
    },
    MpegTs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudioCommandFormat {
    S16le { rate_hz: u32, channels: u16 },
    MpegTs,
}

/// Even, px.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeConfig {
    pub video_bitrate_bps: u32,
    pub audio_bitrate_bps: u32,
    pub gop_ms: u32,
    pub encoder: EncoderChoice,
    pub profile: Profile,
}

impl Default for EncodeConfig {
    fn default() -> Self {
        Self {
            video_bitrate_bps: 3_000_000,
            audio_bitrate_bps: 128_000,
            gop_ms: 1_000,
            encoder: EncoderChoice::Auto,
            profile: Profile::Main,
        }
    }
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HlsConfig {
    pub part_ms: u32,
    pub segment_ms: u32,
    /// Segments in the playlist.
    pub window: usize,
}

impl Default for HlsConfig {
    fn default() -> Self {
        Self { part_ms: 200, segment_ms: 2_000, window: 7 }
    }
}

/// For whom streams are that don't say it themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessConfig {
    pub view: Policy,
    pub publish: Policy,
    /// The password of the account `admin`; `None`: the first visitor sets it, with the claim code.
    pub admin_password_hash: Option<PasswordHash>,
}

/// `[streams.NAME.access]`; `None`: as `[access]` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamAccess {
    pub view: Option<Policy>,
    pub publish: Option<Policy>,
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self { view: Policy::Lan, publish: Policy::Token, admin_password_hash: None }
    }
}
