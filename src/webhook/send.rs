//! One signed POST over HTTP or HTTPS; a connection for each, as they are few.

use super::queue::Delivery;
use super::signature::signature;
use crate::config::WebhookConfig;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

/// Connecting, the handshake and the answer together.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// All authorities of a system are 250 KiB. Bytes.
const MAX_AUTHORITIES_LEN: u64 = 1 << 20;

#[derive(Debug, Error)]
pub(super) enum SendError {
    #[error("no connection: {0}")]
    Connect(#[from] io::Error),
    #[error("its host can't have a certificate")]
    Name,
    #[error("{}: {error}", path.display())]
    Authorities { path: PathBuf, error: io::Error },
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
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
    /// Trusts the system's authorities, which are read when the first webhook needs them.
    system: Arc<OnceCell<TlsConnector>>,
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
        let tls = self.connector(hook.ca.as_deref()).await?;
        let connection = TcpStream::connect((host, port)).await?;
        exchange(tls.connect(name, connection).await?, request).await
    }

    /// `file` is read each time, so that a new one counts at once.
    async fn connector(&self, file: Option<&Path>) -> Result<TlsConnector, SendError> {
        match file {
            Some(file) => {
                let file = file.to_owned();
                read(move || trusting(authorities(&file)?)).await
            }
            None => self.system.get_or_try_init(|| read(|| trusting(system_authorities()))).await.cloned(),
        }
    }
}

/// Reads files where that holds up no connection.
async fn read<T: Send + 'static>(read: impl FnOnce() -> Result<T, SendError> + Send + 'static) -> Result<T, SendError> {
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

fn trusting(roots: RootCertStore) -> Result<TlsConnector, SendError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn system_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        log::warn!("webhooks: a certificate authority of the system can't be read: {error}");
    }
    roots.add_parsable_certificates(system.certs);
    roots
}

/// Those of a file (PEM); one at least.
fn authorities(path: &Path) -> Result<RootCertStore, SendError> {
    let cannot = |error| SendError::Authorities { path: path.to_owned(), error };
    let mut pem = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_AUTHORITIES_LEN).read_to_end(&mut pem)).map_err(cannot)?;
    let mut roots = RootCertStore::empty();
    let (good, _) = roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok));
    if good == 0 {
        return Err(cannot(io::Error::other("there is no certificate in PEM in it")));
    }
    Ok(roots)
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
