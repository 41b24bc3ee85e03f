//! The accounts' part of the store's contract: each account, login and key once, and an end that stays an end.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tertulia::auth::ports::{
    AccountChange, AccountStore, Ended, Founding, Joining, NewAccount, NewKey, NewLogin, Profile, ProfileChange,
    Registered, Renewal, Renewed, Unavailable, Which,
};
use tertulia::clock;
use tertulia::domain::{Identity, LoginId, OrgId, Role, Scope, Scopes, Timestamp, UserId, UserStatus};
use tertulia::hub::ports::Store;

use crate::desk::{Backend, Desk, organization};
use crate::on_both;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const HOUR: Duration = Duration::from_hours(1);

on_both! {
    the_first_founds_and_the_others_join,
    what_is_run_twice_is_done_once,
    an_address_and_an_invitation_are_good_for_one_account,
    a_refresh_token_is_replaced_and_its_copy_ends_the_login,
    the_oldest_of_too_many_logins_makes_way,
    keys_are_listed_revoked_and_told,
    a_disabled_account_has_no_logins,
    people_with_an_account_are_what_was_decided_here,
}

fn account(email: &str) -> NewAccount {
    NewAccount {
        user: UserId(clock::fresh_id()),
        email: email.into(),
        email_key: email.to_lowercase().into(),
        name: "Ana".into(),
        password_hash: "a hash".into(),
        founds: Some(Founding {
            organization: organization(),
            organization_name: Some("Our team".into()),
            role: Role::Admin,
        }),
        joins: Some(Joining { organization: None, role: Role::Member, invite: None }),
        login: None,
        now: clock::now(),
    }
}

fn login(family: u8) -> NewLogin {
    let now = clock::now();
    NewLogin {
        id: LoginId(clock::fresh_id()),
        family: [family; 16],
        refresh_hash: [1; 32],
        user_agent: Some("a browser\0".into()),
        address: HERE,
        now,
        expires_at: now + HOUR,
    }
}

fn renewal(family: u8, shown: u8, fresh: u8) -> Renewal {
    let now = clock::now();
    let (shown, fresh) = ([shown; 32], [fresh; 32]);
    Renewal { family: [family; 16], shown, fresh, user_agent: None, address: HERE, now, expires_at: now + HOUR }
}

async fn made(desk: &Desk, account: NewAccount) -> Profile {
    match desk.store.register(account).await.unwrap() {
        Registered::Made(profile) => profile,
        other => panic!("an account, not {other:?}"),
    }
}

async fn the_first_founds_and_the_others_join(desk: Desk) {
    assert!(!desk.store.is_founded().await.unwrap());
    let nobody = NewAccount { founds: None, ..account("eve@example.com") };
    assert_eq!(desk.store.register(nobody).await.unwrap(), Registered::NobodyYet);
    let ana = made(&desk, account("Ana@Example.com")).await;
    assert!(desk.store.is_founded().await.unwrap());
    assert_eq!(
        (ana.role, ana.status, ana.email.as_deref()),
        (Role::Admin, UserStatus::Online, Some("Ana@Example.com"))
    );
    let rui = made(&desk, account("rui@example.com")).await;
    assert_eq!((rui.role, rui.organization), (Role::Member, ana.organization));
    let elsewhere = organization();
    let joins = Some(Joining { organization: Some(elsewhere), role: Role::Agent, invite: None });
    let eva = made(&desk, NewAccount { joins, ..account("eva@example.com") }).await;
    assert_eq!((eva.role, eva.organization), (Role::Agent, elsewhere));
    let closed = NewAccount { joins: None, ..account("eve@example.com") };
    assert_eq!(desk.store.register(closed).await.unwrap(), Registered::Closed);
    let found = desk.store.account("ana@example.com".into()).await.unwrap().unwrap();
    assert_eq!(
        (found.profile, found.password_hash.as_deref(), found.is_disabled),
        (ana.clone(), Some("a hash"), false)
    );
    assert_eq!(desk.store.profile(ana.organization, ana.user).await.unwrap(), Some(ana.clone()));
    assert_eq!(desk.store.profile(elsewhere, ana.user).await.unwrap(), None);
    let all: Vec<_> = desk.store.accounts().await.unwrap().into_iter().map(|it| it.profile.user).collect();
    assert_eq!(all, [ana.user, rui.user, eva.user]);
}

/// As after a commit of which nobody knows how it ended.
async fn what_is_run_twice_is_done_once(desk: Desk) {
    let ana = NewAccount { login: Some(login(1)), ..account("ana@example.com") };
    let first = made(&desk, ana.clone()).await;
    assert_eq!(made(&desk, ana).await, first);
    let once = renewal(1, 1, 2);
    for _ in 0..2 {
        assert!(matches!(desk.store.renew(once.clone()).await.unwrap(), Renewed::Done { .. }));
    }
    assert_eq!(desk.store.logins(first.organization, first.user, clock::now()).await.unwrap().len(), 1);
    let key = key(&first);
    assert_eq!(desk.store.create_key(key.clone()).await.unwrap(), desk.store.create_key(key).await.unwrap());
    assert_eq!(desk.store.keys(None).await.unwrap().len(), 1);
}

async fn an_address_and_an_invitation_are_good_for_one_account(desk: Desk) {
    let ana = made(&desk, account("ana@example.com")).await;
    assert_eq!(desk.store.register(account("ANA@example.com")).await.unwrap(), Registered::EmailTaken);
    let invite = Some(clock::fresh_id());
    let invited = |email: &str| NewAccount {
        founds: None,
        joins: Some(Joining { organization: Some(ana.organization), role: Role::Agent, invite }),
        ..account(email)
    };
    assert_eq!(made(&desk, invited("rui@example.com")).await.role, Role::Agent);
    assert_eq!(desk.store.register(invited("eva@example.com")).await.unwrap(), Registered::InviteUsed);
}

async fn a_refresh_token_is_replaced_and_its_copy_ends_the_login(desk: Desk) {
    let ana = made(&desk, account("ana@example.com")).await;
    let (one, other) = (login(1), login(2));
    for login in [&one, &other] {
        assert!(desk.store.log_in(ana.organization, ana.user, login.clone()).await.unwrap());
    }
    assert!(!desk.store.log_in(organization(), ana.user, login(3)).await.unwrap(), "nobody of that organization");
    let done = Renewed::Done { login: one.id, profile: ana.clone() };
    assert_eq!(desk.store.renew(renewal(1, 1, 2)).await.unwrap(), done);
    assert_eq!(desk.store.renew(renewal(1, 2, 3)).await.unwrap(), done);
    assert_eq!(desk.store.renew(renewal(9, 1, 2)).await.unwrap(), Renewed::Unknown);

    let before = desk.store.version().await.unwrap();
    let ended = Ended { organization: ana.organization, user: ana.user, login: one.id };
    assert_eq!(desk.store.renew(renewal(1, 1, 4)).await.unwrap(), Renewed::Reused(ended));
    assert!(desk.store.version().await.unwrap() > before);
    assert_eq!(desk.store.renew(renewal(1, 3, 4)).await.unwrap(), Renewed::Over);
    let left: Vec<_> = desk.store.logins(ana.organization, ana.user, clock::now()).await.unwrap();
    assert_eq!(left.iter().map(|it| it.id).collect::<Vec<_>>(), [other.id]);
    assert_eq!(left[0].user_agent.as_deref(), Some("a browser"));
    let roll = desk.store.roll(clock::now() - HOUR).await.unwrap();
    assert_eq!(roll.ended.iter().map(|(it, _)| *it).collect::<Vec<_>>(), [ended]);
    assert!(desk.store.roll(clock::now() + HOUR).await.unwrap().ended.is_empty());

    let late = Renewal { now: clock::now() + 2 * HOUR, ..renewal(2, 1, 2) };
    assert_eq!(desk.store.renew(late).await.unwrap(), Renewed::Over, "its time is over");
    let foreign = Which::One { organization: organization(), user: None, login: other.id };
    assert_eq!(desk.store.end_logins(foreign, clock::now()).await.unwrap(), []);
    let own = Which::One { organization: ana.organization, user: Some(ana.user), login: other.id };
    assert_eq!(desk.store.end_logins(own, clock::now()).await.unwrap().len(), 1);
    assert_eq!(desk.store.end_logins(Which::Family([2; 16]), clock::now()).await.unwrap(), []);
}

async fn the_oldest_of_too_many_logins_makes_way(desk: Desk) {
    let ana = made(&desk, account("ana@example.com")).await;
    for n in 0..52 {
        assert!(desk.store.log_in(ana.organization, ana.user, login(n)).await.unwrap());
    }
    let left = desk.store.logins(ana.organization, ana.user, clock::now()).await.unwrap();
    assert_eq!(left.len(), 50);
    assert_eq!(desk.store.renew(renewal(0, 1, 2)).await.unwrap(), Renewed::Over);
    assert!(matches!(desk.store.renew(renewal(51, 1, 2)).await.unwrap(), Renewed::Done { .. }));
    assert_eq!(desk.store.roll(clock::now() - HOUR).await.unwrap().ended.len(), 2);
}

fn key(owner: &Profile) -> NewKey {
    let id = clock::fresh_id();
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(id.as_bytes());
    NewKey {
        id,
        organization: owner.organization,
        user: owner.user,
        name: "reports".into(),
        hash,
        hint: "tk_abcd".into(),
        scopes: Scopes::default().with(Scope::ChatRead).with(Scope::MessagesWrite),
        created_by: None,
        now: clock::now(),
        expires_at: None,
    }
}

async fn keys_are_listed_revoked_and_told(desk: Desk) {
    let ana = made(&desk, account("ana@example.com")).await;
    let new = key(&ana);
    let kept = desk.store.create_key(new.clone()).await.unwrap().unwrap();
    assert_eq!(desk.store.keys(Some(ana.organization)).await.unwrap(), [kept]);
    assert_eq!(desk.store.keys(Some(organization())).await.unwrap(), []);
    let nobody = NewKey { user: UserId(clock::fresh_id()), ..key(&ana) };
    assert_eq!(desk.store.create_key(nobody).await.unwrap(), None);

    let roll = desk.store.roll(clock::now() - HOUR).await.unwrap();
    let [entry] = &roll.keys[..] else { panic!("one key, not {roll:?}") };
    let identity = &entry.identity;
    assert_eq!((entry.hash, entry.is_revoked), (new.hash, false));
    assert_eq!((identity.user, identity.organization, identity.role), (ana.user, Some(ana.organization), Role::Admin));
    assert_eq!((identity.login, identity.scopes), (Some(LoginId(new.id)), new.scopes));

    assert_eq!(desk.store.revoke_key(Some(organization()), new.id, clock::now()).await.unwrap(), None);
    let ended = Ended { organization: ana.organization, user: ana.user, login: LoginId(new.id) };
    assert_eq!(desk.store.revoke_key(None, new.id, clock::now()).await.unwrap(), Some(ended));
    assert_eq!(desk.store.revoke_key(None, new.id, clock::now()).await.unwrap(), None);
    assert_eq!(desk.store.keys(None).await.unwrap(), []);
    let told = |since: Timestamp| async move { desk.store.roll(since).await.unwrap().keys };
    let lately = told(clock::now() - HOUR).await;
    assert!(lately.len() == 1 && lately[0].is_revoked);
}

async fn a_disabled_account_has_no_logins(desk: Desk) {
    let ana = made(&desk, NewAccount { login: Some(login(1)), ..account("ana@example.com") }).await;
    let email = || "ana@example.com".into();
    let change = |change| desk.store.change_account(email(), change, clock::now());
    change(AccountChange::Disabled(true)).await.unwrap().unwrap();
    assert_eq!(desk.store.roll(clock::now() - HOUR).await.unwrap().disabled, [(ana.organization, ana.user)]);
    assert_eq!(desk.store.renew(renewal(1, 1, 2)).await.unwrap(), Renewed::Over);
    assert!(!desk.store.log_in(ana.organization, ana.user, login(2)).await.unwrap());
    change(AccountChange::Disabled(false)).await.unwrap().unwrap();
    assert!(desk.store.roll(clock::now() - HOUR).await.unwrap().disabled.is_empty());
    assert_eq!(desk.store.renew(renewal(1, 1, 2)).await.unwrap(), Renewed::Over, "what has ended does not come back");
    assert!(desk.store.log_in(ana.organization, ana.user, login(2)).await.unwrap());
    change(AccountChange::Password("another".into())).await.unwrap().unwrap();
    assert_eq!(desk.store.renew(renewal(2, 1, 2)).await.unwrap(), Renewed::Over);
    for (old, kept) in [("a hash", "another"), ("another", "stronger")] {
        let rehash = AccountChange::Rehash { old: old.into(), new: "stronger".into() };
        change(rehash).await.unwrap().unwrap();
        let found = desk.store.account(email()).await.unwrap().unwrap();
        assert_eq!(found.password_hash.as_deref(), Some(kept));
    }
    assert_eq!(change(AccountChange::Role(Role::Agent)).await.unwrap().unwrap().role, Role::Agent);
    let nobody = desk.store.change_account("eve@example.com".into(), AccountChange::Disabled(true), clock::now());
    assert_eq!(nobody.await.unwrap(), None);
}

fn identity(organization: OrgId, user: UserId, name: &str) -> Arc<Identity> {
    Arc::new(Identity {
        organization: Some(organization),
        user,
        role: Role::Bot,
        name: name.into(),
        email: None,
        expires_at: None,
        login: None,
        scopes: Scopes::ALL,
    })
}

async fn people_with_an_account_are_what_was_decided_here(desk: Desk) {
    let ana = made(&desk, account("ana@example.com")).await;
    let stranger = UserId(clock::fresh_id());
    let renamed = ProfileChange { name: Some("Ana Maria".into()), ..ProfileChange::default() };
    let person = identity(ana.organization, ana.user, "Old name");
    let changed = desk.store.change_profile(Arc::clone(&person), renamed, clock::now()).await.unwrap();
    assert_eq!((&*changed.name, changed.role), ("Ana Maria", Role::Admin));

    desk.store.provision(&person);
    desk.store.provision(&identity(ana.organization, stranger, "Ada"));
    desk.store.settle().await.unwrap();
    assert_eq!(desk.store.profile(ana.organization, ana.user).await.unwrap(), Some(changed));
    assert_eq!(&*desk.store.profile(ana.organization, stranger).await.unwrap().unwrap().name, "Ada");

    let unseen = identity(organization(), UserId(clock::fresh_id()), "Unseen");
    let change = ProfileChange {
        avatar_url: Some(Some("/a.png".into())),
        status: Some(UserStatus::Away),
        ..ProfileChange::default()
    };
    let profile = desk.store.change_profile(unseen, change, clock::now()).await.unwrap();
    assert_eq!((&*profile.name, profile.status), ("Unseen", UserStatus::Away));
    assert_eq!(profile.avatar_url.as_deref(), Some("/a.png"));
}

#[test]
fn while_postgres_is_away_nothing_is_promised_and_after_it_all_is_there() {
    let backend = Backend::private_postgres();
    let server = backend.server.clone().unwrap();
    backend.run(async |desk| {
        let ana = made(&desk, NewAccount { login: Some(login(1)), ..account("ana@example.com") }).await;
        server.kill();
        assert_eq!(desk.store.register(account("rui@example.com")).await, Err(Unavailable));
        assert_eq!(desk.store.renew(renewal(1, 1, 2)).await, Err(Unavailable));
        assert_eq!(desk.store.version().await, Err(Unavailable));
        server.restart();
        let begun = Instant::now();
        while desk.store.renew(renewal(1, 1, 2)).await.is_err() {
            assert!(begun.elapsed() < Duration::from_mins(1), "it should work again by now");
            actix::clock::sleep(Duration::from_millis(20)).await;
        }
        while desk.store.version().await.is_err() {
            assert!(begun.elapsed() < Duration::from_mins(1), "it should work again by now");
            actix::clock::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(desk.store.logins(ana.organization, ana.user, clock::now()).await.unwrap().len(), 1);
    });
}

#[test]
fn a_lost_connection_loses_no_errand() {
    let backend = Backend::postgres();
    let server = backend.server.clone().unwrap();
    let database = backend.url.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    backend.run(async |desk| {
        let ana = made(&desk, NewAccount { login: Some(login(1)), ..account("ana@example.com") }).await;
        for n in 1..4 {
            let ended = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'");
            server.sql("postgres", &ended);
            let done = Renewed::Done {
                login: desk.store.logins(ana.organization, ana.user, clock::now()).await.unwrap()[0].id,
                profile: ana.clone(),
            };
            assert_eq!(desk.store.renew(renewal(1, n, n + 1)).await.unwrap(), done);
        }
    });
}
