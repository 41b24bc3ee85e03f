//! Streams of events from outside: the built binary, read as browsers read it, and by clients that mean no good.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "../support/chat.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod chat;
#[path = "../support/hub.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod hub;

mod ending;
mod entering;
mod resuming;
mod stream;
mod telling;

use tertulia::domain::{OrgId, Role};

use hub::{Person, fresh_id};

/// Two agents of one organization.
fn colleagues() -> (Person, Person) {
    let organization = OrgId(fresh_id());
    (Person::new(organization, Role::Agent, "Ada"), Person::new(organization, Role::Agent, "Bo"))
}
