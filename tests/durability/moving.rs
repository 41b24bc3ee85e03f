//! A client of Socket.IO goes from one hub to another on the same database, and the first has not noticed yet that it has
//! gone. Whatever the hubs say of its connection, and in whatever order: if it hears that it goes on where it stopped, it
//! is in all the rooms that it believes to be in.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tertulia::domain::{OrgId, Role};
use tungstenite::{Message, WebSocket};

use super::hub::{Hub, Person, fresh_id};
use super::postgres::Postgres;

/// Hubs soon notice that nobody is there.
const SETTINGS: [&str; 4] = ["--set", "socketio.ping_interval=1s", "--set", "socketio.ping_timeout=1s"];

/// Much longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(15);

struct Client {
    socket: WebSocket<TcpStream>,
    token: String,
    pid: String,
    offset: Option<String>,
    asked: u64,
    /// The messages that it has heard: their rooms and texts.
    heard: Vec<(String, String)>,
}

impl Client {
    fn connect(hub: &Hub, token: &str) -> Self {
        Self::open(hub, &json!({ "token": token }))
    }

    /// Another connection, which goes on where this one stopped, if the hub will have it.
    fn again(&self, hub: &Hub) -> Self {
        Self::open(hub, &json!({ "token": self.token, "pid": self.pid, "offset": self.offset }))
    }

    fn open(hub: &Hub, auth: &Value) -> Self {
        let stream = TcpStream::connect(hub.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket&recovery=1", hub.address);
        let (socket, _) = tungstenite::client(url, stream).unwrap();
        let token = auth["token"].as_str().unwrap().to_owned();
        let mut client = Self { socket, token, pid: String::new(), offset: None, asked: 0, heard: Vec::new() };
        client.offset = auth["offset"].as_str().map(str::to_owned);
        client.say(&format!("40{auth}"));
        let accepted = client.hear(|packet| packet.strip_prefix("40").map(str::to_owned)).expect("an answer");
        let accepted: Value = serde_json::from_str(&accepted).unwrap();
        accepted["pid"].as_str().unwrap().clone_into(&mut client.pid);
        client
    }

    fn say(&mut self, packet: &str) {
        self.socket.send(Message::text(packet)).unwrap();
    }

    /// Whatever the hub says until this is found in it. `None`: the connection has ended.
    fn hear<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let begun = Instant::now();
        loop {
            // The hub's pings come all the time.
            assert!(begun.elapsed() < PATIENCE, "the hub does not say what is waited for");
            let Message::Text(packet) = self.socket.read().ok()? else { continue };
            if packet.as_str() == "2" {
                self.say("3");
            }
            if let Some(event) = packet.strip_prefix("42") {
                self.note(&serde_json::from_str(event).unwrap());
            }
            if let Some(found) = find(&packet) {
                return Some(found);
            }
        }
    }

    fn note(&mut self, event: &Value) {
        let last = event.as_array().and_then(|it| it.last());
        if let Some(offset) = last.and_then(Value::as_str) {
            self.offset = Some(offset.to_owned());
        }
        if event[0] == "message:new" {
            let field = |path: &str| event[1].pointer(path).and_then(Value::as_str).unwrap().to_owned();
            self.heard.push((field("/conversation_id"), field("/content/text")));
        }
    }

    /// The answer; `None` when the connection ended instead.
    fn ask(&mut self, event: &str, data: &Value) -> Option<Value> {
        self.asked += 1;
        let ack = format!("43{}", self.asked);
        self.say(&format!("42{}{}", self.asked, json!([event, data])));
        let answer = self.hear(|packet| packet.strip_prefix(&ack).map(str::to_owned))?;
        serde_json::from_str::<Value>(&answer).unwrap().get(0).cloned()
    }

    fn joins(&mut self, room: &str) -> bool {
        let answer = self.ask("join_conversation", &json!({ "conversation_id": room }));
        answer.is_some_and(|answer| answer["last_seq"].is_u64())
    }

    fn sends(&mut self, room: &str, text: &str) {
        let data = json!({ "conversation_id": room, "text": text, "client_message_id": fresh_id() });
        let answer = self.ask("send_message", &data).expect("an answer");
        assert!(answer["seq"].is_u64(), "{answer}");
    }

    /// It hears these messages, and nothing else.
    fn heard(&mut self, expected: &[(&str, &str)]) {
        while self.heard.len() < expected.len() {
            self.hear(|packet| packet.starts_with("42").then_some(())).expect("more messages");
        }
        self.ask("ping", &json!({})).expect("an answer");
        let heard: Vec<(&str, &str)> = self.heard.iter().map(|(room, text)| (&**room, &**text)).collect();
        assert_eq!(heard, expected);
        self.heard.clear();
    }

    /// Says nothing any more, until the hub has noticed.
    fn is_missed(&mut self) {
        while self.socket.read().is_ok() {}
    }
}

/// Two hubs on one database, people of one organization, and the names of two rooms.
fn scene(postgres: &Postgres) -> (Hub, Hub, [String; 2], [String; 2]) {
    let database = postgres.database();
    let settings = [&["--database-url", &database], SETTINGS.as_slice()].concat();
    let organization = OrgId(fresh_id());
    let tokens = ["Ana", "Rui"].map(|name| Person::new(organization, Role::Agent, name).token());
    (Hub::start(&settings), Hub::start(&settings), tokens, [(); 2].map(|()| fresh_id().to_string()))
}

#[test]
fn what_a_hub_says_late_does_not_undo_what_another_has_kept_since() {
    let postgres = Postgres::start();
    let (mut first, mut second, [ana, rui], [room, other]) = scene(&postgres);
    let mut lost = Client::connect(&first, &ana);
    assert!(lost.joins(&room));
    Client::connect(&first, &rui).sends(&room, "one");
    lost.heard(&[(&room, "one")]);

    let mut ana = lost.again(&second);
    assert_eq!(ana.pid, lost.pid, "it goes on at the other hub");
    assert!(ana.joins(&other));
    let mut rui = Client::connect(&second, &rui);
    rui.sends(&other, "two");
    ana.heard(&[(&other, "two")]);
    lost.is_missed();
    // It ends when it has written all that it had to say.
    first.terminate();
    assert!(first.ended().success());

    second.restart();
    let mut rui = Client::connect(&second, &rui.token);
    rui.sends(&other, "three");
    rui.sends(&room, "four");
    let mut again = ana.again(&second);
    assert_eq!(again.pid, ana.pid, "it goes on after a crash");
    again.heard(&[(&other, "three"), (&room, "four")]);
    rui.sends(&other, "five");
    again.heard(&[(&other, "five")]);
}

#[test]
fn a_connection_that_was_taken_up_elsewhere_is_not_told_what_does_not_count() {
    let postgres = Postgres::start();
    let (first, second, [ana, rui], [room, other]) = scene(&postgres);
    let mut ana = Client::connect(&first, &ana);
    assert!(ana.joins(&room));
    // What it said to the other hub, before it gave that up and came here, was under way for long.
    let mut late = ana.again(&second);
    assert_eq!(late.pid, ana.pid);
    assert!(late.joins(&room), "by now it is kept");
    drop(late);
    Client::connect(&first, &rui).sends(&room, "one");
    ana.heard(&[(&room, "one")]);
    assert!(!ana.joins(&other), "would it come back, it would not be in there");
    let mut again = ana.again(&first);
    assert_eq!(again.pid, ana.pid);
    assert!(again.joins(&other));
    Client::connect(&first, &rui).sends(&other, "two");
    again.heard(&[(&other, "two")]);
}

#[test]
fn a_connection_that_changes_while_it_is_taken_up_is_never_taken_up_without_the_change() {
    let postgres = Postgres::start();
    let (first, second, [ana, rui], [room, _]) = scene(&postgres);
    let mut rui = Client::connect(&first, &rui);
    let mut recovered = 0;
    for round in 0_u64..12 {
        let other = fresh_id().to_string();
        let mut ana = Client::connect(&first, &ana);
        assert!(ana.joins(&room));
        let late = ana.again(&second);
        // Before what the other hub keeps is written, and after.
        std::thread::sleep(Duration::from_millis(10 * round));
        let is_in = ana.joins(&other);
        drop(late);
        let mut again = ana.again(&first);
        if is_in && again.pid == ana.pid {
            rui.sends(&other, "two");
            again.heard(&[(&other, "two")]);
            recovered += 1;
        }
    }
    println!("{recovered} recovered");
}
