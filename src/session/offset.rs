//! The place in the order of all changes up to which a client has heard, as it carries it.

use smallvec::SmallVec;

/// Behind an offset that is only half of one.
const HALF: u8 = b'.';

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offset {
    pub pos: u64,
    /// The change with this `pos` was heard in the words of conversations, and not yet in those of rooms: a client that hears
    /// of a room in both is told of it twice, and may be cut off in between.
    pub half: bool,
}

impl Offset {
    /// In base 36.
    pub fn write(self, out: &mut Vec<u8>) {
        let mut digits = SmallVec::<[u8; 13]>::new();
        let mut rest = self.pos;
        loop {
            let digit = u8::try_from(rest % 36).unwrap_or_default();
            digits.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
            rest /= 36;
            if rest == 0 {
                break;
            }
        }
        out.extend(digits.iter().rev());
        if self.half {
            out.push(HALF);
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_suffix(char::from(HALF));
        let pos = u64::from_str_radix(digits.unwrap_or(text), 36).ok().filter(|_| !text.starts_with('+'))?;
        Some(Self { pos, half: digits.is_some() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        for (pos, text) in [(0, "0"), (35, "z"), (36, "10"), (u64::MAX, "3w5e11264sgsf")] {
            for (half, end) in [(false, ""), (true, ".")] {
                let (offset, mut written) = (Offset { pos, half }, Vec::new());
                offset.write(&mut written);
                assert_eq!(String::from_utf8(written).unwrap(), format!("{text}{end}"));
                assert_eq!(Offset::parse(&format!("{text}{end}")), Some(offset));
            }
        }
        for text in ["", ".", "-1", "+1", "é", "3w5e11264sgsg", "1 ", "1..", "1.2"] {
            assert_eq!(Offset::parse(text), None, "{text}");
        }
    }
}
