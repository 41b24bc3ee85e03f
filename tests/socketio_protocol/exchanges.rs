//! What clients and sockets say to each other: connecting, events, acknowledgements, attachments.

use std::sync::atomic::Ordering;

use super::Visitor;
use super::server::{Server, obedient};
use super::sockets::Talkers;

/// The protocol server's sockets.
fn talkers() -> Server {
    let talkers = Talkers::new();
    Server::start(move || talkers.client())
}

#[test]
fn a_namespace_is_connected_to_with_and_without_auth() {
    let server = talkers();
    let mut visitor = Visitor::open(&server);
    let first = visitor.connect("/", "");
    visitor.expect(r#"42["auth",{}]"#);
    let second = visitor.connect("/custom", r#"{"token":"abc"}"#);
    visitor.expect(r#"42/custom,["auth",{"token":"abc"}]"#);
    assert_eq!((first.len(), second.len()), (20, 20));
    assert_ne!(first, second);
}

#[test]
fn events_and_acknowledgements_go_both_ways_in_each_namespace() {
    let server = talkers();
    let mut visitor = Visitor::open(&server);
    for (namespace, prefix) in [("/", ""), ("/custom", "/custom,")] {
        visitor.connect(namespace, "");
        visitor.packet();
        visitor.send(&format!(r#"2{prefix}["message",1,"2",{{"3":[true]}}]"#));
        visitor.expect(&format!(r#"42{prefix}["message-back",1,"2",{{"3":[true]}}]"#));
        visitor.send(&format!(r#"2{prefix}["message"]"#));
        visitor.expect(&format!(r#"42{prefix}["message-back"]"#));
        visitor.send(&format!(r#"2{prefix}456["message-with-ack",1,"2"]"#));
        visitor.expect(&format!(r#"43{prefix}456[1,"2"]"#));
        visitor.send(&format!(r#"2{prefix}0["message-with-ack"]"#));
        visitor.expect(&format!("43{prefix}0[]"));
        for id in 1..3 {
            visitor.send(&format!(r#"2{prefix}["emit-with-ack",1]"#));
            visitor.expect(&format!(r#"42{prefix}{id}["emit-with-ack",1]"#));
            visitor.send(&format!(r#"3{prefix}{id}["so","be it"]"#));
            visitor.expect(&format!(r#"42{prefix}["emit-with-ack","so","be it"]"#));
        }
    }
}

#[test]
fn attachments_follow_their_packet_both_ways() {
    let server = talkers();
    let mut visitor = Visitor::open(&server);
    for (namespace, prefix) in [("/", ""), ("/custom", "/custom,")] {
        visitor.connect(namespace, "");
        visitor.packet();
        let places = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
        let data = [vec![1, 2, 3], vec![4; 70_000]];
        let exchanges = [
            (format!(r#"52-{prefix}["message",{places}]"#), format!(r#"452-{prefix}["message-back",{places}]"#)),
            (format!(r#"52-{prefix}789["message-with-ack",{places}]"#), format!("462-{prefix}789[{places}]")),
            (
                format!(r#"52-{prefix}["emit-with-ack",{places}]"#),
                format!(r#"452-{prefix}1["emit-with-ack",{places}]"#),
            ),
            (format!("62-{prefix}1[{places}]"), format!(r#"452-{prefix}["emit-with-ack",{places}]"#)),
        ];
        for (said, answered) in exchanges {
            visitor.send(&said);
            for it in &data {
                visitor.send_binary(it);
            }
            visitor.expect(&answered);
            for it in &data {
                visitor.expect_binary(it);
            }
        }
    }
}

#[test]
fn a_connect_is_refused_with_a_message() {
    let (server, _) = obedient(|settings| settings.max_namespaces = 2);
    let mut visitor = Visitor::open(&server);
    visitor.send("0/unknown");
    visitor.expect(r#"44/unknown,{"message":"Invalid namespace"}"#);
    visitor.send(r#"0/unknown?token=1,{"a":1}"#);
    visitor.expect(r#"44/unknown?token=1,{"message":"Invalid namespace"}"#);
    visitor.send(r#"0{"refuse":"Not \"you\""}"#);
    visitor.expect(r#"44{"message":"Not \"you\"","data":{"why":"told to"}}"#);
    // It may come back, with something else to show.
    visitor.connect("/", "");
    visitor.send(r#"0/a,{"refuse":"No"}"#);
    visitor.expect(r#"44/a,{"message":"No","data":{"why":"told to"}}"#);
    visitor.connect("/a", "");
    visitor.send("0/b,");
    visitor.expect(r#"44/b,{"message":"Too many namespaces"}"#);
    visitor.send("1/a,");
    visitor.connect("/b", "");
}

#[test]
fn an_acknowledgement_without_id_is_told_as_such() {
    let (server, _) = obedient(|_| {});
    let mut visitor = Visitor::connected(&server);
    visitor.send("3[1]");
    visitor.expect(r#"42["acked","none",[1]]"#);
    visitor.send("318446744073709551615[]");
    visitor.expect(r#"42["acked","18446744073709551615",[]]"#);
}

#[test]
fn what_comes_before_a_connect_is_answered_waits_in_order() {
    let (server, notes) = obedient(|_| {});
    let mut visitor = Visitor::connected(&server);
    let place = r#"{"_placeholder":true,"num":0}"#;
    // In one piece, so that all is read before it can be stopped.
    let mut piece = Vec::new();
    for packet in [r#"0/a,{"wait":true}"#, r#"2/a,["echo",1]"#, r#"2["echo",2]"#, "0/b,", r#"2/b,["echo",3]"#] {
        piece.extend(super::text(packet));
    }
    piece.extend(super::text(&format!(r#"51-/a,["echo",{place}]"#)));
    piece.extend(super::frame(super::FIN | super::BINARY, &[7; 9]));
    piece.extend(super::text("1/a,"));
    visitor.0.send(&piece);
    // More comes while it waits, and is left in the socket.
    visitor.send(r#"2["echo",4]"#);
    notes.open.store(true, Ordering::Relaxed);
    let answer = visitor.packet();
    assert!(answer.starts_with(r#"40/a,{"sid":""#) && answer.ends_with(r#"","pid":"kept"}"#), "{answer}");
    visitor.expect(r#"42/a,["echo",1]"#);
    visitor.expect(r#"42["echo",2]"#);
    assert!(visitor.packet().starts_with("40/b,{"));
    visitor.expect(r#"42/b,["echo",3]"#);
    visitor.expect(&format!(r#"451-/a,["echo",{place}]"#));
    visitor.expect_binary(&[7; 9]);
    visitor.expect(r#"42["echo",4]"#);
    visitor.connect("/a", "");
}

#[test]
fn each_socket_has_its_own_ticks() {
    let (server, _) = obedient(|_| {});
    let mut visitor = Visitor::connected(&server);
    visitor.connect("/a", "");
    visitor.send(r#"2["tick",2]"#);
    visitor.expect(r#"42["tick",2]"#);
    visitor.expect(r#"42["tick",1]"#);
    visitor.expect(r#"42["tick",0]"#);
    visitor.send(r#"2/a,["tick",0]"#);
    visitor.expect(r#"42/a,["tick",0]"#);
    visitor.send(r#"2/a,["echo"]"#);
    visitor.expect(r#"42/a,["echo"]"#);
}

#[test]
fn what_says_nothing_and_what_was_not_asked_for_is_not_heeded() {
    let server = talkers();
    let mut visitor = Visitor::open(&server);
    visitor.connect("/", "");
    visitor.packet();
    for said in ["2", "212", "3", "31", r#"37["never asked for"]"#, r#"3["for nothing"]"#] {
        visitor.send(said);
    }
    visitor.send("51-");
    visitor.send_binary(&[1]);
    visitor.send(r#"2["emit-with-ack",1]"#);
    visitor.expect(r#"421["emit-with-ack",1]"#);
    // The second comes too late.
    visitor.send(r#"31["yes"]"#);
    visitor.send(r#"31["no"]"#);
    visitor.expect(r#"42["emit-with-ack","yes"]"#);
    visitor.send(r#"2["message"]"#);
    visitor.expect(r#"42["message-back"]"#);
}
