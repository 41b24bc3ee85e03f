//! What `State` wants done: effects for the `ChatServer` to run, and the operations of a worker's fan-out.

use std::sync::Arc;

use smallvec::SmallVec;

use super::outlet::{Broadcast, Seat};
use super::ports::Write;
use crate::domain::{CloseReason, ConnId, Event, OrgId, Resume, RoomId, Tag, UserId};

/// One thing to do. Effects of one input are run in order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Next in the stream of one worker.
    Worker(u16, Op),
    /// Next in the streams of several workers.
    Deliver { workers: SmallVec<[u16; 4]>, skip: SmallVec<[Seat; 1]>, delivery: Delivery },
    /// Read what a user may do in a room; comes back as `Input::AccessLoaded`.
    LoadAccess { organization: OrgId, room: RoomId, user: UserId },
    /// The same, read when everything that was handed to the writer before has its outcome.
    LoadSettled { organization: OrgId, room: RoomId, user: UserId },
    /// Hand to the writer, an amendment under an id of its own; comes back as `Input::Written`, or `Input::Busy` if it was not taken.
    Write(Write),
    /// Ask the store where these rooms stand; comes back as `Input::Heads` under the same number.
    CompareHeads { rooms: Vec<RoomId>, comparison: u64 },
    /// End a connection.
    End(ConnId, CloseReason),
    /// The answer to a caller that has no connection.
    Reply(ConnId, Event),
}

/// An event on its way to the sessions of a room.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub room: RoomId,
    /// Its numbers, if it is stored.
    pub stored: Option<Numbers>,
    pub audience: Audience,
    pub broadcast: Arc<Broadcast>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Numbers {
    /// For messages: the number in the room.
    pub seq: Option<u64>,
    /// The number among all changes of the organization.
    pub pos: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    Everyone,
    /// Sessions that asked to hear who comes and goes.
    Watchers,
}

/// An operation of a worker's fan-out. All operations for one worker form one stream, so that what a client hears
/// is in the order in which `State` decided it.
#[derive(Clone, Debug)]
pub enum Op {
    /// Answer `Joined`, replay what was missed, then go live.
    Join(Join),
    /// Answer `Left`; nothing of the room is delivered after it.
    Leave {
        room: RoomId,
        slot: u32,
        answer: Option<Tag>,
    },
    Deliver {
        delivery: Delivery,
        skip: SmallVec<[u32; 1]>,
    },
    Answer {
        slot: u32,
        event: Event,
        tag: Tag,
    },
    /// The acknowledgement of a connection's own message or change, in its place in the order of the room.
    Own {
        room: RoomId,
        slot: u32,
        numbers: Numbers,
        event: Event,
        tag: Tag,
    },
    /// The store has more of this room than was delivered: fill up to `last_seq`, with what has changed after the pos
    /// `changes` if anything has.
    Fill {
        room: RoomId,
        last_seq: u64,
        changes: Option<u64>,
    },
    /// The connection is gone; its slot may be used again.
    Forget {
        slot: u32,
        rooms: SmallVec<[RoomId; 1]>,
    },
}

#[derive(Clone, Debug)]
pub struct Join {
    pub room: RoomId,
    pub slot: u32,
    pub resume: Resume,
    pub watch: bool,
    pub last_seq: u64,
    pub last_pos: u64,
    /// The newest change that there may be: whoever resumes before it has something to read.
    pub changed_pos: u64,
    pub members: usize,
    pub tag: Tag,
}
