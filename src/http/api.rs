//! `/api/v1/…`: what runs, and what time it is here.
#![allow(clippy::disallowed_methods, reason = "telling the time is what this is for")]

use super::body::Body;
use super::served::Served;
use crate::package::live::HlsStatus;
use crate::pipeline::Counts;
use crate::stream::{Stream, StreamStatus};
use crate::time::{Epoch, MonoTime};
use bytes::Bytes;
use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use std::sync::Arc;

/// The box's clocks, µs.
#[derive(Debug, Serialize)]
struct Time {
    /// The clock of EXT-X-PROGRAM-DATE-TIME, which latency is measured by: the wall clock as it was when
    /// the stream started or the clock was last set, going on monotonically.
    media_us: i64,
    /// The wall clock now, since 1970.
    unix_us: i64,
    /// CLOCK_MONOTONIC, which capture timestamps are in.
    mono_us: i64,
}

pub fn time(epoch: Epoch) -> Response<Body> {
    let (mono, wall) = (MonoTime::now(), Epoch::now());
    json(&Time {
        media_us: epoch.unix_nanos_at(mono) / 1_000,
        unix_us: wall.unix_nanos_at(mono) / 1_000,
        mono_us: mono.as_nanos() / 1_000,
    })
}

/// What runs, in the order of names.
#[derive(Debug, Serialize)]
struct Streams {
    streams: Vec<StreamEntry>,
}

#[derive(Debug, Serialize)]
struct StreamEntry {
    #[serde(flatten)]
    status: StreamStatus,
    /// The page that plays it, a path.
    page: String,
    /// Where players find it, and how that goes; `null` when it is not served.
    hls: Option<HlsEntry>,
    /// What its pipeline counts; `null` when nobody publishes it from here.
    pipeline: Option<Counts>,
}

#[derive(Debug, Serialize)]
struct HlsEntry {
    url: String,
    #[serde(flatten)]
    status: HlsStatus,
}

pub fn streams(streams: &[Arc<Stream>], served: impl Fn(&str) -> Option<Served>) -> Response<Body> {
    let entry = |stream: &Arc<Stream>| {
        let (status, name) = (stream.status(), stream.name());
        let served = served(name);
        let pipeline = served.as_ref().and_then(|served| served.report.as_ref()).map(|report| report.counts());
        let hls = served.map(|served| HlsEntry { url: format!("/{name}/index.m3u8"), status: served.live.status() });
        StreamEntry { status, page: format!("/{name}/"), hls, pipeline }
    };
    json(&Streams { streams: streams.iter().map(entry).collect() })
}

fn json(value: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(value).expect("our types have string keys and no failing serialisers");
    let mut response = Response::new(Body::from(Bytes::from(text)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
