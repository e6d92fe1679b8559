//! Any URL below a stream: parsed, and answered by a packager that has a second of pictures.
#![no_main]

use bytes::Bytes;
use capturebox::media::{AccessUnit, Codec, H264Params, Track, TrackId};
use capturebox::package::{Answer, Packager, Request, Session, Settings};
use capturebox::time::{Epoch, MonoTime, Timescale};
use std::cell::RefCell;
use std::sync::Arc;

fn packager() -> Packager {
    let settings = Settings {
        part_ms: 200,
        segment_ms: 500,
        window: 3,
        gop_ms: Some(500),
        expect_video: true,
        expect_audio: false,
    };
    let mut packager = Packager::new(settings, Session::new(1), Epoch::new(MonoTime::ZERO, 0));
    let params = H264Params { sps: Bytes::new(), pps: Bytes::new(), width: 64, height: 64, frame_rate: None };
    let track = Arc::new(Track {
        id: TrackId::Video(0),
        timescale: Timescale::VIDEO,
        language: None,
        bitrate_bps: 0,
        codec: Codec::H264(params),
    });
    for index in 0..30 {
        let (dts, data) = (index * 3_000, Bytes::from_static(&[0; 16]));
        packager.push(&track, AccessUnit { dts, pts: dts, duration: 3_000, keyframe: index % 15 == 0, data });
    }
    packager
}

thread_local! {
    static PACKAGER: RefCell<Packager> = RefCell::new(packager());
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(url) = std::str::from_utf8(bytes) else { return };
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    if let Some(Ok(request)) = Request::parse(path, query)
        && let Answer::Ready(resource) = PACKAGER.with_borrow_mut(|packager| packager.answer(&request))
    {
        assert!(!resource.is_empty());
    }
});
