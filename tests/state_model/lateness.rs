//! What only lateness shows, and seeds of the simulation meet seldom: step by step.

use std::sync::Arc;

use tertulia::domain::{
    CloseReason, Command, ConnId, Mark, MarkKind, MarkTarget, MessageId, Resume, Role, RoomId, RoomKind, Timestamp,
};
use tertulia::hub::effect::{Effect, Join, Op};
use tertulia::hub::handle::{Rules, Seat};
use tertulia::hub::ports::{Access, Change, Outcome, Write, Written};
use tertulia::hub::state::{Input, State};
use uuid::Uuid;

use super::harness::{draft, identity, message, room_id};

const CONN: ConnId = ConnId(1);

/// A state with one connection, and what it wants done.
struct Scene {
    state: State,
    room: RoomId,
}

impl Scene {
    fn new() -> Self {
        let mut scene = Self { state: State::new(Rules::default()), room: room_id(0) };
        let seat = Seat { worker: 0, slot: 0 };
        scene.input(Input::Connect { conn: CONN, dialect: "none", identity: identity(0, Role::Agent), seat });
        scene
    }

    fn input(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.state.handle(input, Timestamp::from_secs(1), &mut effects);
        effects
    }

    fn command(&mut self, command: Command) -> Vec<Effect> {
        self.input(Input::Command { conn: CONN, command, tag: None })
    }

    fn join(&mut self) -> Vec<Effect> {
        let (room, create_as) = (self.room, RoomKind::Public);
        self.command(Command::Join { room, resume: Resume::Live, presence: Some(false), create_as })
    }

    /// Answers the `LoadAccess` among `effects`.
    fn load(&mut self, effects: Vec<Effect>, last_seq: u64, last_pos: u64) -> Vec<Effect> {
        let [Effect::LoadAccess { organization, room, user }] = effects[..] else { panic!("{effects:?}") };
        let (kind, contact, member) = (RoomKind::Public, None, None);
        let access = Access { kind, archived: false, contact, member, acl_version: 1, last_seq, last_pos };
        self.input(Input::AccessLoaded { organization, room, user, access: Ok(Some(access)) })
    }
}

fn the_write(effects: Vec<Effect>) -> Write {
    effects.into_iter().find_map(|it| if let Effect::Write(write) = it { Some(write) } else { None }).expect("a write")
}

fn the_join(effects: Vec<Effect>) -> Join {
    let join = |it| if let Effect::Worker(_, Op::Join(join)) = it { Some(join) } else { None };
    effects.into_iter().find_map(join).expect("a join")
}

#[test]
fn after_failed_writes_a_room_that_is_being_loaded_is_compared_too() {
    let mut scene = Scene::new();
    scene.join();
    // What is read for the join may be older than a commit that nobody was told of.
    let effects = scene.input(Input::Recovered);
    assert!(matches!(&effects[..], [Effect::CompareHeads { rooms, .. }] if *rooms == [scene.room]));
}

#[test]
fn a_commit_that_is_heard_of_while_a_room_is_loaded_counts() {
    let mut scene = Scene::new();
    let send = Command::Send(Box::new(draft(1, scene.room)));
    let loading = scene.command(send);
    let sending = scene.load(loading, 0, 0);
    let Write { ticket, organization, change: Change::Message(new) } = the_write(sending) else { panic!("a message") };
    let loading = scene.join();
    let message = Arc::new(message(organization, *new, 1, 1, Timestamp::from_secs(1)));
    scene.input(Input::Written(vec![Written { ticket, outcome: Ok(Outcome::Message { message, duplicate: false }) }]));
    let join = the_join(scene.load(loading, 0, 0));
    assert_eq!((join.last_seq, join.last_pos), (1, 1), "the store was read before the commit");
}

#[test]
fn a_mark_is_read_by_whoever_resumes_from_before_it_and_does_not_move_the_pos_of_messages() {
    let mut scene = Scene::new();
    let (room, kind, user) = (scene.room, MarkKind::Read, identity(0, Role::Agent).user);
    let loading = scene.join();
    scene.load(loading, 3, 6);
    let marking = scene.command(Command::Mark { room, kind, target: MarkTarget::Seq(3) });
    let message = MessageId(Uuid::from_u128(3));
    let mark = Mark { room, kind, user, message, up_to_seq: 3, moved: None, at: Timestamp::from_secs(1) };
    // A message may have been committed in between, at 7, without the hub being told so.
    let outcome = Ok(Outcome::Mark { mark, pos: Some(8) });
    let ticket = the_write(marking).ticket;
    let told = scene.input(Input::Written(vec![Written { ticket, outcome }]));
    let [Effect::Deliver { .. }, Effect::Worker(_, Op::Own { numbers, .. })] = told[..] else { panic!("{told:?}") };
    assert_eq!((numbers.seq, numbers.pos), (None, 8), "whoever marks hears of it in its place");
    let join = the_join(scene.join());
    assert_eq!((join.last_pos, join.changed_pos), (6, 8));
}

#[test]
fn a_room_that_was_not_there_when_it_was_asked_for_is_asked_for_again_before_it_counts_as_gone() {
    let mut scene = Scene::new();
    let room = scene.room;
    let somebody_joins = |scene: &mut Scene, nth: u32| {
        let (conn, seat) = (ConnId(u64::from(nth) + 1), Seat { worker: 0, slot: nth });
        let identity = identity(nth as usize, Role::Agent);
        scene.input(Input::Connect { conn, dialect: "none", identity, seat });
        let (resume, create_as) = (Resume::Live, RoomKind::Public);
        let command = Command::Join { room, resume, presence: Some(false), create_as };
        scene.input(Input::Command { conn, command, tag: None })
    };
    let is_not_there = |scene: &mut Scene, asked: &[Effect]| {
        let [Effect::LoadAccess { organization, room, user }] = *asked else { panic!("{asked:?}") };
        scene.input(Input::AccessLoaded { organization, room, user, access: Ok(None) })
    };
    let first = scene.join();
    let second = somebody_joins(&mut scene, 1);
    the_join(scene.load(first, 0, 0));
    // Read before the commit that made the room, and heard after it.
    let again = is_not_there(&mut scene, &second);
    the_join(scene.load(again, 0, 0));

    let third = somebody_joins(&mut scene, 2);
    let again = is_not_there(&mut scene, &third);
    let gone = is_not_there(&mut scene, &again);
    let left = |effect: &&Effect| matches!(effect, Effect::Worker(_, Op::Leave { .. }));
    assert_eq!(gone.iter().filter(left).count(), 2, "asked for while it was known, and not there: {gone:?}");
}

#[test]
fn whoever_is_back_does_not_pay_for_the_connection_that_was_lost() {
    let rules = Rules { max_connections_per_user: 2, ..Rules::default() };
    let mut scene = Scene { state: State::new(rules), room: room_id(0) };
    let (ada, bo) = (identity(0, Role::Agent), identity(1, Role::Agent));
    let connect = |conn, slot| Input::Connect {
        conn,
        dialect: "none",
        identity: identity(0, Role::Agent),
        seat: Seat { worker: 0, slot },
    };
    let [living, lost, back, another] = [1, 2, 3, 4].map(ConnId);
    let ended = |effects: Vec<Effect>| {
        let ends = effects
            .into_iter()
            .filter_map(|it| if let Effect::End(conn, reason) = it { Some((conn, reason)) } else { None });
        ends.collect::<Vec<_>>()
    };
    assert_eq!(ended(scene.input(connect(living, 1))), []);
    assert_eq!(ended(scene.input(connect(lost, 2))), []);
    assert_eq!(ended(scene.input(Input::Supersede { conn: lost, identity: bo })), [], "it is somebody else's");
    let superseded = scene.input(Input::Supersede { conn: lost, identity: ada });
    assert_eq!(ended(superseded), [(lost, CloseReason::HeartbeatTimeout)]);
    assert_eq!(ended(scene.input(connect(back, 3))), [], "there are two");
    assert_eq!(ended(scene.input(connect(another, 4))), [(living, CloseReason::Replaced)]);
}
