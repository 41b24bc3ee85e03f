//! Which web pages may open connections: a browser tells the page's origin, and cannot be made to lie by the page.
//!
//! Without this check any page that a signed-in person visits could open a socket in that person's name (cross-site
//! WebSocket hijacking). What is not a browser sends no `Origin` and needs none.

use std::collections::HashSet;

use url::Host;

/// Where front ends usually run while they are developed.
const DEVELOPMENT: [&str; 3] = ["http://localhost:3000", "http://localhost:5173", "http://127.0.0.1:3000"];

/// The pages that may connect besides the hub's own.
#[derive(Clone, Debug)]
pub struct Origins {
    /// Every one. Only with `--dev`.
    any: bool,
    listed: HashSet<Origin>,
}

/// Scheme, host and port of a page (RFC 6454), in one spelling.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Origin {
    scheme: Box<str>,
    authority: Authority,
}

/// Host and port as `Host` has them; no port is the default one of whichever scheme.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Authority {
    host: Host,
    port: Option<u16>,
}

impl Origins {
    /// From `ALLOWED_ORIGINS`; in development, the usual places of front ends come on top.
    ///
    /// # Errors
    /// A sentence that names the entry that is no origin, or a wildcard where none may be.
    pub fn new<S: AsRef<str>>(entries: &[S], dev: bool) -> Result<Self, String> {
        let entries: Vec<_> = entries.iter().map(|entry| entry.as_ref().trim()).collect();
        if entries.contains(&"*") {
            return match (entries.len(), dev) {
                (1, true) => Ok(Self { any: true, listed: HashSet::new() }),
                (1, false) => {
                    Err("`*` is no allowed origin outside --dev: list them, as https://app.example.com".into())
                }
                _ => Err("`*` allows every origin and stands alone: remove it or the others".into()),
            };
        }
        let development = DEVELOPMENT.into_iter().filter(|_| dev);
        let parsed = entries.into_iter().chain(development).map(|entry| {
            Origin::parse(entry).ok_or_else(|| {
                format!("`{entry}` is no origin: expected scheme, host and port only, as https://app.example.com")
            })
        });
        Ok(Self { any: false, listed: parsed.collect::<Result<_, _>>()? })
    }

    /// Whether a page of this `Origin` header may connect to a hub that is reached under one of `own_names` (`Host` and
    /// the like). A header that is no origin, `null` among them, may only where everything may.
    pub fn allow<'a>(&self, origin: &str, own_names: impl Iterator<Item = &'a str>) -> bool {
        if self.any {
            return true;
        }
        let Some(origin) = Origin::parse(origin) else { return false };
        self.listed.contains(&origin) || own_names.filter_map(Authority::parse).any(|own| origin.is_at(&own))
    }
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let spelled_right = scheme.starts_with(|first: char| first.is_ascii_lowercase())
            && scheme.chars().all(|it| it.is_ascii_alphanumeric() || "+-.".contains(it));
        if !spelled_right {
            return None;
        }
        let mut authority = Authority::parse(authority)?;
        authority.port = authority.port.filter(|port| Some(*port) != default_port(&scheme));
        Some(Self { scheme: scheme.into(), authority })
    }

    /// Whether this is a page of the hub reached as `own`. The hub may stand behind a proxy that speaks TLS for it, so
    /// either scheme of the web will do.
    fn is_at(&self, own: &Authority) -> bool {
        let Some(default) = default_port(&self.scheme) else { return false };
        let port = |authority: &Authority| authority.port.unwrap_or(default);
        self.authority.host == own.host && port(&self.authority) == port(own)
    }
}

impl Authority {
    fn parse(text: &str) -> Option<Self> {
        // An IPv6 address has colons of its own, inside brackets.
        let colon = text.rfind(':').filter(|colon| !text[*colon..].contains(']'));
        let (host, port) = match colon {
            Some(colon) => (&text[..colon], Some(parse_port(&text[colon + 1..])?)),
            None => (text, None),
        };
        // `url` would decode these; in an origin or a `Host` they are no part of a name.
        if host.contains(['%', '*']) {
            return None;
        }
        Some(Self { host: Host::parse(host).ok()?, port })
    }
}

fn parse_port(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(entries: &[&str]) -> Origins {
        Origins::new(entries, false).expect("origins")
    }

    #[test]
    fn the_own_host_is_allowed_under_either_scheme() {
        for (origin, host) in [
            ("http://hub.example.com", "hub.example.com"),
            ("https://hub.example.com", "hub.example.com"),
            ("https://hub.example.com", "hub.example.com:443"),
            ("http://HUB.example.COM:8080", "hub.example.com:8080"),
            ("https://hub.example.com:8443", "Hub.Example.Com:8443"),
            ("http://[::1]:8080", "[0:0:0:0:0:0:0:1]:8080"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("https://xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            assert!(listed(&[]).allow(origin, [host].into_iter()), "{origin} at {host}");
        }
    }

    #[test]
    fn another_host_or_port_is_refused() {
        for (origin, host) in [
            ("https://evil.example", "hub.example.com"),
            ("https://hub.example.com.evil.example", "hub.example.com"),
            ("https://evilhub.example.com", "hub.example.com"),
            ("http://hub.example.com:81", "hub.example.com"),
            ("http://hub.example.com", "hub.example.com:8080"),
            ("https://hub.example.com", "hub.example.com:80"),
            ("http://localhost:8080", "127.0.0.1:8080"),
            ("ws://hub.example.com", "hub.example.com"),
            ("https://hub.example.com", ""),
        ] {
            assert!(!listed(&[]).allow(origin, [host].into_iter()), "{origin} at {host}");
        }
    }

    #[test]
    fn a_listed_origin_is_exact_but_for_spelling() {
        let origins = listed(&["https://App.example.com:443", "http://[::1]:3000", "capacitor://localhost"]);
        for origin in
            ["https://app.example.com", "https://app.example.com:443", "http://[0::1]:3000", "capacitor://localhost"]
        {
            assert!(origins.allow(origin, std::iter::empty()), "{origin}");
        }
        for origin in ["http://app.example.com", "https://app.example.com:8443", "https://a.app.example.com"] {
            assert!(!origins.allow(origin, std::iter::empty()), "{origin}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_even_if_it_looks_like_the_own_host() {
        for origin in [
            "null",
            "",
            "hub.example.com",
            "https:hub.example.com",
            "https://",
            "https://hub.example.com/",
            "https://hub.example.com/path",
            "https://hub.example.com?x",
            "https://hub.example.com#x",
            "https://user@hub.example.com",
            "https://evil.example@hub.example.com",
            "https://evil.example\\@hub.example.com",
            "https://hub.example.com:",
            "https://hub.example.com:+443",
            "https://hub.example.com:65536",
            "https://hub.example.com, https://evil.example",
            "https://hub.example.com https://evil.example",
            " https://hub.example.com",
            "https://hub.example.com\0",
            "https://hub%2eexample.com",
            "https://[::1",
            "1https://hub.example.com",
        ] {
            assert!(!listed(&[]).allow(origin, ["hub.example.com"].into_iter()), "{origin:?}");
        }
    }

    #[test]
    fn the_wildcard_is_for_development_and_stands_alone() {
        assert!(
            Origins::new(&["*"], true).expect("allowed in dev").allow("https://anyone.example", std::iter::empty())
        );
        for (entries, dev) in
            [(&["*"][..], false), (&["*", "https://a.example"], true), (&["https://*.a.example"], true)]
        {
            assert!(Origins::new(entries, dev).is_err(), "{entries:?}");
        }
    }

    #[test]
    fn development_adds_the_usual_front_ends() {
        let none: [&str; 0] = [];
        let dev = Origins::new(&none, true).expect("origins");
        assert!(DEVELOPMENT.iter().all(|origin| dev.allow(origin, std::iter::empty())));
        assert!(!dev.allow("http://localhost:3001", std::iter::empty()));
        assert!(DEVELOPMENT.iter().all(|origin| !listed(&[]).allow(origin, std::iter::empty())));
    }
}
