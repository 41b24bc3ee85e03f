//! `GET /metrics`: everything that is counted, for Prometheus.

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::{Context, Problem};
use crate::metrics::CONTENT_TYPE;

/// Everything that is counted, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "getMetrics",
    tag = "operations",
    responses(
        (status = 200, description = "OpenMetrics 1.0", body = String, content_type = "application/openmetrics-text"),
        (status = 503, description = "Not now", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn metrics(context: Data<Context>) -> Result<HttpResponse, Problem> {
    let text = context.metrics.render().map_err(|_| Problem::unavailable("The metrics cannot be written"))?;
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(text))
}
