//! `/api/v1/chat/unread` and `/api/v1/chat/rooms/{id}/read`: what the caller has not read, and that they have.

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::ToSchema;

use super::shapes::{List, MarkShape, UnreadShape};
use super::{Chat, Part, numbered, read, unexpected};
use crate::api::Problem;
use crate::api::caller::Caller;
use crate::api::input::{At, Body, Params};
use crate::domain::{Command, Event, MarkKind, MarkTarget, RoomId};
use crate::store::read::Cursor;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ReadUpTo)]
pub(in crate::api) struct UpTo {
    /// The `seq` of the newest message that was read; a mark never moves back.
    #[schema(minimum = 1)]
    up_to_seq: u64,
}

/// What the caller has not read, in each of their rooms.
#[utoipa::path(
    get,
    path = "/api/v1/chat/unread",
    operation_id = "listUnread",
    tag = "rooms",
    params(Part),
    responses(
        (status = 200, description = "Rooms with their counts", body = List<UnreadShape>),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn list(
    caller: Caller,
    Params(part): Params<Part>,
    chat: Data<Chat>,
) -> Result<Json<List<UnreadShape>>, Problem> {
    let viewer = caller.viewer()?;
    let span = part.span(|cursor| matches!(cursor, Cursor::Id(_)))?;
    let listed = read(chat.reads.unread(viewer, span)).await?;
    Ok(Json(List::of(listed, Into::into)))
}

/// Says that everything up to a message was read.
#[utoipa::path(
    put,
    path = "/api/v1/chat/rooms/{id}/read",
    operation_id = "markRead",
    tag = "rooms",
    params(("id" = Uuid, Path, description = "The room")),
    request_body = UpTo,
    responses(
        (status = 200, description = "How far the caller has read now", body = MarkShape),
        (
            status = 404, description = "There is no such room, or no message in it",
            body = Problem, content_type = "application/problem+json",
        ),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn mark(
    caller: Caller,
    At(room): At<RoomId>,
    Body { value: UpTo { up_to_seq }, .. }: Body<UpTo>,
    chat: Data<Chat>,
) -> Result<Json<MarkShape>, Problem> {
    caller.member()?;
    if up_to_seq == 0 {
        return Err(Problem::invalid("up_to_seq", "up_to_seq: expected a positive integer"));
    }
    let target = MarkTarget::Seq(numbered("up_to_seq", up_to_seq)?);
    match chat.ask(&caller, Command::Mark { room, kind: MarkKind::Read, target }).await? {
        Event::Marked(mark) => Ok(Json(mark.into())),
        other => Err(unexpected(&other)),
    }
}
