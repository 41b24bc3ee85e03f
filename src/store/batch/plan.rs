//! Numbering: which of a batch's changes are new, and which `seq` and `pos` they get. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::rows::{self, MessageRow, NewMarkRow, NewMemberRow, NewRoomRow};
use super::super::status::{Standing, Watermark};
use super::super::values::{Key, stored};
use super::ledger::{Ledger, Organization, Room, Stand};
use super::moved::Step;
use super::tables::mark_word;
use super::{Job, Verdict, Work};
use crate::domain::{
    Mark, MarkKind, MemberRole, Message, MessageId, Reactions, Reject, RejectCode, RoomId, SenderType, Timestamp,
};
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
    /// What marks have moved, by the verdicts that tell them.
    pub(crate) steps: Vec<(usize, Step)>,
}

/// Numbers what is new among `jobs`, in their order. Messages that are stored get their numbers and time in place.
pub(crate) fn number(ledger: &mut Ledger, jobs: &mut [Job], now: Timestamp, again: bool) -> Plan {
    let mut repeats = Repeats::among(jobs);
    let mut plan = Plan { verdicts: Vec::with_capacity(jobs.len()), ..Plan::default() };
    for (index, job) in jobs.iter_mut().enumerate() {
        let Some(organization) = ledger.organizations.get_mut(&job.organization) else {
            plan.verdicts.push(Verdict::Failed);
            continue;
        };
        // A clock that was set back does not turn the order of an organization's changes around.
        organization.last_at = organization.last_at.max(now.as_micros());
        let verdict = match &mut job.work {
            Work::Message(message) => {
                let known = ledger.known.remove(&index);
                let request = job.request.as_deref();
                let verdict = request
                    .and_then(|it| ledger.requests.answer(job.organization, it, message.id, &plan.verdicts))
                    .or_else(|| known.is_none().then(|| repeats.answer(index, &plan.verdicts)).flatten())
                    .unwrap_or_else(|| send(&mut plan, organization, message, known, &ledger.places));
                if let Some(request) = request {
                    ledger.requests.note(job.organization, request, index, &verdict);
                }
                repeats.note(index, &verdict);
                verdict
            }
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
                    Ok(Marked { stand, pos, standing, step }) => {
                        if let Some(standing) = standing {
                            plan.standings.insert(new.room, standing);
                            ledger.marks.insert((new.room, new.user, new.kind), stand);
                            plan.marks.push(mark_row(new, stand));
                        }
                        plan.steps.extend(step.map(|step| (index, step)));
                        Verdict::Mark { mark: told(new, stand), pos }
                    }
                }
            }
        };
        plan.verdicts.push(verdict);
    }
    plan
}

/// A message that no job of the batch before it has sent: what it is known as, or its numbers.
fn send(
    plan: &mut Plan,
    organization: &mut Organization,
    message: &mut Message,
    known: Option<(MessageRow, Vec<Reactions>)>,
    places: &HashMap<MessageId, (RoomId, u64)>,
) -> Verdict {
    let Some(room) = organization.rooms.get_mut(&message.room) else { return Verdict::Refused(Reject::not_found()) };
    if let Some((row, reactions)) = known {
        return match row.into_message(&room.standing, reactions) {
            Ok(known) => {
                let duplicate = known.id != message.id;
                Verdict::Message { message: Arc::new(known), duplicate }
            }
            Err(error) => Verdict::Refused(Reject::new(RejectCode::Internal, error.to_string())),
        };
    }
    if message.reply_to.is_some_and(|id| places.get(&id).is_none_or(|(room, _)| *room != message.room)) {
        return Verdict::Refused(Reject::field("reply_to_id", "the id of a message of this session"));
    }
    if message.sender_type == SenderType::Contact {
        message.contact = message.contact.or(room.standing.contact);
    }
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

/// Which jobs of a batch send the same message.
#[derive(Default)]
struct Repeats {
    /// Per job that is not the first of them: the first.
    first: HashMap<usize, usize>,
    /// Per first that was refused: the one that was stored in its place.
    instead: HashMap<usize, usize>,
}

impl Repeats {
    fn among(jobs: &[Job]) -> Self {
        let mut seen = HashMap::with_capacity(jobs.len());
        let mut repeats = Self::default();
        for (index, job) in jobs.iter().enumerate() {
            if let Work::Message(message) = &job.work
                && let Some(client_message_id) = message.client_message_id.as_deref()
            {
                let key = (job.organization, message.room, rows::sender(message), client_message_id);
                let first = *seen.entry(key).or_insert(index);
                if first != index {
                    repeats.first.insert(index, first);
                }
            }
        }
        repeats
    }

    /// The answer to a job that repeats an earlier one. What was refused, for another reason than what it says, is not
    /// repeated.
    fn answer(&self, index: usize, verdicts: &[Verdict]) -> Option<Verdict> {
        let first = self.first.get(&index)?;
        let first = *self.instead.get(first).unwrap_or(first);
        (!matches!(verdicts.get(first), Some(Verdict::Refused(_)))).then(|| repeated(verdicts, first))
    }

    fn note(&mut self, index: usize, verdict: &Verdict) {
        if let (Some(first), Verdict::Stored) = (self.first.get(&index), verdict) {
            self.instead.insert(*first, index);
        }
    }
}

pub(super) fn repeated(verdicts: &[Verdict], first: usize) -> Verdict {
    match verdicts.get(first) {
        Some(Verdict::Message { message, .. }) => Verdict::Message { message: Arc::clone(message), duplicate: true },
        Some(Verdict::Repeats(first)) => Verdict::Repeats(*first),
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

/// What a mark has come to.
struct Marked {
    /// Where it stands now.
    stand: Stand,
    /// The number to tell it under.
    pos: Option<u64>,
    /// How far the room's people have come, if it moved.
    standing: Option<Standing>,
    step: Option<Step>,
}

fn mark(
    organization: &mut Organization,
    new: &NewMark,
    aim: Option<u64>,
    stand: Stand,
    again: bool,
) -> Result<Marked, Reject> {
    let room = organization.rooms.get_mut(&new.room).ok_or_else(Reject::not_found)?;
    let aim = match aim {
        Some(0) => return Err(Reject::field("up_to_seq", "a number from 1")),
        Some(aim) => aim.min(room.last_seq),
        None if new.message.is_some() => return Err(Reject::no_such_message()),
        None => return Err(Reject::field("up_to_seq", "message_id or up_to_seq")),
    };
    if aim == 0 {
        return Err(Reject::no_such_message());
    }
    if aim <= stand.seq {
        // Run again, a mark finds itself where its first run has put it, and is told all the same. What was before it
        // nobody knows any more.
        let is_told = again && aim == stand.seq;
        let step = is_told.then(|| Step::of(new, room.standing.unmarked(), aim));
        return Ok(Marked { stand, pos: is_told.then_some(stand.pos), standing: None, step });
    }
    let step = Step::of(new, room.standing, aim);
    room.standing.raise(new.kind, new.user, aim);
    let standing = Some(room.standing);
    let pos = organization.advance();
    let stand = Stand { seq: aim, pos, at: organization.last_at };
    Ok(Marked { stand, pos: Some(pos), standing, step: Some(step) })
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

/// The mark as it is told; which messages it is about is filled in from the table.
fn told(new: &NewMark, stand: Stand) -> Mark {
    Mark {
        room: new.room,
        kind: new.kind,
        user: new.user,
        message: MessageId(uuid::Uuid::nil()),
        up_to_seq: stand.seq,
        moved: None,
        at: Timestamp::from_micros(stand.at),
    }
}
