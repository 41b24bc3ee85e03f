//! Addresses: where to listen, and which peers and origins are meant.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

use super::value::Value;

/// Where to listen: an address, a host name, or `localhost` for both loopback families.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listen {
    host: Host,
    port: u16,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Host {
    Address(IpAddr),
    Localhost,
    Name(Box<str>),
}

impl Listen {
    /// The addresses to bind. For `localhost` the second is there if the machine speaks IPv6.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let port = self.port;
        match &self.host {
            Host::Address(address) => Ok(vec![SocketAddr::new(*address, port)]),
            Host::Localhost => {
                Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))])
            }
            Host::Name(name) => Ok((&**name, port).to_socket_addrs()?.collect()),
        }
    }

    /// Nobody outside this machine reaches it. A host name is judged by what it resolves to now.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Address(address) => address.is_loopback(),
            Host::Localhost => true,
            Host::Name(_) => {
                self.addresses().is_ok_and(|all| !all.is_empty() && all.iter().all(|it| it.ip().is_loopback()))
            }
        }
    }

    /// Whether failing to bind the IPv6 address is no error: `localhost` on a machine without IPv6.
    pub fn tolerates_missing_ipv6(&self) -> bool {
        self.host == Host::Localhost
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(address) => SocketAddr::new(*address, self.port).fmt(f),
            Host::Localhost => write!(f, "localhost:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl Value for Listen {
    fn parse(text: &str) -> Result<Self, String> {
        listen(text).ok_or_else(|| "ADDRESS:PORT such as `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080`".to_owned())
    }
}

impl Value for Option<Listen> {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { Listen::parse(text).map(Some) }
    }
}

fn listen(text: &str) -> Option<Listen> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(Listen { host: Host::Address(address.ip()), port: address.port() });
    }
    let (name, port) = text.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    // A name that ends in a digit is a mistyped address.
    if !is_name || name.is_empty() || name.ends_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let host = if name.eq_ignore_ascii_case("localhost") { Host::Localhost } else { Host::Name(name.into()) };
    Some(Listen { host, port })
}

/// An address or a network of proxies, as written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Network(Box<str>);

impl Network {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for Network {
    fn parse(text: &str) -> Result<Self, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let longest = match address.parse() {
            Ok(IpAddr::V4(_)) => Some(32),
            Ok(IpAddr::V6(_)) => Some(128),
            Err(_) => None,
        };
        let fits = |prefix: &str| prefix.parse::<u8>().is_ok_and(|prefix| longest.is_some_and(|most| prefix <= most));
        if longest.is_some() && prefix.is_none_or(fits) {
            Ok(Self(text.into()))
        } else {
            Err("an address or a network such as `10.0.0.0/8`".to_owned())
        }
    }
}

/// A browser's origin, exactly `scheme://host[:port]`, or `*`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin(Box<str>);

impl Origin {
    pub(super) fn new(text: &str) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_any(&self) -> bool {
        &*self.0 == "*"
    }
}

impl Value for Origin {
    fn parse(text: &str) -> Result<Self, String> {
        let is_origin = text.split_once("://").is_some_and(|(scheme, rest)| {
            !scheme.is_empty()
                && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
                && !rest.is_empty()
                && !rest.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '@' | '*'))
        });
        if is_origin || text == "*" {
            Ok(Self::new(text))
        } else {
            Err("an origin such as `https://app.example.com` or `http://localhost:3000`, without a path".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_means_both_loopback_families() {
        let listen = Listen::parse("localhost:8080").expect("an address");
        let addresses = listen.addresses().expect("resolved");
        assert_eq!(addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["127.0.0.1:8080", "[::1]:8080"]);
        assert!(listen.is_loopback() && listen.tolerates_missing_ipv6());
    }

    #[test]
    fn only_loopback_addresses_are_loopback() {
        for (text, loopback) in [("127.0.0.1:1", true), ("[::1]:1", true), ("0.0.0.0:1", false), ("[::]:1", false)] {
            assert_eq!(Listen::parse(text).expect(text).is_loopback(), loopback, "{text}");
        }
    }

    #[test]
    fn mistyped_addresses_are_refused() {
        for wrong in ["", "8080", ":8080", "127.0.0.1", "127.0.0.256:80", "localhost:99999", "::1:8080", "a b:80"] {
            assert!(Listen::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn networks_have_a_prefix_that_fits() {
        for right in ["10.0.0.1", "10.0.0.0/8", "fd00::/8", "::1", "0.0.0.0/0"] {
            assert!(Network::parse(right).is_ok(), "{right}");
        }
        for wrong in ["", "10.0.0.0/33", "proxy.example.com", "10.0.0.0/", "/8", "fd00::/129"] {
            assert!(Network::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn origins_have_no_path_and_no_wildcard_inside() {
        for right in ["https://app.example.com", "http://localhost:3000", "*", "http://[::1]:3000"] {
            assert!(Origin::parse(right).is_ok(), "{right}");
        }
        for wrong in ["", "app.example.com", "https://app.example.com/", "https://*.example.com", "null", "http://"] {
            assert!(Origin::parse(wrong).is_err(), "{wrong}");
        }
    }
}
