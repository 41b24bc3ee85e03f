//! The messages that a client shows, kept up to date from what it is told.

use std::collections::{BTreeMap, BTreeSet};

use tertulia::domain::{Event, Message, MessageId, MessageStatus, UserId};

use super::row::Row;

#[derive(Clone, PartialEq, Eq, Debug)]
struct Seen {
    id: MessageId,
    /// `None`: it is deleted, and nobody looks.
    status: Option<MessageStatus>,
    text: Box<str>,
    is_deleted: bool,
    reactions: BTreeSet<(Box<str>, UserId)>,
}

impl Seen {
    fn of(message: &Message) -> Self {
        let by_user = message.reactions.iter().flat_map(|it| it.users.iter().map(|user| (it.emoji.clone(), *user)));
        Self {
            id: message.id,
            status: message.deleted_at.is_none().then_some(message.status),
            text: message.content.text.clone(),
            is_deleted: message.deleted_at.is_some(),
            reactions: by_user.collect(),
        }
    }
}

#[derive(Default)]
pub struct Shown {
    messages: BTreeMap<u64, Seen>,
    /// It was carried over from an earlier join: what was stored unheard before this one is not known to it.
    is_carried: bool,
    /// Messages of which it was told its own change, asked for before it joined: others may have changed them since.
    vague: BTreeSet<u64>,
}

impl Shown {
    pub fn carry(&mut self) {
        self.is_carried = true;
    }

    /// Takes in what changes a message, or shows it.
    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::Message(message) => drop(self.messages.insert(message.seq, Seen::of(message))),
            Event::Sent { message, duplicate: false } => {
                self.messages.entry(message.seq).or_insert_with(|| Seen::of(message));
            }
            Event::Edited { message, .. } => {
                if let Some(seen) = self.messages.get_mut(&message.seq) {
                    *seen = Seen::of(message);
                }
            }
            Event::Deleted(deletion) => {
                if let Some(seen) = self.messages.get_mut(&deletion.seq) {
                    let id = seen.id;
                    *seen = Seen { id, status: None, text: "".into(), is_deleted: true, reactions: BTreeSet::new() };
                }
            }
            Event::Reacted(reaction) => {
                if let Some(seen) = self.messages.get_mut(&reaction.seq) {
                    let one = (reaction.emoji.clone(), reaction.user);
                    if reaction.present {
                        seen.reactions.insert(one);
                    } else {
                        seen.reactions.remove(&one);
                    }
                }
            }
            Event::Status { message, status: now, .. } => {
                let seen = self.messages.values_mut().find(|seen| seen.id == *message);
                if let Some(Seen { status: Some(status), .. }) = seen {
                    *status = *now;
                }
            }
            _ => {}
        }
    }

    pub fn doubt(&mut self, event: &Event) {
        self.vague.extend(match event {
            Event::Edited { message, .. } => Some(message.seq),
            Event::Deleted(deletion) => Some(deletion.seq),
            Event::Reacted(reaction) => Some(reaction.seq),
            Event::Status { message, .. } => {
                self.messages.iter().find(|(_, seen)| seen.id == *message).map(|(seq, _)| *seq)
            }
            _ => None,
        });
    }

    /// Panics if a message is shown as it is no more.
    pub fn check(&self, row: &Row) {
        for (seq, seen) in &self.messages {
            let is_unsure = self.vague.contains(seq) || self.is_carried && row.unheard.contains(seq);
            let now = Seen::of(&row.messages[*seq as usize - 1]);
            assert!(is_unsure || *seen == now, "{seq} of {} is shown as {seen:?}, and is {now:?}", row.id);
        }
    }
}
