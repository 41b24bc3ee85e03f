//! Lists: page by page while others write, searched, and counted.

use serde_json::{Value, json};
use tertulia::domain::{OrgId, Role};

use crate::caller::{Caller, id};
use crate::chat::Chat;
use crate::hub::{Person, fresh_id};
use crate::{company, on_both};

fn seqs(items: &[Value]) -> Vec<u64> {
    items.iter().map(|it| it["seq"].as_u64().unwrap()).collect()
}

#[test]
fn the_past_of_a_room_is_read_from_either_end_while_others_write() {
    on_both(|hub| {
        let us = company(hub);
        let room = us.ana.room("public", &[]);
        for number in 1..=7 {
            us.ana.say(room, &format!("message {number}"));
        }
        let messages = format!("/api/v1/chat/rooms/{room}/messages");
        let newest = us.rui.get(&format!("{messages}?limit=3")).is(200);
        assert_eq!(seqs(newest["items"].as_array().unwrap()), [7, 6, 5]);
        us.ana.say(room, "message 8");
        let next = newest["next"].as_str().unwrap();
        let older = us.rui.get(&format!("{messages}?limit=3&cursor={next}")).is(200);
        assert_eq!(seqs(older["items"].as_array().unwrap()), [4, 3, 2], "neither repeated nor left out");
        let last = us.rui.get(&format!("{messages}?limit=3&before=2")).is(200);
        assert_eq!((seqs(last["items"].as_array().unwrap()), &last["next"]), (vec![1], &json!(null)));

        assert_eq!(seqs(&us.rui.all(&format!("{messages}?after=0"), 3)[..4]), [1, 2, 3, 4]);
        let page = us.rui.get(&format!("{messages}?after=2&limit=2")).is(200);
        assert_eq!(seqs(page["items"].as_array().unwrap()), [3, 4]);
        let next = page["next"].as_str().unwrap();
        let page = us.rui.get(&format!("{messages}?limit=9&cursor={next}")).is(200);
        assert_eq!((seqs(page["items"].as_array().unwrap()), &page["next"]), (vec![5, 6, 7, 8], &json!(null)));
        assert_eq!(us.rui.get(&format!("{messages}?after=9223372036854775807")).is(200)["items"], json!([]));
        us.rui.get(&format!("{messages}?after=9223372036854775808")).fails(400, "invalid_payload");

        for bad in ["limit=0", "limit=201", "limit=x", "before=-1", "before=1&after=2", "cursor=x", "cursor=", "limit="]
        {
            us.rui.get(&format!("{messages}?{bad}")).fails(400, "invalid_payload");
        }
        let rooms = us.rui.get("/api/v1/chat/rooms?limit=1");
        assert_eq!(rooms.status, 200);
        us.rui.get(&format!("/api/v1/chat/rooms?cursor={next}")).fails(400, "invalid_payload");
    });
}

#[test]
fn rooms_are_listed_for_those_who_may_know_of_them() {
    on_both(|hub| {
        let us = company(hub);
        let make = |who: &Caller<'_>, name: &str, kind: &str| {
            id(&who.post("/api/v1/chat/rooms", json!({"name": name, "kind": kind})).is(201))
        };
        let public = make(&us.ana, "Plaza_100%", "public");
        let private = make(&us.ana, "Kitchen", "private");
        let customer = make(&us.agent, "Customer", "conversation");
        let names = |who: &Caller<'_>, query: &str| {
            let mut names: Vec<_> = who
                .all(&format!("/api/v1/chat/rooms{query}"), 1)
                .iter()
                .map(|it| it["name"].as_str().unwrap().to_owned())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(&us.ana, ""), ["Kitchen", "Plaza_100%"]);
        assert_eq!(names(&us.ana, "?filter=mine&kind=public"), ["Plaza_100%"]);
        assert_eq!(names(&us.rui, ""), ["Plaza_100%"]);
        assert_eq!(names(&us.rui, "?filter=mine"), [""; 0]);
        assert_eq!(names(&us.rui, "?filter=public"), ["Plaza_100%"]);
        assert_eq!(names(&us.agent, ""), ["Customer", "Plaza_100%"]);
        assert_eq!(names(&us.admin, ""), ["Customer", "Plaza_100%"], "not other people's private rooms");
        assert_eq!(names(&us.ana, "?q=kITch"), ["Kitchen"]);
        assert_eq!(names(&us.ana, "?q=_"), ["Plaza_100%"], "no wildcard");
        assert_eq!(names(&us.ana, "?q=00%25"), ["Plaza_100%"]);
        assert_eq!(names(&us.ana, "?q=a.*"), [""; 0]);
        us.ana.get("/api/v1/chat/rooms?filter=all").fails(400, "invalid_payload");
        us.ana.get("/api/v1/chat/rooms?kind=x").fails(400, "invalid_payload");
        us.ana.get(&format!("/api/v1/chat/rooms?q={}", "x".repeat(101))).fails(400, "invalid_payload");

        us.ana.say(public, "one");
        us.ana.say(public, "two");
        let listed = us.rui.all("/api/v1/chat/rooms", 10);
        assert_eq!((&listed[0]["last_seq"], &listed[0]["last_message"]["content"]["text"]), (&2.into(), &"two".into()));
        assert!(listed[0]["membership"].is_null());

        // A ban hides a room; nothing of it is told.
        let of_rui = format!("/api/v1/chat/rooms/{public}/members/{}", us.rui.id());
        us.ana.put(&of_rui, json!({"banned": true})).is(200);
        assert_eq!(names(&us.rui, ""), [""; 0]);
        us.rui.get(&format!("/api/v1/chat/rooms/{public}")).fails(403, "forbidden");
        let kept_out = us.ana.all(&format!("/api/v1/chat/rooms/{public}/members?banned=true"), 10);
        assert_eq!((kept_out.len(), &kept_out[0]["banned"]), (1, &true.into()));
        us.eva.get(&format!("/api/v1/chat/rooms/{public}/members?banned=true")).fails(403, "forbidden");
        let _ = (private, customer);
    });
}

#[test]
fn unread_messages_and_mentions_are_counted() {
    on_both(|hub| {
        let us = company(hub);
        let room = us.ana.room("private", &[&us.rui]);
        let rui = |field: &str| {
            let listed = us.rui.all("/api/v1/chat/unread", 1);
            assert_eq!(listed.len(), 1, "{listed:?}");
            assert_eq!(listed[0]["room_id"], json!(room));
            listed[0][field].as_u64().unwrap()
        };
        assert_eq!(rui("unread"), 0);
        us.ana.say(room, "hello");
        us.ana.say(room, "are you there, @RUI?");
        us.ana.say(room, "@Ruizinho is somebody else");
        us.rui.say(room, "my own, with @Rui in it");
        let deleted = id(&us.ana.say(room, "@rui"));
        assert_eq!(us.ana.delete(&format!("/api/v1/chat/messages/{deleted}")).status, 204);
        assert_eq!((rui("unread"), rui("mentions"), rui("last_seq"), rui("last_read_seq")), (3, 1, 5, 0));
        let listed = us.rui.all("/api/v1/chat/rooms?filter=mine", 10);
        assert_eq!((&listed[0]["unread"], &listed[0]["mentions"]), (&3.into(), &1.into()));

        let read = format!("/api/v1/chat/rooms/{room}/read");
        let mark = us.rui.put(&read, json!({"up_to_seq": 2})).is(200);
        assert_eq!((&mark["up_to_seq"], &mark["user_id"]), (&2.into(), &json!(us.rui.id())));
        assert_eq!((rui("unread"), rui("mentions"), rui("last_read_seq")), (1, 0, 2));
        us.rui.put(&read, json!({"up_to_seq": 5})).is(200);
        assert_eq!((rui("unread"), rui("mentions")), (0, 0));
        us.rui.put(&read, json!({"up_to_seq": 0})).fails(400, "invalid_payload");
        us.eva.put(&read, json!({"up_to_seq": 1})).fails(403, "forbidden");

        // Whoever comes later has missed nothing.
        us.ana.post(&format!("/api/v1/chat/rooms/{room}/members"), json!({"user_id": us.eva.id()})).is(201);
        assert_eq!(us.eva.all("/api/v1/chat/unread", 10)[0]["unread"], 0);
        us.ana.say(room, "welcome");
        assert_eq!(us.eva.all("/api/v1/chat/unread", 10)[0]["unread"], 1);
    });
}

#[test]
fn people_are_found_and_their_presence_is_told() {
    on_both(|hub| {
        let us = company(hub);
        let listed = us.ana.all("/api/v1/users", 2);
        let mut names: Vec<_> = listed.iter().map(|it| it["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["Ada", "Ana", "Eva", "Gil", "Leo", "Rui"]);
        let found = us.ana.all("/api/v1/users?q=rU", 10);
        assert_eq!((found.len(), &found[0]["id"], &found[0]["role"]), (1, &json!(us.rui.id()), &"member".into()));
        let one = us.ana.get(&format!("/api/v1/users/{}", us.rui.id())).is(200);
        assert_eq!((&one["name"], &one["online"], &one["status"]), (&"Rui".into(), &false.into(), &"offline".into()));
        us.ana.get(&format!("/api/v1/users/{}", fresh_id())).fails(404, "not_found");

        let _rui = Chat::open(hub, &us.rui.person);
        let presence = us.ana.get(&format!("/api/v1/users/{}/presence", us.rui.id())).is(200);
        assert_eq!(presence, json!({"user_id": us.rui.id(), "online": true, "status": "online"}));
        let stranger = Caller::new(hub, Person::new(OrgId(fresh_id()), Role::Admin, "Zé"));
        stranger.introduce();
        stranger.get(&format!("/api/v1/users/{}", us.rui.id())).fails(404, "not_found");
        stranger.get(&format!("/api/v1/users/{}/presence", us.rui.id())).fails(404, "not_found");
        let ids = format!("/api/v1/users/presence?ids={},{},{}", us.rui.id(), us.eva.id(), stranger.id());
        let mut many = us.ana.get(&ids).is(200)["items"].as_array().unwrap().clone();
        many.sort_by_key(|it| it["online"].as_bool());
        let online: Vec<_> = many.iter().map(|it| (it["user_id"].clone(), it["online"].clone())).collect();
        assert_eq!(online, [(json!(us.eva.id()), false.into()), (json!(us.rui.id()), true.into())]);
        assert_eq!(stranger.get(&ids).is(200)["items"].as_array().unwrap().len(), 1);
        us.ana.get("/api/v1/users/presence?ids=x").fails(400, "invalid_payload");
        us.ana.get("/api/v1/users/presence").fails(400, "invalid_payload");
    });
}
