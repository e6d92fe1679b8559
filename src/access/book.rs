//! What is kept on disk: accounts and tokens, and the rules by which they change.

use super::password::PasswordHash;
use super::policy::Role;
use super::{Action, secret};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// People who run one box.
const MAX_ACCOUNTS: usize = 100;
/// They are looked up by their hash, and written out at each change.
const MAX_TOKENS: usize = 1000;
/// Of an account or a token, characters.
const MAX_NAME_LEN: usize = 64;
/// More streams than a box has, in one token.
const MAX_TOKEN_STREAMS: usize = 64;
/// The first account's name.
pub(super) const FIRST: &str = "admin";

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BookError {
    #[error("a name has 1 to {MAX_NAME_LEN} characters, for accounts of A to Z, digits and . _ -")]
    Name,
    #[error("there is an account of that name already")]
    NameTaken,
    #[error("there is no account of that name")]
    NoAccount,
    #[error("there is no token of that id")]
    NoToken,
    #[error("there are {MAX_ACCOUNTS} accounts; no more are possible")]
    TooManyAccounts,
    #[error("there are {MAX_TOKENS} tokens; revoke some first")]
    TooManyTokens,
    #[error("a token is for viewing, for publishing or for both, and at most {MAX_TOKEN_STREAMS} streams are named")]
    Scope,
    #[error("a token that has expired already is of no use; give a later time")]
    Expired,
    #[error("the last administrator stays one")]
    LastAdmin,
    #[error("this account's password stands in the configuration; change it there")]
    Configured,
}

/// `[A-Za-z0-9._-]`, 1 to 64 of them: it stands in paths.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountName(String);

/// Of an account or a stream: what can stand in an address as it is.
fn is_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_NAME_LEN).contains(&name.len()) && name.bytes().all(good) && !matches!(name, "." | "..")
}

impl AccountName {
    pub fn new(name: &str) -> Result<Self, BookError> {
        if is_name(name) { Ok(Self(name.to_owned())) } else { Err(BookError::Name) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AccountName {
    type Error = BookError;
    fn try_from(name: String) -> Result<Self, BookError> {
        Self::new(&name)
    }
}

impl From<AccountName> for String {
    fn from(name: AccountName) -> Self {
        name.0
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    pub role: Role,
    pub password_hash: PasswordHash,
}

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// `None`: all of them, also those that come later. For metrics a token must be for all.
    #[serde(default)]
    pub streams: Option<BTreeSet<String>>,
    #[serde(default)]
    pub view: bool,
    #[serde(default)]
    pub publish: bool,
}

impl Scope {
    pub(super) fn covers(&self, action: &Action<'_>) -> bool {
        let named = |stream: &str| self.streams.as_ref().is_none_or(|streams| streams.contains(stream));
        match action {
            Action::View(stream) => self.view && named(stream),
            Action::Publish(stream) => self.publish && named(stream),
            // As the stream that a room can be sent as is called.
            Action::Meet(room) => self.publish && named(&format!("room-{room}")),
            Action::Metrics => self.view && self.streams.is_none(),
            Action::Observe | Action::Operate | Action::Administer => false,
        }
    }
}

/// A token as it is kept: without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// SHA-256 of the secret, hexadecimal.
    pub digest: String,
    /// What its owner calls it.
    pub name: String,
    pub scope: Scope,
    pub created_unix_s: u64,
    /// The first second in which it is no good any more; `None`: it never ends by itself.
    pub expires_unix_s: Option<u64>,
}

impl Token {
    pub(super) fn is_good(&self, unix_s: u64) -> bool {
        self.expires_unix_s.is_none_or(|expires| unix_s < expires)
    }
}

/// A token that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    pub name: String,
    pub scope: Scope,
    pub expires_unix_s: Option<u64>,
}

/// All of it. Changes are made to a copy, which takes the book's place once it is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Book {
    pub accounts: BTreeMap<AccountName, Account>,
    /// By id.
    pub tokens: BTreeMap<String, Token>,
}

impl Book {
    pub fn account(&self, name: &str) -> Option<(&AccountName, &Account)> {
        self.accounts.get_key_value(&AccountName(name.to_owned()))
    }

    /// The token with this secret, while it is good.
    pub fn token(&self, secret: &str, unix_s: u64) -> Option<(&str, &Token)> {
        let digest = secret::digest(secret);
        let found = self.tokens.iter().find(|(_, token)| token.digest == digest);
        found.filter(|(_, token)| token.is_good(unix_s)).map(|(id, token)| (id.as_str(), token))
    }

    pub fn add_account(&mut self, name: AccountName, account: Account) -> Result<(), BookError> {
        if self.accounts.len() >= MAX_ACCOUNTS {
            return Err(BookError::TooManyAccounts);
        }
        if self.accounts.contains_key(&name) {
            return Err(BookError::NameTaken);
        }
        self.accounts.insert(name, account);
        Ok(())
    }

    /// `None` leaves a thing as it is. `other_admin`: there is one beside those of the book.
    pub fn change_account(
        &mut self,
        name: &AccountName,
        role: Option<Role>,
        password_hash: Option<PasswordHash>,
        other_admin: bool,
    ) -> Result<(), BookError> {
        let last = self.is_last_admin(name, other_admin);
        let account = self.accounts.get_mut(name).ok_or(BookError::NoAccount)?;
        if last && role.is_some_and(|role| role != Role::Admin) {
            return Err(BookError::LastAdmin);
        }
        account.role = role.unwrap_or(account.role);
        if let Some(hash) = password_hash {
            account.password_hash = hash;
        }
        Ok(())
    }

    pub fn remove_account(&mut self, name: &AccountName, other_admin: bool) -> Result<(), BookError> {
        if self.is_last_admin(name, other_admin) {
            return Err(BookError::LastAdmin);
        }
        self.accounts.remove(name).map(|_| ()).ok_or(BookError::NoAccount)
    }

    fn is_last_admin(&self, name: &AccountName, other_admin: bool) -> bool {
        let mut admins = self.accounts.iter().filter(|(_, account)| account.role == Role::Admin);
        !other_admin && admins.next().is_some_and(|(first, _)| first == name) && admins.next().is_none()
    }

    /// Adds a token under an id that no other one has. Those that ended long ago make room.
    pub fn add_token(
        &mut self,
        id: String,
        digest: String,
        wanted: TokenRequest,
        unix_s: u64,
    ) -> Result<(), BookError> {
        let TokenRequest { name, scope, expires_unix_s } = wanted;
        if !(1..=MAX_NAME_LEN).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(BookError::Name);
        }
        let streams = scope.streams.as_ref();
        let sensible = streams.is_none_or(|streams| (1..=MAX_TOKEN_STREAMS).contains(&streams.len()));
        let named = streams.is_none_or(|streams| streams.iter().all(|stream| is_name(stream)));
        if !(scope.view || scope.publish) || !sensible || !named {
            return Err(BookError::Scope);
        }
        if expires_unix_s.is_some_and(|expires| expires <= unix_s) {
            return Err(BookError::Expired);
        }
        if self.tokens.len() >= MAX_TOKENS {
            self.tokens.retain(|_, token| token.is_good(unix_s));
        }
        if self.tokens.len() >= MAX_TOKENS || self.tokens.contains_key(&id) {
            return Err(BookError::TooManyTokens);
        }
        self.tokens.insert(id, Token { digest, name, scope, created_unix_s: unix_s, expires_unix_s });
        Ok(())
    }

    pub fn revoke(&mut self, id: &str) -> Result<(), BookError> {
        self.tokens.remove(id).map(|_| ()).ok_or(BookError::NoToken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> AccountName {
        AccountName::new(name).expect("a name")
    }

    fn account(role: Role) -> Account {
        const HASH: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        Account { role, password_hash: PasswordHash::parse(HASH).expect("a hash") }
    }

    fn wanted(scope: Scope, expires_unix_s: Option<u64>) -> TokenRequest {
        TokenRequest { name: "tv".to_owned(), scope, expires_unix_s }
    }

    fn all() -> Scope {
        Scope { streams: None, view: true, publish: false }
    }

    #[test]
    fn the_last_administrator_stays() {
        let mut book = Book::default();
        book.add_account(name("a"), account(Role::Admin)).expect("added");
        book.add_account(name("b"), account(Role::Viewer)).expect("added");
        assert_eq!(book.remove_account(&name("a"), false), Err(BookError::LastAdmin));
        assert_eq!(book.change_account(&name("a"), Some(Role::Operator), None, false), Err(BookError::LastAdmin));
        assert_eq!(book.clone().remove_account(&name("a"), true), Ok(()), "the configuration has another");
        book.change_account(&name("b"), Some(Role::Admin), None, false).expect("changed");
        assert_eq!(book.remove_account(&name("a"), false), Ok(()));
        assert_eq!(book.remove_account(&name("b"), false), Err(BookError::LastAdmin));
        assert_eq!(book.remove_account(&name("c"), false), Err(BookError::NoAccount));
    }

    #[test]
    fn names_are_plain() {
        for good in ["a", "admin", "Ann.O-Ther_1", &"x".repeat(64)] {
            assert!(AccountName::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "ä", "a@b", "a\n", "<b>", &"x".repeat(65)] {
            assert_eq!(AccountName::new(bad), Err(BookError::Name), "{bad}");
        }
    }

    #[test]
    fn a_token_is_found_by_its_secret_until_it_ends_or_is_revoked() {
        let mut book = Book::default();
        let add = |book: &mut Book, id: &str, scope, expires| {
            book.add_token(id.to_owned(), secret::digest(&format!("secret {id}")), wanted(scope, expires), 100)
        };
        assert_eq!(add(&mut book, "1", all(), None), Ok(()));
        assert_eq!(add(&mut book, "2", all(), Some(200)), Ok(()));
        assert_eq!(add(&mut book, "3", all(), Some(100)), Err(BookError::Expired));
        let id = |book: &Book, secret: &str, now| book.token(secret, now).map(|(id, _)| id.to_owned());
        assert_eq!(id(&book, "secret 1", u64::MAX).as_deref(), Some("1"));
        assert_eq!(id(&book, "secret 2", 199).as_deref(), Some("2"));
        assert_eq!(id(&book, "secret 2", 200), None);
        assert_eq!(id(&book, "secret", 100), None);
        book.revoke("1").expect("there");
        assert_eq!(id(&book, "secret 1", 100), None);
        assert_eq!(book.revoke("1"), Err(BookError::NoToken));
    }

    #[test]
    fn tokens_for_nothing_are_refused_and_their_number_is_bounded() {
        let mut book = Book::default();
        let some = |streams: &[&str]| Some(streams.iter().map(|stream| (*stream).to_owned()).collect());
        let add = |book: &mut Book, id: usize, scope, expires, now| {
            book.add_token(id.to_string(), id.to_string(), wanted(scope, expires), now)
        };
        for bad in [
            Scope { streams: None, view: false, publish: false },
            Scope { streams: some(&[]), view: true, publish: false },
            Scope { streams: some(&[&"x".repeat(65)]), view: true, publish: false },
        ] {
            assert_eq!(add(&mut book, 0, bad, None, 0), Err(BookError::Scope));
        }
        for id in 0..MAX_TOKENS {
            assert_eq!(add(&mut book, id, all(), Some(if id < 10 { 5 } else { 50 }), 0), Ok(()));
        }
        assert_eq!(add(&mut book, MAX_TOKENS, all(), None, 0), Err(BookError::TooManyTokens));
        assert_eq!(add(&mut book, MAX_TOKENS, all(), None, 5), Ok(()), "what has ended makes room");
        assert_eq!(book.tokens.len(), MAX_TOKENS - 9);
    }

    #[test]
    fn the_book_is_the_same_after_reading_it_again() {
        let mut book = Book::default();
        book.add_account(name("a"), account(Role::Admin)).expect("added");
        book.add_token("1".to_owned(), "d".to_owned(), wanted(all(), Some(7)), 5).expect("added");
        let text = serde_json::to_string(&book).expect("JSON");
        assert_eq!(serde_json::from_str::<Book>(&text).expect("read"), book);
        assert!(serde_json::from_str::<Book>("{\"accounts\":{}}").is_err(), "half a book is none");
    }
}
