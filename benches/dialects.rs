//! What reading and writing one frame costs, and what hostile text costs at most.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use tertulia::clock;
use tertulia::dialects::{Options, registry};
use tertulia::domain::{
    ContactId, Content, Direction, Event, Message, MessageStatus, MessageType, OrgId, RoomId, SenderType, Typing,
    UserId,
};

fn message(text: &str) -> Event {
    let id = clock::message_id();
    Event::Message(Arc::new(Message {
        id,
        organization: OrgId(id.0),
        room: RoomId(id.0),
        seq: 4_711,
        pos: 123_456,
        changed_pos: 123_456,
        sender_type: SenderType::Agent,
        direction: Direction::Outbound,
        user: Some(UserId(id.0)),
        user_name: "Ada".into(),
        contact: Some(ContactId(id.0)),
        message_type: MessageType::Text,
        content: Content { text: text.into(), ..Content::default() },
        status: MessageStatus::Sent,
        reply_to: None,
        client_message_id: Some("c-1".into()),
        created_at: clock::now(),
        reactions: Vec::new(),
        edited_at: None,
        deleted_at: None,
    }))
}

fn codec(c: &mut Criterion) {
    let dialects = registry(&Options { max_text_bytes: 10_240, message_ids: clock::message_id });
    let words = "Olá! Como posso ajudar? ".repeat(5);
    let id = clock::message_id();
    let typing = Event::Typing(Typing {
        room: RoomId(id.0),
        contact: None,
        user: UserId(id.0),
        user_name: "Ada".into(),
        is_typing: true,
    });
    for registered in dialects {
        let dialect = registered.dialect;
        let mut group = c.benchmark_group(dialect.name());
        for (name, frame) in [
            ("typing", format!(r#"{{"type":"typing","payload":{{"session_id":"{id}","is_typing":true}}}}"#)),
            (
                "send_message",
                format!(
                    r#"{{"type":"send_message","payload":{{"session_id":"{id}","contact_id":"{id}","text":"{words}","client_message_id":"c-1"}},"message_id":"m-1"}}"#
                ),
            ),
        ] {
            group.bench_function(format!("decode/{name}"), |b| b.iter(|| dialect.decode(black_box(&frame))));
        }
        let mut out = Vec::with_capacity(64 * 1024);
        for (name, event) in [
            ("new_message", message(&words)),
            ("new_message with <", message(&format!("{words} 1 < 2"))),
            ("new_message of open tags", message(&"<b><p>".repeat(10_240 / 6))),
            ("new_message of formatting", message(&"<b><i><p></b>".repeat(10_240 / 13))),
            ("new_message of tables", message(&"<table><tr><a>".repeat(10_240 / 14))),
            ("new_message of attributes", message(&format!("<a {}>", "a b c=d ".repeat(10_240 / 9)))),
            ("typing", typing.clone()),
        ] {
            group.bench_function(format!("encode/{name}"), |b| {
                b.iter(|| {
                    out.clear();
                    dialect.encode(black_box(&event), None, clock::now(), &mut out)
                });
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(std::time::Duration::from_millis(500)).measurement_time(std::time::Duration::from_secs(1));
    targets = codec
}
criterion_main!(benches);
