//! WebSocket frames as far as measuring needs them, from either side.

use std::ops::Range;

const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// Clients have to mask what they send. This key is always the same, so that a frame can be patched and sent again.
pub const MASK: [u8; 4] = [0x5a, 0xc3, 0x17, 0x8e];

/// Where the frame at the beginning of some bytes has its parts. It ends where its payload ends.
pub struct Frame {
    pub opcode: u8,
    /// Whether a message ends with it.
    pub last: bool,
    pub payload: Range<usize>,
    pub mask: Option<[u8; 4]>,
}

/// Where the message at the beginning of some bytes has its parts.
pub struct Message {
    pub opcode: u8,
    /// Of its first frame, and mostly of its only one.
    pub payload: Range<usize>,
    /// Of all its frames' payloads together.
    pub length: usize,
    pub end: usize,
}

/// The first frame of `bytes`, which is a whole message; `None` while it is not complete.
pub fn first(bytes: &[u8]) -> Result<Option<Frame>, String> {
    match piece(bytes)? {
        Some(frame) if !frame.last || frame.opcode == CONTINUATION => Err("fragments are not spoken here".to_owned()),
        frame => Ok(frame),
    }
}

/// The first message of `bytes`, in however many frames it came; `None` while it is not complete. Nothing may come between
/// its frames.
pub fn message(bytes: &[u8]) -> Result<Option<Message>, String> {
    let Some(first) = piece(bytes)? else { return Ok(None) };
    let (mut length, mut end, mut complete) = (first.payload.len(), first.payload.end, first.last);
    while !complete {
        let Some(next) = piece(&bytes[end..])? else { return Ok(None) };
        if next.opcode != CONTINUATION {
            return Err(format!("a frame with the opcode {} within a message", next.opcode));
        }
        length += next.payload.len();
        end += next.payload.end;
        complete = next.last;
    }
    Ok(Some(Message { opcode: first.opcode, payload: first.payload, length, end }))
}

/// The first frame of `bytes`, whatever part of a message it is; `None` while it is not complete.
pub fn piece(bytes: &[u8]) -> Result<Option<Frame>, String> {
    let [first, second, ..] = *bytes else { return Ok(None) };
    if first & 0x70 != 0 {
        return Err(format!("a frame that begins with {first:#04x}: extensions are not spoken here"));
    }
    let (head, length) = match second & 0x7f {
        126 => (4, number(bytes.get(2..4))),
        127 => (10, number(bytes.get(2..10))),
        short => (2, Some(usize::from(short))),
    };
    let Some(length) = length else { return Ok(None) };
    let masked = second & 0x80 != 0;
    let start: usize = head + if masked { 4 } else { 0 };
    let Some(end) = start.checked_add(length).filter(|end| *end <= bytes.len()) else { return Ok(None) };
    let mask = if masked { bytes[head..start].try_into().ok() } else { None };
    Ok(Some(Frame { opcode: first & 0x0f, last: first & 0x80 != 0, payload: start..end, mask }))
}

fn number(bytes: Option<&[u8]>) -> Option<usize> {
    bytes?.iter().try_fold(0usize, |number, byte| Some(number.checked_mul(256)? | usize::from(*byte)))
}

/// A frame as servers send it.
pub fn from_server(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 10);
    append_from_server(&mut frame, opcode, payload);
    frame
}

/// The same, behind what is there already.
pub fn append_from_server(bytes: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    bytes.extend_from_slice(&head(opcode, payload.len(), 0));
    bytes.extend_from_slice(payload);
}

/// A frame as clients send it.
pub fn from_client(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(opcode, payload.len(), 0x80);
    frame.extend_from_slice(&MASK);
    let start = frame.len();
    frame.resize(start + payload.len(), 0);
    patch(&mut frame, start, 0, payload);
    frame
}

/// Writes `bytes` at `at` into the payload of a client's frame; the payload starts at `start`.
pub fn patch(frame: &mut [u8], start: usize, at: usize, bytes: &[u8]) {
    for (nth, byte) in bytes.iter().enumerate() {
        frame[start + at + nth] = byte ^ MASK[(at + nth) % 4];
    }
}

fn head(opcode: u8, length: usize, masked: u8) -> Vec<u8> {
    let mut head = vec![0x80 | opcode];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length), _) if length < 126 => head.push(masked + length),
        (_, Ok(length)) => {
            head.push(masked + 126);
            head.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            head.push(masked + 127);
            head.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_are_read_as_they_were_written() {
        for length in [0, 1, 125, 126, 300, 65_535, 65_536] {
            let payload: Vec<u8> = (0..length).map(|it| it as u8).collect();
            for masked in [false, true] {
                let bytes = if masked { from_client(TEXT, &payload) } else { from_server(TEXT, &payload) };
                assert!(first(&bytes[..bytes.len() - 1]).unwrap().is_none(), "{length}: not complete");
                let frame = first(&bytes).unwrap().unwrap();
                assert_eq!((frame.opcode, frame.payload.end, frame.mask.is_some()), (TEXT, bytes.len(), masked));
                let mut read = bytes[frame.payload].to_vec();
                for (nth, byte) in read.iter_mut().enumerate() {
                    *byte ^= frame.mask.map_or(0, |mask| mask[nth % 4]);
                }
                assert_eq!(read, payload, "{length}");
            }
        }
    }

    #[test]
    fn fragments_are_refused() {
        assert!(first(&[0x01, 0x00]).is_err());
        assert!(first(&[0x80, 0x00]).is_err());
        assert!(first(&[0xc1, 0x00]).is_err());
    }

    #[test]
    fn a_message_in_several_frames_is_one() {
        let bytes = [0x01, 2, b'a', b'b', 0x00, 1, b'c', 0x80, 0, 0x81, 0];
        for end in 0..9 {
            assert!(message(&bytes[..end]).unwrap().is_none(), "{end} bytes of it");
        }
        let message = message(&bytes).unwrap().unwrap();
        assert_eq!((message.opcode, message.payload, message.length, message.end), (TEXT, 2..4, 3, 9));
    }

    #[test]
    fn a_message_within_another_is_refused() {
        assert!(message(&[0x01, 0, 0x81, 0]).is_err());
    }
}
