//! `/api/v1/chat/rooms`: the rooms that there are for the caller, made, changed and archived.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::shapes::{KindWord, List, RoomShape};
use super::{Chat, Part, locate, read, tagged, unexpected};
use crate::api::caller::Caller;
use crate::api::input::{At, Body, Params};
use crate::api::{Problem, idempotency, validators};
use crate::clock;
use crate::domain::{Command, Event, Reject, Role, RoomChange, RoomDraft, RoomId, RoomKind, UserId, wording};
use crate::store::read::{Among, Cursor, RoomEntry, RoomFilter, Viewer};

/// How many others a room may start with; more are invited one by one.
const MAX_FIRST_MEMBERS: usize = 100;

/// Longer parts of a name find nothing.
const MAX_SEARCH_CHARS: usize = 100;

/// Which rooms are listed.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum Filter {
    Mine,
    Public,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Which {
    /// `mine`: those that one has a place in; `public`: those that anyone may join. Else both, and for agents and
    /// admins the customer conversations.
    #[param(inline)]
    filter: Option<Filter>,
    #[param(inline)]
    kind: Option<KindWord>,
    /// A part of the name, in small or capital letters.
    #[param(max_length = 100)]
    q: Option<String>,
    /// Also those that are archived.
    archived: Option<bool>,
}

/// Rooms that the caller may know of, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/chat/rooms",
    operation_id = "listRooms",
    tag = "rooms",
    params(Which, Part),
    responses(
        (status = 200, description = "Rooms", body = List<RoomShape>),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn list(
    caller: Caller,
    Params(which): Params<Which>,
    Params(part): Params<Part>,
    chat: Data<Chat>,
) -> Result<Json<List<RoomShape>>, Problem> {
    let viewer = caller.viewer()?;
    let span = part.span(|cursor| matches!(cursor, Cursor::Age(..)))?;
    let filter = RoomFilter {
        among: match which.filter {
            None => Among::Visible,
            Some(Filter::Mine) => Among::Mine,
            Some(Filter::Public) => Among::Public,
        },
        kind: which.kind.map(Into::into),
        name: search(which.q)?,
        archived: which.archived.unwrap_or(false),
    };
    let listed = read(chat.reads.rooms(viewer.clone(), filter, span)).await?;
    let peers = listed.items.iter().filter_map(|entry| entry.peer.as_ref().map(|peer| peer.id)).collect();
    let connected = chat.connected(&viewer, peers).await;
    Ok(Json(List::of(listed, |entry| {
        let peer_connected = entry.peer.as_ref().is_some_and(|peer| connected.get(&peer.id) == Some(&true));
        RoomShape::new(entry, peer_connected, viewer.role == Role::Admin)
    })))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewRoom)]
pub(in crate::api) struct Wanted {
    /// 1 to 100 characters; a conversation may go without.
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// `public`, `private` or `conversation`; direct rooms are made by `POST /api/v1/chat/direct/{user_id}`.
    kind: KindWord,
    /// Who else is in it from the start, at most 100.
    #[schema(max_items = 100)]
    members: Option<Vec<Uuid>>,
    /// Where the caller wants to choose it.
    id: Option<Uuid>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RoomChange)]
pub(in crate::api) struct Changed {
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Between `public` and `private`.
    kind: Option<KindWord>,
    /// False: can be written in again.
    archived: Option<bool>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct HowFar {
    /// Deletes the room and everything in it for good: for admins.
    purge: Option<bool>,
}

/// Makes a room, the caller its owner.
#[utoipa::path(
    post,
    path = "/api/v1/chat/rooms",
    operation_id = "createRoom",
    tag = "rooms",
    params(
        (
            "Idempotency-Key" = Option<String>, Header,
            description = "A name of this request; sent again under the same name within a day it is not done again"
        ),
    ),
    request_body = Wanted,
    responses(
        (
            status = 201, description = "The room was made", body = RoomShape,
            headers(
                ("ETag" = String, description = "What it stands as"),
                ("Location" = String, description = "Where it is"),
                ("Idempotent-Replayed" = Option<String>, description = "`true`: this was done before"),
            ),
        ),
        (
            status = 200, description = "The caller has this room already", body = RoomShape,
            headers(
                ("ETag" = String, description = "What it stands as"),
                ("Location" = String, description = "Where it is"),
            ),
        ),
        (
            status = 404, description = "There is no such user",
            body = Problem, content_type = "application/problem+json",
        ),
        (status = 409, description = "The id is taken", body = Problem, content_type = "application/problem+json"),
        (
            status = 422, description = "The Idempotency-Key came with another request",
            body = Problem, content_type = "application/problem+json",
        ),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn create(
    caller: Caller,
    body: Body<Wanted>,
    chat: Data<Chat>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let viewer = caller.member()?;
    let key = idempotency::key(&request, &body)?.map(Box::new);
    let has_key = key.is_some();
    let draft = Box::new(draft(body.value, &viewer)?);
    let command = match key {
        Some(key) => Command::CreateOnce(draft, key),
        None => Command::Create(draft),
    };
    let (id, created) = match chat.ask(&caller, command).await? {
        Event::RoomCreated { room, created } => (room.id, created),
        other => return Err(unexpected(&other)),
    };
    let entry = found(&chat, &caller, &viewer, id).await?;
    let replayed = !created && has_key;
    let status = if created || replayed { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = answer(&chat, &viewer, entry, &request, status).await;
    locate(&mut response, &format!("/api/v1/chat/rooms/{id}"));
    if replayed {
        idempotency::tell_replayed(&mut response);
    }
    Ok(response)
}

fn draft(wanted: Wanted, viewer: &Viewer) -> Result<RoomDraft, Problem> {
    let kind: RoomKind = wanted.kind.into();
    let name = wanted.name.map(|name| wording::name("name", &name)).transpose()?;
    match kind {
        RoomKind::Direct => {
            let detail = "kind: direct rooms are made by POST /api/v1/chat/direct/{user_id}";
            return Err(Problem::invalid("kind", detail));
        }
        RoomKind::Public | RoomKind::Private if name.is_none() => {
            return Err(Problem::invalid("name", "name: expected a name of 1 to 100 characters"));
        }
        _ => {}
    }
    let mut members: Vec<UserId> = wanted.members.unwrap_or_default().into_iter().map(UserId).collect();
    members.retain(|member| *member != viewer.user);
    members.sort_unstable();
    members.dedup();
    if members.len() > MAX_FIRST_MEMBERS {
        return Err(Problem::invalid("members", format!("members: expected at most {MAX_FIRST_MEMBERS} ids")));
    }
    let id = RoomId(wanted.id.unwrap_or_else(clock::fresh_id));
    Ok(RoomDraft { id, kind, name, members })
}

/// Changes a room's name or kind, or whether it is archived.
#[utoipa::path(
    put,
    path = "/api/v1/chat/rooms/{id}",
    operation_id = "changeRoom",
    tag = "rooms",
    params(
        ("id" = Uuid, Path, description = "The room"),
        ("If-Match" = Option<String>, Header, description = "Only if the ETag is still this one"),
    ),
    request_body = Changed,
    responses(
        (
            status = 200, description = "The room as it is now", body = RoomShape,
            headers(
                ("ETag" = String, description = "What it stands as"),
            ),
        ),
        (
            status = 404, description = "There is no such room",
            body = Problem, content_type = "application/problem+json",
        ),
        (
            status = 409, description = "The room cannot become this",
            body = Problem, content_type = "application/problem+json",
        ),
        (status = 412, description = "It has changed since", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn change(
    caller: Caller,
    At(room): At<RoomId>,
    Body { value: Changed { name, kind, archived }, .. }: Body<Changed>,
    chat: Data<Chat>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let viewer = caller.member()?;
    let name = name.map(|name| wording::name("name", &name)).transpose()?;
    let if_version = validators::wanted(&request, 'v')?;
    let change = RoomChange { name, kind: kind.map(Into::into), archived, if_version };
    update(&caller, room, change, &chat).await?;
    let entry = found(&chat, &caller, &viewer, room).await?;
    Ok(answer(&chat, &viewer, entry, &request, StatusCode::OK).await)
}

/// Archives a room, or deletes it for good.
#[utoipa::path(
    delete,
    path = "/api/v1/chat/rooms/{id}",
    operation_id = "deleteRoom",
    tag = "rooms",
    params(
        ("id" = Uuid, Path, description = "The room"),
        HowFar,
        ("If-Match" = Option<String>, Header, description = "Only if the ETag is still this one"),
    ),
    responses(
        (status = 204, description = "Archived, or gone"),
        (
            status = 404, description = "There is no such room",
            body = Problem, content_type = "application/problem+json",
        ),
        (
            status = 409, description = "The room cannot become this",
            body = Problem, content_type = "application/problem+json",
        ),
        (status = 412, description = "It has changed since", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn remove(
    caller: Caller,
    At(room): At<RoomId>,
    Params(how): Params<HowFar>,
    chat: Data<Chat>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let viewer = caller.member()?;
    let if_version = validators::wanted(&request, 'v')?;
    if how.purge != Some(true) {
        update(&caller, room, RoomChange { archived: Some(true), if_version, ..RoomChange::default() }, &chat).await?;
        return Ok(HttpResponse::NoContent().finish());
    }
    if if_version.is_some() {
        let entry = read(chat.reads.room(viewer, room)).await?.ok_or_else(no_such_room)?;
        if if_version != Some(entry.room.version) {
            return Err(Reject::precondition_failed().into());
        }
    }
    match chat.ask(&caller, Command::Purge { room }).await? {
        Event::RoomPurged { .. } => Ok(HttpResponse::NoContent().finish()),
        other => Err(unexpected(&other)),
    }
}

async fn update(caller: &Caller, room: RoomId, change: RoomChange, chat: &Chat) -> Result<(), Problem> {
    match chat.ask(caller, Command::Update { room, change }).await? {
        Event::RoomUpdated(_) => Ok(()),
        other => Err(unexpected(&other)),
    }
}

/// A room that the caller has just made or changed. Who may change it need not be one who may read it.
pub(super) async fn found(chat: &Chat, caller: &Caller, viewer: &Viewer, room: RoomId) -> Result<RoomEntry, Problem> {
    let mut entry = read(chat.reads.room(viewer.clone(), room)).await?.ok_or_else(no_such_room)?;
    if chat.enter(caller, room).await.is_err() {
        entry.last_message = None;
    }
    Ok(entry)
}

/// A room, for those who may enter it.
#[utoipa::path(
    get,
    path = "/api/v1/chat/rooms/{id}",
    operation_id = "getRoom",
    tag = "rooms",
    params(
        ("id" = Uuid, Path, description = "The room"),
        ("If-None-Match" = Option<String>, Header, description = "304 if the ETag is still this one"),
    ),
    responses(
        (
            status = 200, description = "The room", body = RoomShape,
            headers(
                ("ETag" = String, description = "What it stands as"),
            ),
        ),
        (status = 304, description = "As it was"),
        (
            status = 404, description = "There is no such room",
            body = Problem, content_type = "application/problem+json",
        ),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn show(
    caller: Caller,
    At(room): At<RoomId>,
    chat: Data<Chat>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let viewer = caller.viewer()?;
    chat.enter(&caller, room).await?;
    let entry = read(chat.reads.room(viewer.clone(), room)).await?.ok_or_else(no_such_room)?;
    Ok(answer(&chat, &viewer, entry, &request, StatusCode::OK).await)
}

pub(super) fn no_such_room() -> Problem {
    super::told(Reject::not_found())
}

/// A room, with its entity tag.
pub(super) async fn answer(
    chat: &Chat,
    viewer: &Viewer,
    entry: RoomEntry,
    request: &HttpRequest,
    status: StatusCode,
) -> HttpResponse {
    let connected = match &entry.peer {
        Some(peer) => chat.hub.online(viewer.organization, vec![peer.id]).await.contains(&true),
        None => false,
    };
    let version = format!("v{}", entry.room.version);
    tagged(request, status, &version, &RoomShape::new(entry, connected, viewer.role == Role::Admin))
}

/// The part of a name that is looked for.
pub(super) fn search(q: Option<String>) -> Result<Option<Box<str>>, Problem> {
    let Some(q) = q else { return Ok(None) };
    if q.chars().count() > MAX_SEARCH_CHARS {
        return Err(Problem::invalid("q", format!("q: expected at most {MAX_SEARCH_CHARS} characters")));
    }
    let part = q.trim();
    Ok((!part.is_empty()).then(|| part.into()))
}
