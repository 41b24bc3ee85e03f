//! What the hub needs of the outside, as traits: the store behind it.
//!
//! `store` implements [`Store`]; the simulation under `tests/` and in `state` tests stands in for it
//! with one that fails, crashes and comes back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use uuid::Uuid;

use crate::domain::audit::AuditEntry;
use crate::domain::{
    ContactId, Deletion, Direction, Draft, Event, Idempotency, Identity, Mark, MarkKind, Member, MemberChange,
    Membership, Message, MessageId, MessageStatus, OrgId, Reaction, Recoverable, RecoveryId, Reject, Report, Room,
    RoomChange, RoomDraft, RoomId, RoomKind, SenderType, Timestamp, UserId,
};

/// Names a write while it is on its way, so that its outcome finds the command that asked for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Ticket(pub u64);

/// One change to be stored.
#[derive(Clone, Debug)]
pub struct Write {
    pub ticket: Ticket,
    pub organization: OrgId,
    pub change: Change,
}

#[derive(Clone, Debug)]
pub enum Change {
    Message(Box<NewMessage>),
    Room(NewRoom),
    Mark(NewMark),
    /// Seldom, and each in a few statements of its own.
    Amend(Box<Amendment>),
}

/// A change of what is stored already, or of who may do what. Each has its own `pos`; what changes a room or its members
/// raises the room's version too.
#[derive(Clone, Debug)]
pub struct Amendment {
    /// Names this change: run again after a commit of which nobody knows how it ended, it is found done.
    pub id: Uuid,
    /// Who asks for it.
    pub by: UserId,
    pub by_name: Box<str>,
    pub kind: AmendmentKind,
}

#[derive(Clone, Debug)]
pub enum AmendmentKind {
    /// `None`: a deletion. A deleted message can be neither edited nor deleted again (`not_found`).
    Message {
        room: RoomId,
        message: MessageId,
        text: Option<Box<str>>,
        if_changed_pos: Option<u64>,
        reach: Reach,
    },
    /// Only forward: what is not news changes nothing.
    Report(Report),
    React {
        room: RoomId,
        message: MessageId,
        emoji: Box<str>,
        present: bool,
    },
    Create(RoomDraft),
    /// The same request again finds the room, whatever its id.
    CreateOnce(RoomDraft, Box<Idempotency>),
    Update {
        room: RoomId,
        change: RoomChange,
    },
    Purge {
        room: RoomId,
    },
    /// `None`: the place is taken away.
    Member {
        room: RoomId,
        user: UserId,
        change: Option<MemberChange>,
        authority: Authority,
    },
}

/// Whose messages somebody may change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    Any,
    Own,
}

/// What somebody may do about the members of a room. Who the member is, only the store knows, so it compares.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Authority {
    /// Take or leave one's own place: as `Member` in a public room, and any room may be left.
    Own,
    /// Also give places, as `Member`, to those who have none and are not banned.
    Invite,
    /// Also mute, ban and remove those whose role is `Member`, and give places to anyone as `Member`.
    Moderate,
    /// Everything.
    Full,
}

/// A message to be numbered and stored. A second one with the same room, sender and `client_message_id` is not stored.
#[derive(Clone, Debug)]
pub struct NewMessage {
    pub draft: Draft,
    pub sender_type: SenderType,
    pub direction: Direction,
    /// Who handed it in. Of a contact's message that is not its sender.
    pub user: UserId,
    pub user_name: Box<str>,
}

/// A room to be made, with its first member as owner. Nothing happens where the id is taken.
#[derive(Clone, Debug)]
pub struct NewRoom {
    pub id: RoomId,
    pub kind: RoomKind,
    pub owner: UserId,
}

/// How far somebody has come: to a `seq`, to a message, or to the higher of the two where both are named.
#[derive(Clone, Debug)]
pub struct NewMark {
    pub room: RoomId,
    pub kind: MarkKind,
    pub user: UserId,
    pub seq: Option<u64>,
    pub message: Option<MessageId>,
}

/// What became of a [`Write`].
#[derive(Clone, Debug)]
pub struct Written {
    pub ticket: Ticket,
    pub outcome: Result<Outcome, WriteError>,
}

#[derive(Clone, Debug)]
pub enum Outcome {
    /// `duplicate`: it was there already, and this is the first one.
    Message { message: Arc<Message>, duplicate: bool },
    /// `created`: false where the id was taken, by whichever organization.
    Room { created: bool },
    /// Where the user's mark stands now. `pos` is `None` where it did not move.
    Mark { mark: Mark, pos: Option<u64> },
    /// What an amendment has made of things. `pos` is `None` where nothing had to change.
    Amended { amended: Amended, pos: Option<u64> },
}

/// What an [`Amendment`] has come to.
#[derive(Clone, Debug)]
pub enum Amended {
    Edited {
        message: Arc<Message>,
    },
    Deleted(Deletion),
    Reacted(Reaction),
    /// Its status as it is now.
    Reported {
        room: RoomId,
        message: MessageId,
        status: MessageStatus,
        at: Timestamp,
    },
    /// `members`: everyone with a place in it, the caller first. `created`: false where it was there already.
    Created {
        room: Arc<Room>,
        members: Vec<Member>,
        created: bool,
    },
    Updated {
        room: Arc<Room>,
    },
    /// `members`: those who had a place in it.
    Purged {
        room: RoomId,
        members: Vec<UserId>,
    },
    /// `member`: as it is now; `None`: without a place. `room` is the room with its new version.
    Member {
        room: Arc<Room>,
        user: UserId,
        member: Option<Member>,
    },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WriteError {
    /// The database took everything but this one.
    Refused(Reject),
    /// Not known to be stored.
    Failed,
}

/// The queue in front of the writer is full; nothing was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Busy;

/// The database does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unavailable;

/// A room as one user meets it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Access {
    pub kind: RoomKind,
    pub archived: bool,
    pub contact: Option<ContactId>,
    /// What the user is in the room, if anything.
    pub member: Option<Membership>,
    /// Raised by every change of the room or its members.
    pub acl_version: u64,
    /// The newest message's number, 0 in an empty room.
    pub last_seq: u64,
    /// The organization's newest change, read in the same transaction as `last_seq`.
    pub last_pos: u64,
}

/// Where a room stands in the store: the newest message and the organization's newest change, from one transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    pub room: RoomId,
    pub last_seq: u64,
    /// The newest change of a message after it was stored. `None`: there was none.
    pub last_changed_pos: Option<u64>,
    pub last_pos: u64,
}

/// From where a page of a room's past is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    /// Messages, by `seq`.
    Seq(u64),
    /// All stored changes, by `pos`.
    Pos(u64),
}

/// A piece of a room's past.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Each with its `seq` or `pos`, whichever was asked by, ascending. By `seq`: messages, in their present state.
    /// By `pos`: a message stored after the cursor as `Event::Message`; one stored before and changed after it as
    /// `Event::Deleted` if it is a tombstone, else as `Event::Edited`, under its `changed_pos`; and marks.
    pub items: Vec<(u64, Event)>,
    /// There is more behind the last item.
    pub more: bool,
}

pub type Reply<T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send>>;

/// The store, as the hub sees it. Every method returns at once.
pub trait Store: Send + Sync + 'static {
    /// Hands over where outcomes go. Called once, before anything else.
    fn attach(&self, outcomes: Box<dyn Outcomes>);

    /// Queues a change for the writer. Its outcome comes through [`Outcomes::written`], in the order of commits.
    fn write(&self, write: Write) -> Result<(), Busy>;

    /// Makes sure that a user and its organization exist, with the name and role that the token gives. Nobody waits for it.
    fn provision(&self, identity: &Arc<Identity>);

    /// Queues a line of the audit log; dropped, and counted, when there are too many.
    fn audit(&self, entry: AuditEntry);

    /// A room as a user of an organization meets it. `None`: it does not exist in that organization.
    fn access(&self, organization: OrgId, room: RoomId, user: UserId) -> Reply<Option<Access>>;

    /// At most `limit` items of a room's past.
    fn page(&self, room: RoomId, after: After, limit: u32) -> Reply<Page>;

    /// Where these rooms stand now; those that do not exist are left out.
    fn heads(&self, rooms: Vec<RoomId>) -> Reply<Vec<Head>>;

    /// Keeps a connection for recovery, in place of what was kept of it before, unless it was taken up again since; dropped by
    /// the store some time after it was lost, or when too many wait.
    fn keep(&self, connection: Recoverable);

    /// Resolves when the last [`keep`](Self::keep) of a connection, if there was one, is stored: from then on a crash does
    /// not undo it. `false`: it was taken up again at another hub, and what is kept of it here does not count.
    fn kept(&self, id: RecoveryId) -> Reply<bool>;

    /// A connection that will not be taken up again, and had been so often.
    fn forget(&self, id: RecoveryId, taken_up: u64);

    /// What is kept of a connection, as of the last [`keep`](Self::keep). `None`: nothing; or it was lost too long ago; or two
    /// hubs have taken it up at once; or it was open when the database came back after writes had failed, and may have been told changes late and out of
    /// their order, so that nobody can say which of them its client has heard.
    fn recall(&self, id: RecoveryId) -> Reply<Option<Recoverable>>;

    /// Resolves when everything queued before it has its outcome, or after `Unavailable`.
    fn flush(&self) -> Reply<()>;
}

/// Where the store tells what became of writes.
pub trait Outcomes: Send + Sync {
    /// One batch, in the order of its numbering. Called once per commit or failure.
    fn written(&self, batch: Vec<Written>);

    /// The database is back after writes had failed: some of them may have been stored all the same.
    fn recovered(&self);
}
