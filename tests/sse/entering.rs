//! Who may hear a stream, and what those hear who may not.

use tertulia::domain::{OrgId, Role};

use crate::chat::Chat;
use crate::colleagues;
use crate::hub::{Hub, Person, fresh_id};
use crate::stream::{Refused, Stream, rooms};

#[track_caller]
fn refused(hub: &Hub, person: &Person, query: &str) -> Refused {
    Stream::knock(hub, &person.token(), query, None).unwrap().err().expect("refused")
}

#[test]
fn what_is_asked_wrongly_is_answered_before_the_stream() {
    let hub = Hub::start(&["--set", "limits.max_rooms_per_connection=3"]);
    let (ada, _) = colleagues();
    let room = fresh_id();
    for query in ["", "rooms=", "rooms=,", "rooms=7", &format!("rooms={room},x"), "rooms=%00"] {
        assert!(refused(&hub, &ada, query).is(400, "invalid_payload").starts_with("rooms: "));
    }
    let query = format!("rooms={room}&dialect=socketio");
    assert_eq!(refused(&hub, &ada, &query).is(400, "invalid_payload"), "dialect: expected messages or status");
    let four: Vec<_> = (0..4).map(|_| fresh_id()).collect();
    assert!(refused(&hub, &ada, &rooms(&four)).is(429, "too_many_rooms").contains("at most 3 rooms"));
    // The same room thrice is one.
    Stream::open(&hub, &ada, &format!("rooms={room},{room}&rooms={room}"));
    let post = format!("POST /api/v1/events?{} HTTP/1.1\r\nAuthorization: Bearer {}\r\n", rooms(&[room]), ada.token());
    let post = Stream::ask(&hub, &post).unwrap().err().expect("refused");
    post.is(405, "method_not_allowed");
    assert!(post.head.contains("\r\nallow: get, head\r\n"), "{}", post.head);
    let head = format!("HEAD /api/v1/events?{} HTTP/1.1\r\nAuthorization: Bearer {}\r\n", rooms(&[room]), ada.token());
    let head = Stream::ask(&hub, &head).unwrap().expect("a head");
    assert!(head.head.contains("content-type: text/event-stream"), "{}", head.head);
}

#[test]
fn a_token_may_stand_where_an_event_source_can_put_it() {
    let hub = Hub::start(&[]);
    let (ada, _) = colleagues();
    let room = rooms(&[fresh_id()]);
    for name in ["token", "access_token"] {
        let request = format!("GET /api/v1/events?{room}&{name}={} HTTP/1.1\r\nAccept: */*\r\n", ada.token());
        assert_eq!(Stream::ask(&hub, &request).unwrap().expect("let in").begin(), "open");
    }
    let nobody = Stream::ask(&hub, &format!("GET /api/v1/events?{room} HTTP/1.1\r\n")).unwrap();
    nobody.err().expect("refused").is(401, "authentication_required");
    let bad = Stream::ask(&hub, &format!("GET /api/v1/events?{room}&token=x HTTP/1.1\r\n")).unwrap();
    bad.err().expect("refused").is(401, "invalid_token");
    let origin =
        format!("GET /api/v1/events?{room}&token={} HTTP/1.1\r\nOrigin: https://evil.example\r\n", ada.token());
    Stream::ask(&hub, &origin).unwrap().err().expect("refused").is(403, "origin_not_allowed");
}

#[test]
fn a_room_that_one_may_not_enter_is_named() {
    let hub = Hub::start(&[]);
    let (ada, _) = colleagues();
    let (room, own) = (fresh_id(), fresh_id());
    let mut sender = Chat::join(&hub, &ada, room);
    let stranger = Person::new(OrgId(fresh_id()), Role::Admin, "Eve");
    Chat::join(&hub, &stranger, own).leave();
    for last in [None, Some("0"), Some("zzzzzzzzzzzzz"), Some("1")] {
        let query = rooms(&[own, room]);
        let answer = Stream::knock(&hub, &stranger.token(), &query, last).unwrap();
        if let Err(refused) = answer {
            assert!(refused.is(404, "not_found").contains(&room.to_string()));
        } else {
            panic!("let in with {last:?}");
        }
    }
    let customer = Person::new(ada.organization.unwrap(), Role::Member, "Cy");
    assert!(refused(&hub, &customer, &rooms(&[room])).is(403, "forbidden").contains(&room.to_string()));
    let closed = Hub::start(&["--set", "rooms.auto_create=false"]);
    refused(&closed, &ada, &rooms(&[room])).is(404, "not_found");
    sender.send(room, "among us");
}

#[test]
fn there_may_be_too_many() {
    let hub = Hub::start(&["--set", "limits.max_connections_per_ip=2"]);
    let (ada, _) = colleagues();
    let room = rooms(&[fresh_id()]);
    let first = Stream::open(&hub, &ada, &room);
    let _second = Stream::open(&hub, &ada, &room);
    let third = refused(&hub, &ada, &room);
    third.is(429, "too_many_connections");
    assert!(third.head.contains("\r\nretry-after: "), "{}", third.head);
    // A place is free again when its client has gone.
    drop(first);
    let begun = std::time::Instant::now();
    while Stream::knock(&hub, &ada.token(), &room, None).unwrap().is_err() {
        assert!(begun.elapsed().as_secs() < 20, "the place is never free");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn huge_requests_are_refused_and_hurt_nobody() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let mut sender = Chat::join(&hub, &ada, room);
    let mut stream = Stream::open(&hub, &bo, &rooms(&[room]));
    let many: Vec<_> = (0..1_700).map(|_| fresh_id()).collect();
    refused(&hub, &bo, &rooms(&many)).is(429, "too_many_rooms");
    // Ten thousand do not fit into the head of a request.
    let tens: Vec<_> = (0..10_000).map(|_| fresh_id()).collect();
    let answer = Stream::knock(&hub, &bo.token(), &rooms(&tens), None);
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.is_err()), "let in");
    for id in ["9".repeat(5_000).as_str(), "3w5e11264sgsf", "3w5e11264sgsg", "-1", "é", "z."] {
        let mut stream = Stream::knock(&hub, &bo.token(), &rooms(&[room]), Some(id)).unwrap().expect("let in");
        assert!(stream.begin().contains("never told here"), "{id}");
    }
    let sent = sender.send(room, "still there");
    assert_eq!(stream.expect("new_message")["payload"], sent);
}
