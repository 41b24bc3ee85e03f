//! Requests that are passed on to an upstream, and its answers on the way back.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};

use super::Gateway;
use crate::api::Problem;

pub(super) async fn pass_on(_request: HttpRequest, _gateway: Data<Gateway>) -> HttpResponse {
    Problem::unavailable("No hub can be reached right now").error_response()
}
