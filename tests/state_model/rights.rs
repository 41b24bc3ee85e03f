//! Rights that change while somebody is in a room, or about to be, and callers without a connection: step by step.

use std::sync::Arc;

use tertulia::domain::{
    Command, ConnId, Event, Identity, Member, MemberRole, Membership, OrgId, RejectCode, Resume, Role, Room, RoomId,
    RoomKind, Scope, Scopes, Timestamp, UserStatus,
};
use tertulia::hub::effect::{Audience, Effect, Op};
use tertulia::hub::handle::{Rules, Seat};
use tertulia::hub::ports::{Access, Amended, Change, Outcome, Ticket, Unavailable, WriteError, Written};
use tertulia::hub::state::{Input, State};

use super::harness::{identity, room_id};

const NOW: Timestamp = Timestamp::from_secs(1);
const ADA: ConnId = ConnId(1);
const BO: ConnId = ConnId(2);
/// An administrator without a connection.
const CALLER: ConnId = ConnId(9);

/// An agent and a member of one organization, both connected, and a room.
struct Scene {
    state: State,
    room: RoomId,
    org: OrgId,
    ada: Arc<Identity>,
    bo: Arc<Identity>,
}

impl Scene {
    fn new() -> Self {
        let (ada, bo) = (identity(0, Role::Agent), identity(1, Role::Member));
        let org = ada.organization.expect("an organization");
        let mut scene = Self { state: State::new(Rules::default()), room: room_id(0), org, ada, bo };
        for (conn, slot, identity) in [(ADA, 0, scene.ada.clone()), (BO, 1, scene.bo.clone())] {
            scene.input(Input::Connect { conn, dialect: "none", identity, seat: Seat { worker: 0, slot } });
        }
        scene
    }

    /// Both are in the room and want to know who comes and goes.
    fn inside(kind: RoomKind, member: Option<Membership>) -> Self {
        let mut scene = Self::new();
        for who in [ADA, BO] {
            scene.join(who);
            assert_eq!(told(&scene.load(who, kind, member, 1))[0], "join", "{who:?} comes in");
        }
        scene
    }

    fn input(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.state.handle(input, NOW, &mut effects);
        effects
    }

    fn join(&mut self, conn: ConnId) -> Vec<Effect> {
        let (room, create_as) = (self.room, RoomKind::Public);
        let command = Command::Join { room, resume: Resume::Live, presence: Some(true), create_as };
        self.input(Input::Command { conn, command, tag: None })
    }

    fn load(&mut self, who: ConnId, kind: RoomKind, member: Option<Membership>, version: u64) -> Vec<Effect> {
        let (acl_version, last_pos) = (version, version);
        let access = Access { kind, archived: false, contact: None, member, acl_version, last_seq: 0, last_pos };
        self.loaded(who, Ok(Some(access)))
    }

    fn loaded(&mut self, who: ConnId, access: Result<Option<Access>, Unavailable>) -> Vec<Effect> {
        let user = if who == BO { self.bo.user } else { self.ada.user };
        self.input(Input::AccessLoaded { organization: self.org, room: self.room, user, access })
    }

    /// The administrator asks for something. Its write is the last of the effects.
    fn ask(&mut self, command: Command) -> Ticket {
        let admin = Arc::new(Identity { user: identity(2, Role::Bot).user, ..(*identity(0, Role::Admin)).clone() });
        let mut effects = self.input(Input::Ask { conn: CALLER, identity: admin.clone(), command });
        if let [Effect::LoadAccess { user, .. }] = effects[..] {
            let access = Access {
                kind: RoomKind::Public,
                archived: false,
                contact: None,
                member: None,
                acl_version: 1,
                last_seq: 0,
                last_pos: 1,
            };
            let (organization, room) = (self.org, self.room);
            effects = self.input(Input::AccessLoaded { organization, room, user, access: Ok(Some(access)) });
        }
        match effects.pop() {
            Some(Effect::Write(write)) if matches!(write.change, Change::Amend(_)) => write.ticket,
            other => panic!("{other:?} is no amendment"),
        }
    }

    fn remove_bo(&mut self) -> Ticket {
        self.ask(Command::RemoveMember { room: self.room, user: self.bo.user })
    }

    fn stored(&mut self, ticket: Ticket, amended: Amended) -> Vec<Effect> {
        let outcome = Ok(Outcome::Amended { amended, pos: Some(40) });
        self.input(Input::Written(vec![Written { ticket, outcome }]))
    }

    fn room(&self, kind: RoomKind, version: u64) -> Arc<Room> {
        Arc::new(Room {
            id: self.room,
            organization: self.org,
            kind,
            name: None,
            contact: None,
            version,
            created_at: NOW,
            updated_at: NOW,
            archived_at: None,
        })
    }

    fn bos_place(&self, kind: RoomKind, membership: Option<Membership>, version: u64) -> Amended {
        let user = self.bo.user;
        let place = |membership| Member { room: self.room, user, membership, joined_at: NOW };
        Amended::Member { room: self.room(kind, version), user, member: membership.map(place) }
    }
}

const PLAIN: Option<Membership> = Some(Membership::new(MemberRole::Member));
const BANNED: Option<Membership> = Some(Membership { role: MemberRole::Member, muted: false, banned: true });

/// The effects in words: what happens to which slot, and to whom what is told.
fn told(effects: &[Effect]) -> Vec<String> {
    let words = effects.iter().map(|effect| match effect {
        Effect::Worker(_, Op::Join(_)) => "join".to_owned(),
        Effect::Worker(_, Op::Leave { slot, answer: Some(None), .. }) => format!("{slot} left"),
        Effect::Worker(_, Op::Answer { slot, event: Event::Rejected(reject), .. }) => format!("{slot} {}", reject.code),
        Effect::Worker(_, Op::Answer { slot, event, .. }) => format!("{slot} {}", event.name()),
        Effect::Deliver { delivery, .. } if delivery.audience == Audience::Watchers => {
            format!("watchers {}", delivery.broadcast.event.name())
        }
        Effect::Deliver { delivery, .. } => format!("everyone {}", delivery.broadcast.event.name()),
        Effect::Reply(_, Event::Rejected(reject)) => format!("caller {}", reject.code),
        Effect::Reply(_, event) => format!("caller {}", event.name()),
        Effect::LoadAccess { .. } => "load".to_owned(),
        other => format!("{other:?}"),
    });
    words.collect()
}

#[test]
fn whoever_is_removed_is_put_out_before_anything_else_is_told() {
    let mut scene = Scene::inside(RoomKind::Private, PLAIN);
    let removing = scene.remove_bo();
    let amended = scene.bos_place(RoomKind::Private, None, 2);
    let effects = scene.stored(removing, amended);
    assert_eq!(told(&effects), ["1 left", "1 forbidden", "watchers user_left", "caller member_removed"]);
    assert_eq!(scene.state.rooms_with_connections(), 1);
}

#[test]
fn whoever_is_banned_leaves_a_public_room_too() {
    let mut scene = Scene::inside(RoomKind::Public, None);
    let banning = scene.remove_bo();
    let amended = scene.bos_place(RoomKind::Public, BANNED, 2);
    let effects = scene.stored(banning, amended);
    assert_eq!(told(&effects), ["1 left", "1 forbidden", "watchers user_left", "caller member_set"]);
    // Without a place, but not banned, one may stay in a public room.
    let mut scene = Scene::inside(RoomKind::Public, PLAIN);
    let removing = scene.remove_bo();
    let amended = scene.bos_place(RoomKind::Public, None, 2);
    assert_eq!(told(&scene.stored(removing, amended)), ["caller member_removed"]);
}

#[test]
fn when_a_room_is_closed_nobody_without_a_place_hears_more_of_it() {
    let mut scene = Scene::inside(RoomKind::Public, None);
    let closing = scene.remove_bo();
    let amended = Amended::Updated { room: scene.room(RoomKind::Private, 2) };
    let effects = scene.stored(closing, amended);
    assert_eq!(told(&effects), ["0 left", "0 forbidden", "1 left", "1 forbidden", "caller room_updated"]);

    let mut scene = Scene::inside(RoomKind::Public, PLAIN);
    let closing = scene.remove_bo();
    let amended = Amended::Updated { room: scene.room(RoomKind::Private, 2) };
    assert_eq!(told(&scene.stored(closing, amended)), ["everyone room_updated", "caller room_updated"]);
}

#[test]
fn what_was_read_before_a_change_is_read_again() {
    let mut scene = Scene::new();
    let banning = scene.remove_bo();
    assert_eq!(told(&scene.join(BO)), ["load"]);
    let amended = scene.bos_place(RoomKind::Public, BANNED, 2);
    scene.stored(banning, amended);
    assert_eq!(told(&scene.load(BO, RoomKind::Public, None, 1)), ["load"]);
    assert_eq!(told(&scene.load(BO, RoomKind::Public, BANNED, 2)), ["1 forbidden"]);
}

#[test]
fn an_older_change_does_not_undo_what_is_known_already() {
    let mut scene = Scene::new();
    scene.join(BO);
    let removing = scene.remove_bo();
    scene.load(BO, RoomKind::Private, PLAIN, 3);
    let amended = scene.bos_place(RoomKind::Private, None, 2);
    assert_eq!(told(&scene.stored(removing, amended)), ["caller member_removed"], "version 3 has them back");
}

#[test]
fn a_purged_room_is_left_by_everyone_and_those_who_watch_hear_of_it() {
    let mut scene = Scene::inside(RoomKind::Private, PLAIN);
    assert_eq!(told(&scene.input(Input::Watch { conn: BO, tag: None })), ["1 watching"]);
    let purging = scene.ask(Command::Purge { room: scene.room });
    let amended = Amended::Purged { room: scene.room, members: vec![scene.ada.user, scene.bo.user] };
    let effects = scene.stored(purging, amended);
    let expected =
        ["0 left", "0 forbidden", "1 left", "1 forbidden", "1 room_removed", "caller room_purged"].map(str::to_owned);
    assert_eq!(told(&effects), expected);
    assert_eq!(scene.state.rooms_with_connections(), 0);
}

#[test]
fn those_who_watch_hear_of_a_place_and_others_do_not() {
    let mut scene = Scene::new();
    scene.input(Input::Watch { conn: BO, tag: None });
    let adding = scene.remove_bo();
    let amended = scene.bos_place(RoomKind::Private, PLAIN, 2);
    assert_eq!(told(&scene.stored(adding, amended)), ["1 room_added", "caller member_set"]);
    let removing = scene.remove_bo();
    let amended = scene.bos_place(RoomKind::Private, None, 3);
    assert_eq!(told(&scene.stored(removing, amended)), ["1 room_removed", "caller member_removed"]);
    let reader = Identity { scopes: Scopes::default().with(Scope::ChatWrite), ..(*scene.ada).clone() };
    scene.input(Input::Renew { conn: ADA, identity: Arc::new(reader) });
    assert_eq!(told(&scene.input(Input::Watch { conn: ADA, tag: None })), ["0 forbidden"]);
}

#[test]
fn after_a_failure_everyones_right_is_looked_up_until_the_store_answers() {
    let mut scene = Scene::inside(RoomKind::Private, PLAIN);
    let removing = scene.remove_bo();
    let failed = Written { ticket: removing, outcome: Err(WriteError::Failed) };
    assert_eq!(told(&scene.input(Input::Written(vec![failed]))), ["caller unavailable"]);
    let effects = scene.input(Input::Recovered);
    let [Effect::CompareHeads { comparison, .. }] = effects[..] else { panic!("{effects:?}") };
    scene.input(Input::Heads { heads: Vec::new(), comparison });
    assert_eq!(told(&scene.input(Input::Tick)), ["load", "load"]);
    assert!(scene.load(ADA, RoomKind::Private, PLAIN, 2).is_empty());
    assert!(scene.loaded(BO, Err(Unavailable)).is_empty());
    assert_eq!(told(&scene.input(Input::Tick)), ["load"]);
    let effects = scene.load(BO, RoomKind::Private, None, 2);
    assert_eq!(told(&effects), ["1 left", "1 forbidden", "watchers user_left"]);
    assert!(scene.input(Input::Tick).is_empty());
}

#[test]
fn a_caller_leaves_nothing_behind_in_a_room_that_nobody_is_in() {
    let mut scene = Scene::new();
    let room = scene.room;
    let renaming = scene.ask(Command::RemoveMember { room, user: scene.bo.user });
    let amended = scene.bos_place(RoomKind::Public, None, 2);
    assert_eq!(told(&scene.stored(renaming, amended)), ["caller member_removed"]);
    scene.input(Input::Asked(CALLER));
    let state = format!("{:?}", scene.state);
    for empty in ["callers: {}", "rooms: {}", "asked: {}"] {
        assert!(state.contains(empty), "{empty} in {state}");
    }
}

#[test]
fn a_status_is_told_to_those_who_want_to_know() {
    let mut scene = Scene::inside(RoomKind::Public, None);
    let (organization, user) = (scene.org, scene.bo.user);
    let status = |status| Input::Status { organization, user, status };
    assert_eq!(told(&scene.input(status(UserStatus::Busy))), ["watchers user_status"]);
    scene.input(Input::Command { conn: BO, command: Command::Leave { room: scene.room }, tag: None });
    assert!(scene.input(status(UserStatus::Away)).is_empty());
}

#[test]
fn a_blank_edit_is_refused_before_it_is_written() {
    let mut scene = Scene::inside(RoomKind::Public, None);
    let message = super::harness::draft(1, scene.room).id;
    let command = Command::Edit { room: scene.room, message, text: " \n".into(), if_changed_pos: None };
    let effects = scene.input(Input::Command { conn: ADA, command, tag: None });
    let [Effect::Worker(_, Op::Answer { event: Event::Rejected(reject), .. })] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!((reject.code, reject.field), (RejectCode::InvalidPayload, Some("text")));
}
