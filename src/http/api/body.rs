//! A request's JSON body, read under limits.

use super::problem::Problem;
use bytes::{Buf, Bytes, BytesMut};
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Display;
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;

/// Reads a body to its end: at most `max_bytes`, in `time`. A length told beforehand is believed only
/// where it is too long.
pub async fn read<B>(body: B, max_bytes: u64, time: Duration) -> Result<Bytes, Problem>
where
    B: hyper::body::Body,
    B::Error: Display,
{
    let too_long =
        || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("A body here has at most {max_bytes} bytes."));
    if body.size_hint().lower() > max_bytes {
        return Err(too_long());
    }
    let collect = async {
        let mut body = pin!(body);
        let mut bytes = BytesMut::new();
        while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            let frame = frame.map_err(|error| {
                Problem::new(StatusCode::BAD_REQUEST, format!("The body did not come whole: {error}."))
            })?;
            let Ok(mut data) = frame.into_data() else { continue };
            if (bytes.len() + data.remaining()) as u64 > max_bytes {
                return Err(too_long());
            }
            while data.has_remaining() {
                let chunk = data.chunk();
                bytes.extend_from_slice(chunk);
                let len = chunk.len();
                data.advance(len);
            }
        }
        Ok(bytes.freeze())
    };
    timeout(time, collect).await.unwrap_or_else(|_| {
        Err(Problem::new(StatusCode::REQUEST_TIMEOUT, format!("The body did not come within {} s.", time.as_secs())))
    })
}

/// Text as a `T`. The type must be told: a page of another site can send `text/plain` without asking us
/// first, but not this.
pub fn parse<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let detail = "The body has to be JSON, sent with content-type: application/json.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let refuse =
        |status, what: &dyn Display| Problem::new(status, format!("The body is not what belongs here: {what}."));
    let mut value: Value = serde_json::from_slice(body).map_err(|error| refuse(StatusCode::BAD_REQUEST, &error))?;
    // To serde a list of its members is a struct too; to the document it isn't.
    if !value.is_object() {
        return Err(refuse(StatusCode::UNPROCESSABLE_ENTITY, &"it has to be an object, {…}"));
    }
    whole_numbers(&mut value);
    T::deserialize(value).map_err(|error| refuse(StatusCode::UNPROCESSABLE_ENTITY, &error))
}

/// 3.0 is an integer to JSON Schema (and to the languages that write it so), but not to serde. The parser has
/// bounded how deep this goes.
fn whole_numbers(value: &mut Value) {
    /// From there on neighbours can't be told apart.
    const EXACT: f64 = (1_u64 << 53) as f64;
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < EXACT);
            if let Some(float) = whole {
                *number = (float as i64).into();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(whole_numbers),
        Value::Object(members) => members.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::body::{Body, Frame};
    use hyper::header::HeaderValue;
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    #[test]
    fn whole_numbers_are_integers_however_they_are_written() {
        let mut value = serde_json::json!({ "a": 3.0, "b": [-2e3, 2.5], "c": { "d": 1e300, "e": "3.0", "f": 7 } });
        whole_numbers(&mut value);
        let expected = serde_json::json!({ "a": 3, "b": [-2000, 2.5], "c": { "d": 1e300, "e": "3.0", "f": 7 } });
        assert_eq!(value, expected);
    }

    /// Comes in pieces, and at the end either ends or says nothing more.
    struct Pieces {
        pieces: VecDeque<&'static [u8]>,
        ends: bool,
    }

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.pieces.pop_front() {
                Some(piece) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece))))),
                None if self.ends => Poll::Ready(None),
                None => Poll::Pending,
            }
        }
    }

    async fn reads(pieces: &[&'static [u8]], ends: bool, max_bytes: u64) -> Result<Bytes, u16> {
        let body = Pieces { pieces: pieces.iter().copied().collect(), ends };
        read(body, max_bytes, Duration::from_secs(10)).await.map_err(|problem| problem.status())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_bounded_in_size_and_time() {
        assert_eq!(reads(&[b"ab", b"c"], true, 3).await.as_deref(), Ok(&b"abc"[..]));
        assert_eq!(reads(&[b"ab", b"cd"], true, 3).await, Err(413));
        assert_eq!(reads(&[b"ab"], false, 3).await, Err(408));
        assert_eq!(reads(&[], true, 0).await.as_deref(), Ok(&b""[..]));
    }

    #[test]
    fn what_is_no_json_of_this_kind_is_told_apart() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Number {
            number: u32,
        }
        let said = |kind: Option<&'static str>, body: &str| {
            let mut headers = HeaderMap::new();
            if let Some(kind) = kind {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            }
            parse::<Number>(&headers, body.as_bytes()).map(|got| got.number).map_err(|problem| problem.status())
        };
        assert_eq!(said(Some("application/json"), r#"{"number":7}"#), Ok(7));
        assert_eq!(said(Some("Application/JSON; charset=utf-8"), r#"{"number":7}"#), Ok(7));
        assert_eq!(said(Some("text/plain"), r#"{"number":7}"#), Err(415));
        assert_eq!(said(None, r#"{"number":7}"#), Err(415));
        assert_eq!(said(Some("application/json"), r#"{"number":"#), Err(400));
        assert_eq!(said(Some("application/json"), r#"{"number":-7}"#), Err(422));
        assert_eq!(said(Some("application/json"), r#"{"number":7,"more":1}"#), Err(422));
        assert_eq!(said(Some("application/json"), "[7]"), Err(422));
        assert_eq!(said(Some("application/json"), " {\"number\":7}"), Ok(7));
        assert_eq!(said(Some("application/json"), "\u{0}"), Err(400));
    }
}
