//! A mixed room: what one composed picture costs when everybody's has changed. Decoding and encoding come on top.

use capturebox::media::{PixelFormat, RawFrame};
use capturebox::mix::{Compositor, Layout, Person, PersonId};
use capturebox::time::MonoTime;
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;

const SIZE: (u32, u32) = (1_280, 720);
/// What a browser's middle layer has.
const CAMERA: (u32, u32) = (640, 360);

fn compose(c: &mut Criterion) {
    let mut group = c.benchmark_group("mix");
    let pixels = CAMERA.0 as usize * CAMERA.1 as usize;
    let camera: Arc<Vec<u8>> = Arc::new((0..pixels * 3 / 2).map(|at| (at * 7 % 219 + 16) as u8).collect());
    for people in [4_u64, 9] {
        let mut compositor = Compositor::new(SIZE).expect("a size");
        let mut at = 0;
        group.bench_function(format!("a 720p picture of {people}"), |b| {
            b.iter(|| {
                at += 1;
                let now = MonoTime::from_millis(at);
                let picture = RawFrame::packed(now, CAMERA, PixelFormat::I420, camera.clone()).expect("whole");
                let person =
                    |id| Person { id: PersonId(id), name: "Ada", picture: Some(&picture), whole: false, speaks: false };
                let people: Vec<_> = (0..people).map(person).collect();
                black_box(compositor.compose(&people, Layout::Grid, None, now))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, compose);
criterion_main!(benches);
