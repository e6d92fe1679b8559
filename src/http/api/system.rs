//! How the box does: temperature, throttling, memory, storage, and this program's own needs.

use super::{Call, Endpoint, Needs, Problem, Reply, Resource, Takes, json};
use crate::system::Status;
use hyper::{Method, StatusCode};
use serde::Serialize;

pub static RESOURCE: Resource = Resource {
    endpoints: &[Endpoint {
        method: Method::GET,
        path: "system",
        needs: Needs::Observe,
        takes: Takes::Nothing,
        run: system,
    }],
    openapi: include_str!("system.json"),
};

#[derive(Serialize)]
struct Answer<'a> {
    version: &'static str,
    #[serde(flatten)]
    status: &'a Status,
}

fn system(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move {
        match call.site.system_status().await {
            Some(status) => json(&Answer { version: env!("CARGO_PKG_VERSION"), status: &status }),
            None => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The system can't be read; see the log.").into(),
        }
    })
}
