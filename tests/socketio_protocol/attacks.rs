//! Clients that mean no good: each is told to go away, and costs little until then.

use std::time::Duration;

use proptest::prelude::*;

use super::Visitor;
use super::server::obedient;

#[test]
fn what_makes_no_sense_ends_the_session() {
    let (server, _) = obedient(|_| {});
    let place = r#"{"_placeholder":true,"num":0}"#;
    let senseless = [
        "abc",
        "",
        "0",
        "0[]",
        "2{}",
        "2abc[\"echo\"]",
        "2[\"disconnect\"]",
        "2/a,[\"echo\"]",
        "3/unknown,1[]",
        "1/a,",
        "4{\"message\":\"no\"}",
        "51-[\"echo\"]",
        "51-[\"echo\",{\"_placeholder\":true,\"num\":1}]",
        &format!("51-/a,[\"echo\",{place}]"),
        &format!("511-[\"echo\",{place}]"),
        &format!("52147483648-[\"echo\",{place}]"),
        &format!("54294967297-[\"echo\",{place}]"),
        &format!("6999999999999999999999-1[{place}]"),
    ];
    for packet in senseless {
        let mut visitor = Visitor::connected(&server);
        visitor.send(packet);
        visitor.expect_close(1002);
    }
}

#[test]
fn an_attachment_where_none_is_due_and_text_where_one_is() {
    let (server, _) = obedient(|_| {});
    let mut visitor = Visitor::connected(&server);
    visitor.send_binary(&[1]);
    visitor.expect_close(1002);
    for packet in ["2[\"echo\"]", "1", "0/a,"] {
        let mut visitor = Visitor::connected(&server);
        visitor.send(r#"51-["echo",{"_placeholder":true,"num":0}]"#);
        visitor.send(packet);
        visitor.expect_close(1002);
    }
}

#[test]
fn attachments_that_never_come_are_not_waited_for() {
    let (server, _) = obedient(|settings| settings.attachment_timeout = Duration::from_millis(400));
    let mut visitor = Visitor::connected(&server);
    visitor.send(r#"52-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#);
    visitor.send_binary(&[1]);
    visitor.expect_close(1002);
}

#[test]
fn attachments_are_bounded_together() {
    let (server, _) = obedient(|settings| settings.max_payload = 100_000);
    let places: Vec<_> = (0..10).map(|num| format!(r#"{{"_placeholder":true,"num":{num}}}"#)).collect();
    let places = places.join(",");
    let mut visitor = Visitor::connected(&server);
    visitor.send(&format!(r#"510-["echo",{places}]"#));
    for _ in 0..9 {
        visitor.send_binary(&[0; 10_000]);
    }
    visitor.send_binary(&[0; 10_001]);
    visitor.expect_close(1009);
}

#[test]
fn thousands_of_connects_end_the_session() {
    let (server, _) = obedient(|_| {});
    let floods: [fn(usize) -> Vec<String>; 4] = [
        |n| vec![format!("0/{n},")],
        |_| vec!["0/a,".to_owned(), "1/a,".to_owned()],
        |_| vec![r#"0/a,{"refuse":"No"}"#.to_owned()],
        |n| vec![format!("0/{}{n},", "long".repeat(1_000))],
    ];
    for flood in floods {
        let mut visitor = Visitor::connected(&server);
        let mut piece = Vec::new();
        for packet in (0..300).flat_map(flood) {
            piece.extend(super::text(&packet));
        }
        visitor.0.send(&piece);
        let (code, answers) = visitor.read_to_close();
        assert_eq!(code, 4429);
        // The first CONNECT counts, and so does what a few seconds allow.
        assert!((99..120).contains(&answers), "{answers}");
    }
}

#[test]
fn a_flood_that_waits_for_a_connect_is_left_in_the_socket() {
    let (server, notes) = obedient(|settings| settings.max_payload = 100_000);
    let mut visitor = Visitor::connected(&server);
    visitor.send(r#"0/a,{"wait":true}"#);
    let events = 20_000;
    let mut flood = Vec::new();
    for number in 0..events {
        flood.extend(super::text(&format!(r#"2["echo",{number}]"#)));
    }
    let mut stream = visitor.0.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut stream, &flood).unwrap());
    std::thread::sleep(Duration::from_millis(200));
    notes.open.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(visitor.packet().starts_with("40/a,{"));
    for number in 0..events {
        visitor.expect(&format!(r#"42["echo",{number}]"#));
    }
    writer.join().unwrap();
}

#[test]
fn acknowledgements_that_nobody_asked_for_are_the_applications_to_judge() {
    let (server, _) = obedient(|_| {});
    let mut visitor = Visitor::connected(&server);
    for _ in 0..100 {
        let piece: Vec<u8> = (0..100).flat_map(|id| super::text(&format!("3{id}[]"))).collect();
        visitor.0.send(&piece);
        for id in 0..100 {
            visitor.expect(&format!(r#"42["acked","{id}",[]]"#));
        }
    }
}

#[test]
fn deep_payloads_are_taken_and_names_of_prototypes_mean_nothing() {
    let (server, _) = obedient(|_| {});
    let mut visitor = Visitor::connected(&server);
    let nested = |open: &str, close: &str| format!("{}1{}", open.repeat(50_000), close.repeat(50_000));
    // An application that cannot look into it hears of it all the same.
    visitor.send(&format!(r#"2["deep",{}]"#, nested("[", "]")));
    visitor.send(&format!(r#"20["deep",{}]"#, nested(r#"{"__proto__":"#, "}")));
    visitor.send(&format!("30{}", nested("[", "]")));
    assert!(visitor.packet().starts_with(r#"42["acked","0",[["#));
    visitor.send(&format!("0/unknown,{}", nested(r#"{"__proto__":"#, "}")));
    visitor.expect(r#"44/unknown,{"message":"Invalid namespace"}"#);
    let place = r#"{"_placeholder":true,"num":0}"#;
    visitor.send(&format!(r#"51-["deep",{},{place}]"#, nested("[", "]")));
    visitor.send_binary(&[]);
    visitor.send(r#"2["echo",{"__proto__":{"x":1},"constructor":null}]"#);
    visitor.expect(r#"42["echo",{"__proto__":{"x":1},"constructor":null}]"#);
}

/// What a client might say, in any order: text that is a packet, text that nearly is, and attachments.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        prop_oneof!["0", "0/[a-d],?", "1(/[a-c],)?", r#"0(/a,)?\{"refuse":"No"\}"#],
        r#"2(/[a-c],)?[0-9]{0,2}\["(echo|leave|none)",[0-9]{1,3}\]"#,
        r#"2(/[a-c],)?\["close","(banned|idle|rate_limited|session_ended)"\]"#,
        r#"5[0-2]-(/a,)?\["echo",\{"_placeholder":true,"num":[01]\}\]"#,
        r"3(/[a-c],)?[0-9]{0,2}\[[0-9]?\]",
        r#"[0-7][-/a,0-9]{0,4}[\[{]?["a-z_:,]{0,10}[\]}]?"#,
    ];
    prop_oneof![
        8 => text.prop_map(|it| super::text(&it)),
        1 => any::<Vec<u8>>().prop_map(|it| super::frame(super::FIN | super::BINARY, &it)),
    ]
}

#[test]
fn whatever_clients_say_the_next_is_served() {
    let (server, notes) = obedient(|_| {});
    let config = ProptestConfig::with_cases(100);
    proptest!(config, |(noise in prop::collection::vec(noise(), 1..30))| {
        let mut visitor = Visitor::connected(&server);
        visitor.0.send(&noise.concat());
        visitor.0.send(&super::frame(super::FIN | super::client::CLOSE, &[]));
        visitor.read_to_close();
    });
    let mut visitor = Visitor::connected(&server);
    visitor.send(r#"2["echo"]"#);
    visitor.expect(r#"42["echo"]"#);
    // Every socket but this one has ended, once.
    super::eventually(|| notes.endings().len() + 1 >= notes.asked());
    assert_eq!(notes.endings().len() + 1, notes.asked());
}
