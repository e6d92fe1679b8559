//! Passwords: chosen by people, kept as argon2id (RFC 9106) in the PHC string format.

use argon2::password_hash::{CustomizedPasswordHasher, PasswordVerifier, phc};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Memory, KiB, and passes over it of a new hash: OWASP's first choice. A tenth of a second on a board.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// What a hash from a configuration may cost to check: a board has little memory, and streams run on it.
const MAX_MEMORY_KIB: u32 = 128 * 1024;
const MAX_PASSES: u32 = 16;
/// Short ones are guessed; NIST SP 800-63B's lower end.
const MIN_LEN: usize = 8;
/// Nobody types more, and it is all hashed. Bytes.
const MAX_LEN: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PasswordError {
    #[error("a password has at least {MIN_LEN} characters")]
    TooShort,
    #[error("a password has at most {MAX_LEN} bytes")]
    TooLong,
    #[error("this is no argon2id hash in PHC format ($argon2id$v=19$m=…,t=…,p=…$salt$hash)")]
    NotAHash,
    #[error("this hash costs more than the box can give: at most m={MAX_MEMORY_KIB} and t={MAX_PASSES}")]
    TooCostly,
}

/// A password's hash, in PHC format.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PasswordHash(phc::PasswordHash);

/// Hashes don't appear in logs either.
impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

impl PasswordHash {
    /// Takes a hash that somebody else made.
    pub fn parse(text: &str) -> Result<Self, PasswordError> {
        let hash = phc::PasswordHash::new(text).map_err(|_| PasswordError::NotAHash)?;
        let argon2id = hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some();
        let params = Params::try_from(&hash).map_err(|_| PasswordError::NotAHash)?;
        if !argon2id {
            return Err(PasswordError::NotAHash);
        }
        if params.m_cost() > MAX_MEMORY_KIB || params.t_cost() > MAX_PASSES {
            return Err(PasswordError::TooCostly);
        }
        Ok(Self(hash))
    }

    /// Hashes a password. Takes a core for a tenth of a second or more: never on a network thread.
    pub fn make(password: &str, salt: &[u8; 16]) -> Result<Self, PasswordError> {
        check(password)?;
        let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|_| PasswordError::NotAHash)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let hash = argon2.hash_password_with_params(password.as_bytes(), salt, params);
        hash.map(Self).map_err(|_| PasswordError::NotAHash)
    }

    /// Whether this is the password. As slow as making a hash.
    pub fn verify(&self, password: &str) -> bool {
        password.len() <= MAX_LEN && Argon2::default().verify_password(password.as_bytes(), &self.0).is_ok()
    }
}

/// Whether this can be a new password.
pub(super) fn check(password: &str) -> Result<(), PasswordError> {
    match password {
        _ if password.len() > MAX_LEN => Err(PasswordError::TooLong),
        _ if password.chars().count() < MIN_LEN => Err(PasswordError::TooShort),
        _ => Ok(()),
    }
}

impl TryFrom<String> for PasswordHash {
    type Error = PasswordError;
    fn try_from(text: String) -> Result<Self, PasswordError> {
        Self::parse(&text)
    }
}

impl From<PasswordHash> for String {
    fn from(hash: PasswordHash) -> Self {
        hash.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_its_own_and_no_other() {
        let hash = PasswordHash::make("correct horse", &[7; 16]).expect("hashed");
        assert!(hash.verify("correct horse"));
        for wrong in ["", "correct horse ", "Correct horse", &"x".repeat(MAX_LEN + 1)] {
            assert!(!hash.verify(wrong), "{wrong}");
        }
        let text = String::from(hash.clone());
        assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
        assert_eq!(PasswordHash::parse(&text), Ok(hash.clone()));
        assert_eq!(format!("{hash:?}"), "PasswordHash(…)");
    }

    #[test]
    fn bad_passwords_and_hashes_are_refused() {
        assert_eq!(PasswordHash::make("1234567", &[0; 16]), Err(PasswordError::TooShort));
        assert_eq!(PasswordHash::make(&"x".repeat(MAX_LEN + 1), &[0; 16]), Err(PasswordError::TooLong));
        let table = [
            ("", PasswordError::NotAHash),
            ("secret", PasswordError::NotAHash),
            (
                "$argon2i$v=19$m=4096,t=3,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                PasswordError::NotAHash,
            ),
            ("$argon2id$v=19$m=4096,t=3,p=1$c2FsdHNhbHQ", PasswordError::NotAHash),
            (
                "$argon2id$v=19$m=4194304,t=3,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                PasswordError::TooCostly,
            ),
            (
                "$argon2id$v=19$m=4096,t=99,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                PasswordError::TooCostly,
            ),
        ];
        for (text, error) in table {
            assert_eq!(PasswordHash::parse(text), Err(error), "{text}");
        }
    }

    /// From the reference implementation of the Password Hashing Competition's winner: its `src/test.c` has
    /// this hash for argon2id, t=2, m=2^16, p=1.
    #[test]
    fn a_hash_of_the_reference_program_is_understood() {
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let hash = PasswordHash::parse(text).expect("a hash");
        assert!(hash.verify("password"));
        assert!(!hash.verify("Password"));
    }
}
