//! The cameras, microphones and encoders of the box, and what they can do.

use super::{Call, Endpoint, Needs, Problem, Reply, Resource, Takes, json};
use crate::capture::devices;
use hyper::{Method, StatusCode};
use tokio::sync::Mutex;

pub static RESOURCE: Resource = Resource {
    endpoints: &[Endpoint {
        method: Method::GET,
        path: "devices",
        needs: Needs::Observe,
        takes: Takes::Nothing,
        run: |call| list(&call),
    }],
    openapi: include_str!("devices.json"),
};

/// Looking opens every device for a moment: one at a time, however many ask.
static LOOKING: Mutex<()> = Mutex::const_new(());

fn list<'a>(_: &Call<'_>) -> Reply<'a> {
    Box::pin(async {
        let _one = LOOKING.lock().await;
        match tokio::task::spawn_blocking(devices::list).await {
            Ok(devices) => json(&devices),
            Err(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The devices can't be listed.").into(),
        }
    })
}
