//! Sessions without a socket: what is said in posts and told in polls, and every way in which they end.

use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tertulia::domain::CloseReason;
use tertulia::hub::handle::Departure;
use tertulia::session::SessionLimits;
use tertulia::socketio::Settings;

use crate::client::Client;
use crate::eventually;
use crate::server::{Answer, Polled, Server, calm, get, post};

fn quick() -> Settings {
    Settings { ping_interval: Duration::from_millis(400), ping_timeout: Duration::from_millis(300), ..calm() }
}

#[test]
fn what_is_posted_is_heard_in_order_and_what_is_told_is_fetched_in_order() {
    let server = Server::start();
    let polled = Polled::open(&server);
    polled.say("4hello");
    polled.poll().expect(200, "4hello");
    polled.say("4one\u{1e}bAQIDBA==\u{1e}4€\u{1e}bAQ\u{1e}4");
    polled.poll().expect(200, "4one\u{1e}bAQIDBA==\u{1e}4€\u{1e}bAQ==\u{1e}4");
    // Base64 as some clients write it, Java's in lines.
    polled.say("bAQID\nBA-_\n\u{1e}b!!");
    polled.poll().expect(200, "bAQIDBA+/\u{1e}b");
    // What says nothing is taken, and nothing comes of it.
    polled.say("6\u{1e}3\u{1e}4two");
    polled.say("4three");
    polled.poll().expect(200, "4two\u{1e}4three");
}

#[test]
fn a_poll_waits_until_there_is_something_to_tell() {
    let server = Server::start();
    let polled = Polled::open(&server);
    for word in ["4one", "4two"] {
        let mut waiting = polled.wait();
        polled.say(word);
        Answer::of(&mut waiting).expect(200, word);
    }
}

/// The server waits only so long for what clients say; here it is they who wait.
#[test]
fn a_poll_may_wait_longer_than_a_client_may_take_over_a_request() {
    let server =
        Server::with(Settings { ping_interval: Duration::from_secs(31), ..calm() }, SessionLimits::default(), 1);
    let polled = Polled::open(&server);
    let mut client = Client::dial(server.address);
    client.stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    client.send(get(&polled.target()).as_bytes());
    Answer::of(&mut client).expect(200, "2");
    // And its connection is as good as before.
    client.send(post(&polled.target(), "3\u{1e}4hello").as_bytes());
    Answer::of(&mut client).expect(200, "ok");
    client.send(get(&polled.target()).as_bytes());
    Answer::of(&mut client).expect(200, "4hello");
}

#[test]
fn of_many_packets_a_poll_brings_sixteen() {
    let server = Server::start();
    let polled = Polled::open(&server);
    let words: Vec<_> = (0..40).map(|n| format!("4{n}")).collect();
    polled.say(&words.join("\u{1e}"));
    for share in words.chunks(16) {
        polled.poll().expect(200, &share.join("\u{1e}"));
    }
    // One that is far behind gets all of it.
    let words: Vec<_> = (0..800).map(|n| format!("4{n}")).collect();
    polled.say(&words.join("\u{1e}"));
    polled.poll().expect(200, &words.join("\u{1e}"));
    // Clients for JavaScript take all that there is.
    let named =
        get(&format!("{}polling", crate::server::PATH)).replace("Host:", "User-Agent: node-XMLHttpRequest\r\nHost:");
    let polled = Polled::of(&server, &server.ask(&named));
    polled.say(&words[..40].join("\u{1e}"));
    polled.poll().expect(200, &words[..40].join("\u{1e}"));
}

#[test]
fn a_second_poll_ends_the_session() {
    let server = Server::start();
    let polled = Polled::open(&server);
    let mut first = polled.wait();
    polled.poll().expect_bad();
    Answer::of(&mut first).expect(200, "1");
    polled.poll().expect_unknown();
    assert_eq!(server.ending().ours, Some(CloseReason::ProtocolError));
    server.expect_empty();
}

#[test]
fn a_second_post_ends_the_session() {
    let server = Server::start();
    let polled = Polled::open(&server);
    let mut first = Client::dial(server.address);
    let request = post(&polled.target(), "4hello");
    first.send(&request.as_bytes()[..request.len() - 3]);
    std::thread::sleep(Duration::from_millis(100));
    polled.post("4other").expect_bad();
    first.send(b"llo");
    Answer::of(&mut first).expect_unknown();
    polled.poll().expect_unknown();
    assert_eq!(server.ending().ours, Some(CloseReason::ProtocolError));
    assert_eq!(server.house.heard.load(Ordering::Relaxed), 0);
    server.expect_empty();
}

#[test]
fn what_is_not_the_protocol_ends_the_session() {
    let server = Server::start();
    for body in ["abc", "", "2", "7", "4a\u{1e}\u{1e}4b", "B!!", "4ok\u{1e}9\u{1e}4never heard"] {
        let polled = Polled::open(&server);
        polled.post(body).expect_bad();
        polled.poll().expect_unknown();
    }
    assert_eq!(server.house.heard.load(Ordering::Relaxed), 2);
    // Bytes that are no text, and bytes where text is due.
    let polled = Polled::open(&server);
    let mut client = Client::dial(server.address);
    let request = post(&polled.target(), "4xx");
    client.send(&[&request.as_bytes()[..request.len() - 2], &[0xC3, 0x28]].concat());
    Answer::of(&mut client).expect_bad();
    let polled = Polled::open(&server);
    let request = post(&polled.target(), "4x").replace("text/plain;charset=UTF-8", "application/octet-stream");
    server.ask(&request).expect_bad();
    polled.poll().expect_unknown();
    server.expect_empty();
}

#[test]
fn a_client_that_leaves_has_its_poll_ended() {
    let server = Server::start();
    let polled = Polled::open(&server);
    let mut waiting = polled.wait();
    polled.say("1");
    Answer::of(&mut waiting).expect(200, "6");
    polled.poll().expect_unknown();
    let ending = server.ending();
    assert_eq!((ending.departure, ending.reason, ending.ours), (Departure::Left, "left", None));
    server.expect_empty();
}

#[test]
fn one_that_left_has_no_session_any_more_once_its_post_is_answered() {
    let server = Server::start();
    for said in ["1", "4not fetched\u{1e}1\u{1e}4not heard"] {
        let polled = Polled::open(&server);
        polled.say(said);
        polled.poll().expect_unknown();
        polled.post("4hello").expect_unknown();
    }
    server.expect_empty();
    assert_eq!(server.house.heard.load(Ordering::Relaxed), 1);
    // A poll that went out with the post may come later.
    let polled = Polled::open(&server);
    let mut leaving = Client::dial(server.address);
    leaving.send(post(&polled.target(), "1").as_bytes());
    std::thread::sleep(Duration::from_millis(20));
    polled.poll().expect(200, "6");
    Answer::of(&mut leaving).expect(200, "ok");
    polled.poll().expect_unknown();
}

#[test]
fn one_that_is_closed_is_told_so_behind_what_was_said_before() {
    let server = Server::start();
    // While it waits.
    let polled = Polled::open(&server);
    let mut waiting = polled.wait();
    polled.say("4kick me");
    // Together with it, clients would end before they had handled that.
    Answer::of(&mut waiting).expect(200, "4kicked");
    polled.poll().expect(200, "1");
    polled.poll().expect_unknown();
    assert_eq!(server.ending().ours, Some(CloseReason::Kicked));
    // Between two polls.
    let polled = Polled::open(&server);
    polled.say("4kick me");
    polled.post("4too late").expect_unknown();
    polled.poll().expect(200, "4kicked");
    polled.poll().expect(200, "1");
    polled.poll().expect_unknown();
    server.expect_empty();
}

#[test]
fn one_that_is_to_come_back_is_turned_away_behind_what_was_said_before() {
    // While it waits, and between two polls.
    for waits in [true, false] {
        let server = Server::start();
        let polled = Polled::open(&server);
        let waiting = waits.then(|| polled.wait());
        polled.say("4restart me");
        let told = waiting.map_or_else(|| polled.poll(), |mut waiting| Answer::of(&mut waiting));
        told.expect(200, "4restarting");
        polled.poll().expect_unknown();
        assert_eq!(server.ending().ours, Some(CloseReason::Restarting));
        server.expect_empty();
    }
}

#[test]
fn a_poll_that_is_cancelled_ends_the_session_as_lost() {
    // The client closes its side, or resets the connection.
    for reset in [false, true] {
        let server = Server::start();
        let polled = Polled::open(&server);
        let waiting = polled.wait();
        if reset {
            SockRef::from(&waiting.stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(waiting);
        let ending = server.ending();
        assert_eq!((ending.departure, ending.reason), (Departure::Lost, "lost"));
        polled.poll().expect_unknown();
        server.expect_empty();
    }
}

#[test]
fn a_post_that_breaks_off_ends_the_session_as_lost() {
    let server = Server::start();
    let polled = Polled::open(&server);
    let mut client = Client::dial(server.address);
    let request = post(&polled.target(), "4hello");
    client.send(&request.as_bytes()[..request.len() - 3]);
    std::thread::sleep(Duration::from_millis(50));
    client.stream.shutdown(Shutdown::Both).unwrap();
    assert_eq!(server.ending().departure, Departure::Lost);
    server.expect_empty();
}

#[test]
fn pings_that_are_answered_keep_a_session() {
    let server = Server::with(quick(), SessionLimits::default(), 2);
    let polled = Polled::open(&server);
    for _ in 0..3 {
        polled.poll().expect(200, "2");
        polled.say("3");
    }
    polled.say("4hello");
    polled.poll().expect(200, "4hello");
    assert!(server.house.endings.lock().unwrap().is_empty());
}

#[test]
fn a_client_that_vanished_between_polls_is_gone_in_time_and_not_before() {
    let server = Server::with(quick(), SessionLimits::default(), 2);
    let before = Instant::now();
    let polled = Polled::open(&server);
    let after = Instant::now();
    eventually("the session has ended", || !server.house.endings.lock().unwrap().is_empty());
    let (least, most) = (after.elapsed(), before.elapsed());
    assert!(most >= Duration::from_millis(700), "gone after {most:?}");
    assert!(least < Duration::from_millis(1_500), "gone only after {least:?}");
    assert_eq!(server.ending().ours, Some(CloseReason::HeartbeatTimeout));
    polled.poll().expect_unknown();
    server.expect_empty();
}

#[test]
fn one_whose_ping_was_fetched_and_not_answered_is_gone_too() {
    let server = Server::with(quick(), SessionLimits::default(), 2);
    let polled = Polled::open(&server);
    polled.poll().expect(200, "2");
    let start = Instant::now();
    // The next poll waits meanwhile, and is told.
    polled.poll().expect(200, "1");
    assert!(start.elapsed() >= Duration::from_millis(290), "{:?}", start.elapsed());
    assert_eq!(server.ending().ours, Some(CloseReason::HeartbeatTimeout));
}

#[test]
fn posts_are_held_back_while_the_host_is_congested() {
    let server = Server::start();
    let polled = Polled::open(&server);
    server.house.is_congested.store(true, Ordering::Relaxed);
    let mut held = Client::dial(server.address);
    held.send(post(&polled.target(), "4one\u{1e}4two").as_bytes());
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(server.house.heard.load(Ordering::Relaxed), 0);
    server.house.is_congested.store(false, Ordering::Relaxed);
    Answer::of(&mut held).expect(200, "ok");
    polled.poll().expect(200, "4one\u{1e}4two");
    // Meanwhile there may be no other.
    server.house.is_congested.store(true, Ordering::Relaxed);
    held.send(post(&polled.target(), "4three").as_bytes());
    std::thread::sleep(Duration::from_millis(100));
    polled.post("4four").expect_bad();
    assert_eq!(server.ending().ours, Some(CloseReason::ProtocolError));
    server.expect_empty();
}

#[test]
fn one_that_fetches_too_little_is_turned_away() {
    let limits = SessionLimits { queue_bytes: 64 * 1024, queue_frames: 50, ..SessionLimits::default() };
    let server = Server::with(calm(), limits, 2);
    let polled = Polled::open(&server);
    polled.say("4flood me");
    assert_eq!(server.ending().ours, Some(CloseReason::SlowConsumer));
    // It is to come back: a packet that says that the session is over would keep some clients away.
    polled.poll().expect_unknown();
    server.expect_empty();
}

#[test]
fn sessions_are_served_by_whichever_worker_gets_the_request() {
    let server = Server::with(calm(), SessionLimits::default(), 4);
    std::thread::scope(|scope| {
        for client in 0..8 {
            let server = &server;
            scope.spawn(move || {
                let polled = Polled::open(server);
                for turn in 0..40 {
                    let word = format!("4{client}:{turn}");
                    polled.say(&word);
                    polled.poll().expect(200, &word);
                }
                let kept = &mut Client::dial(server.address);
                for turn in 0..40 {
                    let word = format!("4{client}:{turn} kept");
                    kept.send(post(&polled.target(), &word).as_bytes());
                    Answer::of(kept).expect(200, "ok");
                    kept.send(get(&polled.target()).as_bytes());
                    Answer::of(kept).expect(200, &word);
                }
                polled.say("1");
            });
        }
    });
    server.expect_empty();
    assert_eq!(server.house.heard.load(Ordering::Relaxed), 8 * 80);
}
