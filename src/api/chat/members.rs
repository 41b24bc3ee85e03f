//! `/api/v1/chat/rooms/{id}/members`: who has a place in a room.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::shapes::{List, MemberShape, PlaceWord};
use super::{Chat, Part, read, told, unexpected};
use crate::api::Problem;
use crate::api::caller::Caller;
use crate::api::input::{At, Body, Params};
use crate::domain::{Command, Event, MemberChange, MemberRole, Reject, Role, RoomId, UserId};
use crate::store::read::{Cursor, MemberEntry};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Which {
    /// Those who are kept out instead: for moderators, owners and admins.
    banned: Option<bool>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewMember)]
pub(in crate::api) struct Invited {
    /// Oneself, to join a public room.
    user_id: Uuid,
    role: Option<PlaceWord>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = MemberChange)]
pub(in crate::api) struct Changed {
    role: Option<PlaceWord>,
    muted: Option<bool>,
    banned: Option<bool>,
}

/// Gives somebody a place in a room.
#[utoipa::path(
    post,
    path = "/api/v1/chat/rooms/{id}/members",
    operation_id = "addMember",
    tag = "members",
    params(("id" = Uuid, Path, description = "The room")),
    request_body = Invited,
    responses(
        (
            status = 201, description = "The place", body = MemberShape,
            headers(
                ("Location" = String, description = "Where it is"),
            ),
        ),
        (
            status = 404, description = "There is no such room or user",
            body = Problem, content_type = "application/problem+json",
        ),
        (
            status = 409, description = "The user is kept out, or the room is one of two",
            body = Problem, content_type = "application/problem+json",
        ),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn add(
    caller: Caller,
    At(room): At<RoomId>,
    Body { value: Invited { user_id, role }, .. }: Body<Invited>,
    chat: Data<Chat>,
) -> Result<HttpResponse, Problem> {
    let change = MemberChange { role: role.map(Into::into), muted: None, banned: None };
    let member = set(&caller, room, UserId(user_id), change, &chat).await?;
    let location = format!("/api/v1/chat/rooms/{room}/members/{user_id}");
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(member))
}

/// Changes somebody's place in a room; whoever has none gets one.
#[utoipa::path(
    put,
    path = "/api/v1/chat/rooms/{id}/members/{user_id}",
    operation_id = "changeMember",
    tag = "members",
    params(("id" = Uuid, Path, description = "The room"), ("user_id" = Uuid, Path, description = "The member")),
    request_body = Changed,
    responses(
        (status = 200, description = "The place", body = MemberShape),
        (
            status = 404, description = "There is no such room or user",
            body = Problem, content_type = "application/problem+json",
        ),
        (
            status = 409, description = "The room would be left without an owner",
            body = Problem, content_type = "application/problem+json",
        ),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn change(
    caller: Caller,
    At((room, user)): At<(RoomId, UserId)>,
    Body { value: Changed { role, muted, banned }, .. }: Body<Changed>,
    chat: Data<Chat>,
) -> Result<Json<MemberShape>, Problem> {
    let change = MemberChange { role: role.map(Into::into), muted, banned };
    if change == MemberChange::default() {
        return Err(Problem::invalid("role", "expected at least one of role, muted and banned"));
    }
    set(&caller, room, user, change, &chat).await.map(Json)
}

/// Takes somebody's place away, or gives up one's own.
#[utoipa::path(
    delete,
    path = "/api/v1/chat/rooms/{id}/members/{user_id}",
    operation_id = "removeMember",
    tag = "members",
    params(("id" = Uuid, Path, description = "The room"), ("user_id" = Uuid, Path, description = "The member")),
    responses(
        (status = 204, description = "Without a place"),
        (
            status = 404, description = "There is no such room or user",
            body = Problem, content_type = "application/problem+json",
        ),
        (
            status = 409, description = "The room would be left without an owner, or the caller is muted in it",
            body = Problem, content_type = "application/problem+json",
        ),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn remove(
    caller: Caller,
    At((room, user)): At<(RoomId, UserId)>,
    chat: Data<Chat>,
) -> Result<HttpResponse, Problem> {
    caller.member()?;
    match chat.ask(&caller, Command::RemoveMember { room, user }).await? {
        Event::MemberRemoved { .. } => Ok(HttpResponse::NoContent().finish()),
        other => Err(unexpected(&other)),
    }
}

async fn set(
    caller: &Caller,
    room: RoomId,
    user: UserId,
    change: MemberChange,
    chat: &Chat,
) -> Result<MemberShape, Problem> {
    let viewer = caller.member()?;
    let member = match chat.ask(caller, Command::SetMember { room, user, change }).await? {
        Event::MemberSet(member) => member,
        other => return Err(unexpected(&other)),
    };
    let person = read(chat.reads.persons(viewer.organization, vec![user])).await?.pop();
    let is_connected = chat.hub.online(viewer.organization, vec![user]).await.contains(&true);
    Ok(MemberShape::new(MemberEntry { member, person }, is_connected))
}

/// Who has a place in a room.
#[utoipa::path(
    get,
    path = "/api/v1/chat/rooms/{id}/members",
    operation_id = "listMembers",
    tag = "members",
    params(("id" = Uuid, Path, description = "The room"), Which, Part),
    responses(
        (status = 200, description = "Members", body = List<MemberShape>),
        (
            status = 404, description = "There is no such room",
            body = Problem, content_type = "application/problem+json",
        ),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn list(
    caller: Caller,
    At(room): At<RoomId>,
    Params(which): Params<Which>,
    Params(part): Params<Part>,
    chat: Data<Chat>,
) -> Result<Json<List<MemberShape>>, Problem> {
    let viewer = caller.viewer()?;
    let span = part.span(|cursor| matches!(cursor, Cursor::Id(_)))?;
    let access = chat.hub.may_enter(caller.identity(), room).await.map_err(told)?;
    let banned = which.banned.unwrap_or(false);
    let moderates = access.member.is_some_and(|member| member.role >= MemberRole::Moderator);
    if banned && !moderates && viewer.role != Role::Admin {
        let message = "Only moderators and owners of this room, and admins, may see who is kept out";
        return Err(Reject { message: message.into(), ..Reject::forbidden() }.into());
    }
    let listed = read(chat.reads.members(viewer.organization, room, banned, span)).await?;
    let connected = chat.connected(&viewer, listed.items.iter().map(|entry| entry.member.user).collect()).await;
    Ok(Json(List::of(listed, |entry| {
        let is_connected = connected.get(&entry.member.user) == Some(&true);
        MemberShape::new(entry, is_connected)
    })))
}
