//! The running whole: what is on disk, who is signed in, and passwords, which take their time.
//!
//! Invariants: a decision takes a lock for the time of a look and never waits for a disk or a password; one
//! password is hashed at a time, off the network threads; a change is on disk before it holds.

use super::address::is_lan;
use super::book::{Account, AccountName, Book, BookError, FIRST, Token, TokenRequest};
use super::password::{self, PasswordError, PasswordHash};
use super::policy::{Policies, Role, Standing, open_to, opens};
use super::secret::{self, NoRandomness};
use super::sessions::Sessions;
use super::throttle::Throttle;
use super::{Action, Caller, Credential, Now, Refusal, Who, viewing};
use crate::state::{StateDir, StateError};
use core::net::IpAddr;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Semaphore;

/// Accounts and tokens.
const BOOK: &str = "access.json";
/// The claim code, for who administers a box without a screen: `sudo cat`.
const CLAIM: &str = "claim-code";
/// What tries at the claim code are counted under; no account can be called so.
const CLAIMING: &str = "the claim code";
/// Passwords that may wait while one is hashed. Each takes a tenth of a second, so they wait two at most.
const MAX_WAITING: usize = 16;
/// After how long to come again when too many wait.
const BUSY: Duration = Duration::from_secs(2);
/// What the password of an account that isn't there is held against, so that the answer takes as long.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGlzIGhlcmU$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

/// Why the box can't know its accounts.
#[derive(Debug, Error)]
pub enum AccessError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("{file}: {error}; put a good copy there, or remove it, which makes the box forget its accounts and tokens")]
    Damaged { file: String, error: serde_json::Error },
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// Why somebody isn't signed in now.
#[derive(Debug, Error)]
pub enum SignInError {
    /// The name, the password or the code; which one isn't said.
    #[error("that is not right")]
    Wrong,
    #[error("too many tries; wait {} s", retry_after.as_secs().max(1))]
    TooManyTries { retry_after: Duration },
    #[error("this box has its administrator already")]
    Claimed,
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// Why accounts and tokens are as they were.
#[derive(Debug, Error)]
pub enum ChangeError {
    #[error(transparent)]
    Refused(#[from] BookError),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    #[error("too much is being asked at once; try again in a moment")]
    Busy,
    #[error("it can't be written down: {0}")]
    Unwritable(serde_json::Error),
}

/// What the configuration says.
#[derive(Debug)]
struct Rules {
    policies: Policies,
    /// The password of the account `admin`, where the configuration carries it.
    admin: Option<PasswordHash>,
}

/// The one who decides. Shared by everything that speaks with the outside.
pub struct Access {
    rules: RwLock<Rules>,
    book: RwLock<Arc<Book>>,
    sessions: Mutex<Sessions>,
    throttle: Mutex<Throttle>,
    claim_code: Mutex<Option<String>>,
    /// The key of viewing keys.
    run: [u8; 32],
    /// `None`: nothing outlives this run.
    state: Option<Arc<StateDir>>,
    /// Held while the book changes, so that changes don't undo each other.
    changing: tokio::sync::Mutex<()>,
    hashing: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// With the claim code and the key in it, it tells nothing of itself.
impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn look<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

impl Access {
    /// Reads what is kept. A box without an administrator gets a claim code, which stays the same until it
    /// is used.
    pub fn open(
        state: Option<Arc<StateDir>>,
        policies: Policies,
        admin: Option<PasswordHash>,
    ) -> Result<Self, AccessError> {
        let kept = |name| state.as_ref().map_or(Ok(None), |state| state.read(name));
        let book = match kept(BOOK)? {
            None => Book::default(),
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let file = state.as_ref().map(|state| state.path().join(BOOK).display().to_string());
                AccessError::Damaged { file: file.unwrap_or_default(), error }
            })?,
        };
        let mut claim_code = None;
        if book.accounts.is_empty() && admin.is_none() {
            let kept = kept(CLAIM)?.and_then(|bytes| String::from_utf8(bytes).ok()).map(|text| text.trim().to_owned());
            let code = match kept.filter(|code| !code.is_empty()) {
                Some(code) => code,
                None => secret::claim_code()?,
            };
            if let Some(state) = &state {
                state.write(CLAIM, format!("{code}\n").as_bytes())?;
            }
            claim_code = Some(code);
        }
        Ok(Self {
            rules: RwLock::new(Rules { policies, admin }),
            book: RwLock::new(Arc::new(book)),
            sessions: Mutex::default(),
            throttle: Mutex::default(),
            claim_code: Mutex::new(claim_code),
            run: secret::random()?,
            state,
            changing: tokio::sync::Mutex::default(),
            hashing: Arc::new(Semaphore::new(1)),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
        })
    }

    /// What a new configuration says holds from the next decision on.
    pub fn set_policies(&self, policies: Policies, admin: Option<PasswordHash>) {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        if rules.admin != admin {
            lock(&self.sessions).end_all_of(FIRST);
        }
        *rules = Rules { policies, admin };
    }

    /// The decision. Never waits.
    pub fn decide(&self, caller: &Caller, action: &Action<'_>, now: Now) -> Result<Who, Refusal> {
        let policy = look(&self.rules).policies.of(action);
        let neighbour = caller.address.is_some_and(is_lan);
        if open_to(policy, false) {
            return Ok(Who::Anybody);
        }
        if open_to(policy, neighbour) {
            return Ok(Who::Neighbour);
        }
        let (who, standing) = self.standing(&caller.credential, action, now).ok_or(Refusal::SignIn)?;
        opens(action, policy, standing).map(|()| who)
    }

    /// `None`: the credential is missing, or no good.
    fn standing(&self, credential: &Credential, action: &Action<'_>, now: Now) -> Option<(Who, Standing)> {
        match credential {
            Credential::None => None,
            Credential::Session(_) => {
                let (name, role) = self.account(credential, now)?;
                Some((Who::Account { name, role }, Standing::Account(role)))
            }
            Credential::Token(secret) => {
                let book = look(&self.book);
                let (id, token) = book.token(secret, now.unix_s)?;
                Some((Who::Token(id.to_owned()), Standing::Token { covers: token.scope.covers(action) }))
            }
            Credential::Key(key) => {
                let Action::View(stream) = action else { return None };
                let id = viewing::token_id(&self.run, stream, key)?;
                let book = look(&self.book);
                let token = book.tokens.get(id).filter(|token| token.is_good(now.unix_s))?;
                Some((Who::Token(id.to_owned()), Standing::Token { covers: token.scope.covers(action) }))
            }
        }
    }

    /// Who is signed in.
    pub fn account(&self, credential: &Credential, now: Now) -> Option<(String, Role)> {
        let Credential::Session(secret) = credential else { return None };
        let name = lock(&self.sessions).account(secret, now.mono)?.to_owned();
        let role = self.hash_of(&name)?.1;
        Some((name, role))
    }

    /// The segment of a path by which a token's owner views a stream; see [`super::viewing`].
    pub fn viewing_key(&self, stream: &str, token_id: &str) -> String {
        viewing::key(&self.run, stream, token_id)
    }

    /// An account's password and role: the configuration's before the book's.
    fn hash_of(&self, name: &str) -> Option<(PasswordHash, Role)> {
        let configured = look(&self.rules).admin.clone().filter(|_| name == FIRST).map(|hash| (hash, Role::Admin));
        configured.or_else(|| {
            look(&self.book).account(name).map(|(_, account)| (account.password_hash.clone(), account.role))
        })
    }

    /// Whether the box has an administrator.
    pub fn is_claimed(&self) -> bool {
        look(&self.rules).admin.is_some() || !look(&self.book).accounts.is_empty()
    }

    /// For the terminal alone, and never for a log; `None` once the box is claimed.
    pub fn claim_code(&self) -> Option<String> {
        lock(&self.claim_code).clone().filter(|_| !self.is_claimed())
    }

    /// The new session's secret, for the one who signed in.
    pub async fn sign_in(
        &self,
        address: IpAddr,
        name: &str,
        password: String,
        now: Now,
    ) -> Result<String, SignInError> {
        self.check_password(address, name, password, now).await?;
        Ok(self.begin_session(name, now)?)
    }

    /// Whoever knows the account's password goes on; the others use up their tries.
    async fn check_password(&self, address: IpAddr, name: &str, password: String, now: Now) -> Result<(), SignInError> {
        self.take_try(address, name, now)?;
        let hash = match self.hash_of(name) {
            Some((hash, _)) => hash,
            None => PasswordHash::parse(NOBODY).map_err(ChangeError::from)?,
        };
        let right = self.slowly(move || hash.verify(&password)).await;
        if !matches!(right, Ok(false)) {
            lock(&self.throttle).give_back(address, name);
        }
        match right {
            Ok(true) => Ok(()),
            Ok(false) => Err(SignInError::Wrong),
            Err(ChangeError::Busy) => Err(SignInError::TooManyTries { retry_after: BUSY }),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives who is signed in another password, when they know the one they have: a browser left open is not
    /// enough. It stays signed in; the account's other browsers don't.
    pub async fn change_password(
        &self,
        address: IpAddr,
        credential: &Credential,
        current: String,
        new: String,
        now: Now,
    ) -> Result<(), SignInError> {
        let (name, _) = self.account(credential, now).ok_or(SignInError::Wrong)?;
        let account = AccountName::new(&name).map_err(ChangeError::from)?;
        self.not_configured(&account, BookError::Configured).map_err(ChangeError::from)?;
        password::check(&new).map_err(ChangeError::from)?;
        self.check_password(address, &name, current, now).await?;
        let hash = self.hash(new).await?;
        self.change(|book| book.change_account(&account, None, Some(hash), false)).await?;
        if let Credential::Session(here) = credential {
            lock(&self.sessions).end_others_of(&name, here);
        }
        Ok(())
    }

    pub fn sign_out(&self, credential: &Credential) {
        if let Credential::Session(secret) = credential {
            lock(&self.sessions).end(secret);
        }
    }

    /// Makes the box its claimer's, who is signed in with it.
    pub async fn claim(&self, address: IpAddr, code: &str, password: String, now: Now) -> Result<String, SignInError> {
        let expected = self.claim_code().ok_or(SignInError::Claimed)?;
        password::check(&password).map_err(ChangeError::from)?;
        self.take_try(address, CLAIMING, now)?;
        if !secret::same_claim_code(code, &expected) {
            return Err(SignInError::Wrong);
        }
        lock(&self.throttle).give_back(address, CLAIMING);
        let password_hash = self.hash(password).await?;
        let name = AccountName::new(FIRST).map_err(ChangeError::from)?;
        self.change(|book| {
            if !book.accounts.is_empty() {
                return Err(BookError::NameTaken);
            }
            book.add_account(name, Account { role: Role::Admin, password_hash })
        })
        .await
        .map_err(|error| match error {
            ChangeError::Refused(BookError::NameTaken) => SignInError::Claimed,
            error => error.into(),
        })?;
        lock(&self.claim_code).take();
        if let Some(state) = self.state.clone() {
            // The code is of no use any more, whether or not it goes away.
            let _ = tokio::task::spawn_blocking(move || state.remove(CLAIM)).await;
        }
        Ok(self.begin_session(FIRST, now)?)
    }

    fn take_try(&self, address: IpAddr, account: &str, now: Now) -> Result<(), SignInError> {
        let taken = lock(&self.throttle).take(address, account, now.mono);
        taken.map_err(|retry_after| SignInError::TooManyTries { retry_after })
    }

    fn begin_session(&self, account: &str, now: Now) -> Result<String, ChangeError> {
        let secret = secret::secret()?;
        lock(&self.sessions).begin(&secret, account, now.mono);
        Ok(secret)
    }

    /// Names and roles, and which one the configuration carries.
    pub fn accounts(&self) -> BTreeMap<String, Role> {
        let book = look(&self.book);
        let mut accounts: BTreeMap<_, _> =
            book.accounts.iter().map(|(name, account)| (name.as_str().to_owned(), account.role)).collect();
        if look(&self.rules).admin.is_some() {
            accounts.insert(FIRST.to_owned(), Role::Admin);
        }
        accounts
    }

    pub async fn add_account(&self, name: &str, role: Role, password: String) -> Result<(), ChangeError> {
        let name = AccountName::new(name)?;
        self.not_configured(&name, BookError::NameTaken)?;
        let password_hash = self.hash(password).await?;
        self.change(|book| book.add_account(name, Account { role, password_hash })).await
    }

    /// Signs the account out everywhere when its password changes.
    pub async fn change_account(
        &self,
        name: &str,
        role: Option<Role>,
        password: Option<String>,
    ) -> Result<(), ChangeError> {
        let name = AccountName::new(name).map_err(|_| BookError::NoAccount)?;
        self.not_configured(&name, BookError::Configured)?;
        if look(&self.book).account(name.as_str()).is_none() {
            return Err(BookError::NoAccount.into());
        }
        let new_password = password.is_some();
        let hash = match password {
            Some(password) => Some(self.hash(password).await?),
            None => None,
        };
        let other_admin = look(&self.rules).admin.is_some();
        self.change(|book| book.change_account(&name, role, hash, other_admin)).await?;
        if new_password {
            lock(&self.sessions).end_all_of(name.as_str());
        }
        Ok(())
    }

    pub async fn remove_account(&self, name: &str) -> Result<(), ChangeError> {
        let name = AccountName::new(name).map_err(|_| BookError::NoAccount)?;
        self.not_configured(&name, BookError::Configured)?;
        let other_admin = look(&self.rules).admin.is_some();
        self.change(|book| book.remove_account(&name, other_admin)).await?;
        lock(&self.sessions).end_all_of(name.as_str());
        Ok(())
    }

    fn not_configured(&self, name: &AccountName, refusal: BookError) -> Result<(), BookError> {
        let configured = name.as_str() == FIRST && look(&self.rules).admin.is_some();
        if configured { Err(refusal) } else { Ok(()) }
    }

    /// By id; without their secrets, which nobody has any more.
    pub fn tokens(&self) -> BTreeMap<String, Token> {
        look(&self.book).tokens.clone()
    }

    /// The new token's id, and its secret, which is told this once.
    pub async fn add_token(&self, wanted: TokenRequest, now: Now) -> Result<(String, String), ChangeError> {
        let (id, secret) = (secret::id()?, secret::secret()?);
        let digest = secret::digest(&secret);
        self.change(|book| book.add_token(id.clone(), digest, wanted, now.unix_s)).await?;
        Ok((id, secret))
    }

    pub async fn revoke_token(&self, id: &str) -> Result<(), ChangeError> {
        self.change(|book| book.revoke(id)).await
    }

    /// Changes a copy of the book, puts it on disk, and then in the place of the book.
    async fn change(&self, change: impl FnOnce(&mut Book) -> Result<(), BookError>) -> Result<(), ChangeError> {
        let _one_at_a_time = self.changing.lock().await;
        let mut book = look(&self.book).as_ref().clone();
        change(&mut book)?;
        if let Some(state) = self.state.clone() {
            let text = serde_json::to_vec_pretty(&book).map_err(ChangeError::Unwritable)?;
            let written = tokio::task::spawn_blocking(move || state.write(BOOK, &text)).await;
            written.map_err(|_| ChangeError::Busy)??;
        }
        *self.book.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(book);
        Ok(())
    }

    async fn hash(&self, password: String) -> Result<PasswordHash, ChangeError> {
        // Refused before anything waits for it.
        password::check(&password)?;
        let salt = secret::random()?;
        Ok(self.slowly(move || PasswordHash::make(&password, &salt)).await??)
    }

    /// Runs `work` off the network threads, one at a time, however many ask; `Busy` when too many wait.
    /// The places are held by the work itself: when a client leaves, its password is still being hashed.
    async fn slowly<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ChangeError> {
        let place = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| ChangeError::Busy)?;
        let turn = Arc::clone(&self.hashing).acquire_owned().await.map_err(|_| ChangeError::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            work()
        });
        done.await.map_err(|_| ChangeError::Busy)
    }
}
