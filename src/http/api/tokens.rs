//! Tokens: made, listed, revoked.

use super::super::access::now;
use super::session::change_refused;
use super::{Call, Endpoint, Needs, Reply, Resource, Takes, done, json, json_with};
use crate::access::{Scope, Token, TokenRequest};
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

pub static RESOURCE: Resource = Resource {
    endpoints: &[
        Endpoint {
            method: Method::GET,
            path: "tokens",
            needs: Needs::Administer,
            takes: Takes::Nothing,
            run: |call| Box::pin(async move { json(&list(&call)) }),
        },
        Endpoint { method: Method::POST, path: "tokens", needs: Needs::Administer, takes: Takes::Json, run: add },
        Endpoint {
            method: Method::DELETE,
            path: "tokens/{id}",
            needs: Needs::Administer,
            takes: Takes::Nothing,
            run: revoke,
        },
    ],
    openapi: include_str!("tokens.json"),
};

#[derive(Debug, Serialize)]
struct List {
    tokens: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    id: String,
    name: String,
    streams: Option<BTreeSet<String>>,
    view: bool,
    publish: bool,
    created_unix_s: u64,
    expires_unix_s: Option<u64>,
}

impl Entry {
    fn of(id: String, token: Token) -> Self {
        let Token { name, scope: Scope { streams, view, publish }, created_unix_s, expires_unix_s, .. } = token;
        Self { id, name, streams, view, publish, created_unix_s, expires_unix_s }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    #[serde(default)]
    streams: Option<BTreeSet<String>>,
    #[serde(default)]
    view: bool,
    #[serde(default)]
    publish: bool,
    #[serde(default)]
    expires_unix_s: Option<u64>,
}

/// What is told once.
#[derive(Serialize)]
struct Made {
    id: String,
    token: String,
}

fn list(call: &Call<'_>) -> List {
    List { tokens: call.site.access().tokens().into_iter().map(|(id, token)| Entry::of(id, token)).collect() }
}

fn add(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move {
        let New { name, streams, view, publish, expires_unix_s } = match call.json() {
            Ok(new) => new,
            Err(refusal) => return *refusal,
        };
        let wanted = TokenRequest { name, scope: Scope { streams, view, publish }, expires_unix_s };
        match call.site.access().add_token(wanted, now()).await {
            Ok((id, token)) => json_with(StatusCode::CREATED, &Made { id, token }),
            Err(error) => change_refused(&error),
        }
    })
}

fn revoke(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move {
        match call.site.access().revoke_token(call.parameter(0)).await {
            Ok(()) => done(),
            Err(error) => change_refused(&error),
        }
    })
}
