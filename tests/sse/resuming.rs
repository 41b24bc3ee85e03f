//! Coming back: what was missed comes first, in one order over all rooms, nothing twice and nothing left out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::chat::Chat;
use crate::colleagues;
use crate::hub::{Hub, Person, fresh_id};
use crate::stream::{Stream, rooms};

fn text(told: &Value) -> &str {
    told["payload"]["text"].as_str().expect("a text")
}

#[test]
fn what_was_missed_comes_first_in_one_order() {
    let hub = Hub::start(&["--set", "limits.events_per_connection=0"]);
    let (ada, bo) = colleagues();
    let ids: Vec<_> = (0..3).map(|_| fresh_id()).collect();
    let query = format!("{}&dialect=messages", rooms(&ids));
    let mut sender = Chat::open(&hub, &ada);
    let mut stream = Stream::open(&hub, &bo, &query);
    sender.send(ids[0], "heard");
    assert_eq!(text(&stream.expect("new_message")), "heard");
    let last = stream.last.clone();
    drop(stream);
    for number in 0..400 {
        sender.send(ids[number % 3], &number.to_string());
    }
    let last = last.as_deref().expect("a place");
    let mut back = Stream::resume(&hub, &bo, &query, Some(last));
    for number in 0..400 {
        assert_eq!(text(&back.expect("new_message")), number.to_string());
    }
    sender.send(ids[1], "live");
    assert_eq!(text(&back.expect("new_message")), "live");
    // Where no header can be set, the query will do.
    let mut again = Stream::open(&hub, &bo, &format!("{query}&lastEventId={last}"));
    for number in 0..400 {
        assert_eq!(text(&again.expect("new_message")), number.to_string());
    }
    assert_eq!(text(&again.expect("new_message")), "live");
    assert_eq!(again.last, back.last);
}

#[test]
fn a_cut_between_two_words_for_one_event_loses_neither() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let mut sender = Chat::join(&hub, &ada, room);
    let mut stream = Stream::open(&hub, &bo, &rooms(&[room]));
    sender.send(room, "one");
    stream.expect("new_message");
    stream.expect("message.status");
    sender.send(room, "two");
    assert_eq!(text(&stream.expect("new_message")), "two");
    // Here it is cut.
    let mut back = Stream::resume(&hub, &bo, &rooms(&[room]), stream.last.as_deref());
    assert_eq!(text(&back.expect("new_message")), "two");
    back.expect("message.status");
    let sent = sender.send(room, "three");
    assert_eq!(back.expect("new_message")["payload"], sent);
}

/// How the threads of the test find the hub, which moves when it is started again.
#[derive(Clone)]
struct Shared {
    hub: Arc<RwLock<Hub>>,
    going: Arc<AtomicBool>,
}

impl Shared {
    fn is_going(&self) -> bool {
        self.going.load(Ordering::Relaxed)
    }
}

/// Says numbers in rooms, a hundred in a second, each until it is known to be stored. Returns how many.
fn talk(shared: &Shared, person: Person, ids: &[Uuid]) -> usize {
    let token = format!("Bearer {}", person.token());
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(5))).build().into();
    let (mut number, begun) = (0, Instant::now());
    while shared.is_going() {
        let path = format!("/api/v1/chat/rooms/{}/messages", ids[number % ids.len()]);
        let url = shared.hub.read().expect("no one panics").url(&path);
        let body = json!({"content": number.to_string(), "client_message_id": format!("{}-{number}", person.name)});
        let request = agent.post(url).header("authorization", &token).header("content-type", "application/json");
        if request.send(body.to_string()).is_ok() {
            number += 1;
            let due = Duration::from_millis(10) * u32::try_from(number).unwrap();
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
        } else {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    number
}

/// Reads, is cut off somewhere, and comes back, until nothing comes any more after the end.
fn listen(shared: &Shared, person: &Person, query: &str, mut last: Option<String>, seed: u64) -> Vec<(u64, String)> {
    let (mut heard, mut random, mut cuts) = (Vec::new(), seed, 0);
    loop {
        let was_going = shared.is_going();
        let stream = {
            let hub = shared.hub.read().expect("no one panics");
            Stream::knock(&hub, &person.token(), query, last.as_deref())
        };
        let Ok(Ok(mut stream)) = stream else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The last time, all that there is.
        let most = if was_going { (random >> 33) % 120 } else { u64::MAX };
        for _ in 0..most {
            let Ok(Some(block)) = stream.next() else { break };
            if let Some(told) = block.data.filter(|told| told["type"] == "new_message") {
                let message = &told["payload"];
                if message["text"] == "the end" {
                    assert!(cuts > 1, "{cuts} are few cuts");
                    return heard;
                }
                assert!(block.id.is_some(), "{told}");
                heard.push((message["pos"].as_u64().unwrap(), message["message_id"].as_str().unwrap().to_owned()));
            }
            last.clone_from(&stream.last.clone().or(last.clone()));
        }
        cuts += 1;
    }
}

#[test]
fn under_traffic_cuts_and_crashes_all_is_heard_once_and_in_order() {
    let settings = ["--set", "limits.events_per_connection=0", "--set", "limits.requests_per_ip=0"];
    let hub = Hub::start(&settings);
    let (ada, bo) = colleagues();
    let cy = Person { name: "Cy", ..Person::new(ada.organization.unwrap(), ada.role, "Cy") };
    let ids: Vec<_> = (0..3).map(|_| fresh_id()).collect();
    let mut first = Chat::open(&hub, &ada);
    let query = format!("{}&dialect=messages", rooms(&ids));
    let mut opening = Stream::open(&hub, &bo, &query);
    let start = first.send(ids[0], "the start");
    assert_eq!(opening.expect("new_message")["payload"], start);
    let last = opening.last.clone();
    drop((first, opening));
    let shared = Shared { hub: Arc::new(RwLock::new(hub)), going: Arc::new(AtomicBool::new(true)) };
    let talking: Vec<_> = [ada, cy]
        .map(|person| {
            let (shared, ids) = (shared.clone(), ids.clone());
            std::thread::spawn(move || talk(&shared, person, &ids))
        })
        .into_iter()
        .collect();
    let listening: Vec<_> = (1..=3)
        .map(|seed| {
            let (shared, query, last) = (shared.clone(), query.clone(), last.clone());
            std::thread::spawn(move || listen(&shared, &bo, &query, last, seed))
        })
        .collect();
    for _ in 0..2 {
        std::thread::sleep(Duration::from_secs(3));
        shared.hub.write().expect("no one panics").restart();
    }
    std::thread::sleep(Duration::from_secs(2));
    shared.going.store(false, Ordering::Relaxed);
    let said: usize = talking.into_iter().map(|thread| thread.join().expect("a talker")).sum();
    assert!(said > 20, "{said} is hardly any traffic");
    let hub = shared.hub.read().expect("no one panics");
    let mut reader = Chat::open(&hub, &ada);
    reader.send(ids[0], "the end");
    let mut stored = Vec::new();
    for room in &ids {
        let count =
            reader.ask("join_session", json!({"session_id": room, "after_seq": 0}))["payload"]["last_seq"].clone();
        for seq in 1..=count.as_u64().unwrap() {
            let message = reader.expect("new_message")["payload"].clone();
            assert_eq!(message["seq"], seq);
            if !["the start", "the end"].contains(&message["text"].as_str().unwrap()) {
                stored.push((message["pos"].as_u64().unwrap(), message["message_id"].as_str().unwrap().to_owned()));
            }
        }
    }
    stored.sort_unstable();
    assert_eq!(stored.len(), said);
    for thread in listening {
        let heard = thread.join().expect("a listener");
        assert!(heard == stored, "heard {} of {}", heard.len(), stored.len());
    }
}
