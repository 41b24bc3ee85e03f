//! The contract of the store, told as stories and run on SQLite and on Postgres alike; then what only one of them can
//! suffer.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on may as well stop")]

#[path = "store/accounts.rs"]
mod accounts;
#[path = "store/amending.rs"]
mod amending;
#[path = "store/chores.rs"]
mod chores;
#[path = "store/contract.rs"]
mod contract;
#[path = "store/desk.rs"]
mod desk;
#[path = "store/durability.rs"]
mod durability;
#[path = "store/faults.rs"]
mod faults;
#[path = "store/holders.rs"]
mod holders;
#[path = "store/opening.rs"]
mod opening;
#[path = "store/outside.rs"]
mod outside;
#[path = "store/places.rs"]
mod places;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "store/reading.rs"]
mod reading;
#[path = "store/recovery.rs"]
mod recovery;
#[path = "store/requests.rs"]
mod requests;
#[path = "store/rooms.rs"]
mod rooms;
#[path = "store/tables.rs"]
mod tables;

/// Runs each story, an `async fn(Desk)`, as a test on each database.
macro_rules! on_both {
    ($($story:ident,)*) => {
        mod on_sqlite {
            $(#[test]
            fn $story() {
                $crate::desk::Backend::sqlite().run(super::$story);
            })*
        }

        mod on_postgres {
            $(#[test]
            fn $story() {
                $crate::desk::Backend::postgres().run(super::$story);
            })*
        }
    };
}
pub(crate) use on_both;
