//! What people ask for over REST: the past of rooms, the rooms themselves, who is in them and in the organization.
//!
//! Everything here is read through the store's readers and never waits for a write. Lists come in pages whose cursor is
//! the sort key of the last item, so that writes between two pages neither repeat nor hide what was there before them.
//! Whether somebody may read a room is the hub's to say, before it is read here.

mod cursor;
mod history;
mod members;
mod people;
mod rooms;
mod unread;

use super::reader::Readers;
use crate::domain::{
    Content, Identity, Member, Membership, Message, MessageId, OrgId, Role, Room, RoomId, RoomKind, Timestamp, UserId,
    UserStatus,
};
use crate::hub::ports::Reply;
pub use cursor::Cursor;
pub use history::{From, MAX_MESSAGES};

/// Who asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Viewer {
    pub organization: OrgId,
    pub user: UserId,
    pub name: Box<str>,
    pub role: Role,
}

impl Viewer {
    /// `None`: whoever belongs to no organization sees nothing.
    pub fn new(identity: &Identity) -> Option<Self> {
        let organization = identity.organization?;
        Some(Self { organization, user: identity.user, name: identity.name.clone(), role: identity.role })
    }
}

/// A piece of a list. `next`: from where to go on; `None` where this is the end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed<T> {
    pub items: Vec<T>,
    pub next: Option<Cursor>,
}

/// Which part of a list is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    pub after: Option<Cursor>,
    pub limit: u32,
}

impl Span {
    /// One more than is asked for says that there is more.
    fn rows(self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The rows of a list that was read with [`Span::rows`], and from where it goes on.
    fn cut<T>(self, mut rows: Vec<T>, cursor: impl FnOnce(&T) -> Cursor) -> Listed<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(cursor);
        Listed { items: rows, next }
    }
}

impl<T> Listed<T> {
    fn try_map<U, E>(self, map: impl FnMut(T) -> Result<U, E>) -> Result<Listed<U>, E> {
        let items = self.items.into_iter().map(map).collect::<Result<_, E>>()?;
        Ok(Listed { items, next: self.next })
    }
}

/// Which rooms are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Among {
    /// Those that the viewer has a place in, the public ones, and for agents and admins the customer conversations.
    #[default]
    Visible,
    /// Those that the viewer has a place in.
    Mine,
    Public,
}

/// Which rooms of those are asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RoomFilter {
    pub among: Among,
    pub kind: Option<RoomKind>,
    /// A part of the name.
    pub name: Option<Box<str>>,
    /// Also those that are archived.
    pub archived: bool,
}

/// A room as one user finds it in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomEntry {
    pub room: Room,
    pub last_seq: u64,
    /// How many have a place in it.
    pub members: u64,
    /// The viewer's place, and since when.
    pub place: Option<(Membership, Timestamp)>,
    pub unread: Unread,
    pub last_message: Option<Message>,
    /// The other one in a direct room.
    pub peer: Option<Person>,
}

/// What somebody has not read in a room: written by others after the mark, and after they came into the room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Unread {
    /// Counted up to [`Unread::MOST`].
    pub messages: u64,
    /// How many of those say `@` and the viewer's name.
    pub mentions: u64,
}

impl Unread {
    pub const MOST: u64 = 1_000;
}

/// What somebody has not read, in one of their rooms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnreadEntry {
    pub room: RoomId,
    pub last_seq: u64,
    pub read_seq: u64,
    pub unread: Unread,
}

/// Somebody of the organization.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    pub id: UserId,
    pub name: Box<str>,
    pub email: Option<Box<str>>,
    pub role: Role,
    pub status: UserStatus,
    pub avatar_url: Option<Box<str>>,
    pub created_at: Timestamp,
}

/// Somebody with a place in a room. `person`: as the organization knows them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberEntry {
    pub member: Member,
    pub person: Option<Person>,
}

/// What a message said before an edit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edit {
    pub content: Content,
    pub by: UserId,
    pub by_name: Box<str>,
    pub at: Timestamp,
}

/// The read side of the store.
#[derive(Clone)]
pub struct Reads {
    readers: Readers,
}

impl Reads {
    pub(super) fn new(readers: Readers) -> Self {
        Self { readers }
    }

    /// At most `limit` messages of a room.
    pub fn history(&self, room: RoomId, from: From, limit: u32) -> Reply<Listed<Message>> {
        self.readers.ask(history::History { room, from, limit: limit.min(MAX_MESSAGES) })
    }

    /// A message of the organization, deleted ones included.
    pub fn message(&self, organization: OrgId, message: MessageId) -> Reply<Option<Message>> {
        self.readers.ask(history::One { organization, message })
    }

    /// What a message said before, the oldest first.
    pub fn edits(&self, message: MessageId, span: Span) -> Reply<Listed<Edit>> {
        self.readers.ask(history::Edits { message, span })
    }

    /// Rooms that `viewer` may know of, the newest first.
    pub fn rooms(&self, viewer: Viewer, filter: RoomFilter, span: Span) -> Reply<Listed<RoomEntry>> {
        self.readers.ask(rooms::Rooms { viewer, filter, span })
    }

    /// A room of the viewer's organization.
    pub fn room(&self, viewer: Viewer, room: RoomId) -> Reply<Option<RoomEntry>> {
        self.readers.ask(rooms::OneRoom { viewer, room })
    }

    /// Those with a place in a room, or, with `banned`, those who are kept out of it.
    pub fn members(&self, organization: OrgId, room: RoomId, banned: bool, span: Span) -> Reply<Listed<MemberEntry>> {
        self.readers.ask(members::Members { organization, room, banned, span })
    }

    /// What `viewer` has not read, in each of their rooms that is not archived.
    pub fn unread(&self, viewer: Viewer, span: Span) -> Reply<Listed<UnreadEntry>> {
        self.readers.ask(unread::UnreadOf { viewer, span })
    }

    /// People of an organization. `part`: of the name, or of the e-mail where `by_email`.
    pub fn people(
        &self,
        organization: OrgId,
        part: Option<Box<str>>,
        by_email: bool,
        span: Span,
    ) -> Reply<Listed<Person>> {
        self.readers.ask(people::People { organization, part, by_email, span })
    }

    /// Those of `users` that the organization knows, in no order.
    pub fn persons(&self, organization: OrgId, users: Vec<UserId>) -> Reply<Vec<Person>> {
        self.readers.ask(people::Persons { organization, users })
    }
}

/// A pattern of `LIKE`, with `\` to escape by, that finds `part` anywhere.
fn anywhere(part: &str) -> String {
    let mut pattern = String::with_capacity(part.len() + 2);
    pattern.push('%');
    for character in part.chars().filter(|it| *it != '\0') {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

diesel::define_sql_function! {
    /// The database's own idea of small letters: in SQLite those of ASCII.
    #[sql_name = "lower"]
    fn small<T: diesel::sql_types::SqlType + diesel::sql_types::SingleValue>(text: T) -> T;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_search_means_more_than_itself() {
        assert_eq!(anywhere("50%_\\x\0"), "%50\\%\\_\\\\x%");
    }

    #[test]
    fn one_row_too_many_says_that_there_is_more() {
        let span = Span { after: None, limit: 2 };
        let cursor = |it: &u64| Cursor::newer(*it);
        assert_eq!(span.cut(vec![1, 2], cursor).next, None);
        assert_eq!(span.cut(vec![1, 2, 3], cursor), Listed { items: vec![1, 2], next: Some(Cursor::newer(2)) });
    }
}
