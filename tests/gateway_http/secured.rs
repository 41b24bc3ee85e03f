//! Upstreams over TLS, and clients over TLS.

use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::eventually;
use crate::process::Gateway;
use crate::upstream::{State, accept, serve};

/// A server that a private authority vouches for, and the file that names the authority.
pub fn secured() -> (String, Arc<State>, TempDir, String) {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let params = CertificateParams::new(names).expect("parameters");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    let config = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).expect("a private key"),
        )
        .expect("a configuration");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let state = Arc::new(State::default());
    let (shared, config) = (state.clone(), Arc::new(config));
    thread::spawn(move || {
        loop {
            let (tcp, state) = (accept(&listener), shared.clone());
            let tls = ServerConnection::new(config.clone()).expect("a connection");
            thread::spawn(move || {
                let _ = serve(StreamOwned::new(tls, tcp), &state);
            });
        }
    });
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ca.pem");
    fs::write(&path, authority.pem()).expect("a file");
    (format!("https://localhost:{port}"), state, dir, path.display().to_string())
}

#[test]
fn an_upstream_is_believed_if_its_authority_is_named() {
    let (url, state, _dir, authority) = secured();
    let gateway = Gateway::start(std::slice::from_ref(&url), &["--set", &format!("gateway.upstream_ca={authority}")]);
    for _ in 0..3 {
        assert_eq!(gateway.get("/").status, 200);
    }
    let body = "x".repeat(300_000);
    let answer =
        gateway.send(&format!("POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    assert_eq!((answer.status, answer.body.as_str()), (200, "300000"));
    let down = gateway.get("/down/1000000");
    assert_eq!(down.body.len(), 1_000_000);
    assert!(state.heads.lock().unwrap()[0].to_lowercase().contains("\r\nhost: localhost:"));

    let stranger = Gateway::start(&[url], &[]);
    assert_eq!(stranger.get("/").status, 502, "nobody vouches for it");
    eventually("it is taken out", || stranger.get("/health").status == 503);
    assert!(stranger.log().contains("(gateway.upstream_ca names"), "and it is said what to do");
}
