//! Somebody who calls the hub over HTTP.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::http::{HeaderMap, Request};
use uuid::Uuid;

use crate::chat::Chat;
use crate::hub::{Hub, Person};

/// Much longer than anything takes; only a hang runs into it.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Caller<'a> {
    pub hub: &'a Hub,
    pub person: Person,
    token: String,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.body
    }

    /// A problem with this status and code.
    #[track_caller]
    pub fn fails(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        assert!(self.body["detail"].as_str().is_some_and(|it| !it.is_empty()), "{self:?}");
        self.body
    }
}

/// Asks, with a body or without one.
pub fn ask(hub: &Hub, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(PATIENCE))
        .max_redirects(0)
        .build()
        .into();
    let mut request = Request::builder().method(method).uri(hub.url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = match body {
        Some(body) => agent.run(request.body(body).expect("a request")),
        None => agent.run(request.body(()).expect("a request")),
    }
    .expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.body_mut().read_to_string().expect("text");
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
    Answer { status, headers, body }
}

impl<'a> Caller<'a> {
    pub fn new(hub: &'a Hub, person: Person) -> Self {
        let token = format!("Bearer {}", person.token());
        Self { hub, person, token }
    }

    pub fn id(&self) -> Uuid {
        self.person.id.0
    }

    /// Waits until the hub's database knows this person, which it hears of by their first connection.
    pub fn introduce(&self) {
        drop(Chat::open(self.hub, &self.person));
        let begun = Instant::now();
        while self.get(&format!("/api/v1/users/{}", self.id())).status != 200 {
            assert!(begun.elapsed() < PATIENCE, "{} is never known", self.person.name);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let text = body.map(Value::to_string);
        let mut all = vec![("Authorization", &*self.token)];
        if body.is_some() {
            all.push(("Content-Type", "application/json"));
        }
        all.extend(headers);
        ask(self.hub, method, path, &all, text.as_deref().map(str::as_bytes))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], None)
    }

    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, &[], Some(&body))
    }

    pub fn put(&self, path: &str, body: Value) -> Answer {
        self.ask("PUT", path, &[], Some(&body))
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, &[], None)
    }

    /// Makes a room with these members.
    #[track_caller]
    pub fn room(&self, kind: &str, members: &[&Caller<'_>]) -> Uuid {
        let members: Vec<_> = members.iter().map(|it| it.id()).collect();
        let room = self.post("/api/v1/chat/rooms", json!({"name": "Room", "kind": kind, "members": members})).is(201);
        id(&room)
    }

    /// Says something in a room.
    #[track_caller]
    pub fn say(&self, room: Uuid, text: &str) -> Value {
        self.post(&format!("/api/v1/chat/rooms/{room}/messages"), json!({"content": text})).is(201)
    }

    /// Every item of a list, page by page.
    #[track_caller]
    pub fn all(&self, path: &str, limit: u32) -> Vec<Value> {
        let glue = if path.contains('?') { '&' } else { '?' };
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}{glue}limit={limit}{cursor}")).is(200);
            let of_page = page["items"].as_array().expect("items");
            assert!(of_page.len() <= limit as usize, "{page}");
            items.extend(of_page.iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }
}

#[track_caller]
pub fn id(thing: &Value) -> Uuid {
    thing["id"].as_str().and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("an id: {thing}"))
}
