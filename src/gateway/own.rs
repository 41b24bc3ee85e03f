//! What the gateway answers itself: how it and its upstreams are, and what it has counted. All else is passed on.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{App, Error, HttpResponse, web};
use serde::Serialize;

use super::{Gateway, http};
use crate::api::{Problem, read_only};
use crate::clock;

/// OpenMetrics 1.0, which is what the text is written in; Prometheus reads it since 2.5.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is served over plain HTTP.
pub fn app(
    gateway: Data<Gateway>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let serve_metrics = gateway.serve_metrics;
    App::new()
        .configure(|routes| {
            for (path, handler) in [
                ("/health", web::get().to(health)),
                ("/health/ready", web::get().to(ready)),
                ("/health/live", web::get().to(live)),
            ] {
                routes.service(web::resource(path).route(handler).default_service(web::to(read_only)));
            }
            if serve_metrics {
                routes.service(
                    web::resource("/metrics").route(web::get().to(metrics)).default_service(web::to(read_only)),
                );
            }
        })
        .default_service(web::to(http::pass_on))
        .app_data(gateway)
}

/// What is served where `--metrics-listen` says.
pub fn metrics_app(
    gateway: Data<Gateway>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new().route("/metrics", web::get().to(metrics)).app_data(gateway)
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    uptime_seconds: u64,
    read_only: bool,
    upstreams: Vec<UpstreamHealth>,
}

#[derive(Serialize)]
struct UpstreamHealth {
    url: Box<str>,
    healthy: bool,
    circuit: &'static str,
    connections: usize,
}

fn status(gateway: &Gateway) -> &'static str {
    if gateway.is_draining() {
        "draining"
    } else if gateway.pool.is_available() {
        "ok"
    } else {
        "unavailable"
    }
}

fn report(gateway: &Gateway, ok: bool) -> HttpResponse {
    let upstream = |it: &std::sync::Arc<super::upstream::Upstream>| UpstreamHealth {
        url: it.url().into(),
        healthy: it.is_healthy(),
        circuit: it.circuit().as_str(),
        connections: it.connections(),
    };
    let body = Health {
        status: status(gateway),
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: clock::now().since(gateway.started).as_secs(),
        read_only: gateway.is_read_only(),
        upstreams: gateway.pool.roster().upstreams.iter().map(upstream).collect(),
    };
    let code = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(code).insert_header(("cache-control", "no-store")).json(body)
}

/// Well, as long as requests can be served.
async fn health(gateway: Data<Gateway>) -> HttpResponse {
    let ok = status(&gateway) == "ok";
    report(&gateway, ok)
}

/// Whether new clients may be sent here.
async fn ready(gateway: Data<Gateway>) -> HttpResponse {
    let ok = status(&gateway) == "ok" && !gateway.is_read_only();
    report(&gateway, ok)
}

/// The process answers, and that is all.
async fn live() -> HttpResponse {
    HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(serde_json::json!({ "status": "ok" }))
}

async fn metrics(gateway: Data<Gateway>) -> Result<HttpResponse, Problem> {
    let text = gateway.metrics.render().map_err(|_| Problem::unavailable("The metrics cannot be written"))?;
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(text))
}
