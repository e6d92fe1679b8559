use super::*;
use crate::media::{AacParams, AccessUnit, Codec, TrackId};
use crate::time::Timescale;
use bytes::Bytes;
use proptest::prelude::*;
use std::path::Path;

const TICK: Duration = Duration::from_millis(20);

fn vector(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

type Units = Vec<(Arc<Track>, AccessUnit)>;

/// What is played in the given time, or up to the end or an error.
fn play(source: &mut FileSource, for_ms: i64) -> (Units, Option<Result<(), CaptureError>>) {
    let mut capture = source.open().expect("opens");
    let end = MonoTime::now().plus_nanos(for_ms * 1_000_000);
    let mut units = Vec::new();
    while MonoTime::now() < end {
        match capture.read(TICK) {
            Ok(Some(Captured::Unit { track, unit })) => {
                let late = MonoTime::now().nanos_since(MonoTime::from_ticks(unit.dts, track.timescale));
                assert!((-101_000_000..LATE_NANOS).contains(&late), "{late} ns after it is due");
                units.push((track, unit));
            }
            Ok(Some(Captured::End)) => return (units, Some(Ok(()))),
            Ok(Some(other)) => panic!("{other:?}"),
            Ok(None) => {}
            Err(error) => return (units, Some(Err(error))),
        }
    }
    (units, None)
}

fn of(units: &[(Arc<Track>, AccessUnit)], video: bool) -> Vec<AccessUnit> {
    units.iter().filter(|(track, _)| track.id.is_video() == video).map(|(_, unit)| unit.clone()).collect()
}

#[test]
fn a_file_is_played_once_in_real_time() {
    for name in ["classic.mp4", "fragmented.mp4"] {
        let start = MonoTime::now();
        let (units, end) = play(&mut FileSource::new(vector(name), false), 10_000);
        assert!(matches!(end, Some(Ok(()))), "{name}: {end:?}");
        let took = MonoTime::now().nanos_since(start);
        assert!((680_000_000..5_000_000_000).contains(&took), "{name}: 0.8 s took {took} ns");
        let video = of(&units, true);
        assert_eq!(video.len(), 20, "{name}");
        assert!(video[0].keyframe);
        let first = video.iter().map(|unit| unit.pts).min().expect("not empty");
        assert_eq!(video.iter().map(|unit| unit.pts).max(), Some(first + 19 * 3_600));
        assert!(of(&units, false).len() >= 38, "{name}");
    }
}

#[test]
fn a_loop_goes_on_with_key_frame_and_timestamps() {
    let (units, end) = play(&mut FileSource::new(vector("classic.mp4"), true), 2_000);
    assert!(end.is_none());
    let (video, audio) = (of(&units, true), of(&units, false));
    assert!(video.len() > 40 && audio.len() > 76, "{} {}", video.len(), audio.len());
    assert!(video[20].keyframe && video[20].data == video[0].data);
    for track in [&video, &audio] {
        assert!(track.windows(2).all(|pair| pair[0].dts < pair[1].dts));
    }
    for pair in audio.windows(2) {
        assert!(pair[1].dts >= pair[0].dts + i64::from(pair[0].duration), "sound doesn't overlap at the seam");
    }
    let mut shown: Vec<i64> = video[..40].iter().map(|unit| unit.pts).collect();
    shown.sort_unstable();
    assert!(shown.windows(2).all(|pair| pair[1] - pair[0] >= 3_600), "pictures don't overlap at the seam: {shown:?}");
    // As far apart in the second pass as in the first.
    let index = audio.iter().skip(1).position(|unit| unit.data == audio[0].data).expect("a second pass") + 1;
    let apart = |video: &AccessUnit, audio: &AccessUnit| {
        MonoTime::from_ticks(video.pts, Timescale::VIDEO)
            .nanos_since(MonoTime::from_ticks(audio.pts, Timescale::new(48_000).expect("not zero")))
    };
    let moved = apart(&video[20], &audio[index]) - apart(&video[0], &audio[0]);
    assert!(moved.abs() < 50_000, "lip-sync moved by {moved} ns");
}

#[test]
fn one_kind_can_be_taken_alone() {
    let (units, _) = play(&mut FileSource::new(vector("classic.mp4"), false).only(Kinds::Audio), 300);
    assert!(!units.is_empty() && of(&units, true).is_empty());
    let (units, _) = play(&mut FileSource::new(vector("classic.mp4"), false).only(Kinds::Video), 300);
    assert!(!units.is_empty() && of(&units, false).is_empty());
    let error = FileSource::new(vector("mp3.mp4"), false).only(Kinds::Audio).open().err().expect("no AAC in it");
    assert!(error.to_string().ends_with("mp3.mp4: has no sound in it"), "{error}");
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let error = FileSource::new("/nowhere/film.mp4".into(), false).open().err().expect("can't open").to_string();
    assert!(error.starts_with("/nowhere/film.mp4: opening it failed: No such file"), "{error}");
    let error = FileSource::new(vector("make"), false).open().err().expect("can't open").to_string();
    assert!(error.ends_with("make: not an MP4 file"), "{error}");
    let folder = FileSource::new(vector(""), false).open().err().expect("can't open").to_string();
    assert!(folder.contains("not a regular file"), "{folder}");
}

#[test]
fn a_file_that_was_cut_off_plays_up_to_there_and_says_so() {
    let whole = std::fs::read(vector("faststart.mp4")).expect("reads");
    let cut = std::env::temp_dir().join(format!("capturebox-cut-{}.mp4", std::process::id()));
    std::fs::write(&cut, &whole[..whole.len() - 2_000]).expect("writes");
    let opened = FileSource::new(cut.clone(), true).open();
    let error = match opened {
        Err(error) => error,
        Ok(_) => match play(&mut FileSource::new(cut.clone(), true), 5_000) {
            (_, Some(Err(error))) => error,
            (units, _) => panic!("played {} units without a word", units.len()),
        },
    };
    assert!(matches!(error, CaptureError::BadData { .. }), "{error}");
    std::fs::remove_file(cut).expect("removed");
}

fn track(id: TrackId, hz: u32) -> Arc<Track> {
    // The timeline looks at the kind and the timescale only.
    let codec = Codec::Aac(AacParams { config: Bytes::new(), rate_hz: hz, channels: 1 });
    let timescale = Timescale::new(hz).expect("not zero");
    Arc::new(Track { id, timescale, language: None, bitrate_bps: 0, codec })
}

fn unit(dts: i64, pts: i64, duration: u32) -> AccessUnit {
    AccessUnit { dts, pts, duration, keyframe: true, data: Bytes::new() }
}

#[test]
fn the_seam_is_where_the_longer_track_ends() {
    let tracks = [track(TrackId::Video(0), 90_000), track(TrackId::Aac, 48_000)];
    let mut timeline = Timeline::new(MonoTime::from_millis(10_000), &tracks);
    // Decoded 80 ms before it is shown; shown for 40 ms.
    assert_eq!(timeline.place(0, unit(-7_200, 0, 3_600)).0, MonoTime::from_millis(9_920));
    // Begins 10 ms before the start, since a frame can't be cut; ends at 90 ms.
    assert_eq!(timeline.place(1, unit(-480, -480, 4_800)).1.dts, 480_000 - 480);
    timeline.repeat();
    assert_eq!(timeline.place(1, unit(-480, -480, 4_800)).0, MonoTime::from_millis(10_090));
    timeline.delay(5_000_000);
    assert_eq!(timeline.place(0, unit(-7_200, 0, 3_600)).1.pts, 90 * 10_105);
}

#[test]
fn a_file_without_length_is_not_played_in_a_frenzy() {
    let mut timeline = Timeline::new(MonoTime::ZERO, &[track(TrackId::Video(0), 90_000)]);
    timeline.place(0, unit(0, 0, 0));
    timeline.repeat();
    assert!(timeline.place(0, unit(0, 0, 0)).0 >= MonoTime::from_millis(100));
}

proptest! {
    #[test]
    fn no_times_panic(units in proptest::collection::vec((0_usize..3, any::<i64>(), any::<i64>(), any::<u32>()), 0..50)) {
        let tracks = [track(TrackId::Video(0), 90_000), track(TrackId::Aac, 44_100)];
        let mut timeline = Timeline::new(MonoTime::from_millis(10_000), &tracks);
        for (index, dts, pts, duration) in units {
            let _ = timeline.place(index, unit(dts, pts, duration));
            timeline.repeat();
            let _ = timeline.end();
        }
    }
}
