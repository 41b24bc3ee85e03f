//! A client of the hub: decodes what it says, keeps it within its limits, and looks after its token.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::dialect::{Gatekeeper, Inbound, Misread, Registered, Request};
use super::offences::Offences;
use super::peer::{Ending, Link, Peer};
use crate::clock;
use crate::domain::audit::{AuditAction, AuditEntry};
use crate::domain::{
    Bucket, CloseReason, Command, ConnId, Event, Identity, Rate, Reject, RejectCode, Tag, Timestamp, Window,
};
use crate::hub::handle::Hub;
use crate::metrics::{DialectLabel, Metrics, ReasonLabel};

/// How long before its token's end a client is told.
const EXPIRY_NOTICE: Duration = Duration::from_mins(1);

/// How soon it is looked again whether a client wants to be told.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// How long after its end a token still holds.
const EXPIRY_LEEWAY: Duration = Duration::from_secs(30);

/// This many frames that cannot be read, within ten seconds, end a connection.
const MAX_MISREAD: usize = 20;

/// This many refusals for going too fast, within ten seconds, end a connection.
const MAX_RATE_LIMITED: usize = 100;

/// A client that is told of a restart comes back after less than this, so that not all come at once.
const RECONNECT_SPREAD_MS: u64 = 5_000;

/// What all members share.
pub struct Club {
    pub hub: Hub,
    pub gatekeeper: Arc<dyn Gatekeeper>,
    pub metrics: Arc<Metrics>,
    /// Frames per connection. `None`: no limit.
    pub events: Option<Rate>,
    /// Typing notices per connection, never more within any such time. `None`: no limit.
    pub typing: Option<Rate>,
    /// After how long in no room and without a frame a connection is closed. `None`: never.
    pub idle_timeout: Option<Duration>,
}

/// Counts the clients that were let in (implemented by whoever lets them in).
pub trait Lobby: Send + Sync + 'static {
    /// The socket of a client from `address` is gone.
    fn left(&self, address: IpAddr);
}

/// Where the client of a socket comes from, for the audit log, and its place among those that were let in: given back when
/// this is dropped.
pub struct Provenance {
    pub address: IpAddr,
    pub origin: Option<Box<str>>,
    lobby: Arc<dyn Lobby>,
}

impl Provenance {
    /// Of a client that `lobby` has let in.
    pub fn new(address: IpAddr, origin: Option<Box<str>>, lobby: Arc<dyn Lobby>) -> Self {
        Self { address, origin, lobby }
    }
}

impl Drop for Provenance {
    fn drop(&mut self) {
        self.lobby.left(self.address);
    }
}

/// A client of the hub, the peer of its session, or one of several connections that a session carries.
pub struct Member {
    club: Arc<Club>,
    registered: &'static Registered,
    conn: ConnId,
    identity: Arc<Identity>,
    /// Shared by all connections that a session carries.
    provenance: Rc<Provenance>,
    opened_at: Timestamp,
    last_frame_at: Timestamp,
    events: Bucket,
    typing: Window,
    misread: Offences,
    rate_limited: Offences,
    expiry_told: bool,
    draining: bool,
}

impl Member {
    pub fn new(
        club: Arc<Club>,
        registered: &'static Registered,
        identity: Arc<Identity>,
        provenance: Rc<Provenance>,
    ) -> Self {
        let now = clock::now();
        Self {
            conn: club.hub.next_conn(),
            club,
            registered,
            identity,
            provenance,
            opened_at: now,
            last_frame_at: now,
            events: Bucket::default(),
            typing: Window::default(),
            misread: Offences::default(),
            rate_limited: Offences::default(),
            expiry_told: false,
            draining: false,
        }
    }

    /// Takes in what was made of a frame. Returns whether it was understood, and within what the connection may say.
    pub fn hear(&mut self, decoded: Result<Inbound, Misread>, link: &mut Link<'_>) -> bool {
        if self.draining {
            return false;
        }
        self.club.metrics.messages_in.inc();
        let now = clock::now();
        self.last_frame_at = now;
        if let Err(wait) = self.events.take(self.club.events, now) {
            let tag = match decoded {
                Ok(Inbound { tag, .. }) | Err(Misread { tag, .. }) => tag,
            };
            self.slow_down(wait, &tag, now, link);
            return false;
        }
        match decoded {
            Ok(inbound) => self.take(inbound, now, link),
            Err(misread) => {
                self.misread(misread, now, link);
                false
            }
        }
    }

    pub fn conn(&self) -> ConnId {
        self.conn
    }

    fn take(&mut self, Inbound { request, tag }: Inbound, now: Timestamp, link: &mut Link<'_>) -> bool {
        match request {
            Request::Command(command) => {
                if matches!(command, Command::Typing { .. })
                    && let Err(wait) = self.typing.take(self.club.typing, now)
                {
                    self.slow_down(wait, &tag, now, link);
                    return false;
                }
                self.club.hub.command(self.conn, command, tag);
            }
            Request::Watch => self.club.hub.watch(self.conn, tag),
            Request::Ping => link.tell(&Event::Pong, &tag, now),
            Request::RefreshToken(token) => match self.renew(&token, now) {
                Ok(()) => {
                    link.tell(&Event::TokenRefreshed { expires_at: self.identity.expires_at }, &tag, now);
                    link.tick_soon();
                }
                Err(reject) => link.tell(&Event::Rejected(reject), &tag, now),
            },
        }
        true
    }

    fn renew(&mut self, token: &str, now: Timestamp) -> Result<(), Reject> {
        let identity = self.club.gatekeeper.verify(Some(token), now)?;
        if identity.user != self.identity.user || identity.organization != self.identity.organization {
            return Err(Reject::new(RejectCode::InvalidToken, "The token is another user's"));
        }
        self.club.hub.renew(self.conn, identity.clone());
        self.identity = identity;
        self.expiry_told = false;
        Ok(())
    }

    fn slow_down(&mut self, wait: Duration, tag: &Tag, now: Timestamp, link: &mut Link<'_>) {
        let retry_after_ms = u64::try_from(wait.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
        link.tell(&Event::Rejected(Reject::rate_limited(retry_after_ms)), tag, now);
        if self.rate_limited.add(now, MAX_RATE_LIMITED) {
            link.close(CloseReason::RateLimited);
        }
    }

    fn misread(&mut self, Misread { reject, tag }: Misread, now: Timestamp, link: &mut Link<'_>) {
        let counts = matches!(reject.code, RejectCode::InvalidJson | RejectCode::UnknownType);
        link.tell(&Event::Rejected(reject), &tag, now);
        if counts && self.misread.add(now, MAX_MISREAD) {
            link.close(CloseReason::TooManyErrors);
        }
    }

    /// Tells that the token will end, or ends with it. Returns when to look again.
    fn look_at_token(&mut self, now: Timestamp, link: &mut Link<'_>) -> Option<Timestamp> {
        let expires_at = self.identity.expires_at?;
        let end = expires_at + EXPIRY_LEEWAY;
        if now >= end {
            link.close(CloseReason::TokenExpired);
            return None;
        }
        let notice = expires_at - EXPIRY_NOTICE;
        if now < notice {
            return Some(notice);
        }
        if !self.expiry_told {
            if !self.registered.dialect.speaks_first() && link.roomless_since().is_some() {
                return Some((now + SECOND_LOOK).min(end));
            }
            self.expiry_told = true;
            link.tell(&Event::TokenExpiring { expires_at }, &None, now);
        }
        Some(end)
    }

    /// Closes a connection that has been in no room and said nothing for too long. Returns when to look again: one of
    /// several on a session stays as long as not all are idle.
    fn look_at_idleness(&self, now: Timestamp, link: &mut Link<'_>) -> Option<Timestamp> {
        let timeout = self.club.idle_timeout?;
        let idle_since = link.roomless_since().map_or(now, |since| since.max(self.last_frame_at));
        let end = idle_since + timeout;
        if now >= end {
            link.close(CloseReason::Idle);
            return Some(now + timeout);
        }
        Some(end)
    }

    fn audit(&self, at: Timestamp, action: AuditAction) {
        self.club.hub.audit(AuditEntry {
            at,
            action,
            dialect: self.registered.dialect.name(),
            organization: self.identity.organization,
            user: Some(self.identity.user),
            address: self.provenance.address,
            origin: self.provenance.origin.clone(),
        });
    }

    fn label(&self) -> DialectLabel {
        DialectLabel { dialect: self.registered.dialect.name() }
    }
}

impl Peer for Member {
    fn opened(&mut self, link: &mut Link<'_>) {
        self.club.metrics.connections.get_or_create(&self.label()).inc();
        self.audit(self.opened_at, AuditAction::Opened);
        // First the hub, then the client: one that has heard that it is connected comes before whatever happens after that.
        let (dialect, identity) = (self.registered.dialect.name(), self.identity.clone());
        self.club.hub.connect(self.conn, dialect, identity, link.outlet(), link.session());
        let heartbeat_secs = link.heartbeat_interval().map_or(0, |interval| interval.as_secs());
        let connected = Event::Connected { conn: self.conn, user: self.identity.user, heartbeat_secs };
        link.tell(&connected, &None, self.opened_at);
    }

    fn text(&mut self, text: &str, link: &mut Link<'_>) {
        self.hear(self.registered.dialect.decode(text), link);
    }

    fn tick(&mut self, link: &mut Link<'_>) -> Option<Duration> {
        let now = clock::now();
        let token = self.look_at_token(now, link);
        let idleness = self.look_at_idleness(now, link);
        token.into_iter().chain(idleness).min().map(|at| at.since(now))
    }

    fn is_congested(&self) -> bool {
        self.club.hub.is_congested()
    }

    fn is_known_to_hub(&self) -> bool {
        true
    }

    fn drain(&mut self, link: &mut Link<'_>) {
        self.draining = true;
        // Multiples of the golden ratio spread evenly, however many there are.
        let spread = self.conn.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let reconnect_after_ms = (spread * RECONNECT_SPREAD_MS) >> 32;
        link.tell(&Event::ServerRestarting { reconnect_after_ms }, &None, clock::now());
    }

    fn ended(&mut self, ending: Ending) {
        self.club.hub.disconnect(self.conn, ending.departure);
        let metrics = &self.club.metrics;
        metrics.connections.get_or_create(&self.label()).dec();
        metrics.closes.get_or_create(&ReasonLabel { reason: ending.reason }).inc();
        if ending.ours == Some(CloseReason::SlowConsumer) {
            metrics.slow_consumers.inc();
        }
        let now = clock::now();
        let lasted = now.since(self.opened_at);
        self.audit(now, AuditAction::Closed { code: ending.code, reason: ending.reason, lasted });
    }
}
