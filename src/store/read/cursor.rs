//! Where a list goes on: the sort key of the last item, as one word that means nothing to whoever carries it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::domain::Timestamp;

/// Each kind fits one sort of list only; a word of another list is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cursor {
    /// A list by id: what comes after this one.
    Id(Uuid),
    /// A list by age, the newest first: what is older than this, or as old with a smaller id.
    Age(Timestamp, Uuid),
    /// Numbered things before this number, the newest first.
    Older(u64),
    /// Numbered things after this number, the oldest first.
    Newer(u64),
}

impl Cursor {
    pub(super) fn newer(number: u64) -> Self {
        Self::Newer(number)
    }
}

/// What was given is no cursor of any list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(25);
        match self {
            Self::Id(id) => {
                bytes.push(1);
                bytes.extend(id.as_bytes());
            }
            Self::Age(at, id) => {
                bytes.push(2);
                bytes.extend(at.as_micros().to_be_bytes());
                bytes.extend(id.as_bytes());
            }
            Self::Older(number) => {
                bytes.push(3);
                bytes.extend(number.to_be_bytes());
            }
            Self::Newer(number) => {
                bytes.push(4);
                bytes.extend(number.to_be_bytes());
            }
        }
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NoCursor)?;
        let (kind, rest) = bytes.split_first().ok_or(NoCursor)?;
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).map_err(|_| NoCursor);
        match kind {
            1 => Uuid::from_slice(rest).map(Self::Id).map_err(|_| NoCursor),
            2 => {
                let (at, id) = rest.split_at_checked(8).ok_or(NoCursor)?;
                let at = at.try_into().map(i64::from_be_bytes).map_err(|_| NoCursor)?;
                Uuid::from_slice(id).map(|id| Self::Age(Timestamp::from_micros(at), id)).map_err(|_| NoCursor)
            }
            3 => number(rest).map(Self::Older),
            4 => number(rest).map(Self::Newer),
            _ => Err(NoCursor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else_is() {
        let id = Uuid::from_u128(0x1234_5678_9abc_def0);
        for cursor in
            [Cursor::Id(id), Cursor::Age(Timestamp::from_micros(-7), id), Cursor::Older(u64::MAX), Cursor::Newer(1)]
        {
            let text = cursor.to_string();
            assert!(text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_'), "{text}");
            assert_eq!(text.parse(), Ok(cursor));
            assert_eq!(text[..text.len() - 2].parse::<Cursor>(), Err(NoCursor), "cut short");
        }
        for text in ["", "A", "****", "BQAAAAAAAAAA", "1234"] {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
        }
    }
}
