//! Requests with a key, and messages that answer others.

use tertulia::clock;
use tertulia::domain::{
    Idempotency, MemberChange, MemberRole, MessageId, OrgId, RejectCode, RoomChange, RoomId, RoomKind,
};
use tertulia::hub::ports::{Amended, AmendmentKind, Authority, Change, NewMessage, Outcome, WriteError};
use tertulia::store::Options;

use crate::desk::{Desk, delete, organization, refusal, text, user};
use crate::on_both;
use crate::rooms::draft;
use crate::tables::{count, execute};

on_both! {
    a_request_with_a_key_is_carried_out_once,
    within_one_batch_too_a_request_is_carried_out_once,
    a_key_of_somebody_else_is_another_key,
    a_request_that_was_refused_takes_no_key,
    a_key_is_honoured_for_a_day_and_then_removed,
    a_room_is_made_once_for_a_request,
    the_key_of_a_room_is_honoured_for_a_day_and_goes_with_it,
    an_answer_names_a_message_of_its_room,
    what_was_refused_is_not_repeated,
}

/// A text under a key. Without a `client_message_id`, unless one is put in.
fn keyed(room: RoomId, sender: u128, key: &str, asked: u8) -> NewMessage {
    let mut new = text(room, sender, "hello", "");
    new.draft.client_message_id = None;
    new.draft.idempotency = Some(Box::new(Idempotency { key: key.into(), fingerprint: [asked; 32] }));
    new
}

async fn a_request_with_a_key_is_carried_out_once(desk: Desk) {
    let organization = organization();
    let (room, other) =
        (desk.room(organization, RoomKind::Public).await, desk.room(organization, RoomKind::Public).await);
    let (first, duplicate) = desk.send(organization, keyed(room, 1, "key", 1)).await.unwrap();
    assert!(!duplicate);
    for _ in 0..2 {
        let (again, duplicate) = desk.send(organization, keyed(room, 1, "key", 1)).await.unwrap();
        assert_eq!((&again, duplicate), (&first, true));
    }
    for room in [room, other] {
        let reused = refusal(desk.send(organization, keyed(room, 1, "key", 2)).await);
        assert_eq!(reused.code, RejectCode::IdempotencyKeyReused);
    }
    desk.amend(organization, 1, delete(&first)).await.unwrap();
    let (again, duplicate) = desk.send(organization, keyed(room, 1, "key", 1)).await.unwrap();
    assert!(duplicate && again.id == first.id && again.deleted_at.is_some(), "as it stands now");
    assert_eq!(count(&desk.url, "messages"), 1);

    // A message that is a duplicate by its own name takes the key too.
    let mut named = keyed(room, 1, "another", 1);
    named.draft.client_message_id = Some("a".into());
    let (stored, _) = desk.send(organization, text(room, 1, "hello", "a")).await.unwrap();
    let (again, duplicate) = desk.send(organization, named).await.unwrap();
    assert_eq!((again.id, duplicate), (stored.id, true));
    let (again, duplicate) = desk.send(organization, keyed(room, 1, "another", 1)).await.unwrap();
    assert_eq!((again.id, duplicate), (stored.id, true));
}

async fn within_one_batch_too_a_request_is_carried_out_once(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    let answers: Vec<_> = (0..60)
        .map(|nth| {
            let asked = if nth % 10 == 9 { 2 } else { 1 };
            let new = keyed(room, 1, &format!("key {}", nth / 20), asked);
            desk.hand_in(organization, Change::Message(Box::new(new))).unwrap()
        })
        .collect();
    let (mut ids, mut duplicates, mut refused) = (Vec::<MessageId>::new(), 0, 0);
    for answer in answers {
        match answer.await {
            Ok(Outcome::Message { message, duplicate: false }) => ids.push(message.id),
            Ok(Outcome::Message { message, .. }) => {
                assert_eq!(ids.last(), Some(&message.id));
                duplicates += 1;
            }
            answer => {
                assert_eq!(refusal(answer).code, RejectCode::IdempotencyKeyReused);
                refused += 1;
            }
        }
    }
    assert_eq!((ids.len(), duplicates, refused), (3, 51, 6));
    assert_eq!((count(&desk.url, "messages"), count(&desk.url, "idempotency_keys")), (3, 3));
}

async fn a_key_of_somebody_else_is_another_key(desk: Desk) {
    let organizations = [organization(), organization()];
    let mut stored = Vec::new();
    for organization in organizations {
        let room = desk.room(organization, RoomKind::Public).await;
        for sender in [1, 2] {
            let (message, duplicate) = desk.send(organization, keyed(room, sender, "key", 1)).await.unwrap();
            assert!(!duplicate && !stored.contains(&message.id));
            stored.push(message.id);
        }
    }
}

async fn a_request_that_was_refused_takes_no_key(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    let mut wrong = keyed(room, 1, "key", 1);
    wrong.draft.reply_to = Some(clock::message_id());
    let nowhere = keyed(RoomId(clock::message_id().0), 1, "key", 2);
    let answers: Vec<_> = [wrong, nowhere, keyed(room, 1, "key", 3)]
        .map(|new| desk.hand_in(organization, Change::Message(Box::new(new))).unwrap())
        .into();
    let mut codes = Vec::new();
    for answer in answers {
        codes.push(answer.await.map_err(|it| refusal::<()>(Err(it)).code).err());
    }
    assert_eq!(codes, [Some(RejectCode::InvalidPayload), Some(RejectCode::NotFound), None]);
}

async fn a_key_is_honoured_for_a_day_and_then_removed(desk: Desk) {
    const HOUR: i64 = 3_600_000_000;
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    let (first, _) = desk.send(organization, keyed(room, 1, "key", 1)).await.unwrap();
    let age = |hours| {
        let at = clock::now().as_micros() - hours * HOUR;
        execute(&desk.url, &format!("UPDATE idempotency_keys SET created_at = {at}"));
    };
    age(23);
    let (again, duplicate) = desk.send(organization, keyed(room, 1, "key", 1)).await.unwrap();
    assert_eq!((again.id, duplicate), (first.id, true));
    age(24);
    let (second, duplicate) = desk.send(organization, keyed(room, 1, "key", 2)).await.unwrap();
    assert!(!duplicate && second.id != first.id);
    let (again, duplicate) = desk.send(organization, keyed(room, 1, "key", 2)).await.unwrap();
    assert_eq!((again.id, duplicate), (second.id, true), "the new request has the key now");

    age(24);
    desk.send(organization, keyed(room, 1, "young", 1)).await.unwrap();
    let other = Desk::open(&Options::new(desk.url.clone()));
    // A hub looks for old keys when it starts.
    let begun = std::time::Instant::now();
    while count(&desk.url, "idempotency_keys") > 1 {
        assert!(begun.elapsed().as_secs() < 30, "the old key should be gone by now");
        actix::clock::sleep(std::time::Duration::from_millis(20)).await;
    }
    let (_, duplicate) = other.send(organization, keyed(room, 1, "young", 1)).await.unwrap();
    assert!(duplicate);
    other.amend(organization, 1, AmendmentKind::Purge { room }).await.unwrap();
    assert_eq!(count(&desk.url, "idempotency_keys"), 0, "a key goes with its message");
}

/// Makes a room under a key: its id, name, and whether it was made now.
async fn make(
    desk: &Desk,
    organization: OrgId,
    by: u128,
    (key, asked): (&str, u8),
) -> Result<(RoomId, Option<Box<str>>, bool), WriteError> {
    let request = Idempotency { key: key.into(), fingerprint: [asked; 32] };
    let kind = AmendmentKind::CreateOnce(draft(RoomKind::Private, &[2]), Box::new(request));
    let (amended, pos) = desk.amend(organization, by, kind).await?;
    let Amended::Created { room, members, created } = amended else { panic!("a room, not {amended:?}") };
    assert_eq!(created, pos.is_some());
    assert!(members.iter().all(|it| it.room == room.id && !it.membership.banned));
    Ok((room.id, room.name.clone(), created))
}

async fn a_room_is_made_once_for_a_request(desk: Desk) {
    let (ours, theirs) = (organization(), organization());
    desk.people(ours, 3).await;
    desk.people(theirs, 3).await;
    let (first, name, created) = make(&desk, ours, 1, ("key", 1)).await.unwrap();
    assert!(created);
    assert_eq!(make(&desk, ours, 1, ("key", 1)).await.unwrap(), (first, name.clone(), false));
    assert_eq!(refusal(make(&desk, ours, 1, ("key", 2)).await).code, RejectCode::IdempotencyKeyReused);
    let change = RoomChange { name: Some("Other".into()), ..RoomChange::default() };
    desk.amend(ours, 1, AmendmentKind::Update { room: first, change }).await.unwrap();
    let again = make(&desk, ours, 1, ("key", 1)).await.unwrap();
    assert_eq!(again, (first, Some("Other".into()), false), "as it is now");
    for (organization, by) in [(ours, 3), (theirs, 1)] {
        let (other, _, created) = make(&desk, organization, by, ("key", 2)).await.unwrap();
        assert!(created && other != first, "a key is one caller's own");
    }

    // Messages have their keys in the same place.
    let mut sent = keyed(first, 1, "key", 3);
    assert_eq!(refusal(desk.send(ours, sent).await).code, RejectCode::IdempotencyKeyReused);
    sent = keyed(first, 1, "of a message", 3);
    desk.send(ours, sent).await.unwrap();
    assert_eq!(refusal(make(&desk, ours, 1, ("of a message", 1)).await).code, RejectCode::IdempotencyKeyReused);

    // A request that is refused takes no key.
    let unknown = draft(RoomKind::Private, &[98]);
    let request = || Box::new(Idempotency { key: "refused".into(), fingerprint: [1; 32] });
    let refused = desk.amend(ours, 1, AmendmentKind::CreateOnce(unknown, request())).await;
    assert_eq!(refusal(refused).code, RejectCode::NotFound);
    assert!(make(&desk, ours, 1, ("refused", 2)).await.unwrap().2);

    // Whoever is kept out of it does not learn how it stands.
    let role = MemberChange { role: Some(MemberRole::Owner), ..MemberChange::default() };
    let banned = MemberChange { banned: Some(true), ..MemberChange::default() };
    for (by, of, change) in [(1, 2, role), (2, 1, banned)] {
        let change = Some(change);
        let kind = AmendmentKind::Member { room: first, user: user(of), change, authority: Authority::Full };
        desk.amend(ours, by, kind).await.unwrap();
    }
    assert_eq!(refusal(make(&desk, ours, 1, ("key", 1)).await).code, RejectCode::Forbidden);
}

async fn the_key_of_a_room_is_honoured_for_a_day_and_goes_with_it(desk: Desk) {
    let organization = organization();
    desk.people(organization, 3).await;
    let age = |hours: i64| {
        let at = clock::now().as_micros() - hours * 3_600_000_000;
        execute(&desk.url, &format!("UPDATE idempotency_keys SET created_at = {at}"));
    };
    let (first, _, _) = make(&desk, organization, 1, ("key", 1)).await.unwrap();
    age(23);
    assert_eq!(make(&desk, organization, 1, ("key", 1)).await.unwrap().0, first);
    age(24);
    let (second, _, created) = make(&desk, organization, 1, ("key", 2)).await.unwrap();
    assert!(created && second != first);
    assert_eq!(make(&desk, organization, 1, ("key", 2)).await.unwrap().0, second, "the new request has the key now");
    desk.amend(organization, 1, AmendmentKind::Purge { room: second }).await.unwrap();
    assert_eq!(count(&desk.url, "idempotency_keys"), 0);
    assert!(make(&desk, organization, 1, ("key", 2)).await.unwrap().2);
}

async fn an_answer_names_a_message_of_its_room(desk: Desk) {
    let (ours, theirs) = (organization(), organization());
    let (room, other) = (desk.room(ours, RoomKind::Public).await, desk.room(ours, RoomKind::Public).await);
    let foreign = desk.room(theirs, RoomKind::Public).await;
    let (first, _) = desk.send(ours, text(room, 1, "hello", "a")).await.unwrap();
    let (elsewhere, _) = desk.send(ours, text(other, 1, "hello", "a")).await.unwrap();
    let (secret, _) = desk.send(theirs, text(foreign, 1, "hello", "a")).await.unwrap();
    let answer = |to, name: &str| {
        let mut new = text(room, 2, "answer", name);
        new.draft.reply_to = Some(to);
        new
    };
    for to in [elsewhere.id, secret.id, clock::message_id()] {
        let reject = refusal(desk.send(ours, answer(to, "b")).await);
        assert_eq!((reject.code, reject.field), (RejectCode::InvalidPayload, Some("reply_to_id")));
    }
    let (stored, duplicate) = desk.send(ours, answer(first.id, "b")).await.unwrap();
    assert_eq!((stored.seq, stored.reply_to, duplicate), (2, Some(first.id), false));
    assert_eq!(stored.user, Some(user(2)));
    let (again, duplicate) = desk.send(ours, answer(first.id, "b")).await.unwrap();
    assert_eq!((again.id, duplicate), (stored.id, true));
}

/// In one batch: an answer to nothing, then twice the same without.
async fn what_was_refused_is_not_repeated(desk: Desk) {
    let organization = organization();
    let room = desk.room(organization, RoomKind::Public).await;
    let mut wrong = text(room, 1, "hello", "a");
    wrong.draft.reply_to = Some(clock::message_id());
    let answers: Vec<_> = [wrong, text(room, 1, "hello", "a"), text(room, 1, "hello", "a")]
        .map(|new| desk.hand_in(organization, Change::Message(Box::new(new))).unwrap())
        .into();
    let mut told = Vec::new();
    for answer in answers {
        told.push(match answer.await {
            Ok(Outcome::Message { duplicate, .. }) => Some(duplicate),
            answer => {
                assert_eq!(refusal(answer).code, RejectCode::InvalidPayload);
                None
            }
        });
    }
    assert_eq!(told, [None, Some(false), Some(true)]);
    assert_eq!(desk.messages(room).await.len(), 1);
}
