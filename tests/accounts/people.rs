//! Profiles: what one may change about oneself, and that no old token changes it back.

use std::time::Instant;

use serde_json::json;

use crate::api::{Guest, ask, ended_within_a_second, say, socket, try_socket};
use crate::hub::{Hub, Person, fresh_id};
use tertulia::domain::{OrgId, Role, UserId};

#[test]
fn name_avatar_and_status_change_and_what_is_left_out_stays() {
    let hub = Hub::start(&[]);
    let ana = Guest::registered(&hub, "ana@example.com", "Ana");
    let change = |body: &serde_json::Value| say(&hub, "PUT", "profile", Some(&ana.token), body);
    let changed = change(&json!({"name": " Ana Maria ", "avatar_url": "https://a.example/ana.png"})).of(200);
    assert_eq!((&changed["name"], &changed["avatar_url"]), (&json!("Ana Maria"), &json!("https://a.example/ana.png")));
    let changed = change(&json!({"status": "busy"})).of(200);
    assert_eq!((&changed["name"], &changed["status"]), (&json!("Ana Maria"), &json!("busy")));
    assert_eq!(change(&json!({"avatar_url": null})).of(200)["avatar_url"], json!(null));
    for wrong in [
        json!({"name": ""}),
        json!({"name": "x".repeat(101)}),
        json!({"status": "dancing"}),
        json!({"avatar_url": "javascript:alert(1)"}),
        json!({"name": 7}),
    ] {
        assert_eq!(change(&wrong).problem(400), "invalid_payload", "{wrong}");
    }
    assert_eq!(change(&json!([])).problem(400), "invalid_json");
    assert_eq!(ana.profile(&hub).of(200)["name"], json!("Ana Maria"));
}

#[test]
fn a_token_of_before_does_not_bring_the_old_name_back() {
    let mut hub = Hub::start(&[]);
    let ana = Guest::registered(&hub, "ana@example.com", "Ana");
    say(&hub, "PUT", "profile", Some(&ana.token), &json!({"name": "Ana Maria"})).of(200);
    socket(&hub, &ana.token).leave();
    // Everything that was queued is written before the process ends.
    hub.terminate();
    assert_eq!(hub.ended().code(), Some(0));
    hub.restart();
    assert_eq!(ana.profile(&hub).of(200)["name"], json!("Ana Maria"));
    let fresh = ana.refreshed(&hub).of(200);
    assert_eq!(fresh["user"]["name"], json!("Ana Maria"));
    let fresh = Guest::of(&fresh);
    assert_eq!(socket(&hub, &fresh.token).connected["user_id"], json!(ana.id));
}

#[test]
fn disabling_an_account_ends_connections_with_tokens_of_another_back_end_too() {
    let hub = Hub::start(&[]);
    let ana = Guest::registered(&hub, "ana@example.com", "Ana");
    let rui = Guest::registered(&hub, "rui@example.com", "Rui");
    let foreign = |guest: &Guest| {
        let organization = OrgId(guest.organization.parse().unwrap());
        Person { id: UserId(guest.id.parse().unwrap()), ..Person::new(organization, Role::Member, "Rui") }.token()
    };
    let (mut one, mut other) = (socket(&hub, &foreign(&rui)), socket(&hub, &foreign(&ana)));
    assert!(hub.run(&["user", "disable", "rui@example.com"]).status.success());
    ended_within_a_second(&mut one, Instant::now());
    assert_eq!(try_socket(&hub, &foreign(&rui)).err().map(|it| it.status), Some(401));
    other.say("ping", json!({}));
    other.expect("pong");
}

#[test]
fn people_of_another_back_end_have_a_profile_too() {
    let hub = Hub::start(&[]);
    let ada = Person { ..Person::new(OrgId(fresh_id()), Role::Agent, "Ada") };
    let profile = ask(&hub, "GET", "profile", &ada.token()).of(200);
    assert_eq!((&profile["name"], &profile["role"], &profile["email"]), (&json!("Ada"), &json!("agent"), &json!(null)));
    let changed = say(&hub, "PUT", "profile", Some(&ada.token()), &json!({"status": "away"})).of(200);
    assert_eq!((&changed["id"], &changed["status"]), (&json!(ada.id), &json!("away")));
    let nowhere = Person { organization: None, ..ada };
    assert_eq!(ask(&hub, "GET", "profile", &nowhere.token()).problem(403), "forbidden");
}
