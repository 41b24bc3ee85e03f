//! Who of the organization can be reached now.

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use super::people::find;
use super::shapes::{List, Presence};
use super::{Chat, MOST, read};
use crate::api::Problem;
use crate::api::caller::Caller;
use crate::api::input::{At, Params};
use crate::domain::UserId;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Whose {
    /// At most 200 ids of users with commas between them. Those that the organization does not have are left out of the
    /// answer.
    ids: String,
}

/// Whether somebody can be reached now.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}/presence",
    operation_id = "getPresence",
    tag = "people",
    params(("id" = Uuid, Path, description = "The user")),
    responses(
        (status = 200, description = "Their presence", body = Presence),
        (
            status = 404, description = "There is no such user",
            body = Problem, content_type = "application/problem+json",
        ),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn of_one(caller: Caller, At(id): At<UserId>, chat: Data<Chat>) -> Result<Json<Presence>, Problem> {
    let viewer = caller.viewer()?;
    let person = find(&chat, &viewer, id).await?;
    let is_connected = chat.hub.online(viewer.organization, vec![id]).await.contains(&true);
    Ok(Json(Presence::of(&person, is_connected)))
}

/// Which of these people can be reached now.
#[utoipa::path(
    get,
    path = "/api/v1/users/presence",
    operation_id = "listPresence",
    tag = "people",
    params(Whose),
    responses(
        (status = 200, description = "The presence of each", body = List<Presence>),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn of_many(
    caller: Caller,
    Params(whose): Params<Whose>,
    chat: Data<Chat>,
) -> Result<Json<List<Presence>>, Problem> {
    let viewer = caller.viewer()?;
    let wanted: Result<Vec<UserId>, _> =
        whose.ids.split(',').filter(|id| !id.is_empty()).map(|id| id.trim().parse()).collect();
    let mut wanted = wanted.ok().filter(|ids| ids.len() <= MOST as usize).ok_or_else(|| {
        Problem::invalid("ids", format!("ids: expected at most {MOST} UUIDs with commas between them"))
    })?;
    wanted.sort_unstable();
    wanted.dedup();
    let persons = read(chat.reads.persons(viewer.organization, wanted.clone())).await?;
    let connected = chat.connected(&viewer, wanted).await;
    let presence = |person| Presence::of(person, connected.get(&person.id) == Some(&true));
    Ok(Json(List::all(persons.iter().map(presence).collect())))
}
