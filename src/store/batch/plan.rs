//! Numbering: which of a batch's changes are new, and which `seq` and `pos` they get. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::rows::{self, NewMarkRow, NewMemberRow, NewRoomRow};
use super::super::status::{Standing, Watermark};
use super::super::values::{Key, stored};
use super::ledger::{Ledger, Organization, Room, Stand};
use super::tables::mark_word;
use super::{Job, Verdict, Work};
use crate::domain::{Mark, MarkKind, MemberRole, MessageId, Reject, RejectCode, RoomId, Timestamp};
use crate::hub::ports::{NewMark, NewRoom};

/// What is to be written, and what to be answered.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) rooms: Vec<NewRoomRow<'static>>,
    pub(crate) members: Vec<NewMemberRow>,
    pub(crate) marks: Vec<NewMarkRow>,
    /// The rooms in which somebody has come further.
    pub(crate) standings: HashMap<RoomId, Standing>,
}

/// Numbers what is new among `jobs`, in their order. Messages that are stored get their numbers and time in place.
pub(crate) fn number(ledger: &mut Ledger, jobs: &mut [Job], now: Timestamp, again: bool) -> Plan {
    let repeats = repeats(jobs);
    let mut plan = Plan { verdicts: Vec::with_capacity(jobs.len()), ..Plan::default() };
    for (index, job) in jobs.iter_mut().enumerate() {
        let Some(organization) = ledger.organizations.get_mut(&job.organization) else {
            plan.verdicts.push(Verdict::Failed);
            continue;
        };
        // A clock that was set back does not turn the order of an organization's changes around.
        organization.last_at = organization.last_at.max(now.as_micros());
        let verdict = match &mut job.work {
            Work::Message(message) => match organization.rooms.get_mut(&message.room) {
                None => Verdict::Refused(Reject::not_found()),
                Some(room) => match (ledger.known.remove(&index), repeats.get(&index)) {
                    (Some((row, reactions)), _) => match row.into_message(&room.standing, reactions) {
                        Ok(known) => {
                            let duplicate = known.id != message.id;
                            Verdict::Message { message: Arc::new(known), duplicate }
                        }
                        Err(error) => Verdict::Refused(Reject::new(RejectCode::Internal, error.to_string())),
                    },
                    (None, Some(first)) => repeated(&plan.verdicts, *first),
                    (None, None) => {
                        room.last_seq += 1;
                        if room.standing.meets(message.contact) {
                            plan.standings.insert(message.room, room.standing);
                        }
                        message.seq = room.last_seq;
                        message.created_at = Timestamp::from_micros(organization.last_at);
                        message.pos = organization.advance();
                        message.changed_pos = message.pos;
                        Verdict::Stored
                    }
                },
            },
            Work::Room(new) => {
                let taken = ledger.foreign.contains(&new.id) || organization.rooms.contains_key(&new.id);
                if !taken {
                    create(&mut plan, organization, new, job.organization.0);
                }
                Verdict::Room { created: !taken }
            }
            Work::Amend(_) => Verdict::Failed,
            Work::Mark(new) => {
                let named = new.message.and_then(|id| ledger.places.get(&id)).filter(|(room, _)| *room == new.room);
                let aim = new.seq.max(named.map(|(_, seq)| *seq));
                let stands = |kind| ledger.marks.get(&(new.room, new.user, kind)).copied().unwrap_or_default();
                let stand = match new.kind {
                    MarkKind::Read => stands(MarkKind::Read),
                    // What is read has been received.
                    MarkKind::Delivered => {
                        let (delivered, read) = (stands(MarkKind::Delivered), stands(MarkKind::Read));
                        if read.seq > delivered.seq { read } else { delivered }
                    }
                };
                match mark(organization, new, aim, stand, again) {
                    Err(reject) => Verdict::Refused(reject),
                    Ok((stand, pos, moved)) => {
                        if let Some(standing) = moved {
                            plan.standings.insert(new.room, standing);
                            ledger.marks.insert((new.room, new.user, new.kind), stand);
                            plan.marks.push(mark_row(new, stand));
                        }
                        Verdict::Mark { mark: told(new, stand), pos }
                    }
                }
            }
        };
        plan.verdicts.push(verdict);
    }
    plan
}

/// Per job: the first one of the batch that sends the same message.
fn repeats(jobs: &[Job]) -> HashMap<usize, usize> {
    let mut first = HashMap::with_capacity(jobs.len());
    let mut repeats = HashMap::new();
    for (index, job) in jobs.iter().enumerate() {
        if let Work::Message(message) = &job.work
            && let Some(client_message_id) = message.client_message_id.as_deref()
        {
            let key = (job.organization, message.room, rows::sender(message), client_message_id);
            let earliest = *first.entry(key).or_insert(index);
            if earliest != index {
                repeats.insert(index, earliest);
            }
        }
    }
    repeats
}

fn repeated(verdicts: &[Verdict], first: usize) -> Verdict {
    match verdicts.get(first) {
        Some(Verdict::Message { message, .. }) => Verdict::Message { message: Arc::clone(message), duplicate: true },
        _ => Verdict::Repeats(first),
    }
}

/// A room and its first member are one change.
fn create(plan: &mut Plan, organization: &mut Organization, new: &NewRoom, id: uuid::Uuid) {
    let pos = organization.advance();
    let at = organization.last_at;
    let standing =
        Standing { kind: new.kind, contact: None, read: Watermark::default(), delivered: Watermark::default() };
    organization.rooms.insert(new.id, Room { last_seq: 0, standing });
    plan.rooms.push(NewRoomRow {
        id: Key(new.id.0),
        organization_id: Key(id),
        kind: new.kind.as_str(),
        name: None,
        acl_version: 1,
        read_seq: 0,
        read_rest: 0,
        delivered_seq: 0,
        delivered_rest: 0,
        created_at: at,
        updated_at: at,
    });
    plan.members.push(NewMemberRow {
        room_id: Key(new.id.0),
        user_id: Key(new.owner.0),
        role: MemberRole::Owner.as_str(),
        joined_pos: stored(pos),
        joined_at: at,
    });
}

/// Where the mark stands now, the `pos` to tell, and, if it moved, how far the room's people have come.
fn mark(
    organization: &mut Organization,
    new: &NewMark,
    aim: Option<u64>,
    stand: Stand,
    again: bool,
) -> Result<(Stand, Option<u64>, Option<Standing>), Reject> {
    let room = organization.rooms.get_mut(&new.room).ok_or_else(Reject::not_found)?;
    let aim = match aim {
        Some(0) => return Err(Reject::field("up_to_seq", "a number from 1")),
        Some(aim) => aim.min(room.last_seq),
        None if new.message.is_some() => return Err(no_such_message()),
        None => return Err(Reject::field("up_to_seq", "message_id or up_to_seq")),
    };
    if aim == 0 {
        return Err(no_such_message());
    }
    if aim <= stand.seq {
        // Run again, a mark finds itself where its first run has put it, and is told all the same.
        return Ok((stand, (again && aim == stand.seq).then_some(stand.pos), None));
    }
    match new.kind {
        MarkKind::Read => room.standing.read.raise(new.user, aim),
        MarkKind::Delivered => room.standing.delivered.raise(new.user, aim),
    }
    let standing = room.standing;
    let pos = organization.advance();
    Ok((Stand { seq: aim, pos, at: organization.last_at }, Some(pos), Some(standing)))
}

fn no_such_message() -> Reject {
    Reject::new(RejectCode::NotFound, "There is no such message in this session")
}

fn mark_row(new: &NewMark, stand: Stand) -> NewMarkRow {
    NewMarkRow {
        room_id: Key(new.room.0),
        user_id: Key(new.user.0),
        kind: mark_word(new.kind),
        seq: stored(stand.seq),
        pos: stored(stand.pos),
        at: stand.at,
    }
}

/// The mark as it is told; the message's id is filled in from the table.
fn told(new: &NewMark, stand: Stand) -> Mark {
    Mark {
        room: new.room,
        kind: new.kind,
        user: new.user,
        message: MessageId(uuid::Uuid::nil()),
        up_to_seq: stand.seq,
        at: Timestamp::from_micros(stand.at),
    }
}
