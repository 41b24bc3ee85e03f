//! The hubs that a gateway stands in front of, and how it chooses among them.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};

use super::sections::Gateway;
use super::value::Value;

/// Where a hub is: scheme, host and port of its URL. `ws` and `wss` mean `http` and `https`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Upstream {
    pub host: Box<str>,
    pub port: u16,
    pub is_tls: bool,
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl Value for Upstream {
    fn parse(text: &str) -> Result<Self, String> {
        upstream(text).ok_or_else(|| {
            "the URL of a hub such as `http://10.0.0.5:8080` or `https://hub.example.com`, without a path, a user or a \
             query"
                .to_owned()
        })
    }
}

fn upstream(text: &str) -> Option<Upstream> {
    let url = Url::parse(text).ok()?;
    let is_tls = match url.scheme() {
        "http" | "ws" => false,
        "https" | "wss" => true,
        _ => return None,
    };
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.path() == "/";
    let host = match url.host()? {
        Host::Ipv6(address) => format!("[{address}]"),
        host => host.to_string(),
    };
    let port = url.port_or_known_default()?;
    is_bare.then(|| Upstream { host: host.into(), port, is_tls })
}

impl Gateway {
    /// Whether anybody has said where the hubs are.
    pub fn is_set(&self) -> bool {
        let usual = Upstream { host: "localhost".into(), port: 5000, is_tls: false };
        self.upstreams != [usual]
    }
}

/// By what a gateway chooses the hub for a new connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Balance {
    LeastConnections,
    RoundRobin,
    Hash,
}

impl Balance {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LeastConnections => "least-conn",
            Self::RoundRobin => "round-robin",
            Self::Hash => "hash",
        }
    }
}

impl Value for Balance {
    fn parse(text: &str) -> Result<Self, String> {
        [Self::LeastConnections, Self::RoundRobin, Self::Hash]
            .into_iter()
            .find(|it| it.as_str() == text)
            .ok_or_else(|| "`least-conn`, `round-robin` or `hash`".to_owned())
    }
}

/// What a hub is asked for its health: an absolute path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HealthPath(Box<str>);

impl HealthPath {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for HealthPath {
    fn parse(text: &str) -> Result<Self, String> {
        let is_path = text.starts_with('/') && text.bytes().all(|it| it.is_ascii_graphic() && it != b'#');
        if is_path { Ok(Self(text.into())) } else { Err("a path such as `/health`".to_owned()) }
    }
}

/// Whom a gateway believes to be one of its hubs over TLS: what `ca` vouches for, or else what the system trusts, if that
/// is needed. `Err` is one line for a person.
pub(super) fn tls_client(ca: Option<&Path>, is_needed: bool) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let at = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
            let trusted: Vec<_> = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<_, _>>)
                .map_err(|error| at(&error))?;
            if trusted.is_empty() {
                return Err(at(&"holds no certificate: expected PEM"));
            }
            for certificate in trusted {
                roots.add(certificate).map_err(|error| at(&error))?;
            }
        }
        // Some of what a system trusts may be unreadable; what is left decides.
        None if !is_needed => {}
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    let mut client = ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(client))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        Upstream::parse(text).ok().map(|it| it.to_string())
    }

    #[test]
    fn an_upstream_is_a_scheme_a_host_and_a_port() {
        assert_eq!(shown("http://localhost:5000").as_deref(), Some("http://localhost:5000"));
        assert_eq!(shown("ws://hub.example.com/").as_deref(), Some("http://hub.example.com:80"));
        assert_eq!(shown("wss://hub.example.com").as_deref(), Some("https://hub.example.com:443"));
        assert_eq!(shown("HTTPS://[::1]:8443").as_deref(), Some("https://[::1]:8443"));
        let wrong =
            ["", "localhost:5000", "ftp://a", "http://", "http://a/b", "http://u@a", "http://u:p@a", "http://a?b"];
        for wrong in wrong {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("not-a.pem");
        let refusal = || tls_client(Some(&file), false).expect_err("refused");
        assert!(refusal().contains("not-a.pem"));
        std::fs::write(&file, "nothing").expect("written");
        assert!(refusal().contains("expected PEM"));
    }
}
