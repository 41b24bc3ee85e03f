//! `/health` and what stands below it: whether the process lives, may be sent traffic, and reaches what it needs.
//!
//! These are open to everyone and not rate-limited, so what they ask of the database is asked at most twice a second,
//! however often they are called.

use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpResponse, http::StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::Context;
use crate::clock;
use crate::domain::Timestamp;

/// How long an answer of the database is good for.
const FRESH: Duration = Duration::from_millis(500);

/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
struct Answer {
    at: Timestamp,
    ok: bool,
    took: Duration,
}

/// The newest answer of the database. Whoever holds the lock asks; the others wait for that answer.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Option<Answer>>);

async fn ask_database(context: &Context) -> Answer {
    let mut newest = context.health.0.lock().await;
    let start = clock::now();
    if let Some(answer) = *newest
        && start.since(answer.at) < FRESH
    {
        return answer;
    }
    let ok = timeout(PATIENCE, context.vitals.database()).await.unwrap_or(false);
    let at = clock::now();
    *newest.insert(Answer { at, ok, took: at.since(start) })
}

fn database_check(answer: Answer) -> Value {
    if answer.ok {
        json!({ "status": "ok", "latency_ms": answer.took.as_secs_f64() * 1_000.0 })
    } else {
        json!({ "status": "unavailable", "error": "the database does not answer" })
    }
}

/// No other node to hear of: nothing to check.
fn redis_check() -> Value {
    json!({ "status": "disabled" })
}

fn answer(ok: bool, body: &Value) -> HttpResponse {
    HttpResponse::build(if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }).json(body)
}

pub(super) async fn all(context: Data<Context>) -> HttpResponse {
    let database = ask_database(&context).await;
    let ok = database.ok && !context.vitals.is_draining();
    let body = json!({
        "status": if ok { "ok" } else if database.ok { "draining" } else { "unavailable" },
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": clock::now().since(context.started).as_secs(),
        "checks": { "database": database_check(database), "redis": redis_check() },
    });
    answer(ok, &body)
}

/// The process answers, and that is all.
pub(super) async fn live() -> HttpResponse {
    answer(true, &json!({ "status": "ok" }))
}

/// Traffic may be sent here.
pub(super) async fn ready(context: Data<Context>) -> HttpResponse {
    if context.vitals.is_draining() {
        return answer(false, &json!({ "status": "draining" }));
    }
    let database = ask_database(&context).await;
    let status = if database.ok { "ok" } else { "unavailable" };
    answer(database.ok, &json!({ "status": status, "checks": { "database": database_check(database) } }))
}

pub(super) async fn database(context: Data<Context>) -> HttpResponse {
    let database = ask_database(&context).await;
    answer(database.ok, &database_check(database))
}

pub(super) async fn redis() -> HttpResponse {
    answer(true, &redis_check())
}
