//! What happens in rooms, as a stream of server-sent events.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use url::form_urlencoded;

use super::caller::{Caller, knock};
use super::resource::{Place, at};
use super::{Context, Problem};
use crate::domain::{RejectCode, RoomId};
use crate::sse::{Desk, PATH, Refused, Wanted};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells proxies to hand on what comes as it comes.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How long a client should wait that finds the hub full.
const FULL_RETRY_SECS: u64 = 5;

/// Stands for an id that is no text.
const UNREADABLE: &str = "?";

/// What there is here, for the description of the API.
#[derive(utoipa::OpenApi)]
#[openapi(paths(stream))]
pub(super) struct EventsApi;

pub(super) fn places() -> Vec<Place> {
    vec![at(PATH).get(stream)]
}

/// What the query says.
#[derive(Default)]
struct Query {
    rooms: Vec<RoomId>,
    dialect: Option<String>,
    last_event_id: Option<String>,
}

impl Query {
    fn read(query: &str) -> Result<Self, Problem> {
        let mut read = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "rooms" => {
                    for id in value.split(',').map(str::trim).filter(|id| !id.is_empty()) {
                        let id = id.parse().map_err(|_| wrong_rooms())?;
                        if !read.rooms.contains(&RoomId(id)) {
                            read.rooms.push(RoomId(id));
                        }
                    }
                }
                "dialect" => read.dialect = Some(value.into_owned()),
                "lastEventId" | "last_event_id" => read.last_event_id = Some(value.into_owned()),
                _ => {}
            }
        }
        if read.rooms.is_empty() { Err(wrong_rooms()) } else { Ok(read) }
    }
}

fn wrong_rooms() -> Problem {
    Problem::invalid("rooms", "rooms: expected the UUIDs of one or several rooms, with commas between them")
}

/// What happens in rooms, as it happens: an endless stream of server-sent events.
///
/// Each block's `data` is a frame of a JSON dialect as on a WebSocket: of both, or of the one that is named. The `id` of a
/// stored event is where `Last-Event-ID` goes on: what was missed comes first, in the order of all changes. A client that
/// reads too slowly, or whose token ends, is told so in a last comment.
#[utoipa::path(get, path = "/api/v1/events", tag = "messages", operation_id = "stream_events",
    params(
        ("rooms" = String, Query, description = "The ids of rooms, with commas between them"),
        ("dialect" = Option<String>, Query, description = "In whose words: `messages` or `status`; both where it is not said"),
        ("lastEventId" = Option<String>, Query, description = "As the header, for those who cannot set one"),
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last block that was heard"),
        ("access_token" = Option<String>, Query, description = "A token, for those who cannot set a header"),
    ),
    responses((status = 200, description = "The stream", content_type = "text/event-stream", body = String),
        (status = 404, description = "One of the rooms is not there; `detail` says which")),
    security(("bearer" = [])))]
async fn stream(
    request: HttpRequest,
    caller: Caller,
    context: Data<Context>,
    desk: Data<Arc<Desk>>,
) -> Result<HttpResponse, Problem> {
    if context.vitals.is_draining() {
        return Err(Problem {
            retry_after_secs: Some(FULL_RETRY_SECS),
            ..Problem::unavailable("The hub is restarting")
        });
    }
    let query = Query::read(request.query_string())?;
    // What is no text was never told anyone.
    let header = request.headers().get(LAST_EVENT_ID).map(|it| it.to_str().unwrap_or(UNREADABLE));
    let last_event_id = header.or(query.last_event_id.as_deref());
    let wanted = Wanted {
        rooms: query.rooms,
        dialect: query.dialect.as_deref(),
        last_event_id,
        address: context.authenticator.client_address(&knock(request.head())),
        origin: request.headers().get(ORIGIN).and_then(|it| it.to_str().ok()).map(Box::from),
    };
    let mut response = HttpResponse::build(StatusCode::OK);
    response
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("text/event-stream")))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .insert_header((ACCEL_BUFFERING, HeaderValue::from_static("no")))
        // What is compressed waits until there is enough of it.
        .insert_header((CONTENT_ENCODING, HeaderValue::from_static("identity")));
    if request.method() == Method::HEAD {
        desk.check(caller.identity(), &wanted).await.map_err(told)?;
        return Ok(response.finish());
    }
    let stream = desk.open(&request, caller.identity().clone(), wanted).await.map_err(told)?;
    Ok(response.streaming(stream))
}

fn told(refused: Refused) -> Problem {
    match refused {
        Refused::Dialect(names) => Problem::invalid("dialect", format!("dialect: expected {}", names.join(" or "))),
        Refused::TooManyRooms(most) => Problem {
            field: Some("rooms".into()),
            ..Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                RejectCode::TooManyRooms.as_str(),
                format!("A stream may be of at most {most} rooms"),
            )
        },
        Refused::TooManyConnections => Problem {
            retry_after_secs: Some(FULL_RETRY_SECS),
            ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_connections", "Too many connections")
        },
        Refused::Room(room, reject) => {
            let problem = Problem::from(reject);
            let detail = format!("{room}: {}", problem.detail.replace("session", "room"));
            Problem { detail: detail.into(), ..problem }
        }
    }
}
