//! `video = …`, `audio = …`, `input = …`: each a table whose `source` decides which other keys it can have.

use super::section::{Field, Section};
use super::{
    AudioCommandFormat, AudioSource, CameraFormat, EdidChoice, InputSource, MAX_CHANNELS, RATE_HZ, Size,
    VideoCommandFormat, VideoSource, value,
};
use crate::time::FrameRate;
use std::path::PathBuf;

/// What the test picture is where nothing is said.
pub(super) const TEST_SIZE: Size = Size { width: 1280, height: 720 };
pub(super) const TEST_FRAME_RATE: FrameRate = match FrameRate::new(30, 1) {
    Some(rate) => rate,
    None => panic!("30/1 is a rate"),
};
pub(super) const TEST_CHANNELS: u16 = 2;

const SIZE_EXAMPLE: &str = "size = \"1280x720\"";
const FPS_EXAMPLE: &str = "fps = 30";
const COMMAND_EXAMPLE: &str = "command = [\"program\", \"argument\"]";
const PATH_EXAMPLE: &str = "path = \"film.mp4\"";

pub(super) fn video(field: &Field<'_>, stream: &str) -> Option<VideoSource> {
    #[derive(Clone, Copy)]
    enum Kind {
        Test,
        V4l2,
        Command,
        File,
    }
    let section = field.section(format!("the video of stream {stream}"))?;
    let kinds = [("test", Kind::Test), ("v4l2", Kind::V4l2), ("command", Kind::Command), ("file", Kind::File)];
    let source = match source(&section, &kinds)? {
        Kind::Test => test_picture(&section).map(|(size, frame_rate)| VideoSource::Test { size, frame_rate }),
        Kind::V4l2 => v4l2(&section),
        Kind::Command => video_command(&section),
        Kind::File => file(&section).map(|(path, repeat)| VideoSource::File { path, repeat }),
    };
    section.finish();
    source
}

pub(super) fn audio(field: &Field<'_>, stream: &str) -> Option<AudioSource> {
    #[derive(Clone, Copy)]
    enum Kind {
        Test,
        Alsa,
        Command,
        File,
    }
    let section = field.section(format!("the audio of stream {stream}"))?;
    let kinds = [("test", Kind::Test), ("alsa", Kind::Alsa), ("command", Kind::Command), ("file", Kind::File)];
    let source = match source(&section, &kinds)? {
        Kind::Test => {
            let channels = optional(section.field("channels"), channels);
            channels.map(|channels| AudioSource::Test { channels: channels.unwrap_or(TEST_CHANNELS) })
        }
        Kind::Alsa => alsa(&section),
        Kind::Command => audio_command(&section),
        Kind::File => file(&section).map(|(path, repeat)| AudioSource::File { path, repeat }),
    };
    section.finish();
    source
}

pub(super) fn input(field: &Field<'_>, stream: &str) -> Option<InputSource> {
    #[derive(Clone, Copy)]
    enum Kind {
        Test,
        Command,
        File,
        Publish,
    }
    let section = field.section(format!("the input of stream {stream}"))?;
    let kinds = [("test", Kind::Test), ("command", Kind::Command), ("file", Kind::File), ("publish", Kind::Publish)];
    let source = match source(&section, &kinds)? {
        Kind::Test => test_picture(&section).map(|(size, frame_rate)| InputSource::Test { size, frame_rate }),
        Kind::Command => {
            let format = optional(section.field("format"), |field| field.one_of(&[("mpegts", ())]));
            let command = command(&section);
            format.and(command).map(|command| InputSource::Command { command })
        }
        Kind::File => file(&section).map(|(path, repeat)| InputSource::File { path, repeat }),
        Kind::Publish => {
            let takeover = optional(section.field("takeover"), Field::boolean);
            takeover.map(|takeover| InputSource::Publish { takeover: takeover.unwrap_or(false) })
        }
    };
    section.finish();
    source
}

/// Which source. Where that isn't known, neither are the keys, and nothing else is complained about.
fn source<T: Copy>(section: &Section<'_>, kinds: &[(&'static str, T)]) -> Option<T> {
    section.required("source", "source = \"test\"")?.one_of(kinds)
}

/// `Some(None)`: not given. `None`: given and refused.
fn optional<'a, T>(field: Option<Field<'a>>, read: impl FnOnce(&Field<'a>) -> Option<T>) -> Option<Option<T>> {
    field.map_or(Some(None), |field| read(&field).map(Some))
}

fn size(field: &Field<'_>) -> Option<Size> {
    field.read(value::size)
}

fn fps(field: &Field<'_>) -> Option<FrameRate> {
    field.read(value::frame_rate)
}

fn rate(field: &Field<'_>) -> Option<u32> {
    field.integer(RATE_HZ, " Hz")
}

fn channels(field: &Field<'_>) -> Option<u16> {
    field.integer(1..=u32::from(MAX_CHANNELS), "").and_then(|channels| u16::try_from(channels).ok())
}

fn command(section: &Section<'_>) -> Option<Vec<String>> {
    section.required("command", COMMAND_EXAMPLE)?.command()
}

fn test_picture(section: &Section<'_>) -> Option<(Size, FrameRate)> {
    let size = optional(section.field("size"), size);
    let frame_rate = optional(section.field("fps"), fps);
    Some((size?.unwrap_or(TEST_SIZE), frame_rate?.unwrap_or(TEST_FRAME_RATE)))
}

fn file(section: &Section<'_>) -> Option<(PathBuf, bool)> {
    let path = section.required("path", PATH_EXAMPLE).and_then(|field| field.string("\"film.mp4\""));
    let repeat = optional(section.field("loop"), Field::boolean);
    Some((PathBuf::from(path?), repeat?.unwrap_or(false)))
}

fn v4l2(section: &Section<'_>) -> Option<VideoSource> {
    const DEVICE: &str = "\"/dev/video0\" (`capturebox devices` lists them)";
    const FORMATS: [(&str, CameraFormat); 7] = [
        ("yuyv", CameraFormat::Yuyv),
        ("uyvy", CameraFormat::Uyvy),
        ("nv12", CameraFormat::Nv12),
        ("yu12", CameraFormat::I420),
        ("i420", CameraFormat::I420),
        ("mjpeg", CameraFormat::Mjpeg),
        ("h264", CameraFormat::H264),
    ];
    let device = section.required("device", &format!("device = {DEVICE}")).and_then(|field| field.string(DEVICE));
    let size = optional(section.field("size"), size);
    let frame_rate = optional(section.field("fps"), fps);
    let format = optional(section.field("format"), |field| field.one_of(&FORMATS));
    let edid = optional(section.field("edid"), edid);
    Some(VideoSource::V4l2 {
        device: PathBuf::from(device?),
        size: size?,
        frame_rate: frame_rate?,
        format: format?,
        edid: edid?.unwrap_or_default(),
    })
}

fn edid(field: &Field<'_>) -> Option<EdidChoice> {
    const CHOICES: &str = "\"own\", \"keep\" or an absolute path, \"/etc/capturebox/edid.bin\"";
    match field.string(CHOICES)? {
        "own" => Some(EdidChoice::Own),
        "keep" => Some(EdidChoice::Keep),
        path if path.starts_with('/') => Some(EdidChoice::File(path.into())),
        other => {
            field.refuse(format!("is \"{other}\"; it can be {CHOICES}"));
            None
        }
    }
}

fn alsa(section: &Section<'_>) -> Option<AudioSource> {
    let device = optional(section.field("device"), |field| field.string("\"default\" or \"hw:1\""));
    let rate_hz = optional(section.field("rate"), rate);
    let channels = optional(section.field("channels"), channels);
    let device = device?.unwrap_or("default").to_owned();
    Some(AudioSource::Alsa { device, rate_hz: rate_hz?, channels: channels? })
}

fn video_command(section: &Section<'_>) -> Option<VideoSource> {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        I420,
        Nv12,
        Yuyv,
        Y4m,
        H264,
        MpegTs,
    }
    const KINDS: [(&str, Kind); 6] = [
        ("i420", Kind::I420),
        ("nv12", Kind::Nv12),
        ("yuyv", Kind::Yuyv),
        ("y4m", Kind::Y4m),
        ("h264", Kind::H264),
        ("mpegts", Kind::MpegTs),
    ];
    let command = command(section);
    let format = match section.required("format", "format = \"y4m\"").and_then(|field| field.one_of(&KINDS)) {
        Some(kind @ (Kind::I420 | Kind::Nv12 | Kind::Yuyv)) => {
            let size = section.required("size", SIZE_EXAMPLE).and_then(|field| size(&field));
            let frame_rate = section.required("fps", FPS_EXAMPLE).and_then(|field| fps(&field));
            size.zip(frame_rate).map(|(size, frame_rate)| match kind {
                Kind::Nv12 => VideoCommandFormat::Nv12 { size, frame_rate },
                Kind::Yuyv => VideoCommandFormat::Yuyv { size, frame_rate },
                _ => VideoCommandFormat::I420 { size, frame_rate },
            })
        }
        Some(Kind::H264) => {
            section
                .refuse_key("size", "has no use with format = \"h264\": the size stands in the stream; leave it out");
            optional(section.field("fps"), fps).map(|frame_rate| VideoCommandFormat::H264 { frame_rate })
        }
        Some(kind @ (Kind::Y4m | Kind::MpegTs)) => {
            for key in ["size", "fps"] {
                section.refuse_key(key, "has no use with this format: it stands in the stream itself; leave it out");
            }
            Some(if kind == Kind::Y4m { VideoCommandFormat::Y4m } else { VideoCommandFormat::MpegTs })
        }
        None => {
            // Which keys belong here depends on the format.
            _ = (section.field("size"), section.field("fps"));
            None
        }
    };
    Some(VideoSource::Command { command: command?, format: format? })
}

fn audio_command(section: &Section<'_>) -> Option<AudioSource> {
    #[derive(Clone, Copy)]
    enum Kind {
        S16le,
        MpegTs,
    }
    let command = command(section);
    let kinds = [("s16le", Kind::S16le), ("mpegts", Kind::MpegTs)];
    let format = match section.required("format", "format = \"s16le\"").and_then(|field| field.one_of(&kinds)) {
        Some(Kind::S16le) => {
            let rate_hz = section.required("rate", "rate = 48000").and_then(|field| rate(&field));
            let channels = section.required("channels", "channels = 2").and_then(|field| channels(&field));
            rate_hz.zip(channels).map(|(rate_hz, channels)| AudioCommandFormat::S16le { rate_hz, channels })
        }
        Some(Kind::MpegTs) => {
            for key in ["rate", "channels"] {
                section.refuse_key(key, "has no use with format = \"mpegts\": it stands in the stream; leave it out");
            }
            Some(AudioCommandFormat::MpegTs)
        }
        None => {
            _ = (section.field("rate"), section.field("channels"));
            None
        }
    };
    Some(AudioSource::Command { command: command?, format: format? })
}
