//! What every request is checked against, in memory: API keys, logins that have ended, accounts that are disabled.
//!
//! The database has the truth; here is what it said last. While it is away, what is here goes on being true.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use super::ports::{Ended, Hash, KeyEntry, Roll};
use super::refusal::Refusal;
use super::secrets;
use super::tokens::LEEWAY;
use crate::domain::{Identity, OrgId, Timestamp, UserId};

/// How long an access token lives.
pub const ACCESS_LIFETIME: Duration = Duration::from_mins(15);

/// Whose connections have to end.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Endings {
    /// Those of one login, or of one key.
    pub logins: Vec<Ended>,
    /// All that a user has, whatever token opened them.
    pub users: Vec<(OrgId, UserId)>,
}

/// For so long the end of a login must be remembered: then no access token of it is good any more.
pub const REMEMBERED: Duration = Duration::from_mins(17);

#[derive(Default)]
pub struct Directory(RwLock<State>);

#[derive(Default)]
struct State {
    /// Which version was read, and when. `None`: nothing was read yet.
    read: Option<(i64, Timestamp)>,
    keys: HashMap<Hash, KeyEntry>,
    /// Logins and keys that are good no longer, and since when.
    ended: HashMap<Ended, Timestamp>,
    disabled: HashSet<(OrgId, UserId)>,
}

impl Directory {
    /// Whom an API key stands for.
    pub fn key(&self, key: &str, now: Timestamp) -> Result<Arc<Identity>, Refusal> {
        let state = self.read();
        let entry = state.keys.get(&secrets::hash(key)).ok_or(Refusal::UnknownKey)?;
        if entry.is_revoked {
            return Err(Refusal::RevokedKey);
        }
        if entry.identity.expires_at.is_some_and(|at| now >= at + LEEWAY) {
            return Err(Refusal::Expired);
        }
        state.check(&entry.identity)?;
        Ok(Arc::clone(&entry.identity))
    }

    /// Whether what a good token stands for is still good.
    pub fn check(&self, identity: &Identity) -> Result<(), Refusal> {
        self.read().check(identity)
    }

    /// Whether this version of the roll is here, and was read less than `lifetime` ago.
    pub fn is_current(&self, version: i64, now: Timestamp, lifetime: Duration) -> bool {
        self.read().read.is_some_and(|(here, at)| here == version && now.since(at) < lifetime)
    }

    /// Notes that a login or key has ended before the database tells of it.
    pub fn end(&self, ended: Ended, now: Timestamp) {
        self.write().ended.insert(ended, now);
    }

    /// Takes over what the database says, and tells what has ended since the last time.
    pub fn replace(&self, roll: Roll, now: Timestamp) -> Endings {
        let keys: HashMap<Hash, KeyEntry> = roll.keys.into_iter().map(|entry| (entry.hash, entry)).collect();
        let disabled: HashSet<_> = roll.disabled.into_iter().collect();
        let mut state = self.write();
        let is_good = |entry: &KeyEntry, disabled: &HashSet<(OrgId, UserId)>| {
            let owner = entry.identity.organization.map(|it| (it, entry.identity.user));
            !entry.is_revoked && !owner.is_some_and(|owner| disabled.contains(&owner))
        };
        let lost = state.keys.iter().filter(|(hash, old)| {
            is_good(old, &state.disabled) && !keys.get(*hash).is_some_and(|new| is_good(new, &disabled))
        });
        let lost = lost.filter_map(|(_, entry)| ended(&entry.identity));
        let over = roll.ended.iter().map(|(ended, _)| *ended);
        let endings = Endings {
            logins: lost.chain(over).filter(|it| !state.ended.contains_key(it)).collect(),
            users: disabled.difference(&state.disabled).copied().collect(),
        };
        // What ended here a moment ago may not have been in what was just read.
        state.ended.retain(|_, since| now.since(*since) < REMEMBERED);
        state.ended.extend(roll.ended);
        state.read = Some((roll.version, now));
        state.keys = keys;
        state.disabled = disabled;
        endings
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn check(&self, identity: &Identity) -> Result<(), Refusal> {
        let Some(organization) = identity.organization else { return Ok(()) };
        if ended(identity).is_some_and(|it| self.ended.contains_key(&it)) {
            return Err(Refusal::SessionEnded);
        }
        if self.disabled.contains(&(organization, identity.user)) {
            return Err(Refusal::Disabled);
        }
        Ok(())
    }
}

/// What would be said to have ended if this identity's login did.
fn ended(identity: &Identity) -> Option<Ended> {
    Some(Ended { organization: identity.organization?, user: identity.user, login: identity.login? })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{LoginId, Role, Scopes};

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn identity(login: u128) -> Identity {
        Identity {
            organization: Some(OrgId(Uuid::from_u128(1))),
            user: UserId(Uuid::from_u128(2)),
            role: Role::Member,
            name: "Ana".into(),
            email: None,
            expires_at: None,
            login: Some(LoginId(Uuid::from_u128(login))),
            scopes: Scopes::ALL,
        }
    }

    fn key(text: &str, login: u128) -> KeyEntry {
        KeyEntry { hash: secrets::hash(text), identity: Arc::new(identity(login)), is_revoked: false }
    }

    fn directory(keys: Vec<KeyEntry>) -> Directory {
        let directory = Directory::default();
        assert_eq!(directory.replace(Roll { keys, ..Roll::default() }, NOW), Endings::default());
        directory
    }

    #[test]
    fn a_key_is_good_until_it_is_revoked_and_its_end_is_told_once() {
        let directory = directory(vec![key("tk_one", 7)]);
        assert_eq!(directory.key("tk_one", NOW).map(|it| it.login), Ok(identity(7).login));
        assert_eq!(directory.key("tk_two", NOW), Err(Refusal::UnknownKey));
        let revoked = || Roll { keys: vec![KeyEntry { is_revoked: true, ..key("tk_one", 7) }], ..Roll::default() };
        assert_eq!(directory.replace(revoked(), NOW).logins, [ended(&identity(7)).expect("a login")]);
        assert_eq!(directory.key("tk_one", NOW), Err(Refusal::RevokedKey));
        assert_eq!(directory.replace(revoked(), NOW), Endings::default());
    }

    #[test]
    fn a_key_ends_with_its_time() {
        let entry = key("tk_one", 7);
        let mortal = Identity { expires_at: Some(NOW), ..(*entry.identity).clone() };
        let directory = directory(vec![KeyEntry { identity: Arc::new(mortal), ..entry }]);
        assert!(directory.key("tk_one", NOW + Duration::from_secs(29)).is_ok());
        assert_eq!(directory.key("tk_one", NOW + LEEWAY), Err(Refusal::Expired));
    }

    #[test]
    fn a_login_that_ended_here_stays_ended_whatever_an_older_answer_says() {
        let directory = directory(Vec::new());
        let gone = ended(&identity(7)).expect("a login");
        directory.end(gone, NOW);
        assert_eq!(directory.check(&identity(7)), Err(Refusal::SessionEnded));
        assert_eq!(directory.check(&identity(8)), Ok(()));
        directory.replace(Roll::default(), NOW + Duration::from_secs(1));
        assert_eq!(directory.check(&identity(7)), Err(Refusal::SessionEnded));
        let confirmed = Roll { ended: vec![(gone, NOW)], ..Roll::default() };
        assert_eq!(directory.replace(confirmed, NOW), Endings::default(), "it was told where it ended");
        directory.replace(Roll::default(), NOW + REMEMBERED);
        assert_eq!(directory.check(&identity(7)), Ok(()), "by now every token of it has expired");
    }

    #[test]
    fn a_disabled_account_keeps_its_keys_and_tokens_out() {
        let directory = directory(vec![key("tk_one", 7)]);
        let owner = (OrgId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let roll = |disabled| Roll { keys: vec![key("tk_one", 7)], disabled, ..Roll::default() };
        let endings = Endings { logins: vec![ended(&identity(7)).expect("a login")], users: vec![owner] };
        assert_eq!(directory.replace(roll(vec![owner]), NOW), endings);
        assert_eq!(directory.replace(roll(vec![owner]), NOW), Endings::default(), "it is told once");
        assert_eq!(directory.key("tk_one", NOW), Err(Refusal::Disabled));
        assert_eq!(directory.check(&identity(9)), Err(Refusal::Disabled));
        assert_eq!(directory.replace(roll(Vec::new()), NOW), Endings::default());
        assert!(directory.key("tk_one", NOW).is_ok());
    }
}
