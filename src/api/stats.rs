//! `GET /api/v1/ws/stats`: how many are connected, and how much was said.

use std::collections::BTreeMap;

use actix_web::web::{Data, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::{Context, Problem};
use crate::clock;
use crate::domain::Role;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stats {
    total_clients: usize,
    /// Rooms with a connected client.
    total_sessions: usize,
    redis_enabled: bool,
    by_dialect: BTreeMap<&'static str, usize>,
    messages_in_total: u64,
    messages_out_total: u64,
    slow_consumers_total: u64,
    uptime_seconds: u64,
    node_id: Box<str>,
    nodes: usize,
}

/// How many are connected, and how much was said: for admins and agents.
#[utoipa::path(
    get,
    path = "/api/v1/ws/stats",
    operation_id = "getStats",
    tag = "operations",
    responses(
        (status = 200, description = "Counts", body = Stats),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn stats(caller: Caller, context: Data<Context>) -> Result<Json<Stats>, Problem> {
    caller.must_be_one_of(&[Role::Admin, Role::Agent])?;
    let snapshot = context.vitals.snapshot().await.ok_or_else(|| Problem::unavailable("The hub is shutting down"))?;
    let metrics = &context.metrics;
    Ok(Json(Stats {
        total_clients: snapshot.connections,
        total_sessions: snapshot.rooms_with_connections,
        redis_enabled: false,
        by_dialect: snapshot.by_dialect.into_iter().collect(),
        messages_in_total: metrics.messages_in.get(),
        messages_out_total: metrics.messages_out.get(),
        slow_consumers_total: metrics.slow_consumers.get(),
        uptime_seconds: clock::now().since(context.started).as_secs(),
        node_id: context.node.clone(),
        nodes: 1,
    }))
}
