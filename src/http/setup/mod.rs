//! `/setup`: how a device comes to trust the box's own certificate. Open to all, also over plain HTTP: who
//! comes here doesn't trust the box yet, and the certificate is public by nature.
//!
//! Here: the addresses below `/setup`, and which systems the guide knows. Not here: the certificate
//! ([`crate::tls`]), the QR code on the terminal (`app`).
//!
//! The page is whole without a script, for old phones too.

use super::body::Body;
use super::problem::{not_found, problem};
use crate::system;
use crate::tls::{Paper, mobileconfig};
use bytes::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    USER_AGENT, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Response, StatusCode};
use std::net::SocketAddr;

const PAGE: &str = include_str!("page.html");
/// Styles stand in the page; nothing else is loaded or run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
/// More than any DNS name and port, bytes.
const MAX_AUTHORITY_LEN: usize = 262;

/// Whose certificate the box shows.
#[derive(Debug, Clone, Default)]
pub enum Trust {
    /// One by its own authority: devices must be told to trust that.
    Own(Paper),
    /// One from files.
    Files,
    /// None: no HTTPS.
    #[default]
    NoHttps,
}

/// Where the box is reached, and what devices need to trust it.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    pub trust: Trust,
    /// Where HTTP is listened for.
    pub http: Option<SocketAddr>,
    /// Where HTTPS is.
    pub https: Option<SocketAddr>,
}

impl Setup {
    /// `http://ADDRESS:PORT`, as others on the LAN reach it; `None` where they can't.
    pub fn lan_url(&self) -> Option<String> {
        Some(format!("http://{}", reachable(self.http?)?))
    }

    /// The same with HTTPS.
    pub fn lan_https_url(&self) -> Option<String> {
        Some(format!("https://{}", reachable(self.https?)?))
    }

    pub fn paper(&self) -> Option<&Paper> {
        match &self.trust {
            Trust::Own(paper) => Some(paper),
            Trust::Files | Trust::NoHttps => None,
        }
    }

    /// What stands at `path` below `/setup`; `authority` is the host and port that the request was sent to.
    pub fn respond(&self, path: &str, authority: Option<&str>, request: &HeaderMap) -> Response<Body> {
        if !matches!(path, "" | "ca" | "ca.pem" | "ca.mobileconfig") {
            return not_found();
        }
        let paper = match &self.trust {
            Trust::Own(paper) => paper,
            Trust::Files => return problem(StatusCode::NOT_FOUND, FROM_FILES),
            Trust::NoHttps => return problem(StatusCode::NOT_FOUND, NO_HTTPS),
        };
        match path {
            "" => self.page(paper, authority, request),
            "ca" => file(paper.der.clone(), "application/x-x509-ca-cert", "inline; filename=\"capturebox.crt\""),
            "ca.pem" => file(paper.pem.clone(), "application/x-pem-file", "attachment; filename=\"capturebox.pem\""),
            _ => file(
                mobileconfig(paper),
                "application/x-apple-aspen-config",
                "inline; filename=\"capturebox.mobileconfig\"",
            ),
        }
    }

    fn page(&self, paper: &Paper, authority: Option<&str>, request: &HeaderMap) -> Response<Body> {
        let authority = authority.filter(|authority| is_plain(authority));
        let host = authority.map(host_of);
        // At the name or address that the device has found the box by.
        let here =
            |scheme: &str, listens: Option<SocketAddr>| Some(format!("{scheme}://{}:{}", host?, listens?.port()));
        let https = here("https", self.https).or_else(|| self.lan_https_url()).unwrap_or_default();
        let address = here("http", self.http).or_else(|| self.lan_url()).unwrap_or_default();
        let theirs = request.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).and_then(system_of);
        let mut text = PAGE
            .replace("{fingerprint}", &paper.fingerprint())
            .replace("{name}", &escaped(&paper.common_name))
            .replace("{https}", &escaped(&format!("{https}/")))
            .replace("{address}", &escaped(&address));
        for system in SYSTEMS {
            let open = if Some(system) == theirs { " open" } else { "" };
            text = text.replace(&format!("{{{system}}}"), open);
        }
        let mut response = file(text, "text/html; charset=utf-8", "inline");
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        response
    }
}

const FROM_FILES: &str = "This box's certificate comes from files, so there is nothing to install here: either devices trust it\n\
                          already, or whoever made it knows how they come to.\n";
const NO_HTTPS: &str =
    "This box doesn't speak HTTPS ([http] listen_tls in its configuration), so there is no certificate to trust.\n";

const SYSTEMS: [&str; 6] = ["ios", "android", "windows", "macos", "linux", "firefox"];

/// Which part of the guide is open for a browser; `None` leaves all closed. An iPad says that it is a Mac.
fn system_of(agent: &str) -> Option<&'static str> {
    let has = |word: &str| agent.contains(word);
    match () {
        () if has("iPhone") || has("iPad") || has("iPod") => Some("ios"),
        () if has("Android") => Some("android"),
        () if has("Firefox/") => Some("firefox"),
        () if has("Windows") => Some("windows"),
        () if has("Macintosh") => Some("macos"),
        () if has("Linux") || has("CrOS") => Some("linux"),
        () => None,
    }
}

fn file(body: impl Into<Bytes>, content_type: &'static str, disposition: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(body.into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static(disposition));
    // A box that is set up anew has another one.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Where others reach what listens here; `None` for what is for this machine alone.
fn reachable(listens: SocketAddr) -> Option<SocketAddr> {
    let ip = if listens.ip().is_unspecified() { system::lan_address()? } else { listens.ip() };
    (!ip.to_canonical().is_loopback()).then(|| SocketAddr::new(ip, listens.port()))
}

/// Whether this can be a host with or without a port; it comes from outside and stands in the page.
fn is_plain(authority: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
    (1..=MAX_AUTHORITY_LEN).contains(&authority.len()) && authority.bytes().all(good)
}

fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
