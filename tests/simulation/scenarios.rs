//! What is too rare for a seed to meet often, step by step: one worker, one room, and pages that come when told.

use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;
use tertulia::domain::{
    Author, Content, Direction, Draft, Event, Mark, MarkKind, Message, MessageId, MessageType, Resume, RoomKind,
    SenderType, Timestamp,
};
use tertulia::hub::effect::{Audience, Delivery, Join, Numbers, Op};
use tertulia::hub::fanout::{Fanout, Outlets, PageRequest};
use tertulia::hub::handle::Broadcast;
use tertulia::hub::ports::{After, Change, NewMark, NewMessage, Page, Ticket, Write};
use uuid::Uuid;

use super::people::{PEOPLE, PLACES};
use super::rng::Rng;
use super::socket::{Frame, Heard, Socket};
use super::store::Store;

const NOW: Timestamp = Timestamp::from_secs(1_000);

struct Scene {
    store: Store,
    fanout: Fanout,
    outlets: Outlets,
    requests: Vec<PageRequest>,
}

impl Scene {
    fn new() -> Self {
        let outlets = Outlets::default();
        Self { store: Store::new(), fanout: Fanout::new(outlets.clone()), outlets, requests: Vec::new() }
    }

    /// Commits so many messages, of which the worker knows nothing yet.
    fn store(&mut self, messages: usize) {
        for _ in 0..messages {
            let draft = Draft {
                id: MessageId(Uuid::from_u128(1 + u128::from(self.store.last_seq(PLACES[0].id)))),
                room: PLACES[0].id,
                contact: None,
                message_type: MessageType::Text,
                content: Content::default(),
                reply_to: None,
                client_message_id: None,
                author: Author::Caller,
                external_id: None,
                idempotency: None,
                create_as: RoomKind::Public,
            };
            self.commit(Change::Message(Box::new(NewMessage {
                draft,
                sender_type: SenderType::Agent,
                direction: Direction::Outbound,
                user: PEOPLE[0].user,
                user_name: "A".into(),
            })));
        }
    }

    fn commit(&mut self, change: Change) {
        let write = Write { ticket: Ticket(0), organization: PLACES[0].org, change };
        self.store.write(write, 1).expect("an empty queue");
        self.store.commit(&mut Rng::new(0), 0, NOW);
    }

    fn message(&self, seq: u64) -> Arc<Message> {
        self.store.rooms[&PLACES[0].id].messages[seq as usize - 1].clone()
    }

    fn connect(&mut self, frames: usize) -> (u32, Rc<Socket>) {
        let socket = Socket::new(frames, self.store.ledger.clone());
        let slot = self.outlets.borrow_mut().insert(socket.clone());
        (u32::try_from(slot).unwrap(), socket)
    }

    fn join(&mut self, slot: u32, resume: Resume, last_seq: u64, last_pos: u64) {
        self.join_after(slot, resume, last_seq, last_pos, 0);
    }

    fn join_after(&mut self, slot: u32, resume: Resume, last_seq: u64, last_pos: u64, changed_pos: u64) {
        let room = PLACES[0].id;
        self.run(Op::Join(Join {
            room,
            slot,
            resume,
            watch: false,
            last_seq,
            last_pos,
            changed_pos,
            members: 1,
            tag: None,
        }));
    }

    fn deliver(&mut self, seq: u64) {
        let message = self.message(seq);
        let numbers = Numbers { seq: Some(seq), pos: message.pos };
        self.deliver_as(Event::Message(message), numbers);
    }

    fn deliver_as(&mut self, event: Event, numbers: Numbers) {
        let broadcast = Broadcast::new(event, Some(numbers.pos), NOW);
        let delivery = Delivery { room: PLACES[0].id, stored: Some(numbers), audience: Audience::Everyone, broadcast };
        self.run(Op::Deliver { delivery, skip: SmallVec::new() });
    }

    fn run(&mut self, op: Op) {
        self.fanout.push(NOW, op);
        self.step();
    }

    fn step(&mut self) {
        while self.fanout.step() {}
        self.requests.extend(self.fanout.take_requests());
    }

    /// Answers the oldest request from what the store has now.
    fn answer(&mut self) {
        let request = self.requests.remove(0);
        let page = self.store.page(request.room, request.after, 100);
        self.answer_with(request, page.expect("it is up"));
    }

    fn answer_with(&mut self, request: PageRequest, page: Page) {
        self.fanout.page(request, Ok(page));
        self.step();
    }
}

/// The numbers of the messages that can be read now.
fn messages(socket: &Socket) -> Vec<u64> {
    let seq = |heard| match heard {
        Heard::Told(Frame { event: Event::Message(message), .. }) => Some(message.seq),
        _ => None,
    };
    std::iter::from_fn(|| socket.read()).filter_map(seq).collect()
}

#[test]
fn a_slow_session_that_reads_from_the_store_again_is_told_nothing_twice() {
    let mut scene = Scene::new();
    scene.store(600);
    let (slot, socket) = scene.connect(8);
    scene.join(slot, Resume::AfterSeq(0), 1, scene.message(1).pos);
    (2..=20).for_each(|seq| scene.deliver(seq));
    let request = scene.requests.remove(0);
    let first = scene.store.page(request.room, request.after, 1).expect("it is up");
    scene.answer_with(request, Page { more: false, ..first });
    let mut told = messages(&socket);
    scene.fanout.retry_paused();
    scene.step();
    told.extend(messages(&socket));
    assert!(told.len() > 1 && told.len() < 20, "it is in the middle of what was kept for it, at {told:?}");
    (21..=600).for_each(|seq| scene.deliver(seq));
    while told.len() < 600 {
        scene.fanout.retry_paused();
        scene.step();
        while !scene.requests.is_empty() {
            scene.answer();
        }
        let more = messages(&socket);
        assert!(!more.is_empty(), "it stopped at {:?}", told.last());
        told.extend(more);
    }
    assert_eq!(told, (1..=600).collect::<Vec<_>>());
}

#[test]
fn a_fill_leaves_to_the_stream_what_the_stream_will_bring() {
    let mut scene = Scene::new();
    scene.store(3);
    let (early, _) = scene.connect(64);
    scene.join(early, Resume::Live, 1, scene.message(1).pos);
    scene.run(Op::Fill { room: PLACES[0].id, last_seq: 2, changes: None });
    scene.answer();
    // Decided before the third message was heard of, as its place in the stream says.
    let (late, socket) = scene.connect(64);
    scene.join(late, Resume::Live, 2, scene.message(2).pos);
    scene.deliver(3);
    assert_eq!(messages(&socket), [3]);
}

#[test]
fn a_fill_that_is_outrun_by_the_next_comparison_goes_on() {
    let mut scene = Scene::new();
    scene.store(2);
    let (slot, socket) = scene.connect(64);
    scene.join(slot, Resume::Live, 1, scene.message(1).pos);
    scene.run(Op::Fill { room: PLACES[0].id, last_seq: 2, changes: None });
    let request = scene.requests.remove(0);
    let page = scene.store.page(request.room, request.after, 100).expect("it is up");
    scene.store(1);
    scene.run(Op::Fill { room: PLACES[0].id, last_seq: 3, changes: None });
    scene.answer_with(request, page);
    scene.answer();
    assert_eq!(messages(&socket), [2, 3]);
}

#[test]
fn a_resume_by_pos_meets_a_message_that_was_committed_unheard_once() {
    let mut scene = Scene::new();
    scene.store(2);
    let room = PLACES[0].id;
    scene.commit(Change::Mark(NewMark {
        room,
        kind: MarkKind::Read,
        user: PEOPLE[0].user,
        seq: Some(1),
        message: None,
    }));
    let (early, _) = scene.connect(64);
    scene.join(early, Resume::Live, 1, 1);
    let mark = Mark {
        room,
        kind: MarkKind::Read,
        user: PEOPLE[0].user,
        message: scene.message(1).id,
        up_to_seq: 1,
        moved: None,
        at: NOW,
    };
    scene.deliver_as(Event::Marked(mark), Numbers { seq: None, pos: 3 });
    let (late, socket) = scene.connect(64);
    scene.join(late, Resume::AfterPos(0), 1, 1);
    assert_eq!(scene.requests[0].after, After::Pos(0));
    scene.answer();
    assert_eq!(messages(&socket), [1], "the second is in the store, but nobody has been told of it");
    scene.run(Op::Fill { room, last_seq: 2, changes: None });
    scene.answer();
    assert_eq!(messages(&socket), [2]);
}

#[test]
fn whoever_is_told_of_a_change_before_its_turn_is_not_believed_to_know_what_lies_before() {
    let mut scene = Scene::new();
    scene.store(1);
    let (slot, socket) = scene.connect(64);
    scene.join(slot, Resume::AfterPos(0), 1, 1);
    // The page is ahead of the stream, which has yet to bring the second message.
    scene.store(1);
    let room = PLACES[0].id;
    let (kind, user) = (MarkKind::Read, PEOPLE[0].user);
    scene.commit(Change::Mark(NewMark { room, kind, user, seq: Some(1), message: None }));
    scene.answer();
    let mark =
        Event::Marked(Mark { room, kind, user, message: scene.message(1).id, up_to_seq: 1, moved: None, at: NOW });
    scene.deliver(2);
    scene.deliver_as(mark, Numbers { seq: None, pos: 3 });
    let place = |heard| match heard {
        Heard::Told(Frame { event: Event::Message(message), pos, .. }) => Some((Some(message.seq), pos)),
        Heard::Told(Frame { event: Event::Marked(_), pos, .. }) => Some((None, pos)),
        _ => None,
    };
    let told: Vec<_> = std::iter::from_fn(|| socket.read()).filter_map(place).collect();
    assert_eq!(told, [(Some(1), Some(1)), (None, Some(1)), (Some(2), Some(2)), (None, Some(3))]);
}

#[test]
fn a_change_that_is_read_early_does_not_stand_before_what_whoever_comes_back_has_heard() {
    let mut scene = Scene::new();
    scene.store(3);
    let room = PLACES[0].id;
    let (kind, user) = (MarkKind::Read, PEOPLE[0].user);
    scene.commit(Change::Mark(NewMark { room, kind, user, seq: Some(1), message: None }));
    let (early, _) = scene.connect(64);
    scene.join(early, Resume::Live, 1, 1);
    // It was told the first three from the store, of which the stream has brought one.
    let (late, socket) = scene.connect(64);
    scene.join_after(late, Resume::AfterPos(3), 1, 1, u64::MAX);
    scene.answer();
    let marked = |heard| match heard {
        Heard::Told(Frame { event: Event::Marked(_), pos, .. }) => Some(pos),
        _ => None,
    };
    let told: Vec<_> = std::iter::from_fn(|| socket.read()).filter_map(marked).collect();
    assert_eq!(told, [Some(3)]);
}
