//! A hub that is spoken to in plain words: the smallest dialect there can be, with members as the real ones are.
//!
//! A socket opens at `/words?user=1&ttl=60`: who it is, and for how many seconds its token holds (none: for ever).

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_server::ServerHandle;
use actix_web::App;
use tertulia::clock;
use tertulia::domain::{
    Command, Event, Identity, OrgId, Reject, RejectCode, Resume, Role, RoomId, RoomKind, Scopes, Timestamp, UserId,
};
use tertulia::hub::handle::{Hub, Place, Rules, WireForm, start};
use tertulia::metrics::Metrics;
use tertulia::session::dialect::{Dialect, Gatekeeper, Inbound, Misread, Registered, Request};
use tertulia::session::member::{Club, Lobby, Member, Provenance};
use tertulia::session::{Opening, SessionLimits, Sessions};
use tertulia::transport::listener::Listeners;
use tertulia::transport::upgrade::{Refusal, UpgradeHandler, Verdict};
use uuid::Uuid;

use super::store::EasyStore;

/// Says events by their names, and what the tests look at besides.
struct Words;

static REGISTERED: Registered = Registered { dialect: &Words, form: WireForm(0) };

impl Dialect for Words {
    fn name(&self) -> &'static str {
        "words"
    }

    fn path(&self) -> &'static str {
        "/words"
    }

    fn decode(&self, text: &str) -> Result<Inbound, Misread> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let room = || RoomId(Uuid::from_u128(rest.parse().expect("a number")));
        let request = match word {
            "join" => Request::Command(Command::Join {
                room: room(),
                resume: Resume::Live,
                presence: Some(false),
                create_as: RoomKind::Public,
            }),
            "leave" => Request::Command(Command::Leave { room: room() }),
            "typing" => Request::Command(Command::Typing { room: room(), contact: None, is_typing: true }),
            "ping" => Request::Ping,
            "token" => Request::RefreshToken(rest.into()),
            "?" => return Err(Misread { reject: Reject::field("word", "another"), tag: None }),
            _ => return Err(Misread { reject: Reject::new(RejectCode::UnknownType, "What?"), tag: None }),
        };
        Ok(Inbound { request, tag: None })
    }

    fn encode(&self, event: &Event, _: Option<&str>, _: Timestamp, out: &mut Vec<u8>) -> bool {
        let text = match event {
            Event::Connected { heartbeat_secs, .. } => format!("connected {heartbeat_secs}"),
            Event::Rejected(reject) => format!("error {}", reject.code),
            Event::ServerRestarting { reconnect_after_ms } => format!("server_restarting {reconnect_after_ms}"),
            event => event.name().to_owned(),
        };
        out.extend_from_slice(text.as_bytes());
        true
    }
}

/// Takes tokens of the form `user,ttl`.
struct Trusting;

impl Gatekeeper for Trusting {
    fn verify(&self, token: Option<&str>, now: Timestamp) -> Result<Arc<Identity>, Reject> {
        let (user, ttl) = token
            .and_then(|it| it.split_once(','))
            .ok_or_else(|| Reject::new(RejectCode::InvalidToken, "Two numbers"))?;
        Ok(identity(user.parse().unwrap(), Some(ttl.parse().unwrap()), now))
    }
}

impl Lobby for Trusting {
    fn left(&self, _: IpAddr) {}
}

/// `ttl` in seconds, below zero for a token that has ended.
fn identity(user: u128, ttl: Option<i64>, now: Timestamp) -> Arc<Identity> {
    Arc::new(Identity {
        organization: Some(OrgId(Uuid::from_u128(7))),
        user: UserId(Uuid::from_u128(user)),
        role: Role::Member,
        name: "Ana".into(),
        email: None,
        expires_at: ttl.map(|ttl| Timestamp::from_micros(now.as_micros() + ttl * 1_000_000)),
        login: None,
        scopes: Scopes::ALL,
    })
}

/// Ends with the test.
pub struct WordsServer {
    pub address: SocketAddr,
    pub store: Arc<EasyStore>,
    pub sessions: Arc<Sessions>,
    pub metrics: Arc<Metrics>,
    pub hub: Hub,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl WordsServer {
    /// `change` may set other limits than the usual ones.
    pub fn start(limits: SessionLimits, change: impl FnOnce(&mut Club) + Send + 'static) -> Self {
        let (ready, started) = mpsc::channel();
        let (store, sessions, metrics) = (Arc::new(EasyStore::default()), Sessions::new(limits), Arc::default());
        let (for_hub, for_handler, for_club) = (store.clone(), sessions.clone(), Arc::clone(&metrics));
        let thread = std::thread::spawn(move || {
            actix::System::new().block_on(async move {
                let rules = Rules {
                    auto_create: true,
                    shared_store: false,
                    max_rooms_per_connection: 1000,
                    max_connections_per_user: 10,
                };
                let hub = start(rules, for_hub, Arc::clone(&for_club), Place::OwnThread);
                let mut club = Club {
                    hub: hub.clone(),
                    gatekeeper: Arc::new(Trusting),
                    metrics: for_club,
                    events: None,
                    typing: None,
                    idle_timeout: Some(Duration::from_mins(15)),
                };
                change(&mut club);
                let any_port = ([127, 0, 0, 1], 0).into();
                let handler = handler(Arc::new(club), for_handler);
                let mut listeners = Listeners::new(2);
                let address = listeners.bind(any_port, None, App::new, handler).expect("a free port");
                let server = listeners.run();
                ready.send((address, server.handle(), hub)).expect("the test waits");
                server.await.expect("a server that runs");
            });
        });
        let (address, handle, hub) = started.recv().expect("a server that starts");
        Self { address, store, sessions, metrics, hub, handle, thread: Some(thread) }
    }
}

impl Drop for WordsServer {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the server panicked");
        }
    }
}

fn handler(club: Arc<Club>, sessions: Arc<Sessions>) -> UpgradeHandler {
    Arc::new(move |request| {
        let parameter = |name: &str| {
            request.query().split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        let verdict = match parameter("user") {
            Some(user) if request.path() == REGISTERED.dialect.path() => {
                let ttl = parameter("ttl").map(|ttl| ttl.parse().unwrap());
                let origin = request.header("origin").map(Into::into);
                let provenance = Rc::new(Provenance::new(request.peer().ip(), origin, Arc::new(Trusting)));
                let identity = identity(user.parse().unwrap(), ttl, clock::now());
                let member = Member::new(club.clone(), &REGISTERED, identity, provenance);
                Verdict::Accept(Opening {
                    peer: Box::new(member),
                    dialect: Some(&REGISTERED),
                    sessions: sessions.clone(),
                })
            }
            _ => Verdict::Refuse(Refusal::not_found()),
        };
        Box::pin(std::future::ready(verdict))
    })
}
