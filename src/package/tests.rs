//! Content through the whole packager.

use super::request::Session;
use super::*;
use crate::media::{AacParams, AccessUnit, Codec, H264Params, Track, TrackId};
use crate::time::{Epoch, FrameRate, MonoTime, Timescale};
use bytes::Bytes;
use std::sync::Arc;

#[test]
fn look() {
    let v = video_track(30, 1);
    let a = audio_track();
    let mut p = Packager::new(settings(), Session::new(0xabc), Epoch::new(MonoTime::ZERO, 1_795_255_200_000_000_000));
    let mut ai = 0;
    for i in 0..500i64 {
        let dts = 900_000_000 + i * 3000;
        while ai * 1920 <= i * 3000 {
            p.push(
                &a,
                AccessUnit {
                    dts: 480_000_000 + ai * 1024,
                    pts: 480_000_000 + ai * 1024,
                    duration: 1024,
                    keyframe: true,
                    data: Bytes::from(vec![0; 340]),
                },
            );
            ai += 1;
        }
        p.push(
            &v,
            AccessUnit { dts, pts: dts, duration: 3000, keyframe: i % 30 == 0, data: Bytes::from(vec![0; 10000]) },
        );
    }
    for r in ["index.m3u8", "abc/video.m3u8", "abc/audio.m3u8", "abc/video.m3u8?_HLS_skip=YES"] {
        let (path, q) = r.split_once('?').map_or((r, None), |(a, b)| (a, Some(b)));
        match p.answer(&Request::parse(path, q).expect("path").expect("query")) {
            Answer::Ready(r) => {
                println!("{} gz {}\n{}", r.len(), r.gzip.map_or(0, |g| g.len()), String::from_utf8_lossy(&r.body[0]))
            }
            other => println!("{other:?}"),
        }
    }
}

fn settings() -> Settings {
    Settings { part_ms: 200, segment_ms: 2_000, window: 7, gop_ms: Some(1_000), expect_video: true, expect_audio: true }
}

fn video_track(num: u32, den: u32) -> Arc<Track> {
    Arc::new(Track {
        id: TrackId::Video(0),
        timescale: Timescale::VIDEO,
        language: None,
        bitrate_bps: 3_000_000,
        codec: Codec::H264(H264Params {
            sps: Bytes::from_static(&[
                0x67, 0x4d, 0x40, 0x1f, 0xe8, 0x80, 0x28, 0x02, 0xdd, 0x80, 0xb5, 0x01, 0x01, 0x01, 0x40,
            ]),
            pps: Bytes::from_static(&[0x68, 0xeb, 0xe3, 0xcb, 0x20]),
            width: 1280,
            height: 720,
            frame_rate: FrameRate::new(num, den),
        }),
    })
}

fn audio_track() -> Arc<Track> {
    Arc::new(Track {
        id: TrackId::Aac,
        timescale: Timescale::new(48_000).expect("a rate"),
        language: Some("en".to_owned()),
        bitrate_bps: 128_000,
        codec: Codec::Aac(AacParams { config: Bytes::from_static(&[0x11, 0x90]), rate_hz: 48_000, channels: 2 }),
    })
}
