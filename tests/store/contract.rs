//! What a write becomes: numbers, duplicates, refusals, marks.

use futures_util::future::join_all;
use tertulia::clock;
use tertulia::domain::{
    ContactId, MarkKind, MemberRole, Membership, MessageStatus, RejectCode, RoomId, RoomKind, SenderType,
};
use tertulia::hub::ports::{After, Change, NewMark, NewRoom, Outcome, Store};
use tertulia::store::Options;
use uuid::Uuid;

use crate::desk::{Desk, mark, organization, refusal, text, user};
use crate::on_both;

on_both! {
    concurrent_rooms_and_organizations_are_numbered_without_gaps,
    a_message_sent_again_is_the_first_one,
    within_one_batch_too_a_message_is_stored_once,
    the_same_client_message_id_of_another_sender_or_room_is_another_message,
    a_room_is_made_once_and_its_maker_owns_it,
    another_organizations_room_does_not_exist,
    whatever_people_write_comes_back_as_written,
    marks_only_move_forward,
    a_mark_that_names_nothing_is_refused,
    a_full_queue_takes_nothing_more,
    reads_are_of_everything_that_was_answered,
    two_writers_number_as_one,
}

async fn concurrent_rooms_and_organizations_are_numbered_without_gaps(desk: Desk) {
    const PER_SENDER: usize = 40;
    let organizations = [organization(), organization(), organization()];
    let mut rooms = Vec::new();
    for organization in organizations {
        for _ in 0..4 {
            rooms.push((organization, desk.room(organization, RoomKind::Public).await));
        }
    }
    let senders = rooms.iter().flat_map(|room| [(1, *room), (2, *room), (3, *room)]);
    join_all(senders.map(|(sender, (organization, room))| {
        let desk = &desk;
        async move {
            let mut last = 0;
            for nth in 0..PER_SENDER {
                let new = text(room, sender, "hello", &format!("{nth}"));
                let id = new.draft.id;
                let (stored, duplicate) = desk.send(organization, new).await.unwrap();
                assert!((stored.id, duplicate) == (id, false) && stored.seq > last);
                assert_eq!((stored.status, stored.changed_pos), (MessageStatus::Sent, stored.pos));
                last = stored.seq;
            }
        }
    }))
    .await;
    for organization in organizations {
        let mut positions = Vec::new();
        for (_, room) in rooms.iter().filter(|(of, _)| *of == organization) {
            let messages = desk.messages(*room).await;
            assert_eq!(messages.len(), 3 * PER_SENDER);
            positions.extend(messages.iter().map(|it| it.pos));
        }
        positions.sort_unstable();
        // Making a room is a change too: four of them came first.
        assert!(positions.into_iter().eq(5..=4 + 12 * PER_SENDER as u64));
    }
    assert!(desk.batches().iter().any(|size| *size > 1), "what arrives together is stored together");
}

async fn a_message_sent_again_is_the_first_one(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Conversation).await;
    let (first, _) = desk.send(organization, text(room, 1, "once", "a")).await.unwrap();
    let (other, _) = desk.send(organization, text(room, 1, "between", "b")).await.unwrap();
    let (again, duplicate) = desk.send(organization, text(room, 1, "twice", "a")).await.unwrap();
    assert!(duplicate);
    assert_eq!(again, first);
    let (next, duplicate) = desk.send(organization, text(room, 1, "next", "c")).await.unwrap();
    assert_eq!((next.seq, next.pos, duplicate), (other.seq + 1, other.pos + 1, false));
}

async fn within_one_batch_too_a_message_is_stored_once(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    // Handed in before the first is awaited, so that most of them share batches.
    let answers: Vec<_> = (0..50)
        .map(|_| desk.hand_in(organization, Change::Message(Box::new(text(room, 1, "same", "a")))).unwrap())
        .collect();
    let mut firsts = 0;
    let mut seen = None;
    for answer in answers {
        let Ok(Outcome::Message { message, duplicate }) = answer.await else { panic!("a message") };
        firsts += u32::from(!duplicate);
        assert_eq!(message.id, *seen.get_or_insert(message.id));
    }
    assert_eq!(firsts, 1);
    assert_eq!(desk.messages(room).await.len(), 1);
}

async fn the_same_client_message_id_of_another_sender_or_room_is_another_message(desk: Desk) {
    let organization = organization();
    let rooms = [desk.room(organization, RoomKind::Public).await, desk.room(organization, RoomKind::Public).await];
    for room in rooms {
        for sender in [1, 2] {
            let (_, duplicate) = desk.send(organization, text(room, sender, "hello", "a")).await.unwrap();
            assert!(!duplicate);
        }
        let mut nameless = text(room, 1, "hello", "");
        nameless.draft.client_message_id = None;
        for _ in 0..2 {
            nameless.draft.id = clock::message_id();
            let (_, duplicate) = desk.send(organization, nameless.clone()).await.unwrap();
            assert!(!duplicate, "without a client_message_id nothing is a duplicate");
        }
    }
}

async fn a_room_is_made_once_and_its_maker_owns_it(desk: Desk) {
    let (organization, stranger) = (organization(), organization());
    let room = desk.room(organization, RoomKind::Private).await;
    for of in [organization, stranger] {
        let again = NewRoom { id: room, kind: RoomKind::Public, owner: user(2) };
        let outcome = desk.write(of, Change::Room(again)).await;
        assert!(matches!(outcome, Ok(Outcome::Room { created: false })), "{outcome:?}");
    }
    let access = desk.store.access(organization, room, user(1)).await.unwrap().unwrap();
    assert_eq!((access.kind, access.archived, access.contact), (RoomKind::Private, false, None));
    assert_eq!((access.member, access.acl_version), (Some(Membership::new(MemberRole::Owner)), 1));
    assert_eq!((access.last_seq, access.last_pos), (0, 1));
    let access = desk.store.access(organization, room, user(2)).await.unwrap().unwrap();
    assert_eq!(access.member, None);

    // A room and what is said in it may share a batch.
    let id = RoomId(clock::message_id().0);
    let new = NewRoom { id, kind: RoomKind::Direct, owner: user(1) };
    let made = desk.hand_in(organization, Change::Room(new)).unwrap();
    let said = desk.hand_in(organization, Change::Message(Box::new(text(id, 1, "first", "a")))).unwrap();
    assert!(matches!(made.await, Ok(Outcome::Room { created: true })));
    assert!(matches!(said.await, Ok(Outcome::Message { message, .. }) if message.seq == 1 && message.pos == 3));
}

async fn another_organizations_room_does_not_exist(desk: Desk) {
    let (ours, theirs) = (organization(), organization());
    let room = desk.room(ours, RoomKind::Public).await;
    desk.send(ours, text(room, 1, "ours", "a")).await.unwrap();
    let unknown = RoomId(clock::message_id().0);
    for (organization, room) in [(theirs, room), (ours, unknown)] {
        // Together with a write of the owner's, so that both organizations' locks are held.
        let own = desk.hand_in(ours, Change::Mark(mark(room, 1, MarkKind::Read, 1))).unwrap();
        let sent = desk.send(organization, text(room, 1, "theirs", "b")).await;
        assert_eq!(refusal(sent).code, RejectCode::NotFound);
        let marked = desk.mark(organization, mark(room, 1, MarkKind::Read, 1)).await;
        assert_eq!(refusal(marked).code, RejectCode::NotFound);
        assert_eq!(desk.store.access(organization, room, user(1)).await, Ok(None));
        drop(own.await);
    }
    assert_eq!(desk.messages(room).await.len(), 1);
}

async fn whatever_people_write_comes_back_as_written(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    let long = "ação ".repeat(10_240 / 7);
    let (first, _) = desk.send(organization, text(room, 1, "first", "first")).await.unwrap();
    let texts = ["", "Olá! 1 < 2 & \"so\" \\ 'on'", "👩‍👩‍👧‍👦 🇧🇷 e\u{301}", "tab\tnew\nline\u{1}\u{7f}", &long];
    for (nth, said) in texts.iter().enumerate() {
        let mut new = text(room, 1, said, &format!("{nth} {said:.20}"));
        new.user_name = (*said).into();
        new.draft.content.media_url = Some("https://example.org/a?b=c&d".into());
        new.draft.content.caption = Some((*said).into());
        new.draft.reply_to = Some(first.id);
        new.draft.contact = Some(ContactId(Uuid::from_u128(7)));
        let (stored, _) = desk.send(organization, new.clone()).await.unwrap();
        let read = desk.messages(room).await.pop().unwrap();
        assert_eq!(read, stored);
        assert_eq!((&read.content, &read.user_name), (&new.draft.content, &new.user_name));
        assert_eq!((read.reply_to, read.contact), (new.draft.reply_to, new.draft.contact));
        assert_eq!((&read.client_message_id, read.user), (&new.draft.client_message_id, Some(user(1))));
    }

    let mut new = text(room, 1, "a\0b", "c\0d");
    new.user_name = "\0Ana".into();
    let (stored, _) = desk.send(organization, new).await.unwrap();
    assert_eq!((&*stored.content.text, &*stored.user_name), ("ab", "Ana"));
    assert_eq!(stored.client_message_id.as_deref(), Some("cd"));
    assert_eq!(desk.messages(room).await.pop().unwrap(), stored);

    let mut reported = text(room, 1, "from outside", "e");
    reported.sender_type = SenderType::Contact;
    reported.draft.contact = Some(ContactId(Uuid::from_u128(7)));
    let (stored, _) = desk.send(organization, reported).await.unwrap();
    assert_eq!((stored.user, stored.contact), (None, Some(ContactId(Uuid::from_u128(7)))));
    assert_eq!(desk.messages(room).await.pop().unwrap(), stored);
}

async fn marks_only_move_forward(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    let mut ids = Vec::new();
    for nth in 0..4 {
        ids.push(desk.send(organization, text(room, 1, "hello", &format!("{nth}"))).await.unwrap().0.id);
    }
    let (told, pos) = desk.mark(organization, mark(room, 2, MarkKind::Delivered, 1)).await.unwrap();
    assert_eq!((told.kind, told.user, told.message, told.up_to_seq), (MarkKind::Delivered, user(2), ids[0], 1));
    assert_eq!(pos, Some(6));
    let (told, pos) = desk.mark(organization, mark(room, 2, MarkKind::Read, 3)).await.unwrap();
    assert_eq!((told.message, told.up_to_seq, pos), (ids[2], 3, Some(7)));
    for (kind, seq) in [(MarkKind::Read, 2), (MarkKind::Read, 3), (MarkKind::Delivered, 3)] {
        let (told, pos) = desk.mark(organization, mark(room, 2, kind, seq)).await.unwrap();
        assert_eq!((told.message, told.up_to_seq, pos), (ids[2], 3, None), "{kind:?} {seq}");
    }
    let named = NewMark { seq: Some(1), message: Some(ids[3]), ..mark(room, 3, MarkKind::Read, 0) };
    let (told, pos) = desk.mark(organization, named).await.unwrap();
    assert_eq!((told.message, told.up_to_seq, pos), (ids[3], 4, Some(8)), "the higher of the two counts");
    let (told, pos) = desk.mark(organization, mark(room, 2, MarkKind::Delivered, 99)).await.unwrap();
    assert_eq!((told.message, told.up_to_seq, pos), (ids[3], 4, Some(9)), "no further than there are messages");
    let (next, _) = desk.send(organization, text(room, 1, "hello", "next")).await.unwrap();
    assert_eq!(next.pos, 10);
}

async fn a_mark_that_names_nothing_is_refused(desk: Desk) {
    let organization = organization();
    let (room, empty) =
        (desk.room(organization, RoomKind::Public).await, desk.room(organization, RoomKind::Public).await);
    let (stored, _) = desk.send(organization, text(room, 1, "hello", "a")).await.unwrap();
    let nothing = NewMark { seq: None, ..mark(room, 2, MarkKind::Read, 0) };
    let unknown = NewMark { message: Some(clock::message_id()), ..nothing.clone() };
    let elsewhere = NewMark { message: Some(stored.id), room: empty, ..nothing.clone() };
    for (new, code) in [
        (mark(room, 2, MarkKind::Read, 0), RejectCode::InvalidPayload),
        (nothing, RejectCode::InvalidPayload),
        (unknown, RejectCode::NotFound),
        (elsewhere, RejectCode::NotFound),
        (mark(empty, 2, MarkKind::Delivered, 1), RejectCode::NotFound),
    ] {
        assert_eq!(refusal(desk.mark(organization, new.clone()).await).code, code, "{new:?}");
    }
}

async fn a_full_queue_takes_nothing_more(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    let mut answers = Vec::new();
    // Faster than any disk: the queue of 16,384 fills, and what it took is answered all the same.
    let busy = (0..200_000).any(|nth| {
        let change = Change::Message(Box::new(text(room, 1, "hello", &format!("{nth}"))));
        desk.hand_in(organization, change).map(|answer| answers.push(answer)).is_none()
    });
    assert!(busy);
    let taken = answers.len();
    for answer in answers {
        assert!(answer.await.is_ok());
    }
    let head = desk.store.heads(vec![room]).await.unwrap()[0];
    assert_eq!(head.last_seq, taken as u64);
    assert!(desk.batches().iter().all(|size| *size <= 512));
}

async fn reads_are_of_everything_that_was_answered(desk: Desk) {
    let organization = organization();
    let rooms = [desk.room(organization, RoomKind::Public).await, desk.room(organization, RoomKind::Public).await];
    for nth in 0..20 {
        let (stored, _) = desk.send(organization, text(rooms[0], 1, "hello", &format!("{nth}"))).await.unwrap();
        let mut heads = desk.store.heads(vec![rooms[0], RoomId(Uuid::nil()), rooms[1]]).await.unwrap();
        heads.sort_by_key(|head| head.last_seq);
        let heads: Vec<_> = heads.iter().map(|it| (it.room, it.last_seq, it.last_pos)).collect();
        assert_eq!(heads, [(rooms[1], 0, stored.pos), (rooms[0], stored.seq, stored.pos)]);
        let access = desk.store.access(organization, rooms[0], user(9)).await.unwrap().unwrap();
        assert_eq!((access.last_seq, access.last_pos), (stored.seq, stored.pos));
        let page = desk.store.page(rooms[0], After::Seq(stored.seq - 1), 10).await.unwrap();
        assert_eq!((page.items.len(), page.more), (1, false));
    }
}

/// Two hubs on one database, as two nodes of a cluster: what one remembers, the other makes untrue.
async fn two_writers_number_as_one(desk: Desk) {
    const PER_SENDER: usize = 60;
    let other = Desk::open(&Options::new(desk.url.clone()));
    let organization = organization();
    let rooms = [desk.room(organization, RoomKind::Public).await, other.room(organization, RoomKind::Public).await];
    let senders = [&desk, &other].into_iter().enumerate().flat_map(|(node, desk)| {
        rooms.into_iter().enumerate().map(move |(nth, room)| (desk, room, (10 * node + nth) as u128))
    });
    join_all(senders.map(async |(desk, room, sender)| {
        for nth in 0..PER_SENDER {
            let (_, duplicate) = desk.send(organization, text(room, sender, "hello", &format!("{nth}"))).await.unwrap();
            assert!(!duplicate);
            if nth % 20 == 10 {
                desk.mark(organization, mark(room, sender, MarkKind::Read, nth as u64)).await.unwrap();
            }
        }
    }))
    .await;
    for room in rooms {
        assert_eq!(desk.messages(room).await.len(), 2 * PER_SENDER);
    }
    let (resent, duplicate) = other.send(organization, text(rooms[0], 0, "hello", "7")).await.unwrap();
    assert!(duplicate && resent.client_message_id.as_deref() == Some("7"), "what the other stored counts too");
    let (next, _) = desk.send(organization, text(rooms[0], 1, "hello", "next")).await.unwrap();
    // Two rooms, all messages and marks, and this one: no `pos` was given twice or left out.
    assert_eq!(next.pos, 2 + 4 * (PER_SENDER as u64 + 3) + 1);
}
