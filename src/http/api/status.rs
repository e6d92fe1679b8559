//! How the box is, at a glance: what its lights show, what the board suffers from, what it leaves undone.

use super::{Call, Endpoint, Needs, Reply, Resource, Takes, json, now};
use crate::control::{Load, Status, Troubles};
use hyper::Method;
use serde::Serialize;

pub static RESOURCE: Resource = Resource {
    endpoints: &[Endpoint {
        method: Method::GET,
        path: "status",
        needs: Needs::Observe,
        takes: Takes::Nothing,
        run: |call| status(&call),
    }],
    openapi: include_str!("status.json"),
};

#[derive(Serialize)]
struct Answer {
    states: Status,
    troubles: Troubles,
    load: Load,
}

fn status<'a>(call: &Call<'_>) -> Reply<'a> {
    let control = call.site.control();
    now(json(&Answer { states: control.status(), troubles: control.troubles(), load: control.load() }))
}
