//! What is kept of a connection so that, once lost, it can be taken up again where its client stopped hearing.

use uuid::Uuid;

use super::{OrgId, RoomId, Timestamp, UserId};

/// The name under which a connection can be taken up again: random, known to its client alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RecoveryId(pub Uuid);

/// A connection as it was when this was kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recoverable {
    pub id: RecoveryId,
    /// Only this user of this organization may take it up again.
    pub organization: OrgId,
    pub user: UserId,
    pub rooms: Vec<RecoverableRoom>,
    /// A client that has heard live of a change beyond this `pos` has heard all that it was told of pasts.
    pub barrier: u64,
    /// So has one that has heard so many pieces of them.
    pub past: u64,
    /// What its client named when it came: an offset of another connection, which says nothing of this one. 0: it named none.
    pub stale: u64,
    /// How often it was taken up again before. What is kept of it after that goes before all that was kept of it until then,
    /// whoever says it, and whenever.
    pub taken_up: u64,
    /// The [`digest`](Self::digest) of what was kept when it was taken up. If that has changed since, its client was still
    /// there, and may not be here.
    pub taken_from: u64,
    /// Orders what else was kept under the same name: what is older never overwrites what is newer.
    pub kept_at: Timestamp,
    /// Since when the connection is lost. `None`: it was open.
    pub lost_at: Option<Timestamp>,
}

impl Recoverable {
    /// A number for what its client was told here: the rooms that it is in, and what its offsets mean. The same at every
    /// hub, whatever it was built with.
    pub fn digest(&self) -> u64 {
        let mut said = Vec::with_capacity(24 + self.rooms.len() * 25);
        for number in [self.barrier, self.past, self.stale] {
            said.extend_from_slice(&number.to_be_bytes());
        }
        for room in &self.rooms {
            said.extend_from_slice(room.room.0.as_bytes());
            said.push(room.views);
            said.extend_from_slice(&room.joined_pos.to_be_bytes());
        }
        Uuid::new_v5(&self.id.0, &said).as_u64_pair().0
    }
}

/// A room that it was in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecoverableRoom {
    pub room: RoomId,
    /// How it is told of the room; means something to its dialect only.
    pub views: u8,
    /// It is owed no change up to this `pos`: it joined after that.
    pub joined_pos: u64,
}
