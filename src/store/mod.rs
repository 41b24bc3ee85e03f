//! The store: what is acknowledged is in here, on a disk, before anyone is told.
//!
//! One thread writes (`writer`), a batch per transaction; a few read (`reader`), each on a connection of its own. The
//! database may be SQLite, in a file next to the hub, or Postgres; which one is behind the hub shows in no answer.
//!
//! - Every message has the next `seq` of its room and every change the next `pos` of its organization, without gaps, in
//!   the order of commits (`batch::plan`). An organization's row is the lock on its numbering (`batch`).
//! - What changes a stored message, a room or its members goes one by one, under the same lock (`amend`).
//! - What nobody waits for is written between batches, from bounded queues that merge and drop (`people`, `audit`,
//!   `recovery`).
//! - Every write that was taken gets one outcome, after its commit or after its failure, in order (`intake`).
//! - Nothing here panics, hangs for ever or grows without bound because a database is slow, stopped or gone.

mod accounts;
mod amend;
mod audit;
mod batch;
mod connection;
mod errand;
mod error;
mod fixed;
mod intake;
mod link;
mod migrations;
mod parameters;
mod people;
mod queries;
pub mod read;
mod reader;
mod recovery;
mod rows;
mod schema;
mod status;
mod target;
mod values;
mod writer;

use std::sync::{Arc, Weak};
use std::time::Duration;

use actix::{Addr, SyncArbiter, System};

pub use error::OpenError;
pub use migrations::{MigrationReport, migrate, verify};
pub use target::Target;

use crate::clock;
use crate::domain::audit::AuditEntry;
use crate::domain::{Identity, OrgId, Recoverable, RecoveryId, RoomId, UserId};
use crate::hub::ports::{Access, After, Busy, Head, Outcomes, Page, Reply, Store, Unavailable, Write};
use crate::metrics::Metrics;
use connection::{Connection, Purpose};
use intake::Intake;
use link::Link;
use queries::{AccessOf, HeadsOf, PageOf};
use read::Reads;
use reader::Readers;
use recovery::{Beat, HubId, RecoverableOf};
use writer::{Run, Upkeep, Writer};

/// How often the watch looks for a writer that does not come back.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite:PATH` or `postgres://…`.
    pub url: String,
    /// How many threads read.
    pub workers: usize,
    /// How many writes may wait for the writer before `Busy` is answered.
    pub queue: usize,
    /// Bring the schema up to this release, or refuse one that is not.
    pub migrate: bool,
    /// How long after it was lost a connection can be taken up again.
    pub recovery_window: Duration,
    /// How often it is written down that this hub is there. Hubs on one database have the same.
    pub beat: Duration,
}

impl Options {
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            workers: 2,
            queue: 16_384,
            migrate: true,
            recovery_window: Duration::from_mins(2),
            beat: Duration::from_secs(5),
        }
    }
}

/// The store on SQLite or Postgres.
pub struct SqlStore {
    target: Target,
    intake: Arc<Intake>,
    metrics: Arc<Metrics>,
    readers: Readers,
    upkeep: Upkeep,
    _writer: Addr<Writer>,
}

impl SqlStore {
    /// Opens the database and starts the threads. Needs a running actix system.
    pub fn open(options: &Options, metrics: Arc<Metrics>) -> Result<Arc<Self>, OpenError> {
        let target: Target = options.url.parse().map_err(OpenError::Url)?;
        if options.migrate {
            migrate(&options.url)?;
        } else {
            verify(&options.url)?;
        }
        Connection::open(&target, Purpose::Write)
            .map_err(|error| OpenError::Unreachable { target: target.clone(), error })?;

        let upkeep =
            Upkeep { window: options.recovery_window, hub: HubId(clock::fresh_id()), beat: Beat(options.beat) };
        let intake = Arc::new(Intake::new(options.queue));
        let writer = SyncArbiter::start(1, {
            let (target, intake, metrics) = (target.clone(), Arc::clone(&intake), Arc::clone(&metrics));
            move || {
                let link = Link::new(target.clone(), Purpose::Write);
                Writer::new(Arc::clone(&intake), Arc::clone(&metrics), link, upkeep)
            }
        });
        writer.do_send(Run);
        let readers = Readers::start(options.workers.max(1), {
            let target = target.clone();
            move || Link::new(target.clone(), Purpose::Read)
        });
        System::current().arbiter().spawn(watch(Arc::downgrade(&intake), Arc::clone(&metrics)));
        metrics.store_up.set(1);
        Ok(Arc::new(Self { target, intake, metrics, readers, upkeep, _writer: writer }))
    }

    /// What is read besides what the hub asks for.
    pub fn reads(&self) -> Reads {
        Reads::new(self.readers.clone())
    }

    /// As [`Store::flush`], and when what nobody waits for is stored, too: people, connections and the audit log.
    pub fn settle(&self) -> Reply<()> {
        let done = self.intake.flush(true);
        Box::pin(async { done.await.map_err(|_| Unavailable) })
    }

    /// Which database it is, without its secrets.
    pub fn target(&self) -> &Target {
        &self.target
    }
}

impl Drop for SqlStore {
    fn drop(&mut self) {
        self.intake.close();
    }
}

async fn watch(intake: Weak<Intake>, metrics: Arc<Metrics>) {
    loop {
        tokio::time::sleep(WATCH_INTERVAL).await;
        let Some(intake) = intake.upgrade() else { return };
        if intake.watch() {
            metrics.store_up.set(0);
        } else if intake.is_closed() {
            return;
        }
    }
}

impl Store for SqlStore {
    fn attach(&self, outcomes: Box<dyn Outcomes>) {
        self.intake.attach(outcomes);
    }

    fn write(&self, write: Write) -> Result<(), Busy> {
        self.intake.push(write.into())
    }

    fn provision(&self, identity: &Arc<Identity>) {
        self.intake.provision(identity);
    }

    fn audit(&self, entry: AuditEntry) {
        if !self.intake.audit(|log| log.push(entry)) {
            self.metrics.audit_dropped.inc();
        }
    }

    fn access(&self, organization: OrgId, room: RoomId, user: UserId) -> Reply<Option<Access>> {
        self.readers.ask(AccessOf { organization, room, user })
    }

    fn page(&self, room: RoomId, after: After, limit: u32) -> Reply<Page> {
        self.readers.ask(PageOf { room, after, limit })
    }

    fn heads(&self, rooms: Vec<RoomId>) -> Reply<Vec<Head>> {
        self.readers.ask(HeadsOf { rooms })
    }

    fn keep(&self, connection: Recoverable) {
        let dropped = self.intake.keep(connection);
        self.metrics.recovery_dropped.inc_by(dropped as u64);
    }

    fn kept(&self, id: RecoveryId) -> Reply<bool> {
        let written = self.intake.when_kept(id);
        Box::pin(async { written.await.map_err(|_| Unavailable) })
    }

    fn forget(&self, id: RecoveryId, taken_up: u64) {
        self.intake.forget_connection(id, taken_up);
    }

    fn recall(&self, id: RecoveryId) -> Reply<Option<Recoverable>> {
        // Before the table: what is written in between is seen in one of them.
        let sight = self.intake.sight(id);
        let Upkeep { window, hub, beat } = self.upkeep;
        let stored = self.readers.ask(RecoverableOf { id, hub, beat });
        Box::pin(async move { Ok(recovery::judge(sight, stored.await?, clock::now(), window)) })
    }

    fn flush(&self) -> Reply<()> {
        let done = self.intake.flush(false);
        Box::pin(async { done.await.map_err(|_| Unavailable) })
    }
}
