//! What is answered to what, when.

use super::*;

/// Three and a half seconds of both: segments 0, 1, 2 whole, 3 begun, one part each of it.
fn some() -> Packager {
    let mut packager = packager(settings());
    let content =
        [pictures(&video_track(Some((30, 1)), 1280), (30, 1), 30, 0, 3_510), sound(&audio_track(48_000), 0, 3_550)];
    push_all(&mut packager, together(content));
    packager
}

fn kind(answer: &Answer) -> &'static str {
    match answer {
        Answer::Ready(_) => "ready",
        Answer::Wait => "wait",
        Answer::TooFarAhead => "too far ahead",
        Answer::Gone => "gone",
        Answer::Busy => "busy",
        Answer::TimedOut => "timed out",
    }
}

#[test]
fn each_request_has_its_answer() {
    let mut packager = some();
    let table = [
        ("index.m3u8", "ready"),
        ("5e55/video.m3u8", "ready"),
        ("5e55/audio.m3u8?token=x", "ready"),
        // Another start of the box.
        ("5e56/video.m3u8", "gone"),
        ("5e56/video/0.m4s", "gone"),
        // Blocking reloads, RFC 8216bis §6.2.5.2. The last part is 3.0.
        ("5e55/video.m3u8?_HLS_msn=0", "ready"),
        ("5e55/video.m3u8?_HLS_msn=2", "ready"),
        ("5e55/video.m3u8?_HLS_msn=3", "wait"),
        ("5e55/video.m3u8?_HLS_msn=3&_HLS_part=0", "ready"),
        ("5e55/video.m3u8?_HLS_msn=3&_HLS_part=0&_HLS_skip=YES", "ready"),
        ("5e55/video.m3u8?_HLS_msn=3&_HLS_part=1", "wait"),
        ("5e55/video.m3u8?_HLS_msn=3&_HLS_part=7", "wait"),
        ("5e55/video.m3u8?_HLS_msn=3&_HLS_part=8", "too far ahead"),
        // A part beyond a segment's last is the next segment's first.
        ("5e55/video.m3u8?_HLS_msn=2&_HLS_part=2", "ready"),
        ("5e55/video.m3u8?_HLS_msn=2&_HLS_part=4000000000", "ready"),
        ("5e55/video.m3u8?_HLS_msn=4&_HLS_part=0", "wait"),
        ("5e55/video.m3u8?_HLS_msn=5", "wait"),
        ("5e55/video.m3u8?_HLS_msn=6", "too far ahead"),
        ("5e55/video.m3u8?_HLS_msn=18446744073709551615", "too far ahead"),
        ("5e55/video/init-0.mp4", "ready"),
        ("5e55/video/init-1.mp4", "gone"),
        ("5e55/video/0.m4s", "ready"),
        ("5e55/video/3.m4s", "gone"),
        ("5e55/video/2.1.m4s", "ready"),
        ("5e55/video/2.2.m4s", "gone"),
        ("5e55/video/3.0.m4s", "ready"),
        // The hinted part, and what is beyond it.
        ("5e55/video/3.1.m4s", "wait"),
        ("5e55/video/3.2.m4s", "gone"),
        ("5e55/video/4.0.m4s", "gone"),
        ("5e55/audio/3.1.m4s", "ready"),
        ("5e55/audio/3.2.m4s", "wait"),
    ];
    for (url, expected) in table {
        assert_eq!(kind(&get(&mut packager, url)), expected, "{url}");
    }
}

#[test]
fn where_a_key_frame_is_due_the_next_segment_is_hinted_and_both_names_wait() {
    let mut packager = packager(Settings { expect_audio: false, ..settings() });
    let track = video_track(Some((30, 1)), 1280);
    push_all(&mut packager, pictures(&track, (30, 1), 30, 0, 1_990));
    let playlist = text(&mut packager, "5e55/video.m3u8");
    assert!(playlist.ends_with("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"video/2.0.m4s\"\n"), "{playlist}");
    assert_eq!(get(&mut packager, "5e55/video/2.0.m4s"), Answer::Wait);
    assert_eq!(get(&mut packager, "5e55/video/1.2.m4s"), Answer::Wait);
    push_all(&mut packager, pictures(&track, (30, 1), 30, 2_000, 2_010));
    assert_eq!(get(&mut packager, "5e55/video/2.0.m4s"), Answer::Wait);
    assert_eq!(get(&mut packager, "5e55/video/1.2.m4s"), Answer::Gone, "the segment ended without it");
}

#[test]
fn before_there_is_media_requests_wait() {
    let mut packager = packager(Settings { expect_audio: false, ..settings() });
    for url in ["index.m3u8", "5e55/video.m3u8", "5e55/video.m3u8?_HLS_msn=0&_HLS_part=0", "5e55/video/init-0.mp4"] {
        assert_eq!(get(&mut packager, url), Answer::Wait, "{url}");
    }
    assert_eq!(get(&mut packager, "5e55/audio.m3u8"), Answer::Gone, "no sound is expected");
    packager.end();
    assert_eq!(get(&mut packager, "index.m3u8"), Answer::Gone);
}

#[test]
fn the_multivariant_playlist_waits_for_the_sound_but_not_for_ever() {
    let mut packager = packager(settings());
    let track = video_track(Some((30, 1)), 1280);
    push_all(&mut packager, pictures(&track, (30, 1), 30, 0, 2_500));
    assert_eq!(get(&mut packager, "index.m3u8"), Answer::Wait);
    push_all(&mut packager, pictures(&track, (30, 1), 30, 2_500, 3_500));
    assert!(text(&mut packager, "index.m3u8").contains("CODECS=\"avc1.4D401F\""));
}

#[test]
fn the_bandwidth_is_what_is_configured_and_then_what_is_measured() {
    let mut packager = packager(Settings { expect_audio: false, ..settings() });
    let mut content = pictures(&video_track(Some((30, 1)), 1280), (30, 1), 30, 0, 1_010);
    let rest = content.split_off(16);
    push_all(&mut packager, content);
    let configured = "BANDWIDTH=3000000,AVERAGE-BANDWIDTH=3000000,";
    assert!(text(&mut packager, "index.m3u8").contains(configured));
    push_all(&mut packager, rest);
    // A second with one key frame of 5,000 bytes and 29 other pictures of 1,000, and some boxes.
    let multivariant = text(&mut packager, "index.m3u8");
    let (_, parsed) = m3u8_rs::parse_master_playlist(multivariant.as_bytes()).expect("a playlist");
    assert!((272_000..285_000).contains(&parsed.variants[0].bandwidth), "{multivariant}");
}

#[test]
fn after_a_gap_a_key_frame_is_wanted() {
    let mut packager = some();
    assert!(!packager.wants_key_frame());
    let track = video_track(Some((30, 1)), 1280);
    let mut late = pictures(&track, (30, 1), 30, 5_000, 6_500);
    push_all(&mut packager, late.drain(1..30).collect());
    assert!(packager.wants_key_frame());
    push_all(&mut packager, late.split_off(1));
    assert!(!packager.wants_key_frame());
}

#[test]
fn an_end_is_said_and_nothing_waits_for_more() {
    let mut packager = some();
    packager.end();
    for url in ["5e55/video.m3u8?_HLS_msn=5", "5e55/audio.m3u8?_HLS_msn=9&_HLS_part=70"] {
        assert!(text(&mut packager, url).ends_with("\n#EXT-X-ENDLIST\n"), "{url}");
    }
    assert_eq!(kind(&get(&mut packager, "5e55/video/3.m4s")), "ready", "the last segment is whole");
    assert_eq!(get(&mut packager, "5e55/video/4.0.m4s"), Answer::Gone);
    let news = packager.push(&video_track(None, 1280), picture(UPTIME_S * 90_000 + 900_000, 3_000, true));
    assert_eq!(news, News::default(), "nothing follows an end");
}

#[test]
fn a_segment_is_its_parts_and_everything_of_it_is_immutable() {
    let mut packager = some();
    let part = |packager: &mut Packager, url: &str| match get(packager, url) {
        Answer::Ready(resource) => resource,
        other => panic!("{url}: {other:?}"),
    };
    let segment = part(&mut packager, "5e55/video/1.m4s");
    let parts = [part(&mut packager, "5e55/video/1.0.m4s"), part(&mut packager, "5e55/video/1.1.m4s")];
    assert_eq!(segment.body, parts.clone().map(|part| part.body[0].clone()));
    assert_eq!(segment.body[0].as_ptr(), parts[0].body[0].as_ptr(), "shared, not copied");
    assert_eq!((segment.content_type, segment.cache), ("video/mp4", Cache::Immutable));
    assert_eq!(part(&mut packager, "5e55/audio/init-0.mp4").content_type, "audio/mp4");
}

#[test]
fn playlists_are_written_once_a_version_and_compressed() {
    let mut packager = some();
    let resource = |packager: &mut Packager, url: &str| match get(packager, url) {
        Answer::Ready(resource) => resource,
        other => panic!("{url}: {other:?}"),
    };
    let first = resource(&mut packager, "5e55/video.m3u8");
    let again = resource(&mut packager, "5e55/video.m3u8?_HLS_msn=2");
    assert_eq!(first.body[0].as_ptr(), again.body[0].as_ptr());
    assert_eq!(
        (first.cache, again.cache),
        (Cache::Playlist { max_age_s: 0 }, Cache::BlockingPlaylist { max_age_s: 6 })
    );
    assert_eq!(first.content_type, "application/vnd.apple.mpegurl");
    let mut plain = String::new();
    let gzip = first.gzip.expect("a playlist is compressed");
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&gzip[..]), &mut plain).expect("gzip");
    assert_eq!(plain.as_bytes(), first.body[0]);
    push_all(&mut packager, pictures(&video_track(Some((30, 1)), 1280), (30, 1), 30, 4_000, 4_510));
    assert_ne!(resource(&mut packager, "5e55/video.m3u8").body, first.body);
}

#[test]
fn what_left_the_playlist_can_still_be_fetched_for_a_while_and_then_is_gone() {
    let mut packager = packager(Settings { expect_audio: false, ..settings() });
    let track = video_track(Some((30, 1)), 1280);
    push_all(&mut packager, pictures(&track, (30, 1), 30, 0, 6_500));
    assert!(text(&mut packager, "5e55/video.m3u8").contains("#EXT-X-MEDIA-SEQUENCE:3\n"));
    assert_eq!(kind(&get(&mut packager, "5e55/video/0.m4s")), "ready");
    assert_eq!(kind(&get(&mut packager, "5e55/video/2.1.m4s")), "ready");
    push_all(&mut packager, pictures(&track, (30, 1), 30, 6_500, 12_000));
    // Segment 0 left after 4 s; its own second and the four of the playlist are over after 9.
    assert_eq!(kind(&get(&mut packager, "5e55/video/0.m4s")), "gone");
    assert_eq!(kind(&get(&mut packager, "5e55/video/7.m4s")), "ready");
}

#[test]
fn a_lag_is_a_discontinuity_in_both_renditions_and_resumes_at_a_key_frame() {
    let mut packager = some();
    packager.discontinuity();
    let content = [
        pictures(&video_track(Some((30, 1)), 1280), (30, 1), 30, 4_700, 6_510),
        sound(&audio_track(48_000), 4_700, 6_550),
    ];
    let mut late = together(content);
    late.remove(1);
    push_all(&mut packager, late);
    for rendition in ["video", "audio"] {
        let playlist = text(&mut packager, &format!("5e55/{rendition}.m3u8"));
        assert_eq!(playlist.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{playlist}");
        assert!(playlist.contains(&format!("\n{rendition}/3.m4s\n#EXT-X-DISCONTINUITY\n")), "{playlist}");
    }
}

#[test]
fn an_ntp_step_moves_the_dates_of_later_segments_and_no_media() {
    let mut packager = packager(Settings { expect_audio: false, ..settings() });
    let track = video_track(Some((30, 1)), 1280);
    push_all(&mut packager, pictures(&track, (30, 1), 30, 0, 1_500));
    packager.set_epoch(Epoch::new(MonoTime::from_millis(UPTIME_S * 1_000), WALL_NANOS + 3_600_000_000_000));
    push_all(&mut packager, pictures(&track, (30, 1), 30, 1_500, 3_510));
    let playlist = text(&mut packager, "5e55/video.m3u8");
    assert!(playlist.contains("#EXT-X-PROGRAM-DATE-TIME:2026-11-21T10:00:01.000Z\n"), "{playlist}");
    assert!(playlist.contains("#EXT-X-PROGRAM-DATE-TIME:2026-11-21T11:00:02.500Z\n"), "{playlist}");
    assert!(!playlist.contains("#EXT-X-DISCONTINUITY"), "{playlist}");
}

#[test]
fn paths_and_queries_that_are_not_ours() {
    let not_ours = [
        "",
        "/",
        "index.m3u",
        "video.m3u8",
        "5e55/",
        "5e55/video",
        "5e55/other.m3u8",
        "5e55/video/",
        "5e55/video/.m4s",
        "5e55/video/1.2.3.m4s",
        "5e55/video/01.m4s",
        "5e55/video/-1.m4s",
        "5e55/video/+1.m4s",
        "5e55/video/1..m4s",
        "5e55/video/init-.mp4",
        "5e55/video/init-99999999999.mp4",
        "5E55/video.m3u8",
        "05e55/video.m3u8",
        "5e55/video/18446744073709551616.m4s",
        "5e55/video/1.4294967296.m4s",
        "5e55/video/x/1.m4s",
        "5e55//video.m3u8",
    ];
    for path in not_ours {
        assert_eq!(Request::parse(path, None), None, "{path}");
    }
    let bad = |query: &str| Request::parse("5e55/video.m3u8", Some(query)).expect("a path of ours").expect_err(query);
    assert_eq!(bad("_HLS_part=1"), BadQuery::PartWithoutMsn);
    assert_eq!(bad("_HLS_msn=1&_HLS_msn=2"), BadQuery::Twice { directive: "_HLS_msn" });
    assert_eq!(bad("_HLS_skip=no"), BadQuery::BadSkip { value: "no".to_owned() });
    for query in ["_HLS_msn=", "_HLS_msn", "_HLS_msn=-1", "_HLS_msn=1.5", "_HLS_msn=1&_HLS_part=x"] {
        assert!(matches!(bad(query), BadQuery::NotANumber { .. }), "{query}");
    }
}

#[test]
fn requests_round_trip_through_their_urls() {
    let directives = Directives { msn: Some(7), part: Some(3), skip: true };
    let session = Session::new(0x5e55);
    let rendition = Rendition::Video;
    let table = [
        ("index.m3u8", Request::Multivariant),
        (
            "5e55/video.m3u8?_HLS_skip=v2&a=b&_HLS_part=3&_HLS_msn=7",
            Request::Playlist { session, rendition, directives },
        ),
        ("5e55/video/init-3.mp4", Request::Init { session, rendition, revision: 3 }),
        ("5e55/video/0.m4s", Request::Segment { session, rendition, msn: 0 }),
        ("5e55/audio/12.34.m4s", Request::Part { session, rendition: Rendition::Audio, msn: 12, part: 34 }),
    ];
    for (url, expected) in table {
        assert_eq!(request(url), expected, "{url}");
    }
}
