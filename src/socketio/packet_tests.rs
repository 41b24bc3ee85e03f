//! Packets as clients write them, as they should not, and as anybody might.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const MAX: usize = 10;

/// What a message says, short enough to compare: namespace, kind, id, arguments, attachments.
fn read_as(message: &str) -> Option<(String, &'static str, Option<u64>, String, usize)> {
    let Inbound { namespace, body } = read(message, MAX).ok()?;
    let (kind, id, args, attachments) = match body {
        Body::Connect(auth) => ("connect", None, auth.map_or("", RawValue::get), 0),
        Body::Disconnect => ("disconnect", None, "", 0),
        Body::Event(Payload { args, id, attachments }) => ("event", id, args, attachments),
        Body::Ack(Payload { args, id, attachments }) => ("ack", id, args, attachments),
    };
    Some((namespace.to_owned(), kind, id, args.to_owned(), attachments))
}

#[track_caller]
fn reads(message: &str, namespace: &str, kind: &'static str, id: Option<u64>, args: &str, attachments: usize) {
    assert_eq!(read_as(message), Some((namespace.to_owned(), kind, id, args.to_owned(), attachments)), "{message}");
}

#[track_caller]
fn refuses(messages: &[&str]) {
    for message in messages {
        assert_eq!(read_as(message), None, "{message}");
    }
}

#[test]
fn what_clients_write_is_read() {
    reads("0", "/", "connect", None, "", 0);
    reads("0/custom", "/custom", "connect", None, "", 0);
    reads("0/custom,", "/custom", "connect", None, "", 0);
    reads(r#"0{"token":"123"}"#, "/", "connect", None, r#"{"token":"123"}"#, 0);
    reads(r#"0/custom,{"token":"123"}"#, "/custom", "connect", None, r#"{"token":"123"}"#, 0);
    // An id means nothing there.
    reads("01", "/", "connect", None, "", 0);
    reads("1", "/", "disconnect", None, "", 0);
    reads("1/custom,", "/custom", "disconnect", None, "", 0);
    reads(r#"2["hello",1]"#, "/", "event", None, r#"["hello",1]"#, 0);
    reads(r#"2/custom,12["hello"]"#, "/custom", "event", Some(12), r#"["hello"]"#, 0);
    reads("2[1,2]", "/", "event", None, "[1,2]", 0);
    reads("30[]", "/", "ack", Some(0), "[]", 0);
    reads("3/custom,7[1]", "/custom", "ack", Some(7), "[1]", 0);
    let one = r#"["up",{"_placeholder":true,"num":0}]"#;
    reads(&format!("51-{one}"), "/", "event", None, one, 1);
    reads(&format!("51-/custom,9{one}"), "/custom", "event", Some(9), one, 1);
    reads(&format!("61-/custom,9{one}"), "/custom", "ack", Some(9), one, 1);
}

#[test]
fn what_stands_behind_a_namespace_as_a_query_string_is_part_of_its_name() {
    reads("0/custom?token=1&x=/a", "/custom?token=1&x=/a", "connect", None, "", 0);
    reads(r#"2/custom?token=1,["a"]"#, "/custom?token=1", "event", None, r#"["a"]"#, 0);
    reads("0/?token=1,", "/?token=1", "connect", None, "", 0);
}

#[test]
fn a_packet_may_say_nothing() {
    reads("2", "/", "event", None, "", 0);
    reads("2/custom,12", "/custom", "event", Some(12), "", 0);
    reads("3", "/", "ack", None, "", 0);
    reads("52-", "/", "event", None, "", 2);
}

#[test]
fn what_the_reference_refuses_is_refused() {
    refuses(&["", "7", "9", "a", "abc", "-1", " 2[\"a\"]", "\u{1f600}"]);
    // CONNECT shows an object or nothing.
    refuses(&["0[]", "0null", "0\"a\"", "0{", "0{}{}", "0/custom,[]"]);
    refuses(&["1{}", "1[]", "1null", "1/custom,[]"]);
    // A server sends this, no client.
    refuses(&["4", "4{}", "4/custom,{\"message\":\"x\"}"]);
    refuses(&["2{}", "2null", "2\"a\"", "2[]", "2[null]", "2[[\"a\"]]", "2[{}]", "2[true]", "2[\"a\"", "2[\"a\"]]"]);
    refuses(&["2abc[\"message-with-ack\",1]", "2-1[\"a\"]", "2+1[\"a\"]", "21.5[\"a\"]", "2 1[\"a\"]"]);
    refuses(&["3{}", "3null", "31\"a\"", "31["]);
    for name in RESERVED {
        refuses(&[&format!("2[\"{name}\"]"), &format!("2/custom,3[ \"{name}\" ,1]")]);
    }
    refuses(&[r#"2["dis\u0063onnect"]"#]);
    reads(r#"2["Connect"]"#, "/", "event", None, r#"["Connect"]"#, 0);
    reads(r#"3["connect"]"#, "/", "ack", None, r#"["connect"]"#, 0);
}

#[test]
fn an_announcement_is_a_number_of_attachments_within_bounds() {
    let rest = r#"-["a",{"_placeholder":true,"num":0}]"#;
    reads(&format!("51{rest}"), "/", "event", None, &rest[1..], 1);
    for number in ["", "0", "11", "-1", "+1", "1.0", "1e0", " 1", "0x1", "2147483648", "18446744073709551617"] {
        refuses(&[&format!("5{number}{rest}"), &format!("6{number}{rest}")]);
    }
    refuses(&["5", "51", "5[\"a\"]", "51[\"a\"]", "5-"]);
}

#[test]
fn an_id_is_a_number_that_can_be_said_again() {
    reads("218446744073709551615[\"a\"]", "/", "event", Some(u64::MAX), "[\"a\"]", 0);
    reads("2007[\"a\"]", "/", "event", Some(7), "[\"a\"]", 0);
    refuses(&["218446744073709551616[\"a\"]", &format!("2{}[\"a\"]", "9".repeat(100_000))]);
}

#[test]
fn each_attachment_has_its_placeholder_and_each_placeholder_its_attachment() {
    let fine = [
        r#"["a",{"_placeholder":true,"num":0},{"num":1,"_placeholder":true}]"#,
        r#"["a",{"x":[{"_placeholder" : true , "num" : 1 }],"y":{"_placeholder":true,"num":0}}]"#,
        r#"["a",{"\u005fplaceholder":true,"n\u0075m":1},{"_placeholder":true,"num":0,"more":"\"}{"}]"#,
        r#"["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},{"_placeholder":false,"num":9}]"#,
        r#"["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},{"_placeholder":true,"num":1}]"#,
        r#"["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},{"_placeholder":true,"_placeholder":1}]"#,
        r#"["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},"{\"_placeholder\":true,\"num\":5}"]"#,
        r#"["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},["_placeholder",true]]"#,
        r#"["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},{"num":-1},{"num":{"num":7}}]"#,
    ];
    for args in fine {
        reads(&format!("52-{args}"), "/", "event", None, args, 2);
    }
    let wrong = [
        r#"["a"]"#,
        r#"["a",{"_placeholder":true,"num":0}]"#,
        r#"["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]"#,
        r#"["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":2}]"#,
        r#"["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":-1}]"#,
        r#"["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0.5}]"#,
        r#"["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":"splice"}]"#,
        r#"["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":99999999999999999999999}]"#,
        r#"["a",{"_placeholder":true,"num":0},{"_placeholder":true}]"#,
        r#"["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},{"_placeholder":true,"num":2}]"#,
        r#"["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1,"more":{}}]"#,
        r#"["a",{"_placeholder":true,"num":0},{"more":{},"_placeholder":true,"num":1}]"#,
    ];
    for args in wrong {
        refuses(&[&format!("52-{args}"), &format!("62-1{args}")]);
    }
    // In a packet without attachments they are data like any other.
    reads(r#"2["a",{"_placeholder":true,"num":3}]"#, "/", "event", None, r#"["a",{"_placeholder":true,"num":3}]"#, 0);
}

#[test]
fn depth_costs_no_stack() {
    let deep = 400_000;
    let nested = |open: &str, close: &str| format!("{}{}", open.repeat(deep), close.repeat(deep));
    let arrays = format!(r#"["a",{}]"#, nested("[", "]"));
    reads(&format!("2{arrays}"), "/", "event", None, &arrays, 0);
    let objects = format!(r#"["a",{}1{}]"#, r#"{"x":"#.repeat(deep), "}".repeat(deep));
    reads(&format!("2{objects}"), "/", "event", None, &objects, 0);
    refuses(&[&format!("2[\"a\",{}", "[".repeat(deep)), &format!("0{}", r#"{"x":"#.repeat(deep))]);
    let attached = format!(r#"["a",{},{{"_placeholder":true,"num":0}}]"#, nested("[", "]"));
    reads(&format!("51-{attached}"), "/", "event", None, &attached, 1);
}

#[test]
fn names_that_mean_something_elsewhere_are_data() {
    let args = r#"["a",{"__proto__":{"x":1},"constructor":{"prototype":{}}},"__proto__"]"#;
    reads(&format!("2{args}"), "/", "event", None, args, 0);
    reads(r#"0{"__proto__":{"admin":true}}"#, "/", "connect", None, r#"{"__proto__":{"admin":true}}"#, 0);
    reads("0/__proto__,", "/__proto__", "connect", None, "", 0);
}

/// The payload of a short text frame.
fn text(frame: &Bytes) -> &str {
    assert_eq!(frame[0], 0x81);
    let start = if frame[1] < 126 { 2 } else { 4 };
    str::from_utf8(&frame[start..]).unwrap()
}

#[test]
fn what_is_written_is_what_clients_read() {
    assert_eq!(text(&connected("/", "abc", &[])), r#"40{"sid":"abc"}"#);
    assert_eq!(text(&connected("/custom", "abc", &[("pid", "x\"y")])), r#"40/custom,{"sid":"abc","pid":"x\"y"}"#);
    let error = ConnectError { message: "Not \"you\"".into(), data: Some(json!({"code": 7})) };
    assert_eq!(text(&refused("/custom", &error)), r#"44/custom,{"message":"Not \"you\"","data":{"code":7}}"#);
    assert_eq!(text(&disconnect("/")), "41");
    assert_eq!(text(&disconnect("/custom")), "41/custom,");
    assert_eq!(text(&event("/", r#"["a"]"#, None, 0)), r#"42["a"]"#);
    assert_eq!(text(&event("/custom", r#"["a"]"#, Some(3), 2)), r#"452-/custom,3["a"]"#);
    assert_eq!(text(&ack("/", 0, "[]", 0)), "430[]");
    assert_eq!(text(&ack("/custom", 12, "[]", 1)), "461-/custom,12[]");
    assert_eq!(attachment(&[4, 1])[..], [0x82, 2, 4, 1]);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("_placeholder")),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(prop_oneof![any::<String>(), Just("num".to_owned())], inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn anything_may_come(message in any::<String>()) {
        let _ = read(&message, MAX);
    }

    #[test]
    fn anything_that_looks_like_a_packet_may_come(
        message in r#"[0-7]([0-9]{0,2}-)?(/[a-z?]{0,3},?)?[0-9]{0,3}[\[{]?["\\a-z\[\]{}:,0-9_ ]{0,40}[\]}]?"#,
    ) {
        let _ = read(&message, MAX);
    }

    #[test]
    fn anything_may_stand_where_placeholders_are_looked_for(json in any::<String>(), count in 0..4_usize) {
        let _ = placeholders::are_right(&json, count);
        let _ = placeholders::end_of_string(json.as_bytes());
    }

    #[test]
    fn what_is_written_is_read_again(
        namespace in "/[a-z/_-]{0,12}",
        id in any::<Option<u64>>(),
        name in "[a-z:]{1,8}[0-9]",
        args in prop::collection::vec(value(), 0..4),
        attachments in 0..4_usize,
    ) {
        let mut args = args;
        args.insert(0, name.into());
        let places = (0..attachments).map(|num| json!({"deep": [{"_placeholder": true, "num": num}]}));
        args.extend(places);
        let args = serde_json::to_string(&args).unwrap();
        let written = [event(&namespace, &args, id, attachments), ack(&namespace, id.unwrap_or(0), &args, attachments)];
        for (frame, kind, id) in [(&written[0], "event", id), (&written[1], "ack", Some(id.unwrap_or(0)))] {
            let message = text(frame).strip_prefix('4').unwrap();
            prop_assert_eq!(read_as(message), Some((namespace.clone(), kind, id, args.clone(), attachments)));
        }
    }
}

#[test]
fn a_packet_with_very_many_numbers_within_each_other_is_read_once() {
    let deep = format!("{}1{}", r#"{"num":"#.repeat(100_000), "}".repeat(100_000));
    let message = format!(r#"51-["a",{deep},{{"_placeholder":true,"num":0}}]"#);
    let start = std::time::Instant::now();
    assert!(read(&message, 10).is_ok());
    // To look for the end of each would take minutes.
    assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
}
