//! A small picture of what a stream shows now.

use super::super::body::Body;
use super::{Call, Endpoint, Needs, Problem, Reply, Resource, Takes};
use crate::control::Load;
use crate::snapshot::{Snapshot, SnapshotError};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, RETRY_AFTER};
use hyper::{HeaderMap, Method, Response, StatusCode};

pub static RESOURCE: Resource = Resource {
    endpoints: &[Endpoint {
        method: Method::GET,
        path: "streams/{name}/snapshot.jpg",
        needs: Needs::View,
        takes: Takes::Nothing,
        run: newest,
    }],
    openapi: include_str!("snapshot.json"),
};

/// Key frames come a second or so apart: the first one isn't far.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");

fn newest(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move {
        let Some(stream) = call.site.streams().get(call.parameter(0)) else {
            return Problem::not_found("There is no stream of that name.").into();
        };
        if call.site.control().load() >= Load::WithoutSnapshots {
            let why = "The board is held back by heat or for want of power: no snapshots until it is well.";
            let mut response = Response::from(Problem::new(StatusCode::SERVICE_UNAVAILABLE, why));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
            return response;
        }
        match call.site.snapshots().newest(&stream).await {
            Ok(snapshot) => picture(&snapshot, call.headers),
            Err(error) => refusal(&error),
        }
    })
}

fn picture(snapshot: &Snapshot, request: &HeaderMap) -> Response<Body> {
    // A moment of the monotonic clock: no other picture of this start of the box has it.
    let tag = format!("\"{}\"", snapshot.captured.as_nanos());
    let known = request.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = Response::new(if known { Body::default() } else { Body::from(snapshot.jpeg.clone()) });
    let headers = response.headers_mut();
    // Kept by whoever likes, asked for each time.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(ETAG, tag);
    }
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    }
    response
}

fn refusal(error: &SnapshotError) -> Response<Body> {
    let status = match error {
        SnapshotError::NoPicture => StatusCode::SERVICE_UNAVAILABLE,
        SnapshotError::Undecodable { .. } => StatusCode::NOT_IMPLEMENTED,
        SnapshotError::Failed { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut response = Response::from(Problem::new(status, format!("{error}.")));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_S);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MonoTime;
    use bytes::Bytes;

    #[test]
    fn a_picture_that_is_known_is_not_sent_again() {
        let snapshot = Snapshot { jpeg: Bytes::from_static(b"picture"), captured: MonoTime::from_nanos(7) };
        let mut request = HeaderMap::new();
        let first = picture(&snapshot, &request);
        assert_eq!((first.status(), first.body().len()), (StatusCode::OK, 7));
        assert_eq!(first.headers()[CONTENT_TYPE], "image/jpeg");
        request.insert(IF_NONE_MATCH, first.headers()[ETAG].clone());
        let same = picture(&snapshot, &request);
        assert_eq!((same.status(), same.body().len()), (StatusCode::NOT_MODIFIED, 0));
        let next = picture(&Snapshot { captured: MonoTime::from_nanos(8), ..snapshot }, &request);
        assert_eq!(next.status(), StatusCode::OK);
    }

    #[test]
    fn what_comes_soon_may_be_asked_for_again() {
        let soon = refusal(&SnapshotError::NoPicture);
        assert_eq!((soon.status(), &soon.headers()[RETRY_AFTER]), (StatusCode::SERVICE_UNAVAILABLE, &RETRY_AFTER_S));
        let never = refusal(&SnapshotError::Undecodable { reason: "interlaced".to_owned() });
        assert_eq!(never.status(), StatusCode::NOT_IMPLEMENTED);
    }
}
