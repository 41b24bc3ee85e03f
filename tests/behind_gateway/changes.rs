//! A gateway that is told of other hubs, or to end, while people talk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::eventually;
use crate::guest::Guest;
use crate::house::{USUAL, people};
use crate::hub::gateway::Gateway;
use crate::hub::{Hub, fresh_id};

/// Ends what waits for it, also where a test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn connections(gateway: &Gateway) -> Vec<u64> {
    gateway.upstreams().iter().map(|it| it["connections"].as_u64().expect("a number")).collect()
}

#[test]
fn hubs_come_and_go_and_nobody_who_talks_is_dropped() {
    let (old, new) = (Hub::start(&USUAL), Hub::start(&USUAL));
    let gateway = Gateway::start(&[old.address], &[]);
    let (people, is_over) = (people(6), AtomicBool::new(false));
    let talk = |guest: &mut Guest| {
        let mut number = 0;
        while !is_over.load(Ordering::Relaxed) {
            guest.say(&format!("{number}"));
            number += 1;
        }
        number
    };
    thread::scope(|scope| {
        let end = Over(&is_over);
        let mut talking = Vec::new();
        for person in &people[..2] {
            let mut guest = Guest::enter(gateway.address, *person, fresh_id());
            talking.push(scope.spawn(move || (talk(&mut guest), guest)));
        }
        gateway.change(&[old.address, new.address]);
        assert_eq!(connections(&gateway), [2, 0]);
        for person in &people[2..4] {
            let mut guest = Guest::enter(gateway.address, *person, fresh_id());
            talking.push(scope.spawn(move || (talk(&mut guest), guest)));
        }
        assert_eq!(connections(&gateway), [2, 2]);
        gateway.change(&[new.address]);
        assert_eq!(connections(&gateway), [2]);
        let mut guest = Guest::enter(gateway.address, people[4], fresh_id());
        talking.push(scope.spawn(move || (talk(&mut guest), guest)));
        assert_eq!(connections(&gateway), [3]);
        gateway.change(&[new.address, old.address]);
        let so_far = gateway.metric("websocket_proxy_messages_total{direction=\"client_to_backend\"}");
        eventually("they talk on", || {
            gateway.metric("websocket_proxy_messages_total{direction=\"client_to_backend\"}") > so_far + 100
        });
        drop(end);
        for guest in talking {
            let (said, guest) = guest.join().expect("a guest that gets through");
            assert_eq!(guest.closes, [], "nobody was dropped");
            assert_eq!(guest.acknowledged.len(), said);
            assert_eq!(guest.heard, guest.acknowledged, "alone in the room");
        }
    });
}

#[test]
fn a_gateway_that_ends_sends_everyone_to_the_next_one() {
    let hub = Hub::start(&USUAL);
    let (mut first, second) = (Gateway::start(&[hub.address], &[]), Gateway::start(&[hub.address], &[]));
    let (people, room) = (people(4), fresh_id());
    let mut guests: Vec<_> = people.iter().map(|person| Guest::enter(first.address, *person, room)).collect();
    guests[0].say("before");
    first.terminate();
    for guest in &mut guests {
        let close = guest.expect_close();
        assert_eq!((close.0, &*close.1), (1012, "restarting"));
        guest.move_to(second.address);
        guest.come_back(close);
    }
    assert!(first.ended().success());
    guests[1].say("after");
    eventually("the hub has them once", || hub.metric("websocket_connections{dialect=\"messages\"}") == 4);
    for mut guest in guests {
        guest.resume();
        let texts: Vec<_> = guest.heard.iter().map(|it| it["text"].as_str().expect("text").to_owned()).collect();
        assert_eq!(texts, ["before", "after"]);
    }
}
