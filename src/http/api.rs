//! `/api/v1/…`: what runs, and what time it is here.
#![allow(clippy::disallowed_methods, reason = "telling the time is what this is for")]

use super::body::Body;
use crate::time::{Epoch, MonoTime};
use bytes::Bytes;
use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde::Serialize;

/// The box's clocks, µs.
#[derive(Debug, Serialize)]
struct Time {
    /// The clock of EXT-X-PROGRAM-DATE-TIME: the box's wall clock at its start, going on monotonically.
    /// Latency is measured by this, so that setting the box's clock doesn't disturb it.
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

fn json(value: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(value).expect("our types have string keys and no failing serialisers");
    let mut response = Response::new(Body::from(Bytes::from(text)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
