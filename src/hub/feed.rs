//! One room on one worker: who hears it live, who is still being brought up to date, and how the two meet.
//!
//! A session that resumes reads its past in pages from the store while the room goes on. What is delivered meanwhile
//! is kept for it, so that it turns live in the very turn in which its last page ends: first the pages, then what
//! came in since, then live. A page may be ahead of this worker's stream; what it has beyond `delivered` is left
//! out, for the stream brings it.

use std::collections::VecDeque;
use std::sync::Arc;

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use super::effect::{Audience, Join, Numbers};
use super::outlet::Broadcast;
use super::ports::{After, Page};
use crate::domain::{Event, Resume, Tag};

pub(super) type Slots = IndexSet<u32, FxBuildHasher>;

/// Acknowledgements that waited for their place in a room's order, each with the `pos` of what it acknowledges.
pub(super) type Owed = Vec<(Event, u64, Tag)>;

/// Delivered events that are kept for a session that catches up; older ones it reads from the store again.
const SINCE_LIMIT: usize = 256;

/// A stored event of the room, or a connection's acknowledgement in its place among them, or what is to be read there.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    Told { numbers: Numbers, skip: SmallVec<[u32; 1]>, broadcast: Arc<Broadcast> },
    Own { slot: u32, numbers: Numbers, event: Event, tag: Tag },
    Fill { last_seq: u64, changes: Option<u64> },
}

/// A session on its way to live.
#[derive(Debug)]
pub(super) struct CatchUp {
    pub(super) slot: u32,
    /// Tells a page for this catch-up from one for an earlier join of the same slot.
    pub(super) epoch: u64,
    cursor: After,
    /// The end of the room that it was told. This worker may have yet to deliver it, and it is not live before.
    until: u64,
    /// What it has read and was not told yet; `None` where there is nothing to tell.
    page: VecDeque<(u64, Option<Event>)>,
    /// There is more in the store behind `page`.
    more: bool,
    /// A page is being read.
    asked: bool,
    /// What was delivered since it joined, in order.
    since: VecDeque<Entry>,
    /// Here begins what the stream has yet to bring. What is read behind it tells only of changes, and it goes on from
    /// here with what was delivered since: a page names only the last change of a message, and may have it there.
    turn: Option<u64>,
    /// Of what was delivered, not everything after this `pos` was kept.
    lost: Option<u64>,
    /// It reads such things by `pos`: messages up to this `seq` are told to it already, and none before `start`. It came
    /// with everything up to `resumed`.
    told: u64,
    start: u64,
    resumed: u64,
    /// The highest `pos` of the messages that it was told by a page.
    reached: u64,
}

/// What to do next for a session that catches up.
#[derive(Debug)]
pub(super) enum Next {
    /// Tell it this, as everyone was told.
    Shared(Arc<Broadcast>),
    /// Tell it this alone, which has this `pos`.
    Alone(Event, u64, Tag),
    /// Read a page from here.
    Read(After),
    /// Nothing, until a page or a delivery comes.
    Wait,
    /// Make it live.
    Live,
}

impl CatchUp {
    fn new(join: &Join, epoch: u64, cursor: After) -> Self {
        let (slot, until) = (join.slot, join.last_seq);
        let (page, since) = (VecDeque::new(), VecDeque::new());
        let more = cursor != After::Seq(until);
        let start = if let After::Pos(pos) = cursor { pos } else { 0 };
        Self {
            slot,
            epoch,
            cursor,
            until,
            page,
            more,
            asked: false,
            since,
            turn: None,
            lost: None,
            told: 0,
            start,
            resumed: if let Resume::AfterPos(pos) = join.resume { pos } else { 0 },
            reached: 0,
        }
    }

    fn remember(&mut self, entry: &Entry) {
        self.since.push_back(entry.clone());
        if self.since.len() > SINCE_LIMIT {
            // Acknowledgements are nowhere else; the rest is in the store.
            let oldest = self.since.iter().position(|entry| matches!(entry, Entry::Told { .. }));
            if let Some(Entry::Told { numbers, .. }) = oldest.and_then(|index| self.since.remove(index)) {
                let before = numbers.pos.saturating_sub(1);
                self.lost = Some(self.lost.map_or(before, |pos| pos.min(before)));
            }
        }
    }

    fn next(&mut self, delivered: u64, delivered_pos: u64) -> Next {
        while let Some((number, event)) = self.page.pop_front() {
            let mut pos = number;
            self.cursor = match self.cursor {
                After::Seq(_) => After::Seq(number),
                After::Pos(_) => After::Pos(number),
            };
            if let Some(event) = event.and_then(|event| as_told(event, self.told)) {
                if let Event::Message(message) = &event {
                    self.note_told(message.seq);
                    pos = message.pos;
                    self.reached = self.reached.max(pos);
                } else {
                    // Where the stream has yet to bring it, something older may come first, of this room or another:
                    // whoever has heard of it has not heard everything before it.
                    let in_order = delivered_pos.max(self.resumed).max(self.reached);
                    pos = pos.min(self.turn.map_or(u64::MAX, |turn| turn.max(self.resumed))).min(in_order);
                }
                return self.take_own(&event).unwrap_or(Next::Alone(event, pos, None));
            }
        }
        if self.asked {
            return Next::Wait;
        }
        if !self.more
            && let Some(pos) = self.turn.take()
        {
            self.cursor = After::Pos(pos);
        }
        if !self.more && self.lost.is_some() {
            // What is read now may be newer than an own change that waits, which is not told after it.
            if let Some(own) = self.take_own_change() {
                return own;
            }
            self.read_again();
        }
        if self.more {
            (self.more, self.asked) = (false, true);
            return Next::Read(self.cursor);
        }
        while let Some(entry) = self.since.pop_front() {
            match entry {
                Entry::Own { numbers, event, tag, .. } => {
                    numbers.seq.into_iter().for_each(|seq| self.note_told(seq));
                    return Next::Alone(event, numbers.pos, tag);
                }
                Entry::Fill { .. } => {}
                Entry::Told { numbers, skip, broadcast } => {
                    if self.pass(numbers) && !skip.contains(&self.slot) {
                        return Next::Shared(broadcast);
                    }
                }
            }
        }
        if delivered < self.until { Next::Wait } else { Next::Live }
    }

    /// Moves on to what was delivered under `numbers`. Returns whether it has yet to be told.
    ///
    /// That is so for every change: who was told of a later one by a page was not told what this one did.
    fn pass(&mut self, numbers: Numbers) -> bool {
        let Some(seq) = numbers.seq else { return true };
        let (is_past, next) = match self.cursor {
            After::Seq(cursor) => (seq <= cursor, After::Seq(seq)),
            After::Pos(cursor) => (numbers.pos <= cursor, After::Pos(numbers.pos)),
        };
        if !is_past {
            self.cursor = next;
            self.note_told(seq);
        }
        !is_past
    }

    fn note_told(&mut self, seq: u64) {
        if let After::Pos(_) = self.cursor {
            self.told = self.told.max(seq);
        }
    }

    /// Some of what was delivered was not kept: it is read from the store, by `pos`, because by `seq` nothing is told of
    /// what has changed of messages that were told.
    fn read_again(&mut self) {
        let Some(lost) = self.lost.take() else { return };
        self.more = true;
        self.cursor = match self.cursor {
            After::Seq(told) => {
                self.told = told;
                After::Pos(lost)
            }
            After::Pos(cursor) => After::Pos(lost.clamp(self.start.min(cursor), cursor)),
        };
    }

    /// Takes a page in, as far as the stream has brought what it tells: up to the message with the number `delivered`.
    fn take_page(&mut self, page: Page, delivered: u64) {
        self.asked = false;
        // By `seq` it reads no further than the end that it was told. Behind it messages and changes mix, and come in
        // the order of `pos`: whoever has seen a message has seen every change before it.
        let by_seq = matches!(self.cursor, After::Seq(_));
        let end = if by_seq { delivered.min(self.until) } else { delivered };
        self.more |= page.more;
        for (number, event) in page.items {
            let message = if let Event::Message(message) = &event { Some(message.seq) } else { None };
            let is_beyond = message.is_some_and(|seq| seq > end);
            if is_beyond && by_seq {
                self.more = false;
                return;
            }
            if is_beyond && self.turn.is_none() {
                self.turn = Some(number.saturating_sub(1));
            }
            let is_told = message.is_none() || self.turn.is_none();
            self.page.push_back((number, is_told.then_some(event)));
        }
    }

    /// The acknowledgement of an own change that has its place before everything that is kept.
    fn take_own_change(&mut self) -> Option<Next> {
        let kept = |entry: &Entry| !matches!(entry, Entry::Own { .. });
        let is_change = |entry: &Entry| matches!(entry, Entry::Own { numbers, .. } if numbers.seq.is_none());
        let first = self.since.iter().position(kept).unwrap_or(self.since.len());
        let index = self.since.iter().take(first).position(is_change)?;
        match self.since.remove(index)? {
            Entry::Own { event, tag, numbers, .. } => Some(Next::Alone(event, numbers.pos, tag)),
            _ => None,
        }
    }

    /// If `event` is this session's own message whose acknowledgement waits: that, in its place, with the message as it
    /// is now. What has changed of it since is not told again.
    fn take_own(&mut self, event: &Event) -> Option<Next> {
        let Event::Message(message) = event else { return None };
        let is_it = |entry: &Entry| matches!(entry, Entry::Own { numbers, .. } if numbers.seq == Some(message.seq));
        let index = self.since.iter().position(is_it)?;
        match self.since.remove(index)? {
            Entry::Own { event: Event::Sent { duplicate, .. }, tag, .. } => {
                Some(Next::Alone(Event::Sent { message: message.clone(), duplicate }, message.pos, tag))
            }
            _ => None,
        }
    }
}

/// The store has more of the room than came through the stream; everything stored waits until that is delivered.
///
/// It goes up to `target` and no further, even if the store has more by then: a session whose join is still on its way
/// was told an end of the room, and must hear what lies behind it through the stream.
#[derive(Debug)]
struct Fill {
    epoch: u64,
    target: u64,
    /// Everything after this `pos` is told first, in that order, messages and changes.
    changes: Option<u64>,
    held: VecDeque<Entry>,
}

/// What to do with an entry that comes through the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Accept {
    /// Tell the live sessions.
    Deliver,
    /// It was delivered before.
    Drop,
    /// It waits for a fill. `Some`: read the room from here.
    Hold(Option<u64>),
}

#[derive(Debug)]
pub(super) struct Feed {
    /// The last message that was delivered.
    seq: u64,
    /// The highest `pos` of what was delivered, messages and changes.
    pos: u64,
    pub(super) live: Slots,
    pub(super) watchers: Slots,
    catching: Vec<CatchUp>,
    fill: Option<Fill>,
}

impl Feed {
    pub(super) fn new(seq: u64, pos: u64) -> Self {
        let (live, watchers) = (Slots::default(), Slots::default());
        Self { seq, pos, live, watchers, catching: Vec::new(), fill: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.live.is_empty() && self.catching.is_empty()
    }

    /// Puts a session in, that was told `last_seq` as the room's end. `after`: there is something for it to read.
    /// Returns whether it must catch up.
    pub(super) fn join(&mut self, join: &Join, epoch: u64, after: Option<After>) -> bool {
        let cursor = match after {
            Some(cursor) => cursor,
            None if join.last_seq > self.seq => After::Seq(join.last_seq),
            None => {
                self.live.insert(join.slot);
                return false;
            }
        };
        self.catching.push(CatchUp::new(join, epoch, cursor));
        true
    }

    /// Takes a session out. Returns acknowledgements that waited for their place: it is owed them still.
    pub(super) fn remove(&mut self, slot: u32) -> Owed {
        self.live.swap_remove(&slot);
        self.watchers.swap_remove(&slot);
        let mut owed = Vec::new();
        if let Some(index) = self.catching.iter().position(|catch| catch.slot == slot) {
            take_own(&mut self.catching.swap_remove(index).since, slot, &mut owed);
        }
        if let Some(fill) = &mut self.fill {
            take_own(&mut fill.held, slot, &mut owed);
            for entry in &mut fill.held {
                if let Entry::Told { skip, .. } = entry {
                    // Whoever is here under this slot when it is told is somebody else, or reads the past anew.
                    skip.retain(|skipped| *skipped != slot);
                }
            }
        }
        owed
    }

    /// Takes in an entry of the stream. `epoch` names the fill that it may begin.
    pub(super) fn accept(&mut self, entry: &Entry, epoch: u64) -> Accept {
        if let Some(fill) = &mut self.fill {
            fill.held.push_back(entry.clone());
            return Accept::Hold(None);
        }
        match entry {
            Entry::Fill { .. } => Accept::Drop,
            Entry::Own { slot, .. } => {
                if let Some(catch) = self.catching.iter_mut().find(|catch| catch.slot == *slot) {
                    catch.since.push_back(entry.clone());
                    return Accept::Drop;
                }
                Accept::Deliver
            }
            Entry::Told { numbers, .. } => {
                if let Some(seq) = numbers.seq {
                    if seq <= self.seq {
                        return Accept::Drop;
                    }
                    if seq > self.seq + 1 {
                        let held = VecDeque::from([entry.clone()]);
                        self.fill = Some(Fill { epoch, target: seq - 1, changes: None, held });
                        return Accept::Hold(Some(self.seq));
                    }
                    self.seq = seq;
                }
                self.pos = self.pos.max(numbers.pos);
                for catch in &mut self.catching {
                    catch.remember(entry);
                }
                Accept::Deliver
            }
        }
    }

    /// The store is known to have messages up to `last_seq`, and changes after `changes`. `Some`: read the room from here.
    ///
    /// While a fill goes on, the next one waits for its place in the stream: what it has read must not be told before
    /// what is older.
    pub(super) fn begin_fill(&mut self, last_seq: u64, changes: Option<u64>, epoch: u64) -> Option<After> {
        if let Some(fill) = &mut self.fill {
            fill.held.push_back(Entry::Fill { last_seq, changes });
            return None;
        }
        if last_seq <= self.seq && changes.is_none() {
            return None;
        }
        self.fill = Some(Fill { epoch, target: last_seq, changes, held: VecDeque::new() });
        self.fill_from()
    }

    /// From where the fill that goes on is read. `None`: it is complete.
    pub(super) fn fill_from(&self) -> Option<After> {
        let fill = self.fill.as_ref()?;
        let messages = (self.seq < fill.target).then_some(After::Seq(self.seq));
        fill.changes.map(After::Pos).or(messages)
    }

    /// Whether `epoch` is the fill that goes on.
    pub(super) fn is_filling(&self, epoch: u64) -> bool {
        self.fill.as_ref().is_some_and(|fill| fill.epoch == epoch)
    }

    /// Whether a fill is to tell the message with this number next.
    pub(super) fn wants(&self, seq: u64) -> bool {
        seq == self.seq + 1 && self.fill.as_ref().is_some_and(|fill| seq <= fill.target)
    }

    /// What a fill's page says of what has changed, for those who were told all messages so far. `None`: nothing.
    pub(super) fn changed(&self, event: Event) -> Option<Event> {
        let of = match &event {
            Event::Message(message) | Event::Edited { message, .. } => message.seq,
            Event::Deleted(deletion) => deletion.seq,
            Event::Marked(mark) => mark.up_to_seq,
            _ => return None,
        };
        // The stream brings what lies beyond.
        if of <= self.seq { as_told(event, self.seq) } else { None }
    }

    /// Changes up to `pos` are told; `more`: there are others behind it.
    pub(super) fn changes_filled(&mut self, pos: u64, more: bool) {
        if let Some(fill) = &mut self.fill {
            fill.changes = more.then_some(pos);
        }
    }

    /// Takes what a fill has read in, past those that wait for it. Returns whether the live sessions are to be told.
    pub(super) fn take_in(&mut self, entry: &Entry) -> bool {
        let held = self.fill.take();
        let is_news = self.accept(entry, 0) == Accept::Deliver;
        self.fill = held;
        is_news
    }

    /// Ends the fill and hands out what waited, to go through [`Feed::accept`] again.
    pub(super) fn end_fill(&mut self) -> VecDeque<Entry> {
        self.fill.take().map(|fill| fill.held).unwrap_or_default()
    }

    /// Who hears live what is told to `audience`.
    pub(super) fn audience(&self, audience: Audience) -> &Slots {
        match audience {
            Audience::Everyone => &self.live,
            Audience::Watchers => &self.watchers,
        }
    }

    /// The sessions that catch up.
    pub(super) fn catching(&self) -> impl Iterator<Item = u32> {
        self.catching.iter().map(|catch| catch.slot)
    }

    pub(super) fn has_catching(&self) -> bool {
        !self.catching.is_empty()
    }

    /// Hands a page to the catch-up that asked for it; `false`: it is no longer there.
    pub(super) fn page_read(&mut self, slot: u32, epoch: u64, page: Page) -> bool {
        let delivered = self.seq;
        let Some(catch) = self.catch_up_mut(slot).filter(|catch| catch.epoch == epoch) else { return false };
        catch.take_page(page, delivered);
        true
    }

    /// What to do next for a session that catches up. After `Live` it is live.
    pub(super) fn next(&mut self, slot: u32) -> Option<(u64, Next)> {
        let index = self.catching.iter().position(|catch| catch.slot == slot)?;
        let next = self.catching[index].next(self.seq, self.pos);
        let epoch = self.catching[index].epoch;
        if matches!(next, Next::Live) {
            self.catching.swap_remove(index);
            self.live.insert(slot);
        }
        Some((epoch, next))
    }

    fn catch_up_mut(&mut self, slot: u32) -> Option<&mut CatchUp> {
        self.catching.iter_mut().find(|catch| catch.slot == slot)
    }
}

/// What `event`, read from the store, tells those who were told all messages up to `told`. `None`: nothing.
fn as_told(event: Event, told: u64) -> Option<Event> {
    match event {
        Event::Message(message) if message.seq <= told => Event::change_of(&message),
        event => Some(event),
    }
}

fn take_own(entries: &mut VecDeque<Entry>, of: u32, owed: &mut Owed) {
    for entry in std::mem::take(entries) {
        match entry {
            Entry::Own { slot, event, tag, numbers } if slot == of => owed.push((event, numbers.pos, tag)),
            other => entries.push_back(other),
        }
    }
}
