//! The words of the hub: ids, times, people, rooms, messages, what is asked (`Command`) and what is told (`Event`).
//!
//! Everything here is plain data and pure functions: no I/O, no clock, no randomness. Each wire dialect
//! translates these words at its own edge; nothing in here knows a wire format.

pub mod audit;
pub mod close;
pub mod command;
pub mod event;
pub mod id;
pub mod limit;
pub mod message;
pub mod people;
pub mod places;
pub mod recovery;
pub mod reject;
pub mod room;
pub mod time;
pub mod wording;

pub use close::CloseReason;
pub use command::{
    Author, Command, Draft, Idempotency, MAX_NUMBER, MarkKind, MarkTarget, MemberChange, Report, Resume, RoomChange,
    RoomDraft, Tag,
};
pub use event::{Deletion, Event, Mark, Reaction, Typing};
pub use id::{ConnId, ContactId, LoginId, MessageId, OrgId, RoomId, UserId};
pub use limit::{Bucket, Rate, Window};
pub use message::{Content, Direction, Message, MessageStatus, MessageType, Reactions, SenderType};
pub use people::{Identity, Role, Scope, Scopes, UserStatus};
pub use places::Places;
pub use recovery::{Recoverable, RecoverableRoom, RecoveryId};
pub use reject::{Reject, RejectCode};
pub use room::{Member, MemberRole, Membership, Room, RoomKind};
pub use time::Timestamp;
