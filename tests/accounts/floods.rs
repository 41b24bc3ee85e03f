//! Floods of log-ins and registrations: they end in refusals, cost a bounded amount, and lock nobody else out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::api::{Guest, PASSWORD, call, log_in, register};
use crate::hub::Hub;

/// From the address that a trusted proxy tells.
fn log_in_from(hub: &Hub, address: &str, email: &str, password: &str) -> u16 {
    let body = json!({"email": email, "password": password}).to_string();
    let headers = [("content-type", "application/json"), ("x-forwarded-for", address)];
    let answer = call(hub, "POST", "login", &headers, Some(&body));
    if answer.status == 429 || answer.status == 503 {
        assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|it| it > 0), "{answer:?}");
    }
    answer.status
}

#[test]
fn an_address_that_guesses_is_stopped_and_others_are_not() {
    let hub = Hub::start(&["--trusted-proxy", "127.0.0.1"]);
    register(&hub, "ana@example.com", "Ana").of(201);
    let guesses: Vec<u16> = (0..15).map(|_| log_in_from(&hub, "203.0.113.9", "ana@example.com", "a guess")).collect();
    assert_eq!(guesses[..10], [401; 10]);
    assert!(guesses[10..].iter().all(|it| *it == 429), "{guesses:?}");
    assert_eq!(
        log_in_from(&hub, "203.0.113.9", "ana@example.com", PASSWORD),
        429,
        "the password itself is no way round"
    );
    assert_eq!(log_in_from(&hub, "198.51.100.7", "ana@example.com", PASSWORD), 200);
}

#[test]
fn the_limit_passes() {
    let hub = Hub::start(&["--set", "limits.logins_per_ip=2/1s"]);
    let ana = register(&hub, "ana@example.com", "Ana");
    assert_eq!(ana.status, 201);
    assert_eq!(log_in(&hub, "ana@example.com", "a guess").status, 401);
    let start = Instant::now();
    let mut last = 429;
    while last == 429 && start.elapsed() < Duration::from_secs(10) {
        last = log_in(&hub, "ana@example.com", PASSWORD).status;
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(last, 200);
}

#[test]
fn a_flood_from_everywhere_is_bounded_and_those_who_are_in_stay_in() {
    let hub = Hub::start(&["--set", "limits.logins_per_ip=0", "--set", "limits.requests_per_ip=0"]);
    let ana = Guest::registered(&hub, "ana@example.com", "Ana");
    let (refused, turned_away) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let before = hub.resident();
    let mut slowest = Duration::ZERO;
    thread::scope(|scope| {
        for n in 0..120 {
            let (hub, refused, turned_away) = (&hub, &refused, &turned_away);
            scope.spawn(move || match log_in(hub, &format!("guest{n}@example.com"), "a guess").status {
                401 => refused.fetch_add(1, Ordering::Relaxed),
                503 => turned_away.fetch_add(1, Ordering::Relaxed),
                other => panic!("{other}"),
            });
        }
        for _ in 0..20 {
            let start = Instant::now();
            ana.profile(&hub).of(200);
            slowest = slowest.max(start.elapsed());
        }
    });
    let (refused, turned_away) = (refused.into_inner(), turned_away.into_inner());
    assert!(refused > 0 && refused + turned_away == 120, "{refused} {turned_away}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    // A hash takes 19 MiB, and half of the cores hash; nobody else keeps any of that.
    let cores = thread::available_parallelism().map_or(1, |it| it.get() as u64);
    if let (Some(before), Some(after)) = (before, hub.resident()) {
        assert!(after < before + 19 * cores.div_ceil(2) + 60, "{before} MiB, then {after}");
    }
    log_in(&hub, "ana@example.com", PASSWORD).of(200);
}
