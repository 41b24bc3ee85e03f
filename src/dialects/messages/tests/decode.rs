//! Frames of clients, right and wrong.

use serde_json::{Value, json};

use super::*;
use crate::domain::{
    Author, Command, ContactId, Content, Draft, MarkKind, MarkTarget, MessageType, RejectCode, Resume, RoomId, RoomKind,
};
use crate::session::dialect::{Inbound, Misread, Request};

fn command(kind: &str, payload: Value) -> Command {
    match understood(&json!({"type": kind, "payload": payload}).to_string()).request {
        Request::Command(command) => command,
        other => panic!("{other:?} is no command"),
    }
}

fn understood(frame: &str) -> Inbound {
    messages().decode(frame).unwrap_or_else(|misread| panic!("{frame}: {misread:?}"))
}

fn misread(frame: &str) -> Misread {
    messages().decode(frame).expect_err(frame)
}

fn send(changes: Value) -> Value {
    let mut payload = json!({"session_id": SESSION, "text": "Olá! Como posso ajudar?"});
    for (name, value) in changes.as_object().expect("an object") {
        payload[name] = value.clone();
    }
    payload
}

fn draft(changes: Value) -> Draft {
    match command("send_message", send(changes)) {
        Command::Send(draft) => *draft,
        other => panic!("{other:?} is no draft"),
    }
}

#[test]
fn a_session_is_joined_from_wherever_the_client_left_off() {
    let join = |payload| match command("join_session", payload) {
        Command::Join { room, resume, presence, create_as: RoomKind::Conversation } if room.0 == id(SESSION) => {
            (resume, presence.unwrap())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(join(json!({"session_id": SESSION})), (Resume::Live, false));
    assert_eq!(join(json!({"session_id": SESSION, "after_seq": 0, "presence": true})), (Resume::AfterSeq(0), true));
    assert_eq!(join(json!({"session_id": SESSION, "after_pos": 7, "after_seq": null})), (Resume::AfterPos(7), false));
    let highest = i64::MAX.unsigned_abs();
    assert_eq!(join(json!({"session_id": SESSION, "after_seq": u64::MAX})), (Resume::AfterSeq(highest), false));
}

#[test]
fn any_spelling_of_a_uuid_will_do() {
    let simple = SESSION.replace('-', "");
    for spelling in [SESSION.to_uppercase(), format!("{{{SESSION}}}"), format!("urn:uuid:{SESSION}"), simple] {
        assert_eq!(
            command("leave_session", json!({"session_id": spelling})),
            Command::Leave { room: RoomId(id(SESSION)) }
        );
    }
}

#[test]
fn a_message_is_taken_as_it_is_written() {
    let taken = draft(json!({"contact_id": CONTACT, "content_type": "text", "reply_to_id": null}));
    assert_eq!(
        taken,
        Draft {
            id: fixed_id(),
            room: RoomId(id(SESSION)),
            contact: Some(ContactId(id(CONTACT))),
            message_type: MessageType::Text,
            content: Content { text: "Olá! Como posso ajudar?".into(), ..Content::default() },
            reply_to: None,
            client_message_id: None,
            author: Author::Caller,
            external_id: None,
            idempotency: None,
            create_as: RoomKind::Conversation,
        }
    );
    let html = draft(json!({"text": "1 < 2 <b>\u{0}&amp;\r\n\t", "contact_id": null}));
    assert_eq!(&*html.content.text, "1 < 2 <b>&amp;\n\t");
}

#[test]
fn media_go_with_or_without_text() {
    let taken = draft(json!({
        "text": null, "content_type": "image", "media_url": "https://files.example/a.png?x=1&y", "filename": "a\u{7}.png",
        "caption": "A <i>picture</i>", "reply_to_id": MESSAGE, "client_message_id": "c-1",
    }));
    assert_eq!(taken.message_type, MessageType::Image);
    assert_eq!(taken.content.media_url.as_deref(), Some("https://files.example/a.png?x=1&y"));
    assert_eq!(taken.content.filename.as_deref(), Some("a.png"));
    assert_eq!(taken.content.caption.as_deref(), Some("A <i>picture</i>"));
    assert_eq!((taken.reply_to, taken.client_message_id.as_deref()), (Some(fixed_id()), Some("c-1")));
    for url in ["/api/v1/files/1", "files/1.png", "HTTP://files.example/1", "./1"] {
        assert_eq!(draft(json!({"media_url": url})).content.media_url.as_deref(), Some(url));
    }
}

#[test]
fn the_other_commands_are_understood() {
    let room = RoomId(id(SESSION));
    let typing = |payload| command("typing", payload);
    assert_eq!(
        typing(json!({"session_id": SESSION, "contact_id": CONTACT, "is_typing": true})),
        Command::Typing { room, contact: Some(ContactId(id(CONTACT))), is_typing: true }
    );
    assert_eq!(
        typing(json!({"session_id": SESSION, "is_typing": false})),
        Command::Typing { room, contact: None, is_typing: false }
    );
    let mark = |kind, target| Command::Mark { room, kind, target };
    assert_eq!(
        command("mark_read", json!({"session_id": SESSION, "message_id": MESSAGE})),
        mark(MarkKind::Read, MarkTarget::Message(fixed_id()))
    );
    assert_eq!(
        command("mark_delivered", json!({"session_id": SESSION, "up_to_seq": 3})),
        mark(MarkKind::Delivered, MarkTarget::Seq(3))
    );
    assert_eq!(command("get_presence", json!({"session_id": SESSION})), Command::Presence { room });
    assert_eq!(understood(r#"{"type":"ping"}"#).request, Request::Ping);
    assert_eq!(
        understood(r#"{"type":"refresh_token","payload":{"token":"a.b.c"}}"#).request,
        Request::RefreshToken("a.b.c".into())
    );
}

#[test]
fn changes_of_messages_are_understood() {
    let (room, message) = (RoomId(id(SESSION)), fixed_id());
    let of = |more: Value| {
        let mut payload = json!({"session_id": SESSION, "message_id": MESSAGE});
        for (name, value) in more.as_object().expect("an object") {
            payload[name] = value.clone();
        }
        payload
    };
    assert_eq!(
        command("edit_message", of(json!({"text": "Olá\u{7} 1 < 2"}))),
        Command::Edit { room, message, text: "Olá 1 < 2".into(), if_changed_pos: None }
    );
    assert_eq!(command("delete_message", of(json!({}))), Command::Delete { room, message, if_changed_pos: None });
    for (kind, present) in [("react", true), ("unreact", false)] {
        let emoji = "👍".into();
        assert_eq!(command(kind, of(json!({"emoji": "👍"}))), Command::React { room, message, emoji, present });
    }
    assert_eq!(understood(r#"{"type":"watch_sessions"}"#).request, Request::Watch);
    let long = json!({"type": "edit_message", "payload": of(json!({"text": "x".repeat(10_241)}))});
    assert_eq!(misread(&long.to_string()).reject.code, RejectCode::MessageTooLarge);
}

#[test]
fn fields_come_in_any_order_and_with_any_company() {
    let frame = format!(
        r#" {{ "message_id" : "m\u002d1", "extra": [[{{}}]], "payload": {{"x": null, "session_id": "{SESSION}"}},
        "\u0074ype": "leave_session" }} "#
    );
    let inbound = understood(&frame);
    assert_eq!(inbound.request, Request::Command(Command::Leave { room: RoomId(id(SESSION)) }));
    assert_eq!(inbound.tag.as_deref(), Some(r#""m\u002d1""#));
}

#[test]
fn a_frame_that_is_no_envelope_is_invalid_json() {
    for frame in [
        "",
        " ",
        "ping",
        "[]",
        r#"["ping"]"#,
        r#""ping""#,
        "null",
        "{",
        r#"{"type":"ping"} x"#,
        r#"{"type":"ping",}"#,
        r#"{"type":"ping","type":"typing"}"#,
        r#"{"type":"pi"#,
        "{}",
        r#"{"type":null}"#,
        r#"{"type":5}"#,
        r#"{"payload":{}}"#,
        "\u{feff}{\"type\":\"ping\"}",
    ] {
        assert_eq!(misread(frame).reject.code, RejectCode::InvalidJson, "{frame}");
    }
    assert_eq!(misread(r#"{"message_id":"m-1"}"#).tag.as_deref(), Some(r#""m-1""#));
}

#[test]
fn what_nesting_costs_is_bounded() {
    let nested = format!(r#"{{"type":"ping","payload":{}{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(understood(&nested).request, Request::Ping);
    let inside = nested.replace("ping", "typing").replace("\"payload\":", "\"payload\":{\"x\":").replace("]}", "]}}");
    assert_eq!(misread(&inside).reject.field, Some("session_id"));
}

#[test]
fn an_unknown_type_is_told_by_its_name() {
    for kind in ["subscribe", "PING", "", "edit", "reaction_added"] {
        let misread = misread(&json!({"type": kind, "payload": [], "message_id": "m-1"}).to_string());
        assert_eq!(misread.reject.code, RejectCode::UnknownType, "{kind}");
        assert!(misread.reject.message.contains(&format!("`{kind}`")), "{}", misread.reject);
        assert_eq!(misread.tag.as_deref(), Some(r#""m-1""#));
    }
    assert!(misread(&json!({"type": "x".repeat(60_000)}).to_string()).reject.message.len() < 200);
}

#[test]
fn a_wrong_payload_is_answered_with_its_field() {
    let long = "x".repeat(3_000);
    for (kind, payload, field) in [
        ("join_session", json!(null), "session_id"),
        ("join_session", json!([SESSION]), "payload"),
        ("join_session", json!("x"), "payload"),
        ("join_session", json!({"session_id": "abc"}), "session_id"),
        ("join_session", json!({"session_id": 5}), "session_id"),
        ("join_session", json!({"session_id": {"x": 1}}), "session_id"),
        ("join_session", json!({"session_id": SESSION, "after_seq": -1}), "after_seq"),
        ("join_session", json!({"session_id": SESSION, "after_seq": 1.5}), "after_seq"),
        ("join_session", json!({"session_id": SESSION, "after_pos": "1"}), "after_pos"),
        ("join_session", json!({"session_id": SESSION, "after_seq": 1, "after_pos": 1}), "after_pos"),
        ("join_session", json!({"session_id": SESSION, "presence": "yes"}), "presence"),
        ("leave_session", json!({}), "session_id"),
        ("get_presence", json!({}), "session_id"),
        ("typing", json!({"session_id": SESSION}), "is_typing"),
        ("typing", json!({"session_id": SESSION, "is_typing": 1}), "is_typing"),
        ("typing", json!({"session_id": SESSION, "is_typing": true, "contact_id": "x"}), "contact_id"),
        ("mark_read", json!({"session_id": SESSION}), "message_id"),
        ("mark_read", json!({"session_id": SESSION, "message_id": "x"}), "message_id"),
        ("mark_read", json!({"session_id": SESSION, "up_to_seq": 0}), "up_to_seq"),
        ("mark_delivered", json!({"session_id": SESSION, "up_to_seq": "3"}), "up_to_seq"),
        ("edit_message", json!({"message_id": MESSAGE, "text": "x"}), "session_id"),
        ("edit_message", json!({"session_id": SESSION, "text": "x"}), "message_id"),
        ("edit_message", json!({"session_id": SESSION, "message_id": "x", "text": "x"}), "message_id"),
        ("edit_message", json!({"session_id": SESSION, "message_id": MESSAGE}), "text"),
        ("edit_message", json!({"session_id": SESSION, "message_id": MESSAGE, "text": 5}), "text"),
        ("delete_message", json!({"session_id": SESSION}), "message_id"),
        ("react", json!({"session_id": SESSION, "message_id": MESSAGE}), "emoji"),
        ("react", json!({"session_id": SESSION, "message_id": MESSAGE, "emoji": 1}), "emoji"),
        ("react", json!({"session_id": SESSION, "message_id": MESSAGE, "emoji": "<b>"}), "emoji"),
        ("unreact", json!({"session_id": SESSION, "message_id": MESSAGE, "emoji": ""}), "emoji"),
        ("refresh_token", json!({}), "token"),
        ("refresh_token", json!({"token": ""}), "token"),
        ("refresh_token", json!({"token": 5}), "token"),
        ("send_message", send(json!({"session_id": null})), "session_id"),
        ("send_message", send(json!({"text": null})), "text"),
        ("send_message", send(json!({"text": ""})), "text"),
        ("send_message", send(json!({"text": " \n\u{0}"})), "text"),
        ("send_message", send(json!({"text": 5})), "text"),
        ("send_message", send(json!({"text": ["x"]})), "text"),
        ("send_message", send(json!({"content_type": "sticker"})), "content_type"),
        ("send_message", send(json!({"content_type": 1})), "content_type"),
        ("send_message", send(json!({"contact_id": "x"})), "contact_id"),
        ("send_message", send(json!({"reply_to_id": 1})), "reply_to_id"),
        ("send_message", send(json!({"client_message_id": ""})), "client_message_id"),
        ("send_message", send(json!({"client_message_id": "x".repeat(129)})), "client_message_id"),
        ("send_message", send(json!({"client_message_id": "a\u{0}"})), "client_message_id"),
        ("send_message", send(json!({"client_message_id": 1})), "client_message_id"),
        ("send_message", send(json!({"filename": "x".repeat(256)})), "filename"),
        ("send_message", send(json!({"caption": {}})), "caption"),
        ("send_message", send(json!({"media_url": ""})), "media_url"),
        ("send_message", send(json!({"media_url": format!("https://files.example/{long}")})), "media_url"),
        ("send_message", send(json!({"media_url": "javascript:alert(1)"})), "media_url"),
        ("send_message", send(json!({"media_url": " javascript:alert(1)"})), "media_url"),
        ("send_message", send(json!({"media_url": "java\nscript:alert(1)"})), "media_url"),
        ("send_message", send(json!({"media_url": "JaVaScRiPt:alert(1)"})), "media_url"),
        ("send_message", send(json!({"media_url": "data:text/html,x"})), "media_url"),
        ("send_message", send(json!({"media_url": "file:///etc/passwd"})), "media_url"),
        ("send_message", send(json!({"media_url": "//evil.example/x"})), "media_url"),
        ("send_message", send(json!({"media_url": "/\\evil.example/x"})), "media_url"),
        ("send_message", send(json!({"media_url": "https://x.example/\" onerror=alert(1)"})), "media_url"),
        ("send_message", send(json!({"media_url": "/x'onerror=alert(1)"})), "media_url"),
        ("send_message", send(json!({"media_url": "http://"})), "media_url"),
    ] {
        let misread = misread(&json!({"type": kind, "payload": payload, "message_id": "m-1"}).to_string());
        assert_eq!(misread.reject.code, RejectCode::InvalidPayload, "{kind} {payload}");
        assert_eq!(misread.reject.field, Some(field), "{kind} {payload}: {}", misread.reject);
        assert!(misread.reject.message.starts_with(&format!("{field}: expected ")), "{}", misread.reject);
        assert_eq!(misread.tag.as_deref(), Some(r#""m-1""#));
    }
}

#[test]
fn a_field_given_twice_is_refused() {
    let frame =
        format!(r#"{{"type":"leave_session","payload":{{"session_id":"{SESSION}","session_id":"{CONTACT}"}}}}"#);
    assert_eq!(misread(&frame).reject.code, RejectCode::InvalidPayload);
}

#[test]
fn text_is_limited_in_bytes_and_the_limit_itself_is_fine() {
    assert_eq!(draft(json!({"text": "x".repeat(10_240)})).content.text.len(), 10_240);
    for field in ["text", "caption"] {
        let frame = json!({"type": "send_message", "payload": send(json!({field: "é".repeat(5_121)}))}).to_string();
        let reject = misread(&frame).reject;
        assert_eq!(reject.code, RejectCode::MessageTooLarge);
        assert!(reject.message.contains("10242") && reject.message.contains("10240"), "{reject}");
    }
}

#[test]
fn a_client_names_its_frames_with_short_strings_or_numbers() {
    let tag = |value: Value| messages().decode(&json!({"type": "ping", "message_id": value}).to_string());
    for good in [json!("m-1"), json!(""), json!("é".repeat(64)), json!(17), json!(-1.5)] {
        assert_eq!(tag(good.clone()).expect("understood").tag.as_deref(), Some(&*good.to_string()));
    }
    assert_eq!(tag(json!(null)).expect("understood").tag, None);
    for bad in [json!("é".repeat(65)), json!({}), json!(["x"]), json!(true)] {
        let misread = tag(bad.clone()).expect_err("refused");
        assert_eq!((misread.reject.field, misread.tag), (Some("message_id"), None), "{bad}");
    }
    assert!(messages().decode(&format!(r#"{{"type":"ping","message_id":1{}}}"#, "0".repeat(200))).is_err());
    assert!(messages().decode(r#"{"type":"ping","message_id":"\ud800"}"#).is_err());
}
