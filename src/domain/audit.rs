//! What the audit log keeps of connections: who, from where, how it went.

use std::net::IpAddr;
use std::time::Duration;

use super::{OrgId, Timestamp, UserId};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AuditAction {
    Opened,
    /// Refused before it opened; `reason` is the code of the refusal.
    Refused {
        reason: &'static str,
    },
    /// Something about accounts, logins or keys was done; `what` names it.
    Account {
        what: &'static str,
    },
    Closed {
        code: u16,
        reason: &'static str,
        lasted: Duration,
    },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditEntry {
    pub at: Timestamp,
    pub action: AuditAction,
    /// The dialect's name, or `-` where it was not reached.
    pub dialect: &'static str,
    pub organization: Option<OrgId>,
    pub user: Option<UserId>,
    pub address: IpAddr,
    pub origin: Option<Box<str>>,
}
