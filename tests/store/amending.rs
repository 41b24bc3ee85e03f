//! Messages after they were sent: edits, tombstones, reactions, and how they fall into line with everything else.

use std::time::{Duration, Instant};

use tertulia::clock;
use tertulia::domain::{ContactId, Content, Direction, MarkKind, RejectCode, RoomKind, SenderType};
use tertulia::hub::ports::{Amended, AmendmentKind, Change, Outcome, Reach, Store, WriteError};
use uuid::Uuid;

use crate::desk::{Backend, Desk, amendment, delete, edit, mark, organization, react, refusal, text, user};
use crate::on_both;
use crate::tables::{count, read, row};

on_both! {
    an_edit_changes_the_text_alone_and_keeps_what_was_said,
    own_messages_only_for_those_who_reach_no_further,
    a_change_on_a_condition_is_made_only_if_it_still_holds,
    a_deleted_message_keeps_its_place_and_says_nothing,
    reactions_are_counted_and_taken_back,
    a_message_has_at_most_twenty_different_emoji,
    a_message_is_changed_only_where_it_is,
    what_is_handed_in_together_is_numbered_in_its_order,
    what_postgres_does_not_take_is_left_out,
}

async fn an_edit_changes_the_text_alone_and_keeps_what_was_said(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    let mut new = text(room, 1, "first", "a");
    new.draft.content.caption = Some("caption".into());
    let (sent, _) = desk.send(organization, new).await.unwrap();
    desk.send(organization, text(room, 1, "another", "b")).await.unwrap();
    for (nth, said) in ["second", "second", "third"].into_iter().enumerate() {
        let (amended, pos) = desk.amend(organization, 2, edit(&sent, said)).await.unwrap();
        let Amended::Edited { message } = amended else { panic!("an edit, not {amended:?}") };
        assert_eq!(pos, Some(4 + nth as u64), "an edit to the same text is one too");
        assert_eq!(message.content, Content { text: said.into(), ..sent.content.clone() });
        assert_eq!((message.seq, message.pos, message.changed_pos), (sent.seq, sent.pos, pos.unwrap()));
        assert!(message.edited_at.unwrap() >= sent.created_at && message.created_at == sent.created_at);
        assert_eq!(desk.messages(room).await[0], message);
    }
    let (again, duplicate) = desk.send(organization, text(room, 1, "first", "a")).await.unwrap();
    assert!(duplicate && &*again.content.text == "third", "a duplicate is answered in its present state");

    let said = "SELECT CAST(content AS text) AS what, edited_by_name AS detail, pos AS number FROM message_edits \
         ORDER BY pos";
    let content = |text| format!(r#"{{"text":"{text}","caption":"caption"}}"#);
    let expected = [("first", 4), ("second", 5), ("second", 6)];
    assert_eq!(read(&desk.url, said), expected.map(|(text, pos)| row(&content(text), Some("Ana"), pos)));
}

async fn own_messages_only_for_those_who_reach_no_further(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Conversation).await;
    let (sent, _) = desk.send(organization, text(room, 1, "mine", "a")).await.unwrap();
    let mut inbound = text(room, 1, "the contact's", "b");
    (inbound.sender_type, inbound.direction) = (SenderType::Contact, Direction::Inbound);
    inbound.draft.contact = Some(ContactId(Uuid::from_u128(7)));
    let (reported, _) = desk.send(organization, inbound).await.unwrap();
    let change = |message, text: Option<&str>, reach| AmendmentKind::Message {
        room,
        message,
        text: text.map(Into::into),
        if_changed_pos: None,
        reach,
    };
    for said in [Some("changed"), None] {
        for (by, message) in [(2, sent.id), (1, reported.id), (7, reported.id)] {
            let amended = desk.amend(organization, by, change(message, said, Reach::Own)).await;
            assert_eq!(refusal(amended).code, RejectCode::Forbidden);
        }
    }
    assert!(desk.messages(room).await.iter().all(|it| it.changed_pos == it.pos));
    desk.amend(organization, 1, change(sent.id, Some("changed"), Reach::Own)).await.unwrap();
    desk.amend(organization, 2, change(reported.id, Some("changed"), Reach::Any)).await.unwrap();
    desk.amend(organization, 1, change(sent.id, None, Reach::Own)).await.unwrap();
}

async fn a_change_on_a_condition_is_made_only_if_it_still_holds(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    let (sent, _) = desk.send(organization, text(room, 1, "first", "a")).await.unwrap();
    let change = |text: Option<&str>, changed_pos| AmendmentKind::Message {
        room,
        message: sent.id,
        text: text.map(Into::into),
        if_changed_pos: Some(changed_pos),
        reach: Reach::Own,
    };
    let (_, pos) = desk.amend(organization, 1, change(Some("second"), sent.pos)).await.unwrap();
    for said in [Some("third"), None] {
        let amended = desk.amend(organization, 1, change(said, sent.pos)).await;
        assert_eq!(refusal(amended).code, RejectCode::PreconditionFailed);
    }
    assert_eq!(&*desk.messages(room).await[0].content.text, "second");
    desk.amend(organization, 1, change(None, pos.unwrap())).await.unwrap();
}

async fn a_deleted_message_keeps_its_place_and_says_nothing(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    let mut sent = Vec::new();
    for name in ["a", "b"] {
        let (message, _) = desk.send(organization, text(room, 1, "secret", name)).await.unwrap();
        desk.amend(organization, 1, edit(&message, "secret still")).await.unwrap();
        desk.amend(organization, 1, react(&message, "👍", true)).await.unwrap();
        sent.push(message);
    }
    let (amended, pos) = desk.amend(organization, 2, delete(&sent[0])).await.unwrap();
    let Amended::Deleted(deletion) = amended else { panic!("a deletion, not {amended:?}") };
    assert_eq!((deletion.room, deletion.message, deletion.seq), (room, sent[0].id, 1));
    assert_eq!((deletion.by, pos), (Some(user(2)), Some(8)));

    let messages = desk.messages(room).await;
    let tombstone = &messages[0];
    assert_eq!((&tombstone.content, &*tombstone.reactions), (&Content::default(), &[][..]));
    assert_eq!((tombstone.deleted_at, tombstone.changed_pos), (Some(deletion.at), 8));
    assert_eq!((&*messages[1].content.text, messages[1].reactions.len()), ("secret still", 1));
    assert_eq!((count(&desk.url, "message_edits"), count(&desk.url, "reactions")), (1, 1));
    let secrets = "messages WHERE seq = 1 AND CAST(content AS text) <> '{}'";
    assert_eq!(count(&desk.url, secrets), 0);

    for kind in [edit(&sent[0], "again"), delete(&sent[0]), react(&sent[0], "👍", true), react(&sent[0], "👍", false)]
    {
        assert_eq!(refusal(desk.amend(organization, 1, kind).await).code, RejectCode::NotFound);
    }
    let (again, duplicate) = desk.send(organization, text(room, 1, "secret", "a")).await.unwrap();
    assert!(duplicate && again.deleted_at.is_some(), "a late retry does not bring it back");
    let (next, _) = desk.send(organization, text(room, 1, "next", "c")).await.unwrap();
    assert_eq!((next.seq, next.pos), (3, 9));
}

async fn reactions_are_counted_and_taken_back(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    let (sent, _) = desk.send(organization, text(room, 1, "hello", "a")).await.unwrap();
    for (nth, (by, emoji, present, count, pos)) in [
        (1, "👍", false, 0, None),
        (1, "👍", true, 1, Some(3)),
        (1, "👍", true, 1, None),
        (2, "❤️", true, 1, Some(4)),
        (2, "👍", true, 2, Some(5)),
        (3, "👍", true, 3, Some(6)),
        (1, "👍", false, 2, Some(7)),
        (1, "👍", false, 2, None),
    ]
    .into_iter()
    .enumerate()
    {
        let (amended, told) = desk.amend(organization, by, react(&sent, emoji, present)).await.unwrap();
        let Amended::Reacted(reaction) = amended else { panic!("a reaction, not {amended:?}") };
        assert_eq!((reaction.message, reaction.seq, reaction.user), (sent.id, 1, user(by)));
        assert_eq!((&*reaction.emoji, reaction.present, reaction.count, told), (emoji, present, count, pos), "{nth}");
    }
    let message = desk.messages(room).await.pop().unwrap();
    let shown: Vec<_> = message.reactions.iter().map(|it| (&*it.emoji, it.users.clone())).collect();
    assert_eq!(shown, [("❤️", vec![user(2)]), ("👍", vec![user(2), user(3)])], "as they came");
    assert_eq!((message.changed_pos, message.edited_at), (7, None));
    let (again, _) = desk.send(organization, text(room, 1, "hello", "a")).await.unwrap();
    assert_eq!(again.reactions, message.reactions);
}

async fn a_message_has_at_most_twenty_different_emoji(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    let (sent, _) = desk.send(organization, text(room, 1, "hello", "a")).await.unwrap();
    for nth in 0..20 {
        desk.amend(organization, 1, react(&sent, &format!(":{nth}:"), true)).await.unwrap();
    }
    assert_eq!(refusal(desk.amend(organization, 2, react(&sent, ":20:", true)).await).code, RejectCode::Conflict);
    desk.amend(organization, 2, react(&sent, ":0:", true)).await.unwrap();
    desk.amend(organization, 1, react(&sent, ":1:", false)).await.unwrap();
    desk.amend(organization, 2, react(&sent, ":20:", true)).await.unwrap();
    assert_eq!(desk.messages(room).await[0].reactions.len(), 20);
}

async fn a_message_is_changed_only_where_it_is(desk: Desk) {
    let (ours, theirs) = (organization(), organization());
    let (room, other) = (desk.room(ours, RoomKind::Public).await, desk.room(ours, RoomKind::Public).await);
    let foreign = desk.room(theirs, RoomKind::Public).await;
    let (sent, _) = desk.send(ours, text(room, 1, "ours", "a")).await.unwrap();
    let unknown = clock::message_id();
    for (organization, room, message) in
        [(theirs, room, sent.id), (theirs, foreign, sent.id), (ours, other, sent.id), (ours, room, unknown)]
    {
        for said in [Some("theirs"), None] {
            let text = said.map(Into::into);
            let kind = AmendmentKind::Message { room, message, text, if_changed_pos: None, reach: Reach::Any };
            assert_eq!(refusal(desk.amend(organization, 1, kind).await).code, RejectCode::NotFound);
        }
        let kind = AmendmentKind::React { room, message, emoji: "👍".into(), present: true };
        assert_eq!(refusal(desk.amend(organization, 1, kind).await).code, RejectCode::NotFound);
    }
    assert_eq!(desk.messages(room).await, [sent]);
    let heads = desk.store.heads(vec![room, foreign]).await.unwrap();
    assert!(heads.iter().all(|it| it.last_changed_pos.is_none()), "a refusal has no number");
    assert_eq!(heads.iter().map(|it| it.last_pos).max(), Some(3));
}

/// Runs of messages and runs of amendments, in turn and in one batch.
async fn what_is_handed_in_together_is_numbered_in_its_order(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    let (first, _) = desk.send(organization, text(room, 1, "first", "first")).await.unwrap();
    let mut answers = Vec::new();
    for nth in 0..40 {
        let name = format!("{}", nth / 2);
        let sent = |name: &str| Change::Message(Box::new(text(room, 1, "hello", name)));
        // Every second message repeats the one before it, with an amendment between them.
        answers.push(desk.hand_in(organization, sent(&name)).unwrap());
        answers.push(desk.hand_in(organization, amendment(1, edit(&first, &name))).unwrap());
        answers.push(desk.hand_in(organization, amendment(2, react(&first, "👍", nth % 2 == 0))).unwrap());
        answers.push(desk.hand_in(organization, sent(&name)).unwrap());
        answers.push(desk.hand_in(organization, Change::Mark(mark(room, 2, MarkKind::Read, 1_000))).unwrap());
    }
    let mut numbers = Vec::new();
    let mut duplicates = 0;
    for answer in answers {
        match answer.await.unwrap() {
            Outcome::Message { duplicate: true, .. } => duplicates += 1,
            Outcome::Message { message, .. } => numbers.push(message.pos),
            Outcome::Amended { pos, .. } | Outcome::Mark { pos, .. } => numbers.extend(pos),
            other @ Outcome::Room { .. } => panic!("{other:?}"),
        }
    }
    // 20 messages and a mark for each, 40 edits, 40 reactions, after a room and a message.
    assert!(numbers.into_iter().eq(3..3 + 120), "numbered as handed in");
    assert_eq!(duplicates, 60);
    assert!(desk.batches().iter().any(|size| *size > 5));
    let (next, _) = desk.send(organization, text(room, 1, "next", "next")).await.unwrap();
    assert_eq!((next.seq, next.pos), (22, 123));
    assert_eq!(desk.messages(room).await.len(), 22);
}

async fn what_postgres_does_not_take_is_left_out(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    let (sent, _) = desk.send(organization, text(room, 1, "hello", "a")).await.unwrap();
    let long = "👩‍👩‍👧‍👦 < & \" '\\ \u{1} ".repeat(300);
    for (said, stored) in [("a\0b", "ab"), (&*long, &*long)] {
        desk.amend(organization, 1, edit(&sent, said)).await.unwrap();
        assert_eq!(&*desk.messages(room).await[0].content.text, stored);
    }
    desk.amend(organization, 1, react(&sent, "👍\0", true)).await.unwrap();
    assert_eq!(&*desk.messages(room).await[0].reactions[0].emoji, "👍");
}

/// The server falls over in the middle of it, and nobody knows which commits it has made: an edit that was answered is
/// there once, and later than what was answered before it.
#[test]
fn amendments_survive_a_killed_postgres_and_none_is_made_twice() {
    const ROUNDS: u64 = 5;
    const PER_ROUND: u64 = 60;
    let backend = Backend::private_postgres();
    let server = backend.server.clone().unwrap();
    let database = backend.url.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    backend.run(async |desk| {
        let organization = organization();
        let room = desk.room(organization, RoomKind::Public).await;
        let (sent, _) = desk.send(organization, text(room, 1, "hello", "a")).await.unwrap();
        let (mut answered, mut failed, mut last) = (0, 0, sent.pos);
        for round in 0..ROUNDS {
            let mut answers = Vec::new();
            for nth in 0..PER_ROUND {
                let said = format!("{round} {nth}");
                answers.push(desk.hand_in(organization, amendment(1, edit(&sent, &said))).unwrap());
                drop(desk.hand_in(organization, amendment(2, react(&sent, "👍", nth % 2 == 0))).unwrap());
                if nth == PER_ROUND / 2 {
                    // Now the writer is in the middle of the first half.
                    actix::clock::sleep(Duration::from_millis(5 * round)).await;
                }
            }
            server.kill_a_connection(&database);
            for answer in answers {
                match answer.await {
                    Ok(Outcome::Amended { pos: Some(pos), .. }) => {
                        assert!(pos > last, "later is numbered later");
                        last = pos;
                        answered += 1;
                    }
                    Err(WriteError::Failed) => failed += 1,
                    other => panic!("an edit, not {other:?}"),
                }
            }
            let begun = Instant::now();
            while desk.store.heads(vec![room]).await.is_err() || desk.metrics.store_up.get() == 0 {
                assert!(begun.elapsed() < Duration::from_secs(60), "it should work again by now");
                actix::clock::sleep(Duration::from_millis(20)).await;
            }
        }
        let (_, pos) = desk.amend(organization, 1, edit(&sent, "the last")).await.unwrap();
        answered += 1;
        let edits = count(&desk.url, "message_edits");
        assert!((answered..=answered + failed).contains(&edits), "{edits} of {answered} answered and {failed} failed");
        assert_eq!(edits, count(&desk.url, "(SELECT DISTINCT amendment_id FROM message_edits) AS edits"));
        let message = desk.messages(room).await.pop().unwrap();
        assert_eq!((&*message.content.text, Some(message.changed_pos)), ("the last", pos));
        assert!(message.reactions.iter().all(|it| it.users == [user(2)]));
    });
}
