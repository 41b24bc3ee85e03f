//! What is not stored of a connection while the database stands still, and that nothing is left of it that nobody ends.

use std::time::{Duration, Instant};

use serde_json::json;
use tertulia::domain::{OrgId, Role};
use tungstenite::Message;

use super::client::Client;
use super::hub::{Hub, Person, fresh_id};
use super::postgres::Postgres;

fn scene(postgres: &Postgres, settings: &[&str]) -> (Hub, String, String) {
    let database = postgres.database();
    let hub = Hub::start(&[&["--database-url", &database], settings].concat());
    let token = Person::new(OrgId(fresh_id()), Role::Agent, "Ana").token();
    let name = database.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    (hub, token, name)
}

fn count(postgres: &Postgres, database: &str, which: &str) -> String {
    let sql = format!("SELECT count(*) FROM recoverable_connections WHERE {which}");
    postgres.sql(database, &sql).trim().to_owned()
}

#[test]
fn a_client_that_is_ended_before_it_is_let_in_leaves_nothing() {
    let postgres = Postgres::start();
    let (hub, ana, database) = scene(&postgres, &["--set", "limits.max_connections_per_user=1"]);
    postgres.freeze(true);
    let ended = [(); 3].map(|()| {
        let mut socket = Client::dial(&hub);
        let auth = json!({ "token": ana, "pid": fresh_id() });
        socket.send(Message::text(format!("40{auth}"))).unwrap();
        // It is looked for. The next one takes its place meanwhile.
        std::thread::sleep(Duration::from_millis(100));
        socket
    });
    let thaw = std::thread::scope(|scope| {
        let other = scope.spawn(|| Client::open(&hub, &json!({ "token": ana, "pid": fresh_id() })));
        std::thread::sleep(Duration::from_millis(300));
        postgres.freeze(false);
        other.join()
    });
    assert!(thaw.unwrap().joins(&fresh_id().to_string()));
    assert_eq!(count(&postgres, &database, "true"), "1");
    drop(ended);
}

#[test]
fn a_client_whose_rooms_cannot_be_stored_is_told_so_and_goes_on_later() {
    let postgres = Postgres::start();
    let (hub, ana, database) = scene(&postgres, &[]);
    let room = fresh_id().to_string();
    let mut client = Client::connect(&hub, &ana);
    assert!(client.joins(&room));
    postgres.freeze(true);
    client.say(&format!(r#"42["leave_conversation",{}]"#, json!({ "conversation_id": room })));
    let begun = Instant::now();
    let error = client.hear(|packet| packet.contains(r#""internal""#).then(|| packet.to_owned()));
    assert!(error.is_some_and(|error| error.starts_with(r#"42["error""#)));
    assert!(begun.elapsed() > Duration::from_secs(3), "it is waited for");
    assert_eq!(client.hear(|packet| packet.contains("left_conversation").then_some(())), None, "it was not stored");
    postgres.freeze(false);
    let mut again = client.again(&hub);
    assert_eq!(again.pid, client.pid, "it goes on where it was");
    assert_eq!(again.ask("ping", &json!({})).map(|it| it.is_object()), Some(true));
    drop(again);
    let begun = Instant::now();
    while count(&postgres, &database, "lost_at IS NULL") != "0" {
        assert!(begun.elapsed() < Duration::from_secs(15), "what is kept of it ends");
        std::thread::sleep(Duration::from_millis(50));
    }
}
