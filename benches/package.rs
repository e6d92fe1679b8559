//! The packager and the playlist writer: what a part costs, and what a viewer costs.

use bytes::Bytes;
use capturebox::media::{AacParams, AccessUnit, Codec, H264Params, Track, TrackId};
use capturebox::package::{Packager, Request, Session, Settings};
use capturebox::time::{Epoch, FrameRate, MonoTime, Timescale};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;

/// 720p30 at 3 Mbit/s with AAC, in the order of time.
struct Source {
    video: Arc<Track>,
    audio: Arc<Track>,
    picture: Bytes,
    sound: Bytes,
    pictures: i64,
    sounds: i64,
}

impl Source {
    fn new() -> Self {
        let video = Track {
            id: TrackId::Video(0),
            timescale: Timescale::VIDEO,
            language: None,
            bitrate_bps: 3_000_000,
            codec: Codec::H264(H264Params {
                sps: Bytes::from_static(&[0x67, 0x4d, 0x40, 0x1f, 0xe8, 0x80, 0x28, 0x02, 0xdd, 0x80]),
                pps: Bytes::from_static(&[0x68, 0xeb, 0xe3, 0xcb, 0x20]),
                width: 1_280,
                height: 720,
                frame_rate: FrameRate::new(30, 1),
            }),
        };
        let audio = Track {
            id: TrackId::Aac,
            timescale: Timescale::new(48_000).expect("not zero"),
            language: None,
            bitrate_bps: 128_000,
            codec: Codec::Aac(AacParams { config: Bytes::from_static(&[0x11, 0x90]), rate_hz: 48_000, channels: 2 }),
        };
        let (picture, sound) = (Bytes::from(vec![0; 12_500]), Bytes::from(vec![0; 341]));
        Self { video: Arc::new(video), audio: Arc::new(audio), picture, sound, pictures: 0, sounds: 0 }
    }

    /// One picture, and the sound until its end.
    fn step(&mut self, packager: &mut Packager) {
        let dts = self.pictures * 3_000;
        let keyframe = self.pictures % 30 == 0;
        let unit = AccessUnit { dts, pts: dts, duration: 3_000, keyframe, data: self.picture.clone() };
        packager.push(&self.video, unit);
        self.pictures += 1;
        while self.sounds * 1_920 < self.pictures * 3_000 {
            let dts = self.sounds * 1_024;
            let unit = AccessUnit { dts, pts: dts, duration: 1_024, keyframe: true, data: self.sound.clone() };
            packager.push(&self.audio, unit);
            self.sounds += 1;
        }
    }

    fn steps(&mut self, packager: &mut Packager, count: usize) {
        for _ in 0..count {
            self.step(packager);
        }
    }
}

fn packager() -> Packager {
    let settings = Settings {
        part_ms: 200,
        segment_ms: 2_000,
        window: 7,
        gop_ms: Some(1_000),
        expect_video: true,
        expect_audio: true,
    };
    Packager::new(settings, Session::new(1), Epoch::new(MonoTime::ZERO, 1_795_255_200_000_000_000))
}

/// With a full window behind it.
fn running() -> (Source, Packager) {
    let (mut source, mut packager) = (Source::new(), packager());
    source.steps(&mut packager, 40 * 30);
    (source, packager)
}

fn request(url: &str) -> Request {
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    Request::parse(path, query).expect("a path of ours").expect("a good query")
}

fn package(c: &mut Criterion) {
    let mut group = c.benchmark_group("packager");
    group.throughput(Throughput::Bytes(30 * 12_500 + 47 * 341));
    let (mut source, mut packager) = running();
    group.bench_function("a second of 720p30 and sound", |b| b.iter(|| source.steps(&mut packager, 30)));
    group.finish();
}

fn playlist(c: &mut Criterion) {
    let mut group = c.benchmark_group("playlist");
    for (name, url) in [("whole", "1/video.m3u8"), ("delta", "1/video.m3u8?_HLS_skip=YES")] {
        let request = request(url);
        // A packager a sample: the playlist of each is written for the first time.
        group.bench_function(format!("{name}, written and compressed"), |b| {
            b.iter_batched_ref(
                || running().1,
                |packager| black_box(packager.answer(&request)),
                BatchSize::PerIteration,
            );
        });
    }
    let (_source, mut packager) = running();
    let request = request("1/video.m3u8?_HLS_msn=1&_HLS_part=0");
    group.bench_function("for the next viewer", |b| b.iter(|| black_box(packager.answer(&request))));
    group.bench_function("a request parsed", |b| {
        b.iter(|| Request::parse(black_box("1/video.m3u8"), black_box(Some("_HLS_msn=20&_HLS_part=3&_HLS_skip=YES"))))
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30);
    targets = package, playlist
}
criterion_main!(benches);
