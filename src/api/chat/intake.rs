//! `/api/v1/messages`: messages that other systems hand in, also those of contacts, and what becomes of them out there.
//!
//! The names of fields are those of `docs/intake.md`; snake_case spellings of them are understood, too.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::message::{find, version};
use super::messages::{Said, stored};
use super::shapes::{DirectionWord, MessageShape, SenderWord, StatusWord, TypeWord};
use super::{Chat, tagged, unexpected};
use crate::api::Problem;
use crate::api::caller::Caller;
use crate::api::idempotency;
use crate::api::input::{At, Body, any_case};
use crate::clock;
use crate::domain::{
    Author, Command, ContactId, Draft, Event, Message, MessageId, MessageType, Reject, RejectCode, Report, RoomId,
    RoomKind, Timestamp, wording,
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HandedIn)]
pub(in crate::api) struct HandedIn {
    /// The room.
    #[serde(alias = "conversation_id")]
    conversation_id: Uuid,
    content: Said,
    /// `text` where it is not said.
    #[serde(default, alias = "message_type", deserialize_with = "any_case")]
    message_type: Option<TypeWord>,
    /// What goes with `senderType`: `inbound` for a contact's message, `outbound` for all others.
    #[serde(default, deserialize_with = "any_case")]
    direction: Option<DirectionWord>,
    /// `contact`: the message is the contact's. `bot`: a bot's. Both are for API keys with the scope `messages:write` and for
    /// administrators; a key needs `chat:write` as well to speak for a bot. Else it is the caller's own.
    #[serde(default, alias = "sender_type", deserialize_with = "any_case")]
    sender_type: Option<SenderWord>,
    /// Whom it is from or to; where it is not said, the contact of the conversation.
    #[serde(alias = "contact_id")]
    contact_id: Option<Uuid>,
    /// What it is called in the system that it comes from or goes to.
    #[serde(alias = "external_id")]
    #[schema(min_length = 1, max_length = 256)]
    external_id: Option<String>,
    /// The id of a message of this room.
    #[serde(alias = "reply_to_id")]
    reply_to_id: Option<Uuid>,
    /// The sender's own name for it. It stands in for an `Idempotency-Key` where that is missing.
    #[serde(alias = "client_message_id")]
    #[schema(min_length = 1, max_length = 128)]
    client_message_id: Option<String>,
}

impl HandedIn {
    /// In whose words the message is. What `direction` says besides must fit.
    fn author(&self) -> Result<Author, Problem> {
        let author = match (self.sender_type, self.direction) {
            (Some(SenderWord::Contact), _) | (None, Some(DirectionWord::Inbound)) => Author::Contact,
            (Some(SenderWord::Bot), _) => Author::Bot,
            (Some(SenderWord::Agent) | None, _) => Author::Caller,
        };
        let of_contact = author == Author::Contact;
        match self.direction {
            Some(DirectionWord::Outbound) if of_contact => Err(Problem::invalid(
                "direction",
                "direction: expected inbound, for that is where contacts' messages go",
            )),
            Some(DirectionWord::Inbound) if !of_contact => Err(Problem::invalid(
                "direction",
                "direction: expected outbound, for only contacts' messages are inbound",
            )),
            _ => Ok(author),
        }
    }
}

/// A stored message, with the names that callers of this page know it by.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HandedInMessage)]
pub(in crate::api) struct Known {
    /// The same as `id`.
    #[serde(rename = "messageId")]
    message_id: Uuid,
    /// The same as `conversation_id`.
    #[serde(rename = "conversationId")]
    conversation_id: Uuid,
    #[serde(flatten)]
    message: MessageShape,
}

impl From<Message> for Known {
    fn from(message: Message) -> Self {
        Self { message_id: message.id.0, conversation_id: message.room.0, message: message.into() }
    }
}

/// A refusal in the names of this page's fields.
fn here(problem: impl Into<Problem>) -> Problem {
    let mut problem = problem.into();
    let name = match problem.field.as_deref() {
        Some("text") => "content",
        Some("reply_to_id") => "replyToId",
        Some("client_message_id") => "clientMessageId",
        _ if problem.code == RejectCode::SendFailed.as_str() => {
            problem.detail =
                "Not known to be stored: send it again, under the same Idempotency-Key or clientMessageId".into();
            return problem;
        }
        _ => return problem,
    };
    let expected = problem.detail.split_once(": ").map_or(&*problem.detail, |(_, expected)| expected);
    problem.detail = format!("{name}: {expected}").into();
    problem.field = Some(name.into());
    problem
}

/// Takes a message in, the caller's own or one of a contact.
#[utoipa::path(
    post,
    path = "/api/v1/messages",
    operation_id = "handInMessage",
    tag = "messages",
    params((
        "Idempotency-Key" = Option<String>, Header,
        description = "A name of this request; sent again under the same name within a day it is not done again. Without it \
                       `clientMessageId` is that name"
    )),
    request_body = HandedIn,
    responses(
        (
            status = 201, description = "The message is stored", body = Known,
            headers(
                ("ETag" = String, description = "What it stands as"),
                ("Location" = String, description = "Where it is"),
                ("Idempotent-Replayed" = Option<String>, description = "`true`: this was done before"),
            ),
        ),
        (
            status = 404, description = "There is no such room, or no such message to reply to",
            body = Problem, content_type = "application/problem+json",
        ),
        (
            status = 409, description = "A request with this Idempotency-Key is still being done",
            body = Problem, content_type = "application/problem+json",
        ),
        (
            status = 422, description = "The Idempotency-Key came with another request",
            body = Problem, content_type = "application/problem+json",
        ),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn hand_in(
    caller: Caller,
    body: Body<HandedIn>,
    chat: Data<Chat>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let sender = caller.member()?;
    let client_message_id =
        body.value.client_message_id.as_deref().map(wording::client_message_id).transpose().map_err(here)?;
    let idempotency = match idempotency::key(&request, &body)? {
        Some(named) => Some(named),
        None => client_message_id.clone().map(|name| idempotency::named(name, &request, &body)),
    };
    let sender = (sender.organization, sender.user);
    let _begun = idempotency.as_ref().map(|it| chat.underway.begin(sender, it)).transpose()?;
    let author = body.value.author()?;
    let HandedIn { conversation_id, content, message_type, contact_id, external_id, reply_to_id, .. } = body.value;
    let content = content.checked(chat.max_text_bytes).map_err(here)?;
    let said = content.clone();
    let draft = Draft {
        id: clock::message_id(),
        room: RoomId(conversation_id),
        author,
        contact: contact_id.map(ContactId),
        message_type: message_type.map_or(MessageType::Text, Into::into),
        content,
        reply_to: reply_to_id.map(MessageId),
        client_message_id,
        external_id: external_id.as_deref().map(wording::external_id).transpose()?,
        idempotency: idempotency.map(Box::new),
        create_as: RoomKind::Conversation,
    };
    match chat.ask(&caller, Command::Send(Box::new(draft))).await.map_err(here)? {
        // Under its sender's name for it there was a message before, and it said something else.
        Event::Sent { message, duplicate: true }
            if message.edited_at.or(message.deleted_at).is_none() && message.content != said =>
        {
            Err(Reject::idempotency_key_reused().into())
        }
        Event::Sent { message, duplicate } => {
            Ok(stored(&request, &message, duplicate, &Known::from(Message::clone(&message))))
        }
        other => Err(unexpected(&other)),
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = StatusReport)]
pub(in crate::api) struct NewStatus {
    /// In upper or lower case.
    #[serde(deserialize_with = "any_case")]
    #[schema(value_type = StatusWord)]
    status: Option<StatusWord>,
    /// Since when it is so; now, where it is not said.
    #[schema(value_type = Option<String>, format = DateTime)]
    timestamp: Option<String>,
}

/// Reports what has become of a message out there. A status only moves forward: a report that comes late changes nothing.
#[utoipa::path(
    put,
    path = "/api/v1/messages/{id}/status",
    operation_id = "reportStatus",
    tag = "messages",
    params(("id" = Uuid, Path, description = "The message")),
    request_body = NewStatus,
    responses(
        (
            status = 200, description = "The message as it is now", body = Known,
            headers(("ETag" = String, description = "What it stands as")),
        ),
        (
            status = 404, description = "There is no such message",
            body = Problem, content_type = "application/problem+json",
        ),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn report(
    caller: Caller,
    At(id): At<MessageId>,
    body: Body<NewStatus>,
    chat: Data<Chat>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let viewer = caller.member()?;
    let NewStatus { status, timestamp } = body.value;
    let status = status.ok_or_else(|| Problem::invalid("status", "status: expected, and missing"))?.into();
    let at = timestamp.as_deref().map(moment).transpose()?;
    let room = find(&chat, &viewer, id).await?.room;
    match chat.ask(&caller, Command::Report(Report { room, message: id, status, at })).await? {
        Event::Status { .. } => {}
        other => return Err(unexpected(&other)),
    }
    let message = find(&chat, &viewer, id).await?;
    Ok(tagged(&request, StatusCode::OK, &version(&message), &Known::from(message)))
}

fn moment(text: &str) -> Result<Timestamp, Reject> {
    text.parse().map_err(|_| Reject::field("timestamp", "a time as in RFC 3339, such as 2025-10-10T15:30:00.000Z"))
}
