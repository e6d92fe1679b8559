//! Where others reach the box, and what devices need to trust it: for the console's QR codes.
//!
//! Not open to all, unlike `/setup` itself: it tells the box's address on the LAN, which somebody who came
//! through a router doesn't know.

use super::super::setup::{Setup, Trust};
use super::{Endpoint, Needs, Resource, Takes, json, now};
use hyper::Method;
use serde::Serialize;

pub static RESOURCE: Resource = Resource {
    endpoints: &[Endpoint {
        method: Method::GET,
        path: "setup",
        needs: Needs::Observe,
        takes: Takes::Nothing,
        run: |call| now(json(&answer(call.site.setup()))),
    }],
    openapi: include_str!("setup.json"),
};

#[derive(Debug, Serialize)]
struct Answer<'a> {
    address: Option<String>,
    https_address: Option<String>,
    setup_address: Option<String>,
    certificate: &'static str,
    name: Option<&'a str>,
    fingerprint: Option<String>,
}

fn answer(setup: &Setup) -> Answer<'_> {
    let (paper, lan) = (setup.paper(), setup.lan_url());
    Answer {
        setup_address: paper.and(lan.as_ref()).map(|url| format!("{url}/setup")),
        address: lan.map(|url| format!("{url}/")),
        https_address: setup.lan_https_url().map(|url| format!("{url}/")),
        certificate: match setup.trust {
            Trust::Own(_) => "own",
            Trust::Files => "files",
            Trust::NoHttps => "none",
        },
        name: paper.map(|paper| paper.common_name.as_str()),
        fingerprint: paper.map(crate::tls::Paper::fingerprint),
    }
}
