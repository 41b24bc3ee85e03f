//! What comes from outside: contacts' messages, names from elsewhere, and what has become of messages; and which of them
//! marks have moved.

use std::sync::Arc;
use std::time::Duration;

use tertulia::clock;
use tertulia::domain::{
    ContactId, Direction, Event, MarkKind, Message, MessageId, MessageStatus, OrgId, RejectCode, RoomId, RoomKind,
    SenderType, Timestamp,
};
use tertulia::hub::ports::{After, Amended, Change, Outcome, Store, WriteError};
use uuid::Uuid;

use crate::desk::{Desk, delete, mark, organization, refusal, report, said, text, user};
use crate::on_both;

on_both! {
    a_contacts_message_is_the_contacts,
    a_contacts_message_sent_again_is_the_first_one,
    within_one_batch_too_a_contacts_message_is_stored_once,
    a_name_from_elsewhere_comes_back_as_it_was_given,
    a_report_moves_a_status_forward_only,
    a_report_says_when_within_reason,
    a_report_and_the_marks_move_one_status,
    a_report_is_taken_where_the_message_is,
    a_report_is_told_to_those_who_come_back,
    a_tombstone_may_still_be_reported,
    a_mark_names_the_newest_message_that_it_moved,
    a_mark_looks_past_many_messages_that_it_did_not_move,
    where_a_contact_is_known_a_mark_moves_what_came_from_it,
    a_replay_names_what_a_mark_could_have_moved,
}

const fn contact(n: u128) -> ContactId {
    ContactId(Uuid::from_u128(n))
}

async fn statuses(desk: &Desk, room: RoomId) -> Vec<MessageStatus> {
    desk.messages(room).await.iter().map(|it| it.status).collect()
}

/// The status after a report, since when, and the number of the change.
async fn reported(
    desk: &Desk,
    organization: OrgId,
    of: &Message,
    status: MessageStatus,
    at: Option<Timestamp>,
) -> Result<(MessageStatus, Timestamp, Option<u64>), WriteError> {
    let (amended, pos) = desk.amend(organization, 1, report(of, status, at)).await?;
    let Amended::Reported { room, message, status, at } = amended else { panic!("a report, not {amended:?}") };
    assert_eq!((room, message), (of.room, of.id));
    Ok((status, at, pos))
}

async fn moved(
    desk: &Desk,
    organization: OrgId,
    room: RoomId,
    by: u128,
    kind: MarkKind,
    seq: u64,
) -> Option<MessageId> {
    desk.mark(organization, mark(room, by, kind, seq)).await.unwrap().0.moved
}

async fn a_contacts_message_is_the_contacts(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Conversation).await;
    // Nobody knows yet whose it is; the first contact that is named is the conversation's, and the others are not.
    let named = [None, Some(contact(7)), None, Some(contact(8)), None];
    let expected = [None, Some(contact(7)), Some(contact(7)), Some(contact(8)), Some(contact(7))];
    for (nth, (named, expected)) in named.into_iter().zip(expected).enumerate() {
        let new = said(room, 1, named, &nth.to_string());
        let (stored, _) = desk.send(organization, new).await.unwrap();
        assert_eq!((stored.user, &*stored.user_name, stored.contact), (None, "", expected), "{nth}");
        assert_eq!((stored.sender_type, stored.direction), (SenderType::Contact, Direction::Inbound));
        assert_eq!(desk.messages(room).await.pop().unwrap(), stored);
    }
    let access = desk.store.access(organization, room, user(1)).await.unwrap().unwrap();
    assert_eq!(access.contact, Some(contact(7)));
}

async fn a_contacts_message_sent_again_is_the_first_one(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Conversation).await;
    let (unknown, _) = desk.send(organization, said(room, 1, None, "a")).await.unwrap();
    let (again, duplicate) = desk.send(organization, said(room, 2, None, "a")).await.unwrap();
    assert_eq!((again.id, duplicate), (unknown.id, true), "whoever hands it in");
    let (first, duplicate) = desk.send(organization, said(room, 1, Some(contact(7)), "a")).await.unwrap();
    assert!(!duplicate, "of a contact that is known now");
    for named in [Some(contact(7)), None] {
        let (again, duplicate) = desk.send(organization, said(room, 2, named, "a")).await.unwrap();
        assert_eq!((again, duplicate), (Arc::clone(&first), true), "{named:?}");
    }
    let (other, duplicate) = desk.send(organization, said(room, 1, Some(contact(8)), "a")).await.unwrap();
    let (own, own_duplicate) = desk.send(organization, text(room, 1, "mine", "a")).await.unwrap();
    assert!(!duplicate && !own_duplicate && other.id != own.id);
    assert_eq!(desk.messages(room).await.len(), 4);
}

async fn within_one_batch_too_a_contacts_message_is_stored_once(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Conversation).await;
    for known in [false, true] {
        // Named or not, it is the same contact: until somebody names it, the first of them does.
        let answers: Vec<_> = (0..40)
            .map(|nth| {
                let named = (nth % 4 == 0).then_some(contact(7));
                let new = said(room, 1, named, if known { "b" } else { "a" });
                desk.hand_in(organization, Change::Message(Box::new(new))).unwrap()
            })
            .collect();
        let mut firsts = 0;
        for answer in answers {
            let Ok(Outcome::Message { message, duplicate }) = answer.await else { panic!("a message") };
            assert_eq!(message.contact, Some(contact(7)));
            firsts += u32::from(!duplicate);
        }
        assert_eq!(firsts, 1);
    }
    assert_eq!(desk.messages(room).await.len(), 2);
}

async fn a_name_from_elsewhere_comes_back_as_it_was_given(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Conversation).await;
    for (nth, (given, kept)) in
        [("wamid.HBgM==", "wamid.HBgM=="), ("wamid.HBgM==", "wamid.HBgM=="), ("a\0b ção", "ab ção")]
            .into_iter()
            .enumerate()
    {
        // Together with one that has none.
        let mut new = text(room, 1, "hello", &nth.to_string());
        new.draft.external_id = Some(given.into());
        let without = text(room, 2, "hello", &nth.to_string());
        let answers =
            [new.clone(), without].map(|new| desk.hand_in(organization, Change::Message(Box::new(new))).unwrap());
        for (answer, kept) in answers.into_iter().zip([Some(kept), None]) {
            let Ok(Outcome::Message { message, .. }) = answer.await else { panic!("a message") };
            assert_eq!(message.external_id.as_deref(), kept);
            assert!(desk.messages(room).await.contains(&message));
        }
        (new.draft.id, new.draft.external_id) = (clock::message_id(), Some("another".into()));
        let (again, duplicate) = desk.send(organization, new).await.unwrap();
        assert_eq!((again.external_id.as_deref(), duplicate), (Some(kept), true), "the first one's");
    }
}

async fn a_report_moves_a_status_forward_only(desk: Desk) {
    use MessageStatus::{Delivered, Failed, Pending, Read, Sent};
    let organization = organization();
    let room = desk.room(organization, RoomKind::Conversation).await;
    let ways: [&[(MessageStatus, MessageStatus, bool)]; 4] = [
        &[(Pending, Sent, false), (Sent, Sent, false), (Delivered, Delivered, true), (Delivered, Delivered, false)],
        &[(Delivered, Delivered, true), (Failed, Delivered, false), (Read, Read, true), (Delivered, Read, false)],
        &[(Failed, Failed, true), (Failed, Failed, false), (Sent, Failed, false), (Delivered, Delivered, true)],
        &[(Read, Read, true), (Read, Read, false), (Failed, Read, false), (Pending, Read, false)],
    ];
    let mut last = 1;
    for (nth, way) in ways.into_iter().enumerate() {
        let mut new = text(room, 1, "hello", &nth.to_string());
        new.draft.contact = Some(contact(7));
        let (sent, _) = desk.send(organization, new.clone()).await.unwrap();
        last = sent.pos;
        for (asked, expected, is_news) in way {
            let (status, _, pos) = reported(&desk, organization, &sent, *asked, None).await.unwrap();
            assert_eq!((status, pos), (*expected, is_news.then_some(last + 1)), "{nth} {asked}");
            last = pos.unwrap_or(last);
            let now = desk.messages(room).await.pop().unwrap();
            assert_eq!((now.status, now.changed_pos), (*expected, last));
            assert_eq!(now.delivered_at.is_some(), *expected >= Delivered);
            assert_eq!(now.read_at.is_some(), *expected == Read);
            assert_eq!((now.edited_at, &now.content), (None, &sent.content));
        }
        let (again, _) = desk.send(organization, new).await.unwrap();
        assert_eq!(again, desk.messages(room).await.pop().unwrap(), "a duplicate is answered in its present state");
    }
    let (next, _) = desk.send(organization, text(room, 1, "next", "next")).await.unwrap();
    assert_eq!(next.pos, last + 1, "what is no news has no number");
}

async fn a_report_says_when_within_reason(desk: Desk) {
    use MessageStatus::{Delivered, Read, Sent};
    let organization = organization();
    let room = desk.room(organization, RoomKind::Conversation).await;
    let (first, _) = desk.send(organization, text(room, 1, "hello", "a")).await.unwrap();
    actix::clock::sleep(Duration::from_millis(20)).await;
    let between = first.created_at + Duration::from_millis(10);
    let (second, _) = desk.send(organization, text(room, 1, "hello", "b")).await.unwrap();
    let early = Some(Timestamp::from_micros(0));
    let late = Some(clock::now() + Duration::from_secs(3_600));

    // As it says, where that can be.
    let (_, at, _) = reported(&desk, organization, &first, Delivered, Some(between)).await.unwrap();
    assert_eq!(at, between);
    let (_, at, pos) = reported(&desk, organization, &first, Delivered, late).await.unwrap();
    assert_eq!((at, pos), (between, None), "the first one's time stays");
    let before = clock::now();
    let (_, at, _) = reported(&desk, organization, &first, Read, late).await.unwrap();
    assert!(before <= at && at <= clock::now(), "nothing is read in the future");
    let now = &desk.messages(room).await[0];
    assert_eq!((now.delivered_at, now.read_at), (Some(between), Some(at)));

    let (status, _, pos) = reported(&desk, organization, &second, Sent, early).await.unwrap();
    assert_eq!((status, pos), (Sent, None));
    let (_, at, _) = reported(&desk, organization, &second, Read, early).await.unwrap();
    assert_eq!(at, second.created_at, "nor before it was sent");
    let now = &desk.messages(room).await[1];
    assert_eq!((now.delivered_at, now.read_at), (Some(at), Some(at)), "what is read was delivered");
}

async fn a_report_and_the_marks_move_one_status(desk: Desk) {
    use MessageStatus::{Delivered, Failed, Read};
    let organization = organization();
    // Nobody outside is known here, so the marks count; a report may be ahead of them.
    let room = desk.room(organization, RoomKind::Public).await;
    let mut sent = Vec::new();
    for nth in 0..3 {
        sent.push(desk.send(organization, text(room, 1, "hello", &nth.to_string())).await.unwrap().0);
    }
    desk.mark(organization, mark(room, 2, MarkKind::Delivered, 2)).await.unwrap();
    desk.mark(organization, mark(room, 2, MarkKind::Read, 1)).await.unwrap();
    for (of, asked, expected, is_news) in [
        (0, Read, Read, false),
        (1, Delivered, Delivered, false),
        (1, Failed, Delivered, false),
        (1, Read, Read, true),
        (2, Failed, Failed, true),
    ] {
        let (status, _, pos) = reported(&desk, organization, &sent[of], asked, None).await.unwrap();
        assert_eq!((status, pos.is_some()), (expected, is_news), "{of} {asked}");
    }
    assert_eq!(statuses(&desk, room).await, [Read, Read, Failed]);
    // The second was read already, by what the outside says.
    let one = moved(&desk, organization, room, 2, MarkKind::Read, 2).await;
    let all = moved(&desk, organization, room, 2, MarkKind::Read, 3).await;
    assert_eq!((one, all), (None, Some(sent[2].id)));
    assert_eq!(statuses(&desk, room).await, [Read; 3]);
    let now = desk.messages(room).await;
    assert_eq!(
        (now[0].read_at, now[1].read_at.is_some(), now[2].read_at),
        (None, true, None),
        "the outside's times only"
    );
}

async fn a_report_is_taken_where_the_message_is(desk: Desk) {
    let (ours, theirs) = (organization(), organization());
    let room = desk.room(ours, RoomKind::Conversation).await;
    let (other, foreign) =
        (desk.room(ours, RoomKind::Conversation).await, desk.room(theirs, RoomKind::Conversation).await);
    let (sent, _) = desk.send(ours, text(room, 1, "hello", "a")).await.unwrap();
    let of = |room, id| Message { room, id, ..Message::clone(&sent) };
    for (organization, of) in [
        (theirs, of(room, sent.id)),
        (theirs, of(foreign, sent.id)),
        (ours, of(other, sent.id)),
        (ours, of(room, clock::message_id())),
    ] {
        let answer = reported(&desk, organization, &of, MessageStatus::Read, None).await;
        assert_eq!(refusal(answer).code, RejectCode::NotFound);
    }
    assert_eq!(desk.messages(room).await, [sent]);
}

async fn a_report_is_told_to_those_who_come_back(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Conversation).await;
    let (sent, _) = desk.send(organization, text(room, 1, "hello", "a")).await.unwrap();
    let (_, _, pos) = reported(&desk, organization, &sent, MessageStatus::Delivered, None).await.unwrap();
    let past = desk.past(room, After::Pos(sent.pos), 100).await;
    let present = desk.messages(room).await.pop().unwrap();
    assert_eq!(past, [(pos.unwrap(), Event::Edited { message: present, by: None })]);
    let head = desk.store.heads(vec![room]).await.unwrap()[0];
    assert_eq!((head.last_changed_pos, head.last_pos), (pos, pos.unwrap()));
}

async fn a_tombstone_may_still_be_reported(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Conversation).await;
    let (sent, _) = desk.send(organization, text(room, 1, "secret", "a")).await.unwrap();
    desk.amend(organization, 1, delete(&sent)).await.unwrap();
    let (status, _, pos) = reported(&desk, organization, &sent, MessageStatus::Delivered, None).await.unwrap();
    assert_eq!((status, pos), (MessageStatus::Delivered, Some(4)));
    let now = desk.messages(room).await.pop().unwrap();
    assert!(now.deleted_at.is_some() && now.content.text.is_empty());
    let past = desk.past(room, After::Pos(3), 100).await;
    assert!(matches!(&past[..], [(4, Event::Deleted(deletion))] if deletion.message == sent.id));
}

async fn a_mark_names_the_newest_message_that_it_moved(desk: Desk) {
    use MarkKind::{Delivered, Read};
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    // Who sent what: 1, 2, 1, 3, 2.
    let mut ids = Vec::new();
    for (nth, sender) in [1, 2, 1, 3, 2].into_iter().enumerate() {
        ids.push(desk.send(organization, text(room, sender, "hello", &nth.to_string())).await.unwrap().0.id);
    }
    for (nth, (by, kind, seq, expected)) in [
        (2, Delivered, 2, Some(1)),
        // The third is 1's own.
        (1, Delivered, 3, Some(2)),
        (2, Delivered, 3, Some(3)),
        (3, Read, 3, Some(3)),
        // Everything up to the third was read, but by 3 alone: it has sent none of that.
        (2, Read, 3, None),
        // The last is 2's own, and the one before it is 3's.
        (2, Read, 5, Some(4)),
        // 2 has read 3's; 2's own stays, which 1 reads now.
        (1, Read, 5, Some(5)),
        (3, Read, 5, None),
        (3, Delivered, 5, None),
        (4, Read, 5, None),
    ]
    .into_iter()
    .enumerate()
    {
        let before = statuses(&desk, room).await;
        let moved = moved(&desk, organization, room, by, kind, seq).await;
        let after = statuses(&desk, room).await;
        let newest = (0..5).rev().find(|at| before[*at] < after[*at]);
        assert_eq!(moved, newest.map(|at| ids[at]), "{nth}");
        assert_eq!(moved, expected.map(|seq: usize| ids[seq - 1]), "{nth}");
    }
}

async fn a_mark_looks_past_many_messages_that_it_did_not_move(desk: Desk) {
    const MANY: u64 = 250;
    let organization = organization();
    let (room, other) =
        (desk.room(organization, RoomKind::Public).await, desk.room(organization, RoomKind::Public).await);
    let (first, _) = desk.send(organization, text(room, 2, "hello", "first")).await.unwrap();
    let answers: Vec<_> = (0..MANY)
        .map(|nth| {
            desk.hand_in(organization, Change::Message(Box::new(text(room, 1, "hello", &nth.to_string())))).unwrap()
        })
        .collect();
    for answer in answers {
        answer.await.unwrap();
    }
    let (there, _) = desk.send(organization, text(other, 2, "hello", "a")).await.unwrap();
    // Together, so that they are looked at together: its own are many, and behind them is one of somebody else's.
    let marks = [mark(room, 1, MarkKind::Read, MANY + 1), mark(other, 1, MarkKind::Read, 1)];
    let answers = marks.map(|mark| desk.hand_in(organization, Change::Mark(mark)).unwrap());
    for (answer, expected) in answers.into_iter().zip([first.id, there.id]) {
        let Ok(Outcome::Mark { mark, .. }) = answer.await else { panic!("a mark") };
        assert_eq!(mark.moved, Some(expected));
    }
    // Two that come to the same place in one batch: the second of them moves only what was the first one's own.
    let marks = [mark(room, 2, MarkKind::Read, MANY + 1), mark(room, 3, MarkKind::Read, MANY + 1)];
    let answers = marks.map(|mark| desk.hand_in(organization, Change::Mark(mark)).unwrap());
    let mut moved = Vec::new();
    for answer in answers {
        let Ok(Outcome::Mark { mark, .. }) = answer.await else { panic!("a mark") };
        moved.push(mark.moved == Some(mark.message));
    }
    assert_eq!(moved, [true, false]);
}

async fn where_a_contact_is_known_a_mark_moves_what_came_from_it(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Conversation).await;
    let mut ids = Vec::new();
    let outbound = |name: &str| text(room, 1, "to the contact", name);
    // A contact may have the id of a user; it is somebody else all the same.
    let inbound = |name: &str| said(room, 1, Some(contact(2)), name);
    for new in [inbound("a"), outbound("b"), inbound("c"), outbound("d"), outbound("e")] {
        ids.push(desk.send(organization, new).await.unwrap().0.id);
    }
    for (by, seq, expected) in [(2, 2, Some(1)), (3, 2, None), (2, 5, Some(3)), (1, 5, None)] {
        let moved = moved(&desk, organization, room, by, MarkKind::Read, seq).await;
        assert_eq!(moved, expected.map(|seq: usize| ids[seq - 1]), "{by} {seq}");
    }
    desk.send(organization, outbound("f")).await.unwrap();
    assert_eq!(moved(&desk, organization, room, 2, MarkKind::Read, 6).await, None, "only the contact reads that");
    let (inbound, _) = desk.send(organization, inbound("g")).await.unwrap();
    reported(&desk, organization, &inbound, MessageStatus::Read, None).await.unwrap();
    assert_eq!(moved(&desk, organization, room, 2, MarkKind::Read, 7).await, None, "it was read already");
}

async fn a_replay_names_what_a_mark_could_have_moved(desk: Desk) {
    let organization = organization();
    let replayed = async |room, by| {
        let past = desk.past(room, After::Pos(0), 100).await;
        let marks = past.into_iter().filter_map(|(_, event)| match event {
            Event::Marked(mark) if mark.user == user(by) => Some((mark.message, mark.moved)),
            _ => None,
        });
        marks.collect::<Vec<_>>()
    };
    for kind in [RoomKind::Public, RoomKind::Conversation] {
        let room = desk.room(organization, kind).await;
        let mut ids = Vec::new();
        for new in [text(room, 3, "a", "a"), text(room, 1, "b", "b"), text(room, 2, "c", "c")] {
            ids.push(desk.send(organization, new).await.unwrap().0.id);
        }
        for by in [2, 1, 4] {
            desk.mark(organization, mark(room, by, MarkKind::Read, 3)).await.unwrap();
        }
        for (by, expected) in [(2, ids[1]), (1, ids[2]), (4, ids[2])] {
            assert_eq!(replayed(room, by).await, [(ids[2], Some(expected))], "{kind} {by}");
        }
        if kind == RoomKind::Conversation {
            let (inbound, _) = desk.send(organization, said(room, 1, Some(contact(1)), "d")).await.unwrap();
            desk.mark(organization, mark(room, 1, MarkKind::Read, 4)).await.unwrap();
            assert_eq!(replayed(room, 1).await, [(inbound.id, Some(inbound.id))]);
            assert_eq!(replayed(room, 4).await, [(ids[2], None)], "what goes out to a contact is not theirs to move");
        }
    }
}
