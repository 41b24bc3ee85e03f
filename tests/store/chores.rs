//! What nobody waits for: people and the audit log.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use tertulia::clock;
use tertulia::domain::audit::{AuditAction, AuditEntry};
use tertulia::domain::{Identity, OrgId, Role, RoomKind, Scopes};
use tertulia::hub::ports::Store;

use crate::desk::{Backend, organization, user};
use crate::tables::{count, read, row};

fn identity(organization: Option<OrgId>, n: u128, name: &str, role: Role) -> Arc<Identity> {
    let email = (n == 1).then(|| "ana@example.org".into());
    Arc::new(Identity {
        organization,
        user: user(n),
        role,
        name: name.into(),
        email,
        expires_at: None,
        login: None,
        scopes: Scopes::ALL,
    })
}

#[test]
fn people_are_written_and_kept_up_to_date() {
    for backend in [Backend::sqlite(), Backend::postgres()] {
        let organizations = [organization(), organization()];
        backend.run(async |desk| {
            for organization in organizations.map(Some) {
                for n in 1..=100 {
                    desk.store.provision(&identity(organization, n, "somebody", Role::Member));
                }
            }
            desk.store.provision(&identity(None, 200, "nobody's", Role::Member));
            desk.store.settle().await.unwrap();
            desk.store.provision(&identity(Some(organizations[0]), 1, "A\0na", Role::Agent));
            desk.store.provision(&identity(Some(organizations[0]), 1, "A\0na", Role::Agent));
            desk.store.settle().await.unwrap();
        });
        let query = "SELECT name || ' ' || role AS what, max(email) AS detail, count(*) AS number FROM users \
             GROUP BY name, role ORDER BY name";
        let email = Some("ana@example.org");
        let expected = [row("Ana agent", email, 1), row("somebody member", email, 199)];
        assert_eq!(read(&backend.url, query), expected, "{}", backend.url);
    }
}

#[test]
fn somebody_whom_the_database_refuses_keeps_nobody_else_out() {
    let backend = Backend::sqlite();
    backend.run(async |desk| {
        let mut other = SqliteConnection::establish(backend.url.strip_prefix("sqlite:").unwrap()).unwrap();
        let one = "PRAGMA busy_timeout = 5000; CREATE UNIQUE INDEX one ON users (name) WHERE name = 'the one'";
        other.batch_execute(one).unwrap();
        let organization = organization();
        let come = || {
            for n in 1..=20 {
                let name = if n % 10 == 7 { "the one" } else { "somebody" };
                desk.store.provision(&identity(Some(organization), n, name, Role::Member));
            }
        };
        come();
        desk.store.settle().await.unwrap();
        assert_eq!(count(&backend.url, "users"), 19);
        other.batch_execute("DROP INDEX one").unwrap();
        come();
        desk.store.settle().await.unwrap();
        assert_eq!(count(&backend.url, "users"), 20);
    });
}

#[test]
fn whoever_waits_for_writes_does_not_wait_for_people() {
    let backend = Backend::sqlite();
    backend.run(async |desk| {
        let organization = organization();
        // At the pace of people who come by themselves it takes seconds to write them.
        for n in 1..=5_000 {
            desk.store.provision(&identity(Some(organization), n, "somebody", Role::Member));
        }
        desk.room(organization, RoomKind::Public).await;
        desk.store.flush().await.unwrap();
        assert!(count(&backend.url, "users") < 5_000, "everybody was written first");
        desk.store.settle().await.unwrap();
        assert_eq!(count(&backend.url, "users"), 5_000);
    });
}

#[test]
fn the_audit_log_tells_of_everyone_and_counts_strangers() {
    for backend in [Backend::sqlite(), Backend::postgres()] {
        backend.run(async |desk| {
            let entry = |action| AuditEntry {
                at: clock::now(),
                action,
                dialect: "messages",
                organization: Some(organization()),
                user: Some(user(1)),
                address: Ipv4Addr::LOCALHOST.into(),
                origin: Some("https://example.org".into()),
            };
            desk.store.audit(entry(AuditAction::Opened));
            let lasted = Duration::from_millis(1_500);
            desk.store.audit(entry(AuditAction::Closed { code: 4408, reason: "idle", lasted }));
            let refused = entry(AuditAction::Refused { reason: "invalid_token" });
            for _ in 0..1_000 {
                desk.store.audit(refused.clone());
            }
            desk.store.settle().await.unwrap();
            assert_eq!(desk.metrics.audit_dropped.get(), 0);
        });
        let query = "SELECT action AS what, reason AS detail, coalesce(close_code, 0) + coalesce(lasted_ms, 0) + times \
             AS number FROM audit_log ORDER BY action";
        let expected = [
            row("closed", Some("idle"), 4408 + 1_500 + 1),
            row("opened", None, 1),
            row("refused", Some("invalid_token"), 1_000),
        ];
        assert_eq!(read(&backend.url, query), expected, "{}", backend.url);
    }
}

#[test]
fn audit_lines_beyond_the_bound_are_dropped_and_counted() {
    Backend::sqlite().run(async |desk| {
        let opened = AuditEntry {
            at: clock::now(),
            action: AuditAction::Opened,
            dialect: "messages",
            organization: None,
            user: None,
            address: Ipv4Addr::LOCALHOST.into(),
            origin: None,
        };
        // Faster than they can be written, 256 at a time.
        for _ in 0..200_000 {
            desk.store.audit(opened.clone());
        }
        assert!(desk.metrics.audit_dropped.get() > 0);
        desk.store.settle().await.unwrap();
    });
}
