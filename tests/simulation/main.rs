//! A seeded simulation of the hub: everything that may go wrong does, in an order that a seed decides, and after every
//! step the promises of order, durability and delivery are checked from where a client stands.
//!
//! One `State` and several `Fanout`s run exactly as their actors run them, but every message between them, the store
//! and the clients is late by as much as the seed likes. There is no clock, no thread and no socket in here, so a seed
//! gives the same run every time.
//!
//! - `SIMULATION_SEEDS=20000` runs that many seeds instead of the usual number.
//! - `SIMULATION_SEED=17` runs only seed 17 and tells what happens, step by step.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::cast_possible_truncation, reason = "numbers in here are small")]

mod config;
mod device;
mod hub;
mod people;
mod rng;
mod row;
mod scenarios;
mod shown;
mod socket;
mod store;
mod verdict;
mod world;

use std::env;
use std::thread;

use world::World;

/// Seeds per run, unless the environment says otherwise.
const SEEDS: u64 = 3_000;

/// Seeds that broke a promise once, and what they found.
const ONCE_BROKEN: &[(u64, &str)] = &[
    (15, "join, leave and join again, all before the room was loaded, ended in not_found"),
    (33, "a comparison that came during a fill was forgotten"),
    (39, "a sender that was not in the room was skipped in a delivery that was held back until it was"),
    (58, "a fill went beyond the stream, and a session whose join was on its way missed what lay between"),
    (348, "whoever took the slot of a sender that had gone was skipped in what a fill had held back"),
    (516, "acknowledgements that a session was owed came before its Left, ahead of their place"),
    (1617, "last_pos went beyond a message that nobody had been told of"),
    (2225, "a page by pos told a message that a fill told again"),
    (1656, "what a second fill had read was told before what the first one had held back"),
    (2032, "an own message was acknowledged as it was stored, where a page had it changed"),
    (2388, "a room was known to be closed before it was told, and those without a place stayed"),
    (
        3878,
        "a page was cut where the stream had not come yet, and with it a change that it had instead of an earlier one",
    ),
    (9660, "an own deletion was told ahead of a reaction that came before it"),
    (18851, "a command was refused by the role of yesterday and the room of today"),
    (14783, "a fill told messages ahead of older changes, and whoever came back behind them missed these"),
];

/// Names the seed if its run panics.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            let seed = self.0;
            eprintln!("seed {seed} broke a promise; to see how:");
            eprintln!("    SIMULATION_SEED={seed} cargo test --test simulation the_promises -- --nocapture");
        }
    }
}

fn number_from(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text}: expected a number")))
}

fn run(seed: u64, is_told: bool) {
    let _named = Named(seed);
    World::new(seed, is_told).run();
}

#[test]
fn the_promises_hold_whatever_the_seed() {
    if let Some(seed) = number_from("SIMULATION_SEED") {
        return run(seed, true);
    }
    let seeds = number_from("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let threads = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || (first..seeds).step_by(threads as usize).for_each(|seed| run(seed, false)));
        }
    });
}

#[test]
fn seeds_that_once_broke_a_promise_keep_it() {
    for (seed, _) in ONCE_BROKEN {
        run(*seed, false);
    }
}
