//! Takes a connection up again where its client stopped hearing: in its rooms, after what it missed there.
//!
//! All rooms are told together, in the order of the organization's changes, because the client names one place in that
//! order. First everything up to an end that is fixed before it is read, a page of each room at a time; then the rooms are
//! joined from there, and what lies between that end and hearing them live is put in order by the [`Ear`].

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::Desk;
use super::asked::{Asked, Verb, Views};
use super::ear::{Ear, stay};
use super::offset::Offset;
use crate::clock;
use crate::domain::{ConnId, Event, Identity, Recoverable, RecoverableRoom, RecoveryId, Reject, RejectCode, Resume};
use crate::hub::handle::{Backlog, Outlet as _, Page, Unavailable};
use crate::session::Outbox;
use crate::socketio::packet;

/// So many changes are held of all rooms together, and so many at least of each.
const HELD: usize = 1_024;
const PAGE: std::ops::RangeInclusive<usize> = 8..=100;

/// What is left for the seam is put in order in memory: it is read again while it is more than this.
const SEAM: u64 = 256;
const ROUNDS: usize = 20;

/// How soon a client that reads slowly is looked at again, and a store that did not answer asked again.
const PAUSE: Duration = Duration::from_millis(20);
const RETRY: Duration = Duration::from_millis(500);

/// What a client says of the connection that it lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    pub(super) id: RecoveryId,
    /// The last offset that it heard. `None`: it heard of no change.
    pub(super) offset: Option<Offset>,
}

/// The connection that is to take its place.
pub(super) struct Returning {
    pub(super) ear: Rc<Ear>,
    pub(super) desk: Arc<Desk>,
    pub(super) identity: Arc<Identity>,
    pub(super) conn: ConnId,
    pub(super) outbox: Rc<Outbox>,
    pub(super) namespace: String,
    pub(super) sid: String,
}

/// A room whose changes are being read, from the oldest on.
struct Source {
    kept: RecoverableRoom,
    /// Everything up to here was read.
    cursor: u64,
    ahead: VecDeque<(u64, Event)>,
    more: bool,
}

/// Answers the CONNECT, as a connection that goes on where the old one stopped or, where that cannot be, as a new one.
pub(super) async fn recover(returning: Returning, attempt: Attempt) {
    // To the client it is all the same, which then joins its rooms again by itself.
    let kept = match returning.desk.hub().recall(attempt.id).await {
        Ok(Some(kept)) => kept,
        Ok(None) => return returning.begin_anew("it is not known"),
        Err(Unavailable) => return returning.begin_anew("the store did not answer"),
    };
    if !is_own(&kept, &returning.identity) {
        return returning.begin_anew("it is somebody else's");
    }
    // One that it had before it came to the connection says nothing of this.
    let offset = attempt.offset.filter(|offset| offset.pos != kept.stale);
    if !says_enough(&kept, offset) {
        return returning.begin_anew("the client may not have heard all of a room's past");
    }
    let mut rooms = Vec::new();
    let mut lost = Vec::new();
    let mut end = 0;
    for room in kept.rooms.iter().filter(|room| !Views::from_bits(room.views).is_empty()) {
        match returning.desk.hub().may_enter(&returning.identity, room.room).await {
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
    let start = offset.map_or(0, |offset| offset.pos);
    if start > end && !rooms.is_empty() {
        // It is from before somebody put an older database in this one's place.
        return returning.begin_anew("its offset was never told here");
    }
    returning.go_on(&kept, &lost);
    let half = offset.filter(|offset| offset.half).map(|offset| offset.pos);
    let Some(reached) = returning.replay(&rooms, (start, half), end).await else { return };
    returning.join(&rooms, reached);
}

fn is_own(kept: &Recoverable, identity: &Identity) -> bool {
    Some(kept.organization) == identity.organization && kept.user == identity.user
}

/// Whether a client that has heard up to this offset has heard all that it was told before.
fn says_enough(kept: &Recoverable, offset: Option<Offset>) -> bool {
    kept.barrier == 0 || offset.is_some_and(|offset| offset.pos > kept.barrier)
}

impl Returning {
    fn begin_anew(&self, why: &str) {
        log::debug!("a connection of {} is not taken up again: {why}", self.identity.user);
        self.accept();
        self.ear.accepted(None);
        self.outbox.nudge();
    }

    fn go_on(&self, kept: &Recoverable, lost: &[(RecoverableRoom, Reject)]) {
        if let Some(keeping) = self.ear.keeping() {
            keeping.resume(kept);
        }
        self.accept();
        self.ear.accepted(Some(&kept.rooms));
        for (room, reject) in lost {
            self.ear.lose(room.room, reject, clock::now());
        }
    }

    fn accept(&self) {
        let pid = self.ear.keeping().map(|it| it.id().0.simple().to_string());
        let pid = pid.as_deref().map(|pid| ("pid", pid));
        self.outbox.post(&packet::connected(&self.namespace, &self.sid, pid.as_slice()), false);
    }

    /// Tells what was missed after `start`, up to where the rooms stand by then, but for a little. `half`: a change that was
    /// heard in one view of two. `None`: the client has gone.
    async fn replay(&self, rooms: &[RecoverableRoom], (start, half): (u64, Option<u64>), end: u64) -> Option<u64> {
        let mut reached = half.map_or(start, |half| half.saturating_sub(1));
        let mut end = end;
        for _ in 0..ROUNDS {
            let mut sources: Vec<_> = rooms.iter().map(|room| Source::new(*room, reached)).collect();
            while let Some((pos, event)) = self.next(&mut sources, end).await? {
                self.wait_for_room().await?;
                self.ear.replay(&event, pos, half == Some(pos), clock::now());
            }
            self.ear.flush();
            reached = reached.max(end);
            end = self.end(rooms).await?;
            if end.saturating_sub(reached) <= SEAM {
                break;
            }
        }
        Some(reached)
    }

    /// The oldest change that has not been told, up to `end`. Outer `None`: the client has gone.
    async fn next(&self, sources: &mut [Source], end: u64) -> Option<Option<(u64, Event)>> {
        let limit = (HELD / sources.len().max(1)).clamp(*PAGE.start(), *PAGE.end());
        for source in sources.iter_mut().filter(|source| source.ahead.is_empty() && source.more) {
            source.take(self.page(source, limit).await?);
        }
        let oldest = sources.iter_mut().min_by_key(|source| source.ahead.front().map_or(u64::MAX, |(pos, _)| *pos));
        let is_due = |(pos, _): &(u64, Event)| *pos <= end;
        Some(oldest.and_then(|source| source.ahead.pop_front_if(|it| is_due(it))))
    }

    async fn page(&self, source: &Source, limit: usize) -> Option<Page> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        loop {
            match self.desk.hub().changes(source.kept.room, source.cursor, limit).await {
                Ok(page) => return Some(page),
                Err(Unavailable) => self.pause(RETRY).await?,
            }
        }
    }

    /// Where the rooms stand now.
    async fn end(&self, rooms: &[RecoverableRoom]) -> Option<u64> {
        let Some(room) = rooms.first() else { return Some(0) };
        loop {
            match self.desk.hub().may_enter(&self.identity, room.room).await {
                Ok(access) => return Some(access.last_pos),
                Err(reject) if reject.code == RejectCode::Unavailable => self.pause(RETRY).await?,
                // The hub says so when the room is joined.
                Err(_) => return Some(0),
            }
        }
    }

    async fn wait_for_room(&self) -> Option<()> {
        loop {
            match self.ear.backlog() {
                Backlog::Light => return Some(()),
                Backlog::Heavy => {
                    self.ear.flush();
                    if self.ear.backlog() == Backlog::Heavy {
                        self.pause(PAUSE).await?;
                    }
                }
                Backlog::Gone => return None,
            }
        }
    }

    async fn pause(&self, span: Duration) -> Option<()> {
        sleep(span).await;
        (self.ear.backlog() != Backlog::Gone).then_some(())
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
            self.desk.hub().command(self.conn, command, tag);
        }
    }
}

impl Source {
    fn new(kept: RecoverableRoom, after: u64) -> Self {
        Self { kept, cursor: after.max(kept.joined_pos), ahead: VecDeque::new(), more: true }
    }

    fn take(&mut self, page: Page) {
        self.more = page.more;
        self.cursor = page.items.last().map_or(self.cursor, |(pos, _)| *pos);
        self.ahead.extend(page.items);
    }
}
