//! A room's past: by `seq`, by `pos`, and how far its messages have come.

use std::collections::BTreeMap;

use tertulia::clock;
use tertulia::domain::{ContactId, Direction, Event, MarkKind, MessageStatus, RoomKind, SenderType};
use tertulia::hub::ports::{After, Store};

use crate::desk::{Desk, mark, organization, text, user};
use crate::on_both;

on_both! {
    pages_by_seq_say_whether_there_is_more,
    pages_by_pos_tell_messages_and_marks_in_the_order_of_changes,
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
                    _ => assert_eq!(event, expected),
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
