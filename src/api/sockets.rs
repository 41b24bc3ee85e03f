//! A plain request to where a dialect answers WebSocket upgrades.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, SEC_WEBSOCKET_VERSION, UPGRADE};
use actix_web::{HttpResponse, ResponseError as _};

use super::Problem;

pub(super) async fn upgrade_required() -> HttpResponse {
    let detail = "This is a WebSocket: connect with a WebSocket client (RFC 6455, version 13)";
    let problem = Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", detail);
    let mut response = problem.error_response();
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    response
}
