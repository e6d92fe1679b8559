//! One table: each content with all of its playlists as they must be, in `expected/`.
//!
//! After a change that is meant, run the test with `WRITE_EXPECTED=1` and read what changed.

use super::*;

/// A name, the settings, the content, and whether the stream ends after it.
type Case = (&'static str, Settings, Content, bool);

fn cases() -> Vec<Case> {
    let own = settings();
    let through = Settings { gop_ms: None, ..settings() };
    let (video, audio) = (video_track(Some((30, 1)), 1280), audio_track(48_000));
    let thirty = |to_ms| pictures(&video, (30, 1), 30, 0, to_ms);
    let only_video = |settings: &Settings| Settings { expect_audio: false, ..settings.clone() };
    let (ntsc, seven) = (video_track(Some((30_000, 1_001)), 1280), video_track(Some((7, 1)), 1280));
    vec![
        ("video-and-audio", own.clone(), together([thirty(5_600), sound(&audio, -50, 5_600)]), false),
        ("video-only", only_video(&own), thirty(2_300), false),
        ("audio-only", Settings { expect_video: false, ..own.clone() }, sound(&audio_track(44_100), 0, 2_700), false),
        ("ended", own.clone(), together([thirty(1_800), sound(&audio, 0, 1_800)]), true),
        ("ntsc", Settings { part_ms: 200, ..only_video(&own) }, pictures(&ntsc, (30_000, 1_001), 30, 0, 2_300), false),
        ("seven-a-second", Settings { part_ms: 200, ..only_video(&own) }, pictures(&seven, (7, 1), 7, 0, 2_600), false),
        ("variable-rate", only_video(&through), variable_rate(), false),
        ("b-frames", only_video(&own), b_frames(), false),
        ("long-gop", only_video(&through), pictures(&video, (30, 1), 240, 0, 9_000), false),
        ("one-key-frame", only_video(&own), pictures(&video, (30, 1), i64::MAX, 0, 3_500), false),
        ("key-frame-on-demand", only_video(&own), on_demand(), false),
        ("track-change", own.clone(), track_change(), false),
        (
            "audio-late",
            Settings { expect_audio: false, ..own.clone() },
            together([thirty(3_600), sound(&audio, 2_400, 3_600)]),
            false,
        ),
        (
            "video-late",
            own.clone(),
            together([pictures(&video, (30, 1), 30, 1_700, 3_300), sound(&audio, 0, 3_300)]),
            false,
        ),
        ("gap", own.clone(), gap(), false),
        ("slides", only_video(&through), slides(), false),
    ]
}

/// Pictures last 20 to 70 ms, and the durations tell it.
fn variable_rate() -> Content {
    let track = video_track(None, 1280);
    let durations = [20, 33, 70, 33, 41, 50, 25].into_iter().cycle();
    let mut dts = UPTIME_S * 90_000;
    let mut next = |(index, ms): (i64, i64)| {
        let unit = picture(dts, ms * 90, index % 40 == 0);
        dts += ms * 90;
        (Arc::clone(&track), unit)
    };
    (0..95).zip(durations).map(&mut next).collect()
}

/// Decoded I P B B P B B, shown I B B P B B P: presentation is two frames behind.
fn b_frames() -> Content {
    let mut content = pictures(&video_track(Some((30, 1)), 1280), (30, 1), 30, 0, 2_300);
    for (index, (_, unit)) in content.iter_mut().enumerate() {
        let shown_later = match index % 30 {
            0 => 1,
            n if n % 3 == 1 => 3,
            _ => 0,
        };
        unit.pts = unit.dts + shown_later * 3_000;
    }
    content
}

/// Somebody asked for a key frame 0.7 s into a GOP, and the encoder counts anew from there.
fn on_demand() -> Content {
    let mut content = pictures(&video_track(Some((30, 1)), 1280), (30, 1), 30, 0, 3_800);
    for (index, (_, unit)) in content.iter_mut().enumerate().skip(1) {
        *unit = picture(unit.dts, 3_000, (index as i64 - 21).rem_euclid(30) == 0);
    }
    content
}

/// The picture changes its size after 1.5 s; the sound goes on.
fn track_change() -> Content {
    let (small, large) = (video_track(Some((30, 1)), 640), video_track(Some((30, 1)), 1280));
    let before = pictures(&small, (30, 1), 30, 0, 1_500);
    let after = pictures(&large, (30, 1), 30, 1_500, 3_700);
    together([before, after, sound(&audio_track(48_000), 0, 3_700)])
}

/// Everything stands still for two seconds.
fn gap() -> Content {
    let (video, audio) = (video_track(Some((30, 1)), 1280), audio_track(48_000));
    let parts = [(0, 1_600), (3_600, 5_800)];
    let one = |(from, to)| together([pictures(&video, (30, 1), 30, from, to), sound(&audio, from, to)]);
    parts.into_iter().flat_map(one).collect()
}

/// Moving pictures, then one slide every 0.9 s: longer than PART-TARGET.
fn slides() -> Content {
    let track = video_track(Some((30, 1)), 1280);
    let mut content = pictures(&track, (30, 1), 30, 0, 1_300);
    let mut dts = UPTIME_S * 90_000 + 1_300 * 90;
    for index in 0..4 {
        content.push((Arc::clone(&track), picture(dts, 81_000, index == 3)));
        dts += 81_000;
    }
    let after = pictures(&track, (30, 1), 30, 4_900, 6_600);
    content.into_iter().chain(after).collect()
}

/// Every playlist of a presentation, one after the other.
fn all_playlists(packager: &mut Packager) -> String {
    let mut all = String::new();
    for name in ["index.m3u8", "video.m3u8", "audio.m3u8"] {
        let url = if name == "index.m3u8" { name.to_owned() } else { format!("{SESSION}/{name}") };
        let text = match get(packager, &url) {
            Answer::Ready(resource) => String::from_utf8(resource.body.concat()).expect("UTF-8"),
            other => format!("{other:?}\n"),
        };
        all.push_str(&format!("==> {name} <==\n{text}"));
    }
    all
}

#[test]
fn every_content_has_its_playlists() {
    let mut wrong = Vec::new();
    for (name, settings, content, ends) in cases() {
        let mut packager = packager(settings);
        push_all(&mut packager, content);
        if ends {
            packager.end();
        }
        let got = all_playlists(&mut packager);
        let path = format!("{}/src/package/tests/expected/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("WRITE_EXPECTED").is_some() {
            std::fs::write(&path, &got).expect("a writable file");
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if got != expected {
            let line = got.lines().zip(expected.lines()).position(|(a, b)| a != b);
            wrong.push(format!("{name}, line {line:?}:\n{got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn another_parser_reads_every_playlist() {
    for (name, settings, content, _) in cases() {
        let (has_video, has_audio) = (settings.expect_video, settings.expect_audio || name == "audio-late");
        let mut packager = packager(settings);
        push_all(&mut packager, content);
        let multivariant = text(&mut packager, "index.m3u8");
        let (rest, parsed) = m3u8_rs::parse_master_playlist(multivariant.as_bytes()).expect(name);
        assert!(rest.is_empty(), "{name}");
        assert_eq!(parsed.variants.len(), 1, "{name}");
        assert_eq!(parsed.alternatives.len(), usize::from(has_video && has_audio), "{name}");
        assert!(parsed.variants[0].average_bandwidth <= Some(parsed.variants[0].bandwidth), "{name}");
        for rendition in [("video", has_video), ("audio", has_audio)].iter().filter(|(_, has)| *has) {
            let playlist = text(&mut packager, &format!("{SESSION}/{}.m3u8", rendition.0));
            let (rest, parsed) = m3u8_rs::parse_media_playlist(playlist.as_bytes()).expect(name);
            assert!(rest.is_empty(), "{name}");
            assert_eq!(parsed.version, Some(9), "{name}");
            for segment in parsed.segments.iter().filter(|segment| !segment.uri.is_empty()) {
                assert!(segment.program_date_time.is_some(), "{name}: {segment:?}");
                assert!(segment.duration.round() as u64 <= parsed.target_duration, "{name}: {segment:?}");
            }
            assert!(parsed.segments[0].map.is_some(), "{name}");
        }
    }
}
