//! Asks the hubs that a gateway would stand in front of how they are, as the gateway will ask them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::check::Finding::{self, Fails, Works};
use crate::config::{Config, Upstream};
use crate::gateway::dial::explained;

/// How long a hub may keep silent.
const PATIENCE: Duration = Duration::from_secs(2);

/// Much longer than the line of a status.
const MAX_LINE: usize = 256;

pub(super) fn upstreams(config: &Config) -> Vec<Finding> {
    let tls = match config.tls_client() {
        Ok(tls) => tls,
        Err(error) => return vec![Fails(error)],
    };
    let path = config.gateway.health_path.as_str();
    let finding = |upstream: &Upstream| match ask(upstream, config, &tls) {
        Ok(200..300) => Works(format!("{upstream} is well")),
        Ok(status) => Fails(format!("{upstream} answers {path} with the status {status}, so it would get nothing")),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Fails(format!("{upstream} does not answer within {} s", PATIENCE.as_secs()))
        }
        Err(error) => Fails(format!("{upstream} does not answer: {error}")),
    };
    config.gateway.upstreams.iter().map(finding).collect()
}

fn ask(upstream: &Upstream, config: &Config, tls: &Arc<ClientConfig>) -> io::Result<u16> {
    let host = upstream.host.trim_matches(['[', ']']);
    let tcp = connect(host, upstream.port, config.gateway.connect_timeout.0)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    tcp.set_write_timeout(Some(PATIENCE))?;
    let path = config.gateway.health_path.as_str();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", upstream.host);
    if !upstream.is_tls {
        return converse(tcp, &request);
    }
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let connection = ClientConnection::new(tls.clone(), name).map_err(io::Error::other)?;
    converse(StreamOwned::new(connection, tcp), &request).map_err(explained)
}

fn connect(host: &str, port: u16, patience: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::other("its name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, patience) {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The status of the answer.
fn converse(mut stream: impl Read + Write, request: &str) -> io::Result<u16> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let (mut line, mut piece) = (Vec::new(), [0; MAX_LINE]);
    while !line.contains(&b'\n') && line.len() < MAX_LINE {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => line.extend_from_slice(&piece[..read]),
            Err(error) => return Err(error),
        }
    }
    let status = std::str::from_utf8(&line).ok().and_then(|line| {
        let (_, status) = line.strip_prefix("HTTP/1.")?.split_once(' ')?;
        status.get(..3)?.parse().ok()
    });
    let wrong = "no HTTP came back; where it speaks TLS, its URL begins with https://";
    status.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, wrong))
}
