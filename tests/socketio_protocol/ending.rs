//! How sockets and sessions end: who is told what, and what stays.

use std::time::Duration;

use tertulia::domain::{CloseReason, ConnId};
use tertulia::hub::handle::{Departure, End};
use tertulia::session::Ending;

use super::Visitor;
use super::server::{Notes, Server, obedient};

/// Waits for the endings of sockets, by namespace in order of the alphabet.
#[track_caller]
fn endings(notes: &Notes, count: usize) -> Vec<(String, Ending)> {
    super::eventually(|| notes.endings().len() >= count);
    let mut endings = notes.endings();
    assert_eq!(endings.len(), count, "{endings:?}");
    endings.sort_by(|one, other| one.0.cmp(&other.0));
    endings
}

/// A client in `/`, `/a` and `/b`: connections 1, 2 and 3.
fn threefold(server: &Server) -> Visitor {
    let mut visitor = Visitor::connected(server);
    visitor.connect("/a", "");
    visitor.connect("/b", "");
    visitor
}

#[test]
fn a_client_leaves_one_namespace_and_stays_in_the_others() {
    let (server, notes) = obedient(|_| {});
    let mut visitor = threefold(&server);
    visitor.send("1/a");
    visitor.send(r#"2["echo",1]"#);
    visitor.expect(r#"42["echo",1]"#);
    let [(namespace, ending)] = &endings(&notes, 1)[..] else { unreachable!("there is one") };
    assert_eq!((&**namespace, ending.departure, ending.ours), ("/a", Departure::Left, None));
    visitor.connect("/a", "");
    visitor.send(r#"2/a,["echo",2]"#);
    visitor.expect(r#"42/a,["echo",2]"#);
}

#[test]
fn a_session_without_namespaces_stays_for_a_while() {
    let (server, notes) = obedient(|settings| settings.connect_timeout = Duration::from_millis(300));
    let mut visitor = Visitor::connected(&server);
    visitor.send("1");
    visitor.connect("/", "");
    visitor.send(r#"2["leave"]"#);
    visitor.expect("41");
    visitor.connect("/a", "");
    visitor.send("1/a");
    visitor.expect_close(4408);
    assert_eq!(endings(&notes, 3).len(), 3);
}

#[test]
fn a_session_that_never_connects_is_closed_and_one_that_did_is_not() {
    let (server, _) = obedient(|settings| settings.connect_timeout = Duration::from_millis(200));
    let mut visitor = Visitor::connected(&server);
    let mut silent = Visitor::open(&server);
    let mut refused = Visitor::open(&server);
    refused.send(r#"0{"refuse":"No"}"#);
    refused.packet();
    silent.expect_close(4408);
    refused.expect_close(4408);
    visitor.send(r#"2["echo"]"#);
    visitor.expect(r#"42["echo"]"#);
}

#[test]
fn a_socket_that_disconnects_its_client_leaves_the_others_alone() {
    let (server, notes) = obedient(|_| {});
    let mut visitor = threefold(&server);
    visitor.send(r#"2/a,["leave"]"#);
    visitor.expect("41/a,");
    visitor.send(r#"2["echo"]"#);
    visitor.expect(r#"42["echo"]"#);
    assert_eq!(endings(&notes, 1), [("/a".to_owned(), Ending::closed(CloseReason::Normal))]);
}

#[test]
fn who_is_not_to_come_back_is_disconnected_from_one_namespace() {
    for reason in [CloseReason::Kicked, CloseReason::RateLimited, CloseReason::GoingAway] {
        let (server, notes) = obedient(|_| {});
        let mut visitor = threefold(&server);
        notes.end(End::Close(ConnId(2), reason));
        visitor.expect(&format!(r#"42/a,["dismissed","{}"]"#, reason.as_str()));
        visitor.expect("41/a,");
        // It is gone already.
        notes.end(End::Close(ConnId(2), reason));
        visitor.send(r#"2/b,["echo"]"#);
        visitor.expect(r#"42/b,["echo"]"#);
        assert_eq!(endings(&notes, 1), [("/a".to_owned(), Ending::closed(reason))]);
        // A socket may ask for it itself.
        visitor.send(&format!(r#"2["close","{}"]"#, reason.as_str()));
        visitor.expect(&format!(r#"42["dismissed","{}"]"#, reason.as_str()));
        visitor.expect("41");
        visitor.send(&format!(r#"2/b,["both","{}"]"#, reason.as_str()));
        visitor.expect("41/b,");
        visitor.expect(&format!(r#"42/b,["dismissed","{}"]"#, reason.as_str()));
        visitor.expect("41/b,");
        visitor.expect_close(reason.code());
        assert_eq!(endings(&notes, 3)[2], ("/b".to_owned(), Ending::closed(reason)));
    }
}

#[test]
fn who_is_to_come_back_loses_the_session() {
    for reason in [CloseReason::Restarting, CloseReason::HeartbeatTimeout, CloseReason::SlowConsumer] {
        for asked in [false, true] {
            let (server, notes) = obedient(|_| {});
            let mut visitor = threefold(&server);
            if asked {
                visitor.send(&format!(r#"2/a,["close","{}"]"#, reason.as_str()));
            } else {
                notes.end(End::Close(ConnId(2), reason));
            }
            visitor.expect(&format!(r#"42/a,["dismissed","{}"]"#, reason.as_str()));
            visitor.expect_close(reason.code());
            let expected = ["/", "/a", "/b"].map(|it| (it.to_owned(), Ending::closed(reason)));
            assert_eq!(endings(&notes, 3), expected);
        }
    }
}

#[test]
fn whose_token_has_ended_is_disconnected_from_one_namespace_and_alone_loses_the_session() {
    for reason in [CloseReason::TokenExpired, CloseReason::SessionEnded] {
        let (server, notes) = obedient(|_| {});
        let mut visitor = threefold(&server);
        notes.end(End::Close(ConnId(2), reason));
        visitor.expect(&format!(r#"42/a,["dismissed","{}"]"#, reason.as_str()));
        visitor.expect("41/a,");
        visitor.send(&format!(r#"2/b,["close by the clock","{}"]"#, reason.as_str()));
        visitor.expect(&format!(r#"42/b,["dismissed","{}"]"#, reason.as_str()));
        visitor.expect("41/b,");
        visitor.send(r#"2["echo"]"#);
        visitor.expect(r#"42["echo"]"#);
        // Who is sent away may come again, with another token.
        visitor.connect("/a", "");
        visitor.send("1/a,");
        visitor.send(&format!(r#"2["close by the clock","{}"]"#, reason.as_str()));
        visitor.expect(&format!(r#"42["dismissed","{}"]"#, reason.as_str()));
        visitor.expect_close(4401);
        assert_eq!(endings(&notes, 4)[0], ("/".to_owned(), Ending::closed(reason)));
    }
}

#[test]
fn who_is_silent_in_one_namespace_is_idle_when_it_is_in_all() {
    let (server, notes) = obedient(|_| {});
    let mut visitor = threefold(&server);
    visitor.send(r#"2["close by the clock","idle"]"#);
    visitor.send(r#"2/b,["close by the clock","idle"]"#);
    for namespace in ["", "/a,", "/b,"] {
        visitor.send(&format!(r#"2{namespace}["echo"]"#));
        visitor.expect(&format!(r#"42{namespace}["echo"]"#));
    }
    assert!(notes.endings().is_empty());
    // All are told, and all come back.
    visitor.send(r#"2/a,["close by the clock","idle"]"#);
    for namespace in ["/b,", "/a,", ""] {
        visitor.expect(&format!(r#"42{namespace}["dismissed","idle"]"#));
    }
    visitor.expect_close(4408);
    let expected = ["/", "/a", "/b"].map(|it| (it.to_owned(), Ending::closed(CloseReason::Idle)));
    assert_eq!(endings(&notes, 3), expected);
}

#[test]
fn where_all_end_at_once_the_session_does() {
    let (server, notes) = obedient(|_| {});
    let mut visitor = Visitor::connected(&server);
    visitor.connect("/a", "");
    visitor.send(r#"2["close by the clock","idle"]"#);
    visitor.send(r#"2/a,["close by the clock","token_expired"]"#);
    visitor.expect(r#"42/a,["dismissed","token_expired"]"#);
    visitor.expect(r#"42["dismissed","idle"]"#);
    visitor.expect_close(4408);
    assert_eq!(endings(&notes, 2).len(), 2);
}

#[test]
fn a_connect_may_end_as_it_begins() {
    let (server, notes) = obedient(|_| {});
    let mut visitor = Visitor::connected(&server);
    visitor.send(r#"0/a,{"close":"banned"}"#);
    assert!(visitor.packet().starts_with("40/a,{"));
    visitor.expect(r#"42/a,["dismissed","banned"]"#);
    visitor.expect("41/a,");
    visitor.send(r#"0/b,{"close":"restarting"}"#);
    assert!(visitor.packet().starts_with("40/b,{"));
    visitor.expect(r#"42/b,["dismissed","restarting"]"#);
    visitor.expect_close(1012);
    assert_eq!(endings(&notes, 3).len(), 3);
}

#[test]
fn a_draining_client_is_told_once_and_heard_no_more() {
    let (server, notes) = obedient(|_| {});
    let mut visitor = threefold(&server);
    // As the hub does: once for each connection.
    for _ in 0..3 {
        notes.end(End::Drain);
    }
    let mut told = [visitor.packet(), visitor.packet(), visitor.packet()];
    told.sort();
    assert_eq!(told, [r#"42/a,["draining"]"#, r#"42/b,["draining"]"#, r#"42["draining"]"#]);
    visitor.send(r#"2["echo"]"#);
    visitor.send("0/c,");
    notes.end(End::Close(ConnId(1), CloseReason::Restarting));
    visitor.expect(r#"42["dismissed","restarting"]"#);
    visitor.expect_close(1012);
}

#[test]
fn a_client_that_vanishes_ends_in_every_namespace() {
    let (server, notes) = obedient(|_| {});
    let visitor = threefold(&server);
    drop(visitor);
    let expected = ["/", "/a", "/b"].map(|it| (it.to_owned(), Departure::Lost));
    assert_eq!(endings(&notes, 3).into_iter().map(|(it, how)| (it, how.departure)).collect::<Vec<_>>(), expected);
}
