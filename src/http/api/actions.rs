//! What can be done at the touch of a button, and doing it.

use super::super::access::Caller;
use super::{Call, Endpoint, Needs, Problem, Reply, Resource, Takes, json, now};
use crate::control::{ActionError, Mark, Order, Shown};
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

pub static RESOURCE: Resource = Resource {
    endpoints: &[
        Endpoint {
            method: Method::GET,
            path: "actions",
            needs: Needs::Observe,
            takes: Takes::Nothing,
            run: |call| list(&call),
        },
        Endpoint { method: Method::POST, path: "actions", needs: Needs::Operate, takes: Takes::Json, run },
        Endpoint {
            method: Method::GET,
            path: "streams/{name}/marks",
            needs: Needs::View,
            takes: Takes::Nothing,
            run: |call| marks(&call),
        },
    ],
    openapi: include_str!("actions.json"),
};

#[derive(Serialize)]
struct List {
    actions: Vec<Shown>,
}

fn list<'a>(call: &Call<'_>) -> Reply<'a> {
    now(json(&List { actions: call.site.control().actions_shown() }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    action: String,
    stream: Option<String>,
    on: Option<bool>,
}

#[derive(Serialize)]
struct Done {
    /// A sentence for people.
    done: String,
}

fn run(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move {
        let Wanted { action, stream, on } = match call.json() {
            Ok(wanted) => wanted,
            Err(refused) => return *refused,
        };
        if call.site.control().administers(&action) && !call.administers() {
            return Problem::new(StatusCode::FORBIDDEN, "That is the administrator's to do.").into();
        }
        let Caller { address, .. } = call.caller;
        match call.site.control().act(&action, &Order { stream, on }, &format!("{}", address.ip())).await {
            Ok(done) => json(&Done { done: sentence(&done) }),
            Err(error) => Problem::from(error).into(),
        }
    })
}

#[derive(Serialize)]
struct Marks {
    marks: Vec<Mark>,
}

fn marks<'a>(call: &Call<'_>) -> Reply<'a> {
    let (control, name) = (call.site.control(), call.parameter(0));
    now(match control.streams().get(name) {
        Some(_) => json(&Marks { marks: control.marks(name) }),
        None => Problem::from(ActionError::NoStream).into(),
    })
}

impl From<ActionError> for Problem {
    fn from(error: ActionError) -> Self {
        let status = match &error {
            ActionError::Unknown { .. } | ActionError::NoStream => StatusCode::NOT_FOUND,
            ActionError::NotOnStreams { .. } | ActionError::NoSwitch { .. } | ActionError::Refused { .. } => {
                StatusCode::CONFLICT
            }
            ActionError::Failed { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, sentence(&error.to_string()))
    }
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
