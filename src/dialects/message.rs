//! What dialects tell of a message in the same words.

use super::object::Object;
use crate::domain::{Message, Reactions};

/// Of those who put the same emoji under a message, so many are named. All are counted.
const REACTORS_NAMED: usize = 50;

/// What has become of a message since it was sent, where anything has.
pub(super) fn since_sent(p: &mut Object<'_>, it: &Message) {
    if let Some(at) = it.edited_at {
        p.time("edited_at", at);
    }
    if let Some(at) = it.deleted_at {
        p.time("deleted_at", at);
    }
    if !it.reactions.is_empty() {
        p.list("reactions", &it.reactions, reactions);
    }
}

fn reactions(p: &mut Object<'_>, it: &Reactions) {
    p.plain("emoji", &it.emoji);
    p.number("count", it.users.len() as u64);
    p.ids("user_ids", it.users.iter().take(REACTORS_NAMED).map(|user| user.0));
}
