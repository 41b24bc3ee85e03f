//! `/api/v1/chat/direct/{user_id}`: the room of two.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use uuid::Uuid;

use super::rooms::{answer, found};
use super::shapes::RoomShape;
use super::{Chat, locate, people, unexpected};
use crate::api::Problem;
use crate::api::caller::Caller;
use crate::api::input::At;
use crate::domain::{Command, Event, OrgId, Room, RoomChange, RoomDraft, RoomId, RoomKind, UserId};

/// How many ids are tried where others were there first.
const ATTEMPTS: u8 = 32;

/// Finds the room, or makes it.
#[utoipa::path(
    post,
    path = "/api/v1/chat/direct/{user_id}",
    operation_id = "openDirectRoom",
    tag = "rooms",
    params(("user_id" = Uuid, Path, description = "The other one")),
    responses(
        (
            status = 201, description = "The room was made", body = RoomShape,
            headers(
                ("ETag" = String, description = "What it stands as"),
                ("Location" = String, description = "Where it is"),
            ),
        ),
        (
            status = 200, description = "The room was there", body = RoomShape,
            headers(
                ("ETag" = String, description = "What it stands as"),
                ("Location" = String, description = "Where it is"),
            ),
        ),
        (status = 400, description = "It takes two", body = Problem, content_type = "application/problem+json"),
        (
            status = 404, description = "There is no such user",
            body = Problem, content_type = "application/problem+json",
        ),
        (status = 409, description = "The id is taken", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn open(
    caller: Caller,
    At(user): At<UserId>,
    chat: Data<Chat>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let viewer = caller.member()?;
    if user == viewer.user {
        return Err(Problem::invalid("user_id", "user_id: expected somebody else"));
    }
    people::find(&chat, &viewer, user).await?;
    let (room, created) = find_or_make(&chat, &caller, viewer.organization, (viewer.user, user)).await?;
    let id = room.id;
    if room.archived_at.is_some() {
        // Whoever writes to somebody wants to be able to.
        let change = RoomChange { archived: Some(false), ..RoomChange::default() };
        chat.ask(&caller, Command::Update { room: id, change }).await?;
    }
    let entry = found(&chat, &caller, &viewer, id).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = answer(&chat, &viewer, entry, &request, status).await;
    locate(&mut response, &format!("/api/v1/chat/rooms/{id}"));
    Ok(response)
}

async fn find_or_make(
    chat: &Chat,
    caller: &Caller,
    organization: OrgId,
    (one, other): (UserId, UserId),
) -> Result<(Arc<Room>, bool), Problem> {
    let mut taken = None;
    for attempt in 0..ATTEMPTS {
        let id = room_of(organization, one, other, attempt);
        let draft = RoomDraft { id, kind: RoomKind::Direct, name: None, members: vec![other] };
        match chat.ask(caller, Command::Create(Box::new(draft))).await {
            Ok(Event::RoomCreated { room, created }) => return Ok((room, created)),
            Ok(other) => return Err(unexpected(&other)),
            Err(problem) if problem.status == StatusCode::CONFLICT => taken = Some(problem),
            Err(problem) => return Err(problem),
        }
    }
    Err(taken.unwrap_or_else(|| Problem::unavailable("Try again shortly")))
}

/// The same for both, whoever asks first. Ids can be chosen, so somebody may have taken it for another room; then both
/// go on to the same next one.
fn room_of(organization: OrgId, one: UserId, other: UserId, attempt: u8) -> RoomId {
    let (first, second) = if one <= other { (one, other) } else { (other, one) };
    let mut name = [first.0.into_bytes(), second.0.into_bytes()].concat();
    name.extend((attempt > 0).then_some(attempt));
    RoomId(Uuid::new_v5(&organization.0, &name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_have_one_room_in_each_organization() {
        let id = |number| Uuid::from_u128(number);
        let room = |org, one, other| room_of(OrgId(id(org)), UserId(id(one)), UserId(id(other)), 0);
        assert_eq!(room(1, 2, 3), room(1, 3, 2));
        assert_ne!(room(1, 2, 3), room(1, 2, 4));
        assert_ne!(room(1, 2, 3), room(4, 2, 3));
    }
}
