//! A box whose administrator stands in its configuration, and signing in to it.

use crate::appliance::Appliance;
use crate::http::{Response, exchange, parse};
use capturebox::access::PasswordHash;

pub const PASSWORD: &str = "long enough";

/// The section `[access]` of a box whose admin has [`PASSWORD`].
pub fn access() -> String {
    let hash = PasswordHash::make(PASSWORD, &[7; 16]).expect("a hash");
    format!("[access]\nadmin_password_hash = \"{}\"\n", String::from(hash))
}

/// Asks with a cookie and a JSON body.
pub fn send(box_: &Appliance, method: &str, path: &str, cookie: &str, body: &str) -> Response {
    let (address, length) = (box_.address(), body.len());
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nCookie: {cookie}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    parse(&exchange(address, request.as_bytes()).expect("an answer"), false).expect("HTTP")
}

/// The cookie of the session that an answer begins, `name=value`.
pub fn cookie(answer: &Response) -> String {
    assert_eq!(answer.status, 204, "{}", answer.text());
    answer.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a session").to_owned()
}

/// Signs in as the administrator of [`access`].
pub fn sign_in(box_: &Appliance) -> String {
    let body = format!(r#"{{"name":"admin","password":"{PASSWORD}"}}"#);
    cookie(&send(box_, "POST", "/api/v1/session", "", &body))
}
