//! The only door of the hub that sessions and REST see.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};

use super::delivery;
pub use super::outlet::{Backlog, Broadcast, Departure, End, Outlet, Seat, WIRE_FORMS, WireForm};
use super::ports::Store;
use super::server::{ChatServer, Drain, FromSession, SnapshotQuery};
pub use super::server::{Snapshot, start};
pub use super::state::Rules;
use crate::domain::audit::AuditEntry;
use crate::domain::{Command, ConnId, Identity, Tag};
use crate::metrics::Metrics;
use actix::{Addr, WeakRecipient};

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
    server: Addr<ChatServer>,
    shared: Arc<Shared>,
}

impl Hub {
    pub(super) fn new(server: Addr<ChatServer>, shared: Arc<Shared>) -> Self {
        Self { server, shared }
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
        let seat = delivery::take_seat(&self.server, &self.shared, outlet);
        self.post(FromSession::Register { conn, dialect, identity, seat, session });
        seat
    }

    /// Hands a command over. Its answer comes through the connection's outlet.
    pub fn command(&self, conn: ConnId, command: Command, tag: Tag) {
        self.post(FromSession::Command { conn, command, tag });
    }

    /// A fresh token was shown on the open connection: its role rules from here on.
    pub fn renew(&self, conn: ConnId, identity: Arc<Identity>) {
        self.shared.store.provision(&identity);
        self.post(FromSession::Renew { conn, identity });
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
        self.server.send(SnapshotQuery).await.ok()
    }

    /// Ends every connection in an orderly way: all are told, what is being stored is stored and acknowledged,
    /// then they are closed with 1012. Resolves when the closes are on their way.
    pub async fn drain(&self) {
        // An `Err` means that the actor has stopped already, and with it everything there was to drain.
        let _ = self.server.send(Drain).await;
    }

    fn post(&self, message: FromSession) {
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        self.server.do_send(message);
    }
}
