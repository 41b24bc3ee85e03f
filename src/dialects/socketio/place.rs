//! Where a client has stopped hearing, as it carries it: an offset, and where that does not say enough, how many pieces of
//! rooms' pasts it has heard.

use crate::domain::RecoveryId;
use crate::session::offset::Offset;

/// Between the parts of a place.
const BREAK: char = '-';

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) offset: Offset,
    /// `None`: it is the same for everyone who is told.
    pub(super) own: Option<Own>,
}

/// What is true of one connection alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Own {
    /// How many pieces of pasts it had been told.
    pub(super) past: u64,
    /// Which connection it is.
    pub(super) of: u64,
}

impl From<Offset> for Place {
    fn from(offset: Offset) -> Self {
        Self { offset, own: None }
    }
}

/// A connection's name as far as places tell it: they are not secret, and clients keep the last one when they are given
/// another name.
pub(super) fn short(id: RecoveryId) -> u64 {
    id.0.as_u64_pair().1
}

impl Place {
    /// As an [`Offset`] is written; what is true of one connection alone follows in two more numbers.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        self.offset.write(out);
        for number in self.own.iter().flat_map(|own| [own.past, own.of]) {
            out.extend_from_slice(BREAK.encode_utf8(&mut [0; 4]).as_bytes());
            Offset { pos: number, half: false }.write(out);
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let Some((offset, own)) = text.split_once(BREAK) else { return Offset::parse(text).map(Self::from) };
        let (past, of) = own.split_once(BREAK)?;
        let number = |text| Offset::parse(text).filter(|it| !it.half).map(|it| it.pos);
        let own = Own { past: number(past)?, of: number(of)? };
        Some(Self { offset: Offset::parse(offset)?, own: Some(own) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let own = Own { past: 36, of: u64::MAX };
        for (place, text) in [
            (Place { offset: Offset { pos: 35, half: false }, own: None }, "z"),
            (Place { offset: Offset { pos: 35, half: true }, own: None }, "z."),
            (Place { offset: Offset { pos: 35, half: false }, own: Some(own) }, "z-10-3w5e11264sgsf"),
            (Place { offset: Offset { pos: 0, half: true }, own: Some(own) }, "0.-10-3w5e11264sgsf"),
        ] {
            let mut written = Vec::new();
            place.write(&mut written);
            assert_eq!(String::from_utf8(written).unwrap(), text);
            assert_eq!(Place::parse(text), Some(place));
        }
        for text in
            ["", "-", "--", "z-", "z-1", "z--1", "-1-1", "z-1-", "z-1.-1", "z-1-1.", "z-1-1-1", "z-+1-1", "é-1-1"]
        {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }
}
