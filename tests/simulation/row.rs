//! A room of the simulated store: its messages as they are now, its marks, and everyone's rights in all its versions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tertulia::domain::{
    Content, Deletion, Event, Mark, MarkKind, Member, MemberChange, MemberRole, Membership, Message, MessageId, OrgId,
    Reaction, Reactions, Reject, Report, Room, RoomChange, RoomId, RoomKind, Timestamp, UserId,
};
use tertulia::hub::ports::{After, Amended, Amendment, AmendmentKind, Authority, Page, Reach};

/// Who might do what, for as long as nobody changed it.
#[derive(Clone)]
pub struct Rights {
    pub kind: RoomKind,
    pub archived: bool,
    pub members: BTreeMap<UserId, Membership>,
}

pub struct Row {
    pub id: RoomId,
    pub org: OrgId,
    /// The rights in each version of the room: the last ones are those of now.
    pub rights: Vec<Rights>,
    /// The place among them of the newest that the hub was told of; after one of which it was not, this stands still.
    pub told: usize,
    pub was_unheard: bool,
    pub messages: Vec<Arc<Message>>,
    /// Messages of which a change was stored without anyone being told.
    pub unheard: BTreeSet<u64>,
    /// The places of messages that were changed, by the number of their last change.
    changed: BTreeMap<u64, usize>,
    marked: BTreeMap<u64, Mark>,
    marks: BTreeMap<(UserId, bool), u64>,
}

impl Row {
    pub fn new(id: RoomId, org: OrgId, rights: Rights) -> Self {
        Self {
            id,
            org,
            rights: vec![rights],
            told: 0,
            was_unheard: false,
            messages: Vec::new(),
            unheard: BTreeSet::new(),
            changed: BTreeMap::new(),
            marked: BTreeMap::new(),
            marks: BTreeMap::new(),
        }
    }

    pub fn now(&self) -> &Rights {
        self.rights.last().expect("a room has rights from the start")
    }

    pub fn version(&self) -> u64 {
        self.rights.len() as u64
    }

    pub fn last_seq(&self) -> u64 {
        self.messages.len() as u64
    }

    pub fn last_changed_pos(&self) -> Option<u64> {
        self.changed.keys().next_back().copied()
    }

    pub fn mark_of(&self, user: UserId, kind: MarkKind) -> u64 {
        self.marks.get(&(user, kind == MarkKind::Read)).copied().unwrap_or(0)
    }

    pub fn mark(&mut self, mark: Mark, pos: u64) {
        self.marks.insert((mark.user, mark.kind == MarkKind::Read), mark.up_to_seq);
        self.marked.insert(pos, mark);
    }

    pub fn page(&self, after: After, limit: usize) -> Page {
        let mut items: Vec<(u64, Event)> = match after {
            After::Seq(seq) => {
                let first = usize::try_from(seq).unwrap_or(usize::MAX).min(self.messages.len());
                let messages = self.messages[first..].iter().take(limit + 1);
                messages.map(|message| (message.seq, Event::Message(message.clone()))).collect()
            }
            After::Pos(pos) => {
                let first = self.messages.partition_point(|message| message.pos <= pos);
                let new = self.messages[first..].iter().take(limit + 1);
                let new = new.map(|message| (message.pos, Event::Message(message.clone())));
                let changed = self.changed.range(pos + 1..).filter(|(_, index)| **index < first);
                let changed = changed.take(limit + 1).map(|(at, index)| (*at, as_changed(&self.messages[*index])));
                let marked = self.marked.range(pos + 1..).take(limit + 1);
                let marked = marked.map(|(at, mark)| (*at, Event::Marked(mark.clone())));
                new.chain(changed).chain(marked).collect()
            }
        };
        items.sort_by_key(|(number, _)| *number);
        let more = items.len() > limit;
        items.truncate(limit);
        Page { items, more }
    }

    /// Does what is asked, under the number that `next` gives if anything changes.
    pub fn amend(
        &mut self,
        amendment: Amendment,
        at: Timestamp,
        next: impl FnOnce() -> u64,
    ) -> Result<(Amended, Option<u64>), Reject> {
        let Amendment { by, by_name, kind, .. } = amendment;
        match kind {
            AmendmentKind::Message { message, text, reach, .. } => {
                let index = self.index(message)?;
                if reach == Reach::Own && self.messages[index].user != Some(by) {
                    return Err(Reject::forbidden());
                }
                let pos = next();
                let now = self.change(index, pos, |message| {
                    if let Some(text) = &text {
                        message.content.text = text.clone();
                        message.edited_at = Some(at);
                    } else {
                        (message.content, message.reactions) = (Content::default(), Vec::new());
                        message.deleted_at = Some(at);
                    }
                });
                let (room, message, seq) = (self.id, now.id, now.seq);
                let amended = match text {
                    Some(_) => Amended::Edited { message: now },
                    None => Amended::Deleted(Deletion { room, message, seq, by: Some(by), at }),
                };
                Ok((amended, Some(pos)))
            }
            AmendmentKind::Report(Report { message, status, at: said, .. }) => {
                // A tombstone may still be reported.
                let index = self.place_of(message).ok_or_else(Reject::no_such_message)?;
                let (room, at) = (self.id, said.unwrap_or(at));
                if self.messages[index].status >= status {
                    let status = self.messages[index].status;
                    return Ok((Amended::Reported { room, message, status, at }, None));
                }
                let pos = next();
                self.change(index, pos, |message| message.status = status);
                Ok((Amended::Reported { room, message, status, at }, Some(pos)))
            }
            AmendmentKind::React { message, emoji, present, .. } => {
                let index = self.index(message)?;
                let users = |message: &Message| {
                    let of = message.reactions.iter().find(|it| it.emoji == emoji);
                    of.map_or(Vec::new(), |it| it.users.clone())
                };
                let is_there = users(&self.messages[index]).contains(&by);
                let pos = (is_there != present).then(next);
                if let Some(pos) = pos {
                    self.change(index, pos, |message| react(message, &emoji, by, present));
                }
                let message = &self.messages[index];
                let reaction = Reaction {
                    room: self.id,
                    message: message.id,
                    seq: message.seq,
                    user: by,
                    user_name: by_name,
                    count: users(message).len() as u64,
                    emoji,
                    present,
                    at,
                };
                Ok((Amended::Reacted(reaction), pos))
            }
            AmendmentKind::Update { change, .. } => {
                let before = self.now().clone();
                let RoomChange { kind, archived, .. } = change;
                let now = Rights {
                    kind: kind.unwrap_or(before.kind),
                    archived: archived.unwrap_or(before.archived),
                    ..before
                };
                self.rights.push(now);
                Ok((Amended::Updated { room: self.as_room(at) }, Some(next())))
            }
            AmendmentKind::Member { user, change, authority, .. } => {
                self.place(by, user, change, authority)?;
                let membership = self.now().members.get(&user).copied();
                let member = membership.map(|membership| Member { room: self.id, user, membership, joined_at: at });
                Ok((Amended::Member { room: self.as_room(at), user, member }, Some(next())))
            }
            AmendmentKind::Create(_) | AmendmentKind::CreateOnce(..) | AmendmentKind::Purge { .. } => {
                panic!("nobody makes or purges rooms here")
            }
        }
    }

    pub fn place_of(&self, id: MessageId) -> Option<usize> {
        self.messages.iter().position(|message| message.id == id)
    }

    fn index(&self, id: MessageId) -> Result<usize, Reject> {
        let index = self.place_of(id).filter(|index| self.messages[*index].deleted_at.is_none());
        index.ok_or_else(Reject::no_such_message)
    }

    fn change(&mut self, index: usize, pos: u64, change: impl FnOnce(&mut Message)) -> Arc<Message> {
        let mut message = Message::clone(&self.messages[index]);
        change(&mut message);
        self.changed.remove(&message.changed_pos);
        message.changed_pos = pos;
        self.changed.insert(pos, index);
        self.messages[index] = Arc::new(message);
        self.messages[index].clone()
    }

    /// Those who may do everything may do it; the others come and go themselves, and call others in.
    fn place(
        &mut self,
        by: UserId,
        user: UserId,
        change: Option<MemberChange>,
        authority: Authority,
    ) -> Result<(), Reject> {
        let mut now = self.now().clone();
        let is_plain = change.is_none_or(|it| it.role.is_none() && it.muted.is_none() && it.banned.is_none());
        let may = match change {
            None => by == user,
            Some(_) => is_plain && (authority >= Authority::Invite || now.kind == RoomKind::Public),
        };
        if authority != Authority::Full && !may {
            return Err(Reject::forbidden());
        }
        match change {
            None => drop(now.members.remove(&user)),
            Some(change) => {
                let place = now.members.entry(user).or_insert(Membership::new(MemberRole::Member));
                place.role = change.role.unwrap_or(place.role);
                place.muted = change.muted.unwrap_or(place.muted);
                place.banned = change.banned.unwrap_or(place.banned);
            }
        }
        self.rights.push(now);
        Ok(())
    }

    fn as_room(&self, at: Timestamp) -> Arc<Room> {
        Arc::new(Room {
            id: self.id,
            organization: self.org,
            kind: self.now().kind,
            name: None,
            contact: None,
            version: self.version(),
            created_at: at,
            updated_at: at,
            archived_at: self.now().archived.then_some(at),
        })
    }
}

fn react(message: &mut Message, emoji: &str, by: UserId, present: bool) {
    let index = message.reactions.iter().position(|it| &*it.emoji == emoji).unwrap_or_else(|| {
        message.reactions.push(Reactions { emoji: emoji.into(), users: Vec::new() });
        message.reactions.len() - 1
    });
    if present {
        message.reactions[index].users.push(by);
    } else {
        message.reactions[index].users.retain(|user| *user != by);
    }
    message.reactions.retain(|it| !it.users.is_empty());
}

fn as_changed(message: &Arc<Message>) -> Event {
    match message.deleted_at {
        Some(at) => {
            let (room, seq) = (message.room, message.seq);
            Event::Deleted(Deletion { room, message: message.id, seq, by: None, at })
        }
        None => Event::Edited { message: message.clone(), by: None },
    }
}
