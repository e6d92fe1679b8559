//! The stream ring: what a unit costs its publisher and its readers.

use bytes::Bytes;
use capturebox::media::{AccessUnit, Codec, H264Params, Track, TrackId};
use capturebox::stream::{Limits, Publisher, Reader, Start, Stream};
use capturebox::time::Timescale;
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;

const VIDEO: TrackId = TrackId::Video(0);

struct Source {
    publisher: Publisher,
    track: Arc<Track>,
    data: Bytes,
    pictures: i64,
}

impl Source {
    /// With a full ring behind it.
    fn new() -> Self {
        let stream = Stream::new("bench", Limits::default());
        let params = H264Params { sps: Bytes::new(), pps: Bytes::new(), width: 1_280, height: 720, frame_rate: None };
        let track = Track {
            id: VIDEO,
            timescale: Timescale::VIDEO,
            language: None,
            bitrate_bps: 0,
            codec: Codec::H264(params),
        };
        let publisher = stream.publish().expect("the place is free");
        let mut source = Self { publisher, track: Arc::new(track), data: Bytes::from(vec![0; 12_500]), pictures: 0 };
        for _ in 0..1_000 {
            source.push();
        }
        source
    }

    fn push(&mut self) {
        let (dts, keyframe) = (self.pictures * 3_000, self.pictures % 30 == 0);
        let unit = AccessUnit { dts, pts: dts, duration: 3_000, keyframe, data: self.data.clone() };
        self.publisher.push(&self.track, unit);
        self.pictures += 1;
    }

    fn readers(&self, count: usize) -> Vec<Reader> {
        (0..count).map(|_| self.publisher.stream().read(&[VIDEO], Start::LatestKeyframe)).collect()
    }
}

fn stream(c: &mut Criterion) {
    let mut group = c.benchmark_group("stream");
    for count in [0, 1, 16] {
        let mut source = Source::new();
        let mut readers = source.readers(count);
        group.bench_function(format!("a unit to {count} readers"), |b| {
            b.iter(|| {
                source.push();
                for reader in &mut readers {
                    while let Some(read) = reader.try_next() {
                        black_box(read);
                    }
                }
            });
        });
    }
    let mut source = Source::new();
    let mut reader = source.readers(1).remove(0);
    group.bench_function("600 units to a reader that lags", |b| {
        b.iter(|| {
            for _ in 0..600 {
                source.push();
            }
            black_box(reader.try_next())
        });
    });
    group.finish();
}

criterion_group!(benches, stream);
criterion_main!(benches);
