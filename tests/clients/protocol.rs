//! The protocol, seen from outside over HTTP: RFC 8216bis rules checked on a running stream, as
//! Apple's mediastreamvalidator would, and the answers to requests that no good player makes.

use crate::appliance::{Appliance, PATIENCE};
use crate::fragment::{self, Fragment};
use crate::http::{self, Response};
use crate::playlist::{Media, Multivariant, Part, Segment, unquote};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::time::{Duration, Instant};

/// How long the validator follows the stream: some segments beyond what the playlist's window holds,
/// so that it sees them leave.
const FOLLOW: Duration = Duration::from_secs(20);

const STREAM: &str = r#"
[streams.camera]
input = { source = "test", size = "640x360", fps = 30 }
[streams.camera.hls]
part_ms = 200
segment_ms = 2000
window = 7
"#;

/// Paths of the media playlists, absolute.
struct Renditions {
    video: String,
    audio: String,
}

fn resolve(base: &str, uri: &str) -> String {
    assert!(!uri.contains("://"), "URIs are relative, so that they hold behind any proxy: {uri}");
    match uri.starts_with('/') {
        true => uri.to_owned(),
        false => format!("{}/{uri}", base.rsplit_once('/').expect("an absolute path").0),
    }
}

/// Once there is a whole segment.
fn renditions(box_: &Appliance) -> Renditions {
    let master = Multivariant::parse(box_.get(&box_.wait_for_segments("camera", 1)).text());
    let audio = master.media.iter().find(|media| media["TYPE"] == "AUDIO").expect("an audio rendition");
    Renditions {
        video: resolve("/camera/index.m3u8", &master.variants[0].1),
        audio: resolve("/camera/index.m3u8", &unquote(&audio["URI"])),
    }
}

fn media(box_: &Appliance, path: &str) -> Media {
    Media::parse(box_.wait_for(path).text())
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).expect("valid gzip");
    plain
}

/// Follows one rendition as a player does and remembers everything that it was ever told.
struct Validator<'a> {
    box_: &'a Appliance,
    path: String,
    first: Media,
    latest: Media,
    segments: BTreeMap<u64, Segment>,
    parts: BTreeMap<(u64, u64), Part>,
    fetched: BTreeMap<(u64, u64), Vec<u8>>,
    timescale: u64,
    deltas: usize,
}

impl<'a> Validator<'a> {
    fn new(box_: &'a Appliance, path: &str) -> Self {
        let first = media(box_, path);
        let map = first.segments.first().map(|segment| segment.map.clone()).expect("a whole segment");
        let init = box_.get(&resolve(path, &map));
        assert_eq!(init.status, 200);
        let timescale = fragment::read_init(&init.body).0;
        let mut validator = Self {
            box_,
            path: path.to_owned(),
            latest: first.clone(),
            first,
            segments: BTreeMap::new(),
            parts: BTreeMap::new(),
            fetched: BTreeMap::new(),
            timescale,
            deltas: 0,
        };
        validator.take(validator.latest.clone());
        validator
    }

    /// The part that comes next.
    fn next(&self) -> (u64, u64) {
        (self.latest.open_msn(), self.latest.open_parts.len() as u64)
    }

    /// Fetches the hinted part, which waits for it, and then the playlist that names it.
    fn step(&mut self, delta: bool) {
        let next = self.next();
        let hint = self.latest.hint.clone().expect("a live playlist has a preload hint");
        let part = self.box_.get(&resolve(&self.path, &hint));
        assert_eq!(part.status, 200, "the hinted part {hint}");
        let skip = if delta { "&_HLS_skip=YES" } else { "" };
        let answer = self.box_.get(&format!("{}?_HLS_msn={}&_HLS_part={}{skip}", self.path, next.0, next.1));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let update = Media::parse(answer.text());
        let (place, named) = update.parts().find(|(_, part)| part.uri == hint).expect("the hinted part is named");
        // A hint may turn out to be the next segment's first part when this one closed early.
        assert!(place >= next, "{place:?} was hinted as what follows {next:?}");
        assert!(update.parts().any(|(place, _)| place >= next), "the blocking reload came too early");
        self.check_media(place, named, &part.body);
        self.fetched.insert(place, part.body);
        self.deltas += usize::from(update.skipped > 0);
        self.take(update);
    }

    fn check_media(&self, place: (u64, u64), part: &Part, bytes: &[u8]) {
        let fragments = fragment::read(bytes);
        let ticks: u64 = fragments.iter().map(|fragment| fragment.duration).sum();
        let seconds = ticks as f64 / self.timescale as f64;
        assert!((seconds - part.duration).abs() < 0.001, "{place:?} says {} s and lasts {seconds} s", part.duration);
        assert_eq!(part.independent, fragments[0].starts_with_sync_sample, "INDEPENDENT of {place:?}");
    }

    /// Checks one playlist by itself and against everything before it.
    fn take(&mut self, update: Media) {
        let first = &self.first;
        assert_eq!(update.part_target, first.part_target, "PART-TARGET never changes");
        assert_eq!(update.target_duration, first.target_duration, "TARGETDURATION never changes");
        assert!(update.media_sequence >= self.latest.media_sequence, "EXT-X-MEDIA-SEQUENCE goes back");
        assert!(update.version >= if update.skipped > 0 { 9 } else { 6 }, "EXT-X-VERSION {}", update.version);
        let (target, part_target) = (update.target_duration as f64, update.part_target);
        assert!(update.seconds("PART-HOLD-BACK") >= 3.0 * part_target - 1e-9, "{:?}", update.control);
        assert!(update.seconds("HOLD-BACK") >= 3.0 * target - 1e-9, "{:?}", update.control);
        assert!(update.seconds("CAN-SKIP-UNTIL") >= 6.0 * target - 1e-9, "{:?}", update.control);
        assert_eq!(update.control["CAN-BLOCK-RELOAD"], "YES");
        assert!(!update.ended && update.hint.is_some(), "a live playlist says what comes next");
        for (msn, segment) in (update.first_msn()..).zip(&update.segments) {
            assert!(segment.duration.round() <= target, "segment {msn} lasts {} s", segment.duration);
            let parts: f64 = segment.parts.iter().map(|part| part.duration).sum();
            assert!(segment.parts.is_empty() || (parts - segment.duration).abs() < 0.005, "{msn}: {segment:?}");
            let known = self.segments.entry(msn).or_insert_with(|| segment.clone());
            let same = (&known.uri, known.duration, known.date) == (&segment.uri, segment.duration, segment.date);
            assert!(same, "segment {msn} has changed: {known:?} {segment:?}");
        }
        for (place, part) in update.parts() {
            assert!(part.duration <= part_target + 1e-6, "{place:?} is longer than PART-TARGET: {part:?}");
            assert_eq!(part, self.parts.entry(place).or_insert_with(|| part.clone()), "{place:?} has changed");
        }
        if let Some((&last, _)) = self.segments.last_key_value() {
            let known = self.segments.keys().filter(|&&msn| msn >= update.media_sequence).count() as u64;
            assert_eq!(known, last + 1 - update.media_sequence, "a delta update leaves no hole");
        }
        self.latest = update;
    }

    /// What can be said only of the whole.
    fn finish(&self) {
        let uris: BTreeSet<&str> =
            self.segments.values().map(|s| &*s.uri).chain(self.parts.values().map(|p| &*p.uri)).collect();
        assert_eq!(uris.len(), self.segments.len() + self.parts.len(), "URIs are unique");

        for (&(msn, index), part) in &self.parts {
            let is_last = !self.parts.contains_key(&(msn, index + 1));
            let short = part.duration < 0.85 * self.latest.part_target - 1e-6;
            assert!(is_last || !short, "part {msn}.{index} is under 85 % of PART-TARGET: {part:?}");
            assert!(index > 0 || part.independent, "segment {msn} does not start with a key frame");
        }
        for (msn, segment) in &self.segments {
            let Some(next) = self.segments.get(&(msn + 1)) else { continue };
            let (Some(date), Some(next_date)) = (segment.date, next.date) else { continue };
            let gap = next_date - date - segment.duration;
            assert!(gap.abs() < 0.002, "EXT-X-PROGRAM-DATE-TIME jumps by {gap} s after segment {msn}");
        }
        assert!(self.segments.values().all(|segment| segment.date.is_some()), "every segment is dated");
        assert!(self.deltas > 0, "no delta update in {FOLLOW:?}");

        // The parts that were fetched, one after the other, are one unbroken track. (A busy machine may
        // have made us miss some.)
        let fragments: Vec<Fragment> = self.fetched.values().flat_map(|bytes| fragment::read(bytes)).collect();
        for pair in fragments.windows(2).filter(|pair| pair[1].sequence == pair[0].sequence + 1) {
            assert_eq!(pair[0].end(), pair[1].start, "media time breaks: {pair:?}");
        }
        // A segment is the same media as its parts.
        let newest = self.latest.segments.last().expect("a segment");
        let segment = fragment::read(&self.box_.get(&resolve(&self.path, &newest.uri)).body);
        let parts = newest.parts.iter().map(|part| self.box_.get(&resolve(&self.path, &part.uri)).body);
        assert_eq!(segment, parts.flat_map(|bytes| fragment::read(&bytes)).collect::<Vec<_>>());
    }
}

fn follow(box_: &Appliance, path: &str) {
    let mut validator = Validator::new(box_, path);
    let until = Instant::now() + FOLLOW;
    let mut steps = 0;
    while Instant::now() < until {
        steps += 1;
        validator.step(steps % 3 == 0);
    }
    validator.finish();
    let expected = FOLLOW.as_secs_f64() / validator.latest.part_target;
    assert!(f64::from(steps) > 0.8 * expected, "only {steps} parts came in {FOLLOW:?}, {expected} were due");
}

#[test]
fn a_validator_follows_both_renditions() {
    let box_ = Appliance::start(STREAM);
    let Renditions { video, audio } = renditions(&box_);
    std::thread::scope(|scope| {
        let video = scope.spawn(|| follow(&box_, &video));
        let audio = scope.spawn(|| follow(&box_, &audio));
        video.join().expect("the video rendition is good");
        audio.join().expect("the audio rendition is good");
    });
    let audio = media(&box_, &audio);
    let frames = audio.part_target * 48_000.0 / 1_024.0;
    assert!((frames - frames.round()).abs() < 0.01, "audio's PART-TARGET is {frames} AAC frames");
}

#[test]
fn the_multivariant_playlist_says_what_a_player_must_know() {
    let box_ = Appliance::start(STREAM);
    let answer = box_.wait_for("/camera/index.m3u8");
    let master = Multivariant::parse(answer.text());
    let [(variant, _)] = &master.variants[..] else { panic!("one variant: {master:?}") };
    let codecs = unquote(&variant["CODECS"]);
    let (video, audio) = codecs.split_once(',').expect("two codecs");
    assert!(video.starts_with("avc1.") && video.len() == "avc1.4D401F".len(), "{codecs}");
    assert_eq!(audio.trim(), "mp4a.40.2");
    assert_eq!(variant["RESOLUTION"], "640x360");
    assert_eq!(variant["FRAME-RATE"].parse::<f64>(), Ok(30.0));
    let bits = |name: &str| variant[name].parse::<u64>().expect("a bitrate");
    assert!(bits("AVERAGE-BANDWIDTH") <= bits("BANDWIDTH"), "{variant:?}");
    assert!((100_000..20_000_000).contains(&bits("BANDWIDTH")), "{variant:?}");
    let [rendition] = &master.media[..] else { panic!("one audio rendition: {master:?}") };
    assert_eq!(rendition["GROUP-ID"], variant["AUDIO"]);
    assert_eq!(rendition["DEFAULT"], "YES");
    assert_eq!(rendition["CHANNELS"], "\"2\"");
}

#[test]
fn rendition_reports_name_the_other_rendition_as_it_is() {
    let box_ = Appliance::start(STREAM);
    let Renditions { video, audio } = renditions(&box_);
    for (own, other) in [(&video, &audio), (&audio, &video)] {
        let before = media(&box_, other);
        let playlist = media(&box_, own);
        let after = media(&box_, other);
        let [report] = &playlist.reports[..] else { panic!("one report: {playlist:?}") };
        assert_eq!(resolve(own, &report.uri), *other);
        let last = |media: &Media| media.parts().map(|(place, _)| place).last().expect("parts");
        let reported = (report.last_msn, report.last_part);
        assert!(last(&before) <= reported && reported <= last(&after), "{reported:?}");
    }
}

#[test]
fn a_reload_blocks_until_its_part_is_there() {
    let box_ = Appliance::start(STREAM);
    let path = renditions(&box_).video;
    let now = media(&box_, &path);
    // The segment after the one that is being made: at least a part away, at most two segments.
    let wanted = now.open_msn() + 1;
    let asked = Instant::now();
    let answer = Media::parse(box_.get(&format!("{path}?_HLS_msn={wanted}&_HLS_part=0")).text());
    assert!(answer.parts().any(|(place, _)| place >= (wanted, 0)));
    assert!(asked.elapsed() > Duration::from_millis(100), "it didn't block");
    // Without a part: the whole segment.
    let answer = Media::parse(box_.get(&format!("{path}?_HLS_msn={wanted}")).text());
    assert!(answer.open_msn() > wanted);
    // What is already there comes at once, past the end of a segment too.
    let asked = Instant::now();
    let answer = box_.get(&format!("{path}?_HLS_msn={}&_HLS_part=0", wanted - 1));
    assert_eq!(answer.status, 200);
    assert!(asked.elapsed() < Duration::from_millis(100), "it blocked for what was there");
}

#[test]
fn bad_requests_get_the_right_status() {
    let box_ = Appliance::start(STREAM);
    let path = renditions(&box_).video;
    let now = media(&box_, &path);
    let open = now.open_msn();
    let status = |path: &str| box_.get(path).status;
    for (query, why) in [
        (format!("_HLS_msn={}", open + 20), "far ahead"),
        (format!("_HLS_msn={open}&_HLS_part=1000"), "a part far ahead"),
        ("_HLS_part=1".to_owned(), "a part without a segment"),
        ("_HLS_msn=x".to_owned(), "no number"),
        ("_HLS_msn=-1".to_owned(), "a negative number"),
        ("_HLS_msn=99999999999999999999999".to_owned(), "more than 64 bits"),
    ] {
        assert_eq!(status(&format!("{path}?{query}")), 400, "{why}");
    }
    let folder = path.rsplit_once('/').expect("a path").0;
    for gone in [
        format!("{folder}/video/99999999.m4s"),
        format!("{folder}/video/init-999.mp4"),
        format!("{folder}/nothing.m3u8"),
        "/camera/0/video.m3u8".to_owned(),
        "/nosuchstream/index.m3u8".to_owned(),
        "/camera/../../etc/passwd".to_owned(),
        "/%2e%2e/%2e%2e/etc/passwd".to_owned(),
    ] {
        assert_eq!(status(&gone), 404, "{gone}");
    }
    // Still well.
    assert_eq!(status(&path), 200);
}

#[test]
fn what_has_left_the_window_is_gone() {
    let box_ = Appliance::start(&STREAM.replace("segment_ms = 2000", "segment_ms = 1000").replace('7', "3"));
    let path = renditions(&box_).video;
    let oldest = media(&box_, &path).segments[0].uri.clone();
    let oldest = resolve(&path, &oldest);
    assert_eq!(box_.get(&oldest).status, 200);
    // Kept for a while for those who have an older playlist, but not for ever.
    crate::appliance::wait_until("the oldest segment to go", PATIENCE, || box_.get(&oldest).status == 404);
}

fn cache_seconds(answer: &Response) -> u64 {
    let control = answer.header("cache-control").expect("a Cache-Control header");
    if control.contains("no-store") || control.contains("no-cache") {
        return 0;
    }
    let age = control.split(',').find_map(|part| part.trim().strip_prefix("max-age="));
    age.and_then(|age| age.parse().ok()).unwrap_or_else(|| panic!("no max-age in {control:?}"))
}

#[test]
fn headers_are_those_that_players_and_caches_need() {
    let box_ = Appliance::start(&format!("{STREAM}[streams.camera.access]\nview = \"public\"\n"));
    let path = renditions(&box_).video;
    let playlist = media(&box_, &path);
    let segment = playlist.segments.last().expect("a segment");
    let part = resolve(&path, &segment.parts[0].uri);
    let file = resolve(&path, &segment.uri);
    let init = resolve(&path, &segment.map);
    for (path, content_type, immutable) in [
        ("/camera/index.m3u8", "application/vnd.apple.mpegurl", false),
        (&path, "application/vnd.apple.mpegurl", false),
        (&part, "video/mp4", true),
        (&file, "video/mp4", true),
        (&init, "video/mp4", true),
    ] {
        let answer = box_.get_with(path, &[("Origin", "http://elsewhere.example")]);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some(content_type), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        let seconds = cache_seconds(&answer);
        assert_eq!(seconds >= 60, immutable, "{path} may be cached for {seconds} s");
        let head = http::request(box_.address(), "HEAD", path, &[]).expect("an answer");
        assert_eq!(head.status, 200, "HEAD {path}");
        assert!(head.body.is_empty());
    }
    let missing = box_.get("/camera/nothing");
    assert_eq!(missing.status, 404);
    assert_eq!(missing.header("access-control-allow-origin"), Some("*"), "a page must see why it failed");
    let post = http::request(box_.address(), "POST", &path, &[("Content-Length", "0")]).expect("an answer");
    assert_eq!(post.status, 405);
}

#[test]
fn a_page_of_the_net_gets_no_stream_that_is_for_the_lan() {
    let box_ = Appliance::start(STREAM);
    box_.wait_for("/camera/index.m3u8");
    for (origin, status) in [("http://elsewhere.example", 401), ("null", 401), ("http://nas.local", 200)] {
        let answer = box_.get_with("/camera/index.m3u8", &[("Origin", origin)]);
        assert_eq!(answer.status, status, "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{origin}: a page must see why");
    }
}

#[test]
fn playlists_come_gzipped_to_those_who_ask() {
    let box_ = Appliance::start(STREAM);
    let path = renditions(&box_).video;
    let now = media(&box_, &path);
    let query = format!("{path}?_HLS_msn={}&_HLS_part=0", now.open_msn());
    for path in ["/camera/index.m3u8", &path, &query] {
        let answer = box_.get_with(path, &[("Accept-Encoding", "gzip")]);
        assert_eq!(answer.header("content-encoding"), Some("gzip"), "{path}");
        assert!(answer.header("vary").is_some_and(|vary| vary.to_ascii_lowercase().contains("accept-encoding")));
        assert!(gunzip(&answer.body).starts_with(b"#EXTM3U"));
        let plain = box_.get_with(path, &[("Accept-Encoding", "gzip;q=0")]);
        assert_eq!(plain.header("content-encoding"), None, "{path}");
        assert!(plain.text().starts_with("#EXTM3U"));
    }
    let media = box_.get_with(&resolve(&path, &now.segments[0].uri), &[("Accept-Encoding", "gzip")]);
    assert_eq!(media.header("content-encoding"), None, "compressed video is not compressed again");
}

#[test]
fn ranges_of_media_are_served() {
    let box_ = Appliance::start(STREAM);
    let path = renditions(&box_).video;
    let playlist = media(&box_, &path);
    let file = resolve(&path, &playlist.segments.last().expect("a segment").uri);
    let whole = box_.get(&file).body;
    let length = whole.len();
    let ask = |range: &str| box_.get_with(&file, &[("Range", range)]);
    for (range, from, to) in [
        ("bytes=0-0".to_owned(), 0, 1),
        ("bytes=100-1099".to_owned(), 100, 1_100),
        (format!("bytes={}-", length - 7), length - 7, length),
        ("bytes=-10".to_owned(), length - 10, length),
        ("bytes=0-999999999".to_owned(), 0, length),
    ] {
        let answer = ask(&range);
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(answer.body, whole[from..to], "{range}");
        assert_eq!(answer.header("content-range"), Some(&*format!("bytes {from}-{}/{length}", to - 1)));
    }
    let answer = ask(&format!("bytes={length}-"));
    assert_eq!(answer.status, 416);
    assert_eq!(answer.header("content-range"), Some(&*format!("bytes */{length}")));
    assert_eq!(ask("lines=1-2").status, 200, "an unknown unit is ignored");
    // A part is the piece of its segment that the sum of the parts before it says.
    let parts = playlist.segments.last().expect("a segment").parts.iter();
    let parts: Vec<u8> = parts.flat_map(|part| box_.get(&resolve(&path, &part.uri)).body).collect();
    assert!(whole.ends_with(&parts), "a segment ends with its parts");
}

#[test]
fn garbage_on_the_socket_harms_nobody() {
    let box_ = Appliance::start(STREAM);
    box_.wait_for("/camera/index.m3u8");
    let long = vec![b'a'; 1 << 20];
    let many_headers = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(10_000));
    let garbage: [&[u8]; 6] = [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[&b"GET /"[..], &long, b" HTTP/1.1\r\n\r\n"].concat(),
        many_headers.as_bytes(),
        b"POST /camera/index.m3u8 HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
    ];
    for bytes in garbage {
        // An error status or a closed connection: both are fine, success is not.
        if let Ok(answer) = http::exchange(box_.address(), bytes) {
            assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{:?}", String::from_utf8_lossy(&answer));
        }
    }
    assert_eq!(box_.get("/camera/index.m3u8").status, 200);
}
