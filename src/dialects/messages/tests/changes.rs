//! Frames that tell of changes: of messages, of sessions, of who is in them.

use serde_json::{Value, json};

use super::*;
use crate::domain::{Deletion, Member, MemberRole, Membership, Reaction, Reactions, Room, RoomKind, UserStatus};

const AT_TEXT: &str = "2025-10-10T15:30:00.000Z";

fn payload(event: &Event, kind: &str) -> Value {
    let frame: Value = serde_json::from_str(&told(event, None)).expect("JSON");
    assert_eq!(frame["type"], kind, "{frame}");
    frame["payload"].clone()
}

fn changed() -> Message {
    let users = (0..51).map(|n| UserId(Uuid::from_u128(n))).collect();
    Message {
        changed_pos: 44,
        edited_at: Some(AT),
        reactions: vec![
            Reactions { emoji: "👍".into(), users },
            Reactions { emoji: "❤️".into(), users: vec![UserId(id(USER))] },
        ],
        ..stored()
    }
}

fn room() -> Room {
    Room {
        id: RoomId(id(SESSION)),
        organization: OrgId(id(USER)),
        kind: RoomKind::Private,
        name: Some("<b>Ada</b> & co".into()),
        contact: None,
        version: 3,
        created_at: AT,
        updated_at: AT,
        archived_at: None,
    }
}

#[test]
fn a_changed_message_is_told_as_it_is_now() {
    let now = payload(&Event::Message(Arc::new(changed())), "new_message");
    assert_eq!((&now["edited_at"], &now["pos"]), (&json!(AT_TEXT), &json!(40)), "pos is where it was stored");
    let reactions = now["reactions"].as_array().expect("a list");
    let named = reactions[0]["user_ids"].as_array().expect("a list");
    assert_eq!((&reactions[0]["count"], named.len()), (&json!(51), 50));
    assert_eq!(named[1], json!(Uuid::from_u128(1)));
    assert_eq!(reactions[1], json!({"emoji": "❤️", "count": 1, "user_ids": [USER]}));

    let message = Arc::new(changed());
    let mut edited = payload(&Event::Edited { message: message.clone(), by: Some(UserId(id(USER))) }, "message_edited");
    assert_eq!(edited["edited_by"], json!(USER));
    edited.as_object_mut().expect("an object").remove("edited_by");
    assert_eq!(edited, now, "the fields are the same");
    assert_eq!(payload(&Event::Edited { message, by: None }, "message_edited"), now);
}

#[test]
fn a_tombstone_says_when_it_was_deleted_and_nothing_else() {
    let tombstone = Message { content: Content::default(), deleted_at: Some(AT), ..stored() };
    let told = payload(&Event::Message(Arc::new(tombstone)), "new_message");
    assert_eq!((&told["text"], &told["deleted_at"]), (&json!(""), &json!(AT_TEXT)));
    assert!(told.get("reactions").is_none() && told.get("edited_at").is_none(), "{told}");
    let deletion = |by| Deletion { room: RoomId(id(SESSION)), message: fixed_id(), seq: 12, by, at: AT };
    let expected = json!({"message_id": MESSAGE, "session_id": SESSION, "seq": 12, "deleted_at": AT_TEXT});
    assert_eq!(payload(&Event::Deleted(deletion(None)), "message_deleted"), expected);
    let by = payload(&Event::Deleted(deletion(Some(UserId(id(USER))))), "message_deleted");
    assert_eq!(by["deleted_by"], json!(USER));
}

#[test]
fn a_reaction_comes_with_its_count() {
    for (present, kind) in [(true, "reaction_added"), (false, "reaction_removed")] {
        let reaction = Reaction {
            room: RoomId(id(SESSION)),
            message: fixed_id(),
            seq: 12,
            user: UserId(id(USER)),
            user_name: "Ada <i>".into(),
            emoji: "👍".into(),
            present,
            count: 3,
            at: AT,
        };
        let expected = json!({"message_id": MESSAGE, "session_id": SESSION, "seq": 12, "emoji": "👍",
            "user_id": USER, "user_name": "Ada ", "count": 3, "timestamp": AT_TEXT});
        assert_eq!(payload(&Event::Reacted(reaction), kind), expected);
    }
}

#[test]
fn sessions_that_change_come_and_go_have_their_frames() {
    let updated = json!({"session_id": SESSION, "name": "Ada &amp; co", "kind": "private", "updated_at": AT_TEXT,
        "archived_at": null});
    assert_eq!(payload(&Event::RoomUpdated(Arc::new(room())), "session_updated"), updated);
    let archived = Room { name: None, archived_at: Some(AT), ..room() };
    let nameless = payload(&Event::RoomUpdated(Arc::new(archived)), "session_updated");
    assert_eq!((&nameless["name"], &nameless["archived_at"]), (&Value::Null, &json!(AT_TEXT)));

    let membership = Membership::new(MemberRole::Moderator);
    let member = Member { room: room().id, user: UserId(id(USER)), membership, joined_at: AT };
    let contact = Some(ContactId(id(CONTACT)));
    let added = Event::RoomAdded { room: Arc::new(Room { contact, ..room() }), member: member.clone() };
    assert_eq!(
        payload(&added, "session_added"),
        json!({"session_id": SESSION, "name": "Ada &amp; co", "kind": "private", "role": "moderator",
            "contact_id": CONTACT, "created_at": AT_TEXT})
    );
    assert_eq!(payload(&Event::RoomRemoved { room: room().id }, "session_removed"), json!({"session_id": SESSION}));
    let status = Event::UserStatus { room: room().id, user: UserId(id(USER)), status: UserStatus::Busy };
    assert_eq!(payload(&status, "user_status"), json!({"session_id": SESSION, "user_id": USER, "status": "busy"}));
    let watching: Value = serde_json::from_str(&told(&Event::Watching, None)).expect("JSON");
    assert_eq!((&watching["type"], watching.get("payload")), (&json!("watching"), None));

    let (room, user) = (room().id, UserId(id(USER)));
    for answer in [Event::RoomPurged { room }, Event::MemberRemoved { room, user }, Event::MemberSet(member)] {
        let mut out = Vec::new();
        assert!(!messages().encode(&answer, None, AT, &mut out) && out.is_empty(), "{answer:?}");
    }
}
