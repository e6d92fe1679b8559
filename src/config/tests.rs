//! The table of good and bad configurations, each with the message it gets.

use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, "box.toml")
}

/// All messages, one a line.
fn told(text: &str) -> String {
    parse(text).map_or_else(|error| error.to_string(), |config| format!("accepted: {config:#?}"))
}

fn stream(text: &str) -> StreamConfig {
    let config = parse(text).unwrap_or_else(|error| panic!("{error}"));
    config.streams.into_values().next().expect("a stream")
}

fn rate(num: u32, den: u32) -> FrameRate {
    FrameRate::new(num, den).expect("a rate")
}

const HD: Size = Size { width: 1280, height: 720 };

#[test]
fn the_example_of_the_issue_is_read() {
    let config = parse(
        r#"
[http]
listen = "0.0.0.0:8080"

[streams.camera]
video = { source = "v4l2", device = "/dev/video0", size = "1280x720", fps = 30 }
audio = { source = "alsa", device = "default" }

[streams.desk]
video = { source = "command", command = ["rpicam-vid", "..."], format = "i420", size = "1280x720", fps = 30 }
audio = { source = "command", command = ["..."], format = "s16le", rate = 48000, channels = 2 }

[streams.camera.encode]        # all optional
video_bitrate = "3M"
audio_bitrate = "128k"
gop_ms = 1000
encoder = "auto"               # auto | v4l2m2m | openh264

[streams.camera.hls]           # all optional
part_ms = 200
segment_ms = 2000
window = 7                     # segments in the playlist

[access]                       # parsed from the start; enforced by the network issue
view = "lan"
publish = "token"
"#,
    )
    .expect("a good configuration");

    let camera = StreamConfig {
        inputs: Inputs::Separate {
            video: Some(VideoSource::V4l2 {
                device: "/dev/video0".into(),
                size: Some(HD),
                frame_rate: Some(rate(30, 1)),
                format: None,
                edid: EdidChoice::Own,
            }),
            audio: Some(AudioSource::Alsa { device: "default".into(), rate_hz: None, channels: None }),
        },
        encode: EncodeConfig {
            video_bitrate_bps: 3_000_000,
            audio_bitrate_bps: 128_000,
            gop_ms: 1_000,
            encoder: EncoderChoice::Auto,
            profile: Profile::Main,
        },
        hls: HlsConfig { part_ms: 200, segment_ms: 2_000, window: 7 },
        access: StreamAccess::default(),
        pushes: Vec::new(),
    };
    let format = VideoCommandFormat::I420 { size: HD, frame_rate: rate(30, 1) };
    let desk = StreamConfig {
        inputs: Inputs::Separate {
            video: Some(VideoSource::Command { command: vec!["rpicam-vid".into(), "...".into()], format }),
            audio: Some(AudioSource::Command {
                command: vec!["...".into()],
                format: AudioCommandFormat::S16le { rate_hz: 48_000, channels: 2 },
            }),
        },
        ..camera.clone()
    };
    let name = |name: &str| StreamName::new(name).expect("a name");
    let expected = Config {
        http: HttpConfig::default(),
        streams: [(name("camera"), camera), (name("desk"), desk)].into(),
        access: AccessConfig { view: Policy::Lan, publish: Policy::Token, admin_password_hash: None },
        state_dir: None,
        discovery: DiscoveryConfig::default(),
        webhooks: Vec::new(),
        actions: ActionsConfig::default(),
        panel: PanelConfig::default(),
        webrtc: WebrtcConfig::default(),
        rooms: RoomsConfig::default(),
    };
    assert_eq!(config, expected);
}

#[test]
fn the_example_file_is_good_and_shows_the_defaults() {
    let config = parse(include_str!("../../capturebox.example.toml")).expect("a good configuration");
    let camera = &config.streams[&StreamName::new("camera").expect("a name")];
    assert_eq!((camera.encode.clone(), camera.hls.clone()), (EncodeConfig::default(), HlsConfig::default()));
    let asked =
        HttpConfig { listen_tls: Listen::At("0.0.0.0:8443".parse().expect("an address")), ..HttpConfig::default() };
    assert_eq!((config.http, config.access), (asked, AccessConfig::default()));
    assert_eq!(config.actions, ActionsConfig::default());
    let webrtc = WebrtcConfig::default();
    let Listen::Try(address) = webrtc.listen else { panic!("{webrtc:?}") };
    let at = Listen::At(address);
    assert_eq!(config.webrtc, WebrtcConfig { listen: at, listen_tcp: at, ..webrtc });
}

#[test]
fn a_stream_may_be_for_others_than_the_rest() {
    let config = parse(
        "[access]\nview = \"token\"\n[streams.a]\ninput.source = \"test\"\n[streams.a.access]\nview = \"public\"\n\
         [streams.b]\ninput.source = \"test\"",
    );
    let policies = config.expect("good").policies();
    let of = |view| StreamPolicies { view, publish: Policy::Token };
    assert_eq!(policies.default, of(Policy::Token));
    assert_eq!(policies.streams, [("a".to_owned(), of(Policy::Public)), ("b".to_owned(), of(Policy::Token))].into());
}

#[test]
fn nothing_at_all_is_a_configuration_without_streams() {
    for text in ["", "# nothing\n", "[streams]\n", "[http]\n[access]\n"] {
        assert_eq!(parse(text).expect("good"), Config::default(), "{text:?}");
    }
}

#[test]
fn every_source_is_read() {
    use VideoCommandFormat::{H264, MpegTs, Nv12, Y4m, Yuyv};
    let (size, frame_rate) = (HD, rate(30, 1));
    let video = |video: VideoSource| Inputs::Separate { video: Some(video), audio: None };
    let audio = |audio: AudioSource| Inputs::Separate { video: None, audio: Some(audio) };
    let command = || vec!["cam".to_owned()];
    let by_command = |format| video(VideoSource::Command { command: command(), format });
    let table = [
        (r#"input = { source = "test" }"#, Inputs::Both(InputSource::Test { size, frame_rate })),
        (
            r#"input = { source = "test", size = "640x480", fps = 25 }"#,
            Inputs::Both(InputSource::Test { size: Size { width: 640, height: 480 }, frame_rate: rate(25, 1) }),
        ),
        (
            r#"input = { source = "file", path = "a.mp4", loop = true }"#,
            Inputs::Both(InputSource::File { path: "a.mp4".into(), repeat: true }),
        ),
        (
            r#"input = { source = "file", path = "a.mp4" }"#,
            Inputs::Both(InputSource::File { path: "a.mp4".into(), repeat: false }),
        ),
        (
            r#"input = { source = "command", command = ["cam"] }"#,
            Inputs::Both(InputSource::Command { command: command() }),
        ),
        (
            r#"input = { source = "command", command = ["cam"], format = "mpegts" }"#,
            Inputs::Both(InputSource::Command { command: command() }),
        ),
        (r#"input = { source = "publish" }"#, Inputs::Both(InputSource::Publish { takeover: false })),
        (r#"input = { source = "publish", takeover = true }"#, Inputs::Both(InputSource::Publish { takeover: true })),
        (r#"video = { source = "test" }"#, video(VideoSource::Test { size, frame_rate })),
        (
            r#"video = { source = "v4l2", device = "HD Webcam", format = "mjpeg" }"#,
            video(VideoSource::V4l2 {
                device: "HD Webcam".into(),
                size: None,
                frame_rate: None,
                format: Some(CameraFormat::Mjpeg),
                edid: EdidChoice::Own,
            }),
        ),
        (
            r#"video = { source = "v4l2", device = "/dev/video0", edid = "/etc/edid.bin" }"#,
            video(VideoSource::V4l2 {
                device: "/dev/video0".into(),
                size: None,
                frame_rate: None,
                format: None,
                edid: EdidChoice::File("/etc/edid.bin".into()),
            }),
        ),
        (
            r#"video = { source = "command", command = ["cam"], format = "nv12", size = "1280x720", fps = 30 }"#,
            by_command(Nv12 { size, frame_rate }),
        ),
        (
            r#"video = { source = "command", command = ["cam"], format = "yuyv", size = "1280x720", fps = 30 }"#,
            by_command(Yuyv { size, frame_rate }),
        ),
        (r#"video = { source = "command", command = ["cam"], format = "y4m" }"#, by_command(Y4m)),
        (
            r#"video = { source = "command", command = ["cam"], format = "h264", fps = 30 }"#,
            by_command(H264 { frame_rate: Some(frame_rate) }),
        ),
        (r#"video = { source = "command", command = ["cam"], format = "mpegts" }"#, by_command(MpegTs)),
        (
            r#"video = { source = "file", path = "/a.mp4", loop = false }"#,
            video(VideoSource::File { path: "/a.mp4".into(), repeat: false }),
        ),
        (r#"audio = { source = "test", channels = 1 }"#, audio(AudioSource::Test { channels: 1 })),
        (
            r#"audio = { source = "alsa", rate = 44100, channels = 1 }"#,
            audio(AudioSource::Alsa { device: "default".into(), rate_hz: Some(44_100), channels: Some(1) }),
        ),
        (
            r#"audio = { source = "command", command = ["cam"], format = "mpegts" }"#,
            audio(AudioSource::Command { command: command(), format: AudioCommandFormat::MpegTs }),
        ),
        (
            r#"audio = { source = "file", path = "a.mp4" }"#,
            audio(AudioSource::File { path: "a.mp4".into(), repeat: false }),
        ),
    ];
    for (text, inputs) in table {
        assert_eq!(stream(&format!("[streams.x]\n{text}\n")).inputs, inputs, "{text}");
    }
}

#[test]
fn frame_rates_are_exact_fractions() {
    let table = [
        ("30", 30, 1),
        ("25.0", 25, 1),
        ("29.97", 30_000, 1_001),
        ("23.976", 24_000, 1_001),
        ("59.94", 60_000, 1_001),
        ("12.5", 25, 2),
        ("\"29.97\"", 30_000, 1_001),
        ("\"30000/1001\"", 30_000, 1_001),
        ("\"50/2\"", 25, 1),
        ("\"15\"", 15, 1),
        ("120", 120, 1),
        ("1", 1, 1),
    ];
    for (text, num, den) in table {
        let text = format!("[streams.x]\nvideo = {{ source = \"test\", fps = {text} }}");
        let Inputs::Separate { video: Some(VideoSource::Test { frame_rate, .. }), .. } = stream(&text).inputs else {
            panic!("{text}");
        };
        assert_eq!(frame_rate, rate(num, den), "{text}");
    }
}

#[test]
fn bitrates_are_read_as_people_write_them() {
    for (text, bps) in [
        ("\"3M\"", 3_000_000),
        ("\"2.5M\"", 2_500_000),
        ("\"800k\"", 800_000),
        ("1_000_000", 1_000_000),
        ("\"96000\"", 96_000),
    ] {
        let text = format!("[streams.x]\ninput.source = \"test\"\nencode.video_bitrate = {text}");
        assert_eq!(stream(&text).encode.video_bitrate_bps, bps, "{text}");
    }
}

#[test]
fn defaults_give_way_to_what_is_given() {
    let config = stream("[streams.x]\ninput.source = \"test\"\nhls.segment_ms = 500");
    assert_eq!((config.encode.gop_ms, config.hls.part_ms), (500, 200));
    let config = stream("[streams.x]\nvideo = { source = \"test\", fps = 3 }");
    assert_eq!(config.hls.part_ms, 334, "a part holds at least one frame");
}

/// One bad line at a time: what is appended to `[streams.camera]` on line 2, and what is said.
#[test]
fn every_bad_line_is_refused_with_what_would_be_right() {
    let table = [
        // Keys and sources.
        (
            r#"vidoe = { source = "test" }"#,
            "1: stream camera has no source; add `video`, `audio` or `input`, for example video = { source = \"test\" }\nbox.toml:2: unknown key `vidoe` in [streams.camera]; did you mean `video`?",
        ),
        (r#"video = { source = "v4l", device = "/dev/video0" }"#, "2: `source` can't be \"v4l\"; did you mean `v4l2`?"),
        (r#"video = { source = "camera" }"#, "2: `source` can't be \"camera\"; it can be test, v4l2, command or file"),
        (
            r#"video = { device = "/dev/video0" }"#,
            "2: the video of stream camera has no `source`; add, for example, source = \"test\"",
        ),
        (
            r#"video = { source = "v4l2" }"#,
            "2: the video of stream camera has no `device`; add, for example, device = \"/dev/video0\" (`capturebox devices` lists them)",
        ),
        (
            r#"video = { source = "v4l2", device = "" }"#,
            "2: `device` is empty; it must be a string like \"/dev/video0\" (`capturebox devices` lists them)",
        ),
        (
            r#"video = { source = "v4l2", device = "/dev/video0", rate = 5 }"#,
            "2: unknown key `rate` in the video of stream camera; it can have source, device, size, fps, format or edid",
        ),
        (
            r#"video = { source = "test", colour = "red" }"#,
            "2: unknown key `colour` in the video of stream camera; it can have source, size or fps",
        ),
        (r#"video = "/dev/video0""#, "2: `video` is \"/dev/video0\"; it must be a table: [section] or { key = value }"),
        (r#"audio = { source = "v4l2" }"#, "2: `source` can't be \"v4l2\"; it can be test, alsa, command or file"),
        (r#"input = { source = "v4l2" }"#, "2: `source` can't be \"v4l2\"; it can be test, command, file or publish"),
        (
            r#"input = { source = "file" }"#,
            "2: the input of stream camera has no `path`; add, for example, path = \"film.mp4\"",
        ),
        (
            r#"input = { source = "file", path = "a.mp4", loop = "yes" }"#,
            "2: `loop` is \"yes\"; it must be true or false, without quotes",
        ),
        (
            "input = { source = \"test\" }\naudio = { source = \"test\" }",
            "3: `audio` can't stand beside `input`, which is picture and sound from one source; remove one of them",
        ),
        // Values.
        (
            r#"video = { source = "test", size = "1281x720" }"#,
            "2: `size` is \"1281x720\"; it must be WIDTHxHEIGHT, both even, from 16 to 4096, like \"1280x720\"",
        ),
        (
            r#"video = { source = "test", size = "1280*720" }"#,
            "2: `size` is \"1280*720\"; it must be WIDTHxHEIGHT, both even, from 16 to 4096, like \"1280x720\"",
        ),
        (
            r#"video = { source = "test", size = "8192x4320" }"#,
            "2: `size` is \"8192x4320\"; it must be WIDTHxHEIGHT, both even, from 16 to 4096, like \"1280x720\"",
        ),
        (
            r#"video = { source = "test", fps = 0 }"#,
            "2: `fps` is the number 0; it must be from 1 to 120, like 30, 29.97 or \"30000/1001\"",
        ),
        (
            r#"video = { source = "test", fps = "30/0" }"#,
            "2: `fps` is \"30/0\"; it must be from 1 to 120, like 30, 29.97 or \"30000/1001\"",
        ),
        (
            r#"video = { source = "test", fps = nan }"#,
            "2: `fps` is the number nan; it must be from 1 to 120, like 30, 29.97 or \"30000/1001\"",
        ),
        (
            r#"audio = { source = "alsa", rate = 4000 }"#,
            "2: `rate` is 4000; it must be a whole number from 8000 to 192000 Hz",
        ),
        (r#"audio = { source = "alsa", channels = 6 }"#, "2: `channels` is 6; it must be a whole number from 1 to 2"),
        (
            r#"audio = { source = "test", channels = 99999999999999999999 }"#,
            "2: `channels` is 99999999999999999999; it must be a whole number from 1 to 2",
        ),
        // Commands.
        (
            r#"video = { source = "command", format = "y4m" }"#,
            "2: the video of stream camera has no `command`; add, for example, command = [\"program\", \"argument\"]",
        ),
        (
            r#"video = { source = "command", format = "y4m", command = "cam -o -" }"#,
            "2: `command` is \"cam -o -\"; it must be the list of a program and its arguments, like [\"rpicam-vid\", \"--nopreview\", \"-o\", \"-\"]",
        ),
        (
            r#"video = { source = "command", format = "y4m", command = [] }"#,
            "2: `command` names no program; it must be like [\"rpicam-vid\", \"--nopreview\", \"-o\", \"-\"]",
        ),
        (
            r#"video = { source = "command", format = "y4m", command = ["cam", 5] }"#,
            "2: `command` has the number 5 among its words; each must be a string, like [\"rpicam-vid\", \"--nopreview\", \"-o\", \"-\"]",
        ),
        (
            r#"video = { source = "command", command = ["cam"], format = "i420" }"#,
            "2: the video of stream camera has no `fps`; add, for example, fps = 30\nbox.toml:2: the video of stream camera has no `size`; add, for example, size = \"1280x720\"",
        ),
        (
            r#"video = { source = "command", command = ["cam"], format = "y4m", fps = 30 }"#,
            "2: `fps` has no use with this format: it stands in the stream itself; leave it out",
        ),
        (
            r#"video = { source = "command", command = ["cam"], format = "h264", size = "1280x720" }"#,
            "2: `size` has no use with format = \"h264\": the size stands in the stream; leave it out",
        ),
        (
            r#"video = { source = "command", command = ["cam"], format = "h265" }"#,
            "2: `format` can't be \"h265\"; did you mean `h264`?",
        ),
        (
            r#"video = { source = "command", command = ["cam"], format = "s16le" }"#,
            "2: `format` can't be \"s16le\"; it can be i420, nv12, yuyv, y4m, h264 or mpegts",
        ),
        (
            r#"audio = { source = "command", command = ["cam"], format = "s16le", rate = 48000 }"#,
            "2: the audio of stream camera has no `channels`; add, for example, channels = 2",
        ),
        (
            r#"audio = { source = "command", command = ["cam"], format = "mpegts", rate = 48000 }"#,
            "2: `rate` has no use with format = \"mpegts\": it stands in the stream; leave it out",
        ),
        (
            r#"input = { source = "command", command = ["cam"], format = "y4m" }"#,
            "2: `format` can't be \"y4m\"; it can be mpegts",
        ),
        // Encoding.
        (
            "input.source = \"test\"\n[streams.camera.encode]\nvideo_bitrate = \"3Mbit\"",
            "4: `video_bitrate` is \"3Mbit\"; it must be from 50k to 50M, like \"3M\", \"128k\" or bits a second",
        ),
        (
            "input.source = \"test\"\n[streams.camera.encode]\naudio_bitrate = \"1M\"",
            "4: `audio_bitrate` is \"1M\"; it must be from 16k to 320k, like \"3M\", \"128k\" or bits a second",
        ),
        (
            "input.source = \"test\"\n[streams.camera.encode]\nencoder = \"nvenc\"",
            "4: `encoder` can't be \"nvenc\"; it can be auto, v4l2m2m or openh264",
        ),
        (
            "input.source = \"test\"\n[streams.camera.encode]\ngop_ms = 2500",
            "4: `gop_ms` (2500) is longer than segment_ms (2000), but each segment starts with a key frame; it must be at most as long",
        ),
        (
            "input.source = \"test\"\n[streams.camera.encode]\ngop_ms = \"1s\"",
            "4: `gop_ms` is \"1s\"; it must be a whole number from 100 to 10000 ms",
        ),
        (
            "input.source = \"test\"\n[streams.camera.encoder]\ngop_ms = 1000",
            "3: unknown key `encoder` in [streams.camera]; did you mean `encode`?",
        ),
        (
            "video = { source = \"test\", size = \"4096x2160\" }",
            "2: `video` is 4096x2160, more than any encoder here takes; at most 3840x2160 is possible",
        ),
        (
            "input.source = \"test\"\nencode.encoder = \"v4l2m2m\"\nencode.video_bitrate = \"25M\"",
            "4: `video_bitrate` is more than the encoder \"v4l2m2m\" can do; it must be at most \"20M\"",
        ),
        (
            "video = { source = \"test\", size = \"2560x1440\" }\nencode.encoder = \"v4l2m2m\"",
            "3: `encoder` can't be \"v4l2m2m\" at 2560x1440; use \"auto\" or \"openh264\", or at most 1920 a side",
        ),
        (
            "input = { source = \"file\", path = \"a.mp4\" }\nencode.video_bitrate = \"3M\"",
            "3: `video_bitrate` has no effect, because this video is encoded already and goes straight through; leave it out",
        ),
        (
            "video = { source = \"v4l2\", device = \"/dev/video0\", format = \"h264\" }\nencode.encoder = \"openh264\"",
            "3: `encoder` has no effect, because this video is encoded already and goes straight through; leave it out",
        ),
        (
            "input = { source = \"publish\" }\nencode.gop_ms = 500\nencode.profile = \"main\"",
            "4: `profile` has no effect, because whoever publishes encodes the video, and it goes straight through; leave it out",
        ),
        (
            "video = { source = \"test\" }\nencode.audio_bitrate = \"64k\"",
            "3: `audio_bitrate` has no effect, because there is no audio; leave it out",
        ),
        (
            "audio = { source = \"test\" }\nencode.gop_ms = 500",
            "3: `gop_ms` has no effect, because there is no video; leave it out",
        ),
        // HLS.
        (
            "input.source = \"test\"\n[streams.camera.hls]\npart_ms = 900\nsegment_ms = 800",
            "4: `part_ms` (900) is longer than segment_ms (800); it must be at most as long",
        ),
        (
            "video = { source = \"test\", fps = 5 }\nhls.part_ms = 100",
            "3: `part_ms` (100) is shorter than one frame; at this fps it must be at least 200",
        ),
        (
            "input.source = \"test\"\nhls.window = 2",
            "3: `window` is 2; it must be a whole number from 3 to 60 segments",
        ),
        (
            "input.source = \"test\"\nhls.window = 60\nhls.segment_ms = 4000",
            "3: `window` times segment_ms is 240 s; at most 120 s are kept in memory",
        ),
        (
            "input.source = \"test\"\nhls.part = 200",
            "3: unknown key `part` in [streams.camera.hls]; it can have part_ms, segment_ms or window",
        ),
    ];
    for (text, message) in table {
        assert_eq!(told(&format!("[streams.camera]\n{text}\n")), format!("box.toml:{message}"), "{text}");
    }
}

#[test]
fn bad_sections_are_refused() {
    let table = [
        (
            "[stream.camera]\nvideo = { source = \"test\" }",
            "1: unknown key `stream` in the file; did you mean `streams`?",
        ),
        (
            "[recording]",
            "1: unknown key `recording` in the file; it can have streams, actions, panel, http, webrtc, access, state_dir, discovery, webhooks or rooms",
        ),
        ("streams = 5", "1: `streams` is the number 5; it must be a table: [section] or { key = value }"),
        ("[streams]\ncamera = 5", "2: `camera` is the number 5; it must be a table: [section] or { key = value }"),
        (
            "[streams.api]\ninput.source = \"test\"",
            "1: \"api\" can't be a stream's name: the box uses that path itself; use another one",
        ),
        (
            "[streams.\"a b\"]\ninput.source = \"test\"",
            "1: \"a b\" can't be a stream's name: it can have letters A to Z, digits and . _ - only, because it stands in the URL",
        ),
        (
            "[streams.\"..\"]\ninput.source = \"test\"",
            "1: \"..\" can't be a stream's name: in a URL that means a directory; use another one",
        ),
        (
            "[streams.\"\"]\ninput.source = \"test\"",
            "1: \"\" can't be a stream's name: it is empty; a name has at least one character",
        ),
        (
            "[http]\nlisten = \"8080\"",
            "2: `listen` must be an IP address and a port, like \"0.0.0.0:8080\" (all interfaces) or \"127.0.0.1:8080\" (this machine only)",
        ),
        (
            "[http]\nlisten = 8080",
            "2: `listen` is the number 8080; it must be a string like \"0.0.0.0:8080\" (all interfaces) or \"127.0.0.1:8080\" (this machine only)",
        ),
        ("state_dir = \"here\"", "1: `state_dir` must be an absolute path, like \"/var/lib/capturebox\""),
        (
            "[http]\nport = 8080",
            "2: unknown key `port` in [http]; it can have listen, listen_tls, certificate, key or hosts",
        ),
        (
            "[http]\nlisten_tls = \"on\"",
            "2: `listen_tls` must be an IP address and a port, like \"0.0.0.0:8443\" (all interfaces), or \"off\"",
        ),
        ("[http]\ncertificate = \"a.pem\"", "2: `certificate` needs the file of its `key` too"),
        ("[http]\nkey = \"a.pem\"", "2: `key` needs the file of its `certificate` too"),
        (
            "[http]\nhosts = [\"box.lan\", \"a b\"]",
            "2: `hosts` has \"a b\", which is no DNS name; it must be like [\"box.example.org\"]",
        ),
        (
            "[http]\nhosts = \"box.lan\"",
            "2: `hosts` is \"box.lan\"; it must be a list of strings, like [\"box.example.org\"]",
        ),
        (
            "[access]\nadmin_password_hash = \"secret\"",
            "2: `admin_password_hash` isn't good: this is no argon2id hash in PHC format ($argon2id$v=19$m=…,t=…,p=…$salt$hash)",
        ),
        (
            "[streams.a]\ninput.source = \"test\"\n[streams.a.access]\nview = \"lam\"\nadmin_password_hash = \"x\"",
            "4: `view` can't be \"lam\"; did you mean `lan`?\nbox.toml:5: unknown key `admin_password_hash` in [streams.a.access]; it can have view or publish",
        ),
        ("[access]\nview = \"everybody\"", "2: `view` can't be \"everybody\"; it can be public, lan, token or account"),
        (
            "[streams.a]\nvideo = { source = \"v4l2\", device = \"/dev/video0\" }\n[streams.b]\nvideo = { source = \"v4l2\", device = \"/dev/video0\" }",
            "3: stream b wants the camera /dev/video0, which stream a has already; a camera can serve one stream",
        ),
        ("[http]\nlisten = 0.0.0.0:8080", "2: not TOML: "),
        ("[http\n", "1: not TOML: "),
        ("[http]\n[http]\n", "2: not TOML: duplicate key"),
    ];
    for (text, message) in table {
        let told = told(text);
        let expected = format!("box.toml:{message}");
        if message.contains("not TOML") {
            assert!(told.starts_with(&expected), "{text}: {told}");
        } else {
            assert_eq!(told, expected, "{text}");
        }
    }
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_lines() {
    let text = r#"
[acess]
[http]
listen = "nowhere"
[streams.a]
video = { source = "test", size = "big", fps = 1000 }
audio = { source = "test", channels = 0 }
[streams.live]
input = { source = "file" }
[streams.a.hls]
window = 1
"#;
    let error = parse(text).expect_err("many problems");
    let ConfigError::Invalid { problems, .. } = error else { panic!("{error}") };
    let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [2, 4, 6, 6, 7, 8, 9, 11], "{problems:#?}");
}

#[test]
fn limits_hold() {
    let many: String = (0..=MAX_STREAMS).map(|n| format!("[streams.s{n:02}]\ninput.source = \"test\"\n")).collect();
    assert_eq!(told(&many), "box.toml:33: `s16` is one stream too many; at most 16 are possible");
    let long = "x".repeat(MAX_NAME_LEN);
    assert!(StreamName::new(&long).is_ok());
    assert_eq!(StreamName::new(&format!("{long}x")), Err(NameError::TooLong));
    // A message doesn't repeat all of a long value, nor its control characters.
    let text = format!("[streams.x]\ninput = {{ source = \"\\u001b{}\" }}", "y".repeat(10_000));
    assert!(told(&text).len() < 200, "{}", told(&text));
    assert!(!told(&text).contains('\u{1b}'));
}

#[test]
fn a_file_is_read_and_what_is_wrong_with_it_named() {
    let folder = std::env::temp_dir().join(format!("capturebox-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("a file");
        path
    };
    assert!(Config::load(&write("good.toml", b"[http]\n")).is_ok());
    let told = |path: &Path| Config::load(path).expect_err("bad").to_string();
    let missing = folder.join("missing.toml");
    assert_eq!(told(&missing), format!("{}: can't be read: No such file or directory (os error 2)", missing.display()));
    let latin = write("latin.toml", b"[http]\n# \xe9\n");
    assert_eq!(told(&latin), format!("{}:2: a byte that is not UTF-8; save the file as UTF-8 text", latin.display()));
    let large = write("large.toml", &vec![b'\n'; (MAX_FILE_LEN + 1).try_into().expect("fits")]);
    assert!(told(&large).contains("longer than 1048576 bytes"), "{}", told(&large));
    std::fs::remove_dir_all(&folder).expect("the folder");
}

#[test]
fn the_automatic_stream_takes_what_is_there() {
    let inputs = |camera: Option<&str>, microphone: Option<&str>| {
        let config = Config::automatic(camera.map(PathBuf::from), microphone.map(str::to_owned));
        assert_eq!(config.streams.keys().map(StreamName::as_str).collect::<Vec<_>>(), ["camera"]);
        config.streams.into_values().next().expect("one").inputs
    };
    assert!(matches!(inputs(None, None), Inputs::Both(InputSource::Test { .. })));
    assert!(matches!(
        inputs(Some("/dev/video0"), Some("hw:1")),
        Inputs::Separate { video: Some(VideoSource::V4l2 { .. }), audio: Some(AudioSource::Alsa { .. }) }
    ));
    assert!(matches!(inputs(Some("/dev/video0"), None), Inputs::Separate { video: Some(_), audio: None }));
    assert!(matches!(
        inputs(None, Some("hw:1")),
        Inputs::Separate { video: Some(VideoSource::Test { .. }), audio: Some(AudioSource::Alsa { .. }) }
    ));
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
        _ = parse(&text);
    }

    /// Text that looks like a configuration, so that it gets past the syntax.
    #[test]
    fn arbitrary_words_never_panic(
        lines in prop::collection::vec((
            prop::sample::select(vec!["[streams.x]", "[streams.x.hls]", "[streams.x.encode]", "[http]", "video", "audio", "input", "fps", "source", "size", "command", "part_ms", "gop_ms", "listen", "window", "encode", "hls"]),
            prop::sample::select(vec!["5", "-1", "nan", "1e400", "\"test\"", "\"x\"", "[]", "[[1]]", "{}", "true", "1979-05-27", "{ source = \"test\", fps = 0.001 }", "{ source = \"command\", command = [\"\"], format = \"i420\", size = \"x\" }", "18446744073709551616", "0xffffffff", "\"4294967296x2\""]),
        ), 0..12)
    ) {
        let lines = lines.into_iter().map(|(key, value)| if key.starts_with('[') { key.to_owned() } else { format!("{key} = {value}") });
        let text = lines.collect::<Vec<_>>().join("\n");
        if let Err(ConfigError::Invalid { problems, .. }) = parse(&text) {
            let last = text.lines().count().max(1);
            prop_assert!(problems.iter().all(|problem| (1..=last + 1).contains(&problem.line)));
            prop_assert!(!problems.is_empty());
        }
    }
}

#[test]
fn problems_say_which_key_they_are_about_and_where_it_stands() {
    let text = "  [http]\n  listen = 7\n[streams.\"a.b\"]\nvideo = { source = \"test\", size = 3 }\n\
        [streams.c]\nvideo = { source = \"v4l2\" }\n[streams.c.encode]\ngop_ms = 9000\nx = 1\n[streams.api]\n";
    let Err(ConfigError::Invalid { problems, .. }) = parse(text) else { panic!("many problems") };
    let told: Vec<_> = problems.iter().map(|problem| (problem.line, problem.column, problem.path.as_str())).collect();
    let expected = [
        (2, 3, "http.listen"),
        (4, 28, "streams.\"a.b\".video.size"),
        (6, 1, "streams.c.video.device"),
        (9, 1, "streams.c.encode.x"),
        (10, 10, "streams.api"),
        (10, 10, "streams.api"),
    ];
    assert_eq!(told, expected, "{problems:#?}");
    let Err(ConfigError::Invalid { problems, .. }) = parse("ä = \"é\" = 1\n") else { panic!("no TOML") };
    assert!(problems.iter().all(|problem| problem.line == 1 && problem.path.is_empty()), "{problems:#?}");
}

#[test]
fn a_setting_that_is_not_given_is_named_all_the_same() {
    let text = "[streams.a]\ninput = { source = \"test\", fps = 1 }\n[streams.a.hls]\nsegment_ms = 500\n";
    let Err(ConfigError::Invalid { problems, .. }) = parse(text) else { panic!("a frame is longer") };
    assert!(problems.iter().any(|problem| problem.path == "streams.a.hls.part_ms"), "{problems:#?}");
}

#[test]
fn what_the_box_chooses_can_stand_in_a_file() {
    for camera in [None, Some("/dev/video0"), Some("/dev/v4l/by-id/a \"b\" \\c")] {
        for microphone in [None, Some("default"), Some("hw:CARD=\"x\"")] {
            let text = Config::automatic_text(camera.map(Path::new), microphone);
            let read = parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(read, Config::automatic(camera.map(PathBuf::from), microphone.map(str::to_owned)), "{text}");
        }
    }
}
