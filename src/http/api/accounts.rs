//! Accounts: made, listed, changed, removed.

use super::session::change_refused;
use super::{Call, Endpoint, Needs, Reply, Resource, Takes, done, json};
use crate::access::{ChangeError, Role};
use hyper::{Method, Response};
use serde::{Deserialize, Serialize};

pub static RESOURCE: Resource = Resource {
    endpoints: &[
        Endpoint {
            method: Method::GET,
            path: "accounts",
            needs: Needs::Administer,
            takes: Takes::Nothing,
            run: |call| Box::pin(async move { json(&list(&call)) }),
        },
        Endpoint { method: Method::POST, path: "accounts", needs: Needs::Administer, takes: Takes::Json, run: add },
        Endpoint {
            method: Method::PATCH,
            path: "accounts/{name}",
            needs: Needs::Administer,
            takes: Takes::Json,
            run: change,
        },
        Endpoint {
            method: Method::DELETE,
            path: "accounts/{name}",
            needs: Needs::Administer,
            takes: Takes::Nothing,
            run: remove,
        },
    ],
    openapi: include_str!("accounts.json"),
};

#[derive(Debug, Serialize)]
struct List {
    accounts: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    role: Role,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    role: Role,
    password: String,
}

/// What isn't given stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default)]
    role: Option<Role>,
    #[serde(default)]
    password: Option<String>,
}

fn list(call: &Call<'_>) -> List {
    let accounts = call.site.access().accounts();
    List { accounts: accounts.into_iter().map(|(name, role)| Entry { name, role }).collect() }
}

fn add(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move {
        match call.json() {
            Ok(New { name, role, password }) => answer(&call.site.access().add_account(&name, role, password).await),
            Err(refusal) => *refusal,
        }
    })
}

fn change(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move {
        match call.json() {
            Ok(Change { role, password }) => {
                answer(&call.site.access().change_account(call.parameter(0), role, password).await)
            }
            Err(refusal) => *refusal,
        }
    })
}

fn remove(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move { answer(&call.site.access().remove_account(call.parameter(0)).await) })
}

fn answer(result: &Result<(), ChangeError>) -> Response<super::Body> {
    match result {
        Ok(()) => done(),
        Err(error) => change_refused(error),
    }
}
