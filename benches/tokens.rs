//! What it costs to know who comes: a token that is new each time, one that was shown before, an API key, and what
//! strangers can make the hub do at most.

#![allow(clippy::expect_used, reason = "a bench that cannot go on may as well stop")]

mod support;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use sha2::{Digest, Sha256};
use tertulia::auth::ports::{KeyEntry, Roll};
use tertulia::auth::{Authenticator, Grant, Options, Origins, Policy, Proxies, mint};
use tertulia::clock;
use tertulia::domain::{Role, Timestamp};
use tertulia::metrics::Metrics;

const SECRET: &[u8] = b"a secret that only this bench has";

/// More than anything that is remembered for a while would hold.
const STRANGERS: u64 = 20_000;

/// As many keys as a busy organization may have.
const KEYS: u64 = 1_000;

fn token(nth: u64, now: Timestamp) -> String {
    let grant = Grant {
        user: support::user(nth),
        organization: Some(support::organization()),
        role: Role::Agent,
        name: Some("Ada"),
        audience: None,
        lifetime: Duration::from_hours(1),
    };
    mint(SECRET, &grant, now).expect("a token")
}

fn key(nth: u64) -> String {
    format!("tk_{nth:043}")
}

fn authenticator(now: Timestamp) -> Authenticator {
    let options = Options {
        secret: SECRET,
        policy: Policy::default(),
        origins: Origins::new::<&str>(&[], false).expect("no origins"),
        proxies: Proxies::default(),
        dev: false,
    };
    let authenticator = Authenticator::new(options, Arc::new(Metrics::new()));
    let entry = |nth| {
        let hash = Sha256::digest(key(nth)).into();
        KeyEntry { hash, identity: support::identity(nth), is_revoked: false }
    };
    authenticator.directory().replace(Roll { keys: (0..KEYS).map(entry).collect(), ..Roll::default() }, now);
    authenticator
}

fn verification(c: &mut Criterion) {
    let now = clock::now();
    let authenticator = authenticator(now);
    let mut group = c.benchmark_group("verify");

    let tokens: Vec<String> = (0..STRANGERS).map(|nth| token(nth, now)).collect();
    let mut next = tokens.iter().cycle();
    group.bench_function("a token that is new", |b| {
        b.iter(|| {
            let token = next.next().expect("another token");
            authenticator.verify(black_box(token), now).expect("an identity")
        });
    });
    let known = token(0, now);
    group.bench_function("a token that was shown before", |b| {
        b.iter(|| authenticator.verify(black_box(&known), now).expect("an identity"));
    });
    let key = key(KEYS / 2);
    group.bench_function("an API key", |b| {
        b.iter(|| authenticator.verify(black_box(&key), now).expect("an identity"));
    });

    let forged = known.rsplit_once('.').map(|(claims, _)| format!("{claims}.{}", "A".repeat(43))).expect("a token");
    for (name, bad) in [
        ("a token with a wrong signature", forged),
        ("a token that is none", "x".repeat(300)),
        ("16 KiB that are none", "x".repeat(16 * 1024)),
        ("a key that nobody has", "tk_".to_owned() + &"x".repeat(43)),
    ] {
        group.bench_function(name, |b| b.iter(|| authenticator.verify(black_box(&bad), now).expect_err("a refusal")));
    }
}

criterion_group! {
    name = benches;
    config = support::config();
    targets = verification
}
criterion_main!(benches);
