//! Amendments: changes of what is stored already, and of who may do what, each in a few statements of its own.
//!
//! They are seldom, so they are written for clearness; but they take the same lock and the same numbers as a batch. Each
//! checks everything before it writes anything, so that a refusal leaves nothing half done in a transaction that goes on.
//!
//! Run again after a commit of which nobody knows how it ended, an amendment does no damage twice: an edit knows its own
//! by the id of the amendment, a tombstone and a room tell their number themselves, and what else is so already is told
//! once more under a new number.

mod member;
mod message;
mod purge;
mod reaction;
mod report;
mod room;
#[cfg(test)]
mod tests;

use diesel::prelude::*;
use diesel::result::Error;

pub(crate) use purge::{sweep, unfinished};

use super::batch::{Job, Ledger, Memory, Organization, Verdict, Work, advance, without_nul};
use super::connection::{Connection, on};
use super::rows::{MemberRow, RoomRow};
use super::schema::{members, rooms, users};
use super::values::Key;
use crate::clock;
use crate::domain::{Member, OrgId, Reject, RejectCode, Room, RoomId, Timestamp, UserId};
use crate::hub::ports::{Amended, Amendment, AmendmentKind};

/// How many users are asked about in one statement.
const USERS_AT_ONCE: usize = 1_000;

/// What an amendment has come to, and its number; `None` where nothing had to change.
type Done = (Amended, Option<u64>);

/// Why an amendment goes no further.
enum Stop {
    /// It may not be; the others of its run go on.
    Refused(Reject),
    /// The transaction is lost.
    Broken(Error),
}

impl From<Reject> for Stop {
    fn from(reject: Reject) -> Self {
        Self::Refused(reject)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

/// Stores amendments, all or none. `again`: they may be stored already.
pub(crate) fn run(
    connection: &mut Connection,
    memory: &mut Memory,
    jobs: &[Job],
    again: bool,
) -> QueryResult<Vec<Verdict>> {
    let (verdicts, ledger) = connection.change(|connection| {
        let mut ledger = Ledger::locked(connection, memory, jobs)?;
        let now = clock::now().as_micros();
        let mut verdicts = Vec::with_capacity(jobs.len());
        for job in jobs {
            let (Work::Amend(amendment), Some(organization)) =
                (&job.work, ledger.organizations.get_mut(&job.organization))
            else {
                verdicts.push(Verdict::Failed);
                continue;
            };
            organization.last_at = organization.last_at.max(now);
            let desk = Desk { connection, id: job.organization, organization, by: amendment.by, again };
            verdicts.push(match amend(desk, amendment) {
                Ok((amended, pos)) => Verdict::Amended { amended, pos },
                Err(Stop::Refused(reject)) => Verdict::Refused(reject),
                Err(Stop::Broken(error)) => return Err(error),
            });
        }
        advance(connection, &ledger)?;
        Ok((verdicts, ledger))
    })?;
    memory.keep(ledger);
    Ok(verdicts)
}

fn amend(mut desk: Desk<'_>, amendment: &Amendment) -> Result<Done, Stop> {
    let desk = &mut desk;
    let by_name = without_nul(amendment.by_name.clone());
    match &amendment.kind {
        AmendmentKind::Message { room, message, text, if_changed_pos, reach } => {
            let target =
                message::Target { room: *room, message: *message, reach: *reach, changed_pos: *if_changed_pos };
            match text {
                Some(text) => message::edit(desk, &target, amendment.id, &by_name, without_nul(text.clone())),
                None => message::delete(desk, &target),
            }
        }
        AmendmentKind::React { room, message, emoji, present } => {
            reaction::set(desk, (*room, *message), &by_name, without_nul(emoji.clone()), *present)
        }
        AmendmentKind::Report(report) => report::take(desk, report),
        AmendmentKind::Create(draft) => room::create(desk, draft),
        AmendmentKind::CreateOnce(draft, request) => room::create_once(desk, draft, request),
        AmendmentKind::Update { room, change } => room::update(desk, *room, change),
        AmendmentKind::Purge { room } => purge::purge(desk, *room),
        AmendmentKind::Member { room, user, change: Some(change), authority } => {
            member::set(desk, *room, *user, *change, *authority)
        }
        AmendmentKind::Member { room, user, change: None, authority } => member::remove(desk, *room, *user, *authority),
    }
}

/// Where one amendment is worked on: the organization's lock is held, and its numbers are at hand.
struct Desk<'a> {
    connection: &'a mut Connection,
    id: OrgId,
    organization: &'a mut Organization,
    /// Who asks.
    by: UserId,
    again: bool,
}

impl Desk<'_> {
    /// The time of this change, never before that of the one before.
    fn at(&self) -> Timestamp {
        Timestamp::from_micros(self.organization.last_at)
    }

    /// A room of this organization.
    fn room(&mut self, id: RoomId) -> Result<Room, Stop> {
        let row = on!(self.connection, c => rooms::table
            .filter(rooms::id.eq(Key(id.0)))
            .filter(rooms::organization_id.eq(Key(self.id.0)))
            .select(RoomRow::as_select())
            .get_result(c)
            .optional())?;
        Ok(row.ok_or_else(Reject::not_found)?.into_room()?)
    }

    /// Everyone with a place in a room, also those who are banned, the caller first.
    fn places(&mut self, room: RoomId) -> QueryResult<Vec<Member>> {
        let rows: Vec<MemberRow> = on!(self.connection, c => members::table
            .filter(members::room_id.eq(Key(room.0)))
            .order((members::joined_pos, members::user_id))
            .select(MemberRow::as_select())
            .load(c))?;
        let mut places: Vec<Member> = rows.into_iter().map(MemberRow::into_member).collect::<QueryResult<_>>()?;
        places.sort_by_key(|it| it.user != self.by);
        Ok(places)
    }

    /// Refuses users who are not known in this organization.
    fn know(&mut self, wanted: &[UserId]) -> Result<(), Stop> {
        for wanted in wanted.chunks(USERS_AT_ONCE) {
            let ids: Vec<Key> = wanted.iter().map(|id| Key(id.0)).collect();
            let known: Vec<Key> = on!(self.connection, c => users::table
                .filter(users::organization_id.eq(Key(self.id.0)))
                .filter(users::id.eq_any(&ids))
                .select(users::id)
                .load(c))?;
            if let Some(unknown) = ids.iter().find(|id| !known.contains(id)) {
                let message = format!("There is no such user: {}", unknown.0);
                return Err(Reject::new(RejectCode::NotFound, message).into());
            }
        }
        Ok(())
    }

    /// Raises the version of `room`, here and in the table: something about who may do what in it has changed.
    fn raise(&mut self, room: &mut Room) -> QueryResult<()> {
        room.version += 1;
        let version = super::values::stored(room.version);
        on!(self.connection, c => diesel::update(rooms::table.find(Key(room.id.0)))
            .set(rooms::acl_version.eq(version))
            .execute(c))?;
        Ok(())
    }
}
