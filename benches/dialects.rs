//! What it costs to read what clients say and to write what they are told, in every dialect; and what hostile text
//! costs at most.

mod support;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tertulia::clock;
use tertulia::dialects::{Options, registry};
use tertulia::domain::{
    ConnId, Deletion, Event, Mark, MarkKind, Message, Reaction, Reactions, Reject, RoomId, Timestamp,
};
use uuid::Uuid;

const MAX_TEXT: usize = 10_240;

/// What clients of a dialect say, by name. Nobody else knows how they spell it.
fn frames(dialect: &str) -> Vec<(&'static str, String)> {
    match dialect {
        "messages" => messages(),
        "socketio" => socketio(),
        "status" => status(),
        other => panic!("what do clients say in {other}? Put it here"),
    }
}

fn messages() -> Vec<(&'static str, String)> {
    let (room, id, words) = (support::room(), clock::message_id(), support::WORDS);
    let frame =
        |kind: &str, payload: String| format!(r#"{{"type":"{kind}","payload":{{{payload}}},"message_id":"m-1"}}"#);
    let in_room = |rest: &str| format!(r#""session_id":"{room}"{rest}"#);
    let send = |text: &str| {
        let text = serde_json::Value::from(text);
        in_room(&format!(r#","contact_id":"{id}","text":{text},"client_message_id":"c-1""#))
    };
    vec![
        ("ping", r#"{"type":"ping"}"#.into()),
        ("typing", frame("typing", in_room(r#","is_typing":true"#))),
        ("join", frame("join_session", in_room(r#","after_seq":4711,"presence":true"#))),
        ("leave", frame("leave_session", in_room(""))),
        ("send", frame("send_message", send(words))),
        ("send, with escapes", frame("send_message", send(&"\"\n\\".repeat(40)))),
        ("send, 10 KiB", frame("send_message", send(&"x".repeat(MAX_TEXT)))),
        ("mark", frame("mark_read", in_room(r#","up_to_seq":4711"#))),
        ("edit", frame("edit_message", in_room(&format!(r#","message_id":"{id}","text":"{words}""#)))),
        ("delete", frame("delete_message", in_room(&format!(r#","message_id":"{id}""#)))),
        ("react", frame("react", in_room(&format!(r#","message_id":"{id}","emoji":"👍""#)))),
    ]
}

fn status() -> Vec<(&'static str, String)> {
    let frame = |kind: &str, rest: &str| format!(r#"{{"type":"{kind}","conversationId":"{}"{rest}}}"#, support::room());
    vec![
        ("ping", r#"{"type":"ping"}"#.into()),
        ("join", frame("subscribe", r#","afterSeq":4711"#)),
        ("leave", frame("unsubscribe", "")),
    ]
}

/// The text of an event's packet, behind its type.
fn socketio() -> Vec<(&'static str, String)> {
    let (room, id, words) = (support::room(), clock::message_id(), support::WORDS);
    let packet = |ack: &str, event: &str, payload: String| format!(r#"{ack}["{event}",{{{payload}}}]"#);
    let in_room = |rest: &str| format!(r#""conversation_id":"{room}"{rest}"#);
    let send = |text: &str| {
        let text = serde_json::Value::from(text);
        packet("17", "send_message", in_room(&format!(r#","text":{text},"client_message_id":"c-1""#)))
    };
    vec![
        ("ping", r#"["ping",{}]"#.into()),
        ("typing", packet("", "typing_start", in_room(""))),
        ("join", packet("17", "join_conversation", in_room(r#","after_seq":4711"#))),
        ("leave", packet("17", "leave_conversation", in_room(""))),
        ("send", send(words)),
        ("send, with escapes", send(&"\"\n\\".repeat(40))),
        ("send, 10 KiB", send(&"x".repeat(MAX_TEXT))),
        (
            "send, its content an object",
            packet("17", "send_message", in_room(&format!(r#","content":{{"text":"{words}","caption":null}}"#))),
        ),
        ("mark", packet("", "mark_read", in_room(r#","up_to_seq":4711"#))),
        ("edit", packet("17", "edit_message", in_room(&format!(r#","message_id":"{id}","text":"{words}""#)))),
        ("delete", packet("17", "delete_message", in_room(&format!(r#","message_id":"{id}""#)))),
        ("react", packet("17", "react", in_room(&format!(r#","message_id":"{id}","emoji":"👍""#)))),
    ]
}

/// What is told most, by name.
fn events() -> Vec<(&'static str, Event)> {
    let (words, room, user, at) = (support::WORDS, support::room(), support::user(1), clock::now());
    let message = Arc::new(support::message(words));
    let id = message.id;
    let reacted = Arc::new(Message {
        reactions: vec![Reactions { emoji: "👍".into(), users: (0..10).map(support::user).collect() }],
        ..support::message(words)
    });
    let told = |text: &str| Event::Message(Arc::new(support::message(text)));
    let mark = Mark { room, kind: MarkKind::Read, user, message: id, up_to_seq: 4_711, moved: None, at };
    let reaction = Reaction {
        room,
        message: id,
        seq: 4_711,
        user,
        user_name: "Ada".into(),
        emoji: "👍".into(),
        present: true,
        count: 3,
        at,
    };
    let users = (0..100).map(|n| (support::user(n), "Ada".into())).collect();
    vec![
        ("message", told(words)),
        ("message with <", told(&format!("{words} 1 < 2"))),
        ("message with escapes", told(&"\"\n\\".repeat(40))),
        ("message of 10 KiB", told(&"x".repeat(MAX_TEXT))),
        ("message with reactions", Event::Message(reacted)),
        ("message of open tags", told(&"<b><p>".repeat(MAX_TEXT / 6))),
        ("message of formatting", told(&"<b><i><p></b>".repeat(MAX_TEXT / 13))),
        ("message of tables", told(&"<table><tr><a>".repeat(MAX_TEXT / 14))),
        ("message of attributes", told(&format!("<a {}>", "a b c=d ".repeat(MAX_TEXT / 9)))),
        ("typing", Event::Typing(support::typing())),
        ("mark", Event::Marked(mark)),
        ("edit", Event::Edited { message: message.clone(), by: Some(user) }),
        ("deletion", Event::Deleted(Deletion { room, message: id, seq: 4_711, by: Some(user), at })),
        ("reaction", Event::Reacted(reaction)),
        ("somebody came", Event::UserJoined { room, user, user_name: "Ada".into() }),
        ("connected", Event::Connected { conn: ConnId(1), user, heartbeat_secs: 25 }),
        ("joined", Event::Joined { room, last_seq: 4_711, last_pos: 123_456, members: 12 }),
        ("acknowledgement", Event::Sent { message, duplicate: false }),
        ("100 who are present", Event::Presence { room: RoomId(Uuid::nil()), users, total: 100 }),
        ("restart", Event::ServerRestarting { reconnect_after_ms: 1_234 }),
        ("pong", Event::Pong),
        ("refusal", Event::Rejected(Reject::not_found())),
    ]
}

fn codec(c: &mut Criterion) {
    let now: Timestamp = clock::now();
    for registered in
        registry(&Options { max_text_bytes: MAX_TEXT, message_ids: clock::message_id, socketio_path: "/socket.io/" })
    {
        let dialect = registered.dialect;
        let mut group = c.benchmark_group(format!("{}/decode", dialect.name()));
        for (name, frame) in frames(dialect.name()) {
            let read = dialect.decode(&frame);
            assert!(read.is_ok(), "{name}: {read:?}");
            group.throughput(Throughput::Bytes(frame.len() as u64));
            group.bench_function(name, |b| b.iter(|| dialect.decode(black_box(&frame))));
        }
        drop(group);
        let mut group = c.benchmark_group(format!("{}/encode", dialect.name()));
        let mut out = Vec::with_capacity(64 * 1024);
        for (name, event) in events() {
            out.clear();
            if !dialect.encode(&event, None, now, &mut out) {
                // This dialect has no word for it.
                continue;
            }
            group.bench_function(name, |b| {
                b.iter(|| {
                    out.clear();
                    dialect.encode(black_box(&event), None, now, &mut out)
                });
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = support::config();
    targets = codec
}
criterion_main!(benches);
