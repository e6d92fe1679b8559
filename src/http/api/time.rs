//! What time it is here.
#![allow(clippy::disallowed_methods, reason = "telling the time is what this is for")]

use super::{Call, Endpoint, Needs, Reply, Resource, Takes, json, now};
use crate::time::{Epoch, MonoTime};
use hyper::Method;
use serde::Serialize;

pub static RESOURCE: Resource = Resource {
    endpoints: &[Endpoint {
        method: Method::GET,
        path: "time",
        needs: Needs::Nothing,
        takes: Takes::Nothing,
        run: |call| time(&call),
    }],
    openapi: include_str!("time.json"),
};

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

fn time<'a>(call: &Call<'_>) -> Reply<'a> {
    let (mono, wall) = (MonoTime::now(), Epoch::now());
    now(json(&Time {
        media_us: call.site.epoch().unix_nanos_at(mono) / 1_000,
        unix_us: wall.unix_nanos_at(mono) / 1_000,
        mono_us: mono.as_nanos() / 1_000,
    }))
}
