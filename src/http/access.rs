//! The one question that every request is asked: may this caller have this? HTTP's side of it: which
//! credential a request shows, and whether its address means anything. The answer is [`crate::access`]'s.
//!
//! Pages of the net reach a box through the browsers of the people at home. They get no further than
//! strangers: a request that a foreign page made (Origin), or that was sent to a foreign name for this
//! address (Host, DNS rebinding), isn't a neighbour's whatever address it comes from, and what changes
//! something isn't done for such a page at all.
#![allow(clippy::disallowed_methods, reason = "a shell: credentials end at some time")]

use crate::access::{Access, Action, Caller as Asker, Credential, Now, Refusal, Who, is_lan};
use crate::time::{Epoch, MonoTime};
use hyper::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, ORIGIN};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method};
use std::net::{IpAddr, SocketAddr};

/// The cookie of those who have signed in.
pub const COOKIE_NAME: &str = "capturebox_session";

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
    /// To come into the room that is named in the path.
    Meet,
    /// To publish into the stream that is named in the path.
    Publish,
    /// To read the counters of all streams.
    Metrics,
    /// To see what the console shows: devices, configuration-free state, events.
    Observe,
    /// To start, stop and adjust.
    Operate,
    /// To change the configuration, tokens and accounts.
    Administer,
}

/// The clocks, for a decision.
pub fn now() -> Now {
    let (mono, wall) = (MonoTime::now(), Epoch::now());
    let seconds = wall.unix_nanos_at(mono) / 1_000_000_000;
    Now { mono, unix_s: u64::try_from(seconds).unwrap_or(0) }
}

/// The caller as [`crate::access`] knows callers. `key` is a viewing key out of the path.
pub fn asker(caller: &Caller, head: &Parts, key: Option<&str>) -> Asker {
    let headers = &head.headers;
    let credential = match (bearer(headers).or_else(|| query_token(head.uri.query())), key, cookie(headers)) {
        (Some(token), _, _) => Credential::Token(token.to_owned()),
        (None, Some(key), _) => Credential::Key(key.to_owned()),
        (None, None, Some(session)) => Credential::Session(session.to_owned()),
        (None, None, None) => Credential::None,
    };
    let foreign = host(head).is_some_and(|host| !is_near(host)) || !origin(headers).is_none_or(is_near);
    Asker { address: (!foreign).then(|| caller.address.ip()), credential }
}

/// Whether the caller may. `stream` is the one in the path, or the room, where there is one.
pub fn decide(
    access: &Access,
    asker: &Asker,
    caller: &Caller,
    head: &Parts,
    needs: Needs,
    stream: &str,
) -> Result<Who, Refusal> {
    let changes = ![Method::GET, Method::HEAD, Method::OPTIONS].contains(&head.method);
    // An offer to watch is posted, and changes nothing; a WebSocket comes by GET, from whichever page opened it.
    let changes = (changes && needs != Needs::View) || needs == Needs::Meet;
    if changes && !matches!(asker.credential, Credential::Token(_)) && !is_own_page(head) {
        return Err(Refusal::Forbidden);
    }
    let action = match needs {
        Needs::Nothing => return Ok(Who::Anybody),
        Needs::View => Action::View(stream),
        Needs::Meet => Action::Meet(stream),
        Needs::Publish => Action::Publish(stream),
        Needs::Metrics => Action::Metrics,
        Needs::Observe => Action::Observe,
        Needs::Operate => Action::Operate,
        Needs::Administer => Action::Administer,
    };
    let decision = access.decide(asker, &action, now());
    // A box that nobody has claimed is its own's: whoever sits at it can read the claim code as well.
    let console = matches!(needs, Needs::Observe | Needs::Operate | Needs::Administer);
    if console && decision.is_err() && !access.is_claimed() && is_at_the_box(caller, head) {
        return Ok(Who::Neighbour);
    }
    decision
}

/// `Authorization: Bearer …` (RFC 6750).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers, AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// `?token=…`, for players that can't send headers.
fn query_token(query: Option<&str>) -> Option<&str> {
    query?.split('&').find_map(|parameter| parameter.strip_prefix("token="))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value)
}

/// `?` for what isn't text, which nothing is equal to.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// Host and port that the request was sent to: HTTP/2 has them in its address.
pub fn authority(head: &Parts) -> Option<&str> {
    head.uri.authority().map(Authority::as_str).or_else(|| text(&head.headers, HOST))
}

fn host(head: &Parts) -> Option<&str> {
    authority(head).map(without_port)
}

/// The host of the page that made the request.
fn origin(headers: &HeaderMap) -> Option<&str> {
    text(headers, ORIGIN).map(|origin| without_port(origin.split_once("://").map_or("?", |(_, authority)| authority)))
}

fn without_port(authority: &str) -> &str {
    let split = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    split.map_or(authority, |(host, _)| host)
}

/// A name that nobody on the net can have: an address of the LAN, a name without dots, or one below a
/// domain that is set aside for home networks (RFC 6762, RFC 8375, and what routers use).
fn is_near(host: &str) -> bool {
    const HOME: [&str; 5] = [".local", ".home.arpa", ".internal", ".localhost", ".lan"];
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return is_lan(address) || address.is_unspecified();
    }
    let plain = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    // Digits alone are an address in a shape of long ago.
    let name = host.bytes().any(|byte| byte.is_ascii_alphabetic());
    plain && name && (!host.contains('.') || HOME.iter().any(|domain| host.ends_with(domain)))
}

/// No page of another site made the request, as far as the browser says; programs say nothing.
fn is_own_page(head: &Parts) -> bool {
    let Some(origin) = text(&head.headers, ORIGIN) else { return true };
    let from = origin.split_once("://").map(|(_, authority)| authority);
    from.zip(authority(head)).is_some_and(|(from, to)| from.eq_ignore_ascii_case(to))
}

fn is_at_the_box(caller: &Caller, head: &Parts) -> bool {
    let named = host(head).is_some_and(|host| ["localhost", "127.0.0.1", "[::1]"].contains(&host));
    named && caller.address.ip().to_canonical().is_loopback() && is_own_page(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Policies, Policy, Role, StreamPolicies};
    use hyper::Request;

    fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request = Request::builder().method(method).uri(uri);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).expect("a request").into_parts().0
    }

    fn caller(address: [u8; 4]) -> Caller {
        Caller { address: SocketAddr::from((address, 1)), tls: false }
    }

    const LOCAL: [u8; 4] = [127, 0, 0, 1];
    const LAN: [u8; 4] = [192, 168, 1, 5];

    fn open() -> Access {
        Access::open(None, Policies::default(), None).expect("in memory")
    }

    #[test]
    fn until_it_is_claimed_only_the_box_itself_changes_things_and_no_other_site_through_it() {
        let access = open();
        let ask = |address: [u8; 4], host: &str, origin: Option<&str>| {
            let mut headers = vec![("host", host)];
            headers.extend(origin.map(|origin| ("origin", origin)));
            let (head, caller) = (head("POST", "/api/v1/x", &headers), caller(address));
            decide(&access, &asker(&caller, &head, None), &caller, &head, Needs::Operate, "").is_ok()
        };
        assert!(ask(LOCAL, "127.0.0.1:8080", None));
        assert!(ask(LOCAL, "localhost", Some("http://localhost")));
        assert!(!ask(LAN, "127.0.0.1:8080", None));
        assert!(!ask(LOCAL, "127.0.0.1:8080", Some("http://evil.example")));
        assert!(!ask(LOCAL, "evil.example:8080", Some("http://evil.example:8080")));
        assert!(!ask(LOCAL, "127.0.0.1:8080", Some("null")));
        assert!(!ask(LOCAL, "127.0.0.1:8080", Some("http://127.0.0.1:9090")), "another server on the box");
    }

    #[tokio::test]
    async fn a_cookie_changes_things_for_the_pages_of_the_box_alone() {
        let access = open();
        let password = || "a good password".to_owned();
        let code = access.claim_code().expect("unclaimed");
        let admin = access.claim(LAN.into(), &code, password(), now()).await.expect("claimed");
        access.add_account("eye", Role::Viewer, password()).await.expect("added");
        let viewer = access.sign_in(LAN.into(), "eye", password(), now()).await.expect("signed in");
        let ask = |session: &str, origin: Option<&str>| {
            let cookie = format!("other=1; {COOKIE_NAME}={session}");
            let mut headers = vec![("host", "box.local:8080"), ("cookie", &*cookie)];
            headers.extend(origin.map(|origin| ("origin", origin)));
            let (head, caller) = (head("POST", "/api/v1/x", &headers), caller(LAN));
            decide(&access, &asker(&caller, &head, None), &caller, &head, Needs::Administer, "")
        };
        assert!(ask(&admin, None).is_ok() && ask(&admin, Some("http://box.local:8080")).is_ok());
        for foreign in ["http://evil.example", "http://box.local", "null", "http://box.local:8080.evil.example"] {
            assert_eq!(ask(&admin, Some(foreign)), Err(Refusal::Forbidden), "{foreign}");
        }
        assert_eq!(ask(&viewer, None), Err(Refusal::Forbidden));
        assert_eq!(ask("nonsense", None), Err(Refusal::SignIn));
        let (head, local) = (head("POST", "/x", &[("host", "localhost")]), caller(LOCAL));
        let at_the_box = decide(&access, &asker(&local, &head, None), &local, &head, Needs::Administer, "");
        assert_eq!(at_the_box, Err(Refusal::SignIn), "claimed: the box's own have to sign in");
    }

    #[test]
    fn a_neighbour_is_one_by_its_own_will_only() {
        let policies =
            Policies { default: StreamPolicies { view: Policy::Lan, publish: Policy::Token }, ..Policies::default() };
        let access = Access::open(None, policies, None).expect("in memory");
        let ask = |headers: &[(&str, &str)]| {
            let (head, caller) = (head("GET", "/camera/index.m3u8", headers), caller(LAN));
            decide(&access, &asker(&caller, &head, None), &caller, &head, Needs::View, "camera").is_ok()
        };
        for host in ["192.168.1.9:8080", "box", "box.local", "BOX.local.:8443", "[fe80::1]:8080", "box.home.arpa"] {
            assert!(ask(&[("host", host)]), "{host}");
        }
        for host in ["evil.example", "evil.example:8080", "8.8.8.8", "2130706433", "local", "a.local.evil.example", "?"]
        {
            assert_eq!(ask(&[("host", host)]), host == "local", "{host}");
        }
        for (origin, near) in [
            ("http://nas.local", true),
            ("http://192.168.1.7", true),
            ("https://evil.example", false),
            ("null", false),
            ("http://203.0.113.1", false),
        ] {
            assert_eq!(ask(&[("host", "box.local"), ("origin", origin)]), near, "{origin}");
        }
        // HTTP/2 names the host in its address.
        let (head, caller) = (head("GET", "https://evil.example/camera/index.m3u8", &[]), caller(LAN));
        assert!(asker(&caller, &head, None).address.is_none());
    }

    #[test]
    fn credentials_are_found_where_they_may_stand() {
        let of =
            |uri: &str, headers: &[(&str, &str)], key| asker(&caller(LAN), &head("GET", uri, headers), key).credential;
        let token = |token: &str| Credential::Token(token.to_owned());
        let cookie = format!("a=b; {COOKIE_NAME}=s3");
        assert_eq!(of("/x", &[], None), Credential::None);
        assert_eq!(of("/x", &[("authorization", "Bearer t1")], None), token("t1"));
        assert_eq!(of("/x", &[("authorization", "bearer  t1 ")], None), token("t1"));
        assert_eq!(of("/x?a=1&token=t2&b", &[], None), token("t2"));
        assert_eq!(of("/x?token=t2", &[("authorization", "Bearer t1")], Some("k")), token("t1"));
        assert_eq!(of("/x?tokens=t2", &[("authorization", "Basic t1")], Some("k")), Credential::Key("k".to_owned()));
        assert_eq!(of("/x", &[("cookie", &cookie)], None), Credential::Session("s3".to_owned()));
    }
}
