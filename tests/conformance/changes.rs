//! Changes of messages: told to everyone in the room, kept for those who come back, and made by those who may.

use serde_json::{Value, json};
use tertulia::domain::{OrgId, Role};

use crate::chat::{Chat, assert_time};
use crate::colleagues;
use crate::hub::{Hub, Person, fresh_id};

/// Names a message in a room, with more fields.
fn of(room: uuid::Uuid, message: &Value, more: Value) -> Value {
    let mut payload = json!({"session_id": room, "message_id": message["message_id"]});
    for (name, value) in more.as_object().expect("an object") {
        payload[name] = value.clone();
    }
    payload
}

#[test]
fn an_edit_is_told_to_everyone_in_the_room() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let (mut sender, mut device, mut other) =
        (Chat::join(&hub, &ada, room), Chat::join(&hub, &ada, room), Chat::join(&hub, &bo, room));
    let sent = sender.send(room, "Helo");
    assert!(sent["pos"].is_u64(), "{sent}");
    let answer = sender.ask("edit_message", of(room, &sent, json!({"text": "Hello <b>you</b> 1 < 2"})));
    assert_eq!(answer["type"], "message_edited", "{answer}");
    let mut edited = answer["payload"].clone();
    for chat in [&mut device, &mut other] {
        chat.expect("new_message");
        assert_eq!(chat.expect("message_edited")["payload"], edited);
    }
    assert_time(&edited["edited_at"]);
    assert_eq!((&edited["text"], &edited["edited_by"]), (&json!("Hello you 1 &lt; 2"), &json!(ada.id)));
    let fields = edited.as_object_mut().expect("an object");
    fields.remove("edited_at");
    fields.remove("edited_by");
    assert_eq!(fields.remove("altered"), Some(json!(true)), "the tags are not told");
    fields.insert("text".into(), json!("Helo"));
    assert_eq!(edited, sent, "everything else is as it was, its pos too");
    // The one who asked is not told twice.
    let next = other.send(room, "next");
    assert_eq!(sender.expect("new_message")["payload"]["message_id"], next["message_id"]);
}

#[test]
fn a_deleted_message_is_a_tombstone_from_then_on() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let (mut sender, mut other) = (Chat::join(&hub, &ada, room), Chat::join(&hub, &bo, room));
    let sent = sender.send(room, "regretted");
    other.expect("new_message");
    let deleted = sender.ask("delete_message", of(room, &sent, json!({})));
    assert_eq!(deleted["type"], "message_deleted", "{deleted}");
    let payload = deleted["payload"].clone();
    assert_time(&payload["deleted_at"]);
    assert_eq!((&payload["seq"], &payload["deleted_by"]), (&json!(1), &json!(ada.id)));
    assert_eq!(other.expect("message_deleted")["payload"], payload);
    for (kind, more) in
        [("edit_message", json!({"text": "x"})), ("delete_message", json!({})), ("react", json!({"emoji": "👍"}))]
    {
        assert_eq!(sender.fails(kind, of(room, &sent, more)), "not_found", "{kind}");
    }
    let mut late = Chat::open(&hub, &bo);
    late.ask("join_session", json!({"session_id": room, "after_seq": 0}));
    let told = late.expect("new_message")["payload"].clone();
    assert_eq!((&told["text"], &told["deleted_at"]), (&json!(""), &payload["deleted_at"]));
}

#[test]
fn reactions_are_counted_once_per_user_and_emoji() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let (mut sender, mut other) = (Chat::join(&hub, &ada, room), Chat::join(&hub, &bo, room));
    let sent = sender.send(room, "good news");
    other.expect("new_message");
    let thumb = |sent: &Value| of(room, sent, json!({"emoji": "👍"}));
    for (chat, count) in [(&mut other, 1), (&mut sender, 2)] {
        let answer = chat.ask("react", thumb(&sent));
        assert_eq!((&answer["type"], &answer["payload"]["count"]), (&json!("reaction_added"), &json!(count)));
    }
    let again = sender.ask("react", thumb(&sent));
    assert_eq!((&again["type"], &again["payload"]["count"]), (&json!("reaction_added"), &json!(2)));
    let told = other.expect("reaction_added")["payload"].clone();
    assert_eq!((&told["user_id"], &told["user_name"], &told["emoji"]), (&json!(ada.id), &json!("Ada"), &json!("👍")));
    assert_eq!((&told["message_id"], &told["seq"]), (&sent["message_id"], &json!(1)));
    let removed = other.ask("unreact", thumb(&sent));
    assert_eq!((&removed["type"], &removed["payload"]["count"]), (&json!("reaction_removed"), &json!(1)));
    let mut late = Chat::open(&hub, &bo);
    late.ask("join_session", json!({"session_id": room, "after_seq": 0}));
    let expected = json!([{"emoji": "👍", "count": 1, "user_ids": [ada.id]}]);
    assert_eq!(late.expect("new_message")["payload"]["reactions"], expected);
}

#[test]
fn whoever_comes_back_with_the_pos_of_the_last_message_hears_what_has_changed() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let (mut sender, mut other) = (Chat::join(&hub, &ada, room), Chat::join(&hub, &bo, room));
    let (one, two) = (sender.send(room, "one"), sender.send(room, "two"));
    other.expect("new_message");
    let pos = other.expect("new_message")["payload"]["pos"].clone();
    drop(other);
    sender.ask("edit_message", of(room, &one, json!({"text": "uno"})));
    sender.ask("delete_message", of(room, &two, json!({})));
    sender.send(room, "three");
    let mut back = Chat::open(&hub, &bo);
    back.ask("join_session", json!({"session_id": room, "after_pos": pos}));
    let edited = back.expect("message_edited")["payload"].clone();
    assert_eq!((&edited["message_id"], &edited["text"]), (&one["message_id"], &json!("uno")));
    assert_eq!(back.expect("message_deleted")["payload"]["message_id"], two["message_id"]);
    assert_eq!(back.expect("new_message")["payload"]["text"], "three");
}

#[test]
fn only_those_who_may_change_a_message_do() {
    let hub = Hub::start(&[]);
    let organization = OrgId(fresh_id());
    let person = |role, name| Person::new(organization, role, name);
    let (owner, agent, admin) = (person(Role::Member, "Ada"), person(Role::Agent, "Bo"), person(Role::Admin, "Cy"));
    let room = fresh_id();
    let mut chat = Chat::join(&hub, &owner, room);
    let sent = chat.send(room, "mine");
    let mut other = Chat::open(&hub, &agent);
    assert_eq!(other.fails("edit_message", of(room, &sent, json!({"text": "ours"}))), "forbidden");
    assert_eq!(other.fails("delete_message", of(room, &sent, json!({}))), "forbidden");
    let theirs = other.send(room, "theirs");
    for (person, text) in [(&owner, "the owner may"), (&admin, "the admin may")] {
        let answer = Chat::open(&hub, person).ask("edit_message", of(room, &theirs, json!({"text": text})));
        assert_eq!(answer["payload"]["text"], text, "{answer}");
    }
    let mut stranger = Chat::open(&hub, &Person::new(OrgId(fresh_id()), Role::Admin, "Eve"));
    for (kind, more) in
        [("edit_message", json!({"text": "x"})), ("delete_message", json!({})), ("react", json!({"emoji": "👍"}))]
    {
        assert_eq!(stranger.fails(kind, of(room, &sent, more)), "not_found", "{kind}");
    }
    for text in ["", " \n\t"] {
        assert_eq!(chat.fails("edit_message", of(room, &sent, json!({"text": text}))), "invalid_payload");
    }
    let unknown = json!({"message_id": fresh_id()});
    assert_eq!(chat.fails("edit_message", of(room, &unknown, json!({"text": "x"}))), "not_found");
}

#[test]
fn watching_is_answered_and_needs_an_organization() {
    let hub = Hub::start(&[]);
    let (ada, _) = colleagues();
    let answer = Chat::open(&hub, &ada).ask("watch_sessions", json!(null));
    assert_eq!((&answer["type"], answer.get("payload")), (&json!("watching"), None));
    let nobody = Person { organization: None, ..ada };
    assert_eq!(Chat::open(&hub, &nobody).fails("watch_sessions", json!(null)), "forbidden");
}
