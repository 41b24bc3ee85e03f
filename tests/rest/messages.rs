//! Messages: sent once, edited with their past kept, deleted for good, answered with emoji.

use serde_json::{Value, json};

use crate::caller::id;
use crate::chat::assert_time;
use crate::hub::fresh_id;
use crate::{company, on_both};

#[test]
fn a_message_is_sent_read_edited_and_deleted() {
    on_both(|hub| {
        let us = company(hub);
        let room = us.ana.room("public", &[]);
        let messages = format!("/api/v1/chat/rooms/{room}/messages");
        let sent = us.ana.post(&messages, json!({"content": "<b>Olá</b> & mais", "client_message_id": "m-1"}));
        let (location, tag) = (sent.header("location").to_owned(), sent.header("etag").to_owned());
        let message = sent.is(201);
        assert_eq!(location, format!("/api/v1/chat/messages/{}", id(&message)));
        assert_eq!((&message["seq"], &message["status"]), (&1.into(), &"sent".into()));
        assert_eq!(message["content"], json!({"text": "<b>Olá</b> & mais"}), "as it was written");
        assert_eq!((&message["room_id"], &message["conversation_id"]), (&json!(room), &json!(room)));
        assert_eq!((&message["sender_id"], &message["sender_name"]), (&json!(us.ana.id()), &"Ana".into()));
        assert_eq!((&message["direction"], &message["sender_type"]), (&"outbound".into(), &"agent".into()));
        for field in
            ["delivered_at", "read_at", "edited_at", "deleted_at", "reply_to_id", "external_id", "whatsapp_message_id"]
        {
            assert!(message[field].is_null(), "{field}");
        }
        assert_time(&message["created_at"]);
        assert_eq!(message["sent_at"], message["created_at"]);

        let read = us.rui.get(&location);
        assert_eq!(read.header("etag"), tag);
        assert_eq!(read.is(200), message);
        let known = us.rui.ask("GET", &location, &[("If-None-Match", &tag)], None);
        assert_eq!((known.status, known.header("etag")), (304, &*tag));

        us.rui.put(&location, json!({"text": "mine"})).fails(403, "forbidden");
        let edited = us.ana.ask("PUT", &location, &[("If-Match", &tag)], Some(&json!({"text": "two"}))).is(200);
        assert_eq!(edited["content"], json!({"text": "two"}));
        assert_time(&edited["edited_at"]);
        us.ana
            .ask("PUT", &location, &[("If-Match", &tag)], Some(&json!({"text": "three"})))
            .fails(412, "precondition_failed");
        us.ana.put(&location, json!({"content": {"text": "three"}})).is(200);
        let edits = us.rui.all(&format!("{location}/edits"), 1);
        let said: Vec<_> = edits.iter().map(|it| it["content"]["text"].as_str().unwrap()).collect();
        assert_eq!(said, ["<b>Olá</b> & mais", "two"]);
        assert_eq!(edits[0]["edited_by"], json!(us.ana.id()));

        us.rui.delete(&location).fails(403, "forbidden");
        us.ana.ask("DELETE", &location, &[("If-Match", &tag)], None).fails(412, "precondition_failed");
        assert_eq!(us.admin.delete(&location).status, 204, "an admin deletes anything");
        let gone = us.rui.get(&location).is(200);
        assert_eq!((&gone["content"], &gone["seq"]), (&json!({}), &1.into()));
        assert_time(&gone["deleted_at"]);
        assert_eq!(us.rui.all(&format!("{location}/edits"), 10), [json!(null); 0], "what it said is gone");
        us.ana.put(&location, json!({"text": "back"})).fails(404, "not_found");
        us.ana.delete(&location).fails(404, "not_found");
    });
}

#[test]
fn a_message_that_is_sent_again_is_the_same_message() {
    on_both(|hub| {
        let us = company(hub);
        let room = us.ana.room("public", &[]);
        let messages = format!("/api/v1/chat/rooms/{room}/messages");
        let named = json!({"content": "once", "client_message_id": "m-1"});
        let first = us.ana.post(&messages, named.clone()).is(201);
        let again = us.ana.post(&messages, named);
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(again.is(201)["id"], first["id"]);

        let body = json!({"content": {"text": "twice", "x": 1}});
        let send = |path: &str, body: &Value| us.ana.ask("POST", path, &[("Idempotency-Key", "key")], Some(body));
        let first = send(&messages, &body).is(201);
        let again = send(&messages, &json!({"content": {"x": 1, "text": "twice"}}));
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(again.is(201)["id"], first["id"]);
        send(&messages, &json!({"content": "other"})).fails(422, "idempotency_key_reused");
        let elsewhere = us.ana.room("public", &[]);
        send(&format!("/api/v1/chat/rooms/{elsewhere}/messages"), &body).fails(422, "idempotency_key_reused");
        for bad in ["two words", "\"\"", &"x".repeat(256)] {
            us.ana.ask("POST", &messages, &[("Idempotency-Key", bad)], Some(&body)).fails(400, "invalid_payload");
        }
        assert_eq!(us.ana.all(&messages, 50).len(), 2);
    });
}

#[test]
fn emoji_are_put_under_a_message_and_taken_back() {
    on_both(|hub| {
        let us = company(hub);
        let room = us.ana.room("public", &[]);
        let message = id(&us.ana.say(room, "👋"));
        let path = |emoji: &str| format!("/api/v1/chat/messages/{message}/reactions/{emoji}");
        let thumb = "%F0%9F%91%8D";
        let put = us.rui.ask("PUT", &path(thumb), &[], None).is(200);
        assert_eq!((&put["emoji"], &put["present"], &put["count"]), (&"👍".into(), &true.into(), &1.into()));
        assert_eq!(us.rui.ask("PUT", &path(thumb), &[], None).is(200)["count"], 1, "once each");
        assert_eq!(us.eva.ask("PUT", &path(thumb), &[], None).is(200)["count"], 2);
        us.eva.ask("PUT", &path(":ok:"), &[], None).is(200);
        let seen = us.ana.get(&format!("/api/v1/chat/messages/{message}")).is(200);
        let expected = json!([
            {"emoji": "👍", "count": 2, "user_ids": [us.rui.id(), us.eva.id()]},
            {"emoji": ":ok:", "count": 1, "user_ids": [us.eva.id()]},
        ]);
        assert_eq!(seen["reactions"], expected);
        let taken = us.rui.delete(&path(thumb)).is(200);
        assert_eq!((&taken["present"], &taken["count"]), (&false.into(), &1.into()));
        us.rui.ask("PUT", &path("%3Cb%3E"), &[], None).fails(400, "invalid_payload");
        let nowhere = format!("/api/v1/chat/messages/{}/reactions/{thumb}", fresh_id());
        us.rui.ask("PUT", &nowhere, &[], None).fails(404, "not_found");
    });
}

#[test]
fn an_answer_names_a_message_of_its_room() {
    on_both(|hub| {
        let us = company(hub);
        let (room, other) = (us.ana.room("public", &[]), us.ana.room("public", &[]));
        let question = id(&us.ana.say(room, "?"));
        let messages = |room| format!("/api/v1/chat/rooms/{room}/messages");
        let answer = json!({"content": "!", "reply_to_id": question, "message_type": "text"});
        assert_eq!(us.rui.post(&messages(room), answer.clone()).is(201)["reply_to_id"], json!(question));
        us.rui.post(&messages(other), answer).fails(400, "invalid_payload");
        let picture =
            json!({"content": {"media_url": "https://a.example/x.png", "caption": "c"}, "message_type": "image"});
        let sent = us.rui.post(&messages(room), picture).is(201);
        assert_eq!(sent["content"], json!({"media_url": "https://a.example/x.png", "caption": "c"}));
    });
}
