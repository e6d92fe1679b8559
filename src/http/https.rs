//! Whether the box speaks HTTPS: as the configuration says, and where it says nothing, as it can be.

use super::listener::{BindError, Server};
use crate::config::{HttpConfig, Listen};
use crate::state::StateDir;
use crate::tls::{Tls, TlsError};
use std::net::SocketAddr;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum HttpsError {
    #[error(transparent)]
    Listen(#[from] BindError),
    #[error("HTTPS: {0}")]
    Tls(#[from] TlsError),
}

/// The server for HTTPS beside the plain one, and what keeps its certificate current; `None` without HTTPS.
/// What was asked for and can't be is an error; what wasn't is a warning. Needs a tokio runtime.
pub fn open(
    config: &HttpConfig,
    state: Option<&StateDir>,
    plain: &Server,
) -> Result<Option<(Server, Tls)>, HttpsError> {
    let (address, asked) = match config.listen_tls {
        Listen::Off => return Ok(None),
        Listen::Try(address) => (address, config.certificate.is_some()),
        Listen::At(address) => (address, true),
    };
    match open_at(address, config, state, plain) {
        Ok(open) => Ok(open),
        Err(error) if asked => Err(error),
        Err(error) => {
            log::warn!("going on without HTTPS: {error}");
            Ok(None)
        }
    }
}

fn open_at(
    address: SocketAddr,
    config: &HttpConfig,
    state: Option<&StateDir>,
    plain: &Server,
) -> Result<Option<(Server, Tls)>, HttpsError> {
    let tls = match (&config.certificate, state) {
        (Some((certificate, key)), _) => Tls::from_files(certificate.clone(), key.clone())?,
        (None, Some(state)) => Tls::own(state, &config.hosts)?,
        // Why there is no folder was said where it was opened.
        (None, None) => return Ok(None),
    };
    let server = plain.beside(address, tls.server_config())?;
    log::info!("listening on https://{}/", server.address());
    Ok(Some((server, tls)))
}
