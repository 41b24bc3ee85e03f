//! The header of a WebSocket frame, read and written (RFC 6455, section 5.2), whichever side it comes from.

use crate::transport::ws::{MAX_CONTROL, Opcode};

/// The longest header there is.
pub const MAX: usize = 14;

/// The longest header without a mask.
pub const MAX_UNMASKED: usize = 10;

/// What a header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub opcode: Opcode,
    pub fin: bool,
    pub mask: Option<[u8; 4]>,
    /// Of the payload.
    pub len: u64,
    /// Of the header itself.
    pub size: usize,
}

/// A header that breaks a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Violation;

impl Header {
    /// Reads the header that `bytes` begin with. `None`: there must be more of them first.
    ///
    /// `masked`: whether frames of this side must be masked, or must not. `within`: a message of several frames is
    /// under way.
    ///
    /// # Errors
    /// As soon as the byte is there that breaks a rule.
    pub fn parse(bytes: &[u8], masked: bool, within: bool) -> Result<Option<Self>, Violation> {
        let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
        let (fin, reserved) = (first & 0x80 != 0, first & 0x70);
        let opcode = Opcode::from_bits(first & 0x0F).filter(|_| reserved == 0).ok_or(Violation)?;
        let in_place = if opcode.is_control() { fin } else { (opcode == Opcode::Continuation) == within };
        if !in_place {
            return Err(Violation);
        }
        let Some((&second, rest)) = rest.split_first() else { return Ok(None) };
        let short = second & 0x7F;
        if (second & 0x80 != 0) != masked || (opcode.is_control() && usize::from(short) > MAX_CONTROL) {
            return Err(Violation);
        }
        let (len, rest) = match short {
            126 => {
                let Some((len, rest)) = rest.split_first_chunk() else { return Ok(None) };
                (u64::from(u16::from_be_bytes(*len)), rest)
            }
            127 => {
                let Some((len, rest)) = rest.split_first_chunk() else { return Ok(None) };
                (u64::from_be_bytes(*len), rest)
            }
            short => (u64::from(short), rest),
        };
        if len > i64::MAX.unsigned_abs() {
            return Err(Violation);
        }
        let (mask, rest) = if masked {
            let Some((mask, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (Some(*mask), rest)
        } else {
            (None, rest)
        };
        Ok(Some(Self { opcode, fin, mask, len, size: bytes.len() - rest.len() }))
    }
}

/// The header of a frame without a mask, and how many of its bytes count.
pub fn unmasked(opcode: Opcode, fin: bool, len: usize) -> ([u8; MAX_UNMASKED], usize) {
    let mut header = [0; MAX_UNMASKED];
    header[0] = if fin { 0x80 } else { 0 } | opcode.bits();
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..126), _) => {
            header[1] = len;
            (header, 2)
        }
        (_, Ok(len)) => {
            header[1] = 126;
            header[2..4].copy_from_slice(&len.to_be_bytes());
            (header, 4)
        }
        _ => {
            header[1] = 127;
            header[2..].copy_from_slice(&(len as u64).to_be_bytes());
            (header, MAX_UNMASKED)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            let (bytes, size) = unmasked(Opcode::Binary, false, len);
            let header = Header::parse(&bytes[..size], false, false).unwrap().unwrap();
            assert_eq!(header, Header { opcode: Opcode::Binary, fin: false, mask: None, len: len as u64, size });
            for cut in 0..size {
                assert_eq!(Header::parse(&bytes[..cut], false, false), Ok(None));
            }
        }
    }

    #[test]
    fn a_mask_is_there_where_it_must_be_and_nowhere_else() {
        let masked = [0x81, 0x82, 1, 2, 3, 4, 0, 0];
        let header = Header::parse(&masked, true, false).unwrap().unwrap();
        assert_eq!((header.mask, header.len, header.size), (Some([1, 2, 3, 4]), 2, 6));
        assert_eq!(Header::parse(&masked, false, false), Err(Violation));
        assert_eq!(Header::parse(&[0x81, 0x02], true, false), Err(Violation));
    }

    #[test]
    fn each_rule_is_enforced_at_its_byte() {
        for (bytes, within) in [
            (&[0xC1][..], false),
            (&[0xA1], false),
            (&[0x91], false),
            (&[0x83], false),
            (&[0x8B], false),
            (&[0x09], false),
            (&[0x80], false),
            (&[0x81], true),
            (&[0x89, 126], false),
            (&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], false),
        ] {
            assert_eq!(Header::parse(bytes, false, within), Err(Violation), "{bytes:?}");
        }
        assert!(Header::parse(&[0x8A, 0], false, true).unwrap().is_some(), "control frames come between fragments");
    }
}
