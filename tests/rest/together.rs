//! Sockets and HTTP in one room: what one side does, the other hears.

use serde_json::json;

use crate::caller::id;
use crate::chat::Chat;
use crate::{company, on_both};

#[test]
fn what_is_done_over_http_is_heard_on_sockets_and_the_other_way_round() {
    on_both(|hub| {
        let us = company(hub);
        let room = us.ana.room("public", &[]);
        let mut rui = Chat::join(hub, &us.rui.person, room);
        let mut own = Chat::join(hub, &us.ana.person, room);

        let sent = us.ana.say(room, "over HTTP");
        for chat in [&mut rui, &mut own] {
            let heard = chat.expect("new_message");
            assert_eq!(heard["payload"]["message_id"], sent["id"], "also on the sender's own sockets");
            assert_eq!((&heard["payload"]["seq"], &heard["payload"]["text"]), (&sent["seq"], &"over HTTP".into()));
        }
        let message = id(&sent);
        us.ana.put(&format!("/api/v1/chat/messages/{message}"), json!({"text": "edited"})).is(200);
        let heard = rui.expect("message_edited");
        assert_eq!((&heard["payload"]["message_id"], &heard["payload"]["text"]), (&sent["id"], &"edited".into()));
        us.rui.ask("PUT", &format!("/api/v1/chat/messages/{message}/reactions/ok"), &[], None).is(200);
        assert_eq!(rui.expect("reaction_added")["payload"]["emoji"], "ok");
        us.ana.put(&format!("/api/v1/chat/rooms/{room}"), json!({"name": "Renamed"})).is(200);
        assert_eq!(rui.expect("session_updated")["payload"]["name"], "Renamed");
        assert_eq!(us.ana.delete(&format!("/api/v1/chat/messages/{message}")).status, 204);
        assert_eq!(rui.expect("message_deleted")["payload"]["message_id"], sent["id"]);
        us.eva.put(&format!("/api/v1/chat/rooms/{room}/read"), json!({"up_to_seq": 1})).is(200);
        let heard = rui.expect("message_read");
        assert_eq!((&heard["payload"]["user_id"], &heard["payload"]["up_to_seq"]), (&json!(us.eva.id()), &1.into()));

        let said = rui.send(room, "over a socket");
        let listed = us.ana.all(&format!("/api/v1/chat/rooms/{room}/messages?after=1"), 10);
        assert_eq!((listed.len(), &listed[0]["id"]), (1, &said["message_id"]));
        assert_eq!((&listed[0]["seq"], &listed[0]["content"]["text"]), (&2.into(), &"over a socket".into()));
    });
}
