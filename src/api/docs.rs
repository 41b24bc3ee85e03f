//! `/openapi.json`, what the API is in the words of OpenAPI 3.1, and `/docs`, the same to read and to try.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::openapi::Description;
use super::validators;

/// RapiDoc; see `static/vendor/rapidoc`.
const VIEWER: &[u8] = include_bytes!("../../static/vendor/rapidoc/rapidoc-min.js");

const PAGE: &str = r##"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tertulia: the API</title>
<link rel="icon" href="/icon.svg">
<script src="/docs/viewer.js" defer></script>
<body>
<rapi-doc spec-url="/openapi.json" render-style="read" show-header="false" allow-spec-url-load="false"
  allow-spec-file-load="false" load-fonts="false" schema-description-expanded="true" primary-color="#2f6f8f"></rapi-doc>
</body>
</html>
"##;

/// Scripts are the hub's own. The viewer writes its styles into the page, which is why those may stand in it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What the API is, in the words of OpenAPI 3.1.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "getDescription",
    tag = "operations",
    params(("If-None-Match" = Option<String>, Header, description = "304 if the ETag is still this one")),
    responses(
        (status = 200, description = "This document", body = serde_json::Value, content_type = "application/json"),
        (status = 304, description = "As it was"),
    ),
)]
pub(super) async fn description(description: Data<Description>, request: HttpRequest) -> HttpResponse {
    unless_known(&request, &description.tag, "application/json", description.text.clone())
}

/// The same to read, and to try.
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "getDocs",
    tag = "operations",
    responses((status = 200, description = "A page", body = String, content_type = "text/html")),
)]
pub(super) async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .content_type("text/html; charset=utf-8")
        .body(PAGE)
}

/// The script of the page.
#[utoipa::path(
    get,
    path = "/docs/viewer.js",
    operation_id = "getDocsViewer",
    tag = "operations",
    params(("If-None-Match" = Option<String>, Header, description = "304 if the ETag is still this one")),
    responses(
        (status = 200, description = "A script", body = String, content_type = "text/javascript"),
        (status = 304, description = "As it was"),
    ),
)]
pub(super) async fn viewer(description: Data<Description>, request: HttpRequest) -> HttpResponse {
    unless_known(&request, &description.viewer_tag, "text/javascript; charset=utf-8", VIEWER.into())
}

/// The tag of the viewer.
pub(super) fn viewer_tag() -> String {
    validators::tag("d", VIEWER)
}

fn unless_known(request: &HttpRequest, tag: &str, content_type: &str, body: actix_web::web::Bytes) -> HttpResponse {
    let is_known = validators::is_known(request, tag);
    let status = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut response = HttpResponse::build(status);
    response.insert_header((ETAG, tag)).insert_header((CACHE_CONTROL, "no-cache"));
    if is_known { response.finish() } else { response.content_type(content_type).body(body) }
}
