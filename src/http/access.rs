//! The one question that every request is asked: may this caller have this?
//!
//! Until the room that knows accounts and tokens answers here, everybody may look, and who sits at the
//! box itself may change things.

use super::route::Route;
use hyper::header::{HOST, HeaderName, ORIGIN};
use hyper::{HeaderMap, Method, StatusCode};
use std::net::SocketAddr;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    pub address: SocketAddr,
    /// Whether nobody between could read or change what is said.
    pub tls: bool,
}

/// What somebody must be allowed to, for a page or an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Open to all; where it lists, it lists what the caller may see.
    Nothing,
    /// To view the stream that is named in the path.
    View,
    /// To see what the console shows: devices, configuration-free state, events.
    Observe,
    /// To start, stop and adjust.
    Operate,
    /// To change the configuration, tokens and accounts.
    Administer,
}

/// `Err` is the status to refuse with.
pub fn decide(
    caller: &Caller,
    _method: &Method,
    _route: &Route<'_>,
    needs: Needs,
    headers: &HeaderMap,
) -> Result<(), StatusCode> {
    match needs {
        Needs::Nothing | Needs::View | Needs::Observe => Ok(()),
        Needs::Operate | Needs::Administer => {
            if caller.address.ip().to_canonical().is_loopback() && is_no_other_site(headers) {
                Ok(())
            } else {
                Err(StatusCode::FORBIDDEN)
            }
        }
    }
}

/// A browser at the box must not be led by some page of the net: neither by a request from it (Origin)
/// nor by a name of its own for this address (Host).
fn is_no_other_site(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let Some(host) = text(HOST) else { return false };
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name);
    let is_local = ["localhost", "127.0.0.1", "[::1]"].contains(&name);
    is_local && text(ORIGIN).is_none_or(|origin| origin.split_once("://").is_some_and(|(_, from)| from == host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn only_the_box_itself_changes_things_and_no_other_site_through_it() {
        let ask = |address: [u8; 4], host: &'static str, origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            let caller = Caller { address: SocketAddr::from((address, 1)), tls: false };
            decide(&caller, &Method::POST, &Route::Home, Needs::Operate, &headers).is_ok()
        };
        let (local, lan) = ([127, 0, 0, 1], [192, 168, 1, 5]);
        assert!(ask(local, "127.0.0.1:8080", None));
        assert!(ask(local, "localhost", Some("http://localhost")));
        assert!(!ask(lan, "127.0.0.1:8080", None));
        assert!(!ask(local, "127.0.0.1:8080", Some("http://evil.example")));
        assert!(!ask(local, "evil.example:8080", Some("http://evil.example:8080")));
        assert!(!ask(local, "127.0.0.1:8080", Some("null")));
    }
}
