//! Logging in, staying in with tokens that change each time, and leaving.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::api::{Guest, PASSWORD, ask, ended_within_a_second, log_in, register, say, socket, try_socket};
use crate::chat::{PATH, assert_time};
use crate::hub::{Hub, Person, SECRET};
use tertulia::auth::{Policy, Tokens};
use tertulia::domain::{OrgId, Role};

#[test]
fn who_registers_is_in_and_may_log_in_again() {
    let hub = Hub::start(&[]);
    let made = register(&hub, " Ana@Example.com ", "Ana").of(201);
    assert_eq!((&made["token_type"], &made["expires_in"]), (&json!("Bearer"), &json!(900)));
    let user = &made["user"];
    assert_eq!(
        (&user["email"], &user["name"], &user["role"]),
        (&json!("Ana@Example.com"), &json!("Ana"), &json!("admin"))
    );
    assert_eq!((&user["status"], &user["avatar_url"]), (&json!("online"), &json!(null)));
    assert_time(&user["created_at"]);

    let logged_in = log_in(&hub, "ana@example.COM", PASSWORD).of(200);
    assert_eq!(logged_in["user"], *user);
    let ana = Guest::of(&logged_in);
    assert_eq!(ana.profile(&hub).of(200), *user);

    let claims = Tokens::new(SECRET.as_bytes(), Policy::default()).verify(&ana.token, tertulia::clock::now()).unwrap();
    assert_eq!((claims.user.to_string(), claims.role, &*claims.name), (ana.id.clone(), Role::Admin, "Ana"));
    assert_eq!((claims.email.as_deref(), claims.login.is_some()), (Some("Ana@Example.com"), true));

    let chat = socket(&hub, &ana.token);
    assert_eq!(chat.connected["user_id"], json!(ana.id));
    assert_eq!(register(&hub, "ANA@example.com", "Other").problem(409), "conflict");
}

#[test]
fn a_wrong_address_and_a_wrong_password_get_the_same_answer_in_the_same_time() {
    let hub = Hub::start(&["--set", "limits.logins_per_ip=0"]);
    register(&hub, "ana@example.com", "Ana").of(201);
    let timed = |email: &str, password: &str| {
        let start = Instant::now();
        let answer = log_in(&hub, email, password);
        (answer, start.elapsed())
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let (wrong, took) = timed("ana@example.com", "not her password");
        known.push(took);
        let (nobody, took) = timed("nobody@example.com", "not her password");
        unknown.push(took);
        assert_eq!(wrong.body, nobody.body);
        assert_eq!(
            (wrong.problem(401), nobody.problem(401)),
            ("invalid_credentials".into(), "invalid_credentials".into())
        );
    }
    known.sort_unstable();
    unknown.sort_unstable();
    let ratio = known[4].as_secs_f64() / unknown[4].as_secs_f64();
    assert!((0.4..2.5).contains(&ratio), "{known:?} {unknown:?}");
    for (email, password) in [("no address", PASSWORD), ("ana@example.com", ""), ("ana@example.com", &"x".repeat(300))]
    {
        assert_eq!(timed(email, password).0.problem(401), "invalid_credentials");
    }
    assert!(hub.metric("auth_failures_total{reason=\"invalid_credentials\"}") >= 18);
}

#[test]
fn a_refresh_token_is_good_once_and_its_second_use_ends_the_login() {
    let hub = Hub::start(&[]);
    let first = Guest::registered(&hub, "ana@example.com", "Ana");
    let other = Guest::of(&log_in(&hub, "ana@example.com", PASSWORD).of(200));
    let second = Guest::of(&first.refreshed(&hub).of(200));
    assert_ne!((&first.token, &first.refresh), (&second.token, &second.refresh));
    let third = Guest::of(&second.refreshed(&hub).of(200));
    let (mut chat, mut elsewhere) = (socket(&hub, &third.token), socket(&hub, &other.token));

    let since = Instant::now();
    assert_eq!(first.refreshed(&hub).problem(401), "invalid_token");
    ended_within_a_second(&mut chat, since);
    assert_eq!(third.refreshed(&hub).problem(401), "invalid_token");
    assert_eq!(third.profile(&hub).problem(401), "invalid_token");
    assert_eq!(try_socket(&hub, &third.token).err().map(|it| it.status), Some(401));
    assert_eq!(hub.metric("auth_failures_total{reason=\"refresh_token_reused\"}"), 1);

    other.profile(&hub).of(200);
    elsewhere.say("ping", json!({}));
    elsewhere.expect("pong");
}

#[test]
fn what_is_no_refresh_token_is_refused() {
    let hub = Hub::start(&[]);
    let ana = Guest::registered(&hub, "ana@example.com", "Ana");
    let never = format!("tr_{}", "A".repeat(64));
    for token in ["", "tr_", &*ana.token, &*never, &format!("{}A", ana.refresh)] {
        let refused = say(&hub, "POST", "refresh", None, &json!({"refresh_token": token}));
        assert_eq!(refused.problem(401), "invalid_token", "{token}");
    }
    assert_eq!(ask(&hub, "GET", "profile", &ana.refresh).problem(401), "invalid_token", "it opens nothing itself");
    ana.refreshed(&hub).of(200);
}

#[test]
fn logging_out_closes_the_sockets_of_that_login_only() {
    let hub = Hub::start(&[]);
    let here = Guest::registered(&hub, "ana@example.com", "Ana");
    let there = Guest::of(&log_in(&hub, "ana@example.com", PASSWORD).of(200));
    let (mut one, mut two, mut other) =
        (socket(&hub, &here.token), socket(&hub, &here.token), socket(&hub, &there.token));
    let since = Instant::now();
    ask(&hub, "POST", "logout", &here.token).of(204);
    ended_within_a_second(&mut one, since);
    ended_within_a_second(&mut two, since);
    assert_eq!(ask(&hub, "POST", "logout", &here.token).problem(401), "invalid_token");
    assert_eq!(here.refreshed(&hub).problem(401), "invalid_token");
    other.say("ping", json!({}));
    other.expect("pong");

    let since = Instant::now();
    say(&hub, "POST", "logout", None, &json!({"refresh_token": there.refresh})).of(204);
    ended_within_a_second(&mut other, since);
}

#[test]
fn a_token_without_a_login_session_cannot_be_logged_out() {
    let hub = Hub::start(&[]);
    let person = Person::new(OrgId(crate::hub::fresh_id()), Role::Agent, "Ada");
    assert_eq!(ask(&hub, "POST", "logout", &person.token()).problem(409), "conflict");
    assert_eq!(crate::api::call(&hub, "POST", "logout", &[], None).problem(401), "authentication_required");
}

#[test]
fn one_sees_and_ends_ones_own_logins_and_an_administrator_anyones() {
    let hub = Hub::start(&[]);
    let ana = Guest::registered(&hub, "ana@example.com", "Ana");
    let rui = Guest::registered(&hub, "rui@example.com", "Rui");
    let again = Guest::of(&log_in(&hub, "rui@example.com", PASSWORD).of(200));
    let list = ask(&hub, "GET", "sessions", &rui.token).of(200);
    assert_eq!(list["next"], json!(null));
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.iter().map(|it| it["current"].as_bool().unwrap()).collect::<Vec<_>>(), [false, true]);
    for item in items {
        for field in ["created_at", "renewed_at", "expires_at"] {
            assert_time(&item[field]);
        }
        assert_eq!(item["address"], "127.0.0.1");
    }
    let id = |n: usize| items[n]["id"].as_str().unwrap().to_owned();

    let mut chat = socket(&hub, &again.token);
    let since = Instant::now();
    ask(&hub, "DELETE", &format!("sessions/{}", id(0)), &rui.token).of(204);
    ended_within_a_second(&mut chat, since);
    assert_eq!(ask(&hub, "DELETE", &format!("sessions/{}", id(0)), &rui.token).problem(404), "not_found");

    let anas = ask(&hub, "GET", "sessions", &ana.token).of(200)["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(ask(&hub, "DELETE", &format!("sessions/{anas}"), &rui.token).problem(404), "not_found");
    let stranger = Person::new(OrgId(crate::hub::fresh_id()), Role::Admin, "Eve");
    assert_eq!(ask(&hub, "DELETE", &format!("sessions/{anas}"), &stranger.token()).problem(404), "not_found");
    assert_eq!(ask(&hub, "DELETE", "sessions/no-id", &rui.token).problem(404), "not_found");
    let mut chat = socket(&hub, &rui.token);
    let since = Instant::now();
    ask(&hub, "DELETE", &format!("sessions/{}", id(1)), &ana.token).of(204);
    ended_within_a_second(&mut chat, since);
    ana.profile(&hub).of(200);
}

#[test]
fn what_was_logged_in_stays_so_over_a_restart_and_what_was_ended_does_not_come_back() {
    let mut hub = Hub::start(&[]);
    let (ana, gone) = (
        Guest::registered(&hub, "ana@example.com", "Ana"),
        Guest::of(&log_in(&hub, "ana@example.com", PASSWORD).of(200)),
    );
    ask(&hub, "POST", "logout", &gone.token).of(204);
    hub.restart();
    assert_eq!(gone.profile(&hub).problem(401), "invalid_token");
    assert_eq!(gone.refreshed(&hub).problem(401), "invalid_token");
    ana.profile(&hub).of(200);
    ana.refreshed(&hub).of(200);
}

#[test]
fn a_socket_that_opens_while_its_login_ends_does_not_stay_open() {
    let hub = Hub::start(&["--set", "limits.logins_per_ip=0"]);
    register(&hub, "ana@example.com", "Ana").of(201);
    for _ in 0..5 {
        let ana = Guest::of(&log_in(&hub, "ana@example.com", PASSWORD).of(200));
        let opened = std::thread::scope(|scope| {
            let opening = scope.spawn(|| (0..20).map_while(|_| try_socket(&hub, &ana.token).ok()).collect::<Vec<_>>());
            std::thread::sleep(Duration::from_millis(3));
            ask(&hub, "POST", "logout", &ana.token).of(204);
            opening.join().unwrap()
        });
        for mut chat in opened {
            let (code, _, _) = chat.closed();
            assert!(code == 4401 || code == 4409, "{code} at {PATH}");
        }
    }
}
