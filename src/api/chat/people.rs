//! `/api/v1/users`: the people of the organization.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::IntoParams;

use super::rooms::search;
use super::shapes::{List, UserShape};
use super::{Chat, Part, read, tagged};
use crate::api::Problem;
use crate::api::caller::Caller;
use crate::api::input::{At, Params};
use crate::domain::{Reject, RejectCode, Role, UserId};
use crate::store::read::{Cursor, Person, Viewer};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Which {
    /// A part of the name, in small or capital letters; for admins of the e-mail, too.
    #[param(max_length = 100)]
    q: Option<String>,
}

/// People of the organization.
#[utoipa::path(
    get,
    path = "/api/v1/users",
    operation_id = "listUsers",
    tag = "people",
    params(Which, Part),
    responses(
        (status = 200, description = "People", body = List<UserShape>),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn list(
    caller: Caller,
    Params(which): Params<Which>,
    Params(part): Params<Part>,
    chat: Data<Chat>,
) -> Result<Json<List<UserShape>>, Problem> {
    let viewer = caller.viewer()?;
    let span = part.span(|cursor| matches!(cursor, Cursor::Id(_)))?;
    let by_email = viewer.role == Role::Admin;
    let listed = read(chat.reads.people(viewer.organization, search(which.q)?, by_email, span)).await?;
    let connected = chat.connected(&viewer, listed.items.iter().map(|person| person.id).collect()).await;
    Ok(Json(List::of(listed, |person| {
        let is_connected = connected.get(&person.id) == Some(&true);
        shape(&viewer, person, is_connected)
    })))
}

/// Somebody of the organization.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}",
    operation_id = "getUser",
    tag = "people",
    params(
        ("id" = Uuid, Path, description = "The user"),
        ("If-None-Match" = Option<String>, Header, description = "304 if the ETag is still this one"),
    ),
    responses(
        (
            status = 200, description = "The user", body = UserShape,
            headers(
                ("ETag" = String, description = "What it stands as"),
            ),
        ),
        (status = 304, description = "As it was"),
        (
            status = 404, description = "There is no such user",
            body = Problem, content_type = "application/problem+json",
        ),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn show(
    caller: Caller,
    At(id): At<UserId>,
    chat: Data<Chat>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let viewer = caller.viewer()?;
    let person = find(&chat, &viewer, id).await?;
    let is_connected = chat.hub.online(viewer.organization, vec![id]).await.contains(&true);
    Ok(tagged(&request, StatusCode::OK, "u", &shape(&viewer, person, is_connected)))
}

/// Somebody of the caller's organization.
pub(super) async fn find(chat: &Chat, viewer: &Viewer, id: UserId) -> Result<Person, Problem> {
    let no_such = || Reject::new(RejectCode::NotFound, "There is no such user").into();
    read(chat.reads.persons(viewer.organization, vec![id])).await?.pop().ok_or_else(no_such)
}

fn shape(viewer: &Viewer, person: Person, is_connected: bool) -> UserShape {
    let with_email = viewer.role == Role::Admin || viewer.user == person.id;
    UserShape::new(person, is_connected, with_email)
}
