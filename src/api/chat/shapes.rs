//! How rooms, messages and people stand in an answer. Contracts: names and types stay.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain;
use crate::domain::Timestamp;
use crate::store::read::{Cursor, Edit, Listed, MemberEntry, Person, RoomEntry, UnreadEntry};

/// The words of the hub as they stand in JSON.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident as $shown:ident = $domain:path { $($variant:ident),* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "lowercase")]
        #[schema(as = $shown)]
        pub(crate) enum $name { $($variant),* }

        impl From<$domain> for $name {
            fn from(word: $domain) -> Self {
                match word { $(<$domain>::$variant => Self::$variant),* }
            }
        }

        impl From<$name> for $domain {
            fn from(word: $name) -> Self {
                match word { $($name::$variant => Self::$variant),* }
            }
        }
    )*};
}

words! {
    /// What a room is for, and with it who may come in: `public` anyone in the organization, `private` members,
    /// `direct` exactly two, `conversation` members, agents and admins.
    KindWord as RoomKind = domain::RoomKind { Public, Private, Direct, Conversation }
    /// What a member may do beyond speaking.
    PlaceWord as MemberRole = domain::MemberRole { Member, Moderator, Owner }
    /// What a user is in the organization.
    RoleWord as Role = domain::Role { Admin, Agent, Member, Bot }
    /// How somebody is seen.
    PresenceWord as UserStatus = domain::UserStatus { Online, Busy, Away, Offline }
    SenderWord as SenderType = domain::SenderType { Agent, Contact, Bot }
    /// `inbound` comes from the contact, `outbound` goes to it.
    DirectionWord as Direction = domain::Direction { Inbound, Outbound }
    TypeWord as MessageType = domain::MessageType { Text, Image, Video, Audio, Document }
    /// How far a message has come. It only moves forward.
    StatusWord as MessageStatus = domain::MessageStatus { Pending, Sent, Failed, Delivered, Read }
}

/// A piece of a list. `next`: the `cursor` to ask with for what follows; null at the end.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl<T> List<T> {
    pub(crate) fn of<U>(listed: Listed<U>, shape: impl FnMut(U) -> T) -> Self {
        let next = listed.next.map(|it: Cursor| it.to_string());
        Self { items: listed.items.into_iter().map(shape).collect(), next }
    }

    pub(crate) fn all(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// What a message says. A deleted message says nothing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Content)]
pub(crate) struct ContentShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    text: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    media_url: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    filename: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    caption: Option<Box<str>>,
}

impl From<domain::Content> for ContentShape {
    fn from(content: domain::Content) -> Self {
        let domain::Content { text, media_url, filename, caption } = content;
        Self { text: Some(text).filter(|it| !it.is_empty()), media_url, filename, caption }
    }
}

/// One emoji under a message, and who put it there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reactions)]
pub(crate) struct ReactionsShape {
    emoji: Box<str>,
    count: usize,
    user_ids: Vec<Uuid>,
}

/// A stored message in its present state, its text as it was written: show it as text, not as HTML.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub(crate) struct MessageShape {
    id: Uuid,
    room_id: Uuid,
    /// The same as `room_id`.
    conversation_id: Uuid,
    /// The message's number in its room: from 1, without gaps.
    seq: u64,
    /// When it was stored, in the organization's numbering of all changes.
    pos: u64,
    direction: DirectionWord,
    sender_type: SenderWord,
    /// The user that sent it, or the contact.
    sender_id: Option<Uuid>,
    /// The name of the user when the message was sent.
    sender_name: Option<Box<str>>,
    contact_id: Option<Uuid>,
    message_type: TypeWord,
    content: ContentShape,
    status: StatusWord,
    /// Its name in the system that it comes from or goes to.
    external_id: Option<Box<str>>,
    /// The same as `external_id`.
    whatsapp_message_id: Option<Box<str>>,
    client_message_id: Option<Box<str>>,
    reply_to_id: Option<Uuid>,
    reactions: Vec<ReactionsShape>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The same as `created_at`: what is stored is sent.
    #[schema(value_type = String, format = DateTime)]
    sent_at: Timestamp,
    /// When the outside says that the contact's device had it. Of what people of the organization have received, only
    /// `status` tells.
    #[schema(value_type = Option<String>, format = DateTime)]
    delivered_at: Option<Timestamp>,
    /// When the outside says that the contact had read it. Of what people of the organization have read, only `status`
    /// tells.
    #[schema(value_type = Option<String>, format = DateTime)]
    read_at: Option<Timestamp>,
    /// Its last edit.
    #[schema(value_type = Option<String>, format = DateTime)]
    edited_at: Option<Timestamp>,
    /// From then on its place stays, and what it said is gone.
    #[schema(value_type = Option<String>, format = DateTime)]
    deleted_at: Option<Timestamp>,
}

impl From<domain::Message> for MessageShape {
    fn from(message: domain::Message) -> Self {
        let shape = |it: domain::Reactions| ReactionsShape {
            count: it.users.len(),
            user_ids: it.users.into_iter().map(|user| user.0).collect(),
            emoji: it.emoji,
        };
        Self {
            id: message.id.0,
            room_id: message.room.0,
            conversation_id: message.room.0,
            seq: message.seq,
            pos: message.pos,
            direction: message.direction.into(),
            sender_type: message.sender_type.into(),
            sender_id: message.user.map(|it| it.0).or(message.contact.map(|it| it.0)),
            sender_name: Some(message.user_name).filter(|name| message.user.is_some() && !name.is_empty()),
            contact_id: message.contact.map(|it| it.0),
            message_type: message.message_type.into(),
            content: message.content.into(),
            status: message.status.into(),
            whatsapp_message_id: message.external_id.clone(),
            external_id: message.external_id,
            client_message_id: message.client_message_id,
            reply_to_id: message.reply_to.map(|it| it.0),
            reactions: message.reactions.into_iter().map(shape).collect(),
            created_at: message.created_at,
            sent_at: message.created_at,
            delivered_at: message.delivered_at,
            read_at: message.read_at,
            edited_at: message.edited_at,
            deleted_at: message.deleted_at,
        }
    }
}

/// What became of a reaction.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reaction)]
pub(crate) struct ReactionShape {
    message_id: Uuid,
    room_id: Uuid,
    seq: u64,
    user_id: Uuid,
    emoji: Box<str>,
    /// False: taken back.
    present: bool,
    /// How many have it there now.
    count: u64,
}

impl From<domain::Reaction> for ReactionShape {
    fn from(reaction: domain::Reaction) -> Self {
        Self {
            message_id: reaction.message.0,
            room_id: reaction.room.0,
            seq: reaction.seq,
            user_id: reaction.user.0,
            emoji: reaction.emoji,
            present: reaction.present,
            count: reaction.count,
        }
    }
}

/// How far the caller has read in a room.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReadMark)]
pub(crate) struct MarkShape {
    room_id: Uuid,
    user_id: Uuid,
    /// The newest message that is read.
    message_id: Uuid,
    up_to_seq: u64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

impl From<domain::Mark> for MarkShape {
    fn from(mark: domain::Mark) -> Self {
        Self {
            room_id: mark.room.0,
            user_id: mark.user.0,
            message_id: mark.message.0,
            up_to_seq: mark.up_to_seq,
            at: mark.at,
        }
    }
}

/// What a message said before an edit, and who made the edit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Edit)]
pub(crate) struct EditShape {
    content: ContentShape,
    edited_by: Uuid,
    edited_by_name: Box<str>,
    #[schema(value_type = String, format = DateTime)]
    edited_at: Timestamp,
}

impl From<Edit> for EditShape {
    fn from(edit: Edit) -> Self {
        let (edited_by, edited_by_name, edited_at) = (edit.by.0, edit.by_name, edit.at);
        Self { content: edit.content.into(), edited_by, edited_by_name, edited_at }
    }
}

/// Somebody of the organization.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserShape {
    id: Uuid,
    name: Box<str>,
    /// Told to admins and to oneself; else null.
    email: Option<Box<str>>,
    role: RoleWord,
    /// `offline` for whoever is not connected, or wants to be seen so.
    status: PresenceWord,
    online: bool,
    avatar_url: Option<Box<str>>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl UserShape {
    /// `connected`: they have a connection now. `with_email`: the caller may know it.
    pub(crate) fn new(person: Person, connected: bool, with_email: bool) -> Self {
        let presence = Presence::of(&person, connected);
        Self {
            id: person.id.0,
            name: person.name,
            email: person.email.filter(|_| with_email),
            role: person.role.into(),
            status: presence.status,
            online: presence.online,
            avatar_url: person.avatar_url,
            created_at: person.created_at,
        }
    }
}

/// Whether somebody can be reached now.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Presence {
    user_id: Uuid,
    /// Connected, and not hiding it.
    online: bool,
    status: PresenceWord,
}

impl Presence {
    pub(crate) fn of(person: &Person, connected: bool) -> Self {
        let online = connected && person.status != domain::UserStatus::Offline;
        let status = if online { person.status.into() } else { PresenceWord::Offline };
        Self { user_id: person.id.0, online, status }
    }
}

/// Somebody's place in a room.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub(crate) struct MemberShape {
    user_id: Uuid,
    name: Option<Box<str>>,
    role: PlaceWord,
    /// May read, and not write.
    muted: bool,
    /// Kept out; the role means nothing.
    banned: bool,
    #[schema(value_type = String, format = DateTime)]
    joined_at: Timestamp,
    status: PresenceWord,
    online: bool,
    avatar_url: Option<Box<str>>,
}

impl MemberShape {
    pub(crate) fn new(entry: MemberEntry, connected: bool) -> Self {
        let presence = entry.person.as_ref().map(|person| Presence::of(person, connected));
        let (name, avatar_url) = entry.person.map_or((None, None), |it| (Some(it.name), it.avatar_url));
        let membership = entry.member.membership;
        Self {
            user_id: entry.member.user.0,
            name,
            role: membership.role.into(),
            muted: membership.muted,
            banned: membership.banned,
            joined_at: entry.member.joined_at,
            status: presence.map_or(PresenceWord::Offline, |it| it.status),
            online: presence.is_some_and(|it| it.online),
            avatar_url,
        }
    }
}

/// The caller's own place in a room.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Membership)]
pub(crate) struct PlaceShape {
    role: PlaceWord,
    muted: bool,
    #[schema(value_type = String, format = DateTime)]
    joined_at: Timestamp,
}

/// A room as the caller finds it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Room)]
pub(crate) struct RoomShape {
    id: Uuid,
    /// Null in direct rooms, and where nobody gave one.
    name: Option<Box<str>>,
    kind: KindWord,
    contact_id: Option<Uuid>,
    /// Raised by every change of the room or its members.
    version: u64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// From then on it can be read, and nothing can be written.
    #[schema(value_type = Option<String>, format = DateTime)]
    archived_at: Option<Timestamp>,
    /// The newest message's number, 0 in an empty room.
    last_seq: u64,
    members_count: u64,
    /// Null for whoever has no place in the room.
    membership: Option<PlaceShape>,
    /// How many messages of others the caller has not read, counted up to 1000.
    unread: u64,
    /// How many of those say `@` and the caller's name.
    mentions: u64,
    /// Null in an empty room, and for whoever may not read it.
    last_message: Option<MessageShape>,
    /// In direct rooms the other one.
    peer: Option<UserShape>,
}

impl RoomShape {
    /// `peer_connected`: the other one of a direct room has a connection now.
    pub(crate) fn new(entry: RoomEntry, peer_connected: bool, with_email: bool) -> Self {
        let place = |(membership, joined_at): (domain::Membership, Timestamp)| PlaceShape {
            role: membership.role.into(),
            muted: membership.muted,
            joined_at,
        };
        let room = entry.room;
        Self {
            id: room.id.0,
            name: room.name,
            kind: room.kind.into(),
            contact_id: room.contact.map(|it| it.0),
            version: room.version,
            created_at: room.created_at,
            updated_at: room.updated_at,
            archived_at: room.archived_at,
            last_seq: entry.last_seq,
            members_count: entry.members,
            membership: entry.place.map(place),
            unread: entry.unread.messages,
            mentions: entry.unread.mentions,
            last_message: entry.last_message.map(Into::into),
            peer: entry.peer.map(|person| UserShape::new(person, peer_connected, with_email)),
        }
    }
}

/// What the caller has not read in one of their rooms.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Unread)]
pub(crate) struct UnreadShape {
    room_id: Uuid,
    /// Counted up to 1000.
    unread: u64,
    /// How many of those say `@` and the caller's name.
    mentions: u64,
    last_seq: u64,
    /// Up to where the caller has read.
    last_read_seq: u64,
}

impl From<UnreadEntry> for UnreadShape {
    fn from(entry: UnreadEntry) -> Self {
        Self {
            room_id: entry.room.0,
            unread: entry.unread.messages,
            mentions: entry.unread.mentions,
            last_seq: entry.last_seq,
            last_read_seq: entry.read_seq,
        }
    }
}
