//! One batch of changes, in one transaction: what the database knows of them is read, they are numbered, and written.
//!
//! The row of an organization is the lock on everything in it. It is taken first, in the order of ids, by whoever changes
//! anything of the organization, so what is read after it stays true until the commit, on every node.

mod ledger;
mod moved;
mod plan;
mod postgres;
mod requests;
mod sqlite;
mod tables;

use std::sync::Arc;
use std::time::Instant;

use diesel::{PgConnection, QueryResult};

pub(crate) use ledger::{Ledger, Memory, Organization};
pub(crate) use requests::{HONOURED, sweep};
pub(crate) use tables::{advance, mark_kind};

use super::connection::Connection;
use crate::clock;
use crate::domain::{Mark, Message, MessageId, MessageStatus, OrgId, Reject, SenderType, Timestamp};
use crate::hub::ports::{
    Amended, Amendment, Change, NewMark, NewMessage, NewRoom, Outcome, Ticket, Write, WriteError, Written,
};
use requests::Request;

/// A change that waits to be stored.
pub(crate) struct Job {
    pub(crate) ticket: Ticket,
    pub(crate) organization: OrgId,
    pub(crate) work: Work,
    /// The key that makes it the same as an earlier one.
    pub(crate) request: Option<Box<Request>>,
    pub(crate) since: Instant,
}

impl Job {
    /// Whether it takes statements of its own (`amend`), rather than a share in those of a batch.
    pub(crate) fn amends(&self) -> bool {
        matches!(self.work, Work::Amend(_))
    }
}

#[expect(clippy::large_enum_variant, reason = "nearly all of them are messages")]
pub(crate) enum Work {
    /// Complete but for its numbers and time.
    Message(Message),
    Room(NewRoom),
    Mark(NewMark),
    Amend(Box<Amendment>),
}

impl From<Write> for Job {
    fn from(mut write: Write) -> Self {
        let request =
            match &mut write.change {
                Change::Message(new) => new.draft.idempotency.take().map(|it| {
                    Box::new(Request { user: new.user, key: without_nul(it.key), fingerprint: it.fingerprint })
                }),
                _ => None,
            };
        let work = match write.change {
            Change::Message(new) => Work::Message(message(write.organization, *new)),
            Change::Room(new) => Work::Room(new),
            Change::Mark(new) => Work::Mark(new),
            Change::Amend(amendment) => Work::Amend(amendment),
        };
        Self { ticket: write.ticket, organization: write.organization, work, request, since: Instant::now() }
    }
}

fn message(organization: OrgId, new: NewMessage) -> Message {
    let NewMessage { draft, sender_type, direction, user, user_name } = new;
    let is_contacts = sender_type == SenderType::Contact;
    let mut content = draft.content;
    content.text = without_nul(content.text);
    for text in [&mut content.media_url, &mut content.filename, &mut content.caption] {
        *text = text.take().map(without_nul);
    }
    Message {
        id: draft.id,
        organization,
        room: draft.room,
        seq: 0,
        pos: 0,
        changed_pos: 0,
        sender_type,
        direction,
        // Whoever handed a contact's message in has not said it.
        user: (!is_contacts).then_some(user),
        user_name: if is_contacts { Box::default() } else { without_nul(user_name) },
        contact: draft.contact,
        message_type: draft.message_type,
        content,
        status: MessageStatus::Sent,
        reply_to: draft.reply_to,
        client_message_id: draft.client_message_id.map(without_nul),
        external_id: draft.external_id.map(without_nul),
        delivered_at: None,
        read_at: None,
        reactions: Vec::new(),
        created_at: Timestamp::default(),
        edited_at: None,
        deleted_at: None,
    }
}

/// Postgres takes every character but this one.
pub(super) fn without_nul(text: Box<str>) -> Box<str> {
    if text.contains('\0') { text.replace('\0', "").into() } else { text }
}

/// What became of a job.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// The message is stored as it now stands in its job.
    Stored,
    /// The same as an earlier message of this batch.
    Repeats(usize),
    Message {
        message: Arc<Message>,
        duplicate: bool,
    },
    Room {
        created: bool,
    },
    Mark {
        mark: Mark,
        pos: Option<u64>,
    },
    Amended {
        amended: Amended,
        pos: Option<u64>,
    },
    Refused(Reject),
    Failed,
}

/// What a batch reckons with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Care {
    /// That nobody sends a message for the second time: if somebody does, the whole batch fails with a unique violation.
    Hopeful,
    /// That some messages were sent before.
    Careful,
    /// That all of it may be stored already, by a transaction of which nobody knows how it ended: what is found under the
    /// same ids counts as stored now.
    Again,
}

/// Stores `jobs`, all or none.
pub(crate) fn run(
    connection: &mut Connection,
    memory: &mut Memory,
    jobs: &mut [Job],
    care: Care,
) -> QueryResult<Vec<Verdict>> {
    if care == Care::Hopeful
        && let Connection::Postgres(connection) = connection
        && let Some(verdicts) = at_once(connection, memory, jobs)?
    {
        return Ok(verdicts);
    }
    let (verdicts, ledger) = connection.change(|connection| {
        let mut ledger = Ledger::load(connection, memory, jobs, care)?;
        let plan = plan::number(&mut ledger, jobs, clock::now(), care == Care::Again);
        let mut verdicts = plan.verdicts;
        tables::add_rooms(connection, &plan.rooms, &plan.members)?;
        tables::add_messages(connection, jobs, &verdicts)?;
        ledger.requests.write(connection, jobs, &verdicts)?;
        tables::put_marks(connection, &plan.marks)?;
        tables::put_standings(connection, &plan.standings)?;
        tables::advance(connection, &ledger)?;
        name_marks(connection, &mut verdicts)?;
        moved::name(connection, plan.steps, &mut verdicts)?;
        Ok((verdicts, ledger))
    })?;
    memory.keep(ledger);
    Ok(verdicts)
}

/// Stores messages in a single round trip, where everything about their rooms is remembered: numbered as if it were still
/// true, on condition that it is. `None`: it is not known, or no longer true, and nothing was done.
fn at_once(connection: &mut PgConnection, memory: &mut Memory, jobs: &mut [Job]) -> QueryResult<Option<Vec<Verdict>>> {
    let Some((id, mut ledger)) = memory.guess(jobs) else { return Ok(None) };
    ledger.name_contacts(jobs);
    let before = ledger.organizations.get(&id).map_or(0, |it| it.last_pos);
    let plan = plan::number(&mut ledger, jobs, clock::now(), false);
    if !plan.standings.is_empty() {
        // The room changes too, which takes more than one statement.
        return Ok(None);
    }
    let verdicts = plan.verdicts;
    let rows: Vec<_> = tables::new_messages(jobs, &verdicts).collect();
    let Some(organization) = ledger.organizations.get(&id) else { return Ok(None) };
    if !postgres::add_at_once(connection, (id, before, organization), &rows)? {
        return Ok(None);
    }
    memory.keep(ledger);
    Ok(Some(verdicts))
}

/// Fills in the ids of the newest messages that marks cover.
fn name_marks(connection: &mut Connection, verdicts: &mut [Verdict]) -> QueryResult<()> {
    let mut marks: Vec<&mut Mark> = verdicts
        .iter_mut()
        .filter_map(|verdict| match verdict {
            Verdict::Mark { mark, .. } => Some(mark),
            _ => None,
        })
        .collect();
    if marks.is_empty() {
        return Ok(());
    }
    let places: Vec<_> = marks.iter().map(|mark| (mark.room, mark.up_to_seq)).collect();
    for (place, id) in tables::ids_at(connection, &places)? {
        if let Some(mark) = usize::try_from(place).ok().and_then(|place| marks.get_mut(place)) {
            mark.message = MessageId(id.0);
        }
    }
    Ok(())
}

/// The answers, in the order of the batch.
pub(crate) fn answers(jobs: Vec<Job>, verdicts: Vec<Verdict>) -> Vec<Written> {
    let mut written: Vec<Written> = Vec::with_capacity(jobs.len());
    for (job, verdict) in jobs.into_iter().zip(verdicts) {
        let outcome = match (verdict, job.work) {
            (Verdict::Stored, Work::Message(message)) => {
                Ok(Outcome::Message { message: Arc::new(message), duplicate: false })
            }
            (Verdict::Repeats(first), _) => match written.get(first).map(|it| &it.outcome) {
                Some(Ok(Outcome::Message { message, .. })) => {
                    Ok(Outcome::Message { message: Arc::clone(message), duplicate: true })
                }
                Some(Err(error)) => Err(error.clone()),
                _ => Err(WriteError::Failed),
            },
            (Verdict::Message { message, duplicate }, _) => Ok(Outcome::Message { message, duplicate }),
            (Verdict::Room { created }, _) => Ok(Outcome::Room { created }),
            (Verdict::Mark { mark, pos }, _) => Ok(Outcome::Mark { mark, pos }),
            (Verdict::Amended { amended, pos }, _) => Ok(Outcome::Amended { amended, pos }),
            (Verdict::Refused(reject), _) => Err(WriteError::Refused(reject)),
            (Verdict::Stored | Verdict::Failed, _) => Err(WriteError::Failed),
        };
        written.push(Written { ticket: job.ticket, outcome });
    }
    written
}
