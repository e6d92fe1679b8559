//! The program on a board: started on a configuration, watched through HTTP and its log.

use crate::board::Board;
use crate::ffmpeg::{self, Picture};
use crate::http::{self, Response};
use crate::playlist::{Media, Multivariant};
use crate::steady::{self, Over, Played};
use serde_json::Value;

const LOG: &str = "/tmp/log";

/// The scenario's streams come after it. Short segments, so that little time says much.
const BOX: &str = "[http]\nlisten = \"0.0.0.0:8080\"\nlisten_tls = \"off\"\n\
    [discovery]\nenabled = false\n[access]\nview = \"public\"\n";

pub struct Appliance<'a> {
    pub board: &'a Board,
    pid: u32,
}

impl<'a> Appliance<'a> {
    /// Starts the program on a configuration's streams.
    pub fn start(board: &'a Board, streams: &str) -> Self {
        board.write("/tmp/capturebox.toml", format!("{BOX}{streams}").as_bytes());
        let command = "RUST_LOG=info STATE_DIRECTORY=/tmp/state exec capturebox run --config /tmp/capturebox.toml";
        let appliance = Self { board, pid: board.spawn(command, LOG) };
        appliance.wait_for_log("listening on http://");
        appliance
    }

    pub fn get(&self, path: &str) -> Response {
        http::get(self.board.address(), path, &[]).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// How a stream does, as the API says it.
    pub fn status(&self, stream: &str) -> Value {
        let answer = self.get(&format!("/api/v1/streams/{stream}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    /// One of the counts of a stream's pipeline.
    pub fn count(&self, stream: &str, what: &str) -> u64 {
        self.status(stream)["pipeline"][what].as_u64().unwrap_or_else(|| panic!("no count of {what}"))
    }

    /// `live`, or why a stream's `video` or `audio` is not.
    pub fn source(&self, stream: &str, kind: &str) -> String {
        let status = self.status(stream);
        let sources = status["sources"].as_array().expect("sources").iter();
        let source = sources.clone().find(|source| source["kind"] == kind);
        let Some(source) = source else { return "starting".to_owned() };
        let state = &source["state"];
        let said = if state == "no_signal" { &source["cause"] } else { state };
        said.as_str().expect("a text").to_owned()
    }

    pub fn wait_until_live(&self, stream: &str, kind: &str) {
        self.wait_for_source(stream, kind, |state| state == "live");
    }

    /// Waits until a stream's `video` or `audio` is away for a cause that contains `why`.
    pub fn wait_for_cause(&self, stream: &str, kind: &str, why: &str) {
        self.wait_for_source(stream, kind, |state| state != "live" && state.contains(why));
    }

    fn wait_for_source(&self, stream: &str, kind: &str, looked_for: impl Fn(&str) -> bool) {
        self.board.wait_until(&format!("{kind} of {stream} to be otherwise"), || {
            assert!(self.runs(), "capturebox ended");
            looked_for(&self.source(stream, kind))
        });
    }

    pub fn log(&self) -> String {
        self.board.run(&format!("cat {LOG}"))
    }

    /// How many lines of the log contain `text`.
    pub fn said(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    pub fn wait_for_log(&self, text: &str) {
        self.board.wait_until(&format!("the log to say {text:?}"), || {
            assert!(self.runs(), "capturebox ended");
            self.said(text) > 0
        });
    }

    /// Waits for a number of whole segments in a stream's playlist of pictures.
    pub fn wait_for_segments(&self, stream: &str, count: usize) {
        self.board.wait_until(&format!("{count} segments of {stream}"), || {
            self.media_path(stream).is_some_and(|path| Media::parse(self.get(&path).text()).segments.len() >= count)
        });
    }

    /// Plays the pictures of `stream` without a gap while `what` is done, and a little longer.
    pub fn played_while(&self, stream: &str, what: impl FnOnce()) -> Played {
        let over = Over::default();
        std::thread::scope(|scope| {
            let player = scope.spawn(|| steady::play(|path| self.get(path), stream, &over));
            let at_last = over.at_last();
            what();
            drop(at_last);
            player.join().unwrap_or_else(|failure| std::panic::resume_unwind(failure))
        })
    }

    /// The pictures of the newest whole segments, decoded by ffmpeg.
    pub fn pictures(&self, stream: &str, segments: usize) -> Vec<Picture> {
        let pictures = self.with_newest(stream, segments, ffmpeg::pictures);
        pictures.into_iter().map(|(_, picture)| picture).collect()
    }

    /// Looks at the newest whole segments, as a file.
    fn with_newest<T>(&self, stream: &str, segments: usize, look: impl FnOnce(&str) -> T) -> T {
        let path = self.media_path(stream).expect("a playlist");
        let folder = path.rsplit_once('/').expect("a path").0;
        let media = Media::parse(self.get(&path).text());
        let newest = &media.segments[media.segments.len().saturating_sub(segments)..];
        let map = &newest.last().expect("a segment").map;
        // Another map is another track, which doesn't belong into the same file.
        let of_it = newest.iter().filter(|segment| segment.map == *map).map(|segment| &segment.uri);
        let bytes: Vec<u8> =
            std::iter::once(map).chain(of_it).flat_map(|uri| self.get(&format!("{folder}/{uri}")).body).collect();
        let file = std::env::temp_dir().join(format!("rig-{}-{}.mp4", std::process::id(), self.board.address().port()));
        std::fs::write(&file, bytes).expect("a file");
        let seen = look(file.to_str().expect("UTF-8"));
        let _ = std::fs::remove_file(file);
        seen
    }

    /// Waits until the newest picture is one of those that are looked for.
    pub fn wait_for_picture(&self, stream: &str, looked_for: impl Fn(&Picture) -> bool) {
        self.board.wait_until(&format!("another picture on {stream}"), || {
            self.pictures(stream, 1).last().is_some_and(&looked_for)
        });
    }

    /// The sound of the newest whole segments of a stream without pictures, decoded by ffmpeg.
    pub fn sound(&self, stream: &str, segments: usize) -> Vec<i16> {
        self.with_newest(stream, segments, ffmpeg::sound).1
    }

    /// Stops the whole program for some time, as if the board hung.
    pub fn hang(&self, seconds: f32) {
        let pid = self.pid;
        self.board.run(&format!("kill -STOP {pid}; sleep {seconds}; kill -CONT {pid}; sleep 0.3"));
    }

    /// Waits until the newest pictures have a size.
    pub fn wait_for_size(&self, stream: &str, size: (u64, u64)) {
        self.board.wait_until(&format!("pictures of {size:?}"), || {
            let status = self.status(stream);
            let tracks = status["tracks"].as_array().expect("tracks").iter();
            tracks
                .clone()
                .any(|track| (track["width"].as_u64(), track["height"].as_u64()) == (Some(size.0), Some(size.1)))
        });
    }

    /// The initialisation section of the newest segment.
    pub fn map(&self, stream: &str) -> String {
        let path = self.media_path(stream).expect("a playlist");
        Media::parse(self.get(&path).text()).segments.last().expect("a segment").map.clone()
    }

    fn media_path(&self, stream: &str) -> Option<String> {
        let master = self.get(&format!("/{stream}/index.m3u8"));
        let path = || format!("/{stream}/{}", Multivariant::parse(master.text()).variants[0].1);
        (master.status == 200).then(path)
    }

    fn runs(&self) -> bool {
        self.board.attempt(&format!("kill -0 {}", self.pid)).0 == 0
    }
}

/// What scenarios want of a stretch of playing.
impl Played {
    /// The same track all the time, without a gap or a long wait.
    pub fn goes_on(&self) {
        self.is_steady(1);
        assert_eq!(self.changes, 0, "{self:?}");
    }

    /// That it lasted `parts`, however long some of them took: an encoder may be slower than real time here.
    pub fn lasts(&self, parts: usize) {
        assert!(self.parts >= parts, "{self:?}, and {parts} were due");
    }
}

impl Drop for Appliance<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- capturebox's log\n{}", self.board.attempt(&format!("cat {LOG}")).1);
        }
    }
}
