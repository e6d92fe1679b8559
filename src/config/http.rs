//! `[http]`: where the web server listens, and with which certificate.

use super::section::{Field, Section};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

/// More names than any box has.
const MAX_HOSTS: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    pub listen: SocketAddr,
    pub listen_tls: ListenTls,
    /// Certificate and key, PEM files; `None`: the box makes its own.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// DNS names, in lower case, that the box is reached by besides its host name.
    pub hosts: Vec<String>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { listen: all_interfaces(8080), listen_tls: ListenTls::default(), certificate: None, hosts: Vec::new() }
    }
}

const TLS_PORT: u16 = 8443;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenTls {
    Off,
    /// Nobody asked for it: where it can't be, the box goes on without.
    Try(SocketAddr),
    At(SocketAddr),
}

impl Default for ListenTls {
    fn default() -> Self {
        Self::Try(all_interfaces(TLS_PORT))
    }
}

fn all_interfaces(port: u16) -> SocketAddr {
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
            .and_then(|field| match field.string(LISTEN_TLS)? {
                "off" => Some(ListenTls::Off),
                text => address(&field, text, LISTEN_TLS).map(ListenTls::At),
            })
            // Where HTTP is for this machine only, so is HTTPS.
            .unwrap_or(ListenTls::Try(SocketAddr::new(listen.ip(), TLS_PORT))),
        certificate: certificate(section),
        hosts: section.field("hosts").and_then(|field| hosts(&field)).unwrap_or_default(),
    };
    section.finish();
    config
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
    let right = |host: &str| {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        host.len() <= 253 && host.split('.').all(label)
    };
    if let Some(wrong) = hosts.iter().find(|host| !right(host)) {
        field.refuse(format!("has \"{wrong}\", which is no DNS name; it must be like {EXAMPLE}"));
        return None;
    }
    Some(hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect())
}
