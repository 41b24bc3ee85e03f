//! `/health` and what stands below it: whether the process lives, may be sent traffic, and reaches what it needs.
//!
//! These are open to everyone and not rate-limited, so what they ask of the database is asked at most twice a second,
//! however often they are called.

use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpResponse, http::StatusCode};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::timeout;
use utoipa::ToSchema;

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

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = HealthStatus)]
enum Status {
    Ok,
    /// The process is about to end, and takes no one in.
    Draining,
    Unavailable,
    /// Not used here, so nothing can be wrong with it.
    Disabled,
}

/// How one thing is that the hub needs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthCheck)]
pub(super) struct Check {
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    latency_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<&'static str>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthChecks)]
struct Checks {
    database: Check,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    redis: Option<Check>,
}

/// How the hub is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    uptime_seconds: Option<u64>,
    checks: Checks,
}

impl From<Answer> for Check {
    fn from(answer: Answer) -> Self {
        if answer.ok {
            Self { status: Status::Ok, latency_ms: Some(answer.took.as_secs_f64() * 1_000.0), error: None }
        } else {
            Self { status: Status::Unavailable, latency_ms: None, error: Some("the database does not answer") }
        }
    }
}

/// No other node to hear of: nothing to check.
const REDIS: Check = Check { status: Status::Disabled, latency_ms: None, error: None };

fn answer(ok: bool, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }).json(body)
}

fn status(database: Answer, context: &Context) -> Status {
    match (database.ok, context.vitals.is_draining()) {
        (false, _) => Status::Unavailable,
        (true, true) => Status::Draining,
        (true, false) => Status::Ok,
    }
}

/// How the hub is, with each check's result.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "getHealth",
    tag = "operations",
    responses(
        (status = 200, description = "All is well", body = Health),
        (status = 503, description = "Something is not well", body = Health),
    ),
)]
pub(super) async fn all(context: Data<Context>) -> HttpResponse {
    let database = ask_database(&context).await;
    let status = status(database, &context);
    let body = Health {
        status,
        version: Some(env!("CARGO_PKG_VERSION")),
        uptime_seconds: Some(clock::now().since(context.started).as_secs()),
        checks: Checks { database: database.into(), redis: Some(REDIS) },
    };
    answer(status == Status::Ok, &body)
}

/// The process answers, and that is all.
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "getLiveness",
    tag = "operations",
    responses(
        (status = 200, description = "All is well", body = Check),
    ),
)]
pub(super) async fn live() -> HttpResponse {
    answer(true, &Check { status: Status::Ok, latency_ms: None, error: None })
}

/// Traffic may be sent here.
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "getReadiness",
    tag = "operations",
    responses(
        (status = 200, description = "All is well", body = Health),
        (status = 503, description = "Something is not well", body = Health),
    ),
)]
pub(super) async fn ready(context: Data<Context>) -> HttpResponse {
    readiness(&context).await
}

/// Rooms can be read and written.
#[utoipa::path(
    get,
    path = "/api/v1/chat/health",
    operation_id = "getChatHealth",
    tag = "operations",
    responses(
        (status = 200, description = "All is well", body = Health),
        (status = 503, description = "Something is not well", body = Health),
    ),
)]
pub(super) async fn chat(context: Data<Context>) -> HttpResponse {
    readiness(&context).await
}

async fn readiness(context: &Context) -> HttpResponse {
    let database = ask_database(context).await;
    let status = status(database, context);
    let checks = Checks { database: database.into(), redis: None };
    answer(status == Status::Ok, &Health { status, version: None, uptime_seconds: None, checks })
}

/// Whether the database answers.
#[utoipa::path(
    get,
    path = "/health/db",
    operation_id = "getDatabaseHealth",
    tag = "operations",
    responses(
        (status = 200, description = "All is well", body = Check),
        (status = 503, description = "Something is not well", body = Check),
    ),
)]
pub(super) async fn database(context: Data<Context>) -> HttpResponse {
    let database = ask_database(&context).await;
    answer(database.ok, &Check::from(database))
}

/// Whether Redis answers: on a single node there is none to ask.
#[utoipa::path(
    get,
    path = "/health/redis",
    operation_id = "getRedisHealth",
    tag = "operations",
    responses(
        (status = 200, description = "All is well", body = Check),
    ),
)]
pub(super) async fn redis() -> HttpResponse {
    answer(true, &REDIS)
}
