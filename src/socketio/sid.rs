//! The ids of sessions: random, so that only those know one to whom it was told.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use crate::clock;

const BYTES: usize = 15;
const LEN: usize = BYTES / 3 * 4;

/// 15 random bytes in base64, in the alphabet that needs no escapes in URLs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Sid([u8; LEN]);

impl Sid {
    /// `None`: the system has no random numbers to give.
    pub(super) fn fresh() -> Option<Self> {
        let mut sid = [0; LEN];
        BASE64.encode_slice(clock::random::<BYTES>()?, &mut sid).ok()?;
        Some(Self(sid))
    }

    /// What may be one, by its length.
    pub(super) fn of(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
    }

    pub(super) fn as_str(&self) -> &str {
        // What came from outside is text, too.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_twenty_letters_and_no_two_are_the_same() {
        let (one, other) = (Sid::fresh().unwrap(), Sid::fresh().unwrap());
        assert_ne!(one, other);
        assert!(
            one.as_str().len() == 20 && one.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
        assert_eq!(Sid::of(one.as_str()), Some(one));
        assert_eq!(Sid::of("short"), None);
    }
}
