//! What the reader makes of frames in order, out of order, and in any pieces.

use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1 << 16;

#[derive(Clone, PartialEq, Eq, Debug)]
enum Told {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Close(Option<u16>),
}

impl From<Frame<'_>> for Told {
    fn from(frame: Frame<'_>) -> Self {
        match frame {
            Frame::Text(text) => Self::Text(text.to_owned()),
            Frame::Binary(data) => Self::Binary(data.to_owned()),
            Frame::Ping(payload) => Self::Ping(payload.to_owned()),
            Frame::Close(code) => Self::Close(code),
        }
    }
}

/// A client's frame: `first` is the byte with FIN and opcode.
fn client_frame(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | u8::try_from(len).unwrap()),
        len @ 126..65_536 => {
            frame.push(0x80 | 0x7E);
            frame.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            frame.push(0x80 | 0x7F);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    client_frame(first, payload, [0x12, 0x34, 0xAB, 0xCD])
}

/// Feeds the stream in pieces of the given lengths, the last of which repeats. Also tells how many bytes were taken
/// before it failed, and that nothing is kept at the end.
fn read(stream: &[u8], lengths: &[usize]) -> (Vec<Told>, Result<(), CloseReason>) {
    let (mut reader, mut told, mut rest) = (Reader::default(), Vec::new(), stream);
    let mut lengths = lengths.iter().copied().chain(std::iter::repeat(*lengths.last().unwrap_or(&1)));
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(lengths.next().unwrap().clamp(1, rest.len()));
        rest = after;
        if let Err(reason) = reader.feed(&mut piece.to_owned(), LIMIT, |frame| told.push(frame.into())) {
            return (told, Err(reason));
        }
        if matches!(told.last(), Some(Told::Close(_))) {
            break;
        }
    }
    (told, Ok(()))
}

/// Fed at once and byte by byte, the stream is refused for this reason.
#[track_caller]
fn refused(stream: &[u8], reason: CloseReason) {
    for lengths in [&[usize::MAX][..], &[1]] {
        assert_eq!(read(stream, lengths).1, Err(reason));
    }
}

#[test]
fn a_message_in_one_piece_is_handed_out_and_nothing_is_kept() {
    let mut reader = Reader::default();
    let mut stream = [masked(0x81, b"hello"), masked(0x82, &[0, 255])].concat();
    let mut told = Vec::new();
    reader.feed(&mut stream, LIMIT, |frame| told.push(Told::from(frame))).unwrap();
    assert_eq!(told, [Told::Text("hello".into()), Told::Binary(vec![0, 255])]);
    assert!(reader.partial.is_none());
}

#[test]
fn a_message_in_pieces_gives_its_buffer_back() {
    let mut reader = Reader::default();
    let mut told = Vec::new();
    for byte in masked(0x81, b"hello") {
        reader.feed(&mut [byte], LIMIT, |frame| told.push(Told::from(frame))).unwrap();
    }
    assert_eq!(told, [Told::Text("hello".into())]);
    assert!(reader.partial.is_none());
}

#[test]
fn control_frames_may_come_between_fragments() {
    let stream = [masked(0x01, b"a"), masked(0x89, b"p"), masked(0x00, b"b"), masked(0x8A, b""), masked(0x80, b"c")];
    for lengths in [&[usize::MAX][..], &[1], &[3]] {
        let (told, end) = read(&stream.concat(), lengths);
        assert_eq!((told, end), (vec![Told::Ping(b"p".to_vec()), Told::Text("abc".into())], Ok(())));
    }
}

#[test]
fn empty_frames_and_fragments_are_messages_too() {
    let stream = [masked(0x81, b""), masked(0x02, b""), masked(0x00, b""), masked(0x80, b""), masked(0x89, b"")];
    let expected = vec![Told::Text(String::new()), Told::Binary(vec![]), Told::Ping(vec![])];
    for lengths in [&[usize::MAX][..], &[1]] {
        assert_eq!(read(&stream.concat(), lengths), (expected.clone(), Ok(())));
    }
}

#[test]
fn frames_that_break_the_protocol_are_refused() {
    refused(&[0x81, 0x05], CloseReason::ProtocolError); // not masked
    refused(&[0xC1], CloseReason::ProtocolError); // a reserved bit, from the first byte on
    refused(&[0x83], CloseReason::ProtocolError); // a reserved opcode
    refused(&[0x8B], CloseReason::ProtocolError); // a reserved control opcode
    refused(&[0x09], CloseReason::ProtocolError); // a fragmented Ping
    refused(&[0x89, 0x80 | 0x7E], CloseReason::ProtocolError); // a long Ping
    refused(&[0x80], CloseReason::ProtocolError); // a continuation of nothing
    refused(&[masked(0x01, b"a"), vec![0x81]].concat(), CloseReason::ProtocolError); // a message within one
    refused(&[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], CloseReason::ProtocolError); // a length with the highest bit
}

#[test]
fn a_size_over_the_limit_is_refused_from_the_header() {
    let declared = |first: u8, len: u64| [&[first, 0xFF][..], &len.to_be_bytes()].concat();
    refused(&declared(0x82, 1 << 30), CloseReason::TooBig);
    refused(&declared(0x81, LIMIT as u64 + 1), CloseReason::TooBig);
    refused(&[masked(0x02, &vec![0; LIMIT - 1]), declared(0x80, 2)].concat(), CloseReason::TooBig);
    assert_eq!(read(&masked(0x82, &vec![7; LIMIT]), &[usize::MAX]), (vec![Told::Binary(vec![7; LIMIT])], Ok(())));
}

#[test]
fn fragments_without_end_keep_no_more_than_the_limit() {
    let mut reader = Reader::default();
    let capacity = |reader: &Reader| match reader.partial.as_ref().and_then(|partial| partial.message.as_ref()) {
        Some(Message::Binary(data)) => data.capacity(),
        _ => 0,
    };
    reader.feed(&mut masked(0x02, b"x"), LIMIT, |_| ()).unwrap();
    for _ in 1..LIMIT {
        reader.feed(&mut masked(0x00, b"x"), LIMIT, |_| ()).unwrap();
        assert!(capacity(&reader) <= LIMIT);
    }
    reader.feed(&mut masked(0x00, b""), LIMIT, |_| ()).unwrap();
    assert_eq!(reader.feed(&mut masked(0x00, b"x"), LIMIT, |_| ()), Err(CloseReason::TooBig));
}

#[test]
fn what_is_announced_is_not_yet_reserved() {
    let mut reader = Reader::default();
    let begin = &mut masked(0x82, &vec![1; LIMIT])[..20];
    reader.feed(begin, LIMIT, |_| ()).unwrap();
    let Some(Message::Binary(data)) = reader.partial.unwrap().message else { panic!("a message has begun") };
    assert!(data.capacity() <= 64);
}

#[test]
fn text_is_refused_at_the_byte_that_is_not_utf8() {
    refused(&masked(0x81, &[0xCE, 0xBA, 0xED, 0xA0, 0x80]), CloseReason::InvalidUtf8);
    // Within a fragment, with the rest of it still to come.
    let stream = masked(0x01, &[b'a', 0xFF, b'b', b'c']);
    assert_eq!(read(&stream[..stream.len() - 2], &[usize::MAX]).1, Err(CloseReason::InvalidUtf8));
    // A message that ends within a character.
    refused(&[masked(0x01, &[0xE2, 0x82]), masked(0x80, b"")].concat(), CloseReason::InvalidUtf8);
    // A character may be spread over fragments.
    let stream = [masked(0x01, &[0xE2]), masked(0x00, &[0x82]), masked(0x80, &[0xAC])].concat();
    assert_eq!(read(&stream, &[usize::MAX]), (vec![Told::Text("€".into())], Ok(())));
}

#[test]
fn close_frames_are_checked() {
    let close = |payload: &[u8]| masked(0x88, payload);
    let with_code = |code: u16| close(&code.to_be_bytes());
    assert_eq!(read(&close(b""), &[1]), (vec![Told::Close(None)], Ok(())));
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        assert_eq!(read(&with_code(code), &[usize::MAX]), (vec![Told::Close(Some(code))], Ok(())));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        refused(&with_code(code), CloseReason::ProtocolError);
    }
    refused(&close(&[3]), CloseReason::ProtocolError);
    refused(&close(&[3, 0xE8, 0xFF]), CloseReason::InvalidUtf8);
    let stream = [close(b""), masked(0x81, b"too late")].concat();
    assert_eq!(read(&stream, &[usize::MAX]).0, [Told::Close(None)]);
}

/// A client's frames that are in order, with what a reader must make of them.
fn conversation() -> impl Strategy<Value = (Vec<u8>, Vec<Told>)> {
    let payload = prop::collection::vec(any::<u8>(), 0..300);
    let message = prop_oneof![
        "\\PC{0,60}".prop_map(|text| (0x01, text.clone().into_bytes(), Told::Text(text))),
        payload.prop_map(|data| (0x02, data.clone(), Told::Binary(data))),
    ];
    let ping = prop::option::of(prop::collection::vec(any::<u8>(), 0..126));
    let cuts = prop::collection::vec((any::<prop::sample::Index>(), ping), 0..4);
    prop::collection::vec((message, cuts, any::<[u8; 4]>()), 0..6).prop_map(|messages| {
        let (mut stream, mut told) = (Vec::new(), Vec::new());
        for ((opcode, payload, message), cuts, mask) in messages {
            let mut cuts: Vec<_> = cuts.into_iter().map(|(at, ping)| (at.index(payload.len() + 1), ping)).collect();
            cuts.sort();
            let (mut from, mut first) = (0, opcode);
            for (at, ping) in cuts {
                stream.extend(client_frame(first, &payload[from..at], mask));
                (from, first) = (at, 0x00);
                if let Some(ping) = ping {
                    stream.extend(client_frame(0x89, &ping, mask));
                    told.push(Told::Ping(ping));
                }
            }
            stream.extend(client_frame(0x80 | first, &payload[from..], mask));
            told.push(message);
        }
        (stream, told)
    })
}

proptest! {
    #[test]
    fn any_splitting_of_a_stream_yields_the_same_messages(
        (stream, told) in conversation(),
        lengths in prop::collection::vec(1..40usize, 1..40),
    ) {
        prop_assert_eq!(read(&stream, &lengths), (told, Ok(())));
    }

    #[test]
    fn any_splitting_of_any_bytes_ends_alike(
        stream in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x81), Just(0x82), Just(0x80)], 0..60),
        lengths in prop::collection::vec(1..10usize, 1..10),
    ) {
        prop_assert_eq!(read(&stream, &lengths), read(&stream, &[usize::MAX]));
    }
}
