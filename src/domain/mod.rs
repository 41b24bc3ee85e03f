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
pub mod reject;
pub mod room;
pub mod time;

pub use close::CloseReason;
pub use command::{Command, Draft, MarkKind, MarkTarget, Resume, Tag};
pub use event::{Event, Mark, Typing};
pub use id::{ConnId, ContactId, LoginId, MessageId, OrgId, RoomId, UserId};
pub use limit::{Bucket, Rate};
pub use message::{Content, Direction, Message, MessageStatus, MessageType, SenderType};
pub use people::{Identity, Role};
pub use reject::{Reject, RejectCode};
pub use room::{MemberRole, RoomKind};
pub use time::Timestamp;
