//! Engine.IO (revision 4) at one path: who asks for a session or for something of one, on either transport.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustc_hash::FxBuildHasher;
use tokio::sync::Notify;

use super::connection::Connection;
use super::host::{Host, Visit};
use super::refusal::Wrong;
use super::sid::Sid;
use super::strangers::Strangers;
use crate::session::{Opening, PollName, Polled, SessionLimits, Sessions};
use crate::transport::query;
use crate::transport::upgrade::{UpgradeRequest, Verdict};

/// How an Engine.IO path behaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Begins with a slash; answered with and without one at its end.
    pub path: String,
    /// How long after a Pong the next Ping is sent.
    pub ping_interval: Duration,
    /// How long a Pong may take.
    pub ping_timeout: Duration,
    /// The longest payload of a request and the longest message on a socket, in bytes.
    pub max_payload: usize,
    /// How long a client may take to move to a socket.
    pub upgrade_timeout: Duration,
    pub cors: Cors,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            path: "/socket.io/".into(),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            max_payload: 1_000_000,
            upgrade_timeout: Duration::from_secs(10),
            cors: Cors::Outside,
        }
    }
}

impl Settings {
    /// The limits of its sessions, made of those of others: heartbeat and length of messages are the protocol's.
    pub fn limits(&self, others: SessionLimits) -> SessionLimits {
        SessionLimits { max_message: self.max_payload, heartbeat_interval: None, heartbeat_timeout: None, ..others }
    }
}

/// Who tells browsers which pages may read the answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cors {
    /// Any page may, but without its user's cookies.
    Any,
    /// That is seen to around the application.
    Outside,
}

/// Serves the clients of one path. Mounted with [`Engine::routes`] for requests and [`Engine::upgrade`] for sockets.
pub struct Engine {
    settings: Settings,
    sessions: Arc<Sessions>,
    host: Arc<dyn Host>,
    /// Sessions that began without a socket, until they end.
    listed: RwLock<HashMap<Sid, Arc<Entry>, FxBuildHasher>>,
    /// Sessions that began with a socket: requests that name one are told that it is not for them.
    with_socket: RwLock<HashSet<Sid, FxBuildHasher>>,
    pub(super) strangers: Strangers,
}

/// A session that requests may name.
pub(super) struct Entry {
    pub(super) session: Polled,
    /// A post is being read or heard.
    pub(super) posting: AtomicBool,
    /// Comes when the session has ended, for the one post that may be read then.
    end: Notify,
}

impl Entry {
    /// Comes when the session has ended.
    pub(super) async fn over(&self) {
        self.end.notified().await;
    }
}

impl Engine {
    /// `sessions` are to have [`Settings::limits`].
    pub fn new(mut settings: Settings, sessions: Arc<Sessions>, host: Arc<dyn Host>) -> Arc<Self> {
        settings.path.truncate(settings.path.trim_end_matches('/').len());
        Arc::new(Self {
            settings,
            sessions,
            host,
            listed: RwLock::default(),
            with_socket: RwLock::default(),
            strangers: Strangers::default(),
        })
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether a request's path is the engine's.
    pub fn serves(&self, path: &str) -> bool {
        path.strip_prefix(&*self.settings.path).is_some_and(|rest| matches!(rest, "" | "/"))
    }

    /// How many sessions there are that began without a socket.
    pub fn listed(&self) -> usize {
        self.listed.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Ends the sessions that the hub does not know of, and those that come after this: the process is ending.
    pub fn drain(&self) {
        self.strangers.drain();
    }

    /// Decides about a request for a socket at the engine's path.
    pub fn upgrade(self: &Arc<Self>, request: &UpgradeRequest) -> Verdict {
        let visit = Visit { headers: request.headers(), query: request.query(), peer: request.peer() };
        let verdict = match self.admit(&visit) {
            Ok(verdict) => verdict,
            Err(wrong) => {
                let refusal = wrong.refusal();
                return Verdict::Refuse(match self.settings.cors {
                    Cors::Any => refusal.header("access-control-allow-origin", "*"),
                    Cors::Outside => refusal,
                });
            }
        };
        match request.favourite_protocol() {
            // What is spoken is always the same; but clients take an answer that names none of theirs for a refusal.
            Some(protocol) => Verdict::Speaking(protocol.to_owned(), Box::new(verdict)),
            None => verdict,
        }
    }

    fn admit(self: &Arc<Self>, visit: &Visit<'_>) -> Result<Verdict, Wrong> {
        let wanted = self.wanted(visit)?;
        if wanted.transport != Transport::WebSocket {
            return Err(Wrong::BadRequest);
        }
        if let Some(entry) = wanted.session {
            return Ok(Verdict::Offer(entry.session.clone(), self.settings.upgrade_timeout));
        }
        Ok(Verdict::Accept(self.open(visit, false)?.1))
    }

    /// What a request names, if its page may ask, and if there is such a thing.
    pub(super) fn wanted(&self, visit: &Visit<'_>) -> Result<Wanted, Wrong> {
        if !self.host.permits(visit) {
            return Err(Wrong::Forbidden);
        }
        let query = Query::of(visit.query);
        let transport = match query.transport.as_deref() {
            Some("polling") => Transport::Polling,
            Some("websocket") => Transport::WebSocket,
            _ => return Err(Wrong::UnknownTransport),
        };
        let session = match query.sid.as_deref().filter(|sid| !sid.is_empty()) {
            None => None,
            Some(sid) => {
                let sid = Sid::of(sid).ok_or(Wrong::UnknownSid)?;
                let entry = self.find(&sid)?;
                if !query.is_version_4 {
                    return Err(Wrong::BadRequest);
                }
                Some(entry)
            }
        };
        Ok(Wanted { transport, session, name: query.t.as_deref().and_then(PollName::of) })
    }

    /// Makes a session for a new client. `listed`: requests may name it.
    pub(super) fn open(self: &Arc<Self>, visit: &Visit<'_>, listed: bool) -> Result<(Sid, Opening), Wrong> {
        if !Query::of(visit.query).is_version_4 {
            return Err(Wrong::UnsupportedVersion);
        }
        let peer = self.host.open(visit)?;
        let sid = Sid::fresh().ok_or(Wrong::Restarting)?;
        if !listed {
            self.with_socket.write().unwrap_or_else(PoisonError::into_inner).insert(sid);
        }
        let connection = Connection::new(self.clone(), peer, sid, listed);
        Ok((sid, Opening { peer: Box::new(connection), dialect: None, sessions: self.sessions.clone() }))
    }

    /// The session that a request names.
    fn find(&self, sid: &Sid) -> Result<Arc<Entry>, Wrong> {
        let found = self.listed.read().unwrap_or_else(PoisonError::into_inner).get(sid).cloned();
        found.ok_or_else(|| {
            let has_socket = self.with_socket.read().unwrap_or_else(PoisonError::into_inner).contains(sid);
            if has_socket { Wrong::BadRequest } else { Wrong::UnknownSid }
        })
    }

    pub(super) fn list(&self, sid: Sid, session: Polled) {
        let entry = Arc::new(Entry { session, posting: AtomicBool::new(false), end: Notify::new() });
        self.listed.write().unwrap_or_else(PoisonError::into_inner).insert(sid, entry);
    }

    /// A session is over. `listed`: it began without a socket.
    pub(super) fn forget(&self, sid: &Sid, listed: bool) {
        if !listed {
            self.with_socket.write().unwrap_or_else(PoisonError::into_inner).remove(sid);
            return;
        }
        let entry = self.listed.write().unwrap_or_else(PoisonError::into_inner).remove(sid);
        if let Some(entry) = entry {
            entry.end.notify_one();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Transport {
    Polling,
    WebSocket,
}

/// What a request asks for.
pub(super) struct Wanted {
    pub(super) transport: Transport,
    pub(super) session: Option<Arc<Entry>>,
    /// Which poll it is, if it is one.
    pub(super) name: Option<PollName>,
}

/// What the protocol puts into a query.
#[derive(Debug)]
struct Query<'a> {
    transport: Option<Cow<'a, str>>,
    sid: Option<Cow<'a, str>>,
    /// Another one for each request, so that no cache answers it.
    t: Option<Cow<'a, str>>,
    is_version_4: bool,
}

impl<'a> Query<'a> {
    fn of(query: &'a str) -> Self {
        let last = |name| query::last(query, name);
        let is_version_4 = last("EIO").is_some_and(|version| version == "4");
        Self { transport: last("transport"), sid: last("sid"), t: last("t"), is_version_4 }
    }
}
