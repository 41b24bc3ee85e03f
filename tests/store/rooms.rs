//! Rooms that are made, changed and removed on purpose.

use std::time::{Duration, Instant};

use tertulia::clock;
use tertulia::domain::{
    MarkKind, MemberRole, Membership, OrgId, RejectCode, Room, RoomChange, RoomDraft, RoomId, RoomKind, UserId,
};
use tertulia::hub::ports::{After, Amended, AmendmentKind, Change, NewRoom, Outcome, Store, WriteError};
use tertulia::store::Options;

use crate::desk::{Desk, edit, mark, organization, react, refusal, text, user};
use crate::on_both;
use crate::tables::count;

on_both! {
    a_room_is_made_with_its_members,
    a_direct_room_has_exactly_two_owners,
    an_id_that_is_taken_says_no_more_than_that,
    a_room_is_changed_only_where_something_differs,
    a_room_changes_between_public_and_private_only,
    a_room_is_removed_with_everything_in_it,
    a_large_room_is_gone_at_once_and_cleared_away_later,
    another_organizations_room_cannot_be_changed,
}

pub(crate) fn draft(kind: RoomKind, members: &[u128]) -> RoomDraft {
    let members = members.iter().copied().map(user).collect();
    RoomDraft { id: RoomId(clock::message_id().0), kind, name: Some("Café".into()), members }
}

async fn create(
    desk: &Desk,
    organization: OrgId,
    by: u128,
    draft: RoomDraft,
) -> Result<(Room, Vec<(UserId, MemberRole)>, bool, Option<u64>), WriteError> {
    let (amended, pos) = desk.amend(organization, by, AmendmentKind::Create(draft)).await?;
    let Amended::Created { room, members, created } = amended else { panic!("a room, not {amended:?}") };
    assert!(members.iter().all(|it| it.room == room.id && !it.membership.banned && !it.membership.muted));
    let members = members.iter().map(|it| (it.user, it.membership.role)).collect();
    Ok(((*room).clone(), members, created, pos))
}

async fn update(
    desk: &Desk,
    organization: OrgId,
    room: RoomId,
    change: RoomChange,
) -> Result<(Room, Option<u64>), WriteError> {
    let (amended, pos) = desk.amend(organization, 1, AmendmentKind::Update { room, change }).await?;
    let Amended::Updated { room } = amended else { panic!("a room, not {amended:?}") };
    Ok(((*room).clone(), pos))
}

async fn a_room_is_made_with_its_members(desk: Desk) {
    use MemberRole::{Member, Owner};
    let organization = organization();
    desk.people(organization, 3).await;
    let wanted = draft(RoomKind::Private, &[3, 2, 3, 1]);
    let (room, members, created, pos) = create(&desk, organization, 1, wanted.clone()).await.unwrap();
    assert_eq!((room.id, room.organization, room.kind), (wanted.id, organization, RoomKind::Private));
    assert_eq!((room.name.as_deref(), room.version, room.archived_at), (Some("Café"), 1, None));
    assert_eq!(members, [(user(1), Owner), (user(3), Member), (user(2), Member)]);
    assert_eq!((created, pos), (true, Some(1)));
    let access = desk.store.access(organization, room.id, user(3)).await.unwrap().unwrap();
    assert_eq!((access.member, access.acl_version), (Some(Membership::new(Member)), 1));
    let (sent, _) = desk.send(organization, text(room.id, 2, "hello", "a")).await.unwrap();
    assert_eq!((sent.seq, sent.pos), (1, 2));

    // Whoever is in it may ask for it again; first in the answer is who asks.
    let again = RoomDraft { members: vec![user(9)], name: None, ..wanted };
    let (found, members, created, pos) = create(&desk, organization, 2, again).await.unwrap();
    assert_eq!((found, created, pos), (room, false, None));
    assert_eq!(members, [(user(2), Member), (user(1), Owner), (user(3), Member)]);

    let reject = refusal(create(&desk, organization, 1, draft(RoomKind::Private, &[2, 9])).await);
    assert_eq!(reject.code, RejectCode::NotFound);
    assert_eq!(reject.message, format!("There is no such user: {}", user(9)));
    assert_eq!(count(&desk.url, "rooms"), 1);
}

async fn a_direct_room_has_exactly_two_owners(desk: Desk) {
    let organization = organization();
    desk.people(organization, 3).await;
    for members in [&[][..], &[1], &[2, 3]] {
        let reject = refusal(create(&desk, organization, 1, draft(RoomKind::Direct, members)).await);
        assert_eq!((reject.code, reject.field), (RejectCode::InvalidPayload, Some("members")));
    }
    let wanted = draft(RoomKind::Direct, &[1, 2]);
    let (room, members, ..) = create(&desk, organization, 1, wanted.clone()).await.unwrap();
    assert_eq!(members, [(user(1), MemberRole::Owner), (user(2), MemberRole::Owner)]);
    assert_eq!(room.name, None);
    let (found, _, created, _) = create(&desk, organization, 2, wanted).await.unwrap();
    assert_eq!((found, created), (room.clone(), false));
    let change = RoomChange { name: Some("a name".into()), ..RoomChange::default() };
    assert_eq!(refusal(update(&desk, organization, room.id, change).await).code, RejectCode::Conflict);
}

async fn an_id_that_is_taken_says_no_more_than_that(desk: Desk) {
    let (ours, theirs) = (organization(), organization());
    desk.people(ours, 3).await;
    desk.people(theirs, 3).await;
    let wanted = draft(RoomKind::Public, &[2]);
    create(&desk, ours, 1, wanted.clone()).await.unwrap();
    let of_another_kind = RoomDraft { kind: RoomKind::Private, ..wanted.clone() };
    for (organization, by, draft) in [(theirs, 1, wanted.clone()), (ours, 3, wanted), (ours, 1, of_another_kind)] {
        let reject = refusal(create(&desk, organization, by, draft).await);
        assert_eq!((reject.code, &*reject.message), (RejectCode::Conflict, "This id is taken"));
    }
    // Also where the hot path was first, in the same batch.
    let id = RoomId(clock::message_id().0);
    let made = desk.hand_in(ours, Change::Room(NewRoom { id, kind: RoomKind::Public, owner: user(3) })).unwrap();
    let reject = refusal(create(&desk, theirs, 1, RoomDraft { id, ..draft(RoomKind::Public, &[]) }).await);
    assert_eq!(reject.code, RejectCode::Conflict);
    assert!(matches!(made.await, Ok(Outcome::Room { created: true })));
}

async fn a_room_is_changed_only_where_something_differs(desk: Desk) {
    let organization = organization();
    desk.people(organization, 1).await;
    let (room, ..) = create(&desk, organization, 1, draft(RoomKind::Public, &[])).await.unwrap();
    let none = RoomChange::default();
    let named = RoomChange { name: Some("Bar\0".into()), ..none.clone() };
    let closed = RoomChange { archived: Some(true), ..none.clone() };
    let open = RoomChange { archived: Some(false), ..none.clone() };
    let mut version = 1;
    for (change, pos) in [
        (none.clone(), None),
        (named.clone(), Some(2)),
        (named, None),
        (open.clone(), None),
        (closed.clone(), Some(3)),
        (closed, None),
        (open, Some(4)),
    ] {
        let (changed, told) = update(&desk, organization, room.id, change.clone()).await.unwrap();
        version += u64::from(pos.is_some());
        assert_eq!((told, changed.version), (pos, version), "{change:?}");
        let access = desk.store.access(organization, room.id, user(1)).await.unwrap().unwrap();
        assert_eq!((access.archived, access.acl_version), (changed.archived_at.is_some(), version));
        assert!(changed.updated_at >= room.updated_at && changed.created_at == room.created_at);
    }
    let conditional =
        |if_version| RoomChange { name: Some("Pub".into()), if_version: Some(if_version), ..none.clone() };
    let stale = update(&desk, organization, room.id, conditional(version - 1)).await;
    assert_eq!(refusal(stale).code, RejectCode::PreconditionFailed);
    let (changed, _) = update(&desk, organization, room.id, conditional(version)).await.unwrap();
    assert_eq!((changed.name.as_deref(), changed.version), (Some("Pub"), version + 1));
    let stale = update(&desk, organization, room.id, conditional(version)).await;
    assert_eq!(refusal(stale).code, RejectCode::PreconditionFailed, "also where it is so already");
}

async fn a_room_changes_between_public_and_private_only(desk: Desk) {
    use RoomKind::{Conversation, Direct, Private, Public};
    let organization = organization();
    desk.people(organization, 2).await;
    for before in RoomKind::ALL {
        for after in RoomKind::ALL {
            let (room, ..) = create(&desk, organization, 1, draft(before, &[2])).await.unwrap();
            let change = RoomChange { kind: Some(after), ..RoomChange::default() };
            let changed = update(&desk, organization, room.id, change).await;
            match (before, after) {
                (Public, Private) | (Private, Public) => {
                    assert_eq!(changed.unwrap().0.kind, after);
                    let access = desk.store.access(organization, room.id, user(1)).await.unwrap().unwrap();
                    assert_eq!(access.kind, after);
                }
                (Public, Public) | (Private, Private) | (Direct, Direct) | (Conversation, Conversation) => {
                    assert_eq!(changed.unwrap(), (room, None));
                }
                _ => assert_eq!(refusal(changed).code, RejectCode::Conflict),
            }
        }
    }
}

async fn a_room_is_removed_with_everything_in_it(desk: Desk) {
    const TABLES: [&str; 7] =
        ["rooms", "messages", "message_edits", "reactions", "marks", "members", "idempotency_keys"];
    let organization = organization();
    desk.people(organization, 2).await;
    let counts = || TABLES.map(|table| count(&desk.url, table));
    let mut rooms = Vec::new();
    for _ in 0..2 {
        let (room, ..) = create(&desk, organization, 1, draft(RoomKind::Public, &[2])).await.unwrap();
        let (sent, _) = desk.send(organization, text(room.id, 1, "hello", "a")).await.unwrap();
        desk.send(organization, text(room.id, 1, "hello", "b")).await.unwrap();
        desk.amend(organization, 1, edit(&sent, "changed")).await.unwrap();
        desk.amend(organization, 2, react(&sent, "👍", true)).await.unwrap();
        desk.mark(organization, mark(room.id, 2, MarkKind::Read, 1)).await.unwrap();
        rooms.push(room.id);
    }
    assert_eq!(counts(), [2, 4, 2, 2, 2, 4, 0]);
    let purge = AmendmentKind::Purge { room: rooms[0] };
    let (amended, pos) = desk.amend(organization, 2, purge.clone()).await.unwrap();
    let Amended::Purged { room, members } = amended else { panic!("a room that is gone, not {amended:?}") };
    assert_eq!((room, members, pos), (rooms[0], vec![user(2), user(1)], Some(13)));
    assert_eq!(counts(), [1, 2, 1, 1, 1, 2, 0]);
    assert_eq!(desk.messages(rooms[1]).await.len(), 2);

    // The writer had known it: nothing of that is left.
    let sent = desk.send(organization, text(rooms[0], 1, "hello", "c")).await;
    assert_eq!(refusal(sent).code, RejectCode::NotFound);
    assert_eq!(desk.store.access(organization, rooms[0], user(1)).await, Ok(None));
    assert_eq!(refusal(desk.amend(organization, 1, purge).await).code, RejectCode::NotFound);
    let anew = RoomDraft { id: rooms[0], ..draft(RoomKind::Public, &[]) };
    let (_, _, created, _) = create(&desk, organization, 1, anew).await.unwrap();
    assert!(created);
    let (sent, duplicate) = desk.send(organization, text(rooms[0], 1, "hello", "a")).await.unwrap();
    assert_eq!((sent.seq, sent.pos, duplicate), (1, 15, false));
    let (next, _) = desk.send(organization, text(rooms[1], 1, "hello", "c")).await.unwrap();
    assert_eq!((next.seq, next.pos), (3, 16));
}

async fn a_large_room_is_gone_at_once_and_cleared_away_later(desk: Desk) {
    let organization = organization();
    desk.people(organization, 1).await;
    let wanted = draft(RoomKind::Public, &[]);
    let room = create(&desk, organization, 1, wanted.clone()).await.unwrap().0.id;
    let kept = desk.room(organization, RoomKind::Public).await;
    let answers: Vec<_> = (0..2_500)
        .map(|nth| {
            let room = if nth % 50 == 0 { kept } else { room };
            let new = text(room, 1, "hello", &nth.to_string());
            desk.hand_in(organization, Change::Message(Box::new(new))).unwrap()
        })
        .collect();
    for answer in answers {
        answer.await.unwrap();
    }
    let gone = desk.messages(room).await.swap_remove(0);
    desk.amend(organization, 1, react(&gone, "👍", true)).await.unwrap();
    let (_, pos) = desk.amend(organization, 1, AmendmentKind::Purge { room }).await.unwrap();
    assert_eq!(count(&desk.url, "messages"), 1_500, "so many as take a moment went with it");

    assert_eq!(desk.store.access(organization, room, user(1)).await, Ok(None));
    assert!(desk.past(room, After::Seq(0), 1_000).await.is_empty());
    assert!(desk.past(room, After::Pos(0), 1_000).await.is_empty());
    assert_eq!(refusal(desk.amend(organization, 1, edit(&gone, "still here?")).await).code, RejectCode::NotFound);
    assert_eq!(refusal(create(&desk, organization, 1, wanted.clone()).await).code, RejectCode::Conflict);
    let made = desk.write(organization, Change::Room(NewRoom { id: room, kind: RoomKind::Public, owner: user(1) }));
    assert!(matches!(made.await, Ok(Outcome::Room { created: false })));

    // A hub looks for what there is to clear away when it starts.
    let other = Desk::open(&Options::new(desk.url.clone()));
    let begun = Instant::now();
    while count(&desk.url, "purged_rooms") > 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it should be cleared away by now");
        actix::clock::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((count(&desk.url, "messages"), count(&desk.url, "reactions")), (50, 0));
    let (_, _, created, told) = create(&other, organization, 1, wanted).await.unwrap();
    assert_eq!((created, told), (true, pos.map(|it| it + 1)), "clearing away has no number");
    let (sent, _) = desk.send(organization, text(room, 1, "hello", "1")).await.unwrap();
    assert_eq!((sent.seq, desk.messages(kept).await.len()), (1, 50));
}

async fn another_organizations_room_cannot_be_changed(desk: Desk) {
    let (ours, theirs) = (organization(), organization());
    desk.people(ours, 2).await;
    desk.people(theirs, 2).await;
    let (room, ..) = create(&desk, ours, 1, draft(RoomKind::Public, &[2])).await.unwrap();
    let change = RoomChange { name: Some("theirs".into()), ..RoomChange::default() };
    for room in [room.id, RoomId(clock::message_id().0)] {
        for kind in [AmendmentKind::Update { room, change: change.clone() }, AmendmentKind::Purge { room }] {
            assert_eq!(refusal(desk.amend(theirs, 1, kind).await).code, RejectCode::NotFound);
        }
    }
    let (found, members, ..) =
        create(&desk, ours, 1, RoomDraft { id: room.id, ..draft(RoomKind::Public, &[]) }).await.unwrap();
    assert_eq!((found, members.len()), (room, 2));
}
