//! `/api/v1/chat/messages/{id}/reactions/{emoji}`: an emoji under a message, put there or taken back.

use actix_web::web::{Data, Json};

use super::message::find;
use super::shapes::ReactionShape;
use super::{Chat, unexpected};
use crate::api::Problem;
use crate::api::caller::Caller;
use crate::api::input::At;
use crate::domain::{Command, Event, MessageId, wording};

pub(super) async fn put(
    caller: Caller,
    At(path): At<(MessageId, String)>,
    chat: Data<Chat>,
) -> Result<Json<ReactionShape>, Problem> {
    react(&caller, path, true, &chat).await
}

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
