//! `[streams.NAME]`: its inputs, how they are encoded and packaged, and what can't go together.

use super::problem::Quoted;
use super::section::{Field, Section};
use super::{
    AUDIO_BITRATE_BPS, CameraFormat, EncodeConfig, GOP_MS, HlsConfig, InputSource, Inputs, MAX_HISTORY_S, MAX_STREAMS,
    PART_MS, SEGMENT_MS, Size, StreamAccess, StreamConfig, StreamName, VIDEO_BITRATE_BPS, VideoCommandFormat,
    VideoSource, WINDOW, pushes, sources, value, who,
};
use crate::encode::{EncoderChoice, Profile};
use crate::time::FrameRate;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// The largest side that the V4L2 encoders of the supported boards take, px; above, they silently clamp.
const MAX_M2M_SIDE: u32 = 1920;

/// They say they do 25 Mbit/s, and fail at it.
const MAX_M2M_BITRATE_BPS: u32 = 20_000_000;
/// The largest picture that OpenH264 encodes, px, either way round.
const MAX_ENCODED: Size = Size { width: 3840, height: 2160 };

/// The keys of `[streams.NAME.encode]` that only a picture encoded here has a use for. (Of the last, also those who
/// publish are told.)
const VIDEO_KEYS: [&str; 4] = ["video_bitrate", "encoder", "profile", "gop_ms"];

pub(super) fn streams(section: &Section<'_>) -> BTreeMap<StreamName, StreamConfig> {
    let mut streams = BTreeMap::new();
    // In the order of the file, so that messages speak of what stands above.
    let mut fields: Vec<_> = section.fields().collect();
    fields.sort_by_key(|field| field.at);
    if let Some(field) = fields.get(MAX_STREAMS) {
        field.refuse(format!("is one stream too many; at most {MAX_STREAMS} are possible"));
    }
    let mut cameras = BTreeMap::new();
    for field in fields.iter().take(MAX_STREAMS) {
        let name = StreamName::new(field.key).map_err(|why| {
            field.say(format!("\"{}\" can't be a stream's name: {why}", Quoted(field.key)));
        });
        if let Some(config) = stream(field, &mut cameras)
            && let Ok(name) = name
        {
            streams.insert(name, config);
        }
    }
    streams
}

fn stream<'a>(field: &Field<'a>, cameras: &mut BTreeMap<PathBuf, &'a str>) -> Option<StreamConfig> {
    let name = field.key;
    let section = field.section(format!("[streams.{}]", Quoted(name)))?;
    let inputs = inputs(&section, name);
    let below = |key: &'static str| match section.field(key) {
        Some(field) => field.section(format!("[streams.{}.{key}]", Quoted(name))).map(Some),
        None => Some(None),
    };
    let (encode_section, hls_section, access_section) = (below("encode"), below("hls"), below("access"));
    let encode = encode_section.as_ref().and_then(|section| encode(section.as_ref()));
    let hls = hls_section.as_ref().and_then(|section| hls(section.as_ref()));
    let pushes = pushes::read(&section);
    let access = access_section.map(|section| section.as_ref().map_or_else(StreamAccess::default, access));
    let mut config = None;
    if let (Some(inputs), Some(encode), Some(hls), Some(access)) = (inputs, encode, hls, access) {
        let (encode_section, hls_section) = (encode_section.flatten(), hls_section.flatten());
        if let Some(section) = &encode_section {
            check_encode(section, &inputs);
        }
        let tables = Tables { stream: &section, encode: encode_section.as_ref(), hls: hls_section.as_ref() };
        config = Some(StreamConfig { access, pushes, ..together(&tables, inputs, encode, hls) });
    }
    if let Some(StreamConfig { inputs: Inputs::Separate { video: Some(VideoSource::V4l2 { device, .. }), .. }, .. }) =
        &config
        && let Some(other) = cameras.insert(device.clone(), name)
    {
        let device = device.display().to_string();
        section.refuse(format!(
            "stream {} wants the camera {}, which stream {} has already; a camera can serve one stream",
            Quoted(name),
            Quoted(&device),
            Quoted(other)
        ));
    }
    section.finish();
    config
}

fn access(section: &Section<'_>) -> StreamAccess {
    let access = who(section);
    section.finish();
    access
}

fn inputs(section: &Section<'_>, stream: &str) -> Option<Inputs> {
    let (both, video, audio) = (section.field("input"), section.field("video"), section.field("audio"));
    if let Some(both) = both {
        for other in [video, audio].into_iter().flatten() {
            other.refuse("can't stand beside `input`, which is picture and sound from one source; remove one of them");
        }
        return sources::input(&both, stream).map(Inputs::Both);
    }
    if video.is_none() && audio.is_none() {
        section.refuse(format!(
            "stream {} has no source; add `video`, `audio` or `input`, for example video = {{ source = \"test\" }}",
            Quoted(stream)
        ));
        return None;
    }
    // Both are read before either can end this, so that both are complained about.
    let video = video.map(|field| sources::video(&field, stream));
    let audio = audio.map(|field| sources::audio(&field, stream));
    Some(Inputs::Separate {
        video: video.map_or(Some(None), |v| v.map(Some))?,
        audio: audio.map_or(Some(None), |a| a.map(Some))?,
    })
}

/// What is given of `[streams.NAME.encode]`; `gop_ms` 0 where it isn't.
fn encode(section: Option<&Section<'_>>) -> Option<EncodeConfig> {
    const ENCODERS: [(&str, EncoderChoice); 3] =
        [("auto", EncoderChoice::Auto), ("v4l2m2m", EncoderChoice::V4l2M2m), ("openh264", EncoderChoice::OpenH264)];
    const PROFILES: [(&str, Profile); 3] =
        [("constrained-baseline", Profile::ConstrainedBaseline), ("main", Profile::Main), ("high", Profile::High)];
    let default = EncodeConfig { gop_ms: 0, ..EncodeConfig::default() };
    let Some(section) = section else { return Some(default) };
    let bitrate = |key, range, default| match section.field(key) {
        Some(field) => field.read(|value| value::bitrate(value, &range)),
        None => Some(default),
    };
    let video_bitrate_bps = bitrate("video_bitrate", VIDEO_BITRATE_BPS, default.video_bitrate_bps);
    let audio_bitrate_bps = bitrate("audio_bitrate", AUDIO_BITRATE_BPS, default.audio_bitrate_bps);
    let gop_ms = integer(section, "gop_ms", GOP_MS, " ms", default.gop_ms);
    let encoder = section.field("encoder").map_or(Some(default.encoder), |field| field.one_of(&ENCODERS));
    let profile = section.field("profile").map_or(Some(default.profile), |field| field.one_of(&PROFILES));
    section.finish();
    Some(EncodeConfig {
        video_bitrate_bps: video_bitrate_bps?,
        audio_bitrate_bps: audio_bitrate_bps?,
        gop_ms: gop_ms?,
        encoder: encoder?,
        profile: profile?,
    })
}

/// What is given of `[streams.NAME.hls]`; `part_ms` 0 where it isn't.
fn hls(section: Option<&Section<'_>>) -> Option<HlsConfig> {
    let default = HlsConfig { part_ms: 0, ..HlsConfig::default() };
    let Some(section) = section else { return Some(default) };
    let part_ms = integer(section, "part_ms", PART_MS, " ms", default.part_ms);
    let segment_ms = integer(section, "segment_ms", SEGMENT_MS, " ms", default.segment_ms);
    let window = match section.field("window") {
        Some(field) => field.integer(WINDOW, " segments").and_then(|window| usize::try_from(window).ok()),
        None => Some(default.window),
    };
    section.finish();
    Some(HlsConfig { part_ms: part_ms?, segment_ms: segment_ms?, window: window? })
}

fn integer(
    section: &Section<'_>,
    key: &'static str,
    range: RangeInclusive<u32>,
    unit: &str,
    default: u32,
) -> Option<u32> {
    section.field(key).map_or(Some(default), |field| field.integer(range, unit))
}

/// Refuses those of the encoder's settings that can't have any effect with these inputs.
fn check_encode(section: &Section<'_>, inputs: &Inputs) {
    let (pointless, why): (&[&str], _) = match inputs {
        Inputs::Separate { video: None, .. } => (&VIDEO_KEYS, "there is no video"),
        Inputs::Both(InputSource::Publish { .. }) => {
            let keys = VIDEO_KEYS.split_last().map_or(&[][..], |(_, keys)| keys);
            (keys, "whoever publishes encodes the video, and it goes straight through")
        }
        inputs if straight_through(inputs) => (&VIDEO_KEYS, "this video is encoded already and goes straight through"),
        Inputs::Separate { audio: None, .. } => (&["audio_bitrate"], "there is no audio"),
        _ => (&[], ""),
    };
    for field in section.fields().filter(|field| pointless.contains(&field.key)) {
        field.refuse(format!("has no effect, because {why}; leave it out"));
    }
}

/// The tables of one stream, to say where something stands.
struct Tables<'a> {
    stream: &'a Section<'a>,
    encode: Option<&'a Section<'a>>,
    hls: Option<&'a Section<'a>>,
}

impl Tables<'_> {
    /// At `key` where it is given, else at the stream.
    fn refuse(&self, table: &'static str, key: &str, why: &str) {
        let section = if table == "encode" { self.encode } else { self.hls };
        match section.and_then(|table| table.fields().find(|field| field.key == key)) {
            Some(field) => field.refuse(why),
            None => self.stream.refuse_missing(&[table, key], format!("`{key}` {why}")),
        }
    }
}

/// Settles what depends on each other, and refuses what can't go together.
fn together(tables: &Tables<'_>, inputs: Inputs, mut encode: EncodeConfig, mut hls: HlsConfig) -> StreamConfig {
    let frame_ms = frame_rate(&inputs).map_or(0, frame_ms);
    if hls.part_ms == 0 {
        hls.part_ms = HlsConfig::default().part_ms.max(frame_ms);
    }
    if encode.gop_ms == 0 {
        encode.gop_ms = EncodeConfig::default().gop_ms.min(hls.segment_ms);
    }
    check_durations(tables, &encode, &hls, frame_ms);
    if !straight_through(&inputs) {
        size(&inputs).inspect(|size| check_size(tables, &encode, *size));
        check_bitrate(tables, &encode);
    }
    StreamConfig { inputs, encode, hls, access: StreamAccess::default(), pushes: Vec::new() }
}

fn check_durations(tables: &Tables<'_>, encode: &EncodeConfig, hls: &HlsConfig, frame_ms: u32) {
    let (gop_ms, &HlsConfig { part_ms, segment_ms, window }) = (encode.gop_ms, hls);
    if part_ms > segment_ms {
        let why = format!("({part_ms}) is longer than segment_ms ({segment_ms}); it must be at most as long");
        tables.refuse("hls", "part_ms", &why);
    }
    if part_ms < frame_ms {
        let why = format!("({part_ms}) is shorter than one frame; at this fps it must be at least {frame_ms}");
        tables.refuse("hls", "part_ms", &why);
    }
    if gop_ms > segment_ms {
        let why = format!(
            "({gop_ms}) is longer than segment_ms ({segment_ms}), but each segment starts with a key frame; \
             it must be at most as long"
        );
        tables.refuse("encode", "gop_ms", &why);
    }
    let history_s = u64::from(segment_ms) * window as u64 / 1_000;
    if history_s > MAX_HISTORY_S {
        let why = format!("times segment_ms is {history_s} s; at most {MAX_HISTORY_S} s are kept in memory");
        tables.refuse("hls", "window", &why);
    }
}

fn check_size(tables: &Tables<'_>, encode: &EncodeConfig, size: Size) {
    let Size { width, height } = size;
    let (long, short) = (width.max(height), width.min(height));
    if long > MAX_ENCODED.width || short > MAX_ENCODED.height {
        let why = format!("is {size}, more than any encoder here takes; at most {MAX_ENCODED} is possible");
        // There is one: where else would the size be from?
        if let Some(source) = tables.stream.fields().find(|field| matches!(field.key, "input" | "video")) {
            source.refuse(why);
        }
    } else if encode.encoder == EncoderChoice::V4l2M2m && long > MAX_M2M_SIDE {
        let why =
            format!("can't be \"v4l2m2m\" at {size}; use \"auto\" or \"openh264\", or at most {MAX_M2M_SIDE} a side");
        tables.refuse("encode", "encoder", &why);
    }
}

fn check_bitrate(tables: &Tables<'_>, encode: &EncodeConfig) {
    if encode.encoder == EncoderChoice::V4l2M2m && encode.video_bitrate_bps > MAX_M2M_BITRATE_BPS {
        let most = MAX_M2M_BITRATE_BPS / 1_000_000;
        let why = format!("is more than the encoder \"v4l2m2m\" can do; it must be at most \"{most}M\"");
        tables.refuse("encode", "video_bitrate", &why);
    }
}

fn frame_ms(rate: FrameRate) -> u32 {
    (1_000 * rate.den()).div_ceil(rate.num())
}

/// Whether the video is never decoded nor encoded here.
fn straight_through(inputs: &Inputs) -> bool {
    use VideoCommandFormat::{H264, MpegTs};
    match inputs {
        Inputs::Both(source) => !matches!(source, InputSource::Test { .. }),
        Inputs::Separate { video, .. } => matches!(
            video,
            Some(
                VideoSource::File { .. }
                    | VideoSource::V4l2 { format: Some(CameraFormat::H264), .. }
                    | VideoSource::Command { format: H264 { .. } | MpegTs, .. }
            )
        ),
    }
}

/// As far as the configuration says it.
fn size(inputs: &Inputs) -> Option<Size> {
    picture(inputs).0
}

fn frame_rate(inputs: &Inputs) -> Option<FrameRate> {
    picture(inputs).1
}

fn picture(inputs: &Inputs) -> (Option<Size>, Option<FrameRate>) {
    use VideoCommandFormat::{H264, I420, MpegTs, Nv12, Y4m, Yuyv};
    match inputs {
        Inputs::Both(InputSource::Test { size, frame_rate })
        | Inputs::Separate { video: Some(VideoSource::Test { size, frame_rate }), .. } => {
            (Some(*size), Some(*frame_rate))
        }
        Inputs::Separate { video: Some(VideoSource::V4l2 { size, frame_rate, .. }), .. } => (*size, *frame_rate),
        Inputs::Separate { video: Some(VideoSource::Command { format, .. }), .. } => match format {
            I420 { size, frame_rate } | Nv12 { size, frame_rate } | Yuyv { size, frame_rate } => {
                (Some(*size), Some(*frame_rate))
            }
            H264 { frame_rate } => (None, *frame_rate),
            Y4m | MpegTs => (None, None),
        },
        _ => (None, None),
    }
}
