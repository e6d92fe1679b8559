//! What went wrong, as RFC 9457 has it: `application/problem+json`.

use super::super::body::Body;
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

/// A problem document. Its `type` is `about:blank`: the status and the detail say it all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    title: &'static str,
    status: u16,
    /// A sentence or two for the person who reads it.
    detail: String,
    /// Places in what was sent, where the problem lies in them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Place>,
}

/// One thing that is wrong in a document that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// What is wrong; what would be right.
    pub detail: String,
    /// Counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// In characters, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The key that it is about, with dots: `streams.camera.video.size`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { title, status: status.as_u16(), detail: detail.into(), errors: Vec::new() }
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub fn with(mut self, errors: Vec<Place>) -> Self {
        self.errors = errors;
        self
    }

    pub fn status(&self) -> u16 {
        self.status
    }
}

impl From<Problem> for Response<Body> {
    fn from(problem: Problem) -> Self {
        let text = serde_json::to_vec(&problem).expect("strings and numbers can be written");
        let mut response = Response::new(Body::from(Bytes::from(text)));
        // It was made from a status.
        *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        // What is missing now may be there in a moment.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_as_json() {
        let place = Place { detail: "too long".to_owned(), line: Some(3), column: None, path: "a.b".to_owned() };
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "Not good.").with(vec![place]);
        assert_eq!(
            serde_json::to_value(&problem).expect("plain"),
            serde_json::json!({ "title": "Unprocessable Entity", "status": 422, "detail": "Not good.",
                "errors": [{ "detail": "too long", "line": 3, "path": "a.b" }] })
        );
        let response = Response::from(problem);
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    }
}
