//! Five thousand people at once behind one gateway.

use std::thread;

use serde_json::{Value, json};

use crate::chat::PATH;
use crate::client::{CLOSE, Client, FIN, TEXT, close_payload, frame, handshake, text};
use crate::eventually;
use crate::house::{USUAL, people};
use crate::hub::Hub;
use crate::hub::gateway::Gateway;

const CLIENTS: usize = 5_000;
const THREADS: usize = 4;

/// Of the gateway's memory for one connection, in KiB.
const EACH: u64 = 40;

#[test]
fn five_thousand_talk_and_are_told_of_the_end() {
    // On a slow machine they take longer to come than the hub waits with its first Ping.
    let hub = Hub::start(&[&USUAL[..], &["--set", "limits.heartbeat_interval=0"]].concat());
    let mut gateway = Gateway::start(&[hub.address], &[]);
    let token = people(1)[0].token();
    drop(open(&gateway, &token));
    eventually("the first has left", || gateway.metric("websocket_proxy_connections") == 0);
    let before = gateway.resident();

    let opening = || (0..CLIENTS / THREADS).map(|_| open(&gateway, &token)).collect::<Vec<_>>();
    let mut clients: Vec<Client> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(opening)).collect();
        threads.into_iter().flat_map(|it| it.join().expect("all of them are let in")).collect()
    });
    assert_eq!(gateway.metric("websocket_proxy_connections"), CLIENTS as u64);
    for client in &mut clients {
        client.send(&text(&json!({"type": "ping", "payload": {}}).to_string()));
    }
    for client in &mut clients {
        assert_eq!(heard(client)["type"], "pong");
    }
    if let (Some(before), Some(now)) = (before, gateway.resident()) {
        let each = now.saturating_sub(before) / CLIENTS as u64;
        assert!(each <= EACH, "{each} KiB for each connection");
    }
    let told = 2 * CLIENTS as u64 + 1;
    assert_eq!(gateway.metric("websocket_proxy_messages_total{direction=\"backend_to_client\"}"), told);
    assert_eq!(gateway.metric("websocket_proxy_messages_total{direction=\"client_to_backend\"}"), CLIENTS as u64);

    gateway.terminate();
    let share = CLIENTS / THREADS;
    thread::scope(|scope| {
        for clients in clients.chunks_mut(share) {
            scope.spawn(move || {
                for client in clients {
                    client.expect(FIN | CLOSE, &close_payload(1012, b"restarting"));
                    // It may be gone by now.
                    let _ =
                        std::io::Write::write_all(&mut client.stream, &frame(FIN | CLOSE, &close_payload(1012, b"")));
                }
            });
        }
    });
    assert!(gateway.ended().success());
    assert!(gateway.log().contains("stopped"));
    eventually("the hub has lost them all", || hub.metric("websocket_connections{dialect=\"messages\"}") == 0);
}

fn open(gateway: &Gateway, token: &str) -> Client {
    let mut client = Client::dial(gateway.address);
    client.send(handshake(&format!("{PATH}?token={token}"), "").as_bytes());
    let (head, body) = client.response();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}{body}");
    assert_eq!(heard(&mut client)["type"], "connected");
    client
}

fn heard(client: &mut Client) -> Value {
    let (first, payload) = client.frame().expect("a frame").expect("a frame, not the end of the stream");
    assert_eq!(first, FIN | TEXT);
    serde_json::from_slice(&payload).expect("JSON")
}
