//! Which address a request comes from when proxies stand in between.
//!
//! A forwarding header is believed only as far as trusted proxies wrote it: whatever a stranger put there itself stands
//! to the left of what the first trusted proxy added, and is never reached.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// The proxies whose forwarding headers are believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    trusted: Vec<IpNet>,
}

impl Proxies {
    /// From addresses (`10.0.0.7`, `::1`) and networks (`10.0.0.0/8`).
    ///
    /// # Errors
    /// A sentence that names the entry that is neither.
    pub fn new<S: AsRef<str>>(entries: &[S]) -> Result<Self, String> {
        let trusted = entries.iter().map(|entry| parse(entry.as_ref().trim())).collect::<Result<_, _>>()?;
        Ok(Self { trusted })
    }

    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// The address of the client behind `peer`: the rightmost one that is no trusted proxy. `forwarded_for` are the
    /// lines of `X-Forwarded-For`, in their order. An entry that is no address ends the search at what vouched for it.
    pub fn client<'a>(&self, peer: IpAddr, forwarded_for: impl DoubleEndedIterator<Item = &'a str>) -> IpAddr {
        let mut client = peer.to_canonical();
        for entry in forwarded_for.rev().flat_map(|line| line.rsplit(',')) {
            if !self.trusts(client) {
                break;
            }
            let Some(address) = address(entry.trim()) else { break };
            client = address.to_canonical();
        }
        client
    }
}

fn parse(entry: &str) -> Result<IpNet, String> {
    if let Ok(address) = entry.parse::<IpAddr>() {
        return Ok(address.to_canonical().into());
    }
    entry
        .parse()
        .map_err(|_| format!("`{entry}` is no trusted proxy: expected an address or a network such as 10.0.0.0/8"))
}

/// Some proxies add the port.
fn address(entry: &str) -> Option<IpAddr> {
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    entry.parse().ok().or_else(|| entry.parse().ok().map(|socket: SocketAddr| socket.ip())).or_else(bracketed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded_for: &[&str]) -> String {
        let proxies = Proxies::new(trusted).expect("proxies");
        proxies.client(peer.parse().expect("an address"), forwarded_for.iter().copied()).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(client(&[], "203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(client(&["10.0.0.0/8"], "203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn the_rightmost_untrusted_address_is_the_client() {
        let trusted = ["10.0.0.0/8", "::1"];
        assert_eq!(client(&trusted, "10.0.0.1", &["1.1.1.1, 203.0.113.9, 10.2.0.4"]), "203.0.113.9");
        assert_eq!(client(&trusted, "::1", &["1.1.1.1", "203.0.113.9 ,10.2.0.4"]), "203.0.113.9");
        assert_eq!(client(&trusted, "10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
        assert_eq!(client(&trusted, "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn mapped_addresses_and_ports_are_understood() {
        let trusted = ["127.0.0.1"];
        assert_eq!(client(&trusted, "::ffff:127.0.0.1", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client(&trusted, "127.0.0.1", &["[2001:db8::7]:4711"]), "2001:db8::7");
        assert_eq!(client(&trusted, "127.0.0.1", &["[2001:db8::7]"]), "2001:db8::7");
    }

    #[test]
    fn what_is_no_address_ends_the_search() {
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["1.1.1.1, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[""]), "10.0.0.1");
    }

    #[test]
    fn an_entry_that_is_no_network_is_named() {
        let error = Proxies::new(&["10.0.0.0/8", "proxy.local"]).expect_err("a name is no address");
        assert!(error.contains("`proxy.local`") && error.contains("10.0.0.0/8"), "{error}");
    }
}
