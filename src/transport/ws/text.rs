//! Text that arrives in pieces: checked as it comes, so that the first bad byte ends it.

/// The bytes are not UTF-8, however the text would have gone on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NotUtf8;

/// Text so far, and at most three bytes of a character whose end has not come yet.
#[derive(Default, Debug)]
pub(super) struct PartialText {
    text: String,
    tail: [u8; 4],
    tail_len: u8,
}

impl PartialText {
    /// Bytes taken so far.
    pub(super) fn len(&self) -> usize {
        self.text.len() + usize::from(self.tail_len)
    }

    /// Takes the next piece. The buffer grows by doubling, but never beyond `limit` bytes.
    pub(super) fn push(&mut self, mut piece: &[u8], limit: usize) -> Result<(), NotUtf8> {
        while self.tail_len > 0
            && let Some((&next, rest)) = piece.split_first()
        {
            piece = rest;
            self.extend_tail(next, limit)?;
        }
        let (whole, cut) = split_at_cut(piece)?;
        self.append(whole, limit);
        for &byte in cut {
            self.extend_tail(byte, limit)?;
        }
        Ok(())
    }

    /// The whole text, unless it ends within a character.
    pub(super) fn finish(self) -> Result<String, NotUtf8> {
        if self.tail_len == 0 { Ok(self.text) } else { Err(NotUtf8) }
    }

    fn extend_tail(&mut self, byte: u8, limit: usize) -> Result<(), NotUtf8> {
        let len = usize::from(self.tail_len);
        self.tail[len] = byte;
        self.tail_len += 1;
        let tail = self.tail;
        match std::str::from_utf8(&tail[..=len]) {
            Ok(character) => {
                self.append(character, limit);
                self.tail_len = 0;
                Ok(())
            }
            Err(error) if error.error_len().is_none() => Ok(()),
            Err(_) => Err(NotUtf8),
        }
    }

    fn append(&mut self, piece: &str, limit: usize) {
        let (len, capacity) = (self.text.len(), self.text.capacity());
        if capacity - len < piece.len() {
            self.text.reserve_exact(super::reader::grown(capacity, len + piece.len(), limit) - len);
        }
        self.text.push_str(piece);
    }
}

/// Splits off what may be the beginning of a character at the end of `piece`.
fn split_at_cut(piece: &[u8]) -> Result<(&str, &[u8]), NotUtf8> {
    let error = match std::str::from_utf8(piece) {
        Ok(whole) => return Ok((whole, &[])),
        Err(error) => error,
    };
    if error.error_len().is_some() {
        return Err(NotUtf8);
    }
    let (whole, cut) = piece.split_at(error.valid_up_to());
    Ok((std::str::from_utf8(whole).map_err(|_| NotUtf8)?, cut))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_pieces(bytes: &[u8], size: usize) -> Result<String, NotUtf8> {
        let mut text = PartialText::default();
        for piece in bytes.chunks(size) {
            text.push(piece, usize::MAX)?;
        }
        text.finish()
    }

    #[test]
    fn a_character_may_be_cut_anywhere() {
        let text = "a κόσμε €\u{10348}!";
        for size in 1..text.len() {
            assert_eq!(in_pieces(text.as_bytes(), size), Ok(text.to_owned()));
        }
    }

    #[test]
    fn the_first_byte_that_cannot_go_on_is_refused_at_once() {
        let mut text = PartialText::default();
        assert_eq!(text.push(&[0xF4], 100), Ok(()));
        assert_eq!(text.push(&[0x90], 100), Err(NotUtf8), "beyond U+10FFFF");
        let mut text = PartialText::default();
        assert_eq!(text.push(&[0xED, 0xA0], 100), Err(NotUtf8), "a surrogate");
    }

    #[test]
    fn an_end_within_a_character_is_refused() {
        assert_eq!(in_pieces(&"€".as_bytes()[..2], 1), Err(NotUtf8));
    }

    proptest! {
        #[test]
        fn any_pieces_are_judged_as_the_whole(bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x20..0x7fu8, Just(0xC3), Just(0x9F)], 0..40), size in 1..8usize) {
            prop_assert_eq!(in_pieces(&bytes, size).ok(), String::from_utf8(bytes).ok());
        }
    }
}
