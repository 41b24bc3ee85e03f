//! What opens doors, drawn at random, and the hashes by which it is known again.
//!
//! The texts say what they are by how they begin: `tk_` an API key, `tr_` a refresh token.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use super::ports::{Family, Hash};

pub(super) const KEY_PREFIX: &str = "tk_";
const REFRESH_PREFIX: &str = "tr_";

/// So much of a key is shown, for people to tell keys apart.
const HINT_BYTES: usize = 7;

/// The system has no random numbers to give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRandomness;

pub(super) fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// For secrets of 32 random bytes, which nobody can guess: one round is enough.
pub(super) fn hash(secret: &str) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
    hash
}

/// A secret for another purpose, made of the one that tokens are signed with.
pub(super) fn derived(secret: &[u8], purpose: &str) -> Hash {
    let mut derived = Hash::default();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    derived.copy_from_slice(hmac::sign(&key, purpose.as_bytes()).as_ref());
    derived
}

pub(super) fn encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// A new API key: its text, which nobody keeps, its hash and its hint.
pub(super) fn new_key() -> Result<(String, Hash, Box<str>), NoRandomness> {
    let text = format!("{KEY_PREFIX}{}", encode(&random::<32>()?));
    let hint = text.get(..HINT_BYTES).unwrap_or_default().into();
    let hash = hash(&text);
    Ok((text, hash, hint))
}

/// A refresh token: the family of its login, and a secret of its own.
pub(super) fn new_refresh_token(family: Family) -> Result<(String, Hash), NoRandomness> {
    let secret = random::<32>()?;
    let text = format!("{REFRESH_PREFIX}{}", encode(&[&family[..], &secret].concat()));
    let hash = hash(&text);
    Ok((text, hash))
}

/// What a refresh token says of itself. `None`: it is none.
pub(super) fn read_refresh_token(text: &str) -> Option<(Family, Hash)> {
    // Longer ones are not even decoded.
    let encoded = text.strip_prefix(REFRESH_PREFIX).filter(|it| it.len() == 64)?;
    let bytes = BASE64.decode(encoded).ok()?;
    let family = bytes.first_chunk().copied()?;
    Some((family, hash(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_is_known_again_by_its_family_and_its_hash() {
        let family = random().expect("random bytes");
        let (first, second) =
            (new_refresh_token(family).expect("a token"), new_refresh_token(family).expect("a token"));
        assert_ne!(first, second);
        assert_eq!(read_refresh_token(&first.0), Some((family, first.1)));
        let cut = &first.0[..first.0.len() - 1];
        for wrong in ["", "tr_", cut, &first.0[3..], &format!("{}x", first.0), &first.0.replace("tr_", "tk_")] {
            assert_eq!(read_refresh_token(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn keys_differ_and_show_little() {
        let (one, two) = (new_key().expect("a key"), new_key().expect("a key"));
        assert!(one.0.starts_with("tk_") && one.0.len() == 46 && one.0 != two.0);
        assert_eq!((one.1, &*one.2), (hash(&one.0), &one.0[..7]));
    }

    #[test]
    fn a_derived_secret_depends_on_its_purpose_and_its_source() {
        assert_ne!(derived(b"secret", "one"), derived(b"secret", "two"));
        assert_ne!(derived(b"secret", "one"), derived(b"other", "one"));
        assert_eq!(derived(b"secret", "one"), derived(b"secret", "one"));
    }
}
