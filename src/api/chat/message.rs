//! `/api/v1/chat/messages/{id}`: one message, and what it said before.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;

use super::messages::Said;
use super::shapes::{EditShape, List, MessageShape};
use super::{Chat, Part, read, tagged, unexpected};
use crate::api::caller::Caller;
use crate::api::input::{At, Body, Params};
use crate::api::{Problem, validators};
use crate::domain::{Command, Event, Message, MessageId, Reject, RejectCode, wording};
use crate::store::read::{Cursor, Viewer};

/// One message.
#[utoipa::path(
    get,
    path = "/api/v1/chat/messages/{id}",
    operation_id = "getMessage",
    tag = "messages",
    params(
        ("id" = Uuid, Path, description = "The message"),
        ("If-None-Match" = Option<String>, Header, description = "304 if the ETag is still this one"),
    ),
    responses(
        (
            status = 200, description = "The message", body = MessageShape,
            headers(
                ("ETag" = String, description = "What it stands as"),
            ),
        ),
        (status = 304, description = "As it was"),
        (
            status = 404, description = "There is no such message",
            body = Problem, content_type = "application/problem+json",
        ),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn show(
    caller: Caller,
    At(id): At<MessageId>,
    chat: Data<Chat>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let message = find(&chat, &caller.viewer()?, id).await?;
    chat.enter(&caller, message.room).await?;
    Ok(answer(&request, StatusCode::OK, message))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = MessageEdit)]
pub(in crate::api) struct NewText {
    /// What it says from now on; `content` may stand instead.
    text: Option<String>,
    content: Option<Said>,
}

/// Changes the text of a message; what it said before stays to be read.
#[utoipa::path(
    put,
    path = "/api/v1/chat/messages/{id}",
    operation_id = "editMessage",
    tag = "messages",
    params(
        ("id" = Uuid, Path, description = "The message"),
        ("If-Match" = Option<String>, Header, description = "Only if the ETag is still this one"),
    ),
    request_body = NewText,
    responses(
        (
            status = 200, description = "The message as it is now", body = MessageShape,
            headers(
                ("ETag" = String, description = "What it stands as"),
            ),
        ),
        (
            status = 404, description = "There is no such message",
            body = Problem, content_type = "application/problem+json",
        ),
        (status = 412, description = "It has changed since", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn edit(
    caller: Caller,
    At(id): At<MessageId>,
    body: Body<NewText>,
    chat: Data<Chat>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let text = match (body.value.text, body.value.content) {
        (Some(text), None) => Some(text),
        (None, Some(content)) => content.into_text(),
        _ => None,
    };
    let text = text.ok_or_else(|| Problem::invalid("text", "text: expected what the message says from now on"))?;
    let text = wording::text("text", &text, chat.max_text_bytes)?;
    let if_changed_pos = validators::wanted(&request, 'c')?;
    let room = find(&chat, &caller.member()?, id).await?.room;
    match chat.ask(&caller, Command::Edit { room, message: id, text, if_changed_pos }).await? {
        Event::Edited { message, .. } => Ok(answer(&request, StatusCode::OK, Message::clone(&message))),
        other => Err(unexpected(&other)),
    }
}

/// Takes away what a message says; its place stays.
#[utoipa::path(
    delete,
    path = "/api/v1/chat/messages/{id}",
    operation_id = "deleteMessage",
    tag = "messages",
    params(
        ("id" = Uuid, Path, description = "The message"),
        ("If-Match" = Option<String>, Header, description = "Only if the ETag is still this one"),
    ),
    responses(
        (status = 204, description = "It says nothing any more"),
        (
            status = 404, description = "There is no such message",
            body = Problem, content_type = "application/problem+json",
        ),
        (status = 412, description = "It has changed since", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn delete(
    caller: Caller,
    At(id): At<MessageId>,
    chat: Data<Chat>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let if_changed_pos = validators::wanted(&request, 'c')?;
    let room = find(&chat, &caller.member()?, id).await?.room;
    match chat.ask(&caller, Command::Delete { room, message: id, if_changed_pos }).await? {
        Event::Deleted(_) => Ok(HttpResponse::NoContent().finish()),
        other => Err(unexpected(&other)),
    }
}

/// What a message said before its edits, the oldest first.
#[utoipa::path(
    get,
    path = "/api/v1/chat/messages/{id}/edits",
    operation_id = "listEdits",
    tag = "messages",
    params(("id" = Uuid, Path, description = "The message"), Part),
    responses(
        (status = 200, description = "What it said", body = List<EditShape>),
        (
            status = 404, description = "There is no such message",
            body = Problem, content_type = "application/problem+json",
        ),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn edits(
    caller: Caller,
    At(id): At<MessageId>,
    Params(part): Params<Part>,
    chat: Data<Chat>,
) -> Result<Json<List<EditShape>>, Problem> {
    let span = part.span(|cursor| matches!(cursor, Cursor::Newer(_)))?;
    let message = find(&chat, &caller.viewer()?, id).await?;
    chat.enter(&caller, message.room).await?;
    let listed = read(chat.reads.edits(id, span)).await?;
    Ok(Json(List::of(listed, Into::into)))
}

/// A message of the caller's organization; whether the caller may read it is another question.
pub(super) async fn find(chat: &Chat, viewer: &Viewer, id: MessageId) -> Result<Message, Problem> {
    let no_such = || Reject::new(RejectCode::NotFound, "There is no such message").into();
    read(chat.reads.message(viewer.organization, id)).await?.ok_or_else(no_such)
}

/// A message, with its entity tag.
pub(super) fn answer(request: &HttpRequest, status: StatusCode, message: Message) -> HttpResponse {
    tagged(request, status, &version(&message), &MessageShape::from(message))
}

/// What updates of a message are compared by.
pub(super) fn version(message: &Message) -> String {
    format!("c{}", message.changed_pos)
}
