//! Holds the schema to what the configuration really takes: what is good here is good there, and each
//! setting by itself is refused here exactly where it is there.

use super::{Config, SCHEMA};
use regex::Regex;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

static ROOT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(SCHEMA).expect("JSON"));

/// JSON Schema 2020-12, as far as ours uses it; any other keyword fails the test.
fn valid(schema: &Value, value: &Value) -> bool {
    let object = schema.as_object().expect("a schema is an object");
    object.iter().all(|(keyword, said)| keyword_holds(object, keyword, said, value))
}

fn keyword_holds(schema: &Map<String, Value>, keyword: &str, said: &Value, value: &Value) -> bool {
    let list = || said.as_array().expect("a list");
    let count = || said.as_u64().expect("a count") as usize;
    let properties = || schema.get("properties").and_then(Value::as_object);
    match keyword {
        "$schema" | "$defs" | "title" | "description" | "default" | "examples" | "writeOnly" => true,
        "$ref" => {
            let pointer = said.as_str().and_then(|said| said.strip_prefix('#')).expect("within the schema");
            valid(ROOT.pointer(pointer).expect("there"), value)
        }
        "type" => match said {
            Value::Array(kinds) => kinds.iter().any(|kind| is(kind, value)),
            kind => is(kind, value),
        },
        "enum" => list().contains(value),
        "const" => said == value,
        "not" => !valid(said, value),
        "anyOf" => list().iter().any(|schema| valid(schema, value)),
        "oneOf" => list().iter().filter(|schema| valid(schema, value)).count() == 1,
        "minimum" => value.as_f64().is_none_or(|value| value >= said.as_f64().expect("a number")),
        "maximum" => value.as_f64().is_none_or(|value| value <= said.as_f64().expect("a number")),
        "minLength" => value.as_str().is_none_or(|text| text.chars().count() >= count()),
        "maxLength" => value.as_str().is_none_or(|text| text.chars().count() <= count()),
        "pattern" => {
            let pattern = Regex::new(said.as_str().expect("a pattern")).expect("a pattern");
            value.as_str().is_none_or(|text| pattern.is_match(text))
        }
        "minItems" => value.as_array().is_none_or(|items| items.len() >= count()),
        "maxItems" => value.as_array().is_none_or(|items| items.len() <= count()),
        "prefixItems" => {
            value.as_array().is_none_or(|items| list().iter().zip(items).all(|(one, item)| valid(one, item)))
        }
        "items" => {
            let from = schema.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len);
            value.as_array().is_none_or(|items| items.iter().skip(from).all(|item| valid(said, item)))
        }
        "required" => value.as_object().is_none_or(|members| list().iter().all(|key| members.contains_key(text(key)))),
        "maxProperties" => value.as_object().is_none_or(|members| members.len() <= count()),
        "dependentRequired" => value.as_object().is_none_or(|members| {
            let pairs = said.as_object().expect("keys").iter().filter(|(key, _)| members.contains_key(*key));
            pairs.flat_map(|(_, keys)| keys.as_array().expect("a list")).all(|key| members.contains_key(text(key)))
        }),
        "properties" => value.as_object().is_none_or(|members| {
            let known = said.as_object().expect("properties");
            members.iter().all(|(key, member)| known.get(key).is_none_or(|schema| valid(schema, member)))
        }),
        "propertyNames" => value.as_object().is_none_or(|members| members.keys().all(|key| valid(said, &json!(key)))),
        "additionalProperties" => value.as_object().is_none_or(|members| {
            let other = members.iter().filter(|(key, _)| properties().is_none_or(|known| !known.contains_key(*key)));
            let mut other = other.map(|(_, member)| member);
            match said {
                Value::Bool(allowed) => *allowed || other.next().is_none(),
                schema => other.all(|member| valid(schema, member)),
            }
        }),
        other => panic!("the schema uses {other}, which this test doesn't know"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn is(kind: &Value, value: &Value) -> bool {
    match text(kind) {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("no such type here: {other}"),
    }
}

fn good(settings: &Value) -> bool {
    let settings: toml::Table = serde_json::from_value(settings.clone()).expect("no null");
    Config::parse(&toml::to_string(&settings).expect("TOML"), "test").is_ok()
}

/// A configuration with `value` at the dotted path; what else its table needs stands there already.
fn with(path: &str, value: &Value) -> Value {
    let keys: Vec<&str> = path.split('.').collect();
    let mut root = match keys.as_slice() {
        ["streams", name, kind @ ("video" | "audio" | "input"), source, _] => {
            let mut needed = match *source {
                "v4l2" => json!({ "source": "v4l2", "device": "/dev/video0" }),
                "file" => json!({ "source": "file", "path": "film.mp4" }),
                "raw" => {
                    json!({ "source": "command", "command": ["x"], "format": "nv12", "size": "640x480", "fps": 30 })
                }
                "h264" => json!({ "source": "command", "command": ["x"], "format": "h264" }),
                "s16le" => {
                    json!({ "source": "command", "command": ["x"], "format": "s16le", "rate": 48000, "channels": 2 })
                }
                "mpegts" => json!({ "source": "command", "command": ["x"], "format": "mpegts" }),
                other => json!({ "source": other }),
            };
            needed[keys.last().copied().expect("a key")] = value.clone();
            return json!({ "streams": { (*name): { (*kind): needed } } });
        }
        ["streams", name, "push", key] => {
            let mut push = json!({ "url": "https://example.org/whip" });
            push[*key] = value.clone();
            return json!({ "streams": { (*name): { "input": { "source": "test" }, "push": [push] } } });
        }
        ["streams", name, ..] => json!({ "streams": { (*name): { "input": { "source": "test" } } } }),
        ["webhooks", key] => {
            let mut webhook = json!({ "url": "https://example.org/hook", "secret": "at least 16 characters" });
            webhook[*key] = value.clone();
            return json!({ "webhooks": [webhook] });
        }
        ["panel", kind @ ("buttons" | "lights"), key] => {
            let mut one = match *kind {
                "buttons" => json!({ "line": 17, "short": "mark" }),
                _ => json!({ "line": 17, "shows": ["live"] }),
            };
            one[*key] = value.clone();
            return json!({ "panel": { (*kind): [one] } });
        }
        ["http", "certificate"] => json!({ "http": { "key": "key.pem" } }),
        ["http", "key"] => json!({ "http": { "certificate": "certificate.pem" } }),
        _ => json!({}),
    };
    let mut at = &mut root;
    for key in &keys {
        at = &mut at[*key];
    }
    *at = value.clone();
    root
}

#[test]
fn each_setting_by_itself_is_refused_by_both_or_by_neither() {
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$0123456789abcdefghijABCDEFGHIJ0123456789abc";
    let kinds = json!([null, 7, -1, true, "", "word", "camera", [], ["a"], {}, { "a": 1 }, 1.5]);
    // A schema can't count in strings: "49k" is a bitrate there, and too little here.
    let table = [
        ("state_dir", json!(["/var/lib/x", "relative"])),
        ("http.listen", json!(["0.0.0.0:80", "[::]:80", "127.0.0.1", "localhost:80", ":80"])),
        ("http.listen_tls", json!(["0.0.0.0:443", "off", "on", "box:1"])),
        ("http.certificate", json!(["/a.pem"])),
        ("http.key", json!(["/a.pem"])),
        ("http.hosts", json!([["a.example", "b"], ["-a"], ["a b"], ["a..b"], [""], [7], vec!["a"; 16], vec!["a"; 17]])),
        ("http.port", json!([80])),
        ("webrtc.listen", json!(["0.0.0.0:8189", "off", "on", "box:1"])),
        ("webrtc.listen_tcp", json!(["0.0.0.0:8189", "off", "on", "box:1"])),
        ("webrtc.public_address", json!(["203.0.113.7", "2001:db8::7", "box.example.org"])),
        (
            "webrtc.ice_servers",
            json!([
                ["stun:a.example"],
                ["turn:a:3478?transport=tcp"],
                ["stun:a?transport=tcp"],
                ["a"],
                vec!["stun:a"; 5]
            ]),
        ),
        ("webrtc.turn_username", json!(["a"])),
        ("webrtc.turn_credential", json!(["a"])),
        ("webrtc.relay_only", json!([false, "no"])),
        ("webrtc.port", json!([80])),
        ("access.view", json!(["public", "lan", "token", "account", "nobody"])),
        ("access.publish", json!(["public", "lan", "token", "account", "nobody"])),
        ("access.admin_password_hash", json!([hash, "$argon2i$x"])),
        ("access.streams", json!(["x"])),
        ("discovery.enabled", json!([true, false, "no"])),
        ("discovery.name", json!(["Kitchen", "x".repeat(57)])),
        ("rooms.enabled", json!([true, false, "no"])),
        ("rooms.join", json!(["public", "account", "all"])),
        ("rooms.max_rooms", json!([1, 64, 0, 65])),
        ("rooms.max_people", json!([2, 32, 1, 33])),
        ("rooms.video_bitrate", json!(["700k", 700_000, "700K"])),
        ("rooms.mode", json!(["forward", "mix", "mcu"])),
        ("rooms.peer_to_peer", json!([true, false, "no"])),
        ("rooms.broadcast", json!([true, false, "no"])),
        ("rooms.layout", json!(["grid", "speaker", "row"])),
        ("rooms.password", json!(["blue door", "x".repeat(257)])),
        ("rooms.host_password", json!(["verger", "x".repeat(257)])),
        ("rooms.topic", json!(["x"])),
        ("streams.a.encode.video_bitrate", json!(["3M", "2.5M", "50k", 3_000_000, 1, "3 M", "3m"])),
        ("streams.a.encode.audio_bitrate", json!(["128k", 128_000, "128K"])),
        ("streams.a.encode.gop_ms", json!([100, 2_000, 99, 10_001, "1000"])),
        ("streams.a.encode.encoder", json!(["auto", "openh264", "v4l2m2m", "x264"])),
        ("streams.a.encode.profile", json!(["main", "high", "constrained-baseline", "baseline"])),
        ("streams.a.encode.preset", json!(["fast"])),
        ("streams.a.hls.part_ms", json!([50, 1_000, 49, 1_001])),
        ("streams.a.hls.segment_ms", json!([1_000, 10_000, 499, 10_001])),
        ("streams.a.hls.window", json!([3, 60, 2, 61])),
        ("streams.a.access.view", json!(["public", "all"])),
        ("streams.a.access.publish", json!(["token", "all"])),
        ("streams.a.push", json!([[{ "url": "http://a/" }], [{}], vec![json!({ "url": "http://a/" }); 5]])),
        ("streams.a.push.url", json!(["http://10.0.0.2:8080/hall/whip", "rtmp://a/", "https://u:p@a/", "a"])),
        ("streams.a.push.token", json!(["s3cret.word", "two words", "ä"])),
        ("streams.a.push.ca", json!(["/etc/ca.pem"])),
        ("streams.a.push.enabled", json!([true, false, "no"])),
        ("streams.a.push.key", json!(["x"])),
        ("streams.a.description", json!(["x"])),
        ("streams.a.input.test.size", json!(["1280x720", "1280*720", "x", "16x16", "8x8", "12800x720"])),
        ("streams.a.input.test.fps", json!([30, 29.97, "29.97", "30000/1001", "30/", 0, 121, "fast"])),
        ("streams.a.input.test.source", json!(["test", "file", "ndi"])),
        ("streams.a.input.test.channels", json!([2])),
        ("streams.a.input.file.path", json!(["x.mp4"])),
        ("streams.a.input.publish.takeover", json!([true, false, "yes"])),
        ("streams.a.input.publish.path", json!(["x.mp4"])),
        ("streams.a.input.file.loop", json!([true, false, "yes"])),
        ("streams.a.input.mpegts.format", json!(["mpegts", "y4m"])),
        ("streams.a.input.mpegts.command", json!([["a", "b"], ["a", ""], ["", "a"], "a b", [7]])),
        ("streams.a.video.v4l2.device", json!(["/dev/video1"])),
        ("streams.a.video.v4l2.size", json!(["640x480", "640"])),
        ("streams.a.video.v4l2.fps", json!([25, "x"])),
        ("streams.a.video.v4l2.format", json!(["yuyv", "uyvy", "nv12", "yu12", "i420", "mjpeg", "h264", "rgb"])),
        ("streams.a.video.v4l2.edid", json!(["own", "keep", "/etc/edid.bin", "edid.bin", "none"])),
        ("streams.a.video.raw.format", json!(["nv12", "i420", "yuyv", "mpegts"])),
        ("streams.a.video.raw.rate", json!([30])),
        ("streams.a.video.h264.fps", json!([30, "x"])),
        ("streams.a.video.h264.size", json!(["640x480"])),
        ("streams.a.video.mpegts.format", json!(["mpegts", "y4m"])),
        ("streams.a.video.mpegts.fps", json!([30])),
        ("streams.a.video.file.loop", json!([true])),
        ("streams.a.video.test.size", json!(["640x480"])),
        ("streams.a.audio.alsa.device", json!(["default", "hw:1"])),
        ("streams.a.audio.alsa.rate", json!([48_000, 7_999, 192_001])),
        ("streams.a.audio.alsa.channels", json!([1, 2, 3, 0])),
        ("streams.a.audio.s16le.rate", json!([44_100])),
        ("streams.a.audio.mpegts.rate", json!([44_100])),
        ("streams.a.audio.test.channels", json!([1, 3])),
        ("streams.a.audio.file.path", json!(["x.mp4"])),
        ("streams.api.input.test.fps", json!([30])),
        ("webhooks", json!([[{ "url": "http://a/" }], [{ "url": "http://a/", "secret": "at least 16 characters" }]])),
        (
            "webhooks.url",
            json!(["http://192.168.1.9:8123/hook?key=1", "https://a.example", "ftp://a/", "https://u:p@a/", "a"]),
        ),
        ("webhooks.secret", json!(["0123456789abcdef", "0123456789abcde"])),
        ("webhooks.ca", json!(["/etc/ca.pem"])),
        ("webhooks.events", json!([["disk_low", "stream_started"], ["disk"], "disk_low"])),
        ("actions.restart_network", json!([["a", "b"], ["", "a"], "a b", [7]])),
        ("actions.shut_down", json!([["poweroff"], "off"])),
        ("actions.off", json!([["mute", "shut_down"], ["shutdown"], "mute"])),
        ("actions.reboot", json!([["reboot"]])),
        ("panel.buttons", json!([[{ "line": 17 }], [{ "short": "mark" }], [{ "line": 17, "long": "mark" }], [7]])),
        ("panel.buttons.line", json!([0, 1_023, 1_024, "GPIO17", 17.5])),
        ("panel.buttons.chip", json!(["gpiochip0", "/dev/gpiochip1"])),
        ("panel.buttons.active", json!(["low", "high", "down"])),
        ("panel.buttons.pull", json!(["up", "down", "none", "left"])),
        ("panel.buttons.debounce_ms", json!([1, 200, 0, 201])),
        ("panel.buttons.long_ms", json!([300, 10_000, 299, 10_001])),
        ("panel.buttons.double_ms", json!([100, 2_000, 99, 2_001])),
        ("panel.buttons.short", json!(["mark", "record"])),
        ("panel.buttons.long", json!(["shut_down", "off"])),
        ("panel.buttons.double", json!(["mute", "unmute"])),
        ("panel.buttons.stream", json!(["camera"])),
        ("panel.buttons.press", json!(["mark"])),
        ("panel.lights", json!([[{ "line": 17 }], [{ "shows": ["live"] }], [{ "line": 17, "shows": [] }]])),
        ("panel.lights.shows", json!([["too_hot", "ready"], ["recording"], "live"])),
        ("panel.lights.pattern", json!(["on", "slow", "fast", "flash", "off"])),
        ("panel.lights.active", json!(["low", "high", "lit"])),
        ("panel.lights.colour", json!(["red"])),
        ("webhooks.retries", json!([3])),
        ("streams.a b.input.test.fps", json!([30])),
    ];
    let mut asked = BTreeSet::new();
    for (path, values) in table {
        asked.insert(path.rsplit('.').next().expect("a key").to_owned());
        let values = values.as_array().expect("a list").iter().chain(kinds.as_array().expect("a list"));
        let mut verdicts = BTreeSet::new();
        for value in values.filter(|value| !value.is_null()) {
            let settings = with(path, value);
            let here = valid(&ROOT, &settings);
            assert_eq!(here, good(&settings), "{settings}: the schema says {here}");
            verdicts.insert(here);
        }
        assert!(verdicts.contains(&false), "{path}: nothing is refused");
    }
    // Every setting that the schema has was asked for.
    let mut open = vec![&*ROOT];
    while let Some(next) = open.pop() {
        if let Some(properties) = next.get("properties").and_then(Value::as_object) {
            for (key, schema) in properties.iter().filter(|(_, schema)| schema.get("properties").is_none()) {
                let container = ["streams", "input", "video", "audio"].contains(&key.as_str());
                assert!(container || asked.contains(key), "nothing asks for {key}: {schema}");
            }
        }
        match next {
            Value::Object(members) => open.extend(members.values()),
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
}

#[test]
fn the_example_of_every_setting_is_good() {
    let example = include_str!("../../capturebox.example.toml");
    // With those that it shows behind a #, too.
    let shown: String = example
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.split_once(" = ").is_some_and(|(key, _)| super::is_segment(key)) => setting,
            Some(table) if table.starts_with("[[") => table,
            _ => line,
        })
        .filter(|line| !line.starts_with("admin_password_hash"))
        .flat_map(|line| [line, "\n"])
        .collect();
    for text in [example, &shown] {
        let settings: toml::Table = text.parse().expect("TOML");
        let settings = serde_json::to_value(settings).expect("JSON");
        assert!(valid(&ROOT, &settings), "{settings:#}");
    }
    assert!(shown.contains("\nhosts = "), "{shown}");
}

#[test]
fn sources_do_not_mix() {
    let test = json!({ "source": "test" });
    for (stream, expected) in [
        (json!({ "input": test }), true),
        (json!({ "video": test }), true),
        (json!({ "video": test, "audio": test }), true),
        (json!({ "input": test, "audio": test }), false),
        (json!({}), false),
        (json!({ "video": { "device": "/dev/video0" } }), false),
        (json!({ "video": { "source": "v4l2" } }), false),
    ] {
        let settings = json!({ "streams": { "a": stream } });
        assert_eq!((valid(&ROOT, &settings), good(&settings)), (expected, expected), "{settings}");
    }
}
