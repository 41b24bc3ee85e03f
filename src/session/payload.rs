//! The payloads of long polling: packets of Engine.IO, one behind another.
//!
//! What is told waits as WebSocket frames whichever way it goes, so that a broadcast is encoded once for both; a poll takes
//! the frames' headers off. Binary messages become base64, as a poll is text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::domain::CloseReason;
use crate::transport::ws::Opcode;
use crate::transport::ws::writer::frames;

/// Between two packets.
const SEPARATOR: u8 = 0x1E;

/// A packet that says nothing; it ends a poll.
pub(super) const NOOP: &str = "6";

/// A packet that ends the session.
const CLOSE: &[u8] = b"1";

/// Before the base64 of a binary message.
const BINARY: u8 = b'b';

/// The answer to a poll: what these frames tell, each piece one or several whole frames. WebSocket's own Pings and Pongs
/// mean nothing here.
pub(super) fn encode<'a>(pieces: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
    let mut payload = Vec::with_capacity(pieces.clone().map(Bytes::len).sum());
    for (opcode, packet) in pieces.flat_map(|piece| frames(piece)) {
        if matches!(opcode, Opcode::Ping | Opcode::Pong) {
            continue;
        }
        if !payload.is_empty() {
            payload.push(SEPARATOR);
        }
        match opcode {
            Opcode::Close => payload.extend_from_slice(CLOSE),
            Opcode::Binary => encode_binary(packet, &mut payload),
            _ => payload.extend_from_slice(packet),
        }
    }
    payload.into()
}

/// Whether all that this piece says is that the session is over, to a client that is to come back. One that missed its
/// heartbeat is told of its end as the protocol has it.
pub(super) fn is_end_to_come_back_from(piece: &Bytes) -> bool {
    let mut frames = frames(piece);
    let reason = match frames.next() {
        Some((Opcode::Close, packet)) => close_reason(packet),
        _ => None,
    };
    let comes_back = reason.is_some_and(|it| it.comes_back() && it != CloseReason::HeartbeatTimeout);
    comes_back && frames.next().is_none()
}

/// What a Close frame says. Some reasons share a code.
fn close_reason(payload: &[u8]) -> Option<CloseReason> {
    let (code, text) = payload.split_first_chunk()?;
    let code = u16::from_be_bytes(*code);
    CloseReason::ALL.iter().copied().find(|it| it.code() == code && it.as_str().as_bytes() == text)
}

fn encode_binary(packet: &[u8], payload: &mut Vec<u8>) {
    payload.push(BINARY);
    let start = payload.len();
    payload.resize(start + packet.len().div_ceil(3) * 4, 0);
    // There is room for all of it.
    let written = STANDARD.encode_slice(packet, &mut payload[start..]).unwrap_or(0);
    payload.truncate(start + written);
}

/// How many packets an answer to a poll should have at most: python-engineio reads no more, and takes more for an error.
const FEW: usize = 16;

/// How many of the pieces that wait the next poll should take.
pub(super) fn share<'a>(pieces: impl ExactSizeIterator<Item = &'a Bytes>) -> usize {
    let waiting = pieces.len();
    let sums = pieces.scan(0, |packets, piece| {
        *packets += frames(piece).count();
        Some(*packets)
    });
    sums.take_while(|&packets| packets <= FEW).count().clamp(1.min(waiting), waiting)
}

/// What a client posted, read packet by packet.
#[derive(Debug)]
pub(super) struct Packets {
    text: String,
    /// Where the next packet begins. `None`: all have been read.
    next: Option<usize>,
}

impl Packets {
    pub(super) fn new(text: String) -> Self {
        Self { text, next: Some(0) }
    }

    /// The next packet, with its type.
    pub(super) fn next(&mut self) -> Option<&str> {
        let rest = self.text.get(self.next?..)?;
        let (packet, next) = match memchr::memchr(SEPARATOR, rest.as_bytes()) {
            Some(at) => (&rest[..at], self.next.map(|next| next + at + 1)),
            None => (rest, None),
        };
        self.next = next;
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use proptest::prelude::*;

    use super::*;
    use crate::transport::ws::writer::{PING, close_frame, frame};

    fn read(text: &str) -> Vec<String> {
        let mut packets = Packets::new(text.to_owned());
        std::iter::from_fn(|| packets.next().map(str::to_owned)).collect()
    }

    fn encoded(pieces: &[Bytes]) -> Bytes {
        encode(pieces.iter())
    }

    #[test]
    fn text_goes_as_it_is_and_binary_as_base64() {
        let pieces = [frame(Opcode::Text, b"4hello"), frame(Opcode::Binary, &[1, 2, 3, 4])];
        assert_eq!(encoded(&pieces)[..], b"4hello\x1ebAQIDBA=="[..]);
        assert_eq!(encoded(&[pieces.concat().into()]), encoded(&pieces), "several frames in one piece");
        assert_eq!(encoded(&[frame(Opcode::Binary, &[])])[..], b"b"[..]);
    }

    #[test]
    fn what_only_a_socket_has_is_left_out_and_its_end_is_a_packet() {
        let pieces = [PING, frame(Opcode::Text, b"4a"), PING, close_frame(CloseReason::Kicked)];
        assert_eq!(encoded(&pieces)[..], b"4a\x1e1"[..]);
    }

    #[test]
    fn an_end_to_come_back_from_is_known_by_its_reason() {
        use CloseReason::{Idle, Internal, Restarting, SessionEnded, SlowConsumer, TokenExpired};
        for &reason in CloseReason::ALL {
            let comes_back = [Idle, Internal, Restarting, SessionEnded, SlowConsumer, TokenExpired].contains(&reason);
            assert_eq!(is_end_to_come_back_from(&close_frame(reason)), comes_back, "{reason}");
        }
        let behind_text = [frame(Opcode::Text, b"4a"), close_frame(Restarting)].concat();
        for other in [behind_text.into(), frame(Opcode::Text, b"1"), PING, Bytes::new()] {
            assert!(!is_end_to_come_back_from(&other), "{other:?}");
        }
    }

    #[test]
    fn a_poll_takes_a_few_packets_at_a_time() {
        let one = frame(Opcode::Text, b"4a");
        let three: Bytes = [&one[..]; 3].concat().into();
        let twenty: Bytes = [&one[..]; 20].concat().into();
        let of = |pieces: &[Bytes]| share(pieces.iter());
        assert_eq!((of(&[]), of(slice::from_ref(&one))), (0, 1));
        assert_eq!((of(&vec![one.clone(); 16]), of(&vec![one.clone(); 17])), (16, 16));
        assert_eq!(of(&vec![three; 6]), 5);
        assert_eq!(of(&[twenty, one.clone()]), 1, "what belongs together stays together");
        assert_eq!(of(&vec![one; 256]), 16);
    }

    #[test]
    fn packets_are_what_stands_between_separators() {
        assert_eq!(read("4hello"), ["4hello"]);
        assert_eq!(read("4a\u{1e}bAQ==\u{1e}3"), ["4a", "bAQ==", "3"]);
        assert_eq!(read("\u{1e}4€\u{1e}"), ["", "4€", ""]);
        assert_eq!(read(""), [""]);
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_read_back(texts in prop::collection::vec("4[^\u{1e}]{0,200}", 1..20)) {
            let pieces: Vec<_> = texts.iter().map(|text| frame(Opcode::Text, text.as_bytes())).collect();
            let payload = String::from_utf8(encoded(&pieces).to_vec()).unwrap();
            prop_assert_eq!(read(&payload), texts);
        }

        #[test]
        fn binary_of_any_length_is_base64_with_padding(data in prop::collection::vec(any::<u8>(), 0..70_000)) {
            let payload = encoded(&[frame(Opcode::Binary, &data)]);
            prop_assert_eq!(payload[0], BINARY);
            prop_assert_eq!(STANDARD.decode(&payload[1..]).unwrap(), data);
        }

        #[test]
        fn any_text_is_read_whole(text in "(4|\u{1e}|b|€){0,50}") {
            prop_assert_eq!(read(&text).join("\u{1e}"), text);
        }
    }
}
