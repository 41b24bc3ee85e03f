//! A client that has opened a session and has yet to say who it is: a token admits it to each namespace that it asks for.

use std::rc::Rc;
use std::sync::Arc;

use actix_http::header::{HeaderMap, ORIGIN, USER_AGENT};
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
use crate::socketio::{ConnectError, Line, Socket, Visitor};

/// The request that opened a client's session.
pub struct Arrival<'a> {
    pub headers: &'a HeaderMap,
    /// As it stands in the URL, without `?`.
    pub query: &'a str,
    /// The token that it shows, if it shows one: that which a namespace is asked for with goes before it.
    pub token: Option<&'a str>,
    pub provenance: Rc<Provenance>,
}

pub struct Guest {
    desk: Arc<Desk>,
    token: Option<Box<str>>,
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
        let token = arrival.token.map(Box::from);
        Self { desk, token, provenance: arrival.provenance, recovers }
    }

    fn identify(&self, shown: Option<&str>) -> Result<Arc<Identity>, ConnectError> {
        let now = clock::now();
        let token = shown.filter(|it| !it.is_empty()).or(self.token.as_deref());
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
        let (outbox, desk) = (line.link().outbox().clone(), self.desk.clone());
        let member = Member::new(desk.club.clone(), desk.registered, identity.clone(), self.provenance.clone());
        let conn = member.conn();
        // Whoever belongs to no organization is in no room.
        let keeping = (self.recovers && identity.organization.is_some())
            .then(|| Keeping::new(conn, RecoveryId(clock::fresh_id()), named));
        let kept = text(shown.pid).and_then(|pid| Uuid::try_parse(&pid).ok()).map(RecoveryId);
        let attempt = kept.filter(|_| keeping.is_some()).map(|id| Attempt { id, named });

        let ear = Ear::new(outbox.clone(), desk.clone(), identity.clone(), line.namespace(), keeping);
        let mut socket = HubSocket::new(member, ear.clone());
        match attempt {
            None => {
                let pid = ear.keeping().map(|it| it.id().0.simple().to_string());
                let pid = pid.as_deref().map(|pid| ("pid", pid));
                line.accept(pid.as_slice());
                socket.opened(line);
                ear.accepted(None);
            }
            Some(attempt) => {
                socket.opened(line);
                let (namespace, sid) = (line.namespace().to_owned(), line.sid().to_owned());
                let returning = recovery::Returning { ear, desk, identity, conn, outbox, namespace, sid };
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

/// Whether a client is of a kind that takes the last string of an event's arguments for an offset, and does not hand it to
/// those who listen for the event: browsers and Node.js. `recovery=0` or `1` in the query says so by itself.
fn takes_offsets(headers: &HeaderMap, query: &str) -> bool {
    let said = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "recovery");
    match said.as_ref().map(|(_, value)| &**value) {
        Some("0") => return false,
        Some("1") => return true,
        _ => {}
    }
    match headers.get(USER_AGENT) {
        Some(agent) => agent.to_str().is_ok_and(|agent| agent.starts_with("Mozilla/") || agent.starts_with("node")),
        None => !headers.contains_key(ORIGIN),
    }
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
        assert!(takes(&[("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"), ("origin", "https://a.example")], ""));
        assert!(takes(&[("user-agent", "node-XMLHttpRequest")], "EIO=4"));
        assert!(takes(&[], "EIO=4"), "Node.js, over a WebSocket");
        assert!(!takes(&[("user-agent", "Python/3.11 aiohttp/3.9")], ""));
        assert!(!takes(&[("origin", "http://a.example")], ""));
        assert!(takes(&[("user-agent", "okhttp/4")], "EIO=4&recovery=1"));
        assert!(!takes(&[], "recovery=0"));
    }
}
