//! `[http]`: where the web server listens, and with which certificate.

use super::section::{Field, Section};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

/// More names than any box has.
const MAX_HOSTS: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    pub listen: SocketAddr,
    pub listen_tls: Listen,
    /// Certificate and key, PEM files; `None`: the box makes its own.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// DNS names, in lower case, that the box is reached by besides its host name.
    pub hosts: Vec<String>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: all_interfaces(8080),
            listen_tls: Listen::Try(all_interfaces(TLS_PORT)),
            certificate: None,
            hosts: Vec::new(),
        }
    }
}

const TLS_PORT: u16 = 8443;

/// Where something listens that the box can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    Off,
    /// Nobody asked for it: where it can't be, the box goes on without.
    Try(SocketAddr),
    At(SocketAddr),
}

pub(super) fn all_interfaces(port: u16) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))
}

pub(super) fn http(section: &Section<'_>) -> HttpConfig {
    const LISTEN: &str = "\"0.0.0.0:8080\" (all interfaces) or \"127.0.0.1:8080\" (this machine only)";
    const LISTEN_TLS: &str = "\"0.0.0.0:8443\" (all interfaces), or \"off\"";
    let default = HttpConfig::default();
    let listen = section
        .field("listen")
        .and_then(|field| address(&field, field.string(LISTEN)?, LISTEN))
        .unwrap_or(default.listen);
    let config = HttpConfig {
        listen,
        listen_tls: section
            .field("listen_tls")
            .and_then(|field| listen_or_off(&field, LISTEN_TLS))
            // Where HTTP is for this machine only, so is HTTPS.
            .unwrap_or(Listen::Try(SocketAddr::new(listen.ip(), TLS_PORT))),
        certificate: certificate(section),
        hosts: section.field("hosts").and_then(|field| hosts(&field)).unwrap_or_default(),
    };
    section.finish();
    config
}

pub(super) fn listen_or_off(field: &Field<'_>, example: &str) -> Option<Listen> {
    match field.string(example)? {
        "off" => Some(Listen::Off),
        text => address(field, text, example).map(Listen::At),
    }
}

fn address(field: &Field<'_>, text: &str, example: &str) -> Option<SocketAddr> {
    let address = text.parse().ok();
    if address.is_none() {
        field.refuse(format!("must be an IP address and a port, like {example}"));
    }
    address
}

fn certificate(section: &Section<'_>) -> Option<(PathBuf, PathBuf)> {
    let (certificate, key) = (section.field("certificate"), section.field("key"));
    match (&certificate, &key) {
        (Some(alone), None) => alone.refuse("needs the file of its `key` too"),
        (None, Some(alone)) => alone.refuse("needs the file of its `certificate` too"),
        _ => {}
    }
    let certificate = certificate?.string("\"/etc/capturebox/certificate.pem\"")?;
    let key = key?.string("\"/etc/capturebox/key.pem\"")?;
    Some((certificate.into(), key.into()))
}

fn hosts(field: &Field<'_>) -> Option<Vec<String>> {
    const EXAMPLE: &str = "[\"box.example.org\"]";
    let hosts = field.strings(EXAMPLE, MAX_HOSTS)?;
    if let Some(wrong) = hosts.iter().find(|host| !is_host(host)) {
        field.refuse(format!("has \"{wrong}\", which is no DNS name; it must be like {EXAMPLE}"));
        return None;
    }
    Some(hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect())
}

/// Whether this is a DNS name.
pub(super) fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}
