//! Whether the box has real-time connections: as the configuration says, and where it says nothing, as it can be.

use crate::config::{Listen, WebrtcConfig};
use crate::control::Control;
use crate::http::RealTime;
use crate::system::addresses;
use crate::webrtc;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use thiserror::Error;
use tokio::net::TcpListener;

#[derive(Debug, Error)]
pub enum RealTimeError {
    #[error("can't listen on {address} (UDP) for WebRTC: {error}; choose another `listen` in [webrtc], or \"off\"")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("can't listen on {address} (TCP) for WebRTC: {error}; choose another `listen_tcp` in [webrtc], or \"off\"")]
    ListenTcp { address: SocketAddr, error: io::Error },
}

/// Starts what answers browsers; `None` without. What was asked for and can't be is an error; what wasn't is a
/// warning. Needs a tokio runtime.
pub fn open(config: &WebrtcConfig, control: &Arc<Control>) -> Result<Option<RealTime>, RealTimeError> {
    let (address, asked) = match config.listen {
        Listen::Off => return Ok(None),
        Listen::Try(address) => (address, false),
        Listen::At(address) => (address, true),
    };
    let public = config.public_address;
    let reached = move || addresses(address.ip()).into_iter().chain(public).collect();
    let control = Arc::clone(control);
    let tcp = open_tcp(config)?;
    match webrtc::Server::bind(address, tcp, reached, move || control.epoch()) {
        Ok((server, serving)) => {
            tokio::spawn(serving);
            log::info!("listening on {} (UDP) for WebRTC", server.address());
            Ok(Some(RealTime::new(server, config)))
        }
        Err(error) if asked => Err(RealTimeError::Listen { address, error }),
        Err(error) => {
            log::warn!("going on without WebRTC: {address} (UDP): {error}");
            Ok(None)
        }
    }
}

/// For networks that let no UDP through.
fn open_tcp(config: &WebrtcConfig) -> Result<Option<TcpListener>, RealTimeError> {
    let (address, asked) = match config.listen_tcp {
        Listen::Off => return Ok(None),
        Listen::Try(address) => (address, false),
        Listen::At(address) => (address, true),
    };
    match webrtc::tcp::listen(address) {
        Ok(listener) => {
            let address = listener.local_addr().unwrap_or(address);
            log::info!("listening on {address} (TCP) for WebRTC that no UDP gets through to");
            Ok(Some(listener))
        }
        Err(error) if asked => Err(RealTimeError::ListenTcp { address, error }),
        Err(error) => {
            log::warn!("going on without WebRTC over TCP: {address}: {error}");
            Ok(None)
        }
    }
}
