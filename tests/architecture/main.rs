//! Holds what `src/lib.rs` says about the source: modules import only from their left, cores are
//! sans-IO, files are short and say what they are for.
//!
//! What stands under `#[cfg(test)]` may import from anywhere. Where a better line appears, change it
//! in `src/lib.rs` and in [`LINE`] here.

mod source;

use source::{Source, crate_imports, mentions};
use std::path::{Path, PathBuf};

/// Rooms from left to right; those of one group don't import each other.
const LINE: &[&[&str]] = &[
    &["time"],
    &["media"],
    &["codec"],
    &["container"],
    &["stream"],
    &["access", "capture", "decode", "encode", "package"],
    &["mix", "pipeline", "snapshot"],
    &["control"],
    &["discovery", "tls", "webhook", "webrtc"],
    &["meet", "push"],
    &["http", "panel"],
    &["app"],
    &["main"],
];

/// Beside the line, with what they may import themselves. Any shell may import them.
const BESIDE: &[(&str, &[&str])] =
    &[("config", &["time", "encode", "access"]), ("state", &[]), ("supervisor", &["time"]), ("system", &["time"])];

/// Files and folders that are sans-IO, and which shells within them are not.
const CORES: &[(&str, &[&str])] = &[
    ("time.rs", &[]),
    ("media", &[]),
    ("codec", &[]),
    // Opens the file; what reads it takes anything with `Read + Seek`.
    ("container", &["container/mp4_file/mod.rs"]),
    ("package", &["package/live.rs"]),
    ("access", &["access/live.rs"]),
    ("stream/ring.rs", &[]),
    ("encode/pacer", &[]),
    ("mix/compositor.rs", &[]),
    ("mix/governor.rs", &[]),
    ("mix/layout.rs", &[]),
    ("mix/room.rs", &[]),
    ("mix/sum.rs", &[]),
    ("mix/voice.rs", &[]),
    ("encode/audio_clock", &[]),
    ("control/disk.rs", &[]),
    ("control/marks.rs", &[]),
    ("control/shed.rs", &[]),
    ("control/troubles.rs", &[]),
    ("panel/button.rs", &[]),
    ("panel/light.rs", &[]),
    ("discovery/name.rs", &[]),
    ("discovery/rival.rs", &[]),
    ("supervisor/backoff.rs", &[]),
    ("webhook/queue.rs", &[]),
    ("webhook/signature.rs", &[]),
    ("snapshot/picture.rs", &[]),
    ("snapshot/rgb.rs", &[]),
    ("system/kernel.rs", &[]),
    ("tls/authority.rs", &[]),
    ("tls/names.rs", &[]),
    ("tls/profile.rs", &[]),
    ("tls/renewal.rs", &[]),
    ("http/sdpfrag.rs", &[]),
    ("webrtc/again.rs", &[]),
    ("webrtc/encoders.rs", &[]),
    ("webrtc/inbound", &[]),
    ("webrtc/packets.rs", &[]),
    ("webrtc/stun.rs", &[]),
    ("push/plan.rs", &[]),
    ("meet/message.rs", &[]),
    ("meet/room.rs", &[]),
    ("meet/seats.rs", &[]),
    ("meet/forward.rs", &[]),
    ("meet/speaker.rs", &[]),
    ("meet/flow.rs", &[]),
    ("meet/tap.rs", &[]),
];

/// What a core doesn't name, and why.
const FORBIDDEN: &[&str] = &[
    "std::net",
    "std::fs",
    "std::thread",
    "std::process",
    "tokio",
    "rustix",
    "libc",
    "Instant::now",
    "SystemTime::now",
    "MonoTime::now",
    "Epoch::now",
    "crate::config",
    "crate::state",
    "crate::supervisor",
];

/// `time.rs` is where the clock is read, once.
const READS_THE_CLOCK: (&str, &[&str]) = ("time.rs", &["rustix", "MonoTime::now", "Epoch::now"]);

const MAX_LINES: usize = 800;

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file under `src`.
fn sources() -> Vec<Source> {
    let mut folders = vec![src()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("src can be read").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                if !entry.ends_with("node_modules") {
                    folders.push(entry);
                }
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let path = entry.strip_prefix(src()).expect("below src").to_str().expect("UTF-8").to_owned();
                sources.push(Source::new(path, std::fs::read_to_string(&entry).expect("UTF-8")));
            }
        }
    }
    source::mark_tests(&mut sources);
    assert!(sources.len() > 20, "the source is somewhere else");
    sources
}

/// What is wrong with one file, a line each.
fn complaints(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    if !source.is_test && !source.text.starts_with("//!") {
        found.push("doesn't start by saying what it is for (//!)".to_owned());
    }
    let lines = source.text.lines().count();
    if lines > MAX_LINES {
        found.push(format!("has {lines} lines; at most {MAX_LINES}: split it"));
    }
    if source.is_test {
        return found.into_iter().map(|what| format!("{}: {what}", source.path)).collect();
    }
    // lib.rs names every module, in order.
    if source.path != "lib.rs" {
        let room = source.room();
        found.extend(
            crate_imports(source).into_iter().filter(|to| !may_import(room, to)).map(|to| format!("imports {to}")),
        );
    }
    if is_core(&source.path) {
        let (file, allowed) = READS_THE_CLOCK;
        let allowed = |word: &str| source.path == file && allowed.contains(&word);
        let named = FORBIDDEN.iter().filter(|word| !allowed(word) && mentions(&source.code, word));
        found.extend(named.map(|word| format!("is a core, and names {word}")));
    }
    found.into_iter().map(|what| format!("{}: {what}", source.path)).collect()
}

fn may_import(from: &str, to: &str) -> bool {
    let place = |room: &str| LINE.iter().position(|group| group.contains(&room));
    let beside = |room: &str| BESIDE.iter().find(|(name, _)| *name == room);
    if from == to {
        return true;
    }
    match (beside(from), place(from), place(to)) {
        (Some((_, may)), _, _) => may.contains(&to),
        (None, Some(_), None) => beside(to).is_some(),
        (None, Some(from), Some(to)) => to < from,
        (None, None, _) => false,
    }
}

fn is_core(path: &str) -> bool {
    let under = |folder: &str| path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    CORES.iter().any(|(core, shells)| under(core) && !shells.iter().any(|shell| under(shell)))
}

#[test]
fn the_source_keeps_the_rules_of_the_house() {
    let complaints: Vec<_> = sources().iter().flat_map(complaints).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn the_line_is_the_one_in_the_documentation() {
    let group =
        |group: &&[&str]| if let [room] = **group { room.to_owned() } else { format!("{{{}}}", group.join(" ")) };
    let line = LINE.iter().map(group).collect::<Vec<_>>().join(" < ");
    let documentation = std::fs::read_to_string(src().join("lib.rs")).expect("lib.rs");
    assert!(documentation.lines().any(|told| told == format!("//! {line}")), "src/lib.rs doesn't say: {line}");
}

#[test]
fn every_room_has_its_place_and_every_place_its_room() {
    let on_disk: std::collections::BTreeSet<_> =
        sources().iter().map(|source| source.room().to_owned()).filter(|room| room != "lib").collect();
    let named = LINE.iter().flat_map(|group| group.iter()).chain(BESIDE.iter().map(|(name, _)| name));
    assert_eq!(on_disk, named.map(|room| (*room).to_owned()).collect());
    for path in CORES.iter().flat_map(|(core, shells)| std::iter::once(core).chain(*shells)) {
        assert!(src().join(path).exists(), "{path} is listed, and isn't there");
    }
}

/// A rule that can't fail holds nothing.
#[test]
fn each_rule_can_fail() {
    let table: &[(&str, &str, &[&str])] = &[
        ("media/a.rs", "//! A.\nuse crate::time::X;\nuse super::B;\n", &[]),
        ("media/a.rs", "use crate::time::X;\n", &["doesn't start by saying what it is for (//!)"]),
        ("media/a.rs", "//! A.\nuse crate::stream::X;\n", &["imports stream"]),
        ("encode/a.rs", "//! A.\nuse crate::{media::X, decode::{Y, http}, time};\n", &["imports decode"]),
        ("encode/a.rs", "//! A.\nfn f() { crate::capture::open() }\n", &["imports capture"]),
        ("encode/a.rs", "//! A.\nuse super::super::package::X;\n", &["imports package"]),
        ("encode/mod.rs", "//! A.\nuse super::package::X;\n", &["imports package"]),
        ("encode/mod.rs", "//! A.\nuse self::package::X;\nuse super::{time, http};\n", &["imports http"]),
        ("encode/a/b.rs", "//! A.\nuse super::super::decode::X;\n", &[]), // encode::decode
        ("main.rs", "//! A.\nuse capturebox::{app, supervisor};\n", &[]),
        ("app.rs", "//! A.\nuse capturebox::main;\n", &["imports main"]),
        ("capture/a.rs", "//! A.\nuse crate::config::X;\n", &[]),
        ("config/a.rs", "//! A.\nuse crate::stream::X;\n", &["imports stream"]),
        ("supervisor/a.rs", "//! A.\nuse crate::config::X;\n", &["imports config"]),
        ("elsewhere.rs", "//! A.\nuse crate::time::X;\n", &["imports time"]),
        ("encode/a.rs", "//! A.\nuse crate::elsewhere::X;\n", &["imports elsewhere"]),
        ("package/a.rs", "//! A.\nuse crate::config::X;\n", &["is a core, and names crate::config"]),
        ("package/a.rs", "//! A.\nasync fn f() { tokio::spawn(g()) }\n", &["is a core, and names tokio"]),
        ("package/a.rs", "//! A.\nuse std::{fs, io};\n", &["is a core, and names std::fs"]),
        (
            "package/a.rs",
            "//! A.\nuse std::{collections::BTreeMap, net::{IpAddr}};\n",
            &["is a core, and names std::net"],
        ),
        ("package/live.rs", "//! A.\nuse tokio::spawn;\n", &[]),
        ("codec/a.rs", "//! A.\nfn f() { MonoTime::now() }\n", &["is a core, and names MonoTime::now"]),
        ("time.rs", "//! A.\nfn f() { MonoTime::now() }\n", &[]),
        ("time.rs", "//! A.\nuse std::thread;\n", &["is a core, and names std::thread"]),
        // Comments, strings and tests are no imports.
        (
            "media/a.rs",
            "//! A.\n// crate::http\n/* crate::http /* */ crate::http */\n/// [`crate::http`]\nfn f() {}\n",
            &[],
        ),
        (
            "media/a.rs",
            "//! A.\nconst A: &str = \"crate::http \\\" tokio\";\nconst B: &str = r#\"crate::http \" tokio\"#;\n",
            &[],
        ),
        (
            "media/a.rs",
            "//! A.\nfn f<'a>(c: &'a char) -> bool { *c == '\"' && g() }\nuse crate::http;\n// \"\n",
            &["imports http"],
        ),
        (
            "media/a.rs",
            "//! A.\n#[cfg(test)]\nmod tests {\n use crate::http; fn f() { \"}\"; } }\nuse crate::stream;\n",
            &["imports stream"],
        ),
        ("media/a.rs", "//! A.\n#[cfg(test)]\nuse crate::http;\nuse crate::app;\n", &["imports app"]),
    ];
    for (path, text, expected) in table {
        let expected: Vec<_> = expected.iter().map(|what| format!("{path}: {what}")).collect();
        assert_eq!(complaints(&Source::new((*path).to_owned(), (*text).to_owned())), expected, "{text}");
    }
    let long = format!("//! A.\n{}", "\n".repeat(MAX_LINES));
    assert_eq!(complaints(&Source::new("app.rs".to_owned(), long)), ["app.rs: has 801 lines; at most 800: split it"]);
}

#[test]
fn a_test_module_in_a_file_of_its_own_is_a_test() {
    let source = |path: &str, text: &str| Source::new(path.to_owned(), text.to_owned());
    let mut sources = vec![
        source("media/mod.rs", "//! A.\n#[cfg(test)]\nmod tests;\nmod frame;\n"),
        source("media/tests.rs", "//! A.\nuse crate::http;\n"),
        source("media/frame.rs", "//! A.\n#[cfg(test)]\nmod trial;\n"),
        source("media/frame/trial/deep.rs", "//! A.\nuse crate::http;\n"),
        source("media/trial.rs", "//! A.\nuse crate::http;\n"),
    ];
    source::mark_tests(&mut sources);
    let tests: Vec<_> = sources.iter().filter(|source| source.is_test).map(|source| source.path.as_str()).collect();
    assert_eq!(tests, ["media/tests.rs", "media/frame/trial/deep.rs"]);
}
