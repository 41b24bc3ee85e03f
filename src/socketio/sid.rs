//! The ids of sessions and sockets: random, so that only those know one to whom it was told.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

const BYTES: usize = 15;
const LEN: usize = BYTES / 3 * 4;

/// 15 random bytes in base64, in the alphabet that needs no escapes in URLs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Sid([u8; LEN]);

impl Sid {
    /// `None`: the system has no random numbers to give.
    pub(super) fn fresh() -> Option<Self> {
        let mut random = [0; BYTES];
        getrandom::fill(&mut random).ok()?;
        let mut sid = [0; LEN];
        BASE64.encode_slice(random, &mut sid).ok()?;
        Some(Self(sid))
    }

    pub(super) fn as_str(&self) -> &str {
        // Base64 is ASCII.
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
        assert_eq!(one.as_str().len(), 20);
        assert!(one.as_str().bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it)));
    }
}
