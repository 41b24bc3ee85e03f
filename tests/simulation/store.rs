//! A store that keeps its promises in memory and its manners never: it answers late, fails with or without having
//! committed, refuses, goes away and comes back.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use tertulia::domain::{
    Event, Mark, MarkKind, MemberRole, Membership, Message, MessageId, MessageStatus, OrgId, Reject, RejectCode,
    RoomId, Tag, Timestamp, UserId,
};
use tertulia::hub::ports::{
    Access, After, Amended, Amendment, AmendmentKind, Busy, Change, Head, NewMark, NewMessage, NewRoom, Outcome, Page,
    Unavailable, Write, WriteError, Written,
};
use tertulia::hub::state::Input;

use super::people::{PEOPLE, PLACES};
use super::rng::Rng;
use super::row::{Rights, Row};

/// What a stored change is about, if it has a place in the order of its room.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Subject {
    Message(MessageId),
    Mark(UserId, MarkKind),
}

impl Subject {
    fn of(event: &Event) -> Option<(RoomId, Self)> {
        match event {
            Event::Message(it) | Event::Sent { message: it, .. } | Event::Edited { message: it, .. } => {
                Some((it.room, Self::Message(it.id)))
            }
            Event::Deleted(it) => Some((it.room, Self::Message(it.message))),
            Event::Reacted(it) => Some((it.room, Self::Message(it.message))),
            Event::Status { room, message, .. } => Some((*room, Self::Message(*message))),
            Event::Marked(it) => Some((it.room, Self::Mark(it.user, it.kind))),
            _ => None,
        }
    }
}

/// Every committed message's room and number, and what was changed under which `pos`: what is told is held against it
/// when it is written.
#[derive(Default)]
pub struct Ledger {
    messages: RefCell<BTreeMap<MessageId, (RoomId, u64)>>,
    changes: RefCell<BTreeMap<(RoomId, u64), Subject>>,
}

impl Ledger {
    /// Panics if `event` tells of a message that is not stored as it says, or comes under a `pos` that is not its own,
    /// or that is behind it.
    pub fn check(&self, event: &Event, pos: Option<u64>, tag: &Tag) {
        if let Event::Message(message) | Event::Sent { message, .. } = event {
            let stored = self.messages.borrow().get(&message.id).copied();
            assert_eq!(stored, Some((message.room, message.seq)), "told of a message that is not stored so: {event:?}");
            let is_own = pos.is_none_or(|pos| pos == message.pos);
            assert!(is_own, "a message under the pos of something else, {pos:?}: {event:?}");
        }
        let subject = Subject::of(event);
        match (pos, subject) {
            (Some(pos), Some((room, subject))) => {
                let changes = self.changes.borrow();
                // One session alone may be told of a change before its turn, in an earlier place.
                let is_alone = tag.is_none() && !matches!(event, Event::Message(_));
                let last = if is_alone { u64::MAX } else { pos };
                let is_stored = changes.range((room, pos)..=(room, last)).any(|(_, it)| *it == subject);
                assert!(is_stored, "nothing of that kind was stored under {pos}: {event:?}");
                let is_duplicate = matches!(event, Event::Sent { duplicate: true, .. });
                assert!(!is_duplicate, "a duplicate has no place in the order: {event:?}");
            }
            (Some(pos), None) => panic!("{pos} is the pos of nothing that is told in order: {event:?}"),
            // What was asked for may have changed nothing, or come from outside the room.
            (None, Some(_)) => assert!(tag.is_some(), "it was stored, and is told without its pos: {event:?}"),
            (None, None) => {}
        }
    }

    fn note(&self, outcome: &Result<Outcome, WriteError>) {
        let (pos, event) = match outcome {
            Ok(Outcome::Message { message, duplicate: false }) => (message.pos, Event::Message(message.clone())),
            Ok(Outcome::Mark { mark, pos: Some(pos) }) => (*pos, Event::Marked(mark.clone())),
            Ok(Outcome::Amended { amended, pos: Some(pos) }) => match amended {
                Amended::Edited { message } => (*pos, Event::Edited { message: message.clone(), by: None }),
                Amended::Deleted(deletion) => (*pos, Event::Deleted(deletion.clone())),
                Amended::Reacted(reaction) => (*pos, Event::Reacted(reaction.clone())),
                Amended::Reported { room, message, status, at } => {
                    (*pos, Event::Status { room: *room, message: *message, status: *status, at: *at })
                }
                _ => return,
            },
            _ => return,
        };
        if let Some((room, subject)) = Subject::of(&event) {
            let before = self.changes.borrow_mut().insert((room, pos), subject);
            assert_eq!(before, None, "two changes under {pos}");
        }
    }
}

/// What became of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Committed,
    /// Told as failed.
    Lost,
    /// Committed, but told as failed: the connection died during the commit.
    Unheard,
}

#[derive(Default)]
pub struct Store {
    pub rooms: BTreeMap<RoomId, Row>,
    positions: BTreeMap<OrgId, u64>,
    sent: BTreeMap<(RoomId, UserId, Box<str>), Arc<Message>>,
    pub ledger: Rc<Ledger>,
    queue: VecDeque<Write>,
    /// Outcomes on their way to the hub.
    pub news: VecDeque<Input>,
    pub is_up: bool,
    has_failed: bool,
}

impl Store {
    pub fn new() -> Self {
        let mut store = Self { is_up: true, ..Self::default() };
        for place in &PLACES {
            let member = |index: &usize| (PEOPLE[*index].user, Membership::new(MemberRole::Member));
            let members = place.members.iter().map(member).collect();
            let rights = Rights { kind: place.kind, archived: place.archived, members };
            store.rooms.insert(place.id, Row::new(place.id, place.org, rights));
        }
        store
    }

    pub fn write(&mut self, write: Write, limit: usize) -> Result<(), Busy> {
        if self.queue.len() >= limit {
            return Err(Busy);
        }
        self.queue.push_back(write);
        Ok(())
    }

    pub fn has_writes(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Takes a batch from the queue and lets the seed decide what becomes of it.
    pub fn commit(&mut self, rng: &mut Rng, failing: usize, now: Timestamp) {
        if self.queue.is_empty() {
            return;
        }
        let count = rng.between(1, self.queue.len().min(64));
        let batch: Vec<Write> = self.queue.drain(..count).collect();
        let fate = match (self.is_up, failing > 0 && rng.one_in(failing)) {
            (false, _) => Fate::Lost,
            (true, true) => rng.pick(&[Fate::Lost, Fate::Unheard, Fate::Unheard]),
            (true, false) => Fate::Committed,
        };
        let is_told_first = rng.one_in(2);
        if fate == Fate::Committed && is_told_first {
            self.recover();
        }
        let mut written = Vec::new();
        for write in batch {
            let ticket = write.ticket;
            let outcome = if fate == Fate::Lost {
                Err(WriteError::Failed)
            } else if failing > 0 && rng.one_in(40) {
                Err(WriteError::Refused(Reject::new(RejectCode::Internal, "The database refused it")))
            } else {
                self.apply(write, now)
            };
            if fate == Fate::Unheard {
                self.note_unheard(&outcome);
            }
            let outcome = if fate == Fate::Unheard { Err(WriteError::Failed) } else { outcome };
            written.push(Written { ticket, outcome });
        }
        self.news.push_back(Input::Written(written));
        if fate == Fate::Committed {
            self.recover();
        } else {
            self.has_failed = true;
        }
    }

    /// The hub takes in what it is told.
    pub fn told(&mut self, input: &Input) {
        let Input::Written(batch) = input else { return };
        for written in batch {
            if let Ok(Outcome::Amended { amended: Amended::Updated { room } | Amended::Member { room, .. }, .. }) =
                &written.outcome
            {
                let row = self.rooms.get_mut(&room.id).expect("rooms stay");
                if !row.was_unheard {
                    row.told = row.told.max(room.version as usize - 1);
                }
            }
        }
    }

    /// Says that it is back, if it had failed.
    pub fn recover(&mut self) {
        if std::mem::take(&mut self.has_failed) {
            self.news.push_back(Input::Recovered);
        }
    }

    /// The process in front of it dies: some of what waited is stored, and nobody is told of it.
    pub fn crash(&mut self, rng: &mut Rng, now: Timestamp) {
        let count = rng.between(0, self.queue.len());
        for write in self.queue.drain(..count).collect::<Vec<_>>() {
            // Nobody is left to be told of the outcome.
            let _ = self.apply(write, now);
        }
        self.queue.clear();
        self.news.clear();
        self.has_failed = false;
    }

    fn apply(&mut self, write: Write, now: Timestamp) -> Result<Outcome, WriteError> {
        let outcome = match write.change {
            Change::Message(message) => Ok(self.add_message(write.organization, *message, now)),
            Change::Room(room) => Ok(self.add_room(write.organization, &room)),
            Change::Mark(mark) => self.move_mark(write.organization, &mark, now),
            Change::Amend(amendment) => self.amend(write.organization, *amendment, now),
        };
        self.ledger.note(&outcome);
        outcome
    }

    fn add_message(&mut self, org: OrgId, new: NewMessage, at: Timestamp) -> Outcome {
        let NewMessage { draft, sender_type, direction, user, user_name } = new;
        let row = self.rooms.get_mut(&draft.room).filter(|row| row.org == org);
        let row = row.unwrap_or_else(|| panic!("{org} writes to {}, which it does not have", draft.room));
        let key = draft.client_message_id.clone().map(|name| (draft.room, user, name));
        if let Some(first) = key.as_ref().and_then(|key| self.sent.get(key)) {
            let message = row.messages[first.seq as usize - 1].clone();
            return Outcome::Message { message, duplicate: true };
        }
        let pos = next(&mut self.positions, org);
        let message = Arc::new(Message {
            id: draft.id,
            organization: org,
            room: draft.room,
            seq: row.last_seq() + 1,
            pos,
            changed_pos: pos,
            sender_type,
            direction,
            user: Some(user),
            user_name,
            contact: draft.contact,
            message_type: draft.message_type,
            content: draft.content,
            status: MessageStatus::Sent,
            reply_to: draft.reply_to,
            client_message_id: draft.client_message_id,
            delivered_at: None,
            external_id: None,
            read_at: None,
            created_at: at,
            reactions: Vec::new(),
            edited_at: None,
            deleted_at: None,
        });
        row.messages.push(message.clone());
        let known = self.ledger.messages.borrow_mut().insert(message.id, (message.room, message.seq));
        assert_eq!(known, None, "two drafts with one id");
        if let Some(key) = key {
            self.sent.insert(key, message.clone());
        }
        Outcome::Message { message, duplicate: false }
    }

    fn add_room(&mut self, org: OrgId, new: &NewRoom) -> Outcome {
        if self.rooms.contains_key(&new.id) {
            return Outcome::Room { created: false };
        }
        next(&mut self.positions, org);
        let members = BTreeMap::from([(new.owner, Membership::new(MemberRole::Owner))]);
        let rights = Rights { kind: new.kind, archived: false, members };
        self.rooms.insert(new.id, Row::new(new.id, org, rights));
        Outcome::Room { created: true }
    }

    fn move_mark(&mut self, org: OrgId, new: &NewMark, at: Timestamp) -> Result<Outcome, WriteError> {
        let row = self.rooms.get_mut(&new.room).filter(|row| row.org == org);
        let row = row.unwrap_or_else(|| panic!("{org} marks {}, which it does not have", new.room));
        let named = new.message.and_then(|id| row.messages.iter().find(|message| message.id == id));
        let target = new.seq.max(named.map(|message| message.seq)).unwrap_or(0).min(row.last_seq());
        let before = row.mark_of(new.user, new.kind);
        let up_to_seq = target.max(before);
        let Some(message) = up_to_seq.checked_sub(1).and_then(|index| row.messages.get(index as usize)) else {
            return Err(WriteError::Refused(Reject::field("message_id", "a message of this session")));
        };
        let mark =
            Mark { room: new.room, kind: new.kind, user: new.user, message: message.id, up_to_seq, moved: None, at };
        let pos = (up_to_seq > before).then(|| next(&mut self.positions, org));
        if let Some(pos) = pos {
            row.mark(mark.clone(), pos);
        }
        Ok(Outcome::Mark { mark, pos })
    }

    fn amend(&mut self, org: OrgId, amendment: Amendment, at: Timestamp) -> Result<Outcome, WriteError> {
        let id = match &amendment.kind {
            AmendmentKind::Message { room, .. }
            | AmendmentKind::React { room, .. }
            | AmendmentKind::Update { room, .. }
            | AmendmentKind::Purge { room }
            | AmendmentKind::Member { room, .. } => *room,
            AmendmentKind::Report(report) => report.room,
            AmendmentKind::Create(draft) | AmendmentKind::CreateOnce(draft, _) => draft.id,
        };
        let row = self.rooms.get_mut(&id).filter(|row| row.org == org);
        let row = row.unwrap_or_else(|| panic!("{org} amends {id}, which it does not have"));
        let (amended, pos) =
            row.amend(amendment, at, || next(&mut self.positions, org)).map_err(WriteError::Refused)?;
        Ok(Outcome::Amended { amended, pos })
    }

    fn note_unheard(&mut self, outcome: &Result<Outcome, WriteError>) {
        let Ok(Outcome::Amended { amended, .. }) = outcome else { return };
        if let Amended::Updated { room } | Amended::Member { room, .. } = amended {
            self.rooms.get_mut(&room.id).expect("it was changed just now").was_unheard = true;
        }
        let (room, seq) = match amended {
            Amended::Edited { message } => (message.room, message.seq),
            Amended::Deleted(it) => (it.room, it.seq),
            Amended::Reacted(it) => (it.room, it.seq),
            Amended::Reported { room, message, .. } => {
                let place = self.rooms.get(room).and_then(|row| row.place_of(*message));
                (*room, place.expect("it was changed just now") as u64 + 1)
            }
            _ => return,
        };
        self.rooms.get_mut(&room).expect("it was changed just now").unheard.insert(seq);
    }

    pub fn access(&self, org: OrgId, room: RoomId, user: UserId) -> Result<Option<Access>, Unavailable> {
        self.look()?;
        let last_pos = self.positions.get(&org).copied().unwrap_or(0);
        Ok(self.rooms.get(&room).filter(|row| row.org == org).map(|row| Access {
            kind: row.now().kind,
            archived: row.now().archived,
            contact: None,
            member: row.now().members.get(&user).copied(),
            acl_version: row.version(),
            last_seq: row.last_seq(),
            last_pos,
        }))
    }

    pub fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Head>, Unavailable> {
        self.look()?;
        let found = rooms.iter().filter_map(|room| {
            let row = self.rooms.get(room)?;
            let last_pos = self.positions.get(&row.org).copied().unwrap_or(0);
            Some(Head { room: *room, last_seq: row.last_seq(), last_changed_pos: row.last_changed_pos(), last_pos })
        });
        Ok(found.collect())
    }

    pub fn page(&self, room: RoomId, after: After, limit: usize) -> Result<Page, Unavailable> {
        self.look()?;
        Ok(self.rooms.get(&room).map_or_else(Page::default, |row| row.page(after, limit)))
    }

    fn look(&self) -> Result<(), Unavailable> {
        if self.is_up { Ok(()) } else { Err(Unavailable) }
    }

    pub fn last_seq(&self, room: RoomId) -> u64 {
        self.rooms.get(&room).map_or(0, Row::last_seq)
    }

    /// The number of the room's last message that was stored at `pos` or before.
    pub fn seq_at(&self, room: RoomId, pos: u64) -> u64 {
        self.rooms.get(&room).map_or(0, |row| row.messages.partition_point(|message| message.pos <= pos) as u64)
    }

    pub fn last_pos(&self, org: OrgId) -> u64 {
        self.positions.get(&org).copied().unwrap_or(0)
    }

    pub fn is_there_for(&self, org: Option<OrgId>, room: RoomId) -> bool {
        self.rooms.get(&room).is_some_and(|row| Some(row.org) == org)
    }
}

fn next(positions: &mut BTreeMap<OrgId, u64>, org: OrgId) -> u64 {
    let pos = positions.entry(org).or_default();
    *pos += 1;
    *pos
}
