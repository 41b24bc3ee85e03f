//! `tertulia user` and `tertulia key`, beside a running hub and before there is one.

use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::api::{Guest, PASSWORD, ask, ended_within_a_second, log_in, say, socket, try_socket};
use crate::hub::{Hub, Person, fresh_id};
use crate::postgres::Postgres;
use tertulia::domain::{OrgId, Role};

#[track_caller]
fn printed(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refused(output: Output, code: i32) -> String {
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), text.lines().count()), (Some(code), 1), "{text}");
    text
}

fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect(name);
    line.trim()
}

/// The whole story, on whichever database.
fn story(hub: &Hub) {
    let added = printed(hub.run(&["user", "add", "--email", "ana@example.com", "--name", "Ana"]));
    assert_eq!(field(&added, "role"), "admin", "the first");
    let ana = Guest::of(&log_in(hub, "ana@example.com", field(&added, "password")).of(200));
    let added = printed(hub.run(&["user", "add", "--email", "Rui@example.com", "--name", "Rui", "--role", "agent"]));
    let rui = Guest::of(&log_in(hub, "rui@example.com", field(&added, "password")).of(200));
    assert_eq!((&*rui.organization, field(&added, "organization")), (&*ana.organization, &*ana.organization));
    refused(hub.run(&["user", "add", "--email", "RUI@example.com", "--name", "Rui"]), 1);
    refused(hub.run(&["user", "add", "--email", "rui", "--name", "Rui"]), 2);
    let list = printed(hub.run(&["user", "list"]));
    assert!(list.lines().count() == 2 && list.contains("Rui@example.com") && list.contains("agent"), "{list}");

    let key =
        printed(hub.run(&["key", "create", "--user", "rui@example.com", "--scopes", "chat:read", "--expires", "1h"]));
    let key = key.trim();
    let made = Instant::now();
    let mut keyed = loop {
        match try_socket(hub, key) {
            Ok(chat) => break chat,
            Err(refused) => assert!(made.elapsed() < Duration::from_secs(5), "{refused:?}"),
        }
    };
    assert_eq!(keyed.connected["user_id"], json!(rui.id));
    let list = printed(hub.run(&["key", "list"]));
    let id = list.split_whitespace().next().unwrap();
    printed(hub.run(&["key", "revoke", id]));
    ended_within_a_second(&mut keyed, Instant::now());
    refused(hub.run(&["key", "revoke", id]), 1);
    refused(hub.run(&["key", "create", "--user", "rui@example.com", "--scopes", "fly"]), 2);

    // The old role is good for nothing any more, and who logs in again has the new one.
    let mut chat = socket(hub, &rui.token);
    printed(hub.run(&["user", "role", "rui@example.com", "admin"]));
    ended_within_a_second(&mut chat, Instant::now());
    assert_eq!(rui.profile(hub).problem(401), "invalid_token");
    assert_eq!(rui.refreshed(hub).problem(401), "invalid_token");
    let rui = Guest::of(&log_in(hub, "rui@example.com", field(&added, "password")).of(200));
    ask(hub, "GET", "api-keys", &rui.token).of(200);

    let mut chat = socket(hub, &rui.token);
    printed(hub.run(&["user", "disable", "rui@example.com"]));
    ended_within_a_second(&mut chat, Instant::now());
    assert_eq!(rui.refreshed(hub).problem(401), "invalid_token");
    assert_eq!(log_in(hub, "rui@example.com", field(&added, "password")).problem(403), "forbidden");
    assert_eq!(log_in(hub, "rui@example.com", "a guess for Rui").problem(401), "invalid_credentials");
    printed(hub.run(&["user", "enable", "rui@example.com"]));
    log_in(hub, "rui@example.com", field(&added, "password")).of(200);

    let changed = printed(hub.run(&["user", "password", "rui@example.com"]));
    assert_eq!(log_in(hub, "rui@example.com", field(&added, "password")).problem(401), "invalid_credentials");
    log_in(hub, "rui@example.com", field(&changed, "password")).of(200);
    refused(hub.run(&["user", "role", "nobody@example.com", "agent"]), 1);

    let invite = printed(hub.run(&["user", "invite", "--role", "agent"]));
    let body = json!({"email": "eva@example.com", "password": PASSWORD, "name": "Eva", "invite": invite.trim()});
    assert_eq!(say(hub, "POST", "register", None, &body).of(201)["user"]["role"], "agent");
}

#[test]
fn beside_a_hub_on_sqlite() {
    story(&Hub::start(&["--set", "limits.logins_per_ip=0"]));
}

#[test]
fn beside_a_hub_on_postgres() {
    let server = Postgres::shared();
    story(&Hub::start(&["--database-url", &server.database(), "--set", "limits.logins_per_ip=0"]));
}

#[test]
fn a_key_for_somebody_of_another_back_end() {
    let hub = Hub::start(&[]);
    let ada = Person::new(OrgId(fresh_id()), Role::Agent, "Ada");
    ask(&hub, "GET", "profile", &ada.token()).of(200);
    let (id, org) = (ada.id.to_string(), ada.organization.unwrap().to_string());
    let key = printed(hub.run(&["key", "create", "--user-id", &id, "--org", &org]));
    let made = Instant::now();
    while ask(&hub, "GET", "profile", key.trim()).status != 200 {
        assert!(made.elapsed() < Duration::from_secs(5));
    }
    refused(hub.run(&["key", "create", "--user-id", &fresh_id().to_string(), "--org", &org]), 1);
}

#[test]
fn before_there_is_a_hub_an_account_can_be_made() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str], input: &str| {
        use std::io::Write as _;
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tertulia"))
            .env_clear()
            .current_dir(dir.path())
            .args(args)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let add = ["user", "add", "--email", "ana@example.com", "--name", "Ana", "--password-stdin"];
    let added = printed(run(&add, "a password of her own\n"));
    assert_eq!(field(&added, "role"), "admin");
    assert!(!added.contains("password"), "what she chose is not printed");
    assert!(printed(run(&["user", "list"], "")).contains("ana@example.com"));
    let short = ["user", "password", "ana@example.com", "--password-stdin"];
    assert!(refused(run(&short, "short\n"), 2).contains("8 to 256"), "it says what would be right");
}
