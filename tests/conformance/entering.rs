//! Coming in: tokens in every place, origins, and what those hear who stay outside.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tertulia::domain::{OrgId, Role};

use crate::chat::{Chat, PATH, Refused, assert_time};
use crate::colleagues;
use crate::hub::{Hub, Person, SECRET, fresh_id};

fn refusal(hub: &Hub, query: &str, headers: &[(&str, &str)]) -> Refused {
    Chat::knock(hub, query, headers).err().expect("refused")
}

fn body(code: &str, message: &str) -> Value {
    json!({"error": code, "message": message})
}

#[test]
fn a_token_opens_from_every_place_and_the_first_frame_greets() {
    let hub = Hub::start(&[]);
    let (ada, _) = colleagues();
    let token = ada.token();
    let (bearer, pair) = (format!("Bearer {token}"), format!("bearer, {token}"));
    for (query, headers) in [
        (String::new(), vec![("authorization", &*bearer)]),
        (format!("?token={token}"), vec![]),
        (format!("?x=1&access_token={token}"), vec![]),
        (String::new(), vec![("sec-websocket-protocol", &*pair)]),
        ("?token=bad".to_owned(), vec![("authorization", &*bearer)]),
    ] {
        let (chat, response) = Chat::knock(&hub, &query, &headers).expect("let in");
        assert_eq!(chat.connected["user_id"], json!(ada.id));
        assert_eq!(chat.connected["heartbeat_interval"], 25);
        assert_time(&chat.connected["timestamp"]);
        assert!(chat.connected["client_id"].as_str().is_some_and(|id| !id.is_empty()));
        let offered = headers.iter().any(|(name, _)| *name == "sec-websocket-protocol");
        let answered = response.headers().get("sec-websocket-protocol").map(|it| it.to_str().unwrap());
        assert_eq!(answered, offered.then_some("bearer"));
        chat.leave();
    }
}

#[test]
fn without_a_good_token_the_upgrade_answers_401() {
    let hub = Hub::start(&[]);
    let (ada, _) = colleagues();
    for (query, headers) in [("", vec![]), ("?token=", vec![]), ("", vec![("authorization", "Basic YTpi")])] {
        let refused = refusal(&hub, query, &headers);
        let expected = body("authentication_required", "Authentication required");
        assert_eq!((refused.status, refused.body), (401, expected), "{query} {headers:?}");
    }
    let (good, expired) = (ada.token(), ada.token_of_past(Duration::from_secs(31)));
    let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
    let tampered = good.replacen('.', ".e30", 1);
    for token in [&*expired, &*unsigned, &*tampered, "dev-admin-key", "a.b.c", "%00", &"x".repeat(8_000)] {
        let refused = refusal(&hub, &format!("?token={token}&access_token={good}"), &[]);
        let expected = body("invalid_token", "Authentication required");
        assert_eq!((refused.status, refused.body), (401, expected), "{token}");
    }
    let metrics = ureq::get(hub.url("/metrics")).call().unwrap().body_mut().read_to_string().unwrap();
    for reason in ["authentication_required", "token_expired", "token_signature", "token_malformed"] {
        assert!(metrics.contains(&format!("auth_failures_total{{reason=\"{reason}\"}}")), "{reason}: {metrics}");
    }
}

#[test]
fn an_enormous_token_is_refused_and_the_hub_goes_on() {
    let hub = Hub::start(&[]);
    let (ada, _) = colleagues();
    let enormous = "x".repeat(100 * 1024);
    let refused = refusal(&hub, "", &[("authorization", &format!("Bearer {enormous}"))]);
    assert_eq!((refused.status, &refused.body["error"]), (401, &json!("invalid_token")));
    // In a URL it is too long for HTTP already, for its clients as well as here.
    let mut stream = TcpStream::connect(hub.address).unwrap();
    let request = format!("GET {PATH}?token={enormous} HTTP/1.1\r\nhost: x\r\n\r\n");
    // The answer may come before the end of the question.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 4");
    Chat::open(&hub, &ada);
}

#[test]
fn a_token_holds_for_thirty_seconds_after_its_end() {
    let hub = Hub::start(&[]);
    let (ada, _) = colleagues();
    let token = ada.token_of_past(Duration::from_secs(20));
    let (mut chat, _) = Chat::knock(&hub, &format!("?token={token}"), &[]).expect("let in");
    assert_time(&chat.expect("token_expiring")["payload"]["expires_at"]);
}

#[test]
fn pages_of_other_sites_are_refused() {
    let hub = Hub::start(&["--allowed-origin", "https://app.example.com"]);
    let (ada, _) = colleagues();
    let query = format!("?token={}", ada.token());
    let own = format!("http://{}", hub.address);
    let own_tls = format!("https://{}", hub.address);
    for origin in [&*own, &*own_tls, "https://app.example.com", "https://APP.example.com:443"] {
        Chat::knock(&hub, &query, &[("origin", origin)]).expect(origin).0.leave();
    }
    for origin in
        ["https://evil.example", "http://app.example.com", "null", "http://localhost:3000", "https://app.example.com/"]
    {
        let refused = refusal(&hub, &query, &[("origin", origin)]);
        let expected = body("origin_not_allowed", "Origin not allowed");
        assert_eq!((refused.status, refused.body), (403, expected), "{origin}");
    }
    let forwarded = [("origin", "https://evil.example"), ("x-forwarded-host", "evil.example")];
    assert_eq!(refusal(&hub, &query, &forwarded).status, 403);
}

#[test]
fn a_trusted_proxy_tells_under_which_name_the_hub_is_reached() {
    let hub = Hub::start(&["--trusted-proxy", "127.0.0.1"]);
    let (ada, _) = colleagues();
    let headers = [("origin", "https://hub.example.com"), ("x-forwarded-host", "hub.example.com")];
    Chat::knock(&hub, &format!("?token={}", ada.token()), &headers).expect("let in");
}

#[test]
fn development_may_let_every_origin_in() {
    let hub = Hub::start(&["--dev", "--allowed-origin", "*"]);
    Chat::knock(&hub, "?token=dev-admin-key", &[("origin", "https://anywhere.example")]).expect("let in");
}

#[test]
fn development_has_a_key_and_the_usual_origins() {
    let hub = Hub::start(&["--dev"]);
    let room = fresh_id();
    let (mut chat, _) =
        Chat::knock(&hub, "?token=dev-admin-key", &[("origin", "http://localhost:5173")]).expect("let in");
    assert_eq!(chat.ask("join_session", json!({"session_id": room}))["type"], "session_joined");
    let (mut device, _) = Chat::knock(&hub, "", &[("authorization", "Bearer dev-admin-key")]).expect("let in");
    assert_eq!(device.connected["user_id"], chat.connected["user_id"]);
    device.send(room, "Olá");
    chat.expect("new_message");
}

#[test]
fn the_command_line_mints_tokens_that_open() {
    let hub = Hub::start(&[]);
    let (sub, org) = (fresh_id().to_string(), fresh_id().to_string());
    let output = Command::new(env!("CARGO_BIN_EXE_tertulia"))
        .env_clear()
        .env("JWT_SECRET", SECRET)
        .args(["token", "--sub", &sub, "--org", &org, "--role", "agent", "--name", "Ada", "--ttl", "5m"])
        .output()
        .expect("the binary");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let token = String::from_utf8(output.stdout).unwrap();
    assert_eq!(token.lines().count(), 1);
    let (mut chat, _) = Chat::knock(&hub, &format!("?token={}", token.trim()), &[]).expect("let in");
    assert_eq!(chat.connected["user_id"], sub.as_str());
    assert_eq!(chat.send(fresh_id(), "Olá")["agent_name"], "Ada");
}

#[test]
fn a_token_without_an_organization_opens_and_may_do_nothing() {
    let hub = Hub::start(&[]);
    let stray = Person { organization: None, ..colleagues().0 };
    let mut chat = Chat::open(&hub, &stray);
    let room = fresh_id();
    assert_eq!(chat.fails("join_session", json!({"session_id": room})), "forbidden");
    assert_eq!(chat.fails("send_message", json!({"session_id": room, "text": "x"})), "forbidden");
    assert_eq!(chat.ask("ping", json!({}))["type"], "pong");
}

#[test]
fn a_default_organization_takes_tokens_in_that_name_none() {
    let home = OrgId(fresh_id());
    let hub = Hub::start(&["--set", &format!("auth.default_organization={home}")]);
    let stray = Person { organization: None, ..Person::new(home, Role::Agent, "Cy") };
    let colleague = Person::new(home, Role::Agent, "Ada");
    let room = fresh_id();
    let mut listener = Chat::join(&hub, &colleague, room);
    Chat::open(&hub, &stray).send(room, "Olá");
    assert_eq!(listener.expect("new_message")["payload"]["agent_name"], "Cy");
}

#[test]
fn where_there_is_no_socket_there_is_no_upgrade() {
    let hub = Hub::start(&[]);
    let agent = ureq::Agent::new_with_config(ureq::Agent::config_builder().http_status_as_error(false).build());
    let plain = agent.get(hub.url(PATH)).call().unwrap();
    assert_eq!((plain.status().as_u16(), plain.headers()["upgrade"].to_str().unwrap()), (426, "websocket"));
    let request = format!("ws://{}/api/v1/ws/nothing?token={}", hub.address, colleagues().0.token());
    match tungstenite::client(request, TcpStream::connect(hub.address).unwrap()) {
        Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => {
            assert_eq!(response.status().as_u16(), 404);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_address_gets_as_many_connections_as_it_may_have() {
    let hub = Hub::start(&["--set", "limits.max_connections_per_ip=2"]);
    let (ada, bo) = colleagues();
    let first = Chat::open(&hub, &ada);
    let _second = Chat::open(&hub, &bo);
    let refused = refusal(&hub, &format!("?token={}", ada.token()), &[]);
    assert_eq!((refused.status, &refused.body["message"]), (429, &json!("Too many connections")));
    first.leave();
    while Chat::knock(&hub, &format!("?token={}", ada.token()), &[]).is_err() {}
}

#[test]
fn the_oldest_connection_of_a_user_makes_way() {
    let hub = Hub::start(&["--set", "limits.max_connections_per_user=2"]);
    let (ada, bo) = colleagues();
    let (mut oldest, mut second, mut other) = (Chat::open(&hub, &ada), Chat::open(&hub, &ada), Chat::open(&hub, &bo));
    let mut newest = Chat::open(&hub, &ada);
    let (code, reason, _) = oldest.closed();
    assert_eq!((code, &*reason), (4409, "replaced"));
    for chat in [&mut second, &mut other, &mut newest] {
        assert_eq!(chat.ask("ping", json!({}))["type"], "pong");
    }
}

#[test]
fn statistics_are_for_agents_and_admins() {
    let hub = Hub::start(&[]);
    let (ada, bo) = colleagues();
    let room = fresh_id();
    let _open = (Chat::join(&hub, &ada, room), Chat::join(&hub, &bo, room), Chat::open(&hub, &bo));
    let agent = ureq::Agent::new_with_config(ureq::Agent::config_builder().http_status_as_error(false).build());
    let get = |token: &str| {
        agent.get(hub.url("/api/v1/ws/stats")).header("authorization", format!("Bearer {token}")).call().unwrap()
    };
    let stats: Value = get(&ada.token()).body_mut().read_json().unwrap();
    assert_eq!((&stats["total_clients"], &stats["total_sessions"]), (&json!(3), &json!(1)), "{stats}");
    assert_eq!((&stats["redis_enabled"], &stats["by_dialect"]["messages"]), (&json!(false), &json!(3)), "{stats}");
    for field in ["messages_in_total", "messages_out_total", "slow_consumers_total", "uptime_seconds", "nodes"] {
        assert!(stats[field].is_u64(), "{field}: {stats}");
    }
    assert!(stats["node_id"].is_string());
    let member = Person { role: Role::Member, ..ada };
    assert_eq!(get(&member.token()).status().as_u16(), 403);
    assert_eq!(get("nonsense").status().as_u16(), 401);
}
