//! Whom the box believes that they are who they say when it goes to them over TLS.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

/// All authorities of a system are 250 KiB. Bytes.
const MAX_AUTHORITIES_LEN: u64 = 1 << 20;

#[derive(Debug, Error)]
pub enum TrustError {
    #[error("{}: {error}", path.display())]
    Authorities { path: PathBuf, error: io::Error },
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the authorities can't be read: {0}")]
    Read(io::Error),
}

/// The system's authorities, read when somebody first needs them. Clones are one.
#[derive(Clone, Default)]
pub struct Trust {
    system: Arc<OnceCell<TlsConnector>>,
}

impl Trust {
    /// For a connection to somebody whose certificate comes from one of the authorities in `file` (PEM), or else the
    /// system's. `file` is read each time, so that a new one counts at once.
    pub async fn connector(&self, file: Option<&Path>) -> Result<TlsConnector, TrustError> {
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
async fn read<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, TrustError> + Send + 'static,
) -> Result<T, TrustError> {
    tokio::task::spawn_blocking(read).await.map_err(|error| TrustError::Read(io::Error::other(error)))?
}

fn trusting(roots: RootCertStore) -> Result<TlsConnector, TrustError> {
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
        log::warn!("a certificate authority of the system can't be read: {error}");
    }
    roots.add_parsable_certificates(system.certs);
    roots
}

/// Those of a file (PEM); one at least.
fn authorities(path: &Path) -> Result<RootCertStore, TrustError> {
    let cannot = |error| TrustError::Authorities { path: path.to_owned(), error };
    let mut pem = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_AUTHORITIES_LEN).read_to_end(&mut pem)).map_err(cannot)?;
    let mut roots = RootCertStore::empty();
    let (good, _) = roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok));
    if good == 0 {
        return Err(cannot(io::Error::other("there is no certificate in PEM in it")));
    }
    Ok(roots)
}
