//! The last ten minutes, for graphs.

use super::{Call, Endpoint, Needs, Problem, Reply, Resource, Takes, json, now};
use hyper::Method;

pub static RESOURCE: Resource = Resource {
    endpoints: &[
        Endpoint {
            method: Method::GET,
            path: "streams/{name}/history",
            needs: Needs::View,
            takes: Takes::Nothing,
            run: |call| stream(&call),
        },
        Endpoint {
            method: Method::GET,
            path: "system/history",
            needs: Needs::Observe,
            takes: Takes::Nothing,
            run: |call| now(json(&call.site.history().board())),
        },
    ],
    openapi: include_str!("history.json"),
};

fn stream<'a>(call: &Call<'_>) -> Reply<'a> {
    let name = call.parameter(0);
    now(match call.site.streams().get(name) {
        Some(_) => json(&call.site.history().stream(name)),
        None => Problem::not_found("There is no stream of that name.").into(),
    })
}
