//! Who gets what over HTTP, every cell of it: caller × address × policy. What the decision itself says is
//! `access`'s table; this one holds that every address asks it, and asks the right question.

use super::*;
use crate::access::{Now, Policy, Role, Scope, StreamPolicies, TokenRequest};
use crate::http::access::{COOKIE_NAME, now};
use crate::http::api;
use crate::http::body::Body;
use hyper::{Method, Request};

const PASSWORD: &str = "a good password";
const FAR: [u8; 4] = [203, 0, 113, 9];
const NEAR: [u8; 4] = [192, 168, 1, 7];
const POLICIES: [Policy; 4] = [Policy::Public, Policy::Lan, Policy::Token, Policy::Account];

/// What a caller shows.
#[derive(Clone)]
enum Shown {
    Nothing,
    Token(String),
    Parameter(String),
    Session(String),
    Key(String),
}

struct Visitor {
    name: &'static str,
    address: [u8; 4],
    shown: Shown,
}

fn request(method: &Method, path: &str, shown: &Shown, headers: &[(&str, &str)]) -> Request<Body> {
    let path = match shown {
        Shown::Parameter(token) => format!("{path}?token={token}"),
        Shown::Key(key) if path.ends_with(".m3u8") => path.replace("/camera/", &format!("/camera/{key}/")),
        _ => path.to_owned(),
    };
    let request = Request::builder().method(method).uri(path).header("host", "box.local");
    let request = match shown {
        Shown::Token(token) => request.header("authorization", format!("Bearer {token}")),
        Shown::Session(session) => request.header("cookie", format!("{COOKIE_NAME}={session}")),
        Shown::Nothing | Shown::Parameter(_) | Shown::Key(_) => request,
    };
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Body::default()).expect("a request")
}

/// `V` lets in, `s` asks to sign in, `.` forbids.
async fn cell(site: &Site, address: [u8; 4], request: Request<Body>) -> char {
    let caller = Caller { address: SocketAddr::from((address, 1)), tls: true };
    let response = site.answer(&caller, &Limits::default(), request).await;
    match response.status().as_u16() {
        401 => 's',
        403 => '.',
        405 | 413 | 414 => panic!("{response:?}"),
        _ => 'V',
    }
}

fn set_policy(site: &Site, view: Policy) {
    // The other one says the opposite, so that a mix-up shows.
    let publish = if view == Policy::Public { Policy::Account } else { Policy::Public };
    site.access().set_policies(Policies { default: StreamPolicies { view, publish }, ..Policies::default() }, None);
}

async fn token(site: &Site, stream: Option<&str>, publish: bool, when: Now, expires: Option<u64>) -> (String, String) {
    let scope = Scope { streams: stream.map(|stream| [stream.to_owned()].into()), view: !publish, publish };
    let wanted = TokenRequest { name: "a token".to_owned(), scope, expires_unix_s: expires };
    site.access().add_token(wanted, when).await.expect("a token")
}

async fn visitors(site: &Site) -> Vec<Visitor> {
    let access = site.access();
    let code = access.claim_code().expect("unclaimed");
    let admin = access.claim(NEAR.into(), &code, PASSWORD.to_owned(), now()).await.expect("claimed");
    let mut sessions = Vec::new();
    for (name, role) in [("op", Role::Operator), ("eye", Role::Viewer)] {
        access.add_account(name, role, PASSWORD.to_owned()).await.expect("added");
        sessions.push(access.sign_in(NEAR.into(), name, PASSWORD.to_owned(), now()).await.expect("signed in"));
    }
    let (viewer, operator) = (sessions.pop().expect("two"), sessions.pop().expect("two"));
    let (id, view) = token(site, Some("camera"), false, now(), None).await;
    let (_, other) = token(site, Some("desk"), false, now(), None).await;
    let (_, all) = token(site, None, false, now(), None).await;
    let (_, publish) = token(site, Some("camera"), true, now(), None).await;
    let (_, ended) = token(site, None, false, Now { unix_s: 1_000, ..now() }, Some(2_000)).await;
    let (revoked_id, revoked) = token(site, None, false, now(), None).await;
    access.revoke_token(&revoked_id).await.expect("revoked");
    let key = access.viewing_key("camera", &id);
    let visitor = |name, address, shown| Visitor { name, address, shown };
    vec![
        visitor("far", FAR, Shown::Nothing),
        visitor("near", NEAR, Shown::Nothing),
        visitor("view", FAR, Shown::Token(view.clone())),
        visitor("?view", FAR, Shown::Parameter(view)),
        visitor("all", FAR, Shown::Token(all)),
        visitor("desk", FAR, Shown::Token(other)),
        visitor("publ", FAR, Shown::Token(publish)),
        visitor("over", FAR, Shown::Token(ended)),
        visitor("revo", FAR, Shown::Parameter(revoked)),
        visitor("key", FAR, Shown::Key(key)),
        visitor("eye", FAR, Shown::Session(viewer)),
        visitor("oper", FAR, Shown::Session(operator)),
        visitor("admi", FAR, Shown::Session(admin)),
    ]
}

/// Every endpoint, and what isn't one. Signing out comes last, as the sessions are gone then.
fn addresses() -> Vec<(Method, String)> {
    let endpoint = |one: &api::Endpoint| {
        let path = one.path.replace("{name}", "camera").replace("{id}", "0");
        (one.method.clone(), format!("/api/v1/{path}"))
    };
    let pages = ["/", "/setup", "/camera/", "/assets/none.js", "/camera/index.m3u8", "/metrics"];
    let mut all: Vec<_> = pages.map(|path| (Method::GET, path.to_owned())).into();
    all.extend(api::all().map(endpoint));
    all.sort_by_key(|(method, path)| *method == Method::DELETE && path == "/api/v1/session");
    all
}

#[tokio::test]
async fn the_table_of_who_gets_what() {
    let site = site();
    let visitors = visitors(&site).await;
    let mut table = format!("{:<34}", "");
    for visitor in &visitors {
        table.push_str(&format!(" {:<4.4}", visitor.name));
    }
    table = format!("{}\n", table.trim_end());
    for (method, path) in addresses() {
        let mut row = format!("{:<6} {:<27}", method.as_str(), path.trim_start_matches("/api/v1/"));
        for visitor in &visitors {
            row.push(' ');
            for policy in POLICIES {
                set_policy(&site, policy);
                row.push(cell(&site, visitor.address, request(&method, &path, &visitor.shown, &[])).await);
            }
        }
        table.push_str(&row);
        table.push('\n');
    }
    let expected = include_str!("roles.txt");
    assert_eq!(table, expected, "\n{table}");
}

/// What is told of streams is told to those alone who may view them: lists leave out the others, and who
/// hears events may view every stream.
#[tokio::test]
async fn nobody_hears_of_streams_that_it_may_not_view() {
    let site = site();
    for name in ["camera", "desk"] {
        let stream = crate::stream::Stream::new(name, crate::stream::Limits::default());
        site.streams().insert(stream).expect("a free name");
    }
    for visitor in visitors(&site).await {
        for policy in POLICIES {
            set_policy(&site, policy);
            let ask = async |path: &str| {
                let caller = Caller { address: SocketAddr::from((visitor.address, 1)), tls: true };
                site.answer(&caller, &Limits::default(), request(&Method::GET, path, &visitor.shown, &[])).await
            };
            let listed = ask("/api/v1/streams").await;
            let listed = api::read(listed.into_body(), 1 << 20, SECOND).await.expect("whole");
            let listed: serde_json::Value = serde_json::from_slice(&listed).expect("JSON");
            let listed = listed["streams"].as_array().expect("streams").iter().map(|one| one["name"].as_str());
            let listed: Vec<_> = listed.flatten().collect();
            let hears = ask("/api/v1/events").await.status() == 200;
            for name in ["camera", "desk"] {
                let views = ask(&format!("/api/v1/streams/{name}")).await.status() == 200;
                assert_eq!(listed.contains(&name), views, "{} {policy:?} {name}", visitor.name);
                assert!(views || !hears, "{} {policy:?} {name}", visitor.name);
            }
        }
    }
}

/// What changes something isn't done for a page of another site, whatever cookie its visitor has; a program
/// says nothing of pages.
#[tokio::test]
async fn a_cookie_changes_nothing_for_pages_of_others() {
    let site = site();
    let visitors = visitors(&site).await;
    let admin = visitors.last().expect("the administrator");
    let changing = addresses().into_iter().filter(|(method, _)| *method != Method::GET);
    let mut count = 0;
    for (method, path) in changing {
        count += 1;
        for (origin, expected) in [
            (Some("https://evil.example"), '.'),
            (Some("null"), '.'),
            (Some("http://box.local:9090"), '.'),
            (Some("http://192.168.1.7"), '.'),
            (Some("http://box.local.evil.example"), '.'),
            (Some("http://box.local"), 'V'),
            (None, 'V'),
        ] {
            // Signing in and claiming are for who has no session yet, and just as little for foreign pages.
            for shown in [&admin.shown, &Shown::Nothing] {
                let headers: Vec<_> = origin.map(|origin| ("origin", origin)).into_iter().collect();
                let found = cell(&site, NEAR, request(&method, &path, shown, &headers)).await;
                let allowed = found == 'V' || matches!(shown, Shown::Nothing) && found == 's';
                let signed_out = path == "/api/v1/session" && method == Method::DELETE;
                assert_eq!(
                    allowed || signed_out && found == 'V',
                    expected == 'V',
                    "{method} {path} {origin:?} {found}"
                );
            }
        }
    }
    assert!(count >= 10, "{count}");
}

/// A name of somebody else's that leads to this box (DNS rebinding), or a page of somebody else's, makes a
/// neighbour a stranger; a credential is good wherever it is shown.
#[tokio::test]
async fn a_neighbour_by_a_foreign_name_is_a_stranger() {
    let site = site();
    let visitors = visitors(&site).await;
    set_policy(&site, Policy::Lan);
    let token = &visitors.iter().find(|visitor| visitor.name == "all").expect("it").shown;
    for path in ["/camera/index.m3u8", "/api/v1/streams/camera", "/api/v1/streams/camera/snapshot.jpg", "/metrics"] {
        for (header, value, near) in [
            ("host", "box.local:8080", true),
            ("host", "192.168.1.9", true),
            ("host", "evil.example", false),
            ("host", "192.168.1.9.evil.example", false),
            ("origin", "http://nas.local", true),
            ("origin", "https://evil.example", false),
            ("origin", "null", false),
        ] {
            let ask = async |shown: &Shown| {
                let mut request = request(&Method::GET, path, shown, &[]);
                request.headers_mut().insert(header, value.parse().expect("a value"));
                cell(&site, NEAR, request).await
            };
            assert_eq!(ask(&Shown::Nothing).await, if near { 'V' } else { 's' }, "{path} {header}: {value}");
            assert_eq!(ask(token).await, 'V', "{path} {header}: {value}");
        }
    }
}

/// What takes the box off the air for good is the administrator's; the endpoint itself is the operators' too.
#[tokio::test]
async fn an_operator_neither_shuts_down_nor_restarts_the_network() {
    let site = site();
    let visitors = visitors(&site).await;
    let operator = visitors.iter().find(|visitor| visitor.name == "oper").expect("one");
    for (action, expected) in [("shut_down", 403), ("restart_network", 403), ("mark", 409), ("nothing", 404)] {
        let Shown::Session(session) = &operator.shown else { panic!("operators sign in") };
        let body = bytes::Bytes::from(format!("{{\"action\":\"{action}\"}}"));
        let request = Request::post("/api/v1/actions")
            .header("host", "box.local")
            .header("content-type", "application/json")
            .header("cookie", format!("{COOKIE_NAME}={session}"))
            .body(Body::from(body))
            .expect("a request");
        let caller = Caller { address: SocketAddr::from((NEAR, 1)), tls: true };
        let response = site.answer(&caller, &Limits::default(), request).await;
        assert_eq!(response.status(), expected, "{action}");
    }
}
