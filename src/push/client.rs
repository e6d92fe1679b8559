//! One HTTP request and its answer, both bounded: over TLS where the address says so, and to where the server sends
//! it on. A connection for each, as they are few.

use crate::config::{PushConfig, Secret};
use crate::system::{Trust, TrustError};
use bytes::BytesMut;
use hyper::body::Body;
use hyper::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use hyper::{HeaderMap, Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::CertificateError;
use rustls::pki_types::ServerName;
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Connecting, the handshake and the answer together, of each server that it is sent on to.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Of an answer: a description with some candidates has a few thousand. Bytes.
const MAX_BODY: usize = 64 * 1024;
/// To a region, and there to a machine.
const MAX_REDIRECTIONS: usize = 3;

#[derive(Debug, Error)]
pub enum HttpError {
    #[error("can't be reached ({0}); see whether its address is right and the box has a way there")]
    Connect(io::Error),
    #[error("doesn't finish the handshake of TLS ({0})")]
    Tls(io::Error),
    #[error("has a certificate that isn't valid yet, by the box's clock; see whether that is set")]
    Early,
    #[error("has no certificate that the box trusts ({0}); where it has one of its own, name its authority as `ca`")]
    Untrusted(io::Error),
    #[error("can't have a certificate: its name is no host name")]
    Name,
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("can't be asked that: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("hung up without an answer ({0})")]
    Answer(#[from] hyper::Error),
    #[error("answers with more than {MAX_BODY} bytes: that is no WHIP server")]
    TooLong,
    #[error("doesn't answer within {} s", ANSWER_WITHIN.as_secs())]
    Late,
    #[error("sends the box from one address to the next, or to one that isn't safe")]
    Astray,
}

/// What is asked.
#[derive(Debug)]
pub struct Order {
    pub method: Method,
    pub url: Uri,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: String,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
    /// Whose it is, after it was sent on.
    pub url: Uri,
}

/// Asks for one push. Clones are one.
#[derive(Clone)]
pub struct Client {
    trust: Trust,
    home: Uri,
    token: Option<Secret>,
    ca: Option<PathBuf>,
}

impl Client {
    pub fn new(config: &PushConfig, trust: Trust) -> Self {
        Self { trust, home: config.url.clone(), token: config.token.clone(), ca: config.ca.clone() }
    }

    /// Whether the server runs on this machine.
    pub async fn is_local(&self) -> bool {
        let host = self.home.host().unwrap_or_default().trim_matches(['[', ']']);
        let found = tokio::time::timeout(ANSWER_WITHIN, tokio::net::lookup_host((host, port(&self.home)))).await;
        found.is_ok_and(|found| found.is_ok_and(|mut all| all.any(|address| address.ip().is_loopback())))
    }

    /// Follows 307 and 308, which leave the request as it is (RFC 9725 4.5). The token goes to no other server than
    /// the one that it was configured for, and nothing that was https goes on without.
    pub async fn send(&self, order: &Order) -> Result<Answer, HttpError> {
        let mut url = order.url.clone();
        for _ in 0..=MAX_REDIRECTIONS {
            let answer = tokio::time::timeout(ANSWER_WITHIN, self.ask(order, &url)).await;
            let answer = answer.unwrap_or(Err(HttpError::Late))?;
            if !matches!(answer.status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
                return Ok(answer);
            }
            let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
            url = location.and_then(|location| resolve(&url, location)).ok_or(HttpError::Astray)?;
        }
        Err(HttpError::Astray)
    }

    async fn ask(&self, order: &Order, url: &Uri) -> Result<Answer, HttpError> {
        let secure = is_secure(url);
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
        let mut request = Request::builder()
            .method(order.method.clone())
            .uri(url.path_and_query().map_or("/", |path| path.as_str()))
            .header(HOST, url.authority().map_or("", |authority| authority.as_str()))
            .header(USER_AGENT, concat!("capturebox/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = self.token.as_ref().filter(|_| origin(url) == origin(&self.home)) {
            let value = HeaderValue::from_bytes(&[b"Bearer ", token.as_bytes()].concat());
            let mut value = value.map_err(hyper::http::Error::from)?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        for (name, value) in &order.headers {
            request = request.header(name, value);
        }
        let request = request.body(order.body.clone())?;
        let connection = TcpStream::connect((host, port(url))).await.map_err(HttpError::Connect)?;
        let (status, headers, body) = if secure {
            let name = ServerName::try_from(host.to_owned()).map_err(|_| HttpError::Name)?;
            let tls = self.trust.connector(self.ca.as_deref()).await?;
            exchange(tls.connect(name, connection).await.map_err(tls_error)?, request).await?
        } else {
            exchange(connection, request).await?
        };
        Ok(Answer { status, headers, body, url: url.clone() })
    }
}

/// What went wrong in a handshake: with a certificate, somebody has to do something; else it may pass.
fn tls_error(error: io::Error) -> HttpError {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        )) => HttpError::Early,
        Some(rustls::Error::InvalidCertificate(_)) => HttpError::Untrusted(error),
        _ => HttpError::Tls(error),
    }
}

/// A task that ends with whoever waits for what it does.
struct Driving(JoinHandle<()>);

impl Drop for Driving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn exchange<C>(connection: C, request: Request<String>) -> Result<(StatusCode, HeaderMap, String), HttpError>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut requests, connection) = hyper::client::conn::http1::handshake(TokioIo::new(connection)).await?;
    let _driving = Driving(tokio::spawn(async move {
        // What goes wrong is told to whoever asks.
        let _ = connection.await;
    }));
    let (head, mut body) = requests.send_request(request).await?.into_parts();
    let mut bytes = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame?.into_data() {
            if bytes.len() + data.len() > MAX_BODY {
                return Err(HttpError::TooLong);
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok((head.status, head.headers, String::from_utf8_lossy(&bytes).into_owned()))
}

fn is_secure(url: &Uri) -> bool {
    url.scheme_str() == Some("https")
}

fn port(url: &Uri) -> u16 {
    url.port_u16().unwrap_or(if is_secure(url) { 443 } else { 80 })
}

fn origin(url: &Uri) -> (bool, String, u16) {
    (is_secure(url), url.host().unwrap_or_default().to_ascii_lowercase(), port(url))
}

/// What `location`, said at `base`, means (RFC 3986 5.2, of which servers use little); `None` for what is no address
/// of the web, and for one without TLS where `base` has it.
pub fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let is_scheme = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    let absolute = if location.split_once("://").is_some_and(|(before, _)| is_scheme(before)) {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') || location.is_empty() {
        format!("{scheme}://{authority}{}{location}", base.path())
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    let url: Uri = absolute.parse().ok()?;
    let good = matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty());
    let safe = is_secure(&url) || !is_secure(base);
    (good && safe).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_certificate_lasts_and_else_a_handshake_may_come_about_next_time() {
        let told = |error: rustls::Error| tls_error(io::Error::new(io::ErrorKind::InvalidData, error));
        let expired = rustls::Error::InvalidCertificate(CertificateError::Expired);
        assert!(matches!(told(expired), HttpError::Untrusted(_)));
        let early = rustls::Error::InvalidCertificate(CertificateError::NotValidYet);
        assert!(matches!(told(early), HttpError::Early));
        assert!(matches!(told(rustls::Error::HandshakeNotComplete), HttpError::Tls(_)));
        assert!(matches!(tls_error(io::ErrorKind::ConnectionReset.into()), HttpError::Tls(_)));
    }

    #[test]
    fn a_location_is_where_the_server_means_and_never_less_safe() {
        let base: Uri = "https://a.example:8443/live/whip?key=1".parse().expect("a URL");
        let table = [
            ("/live/whip/0123", Some("https://a.example:8443/live/whip/0123")),
            ("0123", Some("https://a.example:8443/live/0123")),
            ("/whip/1?back=https://x", Some("https://a.example:8443/whip/1?back=https://x")),
            ("?session=1", Some("https://a.example:8443/live/whip?session=1")),
            ("//b.example/whip", Some("https://b.example/whip")),
            ("https://b.example/whip", Some("https://b.example/whip")),
            ("http://b.example/whip", None),
            ("ftp://b.example/", None),
            ("https://", None),
            ("https:///x", None),
            ("/a b", None),
        ];
        for (location, expected) in table {
            assert_eq!(resolve(&base, location).map(|url| url.to_string()).as_deref(), expected, "{location}");
        }
        let plain: Uri = "http://box.local/x/whip".parse().expect("a URL");
        assert_eq!(
            resolve(&plain, "https://b.example/").map(|url| url.to_string()).as_deref(),
            Some("https://b.example/")
        );
    }
}
