//! The rooms in which people meet now.

use super::{Call, Endpoint, Needs, Reply, Resource, Takes, json};
use hyper::Method;

pub static RESOURCE: Resource = Resource {
    endpoints: &[Endpoint {
        method: Method::GET,
        path: "rooms",
        needs: Needs::Observe,
        takes: Takes::Nothing,
        run: |call| list(call),
    }],
    openapi: include_str!("rooms.json"),
};

fn list(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move {
        match call.site.rooms() {
            Some(rooms) => json(&rooms.list().await),
            None => json(&[(); 0]),
        }
    })
}
