//! The shell: opens what the certificate comes from, and keeps the current one where handshakes find it.

use super::authority::{Authority, AuthorityError, Paper};
use super::files::{CertificateFiles, FilesError};
use super::names::{Names, is_dns_name};
use super::renewal::{Issued, due};
use super::{ALPN_HTTP1, ALPN_HTTP2};
use crate::state::{StateDir, StateError};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, crypto::ring};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// How often addresses, files and the clock are looked at. It costs a few system calls.
const LOOK: Duration = Duration::from_secs(5);
/// The authority's file in the state folder.
const AUTHORITY_FILE: &str = "authority.json";
/// When the host has no name that can stand in a certificate.
const NAMELESS: &str = "capturebox";

#[derive(Debug, Error)]
pub enum TlsError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error("{0} (without {AUTHORITY_FILE} in the state folder the box makes a new one; devices must then trust that)")]
    Authority(#[from] AuthorityError),
    #[error("TLS can't be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The certificate that handshakes are answered with now.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl Current {
    fn set(&self, certificate: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certificate);
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

#[derive(Debug)]
enum Source {
    Own {
        authority: Box<Authority>,
        hostname: String,
        hosts: Vec<String>,
        issued: Issued,
    },
    Files {
        files: CertificateFiles,
        /// What the files were when they were last read, whether that went well or not.
        seen: [Option<(i64, i64, u64, u64)>; 2],
    },
}

/// TLS for the box's servers. Connections that are open go on with the certificate they began with.
#[derive(Debug)]
pub struct Tls {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
    source: Source,
}

impl Tls {
    /// With a certificate from files (PEM).
    pub fn from_files(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let files = CertificateFiles { certificate, key };
        let seen = files.stamps();
        let certificate = files.load()?;
        Self::new(certificate, Source::Files { files, seen })
    }

    /// With a certificate of the box's own authority, which is made where the state folder has none. `hosts`
    /// are names that the box has besides its host name.
    pub fn own(state: &StateDir, hosts: &[String]) -> Result<Self, TlsError> {
        let hostname = hostname();
        let names = Names::new(&hostname, hosts.iter().cloned(), addresses());
        let authority = open_authority(state, &hostname, &names)?;
        let (certificate, issued) = authority.issue(&names, unix_now_s())?;
        Self::new(certificate, Source::Own { authority: Box::new(authority), hostname, hosts: hosts.to_vec(), issued })
    }

    fn new(certificate: CertifiedKey, source: Source) -> Result<Self, TlsError> {
        let current = Arc::new(Current(RwLock::new(Arc::new(certificate))));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
        // Players reconnect often; tickets cost no memory here.
        config.ticketer = ring::Ticketer::new()?;
        Ok(Self { config: Arc::new(config), current, source })
    }

    /// What listeners shake hands with; follows the current certificate.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// The box's own authority, for devices to trust; `None` with a certificate from files.
    pub fn paper(&self) -> Option<&Paper> {
        match &self.source {
            Source::Own { authority, .. } => Some(authority.paper()),
            Source::Files { .. } => None,
        }
    }

    /// Keeps the certificate current, for ever. `announced` is what the LAN calls the box, which others of its
    /// name decide too.
    pub async fn keep(mut self, mut announced: watch::Receiver<Option<String>>) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => {}
                Ok(()) = announced.changed() => {}
            }
            let name = announced.borrow_and_update().clone();
            self.look(name.as_deref());
        }
    }

    /// Makes or reads a new certificate where one is due.
    fn look(&mut self, announced: Option<&str>) {
        match &mut self.source {
            Source::Own { authority, hostname, hosts, issued } => {
                // A certificate with a name that its authority may not speak for would count for no name at all.
                let announced = announced.filter(|name| authority.may_speak_for_host(name)).map(str::to_owned);
                let names = Names::new(hostname, hosts.iter().cloned().chain(announced), addresses());
                let now_s = unix_now_s();
                let Some(cause) = due(Some(issued), &names, now_s) else { return };
                match authority.issue(&names, now_s) {
                    Ok((certificate, made)) => {
                        self.current.set(certificate);
                        *issued = made;
                        log::info!("https: a new certificate, because {cause}");
                    }
                    Err(error) => log::warn!("https: {error}; going on with the old certificate"),
                }
            }
            Source::Files { files, seen } => {
                let stamps = files.stamps();
                if stamps == *seen {
                    return;
                }
                *seen = stamps;
                match files.load() {
                    Ok(certificate) => {
                        self.current.set(certificate);
                        log::info!("https: the certificate changed: {}", files.certificate.display());
                    }
                    // Perhaps only one of the two is there yet; the other will change the stamps again.
                    Err(error) => log::warn!("https: {error}; going on with the old certificate"),
                }
            }
        }
    }
}

/// The kept authority; a new one where there is none, or where the box is called otherwise now.
fn open_authority(state: &StateDir, hostname: &str, names: &Names) -> Result<Authority, TlsError> {
    if let Some(kept) = state.read(AUTHORITY_FILE)? {
        let authority = Authority::restore(&kept)?;
        if authority.may_speak_for(names) {
            return Ok(authority);
        }
        log::warn!("https: the box has a new name: devices must trust its new certificate authority");
    }
    let authority = Authority::make(hostname, names)?;
    state.write(AUTHORITY_FILE, &authority.to_keep())?;
    log::info!("https: made the certificate authority \"{}\"", authority.paper().common_name);
    Ok(authority)
}

fn hostname() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if is_dns_name(&name) { name } else { NAMELESS.to_owned() }
}

/// The addresses of the box's interfaces that are up; none where the kernel doesn't tell.
fn addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        log::warn!("https: the box's addresses can't be read: {error}");
        Vec::new()
    });
    interfaces.iter().map(if_addrs::Interface::ip).collect()
}

/// The wall clock, s since 1970: certificates are about dates.
fn unix_now_s() -> i64 {
    rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec
}
