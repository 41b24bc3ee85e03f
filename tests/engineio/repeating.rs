//! Polls that come again: browsers send a request anew by themselves where its connection ended without an answer.

use std::net::Shutdown;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tertulia::domain::CloseReason;
use tertulia::hub::handle::Departure;
use tertulia::session::SessionLimits;

use crate::client::{Client, text};
use crate::server::{Answer, PATH, Polled, Server, calm, expect_text, get};

/// Whichever worker gets the request that comes again.
fn servers() -> impl Iterator<Item = Server> {
    [1, 2].into_iter().map(|workers| Server::with(calm(), SessionLimits::default(), workers))
}

/// Ends the connection, so that its answer arrives nowhere.
fn reset(client: Client) {
    SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn an_answer_that_never_arrived_is_given_again_and_then_comes_the_next() {
    for server in servers() {
        let polled = Polled::open(&server);
        for turn in 0..5 {
            let waiting = polled.wait_as(&format!("a{turn}"));
            polled.say(&format!("4first {turn}\u{1e}bAQI="));
            polled.say(&format!("4second {turn}"));
            reset(waiting);
            polled.poll_as(&format!("a{turn}")).expect(200, &format!("4first {turn}\u{1e}bAQI="));
            polled.poll_as(&format!("b{turn}")).expect(200, &format!("4second {turn}"));
        }
        assert!(server.house.endings.lock().unwrap().is_empty());
    }
}

#[test]
fn an_answer_is_given_again_only_until_the_next_poll_comes() {
    for server in servers() {
        let polled = Polled::open(&server);
        polled.say("4one");
        polled.poll_as("a").expect(200, "4one");
        let mut waiting = polled.wait_as("b");
        // Two different polls at once are as wrong as ever.
        polled.poll_as("a").expect_bad();
        Answer::of(&mut waiting).expect(200, "1");
        polled.poll_as("b").expect_unknown();
        assert_eq!(server.ending().ours, Some(CloseReason::ProtocolError));
        server.expect_empty();
    }
}

#[test]
fn a_poll_that_comes_again_takes_the_place_of_the_one_that_waits() {
    for server in servers() {
        let polled = Polled::open(&server);
        let mut first = polled.wait_as("a");
        let mut second = polled.wait_as("a");
        Answer::of(&mut first).expect(200, "6");
        polled.say("4hello");
        Answer::of(&mut second).expect(200, "4hello");
        // Without a name, or with another, it is a second poll.
        let mut waiting = polled.wait_as("b");
        polled.poll().expect_bad();
        Answer::of(&mut waiting).expect(200, "1");
        assert_eq!(server.ending().ours, Some(CloseReason::ProtocolError));
        server.expect_empty();
    }
}

#[test]
fn a_poll_that_is_cancelled_may_come_again_at_once() {
    for server in servers() {
        for says_nothing_between in [true, false] {
            let polled = Polled::open(&server);
            let waiting = polled.wait_as("a");
            waiting.stream.shutdown(Shutdown::Both).unwrap();
            std::thread::sleep(Duration::from_millis(100));
            if says_nothing_between {
                let mut waiting = polled.wait_as("a");
                std::thread::sleep(Duration::from_millis(700));
                polled.say("4hello");
                Answer::of(&mut waiting).expect(200, "4hello");
            } else {
                polled.say("4hello");
                polled.poll_as("a").expect(200, "4hello");
            }
            polled.say("4other");
            polled.poll_as("b").expect(200, "4other");
        }
        assert!(server.house.endings.lock().unwrap().is_empty());
    }
}

#[test]
fn one_that_does_not_come_again_is_lost_after_a_moment() {
    for server in servers() {
        let polled = Polled::open(&server);
        let start = Instant::now();
        reset(polled.wait_as("a"));
        assert_eq!(server.ending().departure, Departure::Lost);
        assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
        polled.poll_as("a").expect_unknown();
        server.expect_empty();
    }
}

#[test]
fn another_poll_after_one_that_was_cancelled_finds_no_session() {
    for server in servers() {
        let polled = Polled::open(&server);
        reset(polled.wait_as("a"));
        std::thread::sleep(Duration::from_millis(100));
        polled.poll_as("b").expect_unknown();
        polled.poll_as("a").expect_unknown();
        assert_eq!(server.ending().departure, Departure::Lost);
        server.expect_empty();
    }
}

#[test]
fn the_end_of_a_session_is_told_again() {
    for server in servers() {
        let polled = Polled::open(&server);
        let waiting = polled.wait_as("a");
        polled.say("4kick me");
        reset(waiting);
        polled.poll_as("a").expect(200, "4kicked");
        polled.post("4too late").expect_unknown();
        assert_eq!(server.ending().ours, Some(CloseReason::Kicked));
        reset(polled.wait_as("b"));
        polled.poll_as("b").expect(200, "1");
        // Whoever asks for more has heard it.
        polled.poll_as("c").expect_unknown();
        polled.poll_as("b").expect_unknown();
        server.expect_empty();
    }
}

#[test]
fn nothing_is_told_again_to_one_that_has_a_socket() {
    for server in servers() {
        let polled = Polled::open(&server);
        polled.say("4one");
        polled.poll_as("a").expect(200, "4one");
        let mut socket = polled.offer();
        socket.send(&text("2probe"));
        expect_text(&mut socket, "3probe");
        // It may be that the poll before the socket's first packet is the one that got lost.
        polled.poll_as("a").expect(200, "4one");
        polled.poll_as("b").expect(200, "6");
        polled.poll_as("b").expect(200, "6");
        socket.send(&[text("5"), text("4two")].concat());
        expect_text(&mut socket, "4two");
        polled.poll_as("b").expect_bad();
        socket.send(&text("4three"));
        expect_text(&mut socket, "4three");
    }
}

/// Some clients send the time, and several polls within what is the same to them; others always send the same.
#[test]
fn names_that_mean_nothing_hold_nobody_up() {
    for server in servers() {
        let polled = Polled::open(&server);
        for time in ["1760000000", "1760000000.25", "", &"x".repeat(65)] {
            for word in ["4one", "4two", "4three"] {
                polled.say(word);
                polled.poll_as(time).expect(200, word);
            }
        }
        polled.say("4hello");
        for _ in 0..3 {
            polled.poll_as("always").expect(200, "4hello");
        }
        for word in ["4one", "4two", "4three"] {
            polled.say(word);
            polled.poll_as("always").expect(200, word);
        }
        let mut waiting = polled.wait_as("always");
        polled.poll_as("always").expect_bad();
        Answer::of(&mut waiting).expect(200, "1");
    }
}

#[test]
fn one_that_hears_that_the_process_ends_is_not_waited_for() {
    for server in servers() {
        let (waiting, idle) = (Polled::open(&server), Polled::open(&server));
        let mut poll = waiting.wait_as("a");
        let mut socket = server.socket("");
        let mut moved = Polled::open(&server).offer();
        socket.frame().unwrap().unwrap();
        moved.send(&[text("2probe"), text("5")].concat());
        expect_text(&mut moved, "3probe");
        // The move has no answer of its own.
        moved.send(&text("4hello"));
        expect_text(&mut moved, "4hello");
        server.engine.drain();
        Answer::of(&mut poll).expect_unknown();
        idle.poll_as("a").expect_unknown();
        for socket in [&mut socket, &mut moved] {
            socket.expect_close(1012);
        }
        // Who comes now has come too late.
        let late = server.ask(&get(&format!("{PATH}polling")));
        assert!(late.status == 200 && late.body.starts_with("0{"), "{late:?}");
        let mut late = server.socket("");
        late.frame().unwrap().unwrap();
        late.expect_close(1012);
        server.expect_empty();
        assert!(server.house.endings.lock().unwrap().iter().all(|it| it.ours == Some(CloseReason::Restarting)));
    }
}
