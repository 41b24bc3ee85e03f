//! The first account: whose it may be, and that there is one first.

use std::thread;

use serde_json::{Value, json};

use crate::api::{Guest, PASSWORD, call, register, say};
use crate::hub::Hub;
use crate::postgres::Postgres;

/// Several hubs on one database, and everyone registers at once: one is the administrator of an organization that all
/// are in.
fn one_first_of_many(hubs: &[&Hub]) {
    let answers: Vec<Value> = thread::scope(|scope| {
        let guests: Vec<_> = (0..8)
            .map(|n| {
                let hub = hubs[n % hubs.len()];
                scope.spawn(move || register(hub, &format!("guest{n}@example.com"), "Guest").of(201))
            })
            .collect();
        guests.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let admins = answers.iter().filter(|it| it["user"]["role"] == "admin").count();
    let members = answers.iter().filter(|it| it["user"]["role"] == "member").count();
    assert_eq!((admins, members), (1, 7), "{answers:?}");
    assert!(answers.iter().all(|it| it["user"]["organization_id"] == answers[0]["user"]["organization_id"]));
}

#[test]
fn of_many_who_register_at_once_one_is_the_first() {
    one_first_of_many(&[&Hub::start(&[])]);
}

#[test]
fn of_many_at_two_hubs_on_one_database_one_is_the_first() {
    let server = Postgres::shared();
    let url = server.database();
    let settings = ["--database-url", &*url];
    let (one, two) = (Hub::start(&settings), Hub::start(&settings));
    one_first_of_many(&[&one, &two]);
}

/// The token in the banner's link.
fn setup_token(hub: &Hub) -> Option<String> {
    let line = hub.banner("?setup=")?;
    let (_, rest) = line.split_once("?setup=")?;
    rest.split_whitespace().next().map(str::to_owned)
}

#[test]
fn through_a_proxy_the_first_account_needs_the_set_up_token() {
    let mut hub = Hub::start(&[]);
    let token = setup_token(&hub).expect("a link in the banner");
    let body = |setup: Option<&str>| {
        let mut body = json!({"email": "ana@example.com", "password": PASSWORD, "name": "Ana"});
        if let Some(setup) = setup {
            body["setup_token"] = setup.into();
        }
        body.to_string()
    };
    for header in [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9"), ("host", "evil.example")] {
        let headers = [("content-type", "application/json"), header];
        assert_eq!(call(&hub, "POST", "register", &headers, Some(&body(None))).problem(403), "forbidden");
        assert_eq!(call(&hub, "POST", "register", &headers, Some(&body(Some("guess")))).problem(403), "forbidden");
    }
    let headers = [("content-type", "application/json"), ("x-forwarded-for", "203.0.113.9")];
    let made = call(&hub, "POST", "register", &headers, Some(&body(Some(&token)))).of(201);
    assert_eq!(made["user"]["role"], "admin");
    hub.restart();
    assert_eq!(setup_token(&hub), None, "there is an administrator now");
    let other = json!({"email": "eve@example.com", "password": PASSWORD, "name": "Eve", "setup_token": token});
    assert_eq!(say(&hub, "POST", "register", None, &other).of(201)["user"]["role"], "member");
}

#[test]
fn a_hub_that_others_can_reach_asks_for_the_set_up_token_everywhere() {
    let hub = Hub::start(&["--listen", "0.0.0.0:0"]);
    assert_eq!(register(&hub, "ana@example.com", "Ana").problem(403), "forbidden");
    let token = setup_token(&hub).expect("a link in the banner");
    let body = json!({"email": "ana@example.com", "password": PASSWORD, "name": "Ana", "setup_token": token});
    assert_eq!(say(&hub, "POST", "register", None, &body).of(201)["user"]["role"], "admin");
}

#[test]
fn the_first_one_names_the_organization_that_is_configured() {
    const ORGANIZATION: &str = "22222222-2222-4222-8222-222222222222";
    let hub = Hub::start(&["--set", &format!("auth.default_organization={ORGANIZATION}")]);
    let ana = Guest::registered(&hub, "ana@example.com", "Ana");
    let rui = Guest::registered(&hub, "rui@example.com", "Rui");
    assert_eq!((&*ana.organization, &*rui.organization), (ORGANIZATION, ORGANIZATION));
}

#[test]
fn a_closed_hub_has_its_administrator_and_nobody_else() {
    let hub = Hub::start(&["--set", "auth.registration=closed"]);
    let rules = |first: bool| json!({"registration": "closed", "first": first});
    assert_eq!(call(&hub, "GET", "registration", &[], None).of(200), rules(true));
    let ana = Guest::registered(&hub, "ana@example.com", "Ana");
    assert_eq!(call(&hub, "GET", "registration", &[], None).of(200), rules(false));
    assert_eq!(register(&hub, "rui@example.com", "Rui").problem(403), "forbidden");
    let invite = crate::api::ask(&hub, "POST", "invites", &ana.token).of(201)["invite"].clone();
    let body = json!({"email": "rui@example.com", "password": PASSWORD, "name": "Rui", "invite": invite});
    assert_eq!(say(&hub, "POST", "register", None, &body).problem(403), "forbidden");
}

#[test]
fn by_invitation_each_is_good_once() {
    let hub = Hub::start(&["--set", "auth.registration=invite"]);
    let ana = Guest::registered(&hub, "ana@example.com", "Ana");
    assert_eq!(register(&hub, "rui@example.com", "Rui").problem(403), "forbidden");
    let invite = say(&hub, "POST", "invites", Some(&ana.token), &json!({"role": "agent"})).of(201)["invite"].clone();
    let with = |email: &str, invite: &Value| {
        let body = json!({"email": email, "password": PASSWORD, "name": "Rui", "invite": invite});
        say(&hub, "POST", "register", None, &body)
    };
    assert_eq!(with("rui@example.com", &"x.y.z".into()).problem(400), "invalid_payload");
    let rui = with("rui@example.com", &invite).of(201);
    assert_eq!((&rui["user"]["role"], &rui["user"]["organization_id"]), (&json!("agent"), &json!(ana.organization)));
    assert_eq!(with("eva@example.com", &invite).problem(409), "conflict");
    let rui = Guest::of(&rui);
    assert_eq!(crate::api::ask(&hub, "POST", "invites", &rui.token).problem(403), "forbidden");
}
