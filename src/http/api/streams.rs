//! The streams: what runs, and how it does.

use super::super::site::Site;
use super::{Call, Endpoint, Needs, Problem, Reply, Resource, Takes, json, now};
use crate::package::live::HlsStatus;
use crate::pipeline::Counts;
use crate::stream::{Stream, StreamStatus};
use hyper::Method;
use serde::Serialize;

pub static RESOURCE: Resource = Resource {
    endpoints: &[
        Endpoint {
            method: Method::GET,
            path: "streams",
            needs: Needs::Nothing,
            takes: Takes::Nothing,
            run: |call| list(&call),
        },
        Endpoint {
            method: Method::GET,
            path: "streams/{name}",
            needs: Needs::View,
            takes: Takes::Nothing,
            run: |call| one(&call),
        },
    ],
    openapi: include_str!("streams.json"),
};

/// What runs, in the order of names.
#[derive(Debug, Serialize)]
struct List {
    streams: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    #[serde(flatten)]
    status: StreamStatus,
    /// The page that plays it, a path.
    page: String,
    /// Where players find it, and how that goes; `null` when it is not served.
    hls: Option<Hls>,
    /// What its pipeline counts; `null` when nobody publishes it from here.
    pipeline: Option<Counts>,
}

#[derive(Debug, Serialize)]
struct Hls {
    url: String,
    #[serde(flatten)]
    status: HlsStatus,
}

fn entry(site: &Site, stream: &Stream) -> Entry {
    let (status, name) = (stream.status(), stream.name());
    let served = site.served(name);
    let pipeline = served.as_ref().and_then(|served| served.report.as_ref()).map(|report| report.counts());
    let hls = served.map(|served| Hls { url: format!("/{name}/index.m3u8"), status: served.live.status() });
    Entry { status, page: format!("/{name}/"), hls, pipeline }
}

fn list<'a>(call: &Call<'_>) -> Reply<'a> {
    let streams = call.site.streams().list();
    now(json(&List { streams: streams.iter().map(|stream| entry(call.site, stream)).collect() }))
}

fn one<'a>(call: &Call<'_>) -> Reply<'a> {
    now(match call.site.streams().get(call.parameter(0)) {
        Some(stream) => json(&entry(call.site, &stream)),
        None => Problem::not_found("There is no stream of that name.").into(),
    })
}
