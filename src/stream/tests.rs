//! The ring under any interleaving of pushes and reads, and the shell around it.

use super::ring::{Cursor, Ring};
use super::*;
use crate::media::{AacParams, AccessUnit, Codec, H264Params, Track, TrackId};
use crate::time::Timescale;
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;

const VIDEO: TrackId = TrackId::Video(0);
const BOTH: &[TrackId] = &[VIDEO, TrackId::Aac];
/// Ticks of a picture at 30 a second; the sound here has as many units, in step.
const FRAME: i64 = 3_000;

fn track(id: TrackId) -> Arc<Track> {
    let codec = match id {
        TrackId::Video(_) => {
            Codec::H264(H264Params { sps: Bytes::new(), pps: Bytes::new(), width: 16, height: 16, frame_rate: None })
        }
        _ => Codec::Aac(AacParams { config: Bytes::new(), rate_hz: 48_000, channels: 2 }),
    };
    Arc::new(Track { id, timescale: Timescale::VIDEO, language: None, bitrate_bps: 0, codec })
}

/// A unit whose data is its number, so that a reader can say which it got.
fn unit(number: i64, keyframe: bool, len: usize) -> AccessUnit {
    let mut data = number.to_be_bytes().to_vec();
    data.resize(len.max(8), 0);
    AccessUnit { dts: number * FRAME, pts: number * FRAME, duration: FRAME as u32, keyframe, data: data.into() }
}

fn number(unit: &AccessUnit) -> i64 {
    i64::from_be_bytes(unit.data[..8].try_into().expect("eight bytes"))
}

fn limits() -> Limits {
    Limits { history_ms: 1_000, max_ms: 5_000, max_bytes: 100_000, max_units: 1_000 }
}

/// What a reader finds without waiting.
fn drain(ring: &Ring, cursor: &mut Cursor) -> Vec<Read> {
    std::iter::from_fn(|| ring.read(cursor)).collect()
}

fn numbers(reads: &[Read]) -> Vec<(TrackId, i64)> {
    let unit = |read: &Read| match read {
        Read::Unit { track, unit } => Some((track.id, number(unit))),
        _ => None,
    };
    reads.iter().filter_map(unit).collect()
}

#[test]
fn a_reader_starts_at_the_latest_key_frame_with_the_sound_from_there_on() {
    let (video, audio) = (track(VIDEO), track(TrackId::Aac));
    let mut ring = Ring::new(limits());
    for n in 0..25 {
        // Sound is published two units ahead of its picture.
        ring.push(&audio, unit(n + 2, true, 8));
        ring.push(&video, unit(n, n % 10 == 0, 8));
    }
    let mut cursor = ring.start(BOTH, Start::LatestKeyframe);
    let reads = drain(&ring, &mut cursor);
    assert!(!reads.iter().any(|read| matches!(read, Read::Lagged { .. })), "nothing is missed at a start");
    let got = numbers(&reads);
    let pictures: Vec<i64> = got.iter().filter(|(id, _)| *id == VIDEO).map(|(_, n)| *n).collect();
    let sound: Vec<i64> = got.iter().filter(|(id, _)| *id == TrackId::Aac).map(|(_, n)| *n).collect();
    assert_eq!(pictures, (20..25).collect::<Vec<_>>());
    assert_eq!(sound, (20..27).collect::<Vec<_>>());
}

#[test]
fn a_reader_may_start_at_the_next_key_frame() {
    let video = track(VIDEO);
    let mut ring = Ring::new(limits());
    ring.push(&video, unit(0, true, 8));
    let mut cursor = ring.start(BOTH, Start::NextKeyframe);
    for n in 1..15 {
        ring.push(&video, unit(n, n == 10, 8));
    }
    let reads = drain(&ring, &mut cursor);
    assert_eq!(numbers(&reads).first(), Some(&(VIDEO, 10)));
    assert_eq!(reads.len(), 5, "what was before the start is not lost: {reads:?}");
}

#[test]
fn sound_alone_starts_at_its_newest_unit_and_resumes_anywhere() {
    let audio = track(TrackId::Aac);
    let mut ring = Ring::new(limits());
    for n in 0..10 {
        ring.push(&audio, unit(n, true, 8));
    }
    let mut cursor = ring.start(BOTH, Start::LatestKeyframe);
    assert_eq!(numbers(&drain(&ring, &mut cursor)), [(TrackId::Aac, 9)]);
    for n in 10..200 {
        ring.push(&audio, unit(n, true, 8));
    }
    assert_eq!(drain(&ring, &mut cursor), [Read::Lagged { units: 190 }]);
    ring.push(&audio, unit(200, true, 8));
    assert_eq!(numbers(&drain(&ring, &mut cursor)), [(TrackId::Aac, 200)]);
}

#[test]
fn a_slow_reader_is_told_how_far_behind_it_is_and_resumes_at_a_key_frame() {
    let video = track(VIDEO);
    let mut ring = Ring::new(limits());
    let mut cursor = ring.start(&[VIDEO], Start::NextKeyframe);
    ring.push(&video, unit(0, true, 8));
    assert_eq!(drain(&ring, &mut cursor).len(), 1);
    for n in 1..=155 {
        ring.push(&video, unit(n, n % 30 == 0, 8));
    }
    // 1..=149 are lost, though some of them are still in the ring: what is resumed at is the newest.
    assert_eq!(ring.read(&mut cursor), Some(Read::Lagged { units: 149 }));
    assert_eq!(numbers(&drain(&ring, &mut cursor)).first(), Some(&(VIDEO, 150)));
}

#[test]
fn the_current_gop_is_kept_however_long_within_the_limits() {
    let video = track(VIDEO);
    let mut ring = Ring::new(limits());
    for n in 0..120 {
        ring.push(&video, unit(n, n == 0, 8));
    }
    assert_eq!(ring.len(), 120, "four seconds of one GOP");
    for n in 120..1_000 {
        ring.push(&video, unit(n, false, 8));
    }
    assert!(ring.len() <= 151, "five seconds at most, and {} units are left", ring.len());
}

#[test]
fn nothing_grows_without_key_frames_or_time() {
    let video = track(VIDEO);
    let mut ring = Ring::new(limits());
    for n in 0..100_000 {
        ring.push(&video, AccessUnit { dts: 0, pts: 0, ..unit(n, false, 8) });
    }
    assert!(ring.len() <= limits().max_units);
    for n in 0..1_000 {
        ring.push(&video, AccessUnit { dts: -n, pts: 0, ..unit(n, true, 5_000) });
        assert!(ring.bytes() <= limits().max_bytes);
    }
    ring.push(&video, unit(0, true, limits().max_bytes + 1));
    assert_eq!((ring.len(), ring.bytes()), (0, 0), "a unit over the limit isn't kept");
}

#[derive(Debug, Clone)]
enum Step {
    Push {
        video: bool,
        keyframe: bool,
        len: usize,
    },
    /// The reader reads at most so many.
    Read {
        most: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let push = (any::<bool>(), proptest::bool::weighted(0.1), 8_usize..3_000);
    let step = prop_oneof![
        8 => push.prop_map(|(video, keyframe, len)| Step::Push { video, keyframe, len }),
        1 => (0_usize..40).prop_map(|most| Step::Read { most }),
    ];
    proptest::collection::vec(step, 0..600)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is pushed and however slowly it is read: order is kept, every unit from a track's first on
    /// is either delivered or counted, and the picture after a lag is a key frame.
    #[test]
    fn nothing_is_lost_silently(steps in steps(), start_at in 0_usize..100, latest in any::<bool>()) {
        let (video, audio) = (track(VIDEO), track(TrackId::Aac));
        let mut ring = Ring::new(Limits { history_ms: 300, max_ms: 1_000, max_bytes: 40_000, max_units: 40 });
        let start = if latest { Start::LatestKeyframe } else { Start::NextKeyframe };
        let mut cursor = None;
        let mut pushed: Vec<TrackId> = Vec::new();
        let mut got = Vec::new();
        // A key frame at last, so that whatever is held back comes out.
        let last = [Step::Push { video: true, keyframe: true, len: 8 }, Step::Read { most: usize::MAX }];
        for (index, step) in steps.iter().chain(&last).enumerate() {
            if index == start_at.min(steps.len()) {
                cursor = Some(ring.start(BOTH, start));
            }
            match *step {
                Step::Push { video: is_video, keyframe, len } => {
                    let (track, keyframe) = if is_video { (&video, keyframe) } else { (&audio, true) };
                    ring.push(track, unit(pushed.len() as i64, keyframe, len));
                    pushed.push(track.id);
                }
                Step::Read { most } => {
                    let Some(cursor) = &mut cursor else { continue };
                    got.extend(std::iter::from_fn(|| ring.read(cursor)).take(most));
                }
            }
        }
        let mut needs_key = true;
        let mut missed = 0;
        for read in &got {
            match read {
                Read::Unit { track, unit } if track.id == VIDEO => {
                    prop_assert!(unit.keyframe || !needs_key, "{} needs the key frame before it", number(unit));
                    needs_key = false;
                }
                Read::Unit { .. } => {}
                Read::Lagged { units } => {
                    prop_assert!(*units > 0);
                    missed += units;
                    needs_key = true;
                }
                Read::End => prop_assert!(false, "a ring has no end"),
            }
        }
        let got = numbers(&got);
        prop_assert!(got.is_sorted_by(|a, b| a.1 < b.1), "{got:?}");
        let since_first = |id: TrackId| match got.iter().find(|(of, _)| *of == id) {
            Some(&(_, first)) => pushed.iter().skip(usize::try_from(first).expect("a number")).filter(|of| **of == id).count(),
            None => 0,
        };
        prop_assert_eq!(got.len() as u64 + missed, (since_first(VIDEO) + since_first(TrackId::Aac)) as u64);
    }

    /// With pictures only, which begin with a key frame, the count is exact.
    #[test]
    fn delivered_and_missed_make_all(
        keys in proptest::collection::vec(proptest::bool::weighted(0.1), 1..400),
        pauses in proptest::collection::vec(0_usize..60, 1..40),
    ) {
        let video = track(VIDEO);
        let mut ring = Ring::new(Limits { history_ms: 300, max_ms: 1_000, max_bytes: 1 << 20, max_units: 40 });
        let mut cursor = ring.start(&[VIDEO], Start::NextKeyframe);
        ring.push(&video, unit(0, true, 8));
        let (mut delivered, mut missed, mut pushed) = (drain(&ring, &mut cursor).len() as u64, 0, 1);
        let mut pauses = pauses.iter().cycle();
        let mut until_read = 0;
        for keyframe in keys.into_iter().chain([true]) {
            ring.push(&video, unit(pushed, keyframe, 8));
            pushed += 1;
            if until_read == 0 || keyframe {
                for read in drain(&ring, &mut cursor) {
                    match read {
                        Read::Lagged { units } => missed += units,
                        _ => delivered += 1,
                    }
                }
                until_read = *pauses.next().expect("a cycle");
            } else {
                until_read -= 1;
            }
        }
        prop_assert_eq!(delivered + missed, u64::try_from(pushed).expect("not negative"));
    }
}

#[tokio::test]
async fn one_publisher_at_a_time_and_its_end_is_the_readers_end() {
    let stream = Stream::new("camera", Limits::default());
    let publisher = stream.publish().expect("the place is free");
    assert_eq!(stream.publish().err(), Some(AlreadyPublished { name: "camera".to_owned() }));
    let mut reader = stream.read(BOTH, Start::LatestKeyframe);
    publisher.push(&track(VIDEO), unit(0, true, 8));
    drop(publisher);
    assert!(matches!(reader.next().await, Read::Unit { .. }), "what was published is read first");
    assert_eq!(reader.next().await, Read::End);
    let publisher = stream.publish().expect("the place is free again");
    publisher.push(&track(VIDEO), unit(1, true, 8));
    assert_eq!(reader.next().await, Read::End, "a reader belongs to one publisher");
    let mut reader = stream.read(BOTH, Start::LatestKeyframe);
    let Read::Unit { unit, .. } = reader.next().await else { panic!("no unit") };
    assert_eq!(number(&unit), 1, "nothing of the publisher before");
}

#[tokio::test]
async fn a_waiting_reader_is_woken() {
    let stream = Stream::new("camera", Limits::default());
    let mut early = stream.read(BOTH, Start::NextKeyframe);
    let waiting = tokio::spawn(async move { early.next().await });
    tokio::task::yield_now().await;
    let publisher = stream.publish().expect("the place is free");
    publisher.push(&track(VIDEO), unit(0, true, 8));
    let read = tokio::time::timeout(std::time::Duration::from_secs(10), waiting).await;
    let read = read.expect("it was woken").expect("it did not panic");
    assert!(matches!(read, Read::Unit { .. }), "{read:?}");
}

#[test]
fn what_is_wanted_follows_the_readers() {
    let stream = Stream::new("camera", Limits::default());
    let publisher = stream.publish().expect("the place is free");
    assert!(!publisher.is_wanted(TrackId::Opus));
    let first = stream.read(&[VIDEO, TrackId::Opus], Start::NextKeyframe);
    let second = stream.read(&[TrackId::Opus], Start::NextKeyframe);
    drop(first);
    assert!(publisher.is_wanted(TrackId::Opus) && !publisher.is_wanted(VIDEO));
    drop(second);
    assert!(!publisher.is_wanted(TrackId::Opus));
}

#[test]
fn requests_go_against_the_flow() {
    let stream = Stream::new("camera", Limits::default());
    let publisher = stream.publish().expect("the place is free");
    assert!(!publisher.take_key_frame_request());
    stream.request_key_frame();
    stream.request_key_frame();
    assert!(publisher.take_key_frame_request());
    assert!(!publisher.take_key_frame_request(), "two requests are one key frame");
    assert_eq!(publisher.bitrate_target(), None);
    stream.set_bitrate_target(1_000_000);
    assert_eq!(publisher.bitrate_target(), Some(1_000_000));
}

#[test]
fn renditions_are_chosen_from_and_asked_for_key_frames_each_by_itself() {
    const SMALL: TrackId = TrackId::Video(2);
    let stream = Stream::new("camera", Limits::default());
    let publisher = stream.publish().expect("the place is free");
    let (own, small) = (track(VIDEO), track(SMALL));
    for n in 0..90 {
        publisher.push(&own, unit(n, n % 30 == 0, 4_000));
        publisher.push(&small, unit(n, n == 0, 500));
    }
    let renditions: Vec<_> = stream.renditions().iter().map(|one| (one.id, one.height, one.bitrate_bps)).collect();
    assert_eq!(renditions, [(VIDEO, 16, 960_000), (SMALL, 16, 120_000)]);
    assert_eq!(stream.renditions()[1].newest, crate::time::MonoTime::from_ticks(89 * FRAME, Timescale::VIDEO));

    stream.request_key_frame_of(SMALL);
    assert!(!publisher.take_key_frame_request(), "of the other one");
    assert!(stream.take_key_frame_request_of(SMALL) && !stream.take_key_frame_request_of(SMALL));

    let reader = stream.read(&[VIDEO, TrackId::Opus], Start::LatestKeyframe);
    let mut beside = stream.read(&[SMALL], Start::NextKeyframe);
    assert!(stream.is_watched(SMALL) && stream.is_watched(VIDEO) && !stream.is_watched(TrackId::Video(1)));
    assert_eq!(stream.status().readers, 1, "one output");
    publisher.push(&small, unit(90, true, 500));
    assert!(matches!(beside.try_next(), Some(Read::Unit { unit, .. }) if number(&unit) == 90));
    drop((beside, reader));
    assert!(!stream.is_watched(SMALL));

    publisher.retire(SMALL);
    assert_eq!(stream.renditions().len(), 1);
    drop(publisher);
    assert!(stream.renditions().is_empty(), "nobody publishes");
}

#[test]
fn a_rendition_without_key_frames_holds_no_history() {
    let mut ring = Ring::new(limits());
    let (own, small) = (track(VIDEO), track(TrackId::Video(1)));
    for n in 0..300 {
        ring.push(&own, unit(n, n % 30 == 0, 8));
        ring.push(&small, unit(n, n == 0, 8));
    }
    assert!(ring.len() < 130, "{}", ring.len());
}

#[test]
fn the_status_as_json() {
    let stream = Stream::new("camera", Limits::default());
    let publisher = stream.publish().expect("the place is free");
    publisher.set_state(Kind::Video, SourceState::NoSignal { cause: "no cable".to_owned() });
    publisher.set_state(Kind::Audio, SourceState::Live);
    publisher.push(&track(VIDEO), unit(0, true, 100));
    publisher.push(&track(TrackId::Aac), unit(0, true, 8));
    let status = serde_json::to_value(stream.status()).expect("a plain structure");
    let expected = serde_json::json!({
        "name": "camera", "muted": false, "private": false, "published": true,
        "sources": [
            { "kind": "video", "state": "no_signal", "cause": "no cable" },
            { "kind": "audio", "state": "live" },
        ],
        "tracks": [
            { "id": "video0", "codec": "h264", "bitrate_bps": 0, "measured_bps": 0, "width": 16, "height": 16 },
            { "id": "aac", "codec": "aac", "bitrate_bps": 0, "measured_bps": 0, "rate_hz": 48_000, "channels": 2 },
        ],
        "av_offset_us": 0,
        "readers": 0, "units": 2, "bytes": 108, "history_bytes": 108, "dropped": 0,
    });
    assert_eq!(status, expected);
}

#[test]
fn the_registry_knows_streams_by_name() {
    let streams = Streams::new();
    for name in ["stage", "camera"] {
        streams.insert(Stream::new(name, Limits::default())).expect("a new name");
    }
    let again = streams.insert(Stream::new("stage", Limits::default()));
    assert_eq!(again, Err(NameTaken { name: "stage".to_owned() }));
    let names: Vec<String> = streams.list().iter().map(|stream| stream.name().to_owned()).collect();
    assert_eq!(names, ["camera", "stage"]);
    assert!(streams.get("camera").is_some() && streams.get("nobody").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reader_at_rest_sleeps_through_quiet_units_and_finds_them_later() {
    let (stream, video) = (Stream::new("camera", limits()), track(VIDEO));
    let publisher = stream.publish().expect("the place is free");
    let mut reader = stream.read(BOTH, Start::LatestKeyframe);
    publisher.push(&video, unit(0, true, 8));
    assert!(matches!(reader.next().await, Read::Unit { .. }));
    let quiet = || vec![Quiet { track: Arc::clone(&video), ends: 0..9_001 }];
    // Ends at 6,000 and 9,000: covered. At 12,000: not.
    for n in [1, 2] {
        publisher.push(&video, unit(n, false, 8));
        let asleep = tokio::time::timeout(std::time::Duration::from_secs(60), reader.rest(quiet())).await;
        assert!(asleep.is_err(), "{n} woke it");
    }
    publisher.push(&video, unit(3, false, 8));
    reader.rest(quiet()).await;
    let read: Vec<i64> = std::iter::from_fn(|| reader.try_next())
        .map(|read| match read {
            Read::Unit { unit, .. } => number(&unit),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(read, [1, 2, 3]);
    // A key frame wakes wherever it ends, and so does the end of the stream.
    publisher.push(&video, unit(2, true, 8));
    reader.rest(quiet()).await;
    assert!(matches!(reader.try_next(), Some(Read::Unit { .. })));
    drop(publisher);
    reader.rest(quiet()).await;
    assert_eq!(reader.try_next(), Some(Read::End));
}

#[test]
fn the_bitrate_and_the_distance_of_sound_and_picture_are_measured() {
    let stream = Stream::new("camera", Limits::default());
    let publisher = stream.publish().expect("the place is free");
    let (video, sound) = (track(VIDEO), track(TrackId::Aac));
    for number in 0..90 {
        publisher.push(&video, unit(number, number % 30 == 0, 1_000));
    }
    (0..93).for_each(|number| publisher.push(&sound, unit(number, true, 8)));
    let status = stream.status();
    let frame_us = FRAME * 1_000_000 / i64::from(Timescale::VIDEO.hz());
    assert!(status.av_offset_us.is_some_and(|offset| (offset - 3 * frame_us).abs() < 10), "{status:?}");
    let expected = 8_000_000_000 / frame_us.unsigned_abs();
    assert!(status.tracks[0].measured_bps.abs_diff(expected) < expected / 1_000, "{status:?}");
    drop(publisher);
    let status = stream.status();
    assert_eq!((status.av_offset_us, status.tracks[0].measured_bps), (None, 0), "nothing comes any more");
}
