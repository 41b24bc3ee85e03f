//! What clients are told.

use super::*;
use crate::dialects::socketio::encode::{acknowledge, emit, reject, sent, told};
use crate::domain::{ContactId, Deletion, Mark, MarkKind, Reaction, Reactions, Room, RoomKind, Typing};
use crate::session::offset::Offset;

fn packets(event: &Event, view: View, pos: Option<u64>) -> Vec<String> {
    let told = told(event, view, pos.map(|pos| Offset { pos, half: false }.into()), AT);
    frames(&told).map(|(_, payload)| String::from_utf8(payload.to_vec()).expect("UTF-8")).collect()
}

/// The name and the payload of an event's only packet.
fn event(event: &Event, view: View) -> (String, Value) {
    let packets = packets(event, view, None);
    assert_eq!(packets.len(), 1, "{packets:?}");
    let [name, payload]: [Value; 2] =
        serde_json::from_str(packets[0].strip_prefix("42").expect("an EVENT")).expect("two arguments");
    (name.as_str().expect("a name").to_owned(), payload)
}

#[test]
fn a_message_is_told_in_the_words_of_each_view() {
    let message = Event::Message(Arc::new(stored()));
    assert_eq!(
        packets(&message, View::Conversation, None),
        [format!(
            r#"42["message:new",{{"id":"{MESSAGE}","conversation_id":"{ROOM}","seq":12,"direction":"outbound","sender_type":"agent","sender_id":"{USER}","sender_name":"Ada","message_type":"text","content":{{"text":"Olá! 1 < 2"}},"status":"sent","whatsapp_message_id":null,"client_message_id":null,"reply_to_id":null,"created_at":"{TIME}","sent_at":"{TIME}","delivered_at":null,"read_at":null}}]"#
        )]
    );
    assert_eq!(
        packets(&message, View::Room, None),
        [format!(
            r#"42["message_received",{{"id":"{MESSAGE}","room_id":"{ROOM}","seq":12,"user_id":"{USER}","user_name":"Ada","content":"Olá! 1 < 2","message_type":"text","status":"sent","created_at":"{TIME}"}}]"#
        )]
    );
}

#[test]
fn a_message_with_everything_has_all_of_it() {
    let message = Message {
        content: Content {
            text: "".into(),
            media_url: Some("/f/1".into()),
            filename: Some("1.png".into()),
            caption: Some("Uma".into()),
        },
        reply_to: Some(fixed_id()),
        client_message_id: Some("c1".into()),
        external_id: Some("wamid.1".into()),
        status: MessageStatus::Read,
        delivered_at: Some(AT),
        read_at: Some(AT),
        edited_at: Some(AT),
        reactions: vec![Reactions { emoji: "👍".into(), users: vec![user()] }],
        ..stored()
    };
    let message = Event::Edited { message: Arc::new(message), by: Some(user()) };
    let (name, told) = event(&message, View::Conversation);
    assert_eq!(name, "message:updated");
    assert_eq!(told["content"], json!({"media_url": "/f/1", "filename": "1.png", "caption": "Uma"}));
    assert_eq!((&told["edited_at"], &told["edited_by"]), (&json!(TIME), &json!(USER)));
    assert_eq!((&told["whatsapp_message_id"], &told["status"]), (&json!("wamid.1"), &json!("read")));
    assert_eq!((&told["delivered_at"], &told["read_at"]), (&json!(TIME), &json!(TIME)));
    assert_eq!(told["reactions"], json!([{"emoji": "👍", "count": 1, "user_ids": [USER]}]));
    let (name, told) = event(&message, View::Room);
    assert_eq!((name.as_str(), &told["room_id"], &told["content"]), ("message:updated", &json!(ROOM), &json!("")));
    assert_eq!(
        (&told["media_url"], &told["caption"], &told["client_message_id"]),
        (&json!("/f/1"), &json!("Uma"), &json!("c1"))
    );
}

#[test]
fn what_is_stored_carries_its_place_for_clients_that_take_it() {
    let message = Event::Message(Arc::new(stored()));
    let [packet] = &packets(&message, View::Room, Some(36))[..] else { panic!("one packet") };
    assert!(packet.ends_with("},\"10\"]"), "{packet}");
}

#[test]
fn typing_is_told_as_each_habit_expects_it() {
    let typing = Typing { room: room(), contact: None, user: user(), user_name: "Ada".into(), is_typing: true };
    let typing = Event::Typing(typing);
    assert_eq!(
        event(&typing, View::Conversation),
        ("user_typing".into(), json!({"conversation_id": ROOM, "user_id": USER, "typing": true}))
    );
    let payload =
        format!(r#"{{"room_id":"{ROOM}","user_id":"{USER}","user_name":"Ada","typing":true,"is_typing":true}}"#);
    assert_eq!(
        packets(&typing, View::Room, None),
        [format!(r#"42["typing",{payload}]"#), format!(r#"42["user_typing",{payload}]"#)]
    );
}

#[test]
fn the_contact_that_somebody_types_to_is_told_where_it_is_known() {
    let contact = Some(ContactId(id(MESSAGE)));
    let typing = Typing { room: room(), contact, user: user(), user_name: "Ada".into(), is_typing: false };
    let (_, told) = event(&Event::Typing(typing), View::Conversation);
    assert_eq!(told, json!({"conversation_id": ROOM, "user_id": USER, "contact_id": MESSAGE, "typing": false}));
}

#[test]
fn the_other_events_have_their_names_and_fields() {
    let mark = |kind| {
        Event::Marked(Mark {
            room: room(),
            kind,
            user: user(),
            message: fixed_id(),
            up_to_seq: 12,
            moved: None,
            at: AT,
        })
    };
    for (kind, status) in [(MarkKind::Read, "read"), (MarkKind::Delivered, "delivered")] {
        let payload = json!({"message_id": MESSAGE, "conversation_id": ROOM, "status": status, "timestamp": TIME,
            "user_id": USER, "up_to_seq": 12});
        assert_eq!(event(&mark(kind), View::Conversation), ("message:status".into(), payload));
        assert!(packets(&mark(kind), View::Room, None).is_empty(), "rooms have no word for it");
    }
    let status = Event::Status { room: room(), message: fixed_id(), status: MessageStatus::Failed, at: AT };
    let payload = json!({"message_id": MESSAGE, "conversation_id": ROOM, "status": "failed", "timestamp": TIME});
    assert_eq!(event(&status, View::Conversation), ("message:status".into(), payload));

    let deletion = Deletion { room: room(), message: fixed_id(), seq: 12, by: Some(user()), at: AT };
    let payload =
        json!({"message_id": MESSAGE, "conversation_id": ROOM, "seq": 12, "deleted_at": TIME, "deleted_by": USER});
    assert_eq!(event(&Event::Deleted(deletion.clone()), View::Conversation), ("message:deleted".into(), payload));
    assert_eq!(event(&Event::Deleted(deletion), View::Room).1["room_id"], json!(ROOM));

    let reaction = Reaction {
        room: room(),
        message: fixed_id(),
        seq: 12,
        user: user(),
        user_name: "Ada".into(),
        emoji: "👍".into(),
        present: false,
        count: 2,
        at: AT,
    };
    let payload = json!({"message_id": MESSAGE, "room_id": ROOM, "seq": 12, "emoji": "👍", "action": "removed",
        "user_id": USER, "user_name": "Ada", "count": 2, "timestamp": TIME});
    assert_eq!(event(&Event::Reacted(reaction), View::Room), ("message:reaction".into(), payload));

    let updated = Room {
        id: room(),
        organization: OrgId(id(USER)),
        kind: RoomKind::Public,
        name: Some("Sala".into()),
        contact: None,
        version: 2,
        created_at: AT,
        updated_at: AT,
        archived_at: None,
    };
    let payload = json!({"room_id": ROOM, "name": "Sala", "kind": "public", "updated_at": TIME, "archived_at": null});
    assert_eq!(event(&Event::RoomUpdated(Arc::new(updated)), View::Room), ("room_updated".into(), payload));

    let person = json!({"room_id": ROOM, "user_id": USER, "user_name": "Ada"});
    let (came, went) = (
        Event::UserJoined { room: room(), user: user(), user_name: "Ada".into() },
        Event::UserLeft { room: room(), user: user(), user_name: "Ada".into() },
    );
    assert_eq!(event(&came, View::Room), ("user_joined".into(), person.clone()));
    assert_eq!(event(&went, View::Room), ("user_left".into(), person));
    assert!(packets(&came, View::Conversation, None).is_empty());
}

#[test]
fn senders_are_acknowledged_and_refusals_speak_the_words_that_clients_know() {
    let text = |frame: &[u8]| {
        let (_, payload) = frames(frame).next().expect("a frame");
        String::from_utf8(payload.to_vec()).expect("UTF-8")
    };
    let message = stored();
    assert_eq!(
        text(&acknowledge(7, |p| sent(p, &message, false))),
        format!(r#"437[{{"id":"{MESSAGE}","seq":12,"status":"sent","created_at":"{TIME}"}}]"#)
    );
    assert!(text(&acknowledge(7, |p| sent(p, &message, true))).contains(r#""duplicate":true"#));
    for (refusal, message, code) in [
        (Reject::not_found(), "Forbidden", "not_found"),
        (Reject::forbidden(), "Forbidden", "forbidden"),
        (Reject::no_organization(), "Not authenticated", "authentication_required"),
        (Reject::rate_limited(5), "Rate limit exceeded", "rate_limited"),
        (Reject::new(RejectCode::InvalidToken, "No"), "Not authenticated", "invalid_token"),
        (Reject::not_joined(), "Join the room first", "not_joined"),
        (Reject::no_such_message(), "There is no such message in this room", "not_found"),
    ] {
        let packet = text(&emit("error", None, |p| reject(p, &refusal)));
        let [_, payload]: [Value; 2] = serde_json::from_str(&packet[2..]).expect("two arguments");
        assert_eq!((&payload["message"], &payload["code"]), (&json!(message), &json!(code)));
    }
}

#[test]
fn another_namespace_hears_the_same_in_its_own_name() {
    let typing = Typing { room: room(), contact: None, user: user(), user_name: "Ada".into(), is_typing: true };
    let root = told(&Event::Typing(typing), View::Room, None, AT);
    let other = crate::dialects::socketio::namespace::translate(&root, "/desk");
    let (root, other): (Vec<_>, Vec<_>) = (frames(&root).collect(), frames(&other).collect());
    assert_eq!(root.len(), other.len());
    for ((_, root), (_, other)) in root.iter().zip(&other) {
        assert_eq!([&b"42/desk,"[..], &root[2..]].concat(), *other);
    }
}
