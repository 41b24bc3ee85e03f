//! Takes a connection up again where its client stopped hearing: in its rooms, after what it missed there.
//!
//! All rooms are told together, in the order of the organization's changes, because the client names one place in that
//! order. How, stands in [`replay`](crate::session::replay); the last of it is put in order by the [`Ear`].

use std::rc::Rc;

use super::asked::{Asked, Verb, Views};
use super::ear::{Ear, stay};
use super::keeping::{place_in, says_enough};
use super::place::Place;
use crate::clock;
use crate::domain::{ConnId, Event, Identity, Recoverable, RecoverableRoom, RecoveryId, Reject, RejectCode, Resume};
use crate::hub::handle::{Backlog, Outlet as _, Unavailable};
use crate::session::replay::{Left, Listener, Replay};
use crate::socketio::packet;

/// What a client says of the connection that it lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    pub(super) id: RecoveryId,
    /// The last place that it heard. `None`: it heard of no change.
    pub(super) named: Option<Place>,
}

/// The connection that is to take its place.
pub(super) struct Returning {
    pub(super) ear: Rc<Ear>,
    pub(super) conn: ConnId,
    pub(super) namespace: String,
    pub(super) sid: String,
}

/// Who is told what was missed. `half`: a change that was heard in one view of two.
struct Hearing<'a> {
    ear: &'a Ear,
    half: Option<u64>,
}

impl Listener for Hearing<'_> {
    fn replay(&self, event: &Event, pos: u64) {
        self.ear.replay(event, pos, self.half == Some(pos), clock::now());
    }

    fn flush(&self) {
        self.ear.flush();
    }

    fn backlog(&self) -> Backlog {
        self.ear.backlog()
    }
}

/// Answers the CONNECT, as a connection that goes on where the old one stopped or, where that cannot be, as a new one.
pub(super) async fn recover(returning: Returning, attempt: Attempt) {
    // To the client it is all the same, which then joins its rooms again by itself.
    let (hub, identity) = (returning.ear.desk().hub(), &returning.ear.identity);
    let kept = match hub.recall(attempt.id).await {
        Ok(Some(kept)) => kept,
        Ok(None) => return returning.begin_anew("it is not known"),
        Err(Unavailable) => return returning.begin_anew("the store did not answer"),
    };
    if !is_own(&kept, identity) {
        return returning.begin_anew("it is somebody else's");
    }
    // One that it had before it came to the connection says nothing of this.
    let place = place_in(&kept, attempt.named);
    if !says_enough(&kept, place) {
        return returning.begin_anew("the client may not have heard all of a room's past");
    }
    let mut rooms = Vec::new();
    let mut lost = Vec::new();
    let mut end = 0;
    for room in kept.rooms.iter().filter(|room| !Views::from_bits(room.views).is_empty()) {
        match hub.may_enter(identity, room.room).await {
            Ok(access) => {
                end = end.max(access.last_pos);
                rooms.push(*room);
            }
            Err(reject) if reject.code == RejectCode::Unavailable => {
                return returning.begin_anew("the store did not say whether it may enter its rooms");
            }
            Err(reject) => lost.push((*room, reject)),
        }
    }
    let offset = place.map(|place| place.offset);
    let start = offset.map_or(0, |offset| offset.pos);
    if start > end && !rooms.is_empty() {
        // It is from before somebody put an older database in this one's place.
        return returning.begin_anew("its offset was never told here");
    }
    if returning.ear.is_over() {
        // The client has gone meanwhile. What is kept stays as it is, for its next attempt.
        return;
    }
    returning.go_on(&kept, place, &lost);
    let half = offset.filter(|offset| offset.half).map(|offset| offset.pos);
    let Some(reached) = returning.replay(&rooms, (start, half), end).await else { return };
    returning.join(&rooms, reached);
}

fn is_own(kept: &Recoverable, identity: &Identity) -> bool {
    Some(kept.organization) == identity.organization && kept.user == identity.user
}

impl Returning {
    fn begin_anew(&self, why: &str) {
        log::debug!("a connection of {} is not taken up again: {why}", self.ear.identity.user);
        if self.ear.is_over() {
            return;
        }
        self.accept();
        self.ear.accepted(None);
        self.ear.outbox.nudge();
    }

    fn go_on(&self, kept: &Recoverable, place: Option<Place>, lost: &[(RecoverableRoom, Reject)]) {
        if let Some(keeping) = self.ear.keeping() {
            keeping.resume(kept, place);
        }
        self.accept();
        self.ear.accepted(Some(&kept.rooms));
        for (room, reject) in lost {
            self.ear.lose(room.room, reject, clock::now());
        }
    }

    fn accept(&self) {
        let pid = self.ear.pid();
        let pid = pid.as_deref().map(|pid| ("pid", pid));
        self.ear.outbox.post(&packet::connected(&self.namespace, &self.sid, pid.as_slice()), false);
    }

    /// Tells what was missed after `start`. Returns from where the rooms are to be joined. `None`: the client has gone.
    async fn replay(&self, rooms: &[RecoverableRoom], (start, half): (u64, Option<u64>), end: u64) -> Option<u64> {
        let listener = Hearing { ear: &self.ear, half };
        let replay = Replay { hub: self.ear.desk().hub(), identity: &self.ear.identity, listener: &listener };
        let rooms: Vec<_> = rooms.iter().map(|it| Left { room: it.room, joined_pos: it.joined_pos }).collect();
        replay.tell(&rooms, half.map_or(start, |half| half.saturating_sub(1)), end).await
    }

    fn join(&self, rooms: &[RecoverableRoom], reached: u64) {
        if rooms.is_empty() {
            return self.ear.open();
        }
        self.ear.merge(rooms.iter().map(|room| room.room), reached);
        for room in rooms {
            let resume = Resume::AfterPos(reached.max(room.joined_pos));
            let command = stay(room.room, resume, Views::from_bits(room.views));
            let tag = Asked { verb: Verb::Rejoin(room.room), ack: None }.tag();
            self.ear.desk().hub().command(self.conn, command, tag);
        }
    }
}
