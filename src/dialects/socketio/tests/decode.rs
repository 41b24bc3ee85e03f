//! What clients ask for.

use proptest::prelude::*;

use super::*;
use crate::domain::{MarkKind, MarkTarget, Resume, RoomKind};

fn dialect() -> SocketIo {
    SocketIo::new(&Options { max_text_bytes: 100, message_ids: fixed_id, socketio_path: "/socket.io/" })
}

fn decode(name: &str, payload: Value) -> Result<Inbound, Misread> {
    dialect().decode(&json!([name, payload]).to_string())
}

fn command(name: &str, payload: Value) -> (Command, Verb) {
    let inbound = dialect().decode(&format!("7{}", json!([name, payload]))).expect("an event");
    let asked = inbound.tag.as_deref().and_then(Asked::parse).expect("every request is told apart");
    let Request::Command(command) = inbound.request else { panic!("expected a command") };
    (command, asked.verb)
}

fn refused(name: &str, payload: Value) -> Reject {
    decode(name, payload).expect_err("not to be understood").reject
}

#[test]
fn rooms_are_joined_in_either_view() {
    let (room, live) = (room(), Resume::Live);
    let (conversation, public) = (RoomKind::Conversation, RoomKind::Public);
    assert_eq!(
        command("join_conversation", json!({"conversation_id": ROOM})),
        (
            Command::Join { room, resume: live, presence: None, create_as: conversation },
            Verb::Join { view: View::Conversation, room, past: false }
        )
    );
    assert_eq!(
        command("join_conversation", json!({"conversation_id": ROOM, "after_seq": 7})),
        (
            Command::Join { room, resume: Resume::AfterSeq(7), presence: None, create_as: conversation },
            Verb::Join { view: View::Conversation, room, past: true }
        )
    );
    assert_eq!(
        command("join_room", json!({"room_id": ROOM})),
        (
            Command::Join { room, resume: live, presence: Some(true), create_as: public },
            Verb::Join { view: View::Room, room, past: false }
        )
    );
    assert_eq!(
        command("leave_conversation", json!({"conversation_id": ROOM})),
        (Command::Leave { room }, Verb::Leave { view: View::Conversation, room })
    );
    assert_eq!(
        command("leave_room", json!({"room_id": ROOM})),
        (Command::Leave { room }, Verb::Leave { view: View::Room, room })
    );
}

#[test]
fn a_message_says_its_text_in_any_of_the_usual_places() {
    for (payload, view) in [
        (json!({"conversation_id": ROOM, "text": "Olá"}), View::Conversation),
        (json!({"conversation_id": ROOM, "content": "Olá"}), View::Conversation),
        (json!({"room_id": ROOM, "content": {"text": "Olá"}}), View::Room),
        (json!({"room_id": ROOM, "text": "Olá", "content": null}), View::Room),
    ] {
        let (Command::Send(draft), verb) = command("send_message", payload.clone()) else { panic!("{payload}") };
        assert_eq!((draft.room, &*draft.content.text, draft.id, verb), (room(), "Olá", fixed_id(), Verb::Send));
        let kind = if view == View::Room { RoomKind::Public } else { RoomKind::Conversation };
        assert_eq!(draft.create_as, kind, "{payload}");
    }
    let all = json!({"conversation_id": ROOM, "message_type": "image", "reply_to_id": MESSAGE, "client_message_id": "c1",
        "content": {"media_url": "https://a.example/1.png", "filename": "1.png", "caption": "Uma"}});
    let (Command::Send(draft), _) = command("send_message", all) else { panic!("expected a message") };
    assert_eq!(draft.message_type, MessageType::Image);
    assert_eq!((draft.reply_to, draft.client_message_id.as_deref()), (Some(fixed_id()), Some("c1")));
    assert_eq!(draft.content.media_url.as_deref(), Some("https://a.example/1.png"));
    assert_eq!((draft.content.filename.as_deref(), draft.content.caption.as_deref()), (Some("1.png"), Some("Uma")));
}

#[test]
fn the_other_events_have_their_commands() {
    let (room, message) = (room(), fixed_id());
    let place = json!({"conversation_id": ROOM});
    for (name, payload, is_typing) in [
        ("typing_start", place.clone(), true),
        ("typing_stop", place.clone(), false),
        ("typing", json!({"room_id": ROOM, "is_typing": true}), true),
    ] {
        assert_eq!(command(name, payload).0, Command::Typing { room, contact: None, is_typing });
    }
    let mark = |kind, target| Command::Mark { room, kind, target };
    let marked = json!({"conversation_id": ROOM, "message_id": MESSAGE, "up_to_seq": 3});
    assert_eq!(command("mark_read", marked).0, mark(MarkKind::Read, MarkTarget::Message(message)));
    let marked = json!({"room_id": ROOM, "up_to_seq": 3});
    assert_eq!(command("mark_delivered", marked).0, mark(MarkKind::Delivered, MarkTarget::Seq(3)));
    let change = |more: (&str, &str)| json!({"conversation_id": ROOM, "message_id": MESSAGE, more.0: more.1});
    assert_eq!(
        command("edit_message", change(("text", "b"))).0,
        Command::Edit { room, message, text: "b".into(), if_changed_pos: None }
    );
    assert_eq!(command("delete_message", change(("x", ""))).0, Command::Delete { room, message, if_changed_pos: None });
    for (name, present) in [("react", true), ("unreact", false)] {
        let command = command(name, change(("emoji", "👍"))).0;
        assert_eq!(command, Command::React { room, message, emoji: "👍".into(), present });
    }
    let request = |name, payload| decode(name, payload).expect("an event").request;
    assert_eq!(request("ping", json!({})), Request::Ping);
    assert_eq!(dialect().decode(r#"["ping"]"#).expect("an event").request, Request::Ping);
    assert_eq!(request("refresh_token", json!({"token": "t"})), Request::RefreshToken("t".into()));
}

#[test]
fn what_is_wrong_is_said_in_the_words_that_clients_know() {
    for (name, payload, message) in [
        ("join_conversation", json!({}), "conversation_id required"),
        ("join_conversation", json!(null), "conversation_id required"),
        ("join_conversation", json!({"conversation_id": ""}), "conversation_id required"),
        ("join_conversation", json!({"conversation_id": "x"}), "Invalid conversation_id"),
        ("join_conversation", json!({"conversation_id": 7}), "Invalid conversation_id"),
        ("join_room", json!({}), "room_id required"),
        ("join_room", json!({"room_id": "x"}), "Invalid room_id"),
        ("leave_conversation", json!({}), "conversation_id required"),
        ("typing_start", json!({}), "conversation_id required"),
        ("typing_stop", json!({}), "conversation_id required"),
        ("typing", json!({"is_typing": true}), "room_id required"),
        ("typing", json!(null), "room_id required"),
        ("leave_room", json!({}), "room_id required"),
        ("send_message", json!({"text": "a"}), "conversation_id required"),
    ] {
        let reject = refused(name, payload.clone());
        assert_eq!((&*reject.message, reject.code), (message, RejectCode::InvalidPayload), "{name} {payload}");
    }
}

#[test]
fn what_is_wrong_with_a_field_is_said_of_the_field() {
    for (name, payload, field) in [
        ("join_conversation", json!("x"), "payload"),
        ("join_conversation", json!({"conversation_id": ROOM, "after_seq": -1}), "after_seq"),
        ("typing", json!({"room_id": ROOM}), "is_typing"),
        ("mark_read", json!({"room_id": ROOM}), "message_id"),
        ("mark_read", json!({"room_id": ROOM, "up_to_seq": 0}), "up_to_seq"),
        ("edit_message", json!({"room_id": ROOM, "text": "a"}), "message_id"),
        ("edit_message", json!({"room_id": ROOM, "message_id": MESSAGE}), "text"),
        ("react", json!({"room_id": ROOM, "message_id": MESSAGE}), "emoji"),
        ("send_message", json!({"room_id": ROOM}), "text"),
        ("send_message", json!({"room_id": ROOM, "content": 7}), "content"),
        ("send_message", json!({"room_id": ROOM, "content": {"text": 7}}), "text"),
        ("send_message", json!({"room_id": ROOM, "text": "a", "message_type": "sticker"}), "message_type"),
        ("refresh_token", json!({}), "token"),
    ] {
        assert_eq!(refused(name, payload.clone()).field, Some(field), "{name} {payload}");
    }
    let long = json!({"room_id": ROOM, "text": "a".repeat(101)});
    assert_eq!(refused("send_message", long).code, RejectCode::MessageTooLarge);
    assert_eq!(refused("dance", json!({})).code, RejectCode::UnknownType);
    for args in ["[]", "[7]", "{}", "", "[\"a\""] {
        assert_eq!(dialect().decode(args).expect_err(args).reject.code, RejectCode::InvalidJson, "{args}");
    }
}

#[test]
fn the_acknowledgement_that_is_asked_for_is_remembered_whether_or_not_the_event_is_understood() {
    let ack = |tag: Option<&str>| tag.and_then(Asked::parse).and_then(|asked| asked.ack);
    assert_eq!(ack(dialect().decode(r#"7["ping",{}]"#).expect("an event").tag.as_deref()), Some(7));
    assert_eq!(ack(dialect().decode(r#"8["dance",{}]"#).expect_err("unknown").tag.as_deref()), Some(8));
    assert_eq!(ack(dialect().decode("9{}").expect_err("no array").tag.as_deref()), Some(9));
    assert_eq!(ack(dialect().decode(r#"["ping",{}]"#).expect("an event").tag.as_deref()), None);
    // Nobody waits for an answer to typing who does not say so.
    let typing = format!(r#"["typing_start",{{"conversation_id":"{ROOM}"}}]"#);
    assert_eq!(dialect().decode(&typing).expect("an event").tag, None);
    assert_eq!(ack(dialect().decode(&format!("6{typing}")).expect("an event").tag.as_deref()), Some(6));
}

proptest! {
    #[test]
    fn anything_is_read_or_refused(text in r#"([0-9]|\[|\]|\{|\}|,|:|"join_room"|"room_id"|"send_message"|"text"|null|\PC){0,40}"#) {
        let _ = dialect().decode(&text);
    }
}
