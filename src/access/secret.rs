//! Secrets that the box makes: random, told once, kept as their hash.
//!
//! With 160 random bits nobody guesses one, so a fast hash is enough, and looking one up by its hash tells
//! nothing by the time that it takes. Passwords, which people choose, are in `password`.

use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Bytes of a token or a session.
const SECRET_LEN: usize = 20;
/// Bytes of a token's id: enough to tell them apart, and no secret.
const ID_LEN: usize = 4;
/// Letters and digits that nobody takes for each other; 32, so that five random bits choose one.
const CLAIM_LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// 40 bits: more than the throttle lets anybody try in the age of the universe.
const CLAIM_LEN: usize = 8;

/// The system's random source failed: nothing secret can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the system has no random numbers: {0}")]
pub struct NoRandomness(getrandom::Error);

pub(super) fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(bytes)
}

/// A new token or session, as it is handed out.
pub(super) fn secret() -> Result<String, NoRandomness> {
    Ok(hex(&random::<SECRET_LEN>()?))
}

/// A new token's name for the box.
pub(super) fn id() -> Result<String, NoRandomness> {
    Ok(hex(&random::<ID_LEN>()?))
}

/// A new claim code, `ABCD-2345`.
pub(super) fn claim_code() -> Result<String, NoRandomness> {
    let letters = random::<CLAIM_LEN>()?;
    let letter = |byte: u8| char::from(CLAIM_LETTERS.get(usize::from(byte % 32)).copied().unwrap_or(b'A'));
    let (first, second) = letters.split_at(CLAIM_LEN / 2);
    let group = |bytes: &[u8]| bytes.iter().map(|byte| letter(*byte)).collect::<String>();
    Ok(format!("{}-{}", group(first), group(second)))
}

/// A claim code as people type it: case, spaces and dashes don't matter.
pub(super) fn same_claim_code(typed: &str, code: &str) -> bool {
    let bare = |text: &str| text.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_ascii_uppercase();
    // Compared as hashes, so that the time tells nothing of the letters.
    digest(&bare(typed)) == digest(&bare(code))
}

/// What is kept of a secret.
pub(super) fn digest(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_no_two_are_the_same() {
        let secrets: std::collections::BTreeSet<_> = (0..100).map(|_| secret().expect("random")).collect();
        assert_eq!(secrets.len(), 100);
        assert!(secrets.iter().all(|secret| secret.len() == 40));
    }

    #[test]
    fn a_digest_is_that_of_fips_180_4() {
        assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_claim_code_is_taken_as_people_type_it() {
        let code = claim_code().expect("random");
        assert_eq!(code.len(), 9);
        for typed in [code.clone(), code.to_lowercase(), code.replace('-', ""), format!(" {} ", code.replace('-', " "))]
        {
            assert!(same_claim_code(&typed, &code), "{typed}");
        }
        for typed in ["", "-", &code[..8], &format!("{code}A")] {
            assert!(!same_claim_code(typed, &code), "{typed}");
        }
    }
}
