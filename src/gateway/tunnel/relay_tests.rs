use proptest::prelude::*;

use super::*;
use crate::transport::ws::writer::frame;

/// What the client gets when `stream` comes in reads of these sizes, each with what was held before it, and the most
/// that was held.
fn passed(relay: &mut Relay, stream: &[u8], sizes: &[usize]) -> (Vec<u8>, Vec<Seen>, usize) {
    let (mut out, mut seen, mut held, mut most) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let (mut rest, mut sizes) = (stream, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(rest.len());
        let (piece, after) = rest.split_at_checked(size).unwrap_or((rest, &[]));
        rest = after;
        let mut buffer = [&[0xEE; HEADROOM], &held[..], piece].concat();
        let passed = relay.pass(&mut buffer, |it| seen.push(it));
        out.extend_from_slice(&buffer[passed.out]);
        held = buffer[passed.held].to_vec();
        most = most.max(held.len());
        if passed.is_wrong {
            break;
        }
    }
    (out, seen, most)
}

type Message = (Opcode, Vec<u8>);

/// The messages and control frames of a stream, put together by the rules; it must end with a whole frame.
fn put_together(mut stream: &[u8]) -> Vec<Message> {
    let (mut all, mut message): (Vec<Message>, Option<Message>) = (Vec::new(), None);
    while !stream.is_empty() {
        let header = Header::parse(stream, false, message.is_some()).expect("a good header").expect("a whole one");
        let (payload, rest) = stream[header.size..].split_at(usize::try_from(header.len).unwrap());
        stream = rest;
        if header.opcode.is_control() {
            all.push((header.opcode, payload.to_vec()));
            continue;
        }
        message.get_or_insert_with(|| (header.opcode, Vec::new())).1.extend_from_slice(payload);
        if header.fin {
            all.extend(message.take());
        }
    }
    all
}

#[test]
fn small_frames_go_on_whole() {
    let bytes =
        [frame(Opcode::Text, b"hello"), frame(Opcode::Ping, b""), frame(Opcode::Binary, &vec![7; HELD])].concat();
    for size in [1, 2, 9, 1_000, bytes.len()] {
        let mut relay = Relay::default();
        let (out, seen, _) = passed(&mut relay, &bytes, &[size]);
        assert!(out == bytes, "in pieces of {size}");
        assert_eq!(seen.iter().filter(|it| it.is_message()).count(), 2);
    }
}

#[test]
fn a_frame_of_any_length_goes_on_in_fragments_that_can_be_ended() {
    let mut relay = Relay::default();
    let header = [0x82, 127, 0, 0, 0, 0, 6, 0, 0, 0];
    let (mut sent, piece) = (0u64, vec![b'*'; 60_000]);
    let mut stream = Vec::new();
    let mut first = passed(&mut relay, &[&header[..], &piece].concat(), &[]);
    sent += 60_000;
    stream.append(&mut first.0);
    while sent < 6 << 24 {
        let len = piece.len().min(usize::try_from((6u64 << 24) - sent).unwrap());
        let (out, seen, held) = passed(&mut relay, &piece[..len], &[]);
        sent += len as u64;
        assert!(held == 0 && out.len() <= len + HEADROOM);
        assert_eq!(seen.len(), usize::from(sent == 6 << 24), "told of once, at its end");
        stream.extend_from_slice(&out);
        if sent < 300_000 {
            // Whole frames so far: what would be put behind them is read as a frame of its own.
            let ended = [&stream[..], &frame(Opcode::Close, &[3, 244])].concat();
            assert_eq!(put_together(&ended), [(Opcode::Close, vec![3, 244])]);
        }
    }
    let whole = put_together(&stream);
    assert_eq!((whole.len(), whole[0].0, whole[0].1.len()), (1, Opcode::Binary, 6 << 24));
}

#[test]
fn a_frame_that_came_in_one_read_is_not_cut() {
    let bytes =
        [frame(Opcode::Text, b"a"), frame(Opcode::Binary, &vec![1; 40_000]), frame(Opcode::Text, b"b")].concat();
    assert!(passed(&mut Relay::default(), &bytes, &[]).0 == bytes);
}

#[test]
fn fragments_of_the_upstream_stay_fragments_of_one_message() {
    let mut parts =
        [frame(Opcode::Text, &vec![b'a'; 30_000]), frame(Opcode::Continuation, &vec![b'b'; 30_000])].map(Vec::from);
    parts[0][0] &= 0x7F;
    let bytes = parts.concat();
    let (out, seen, _) = passed(&mut Relay::default(), &bytes, &[20_000]);
    let message = [vec![b'a'; 30_000], vec![b'b'; 30_000]].concat();
    assert!(put_together(&out) == [(Opcode::Text, message)]);
    assert_eq!(seen.iter().map(|it| it.is_message()).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_close_frame_is_the_last_thing_that_goes_on() {
    for (close, code) in [(frame(Opcode::Close, b"\x11\x4eslow"), Some(4430)), (frame(Opcode::Close, b""), None)] {
        let bytes = [frame(Opcode::Text, b"a"), close, frame(Opcode::Text, b"b")].concat();
        for size in [1, bytes.len()] {
            let mut relay = Relay::default();
            let (out, ..) = passed(&mut relay, &bytes, &[size]);
            assert!(out == bytes[..bytes.len() - 3]);
            assert_eq!(relay.farewell(), Some(Farewell { code }));
        }
    }
}

#[test]
fn what_came_before_a_broken_rule_still_goes_on() {
    let good = frame(Opcode::Text, b"a");
    for wrong in [&[0xC1][..], &[0x83], &[0x81, 0x80], &[0x09], &[0x80, 0], &[0x89, 126]] {
        let mut buffer = [&[0; HEADROOM], &good[..], wrong].concat();
        let passed = Relay::default().pass(&mut buffer, |_| {});
        assert!(passed.is_wrong && buffer[passed.out] == good);
    }
}

fn stream() -> impl Strategy<Value = Vec<(Opcode, bool, Vec<u8>)>> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        (100..70_000usize).prop_map(|len| (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()),
    ];
    let opcode = prop_oneof![Just(Opcode::Text), Just(Opcode::Binary)];
    let message = (opcode, prop::collection::vec(payload, 1..4), any::<bool>()).prop_map(|(opcode, parts, ping)| {
        let last = parts.len() - 1;
        let mut frames = Vec::new();
        for (i, part) in parts.into_iter().enumerate() {
            if ping && i == last {
                frames.push((Opcode::Ping, true, b"p".to_vec()));
            }
            frames.push((if i == 0 { opcode } else { Opcode::Continuation }, i == last, part));
        }
        frames
    });
    prop::collection::vec(message, 0..4).prop_map(|messages| messages.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_cut_of_any_stream_gives_the_same_messages(frames in stream(), sizes in prop::collection::vec(1..50_000usize, 1..6)) {
        let bytes: Vec<u8> = frames
            .iter()
            .flat_map(|(opcode, fin, payload)| {
                let mut frame = Vec::from(frame(*opcode, payload));
                frame[0] &= if *fin { 0xFF } else { 0x7F };
                frame
            })
            .collect();
        let (out, seen, most) = passed(&mut Relay::default(), &bytes, &sizes);
        prop_assert!(put_together(&out) == put_together(&bytes));
        prop_assert!(most <= HELD + HEADROOM);
        let expected: Vec<_> = frames.iter().map(|it| Seen { opcode: it.0, fin: it.1, len: it.2.len() as u64 }).collect();
        prop_assert_eq!(seen, expected);
    }
}
