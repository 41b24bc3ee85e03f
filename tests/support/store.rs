//! A store that has every room, takes every change, and forgets all but the audit log and what is kept for recovery.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use tertulia::domain::audit::AuditEntry;
use tertulia::domain::{Identity, OrgId, Recoverable, RecoveryId, RoomId, RoomKind, UserId};
use tertulia::hub::ports::{
    Access, After, Busy, Change, Head, Outcome, Outcomes, Page, Reply, Store, Write, WriteError, Written,
};

#[derive(Default)]
pub struct EasyStore {
    outcomes: OnceLock<Box<dyn Outcomes>>,
    audit: Mutex<Vec<AuditEntry>>,
    kept: Mutex<HashMap<RecoveryId, Recoverable>>,
}

impl EasyStore {
    pub fn audited(&self) -> Vec<AuditEntry> {
        self.audit.lock().unwrap().clone()
    }
}

impl Store for EasyStore {
    fn attach(&self, outcomes: Box<dyn Outcomes>) {
        assert!(self.outcomes.set(outcomes).is_ok(), "attached once");
    }

    fn write(&self, write: Write) -> Result<(), Busy> {
        let outcome = match write.change {
            Change::Room(_) => Ok(Outcome::Room { created: true }),
            Change::Message(_) | Change::Mark(_) | Change::Amend(_) => Err(WriteError::Failed),
        };
        self.outcomes.get().expect("a hub").written(vec![Written { ticket: write.ticket, outcome }]);
        Ok(())
    }

    fn provision(&self, _: &Arc<Identity>) {}

    fn audit(&self, entry: AuditEntry) {
        self.audit.lock().unwrap().push(entry);
    }

    fn access(&self, _: OrgId, _: RoomId, _: UserId) -> Reply<Option<Access>> {
        let access = Access {
            kind: RoomKind::Public,
            archived: false,
            contact: None,
            member: None,
            acl_version: 1,
            last_seq: 0,
            last_pos: 0,
        };
        Box::pin(std::future::ready(Ok(Some(access))))
    }

    fn page(&self, _: RoomId, _: After, _: u32) -> Reply<Page> {
        Box::pin(std::future::ready(Ok(Page::default())))
    }

    fn heads(&self, _: Vec<RoomId>) -> Reply<Vec<Head>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn keep(&self, connection: Recoverable) {
        self.kept.lock().unwrap().insert(connection.id, connection);
    }

    fn kept(&self, _: RecoveryId) -> Reply<bool> {
        Box::pin(std::future::ready(Ok(true)))
    }

    fn forget(&self, id: RecoveryId, _: u64) {
        self.kept.lock().unwrap().remove(&id);
    }

    fn recall(&self, id: RecoveryId) -> Reply<Option<Recoverable>> {
        let kept = self.kept.lock().unwrap().get(&id).cloned();
        Box::pin(std::future::ready(Ok(kept)))
    }

    fn flush(&self) -> Reply<()> {
        Box::pin(std::future::ready(Ok(())))
    }
}
