//! Frames from the server to a client: never masked, never fragmented (RFC 6455, section 5.1).

use bytes::Bytes;

use super::{MAX_CONTROL, Opcode};
use crate::domain::CloseReason;

/// The longest header that a server's frame can have.
pub const MAX_HEADER: usize = 10;

/// A frame around the payload that `write` appends to the buffer it is given, in one allocation if `hint` is at least
/// the payload's length. `None` where `write` returns false.
pub fn frame_with(opcode: Opcode, hint: usize, write: impl FnOnce(&mut Vec<u8>) -> bool) -> Option<Bytes> {
    let mut buffer = Vec::with_capacity(MAX_HEADER + hint);
    buffer.resize(MAX_HEADER, 0);
    if !write(&mut buffer) {
        return None;
    }
    let (header, len) = header(opcode, buffer.len() - MAX_HEADER);
    let start = MAX_HEADER - len;
    buffer[start..MAX_HEADER].copy_from_slice(&header[..len]);
    Some(Bytes::from(buffer).slice(start..))
}

/// A frame around a copy of `payload`.
pub fn frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    let (header, len) = header(opcode, payload.len());
    let mut buffer = Vec::with_capacity(len + payload.len());
    buffer.extend_from_slice(&header[..len]);
    buffer.extend_from_slice(payload);
    Bytes::from(buffer)
}

/// A Ping without payload.
pub const PING: Bytes = Bytes::from_static(&[0x89, 0x00]);

/// A Close frame that tells `reason`.
pub fn close_frame(reason: CloseReason) -> Bytes {
    let mut payload = Vec::with_capacity(MAX_CONTROL);
    payload.extend_from_slice(&reason.code().to_be_bytes());
    payload.extend_from_slice(reason.as_str().as_bytes());
    frame(Opcode::Close, &payload)
}

/// The answer to a peer's Close frame: its own code, without the text (section 5.5.1).
pub fn close_echo(code: Option<u16>) -> Bytes {
    match code {
        Some(code) => frame(Opcode::Close, &code.to_be_bytes()),
        None => frame(Opcode::Close, &[]),
    }
}

/// The frames that lie behind one another in `bytes`, as functions of this module wrote them: opcode and payload of each.
pub fn frames(mut bytes: &[u8]) -> impl Iterator<Item = (Opcode, &[u8])> {
    std::iter::from_fn(move || {
        let (&[first, len], rest) = bytes.split_first_chunk()?;
        let (len, rest) = match len {
            126 => rest.split_first_chunk().map(|(len, rest)| (u64::from(u16::from_be_bytes(*len)), rest))?,
            127 => rest.split_first_chunk().map(|(len, rest)| (u64::from_be_bytes(*len), rest))?,
            len => (u64::from(len), rest),
        };
        let (payload, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
        bytes = rest;
        Some((Opcode::from_bits(first & 0x0F)?, payload))
    })
}

/// The header of an unfragmented frame, and how many of its bytes count.
fn header(opcode: Opcode, len: usize) -> ([u8; MAX_HEADER], usize) {
    let mut header = [0; MAX_HEADER];
    header[0] = 0x80 | opcode.bits();
    if let Ok(len) = u8::try_from(len)
        && usize::from(len) <= MAX_CONTROL
    {
        header[1] = len;
        (header, 2)
    } else if let Ok(len) = u16::try_from(len) {
        header[1] = 126;
        header[2..4].copy_from_slice(&len.to_be_bytes());
        (header, 4)
    } else {
        header[1] = 127;
        header[2..].copy_from_slice(&(len as u64).to_be_bytes());
        (header, MAX_HEADER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header_of(len: usize) -> Vec<u8> {
        let bytes = frame(Opcode::Text, &vec![b'x'; len]);
        bytes[..bytes.len() - len].to_vec()
    }

    #[test]
    fn the_length_takes_as_few_bytes_as_it_can() {
        assert_eq!(header_of(0), [0x81, 0]);
        assert_eq!(header_of(125), [0x81, 125]);
        assert_eq!(header_of(126), [0x81, 126, 0, 126]);
        assert_eq!(header_of(65_535), [0x81, 126, 0xff, 0xff]);
        assert_eq!(header_of(65_536), [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_payload_written_in_place_makes_the_same_frame() {
        for len in [0, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; len];
            let in_place = frame_with(Opcode::Binary, 16, |out| {
                out.extend_from_slice(&payload);
                true
            });
            assert_eq!(in_place, Some(frame(Opcode::Binary, &payload)));
        }
        assert_eq!(frame_with(Opcode::Text, 0, |_| false), None);
    }

    #[test]
    fn frames_are_read_back_from_where_they_lie() {
        let payloads: Vec<_> = [0, 125, 126, 65_535, 65_536].iter().map(|&len| vec![b'x'; len]).collect();
        let bytes: Vec<u8> = payloads.iter().flat_map(|payload| frame(Opcode::Text, payload)).collect();
        let read: Vec<_> = frames(&bytes).map(|(opcode, payload)| (opcode, payload.to_vec())).collect();
        assert_eq!(read, payloads.into_iter().map(|payload| (Opcode::Text, payload)).collect::<Vec<_>>());
        assert_eq!(frames(&bytes[..1]).count(), 0);
    }

    #[test]
    fn every_close_reason_fits_into_a_control_frame() {
        for &reason in CloseReason::ALL {
            let frame = close_frame(reason);
            assert!(frame.len() <= 2 + MAX_CONTROL);
            assert_eq!(frame[2..4], reason.code().to_be_bytes());
        }
    }

    #[test]
    fn an_echoed_close_carries_the_code_it_got() {
        assert_eq!(close_echo(Some(3000))[..], [0x88, 2, 0x0b, 0xb8]);
        assert_eq!(close_echo(None)[..], [0x88, 0]);
    }
}
