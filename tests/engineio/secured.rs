//! The same over TLS, where a socket's state goes to another thread with it.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use tertulia::session::SessionLimits;

use crate::client::{CLOSE, Client, FIN, close_payload, dial, frame, handshake, text};
use crate::server::{Answer, PATH, Server, calm, expect_text, get, post};

fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    (Arc::new(server), Arc::new(client.with_root_certificates(roots).with_no_client_auth()))
}

#[test]
fn sessions_move_to_secured_sockets_that_another_worker_accepted() {
    let (server, client) = configs();
    let server = Server::over(Some(server), calm(), SessionLimits::default(), 4);
    let dial = || {
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(client.clone(), name).unwrap();
        Client::over(StreamOwned::new(connection, dial(server.address)))
    };
    // Workers take connections in turn, so the socket falls to any of them.
    for turn in 0..8 {
        let mut requests = dial();
        requests.send(get(&format!("{PATH}polling")).as_bytes());
        let answer = Answer::of(&mut requests);
        let sid = &answer.body[9..29];
        drop((0..turn % 4).map(|_| dial()).collect::<Vec<_>>());
        let mut socket = dial();
        let handshake = handshake(&format!("{PATH}websocket&sid={sid}"), "");
        socket.send(&[handshake.as_bytes(), &text("2probe")].concat());
        assert!(socket.response().0.starts_with("HTTP/1.1 101 "));
        expect_text(&mut socket, "3probe");
        let long = format!("4{}", "x".repeat(200_000));
        requests.send(post(&format!("{PATH}polling&sid={sid}"), &long).as_bytes());
        Answer::of(&mut requests).expect(200, "ok");
        socket.send(&[text("5"), text("4hello")].concat());
        expect_text(&mut socket, &long);
        expect_text(&mut socket, "4hello");
        socket.send(&text(&long));
        expect_text(&mut socket, &long);
        socket.send(&[text("1"), frame(FIN | CLOSE, &close_payload(1000, b""))].concat());
        socket.expect_close(1000);
    }
    server.expect_empty();
}
