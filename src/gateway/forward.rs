//! What a request that is passed on says of where it came from.
//!
//! What stands in the forwarding headers already is believed, and extended, only where a trusted proxy sent it; from anyone
//! else it is replaced by what the gateway saw itself.

use std::net::IpAddr;

use actix_web::http::header::{
    HOST, HeaderMap, HeaderName, HeaderValue, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO,
};

use crate::api::request_id::{X_REQUEST_ID, request_id};
use crate::auth::{Authenticator, Knock};

/// How much of what proxies said is passed on, in bytes. The rest is what a client wrote there to make a header too large.
const MAX_FORWARDED: usize = 2048;

#[derive(Clone, Debug)]
pub struct Forward {
    client: IpAddr,
    chain: HeaderValue,
    proto: HeaderValue,
    host: Option<HeaderValue>,
    /// A trusted proxy said so.
    is_host_vouched: bool,
    request_id: HeaderValue,
}

impl Forward {
    /// `is_tls`: whether the client speaks TLS with the gateway.
    pub fn new(authenticator: &Authenticator, headers: &HeaderMap, peer: IpAddr, is_tls: bool) -> Self {
        let knock = Knock { headers, query: "", peer };
        let client = authenticator.client_address(&knock);
        let is_trusted = authenticator.trusts(peer);
        let given = |name: HeaderName| headers.get(name).filter(|_| is_trusted);
        let seen = peer.to_canonical().to_string();
        let before = if is_trusted { knock.forwarded_for().join(", ") } else { String::new() };
        let chain = match before.len() {
            0 => seen,
            1..=MAX_FORWARDED => format!("{before}, {seen}"),
            _ => {
                let kept = rightmost(&before);
                let says = HeaderValue::from_str(kept).into_iter().map(|kept| (X_FORWARDED_FOR, kept)).collect();
                let found = authenticator.client_address(&Knock { headers: &says, query: "", peer });
                // Whoever reads the rest is to find the same client.
                let client = (found != client).then(|| client.to_string());
                let parts = [client.as_deref().unwrap_or_default(), kept, &seen];
                parts.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(", ")
            }
        };
        let value = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        let scheme = HeaderValue::from_static(if is_tls { "https" } else { "http" });
        Self {
            client,
            chain: value(&chain),
            proto: given(X_FORWARDED_PROTO).cloned().unwrap_or(scheme),
            is_host_vouched: given(X_FORWARDED_HOST).is_some(),
            host: given(X_FORWARDED_HOST).or_else(|| headers.get(HOST)).cloned(),
            request_id: request_id(headers),
        }
    }

    /// For requests that name the host outside their headers, as all over HTTP/2 do: that counts, and not their `Host`
    /// (RFC 9113, section 8.3.1).
    pub fn with_authority(mut self, authority: Option<&str>) -> Self {
        if let Some(authority) = authority.filter(|_| !self.is_host_vouched) {
            self.host = HeaderValue::from_str(authority).ok();
        }
        self
    }

    /// The address of the client, as far as trusted proxies vouch for it.
    pub fn client(&self) -> IpAddr {
        self.client
    }

    /// One name for the request here and at the upstream.
    pub fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    /// What replaces the headers of these names.
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
        let Self { chain, proto, host, request_id, .. } = self.clone();
        let host = host.map(|host| (X_FORWARDED_HOST, host));
        [(X_FORWARDED_FOR, chain), (X_FORWARDED_PROTO, proto), (X_REQUEST_ID, request_id)].into_iter().chain(host)
    }

    /// Whether a client's header of this name is not passed on, because the gateway says it itself or nobody may.
    pub fn replaces(name: &HeaderName) -> bool {
        const OTHERS: [&str; 5] =
            ["forwarded", "x-forwarded-port", "x-forwarded-server", "x-forwarded-prefix", "x-real-ip"];
        [&X_FORWARDED_FOR, &X_FORWARDED_PROTO, &X_FORWARDED_HOST, &X_REQUEST_ID, &HOST].contains(&name)
            || OTHERS.contains(&name.as_str())
    }
}

/// As many whole entries as may be passed on, from the right: proxies write there, and the left may be a client's.
fn rightmost(chain: &str) -> &str {
    let tail = chain.get(chain.len().saturating_sub(MAX_FORWARDED)..).unwrap_or_default();
    tail.split_once(',').map_or("", |(_, whole)| whole.trim())
}
