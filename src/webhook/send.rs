//! One signed POST over HTTP or HTTPS; a connection for each, as they are few.

use super::queue::Delivery;
use super::signature::signature;
use crate::config::WebhookConfig;
use crate::system::{Trust, TrustError};
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::io;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Connecting, the handshake and the answer together.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, Error)]
pub(super) enum SendError {
    #[error("no connection: {0}")]
    Connect(#[from] io::Error),
    #[error("its host can't have a certificate")]
    Name,
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("the request: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("no answer: {0}")]
    Answer(#[from] hyper::Error),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("no answer within {} s", ANSWER_WITHIN.as_secs())]
    Late,
}

/// Sends for all webhooks. Clones are one.
#[derive(Clone, Default)]
pub(super) struct Sender {
    trust: Trust,
}

impl Sender {
    /// Done when the receiver has taken it (2xx). Redirections aren't followed: the signature was for this receiver.
    pub async fn post(&self, hook: &WebhookConfig, delivery: &Delivery) -> Result<(), SendError> {
        tokio::time::timeout(ANSWER_WITHIN, self.try_post(hook, delivery)).await.unwrap_or(Err(SendError::Late))
    }

    async fn try_post(&self, hook: &WebhookConfig, delivery: &Delivery) -> Result<(), SendError> {
        let secure = hook.url.scheme_str() == Some("https");
        let host = hook.url.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = hook.url.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let authority = hook.url.authority().map_or("", |authority| authority.as_str());
        let request = Request::post(hook.url.path_and_query().map_or("/", |path| path.as_str()))
            .header(HOST, authority)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("capturebox/", env!("CARGO_PKG_VERSION")))
            .header("x-capturebox-event", delivery.event)
            .header("x-capturebox-signature", signature(hook.secret.as_bytes(), delivery.body.as_bytes()))
            .body(delivery.body.clone())?;
        if !secure {
            return exchange(TcpStream::connect((host, port)).await?, request).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|_| SendError::Name)?;
        let tls = self.trust.connector(hook.ca.as_deref()).await?;
        let connection = TcpStream::connect((host, port)).await?;
        exchange(tls.connect(name, connection).await?, request).await
    }
}

async fn exchange<C>(connection: C, request: Request<String>) -> Result<(), SendError>
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let (mut requests, connection) = hyper::client::conn::http1::handshake(TokioIo::new(connection)).await?;
    // The connection is driven until the answer's head is there; its body is nobody's concern. A receiver that
    // closes right after its answer ends the connection first: the answer is there all the same.
    let mut sent = std::pin::pin!(requests.send_request(request));
    let answer = tokio::select! {
        answer = &mut sent => answer?,
        _ = connection => sent.await?,
    };
    if answer.status().is_success() { Ok(()) } else { Err(SendError::Status(answer.status())) }
}
