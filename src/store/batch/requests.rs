//! Requests that carry a key of their caller's: sent again within a day, such a request is answered as it was.

use std::collections::HashMap;
use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::BigInt;

use super::super::connection::{Connection, on};
use super::super::rows;
use super::super::values::Key;
use super::{Job, Verdict, Work, tables};
use crate::domain::{Message, MessageId, OrgId, Reject, Timestamp, UserId};

/// How long a key is honoured, in microseconds.
pub(crate) const HONOURED: i64 = 24 * 60 * 60 * 1_000_000;
/// How many old keys are removed at a time.
const SWEPT_AT_ONCE: u32 = 1_000;

/// What makes a request the same as an earlier one.
pub(crate) struct Request {
    pub(crate) user: UserId,
    pub(crate) key: Box<str>,
    /// A hash of all that was asked.
    pub(crate) fingerprint: [u8; 32],
}

/// A key that is taken.
struct Taken {
    fingerprint: Vec<u8>,
    by: Holder,
}

enum Holder {
    /// The message of an earlier batch.
    Earlier(Arc<Message>),
    /// Another request than is asked for, which did not store a message.
    Another,
    /// A job of this batch.
    Here(usize),
}

/// The keys of a batch.
#[derive(Default)]
pub(crate) struct Requests {
    taken: HashMap<(OrgId, UserId, Box<str>), Taken>,
    /// The jobs whose keys are to be written.
    fresh: Vec<usize>,
}

impl Requests {
    /// Looks the keys of `jobs` up.
    pub(crate) fn load(connection: &mut Connection, jobs: &[Job], now: Timestamp) -> QueryResult<Self> {
        let asked: Vec<(usize, OrgId, &Request)> = jobs
            .iter()
            .enumerate()
            .filter_map(|(index, job)| Some((index, job.organization, job.request.as_deref()?)))
            .collect();
        let mut requests = Self::default();
        if asked.is_empty() {
            return Ok(requests);
        }
        let found = tables::requests(connection, &asked, now.as_micros() - HONOURED)?;
        let ids: Vec<Key> = found.iter().map(|(_, _, message)| *message).collect();
        let messages = tables::messages_standing(connection, &ids)?;
        let messages = rows::messages(connection, messages)?;
        let messages: HashMap<MessageId, Arc<Message>> =
            messages.into_iter().map(|message| (message.id, Arc::new(message))).collect();
        for (index, fingerprint, message) in found {
            if let Some(job) = jobs.get(index)
                && let Some(request) = &job.request
            {
                let by = match messages.get(&MessageId(message.0)) {
                    Some(message) => Holder::Earlier(Arc::clone(message)),
                    None if fingerprint != request.fingerprint => Holder::Another,
                    None => continue,
                };
                requests.taken.insert(name(job.organization, request), Taken { fingerprint, by });
            }
        }
        Ok(requests)
    }

    /// The answer to a request whose key is taken. `id` is that of the message that it would store, which may be the very
    /// one that is stored, if the batch is run again.
    pub(crate) fn answer(
        &self,
        organization: OrgId,
        request: &Request,
        id: MessageId,
        verdicts: &[Verdict],
    ) -> Option<Verdict> {
        let taken = self.taken.get(&name(organization, request))?;
        if taken.fingerprint != request.fingerprint {
            return Some(Verdict::Refused(Reject::idempotency_key_reused()));
        }
        match &taken.by {
            Holder::Earlier(message) => {
                Some(Verdict::Message { message: Arc::clone(message), duplicate: message.id != id })
            }
            Holder::Another => None,
            Holder::Here(first) => Some(super::plan::repeated(verdicts, *first)),
        }
    }

    /// The job `index` has come to `verdict`, and takes its key if nobody had. A request that was refused takes none.
    pub(crate) fn note(&mut self, organization: OrgId, request: &Request, index: usize, verdict: &Verdict) {
        let name = name(organization, request);
        let is_free = !self.taken.contains_key(&name);
        if is_free && matches!(verdict, Verdict::Stored | Verdict::Repeats(_) | Verdict::Message { .. }) {
            let taken = Taken { fingerprint: request.fingerprint.to_vec(), by: Holder::Here(index) };
            self.taken.insert(name, taken);
            self.fresh.push(index);
        }
    }

    /// Writes the keys that were taken by this batch.
    pub(crate) fn write(&self, connection: &mut Connection, jobs: &[Job], verdicts: &[Verdict]) -> QueryResult<()> {
        let rows: Vec<tables::NewRequest<'_>> = self
            .fresh
            .iter()
            .filter_map(|index| {
                let job = jobs.get(*index)?;
                let (message, at) = stored(jobs, verdicts, *index)?;
                Some((job.organization, job.request.as_deref()?, message, at))
            })
            .collect();
        if rows.is_empty() { Ok(()) } else { tables::put_requests(connection, &rows) }
    }
}

fn name(organization: OrgId, request: &Request) -> (OrgId, UserId, Box<str>) {
    (organization, request.user, request.key.clone())
}

/// The message that a job was answered with, and since when it is stored.
fn stored(jobs: &[Job], verdicts: &[Verdict], index: usize) -> Option<(MessageId, Timestamp)> {
    match (verdicts.get(index)?, &jobs.get(index)?.work) {
        (Verdict::Stored, Work::Message(message)) => Some((message.id, message.created_at)),
        (Verdict::Message { message, .. }, _) => Some((message.id, message.created_at)),
        (Verdict::Repeats(first), _) if *first < index => stored(jobs, verdicts, *first),
        _ => None,
    }
}

/// Removes keys that are not honoured any more, some at a time. Returns whether there may be more.
pub(crate) fn sweep(connection: &mut Connection, now: Timestamp) -> QueryResult<bool> {
    const TEXT: &str = "DELETE FROM idempotency_keys WHERE (organization_id, user_id, key) IN ( \
         SELECT organization_id, user_id, key FROM idempotency_keys WHERE created_at <= $1 \
         ORDER BY created_at LIMIT $2)";
    let swept = on!(connection, c => sql_query(TEXT)
        .bind::<BigInt, _>(now.as_micros() - HONOURED)
        .bind::<BigInt, _>(i64::from(SWEPT_AT_ONCE))
        .execute(c))?;
    Ok(swept >= SWEPT_AT_ONCE as usize)
}
