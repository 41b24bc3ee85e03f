//! What the gateway answers itself: how it and its upstreams are, and what it has counted. All else is passed on.
//!
//! What hubs say of themselves under the same names is for those who reach them directly, and never passed on.

use actix_web::body::MessageBody;
use actix_web::dev::{HttpServiceFactory, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, Error, HttpResponse, Resource, Route, web};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::{Gateway, http};
use crate::api::{Problem, read_only, request_id};
use crate::clock;
use crate::metrics::CONTENT_TYPE;

/// Whatever begins with these is not passed on.
const OWN: [&str; 2] = ["health", "metrics"];

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
            routes
                .service(at("/health", [web::get().to(health), web::head().to(health)]))
                .service(at("/health/ready", [web::get().to(ready), web::head().to(ready)]))
                .service(at("/health/live", [web::get().to(live), web::head().to(live)]));
            if serve_metrics {
                routes.service(at("/metrics", [web::get().to(metrics), web::head().to(metrics)]));
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
    App::new().service(at("/metrics", [web::get().to(metrics), web::head().to(metrics)])).app_data(gateway)
}

/// A resource that can only be read. Its answers have the names of their requests, as those that are passed on.
fn at(path: &str, reading: [Route; 2]) -> impl HttpServiceFactory + use<> {
    let resource = reading.into_iter().fold(web::resource(path), Resource::route);
    resource.default_service(web::to(read_only)).wrap(from_fn(request_id::echo))
}

/// Whether this is, for a server that reads paths generously, one that the gateway answers itself or nobody does.
pub(super) fn is_own(path: &str) -> bool {
    let path = percent_decode_str(path).decode_utf8_lossy();
    let mut way: Vec<&str> = Vec::new();
    for step in path.split(['/', '\\']) {
        match step {
            "" | "." => {}
            ".." => drop(way.pop()),
            step => way.push(step),
        }
    }
    let first = way.first().and_then(|first| first.split(';').next());
    first.is_some_and(|first| OWN.iter().any(|own| first.eq_ignore_ascii_case(own)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hubs_say_of_themselves_is_found_however_it_is_spelled() {
        let own =
            ["/metrics", "//metrics", "/metrics/", "/%6detrics", "/./metrics", "/a/../metrics", "/a%2f..%2fmetrics"];
        for path in
            own.into_iter().chain(["/health", "/health/db", "/health//redis", "/Metrics", "/metrics;a=b", "/\\metrics"])
        {
            assert!(is_own(path), "{path}");
        }
        for path in ["/", "", "/healthy", "/metrics2", "/api/v1/auth/health", "/chat/metrics", "/%", "/%ff"] {
            assert!(!is_own(path), "{path}");
        }
    }
}
