//! Amendments, and marks, that are run again after a commit of which nobody knew how it ended.

use std::sync::Arc;

use tempfile::TempDir;
use uuid::Uuid;

use super::super::batch::{self, Care};
use super::super::connection::Purpose;
use super::super::people;
use super::*;
use crate::domain::{
    Author, Content, Direction, Draft, Idempotency, Identity, MarkKind, MemberChange, MemberRole, Message, MessageId,
    MessageStatus, MessageType, Report, Role, RoomChange, RoomDraft, RoomKind, Scopes, SenderType,
};
use crate::hub::ports::{Authority, Change, NewMark, NewMessage, NewRoom, Reach, Ticket, Write};

struct Bench {
    connection: Connection,
    memory: Memory,
    organization: OrgId,
    _file: TempDir,
}

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn fresh() -> Uuid {
    clock::message_id().0
}

impl Bench {
    fn new() -> Self {
        let file = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", file.path().join("hub.db").display());
        super::super::migrate(&url).unwrap();
        let mut connection = Connection::open(&url.parse().unwrap(), Purpose::Write).unwrap();
        let organization = OrgId(fresh());
        let everyone: Vec<_> = (1..=3)
            .map(|n| {
                Arc::new(Identity {
                    organization: Some(organization),
                    user: user(n),
                    role: Role::Member,
                    name: "somebody".into(),
                    email: None,
                    expires_at: None,
                    login: None,
                    scopes: Scopes::ALL,
                })
            })
            .collect();
        people::write(&mut connection, &everyone, clock::now()).unwrap();
        Self { connection, memory: Memory::default(), organization, _file: file }
    }

    fn jobs(&self, changes: Vec<Change>) -> Vec<Job> {
        let write = |change| Write { ticket: Ticket(0), organization: self.organization, change };
        changes.into_iter().map(|change| write(change).into()).collect()
    }

    fn room(&mut self) -> RoomId {
        let id = RoomId(fresh());
        let room = Change::Room(NewRoom { id, kind: RoomKind::Public, owner: user(1) });
        let mut jobs = self.jobs(vec![room]);
        batch::run(&mut self.connection, &mut self.memory, &mut jobs, Care::Careful).unwrap();
        id
    }

    fn send(&mut self, room: RoomId) -> Message {
        let draft = Draft {
            id: clock::message_id(),
            room,
            contact: None,
            message_type: MessageType::Text,
            content: Content { text: "hello".into(), ..Content::default() },
            reply_to: None,
            client_message_id: None,
            author: Author::Caller,
            external_id: None,
            idempotency: None,
            create_as: RoomKind::Public,
        };
        let new = NewMessage {
            draft,
            sender_type: SenderType::Agent,
            direction: Direction::Outbound,
            user: user(1),
            user_name: "Ana".into(),
        };
        let mut jobs = self.jobs(vec![Change::Message(Box::new(new))]);
        batch::run(&mut self.connection, &mut self.memory, &mut jobs, Care::Careful).unwrap();
        match jobs.remove(0).work {
            Work::Message(message) => message,
            _ => panic!("a message"),
        }
    }

    /// Runs an amendment of user 1's, and then the same again; returns what both have come to.
    fn twice(&mut self, kind: AmendmentKind) -> [Done; 2] {
        let jobs = self.jobs(vec![Change::Amend(Box::new(Amendment {
            id: fresh(),
            by: user(1),
            by_name: "Ana".into(),
            kind,
        }))]);
        [false, true].map(|again| {
            match run(&mut self.connection, &mut self.memory, &jobs, again).unwrap().pop().unwrap() {
                Verdict::Amended { amended, pos } => (amended, pos),
                other => panic!("again {again}: {other:?}"),
            }
        })
    }
}

fn of_message(message: &Message, text: Option<&str>) -> AmendmentKind {
    AmendmentKind::Message {
        room: message.room,
        message: message.id,
        text: text.map(Into::into),
        // Holds before the first run, and not any more before the second.
        if_changed_pos: Some(message.changed_pos),
        reach: Reach::Own,
    }
}

#[test]
fn an_edit_and_a_deletion_find_themselves_done() {
    let mut bench = Bench::new();
    let room = bench.room();
    let message = bench.send(room);
    let [first, again] = bench.twice(of_message(&message, Some("changed")));
    let (Amended::Edited { message: first }, Amended::Edited { message: told }) = (&first.0, &again.0) else {
        panic!("{first:?}, {again:?}")
    };
    assert_eq!((first, again.1), (told, Some(message.pos + 1)));
    let [first, again] = bench.twice(of_message(told, None));
    let (Amended::Deleted(deletion), Amended::Deleted(told)) = (&first.0, &again.0) else {
        panic!("{first:?}, {again:?}")
    };
    assert_eq!((deletion, first.1, again.1), (told, Some(message.pos + 2), Some(message.pos + 2)));
    assert_eq!(bench.send(room).pos, message.pos + 3, "the second runs took no numbers");
}

#[test]
fn a_reaction_is_there_once_and_told_again() {
    let mut bench = Bench::new();
    let room = bench.room();
    let message = bench.send(room);
    for (present, first_pos) in [(true, 3), (false, 5)] {
        let kind = AmendmentKind::React { room, message: message.id, emoji: "👍".into(), present };
        for (pos, (amended, told)) in (first_pos..).zip(bench.twice(kind)) {
            let Amended::Reacted(reaction) = amended else { panic!("{amended:?}") };
            assert_eq!((reaction.count, reaction.present, told), (u64::from(present), present, Some(pos)));
        }
    }
}

#[test]
fn a_report_is_taken_once_and_told_again() {
    use MessageStatus::{Delivered, Failed, Read};
    let mut bench = Bench::new();
    let room = bench.room();
    let mut last = 1;
    for way in [&[Delivered, Read][..], &[Failed, Read][..]] {
        let message = bench.send(room);
        last += 1;
        for status in way {
            let report = Report { room, message: message.id, status: *status, at: None };
            let [first, again] = bench.twice(AmendmentKind::Report(report));
            let (Amended::Reported { at: first_at, .. }, Amended::Reported { status: told, at, .. }) =
                (&first.0, &again.0)
            else {
                panic!("{first:?}, {again:?}")
            };
            assert_eq!((told, first.1, again.1), (status, Some(last + 1), Some(last + 2)));
            assert!(at == first_at || *status == Failed, "nobody keeps when it failed");
            last += 2;
        }
        // One that is behind is not told, however often.
        let late = AmendmentKind::Report(Report { room, message: message.id, status: Delivered, at: None });
        for (amended, pos) in bench.twice(late) {
            assert!(matches!(amended, Amended::Reported { status: Read, .. }), "{amended:?}");
            assert_eq!(pos, None);
        }
    }
}

#[test]
fn a_mark_is_told_again_with_what_it_could_have_moved() {
    let mut bench = Bench::new();
    let room = bench.room();
    let message = bench.send(room);
    let mark = NewMark { room, kind: MarkKind::Read, user: user(2), seq: Some(1), message: None };
    for (by, care, expected) in
        [(2, Care::Careful, true), (2, Care::Again, true), (2, Care::Careful, false), (3, Care::Careful, false)]
    {
        let mut jobs = bench.jobs(vec![Change::Mark(NewMark { user: user(by), ..mark.clone() })]);
        let verdicts = batch::run(&mut bench.connection, &mut bench.memory, &mut jobs, care).unwrap();
        let [Verdict::Mark { mark, .. }] = &verdicts[..] else { panic!("{verdicts:?}") };
        assert_eq!((mark.message, mark.moved), (message.id, expected.then_some(message.id)), "{by} {care:?}");
    }
}

#[test]
fn a_room_that_a_request_names_is_made_once() {
    let mut bench = Bench::new();
    let request = Idempotency { key: "key".into(), fingerprint: [1; 32] };
    let draft = RoomDraft { id: RoomId(fresh()), kind: RoomKind::Private, name: None, members: vec![user(2)] };
    for (amended, pos) in bench.twice(AmendmentKind::CreateOnce(draft.clone(), Box::new(request.clone()))) {
        let Amended::Created { room, members, created } = amended else { panic!("{amended:?}") };
        assert_eq!((room.id, members.len(), created, pos), (draft.id, 2, true, Some(1)));
    }
    let repeated = RoomDraft { id: RoomId(fresh()), ..draft.clone() };
    for (amended, pos) in bench.twice(AmendmentKind::CreateOnce(repeated, Box::new(request))) {
        let Amended::Created { room, created, .. } = amended else { panic!("{amended:?}") };
        assert_eq!((room.id, created, pos), (draft.id, false, None));
    }
}

#[test]
fn a_room_is_made_changed_and_removed_once() {
    let mut bench = Bench::new();
    let draft = RoomDraft { id: RoomId(fresh()), kind: RoomKind::Private, name: None, members: vec![user(2)] };
    for (amended, pos) in bench.twice(AmendmentKind::Create(draft.clone())) {
        let Amended::Created { members, created, .. } = amended else { panic!("{amended:?}") };
        assert_eq!((members.len(), created, pos), (2, true, Some(1)));
    }
    let change = RoomChange { name: Some("Café".into()), if_version: Some(1), ..RoomChange::default() };
    for (pos, (amended, told)) in (2..).zip(bench.twice(AmendmentKind::Update { room: draft.id, change })) {
        let Amended::Updated { room } = amended else { panic!("{amended:?}") };
        assert_eq!((room.name.as_deref(), room.version, told), (Some("Café"), pos, Some(pos)));
    }
    let change = Some(MemberChange { role: Some(MemberRole::Moderator), ..MemberChange::default() });
    for (pos, change) in [(4, change), (6, None)] {
        let kind = AmendmentKind::Member { room: draft.id, user: user(2), change, authority: Authority::Full };
        for (pos, (amended, told)) in (pos..).zip(bench.twice(kind)) {
            let Amended::Member { member, .. } = amended else { panic!("{amended:?}") };
            assert_eq!((member.is_some(), told), (change.is_some(), Some(pos)));
        }
    }
    for (pos, (amended, told)) in (8..).zip(bench.twice(AmendmentKind::Purge { room: draft.id })) {
        assert!(matches!(amended, Amended::Purged { room, .. } if room == draft.id));
        assert_eq!(told, Some(pos));
    }
}

#[test]
fn what_was_not_done_is_done_the_second_time() {
    let mut bench = Bench::new();
    let room = bench.room();
    let message = bench.send(room);
    let id = MessageId(fresh());
    let amend = |kind| Change::Amend(Box::new(Amendment { id: fresh(), by: user(1), by_name: "Ana".into(), kind }));
    let unknown = AmendmentKind::React { room, message: id, emoji: "👍".into(), present: true };
    let jobs = bench.jobs(vec![amend(of_message(&message, Some("changed"))), amend(unknown)]);
    let verdicts = run(&mut bench.connection, &mut bench.memory, &jobs, true).unwrap();
    assert!(
        matches!(&verdicts[0], Verdict::Amended { amended: Amended::Edited { message }, pos: Some(3) } if &*message.content.text == "changed")
    );
    assert!(matches!(&verdicts[1], Verdict::Refused(reject) if reject.code == RejectCode::NotFound));
}
