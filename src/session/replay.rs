//! Tells somebody who comes back what was missed in several rooms, from the store, in the order of the organization's
//! changes.
//!
//! Everything up to an end that is fixed before it is read, a page of each room at a time, and again while much has come
//! in since. Then the rooms are joined from there; what lies between that end and hearing them live comes from each by
//! itself, and is put in order by a [`Merge`](super::merge::Merge).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::sleep;

use crate::domain::{Event, Identity, RejectCode, RoomId};
use crate::hub::handle::{Backlog, Hub, Page, Unavailable};

/// So many changes are held of all rooms together, and so many at least of each.
const HELD: usize = 1_024;
const PAGE: std::ops::RangeInclusive<usize> = 8..=100;

/// What is left for the seam is put in order in memory: it is read again while it is more than this.
const SEAM: u64 = 256;
const ROUNDS: usize = 20;

/// How soon a client that reads slowly is looked at again, and a store that did not answer asked again.
const PAUSE: Duration = Duration::from_millis(20);
const RETRY: Duration = Duration::from_millis(500);

/// Who is told.
pub trait Listener {
    /// Something that was missed, in order. `pos`: its place in that order.
    fn replay(&self, event: &Event, pos: u64);

    fn flush(&self);

    fn backlog(&self) -> Backlog;
}

/// A room that somebody comes back to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    pub room: RoomId,
    /// Nothing up to this `pos` is owed.
    pub joined_pos: u64,
}

pub struct Replay<'a, L> {
    pub hub: &'a Hub,
    pub identity: &'a Identity,
    pub listener: &'a L,
}

/// A room whose changes are being read, from the oldest on.
struct Source {
    room: RoomId,
    /// Everything up to here was read.
    cursor: u64,
    ahead: VecDeque<(u64, Event)>,
    more: bool,
}

impl<L: Listener> Replay<'_, L> {
    /// Tells what was missed after `start`, up to where the rooms stand by then, but for a little: from what it returns on,
    /// the rooms are to be joined. `end`: where they stood when it was seen that they may be entered. `None`: the client has
    /// gone.
    pub async fn tell(&self, rooms: &[Left], start: u64, mut end: u64) -> Option<u64> {
        let mut reached = start;
        for _ in 0..ROUNDS {
            let mut sources: Vec<_> = rooms.iter().map(|room| Source::new(*room, reached)).collect();
            while let Some((pos, event)) = self.next(&mut sources, end).await? {
                self.wait_for_room().await?;
                self.listener.replay(&event, pos);
            }
            self.listener.flush();
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
            match self.hub.changes(source.room, source.cursor, limit).await {
                Ok(page) => return Some(page),
                Err(Unavailable) => self.pause(RETRY).await?,
            }
        }
    }

    /// Where the rooms stand now.
    async fn end(&self, rooms: &[Left]) -> Option<u64> {
        let Some(left) = rooms.first() else { return Some(0) };
        loop {
            match self.hub.may_enter(self.identity, left.room).await {
                Ok(access) => return Some(access.last_pos),
                Err(reject) if reject.code == RejectCode::Unavailable => self.pause(RETRY).await?,
                // The hub says so when the room is joined.
                Err(_) => return Some(0),
            }
        }
    }

    async fn wait_for_room(&self) -> Option<()> {
        loop {
            match self.listener.backlog() {
                Backlog::Light => return Some(()),
                Backlog::Heavy => {
                    self.listener.flush();
                    if self.listener.backlog() == Backlog::Heavy {
                        self.pause(PAUSE).await?;
                    }
                }
                Backlog::Gone => return None,
            }
        }
    }

    async fn pause(&self, span: Duration) -> Option<()> {
        sleep(span).await;
        (self.listener.backlog() != Backlog::Gone).then_some(())
    }
}

/// What `event`, read as a room is joined again, says beyond what was told up to `floor`, and its place. `None`: nothing.
pub fn beyond(event: &Event, pos: u64, floor: u64) -> Option<(Cow<'_, Event>, u64)> {
    let told = match event {
        Event::Message(message) if message.changed_pos <= floor => None,
        Event::Message(message) if message.pos <= floor => Event::change_of(message).map(Cow::Owned),
        Event::Message(_) => Some(Cow::Borrowed(event)),
        // One that is read early stands where something else was told before it.
        _ => (pos >= floor).then_some(Cow::Borrowed(event)),
    };
    told.map(|event| (event, pos.max(floor)))
}

impl Source {
    fn new(left: Left, after: u64) -> Self {
        Self { room: left.room, cursor: after.max(left.joined_pos), ahead: VecDeque::new(), more: true }
    }

    fn take(&mut self, page: Page) {
        self.more = page.more;
        self.cursor = page.items.last().map_or(self.cursor, |(pos, _)| *pos);
        self.ahead.extend(page.items);
    }
}
