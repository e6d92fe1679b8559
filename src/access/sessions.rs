//! Who has signed in, until they sign out, stay away for long, or the box starts again.

use super::secret;
use crate::time::MonoTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// Not used for so long, a session ends.
const IDLE: Duration = Duration::from_secs(7 * 24 * 3600);
/// A session ends after so long, used or not.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// Browsers that are signed in. Beyond, the one that was used longest ago is signed out.
const MAX_SESSIONS: usize = 256;

#[derive(Debug)]
struct Session {
    account: String,
    began: MonoTime,
    used: MonoTime,
}

impl Session {
    fn is_good(&self, now: MonoTime) -> bool {
        now < self.used + IDLE && now < self.began + LONGEST
    }
}

/// By the digest of what the browser holds.
#[derive(Debug, Default)]
pub(super) struct Sessions(BTreeMap<String, Session>);

impl Sessions {
    pub fn begin(&mut self, secret: &str, account: &str, now: MonoTime) {
        self.0.retain(|_, session| session.is_good(now));
        if self.0.len() >= MAX_SESSIONS {
            let oldest = self.0.iter().min_by_key(|(_, session)| session.used).map(|(digest, _)| digest.clone());
            oldest.map(|digest| self.0.remove(&digest));
        }
        self.0.insert(secret::digest(secret), Session { account: account.to_owned(), began: now, used: now });
    }

    /// The account that is signed in. Counts as use.
    pub fn account(&mut self, secret: &str, now: MonoTime) -> Option<&str> {
        let session = self.0.get_mut(&secret::digest(secret)).filter(|session| session.is_good(now))?;
        session.used = session.used.max(now);
        Some(&session.account)
    }

    pub fn end(&mut self, secret: &str) {
        self.0.remove(&secret::digest(secret));
    }

    /// Signs an account out everywhere.
    pub fn end_all_of(&mut self, account: &str) {
        self.0.retain(|_, session| session.account != account);
    }

    /// Signs an account out everywhere but here.
    pub fn end_others_of(&mut self, account: &str, secret: &str) {
        let here = secret::digest(secret);
        self.0.retain(|digest, session| session.account != account || *digest == here);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_session_lasts_while_it_is_used_and_not_for_ever() {
        let mut sessions = Sessions::default();
        let start = MonoTime::from_millis(1);
        sessions.begin("s", "ann", start);
        assert_eq!(sessions.account("other", start), None);
        for day in (0..30).step_by(6) {
            assert_eq!(sessions.account("s", start + DAY * day), Some("ann"), "day {day}");
        }
        assert_eq!(sessions.account("s", start + DAY * 30), None);
        sessions.begin("t", "ann", start);
        assert_eq!(sessions.account("t", start + DAY * 7), None, "not used for a week");
    }

    #[test]
    fn signing_out_ends_it_and_a_lost_account_ends_all_of_its() {
        let mut sessions = Sessions::default();
        for (secret, account) in [("a", "ann"), ("b", "ann"), ("c", "bob")] {
            sessions.begin(secret, account, MonoTime::ZERO);
        }
        sessions.end("a");
        assert_eq!(sessions.account("a", MonoTime::ZERO), None);
        assert_eq!(sessions.account("b", MonoTime::ZERO), Some("ann"));
        sessions.end_all_of("ann");
        assert_eq!(sessions.account("b", MonoTime::ZERO), None);
        assert_eq!(sessions.account("c", MonoTime::ZERO), Some("bob"));
    }

    #[test]
    fn their_number_is_bounded_and_the_least_used_goes_first() {
        let mut sessions = Sessions::default();
        for n in 0..MAX_SESSIONS {
            sessions.begin(&n.to_string(), "ann", MonoTime::from_millis(n as i64));
        }
        let later = MonoTime::from_millis(10_000);
        assert!(sessions.account("0", later).is_some());
        sessions.begin("new", "ann", later);
        assert_eq!(sessions.0.len(), MAX_SESSIONS);
        assert!(sessions.account("0", later).is_some());
        assert!(sessions.account("1", later).is_none());
    }
}
