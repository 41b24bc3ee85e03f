//! Passwords: hashed with Argon2id, a few at a time, on threads where nothing else waits.
//!
//! A hash takes 19 MiB and tens of milliseconds, on purpose. So only some run at once, a bounded number wait, and whoever
//! comes then is asked to come back: guessing passwords must not stop the hub.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use super::secrets::random;
use crate::domain::Reject;

/// In KiB: 19 MiB.
const MEMORY: u32 = 19 * 1_024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// How many may wait for their turn.
const WAITING: usize = 64;

const MIN_CHARS: usize = 8;
const MAX_CHARS: usize = 256;

/// Of a password that nobody has. Checked where there is no account, so that it takes as long as where there is one.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZWJvZHkncyBzYWx0$gmGhKvPvSbI9eVkHmVWVDzpH5yzUcAtyV3VAqTRyrtA";

/// Too many wait already, or there is no way to hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overloaded;

/// What a password turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Wrong,
    Right,
    /// Right, and its hash took less effort than one made now would.
    Outdated,
}

pub struct Passwords {
    running: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

impl Default for Passwords {
    /// Half of the cores may hash, so that the others are left to those who are in already.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self { running: Arc::new(Semaphore::new(cores.div_ceil(2))), waiting: Arc::default() }
    }
}

/// What a password must be to be hashed at all.
pub fn check(password: &str) -> Result<(), Reject> {
    if (MIN_CHARS..=MAX_CHARS).contains(&password.chars().take(MAX_CHARS + 1).count()) {
        Ok(())
    } else {
        Err(Reject::field("password", "8 to 256 characters"))
    }
}

/// Longer ones are nobody's, and are not hashed.
pub fn may_be_one(password: &str) -> bool {
    password.chars().take(MAX_CHARS + 1).count() <= MAX_CHARS
}

impl Passwords {
    pub async fn hash(&self, password: Box<str>) -> Result<Box<str>, Overloaded> {
        self.run(move || {
            let salt = random::<16>().map_err(|_| Overloaded)?;
            let hash = hasher()?.hash_password_with_salt(password.as_bytes(), &salt).map_err(|_| Overloaded)?;
            Ok(hash.to_string().into())
        })
        .await?
    }

    /// Compares with `hash`; where there is none it takes as long, and is [`Verdict::Wrong`].
    pub async fn verify(&self, password: Box<str>, hash: Option<Box<str>>) -> Result<Verdict, Overloaded> {
        self.run(move || {
            let verdict = verify(&password, hash.as_deref().unwrap_or(NOBODY));
            if hash.is_some() { verdict } else { Verdict::Wrong }
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Overloaded> {
        let place = Place::take(&self.waiting).ok_or(Overloaded)?;
        let permit = Arc::clone(&self.running).acquire_owned().await.map_err(|_| Overloaded)?;
        drop(place);
        // The thread goes on where the client is gone, so the permit goes with it.
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.map_err(|_| Overloaded)
    }
}

/// A place in the queue, free again when it is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(Arc::clone(waiting));
        (waiting.fetch_add(1, Ordering::Relaxed) < WAITING).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn hasher() -> Result<Argon2<'static>, Overloaded> {
    let params = Params::new(MEMORY, PASSES, LANES, None).map_err(|_| Overloaded)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn verify(password: &str, hash: &str) -> Verdict {
    let Ok(parsed) = PasswordHash::new(hash) else { return Verdict::Wrong };
    // The effort is that of the hash.
    if Argon2::default().verify_password(password.as_bytes(), &parsed).is_err() {
        return Verdict::Wrong;
    }
    let current = Params::try_from(&parsed).is_ok_and(|params| {
        (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY, PASSES, LANES)
            && parsed.algorithm.as_str() == Algorithm::Argon2id.as_str()
    });
    if current { Verdict::Right } else { Verdict::Outdated }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(work: impl Future<Output = T>) -> T {
        actix_rt::System::new().block_on(work)
    }

    #[test]
    fn only_the_password_itself_is_right() {
        run(async {
            let passwords = Passwords::default();
            let hash = passwords.hash("correct horse".into()).await.expect("a hash");
            assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
            let other = passwords.hash("correct horse".into()).await.expect("a hash");
            assert_ne!(hash, other, "each with a salt of its own");
            for (password, verdict) in [("correct horse", Verdict::Right), ("correct horsf", Verdict::Wrong)] {
                assert_eq!(passwords.verify(password.into(), Some(hash.clone())).await, Ok(verdict));
            }
            assert_eq!(passwords.verify("correct horse".into(), Some("no hash".into())).await, Ok(Verdict::Wrong));
        });
    }

    #[test]
    fn a_hash_of_less_effort_is_told() {
        let params = Params::new(64, 1, 1, None).expect("parameters");
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash = weak.hash_password_with_salt(b"correct horse", &[7; 16]).expect("a hash").to_string();
        assert_eq!(verify("correct horse", &hash), Verdict::Outdated);
        assert_eq!(verify("wrong horse", &hash), Verdict::Wrong);
    }

    #[test]
    fn nobody_is_as_much_work_as_somebody() {
        let parsed = PasswordHash::new(NOBODY).expect("a hash");
        let params = Params::try_from(&parsed).expect("parameters");
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (MEMORY, PASSES, LANES));
        assert_eq!(run(Passwords::default().verify("anything".into(), None)), Ok(Verdict::Wrong));
    }

    #[test]
    fn a_flood_is_turned_away_and_leaves_no_trace() {
        run(async {
            let passwords = Passwords::default();
            let all = (0..WAITING + 20).map(|_| passwords.verify("guess".into(), None));
            let answers = futures_util::future::join_all(all).await;
            assert!(answers.iter().filter(|it| it.is_err()).count() >= 10);
            assert_eq!(passwords.waiting.load(Ordering::Relaxed), 0);
            assert_eq!(passwords.verify("guess".into(), None).await, Ok(Verdict::Wrong));
        });
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!(check("éééééééé").is_ok() && check(&"é".repeat(256)).is_ok());
        assert!(check("1234567").is_err() && check(&"x".repeat(257)).is_err());
    }
}
