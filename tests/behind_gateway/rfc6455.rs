//! RFC 6455 through the gateway: several hundred conversations with an echo, each in one piece and in many, with the
//! gateway and without. What is heard must be what the standard says, and the same both ways.

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tertulia::session::SessionLimits;

use crate::client::{CLOSE, Client, FIN, PONG, close_payload, frame, handshake};
use crate::echo::EchoServer;
use crate::hub::gateway::Gateway;
use crate::rfc6455_cases::{self as cases, Case, Heard, MAX_MESSAGE};

const THREADS: usize = 4;

/// The sizes of pieces that something long is sent in, in turn.
const ODD: [usize; 7] = [1, 997, 2, 1_021, 4_099, 3, 7_919];

/// Below this, each byte goes alone.
const SHORT: usize = 300;

/// What a client hears from its first frame on, and whether the connection ended in order.
#[derive(PartialEq, Eq)]
struct Outcome {
    heard: Vec<Heard>,
    is_orderly: bool,
}

#[test]
fn everything_is_heard_through_the_gateway_as_it_is_without() {
    let limits = SessionLimits {
        max_message: MAX_MESSAGE,
        queue_bytes: 4 * MAX_MESSAGE,
        queue_frames: usize::MAX,
        heartbeat_interval: None,
        ..SessionLimits::default()
    };
    let echo = EchoServer::start(limits);
    let gateway = Gateway::start(&[echo.address], &[]);
    let cases = cases::all();
    assert!(cases.len() > 400, "{}", cases.len());
    let next = AtomicUsize::new(0);
    let work = || {
        let mut wrong = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            for is_cut in [false, true] {
                let [direct, through] = [echo.address, gateway.address].map(|at| talk(at, case, is_cut));
                let (expected, said) = (brief(&case.expected), if is_cut { "in pieces" } else { "in one piece" });
                if !is_as_expected(case, &direct) || !is_as_expected(case, &through) || direct != through {
                    wrong.push(format!("{}, {said}: {expected}, not {direct} and {through}", case.name));
                }
            }
        }
        wrong
    };
    let wrong: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|it| it.join().expect("all of its cases")).collect()
    });
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Says what the case says, and listens to the end.
fn talk(at: SocketAddr, case: &Case, is_cut: bool) -> Outcome {
    let mut client = Client::dial(at);
    // A key is for the upstream to judge, which here takes everyone.
    client.send(handshake("/echo?token=tk_anyone", "").as_bytes());
    let (head, _) = client.response();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let mut writer = client.stream.try_clone().expect("a socket");
    thread::scope(|scope| {
        scope.spawn(move || {
            // Who has broken a rule may find the connection closed before all is said.
            let _ = if is_cut { write_cut(&mut writer, &case.sent) } else { writer.write_all(&case.sent) };
        });
        listen(&mut client)
    })
}

fn write_cut(writer: &mut std::net::TcpStream, mut bytes: &[u8]) -> std::io::Result<()> {
    let mut sizes = ODD.into_iter().cycle();
    let is_short = bytes.len() < SHORT;
    while !bytes.is_empty() {
        let size = if is_short { 1 } else { sizes.next().unwrap_or(1) };
        let (piece, rest) = bytes.split_at(size.min(bytes.len()));
        writer.write_all(piece)?;
        bytes = rest;
    }
    Ok(())
}

fn listen(client: &mut Client) -> Outcome {
    let mut heard = Vec::new();
    let mut partial: Option<(u8, Vec<u8>)> = None;
    loop {
        let (first, payload) = match client.frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => return Outcome { heard, is_orderly: true },
            Err(_) => return Outcome { heard, is_orderly: false },
        };
        assert_eq!(first & 0x70, 0, "no extension was agreed on");
        assert!(!matches!(heard.last(), Some(Heard::Close(..))), "something behind a goodbye");
        match first & 0x0F {
            CLOSE => {
                let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                heard.push(Heard::Close(code, payload.get(2..).unwrap_or_default().to_vec()));
                // The answer, or something that is not read any more.
                let _ = client.stream.write_all(&frame(FIN | CLOSE, &close_payload(code.unwrap_or(1000), b"")));
                let _ = client.stream.shutdown(Shutdown::Write);
            }
            PONG => heard.push(Heard::Pong(payload)),
            opcode => {
                let (opcode, mut message) = match (opcode, partial.take()) {
                    (0, Some(begun)) => begun,
                    (1 | 2, None) => (opcode, Vec::new()),
                    (_, begun) => panic!("{opcode:x} where {:?} has begun", begun.map(|it| it.0)),
                };
                message.extend_from_slice(&payload);
                if first & FIN == 0 {
                    partial = Some((opcode, message));
                } else {
                    heard.push(Heard::Message(opcode, message));
                }
            }
        }
    }
}

fn is_as_expected(case: &Case, outcome: &Outcome) -> bool {
    let is_it = |(heard, expected): (&Heard, &Heard)| match (heard, expected) {
        (Heard::Close(heard, _), Heard::Close(expected, _)) => heard == expected,
        _ => heard == expected,
    };
    outcome.heard.len() == case.expected.len() && outcome.heard.iter().zip(&case.expected).all(is_it)
}

fn brief(heard: &[Heard]) -> String {
    let one = |heard: &Heard| match heard {
        Heard::Message(opcode, data) => format!("{opcode:x} of {}", data.len()),
        Heard::Pong(data) => format!("pong of {}", data.len()),
        Heard::Close(code, reason) => format!("close {code:?} {:?}", String::from_utf8_lossy(reason)),
    };
    format!("[{}]", heard.iter().map(one).collect::<Vec<_>>().join(", "))
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", brief(&self.heard), if self.is_orderly { "" } else { " and a reset" })
    }
}
