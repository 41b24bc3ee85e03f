//! What the database knows of a batch's organizations, rooms, messages and marks, while the batch holds the lock.
//!
//! Every stored change of an organization advances its `last_pos`. So what is remembered of its rooms is still true
//! exactly when `last_pos` stands where this writer left it, and a room that is written to again and again is read once.

use std::collections::{HashMap, HashSet};

use diesel::QueryResult;
use uuid::Uuid;

use super::super::amend;
use super::super::connection::Connection;
use super::super::rows::{self, MessageRow};
use super::super::status::Standing;
use super::super::values::{Key, number};
use super::requests::Requests;
use super::{Care, Job, Work, tables};
use crate::clock;
use crate::domain::{MarkKind, Message, MessageId, OrgId, Reactions, RoomId, SenderType, UserId};

/// Beyond so many rooms nothing more is remembered until the next batch forgets the rest.
const REMEMBERED_ROOMS: usize = 100_000;

/// A room, as numbering needs it.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) last_seq: u64,
    pub(crate) standing: Standing,
}

/// An organization whose lock is held.
#[derive(Default, Debug)]
pub(crate) struct Organization {
    pub(crate) last_pos: u64,
    pub(crate) last_at: i64,
    pub(crate) rooms: HashMap<RoomId, Room>,
    /// `last_pos` is not what the table says.
    pub(crate) changed: bool,
}

impl Organization {
    /// The number of its next change.
    pub(crate) fn advance(&mut self) -> u64 {
        self.changed = true;
        self.last_pos += 1;
        self.last_pos
    }
}

/// Where a mark stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Stand {
    pub(crate) seq: u64,
    pub(crate) pos: u64,
    pub(crate) at: i64,
}

pub(crate) type MarkKey = (RoomId, UserId, MarkKind);

/// What is remembered from batch to batch.
#[derive(Default)]
pub(crate) struct Memory {
    organizations: HashMap<OrgId, Organization>,
    rooms: usize,
}

impl Memory {
    /// Keeps what a batch knew, now that it is committed.
    pub(crate) fn keep(&mut self, ledger: Ledger) {
        if self.rooms > REMEMBERED_ROOMS {
            self.organizations.clear();
            self.rooms = 0;
        }
        for (id, mut organization) in ledger.organizations {
            organization.changed = false;
            self.rooms += organization.rooms.len();
            self.organizations.insert(id, organization);
        }
    }

    /// What is remembered, where that is all that `jobs` need: messages of one organization, to rooms that are known. It
    /// may be out of date.
    pub(crate) fn guess(&mut self, jobs: &[Job]) -> Option<(OrgId, Ledger)> {
        let id = jobs.first()?.organization;
        let organization = self.organizations.get(&id)?;
        let known = jobs.iter().all(|job| match &job.work {
            Work::Message(message) => {
                let plain = message.reply_to.is_none() && job.request.is_none();
                plain && job.organization == id && organization.rooms.contains_key(&message.room)
            }
            _ => false,
        });
        let organization = known.then(|| self.organizations.remove(&id)).flatten()?;
        self.rooms = self.rooms.saturating_sub(organization.rooms.len());
        Some((id, Ledger { organizations: HashMap::from([(id, organization)]), ..Ledger::default() }))
    }

    /// Takes what is remembered of an organization's rooms, if it is still true. What is taken and not kept is forgotten:
    /// a batch that fails leaves nothing wrong behind.
    fn take(&mut self, id: OrgId, last_pos: u64) -> HashMap<RoomId, Room> {
        let Some(organization) = self.organizations.remove(&id) else { return HashMap::new() };
        self.rooms = self.rooms.saturating_sub(organization.rooms.len());
        if organization.last_pos == last_pos { organization.rooms } else { HashMap::new() }
    }
}

#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) organizations: HashMap<OrgId, Organization>,
    /// Rooms that were asked for and belong to organizations of which the lock is not held, and ids of rooms that are gone
    /// but not cleared away yet.
    pub(crate) foreign: HashSet<RoomId>,
    /// Per job: the message that it repeats, and what people put under it.
    pub(crate) known: HashMap<usize, (MessageRow, Vec<Reactions>)>,
    pub(crate) marks: HashMap<MarkKey, Stand>,
    /// Messages that marks and answers name.
    pub(crate) places: HashMap<MessageId, (RoomId, u64)>,
    pub(crate) requests: Requests,
}

impl Ledger {
    /// Takes the locks, then reads what is needed to number `jobs`.
    pub(crate) fn load(
        connection: &mut Connection,
        memory: &mut Memory,
        jobs: &mut [Job],
        care: Care,
    ) -> QueryResult<Self> {
        let mut ledger = Self::default();
        ledger.lock(connection, memory, jobs)?;
        ledger.load_rooms(connection, jobs)?;
        ledger.name_contacts(jobs);
        if care != Care::Hopeful {
            ledger.load_known(connection, jobs, care)?;
        }
        ledger.requests = Requests::load(connection, jobs, clock::now())?;
        ledger.load_marks(connection, jobs)?;
        ledger.load_places(connection, jobs)?;
        Ok(ledger)
    }

    /// A contact's message that does not say whose it is, is the room's own contact's. What it may repeat hangs on that.
    pub(crate) fn name_contacts(&self, jobs: &mut [Job]) {
        for job in jobs {
            let Some(organization) = self.organizations.get(&job.organization) else { continue };
            if let Work::Message(message) = &mut job.work
                && message.sender_type == SenderType::Contact
                && message.contact.is_none()
            {
                message.contact = organization.rooms.get(&message.room).and_then(|room| room.standing.contact);
            }
        }
    }

    /// Only takes the locks, for changes that read what they need themselves.
    pub(crate) fn locked(connection: &mut Connection, memory: &mut Memory, jobs: &[Job]) -> QueryResult<Self> {
        let mut ledger = Self::default();
        ledger.lock(connection, memory, jobs)?;
        Ok(ledger)
    }

    /// The organizations whose numbering has advanced.
    pub(crate) fn advanced(&self) -> impl Iterator<Item = (OrgId, &Organization)> {
        self.organizations.iter().filter(|(_, it)| it.changed).map(|(id, it)| (*id, it))
    }

    fn lock(&mut self, connection: &mut Connection, memory: &mut Memory, jobs: &[Job]) -> QueryResult<()> {
        let mut ids: Vec<Key> = jobs.iter().map(|job| Key(job.organization.0)).collect();
        ids.sort_unstable();
        ids.dedup();
        for (id, last_pos, last_at) in tables::lock(connection, &ids)? {
            let (id, last_pos) = (OrgId(id.0), number(last_pos));
            let rooms = memory.take(id, last_pos);
            self.organizations.insert(id, Organization { last_pos, last_at, rooms, changed: false });
        }
        Ok(())
    }

    fn load_rooms(&mut self, connection: &mut Connection, jobs: &[Job]) -> QueryResult<()> {
        let mut ids: Vec<Key> = jobs
            .iter()
            .filter_map(|job| {
                let room = match &job.work {
                    Work::Amend(_) => return None,
                    Work::Message(message) => message.room,
                    Work::Room(room) => room.id,
                    Work::Mark(mark) => mark.room,
                };
                let held = self.organizations.get(&job.organization).is_some_and(|it| it.rooms.contains_key(&room));
                (!held).then_some(Key(room.0))
            })
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        ids.sort_unstable();
        ids.dedup();
        for (id, organization, last_seq, standing) in tables::rooms(connection, &ids)? {
            let id = RoomId(id.0);
            match self.organizations.get_mut(&OrgId(organization.0)) {
                Some(organization) => {
                    let (last_seq, standing) = (number(last_seq.unwrap_or(0)), standing.into_standing()?);
                    organization.rooms.insert(id, Room { last_seq, standing });
                }
                None => {
                    self.foreign.insert(id);
                }
            }
        }
        let new: Vec<Key> = jobs
            .iter()
            .filter_map(|job| match &job.work {
                Work::Room(room) => Some(Key(room.id.0)),
                _ => None,
            })
            .collect();
        if !new.is_empty() {
            self.foreign.extend(amend::unfinished(connection, &new)?.into_iter().map(|id| RoomId(id.0)));
        }
        Ok(())
    }

    fn load_known(&mut self, connection: &mut Connection, jobs: &[Job], care: Care) -> QueryResult<()> {
        let messages = || {
            jobs.iter().enumerate().filter_map(|(index, job)| match &job.work {
                Work::Message(message) => Some((index, message)),
                _ => None,
            })
        };
        let keys: Vec<SentBefore<'_>> =
            messages().filter_map(|(index, message)| SentBefore::of(index, message)).collect();
        let mut known = HashMap::new();
        if !keys.is_empty() {
            known.extend(tables::sent_before(connection, &keys)?);
        }
        if care == Care::Again {
            let ids: Vec<Key> = messages().map(|(_, message)| Key(message.id.0)).collect();
            let mut stored: HashMap<MessageId, MessageRow> =
                tables::messages(connection, &ids)?.into_iter().map(|row| (row.id(), row)).collect();
            known.extend(messages().filter_map(|(index, it)| Some((index, stored.remove(&it.id)?))));
        }
        let reactions = rows::reactions(connection, known.values())?;
        self.known.extend(known.into_iter().map(|(index, row)| {
            let reactions = reactions.get(&row.id()).cloned().unwrap_or_default();
            (index, (row, reactions))
        }));
        Ok(())
    }

    fn load_marks(&mut self, connection: &mut Connection, jobs: &[Job]) -> QueryResult<()> {
        let mut users: Vec<(Key, Key)> = jobs
            .iter()
            .filter_map(|job| match &job.work {
                Work::Mark(mark) => Some((Key(mark.room.0), Key(mark.user.0))),
                _ => None,
            })
            .collect();
        if users.is_empty() {
            return Ok(());
        }
        users.sort_unstable();
        users.dedup();
        for (room, user, kind, seq, pos, at) in tables::marks(connection, &users)? {
            let stand = Stand { seq: number(seq), pos: number(pos), at };
            self.marks.insert((RoomId(room.0), UserId(user.0), tables::mark_kind(&kind)?), stand);
        }
        Ok(())
    }

    fn load_places(&mut self, connection: &mut Connection, jobs: &[Job]) -> QueryResult<()> {
        let named: Vec<Key> = jobs
            .iter()
            .filter_map(|job| match &job.work {
                Work::Mark(mark) => mark.message,
                Work::Message(message) => message.reply_to,
                _ => None,
            })
            .map(|id| Key(id.0))
            .collect();
        if !named.is_empty() {
            for (id, room, seq) in tables::places(connection, &named)? {
                self.places.insert(MessageId(id.0), (RoomId(room.0), number(seq)));
            }
        }
        Ok(())
    }
}

/// What makes a message the same as one that was sent before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct SentBefore<'a> {
    /// The job that asks.
    pub(crate) index: usize,
    pub(crate) room: RoomId,
    pub(crate) sender: Uuid,
    pub(crate) client_message_id: &'a str,
}

impl<'a> SentBefore<'a> {
    fn of(index: usize, message: &'a Message) -> Option<Self> {
        let client_message_id = message.client_message_id.as_deref()?;
        Some(Self { index, room: message.room, sender: rows::sender(message), client_message_id })
    }
}
