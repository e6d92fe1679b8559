//! The configuration: read, checked, replaced while the box runs.
//!
//! It is handed over as the text of its file, comments and all; a member `settings` of the answer is the
//! same as JSON, for forms.

use super::super::body::Body;
use super::problem::Place;
use super::{Call, Endpoint, Needs, Problem, Reply, Resource, Takes, done, json, now};
use crate::config;
use crate::control::{self, ControlError};
use hyper::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};

pub static RESOURCE: Resource = Resource {
    endpoints: &[
        Endpoint { method: Method::GET, path: "config", needs: Needs::Administer, takes: Takes::Nothing, run: read },
        Endpoint {
            method: Method::PUT,
            path: "config",
            needs: Needs::Administer,
            takes: Takes::LongJson,
            run: replace,
        },
        Endpoint {
            method: Method::POST,
            path: "config/check",
            needs: Needs::Administer,
            takes: Takes::LongJson,
            run: |call| check(&call),
        },
    ],
    openapi: include_str!("config.json"),
};

#[derive(Debug, Serialize)]
struct Configuration {
    toml: String,
    /// The same without comments; `null` while the file is broken.
    settings: Option<toml::Table>,
}

/// Either the text of the file, or its content.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    toml: Option<String>,
    settings: Option<toml::Table>,
}

impl Wanted {
    fn text(self) -> Result<String, Problem> {
        let refuse = |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
        match (self.toml, self.settings) {
            (Some(text), None) => Ok(text),
            (None, Some(settings)) => {
                toml::to_string(&settings).map_err(|error| refuse(format!("The settings can't be written: {error}.")))
            }
            _ => Err(refuse("The body needs either toml, a text, or settings, an object.".to_owned())),
        }
    }
}

fn wanted(call: &Call<'_>) -> Result<String, Box<Response<Body>>> {
    call.json::<Wanted>()?.text().map_err(|problem| Box::new(problem.into()))
}

fn read(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move {
        match call.site.control().configuration().await {
            Ok(toml) => json(&Configuration { settings: toml.parse().ok(), toml }),
            Err(error) => Problem::from(error).into(),
        }
    })
}

fn replace(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move {
        let text = match wanted(&call) {
            Ok(text) => text,
            Err(refused) => return *refused,
        };
        match call.site.control().replace(text).await {
            Ok(replaced) => json(&replaced),
            Err(ControlError::Invalid(problems)) => invalid(problems).into(),
            Err(error) => Problem::from(error).into(),
        }
    })
}

fn check<'a>(call: &Call<'_>) -> Reply<'a> {
    let text = match wanted(call) {
        Ok(text) => text,
        Err(refused) => return now(*refused),
    };
    now(match control::check(&text) {
        Ok(_) => done(),
        Err(problems) => invalid(problems).into(),
    })
}

fn invalid(problems: Vec<config::Problem>) -> Problem {
    let place = |problem: config::Problem| Place { detail: problem.message, line: Some(problem.line) };
    let detail = "The configuration is not good; nothing has changed.";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).with(problems.into_iter().map(place).collect())
}
