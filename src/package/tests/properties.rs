//! What holds for any content: checked from outside, on the playlists, after every few units.

use super::*;
use crate::package::segmenter::{Event, Rule, Segmenter};
use crate::package::settings::Targets;
use crate::stream::Quiet;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// One entry of a playlist; strings are as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Listed {
    discontinuity: bool,
    map: Option<String>,
    date: String,
    parts: Vec<(i64, String)>,
    /// `None` while it is being made.
    whole: Option<(i64, String)>,
}

#[derive(Debug, Clone, Default)]
struct Parsed {
    target_duration: i64,
    part_target: i64,
    media_sequence: u64,
    discontinuity_sequence: u64,
    skipped: usize,
    segments: Vec<Listed>,
}

/// Hundred-thousandths of a second.
fn decimal(text: &str) -> i64 {
    let (seconds, fraction) = text.split_once('.').expect("a decimal");
    assert_eq!(fraction.len(), 5, "{text}");
    seconds.parse::<i64>().expect("digits") * 100_000 + fraction.parse::<i64>().expect("digits")
}

fn attribute<'a>(tag: &'a str, name: &str) -> &'a str {
    let from = tag.find(&format!("{name}=")).expect("the attribute") + name.len() + 1;
    tag[from..].split(',').next().expect("a value").trim_matches('"')
}

fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut segment = Listed::default();
    let mut map = None;
    let mut duration = 0;
    for line in text.lines() {
        let (tag, rest) = line.split_once(':').unwrap_or((line, ""));
        match tag {
            "#EXT-X-TARGETDURATION" => parsed.target_duration = rest.parse().expect("digits"),
            "#EXT-X-PART-INF" => parsed.part_target = decimal(attribute(rest, "PART-TARGET")),
            "#EXT-X-MEDIA-SEQUENCE" => parsed.media_sequence = rest.parse().expect("digits"),
            "#EXT-X-DISCONTINUITY-SEQUENCE" => parsed.discontinuity_sequence = rest.parse().expect("digits"),
            "#EXT-X-SKIP" => parsed.skipped = attribute(rest, "SKIPPED-SEGMENTS").parse().expect("digits"),
            "#EXT-X-DISCONTINUITY" => segment.discontinuity = true,
            "#EXT-X-MAP" => map = Some(attribute(rest, "URI").to_owned()),
            "#EXT-X-PROGRAM-DATE-TIME" => segment.date = rest.to_owned(),
            "#EXT-X-PART" => {
                segment.parts.push((decimal(attribute(rest, "DURATION")), attribute(rest, "URI").to_owned()));
            }
            "#EXTINF" => duration = decimal(rest.trim_end_matches(',')),
            _ if !line.starts_with('#') => {
                segment.whole = Some((duration, line.to_owned()));
                segment.map.clone_from(&map);
                parsed.segments.push(std::mem::take(&mut segment));
            }
            _ => {}
        }
    }
    if segment != Listed::default() {
        segment.map = map;
        parsed.segments.push(segment);
    }
    parsed
}

/// What one viewer of one rendition remembers, to hold the next playlist against.
#[derive(Default)]
struct Viewer {
    before: Option<Parsed>,
    /// Each URL's bytes.
    media: HashMap<String, Bytes>,
    /// Each segment's absolute discontinuity number and date.
    segments: BTreeMap<u64, (u64, String)>,
}

impl Viewer {
    fn look(&mut self, packager: &mut Packager, name: &str) {
        let url = format!("{SESSION}/{name}.m3u8");
        let Answer::Ready(resource) = get(packager, &url) else { return };
        let now = parse(&String::from_utf8(resource.body.concat()).expect("UTF-8"));
        if let Some(before) = &self.before {
            assert_eq!(now.target_duration, before.target_duration, "TARGETDURATION never changes");
            assert_eq!(now.part_target, before.part_target, "PART-TARGET never changes");
            assert!(now.media_sequence >= before.media_sequence);
            assert!(now.media_sequence <= before.media_sequence + before.segments.len() as u64 + 1);
            self.check_delta(packager, &url, before, &now);
        }
        self.check_segments(&now);
        self.fetch_all(packager, &now);
        self.before = Some(now);
    }

    fn check_segments(&mut self, now: &Parsed) {
        let mut discontinuities = now.discontinuity_sequence;
        for (msn, segment) in (now.media_sequence..).zip(&now.segments) {
            discontinuities += u64::from(segment.discontinuity);
            assert!(segment.map.is_some());
            let known = self.segments.entry(msn).or_insert_with(|| (discontinuities, segment.date.clone()));
            assert_eq!(*known, (discontinuities, segment.date.clone()), "segment {msn}");
            let last = segment.parts.len().checked_sub(usize::from(segment.whole.is_some()));
            for (index, (duration, uri)) in segment.parts.iter().enumerate() {
                assert!(*duration <= now.part_target, "{uri} lasts {duration} of {}", now.part_target);
                let exempt = segment.whole.is_some() && Some(index) == last;
                assert!(exempt || *duration * 100 >= now.part_target * 85 - 100, "{uri} lasts {duration}");
            }
            let Some((duration, uri)) = &segment.whole else { continue };
            assert!((duration + 50_000) / 100_000 <= now.target_duration, "{uri} lasts {duration}");
            if !segment.parts.is_empty() {
                let sum: i64 = segment.parts.iter().map(|(duration, _)| duration).sum();
                assert!((sum - duration).abs() <= segment.parts.len() as i64 + 1, "{uri}: {sum} is not {duration}");
            }
        }
        let open = now.segments.iter().rev().skip(1).find(|segment| segment.whole.is_none());
        assert_eq!(open, None, "only the last is unfinished");
    }

    fn fetch_all(&mut self, packager: &mut Packager, now: &Parsed) {
        for segment in &now.segments {
            let parts: Vec<Bytes> = segment.parts.iter().map(|(_, uri)| self.fetch(packager, uri)).collect();
            self.fetch(packager, segment.map.as_ref().expect("a map"));
            if let Some((_, uri)) = &segment.whole {
                let whole = self.fetch(packager, uri);
                assert!(parts.is_empty() || whole == parts.concat(), "{uri} is its parts");
            }
        }
    }

    /// Whatever is listed can be fetched, and stays the same.
    fn fetch(&mut self, packager: &mut Packager, uri: &str) -> Bytes {
        let Answer::Ready(resource) = get(packager, &format!("{SESSION}/{uri}")) else { panic!("{uri} is not there") };
        let bytes = Bytes::from(resource.body.concat());
        let first = self.media.entry(uri.to_owned()).or_insert_with(|| bytes.clone());
        assert_eq!(*first, bytes, "{uri} changed");
        bytes
    }

    /// The playlist before, with the delta update applied, is the playlist now.
    fn check_delta(&self, packager: &mut Packager, url: &str, before: &Parsed, now: &Parsed) {
        let delta = parse(&text(packager, &format!("{url}?_HLS_skip=YES")));
        assert_eq!(delta.media_sequence, now.media_sequence);
        let old =
            |msn: u64| msn.checked_sub(before.media_sequence).and_then(|index| before.segments.get(index as usize));
        let skipped = (delta.media_sequence..).take(delta.skipped);
        let Some(skipped) = skipped.map(old).collect::<Option<Vec<_>>>() else { return };
        let applied: Vec<Listed> = skipped.into_iter().chain(&delta.segments).cloned().collect();
        assert_eq!(applied.len(), now.segments.len());
        for (index, (applied, now)) in applied.into_iter().zip(&now.segments).enumerate() {
            let parts = if index < delta.skipped { Vec::new() } else { applied.parts };
            assert_eq!(Listed { parts, ..applied }, *now);
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// So many pictures, a key frame every so many, at a frame of so many ticks and a jitter up to so many.
    Pictures {
        count: i64,
        gop: i64,
        frame: i64,
        jitter: i64,
        says: Says,
    },
    Sound {
        count: i64,
    },
    /// A hole in the pictures, the sound, or both; or a step back.
    Gap {
        video_ms: i64,
        audio_ms: i64,
    },
    ChangeTrack {
        width: u32,
    },
    Lag,
}

/// What the units say about their durations.
#[derive(Debug, Clone, Copy)]
enum Says {
    TheTruth,
    Nothing,
    TooMuch,
}

fn step() -> impl Strategy<Value = Step> {
    let frame = prop_oneof![Just(3_000_i64), Just(3_003), Just(3_600), Just(12_857), Just(1_500), Just(60_000)];
    let gop = prop_oneof![Just(30_i64), Just(7), Just(300), 1_i64..100];
    let says = prop_oneof![8 => Just(Says::TheTruth), 1 => Just(Says::Nothing), 1 => Just(Says::TooMuch)];
    let jitter = prop_oneof![3 => Just(0_i64), 1 => 0_i64..4_000];
    prop_oneof![
        12 => (1_i64..90, gop, frame, jitter, says)
            .prop_map(|(count, gop, frame, jitter, says)| Step::Pictures { count, gop, frame, jitter, says }),
        8 => (1_i64..140).prop_map(|count| Step::Sound { count }),
        1 => (-1_500_i64..1_500, -1_500_i64..1_500).prop_map(|(video_ms, audio_ms)| Step::Gap { video_ms, audio_ms }),
        1 => prop_oneof![Just(640_u32), Just(1_280)].prop_map(|width| Step::ChangeTrack { width }),
        1 => Just(Step::Lag),
    ]
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let gop_ms = prop_oneof![Just(None), Just(Some(1_000)), Just(Some(500)), (100_u32..5_000).prop_map(Some)];
    (50_u32..1_000, 300_u32..4_000, 1_usize..8, gop_ms, any::<bool>(), any::<bool>()).prop_map(
        |(part_ms, segment_ms, window, gop_ms, expect_video, expect_audio)| Settings {
            part_ms,
            segment_ms,
            window,
            gop_ms,
            expect_video,
            expect_audio,
        },
    )
}

/// Turns steps into units; keeps where each track is in time.
struct Source {
    video: Arc<Track>,
    audio: Arc<Track>,
    video_at: i64,
    audio_at: i64,
    pictures: i64,
}

impl Source {
    fn units(&mut self, step: &Step) -> Content {
        let mut content = Content::new();
        match *step {
            Step::Pictures { count, gop, frame, jitter, says } => {
                for index in 0..count {
                    // Neither random nor regular.
                    let shift = if jitter == 0 { 0 } else { (index * 7_919) % jitter };
                    let duration = match says {
                        Says::TheTruth => frame,
                        Says::Nothing => 0,
                        Says::TooMuch => frame * 3,
                    };
                    let unit = picture(self.video_at + shift, duration, self.pictures % gop == 0);
                    content.push((Arc::clone(&self.video), unit));
                    self.video_at += frame;
                    self.pictures += 1;
                }
            }
            Step::Sound { count } => {
                content = sound(&self.audio, 0, count * 1_024 / 48);
                for (_, unit) in &mut content {
                    unit.dts = self.audio_at;
                    unit.pts = self.audio_at;
                    self.audio_at += 1_024;
                }
            }
            Step::Gap { video_ms, audio_ms } => {
                self.video_at += video_ms * 90;
                self.audio_at += audio_ms * 48;
            }
            Step::ChangeTrack { width } => {
                self.video = video_track(Some((30, 1)), width);
                self.pictures = 0;
            }
            Step::Lag => {}
        }
        content
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_content_makes_a_presentation_that_keeps_the_rules(
        settings in any_settings(),
        steps in proptest::collection::vec(step(), 1..40),
        rate_known in any::<bool>(),
    ) {
        let mut packager = packager(settings);
        let mut source = Source {
            video: video_track(rate_known.then_some((30, 1)), 1280),
            audio: audio_track(48_000),
            video_at: UPTIME_S * 90_000,
            audio_at: UPTIME_S * 48_000,
            pictures: 0,
        };
        let (mut video, mut audio) = (Viewer::default(), Viewer::default());
        for step in &steps {
            if matches!(step, Step::Lag) {
                packager.discontinuity();
            }
            for (index, (track, unit)) in source.units(step).into_iter().enumerate() {
                packager.push(&track, unit);
                if index % 5 == 0 {
                    video.look(&mut packager, "video");
                    audio.look(&mut packager, "audio");
                }
            }
        }
        packager.end();
        video.look(&mut packager, "video");
        audio.look(&mut packager, "audio");
    }

    /// Units that come in come out once and in order, or are counted as dropped; each part begins where the
    /// one before ended, unless there is a hole that no picture can fill.
    #[test]
    fn the_segmenter_loses_nothing_silently(
        steps in proptest::collection::vec(step(), 1..30),
        settings in any_settings(),
    ) {
        let mut source = Source {
            video: video_track(None, 1280),
            audio: audio_track(48_000),
            video_at: 0,
            audio_at: 0,
            pictures: 0,
        };
        let part_nanos = i64::from(settings.part_ms) * 1_000_000;
        let target_duration_s = settings.target_duration_s(part_nanos);
        let targets = Targets::new(&settings, target_duration_s, part_nanos, Timescale::VIDEO);
        let mut segmenter = Segmenter::new(Rule::KeyFrames, targets, 45_000, 3_000);
        let mut events = Vec::new();
        let mut pushed = 0;
        for step in steps.iter().filter(|step| !matches!(step, Step::Sound { .. })) {
            if matches!(step, Step::Lag) {
                segmenter.break_off(&mut events);
            }
            for (_, unit) in source.units(step) {
                segmenter.push(unit, &mut events);
                pushed += 1;
            }
        }
        segmenter.finish(&mut events);
        let mut came_out = segmenter.dropped();
        let mut end = None;
        let mut open = false;
        for event in events {
            match event {
                Event::Begin { dts, discontinuity, .. } => {
                    prop_assert!(!open);
                    open = true;
                    if discontinuity {
                        end = None;
                    }
                    prop_assert!(end.is_none_or(|end| (end..=end + 45_000).contains(&dts)), "{dts} after {end:?}");
                }
                Event::Part { units, duration, .. } => {
                    prop_assert!(open && !units.is_empty());
                    came_out += units.len() as u64;
                    prop_assert!(units.is_sorted_by(|a, b| a.dts + i64::from(a.duration) <= b.dts));
                    let (first, last) = (units.first().expect("a unit"), units.last().expect("a unit"));
                    prop_assert!(end.is_none_or(|end| end <= first.dts), "{} after {end:?}", first.dts);
                    prop_assert_eq!(last.dts + i64::from(last.duration) - first.dts, duration);
                    end = Some(first.dts + duration);
                }
                Event::End => {
                    prop_assert!(open);
                    open = false;
                }
            }
        }
        prop_assert_eq!(came_out, pushed);
    }

    /// What the packager says need not wake it closes nothing: no part comes later for it.
    #[test]
    fn quiet_units_close_nothing(
        rate in prop_oneof![Just((25_u32, 1_u32)), Just((30, 1)), Just((50, 1)), Just((60, 1)), Just((30_000, 1_001))],
        part_ms in 100_u32..1_000,
        gop in 10_i64..100,
        (with_video, with_audio) in prop_oneof![Just((true, true)), Just((true, false)), Just((false, true))],
    ) {
        let settings = Settings { part_ms, gop_ms: None, expect_video: with_video, expect_audio: with_audio, ..settings() };
        let mut packager = packager(settings);
        let video = video_track(Some(rate), 1280);
        let mut content = Vec::new();
        if with_video {
            content.push(pictures(&video, rate, gop, 0, 20_000));
        }
        if with_audio {
            content.push(sound(&audio_track(48_000), 0, 20_000));
        }
        let (mut quiet, mut slept, mut units) = (Vec::new(), 0, 0);
        for (track, unit) in together(content) {
            let covered = quiet.iter().any(|quiet: &Quiet| quiet.covers(&track, &unit));
            let news = packager.push(&track, unit);
            units += 1;
            if covered {
                slept += 1;
                prop_assert!(!news.video && !news.audio && news.captured.is_none(), "{news:?} at unit {units}");
            } else {
                quiet = packager.quiet();
            }
        }
        // Of a part with only two or three pictures, next to each one closes something.
        prop_assert!(part_ms < 160 || slept * 4 > units, "{slept} of {units}");
    }

    #[test]
    fn no_request_panics(path in ".{0,60}", query in proptest::option::of("[_HLSmsnparkipYE0-9=&]{0,60}")) {
        let _ = Request::parse(&path, query.as_deref());
    }
}
