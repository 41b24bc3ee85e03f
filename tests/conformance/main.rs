//! The hub from outside: the built binary, spoken to as clients do, frame by frame as the dialect's page promises.
//!
//! Nothing waits for a time to pass to see that something did not happen: each absence is proved by the next frame
//! being another one.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "../support/chat.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod chat;
#[path = "../support/client.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod client;
#[path = "../support/hub.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod hub;
#[path = "../support/patience.rs"]
mod patience;

mod changes;
mod ending;
mod entering;
mod limits;
mod marks;
mod messages;
mod resuming;
mod rooms;
mod status;

use tertulia::domain::{OrgId, Role};

use hub::{Person, fresh_id};

/// Two agents of one organization.
fn colleagues() -> (Person, Person) {
    let organization = OrgId(fresh_id());
    (Person::new(organization, Role::Agent, "Ada"), Person::new(organization, Role::Agent, "Bo"))
}
