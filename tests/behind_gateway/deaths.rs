//! Hubs that die, and hubs that hang: whom it concerns is told to come back, finds another hub, and has missed nothing.
//!
//! Hubs do not tell each other of messages. Whoever resumes is told what is in the store, and with them all who are in that
//! room at that hub.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::eventually;
use crate::guest::Guest;
use crate::house::{House, people};
use crate::hub::fresh_id;

fn restarting() -> (u16, String) {
    (1012, "restarting".to_owned())
}

/// How many messages each guest sends.
const EACH: usize = 40;

#[test]
fn a_hub_that_is_killed_in_the_middle_of_traffic_loses_nothing_that_was_acknowledged() {
    let mut house = House::of_three();
    let (room, address) = (fresh_id(), house.address());
    let people = people(12);
    let mut guests = Vec::new();
    for person in &people {
        guests.push(Guest::enter(address, *person, room));
    }
    assert_eq!(house.connections(), [4, 4, 4], "each hub has as many as the others");

    let acknowledged = AtomicUsize::new(0);
    let guests = thread::scope(|scope| {
        let acknowledged = &acknowledged;
        let talk = |(number, mut guest): (usize, Guest)| {
            move || {
                for message in 0..EACH {
                    guest.say(&format!("{number}-{message}"));
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                guest
            }
        };
        let talking: Vec<_> = guests.into_iter().enumerate().map(|it| scope.spawn(talk(it))).collect();
        eventually("they are in full swing", || acknowledged.load(Ordering::Relaxed) > people.len() * EACH / 4);
        house.hubs[1].kill();
        talking.into_iter().map(|guest| guest.join().expect("a guest that gets through")).collect::<Vec<_>>()
    });

    // Those whose hub died were told so, and nobody else was.
    let mut closes: Vec<_> = guests.iter().map(|guest| guest.closes.clone()).collect();
    closes.sort();
    assert_eq!(closes, [vec![Vec::new(); 8], vec![vec![restarting()]; 4]].concat());
    eventually("the other hubs have them all", || house.connections() == [6, 0, 6]);

    let talk = people.len() * EACH;
    let stored = house.history(&people[0], room);
    assert_eq!(stored.len(), talk, "each text once");
    let key = |message: &serde_json::Value, id: &str, text: &serde_json::Value| {
        (message["seq"].as_u64().unwrap(), message[id].as_str().unwrap().to_owned(), text.as_str().unwrap().to_owned())
    };
    let stored: Vec<_> = stored.iter().map(|it| key(it, "id", &it["content"]["text"])).collect();
    assert_eq!(stored.iter().map(|(_, _, text)| text).collect::<HashSet<_>>().len(), stored.len());
    for mut guest in guests {
        let before = guest.heard.len();
        guest.resume();
        let of_chat = |it: &serde_json::Value| key(it, "message_id", &it["text"]);
        let heard: Vec<_> = guest.heard.iter().map(of_chat).collect();
        assert!(heard == stored, "{} heard {before} messages, then {}", guest.person.name, heard.len());
        for message in guest.acknowledged[..EACH].iter().map(of_chat) {
            assert!(stored.contains(&message), "{message:?} was acknowledged");
        }
    }
}

#[test]
fn a_hub_that_hangs_is_left_alone_until_it_answers_again() {
    let house = House::of_three();
    let (room, address) = (fresh_id(), house.address());
    let people = people(6);
    let mut guests: Vec<_> = people.iter().map(|person| Guest::enter(address, *person, room)).collect();
    for guest in &mut guests {
        guest.say("before");
    }
    assert_eq!(house.connections(), [2, 2, 2]);

    house.hubs[0].signal("STOP");
    eventually("it is taken out", || house.healthy() == [false, true, true]);
    let mut told: Vec<_> = Vec::new();
    for (number, guest) in guests.iter_mut().enumerate() {
        if !guest.is_answered() {
            assert_eq!(guest.closes, [restarting()]);
            told.push(number);
        }
    }
    assert_eq!(told.len(), 2, "those of one hub: {told:?}");
    for number in told {
        guests[number].resume();
    }
    eventually("the others have all", || house.connections() == [0, 3, 3]);
    for guest in &mut guests {
        guest.say("meanwhile");
        // Over HTTP nobody waits for it either.
        assert!(house.history(&guest.person, room).len() >= 7);
    }

    house.hubs[0].signal("CONT");
    eventually("it is taken in again", || house.healthy() == [true; 3]);
    let mut late = Guest::enter(address, crate::house::people(1)[0], fresh_id());
    late.say("hello");
    eventually("it has got the next one", || house.connections() == [1, 3, 3]);
    let stored = house.history(&people[0], room);
    assert_eq!(stored.len(), 12);
    for mut guest in guests {
        guest.resume();
        let heard: Vec<_> = guest.heard.iter().map(|it| &it["message_id"]).collect();
        assert_eq!(heard, stored.iter().map(|it| &it["id"]).collect::<Vec<_>>());
    }
}
