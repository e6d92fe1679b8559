//! The configuration: read, checked, replaced while the box runs.
//!
//! It is handed over as the text of its file, comments and all, and as JSON, for forms, with the schema that
//! describes it. Who wants another one sends either back: comments and order stay. Secrets are marks in both;
//! a mark that comes back means that the secret stays.

use super::super::body::Body;
use super::problem::Place;
use super::{Call, Endpoint, Needs, Problem, Reply, Resource, Takes, done, json, now};
use crate::config::{self, SCHEMA};
use crate::control::{self, ControlError, Wanted};
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_MATCH};
use hyper::{HeaderMap, Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

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
            run: check,
        },
        Endpoint {
            method: Method::GET,
            path: "config/schema",
            needs: Needs::Nothing,
            takes: Takes::Nothing,
            run: |_| now(schema()),
        },
    ],
    openapi: include_str!("config.json"),
};

#[derive(Debug, Serialize)]
struct Configuration {
    toml: String,
    /// The same without comments; `null` while the file is broken.
    settings: Option<toml::Table>,
    file: PathBuf,
    saved: bool,
}

/// Either the text of the file, or its content.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    toml: Option<String>,
    settings: Option<toml::Table>,
}

fn wanted(call: &Call<'_>) -> Result<Wanted, Box<Response<Body>>> {
    match call.json::<Sent>()? {
        Sent { toml: Some(text), settings: None } => Ok(Wanted::Text(text)),
        Sent { toml: None, settings: Some(settings) } => Ok(Wanted::Settings(settings)),
        _ => {
            let detail = "The body needs either toml, a text, or settings, an object.";
            Err(Box::new(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).into()))
        }
    }
}

fn read(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move {
        match call.site.control().configuration().await {
            Ok(control::Configuration { text, version, file, saved }) => {
                tagged(json(&Configuration { settings: text.parse().ok(), toml: text, file, saved }), &version)
            }
            Err(error) => refused(error),
        }
    })
}

fn replace(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move {
        let wanted = match wanted(&call) {
            Ok(wanted) => wanted,
            Err(refused) => return *refused,
        };
        match call.site.control().replace(wanted, versions(call.headers)).await {
            Ok(replaced) => tagged(json(&replaced), &replaced.version),
            Err(error) => refused(error),
        }
    })
}

fn check(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move {
        let wanted = match wanted(&call) {
            Ok(wanted) => wanted,
            Err(refused) => return *refused,
        };
        match call.site.control().check(wanted).await {
            Ok(()) => done(),
            Err(error) => refused(error),
        }
    })
}

fn schema() -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from_static(SCHEMA.as_bytes())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/schema+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The versions that may be replaced (RFC 9110 §13.1.1); `None`: any.
fn versions(headers: &HeaderMap) -> Option<Vec<String>> {
    let tags: Vec<&str> = headers
        .get_all(IF_MATCH)
        .iter()
        // What isn't text is nothing's tag.
        .flat_map(|line| line.to_str().unwrap_or("?").split(','))
        .map(str::trim)
        .collect();
    if tags.is_empty() || tags.contains(&"*") {
        return None;
    }
    // Weak ones match nothing here.
    Some(tags.iter().map(|tag| tag.trim_matches('"').to_owned()).collect())
}

fn tagged(mut response: Response<Body>, version: &str) -> Response<Body> {
    if let Ok(tag) = HeaderValue::try_from(format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

fn refused(error: ControlError) -> Response<Body> {
    let ControlError::Invalid(problems) = error else { return Problem::from(error).into() };
    let place = |problem: config::Problem| Place {
        detail: problem.message,
        line: Some(problem.line),
        column: Some(problem.column),
        path: problem.path,
    };
    let detail = "The configuration is not good; nothing has changed.";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).with(problems.into_iter().map(place).collect()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_lists_of_tags() {
        let read = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(IF_MATCH, HeaderValue::from_static(line));
            }
            versions(&headers)
        };
        let some = |tags: &[&str]| Some(tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(&[]), None);
        assert_eq!(read(&["*"]), None);
        assert_eq!(read(&["\"a\""]), some(&["a"]));
        assert_eq!(read(&["\"a\", \"b\"", "\"c\""]), some(&["a", "b", "c"]));
        assert_eq!(read(&["W/\"a\""]), some(&["W/\"a"]), "which is no version");
    }
}
