//! The ids by which a client knows its sessions and sockets: random, so that nobody guesses another's.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use crate::clock;

const BYTES: usize = 15;
const LEN: usize = BYTES / 3 * 4;

/// 15 random bytes in base64, in the alphabet that needs no escapes in URLs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sid([u8; LEN]);

/// The system has no random numbers to give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRandomness;

impl Sid {
    pub fn draw() -> Result<Self, NoRandomness> {
        let random = clock::random::<BYTES>().ok_or(NoRandomness)?;
        let mut text = [0; LEN];
        // It fits: four characters for three bytes.
        let _ = BASE64.encode_slice(random, &mut text);
        Ok(Self(text))
    }

    /// What may be one, by its length.
    pub(super) fn of(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
    }

    pub fn as_str(&self) -> &str {
        // What came from outside is text, too.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_characters_that_need_no_escaping_and_no_two_alike() {
        let (one, other) = (Sid::draw().unwrap(), Sid::draw().unwrap());
        assert_eq!(one.as_str().len(), LEN);
        assert!(one.as_str().bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_')));
        assert_ne!(one, other);
        assert_eq!((Sid::of(one.as_str()), Sid::of("short")), (Some(one), None));
    }
}
