//! The dialect as its clients meet it: frames in, frames out.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::domain::{
    Command, ConnId, ContactId, Content, Direction, Draft, Mark, MarkKind, MarkTarget, Message, MessageStatus,
    MessageType, OrgId, Reject, RejectCode, Resume, RoomId, RoomKind, SenderType, Typing, UserId,
};
use crate::session::dialect::Request;

const SESSION: &str = "550e8400-e29b-41d4-a716-446655440000";
const CONTACT: &str = "660e8400-e29b-41d4-a716-446655440000";
const USER: &str = "770e8400-e29b-41d4-a716-446655440000";
const MESSAGE: &str = "880e8400-e29b-41d4-a716-446655440000";
const AT: Timestamp = Timestamp::from_secs(1_760_110_200);

fn fixed_id() -> MessageId {
    MessageId(id(MESSAGE))
}

fn id(text: &str) -> Uuid {
    text.parse().expect("a UUID")
}

fn messages() -> Messages {
    Messages::new(&Options { max_text_bytes: 10_240, message_ids: fixed_id })
}

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
            (resume, presence)
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
    let draft = draft(json!({"contact_id": CONTACT, "content_type": "text", "reply_to_id": null}));
    assert_eq!(
        draft,
        Draft {
            id: fixed_id(),
            room: RoomId(id(SESSION)),
            contact: Some(ContactId(id(CONTACT))),
            message_type: MessageType::Text,
            content: Content { text: "Olá! Como posso ajudar?".into(), ..Content::default() },
            reply_to: None,
            client_message_id: None,
            create_as: RoomKind::Conversation,
        }
    );
    let html = super::tests::draft(json!({"text": "1 < 2 <b>\u{0}&amp;\r\n\t", "contact_id": null}));
    assert_eq!(&*html.content.text, "1 < 2 <b>&amp;\n\t");
}

#[test]
fn media_go_with_or_without_text() {
    let draft = draft(json!({
        "text": null, "content_type": "image", "media_url": "https://files.example/a.png?x=1&y", "filename": "a\u{7}.png",
        "caption": "A <i>picture</i>", "reply_to_id": MESSAGE, "client_message_id": "c-1",
    }));
    assert_eq!(draft.message_type, MessageType::Image);
    assert_eq!(draft.content.media_url.as_deref(), Some("https://files.example/a.png?x=1&y"));
    assert_eq!(draft.content.filename.as_deref(), Some("a.png"));
    assert_eq!(draft.content.caption.as_deref(), Some("A <i>picture</i>"));
    assert_eq!((draft.reply_to, draft.client_message_id.as_deref()), (Some(fixed_id()), Some("c-1")));
    for url in ["/api/v1/files/1", "files/1.png", "HTTP://files.example/1", "./1"] {
        assert_eq!(super::tests::draft(json!({"media_url": url})).content.media_url.as_deref(), Some(url));
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
    for kind in ["subscribe", "PING", "", "edit_message", "react"] {
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

fn stored() -> Message {
    Message {
        id: fixed_id(),
        organization: OrgId(id(USER)),
        room: RoomId(id(SESSION)),
        seq: 12,
        pos: 40,
        changed_pos: 40,
        sender_type: SenderType::Agent,
        direction: Direction::Outbound,
        user: Some(UserId(id(USER))),
        user_name: "Ada".into(),
        contact: Some(ContactId(id(CONTACT))),
        message_type: MessageType::Text,
        content: Content { text: "Olá! \"1\" < 2".into(), ..Content::default() },
        status: MessageStatus::Sent,
        reply_to: None,
        client_message_id: None,
        created_at: AT,
    }
}

/// The first frame of a process, which is called `55440000`: the tail of the first id.
fn told(event: &Event, tag: Option<&str>) -> String {
    let mut out = Vec::new();
    assert!(messages().encode(event, tag, AT, &mut out));
    String::from_utf8(out).expect("UTF-8")
}

const END: &str = r#""timestamp":"2025-10-10T15:30:00.000Z","message_id":"msg-55440000-1""#;

#[test]
fn a_message_is_told_in_full() {
    assert_eq!(
        told(&Event::Message(Arc::new(stored())), None),
        format!(
            r#"{{"type":"new_message","payload":{{"message_id":"{MESSAGE}","session_id":"{SESSION}","seq":12,"contact_id":"{CONTACT}","text":"Olá! \"1\" &lt; 2","content_type":"text","from_me":true,"timestamp":"2025-10-10T15:30:00.000Z","agent_id":"{USER}","agent_name":"Ada","status":"sent"}},{END}}}"#
        )
    );
    let media = Message {
        direction: Direction::Inbound,
        sender_type: SenderType::Contact,
        user: None,
        contact: None,
        message_type: MessageType::Image,
        content: Content {
            text: "".into(),
            media_url: Some("/f/1?a&b".into()),
            filename: Some("<b>a</b>.png".into()),
            caption: Some("a & b".into()),
        },
        reply_to: Some(fixed_id()),
        client_message_id: Some("c<1>".into()),
        status: MessageStatus::Delivered,
        ..stored()
    };
    assert_eq!(
        told(&Event::Message(Arc::new(media)), None),
        format!(
            r#"{{"type":"new_message","payload":{{"message_id":"{MESSAGE}","session_id":"{SESSION}","seq":12,"contact_id":null,"text":"","content_type":"image","from_me":false,"timestamp":"2025-10-10T15:30:00.000Z","status":"delivered","reply_to_id":"{MESSAGE}","client_message_id":"c<1>","media_url":"/f/1?a&b","filename":"a.png","caption":"a &amp; b"}},{END}}}"#
        )
    );
}

#[test]
fn an_acknowledgement_says_so_when_it_is_for_a_repetition() {
    let sent = |duplicate| told(&Event::Sent { message: Arc::new(stored()), duplicate }, Some("\"m-1\""));
    let once: Value = serde_json::from_str(&sent(false)).expect("JSON");
    assert_eq!((&once["type"], &once["in_reply_to"]), (&json!("message_sent"), &json!("m-1")));
    assert_eq!(once["payload"].get("duplicate"), None);
    let twice: Value = serde_json::from_str(&sent(true)).expect("JSON");
    assert_eq!(twice["payload"]["duplicate"], json!(true));
}

#[test]
fn every_other_event_has_its_frame() {
    let (room, user, message) = (RoomId(id(SESSION)), UserId(id(USER)), fixed_id());
    let user_name: Box<str> = "<b>Ada</b> & co".into();
    let mark = |kind| Event::Marked(Mark { room, kind, user, message, up_to_seq: 12, at: AT });
    let time = "2025-10-10T15:30:00.000Z";
    let person = json!({"session_id": SESSION, "user_id": USER, "user_name": "Ada &amp; co"});
    for (event, kind, payload) in [
        (
            Event::Typing(Typing { room, contact: None, user, user_name: user_name.clone(), is_typing: true }),
            "user_typing",
            json!({"session_id": SESSION, "contact_id": null, "is_typing": true, "user_id": USER, "user_name": "Ada &amp; co"}),
        ),
        (
            mark(MarkKind::Read),
            "message_read",
            json!({"message_id": MESSAGE, "session_id": SESSION, "read_at": time, "user_id": USER, "up_to_seq": 12}),
        ),
        (
            mark(MarkKind::Delivered),
            "message_delivered",
            json!({"message_id": MESSAGE, "session_id": SESSION, "delivered_at": time, "user_id": USER, "up_to_seq": 12}),
        ),
        (
            Event::Status { room, message, status: MessageStatus::Failed, at: AT },
            "message_status",
            json!({"message_id": MESSAGE, "session_id": SESSION, "status": "failed", "timestamp": time}),
        ),
        (Event::UserJoined { room, user, user_name: user_name.clone() }, "user_joined", person.clone()),
        (Event::UserLeft { room, user, user_name: user_name.clone() }, "user_left", person),
        (
            Event::Connected { conn: ConnId(7), user, heartbeat_secs: 25 },
            "connected",
            json!({"client_id": "55440000-7", "user_id": USER, "timestamp": time, "heartbeat_interval": 25}),
        ),
        (
            Event::Joined { room, last_seq: 3, last_pos: 9, members: 2 },
            "session_joined",
            json!({"session_id": SESSION, "last_seq": 3, "last_pos": 9, "members": 2}),
        ),
        (Event::Left { room }, "session_left", json!({"session_id": SESSION})),
        (
            Event::Presence { room, users: vec![(user, user_name.clone()), (user, "Bo".into())], total: 140 },
            "presence",
            json!({"session_id": SESSION, "total": 140, "users":
                [{"user_id": USER, "user_name": "Ada &amp; co"}, {"user_id": USER, "user_name": "Bo"}]}),
        ),
        (Event::TokenExpiring { expires_at: AT }, "token_expiring", json!({"expires_at": time})),
        (Event::TokenRefreshed { expires_at: Some(AT) }, "token_refreshed", json!({"expires_at": time})),
        (Event::TokenRefreshed { expires_at: None }, "token_refreshed", json!({"expires_at": null})),
        (
            Event::ServerRestarting { reconnect_after_ms: 4_321 },
            "server_restarting",
            json!({"reconnect_after_ms": 4_321}),
        ),
    ] {
        let expected = json!({"type": kind, "payload": payload, "timestamp": time, "message_id": "msg-55440000-1"});
        assert_eq!(serde_json::from_str::<Value>(&told(&event, None)).expect("JSON"), expected);
    }
    assert_eq!(told(&Event::Pong, None), format!(r#"{{"type":"pong",{END}}}"#));
    assert_eq!(told(&Event::Pong, Some("17")), format!(r#"{{"type":"pong",{END},"in_reply_to":17}}"#));
}

#[test]
fn an_error_tells_its_code_twice_and_what_would_be_right() {
    assert_eq!(
        told(&Event::Rejected(Reject::field("session_id", "a UUID")), Some("\"m-1\"")),
        format!(
            r#"{{"type":"error","payload":{{"code":"invalid_payload","message":"session_id: expected a UUID","details":{{"field":"session_id"}}}},{END},"in_reply_to":"m-1","error":"invalid_payload"}}"#
        )
    );
    assert_eq!(
        told(&Event::Rejected(Reject::rate_limited(250)), None),
        format!(
            r#"{{"type":"error","payload":{{"code":"rate_limited","message":"Rate limit exceeded","details":{{"retry_after_ms":250}},"retry_after_ms":250}},{END},"error":"rate_limited"}}"#
        )
    );
    assert!(!told(&Event::Rejected(Reject::not_found()), None).contains("details"));
}

#[test]
fn no_two_frames_have_the_same_id() {
    let messages = messages();
    let tell = || {
        let mut out = Vec::new();
        messages.encode(&Event::Pong, None, AT, &mut out);
        out
    };
    assert_ne!(tell(), tell());
}

/// JSON of any shape whose keys are often the right ones.
fn frames() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just(SESSION.to_owned()),
        Just("send_message".to_owned()),
        Just("join_session".to_owned()),
        Just("typing".to_owned()),
        Just("mark_read".to_owned()),
        Just("message_id".to_owned()),
        Just("session_id".to_owned()),
        Just("text".to_owned()),
        ".{0,12}",
    ];
    let leaf = prop_oneof![
        word.clone().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    let payload = prop::collection::hash_map(word.clone(), leaf.clone(), 0..6);
    (word, payload, leaf).prop_map(|(kind, payload, message_id)| {
        json!({"type": kind, "payload": payload.into_iter().collect::<serde_json::Map<_, _>>(), "message_id": message_id})
            .to_string()
    })
}

proptest! {
    #[test]
    fn anything_is_answered_without_a_panic(text in "\\PC*") {
        let _ = messages().decode(&text);
    }

    #[test]
    fn whatever_is_answered_is_json(frame in frames()) {
        let (event, tag) = match messages().decode(&frame) {
            Ok(inbound) => (Event::Pong, inbound.tag),
            Err(misread) => (Event::Rejected(misread.reject), misread.tag),
        };
        let told: Value = serde_json::from_str(&told(&event, tag.as_deref())).expect("JSON");
        let asked: Value = serde_json::from_str(&frame).expect("JSON");
        if tag.is_some() {
            prop_assert_eq!(&told["in_reply_to"], &asked["message_id"]);
        }
    }

    #[test]
    fn any_message_is_told_as_json(text in any::<String>(), name in any::<String>(), key in any::<String>()) {
        let message = Message {
            content: Content { text: text.into(), caption: Some(name.as_str().into()), ..Content::default() },
            user_name: name.into(),
            client_message_id: Some(key.as_str().into()),
            ..stored()
        };
        let told: Value = serde_json::from_str(&told(&Event::Message(Arc::new(message)), None)).expect("JSON");
        prop_assert_eq!(told["payload"]["client_message_id"].as_str(), Some(key.as_str()));
    }
}
