//! `/api/v1/chat/rooms/{id}/messages`: a room's past, and what is said next.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::message::version;
use super::shapes::{List, MessageShape, TypeWord};
use super::{Chat, Part, locate, numbered, read, tagged, unexpected};
use crate::api::caller::Caller;
use crate::api::input::{At, Body, Params};
use crate::api::{Problem, idempotency};
use crate::clock;
use crate::domain::{
    Author, Command, Content, Draft, Event, Message, MessageId, MessageType, Reject, RoomId, RoomKind, wording,
};
use crate::store::read::{Cursor, From};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Which {
    /// Messages before this `seq`, the newest first.
    before: Option<u64>,
    /// Messages after this `seq` (0: from the beginning), the oldest first.
    after: Option<u64>,
}

/// What a message says: its text, or an object with `text`, `media_url`, `filename` and `caption`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "expected a text, or an object with `text`, `media_url`, `filename` and `caption` of text"
)]
#[schema(as = NewContent)]
pub(in crate::api) enum Said {
    Text(String),
    Parts(Parts),
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewContentParts)]
pub(in crate::api) struct Parts {
    text: Option<String>,
    /// An http or https URL, or a path on the hub's own host.
    media_url: Option<String>,
    filename: Option<String>,
    caption: Option<String>,
}

impl Said {
    /// The text, where there is nothing else.
    pub(super) fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Parts(Parts { text, media_url: None, filename: None, caption: None }) => text,
            Self::Parts(_) => None,
        }
    }

    pub(super) fn checked(self, limit: usize) -> Result<Content, Reject> {
        let parts = match self {
            Self::Text(text) => Parts { text: Some(text), media_url: None, filename: None, caption: None },
            Self::Parts(parts) => parts,
        };
        let text = |field, text: Option<String>| text.map(|it| wording::text(field, &it, limit)).transpose();
        let content = Content {
            text: text("text", parts.text)?.unwrap_or_default(),
            caption: text("caption", parts.caption)?,
            media_url: parts.media_url.map(|url| wording::media_url(&url)).transpose()?,
            filename: parts.filename.map(|name| wording::filename(&name)).transpose()?,
        };
        wording::says_something(&content)?;
        Ok(content)
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewMessage)]
pub(in crate::api) struct Send {
    content: Said,
    /// `text` where it is not said.
    message_type: Option<TypeWord>,
    /// The id of a message of this room.
    reply_to_id: Option<Uuid>,
    /// The sender's own name for it: sent again under the same name it is not stored again.
    #[schema(min_length = 1, max_length = 128)]
    client_message_id: Option<String>,
}

/// Says something in a room.
#[utoipa::path(
    post,
    path = "/api/v1/chat/rooms/{id}/messages",
    operation_id = "sendMessage",
    tag = "messages",
    params(
        ("id" = Uuid, Path, description = "The room"),
        (
            "Idempotency-Key" = Option<String>, Header,
            description = "A name of this request; sent again under the same name within a day it is not done again"
        ),
    ),
    request_body = Send,
    responses(
        (
            status = 201, description = "The message is stored", body = MessageShape,
            headers(
                ("ETag" = String, description = "What it stands as"),
                ("Location" = String, description = "Where it is"),
                ("Idempotent-Replayed" = Option<String>, description = "`true`: this was done before"),
            ),
        ),
        (
            status = 404, description = "There is no such room",
            body = Problem, content_type = "application/problem+json",
        ),
        (
            status = 409, description = "The room does not take it",
            body = Problem, content_type = "application/problem+json",
        ),
        (
            status = 422, description = "The Idempotency-Key came with another request",
            body = Problem, content_type = "application/problem+json",
        ),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn send(
    caller: Caller,
    At(room): At<RoomId>,
    body: Body<Send>,
    chat: Data<Chat>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    caller.member()?;
    let idempotency = idempotency::key(&request, &body)?.map(Box::new);
    let Send { content, message_type, reply_to_id, client_message_id } = body.value;
    let draft = Draft {
        id: clock::message_id(),
        room,
        author: Author::Caller,
        contact: None,
        message_type: message_type.map_or(MessageType::Text, Into::into),
        content: content.checked(chat.max_text_bytes)?,
        reply_to: reply_to_id.map(MessageId),
        client_message_id: client_message_id.map(|id| wording::client_message_id(&id)).transpose()?,
        external_id: None,
        idempotency,
        create_as: RoomKind::Conversation,
    };
    let (message, duplicate) = match chat.ask(&caller, Command::Send(Box::new(draft))).await? {
        Event::Sent { message, duplicate } => (message, duplicate),
        other => return Err(unexpected(&other)),
    };
    Ok(stored(&request, &message, duplicate, &MessageShape::from(Message::clone(&message))))
}

/// The answer to a message that is stored now, or was before, told as `shape`.
pub(super) fn stored(
    request: &HttpRequest,
    message: &Message,
    was_before: bool,
    shape: &impl Serialize,
) -> HttpResponse {
    let mut response = tagged(request, StatusCode::CREATED, &version(message), shape);
    locate(&mut response, &format!("/api/v1/chat/messages/{}", message.id));
    if was_before {
        idempotency::tell_replayed(&mut response);
    }
    response
}

/// A room's past: the newest messages first, or with `after` the oldest.
#[utoipa::path(
    get,
    path = "/api/v1/chat/rooms/{id}/messages",
    operation_id = "listMessages",
    tag = "messages",
    params(("id" = Uuid, Path, description = "The room"), Which, Part),
    responses(
        (status = 200, description = "Messages", body = List<MessageShape>),
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
) -> Result<Json<List<MessageShape>>, Problem> {
    caller.viewer()?;
    let span = part.span(|cursor| matches!(cursor, Cursor::Older(_) | Cursor::Newer(_)))?;
    for (name, number) in [("before", which.before), ("after", which.after)] {
        number.map_or(Ok(0), |number| numbered(name, number))?;
    }
    let from = match (span.after, which.before, which.after) {
        // Whoever goes on with a cursor may say again what they began with.
        (Some(Cursor::Newer(seq)), ..) | (_, None, Some(seq)) => From::After(seq),
        (Some(Cursor::Older(seq)), ..) | (_, Some(seq), None) => From::Before(seq),
        (_, None, None) => From::Latest,
        (_, Some(_), Some(_)) => return Err(Problem::invalid("after", "expected either before or after, not both")),
    };
    chat.enter(&caller, room).await?;
    let listed = read(chat.reads.history(room, from, span.limit)).await?;
    Ok(Json(List::of(listed, Into::into)))
}
