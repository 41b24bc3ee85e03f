//! Rooms: who may join, who is told of whom, and what stays inside an organization.

use serde_json::json;
use tertulia::domain::{OrgId, Role};

use crate::chat::Chat;
use crate::colleagues;
use crate::hub::{Hub, Person, fresh_id};

#[test]
fn joining_tells_where_the_room_stands() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let mut first = Chat::open(&hub, &ada);
    let joined = first.ask("join_session", json!({"session_id": room.to_string().to_uppercase()}));
    assert_eq!(joined["type"], "session_joined");
    assert_eq!(joined["payload"]["session_id"], json!(room));
    assert_eq!((&joined["payload"]["last_seq"], &joined["payload"]["members"]), (&json!(0), &json!(1)));
    assert!(joined["payload"]["last_pos"].is_u64());
    first.send(room, "one");
    first.send(room, "two");
    let joined = Chat::open(&hub, &bo).ask("join_session", json!({"session_id": room}));
    assert_eq!((&joined["payload"]["last_seq"], &joined["payload"]["members"]), (&json!(2), &json!(2)));
}

/// Several readers answer in any order; one of them may have looked before the room was made.
#[test]
fn all_who_join_a_room_at_once_that_nobody_has_made_stay_in_it() {
    for workers in ["1", "3"] {
        let hub = Hub::start(&["--workers", workers, "--set", "database.workers=4"]);
        let organization = OrgId(fresh_id());
        let mut chats: Vec<_> =
            (0..40).map(|_| Chat::open(&hub, &Person::new(organization, Role::Agent, "Ada"))).collect();
        for _ in 0..10 {
            let room = fresh_id();
            for chat in &mut chats {
                chat.say("join_session", json!({"session_id": room}));
            }
            for chat in &mut chats {
                chat.expect("session_joined");
            }
            chats[0].send(room, "still here?");
            for chat in &mut chats[1..] {
                let heard = chat.next();
                assert_eq!(heard["type"], "new_message", "{workers} workers: {heard}");
            }
        }
    }
}

#[test]
fn after_leaving_a_room_nothing_is_heard_from_it() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let (room, other) = (fresh_id(), fresh_id());
    let (mut ada, mut bo) = (Chat::join(&hub, &ada, room), Chat::join(&hub, &bo, room));
    ada.ask("join_session", json!({"session_id": other}));
    bo.ask("join_session", json!({"session_id": other}));
    let left = bo.ask("leave_session", json!({"session_id": room}));
    assert_eq!((&left["type"], &left["payload"]), (&json!("session_left"), &json!({"session_id": room})));
    ada.send(room, "unheard");
    ada.send(other, "heard");
    assert_eq!(bo.expect("new_message")["payload"]["text"], "heard");
    for kind in ["leave_session", "get_presence"] {
        assert_eq!(bo.fails(kind, json!({"session_id": room})), "not_joined");
    }
    assert_eq!(bo.fails("typing", json!({"session_id": room, "is_typing": true})), "not_joined");
}

#[test]
fn an_unknown_room_does_not_exist_unless_rooms_are_made_on_demand() {
    let hub = Hub::start(&["--set", "rooms.auto_create=false"]);
    let mut chat = Chat::open(&hub, &colleagues().0);
    let room = fresh_id();
    for (kind, payload) in [
        ("join_session", json!({"session_id": room})),
        ("send_message", json!({"session_id": room, "text": "x"})),
        ("typing", json!({"session_id": room, "is_typing": true})),
        ("mark_read", json!({"session_id": room, "up_to_seq": 1})),
        ("get_presence", json!({"session_id": room})),
    ] {
        assert_eq!(chat.fails(kind, payload), "not_found", "{kind}");
    }
}

#[test]
fn another_organizations_room_does_not_exist() {
    let hub = Hub::start(&[]);
    let (ada, _) = colleagues();
    let stranger = Person::new(OrgId(fresh_id()), Role::Admin, "Eve");
    // The same user id in another organization is another user.
    let double = Person { id: ada.id, ..stranger };
    let room = fresh_id();
    let mut ada = Chat::join(&hub, &ada, room);
    let sent = ada.send(room, "ours");
    for outsider in [stranger, double] {
        let mut outsider = Chat::open(&hub, &outsider);
        for (kind, payload) in [
            ("join_session", json!({"session_id": room, "after_seq": 0})),
            ("send_message", json!({"session_id": room, "text": "theirs"})),
            ("typing", json!({"session_id": room, "is_typing": true})),
            ("mark_read", json!({"session_id": room, "message_id": sent["message_id"]})),
            ("get_presence", json!({"session_id": room})),
        ] {
            assert_eq!(outsider.fails(kind, payload), "not_found", "{kind}");
        }
    }
    assert_eq!(ada.send(room, "still ours")["seq"], 2);
}

#[test]
fn a_conversation_is_for_its_members_and_for_agents() {
    let hub = Hub::start(&[]);
    let organization = OrgId(fresh_id());
    let owner = Person::new(organization, Role::Member, "Ada");
    let member = Person::new(organization, Role::Member, "Bo");
    let room = fresh_id();
    Chat::join(&hub, &owner, room);
    let mut member = Chat::open(&hub, &member);
    assert_eq!(member.fails("join_session", json!({"session_id": room})), "forbidden");
    assert_eq!(member.fails("send_message", json!({"session_id": room, "text": "x"})), "forbidden");
    for role in [Role::Agent, Role::Admin] {
        Chat::join(&hub, &Person::new(organization, role, "Cy"), room);
    }
    Chat::join(&hub, &owner, room).send(room, "my own");
}

#[test]
fn typing_is_told_to_the_others_and_not_echoed() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let (room, contact) = (fresh_id(), fresh_id());
    let (mut typist, mut device, mut other) =
        (Chat::join(&hub, &ada, room), Chat::join(&hub, &ada, room), Chat::join(&hub, &bo, room));
    typist.say("typing", json!({"session_id": room, "contact_id": contact, "is_typing": true}));
    typist.say("typing", json!({"session_id": room, "is_typing": false}));
    for chat in [&mut other, &mut device] {
        let expected = json!({"session_id": room, "contact_id": contact, "is_typing": true,
            "user_id": ada.id, "user_name": "Ada"});
        assert_eq!(chat.expect("user_typing")["payload"], expected);
        let stopped = chat.expect("user_typing");
        assert_eq!(stopped["payload"]["is_typing"], false);
        assert_eq!(stopped["payload"]["contact_id"], json!(null));
    }
    other.send(room, "after that");
    typist.expect("new_message");
}

#[test]
fn those_who_ask_are_told_who_comes_and_goes() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let mut watcher = Chat::open(&hub, &ada);
    watcher.ask("join_session", json!({"session_id": room, "presence": true}));
    let mut first = Chat::join(&hub, &bo, room);
    let person = json!({"session_id": room, "user_id": bo.id, "user_name": "Bo"});
    assert_eq!(watcher.expect("user_joined")["payload"], person);
    // A second session of the same user is no news, nor is its end.
    let mut second = Chat::join(&hub, &bo, room);
    second.ask("leave_session", json!({"session_id": room}));
    first.ask("leave_session", json!({"session_id": room}));
    assert_eq!(watcher.expect("user_left")["payload"], person);
    first.ask("join_session", json!({"session_id": room}));
    watcher.expect("user_joined");
    first.leave();
    assert_eq!(watcher.expect("user_left")["payload"], person);
}

#[test]
fn a_lost_connection_has_a_grace_in_which_to_come_back() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let mut watcher = Chat::open(&hub, &ada);
    watcher.ask("join_session", json!({"session_id": room, "presence": true}));
    let lost = Chat::join(&hub, &bo, room);
    watcher.expect("user_joined");
    drop(lost);
    let mut back = Chat::join(&hub, &bo, room);
    back.send(room, "here again");
    watcher.expect("new_message");
    drop(back);
    assert_eq!(watcher.expect("user_left")["payload"]["user_id"], json!(bo.id));
}

#[test]
fn without_asking_nobody_is_told_who_comes() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let mut chat = Chat::join(&hub, &ada, room);
    Chat::join(&hub, &bo, room).send(room, "hello");
    chat.expect("new_message");
}

#[test]
fn presence_lists_users_once_each() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let mut chat = Chat::join(&hub, &ada, room);
    let _devices = (Chat::join(&hub, &bo, room), Chat::join(&hub, &bo, room));
    let presence = chat.ask("get_presence", json!({"session_id": room}));
    assert_eq!(presence["type"], "presence");
    assert_eq!(presence["payload"]["total"], 2);
    let mut names: Vec<_> = presence["payload"]["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["user_name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["Ada", "Bo"]);
}

#[test]
fn a_connection_is_in_as_many_rooms_as_it_may_be() {
    let hub = Hub::start(&["--set", "limits.max_rooms_per_connection=2"]);
    let mut chat = Chat::open(&hub, &colleagues().0);
    let rooms = [fresh_id(), fresh_id(), fresh_id()];
    for room in &rooms[..2] {
        assert_eq!(chat.ask("join_session", json!({"session_id": room}))["type"], "session_joined");
    }
    assert_eq!(chat.fails("join_session", json!({"session_id": rooms[2]})), "too_many_rooms");
    assert_eq!(chat.ask("join_session", json!({"session_id": rooms[0]}))["type"], "session_joined");
    chat.ask("leave_session", json!({"session_id": rooms[0]}));
    assert_eq!(chat.ask("join_session", json!({"session_id": rooms[2]}))["type"], "session_joined");
}
