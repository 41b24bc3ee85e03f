//! A room's past: by `seq`, by `pos`, and how far its messages have come.

use std::collections::BTreeMap;

use tertulia::clock;
use tertulia::domain::{ContactId, Direction, Event, Mark, MarkKind, MessageStatus, RoomKind, SenderType};
use tertulia::hub::ports::{After, Store};

use crate::desk::{Desk, delete, edit, mark, organization, react, text, user};
use crate::on_both;

on_both! {
    pages_by_seq_say_whether_there_is_more,
    pages_by_pos_tell_messages_and_marks_in_the_order_of_changes,
    a_replay_by_pos_tells_what_was_changed_of_older_messages,
    every_replay_by_pos_ends_at_the_present,
    a_status_follows_the_marks_of_others,
    where_a_contact_is_known_agents_do_not_read_for_it,
}

async fn pages_by_seq_say_whether_there_is_more(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    for nth in 0..10 {
        desk.send(organization, text(room, 1, "hello", &format!("{nth}"))).await.unwrap();
    }
    for (after, limit, expected, more) in
        [(0, 3, 1..4, true), (3, 7, 4..11, false), (6, 4, 7..11, false), (6, 3, 7..10, true), (10, 5, 11..11, false)]
    {
        let page = desk.store.page(room, After::Seq(after), limit).await.unwrap();
        assert!(page.items.iter().map(|(seq, _)| *seq).eq(expected), "after {after}, {limit}");
        assert_eq!(page.more, more, "after {after}, {limit}");
    }
}

async fn pages_by_pos_tell_messages_and_marks_in_the_order_of_changes(desk: Desk) {
    let organization = organization();
    let (room, other) =
        (desk.room(organization, RoomKind::Public).await, desk.room(organization, RoomKind::Public).await);
    let mut changes = BTreeMap::new();
    for nth in 0..12u64 {
        let (stored, _) = desk.send(organization, text(room, 1, "hello", &format!("{nth}"))).await.unwrap();
        changes.insert(stored.pos, Event::Message(stored));
        desk.send(organization, text(other, 1, "elsewhere", &format!("{nth}"))).await.unwrap();
        if nth % 3 == 2 {
            for kind in [MarkKind::Delivered, MarkKind::Read] {
                let (told, pos) =
                    desk.mark(organization, mark(room, 2 + u128::from(nth % 2), kind, nth)).await.unwrap();
                if let Some(pos) = pos {
                    // A mark moves: of one user's marks of one kind the newest is told.
                    changes.retain(
                        |_, it| !matches!(it, Event::Marked(old) if (old.user, old.kind) == (told.user, told.kind)),
                    );
                    changes.insert(pos, Event::Marked(told));
                }
            }
        }
    }
    let last = changes.last_key_value().map_or(0, |(pos, _)| *pos);
    for after in 0..=last {
        for limit in [1, 4, 100] {
            let past = desk.past(room, After::Pos(after), limit).await;
            let expected = changes.range(after + 1..);
            assert_eq!(past.len(), expected.clone().count(), "after {after}, {limit}");
            for ((pos, event), (expected_pos, expected)) in past.iter().zip(expected) {
                assert_eq!(pos, expected_pos);
                match (event, expected) {
                    // The status of the moment, which later marks have moved.
                    (Event::Message(event), Event::Message(expected)) => assert_eq!(event.id, expected.id),
                    // The newest that it could have moved; whether it did, was told when it came.
                    (Event::Marked(event), Event::Marked(expected)) => {
                        let moved = Some(expected.message);
                        assert_eq!(*event, Mark { moved, ..expected.clone() });
                    }
                    _ => assert_eq!(event, expected),
                }
            }
        }
    }
}

async fn a_replay_by_pos_tells_what_was_changed_of_older_messages(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    let mut sent = Vec::new();
    for name in ["a", "b", "c", "d"] {
        sent.push(desk.send(organization, text(room, 1, "hello", name)).await.unwrap().0);
    }
    // Numbers: 1 is the room, 2 to 5 the messages.
    desk.amend(organization, 1, edit(&sent[0], "before the cursor")).await.unwrap();
    let cursor = 6;
    desk.amend(organization, 1, edit(&sent[0], "once")).await.unwrap();
    desk.amend(organization, 2, react(&sent[1], "👍", true)).await.unwrap();
    desk.amend(organization, 3, delete(&sent[2])).await.unwrap();
    let (new, _) = desk.send(organization, text(room, 1, "new", "e")).await.unwrap();
    desk.mark(organization, mark(room, 2, MarkKind::Read, 2)).await.unwrap();
    desk.amend(organization, 1, edit(&sent[0], "twice")).await.unwrap();
    desk.amend(organization, 1, edit(&new, "newer")).await.unwrap();

    let past = desk.past(room, After::Pos(cursor), 100).await;
    let numbers: Vec<u64> = past.iter().map(|(pos, _)| *pos).collect();
    assert_eq!(numbers, [8, 9, 10, 11, 12]);
    let present = desk.messages(room).await;
    let of = |nth: usize| Event::Edited { message: present[nth].clone(), by: None };
    assert_eq!(past[0].1, of(1));
    let Event::Deleted(deletion) = &past[1].1 else { panic!("a deletion, not {:?}", past[1].1) };
    assert_eq!((deletion.message, deletion.seq, deletion.by), (sent[2].id, 3, Some(user(3))));
    assert_eq!(Some(deletion.at), present[2].deleted_at);
    assert_eq!(past[2].1, Event::Message(present[4].clone()), "once, as it stands now");
    assert!(matches!(&past[3].1, Event::Marked(_)));
    assert_eq!(past[4].1, of(0), "its last change only");
    let head = desk.store.heads(vec![room]).await.unwrap()[0];
    assert_eq!((head.last_changed_pos, head.last_pos, head.last_seq), (Some(13), 13, 5));
}

/// Whatever somebody knew, and in pages of whatever size: numbers ascend, nothing that has changed is left out, and what
/// is told last of each message is how it stands.
async fn every_replay_by_pos_ends_at_the_present(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    let mut sent = Vec::new();
    for nth in 0..40usize {
        if nth % 4 == 0 {
            let new = text(room, 1, "hello", &nth.to_string());
            sent.push(desk.send(organization, new).await.unwrap().0);
        }
        let older = &sent[(nth * 7 + nth / 3) % sent.len()];
        let change = match nth % 9 {
            0 => delete(older),
            1..4 => react(older, "👍", nth % 2 == 0),
            _ => edit(older, &nth.to_string()),
        };
        // Some are tombstones by now.
        let _ = desk.amend(organization, 1 + nth as u128 % 3, change).await;
    }
    let present = desk.messages(room).await;
    assert!(present.iter().any(|it| it.deleted_at.is_some()) && present.iter().any(|it| it.edited_at.is_some()));
    let last = desk.store.heads(vec![room]).await.unwrap()[0].last_pos;
    for after in 0..=last {
        for limit in [1, 3, 100] {
            let past = desk.past(room, After::Pos(after), limit).await;
            assert!(past.is_sorted_by(|(a, _), (b, _)| a < b), "after {after}, {limit}");
            assert!(past.first().is_none_or(|(pos, _)| *pos > after));
            let mut told = BTreeMap::new();
            for (_, event) in &past {
                let (seq, state) = match event {
                    Event::Message(message) | Event::Edited { message, .. } => (message.seq, Some(message)),
                    Event::Deleted(deletion) => (deletion.seq, None),
                    other => panic!("{other:?}"),
                };
                told.insert(seq, state);
            }
            assert!(limit < 100 || told.len() == past.len(), "nothing comes twice in a page");
            let expected = present.iter().filter(|it| it.changed_pos > after);
            assert!(told.keys().copied().eq(expected.clone().map(|it| it.seq)), "after {after}, {limit}");
            for (message, told) in expected.zip(told.values()) {
                match told {
                    Some(told) => assert_eq!(*told, message),
                    None => assert!(message.deleted_at.is_some()),
                }
            }
        }
    }
}

async fn a_status_follows_the_marks_of_others(desk: Desk) {
    use MessageStatus::{Delivered, Read, Sent};
    let organization = organization();
    let room = desk.room(organization, RoomKind::Conversation).await;
    for nth in 0..3 {
        desk.send(organization, text(room, 1, "hello", &format!("{nth}"))).await.unwrap();
    }
    let statuses = async || desk.messages(room).await.iter().map(|it| it.status).collect::<Vec<_>>();
    desk.mark(organization, mark(room, 1, MarkKind::Read, 3)).await.unwrap();
    assert_eq!(statuses().await, [Sent; 3], "one's own reading does not count");
    desk.mark(organization, mark(room, 2, MarkKind::Delivered, 2)).await.unwrap();
    assert_eq!(statuses().await, [Delivered, Delivered, Sent]);
    desk.mark(organization, mark(room, 3, MarkKind::Read, 1)).await.unwrap();
    assert_eq!(statuses().await, [Read, Delivered, Sent]);
    let (again, duplicate) = desk.send(organization, text(room, 1, "hello", "0")).await.unwrap();
    assert_eq!((again.status, duplicate), (Read, true), "a duplicate is answered in its present state");
    desk.send(organization, text(room, 2, "answer", "0")).await.unwrap();
    assert_eq!(statuses().await, [Read, Delivered, Sent, Sent]);
}

async fn where_a_contact_is_known_agents_do_not_read_for_it(desk: Desk) {
    use MessageStatus::{Read, Sent};
    let organization = organization();
    let room = desk.room(organization, RoomKind::Conversation).await;
    let contact = Some(ContactId(clock::message_id().0));
    let statuses = async || desk.messages(room).await.iter().map(|it| it.status).collect::<Vec<_>>();
    desk.send(organization, text(room, 1, "to nobody in particular", "a")).await.unwrap();
    desk.mark(organization, mark(room, 2, MarkKind::Read, 1)).await.unwrap();
    assert_eq!(statuses().await, [Read]);

    // The first contact that is named is the conversation's.
    for (name, contact) in [("b", contact), ("c", Some(ContactId(clock::message_id().0)))] {
        let mut outbound = text(room, 1, "to the contact", name);
        outbound.draft.contact = contact;
        desk.send(organization, outbound).await.unwrap();
    }
    let mut inbound = text(room, 1, "from the contact", "d");
    (inbound.sender_type, inbound.direction) = (SenderType::Contact, Direction::Inbound);
    desk.send(organization, inbound).await.unwrap();
    desk.mark(organization, mark(room, 2, MarkKind::Read, 4)).await.unwrap();
    assert_eq!(statuses().await, [Sent, Sent, Sent, Read]);
    let access = desk.store.access(organization, room, user(1)).await.unwrap().unwrap();
    assert_eq!(access.contact, contact);
}
