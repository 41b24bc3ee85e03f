//! What follows from what accounts do: connections that end, people who are seen differently, lines in the audit log.

use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::rt;
use tokio::time::sleep;

use crate::auth::accounts::{Accounts, Herald};
use crate::auth::ports::Ended;
use crate::domain::audit::AuditEntry;
use crate::domain::{OrgId, UserId, UserStatus};
use crate::hub::handle::Hub;

/// How often the hub asks whether others have changed who may come in. An end must be felt within a second.
const LOOK_INTERVAL: Duration = Duration::from_millis(400);

/// A connection that was being opened while its login ended, or its account was disabled, may not have been there to be closed. So it is closed again
/// after these times, by the last of which none can be on its way any more.
const ECHOES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(3)];

/// Tells the hub.
pub(super) struct HubHerald(pub(super) Hub);

impl HubHerald {
    fn end(&self, end: impl Fn(&Hub) + 'static) {
        let hub = self.0.clone();
        end(&hub);
        rt::spawn(async move {
            for pause in ECHOES {
                sleep(pause).await;
                end(&hub);
            }
        });
    }
}

impl Herald for HubHerald {
    fn ended(&self, ended: Ended) {
        self.end(move |hub| hub.end_login(ended.organization, ended.user, ended.login));
    }

    fn shut_out(&self, organization: OrgId, user: UserId) {
        self.end(move |hub| hub.end_user(organization, user));
    }

    fn status(&self, organization: OrgId, user: UserId, status: UserStatus) {
        self.0.status(organization, user, status);
    }

    fn record(&self, entry: AuditEntry) {
        self.0.audit(entry);
    }
}

/// Looks for changes for as long as the accounts are there.
pub(super) fn watch(accounts: &Arc<Accounts>) {
    let accounts = Arc::downgrade(accounts);
    rt::spawn(look(accounts));
}

async fn look(accounts: Weak<Accounts>) {
    let mut is_away = false;
    while let Some(accounts) = accounts.upgrade() {
        let was_away = std::mem::replace(&mut is_away, accounts.look().await.is_err());
        if is_away && !was_away {
            log::warn!("who may come in cannot be asked for: what was read last goes on being true");
        }
        drop(accounts);
        sleep(LOOK_INTERVAL).await;
    }
}
