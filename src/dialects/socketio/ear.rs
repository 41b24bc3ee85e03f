//! One connection of a client, as the hub speaks to it: which of a room's events are told in which words, and, for a
//! client that wants to be taken up again after a drop, in an order in which it can name where it stopped.

mod outlet;
mod stage;

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;
use tokio::time::timeout;

use super::Desk;
use super::answers::left;
use super::asked::{Asked, Verb, View, Views};
use super::encode::{self, emit};
use super::keeping::Keeping;
use super::namespace;
use super::place::Place;
use super::rooms::Rooms;
use super::wording;
use crate::clock;
use crate::domain::{
    CloseReason, Command, Event, Identity, RecoverableRoom, Reject, Resume, RoomId, RoomKind, Timestamp,
};
use crate::hub::handle::{Backlog, Broadcast, WireForm};
use crate::session::Outbox;
use crate::session::dialect::{Inbound, Misread, Request};
use crate::session::merge::Merge;
use crate::session::offset::Offset;
use crate::session::replay::beyond;
use stage::{Fate, Stage};

/// How long a join waits for the store at most.
const STORING: Duration = Duration::from_secs(5);

pub(super) struct Ear {
    own: Weak<Self>,
    pub(super) outbox: Rc<Outbox>,
    desk: Arc<Desk>,
    pub(super) identity: Arc<Identity>,
    /// `None`: `/`, whose frames are everyone's.
    namespace: Option<Box<str>>,
    pub(super) rooms: RefCell<Rooms>,
    stage: RefCell<Stage>,
    /// `None`: the client does not take offsets.
    pub(super) keeping: Option<Box<Keeping>>,
}

/// Frames for one client, each with the `pos` of what it tells.
pub(super) type Frames = SmallVec<[(Option<u64>, Bytes); 3]>;

impl Ear {
    pub(super) fn new(
        outbox: Rc<Outbox>,
        desk: Arc<Desk>,
        identity: Arc<Identity>,
        namespace: &str,
        keeping: Option<Keeping>,
    ) -> Rc<Self> {
        Rc::new_cyclic(|own| Self {
            own: own.clone(),
            outbox,
            desk,
            identity,
            namespace: (namespace != "/").then(|| namespace.into()),
            rooms: RefCell::default(),
            stage: RefCell::new(Stage::Waiting(Box::default())),
            keeping: keeping.map(Box::new),
        })
    }

    /// The client was told that it is connected: it hears what has waited for that. With `rooms` it is in them again, and
    /// hears next what it missed there.
    pub(super) fn accepted(&self, rooms: Option<&[RecoverableRoom]>) {
        for room in rooms.unwrap_or_default() {
            self.rooms.borrow_mut().recover(*room);
        }
        if let Some(keeping) = &self.keeping
            && let Some(old) = self.desk.holders.take(keeping.id(), keeping.conn())
        {
            // Its client has gone, as it is here.
            self.desk.hub().end(old, CloseReason::HeartbeatTimeout);
        }
        let next = if rooms.is_some() { Stage::Recovering } else { Stage::Open };
        if let Stage::Waiting(held) = self.stage.replace(next) {
            for frame in *held {
                self.list(frame, false);
            }
        }
        self.outbox.flush();
        self.keep(None);
    }

    pub(super) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Whether nothing is to be taken from the client yet.
    pub(super) fn is_busy(&self) -> bool {
        !matches!(*self.stage.borrow(), Stage::Open | Stage::Storing(_))
    }

    /// Whether the client hears nothing more.
    pub(super) fn is_over(&self) -> bool {
        self.stage.borrow().is_over()
    }

    /// The client is about to hear that it is in a room: it shall not before that is kept.
    pub(super) fn wait_until_kept(&self) {
        let Some(keeping) = &self.keeping else { return };
        let Some(join) = self.stage.borrow_mut().wait_for_join() else { return };
        let (ear, kept) = (self.own.clone(), self.desk.hub().kept(keeping.id()));
        actix_rt::spawn(async move {
            let kept = timeout(STORING, kept).await;
            let Some(ear) = ear.upgrade() else { return };
            match kept {
                // Whoever was there while the database was away is not taken up again, whatever is kept of it.
                Ok(Ok(true) | Err(_)) => {
                    ear.join_stored(join);
                    ear.outbox.flush();
                }
                // It was taken up elsewhere.
                Ok(Ok(false)) => ear.break_off(CloseReason::HeartbeatTimeout),
                // While the database is slow, nobody knows what will be kept.
                Err(_) => ear.part(CloseReason::Internal),
            }
        });
    }

    /// Ends the connection without another word of rooms: a client must not hear of one, come back without it, and believe
    /// that nothing was lost. It may go on from where it is now.
    pub(super) fn part(&self, reason: CloseReason) {
        if !self.stage.borrow().is_over() {
            self.keep(Some(clock::now()));
            self.break_off(reason);
        }
    }

    /// The same, where what is kept of the connection is somebody else's to say.
    fn break_off(&self, reason: CloseReason) {
        let Some(keeping) = self.keeping.as_ref().filter(|_| !self.stage.borrow().is_over()) else { return };
        *self.stage.borrow_mut() = Stage::Over;
        self.desk.holders.release(keeping.id(), keeping.conn());
        self.desk.hub().end(keeping.conn(), reason);
    }

    /// Tells what has waited for this join to be stored.
    pub(super) fn join_stored(&self, join: u64) {
        let leaves = self.stage.borrow_mut().join_stored(join);
        for (_, held) in leaves {
            self.list(held.frame, held.volatile);
        }
    }

    /// The rooms are about to be joined again; what is told from here on is put in order until all have come up to date.
    /// Everything up to `reached` was told before.
    pub(super) fn merge(&self, rooms: impl Iterator<Item = RoomId>, reached: u64) {
        if let Some(keeping) = &self.keeping {
            keeping.caught_up_to(reached);
        }
        if !self.is_over() {
            *self.stage.borrow_mut() = Stage::Merging(Box::new(Merge::of(rooms)));
        }
    }

    /// Nothing is missing any more.
    pub(super) fn open(&self) {
        if self.is_over() {
            return;
        }
        let stage = self.stage.replace(Stage::Open);
        if let Stage::Merging(merge) = stage {
            for (pos, frame) in merge.into_frames() {
                self.note(Some(pos));
                self.list(frame, false);
            }
        }
        self.outbox.flush();
        self.keep(None);
        self.outbox.nudge();
    }

    /// What is noted for recovery, where the client wants that.
    pub(super) fn keeping(&self) -> Option<&Keeping> {
        self.keeping.as_deref()
    }

    /// The name by which the client asks to be taken up again.
    pub(super) fn pid(&self) -> Option<String> {
        self.keeping.as_ref().map(|keeping| keeping.id().0.simple().to_string())
    }

    /// Tells what was missed of a room. `half`: it was heard in the words of conversations.
    pub(super) fn replay(&self, event: &Event, pos: u64, half: bool, at: Timestamp) {
        let Some(room) = event.room() else { return };
        let views = self.rooms.borrow().views(room);
        for view in views.iter() {
            let heard = half && view == View::Conversation;
            // What was heard there may have changed since.
            let change =
                if let (true, Event::Message(message)) = (heard, event) { Event::change_of(message) } else { None };
            let Some(event) = change.as_ref().or_else(|| Some(event).filter(|_| !heard)) else { continue };
            let place = self.next_place(event, pos, view, views);
            let frame = encode::told(event, view, place, at);
            self.note(Some(pos));
            if !frame.is_empty() {
                self.list(frame, false);
            }
        }
    }

    /// The client may not be in a room any more that it was in.
    pub(super) fn lose(&self, room: RoomId, reject: &Reject, at: Timestamp) {
        let views = self.rooms.borrow_mut().left(room, false, at);
        for view in views.iter() {
            self.put(None, self.left(room, view), false);
        }
        self.put(None, emit("error", None, |p| encode::reject(p, reject)), false);
        self.up_to_date(room);
    }

    /// Takes note of what the client wants, and makes of it what the hub is asked.
    pub(super) fn expect(&self, Inbound { request, tag }: Inbound) -> Result<Inbound, Misread> {
        let (verb, ack) = tag.as_deref().and_then(Asked::parse).map(|asked| (asked.verb, asked.ack)).unzip();
        let ack = ack.flatten();
        let request = match (request, verb) {
            (Request::Command(Command::Join { room, resume, presence, create_as }), Some(Verb::Join { view, .. })) => {
                self.rooms.borrow_mut().want(room, view);
                Request::Command(Command::Join { room, resume, presence, create_as })
            }
            (Request::Command(Command::Leave { room }), Some(Verb::Leave { view, .. })) => {
                let left = self.rooms.borrow_mut().give_up(room, view);
                match left {
                    // No leave is refused by this: another one may be under way.
                    None => {
                        let tag = Asked { verb: Verb::Other(view), ack }.tag();
                        return Err(Misread { reject: Reject::not_joined(), tag });
                    }
                    Some(views) if views.is_empty() => Request::Command(Command::Leave { room }),
                    // It stays in the room for the other view.
                    Some(views) => Request::Command(stay(room, Resume::Live, views)),
                }
            }
            (request, _) => request,
        };
        Ok(Inbound { request, tag })
    }

    /// Says why the connection is about to be ended, for which the protocol has no word.
    pub(super) fn bid_farewell(&self, reason: CloseReason) {
        let why = emit("error", None, |p| {
            p.plain("message", wording::farewell(reason));
            p.plain("code", reason.as_str());
        });
        self.join_stored(u64::MAX);
        // It leaves together with the end.
        if self.is_over() {
            self.list(why, false);
        } else {
            self.put(None, why, false);
        }
    }

    /// The connection is over. `is_resumable`: the client may come back and go on where it stopped.
    pub(super) fn ended(&self, is_resumable: bool, at: Timestamp) {
        // One that the client has not heard of cannot be taken up again, and must not replace what is kept.
        let is_known = !matches!(self.stage.replace(Stage::Over), Stage::Waiting(_) | Stage::Over);
        let Some(keeping) = self.keeping.as_ref().filter(|_| is_known) else { return };
        if is_resumable {
            self.keep(Some(at));
        } else if self.desk.holders.is_held_by(keeping.id(), keeping.conn()) {
            self.desk.hub().forget(keeping.id(), keeping.taken_up());
        }
        self.desk.holders.release(keeping.id(), keeping.conn());
    }

    pub(super) fn backlog(&self) -> Backlog {
        match (self.outbox.backlog(), &*self.stage.borrow()) {
            // A room's past can wait as well.
            (Backlog::Light, Stage::Storing(_)) => Backlog::Heavy,
            (_, Stage::Over) => Backlog::Gone,
            (backlog, _) => backlog,
        }
    }

    pub(super) fn keep(&self, lost_at: Option<Timestamp>) {
        let Some((keeping, organization)) = self.keeping.as_ref().zip(self.identity.organization) else { return };
        if !self.desk.holders.is_held_by(keeping.id(), keeping.conn()) {
            return;
        }
        let (rooms, is_told_past) = (self.rooms.borrow().recoverable(), self.rooms.borrow().is_catching());
        self.desk.hub().keep(keeping.recoverable(organization, self.identity.user, rooms, is_told_past, lost_at));
    }

    fn note(&self, pos: Option<u64>) {
        if let (Some(keeping), Some(pos)) = (&self.keeping, pos) {
            keeping.told(pos);
        }
    }

    /// Whether this was told while the connection was taken up again, before the hub came to tell it.
    pub(super) fn has_told(&self, pos: Option<u64>) -> bool {
        self.keeping.as_ref().zip(pos).is_some_and(|(keeping, pos)| keeping.has_told(pos))
    }

    /// Whether what has this `pos` is told to it in the same bytes as to others.
    fn is_usual(&self, pos: Option<u64>) -> bool {
        self.keeping.as_ref().zip(pos).is_none_or(|(keeping, pos)| keeping.is_usual(pos))
    }

    /// Takes note that this is told in this view. Returns what the client is to name if it hears of nothing later.
    fn next_place(&self, event: &Event, pos: u64, view: View, views: Views) -> Option<Place> {
        let keeping = self.keeping.as_ref()?;
        let place = keeping.place(self.offset(event, pos, view, views));
        // It comes late, as it does behind a past; or it is from before the client joined.
        let is_owed = || event.room().is_some_and(|room| self.rooms.borrow().is_owed(room, pos));
        let is_late = || is_owed() && encode::name(event, view).is_some();
        let late = || {
            let place = keeping.count_past();
            self.keep(None);
            place
        };
        place.or_else(|| is_late().then(late))
    }

    /// Where it is told in both views, a client has heard of it only with the second. What is told out of order stands where
    /// something else was heard before.
    fn offset(&self, event: &Event, pos: u64, view: View, views: Views) -> Offset {
        let is_first = view == View::Conversation && views.has(View::Room) && encode::name(event, View::Room).is_some();
        let half = is_first && self.keeping.as_ref().is_some_and(|keeping| keeping.is_new(pos));
        Offset { pos, half }
    }

    fn form(&self, view: View, offset: Option<Offset>) -> WireForm {
        let form = match (view, offset) {
            (View::Conversation, None) => 0,
            (View::Conversation, Some(Offset { half: false, .. })) => 1,
            (View::Conversation, Some(Offset { half: true, .. })) => 2,
            (View::Room, None) => 3,
            (View::Room, Some(_)) => 4,
        };
        WireForm(self.desk.registered.form.0 + form)
    }

    /// The frames of a broadcast in one view of these, shared with all connections of its form. Empty: it has no word for it.
    fn shared<'a>(&self, broadcast: &'a Broadcast, view: View, views: Views) -> &'a Bytes {
        let pos = broadcast.pos.filter(|_| self.keeping.is_some());
        let offset = pos.map(|pos| self.offset(&broadcast.event, pos, view, views));
        broadcast.form(self.form(view, offset), |it| {
            if let Some((name, room)) = encode::name(&it.event, view).zip(it.event.room()) {
                // Those who come from servers of their own look for these words.
                log::debug!("Emitted {name} to room conversation:{room}");
            }
            encode::told(&it.event, view, offset.map(Place::from), it.at)
        })
    }

    /// What is told in these views to this client and nobody else. Its places are counted on: each frame is to be told.
    pub(super) fn told_alone(&self, event: &Event, views: Views, pos: Option<u64>, at: Timestamp) -> Frames {
        let place = |view| pos.and_then(|pos| self.next_place(event, pos, view, views));
        views.iter().map(|view| (pos, encode::told(event, view, place(view), at))).collect()
    }

    /// A piece of a room's past.
    pub(super) fn past(&self, event: &Event, views: Views, pos: u64, at: Timestamp) -> Frames {
        if matches!(*self.stage.borrow(), Stage::Merging(_)) {
            let floor = self.keeping.as_ref().map_or(0, |keeping| keeping.floor());
            let news = beyond(event, pos, floor);
            return news.map_or_else(Frames::new, |(event, pos)| self.told_alone(&event, views, Some(pos), at));
        }
        // Behind what was delivered meanwhile, messages are read that are not of the past. What has changed is told again.
        if let Event::Message(message) = event
            && self.rooms.borrow().is_owed(message.room, pos)
        {
            self.note(Some(pos));
        }
        // More may come also to a room of which nobody asked for the past: of what was told live, too much has waited.
        let is_first = event.room().is_some_and(|room| self.rooms.borrow_mut().catch_up(room));
        if is_first {
            self.keep(None);
        }
        let views = views.iter().filter(|view| encode::name(event, *view).is_some());
        let place = || self.keeping.as_ref().map(|keeping| keeping.count_past());
        views.map(|view| (None, encode::told(event, view, place(), at))).collect()
    }

    pub(super) fn left(&self, room: RoomId, view: View) -> Bytes {
        let (name, fields) = left(room, view, &self.identity);
        emit(name, None, fields)
    }

    /// Queues a frame for the client, in the words of its namespace. Returns as [`Outlet::queue`] does.
    fn list(&self, frame: Bytes, volatile: bool) -> bool {
        match &self.namespace {
            None => self.outbox.list(frame, volatile),
            Some(namespace) => self.outbox.list(namespace::translate(&frame, namespace), volatile),
        }
    }

    /// As [`Ear::list`], in its place where things are put in order.
    pub(super) fn put(&self, pos: Option<u64>, frame: Bytes, volatile: bool) -> bool {
        if frame.is_empty() {
            return false;
        }
        let fate = self.stage.borrow_mut().take(pos, frame, volatile);
        match fate {
            Fate::Leaves(frame) => {
                self.note(pos);
                return self.list(frame, volatile);
            }
            Fate::Waits => self.note(pos),
            Fate::IsMerged | Fate::IsDropped => {}
            // It waited for the store, and not for the client.
            Fate::IsTooMuch => self.part(CloseReason::Internal),
        }
        false
    }

    /// A room has no past to tell any more.
    pub(super) fn up_to_date(&self, room: RoomId) -> bool {
        let is_complete = self.stage.borrow_mut().is_complete_without(room);
        if is_complete {
            self.open();
        }
        is_complete
    }
}

/// Asks the hub to have the connection in a room for these views, from where `resume` says.
pub(super) fn stay(room: RoomId, resume: Resume, views: Views) -> Command {
    // The room is there, so nothing is made.
    Command::Join { room, resume, presence: Some(views.has(View::Room)), create_as: RoomKind::Public }
}
