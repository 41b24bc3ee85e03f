//! Rooms, messages and people over HTTP.
//!
//! What changes anything is a command to the hub, by the same rules as one from a socket; what is read is read from the
//! store after the hub has said that the caller may enter the room. No rule of who may do what stands in here.

mod direct;
mod intake;
mod members;
mod message;
mod messages;
mod people;
mod presence;
mod reactions;
mod rooms;
pub(super) mod shapes;
mod unread;

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderValue, LOCATION};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::idempotency::Underway;
use super::resource::{Place, at};
use super::{Problem, health, validators};
use crate::domain::{Command, Event, MAX_NUMBER, Reject, RejectCode, RoomId, UserId};
use crate::hub::handle::Hub;
use crate::store::read::{Cursor, Reads, Span, Viewer};

/// How many items a list holds where the caller does not say.
const USUAL: u32 = 50;
/// How many it holds at most.
const MOST: u32 = 200;

/// What these handlers work with.
#[derive(Clone)]
pub struct Chat {
    hub: Hub,
    reads: Reads,
    /// How long a text may be.
    max_text_bytes: usize,
    /// What is handed in right now.
    underway: Underway,
}

/// What there is here, for the description of the API.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    health::chat,
    rooms::list,
    rooms::create,
    rooms::show,
    rooms::change,
    rooms::remove,
    members::list,
    members::add,
    members::change,
    members::remove,
    messages::list,
    messages::send,
    intake::hand_in,
    intake::report,
    unread::list,
    unread::mark,
    message::show,
    message::edit,
    message::delete,
    message::edits,
    reactions::put,
    reactions::take_back,
    direct::open,
    people::list,
    people::show,
    presence::of_one,
    presence::of_many
))]
pub(super) struct ChatApi;

/// Where rooms, messages and people are.
pub(super) fn places() -> Vec<Place> {
    vec![
        at("/api/v1/chat/health").get(health::chat),
        at("/api/v1/chat/rooms").get(rooms::list).post(rooms::create),
        at("/api/v1/chat/rooms/{id}").get(rooms::show).put(rooms::change).delete(rooms::remove),
        at("/api/v1/chat/rooms/{id}/members").get(members::list).post(members::add),
        at("/api/v1/chat/rooms/{id}/members/{user_id}").put(members::change).delete(members::remove),
        at("/api/v1/chat/rooms/{id}/messages").get(messages::list).post(messages::send),
        at("/api/v1/chat/rooms/{id}/read").put(unread::mark),
        at("/api/v1/chat/messages/{id}").get(message::show).put(message::edit).delete(message::delete),
        at("/api/v1/chat/messages/{id}/edits").get(message::edits),
        at("/api/v1/chat/messages/{id}/reactions/{emoji}").put(reactions::put).delete(reactions::take_back),
        at("/api/v1/messages").post(intake::hand_in),
        at("/api/v1/messages/{id}/status").put(intake::report),
        at("/api/v1/chat/direct/{user_id}").post(direct::open),
        at("/api/v1/chat/unread").get(unread::list),
        at("/api/v1/users").get(people::list),
        at("/api/v1/users/presence").get(presence::of_many),
        at("/api/v1/users/{id}").get(people::show),
        at("/api/v1/users/{id}/presence").get(presence::of_one),
    ]
}

impl Chat {
    pub fn new(hub: Hub, reads: Reads, max_text_bytes: usize) -> Self {
        Self { hub, reads, max_text_bytes, underway: Underway::default() }
    }

    /// Has the hub run on this thread, a worker's, unless it runs somewhere.
    pub fn start_here(&self) {
        self.hub.start_here();
    }

    /// Does what a caller asks for, by the rules of sockets.
    async fn ask(&self, caller: &Caller, command: Command) -> Result<Event, Problem> {
        self.hub.ask(caller.identity().clone(), command).await.map_err(told)
    }

    /// Whoever may not enter the room is told so, or that there is none.
    async fn enter(&self, caller: &Caller, room: RoomId) -> Result<(), Problem> {
        self.hub.may_enter(caller.identity(), room).await.map(drop).map_err(told)
    }

    /// Which of these users have a connection now.
    async fn connected(&self, viewer: &Viewer, users: Vec<UserId>) -> HashMap<UserId, bool> {
        let online = self.hub.online(viewer.organization, users.clone()).await;
        users.into_iter().zip(online).collect()
    }
}

/// A refusal of the hub in the words of REST, where a session is called a room.
fn told(mut reject: Reject) -> Problem {
    if reject.message.contains("session") {
        reject.message = reject.message.replace("session", "room").into();
    }
    reject.into()
}

/// The hub answered with something else than what the command asks for.
fn unexpected(event: &Event) -> Problem {
    log::error!("The hub answered a request with `{}`", event.name());
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, RejectCode::Internal.as_str(), "Something went wrong here")
}

/// What the store was asked.
async fn read<T, E>(reply: impl Future<Output = Result<T, E>>) -> Result<T, Problem> {
    reply.await.map_err(|_| Reject::unavailable().into())
}

/// The number of a message: nothing is ever numbered higher, and databases count no further.
fn numbered(field: &'static str, number: u64) -> Result<u64, Problem> {
    if number <= MAX_NUMBER {
        return Ok(number);
    }
    Err(Problem::invalid(field, format!("{field}: expected a number up to {MAX_NUMBER}")))
}

/// Which part of a list is asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many items at most; 50 where it is not said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

impl Part {
    /// `fits`: the cursor is one of this list.
    fn span(&self, fits: impl Fn(Cursor) -> bool) -> Result<Span, Problem> {
        let limit = self.limit.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Err(Problem::invalid("limit", format!("limit: expected a number from 1 to {MOST}")));
        }
        let after = match &self.cursor {
            None => None,
            Some(text) => Some(text.parse().ok().filter(|it| fits(*it)).ok_or_else(|| {
                Problem::invalid("cursor", "cursor: expected `next` of the page before, of this same list")
            })?),
        };
        Ok(Span { after, limit })
    }
}

/// An answer with its entity tag, or that the caller has it already. `version`: what updates are compared by.
fn tagged(request: &HttpRequest, status: StatusCode, version: &str, shape: &impl Serialize) -> HttpResponse {
    let Ok(body) = serde_json::to_vec(shape) else {
        return HttpResponse::InternalServerError().finish();
    };
    let tag = validators::tag(version, &body);
    if status == StatusCode::OK && request.method().is_safe() && validators::is_known(request, &tag) {
        return HttpResponse::NotModified().insert_header((ETAG, tag)).finish();
    }
    HttpResponse::build(status).insert_header((ETAG, tag)).content_type("application/json").body(body)
}

/// Says where what was made or stored is.
fn locate(response: &mut HttpResponse, path: &str) {
    if let Ok(location) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, location);
    }
}
