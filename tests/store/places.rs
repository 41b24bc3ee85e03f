//! Places in rooms: who may give, change and take them.

use tertulia::clock;
use tertulia::domain::{
    MemberChange, MemberRole, Membership, OrgId, RejectCode, RoomChange, RoomDraft, RoomId, RoomKind,
};
use tertulia::hub::ports::{Amended, AmendmentKind, Authority, Store, WriteError};

use crate::desk::{Desk, organization, refusal, text, user};
use crate::on_both;
use crate::rooms::draft;

on_both! {
    each_change_of_a_place_raises_the_rooms_version,
    what_each_authority_allows,
    people_come_and_go_by_themselves,
    leaving_lifts_no_mute,
    a_ban_keeps_out_until_it_is_lifted,
    the_last_owner_looks_after_those_who_are_there,
    the_members_of_a_direct_room_never_change,
    places_are_of_ones_own_organization,
}

const NONE: MemberChange = MemberChange { role: None, muted: None, banned: None };
const PLAIN: Membership = Membership::new(MemberRole::Member);
const BANNED: Membership = Membership { banned: true, ..PLAIN };

fn role(role: MemberRole) -> MemberChange {
    MemberChange { role: Some(role), ..NONE }
}

fn muted(muted: bool) -> MemberChange {
    MemberChange { muted: Some(muted), ..NONE }
}

fn banned(banned: bool) -> MemberChange {
    MemberChange { banned: Some(banned), ..NONE }
}

/// A room with an owner (1), a moderator (2) and two members (3, 4), as known to whoever changes it.
struct Place<'a> {
    desk: &'a Desk,
    organization: OrgId,
    room: RoomId,
}

impl<'a> Place<'a> {
    async fn new(desk: &'a Desk, kind: RoomKind) -> Self {
        let organization = organization();
        desk.people(organization, 8).await;
        let draft = draft(kind, &[2, 3, 4]);
        let room = draft.id;
        desk.amend(organization, 1, AmendmentKind::Create(draft)).await.unwrap();
        let place = Self { desk, organization, room };
        place.set(Authority::Full, 1, 2, role(MemberRole::Moderator)).await.unwrap();
        place
    }

    /// What `user` is afterwards, and the number of the change.
    async fn ask(
        &self,
        authority: Authority,
        by: u128,
        of: u128,
        change: Option<MemberChange>,
    ) -> Result<(Option<Membership>, Option<u64>), WriteError> {
        let before = self.version().await;
        let kind = AmendmentKind::Member { room: self.room, user: user(of), change, authority };
        let (amended, pos) = self.desk.amend(self.organization, by, kind).await?;
        let Amended::Member { room, user: told, member } = amended else { panic!("a place, not {amended:?}") };
        assert_eq!((room.id, told), (self.room, user(of)));
        assert_eq!(room.version, before + u64::from(pos.is_some()));
        assert_eq!(room.version, self.version().await);
        assert!(member.as_ref().is_none_or(|it| (it.room, it.user) == (self.room, user(of))));
        let member = member.map(|it| it.membership);
        assert_eq!(member, self.of(of).await);
        Ok((member, pos))
    }

    async fn set(
        &self,
        authority: Authority,
        by: u128,
        of: u128,
        change: MemberChange,
    ) -> Result<(Option<Membership>, Option<u64>), WriteError> {
        self.ask(authority, by, of, Some(change)).await
    }

    async fn remove(
        &self,
        authority: Authority,
        by: u128,
        of: u128,
    ) -> Result<(Option<Membership>, Option<u64>), WriteError> {
        self.ask(authority, by, of, None).await
    }

    async fn of(&self, n: u128) -> Option<Membership> {
        self.desk.store.access(self.organization, self.room, user(n)).await.unwrap().unwrap().member
    }

    async fn version(&self) -> u64 {
        self.desk.store.access(self.organization, self.room, user(1)).await.unwrap().unwrap().acl_version
    }
}

async fn each_change_of_a_place_raises_the_rooms_version(desk: Desk) {
    let place = Place::new(&desk, RoomKind::Private).await;
    // A room, and a moderator in it, came first.
    let mut last = 2;
    for (of, change, after) in [
        (3, Some(NONE), Some(PLAIN)),
        (3, Some(muted(true)), Some(Membership { muted: true, ..PLAIN })),
        (3, Some(role(MemberRole::Owner)), Some(Membership { muted: true, ..Membership::new(MemberRole::Owner) })),
        (3, Some(muted(false)), Some(Membership::new(MemberRole::Owner))),
        (3, None, None),
        (3, None, None),
        (3, Some(NONE), Some(PLAIN)),
        (5, Some(role(MemberRole::Moderator)), Some(Membership::new(MemberRole::Moderator))),
        (6, Some(banned(true)), Some(BANNED)),
        (6, None, Some(BANNED)),
        (6, Some(banned(true)), Some(BANNED)),
        (6, Some(banned(false)), Some(PLAIN)),
    ] {
        let before = place.of(of).await;
        let (member, pos) = place.ask(Authority::Full, 1, of, change).await.unwrap();
        assert_eq!(member, after, "{of} {change:?}");
        assert_eq!(pos, (before != after).then_some(last + 1), "{of} {change:?}");
        last = pos.unwrap_or(last);
    }
    // What the writer remembers of rooms is still true.
    let (sent, _) = desk.send(place.organization, text(place.room, 1, "hello", "a")).await.unwrap();
    assert_eq!((sent.seq, sent.pos), (1, last + 1));
}

async fn what_each_authority_allows(desk: Desk) {
    use Authority::{Full, Invite, Moderate, Own};
    // By user 8, about: 1 the owner, 2 the moderator, 3 a member, 5 somebody without a place, 6 somebody banned.
    let asked: [(u128, Option<MemberChange>, &[Authority]); 17] = [
        (5, Some(NONE), &[Invite, Moderate, Full]),
        (5, Some(role(MemberRole::Moderator)), &[Full]),
        (5, Some(muted(true)), &[Moderate, Full]),
        (5, Some(banned(true)), &[Moderate, Full]),
        (3, Some(role(MemberRole::Moderator)), &[Full]),
        (3, Some(muted(true)), &[Moderate, Full]),
        (3, Some(banned(true)), &[Moderate, Full]),
        (3, None, &[Moderate, Full]),
        (2, Some(role(MemberRole::Member)), &[Full]),
        (2, Some(muted(true)), &[Full]),
        (2, Some(banned(true)), &[Full]),
        (2, None, &[Full]),
        (1, Some(muted(true)), &[Full]),
        (6, Some(banned(false)), &[Moderate, Full]),
        (6, Some(MemberChange { role: Some(MemberRole::Owner), ..banned(false) }), &[Full]),
        (6, Some(muted(true)), &[]),
        (6, Some(NONE), &[]),
    ];
    for (of, change, enough) in asked {
        let place = Place::new(&desk, RoomKind::Public).await;
        place.set(Full, 1, 6, banned(true)).await.unwrap();
        for authority in [Own, Invite, Moderate, Full] {
            let before = place.of(of).await;
            let answer = place.ask(authority, 8, of, change).await;
            if enough.contains(&authority) {
                let (_, pos) = answer.unwrap();
                // The first that is allowed to has done it.
                assert_eq!(pos.is_some(), enough.first() == Some(&authority), "{of} {change:?} {authority:?}");
            } else {
                let code = refusal(answer).code;
                let conflict = of == 6 && authority >= Moderate && change.is_some_and(|it| it.banned.is_none());
                let expected = if conflict { RejectCode::Conflict } else { RejectCode::Forbidden };
                assert_eq!(code, expected, "{of} {change:?} {authority:?}");
                assert_eq!(place.of(of).await, before);
            }
        }
    }
}

async fn people_come_and_go_by_themselves(desk: Desk) {
    let place = Place::new(&desk, RoomKind::Public).await;
    // Not written down yet, but seen at the door.
    for newcomer in [5, 99] {
        assert_eq!(place.set(Authority::Own, newcomer, newcomer, NONE).await.unwrap().0, Some(PLAIN));
        assert_eq!(place.set(Authority::Own, newcomer, newcomer, NONE).await.unwrap(), (Some(PLAIN), None));
        assert_eq!(place.remove(Authority::Own, newcomer, newcomer).await.unwrap().0, None);
        assert_eq!(place.remove(Authority::Own, newcomer, newcomer).await.unwrap(), (None, None));
    }
    for change in [role(MemberRole::Owner), muted(true), banned(true)] {
        let answer = place.set(Authority::Own, 5, 5, change).await;
        assert_eq!(refusal(answer).code, RejectCode::Forbidden, "{change:?}");
    }
    place.set(Authority::Full, 1, 3, muted(true)).await.unwrap();
    for (by, change) in [(3, muted(false)), (4, role(MemberRole::Owner)), (2, role(MemberRole::Owner))] {
        let answer = place.set(Authority::Own, by, by, change).await;
        assert_eq!(refusal(answer).code, RejectCode::Forbidden, "{by} {change:?}");
    }
    let moderator = place.set(Authority::Moderate, 2, 2, role(MemberRole::Owner)).await;
    assert_eq!(refusal(moderator).code, RejectCode::Forbidden);
    for leaving in [2, 4] {
        assert_eq!(place.remove(Authority::Own, leaving, leaving).await.unwrap().0, None, "whatever one's role");
    }
    for (by, of) in [(5, 3), (3, 1)] {
        assert_eq!(refusal(place.remove(Authority::Own, by, of).await).code, RejectCode::Forbidden);
    }
    let unknown = place.set(Authority::Full, 1, 98, NONE).await;
    assert_eq!(refusal(unknown).message, format!("There is no such user: {}", user(98)));

    for kind in [RoomKind::Private, RoomKind::Conversation] {
        let place = Place::new(&desk, kind).await;
        assert_eq!(refusal(place.set(Authority::Own, 5, 5, NONE).await).code, RejectCode::Forbidden);
        place.remove(Authority::Own, 3, 3).await.unwrap();
    }
}

async fn leaving_lifts_no_mute(desk: Desk) {
    use Authority::{Full, Invite, Moderate, Own};
    for kind in [RoomKind::Public, RoomKind::Conversation] {
        let place = Place::new(&desk, kind).await;
        for of in [2, 3] {
            place.set(Full, 1, of, muted(true)).await.unwrap();
        }
        // 3 is a member, and 2 a moderator, who may not unmute themselves either.
        for (of, authority) in [(3, Own), (3, Invite), (2, Moderate)] {
            let refused = refusal(place.remove(authority, of, of).await);
            let expected = "You are muted here, so the place stays until a moderator unmutes you";
            assert_eq!((refused.code, &*refused.message), (RejectCode::Conflict, expected));
            assert!(place.of(of).await.is_some_and(|it| it.muted), "{kind:?} {of}");
        }
        assert_eq!(place.remove(Full, 1, 2).await.unwrap().0, None, "others may put them out");
        place.set(Full, 1, 3, muted(false)).await.unwrap();
        assert_eq!(place.remove(Own, 3, 3).await.unwrap().0, None);
        // Whoever is banned and was muted has no place to give up.
        place.set(Full, 1, 4, MemberChange { muted: Some(true), ..banned(true) }).await.unwrap();
        assert_eq!(place.remove(Own, 4, 4).await.unwrap().1, None);
    }
    let place = Place::new(&desk, RoomKind::Private).await;
    place.set(Full, 1, 3, muted(true)).await.unwrap();
    assert_eq!(place.remove(Own, 3, 3).await.unwrap().0, None, "nobody comes back here by themselves");
}

async fn a_ban_keeps_out_until_it_is_lifted(desk: Desk) {
    let place = Place::new(&desk, RoomKind::Public).await;
    place.set(Authority::Full, 1, 3, role(MemberRole::Moderator)).await.unwrap();
    assert_eq!(place.set(Authority::Full, 1, 3, banned(true)).await.unwrap().0, Some(BANNED));
    for authority in [Authority::Own, Authority::Invite] {
        let by = if authority == Authority::Own { 3 } else { 4 };
        for change in [NONE, banned(false), role(MemberRole::Member)] {
            assert_eq!(refusal(place.set(authority, by, 3, change).await).code, RejectCode::Forbidden);
        }
    }
    assert_eq!(place.remove(Authority::Own, 3, 3).await.unwrap(), (Some(BANNED), None), "leaving lifts no ban");
    assert_eq!(refusal(place.set(Authority::Full, 1, 3, NONE).await).code, RejectCode::Conflict);
    let again = RoomDraft { id: place.room, ..draft(RoomKind::Public, &[]) };
    let found = desk.amend(place.organization, 3, AmendmentKind::Create(again)).await;
    assert_eq!(refusal(found).code, RejectCode::Conflict, "nor is the room there to be found");
    let lifted = place.set(Authority::Moderate, 2, 3, banned(false)).await.unwrap().0;
    assert_eq!(lifted, Some(PLAIN), "the role is not given back");
    place.set(Authority::Own, 3, 3, NONE).await.unwrap();
}

async fn the_last_owner_looks_after_those_who_are_there(desk: Desk) {
    let place = Place::new(&desk, RoomKind::Private).await;
    let conflicts = async |authority, by| {
        for change in [Some(role(MemberRole::Moderator)), Some(banned(true)), None] {
            assert_eq!(refusal(place.ask(authority, by, 1, change).await).code, RejectCode::Conflict, "{change:?}");
        }
    };
    conflicts(Authority::Full, 1).await;
    conflicts(Authority::Full, 9).await;
    assert_eq!(refusal(place.remove(Authority::Own, 1, 1).await).code, RejectCode::Conflict);
    // One who is banned is no owner, and nobody to look after.
    place.set(Authority::Full, 1, 3, role(MemberRole::Owner)).await.unwrap();
    place.set(Authority::Full, 1, 3, banned(true)).await.unwrap();
    conflicts(Authority::Full, 1).await;
    place.set(Authority::Full, 1, 4, role(MemberRole::Owner)).await.unwrap();
    place.set(Authority::Full, 1, 1, role(MemberRole::Member)).await.unwrap();
    place.remove(Authority::Own, 1, 1).await.unwrap();
    assert_eq!(refusal(place.remove(Authority::Own, 4, 4).await).code, RejectCode::Conflict);
    place.remove(Authority::Full, 4, 2).await.unwrap();
    place.remove(Authority::Own, 4, 4).await.unwrap();
}

async fn the_members_of_a_direct_room_never_change(desk: Desk) {
    let organization = organization();
    desk.people(organization, 3).await;
    let draft = draft(RoomKind::Direct, &[2]);
    let room = draft.id;
    desk.amend(organization, 1, AmendmentKind::Create(draft)).await.unwrap();
    for (of, change) in [(3, Some(NONE)), (2, Some(banned(true))), (2, Some(role(MemberRole::Member))), (1, None)] {
        let kind = AmendmentKind::Member { room, user: user(of), change, authority: Authority::Full };
        assert_eq!(refusal(desk.amend(organization, 1, kind).await).code, RejectCode::Conflict);
    }
}

async fn places_are_of_ones_own_organization(desk: Desk) {
    let (place, other) = (Place::new(&desk, RoomKind::Public).await, Place::new(&desk, RoomKind::Public).await);
    let stranger = Place { organization: other.organization, desk: &desk, room: place.room };
    for (of, change) in [(5, Some(NONE)), (3, Some(muted(true))), (3, None)] {
        let kind = AmendmentKind::Member { room: stranger.room, user: user(of), change, authority: Authority::Full };
        assert_eq!(refusal(desk.amend(stranger.organization, 1, kind).await).code, RejectCode::NotFound);
    }
    assert_eq!((place.of(5).await, place.of(3).await), (None, Some(PLAIN)));
    // A user of another organization is nobody here.
    let elsewhere = organization();
    desk.people(elsewhere, 20).await;
    let answer = place.set(Authority::Full, 1, 20, NONE).await;
    assert_eq!(refusal(answer).code, RejectCode::NotFound);
    let change = RoomChange { archived: Some(true), ..RoomChange::default() };
    let unknown = AmendmentKind::Update { room: RoomId(clock::message_id().0), change };
    assert_eq!(refusal(desk.amend(elsewhere, 1, unknown).await).code, RejectCode::NotFound);
}
