//! Who may come in, and as whom: the one place that turns what a request shows into an identity or a refusal.
//!
//! Every dialect's upgrade and every HTTP call asks the same [`Authenticator`]; each refusal is counted here by its
//! reason. It does no I/O, and the time is handed in: what it must know of keys and of logins that have ended stands in
//! the [`Directory`]. [`accounts`] is where people register and log in.

pub mod accounts;
mod claims;
pub mod credentials;
pub mod dev;
pub mod directory;
mod hashers;
mod invites;
mod origins;
pub mod passwords;
pub mod ports;
mod proxies;
mod refusal;
mod secrets;
mod tokens;

#[cfg(test)]
pub(crate) mod absent_tests;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

pub use claims::Policy;
pub use directory::Directory;
pub use origins::Origins;
pub use proxies::Proxies;
pub use refusal::Refusal;
pub use tokens::{Grant, LEEWAY, Tokens, mint};

use crate::domain::{Identity, Timestamp};
use crate::metrics::{Metrics, ReasonLabel};

/// What a request shows of itself at the door.
#[derive(Clone, Copy, Debug)]
pub struct Knock<'a> {
    pub headers: &'a HeaderMap,
    /// As it stands in the URL, without `?`.
    pub query: &'a str,
    /// The other end of the TCP connection.
    pub peer: IpAddr,
}

/// What decides who comes in.
pub struct Options<'a> {
    /// Signs and verifies tokens, as its literal bytes.
    pub secret: &'a [u8],
    pub policy: Policy,
    pub origins: Origins,
    pub proxies: Proxies,
    /// Take [`dev::KEY`].
    pub dev: bool,
}

pub struct Authenticator {
    tokens: Tokens,
    origins: Origins,
    proxies: Proxies,
    dev: Option<Arc<Identity>>,
    directory: Arc<Directory>,
    metrics: Arc<Metrics>,
    /// Peers that were told of in the log.
    suspects: Mutex<Vec<IpAddr>>,
}

/// Anybody can look like a proxy, and the log is not theirs to fill.
const MOST_SUSPECTS: usize = 16;

impl Authenticator {
    pub fn new(options: Options<'_>, metrics: Arc<Metrics>) -> Self {
        Self {
            tokens: Tokens::new(options.secret, options.policy),
            origins: options.origins,
            proxies: options.proxies,
            dev: options.dev.then(|| Arc::new(dev::identity())),
            directory: Arc::default(),
            suspects: Mutex::default(),
            metrics,
        }
    }

    /// For a socket's upgrade: the page that opens it must be one that may, and a good token must be shown.
    pub fn admit(&self, knock: &Knock<'_>, now: Timestamp) -> Result<Arc<Identity>, Refusal> {
        self.check_origin(knock)?;
        self.identify(knock, now)
    }

    /// For a call over HTTP: a good token must be shown.
    pub fn identify(&self, knock: &Knock<'_>, now: Timestamp) -> Result<Arc<Identity>, Refusal> {
        self.verify_shown(knock.token().as_deref(), now)
    }

    /// For a token by itself, where one has to be.
    pub fn verify_shown(&self, token: Option<&str>, now: Timestamp) -> Result<Arc<Identity>, Refusal> {
        match token {
            Some(token) => self.verify(token, now),
            None => Err(self.count(Refusal::NoToken)),
        }
    }

    /// For a token by itself, as on an open connection.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Identity>, Refusal> {
        match &self.dev {
            Some(identity) if token == dev::KEY => Ok(Arc::clone(identity)),
            _ => self.recognize(token, now).map_err(|refusal| self.count(refusal)),
        }
    }

    fn recognize(&self, token: &str, now: Timestamp) -> Result<Arc<Identity>, Refusal> {
        if token.starts_with(secrets::KEY_PREFIX) {
            return self.directory.key(token, now);
        }
        let identity = self.tokens.verify(token, now)?;
        self.directory.check(&identity)?;
        Ok(Arc::new(identity))
    }

    /// As [`Authenticator::admit`], in front of servers that know more: a key is theirs to recognize, and names nobody
    /// here.
    pub fn admit_in_front(&self, knock: &Knock<'_>, now: Timestamp) -> Result<Option<Arc<Identity>>, Refusal> {
        self.check_origin(knock)?;
        match knock.token() {
            Some(token) if credentials::is_key(&token) => Ok(None),
            token => self.verify_shown(token.as_deref(), now).map(Some),
        }
    }

    /// What is known of keys and of logins that have ended.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Whether the page that asks, if a page does, may do so.
    pub fn check_origin(&self, knock: &Knock<'_>) -> Result<(), Refusal> {
        let mut origins = knock.headers.get_all(header::ORIGIN);
        let allowed = match (origins.next(), origins.next()) {
            (None, _) => true,
            (Some(origin), None) => {
                origin.to_str().is_ok_and(|origin| self.origins.allow(origin, self.own_names(knock).into_iter()))
            }
            (Some(_), Some(_)) => false,
        };
        if allowed {
            return Ok(());
        }
        self.suspect_proxy(knock);
        Err(self.count(Refusal::Origin))
    }

    /// Says once for each peer that it may be a proxy whom nobody trusts: to a page that came through one, the hub's own
    /// name is another.
    fn suspect_proxy(&self, knock: &Knock<'_>) {
        let text = |name| knock.headers.get(name).and_then(|it| it.to_str().ok());
        let (Some(origin), Some(host)) = (text(header::ORIGIN), text(header::X_FORWARDED_HOST)) else { return };
        if self.trusts(knock.peer) || !self.origins.allow(origin, std::iter::once(host)) {
            return;
        }
        let peer = knock.peer.to_canonical();
        let mut suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        if suspects.len() < MOST_SUSPECTS && !suspects.contains(&peer) {
            suspects.push(peer);
            log::warn!(
                "a page was refused that {peer} passed on; if that is a proxy or a gateway of yours, start with \
                 --trusted-proxy {peer}"
            );
        }
    }

    /// The address that the request comes from, as far as trusted proxies vouch for it.
    pub fn client_address(&self, knock: &Knock<'_>) -> IpAddr {
        self.proxies.client(knock.peer, knock.forwarded_for().into_iter())
    }

    /// Whether what this peer says of where a request came from is believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.proxies.trusts(peer)
    }

    /// Whether the request surely comes from this machine: directly, without a proxy, and to a name that no page of
    /// another host can have taken for its own.
    pub fn is_local(&self, knock: &Knock<'_>) -> bool {
        const HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
        // What proxies and content delivery networks add, each in its own way.
        const FORWARDING: [&str; 10] = [
            "forwarded",
            "via",
            "x-real-ip",
            "x-client-ip",
            "x-cluster-client-ip",
            "x-original-host",
            "x-original-forwarded-for",
            "cf-connecting-ip",
            "true-client-ip",
            "fastly-client-ip",
        ];
        let is_forwarding = |name: &str| name.starts_with("x-forwarded") || FORWARDING.contains(&name);
        let mut hosts = knock.lines(&header::HOST).map(|line| line.map_or("", host_of)).peekable();
        knock.peer.to_canonical().is_loopback()
            && !knock.headers.keys().any(|name| is_forwarding(name.as_str()))
            && hosts.peek().is_some()
            && hosts.all(|host| HOSTS.iter().any(|it| it.eq_ignore_ascii_case(host)))
    }

    /// Under which names the request reached the hub. Pages can set none of these headers, so a name that any proxy on
    /// the way added is one that the browser asked for.
    fn own_names<'a>(&self, knock: &Knock<'a>) -> Vec<&'a str> {
        let mut names: Vec<_> = knock.lines(&header::HOST).flatten().collect();
        if self.proxies.trusts(knock.peer) {
            let forwarded = knock.lines(&header::X_FORWARDED_HOST).flatten();
            names.extend(forwarded.flat_map(|line| line.split(',')).map(str::trim));
        }
        names
    }

    fn count(&self, refusal: Refusal) -> Refusal {
        self.metrics.auth_failures.get_or_create(&ReasonLabel { reason: refusal.reason() }).inc();
        refusal
    }
}

impl<'a> Knock<'a> {
    /// What it shows as a token.
    pub fn token(&self) -> Option<Cow<'a, str>> {
        self.first_token().or_else(|| self.offered_token())
    }

    /// The token in its header or its query, which goes before whatever a client says later.
    pub fn first_token(&self) -> Option<Cow<'a, str>> {
        credentials::find(self.headers.get(header::AUTHORIZATION).map(text), self.query)
    }

    /// The token among the subprotocols that it offers, which counts where there is no other.
    pub fn offered_token(&self) -> Option<Cow<'a, str>> {
        credentials::offered(self.headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).map(text))
    }

    /// What proxies say of where the request came from, as far back as it can be read: a line that is no text must not
    /// make an older one count. Nobody has vouched for it here.
    pub fn forwarded_for(&self) -> Vec<&'a str> {
        let mut lines: Vec<_> = self.lines(&header::X_FORWARDED_FOR).collect();
        let readable = lines.iter().rposition(Option::is_none).map_or(0, |unreadable| unreadable + 1);
        lines.drain(readable..).flatten().collect()
    }

    fn lines(&self, name: &HeaderName) -> impl Iterator<Item = Option<&'a str>> + use<'a> {
        self.headers.get_all(name).map(|value| value.to_str().ok())
    }
}

/// Bytes that are no UTF-8 make a token that is refused, not one that is overlooked.
fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// A `Host` without its port.
fn host_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) && !port.is_empty() => name,
        _ => host,
    }
}
