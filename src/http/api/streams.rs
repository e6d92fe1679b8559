//! The streams: what runs, how it does, and what can be done to it.
#![allow(clippy::disallowed_methods, reason = "shell: notes when somebody looks")]

use super::super::body::Body;
use super::super::site::Site;
use super::{Call, Endpoint, Needs, Problem, Reply, Resource, Takes, done, json, now};
use crate::control::{ControlError, State};
use crate::package::live::HlsStatus;
use crate::pipeline::Counts;
use crate::push;
use crate::stream::{Stream, StreamStatus};
use crate::time::MonoTime;
use hyper::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};

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
        Endpoint {
            method: Method::POST,
            path: "streams/{name}/start",
            needs: Needs::Operate,
            takes: Takes::Nothing,
            run: start,
        },
        Endpoint {
            method: Method::POST,
            path: "streams/{name}/stop",
            needs: Needs::Operate,
            takes: Takes::Nothing,
            run: stop,
        },
        Endpoint {
            method: Method::POST,
            path: "streams/{name}/key-frame",
            needs: Needs::Operate,
            takes: Takes::Nothing,
            run: |call| key_frame(&call),
        },
        Endpoint {
            method: Method::PUT,
            path: "streams/{name}/bitrate",
            needs: Needs::Operate,
            takes: Takes::Json,
            run: |call| bitrate(&call),
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
    /// Whether it runs; how its sources do stands in `sources`.
    state: Option<State>,
    /// Who watches, as far as addresses and programs tell people apart.
    viewers: usize,
    /// The video bitrate that was asked for since the start, bits a second.
    bitrate_target_bps: Option<u32>,
    /// The page that plays it, a path.
    page: String,
    /// Where players find it, and how that goes; `null` when it is not served.
    hls: Option<Hls>,
    /// Where else it is published, in the order of its configuration.
    push: Vec<push::Shown>,
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
    let report = served.as_ref().and_then(|served| served.report.as_ref());
    let pipeline = report.map(|report| {
        report.want_levels(MonoTime::now());
        report.counts()
    });
    let hls = served.map(|served| Hls { url: format!("/{name}/index.m3u8"), status: served.live.status() });
    Entry {
        status,
        state: site.control().state(name),
        viewers: site.viewers_of(name),
        bitrate_target_bps: stream.bitrate_target(),
        page: format!("/{name}/"),
        hls,
        push: site.pushes().of(name).iter().map(|push| push.shown(site.epoch())).collect(),
        pipeline,
    }
}

fn list<'a>(call: &Call<'_>) -> Reply<'a> {
    let streams = call.site.streams().list();
    now(json(&List {
        streams: streams
            .iter()
            .filter(|stream| call.may_view(stream.name()))
            .map(|stream| entry(call.site, stream))
            .collect(),
    }))
}

fn one<'a>(call: &Call<'_>) -> Reply<'a> {
    now(shown(call))
}

fn shown(call: &Call<'_>) -> Response<Body> {
    match call.site.streams().get(call.parameter(0)) {
        Some(stream) => json(&entry(call.site, &stream)),
        None => Problem::from(ControlError::NoStream).into(),
    }
}

fn start(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move {
        match call.site.control().start(call.parameter(0)).await {
            Ok(()) => shown(&call),
            Err(error) => Problem::from(error).into(),
        }
    })
}

fn stop(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move {
        match call.site.control().stop(call.parameter(0)).await {
            Ok(()) => shown(&call),
            Err(error) => Problem::from(error).into(),
        }
    })
}

fn key_frame<'a>(call: &Call<'_>) -> Reply<'a> {
    now(match call.site.control().request_key_frame(call.parameter(0)) {
        Ok(()) => done(),
        Err(error) => Problem::from(error).into(),
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bitrate {
    video_bitrate_bps: u32,
}

fn bitrate<'a>(call: &Call<'_>) -> Reply<'a> {
    let Bitrate { video_bitrate_bps } = match call.json() {
        Ok(wanted) => wanted,
        Err(refused) => return now(*refused),
    };
    now(match call.site.control().set_bitrate(call.parameter(0), video_bitrate_bps) {
        Ok(()) => done(),
        Err(error) => Problem::from(error).into(),
    })
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        let status = match &error {
            ControlError::NoStream | ControlError::Name(_) => StatusCode::NOT_FOUND,
            ControlError::HasSource { .. } | ControlError::Taken(_) => StatusCode::CONFLICT,
            ControlError::Stopped { .. } | ControlError::NotEncodedHere { .. } | ControlError::NoFile => {
                StatusCode::CONFLICT
            }
            ControlError::Changed => StatusCode::PRECONDITION_FAILED,
            ControlError::Bitrate { .. } | ControlError::NoStreams | ControlError::Invalid(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            ControlError::Ending | ControlError::TooMany { .. } => StatusCode::SERVICE_UNAVAILABLE,
            ControlError::Start(_) | ControlError::Stop(_) | ControlError::File { .. } => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        let text = error.to_string();
        let mut letters = text.chars();
        let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
        Self::new(status, format!("{first}{}.", letters.as_str()))
    }
}
