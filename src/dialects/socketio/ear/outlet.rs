//! What comes from the hub: broadcasts, answers, and the end of a room's past, each queued for the client in its place.

use super::super::asked::Asked;
use super::{Ear, Stage};
use crate::domain::{Event, RoomId, Tag, Timestamp};
use crate::hub::handle::{Backlog, Broadcast, Outlet};
use crate::session::Speaker;

impl Outlet for Ear {
    fn send(&self, broadcast: &Broadcast) {
        let Some(room) = broadcast.event.room().filter(|_| !self.has_told(broadcast.pos)) else { return };
        let views = self.rooms.borrow().views(room);
        if !self.is_usual(broadcast.pos) {
            if self.queue(broadcast) {
                self.outbox.flush();
            }
            return;
        }
        let is_plain = self.namespace.is_none() && matches!(*self.stage.borrow(), Stage::Open);
        let volatile = broadcast.event.is_volatile();
        for view in views.iter() {
            let frame = self.shared(broadcast, view, views);
            if frame.is_empty() {
                continue;
            }
            if is_plain {
                self.note(broadcast.pos);
                self.outbox.post(frame, volatile);
            } else if self.put(broadcast.pos, frame.clone(), volatile) {
                self.outbox.flush();
            }
        }
    }

    fn queue(&self, broadcast: &Broadcast) -> bool {
        let Some(room) = broadcast.event.room().filter(|_| !self.has_told(broadcast.pos)) else {
            return false;
        };
        let views = self.rooms.borrow().views(room);
        let volatile = broadcast.event.is_volatile();
        let mut is_first = false;
        if !self.is_usual(broadcast.pos) {
            for (pos, frame) in self.told_alone(&broadcast.event, views, broadcast.pos, broadcast.at) {
                is_first |= self.put(pos, frame, volatile);
            }
            return is_first;
        }
        for view in views.iter() {
            is_first |= self.put(broadcast.pos, self.shared(broadcast, view, views).clone(), volatile);
        }
        is_first
    }

    fn answer(&self, event: &Event, pos: Option<u64>, tag: &Tag, at: Timestamp) -> bool {
        let asked = tag.as_deref().and_then(Asked::parse);
        let frames = self.answers(event, pos, asked, at);
        let mut is_first = false;
        for (pos, frame) in frames {
            is_first |= self.put(pos, frame, false);
        }
        is_first
    }

    fn caught_up(&self, room: RoomId) -> bool {
        let was_last = {
            let mut rooms = self.rooms.borrow_mut();
            rooms.caught_up(room) && !rooms.is_catching()
        };
        if was_last {
            self.keep(None);
        }
        self.up_to_date(room);
        false
    }

    fn flush(&self) {
        self.outbox.flush();
    }

    fn backlog(&self) -> Backlog {
        Ear::backlog(self)
    }
}

impl Speaker for Ear {
    fn roomless_since(&self) -> Option<Timestamp> {
        self.rooms.borrow().roomless_since()
    }
}
