//! Content through the whole packager: made here, checked in the files beside.

mod content;
mod live;
mod properties;
mod requests;

use super::*;
use crate::media::{AacParams, AccessUnit, Codec, H264Params, Track, TrackId};
use crate::time::{Epoch, FrameRate, MonoTime, Timescale, rescale};
use bytes::Bytes;
use std::sync::Arc;

/// Where the monotonic clock is when the content begins: timelines must not begin there.
pub(super) const UPTIME_S: i64 = 10_000;
/// What the wall clock says then: 2026-11-21 10:00:00.
const WALL_NANOS: i64 = 1_795_255_200_000_000_000;
pub(super) const SESSION: &str = "5e55";

/// Units with their tracks, in the order in which they are published.
pub(super) type Content = Vec<(Arc<Track>, AccessUnit)>;

pub(super) fn settings() -> Settings {
    Settings { part_ms: 500, segment_ms: 1_000, window: 3, gop_ms: Some(1_000), expect_video: true, expect_audio: true }
}

pub(super) fn packager(settings: Settings) -> Packager {
    let epoch = Epoch::new(MonoTime::from_millis(UPTIME_S * 1_000), WALL_NANOS);
    Packager::new(settings, Session::new(0x5e55), epoch)
}

pub(super) fn video_track(frame_rate: Option<(u32, u32)>, width: u32) -> Arc<Track> {
    Arc::new(Track {
        id: TrackId::Video(0),
        timescale: Timescale::VIDEO,
        language: None,
        bitrate_bps: 3_000_000,
        codec: Codec::H264(H264Params {
            sps: Bytes::from_static(&[0x67, 0x4d, 0x40, 0x1f, 0xe8, 0x80, 0x28, 0x02, 0xdd, 0x80]),
            pps: Bytes::from_static(&[0x68, 0xeb, 0xe3, 0xcb, 0x20]),
            width,
            height: 720,
            frame_rate: frame_rate.and_then(|(num, den)| FrameRate::new(num, den)),
        }),
    })
}

pub(super) fn audio_track(rate_hz: u32) -> Arc<Track> {
    Arc::new(Track {
        id: TrackId::Aac,
        timescale: Timescale::new(rate_hz).expect("a rate"),
        language: Some("en".to_owned()),
        bitrate_bps: 128_000,
        codec: Codec::Aac(AacParams { config: Bytes::from_static(&[0x11, 0x90]), rate_hz, channels: 2 }),
    })
}

/// Pictures at a constant rate from `from_ms` to `to_ms` after the start; every `gop`th is a key frame.
pub(super) fn pictures(track: &Arc<Track>, (num, den): (u32, u32), gop: i64, from_ms: i64, to_ms: i64) -> Content {
    let rate = FrameRate::new(num, den).expect("a rate");
    let start = |index| UPTIME_S * 90_000 + from_ms * 90 + rate.frame_start(index, Timescale::VIDEO);
    let frames = (0..).take_while(|&index| start(index) < UPTIME_S * 90_000 + to_ms * 90);
    frames
        .map(|index| {
            let (dts, keyframe) = (start(index), index % gop == 0);
            (Arc::clone(track), picture(dts, start(index + 1) - dts, keyframe))
        })
        .collect()
}

pub(super) fn picture(dts: i64, duration: i64, keyframe: bool) -> AccessUnit {
    let len = if keyframe { 5_000 } else { 1_000 };
    let duration = u32::try_from(duration).expect("a duration");
    AccessUnit { dts, pts: dts, duration, keyframe, data: Bytes::from(vec![0; len]) }
}

/// AAC frames from `from_ms` to `to_ms` after the start.
pub(super) fn sound(track: &Arc<Track>, from_ms: i64, to_ms: i64) -> Content {
    let ticks = |ms: i64| rescale(UPTIME_S * 1_000 + ms, Timescale::MILLIS, track.timescale);
    let frames = (ticks(from_ms)..ticks(to_ms)).step_by(1_024);
    frames
        .map(|dts| {
            let data = Bytes::from(vec![0; 340]);
            (Arc::clone(track), AccessUnit { dts, pts: dts, duration: 1_024, keyframe: true, data })
        })
        .collect()
}

/// In the order in which units are finished.
pub(super) fn together(contents: impl IntoIterator<Item = Content>) -> Content {
    let mut all: Content = contents.into_iter().flatten().collect();
    all.sort_by_key(|(track, unit)| MonoTime::from_ticks(unit.dts + i64::from(unit.duration), track.timescale));
    all
}

pub(super) fn push_all(packager: &mut Packager, content: Content) {
    for (track, unit) in content {
        packager.push(&track, unit);
    }
}

/// A URL below the stream as a request.
pub(super) fn request(url: &str) -> Request {
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    Request::parse(path, query).expect("a path of ours").expect("a good query")
}

pub(super) fn get(packager: &mut Packager, url: &str) -> Answer {
    packager.answer(&request(url))
}

/// The text of a playlist that must be there.
pub(super) fn text(packager: &mut Packager, url: &str) -> String {
    match get(packager, url) {
        Answer::Ready(resource) => String::from_utf8(resource.body.concat()).expect("UTF-8"),
        other => panic!("{url}: {other:?}"),
    }
}
