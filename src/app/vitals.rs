//! What the API may ask of the running process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use uuid::Uuid;

use crate::api::{Pending, Vitals};
use crate::domain::{OrgId, RoomId, UserId};
use crate::hub::handle::{Hub, Snapshot};
use crate::hub::ports::Store as _;
use crate::metrics::Metrics;
use crate::store::SqlStore;

pub(super) struct Process {
    pub(super) hub: Hub,
    pub(super) store: Arc<SqlStore>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) draining: Arc<AtomicBool>,
}

impl Vitals for Process {
    fn snapshot(&self) -> Pending<Option<Snapshot>> {
        let hub = self.hub.clone();
        Box::pin(async move { hub.snapshot().await })
    }

    fn database(&self) -> Pending<bool> {
        // Looks a room up that does not exist: the way of every other read, and next to no work.
        let (organization, room, user) = (OrgId(Uuid::nil()), RoomId(Uuid::nil()), UserId(Uuid::nil()));
        let access = self.store.access(organization, room, user);
        let metrics = self.metrics.clone();
        // Reading may work where writing does not: the writer says so when it fails.
        Box::pin(async move { access.await.is_ok() && metrics.store_up.get() > 0 })
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
