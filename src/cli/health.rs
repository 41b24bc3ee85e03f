//! `tertulia health`: asks a running hub how it is, for supervisors that can only run a command (Docker).

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use url::Url;

use super::Failure;
use crate::config::{Config, Loaded};

/// What is asked where the URL names no path: may traffic be sent here?
const READY: &str = "/health/ready";

/// How long the hub may keep silent.
const PATIENCE: Duration = Duration::from_secs(4);

/// Much longer than any answer.
const MAX_ANSWER: u64 = 64 * 1024;

pub(super) fn health(loaded: &Loaded, url: Option<&str>) -> Result<(), Failure> {
    let url = match url {
        Some(text) => named(text)?,
        None => own(&loaded.config)?,
    };
    let answer = ask(&url).map_err(|error| Failure::Runtime(format!("{url}: {error}")))?;
    match parse(&answer) {
        Some((200, body)) => {
            println!("{body}");
            Ok(())
        }
        Some((status, body)) => Err(Failure::Runtime(format!("{url}: {status} {body}"))),
        None => Err(Failure::Runtime(format!("{url}: expected an answer in HTTP, and this is none"))),
    }
}

fn named(text: &str) -> Result<Url, Failure> {
    let mut url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| Failure::Usage(format!("`{text}`: expected a URL such as http://127.0.0.1:8080")))?;
    if url.path() == "/" {
        url.set_path(READY);
    }
    Ok(url)
}

/// Where a hub with this configuration is reached from its own machine.
fn own(config: &Config) -> Result<Url, Failure> {
    let scheme = if config.tls_files().is_some() { "https" } else { "http" };
    let listen = config.server.listen.first().and_then(|listen| listen.addresses().ok()?.first().copied());
    let address = listen.filter(|address| address.port() != 0).map(reachable);
    address.and_then(|address| Url::parse(&format!("{scheme}://{address}{READY}")).ok()).ok_or_else(|| {
        Failure::Usage("server.listen does not say where to ask: name the hub's URL, as http://127.0.0.1:8080".into())
    })
}

/// One listens on all addresses, and connects to one.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn ask(url: &Url) -> io::Result<Vec<u8>> {
    let tcp = connect(&url.socket_addrs(|| None)?)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    tcp.set_write_timeout(Some(PATIENCE))?;
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let request = format!("GET {target} HTTP/1.0\r\nHost: {authority}\r\n\r\n");
    if url.scheme() == "https" { converse(secure(url, tcp)?, &request) } else { converse(tcp, &request) }
}

fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::other("the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(address, PATIENCE) {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn converse(mut stream: impl Read + Write, request: &str) -> io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    match stream.take(MAX_ANSWER).read_to_end(&mut answer) {
        // Over TLS an end without its goodbye is an error; a whole answer is one all the same.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof || answer.is_empty() => Err(error),
        _ => Ok(answer),
    }
}

/// The status and the body.
fn parse(answer: &[u8]) -> Option<(u16, &str)> {
    let (head, body) = std::str::from_utf8(answer).ok()?.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    Some((status.parse().ok()?, body.trim_end()))
}

fn secure(url: &Url, tcp: TcpStream) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, tcp))
}

/// Takes whichever certificate is shown. The hub is asked at an address of its own machine, which stands in no
/// certificate, and nothing that is said or heard is a secret.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_path_asks_whether_the_hub_is_ready() {
        let url = |text| named(text).map(|url| url.to_string()).ok();
        assert_eq!(url("http://127.0.0.1:8080").as_deref(), Some("http://127.0.0.1:8080/health/ready"));
        assert_eq!(url("https://[::1]:8443/health/live").as_deref(), Some("https://[::1]:8443/health/live"));
        for wrong in ["127.0.0.1:8080", "ftp://127.0.0.1", "http://", ""] {
            assert_eq!(url(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn all_addresses_are_reached_at_loopback() {
        for (listen, ask) in [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("192.0.2.1:1", "192.0.2.1:1")] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), ask);
        }
    }

    #[test]
    fn an_answer_is_a_status_and_a_body() {
        assert_eq!(parse(b"HTTP/1.0 503 Service Unavailable\r\nA: b\r\n\r\n{}\n"), Some((503, "{}")));
        for wrong in [&b"HTTP/1.0 200 OK\r\n"[..], b"SSH-2.0-x\r\n\r\n", b"\xff", b""] {
            assert_eq!(parse(wrong), None);
        }
    }
}
