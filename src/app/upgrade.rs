//! The door for sockets: which dialect, who comes in, from where, and how many.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::StatusCode;

use super::admission::Admission;
use crate::auth::credentials::redact;
use crate::auth::{self, Authenticator, Knock};
use crate::clock;
use crate::domain::audit::{AuditAction, AuditEntry};
use crate::domain::{Identity, Reject, Timestamp};
use crate::session::dialect::{Carrier, Gatekeeper, Registered};
use crate::session::member::{Club, Member};
use crate::session::{Opening, Sessions};
use crate::socketio::Engine;
use crate::transport::upgrade::{Refusal, UpgradeHandler, UpgradeRequest, Verdict};

/// How long a client should wait that finds the hub full, in seconds.
const FULL_RETRY_SECS: &str = "5";

pub(super) struct Door {
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) registry: &'static [Registered],
    pub(super) admission: Arc<Admission>,
    pub(super) club: Arc<Club>,
    /// Serves the sockets of clients that may also poll.
    pub(super) engine: Option<Arc<Engine>>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) draining: Arc<AtomicBool>,
}

impl Door {
    pub(super) fn handler(door: &Arc<Self>) -> UpgradeHandler {
        let door = door.clone();
        Arc::new(move |request| {
            let verdict = door.decide(&request);
            Box::pin(std::future::ready(verdict))
        })
    }

    /// For listeners that have no sockets.
    pub(super) fn closed() -> UpgradeHandler {
        Arc::new(|_| Box::pin(std::future::ready(Verdict::Refuse(Refusal::not_found()))))
    }

    fn decide(&self, request: &UpgradeRequest) -> Verdict {
        if let Some(engine) = self.engine.as_ref().filter(|it| it.serves(request.path())) {
            return engine.upgrade(request);
        }
        let is_asked_for =
            |it: &&Registered| it.dialect.carrier() == Carrier::WebSocket && it.dialect.path() == request.path();
        let Some(registered) = self.registry.iter().find(is_asked_for) else {
            return Verdict::Refuse(Refusal::not_found());
        };
        let knock = Knock { headers: request.headers(), query: request.query(), peer: request.peer().ip() };
        let address = self.authenticator.client_address(&knock);
        let origin = request.header("origin").map(Box::from);
        let dialect = registered.dialect.name();
        let refuse = |reason: &'static str, refusal: Refusal| {
            log::info!("refused {address} on {}?{}: {reason}", request.path(), redact(request.query()));
            self.record_refusal(dialect, reason, address, request.header("origin"));
            Verdict::Refuse(refusal)
        };
        if self.draining.load(Ordering::Relaxed) {
            let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The server is restarting");
            return refuse("restarting", refusal.header("retry-after", FULL_RETRY_SECS));
        }
        let identity = match self.authenticator.admit(&knock, clock::now()) {
            Ok(identity) => identity,
            Err(refusal) => return refuse(refusal.reason(), unauthorized(refusal)),
        };
        let Some(provenance) = self.admission.let_in(address, origin) else {
            let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too_many_connections", "Too many connections");
            return refuse("too_many_connections", refusal.header("retry-after", FULL_RETRY_SECS));
        };
        let member = Member::new(self.club.clone(), registered, identity, provenance);
        Verdict::Accept(Opening { peer: Box::new(member), dialect: Some(registered), sessions: self.sessions.clone() })
    }

    fn record_refusal(&self, dialect: &'static str, reason: &'static str, address: IpAddr, origin: Option<&str>) {
        self.club.hub.audit(AuditEntry {
            at: clock::now(),
            action: AuditAction::Refused { reason },
            dialect,
            organization: None,
            user: None,
            address,
            origin: origin.map(Box::from),
        });
    }
}

/// Fresh tokens on open connections are verified by the same rules as at the door.
pub(super) struct Tokens(pub(super) Arc<Authenticator>);

impl Gatekeeper for Tokens {
    fn verify(&self, token: Option<&str>, now: Timestamp) -> Result<Arc<Identity>, Reject> {
        self.0.verify_shown(token, now).map_err(auth::Refusal::reject)
    }
}

fn unauthorized(refusal: auth::Refusal) -> Refusal {
    Refusal::unauthorized(refusal.status(), refusal.code().as_str(), refusal.message())
}
