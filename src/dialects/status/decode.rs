//! From a client's frame to what it asks for. Whatever is wrong is answered with what would be right.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::payload::{Refresh, kind, object};
use super::wire::{FIELDS, Kind, Subscribe, Unsubscribe};
use crate::domain::{Command, MAX_NUMBER, Reject, RejectCode, Resume, RoomId, RoomKind};
use crate::session::dialect::{Inbound, Misread, Request};

pub(super) fn frame(frame: &str) -> Result<Inbound, Misread> {
    match request(frame) {
        Ok(request) => Ok(Inbound { request, tag: None }),
        Err(reject) => Err(Misread { reject, tag: None }),
    }
}

fn request(frame: &str) -> Result<Request, Reject> {
    let raw: &RawValue = object(frame)?;
    let asked: Kind<'_> = object(raw.get())?;
    match &*kind(asked.kind)? {
        "subscribe" => subscribe(&fields(raw)?),
        "unsubscribe" => {
            let room = conversation(fields::<Unsubscribe>(raw)?.conversation_id)?;
            Ok(Request::Command(Command::Leave { room }))
        }
        "ping" => Ok(Request::Ping),
        "refresh_token" => fields::<Refresh<'_>>(raw)?.request(&FIELDS),
        unknown => Err(unknown_type(unknown)),
    }
}

fn unknown_type(kind: &str) -> Reject {
    let shown: String = kind.chars().take(64).collect();
    let message = format!("There is no type `{shown}`: expected subscribe, unsubscribe, ping or refresh_token");
    Reject::new(RejectCode::UnknownType, message)
}

fn fields<'a, T: Default + Deserialize<'a>>(frame: &'a RawValue) -> Result<T, Reject> {
    FIELDS.read("frame", Some(frame))
}

fn conversation(id: Option<RoomId>) -> Result<RoomId, Reject> {
    id.ok_or_else(|| FIELDS.wrong("conversationId"))
}

fn subscribe(subscribe: &Subscribe) -> Result<Request, Reject> {
    let room = conversation(subscribe.conversation_id)?;
    let resume = subscribe.after_seq.map_or(Resume::Live, |seq| Resume::AfterSeq(seq.min(MAX_NUMBER)));
    let create_as = RoomKind::Conversation;
    Ok(Request::Command(Command::Join { room, resume, presence: Some(false), create_as }))
}
