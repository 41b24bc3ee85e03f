//! The only door of the hub that sessions and REST see.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::delivery;
use super::membership::Facts;
pub use super::outlet::{Backlog, Broadcast, Departure, End, Outlet, Seat, WIRE_FORMS, WireForm};
use super::permissions;
pub use super::ports::{Access, After, Page, Unavailable};
use super::ports::{Reply, Store};
use super::server::{ChatServer, Drain, FromSession, OnlineQuery, SnapshotQuery};
pub use super::server::{Place, Snapshot, start};
pub use super::state::Rules;
use crate::domain::audit::AuditEntry;
use crate::domain::{
    CloseReason, Command, ConnId, Event, Identity, LoginId, OrgId, Recoverable, RecoveryId, Reject, RoomId, Tag,
    UserId, UserStatus,
};
use crate::metrics::Metrics;
use actix::{Addr, Arbiter, ArbiterHandle, WeakRecipient};
use tokio::sync::oneshot;

/// Commands may wait in front of the `ChatServer` up to this number; then sessions stop reading.
const CONGESTED: usize = 16_384;

/// What all handles of one hub share.
pub(super) struct Shared {
    /// Tells this hub's fan-outs from another's in the same process.
    pub(super) id: u64,
    pub(super) store: Arc<dyn Store>,
    pub(super) metrics: Arc<Metrics>,
    /// Commands in front of the `ChatServer`.
    waiting: AtomicUsize,
    next_conn: AtomicU64,
    next_worker: AtomicU16,
    /// Nobody is to stay who comes now.
    pub(super) draining: AtomicBool,
}

impl Shared {
    pub(super) fn new(store: Arc<dyn Store>, metrics: Arc<Metrics>) -> Arc<Self> {
        static HUBS: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self {
            id: HUBS.fetch_add(1, Ordering::Relaxed),
            store,
            metrics,
            waiting: AtomicUsize::new(0),
            next_conn: AtomicU64::new(1),
            next_worker: AtomicU16::new(0),
            draining: AtomicBool::new(false),
        })
    }

    pub(super) fn next_worker(&self) -> u16 {
        self.next_worker.fetch_add(1, Ordering::Relaxed)
    }

    /// The `ChatServer` has taken one of the commands that wait.
    pub(super) fn taken(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The hub, as sessions and REST handlers hold it.
#[derive(Clone)]
pub struct Hub {
    server: Arc<OnceLock<Addr<ChatServer>>>,
    rules: Rules,
    shared: Arc<Shared>,
}

impl Hub {
    pub(super) fn new(rules: Rules, shared: Arc<Shared>) -> Self {
        Self { server: Arc::default(), rules, shared }
    }

    /// Starts the actor, unless it runs.
    pub(super) fn start_in(&self, arbiter: &ArbiterHandle) -> &Addr<ChatServer> {
        self.server.get_or_init(|| ChatServer::start_on(arbiter, self.rules.clone(), &self.shared))
    }

    /// Starts the actor on this thread, a worker's, unless it runs somewhere.
    pub fn start_here(&self) -> &Addr<ChatServer> {
        self.server.get().unwrap_or_else(|| self.start_in(&Arbiter::current()))
    }

    /// An id for a connection that is about to open.
    pub fn next_conn(&self) -> ConnId {
        ConnId(self.shared.next_conn.fetch_add(1, Ordering::Relaxed))
    }

    /// Takes a connection in: gives its outlet a place in this thread's fan-out and registers it with the `ChatServer`.
    /// To be called on the worker thread that owns the socket.
    pub fn connect(
        &self,
        conn: ConnId,
        dialect: &'static str,
        identity: Arc<Identity>,
        outlet: Rc<dyn Outlet>,
        session: WeakRecipient<End>,
    ) -> Seat {
        self.shared.store.provision(&identity);
        let seat = delivery::take_seat(self.start_here(), &self.shared, outlet);
        self.post(FromSession::Register { conn, dialect, identity, seat, session });
        seat
    }

    /// Hands a command over. Its answer comes through the connection's outlet.
    pub fn command(&self, conn: ConnId, command: Command, tag: Tag) {
        self.post(FromSession::Command { conn, command, tag });
    }

    /// Hands over a command of somebody who has no connection (REST), and waits for its answer. Unavailable before the
    /// start and after the end.
    pub async fn ask(&self, identity: Arc<Identity>, command: Command) -> Result<Event, Reject> {
        self.shared.store.provision(&identity);
        let (reply, answer) = oneshot::channel();
        self.post(FromSession::Ask { conn: self.next_conn(), identity, command, reply });
        match answer.await {
            Ok(Event::Rejected(reject)) => Err(reject),
            Ok(event) => Ok(event),
            Err(_) => Err(Reject::unavailable()),
        }
    }

    /// Whether somebody may join and read a room, by the rules that commands go by. `Ok`: the room as they meet it.
    pub async fn may_enter(&self, identity: &Identity, room: RoomId) -> Result<Access, Reject> {
        let organization = identity.organization.ok_or_else(Reject::no_organization)?;
        let access = self.shared.store.access(organization, room, identity.user).await;
        let access = access.map_err(|Unavailable| Reject::unavailable())?.ok_or_else(Reject::not_found)?;
        permissions::enter(identity, &Facts::of(organization, &access), access.member)?;
        Ok(access)
    }

    /// Which of these users have a connection, in their order; nobody where the hub has stopped.
    pub async fn online(&self, organization: OrgId, users: Vec<UserId>) -> Vec<bool> {
        let count = users.len();
        let Some(server) = self.server.get() else { return vec![false; count] };
        server.send(OnlineQuery { organization, users }).await.unwrap_or_else(|_| vec![false; count])
    }

    /// Keeps a connection for recovery; see [`Store`].
    pub fn keep(&self, connection: Recoverable) {
        self.shared.store.keep(connection);
    }

    /// What was kept until this call counts, not until somebody waits for its answer.
    pub fn kept(&self, id: RecoveryId) -> Reply<bool> {
        self.shared.store.kept(id)
    }

    /// Lets go of what is kept of a connection that was taken up so often.
    pub fn forget(&self, id: RecoveryId, taken_up: u64) {
        self.shared.store.forget(id, taken_up);
    }

    pub async fn recall(&self, id: RecoveryId) -> Result<Option<Recoverable>, Unavailable> {
        self.shared.store.recall(id).await
    }

    /// A piece of what has changed in a room after a `pos`, for somebody who [may enter](Self::may_enter) it.
    pub async fn changes(&self, room: RoomId, after: u64, limit: u32) -> Result<Page, Unavailable> {
        self.shared.store.page(room, After::Pos(after), limit).await
    }

    /// The connection hears of its user's rooms from now on.
    pub fn watch(&self, conn: ConnId, tag: Tag) {
        self.post(FromSession::Watch { conn, tag });
    }

    /// A user wants to be seen in another way: those who want to know hear of it, wherever the user is.
    pub fn status(&self, organization: OrgId, user: UserId, status: UserStatus) {
        self.post(FromSession::Status { organization, user, status });
    }

    /// Ends the connections of a login session that was ended, or of a key that was revoked.
    pub fn end_login(&self, organization: OrgId, user: UserId, login: LoginId) {
        self.post(FromSession::EndLogin { organization, user, login: Some(login) });
    }

    /// Ends all connections of a user who may not come in any more.
    pub fn end_user(&self, organization: OrgId, user: UserId) {
        self.post(FromSession::EndLogin { organization, user, login: None });
    }

    /// A fresh token was shown on the open connection: its role rules from here on.
    pub fn renew(&self, conn: ConnId, identity: Arc<Identity>) {
        self.shared.store.provision(&identity);
        self.post(FromSession::Renew { conn, identity });
    }

    /// This user is back on another connection, which is about to be taken in: the one that was lost counts no more, and ends.
    /// Nothing happens if it is somebody else's.
    pub fn supersede(&self, conn: ConnId, identity: Arc<Identity>) {
        self.post(FromSession::Supersede { conn, identity });
    }

    /// Ends a connection.
    pub fn end(&self, conn: ConnId, reason: CloseReason) {
        self.post(FromSession::End { conn, reason });
    }

    pub fn disconnect(&self, conn: ConnId, departure: Departure) {
        self.post(FromSession::Unregister { conn, departure });
    }

    /// More commands wait than should: read no more from sockets until it is false again.
    pub fn is_congested(&self) -> bool {
        self.shared.waiting.load(Ordering::Relaxed) > CONGESTED
    }

    pub fn audit(&self, entry: AuditEntry) {
        self.shared.store.audit(entry);
    }

    /// Counts as of now. `None`: the hub has stopped.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        self.server.get()?.send(SnapshotQuery).await.ok()
    }

    /// Ends every connection in an orderly way: all are told, what is being stored is stored and acknowledged,
    /// then they are closed with 1012. Resolves when the closes are on their way.
    pub async fn drain(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
        // An `Err` means that the actor has stopped already, and with it everything there was to drain.
        if let Some(server) = self.server.get() {
            let _ = server.send(Drain).await;
        }
    }

    fn post(&self, message: FromSession) {
        if let Some(server) = self.server.get() {
            self.shared.waiting.fetch_add(1, Ordering::Relaxed);
            server.do_send(message);
        }
    }
}
