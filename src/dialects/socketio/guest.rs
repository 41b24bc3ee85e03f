//! A client that has opened a session and has yet to say who it is: a token admits it to each namespace that it asks for.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use actix_http::header::{HeaderMap, ORIGIN};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use url::form_urlencoded;
use uuid::Uuid;

use super::Desk;
use super::ear::Ear;
use super::keeping::Keeping;
use super::place::Place;
use super::recovery::{self, Attempt};
use super::socket::HubSocket;
use crate::clock;
use crate::domain::audit::{AuditAction, AuditEntry};
use crate::domain::{Identity, RecoveryId, Reject};
use crate::session::member::{Member, Provenance};
use crate::socketio::{ConnectError, Line, Socket, Visitor, is_javascript};
use crate::transport::upgrade::offered_extensions;

/// The request that opened a client's session.
pub struct Arrival<'a> {
    pub headers: &'a HeaderMap,
    /// As it stands in the URL, without `?`.
    pub query: &'a str,
    /// The token that it shows, if it shows one.
    pub token: Option<Token<'a>>,
    pub provenance: Rc<Provenance>,
}

/// A token in a request, by where it stands.
pub enum Token<'a> {
    /// It goes before that which a namespace is asked for with.
    First(Cow<'a, str>),
    /// It counts where a namespace is asked for without one.
    Last(Cow<'a, str>),
}

pub struct Guest {
    desk: Arc<Desk>,
    token: Option<Box<str>>,
    /// The token goes before that which a namespace is asked for with.
    is_first: bool,
    provenance: Rc<Provenance>,
    /// Whether it takes offsets.
    recovers: bool,
}

/// What a client shows when it asks to connect. What is of another type counts as absent.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Shown<'a> {
    #[serde(borrow)]
    token: Option<&'a RawValue>,
    #[serde(borrow)]
    pid: Option<&'a RawValue>,
    #[serde(borrow)]
    offset: Option<&'a RawValue>,
}

impl Guest {
    pub fn new(desk: Arc<Desk>, arrival: Arrival<'_>) -> Self {
        let recovers = desk.recovers && takes_offsets(arrival.headers, arrival.query);
        let is_first = matches!(arrival.token, Some(Token::First(_)));
        let token = arrival.token.map(|(Token::First(token) | Token::Last(token))| Box::from(token));
        Self { desk, token, is_first, provenance: arrival.provenance, recovers }
    }

    /// `said`: the token that a namespace is asked for with.
    fn identify(&self, said: Option<&str>) -> Result<Arc<Identity>, ConnectError> {
        let now = clock::now();
        let (shown, said) = (self.token.as_deref(), said.filter(|it| !it.is_empty()));
        let token = if self.is_first { shown.or(said) } else { said.or(shown) };
        self.desk.club.gatekeeper.verify(token, now).map_err(|reject| {
            self.desk.hub().audit(AuditEntry {
                at: now,
                action: AuditAction::Refused { reason: reject.code.as_str() },
                dialect: self.desk.registered.dialect.name(),
                organization: None,
                user: None,
                address: self.provenance.address,
                origin: self.provenance.origin.clone(),
            });
            refusal(&reject)
        })
    }
}

impl Visitor for Guest {
    fn connect(&mut self, auth: Option<&RawValue>, line: &mut Line<'_, '_>) -> Result<Box<dyn Socket>, ConnectError> {
        let shown: Shown<'_> = auth.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        let identity = self.identify(text(shown.token).as_deref())?;
        let named = text(shown.offset).as_deref().and_then(Place::parse);
        let desk = &self.desk;
        let member = Member::new(desk.club.clone(), desk.registered, identity.clone(), self.provenance.clone());
        let conn = member.conn();
        // Whoever belongs to no organization is in no room.
        let keeping = (self.recovers && identity.organization.is_some())
            .then(|| Keeping::new(conn, RecoveryId(clock::fresh_id()), named));
        let kept = text(shown.pid).and_then(|pid| Uuid::try_parse(&pid).ok()).map(RecoveryId);
        let attempt = kept.filter(|_| keeping.is_some()).map(|id| Attempt { id, named });

        let outbox = line.link().outbox().clone();
        let ear = Ear::new(outbox, desk.clone(), identity.clone(), line.namespace(), keeping);
        let mut socket = HubSocket::new(member, ear.clone());
        match attempt {
            None => {
                line.accept(ear.pid().as_deref().map(|pid| ("pid", pid)).as_slice());
                socket.opened(line);
                ear.accepted(None);
            }
            Some(attempt) => {
                if let Some(before) = desk.holders.of(attempt.id) {
                    desk.hub().supersede(before, identity);
                }
                socket.opened(line);
                let (namespace, sid) = (line.namespace().to_owned(), line.sid().to_owned());
                let returning = recovery::Returning { ear, conn, namespace, sid };
                actix_rt::spawn(recovery::recover(returning, attempt));
            }
        }
        Ok(Box::new(socket))
    }
}

fn text(raw: Option<&RawValue>) -> Option<String> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

fn refusal(reject: &Reject) -> ConnectError {
    let data = json!({ "code": reject.code.as_str(), "message": reject.message });
    ConnectError { message: "Not authenticated".into(), data: Some(data) }
}

/// What Node.js and Bun offer when they ask for a socket. They say neither who they are nor from where they come; others that
/// do not, like `rust_socketio`, do not offer this.
const OFFER: &[u8] = b"permessage-deflate; client_max_window_bits";

/// Whether a client is of a kind that takes the last string of an event's arguments for an offset, and whose listeners do
/// not mind an argument more: those for JavaScript. `recovery=0` or `1` in the query says so by itself.
fn takes_offsets(headers: &HeaderMap, query: &str) -> bool {
    let said = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "recovery");
    match said.as_ref().map(|(_, value)| &**value) {
        Some("0") => return false,
        Some("1") => return true,
        _ => {}
    }
    is_javascript(headers)
        .unwrap_or_else(|| !headers.contains_key(ORIGIN) && offered_extensions(headers) == Some(OFFER))
}

#[cfg(test)]
mod tests {
    use actix_http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn offsets_are_for_clients_that_know_them() {
        let takes = |headers: &[(&'static str, &'static str)], query| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            takes_offsets(&map, query)
        };
        let offer = ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits");
        assert!(takes(&[("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"), ("origin", "https://a.example")], ""));
        for runtime in ["node-XMLHttpRequest", "node", "Deno/2.9.6", "Bun/1.4.5"] {
            assert!(takes(&[("user-agent", runtime)], "EIO=4"), "{runtime}");
        }
        assert!(takes(&[offer], "EIO=4"), "Node.js and Bun, over a WebSocket");
        assert!(takes(&[("x-offered-extensions", offer.1)], "EIO=4"), "the same, behind a gateway");
        for other in ["Python/3.11 aiohttp/3.9", "python-requests/2.34.2", "okhttp/3.12.12", "Dart/3.5 (dart:io)"] {
            assert!(!takes(&[("user-agent", other)], ""), "{other}");
            assert!(!takes(&[("user-agent", other), offer], ""), "{other}");
        }
        assert!(!takes(&[("origin", "http://a.example")], ""), "python-socketio's other client, over a WebSocket");
        assert!(!takes(&[("origin", "http://a.example"), offer], ""));
        assert!(!takes(&[], "EIO=4"), "rust_socketio");
        assert!(!takes(&[("sec-websocket-extensions", "permessage-deflate")], "EIO=4"));
        assert!(takes(&[("user-agent", "okhttp/4")], "EIO=4&recovery=1"));
        assert!(takes(&[], "recovery=1"));
        assert!(!takes(&[offer], "recovery=0"));
    }
}
