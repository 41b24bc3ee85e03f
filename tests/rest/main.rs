//! Rooms, messages and people over HTTP, as a program meets them: the built binary with its database, and sockets beside
//! it that hear what was done.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "../support/chat.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod chat;
#[path = "../support/hub.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod hub;
#[path = "../support/postgres.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod postgres;

mod caller;
mod inputs;
mod intake;
mod lists;
mod messages;
mod permissions;
mod rooms;
mod together;

use tertulia::domain::{OrgId, Role};

use caller::Caller;
use hub::{Hub, Person, fresh_id};
use postgres::Postgres;

/// Runs `story` against a hub on each database.
fn on_both(story: impl Fn(&Hub)) {
    let quiet = ["--set", "limits.requests_per_ip=0", "--set", "rooms.auto_create=false"];
    story(&Hub::start(&quiet));
    let postgres = Postgres::shared();
    let url = format!("database.url={}", postgres.database());
    story(&Hub::start(&[&quiet[..], &["--set", &url]].concat()));
}

/// The people of one organization, known to the hub because each has asked it something.
struct Company<'a> {
    admin: Caller<'a>,
    agent: Caller<'a>,
    ana: Caller<'a>,
    rui: Caller<'a>,
    eva: Caller<'a>,
    leo: Caller<'a>,
}

fn company(hub: &Hub) -> Company<'_> {
    let organization = OrgId(fresh_id());
    let person = |role, name| Caller::new(hub, Person::new(organization, role, name));
    let company = Company {
        admin: person(Role::Admin, "Ada"),
        agent: person(Role::Agent, "Gil"),
        ana: person(Role::Member, "Ana"),
        rui: person(Role::Member, "Rui"),
        eva: person(Role::Member, "Eva"),
        leo: person(Role::Member, "Leo"),
    };
    for caller in [&company.admin, &company.agent, &company.ana, &company.rui, &company.eva, &company.leo] {
        caller.introduce();
    }
    company
}
