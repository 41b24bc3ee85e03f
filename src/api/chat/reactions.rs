//! `/api/v1/chat/messages/{id}/reactions/{emoji}`: an emoji under a message, put there or taken back.

use actix_web::web::{Data, Json};

use super::message::find;
use super::shapes::ReactionShape;
use super::{Chat, unexpected};
use crate::api::Problem;
use crate::api::caller::Caller;
use crate::api::input::At;
use crate::domain::{Command, Event, MessageId, wording};

/// Puts an emoji under a message.
#[utoipa::path(
    put,
    path = "/api/v1/chat/messages/{id}/reactions/{emoji}",
    operation_id = "react",
    tag = "messages",
    params(
        ("id" = Uuid, Path, description = "The message"),
        (
            "emoji" = String, Path,
            description = "An emoji or the name of one, at most 64 bytes, percent-encoded",
            min_length = 1,
            max_length = 64
        ),
    ),
    responses(
        (status = 200, description = "What became of it", body = ReactionShape),
        (status = 400, description = "This is no emoji", body = Problem, content_type = "application/problem+json"),
        (
            status = 404, description = "There is no such message",
            body = Problem, content_type = "application/problem+json",
        ),
        (
            status = 409, description = "There are too many different emoji under it",
            body = Problem, content_type = "application/problem+json",
        ),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn put(
    caller: Caller,
    At(path): At<(MessageId, String)>,
    chat: Data<Chat>,
) -> Result<Json<ReactionShape>, Problem> {
    react(&caller, path, true, &chat).await
}

/// Takes an emoji back.
#[utoipa::path(
    delete,
    path = "/api/v1/chat/messages/{id}/reactions/{emoji}",
    operation_id = "unreact",
    tag = "messages",
    params(
        ("id" = Uuid, Path, description = "The message"),
        (
            "emoji" = String, Path,
            description = "An emoji or the name of one, at most 64 bytes, percent-encoded",
            min_length = 1,
            max_length = 64
        ),
    ),
    responses(
        (status = 200, description = "What became of it", body = ReactionShape),
        (status = 400, description = "This is no emoji", body = Problem, content_type = "application/problem+json"),
        (
            status = 404, description = "There is no such message",
            body = Problem, content_type = "application/problem+json",
        ),
        (
            status = 409, description = "There are too many different emoji under it",
            body = Problem, content_type = "application/problem+json",
        ),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn take_back(
    caller: Caller,
    At(path): At<(MessageId, String)>,
    chat: Data<Chat>,
) -> Result<Json<ReactionShape>, Problem> {
    react(&caller, path, false, &chat).await
}

async fn react(
    caller: &Caller,
    (message, emoji): (MessageId, String),
    present: bool,
    chat: &Chat,
) -> Result<Json<ReactionShape>, Problem> {
    let emoji = wording::emoji(&emoji)?;
    let room = find(chat, &caller.member()?, message).await?.room;
    match chat.ask(caller, Command::React { room, message, emoji, present }).await? {
        Event::Reacted(reaction) => Ok(Json(reaction.into())),
        other => Err(unexpected(&other)),
    }
}
