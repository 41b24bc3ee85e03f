//! Rooms: made, found, changed, archived, purged; who is in them.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::caller::id;
use crate::chat::{Chat, assert_time};
use crate::hub::fresh_id;
use crate::{company, on_both};

#[test]
fn a_room_is_made_found_changed_archived_and_purged() {
    on_both(|hub| {
        let us = company(hub);
        let made = us.ana.post(
            "/api/v1/chat/rooms",
            json!({"name": "  Café ", "kind": "private", "members": [us.rui.id(), us.rui.id(), us.ana.id()]}),
        );
        let location = made.header("location").to_owned();
        let tag = made.header("etag").to_owned();
        let room = made.is(201);
        assert_eq!(location, format!("/api/v1/chat/rooms/{}", id(&room)));
        assert!(tag.starts_with("\"v1-"), "{tag}");
        assert_eq!((&room["name"], &room["kind"], &room["version"]), (&"Café".into(), &"private".into(), &1.into()));
        assert_eq!((&room["last_seq"], &room["members_count"]), (&0.into(), &2.into()));
        assert_eq!((&room["membership"]["role"], &room["peer"]), (&"owner".into(), &json!(null)));
        assert_time(&room["created_at"]);

        let seen = us.rui.get(&location).is(200);
        assert_eq!(seen["membership"]["role"], "member");
        us.eva.get(&location).fails(403, "forbidden");
        us.admin.get(&location).fails(403, "forbidden");

        let renamed = us.ana.put(&location, json!({"name": "Bar"}));
        assert!(renamed.header("etag").starts_with("\"v2-"), "{renamed:?}");
        assert_eq!(renamed.is(200)["name"], "Bar");
        us.ana
            .ask("PUT", &location, &[("If-Match", &tag)], Some(&json!({"name": "Old"})))
            .fails(412, "precondition_failed");
        us.rui.put(&location, json!({"name": "Mine"})).fails(403, "forbidden");

        // An admin changes a room without reading it.
        us.ana.say(id(&room), "between us");
        let by_admin = us.admin.put(&location, json!({"kind": "public"})).is(200);
        assert_eq!(by_admin["kind"], "public");
        let by_admin = us.admin.put(&location, json!({"kind": "private"})).is(200);
        assert_eq!((&by_admin["kind"], &by_admin["last_message"]), (&"private".into(), &json!(null)));

        assert_eq!(us.ana.delete(&location).status, 204);
        assert_time(&us.ana.get(&location).is(200)["archived_at"]);
        us.ana.post(&format!("{location}/messages"), json!({"content": "late"})).fails(403, "forbidden");
        assert_eq!(us.ana.get("/api/v1/chat/rooms").is(200)["items"], json!([]));
        assert_eq!(us.ana.all("/api/v1/chat/rooms?archived=true", 10).len(), 1);

        us.ana.delete(&format!("{location}?purge=true")).fails(403, "forbidden");
        us.admin
            .ask("DELETE", &format!("{location}?purge=true"), &[("If-Match", &tag)], None)
            .fails(412, "precondition_failed");
        assert_eq!(us.admin.delete(&format!("{location}?purge=true")).status, 204);
        us.ana.get(&location).fails(404, "not_found");
        us.ana.get(&format!("{location}/messages")).fails(404, "not_found");
    });
}

#[test]
fn two_people_have_one_room() {
    on_both(|hub| {
        let us = company(hub);
        let path = |to| format!("/api/v1/chat/direct/{to}");
        let made = us.ana.ask("POST", &path(us.rui.id()), &[], None);
        let location = made.header("location").to_owned();
        let room = made.is(201);
        assert_eq!((&room["kind"], &room["name"], &room["members_count"]), (&"direct".into(), &json!(null), &2.into()));
        assert_eq!((&room["peer"]["name"], &room["peer"]["email"]), (&"Rui".into(), &json!(null)));
        let found = us.rui.ask("POST", &path(us.ana.id()), &[], None).is(200);
        assert_eq!((&found["id"], &found["peer"]["name"]), (&room["id"], &"Ana".into()));
        us.ana.ask("POST", &path(us.ana.id()), &[], None).fails(400, "invalid_payload");
        us.ana.ask("POST", &path(fresh_id()), &[], None).fails(404, "not_found");
        us.eva.get(&location).fails(403, "forbidden");
        us.ana.post(&format!("{location}/members"), json!({"user_id": us.eva.id()})).fails(403, "forbidden");
        us.ana
            .post("/api/v1/chat/rooms", json!({"kind": "direct", "members": [us.eva.id()]}))
            .fails(400, "invalid_payload");

        // Whoever writes to somebody brings back what was archived.
        assert_eq!(us.rui.ask("DELETE", &location, &[], None).status, 204);
        let back = us.ana.ask("POST", &path(us.rui.id()), &[], None).is(200);
        assert_eq!((&back["id"], &back["archived_at"]), (&room["id"], &json!(null)));

        // Somebody was there first, with a room of another kind under the id that the two would have.
        let (one, two) = (us.eva.id().min(us.rui.id()), us.eva.id().max(us.rui.id()));
        let theirs =
            Uuid::new_v5(&us.eva.person.organization.unwrap().0, &[one.into_bytes(), two.into_bytes()].concat());
        us.ana.post("/api/v1/chat/rooms", json!({"name": "x", "kind": "public", "id": theirs})).is(201);
        let made = id(&us.eva.ask("POST", &path(us.rui.id()), &[], None).is(201));
        assert_ne!(made, theirs);
        assert_eq!(
            id(&us.rui.ask("POST", &path(us.eva.id()), &[], None).is(200)),
            made,
            "and both find the same next one"
        );

        let taken = id(&us.ana.ask("POST", &path(us.eva.id()), &[], None).is(201));
        let other = company(hub);
        other
            .ana
            .post("/api/v1/chat/rooms", json!({"name": "x", "kind": "public", "id": taken}))
            .fails(409, "conflict");
    });
}

#[test]
fn members_come_change_and_go_and_their_sockets_with_them() {
    on_both(|hub| {
        let us = company(hub);
        let room = us.ana.room("private", &[&us.rui]);
        let members = format!("/api/v1/chat/rooms/{room}/members");
        let mut rui = Chat::join(hub, &us.rui.person, room);

        let added = us.ana.post(&members, json!({"user_id": us.eva.id(), "role": "moderator"}));
        assert_eq!(added.header("location"), format!("{members}/{}", us.eva.id()));
        let eva = added.is(201);
        assert_eq!((&eva["role"], &eva["name"], &eva["online"]), (&"moderator".into(), &"Eva".into(), &false.into()));
        us.rui.post(&members, json!({"user_id": us.admin.id()})).fails(403, "forbidden");
        us.ana.post(&members, json!({"user_id": fresh_id()})).fails(404, "not_found");

        let listed = us.rui.all(&members, 2);
        assert_eq!(listed.len(), 3);
        let online = |name| listed.iter().find(|it| it["name"] == name).map(|it| it["online"].clone());
        assert_eq!((online("Rui"), online("Eva")), (Some(true.into()), Some(false.into())));

        // A moderator mutes a member, and may not touch the owner.
        assert_eq!(us.eva.put(&format!("{members}/{}", us.rui.id()), json!({"muted": true})).is(200)["muted"], true);
        us.rui.post(&format!("/api/v1/chat/rooms/{room}/messages"), json!({"content": "x"})).fails(403, "forbidden");
        us.eva.put(&format!("{members}/{}", us.ana.id()), json!({"muted": true})).fails(403, "forbidden");
        us.eva.put(&format!("{members}/{}", us.rui.id()), json!({"role": "owner"})).fails(403, "forbidden");
        us.eva.put(&format!("{members}/{}", us.rui.id()), json!({})).fails(400, "invalid_payload");

        // Whoever is put out hears nothing more.
        assert_eq!(us.eva.delete(&format!("{members}/{}", us.rui.id())).status, 204);
        us.ana.say(room, "without Rui");
        assert_eq!(rui.expect("session_left")["payload"]["session_id"], room.to_string());
        assert_eq!(rui.expect("error")["payload"]["code"], "forbidden");
        rui.say("ping", json!({}));
        rui.expect("pong");
        us.rui.get(&members).fails(403, "forbidden");

        // A ban keeps out, and only those who moderate see it.
        assert_eq!(us.ana.put(&format!("{members}/{}", us.rui.id()), json!({"banned": true})).is(200)["banned"], true);
        us.ana.post(&members, json!({"user_id": us.rui.id()})).fails(409, "conflict");
        let banned = us.eva.all(&format!("{members}?banned=true"), 10);
        assert_eq!((banned.len(), &banned[0]["name"]), (1, &"Rui".into()));
        let lifted = us.eva.put(&format!("{members}/{}", us.rui.id()), json!({"banned": false})).is(200);
        assert_eq!(lifted["banned"], false);

        // The last owner does not leave the others alone.
        us.ana.delete(&format!("{members}/{}", us.ana.id())).fails(409, "conflict");
        us.ana.put(&format!("{members}/{}", us.eva.id()), json!({"role": "owner"})).is(200);
        assert_eq!(us.ana.delete(&format!("{members}/{}", us.ana.id())).status, 204);
        us.ana.get(&members).fails(403, "forbidden");
    });
}

#[test]
fn a_room_is_not_made_twice_under_one_key() {
    on_both(|hub| {
        let us = company(hub);
        let body = json!({"name": "Once", "kind": "public"});
        let make =
            |body: &Value| us.ana.ask("POST", "/api/v1/chat/rooms", &[("Idempotency-Key", "\"k-1\"")], Some(body));
        let first = make(&body);
        assert_eq!(first.header("idempotent-replayed"), "");
        let first = first.is(201);
        let second = make(&body);
        assert_eq!(second.header("idempotent-replayed"), "true");
        assert_eq!(second.is(201)["id"], first["id"]);
        for other in [
            json!({"name": "Other", "kind": "public"}),
            json!({"name": "Once", "kind": "private"}),
            json!({"name": "Once", "kind": "public", "members": [us.rui.id()]}),
        ] {
            make(&other).fails(422, "idempotency_key_reused");
        }
        // It is the request that is the same, whatever has become of the room.
        us.ana.put(&format!("/api/v1/chat/rooms/{}", id(&first)), json!({"name": "Renamed"})).is(200);
        let third = make(&body);
        assert_eq!(third.header("idempotent-replayed"), "true");
        assert_eq!(third.header("location"), format!("/api/v1/chat/rooms/{}", id(&first)));
        let third = third.is(201);
        assert_eq!((&third["id"], &third["name"]), (&first["id"], &"Renamed".into()));
        let others = us.rui.ask("POST", "/api/v1/chat/rooms", &[("Idempotency-Key", "k-1")], Some(&body)).is(201);
        assert_ne!(others["id"], first["id"], "a key is one caller's own");

        let chosen = fresh_id();
        let with_id = json!({"name": "Mine", "kind": "public", "id": chosen});
        assert_eq!(us.ana.post("/api/v1/chat/rooms", with_id.clone()).is(201)["id"], chosen.to_string());
        assert_eq!(us.ana.post("/api/v1/chat/rooms", with_id.clone()).is(200)["id"], chosen.to_string());
        us.rui.post("/api/v1/chat/rooms", with_id).fails(409, "conflict");
    });
}
