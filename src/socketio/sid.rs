//! The ids by which a client knows its sessions and sockets: random, so that nobody guesses another's.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

/// 15 random bytes make this many characters.
const LEN: usize = 20;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sid([u8; LEN]);

/// The system has no random numbers to give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRandomness;

impl Sid {
    pub fn draw() -> Result<Self, NoRandomness> {
        let mut random = [0; LEN / 4 * 3];
        getrandom::fill(&mut random).map_err(|_| NoRandomness)?;
        let mut text = [0; LEN];
        // It fits: four characters for three bytes.
        let _ = BASE64.encode_slice(random, &mut text);
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        // Base64 is ASCII.
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
    }
}
