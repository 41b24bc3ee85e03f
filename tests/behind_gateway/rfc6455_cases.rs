//! What a client may send by RFC 6455 and what it may not, in the order of the sections, and what an echo must answer.

use crate::client::{BINARY, CLOSE, FIN, PING, PONG, TEXT, close_payload, frame, header};

/// The longest message that the echo takes.
pub const MAX_MESSAGE: usize = 2 << 20;

const CONTINUATION: u8 = 0;

/// What a client hears.
#[derive(Clone, PartialEq, Eq)]
pub enum Heard {
    Message(u8, Vec<u8>),
    Pong(Vec<u8>),
    /// The code and the text behind it.
    Close(Option<u16>, Vec<u8>),
}

pub struct Case {
    pub name: String,
    /// What the client sends. It ends with a Close frame unless it breaks a rule before.
    pub sent: Vec<u8>,
    /// A text of a Close frame is the server's own affair.
    pub expected: Vec<Heard>,
}

#[derive(Default)]
pub struct Cases(pub Vec<Case>);

fn text(text: &[u8]) -> Heard {
    Heard::Message(TEXT, text.to_vec())
}

fn binary(data: &[u8]) -> Heard {
    Heard::Message(BINARY, data.to_vec())
}

fn pong(data: &[u8]) -> Heard {
    Heard::Pong(data.to_vec())
}

fn filler(len: usize) -> Vec<u8> {
    (b'a'..=b'z').cycle().take(len).collect()
}

pub fn all() -> Vec<Case> {
    let mut cases = Cases::default();
    cases.lengths();
    cases.pings();
    cases.reserved();
    cases.fragments();
    cases.utf8();
    cases.closes();
    cases.large();
    cases.0
}

impl Cases {
    /// Everything is in order, and the client says goodbye at its end.
    fn good(&mut self, name: impl Into<String>, sent: &[Vec<u8>], mut expected: Vec<Heard>) {
        let sent = [sent.concat(), frame(FIN | CLOSE, &close_payload(1000, b""))].concat();
        expected.push(Heard::Close(Some(1000), Vec::new()));
        self.0.push(Case { name: name.into(), sent, expected });
    }

    /// A rule is broken, or the client's own Close frame is the point.
    fn ends(&mut self, name: impl Into<String>, sent: &[Vec<u8>], mut expected: Vec<Heard>, code: Option<u16>) {
        expected.push(Heard::Close(code, Vec::new()));
        self.0.push(Case { name: name.into(), sent: sent.concat(), expected });
    }

    /// Section 5.2.
    fn lengths(&mut self) {
        for len in [0, 1, 2, 124, 125, 126, 127, 128, 4_095, 4_096, 4_097, 65_535, 65_536, 65_537] {
            let data = filler(len);
            self.good(format!("a text of {len} bytes"), &[frame(FIN | TEXT, &data)], vec![text(&data)]);
            self.good(format!("{len} bytes"), &[frame(FIN | BINARY, &data)], vec![binary(&data)]);
            let twice = [frame(FIN | BINARY, &data), frame(FIN | TEXT, &data)];
            self.good(format!("{len} bytes twice"), &twice, vec![binary(&data), text(&data)]);
        }
        let long = |first: u8, size: u8, len: u64| {
            let len = len.to_be_bytes();
            let len = if size == 126 { &len[6..] } else { &len[..] };
            [&[first, 0x80 | size], len, &[0; 4], b"Hello"].concat()
        };
        // Only who sends is bound to the shortest form.
        for size in [126, 127] {
            let sent = [long(FIN | TEXT, size, 5), frame(FIN | PING, b"")];
            self.good(format!("five bytes with a length of the form {size}"), &sent, vec![text(b"Hello"), pong(b"")]);
        }
        for (name, wrong) in [
            ("a length of 64 bits", long(FIN | BINARY, 127, 1 << 63)),
            ("no mask", b"\x81\x05Hello".to_vec()),
            ("a ping without a mask", vec![FIN | PING, 0]),
        ] {
            self.ends(name, &[frame(FIN | TEXT, b"ok"), wrong], vec![text(b"ok")], Some(1002));
        }
        for mask in [[0; 4], [0xFF; 4], [0x80, 0x81, 0x01, 0x00]] {
            let masked: Vec<_> = b"masked".iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
            let sent = [&[FIN | TEXT, 0x86][..], &mask, &masked].concat();
            self.good(format!("masked with {mask:?}"), &[sent], vec![text(b"masked")]);
        }
    }

    /// Sections 5.5.2 and 5.5.3.
    fn pings(&mut self) {
        for data in [&b""[..], b"Hello", &[0, 0xFF, 0xFE, 0xC3, 0x28], &filler(125)] {
            self.good(format!("a ping of {}", data.len()), &[frame(FIN | PING, data)], vec![pong(data)]);
            self.good(format!("a pong of {}", data.len()), &[frame(FIN | PONG, data)], vec![]);
        }
        let numbers: Vec<_> = (0..10_u8).map(|it| vec![it]).collect();
        let pings: Vec<_> = numbers.iter().map(|it| frame(FIN | PING, it)).collect();
        self.good("ten pings", &pings, numbers.iter().map(|it| pong(it)).collect());
        let between: Vec<_> = numbers.iter().flat_map(|it| [frame(FIN | PING, it), frame(FIN | BINARY, it)]).collect();
        self.good("pings between messages", &between, numbers.iter().flat_map(|it| [pong(it), binary(it)]).collect());
        for opcode in [PING, PONG, CLOSE] {
            for (what, first, data) in [("too long", FIN | opcode, filler(126)), ("in fragments", opcode, filler(4))] {
                let sent = [frame(FIN | TEXT, b"ok"), frame(first, &data)];
                self.ends(format!("control {opcode:x} {what}"), &sent, vec![text(b"ok")], Some(1002));
            }
        }
    }

    /// Sections 5.2 (RSV1 to RSV3) and 11.8.
    fn reserved(&mut self) {
        for bits in 1..8 {
            for opcode in [TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION] {
                let sent = [frame(FIN | TEXT, b"ok"), frame(FIN | bits << 4 | opcode, b"Hello")];
                self.ends(format!("bits {bits} on opcode {opcode:x}"), &sent, vec![text(b"ok")], Some(1002));
            }
        }
        for opcode in [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF] {
            for data in [&b""[..], b"Hello"] {
                let wrong = frame(FIN | opcode, data);
                let name = format!("opcode {opcode:x} with {} bytes", data.len());
                self.ends(name.clone(), std::slice::from_ref(&wrong), vec![], Some(1002));
                let sent = [frame(TEXT, b"ok"), wrong];
                self.ends(format!("{name} within a message"), &sent, vec![], Some(1002));
            }
        }
    }

    /// Section 5.4.
    fn fragments(&mut self) {
        for opcode in [TEXT, BINARY] {
            let whole = |data: &[u8]| vec![Heard::Message(opcode, data.to_vec())];
            for (name, parts) in [
                ("two", vec![&b"frag"[..], b"ment"]),
                ("with nothing at the beginning", vec![b"", b"fragment"]),
                ("with nothing at the end", vec![b"fragment", b""]),
                ("with nothing in the middle", vec![b"frag", b"", b"", b"ment"]),
                ("with nothing at all", vec![b"", b"", b""]),
                ("one byte each", b"fragment".chunks(1).collect()),
            ] {
                let sent = fragmented(opcode, &parts);
                let message = whole(&parts.concat());
                self.good(format!("fragments {opcode:x}, {name}"), &sent, message.clone());
                let pinged: Vec<_> = sent.iter().flat_map(|it| [frame(FIN | PING, b"p"), it.clone()]).collect();
                let mut heard = vec![pong(b"p"); sent.len()];
                heard.extend(message.clone());
                self.good(format!("fragments {opcode:x}, {name}, pings between"), &pinged, heard);
                let ponged: Vec<_> = sent.iter().flat_map(|it| [it.clone(), frame(FIN | PONG, b"p")]).collect();
                self.good(format!("fragments {opcode:x}, {name}, pongs between"), &ponged, message);
            }
            let begun = frame(opcode, b"begun");
            for next in [TEXT, BINARY, FIN | TEXT, FIN | BINARY] {
                let name = format!("{opcode:x} within which {next:x} begins");
                self.ends(name, &[begun.clone(), frame(next, b"x")], vec![], Some(1002));
            }
            let close = frame(FIN | CLOSE, &close_payload(1000, b""));
            self.ends(format!("a goodbye within {opcode:x}"), &[begun, close], vec![], Some(1000));
        }
        for first in [CONTINUATION, FIN | CONTINUATION] {
            self.ends(format!("{first:x} of nothing"), &[frame(first, b"x")], vec![], Some(1002));
            let sent = [fragmented(TEXT, &[b"a", b"b"]).concat(), frame(first, b"x")];
            self.ends(format!("{first:x} behind a message"), &sent, vec![text(b"ab")], Some(1002));
        }
    }

    /// Section 8.1.
    fn utf8(&mut self) {
        let valid = [
            "Hello-µ@ßöäü",
            "κόσμε",
            "\0",
            "\u{7F}\u{80}\u{7FF}\u{800}",
            "\u{FFFF}\u{10000}\u{10FFFF}",
            "\u{D7FF}\u{E000}😀",
        ];
        for good in valid {
            let bytes = good.as_bytes();
            self.good(format!("{good:?}"), &[frame(FIN | TEXT, bytes)], vec![text(bytes)]);
            for at in 1..bytes.len() {
                let sent = fragmented(TEXT, &[&bytes[..at], &bytes[at..]]);
                self.good(format!("{good:?} cut at {at}"), &sent, vec![text(bytes)]);
            }
            let sent = fragmented(TEXT, &bytes.chunks(1).collect::<Vec<_>>());
            self.good(format!("{good:?} byte by byte"), &sent, vec![text(bytes)]);
        }
        let invalid: [&[u8]; 17] = [
            b"\x80",
            b"\xBF",
            b"\xC0\x80",
            b"\xC0\xAF",
            b"\xC1\xBF",
            b"\xC2",
            b"\xE0\x80\x80",
            b"\xE2\x82",
            b"\xED\xA0\x80",
            b"\xED\xBF\xBF",
            b"\xF0\x80\x80\x80",
            b"\xF0\x9F\x98",
            b"\xF4\x90\x80\x80",
            b"\xF5\x80\x80\x80",
            b"\xF8\x88\x80\x80\x80",
            b"\xFE",
            b"\xFF",
        ];
        for bad in invalid {
            let bytes = [b"ok ", bad].concat();
            let wrong = frame(FIN | TEXT, &bytes);
            self.ends(format!("{bad:02x?}"), &[frame(FIN | TEXT, b"ok"), wrong], vec![text(b"ok")], Some(1007));
            self.ends(format!("{bad:02x?} and more"), &[frame(FIN | TEXT, &[bad, b"!"].concat())], vec![], Some(1007));
            for at in 1..bytes.len() {
                let sent = fragmented(TEXT, &[&bytes[..at], &bytes[at..]]);
                self.ends(format!("{bad:02x?} cut at {at}"), &sent, vec![], Some(1007));
            }
            self.good(format!("{bad:02x?} as it is"), &[frame(FIN | BINARY, bad)], vec![binary(bad)]);
        }
        let sent = [frame(TEXT, b"ok\xFF"), frame(FIN | PING, b"never")];
        self.ends("no text is waited for that is wrong already", &sent, vec![], Some(1007));
    }

    /// Sections 5.5.1 and 7.4.
    fn closes(&mut self) {
        let close = |payload: &[u8]| frame(FIN | CLOSE, payload);
        for code in (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4430, 4999]) {
            self.ends(format!("goodbye {code}"), &[close(&close_payload(code, b""))], vec![], Some(code));
            let reason = [frame(FIN | TEXT, b"ok"), close(&close_payload(code, "Tschüß".as_bytes()))];
            self.ends(format!("goodbye {code} with a reason"), &reason, vec![text(b"ok")], Some(code));
        }
        for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
            self.ends(format!("goodbye {code}"), &[close(&close_payload(code, b""))], vec![], Some(1002));
        }
        self.ends("goodbye without a code", &[close(b"")], vec![], None);
        self.ends("half a code", &[close(&[3])], vec![], Some(1002));
        self.ends("the longest reason", &[close(&close_payload(1000, &filler(123)))], vec![], Some(1000));
        self.ends("a reason that is too long", &[close(&close_payload(1000, &filler(124)))], vec![], Some(1002));
        self.ends("a reason that is no text", &[close(&close_payload(1000, b"\xFF"))], vec![], Some(1007));
        for (name, after) in [
            ("a text", frame(FIN | TEXT, b"late")),
            ("a ping", frame(FIN | PING, b"late")),
            ("another goodbye", close(&close_payload(1001, b""))),
            ("nonsense", vec![0xFF; 20]),
        ] {
            let sent = [frame(FIN | TEXT, b"ok"), close(&close_payload(3000, b"")), after];
            self.ends(format!("{name} behind a goodbye"), &sent, vec![text(b"ok")], Some(3000));
        }
        let large = filler(256 << 10);
        let sent = [frame(FIN | BINARY, &large), close(&close_payload(1001, b""))];
        self.ends("a goodbye behind much", &sent, vec![binary(&large)], Some(1001));
    }

    /// Large messages, whole and in fragments, and such that are too large (section 10.4).
    fn large(&mut self) {
        for len in [128 << 10, 256 << 10, 1 << 20] {
            let data = filler(len);
            for opcode in [TEXT, BINARY] {
                let heard = vec![Heard::Message(opcode, data.clone())];
                self.good(format!("{opcode:x}: {len} bytes"), &[frame(FIN | opcode, &data)], heard.clone());
                for size in [1_300, 4_096, 65_536] {
                    let sent = fragmented(opcode, &data.chunks(size).collect::<Vec<_>>());
                    self.good(format!("{opcode:x}: {len} bytes in fragments of {size}"), &sent, heard.clone());
                }
            }
        }
        let data = filler(64 << 10);
        let sent = fragmented(BINARY, &data.chunks(64).collect::<Vec<_>>());
        self.good("a thousand fragments", &sent, vec![binary(&data)]);
        let too_large = header(FIN | BINARY, MAX_MESSAGE as u64 + 1);
        self.ends(
            "too large by its header",
            &[frame(FIN | TEXT, b"ok"), too_large, vec![0; 4]],
            vec![text(b"ok")],
            Some(1009),
        );
        let sent = [frame(BINARY, &filler(MAX_MESSAGE / 2)), header(FIN, MAX_MESSAGE as u64), vec![0; 4]];
        self.ends("too large in fragments", &sent, vec![], Some(1009));
    }
}

/// The frames of a message that is cut like this.
fn fragmented(opcode: u8, parts: &[&[u8]]) -> Vec<Vec<u8>> {
    let last = parts.len() - 1;
    let first = |index: usize| if index == 0 { opcode } else { CONTINUATION } | if index == last { FIN } else { 0 };
    parts.iter().enumerate().map(|(index, part)| frame(first(index), part)).collect()
}
