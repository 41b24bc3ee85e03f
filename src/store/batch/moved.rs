//! Which message's status a mark has moved: the newest of them, so that whoever tells of statuses need not guess.
//!
//! How far the room's people had come before and after says it for any message. What is read for it are the messages in
//! between, from the newest on, until one is found: mostly it is the first.

use diesel::QueryResult;

use super::super::connection::Connection;
use super::super::rows::{reported, spelled};
use super::super::status::Standing;
use super::super::values::number;
use super::Verdict;
use super::tables::{self, SpanRow};
use crate::domain::{Direction, MessageId, MessageStatus, RoomId, SenderType, UserId};
use crate::hub::ports::NewMark;

/// So far back a mark is looked at. One that covers more at once, of which the newest so many have all come as far
/// before, is told as if it had moved none: the writer has others to serve.
const FURTHEST: u64 = 5_000;

/// A mark that has moved how far a room's people have come.
pub(crate) struct Step {
    room: RoomId,
    before: Standing,
    after: Standing,
    /// The messages to look at: those after `low`, up to `high`.
    low: u64,
    high: u64,
}

impl Step {
    /// A mark that has brought its user up to `seq`, in a room that stood as `before`.
    pub(crate) fn of(mark: &NewMark, before: Standing, seq: u64) -> Self {
        let mut after = before;
        after.raise(mark.kind, mark.user, seq);
        let low = before.settled(mark.kind, mark.user).max(seq.saturating_sub(FURTHEST));
        Self { room: mark.room, before, after, low, high: seq }
    }

    fn is_over(&self) -> bool {
        self.low >= self.high
    }

    fn has_moved(&self, seq: u64, of: &Sent) -> bool {
        let status = |standing: &Standing| {
            let marked = standing.status(seq, of.user, of.direction);
            of.reported.map_or(marked, |it| it.max(marked))
        };
        status(&self.before) < status(&self.after)
    }
}

/// What of a message its status hangs on.
struct Sent {
    user: Option<UserId>,
    direction: Direction,
    reported: Option<MessageStatus>,
}

impl Sent {
    fn of((.., sender, sender_type, direction, status): &SpanRow) -> QueryResult<Self> {
        let sender_type: SenderType = spelled(sender_type)?;
        let user = (sender_type != SenderType::Contact).then_some(UserId(sender.0));
        Ok(Self { user, direction: spelled(direction)?, reported: reported(status.as_deref())? })
    }
}

/// Fills in, in the verdicts that tell these marks, the newest message whose status each has moved.
pub(crate) fn name(
    connection: &mut Connection,
    mut steps: Vec<(usize, Step)>,
    verdicts: &mut [Verdict],
) -> QueryResult<()> {
    steps.retain(|(_, it)| !it.is_over());
    while !steps.is_empty() {
        let spans: Vec<_> = steps.iter().map(|(_, it)| (it.room, it.low, it.high)).collect();
        let mut seen = vec![0; steps.len()];
        // From the newest of each span on.
        for row in tables::newest(connection, &spans)? {
            let (span, seq, id) = (usize::try_from(row.0).unwrap_or(usize::MAX), number(row.1), row.2);
            let (Some((verdict, step)), Some(seen)) = (steps.get_mut(span), seen.get_mut(span)) else { continue };
            *seen += 1;
            if step.is_over() {
                continue;
            }
            step.high = seq.saturating_sub(1);
            if step.has_moved(seq, &Sent::of(&row)?) {
                step.high = step.low;
                if let Some(Verdict::Mark { mark, .. }) = verdicts.get_mut(*verdict) {
                    mark.moved = Some(MessageId(id.0));
                }
            }
        }
        // A span of which fewer were read has no more.
        let mut full = seen.into_iter().map(|seen| seen == tables::SPAN);
        steps.retain(|(_, it)| full.next() == Some(true) && !it.is_over());
    }
    Ok(())
}
