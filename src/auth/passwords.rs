//! Passwords: hashed with Argon2id, a few at a time, on threads of their own.
//!
//! A hash takes 19 MiB and tens of milliseconds, on purpose. So only some run at once, each always in the same memory, a
//! bounded number wait, and whoever comes then is asked to come back: guessing passwords must not stop the hub.

use std::num::NonZero;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, Version};

use super::hashers::{Hashers, Memory};
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

pub struct Passwords(Hashers);

impl Default for Passwords {
    /// Half of the cores may hash, so that the others are left to those who are in already.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self(Hashers::new(cores.div_ceil(2), WAITING))
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
        let hashed = self.0.run(move |memory| {
            let salt = Salt::new(&random::<16>().ok()?).ok()?;
            let params = Params::new(MEMORY, PASSES, LANES, None).ok()?;
            let hash = PasswordHash {
                algorithm: Algorithm::Argon2id.ident(),
                version: Some(Version::V0x13.into()),
                params: ParamsString::try_from(&params).ok()?,
                salt: Some(salt),
                hash: Some(output(&password, &salt, (Algorithm::Argon2id, Version::V0x13, params), memory)?),
            };
            Some(hash.to_string().into())
        });
        hashed.await.flatten().ok_or(Overloaded)
    }

    /// Compares with `hash`; where there is none it takes as long, and is [`Verdict::Wrong`].
    pub async fn verify(&self, password: Box<str>, hash: Option<Box<str>>) -> Result<Verdict, Overloaded> {
        let verdict = self.0.run(move |memory| {
            let verdict = verify(&password, hash.as_deref().unwrap_or(NOBODY), memory);
            if hash.is_some() { verdict } else { Verdict::Wrong }
        });
        verdict.await.ok_or(Overloaded)
    }
}

/// Hashes with whatever effort is asked for.
fn output(password: &str, salt: &Salt, how: (Algorithm, Version, Params), memory: &mut Memory) -> Option<Output> {
    let (algorithm, version, params) = how;
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let blocks = memory.blocks(params.block_count())?;
    let argon = Argon2::new(algorithm, version, params);
    let mut buffer = [0; Output::MAX_LENGTH];
    let out = buffer.get_mut(..length)?;
    argon.hash_password_into_with_memory(password.as_bytes(), salt, out, blocks).ok()?;
    Output::new(out).ok()
}

fn verify(password: &str, hash: &str, memory: &mut Memory) -> Verdict {
    checked(password, hash, memory).unwrap_or(Verdict::Wrong)
}

/// The effort is that of the hash. `None`: it is none that can be read.
fn checked(password: &str, hash: &str, memory: &mut Memory) -> Option<Verdict> {
    let parsed = PasswordHash::new(hash).ok()?;
    let (salt, wanted) = (parsed.salt?, parsed.hash?);
    let algorithm = Algorithm::try_from(parsed.algorithm.as_str()).ok()?;
    let version = parsed.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
    let params = Params::try_from(&parsed).ok()?;
    let is_current = algorithm == Algorithm::Argon2id
        && (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY, PASSES, LANES);
    // Outputs are compared in the same time, wherever they differ.
    if output(password, &salt, (algorithm, version, params), memory)? != wanted {
        return Some(Verdict::Wrong);
    }
    Some(if is_current { Verdict::Right } else { Verdict::Outdated })
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

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
            let parsed = PasswordHash::new(&hash).expect("a hash");
            assert_eq!(Argon2::default().verify_password(b"correct horse", &parsed), Ok(()), "as others hash");
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
        let mut memory = Memory::default();
        assert_eq!(verify("correct horse", &hash, &mut memory), Verdict::Outdated);
        assert_eq!(verify("wrong horse", &hash, &mut memory), Verdict::Wrong);
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
            assert!(answers.iter().filter(|it| it.is_ok()).count() >= WAITING);
            assert_eq!(passwords.verify("guess".into(), None).await, Ok(Verdict::Wrong));
        });
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!(check("éééééééé").is_ok() && check(&"é".repeat(256)).is_ok());
        assert!(check("1234567").is_err() && check(&"x".repeat(257)).is_err());
    }
}
