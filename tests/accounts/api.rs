//! Calls of `/api/v1/auth`, and people who make them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chat::{Chat, Refused};
use crate::hub::Hub;

pub const PASSWORD: &str = "correct horse battery";

/// What a call was answered with.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    pub headers: Vec<(String, String)>,
}

impl Answer {
    /// The body of an answer with this status.
    #[track_caller]
    pub fn of(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// A problem with this status; its code.
    #[track_caller]
    pub fn problem(self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        for field in ["type", "title", "detail", "code"] {
            assert!(self.body[field].as_str().is_some_and(|it| !it.is_empty()), "{field}: {}", self.body);
        }
        assert_eq!(self.body["status"], status, "{}", self.body);
        self.body["code"].as_str().unwrap().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
    }
}

/// Calls `path` below `/api/v1/auth`, with any token, headers and body.
pub fn call(hub: &Hub, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
    let agent = ureq::Agent::new_with_config(
        ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(30))).build(),
    );
    let mut request = ureq::http::Request::builder().method(method).uri(hub.url(&format!("/api/v1/auth/{path}")));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = match body {
        Some(body) => agent.run(request.body(body.to_owned()).unwrap()).unwrap(),
        None => agent.run(request.body(()).unwrap()).unwrap(),
    };
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let text = response.body_mut().read_to_string().unwrap();
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect(&text) };
    Answer { status: response.status().as_u16(), body, headers }
}

/// Says `body` as JSON, with a token where there is one.
pub fn say(hub: &Hub, method: &str, path: &str, token: Option<&str>, body: &Value) -> Answer {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(bearer.as_deref().map(|it| ("authorization", it)));
    call(hub, method, path, &headers, Some(&body.to_string()))
}

/// Asks, with a token.
pub fn ask(hub: &Hub, method: &str, path: &str, token: &str) -> Answer {
    call(hub, method, path, &[("authorization", &format!("Bearer {token}"))], None)
}

pub fn register(hub: &Hub, email: &str, name: &str) -> Answer {
    say(hub, "POST", "register", None, &json!({"email": email, "password": PASSWORD, "name": name}))
}

pub fn log_in(hub: &Hub, email: &str, password: &str) -> Answer {
    say(hub, "POST", "login", None, &json!({"email": email, "password": password}))
}

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub struct Guest {
    pub token: String,
    pub refresh: String,
    pub id: String,
    pub organization: String,
}

impl Guest {
    pub fn registered(hub: &Hub, email: &str, name: &str) -> Self {
        Self::of(&register(hub, email, name).of(201))
    }

    pub fn of(tokens: &Value) -> Self {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Self {
            token: text(&tokens["access_token"]),
            refresh: text(&tokens["refresh_token"]),
            id: text(&tokens["user"]["id"]),
            organization: text(&tokens["user"]["organization_id"]),
        }
    }

    pub fn refreshed(&self, hub: &Hub) -> Answer {
        say(hub, "POST", "refresh", None, &json!({"refresh_token": self.refresh}))
    }

    pub fn profile(&self, hub: &Hub) -> Answer {
        ask(hub, "GET", "profile", &self.token)
    }
}

/// A socket opened with a token or a key.
pub fn socket(hub: &Hub, token: &str) -> Chat {
    try_socket(hub, token).expect("let in")
}

pub fn try_socket(hub: &Hub, token: &str) -> Result<Chat, Refused> {
    Chat::knock(hub, &format!("?token={token}"), &[]).map(|(chat, _)| chat)
}

/// The socket is closed because its login has ended, and within a second.
#[track_caller]
pub fn ended_within_a_second(chat: &mut Chat, since: Instant) {
    let (code, reason, _) = chat.closed();
    assert_eq!((code, &*reason), (4401, "session_ended"));
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
}
