//! What the API is, in the words of OpenAPI 3.1, from the annotations beside the handlers.
//!
//! What every call has in common stands here once: who may be refused, how often one may ask, what headers come back.

use actix_web::web::Bytes;
use serde_json::{Map, Value, json};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{Context, Problem, accounts, chat, docs, events, health, metrics, stats, validators};

/// How the API may be called, in words.
const ABOUT: &str = "Rooms, messages and people of a hub whose clients speak several wire formats. What is done \
    here is heard on sockets, by the same rules.\n\n\
    * Lists are `{items, next}`: `next` is the `cursor` of the next page, null at the end.\n\
    * Errors are problem details (RFC 9457). A `code` never changes its meaning; `field` names what is at fault.\n\
    * Updates honour `If-Match`, and never need it. Where GET works, HEAD does.\n\
    * Fields and parameters that are not known are ignored.\n\
    * Times are RFC 3339 in UTC, ids are UUIDs; any spelling of one that a parser accepts will do.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Tertulia", description = ABOUT),
    paths(
        health::all, health::live, health::ready, health::database, health::redis,
        stats::stats, metrics::metrics, docs::description, docs::page, docs::viewer
    ),
    components(schemas(Problem)),
    tags(
        (name = "accounts", description = "Who one is: registering, logging in and out, keys"),
        (name = "rooms", description = "Rooms, and how far one has read in them"),
        (name = "members", description = "Who is in a room"),
        (name = "messages", description = "What is said"),
        (name = "people", description = "Who is in the organization, and who can be reached"),
        (name = "operations", description = "How the hub is"),
    ),
    modifiers(&Credentials)
)]
struct Operations;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let words = "An access token or an API key, in the header `Authorization`. Where no header can be set, the \
                     query's `token` will do.";
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(words)).build();
        document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The document as it is served.
#[derive(Clone, Debug)]
pub(super) struct Description {
    pub(super) text: Bytes,
    pub(super) tag: String,
    pub(super) viewer_tag: String,
}

impl Description {
    pub(super) fn of(context: &Context, with_chat: bool) -> Self {
        let text = document(context, with_chat).to_string();
        let tag = validators::tag("o", text.as_bytes());
        Self { text: text.into(), tag, viewer_tag: docs::viewer_tag() }
    }
}

/// What this process serves.
pub(super) fn document(context: &Context, with_chat: bool) -> Value {
    let mut document = Operations::openapi();
    document.merge(accounts::AccountsApi::openapi());
    if with_chat {
        document.merge(chat::ChatApi::openapi());
        document.merge(events::EventsApi::openapi());
    }
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["components"]["headers"] = headers();
    if let Some(paths) = document["paths"].as_object_mut() {
        if !context.serve_metrics {
            paths.remove("/metrics");
        }
        for path in &context.sockets {
            paths.insert((*path).to_owned(), socket(path));
        }
        for (path, place) in paths.iter_mut() {
            for (method, operation) in place.as_object_mut().into_iter().flatten() {
                complete(path, method, operation);
            }
        }
    }
    document
}

/// Where a dialect answers WebSocket upgrades.
fn socket(path: &str) -> Value {
    let id: String = path.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_");
    json!({ "get": {
        "operationId": id,
        "tags": ["operations"],
        "summary": "A WebSocket (RFC 6455): to be opened by a WebSocket client.",
        "responses": {
            "101": { "description": "The socket is open" },
            "426": problem("Not asked for a WebSocket"),
        },
    }})
}

fn problem(description: &str) -> Value {
    json!({
        "description": description,
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    })
}

/// Adds what any call of this kind may be answered with.
fn complete(path: &str, method: &str, operation: &mut Value) {
    let is_secured =
        operation["security"].as_array().is_some_and(|ways| ways.iter().any(|way| way.get("bearer").is_some()));
    let has_body = operation.get("requestBody").is_some();
    let parameters = operation["parameters"].as_array_mut();
    let (mut in_query, mut in_path) = (false, false);
    for parameter in parameters.into_iter().flatten() {
        in_query |= parameter["in"] == "query";
        in_path |= parameter["in"] == "path";
        never_null(&mut parameter["schema"]);
    }
    if operation["parameters"].is_null() {
        operation.as_object_mut().map(|operation| operation.remove("parameters"));
    }
    let takes_key = operation["parameters"].as_array().is_some_and(|all| {
        all.iter().any(|it| it["name"] == "Idempotency-Key" || (it["name"] == "If-Match" && it["in"] == "header"))
    });
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (_, response) in responses.iter_mut().filter(|(status, _)| status.starts_with(['4', '5'])) {
        if response.get("content").is_none() {
            response["content"] = problem("")["content"].take();
        }
    }
    let mut may = |status: &str, description: &str| {
        responses.entry(status).or_insert_with(|| problem(description));
    };
    if is_secured {
        may("401", "No good token was shown");
        may("403", "Not allowed: to this caller, with this credential, or to this page");
        may("503", "Not now: try again shortly");
    } else {
        may("403", "Not allowed to this page");
    }
    if has_body || in_query || takes_key {
        may("400", "The request is wrong; `field` says where");
    }
    if in_path {
        may("404", "There is nothing under this id");
    }
    if has_body {
        may("413", "The body, or a text in it, is too large");
        may("415", "The body is no JSON");
    }
    let is_limited = super::limit::counts(path);
    if is_limited {
        may("429", "Too many requests from this address");
    }
    if method == "get" {
        let safe = "The same, without a body, for HEAD.";
        let said =
            operation["description"].as_str().map_or_else(|| safe.to_owned(), |said| format!("{said}\n\n{safe}"));
        operation["description"] = said.into();
    }
    for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
        tells(response, "X-Request-Id");
        if is_limited {
            for name in ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"] {
                tells(response, name);
            }
        }
        match &**status {
            "401" => tells(response, "WWW-Authenticate"),
            "429" | "503" => tells(response, "Retry-After"),
            _ => {}
        }
    }
}

/// What answers say in their headers: each by its name, what it means and whether it is a number.
const HEADERS: [(&str, &str, &str); 6] = [
    ("X-Request-Id", "The caller's name for the request, or a fresh one", "string"),
    ("RateLimit-Limit", "How many requests may come at once from one address", "integer"),
    ("RateLimit-Remaining", "How many are left", "integer"),
    ("RateLimit-Reset", "Seconds until all of them are there again", "integer"),
    ("Retry-After", "Seconds until it makes sense to try again", "integer"),
    ("WWW-Authenticate", "How to show a token", "string"),
];

fn headers() -> Value {
    let header = |(name, description, kind): (&str, &str, &str)| {
        (name.to_owned(), json!({ "description": description, "schema": { "type": kind } }))
    };
    HEADERS.into_iter().map(header).collect::<Map<_, _>>().into()
}

/// The response may have this one of [`HEADERS`].
fn tells(response: &mut Value, name: &str) {
    response["headers"][name] = json!({ "$ref": format!("#/components/headers/{name}") });
}

/// A parameter is there or not; it cannot be null.
fn never_null(schema: &mut Value) {
    if let Some(kinds) = schema["type"].as_array() {
        let kinds: Vec<_> = kinds.iter().filter(|kind| *kind != "null").cloned().collect();
        if let [kind] = &kinds[..] {
            schema["type"] = kind.clone();
        }
    }
    if let Some(kinds) = schema["oneOf"].as_array() {
        let kinds: Vec<_> = kinds.iter().filter(|kind| kind["type"] != "null").cloned().collect();
        if let [kind] = &kinds[..] {
            *schema = kind.clone();
        }
    }
}
