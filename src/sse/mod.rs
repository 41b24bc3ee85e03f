//! Server-sent events: what happens in rooms as an endless HTTP answer, for those who cannot hold a WebSocket.
//!
//! Each stream is a session of the hub like a socket's, that only tells: in the words of the JSON dialects, by a
//! [`Vocabulary`](vocabulary::Vocabulary). It is opened by [`Desk::open`], after all that may be refused was, and each stored
//! event carries the place in the order of all changes from which a client that comes back goes on.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

mod ear;
mod reader;
mod vocabulary;
mod wording;

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{Error, HttpRequest};
use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::domain::{Identity, Reject, RejectCode, RoomId};
use crate::session::dialect::Registered;
use crate::session::member::{Club, Member, Provenance};
use crate::session::offset::Offset;
use crate::session::{Opening, SessionLimits, Sessions, start_streamed};
use crate::transport::caller::Caller;
use reader::{Plan, Reader};
pub use vocabulary::{PATH, wire_forms};
use vocabulary::{Vocabularies, Vocabulary};

/// How long the hub may take to let a stream into its rooms.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lets a client in from an address, unless there are too many.
pub type Admit = dyn Fn(IpAddr, Option<Box<str>>) -> Option<Rc<Provenance>> + Send + Sync;

/// What all streams share.
pub struct Desk {
    club: Arc<Club>,
    sessions: Arc<Sessions>,
    vocabularies: Vocabularies,
    admit: Box<Admit>,
    rules: Rules,
}

/// What depends on the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// In how many rooms one stream may be. 0: any number.
    pub max_rooms: usize,
    /// Rooms appear when they are named.
    pub auto_create: bool,
}

/// What a client asks for.
#[derive(Debug)]
pub struct Wanted<'a> {
    pub rooms: Vec<RoomId>,
    /// The dialect whose words it wants to hear; all, if it names none.
    pub dialect: Option<&'a str>,
    /// Where it stopped, as it says.
    pub last_event_id: Option<&'a str>,
    pub address: IpAddr,
    pub origin: Option<Box<str>>,
}

/// Why a stream is not opened.
#[derive(Debug)]
pub enum Refused {
    /// There is no such dialect; these there are.
    Dialect(Vec<&'static str>),
    /// There are too many rooms in the request: so many may be.
    TooManyRooms(usize),
    TooManyConnections,
    /// This room cannot be entered.
    Room(RoomId, Reject),
}

impl Desk {
    /// `registry`: the dialects there are. `sessions`: those of the other connections.
    pub fn new(
        club: Arc<Club>,
        registry: &'static [Registered],
        sessions: &Sessions,
        admit: Box<Admit>,
        rules: Rules,
    ) -> Arc<Self> {
        // Nothing comes from these clients, so nothing can be missed of them.
        let limits = SessionLimits { heartbeat_timeout: None, ..*sessions.limits() };
        let sessions = sessions.beside(limits);
        Arc::new(Self { club, sessions, vocabularies: Vocabularies::of(registry), admit, rules })
    }

    /// Looks whether what is asked for can be had. Nothing is opened.
    pub async fn check(&self, identity: &Identity, wanted: &Wanted<'_>) -> Result<(), Refused> {
        self.plan(identity, wanted).await.map(drop)
    }

    /// Opens a stream, on this thread. It hears its rooms, or is being told what it missed there, when this resolves.
    pub async fn open(
        &self,
        request: &HttpRequest,
        identity: Arc<Identity>,
        wanted: Wanted<'_>,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + use<>, Refused> {
        let (vocabulary, plan) = self.plan(&identity, &wanted).await?;
        let provenance = (self.admit)(wanted.address, wanted.origin).ok_or(Refused::TooManyConnections)?;
        let caller = request.conn_data::<Caller>().cloned().unwrap_or_default();
        let first = wording::greeting(plan.is_unknown);
        let (ready, opened) = oneshot::channel();
        let registered = self.vocabularies.registered();
        let member = Member::new(self.club.clone(), registered, identity.clone(), provenance);
        let reader = Reader::new(member, self.club.hub.clone(), identity, vocabulary, plan, ready);
        let opening = Opening { peer: Box::new(reader), dialect: None, sessions: self.sessions.clone() };
        let stream = start_streamed(opening, wording::PHRASES, first, &caller);
        match timeout(PATIENCE, opened).await {
            Ok(Ok(Ok(()))) => Ok(stream),
            Ok(Ok(Err((room, reject)))) => Err(Refused::Room(room, reject)),
            // It has ended, or the hub has much to do.
            Ok(Err(_)) | Err(_) => Err(Refused::Room(wanted.rooms[0], Reject::unavailable())),
        }
    }

    async fn plan(&self, identity: &Identity, wanted: &Wanted<'_>) -> Result<(Vocabulary, Plan), Refused> {
        let vocabulary = self
            .vocabularies
            .named(wanted.dialect)
            .ok_or_else(|| Refused::Dialect(self.vocabularies.names().collect()))?;
        let most = self.rules.max_rooms;
        if most > 0 && wanted.rooms.len() > most {
            return Err(Refused::TooManyRooms(most));
        }
        let named = wanted.last_event_id.filter(|it| !it.is_empty());
        // Whatever is stored after the first look is told, however long the others take.
        let (mut now, mut end) = (None, 0);
        for room in &wanted.rooms {
            match self.club.hub.may_enter(identity, *room).await {
                Ok(access) => {
                    now.get_or_insert(access.last_pos);
                    end = end.max(access.last_pos);
                }
                // The hub makes it, or says that it does not. Whoever has heard of it before, knows that it is there.
                Err(reject) if reject.code == RejectCode::NotFound && self.rules.auto_create && named.is_none() => {}
                Err(reject) => return Err(Refused::Room(*room, reject)),
            }
        }
        let from = named.and_then(Offset::parse).filter(|offset| !offset.half && offset.pos <= end);
        let plan = Plan {
            rooms: wanted.rooms.clone(),
            missed_from: from.map(|offset| offset.pos),
            end: if from.is_some() { end } else { now.unwrap_or(0) },
            is_unknown: named.is_some() && from.is_none(),
        };
        Ok((vocabulary, plan))
    }
}
