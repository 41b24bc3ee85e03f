//! A client of Socket.IO goes from one hub to another on the same database, and the first has not noticed yet that it has
//! gone. Whatever the hubs say of its connection, and in whatever order: if it hears that it goes on where it stopped, it
//! is in all the rooms that it believes to be in.

use std::time::Duration;

use serde_json::json;
use tertulia::domain::{OrgId, Role};

use super::client::Client;
use super::hub::{Hub, Person, fresh_id};
use super::postgres::Postgres;

/// Hubs soon notice that nobody is there.
const SETTINGS: [&str; 4] = ["--set", "socketio.ping_interval=1s", "--set", "socketio.ping_timeout=1s"];

/// Two hubs on one database, people of one organization, and the names of two rooms.
fn scene(postgres: &Postgres) -> (Hub, Hub, [String; 2], [String; 2]) {
    let database = postgres.database();
    let settings = [&["--database-url", &database], SETTINGS.as_slice()].concat();
    let organization = OrgId(fresh_id());
    let tokens = ["Ana", "Rui"].map(|name| Person::new(organization, Role::Agent, name).token());
    (Hub::start(&settings), Hub::start(&settings), tokens, [(); 2].map(|()| fresh_id().to_string()))
}

#[test]
fn what_a_hub_says_late_does_not_undo_what_another_has_kept_since() {
    let postgres = Postgres::start();
    let (mut first, mut second, [ana, rui], [room, other]) = scene(&postgres);
    let mut lost = Client::connect(&first, &ana);
    assert!(lost.joins(&room));
    Client::connect(&first, &rui).sends(&room, "one");
    lost.heard(&[(&room, "one")]);

    let mut ana = lost.again(&second);
    assert_eq!(ana.pid, lost.pid, "it goes on at the other hub");
    assert!(ana.joins(&other));
    let mut rui = Client::connect(&second, &rui);
    rui.sends(&other, "two");
    ana.heard(&[(&other, "two")]);
    lost.is_missed();
    // It ends when it has written all that it had to say.
    first.terminate();
    assert!(first.ended().success());

    second.restart();
    let mut rui = Client::connect(&second, &rui.token);
    rui.sends(&other, "three");
    rui.sends(&room, "four");
    let mut again = ana.again(&second);
    assert_eq!(again.pid, ana.pid, "it goes on after a crash");
    again.heard(&[(&other, "three"), (&room, "four")]);
    rui.sends(&other, "five");
    again.heard(&[(&other, "five")]);
}

#[test]
fn a_connection_that_was_taken_up_elsewhere_is_not_told_what_does_not_count() {
    let postgres = Postgres::start();
    let (first, second, [ana, rui], [room, other]) = scene(&postgres);
    let mut ana = Client::connect(&first, &ana);
    assert!(ana.joins(&room));
    // What it said to the other hub, before it gave that up and came here, was under way for long.
    let mut late = ana.again(&second);
    assert_eq!(late.pid, ana.pid);
    assert!(late.joins(&room), "by now it is kept");
    drop(late);
    Client::connect(&first, &rui).sends(&room, "one");
    ana.heard(&[(&room, "one")]);
    assert!(!ana.joins(&other), "would it come back, it would not be in there");
    let mut again = ana.again(&first);
    assert_eq!(again.pid, ana.pid);
    assert!(again.joins(&other));
    Client::connect(&first, &rui).sends(&other, "two");
    again.heard(&[(&other, "two")]);
}

#[test]
fn a_connection_that_changes_while_it_is_taken_up_is_never_taken_up_without_the_change() {
    let postgres = Postgres::start();
    let (first, second, [ana, rui], [room, _]) = scene(&postgres);
    let mut rui = Client::connect(&first, &rui);
    let mut recovered = 0;
    for round in 0_u64..12 {
        let other = fresh_id().to_string();
        let mut ana = Client::connect(&first, &ana);
        assert!(ana.joins(&room));
        let late = ana.again(&second);
        // Before what the other hub keeps is written, and after.
        std::thread::sleep(Duration::from_millis(10 * round));
        let is_in = ana.joins(&other);
        drop(late);
        let mut again = ana.again(&first);
        if is_in && again.pid == ana.pid {
            rui.sends(&other, "two");
            again.heard(&[(&other, "two")]);
            recovered += 1;
        }
    }
    println!("{recovered} recovered");
}

#[test]
fn whoever_comes_back_takes_the_place_of_the_connection_that_it_lost_and_of_no_other() {
    let hub = Hub::start(&["--set", "limits.max_connections_per_user=2"]);
    let ana = Person::new(OrgId(fresh_id()), Role::Agent, "Ana").token();
    let (mut living, mut lost) = (Client::connect(&hub, &ana), Client::connect(&hub, &ana));
    let room = fresh_id().to_string();
    assert!(living.joins(&room) && lost.joins(&room));
    let back = lost.again(&hub);
    assert_eq!(back.pid, lost.pid);
    lost.is_missed();
    // The third is one too many: the oldest makes way, and could go on if it had only not heard of it.
    let _third = Client::connect(&hub, &ana);
    living.is_missed();
    assert_eq!(living.again(&hub).pid, living.pid);
}

#[test]
fn what_was_heard_in_one_vocabulary_of_two_and_has_changed_since_is_told_in_both() {
    let hub = Hub::start(&[]);
    let organization = OrgId(fresh_id());
    let [ana, rui] = ["Ana", "Rui"].map(|name| Person::new(organization, Role::Agent, name).token());
    let (mut lost, mut rui) = (Client::connect(&hub, &ana), Client::connect(&hub, &rui));
    let room = fresh_id().to_string();
    assert!(lost.joins(&room) && rui.joins(&room));
    lost.ask("join_room", &json!({ "room_id": room })).unwrap();
    let sent = rui.ask("send_message", &json!({ "conversation_id": room, "text": "first" })).unwrap();
    let is_new = |packet: &str| packet.starts_with(r#"42["message:new""#).then_some(());
    lost.hear(is_new).unwrap();
    let half = lost.offset.clone();
    lost.hear(|packet| packet.starts_with(r#"42["message_received""#).then_some(())).unwrap();
    let edit = json!({ "conversation_id": room, "message_id": sent["id"], "text": "edited" });
    rui.ask("edit_message", &edit).unwrap();
    // As if it had been cut between the two.
    lost.offset = half;
    let mut back = lost.again(&hub);
    assert_eq!(back.pid, lost.pid);
    let message = |packet: &str| packet.starts_with(r#"42["message"#).then(|| packet.to_owned());
    for name in ["message:updated", "message_received"] {
        let told = back.hear(message).unwrap();
        assert!(told.starts_with(&format!(r#"42["{name}""#)) && told.contains("edited"), "{told}");
    }
}
