//! Viewing keys: a token's right to view one stream, as a segment of a path.
//!
//! A player that has `?token=…` on the first playlist doesn't repeat it on what that playlist names, and
//! media playlists are shared by all viewers, so nothing can be written into them. A key in the path before
//! them needs neither: addresses in playlists are relative, so whatever a player asks for next carries it.
//! The token itself stands in no address of ours. A key says which token it is of, so it ends with that token
//! and needs no memory; it is tied to its stream by a MAC with a key of this run.

use super::secret::hex;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// No session of the packager begins so: those are hexadecimal.
const PREFIX: &str = "k-";
/// Hexadecimal digits of the MAC: 128 bits.
const MAC_LEN: usize = 32;

/// Whether a path's segment has the shape of a key. Whether it is good is another question.
pub fn is_key(segment: &str) -> bool {
    parse(segment).is_some()
}

/// The key of a token, by its id, for a stream.
pub(super) fn key(run: &[u8; 32], stream: &str, id: &str) -> String {
    format!("{PREFIX}{id}-{}", tag(run, stream, id))
}

/// The id of the token that this is a key of, where this run made it for that stream.
pub(super) fn token_id<'a>(run: &[u8; 32], stream: &str, key: &'a str) -> Option<&'a str> {
    let (id, mac) = parse(key)?;
    // Compared over all its digits, so that the time doesn't tell how many were right.
    let difference = tag(run, stream, id).bytes().zip(mac.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    (difference == 0).then_some(id)
}

/// Id and MAC.
fn parse(key: &str) -> Option<(&str, &str)> {
    let (id, mac) = key.strip_prefix(PREFIX)?.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (digits(id) && digits(mac) && mac.len() == MAC_LEN).then_some((id, mac))
}

fn tag(run: &[u8; 32], stream: &str, id: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(run).expect("HMAC takes keys of any length");
    // Neither has a NUL in it, so no two pairs are the same text.
    mac.update(stream.as_bytes());
    mac.update(&[0]);
    mac.update(id.as_bytes());
    let mut tag = hex(&mac.finalize().into_bytes());
    tag.truncate(MAC_LEN);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RUN: [u8; 32] = [7; 32];

    #[test]
    fn a_key_is_for_its_stream_its_token_and_this_run() {
        let good = key(&RUN, "camera", "0a1b2c3d");
        assert!(is_key(&good), "{good}");
        assert_eq!(token_id(&RUN, "camera", &good), Some("0a1b2c3d"));
        assert_eq!(token_id(&RUN, "desk", &good), None);
        assert_eq!(token_id(&[8; 32], "camera", &good), None);
        assert_eq!(token_id(&RUN, "camera", &good.replace("0a1b2c3d", "0a1b2c3e")), None);
        assert_ne!(good, key(&RUN, "camera", "0a1b2c3e"));
    }

    #[test]
    fn what_looks_otherwise_is_no_key() {
        for text in ["", "k-", "k--", "k-1-", "k-1-2", "18c0f3", "video", "k-zz-00000000000000000000000000000000"] {
            assert!(!is_key(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_key(text in "k-[0-9a-f]{1,8}-[0-9a-f]{30,34}|\\PC{0,60}") {
            prop_assert_eq!(token_id(&RUN, "camera", &text), None);
        }

        #[test]
        fn a_changed_digit_spoils_it(at in 0_usize..43, digit in "[0-9a-f]") {
            let good = key(&RUN, "camera", "0a1b2c3d");
            let mut bad = good.clone();
            bad.replace_range(at..=at, &digit);
            prop_assert!(bad == good || token_id(&RUN, "camera", &bad).is_none());
        }
    }
}
