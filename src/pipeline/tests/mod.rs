//! The lines in simulated time, with a simulated encoder.

mod audio;
mod opus;
mod video;

use crate::media::{AccessUnit, Track, TrackId};
use crate::stream::{Kind, Limits, Read, Reader, SourceState, Start, Stream};
use std::sync::Arc;

fn stream() -> Arc<Stream> {
    // The tests read at their end.
    Stream::new("camera", Limits { history_ms: 60_000, max_ms: 60_000, ..Limits::default() })
}

fn state(stream: &Stream, kind: Kind) -> SourceState {
    let mut sources = stream.status().sources.into_iter();
    sources.find(|source| source.kind == kind).map_or(SourceState::Starting, |source| source.state)
}

/// Everything published so far that `reader` has not seen.
fn drain(reader: &mut Reader) -> Vec<(Arc<Track>, AccessUnit)> {
    let mut units = Vec::new();
    while let Some(read) = reader.try_next() {
        match read {
            Read::Unit { track, unit } => units.push((track, unit)),
            Read::Lagged { units } => panic!("lagged by {units}"),
            Read::End => break,
        }
    }
    units
}

fn reader(stream: &Arc<Stream>) -> Reader {
    stream.read(&[TrackId::Video(0), TrackId::Aac], Start::LatestKeyframe)
}

/// Each unit starts where the one before ended.
#[track_caller]
fn assert_seamless(units: &[(Arc<Track>, AccessUnit)]) {
    for pair in units.windows(2) {
        let (before, after) = (&pair[0].1, &pair[1].1);
        assert_eq!(before.dts + i64::from(before.duration), after.dts, "{before:?} then {after:?}");
    }
}
