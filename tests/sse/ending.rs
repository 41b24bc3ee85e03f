//! How streams end: each with a last comment that says why, and nothing is left of them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chat::Chat;
use crate::colleagues;
use crate::hub::{Hub, Person, fresh_id};
use crate::stream::{Stream, rooms};

const OPEN: &str = "websocket_connections{dialect=\"sse\"}";

#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_client_that_goes_is_gone() {
    let hub = Hub::start(&[]);
    let (ada, _) = colleagues();
    let streams: Vec<_> = (0..5).map(|_| Stream::open(&hub, &ada, &rooms(&[fresh_id()]))).collect();
    assert_eq!(hub.metric(OPEN), 5);
    drop(streams);
    until("the streams are closed", || hub.metric(OPEN) == 0);
}

#[test]
fn a_restart_is_told_and_does_not_wait() {
    let mut hub = Hub::start(&[]);
    let (ada, _) = colleagues();
    let mut stream = Stream::open(&hub, &ada, &rooms(&[fresh_id()]));
    let begun = Instant::now();
    hub.terminate();
    let (told, last) = stream.end();
    let kinds: Vec<_> = told.iter().map(|it| &it["type"]).collect();
    assert_eq!(kinds, ["server_restarting", "server_restarting"], "in both words");
    assert_eq!(last, "the end, 1012 restarting");
    assert_eq!(hub.ended().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn it_ends_with_its_token() {
    let hub = Hub::start(&[]);
    let (ada, _) = colleagues();
    // It holds for half a minute more than it says.
    let token = ada.token_of_past(Duration::from_secs(27));
    let mut stream = Stream::knock(&hub, &token, &rooms(&[fresh_id()]), None).unwrap().expect("let in");
    stream.begin();
    let (told, last) = stream.end();
    assert_eq!(told[0]["type"], "token_expiring");
    assert_eq!(last, "the end, 4401 token_expired");
    until("the stream is closed", || hub.metric(OPEN) == 0);
}

#[test]
fn logging_out_ends_it() {
    let hub = Hub::start(&[]);
    let ana = json!({"email": "ana@example.com", "password": "correct horse battery", "name": "Ana"});
    let register = ureq::post(hub.url("/api/v1/auth/register")).header("content-type", "application/json");
    let text = register.send(ana.to_string()).expect("an account").body_mut().read_to_string().expect("text");
    let made: Value = serde_json::from_str(&text).expect("JSON");
    let token = made["access_token"].as_str().expect("a token");
    let mut stream = Stream::knock(&hub, token, &rooms(&[fresh_id()]), None).unwrap().expect("let in");
    stream.begin();
    let begun = Instant::now();
    let logout = ureq::post(hub.url("/api/v1/auth/logout")).header("authorization", format!("Bearer {token}"));
    logout.send_empty().expect("logged out");
    assert_eq!(stream.end().1, "the end, 4401 session_ended");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn whoever_loses_a_room_is_told_and_the_last_is_the_end() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let call = |person: &Person, method: &str, path: &str, body: Option<Value>| -> Value {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(hub.url(path))
            .header("authorization", format!("Bearer {}", person.token()))
            .header("content-type", "application/json")
            .body(body.map(|it| it.to_string()).unwrap_or_default())
            .expect("a request");
        let text = ureq::run(request).expect("an answer").body_mut().read_to_string().expect("text");
        serde_json::from_str(&text).unwrap_or_default()
    };
    Chat::open(&hub, &bo).leave();
    until("the hub knows Bo", || {
        let path = hub.url(&format!("/api/v1/users/{}", bo.id));
        ureq::get(path).header("authorization", format!("Bearer {}", ada.token())).call().is_ok()
    });
    let private: Vec<String> = (0..2)
        .map(|_| {
            let room = json!({"name": "Room", "kind": "private", "members": [bo.id]});
            call(&ada, "POST", "/api/v1/chat/rooms", Some(room))["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    let mut stream = Stream::open(&hub, &bo, &format!("rooms={}&dialect=messages", private.join(",")));
    for (index, room) in private.iter().enumerate() {
        call(&ada, "DELETE", &format!("/api/v1/chat/rooms/{room}/members/{}", bo.id), None);
        assert_eq!(stream.expect("session_left")["payload"]["session_id"], json!(room));
        assert_eq!(stream.expect("error")["error"], "forbidden");
        if index == 0 {
            let text = json!({"content": "still here"});
            call(&ada, "POST", &format!("/api/v1/chat/rooms/{}/messages", private[1]), Some(text));
            stream.expect("new_message");
        }
    }
    assert_eq!(stream.end().1, "the end, 4403 kicked");
}

/// Eight kilobytes of text in each.
fn flood(sender: &mut Chat, room: uuid::Uuid, messages: usize) {
    let text = "x".repeat(8_000);
    for number in 0..messages {
        let send = json!({"session_id": room, "text": format!("{number} {text}")});
        sender.ask("send_message", send);
    }
}

#[test]
fn a_slow_reader_harms_only_itself_and_comes_back() {
    const MESSAGES: usize = 500;
    let hub = Hub::start(&["--set", "limits.events_per_connection=0", "--set", "limits.outbound_queue_bytes=65536"]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let mut sender = Chat::join(&hub, &ada, room);
    let query = format!("{}&dialect=messages", rooms(&[room]));
    let mut slow = Stream::open_narrow(&hub, &bo, &query);
    let mut quick = Stream::open(&hub, &bo, &query);
    let reading = std::thread::spawn(move || {
        for number in 0..MESSAGES {
            assert_eq!(quick.expect("new_message")["payload"]["seq"], number + 1);
        }
    });
    flood(&mut sender, room, MESSAGES);
    reading.join().expect("a quick reader hears everything");
    until("the slow one is let go", || hub.metric("slow_consumers_total") == 1 && hub.metric(OPEN) == 0);
    // What it did not read is still on its way to it, whole, and why it ended.
    let mut heard = 0;
    let mut last = None;
    while let Some(block) = slow.block() {
        heard += usize::from(block.data.is_some());
        last = block.comment.or(last);
    }
    assert_eq!(last.as_deref(), Some("the end, 4430 slow_consumer"));
    assert!((1..MESSAGES).contains(&heard), "{heard}");
    let mut back = Stream::resume(&hub, &bo, &query, slow.last.as_deref());
    for number in heard..MESSAGES {
        assert_eq!(back.expect("new_message")["payload"]["seq"], number + 1);
    }
}
