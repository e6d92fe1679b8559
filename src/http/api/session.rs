//! Signing in and out, and making a new box one's own.

use super::super::access::{COOKIE_NAME, now};
use super::super::body::Body;
use super::{Call, Endpoint, Needs, Problem, Reply, Resource, Takes, done, json};
use crate::access::{ChangeError, Role, SignInError};
use hyper::header::{HeaderValue, RETRY_AFTER, SET_COOKIE};
use hyper::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};

pub static RESOURCE: Resource = Resource {
    endpoints: &[
        Endpoint {
            method: Method::GET,
            path: "session",
            needs: Needs::Nothing,
            takes: Takes::Nothing,
            run: |call| Box::pin(async move { who(&call) }),
        },
        Endpoint { method: Method::POST, path: "session", needs: Needs::Nothing, takes: Takes::Json, run: sign_in },
        Endpoint {
            method: Method::DELETE,
            path: "session",
            needs: Needs::Nothing,
            takes: Takes::Nothing,
            run: |call| Box::pin(async move { sign_out(&call) }),
        },
        Endpoint { method: Method::POST, path: "claim", needs: Needs::Nothing, takes: Takes::Json, run: claim },
        Endpoint { method: Method::PUT, path: "password", needs: Needs::Nothing, takes: Takes::Json, run: password },
    ],
    openapi: include_str!("session.json"),
};

/// A browser keeps it as long as the box does, at most. Seconds.
const MAX_AGE_S: u32 = 30 * 24 * 3600;

#[derive(Debug, Serialize)]
struct Session {
    /// `null`: nobody is signed in.
    account: Option<String>,
    role: Option<Role>,
    /// Whether the box has an administrator.
    claimed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    code: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    current: String,
    new: String,
}

fn who(call: &Call<'_>) -> Response<Body> {
    let access = call.site.access();
    let (account, role) = access.account(&call.asker.credential, now()).unzip();
    json(&Session { account, role, claimed: access.is_claimed() })
}

fn sign_in(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move {
        let Name { name, password } = match call.json() {
            Ok(name) => name,
            Err(refusal) => return *refusal,
        };
        let access = call.site.access();
        begun(access.sign_in(call.caller.address.ip(), &name, password, now()).await, call.caller.tls)
    })
}

fn claim(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move {
        let Claim { code, password } = match call.json() {
            Ok(claim) => claim,
            Err(refusal) => return *refusal,
        };
        let claimed = call.site.access().claim(call.caller.address.ip(), &code, password, now()).await;
        begun(claimed, call.caller.tls)
    })
}

/// One's own; accounts' are the administrator's to set.
fn password(call: Call<'_>) -> Reply<'_> {
    Box::pin(async move {
        let (access, credential) = (call.site.access(), &call.asker.credential);
        if access.account(credential, now()).is_none() {
            return Problem::new(StatusCode::UNAUTHORIZED, "Sign in first.").into();
        }
        let NewPassword { current, new } = match call.json() {
            Ok(passwords) => passwords,
            Err(refusal) => return *refusal,
        };
        match access.change_password(call.caller.address.ip(), credential, current, new, now()).await {
            Ok(()) => done(),
            // 401 would say that nobody is signed in.
            Err(SignInError::Wrong) => {
                Problem::new(StatusCode::FORBIDDEN, "The password that you have now is another one.").into()
            }
            Err(error) => refused(&error),
        }
    })
}

fn sign_out(call: &Call<'_>) -> Response<Body> {
    call.site.access().sign_out(&call.asker.credential);
    with_cookie(done(), "", 0, call.caller.tls)
}

fn begun(session: Result<String, SignInError>, tls: bool) -> Response<Body> {
    match session {
        Ok(secret) => with_cookie(done(), &secret, MAX_AGE_S, tls),
        Err(error) => refused(&error),
    }
}

/// Scripts don't see it, and other sites' pages don't send it with what changes something. What was set over
/// TLS never goes out in the clear.
fn with_cookie(mut response: Response<Body>, secret: &str, max_age_s: u32, tls: bool) -> Response<Body> {
    let secure = if tls { "; Secure" } else { "" };
    let cookie = format!("{COOKIE_NAME}={secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_s}{secure}");
    match HeaderValue::try_from(cookie) {
        Ok(cookie) => {
            response.headers_mut().insert(SET_COOKIE, cookie);
            response
        }
        Err(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The session can't be handed out.").into(),
    }
}

fn refused(error: &SignInError) -> Response<Body> {
    match error {
        SignInError::Wrong => Problem::new(StatusCode::UNAUTHORIZED, "That is not right.").into(),
        SignInError::Claimed => Problem::new(StatusCode::CONFLICT, "This box has its administrator already.").into(),
        SignInError::Change(error) => change_refused(error),
        SignInError::TooManyTries { retry_after } => {
            let seconds = retry_after.as_secs().max(1);
            let detail = format!("Too many tries; wait {seconds} s.");
            let mut response = Response::from(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
    }
}

/// The answer to a change that wasn't made.
pub fn change_refused(error: &ChangeError) -> Response<Body> {
    use crate::access::BookError::{
        Configured, Expired, LastAdmin, Name, NameTaken, NoAccount, NoToken, Scope, TooManyAccounts, TooManyTokens,
    };
    let status = match error {
        ChangeError::Refused(NoAccount | NoToken) => StatusCode::NOT_FOUND,
        ChangeError::Refused(NameTaken | LastAdmin | Configured | TooManyAccounts | TooManyTokens) => {
            StatusCode::CONFLICT
        }
        ChangeError::Refused(Name | Scope | Expired) | ChangeError::Password(_) => StatusCode::UNPROCESSABLE_ENTITY,
        ChangeError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        ChangeError::State(_) | ChangeError::Randomness(_) | ChangeError::Unwritable(_) => {
            log::error!("access: {error}");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    Problem::new(status, format!("{error}.")).into()
}
