//! Two hubs on one database: what ends at one is over at the other, within a second.

use std::time::Instant;

use serde_json::json;

use crate::api::{Guest, PASSWORD, ask, ended_within_a_second, log_in, socket, try_socket};
use crate::hub::Hub;
use crate::postgres::Postgres;

#[test]
fn what_ends_at_one_hub_is_over_at_the_other() {
    let server = Postgres::shared();
    let url = server.database();
    let settings = ["--database-url", &*url];
    let (one, two) = (Hub::start(&settings), Hub::start(&settings));
    let ana = Guest::registered(&one, "ana@example.com", "Ana");
    let again = Guest::of(&log_in(&two, "ana@example.com", PASSWORD).of(200));
    let key = ask(&one, "POST", "api-key", &ana.token).of(201);
    let made = Instant::now();
    let secret = key["key"].as_str().unwrap();
    let mut keyed = loop {
        match try_socket(&two, secret) {
            Ok(chat) => break chat,
            Err(refused) => assert!(made.elapsed().as_secs() < 5, "{refused:?}"),
        }
    };

    let mut chat = socket(&two, &ana.token);
    let since = Instant::now();
    ask(&one, "POST", "logout", &ana.token).of(204);
    ended_within_a_second(&mut chat, since);
    assert_eq!(try_socket(&two, &ana.token).err().map(|it| it.status), Some(401));

    let since = Instant::now();
    ask(&one, "DELETE", &format!("api-keys/{}", key["id"].as_str().unwrap()), &again.token).of(204);
    ended_within_a_second(&mut keyed, since);

    let mut chat = socket(&one, &again.token);
    let renewed = Guest::of(&again.refreshed(&one).of(200));
    let since = Instant::now();
    assert_eq!(again.refreshed(&two).problem(401), "invalid_token");
    ended_within_a_second(&mut chat, since);
    assert_eq!(renewed.refreshed(&one).problem(401), "invalid_token");
    assert_eq!(ask(&one, "GET", "api-keys", &renewed.token).body["code"], json!("invalid_token"));
}
