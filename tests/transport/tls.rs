//! The same transport over TLS.

use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use tertulia::session::SessionLimits;

use crate::support::client::{BINARY, CLOSE, Client, FIN, close_payload, dial, frame, handshake, text};
use crate::support::echo::EchoServer;
use crate::support::eventually;

type TlsClient = Client<StreamOwned<ClientConnection, TcpStream>>;

fn server(limits: SessionLimits) -> (EchoServer, Arc<ClientConfig>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (EchoServer::start_with(limits, Some(Arc::new(server))), Arc::new(client))
}

fn dial_tls(server: &EchoServer, config: &Arc<ClientConfig>) -> TlsClient {
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(config.clone(), name).unwrap();
    Client::over(StreamOwned::new(connection, dial(server.address)))
}

#[test]
fn messages_close_codes_and_early_bytes_are_as_without_it() {
    let (server, config) = server(SessionLimits::default());
    let mut client = dial_tls(&server, &config);
    client.send(&[handshake("/echo", "").as_bytes(), &text("early")].concat());
    assert!(client.response().0.starts_with("HTTP/1.1 101 "));
    client.expect(0x81, b"early");
    client.expect_echo("hello");
    client.send(&frame(FIN | CLOSE, &close_payload(4000, b"")));
    client.expect_close(4000);

    let mut client = dial_tls(&server, &config);
    client.shake_hands();
    client.send(&[FIN | BINARY, 0]);
    client.expect_close(1002);
    eventually("no session is left", || server.sessions.live() == 0);
}

#[test]
fn large_messages_pass_a_reader_that_is_slow() {
    let (server, config) = server(SessionLimits {
        max_message: 8 << 20,
        queue_bytes: 64 << 20,
        pause_at: 1 << 20,
        ..SessionLimits::default()
    });
    let mut client = dial_tls(&server, &config);
    client.shake_hands();
    let payload: Vec<u8> = (0..8 << 20).map(|i: u32| i.to_le_bytes()[1]).collect();
    // All of it is on its way before any of it is read back.
    for _ in 0..3 {
        client.send(&frame(FIN | BINARY, &payload));
        client.expect(FIN | BINARY, &payload);
    }
    client.expect_echo("and on");
}

#[test]
fn handshakes_that_never_end_leave_others_alone() {
    let (server, config) = server(SessionLimits::default());
    let silent: Vec<_> = (0..600).map(|_| dial(server.address)).collect();
    let mut client = dial_tls(&server, &config);
    client.shake_hands();
    client.expect_echo("unmoved");
    drop(silent);
}

#[test]
fn plain_http_on_a_tls_port_is_no_trouble() {
    let (server, config) = server(SessionLimits::default());
    let mut plain = Client::dial(server.address);
    plain.send(handshake("/echo", "").as_bytes());
    let mut client = dial_tls(&server, &config);
    client.shake_hands();
    client.expect_echo("unmoved");
}
