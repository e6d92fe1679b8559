//! The decision, every cell of it: caller × action × policy. And the running whole, over a folder and without.

use super::*;
use crate::state::StateDir;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const PASSWORD: &str = "a good password";

fn at(seconds: u64) -> Now {
    Now { mono: MonoTime::from_millis(i64::try_from(seconds).expect("small") * 1_000), unix_s: 1_000_000 + seconds }
}

fn local() -> IpAddr {
    "192.168.1.7".parse().expect("an address")
}

fn far() -> IpAddr {
    "203.0.113.9".parse().expect("an address")
}

fn policies(view: Policy, publish: Policy) -> Policies {
    Policies { default: StreamPolicies { view, publish }, ..Policies::default() }
}

fn scope(streams: Option<&str>, view: bool, publish: bool) -> Scope {
    Scope { streams: streams.map(|stream| [stream.to_owned()].into()), view, publish }
}

async fn token(access: &Access, scope: Scope, expires: Option<u64>) -> (String, String) {
    let wanted = TokenRequest { name: "a token".to_owned(), scope, expires_unix_s: expires };
    access.add_token(wanted, at(0)).await.expect("a token")
}

/// `V` lets in, `s` asks to sign in, `.` forbids.
fn cell(decision: Result<Who, Refusal>) -> char {
    match decision {
        Ok(_) => 'V',
        Err(Refusal::SignIn) => 's',
        Err(Refusal::Forbidden) => '.',
    }
}

/// Every cell. Columns: the policies public, lan, token, account, of viewing for View and Metrics and of
/// publishing for Publish; no policy touches the other three actions, so all their columns are the same.
#[tokio::test]
async fn the_table_of_the_decision() {
    use Policy::{Account, Lan, Public, Token};
    let access = Access::open(None, Policies::default(), None).expect("in memory");
    let code = access.claim_code().expect("unclaimed");
    let admin = access.claim(local(), &code, PASSWORD.to_owned(), at(0)).await.expect("claimed");
    let mut sessions = vec![];
    for (name, role) in [("op", Role::Operator), ("eye", Role::Viewer)] {
        access.add_account(name, role, PASSWORD.to_owned()).await.expect("added");
        sessions.push(access.sign_in(local(), name, PASSWORD.to_owned(), at(0)).await.expect("signed in"));
    }
    let (_, view) = token(&access, scope(Some("camera"), true, false), None).await;
    let (_, publish) = token(&access, scope(Some("camera"), false, true), None).await;
    let (all_id, view_all) = token(&access, scope(None, true, false), None).await;
    let (_, both_all) = token(&access, scope(None, true, true), None).await;
    let (_, elsewhere) = token(&access, scope(Some("desk"), true, true), None).await;
    let (_, ended) = token(&access, scope(None, true, true), Some(at(5).unix_s)).await;
    let (revoked_id, revoked) = token(&access, scope(None, true, true), None).await;
    let revoked_key = access.viewing_key("camera", &revoked_id);
    access.revoke_token(&revoked_id).await.expect("revoked");
    let signed_out = access.sign_in(local(), "op", PASSWORD.to_owned(), at(0)).await.expect("signed in");
    access.sign_out(&Credential::Session(signed_out.clone()));

    let callers: [(&str, Option<IpAddr>, Credential); 20] = [
        ("stranger", Some(far()), Credential::None),
        ("neighbour", Some(local()), Credential::None),
        ("page of others", None, Credential::None),
        ("wrong token", Some(far()), Credential::Token("0".repeat(40))),
        ("ended token", Some(far()), Credential::Token(ended)),
        ("revoked token", Some(far()), Credential::Token(revoked)),
        ("view token", Some(far()), Credential::Token(view)),
        ("view token, near", Some(local()), Credential::Token(view_all.clone())),
        ("view-all token", Some(far()), Credential::Token(view_all)),
        ("publish token", Some(far()), Credential::Token(publish)),
        ("both-all token", Some(far()), Credential::Token(both_all)),
        ("token elsewhere", Some(far()), Credential::Token(elsewhere)),
        ("key", Some(far()), Credential::Key(access.viewing_key("camera", &all_id))),
        ("key elsewhere", Some(far()), Credential::Key(access.viewing_key("desk", &all_id))),
        ("revoked key", Some(far()), Credential::Key(revoked_key)),
        ("signed out", Some(far()), Credential::Session(signed_out)),
        ("viewer", Some(far()), Credential::Session(sessions.pop().expect("two"))),
        ("operator", Some(far()), Credential::Session(sessions.pop().expect("two"))),
        ("admin", Some(far()), Credential::Session(admin.clone())),
        ("admin, near", Some(local()), Credential::Session(admin)),
    ];
    let actions = [
        Action::View("camera"),
        Action::Publish("camera"),
        Action::Metrics,
        Action::Observe,
        Action::Operate,
        Action::Administer,
    ];
    let mut table = String::new();
    for (name, address, credential) in callers {
        let caller = Caller { address, credential };
        table.push_str(&format!("{name:<17}"));
        for action in &actions {
            table.push(' ');
            for policy in [Public, Lan, Token, Account] {
                // The one that doesn't belong to the action says the opposite, so that a mix-up shows.
                let other = if policy == Public { Account } else { Public };
                let of_view = matches!(action, Action::View(_) | Action::Metrics);
                let (view, publish) = if of_view { (policy, other) } else { (other, policy) };
                access.set_policies(policies(view, publish), None);
                table.push(cell(access.decide(&caller, action, at(10))));
            }
        }
        table.push('\n');
    }
    //                        View Publ Metr Obse Oper Admi
    let expected = "\
stranger          Vsss Vsss Vsss ssss ssss ssss
neighbour         VVss VVss VVss ssss ssss ssss
page of others    Vsss Vsss Vsss ssss ssss ssss
wrong token       Vsss Vsss Vsss ssss ssss ssss
ended token       Vsss Vsss Vsss ssss ssss ssss
revoked token     Vsss Vsss Vsss ssss ssss ssss
view token        VVV. V... V... .... .... ....
view token, near  VVV. VV.. VVV. .... .... ....
view-all token    VVV. V... VVV. .... .... ....
publish token     V... VVV. V... .... .... ....
both-all token    VVV. VVV. VVV. .... .... ....
token elsewhere   V... V... V... .... .... ....
key               VVV. Vsss Vsss ssss ssss ssss
key elsewhere     Vsss Vsss Vsss ssss ssss ssss
revoked key       Vsss Vsss Vsss ssss ssss ssss
signed out        Vsss Vsss Vsss ssss ssss ssss
viewer            VVVV V... VVVV VVVV .... ....
operator          VVVV VVVV VVVV VVVV VVVV ....
admin             VVVV VVVV VVVV VVVV VVVV VVVV
admin, near       VVVV VVVV VVVV VVVV VVVV VVVV
";
    assert_eq!(table, expected, "\n{table}");
}

#[tokio::test]
async fn a_stream_has_its_own_policy_and_a_new_one_holds_at_once() {
    let of = |view| StreamPolicies { view, publish: Policy::Account };
    let mut policies = Policies {
        default: of(Policy::Public),
        streams: [("camera".to_owned(), of(Policy::Account))].into(),
        ..Policies::default()
    };
    let access = Access::open(None, policies.clone(), None).expect("in memory");
    let caller = Caller { address: Some(local()), credential: Credential::None };
    let view = |stream| access.decide(&caller, &Action::View(stream), at(0));
    assert_eq!(view("camera"), Err(Refusal::SignIn));
    assert_eq!(view("desk"), Ok(Who::Anybody));
    policies.streams.insert("camera".to_owned(), of(Policy::Lan));
    access.set_policies(policies, None);
    assert_eq!(view("camera"), Ok(Who::Neighbour));
}

#[tokio::test]
async fn a_box_is_claimed_once_and_with_its_code() {
    let access = Access::open(None, Policies::default(), None).expect("in memory");
    let code = access.claim_code().expect("unclaimed");
    assert!(!access.is_claimed());
    let claim = async |code: &str, password: &str| access.claim(local(), code, password.to_owned(), at(0)).await;
    assert!(matches!(claim("AAAA-AAAA", PASSWORD).await, Err(SignInError::Wrong)));
    assert!(matches!(claim(&code, "short").await, Err(SignInError::Change(ChangeError::Password(_)))));
    assert!(matches!(access.sign_in(local(), "admin", PASSWORD.to_owned(), at(0)).await, Err(SignInError::Wrong)));
    let session = claim(&code.to_lowercase(), PASSWORD).await.expect("claimed");
    let session = Credential::Session(session);
    assert_eq!(access.account(&session, at(0)), Some(("admin".to_owned(), Role::Admin)));
    assert!(access.is_claimed() && access.claim_code().is_none());
    assert!(matches!(claim(&code, PASSWORD).await, Err(SignInError::Claimed)));
}

#[tokio::test]
async fn guesses_are_limited_and_the_right_password_is_not_told_from_a_wrong_name() {
    let hash = PasswordHash::make(PASSWORD, &[1; 16]).expect("hashed");
    let access = Access::open(None, Policies::default(), Some(hash)).expect("in memory");
    let try_it =
        async |address, name: &str, password: &str, now| access.sign_in(address, name, password.to_owned(), now).await;
    for name in ["admin", "nobody", "admin", "", "admin"] {
        assert!(matches!(try_it(far(), name, "wrong password", at(0)).await, Err(SignInError::Wrong)), "{name}");
    }
    let refused = try_it(far(), "admin", PASSWORD, at(0)).await;
    assert!(
        matches!(refused, Err(SignInError::TooManyTries { retry_after }) if retry_after == Duration::from_secs(12))
    );
    assert!(try_it(local(), "admin", PASSWORD, at(0)).await.is_ok(), "others sign in");
    assert!(try_it(far(), "admin", PASSWORD, at(12)).await.is_ok(), "and so does it, later");
}

#[tokio::test]
async fn many_at_once_are_refused_rather_than_queued_without_bound() {
    let hash = PasswordHash::make(PASSWORD, &[1; 16]).expect("hashed");
    let access = Arc::new(Access::open(None, Policies::default(), Some(hash)).expect("in memory"));
    let tries = (0..60_u8).map(|n| {
        let (access, address) = (Arc::clone(&access), IpAddr::from([10, 0, 0, n]));
        tokio::spawn(async move { access.sign_in(address, &format!("name{n}"), PASSWORD.to_owned(), at(0)).await })
    });
    let tries: Vec<_> = tries.collect();
    let (mut wrong, mut busy) = (0, 0);
    for one in tries {
        match one.await.expect("no panic") {
            Err(SignInError::Wrong) => wrong += 1,
            Err(SignInError::TooManyTries { .. }) => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(wrong >= 16 && busy >= 1 && wrong + busy == 60, "{wrong} {busy}");
}

#[tokio::test]
async fn the_password_of_the_configuration_comes_first_and_changes_there_only() {
    let hash = |password| PasswordHash::make(password, &[1; 16]).expect("hashed");
    let access = Access::open(None, Policies::default(), Some(hash(PASSWORD))).expect("in memory");
    assert!(access.is_claimed() && access.claim_code().is_none());
    let session = access.sign_in(local(), "admin", PASSWORD.to_owned(), at(0)).await.expect("signed in");
    let session = Credential::Session(session);
    let refused = access.change_account("admin", None, Some("another password".to_owned())).await;
    assert!(matches!(refused, Err(ChangeError::Refused(BookError::Configured))));
    assert!(matches!(access.remove_account("admin").await, Err(ChangeError::Refused(BookError::Configured))));
    access.set_policies(Policies::default(), Some(hash(PASSWORD)));
    assert!(access.account(&session, at(0)).is_some(), "the same hash signs nobody out");
    access.set_policies(Policies::default(), Some(hash("another password")));
    assert_eq!(access.account(&session, at(0)), None);
}

#[tokio::test]
async fn a_new_password_or_a_lost_account_signs_out() {
    let access = Access::open(None, Policies::default(), None).expect("in memory");
    access.add_account("ann", Role::Admin, PASSWORD.to_owned()).await.expect("added");
    access.add_account("bob", Role::Operator, PASSWORD.to_owned()).await.expect("added");
    let sign_in = async |password: &str| access.sign_in(local(), "bob", password.to_owned(), at(0)).await;
    let session = Credential::Session(sign_in(PASSWORD).await.expect("signed in"));
    access.change_account("bob", Some(Role::Viewer), None).await.expect("changed");
    assert_eq!(access.account(&session, at(0)), Some(("bob".to_owned(), Role::Viewer)), "from now on");
    access.change_account("bob", None, Some("another password".to_owned())).await.expect("changed");
    assert_eq!(access.account(&session, at(0)), None);
    assert!(matches!(sign_in(PASSWORD).await, Err(SignInError::Wrong)));
    let session = Credential::Session(sign_in("another password").await.expect("signed in"));
    access.remove_account("bob").await.expect("removed");
    assert_eq!(access.account(&session, at(0)), None);
    assert!(matches!(access.remove_account("ann").await, Err(ChangeError::Refused(BookError::LastAdmin))));
}

#[tokio::test]
async fn who_knows_the_password_changes_it_and_stays_signed_in_here_alone() {
    let access = Access::open(None, Policies::default(), None).expect("in memory");
    access.add_account("bob", Role::Viewer, PASSWORD.to_owned()).await.expect("added");
    let sign_in = async |password: &str| access.sign_in(local(), "bob", password.to_owned(), at(0)).await;
    let here = Credential::Session(sign_in(PASSWORD).await.expect("signed in"));
    let elsewhere = Credential::Session(sign_in(PASSWORD).await.expect("signed in"));
    let change = async |credential: &Credential, current: &str, new: &str| {
        access.change_password(local(), credential, current.to_owned(), new.to_owned(), at(0)).await
    };
    assert!(matches!(change(&Credential::None, PASSWORD, "another password").await, Err(SignInError::Wrong)));
    assert!(matches!(change(&here, "wrong", "another password").await, Err(SignInError::Wrong)));
    let short = change(&here, PASSWORD, "short").await;
    assert!(matches!(short, Err(SignInError::Change(ChangeError::Password(_)))), "{short:?}");
    assert!(access.account(&elsewhere, at(0)).is_some(), "nothing has changed");
    change(&here, PASSWORD, "another password").await.expect("changed");
    assert_eq!(access.account(&here, at(0)), Some(("bob".to_owned(), Role::Viewer)));
    assert_eq!(access.account(&elsewhere, at(0)), None);
    assert!(sign_in("another password").await.is_ok());
    // Guessing is limited as at the door.
    let mut last = change(&here, "wrong", "another password").await;
    for _ in 0..30 {
        last = change(&here, "wrong", "another password").await;
    }
    assert!(matches!(last, Err(SignInError::TooManyTries { .. })), "{last:?}");
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn what_is_kept_outlives_a_restart_and_holds_no_secret() {
    let folder = Folder(std::env::temp_dir().join(format!("capturebox-access-{}", std::process::id())));
    let _ = std::fs::remove_dir_all(&folder.0);
    let state = Arc::new(StateDir::open(Some(&folder.0)).expect("a folder"));
    let open = || Access::open(Some(Arc::clone(&state)), Policies::default(), None);
    let code = open().expect("opened").claim_code().expect("unclaimed");
    assert!(!format!("{:?}", open()).contains(&code));
    let access = open().expect("opened");
    assert_eq!(access.claim_code().as_deref(), Some(&*code), "the same after a restart");
    assert_eq!(std::fs::read_to_string(folder.0.join("claim-code")).expect("there"), format!("{code}\n"));
    let session = access.claim(local(), &code, PASSWORD.to_owned(), at(0)).await.expect("claimed");
    assert!(!folder.0.join("claim-code").exists());
    let (id, secret) = token(&access, scope(None, true, false), None).await;

    let again = open().expect("opened");
    assert!(again.is_claimed() && again.claim_code().is_none());
    assert_eq!(again.tokens(), access.tokens());
    let caller = Caller { address: Some(far()), credential: Credential::Token(secret.clone()) };
    assert_eq!(again.decide(&caller, &Action::View("camera"), at(0)), Ok(Who::Token(id.clone())));
    let key = Caller { address: Some(far()), credential: Credential::Key(access.viewing_key("camera", &id)) };
    assert_eq!(again.decide(&key, &Action::View("camera"), at(0)), Err(Refusal::SignIn), "keys are of a run");
    let text = std::fs::read_to_string(folder.0.join("access.json")).expect("there");
    for hidden in [&*secret, &*session, PASSWORD, &*code] {
        assert!(!text.contains(hidden), "{text}");
        assert!(!format!("{access:?}").contains(hidden));
    }

    std::fs::write(folder.0.join("access.json"), "{").expect("written");
    let told = open().expect_err("damaged").to_string();
    assert!(told.contains("access.json") && told.contains("good copy"), "{told}");
}
