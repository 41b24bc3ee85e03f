//! RFC 6455, in the groups of the Autobahn test suite.

use std::net::Shutdown;

use tertulia::session::SessionLimits;

use crate::support::client::{BINARY, CLOSE, Client, FIN, PING, PONG, TEXT, close_payload, frame, text};
use crate::support::echo::EchoServer;

const MAX: usize = 4 * 1024 * 1024;

fn server() -> EchoServer {
    EchoServer::start(SessionLimits {
        max_message: MAX,
        queue_bytes: 2 * MAX,
        queue_frames: usize::MAX,
        pause_at: 256 * 1024,
        ..SessionLimits::default()
    })
}

/// What a client sends, and how the server must take it.
struct Case {
    name: &'static str,
    sent: Vec<Vec<u8>>,
    /// First byte and payload of each frame that comes back before the end.
    answers: Vec<(u8, Vec<u8>)>,
    /// The code with which the server then closes. `None`: the connection goes on.
    close: Option<u16>,
}

fn case(name: &'static str, sent: &[Vec<u8>]) -> Case {
    Case { name, sent: sent.to_vec(), answers: Vec::new(), close: None }
}

impl Case {
    fn answer(mut self, first: u8, payload: &[u8]) -> Self {
        self.answers.push((FIN | first, payload.to_vec()));
        self
    }

    fn close(mut self, code: u16) -> Self {
        self.close = Some(code);
        self
    }

    /// Plays the case with its bytes sent in pieces of `size`.
    fn play(&self, server: &EchoServer, size: usize) {
        let mut client = Client::open(server.address);
        for piece in self.sent.concat().chunks(size) {
            // The server may have closed already, for what it saw first.
            let _ = std::io::Write::write_all(&mut client.stream, piece);
        }
        println!("case: {}, in pieces of {size}", self.name);
        for (first, payload) in &self.answers {
            client.expect(*first, payload);
        }
        match self.close {
            Some(code) => client.expect_close(code),
            None => client.expect_echo("still there"),
        }
    }
}

fn play(cases: &[Case]) {
    let server = server();
    for case in cases {
        case.play(&server, usize::MAX);
        if case.sent.iter().map(Vec::len).sum::<usize>() < 1_000 {
            case.play(&server, 1);
        }
    }
}

#[test]
fn group_1_messages_come_back() {
    let mut cases = Vec::new();
    for len in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 100_000] {
        let payload = vec![b'*'; len];
        cases.push(case("text", &[frame(FIN | TEXT, &payload)]).answer(TEXT, &payload));
        cases.push(case("binary", &[frame(FIN | BINARY, &payload)]).answer(BINARY, &payload));
    }
    play(&cases);
}

#[test]
fn group_2_pings_are_answered_and_pongs_are_not() {
    let full = [0xFE; 125];
    let ten: Vec<_> = (0..10).map(|i| frame(FIN | PING, &[i])).collect();
    let answered = (0..10).fold(case("ten pings", &ten), |case, i| case.answer(PONG, &[i]));
    play(&[
        case("empty ping", &[frame(FIN | PING, b"")]).answer(PONG, b""),
        case("ping", &[frame(FIN | PING, b"Hello")]).answer(PONG, b"Hello"),
        case("longest ping", &[frame(FIN | PING, &full)]).answer(PONG, &full),
        case("too long ping", &[frame(FIN | PING, &[0; 126])]).close(1002),
        case("unsolicited pongs", &[frame(FIN | PONG, b""), frame(FIN | PONG, b"x")]),
        case("pong, ping", &[frame(FIN | PONG, b"x"), frame(FIN | PING, b"y")]).answer(PONG, b"y"),
        answered,
    ]);
}

#[test]
fn group_3_reserved_bits_are_refused() {
    let mut cases = Vec::new();
    for bits in 1..8u8 {
        cases.push(case("on text", &[frame(FIN | (bits << 4) | TEXT, b"x")]).close(1002));
        cases.push(case("on ping", &[frame(FIN | (bits << 4) | PING, b"")]).close(1002));
        let after = [text("a"), frame(FIN | (bits << 4) | CLOSE, b"")];
        cases.push(case("after a message", &after).answer(TEXT, b"a").close(1002));
    }
    play(&cases);
}

#[test]
fn group_4_reserved_opcodes_are_refused() {
    let cases: Vec<_> = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]
        .into_iter()
        .map(|opcode| case("reserved", &[text("a"), frame(FIN | opcode, b"")]).answer(TEXT, b"a").close(1002))
        .collect();
    play(&cases);
}

#[test]
fn group_5_fragments_become_a_message() {
    let [begin, go_on, end] = [frame(TEXT, b"a"), frame(0, b"b"), frame(FIN, b"c")];
    let ping = frame(FIN | PING, b"p");
    play(&[
        case("fragmented ping", &[frame(PING, b""), frame(FIN, b"")]).close(1002),
        case("fragmented pong", &[frame(PONG, b""), frame(FIN, b"")]).close(1002),
        case("three", &[begin.clone(), go_on.clone(), end.clone()]).answer(TEXT, b"abc"),
        case("with pings", &[begin.clone(), ping.clone(), go_on.clone(), ping.clone(), end.clone()])
            .answer(PONG, b"p")
            .answer(PONG, b"p")
            .answer(TEXT, b"abc"),
        case("empty ones", &[frame(TEXT, b""), frame(0, b""), frame(FIN, b"")]).answer(TEXT, b""),
        case("continuation of nothing", &[frame(FIN, b"x")]).close(1002),
        case("unfinished continuation of nothing", &[frame(0, b"x")]).close(1002),
        case("continuation after the end", &[text("a"), end.clone()]).answer(TEXT, b"a").close(1002),
        case("a message within a message", &[begin.clone(), text("x")]).close(1002),
        case("two beginnings", &[begin, frame(BINARY, b"x")]).close(1002),
    ]);
}

#[test]
fn group_6_text_is_utf8_or_refused_at_once() {
    let good = "κόσμε\u{10FFFF}".as_bytes();
    let bad: [&[u8]; 8] = [
        &[0xCE, 0xBA, 0xED, 0xA0, 0x80, 0x65],
        &[0xF8, 0x88, 0x80, 0x80, 0x80],
        &[0xC0, 0xAF],
        &[0xE0, 0x80, 0xAF],
        &[0xF4, 0x90, 0x80, 0x80],
        &[0xED, 0xBF, 0xBF],
        &[0x80],
        &[0xFF],
    ];
    let mut cases = vec![
        case("in one frame", &[frame(FIN | TEXT, good)]).answer(TEXT, good),
        case(
            "byte by byte",
            &good.iter().fold(vec![frame(TEXT, b"")], |mut frames, byte| {
                frames.push(frame(0, &[*byte]));
                frames
            }),
        ),
        case("cut at the end", &[frame(FIN | TEXT, &good[..good.len() - 1])]).close(1007),
        // Nothing of these ever ends; the bad byte alone must do.
        case("in a fragment", &[frame(TEXT, b"ok"), frame(0, &[0xF4, 0x90])]).close(1007),
        case("in half a frame", &[frame(FIN | TEXT, &[b'a', 0xFF, b'b', b'b', b'b'])[..8].to_vec()]).close(1007),
    ];
    cases[1].sent.push(frame(FIN, b""));
    cases[1].answers.push((FIN | TEXT, good.to_vec()));
    cases.extend(bad.map(|bytes| case("bad", &[frame(FIN | TEXT, bytes)]).close(1007)));
    cases.push(case("binary may be anything", &[frame(FIN | BINARY, &[0xFF; 3])]).answer(BINARY, &[0xFF; 3]));
    play(&cases);
}

#[test]
fn group_7_a_close_is_answered_with_its_code() {
    let close = |payload: &[u8]| frame(FIN | CLOSE, payload);
    let mut cases = vec![
        case("without code", &[close(b"")]).answer(CLOSE, b""),
        case("two of them", &[close(b""), close(b"")]).answer(CLOSE, b""),
        case("and a message", &[close(b""), text("x")]).answer(CLOSE, b""),
        case("and a ping", &[close(b""), frame(FIN | PING, b"")]).answer(CLOSE, b""),
        case("within a message", &[frame(TEXT, b"a"), close(b""), frame(FIN, b"b")]).answer(CLOSE, b""),
        case("one byte", &[close(&[3])]).close(1002),
        case("longest reason", &[close(&close_payload(1000, &[b'*'; 123]))]).answer(CLOSE, &1000u16.to_be_bytes()),
        case("too long", &[close(&close_payload(1000, &[b'*'; 124]))]).close(1002),
        case("reason not UTF-8", &[close(&close_payload(1000, &[0xCE, 0xED]))]).close(1007),
    ];
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        cases.push(case("valid", &[close(&close_payload(code, b""))]).answer(CLOSE, &code.to_be_bytes()));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        cases.push(case("invalid", &[close(&close_payload(code, b""))]).close(1002));
    }
    let server = server();
    for case in &cases {
        let mut client = Client::open(server.address);
        client.send(&case.sent.concat());
        println!("case: {} {:?}", case.name, case.sent);
        for (first, payload) in &case.answers {
            client.expect(*first, payload);
        }
        match case.close {
            Some(code) => client.expect_close(code),
            None => client.expect_end(),
        }
    }
}

#[test]
fn a_client_that_only_reads_on_after_its_close_is_answered() {
    let server = server();
    let mut client = Client::open(server.address);
    client.send(&frame(FIN | CLOSE, &close_payload(1001, b"")));
    client.stream.shutdown(Shutdown::Write).unwrap();
    client.expect_close(1001);
}

#[test]
fn groups_9_and_10_large_messages_come_back_however_they_are_cut() {
    let server = server();
    let payload: Vec<u8> = (0..MAX).map(|i| b'a' + u8::try_from(i % 23).unwrap()).collect();
    let whole = frame(FIN | TEXT, &payload);
    let fragments: Vec<u8> = payload
        .chunks(64 * 1024)
        .enumerate()
        .flat_map(|(i, piece)| {
            let first = if i == 0 { BINARY } else { 0 };
            let fin = if (i + 1) * 64 * 1024 >= payload.len() { FIN } else { 0 };
            frame(fin | first, piece)
        })
        .collect();
    for (bytes, first) in [(&whole, TEXT), (&fragments, BINARY)] {
        for size in [usize::MAX, 4_099, 1_300] {
            let mut client = Client::open(server.address);
            let mut writer = client.stream.try_clone().unwrap();
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    for piece in bytes.chunks(size) {
                        std::io::Write::write_all(&mut writer, piece).unwrap();
                    }
                });
                client.expect(FIN | first, &payload);
            });
            client.expect_echo("and on");
        }
    }
}
