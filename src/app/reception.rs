//! The door for Socket.IO clients: which page may ask, and how many may come in. Who somebody is, they say later.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::admission::Admission;
use super::settings;
use crate::api::Limiter;
use crate::auth::credentials::redact;
use crate::auth::{Authenticator, Knock};
use crate::clock;
use crate::config::Config;
use crate::dialects::socketio::{Arrival, Desk, Guest, Token};
use crate::domain::audit::{AuditAction, AuditEntry};
use crate::hub::handle::Hub;
use crate::session::{Peer, Sessions};
use crate::socketio::{Client, ClientSettings, Engine, Host, Refused, Settings, Visit};

pub(super) struct Reception {
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) admission: Arc<Admission>,
    pub(super) desk: Arc<Desk>,
    pub(super) hub: Hub,
    pub(super) clients: Arc<ClientSettings>,
    pub(super) draining: Arc<AtomicBool>,
    /// Bounds the sessions that an address opens, as nobody has said yet who they are.
    pub(super) limiter: Option<Limiter>,
}

/// What the configuration says of clients.
pub(super) fn clients(config: &Config) -> Arc<ClientSettings> {
    Arc::new(ClientSettings {
        namespaces: config.socketio.namespaces.iter().map(|it| it.as_str().into()).collect(),
        connect_timeout: config.socketio.connect_timeout.0,
        max_payload: config.limits.max_frame_bytes.0,
        ..ClientSettings::default()
    })
}

/// How many sessions an address may open. In development any number.
pub(super) fn limiter(config: &Config) -> Option<Limiter> {
    let rate = config.limits.requests_per_ip.filter(|_| !config.server.dev)?;
    Some(Limiter::new(settings::rate(rate)))
}

/// The engine at the path of the configuration. `sessions`: those of the other dialects.
pub(super) fn engine(config: &Config, sessions: &Sessions, reception: Reception) -> Arc<Engine> {
    let engine = Settings {
        path: config.socketio.path.as_str().to_owned(),
        ping_interval: config.socketio.ping_interval.0,
        ping_timeout: config.socketio.ping_timeout.0,
        max_payload: config.limits.max_frame_bytes.0,
        ..Settings::default()
    };
    let sessions = sessions.beside(engine.limits(*sessions.limits()));
    Engine::new(engine, sessions, Arc::new(reception))
}

impl Reception {
    fn refused(&self, visit: &Visit<'_>, address: IpAddr, reason: &'static str) {
        log::info!("refused {address} on Socket.IO?{}: {reason}", redact(visit.query));
        self.hub.audit(AuditEntry {
            at: clock::now(),
            action: AuditAction::Refused { reason },
            dialect: "socketio",
            organization: None,
            user: None,
            address,
            origin: origin(visit),
        });
    }
}

impl Host for Reception {
    fn permits(&self, visit: &Visit<'_>) -> bool {
        let knock = knock(visit);
        let permitted = self.authenticator.check_origin(&knock);
        if let Err(refusal) = &permitted {
            self.refused(visit, self.authenticator.client_address(&knock), refusal.reason());
        }
        permitted.is_ok()
    }

    fn open(&self, visit: &Visit<'_>) -> Result<Box<dyn Peer>, Refused> {
        let knock = knock(visit);
        let address = self.authenticator.client_address(&knock);
        if self.draining.load(Ordering::Relaxed) {
            self.refused(visit, address, "restarting");
            return Err(Refused::Restarting);
        }
        if self.limiter.as_ref().is_some_and(|limiter| limiter.take(address).is_err()) {
            self.refused(visit, address, "rate_limited");
            return Err(Refused::TooMany);
        }
        let Some(provenance) = self.admission.let_in(address, origin(visit)) else {
            self.refused(visit, address, "too_many_connections");
            return Err(Refused::TooMany);
        };
        let token = match knock.first_token() {
            Some(token) => Some(Token::First(token)),
            None => knock.offered_token().map(Token::Last),
        };
        let arrival = Arrival { headers: visit.headers, query: visit.query, token, provenance };
        Ok(Box::new(Client::new(&self.clients, Box::new(Guest::new(self.desk.clone(), arrival)))))
    }
}

fn knock<'a>(visit: &Visit<'a>) -> Knock<'a> {
    Knock { headers: visit.headers, query: visit.query, peer: visit.peer.ip() }
}

fn origin(visit: &Visit<'_>) -> Option<Box<str>> {
    visit.headers.get("origin")?.to_str().ok().map(Box::from)
}
