use proptest::prelude::*;

use super::*;

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [7, 0, 0xFF, 0x31];
    let (header, size) = super::super::header::unmasked(Opcode::Text, true, payload.len());
    let mut frame = header[..size].to_vec();
    frame[0] = first;
    frame[1] |= 0x80;
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// What was seen, and how many bytes went on.
fn look<'a>(watch: &mut Watch, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Seen>, usize) {
    let mut seen = Vec::new();
    let forwarded = pieces.map(|piece| watch.look(piece, |it| seen.push(it))).sum();
    (seen, forwarded)
}

fn seen(opcode: Opcode, fin: bool, len: u64) -> Seen {
    Seen { opcode, fin, len }
}

#[test]
fn frames_are_told_when_they_are_whole() {
    let mut watch = Watch::default();
    let text = frame(0x81, b"hello");
    assert_eq!(look(&mut watch, [&text[..7]].into_iter()), (vec![], 7));
    assert!(!watch.is_between_frames());
    assert_eq!(look(&mut watch, [&text[7..]].into_iter()), (vec![seen(Opcode::Text, true, 5)], 4));
    assert!(watch.is_between_frames());
    assert_eq!(look(&mut watch, [&text[..1]].into_iter()), (vec![], 1));
    assert!(!watch.is_between_frames(), "a header has begun");
}

#[test]
fn nothing_goes_on_behind_a_close_frame() {
    for (payload, code) in [(&[][..], None), (&[3, 232], Some(1000)), (b"\x0f\xa0bye", Some(4000)), (&[3], None)] {
        let bytes = [frame(0x81, b"a"), frame(0x88, payload), frame(0x81, b"b")].concat();
        let end = bytes.len() - 7;
        for size in [1, 3, bytes.len()] {
            let mut watch = Watch::default();
            let (seen, forwarded) = look(&mut watch, bytes.chunks(size));
            assert_eq!((seen.len(), forwarded), (2, end));
            assert_eq!(watch.farewell(), Some(Farewell { code }), "in pieces of {size}");
        }
    }
}

#[test]
fn what_breaks_a_rule_goes_on_with_all_that_follows() {
    for wrong in [&[0xC1, 0x80][..], &[0x83], &[0x81, 0x01], &[0x09, 0x80], &[0x89, 0xFE], &[0x80, 0x80]] {
        let bytes = [&frame(0x82, b"fine"), wrong, b"whatever", &frame(0x88, b"")].concat();
        for size in [1, 5, bytes.len()] {
            let mut watch = Watch::default();
            assert_eq!(look(&mut watch, bytes.chunks(size)), (vec![seen(Opcode::Binary, true, 4)], bytes.len()));
            assert!(watch.is_lost() && watch.farewell().is_none() && !watch.is_between_frames());
        }
    }
}

fn frames() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let payload =
        prop_oneof![prop::collection::vec(any::<u8>(), 0..20), (100..70_000usize).prop_map(|len| vec![b'x'; len])];
    let message = (1..3u8, prop::collection::vec(payload, 1..4), any::<bool>()).prop_map(|(opcode, parts, ping)| {
        let last = parts.len() - 1;
        let mut frames = Vec::new();
        for (i, part) in parts.into_iter().enumerate() {
            if ping && i == last {
                frames.push((0x89, b"p".to_vec()));
            }
            frames.push((if i == 0 { opcode } else { 0 } | if i == last { 0x80 } else { 0 }, part));
        }
        frames
    });
    prop::collection::vec(message, 0..4).prop_map(|messages| messages.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_cut_of_any_stream_gives_the_same_frames(frames in frames(), sizes in prop::collection::vec(1..5_000usize, 1..6)) {
        let bytes: Vec<u8> = frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect();
        let mut watch = Watch::default();
        let mut rest = &bytes[..];
        let pieces = sizes.iter().cycle().map_while(|&size| {
            let (piece, after) = rest.split_at_checked(size).unwrap_or((rest, &[]));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        });
        let (seen, forwarded) = look(&mut watch, pieces);
        prop_assert_eq!(forwarded, bytes.len());
        prop_assert!(watch.is_between_frames());
        let expected: Vec<_> = frames
            .iter()
            .map(|(first, payload)| Seen {
                opcode: Opcode::from_bits(first & 0x0F).unwrap(),
                fin: first & 0x80 != 0,
                len: payload.len() as u64,
            })
            .collect();
        prop_assert_eq!(seen, expected);
    }
}
