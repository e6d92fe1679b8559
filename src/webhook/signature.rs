//! `X-Capturebox-Signature: sha256=HEX`: HMAC-SHA256 (RFC 2104) of the body under the shared secret. Sans-IO.
//!
//! The body holds the event's number and time, so that a receiver can tell a replay.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write;

/// The header's value.
pub(super) fn signature(secret: &[u8], body: &[u8]) -> String {
    let mut text = "sha256=".to_owned();
    // HMAC takes keys of any length: there is no error.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) {
        mac.update(body);
        for byte in mac.finalize().into_bytes() {
            let _ = write!(text, "{byte:02x}");
        }
    }
    text
}
