//! What the rules of the hub cost, in rooms of one member and of ten thousand.
//!
//! Who comes, goes or speaks should cost the same in any room: what grows with the members is the fan-out's work. The
//! store answers at once here, and the effects are thrown away.

mod support;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tertulia::clock;
use tertulia::domain::{
    Author, Command, ConnId, Content, Draft, Identity, Message, MessageType, Resume, RoomKind, Timestamp,
};
use tertulia::hub::effect::Effect;
use tertulia::hub::handle::{Departure, Rules, Seat};
use tertulia::hub::ports::{Access, Change, Outcome, Write, Written};
use tertulia::hub::state::{Input, State};

const MEMBERS: [u32; 5] = [1, 10, 100, 1_000, 10_000];

/// Those whose coming and going is measured.
const GUEST: u32 = 1_000_000;

const WORKERS: u32 = 4;

/// A hub of one room.
struct Hall {
    state: State,
    effects: Vec<Effect>,
    /// How many effects there were, so that none is for nothing.
    seen: usize,
    message: Message,
    now: Timestamp,
}

impl Hall {
    /// With members number 0 and up in its room. `watching`: all of them want to hear who comes and goes.
    fn of(members: u32, watching: bool) -> Self {
        let mut hall = Self {
            state: State::new(Rules {
                auto_create: false,
                shared_store: false,
                max_rooms_per_connection: 0,
                max_connections_per_user: 0,
            }),
            effects: Vec::new(),
            seen: 0,
            message: support::message(support::WORDS),
            now: clock::now(),
        };
        for n in 0..members {
            hall.connect(n, support::identity(n.into()));
            hall.join(n, watching);
        }
        hall
    }

    fn input(&mut self, input: Input) {
        self.state.handle(input, self.now, &mut self.effects);
        let mut effects = std::mem::take(&mut self.effects);
        self.seen += effects.len();
        for effect in effects.drain(..) {
            match effect {
                Effect::LoadAccess { organization, room, user } => {
                    let access = Access {
                        kind: RoomKind::Public,
                        archived: false,
                        contact: None,
                        member: None,
                        acl_version: 1,
                        last_seq: 0,
                        last_pos: 0,
                    };
                    self.input(Input::AccessLoaded { organization, room, user, access: Ok(Some(access)) });
                }
                Effect::Write(write) => self.store(write),
                other => drop(black_box(other)),
            }
        }
        // Its room is used again.
        self.effects = effects;
    }

    fn store(&mut self, write: Write) {
        let Change::Message(new) = write.change else { return };
        self.message.seq += 1;
        self.message.pos += 1;
        let message = Arc::new(Message { id: new.draft.id, user: Some(new.user), ..self.message.clone() });
        let outcome = Ok(Outcome::Message { message, duplicate: false });
        self.input(Input::Written(vec![Written { ticket: write.ticket, outcome }]));
    }

    fn connect(&mut self, n: u32, identity: Arc<Identity>) {
        let seat = Seat { worker: (n % WORKERS) as u16, slot: n };
        self.input(Input::Connect { conn: ConnId(n.into()), dialect: "messages", identity, seat });
    }

    fn disconnect(&mut self, n: u32) {
        self.input(Input::Disconnect { conn: ConnId(n.into()), departure: Departure::Left });
    }

    fn command(&mut self, n: u32, command: Command) {
        self.input(Input::Command { conn: ConnId(n.into()), command, tag: None });
    }

    fn join(&mut self, n: u32, presence: bool) {
        let (room, resume) = (support::room(), Resume::Live);
        self.command(n, Command::Join { room, resume, presence: Some(presence), create_as: RoomKind::Public });
    }

    fn leave(&mut self, n: u32) {
        self.command(n, Command::Leave { room: support::room() });
    }

    fn typing(&mut self, n: u32) {
        self.command(n, Command::Typing { room: support::room(), contact: None, is_typing: true });
    }

    fn send(&mut self, n: u32, draft: &Draft) {
        self.command(n, Command::Send(Box::new(draft.clone())));
    }
}

fn draft() -> Draft {
    Draft {
        id: clock::message_id(),
        room: support::room(),
        contact: None,
        message_type: MessageType::Text,
        content: Content { text: support::WORDS.into(), ..Content::default() },
        reply_to: None,
        client_message_id: Some("c-1".into()),
        author: Author::Caller,
        external_id: None,
        idempotency: None,
        create_as: RoomKind::Public,
    }
}

/// Measures `turn` in rooms of every size, and sees to it that it has effects.
fn in_rooms(c: &mut Criterion, name: &str, watching: bool, prepare: fn(&mut Hall), turn: impl Fn(&mut Hall)) {
    let mut group = c.benchmark_group(name);
    for members in MEMBERS {
        let mut hall = Hall::of(members, watching);
        prepare(&mut hall);
        let before = hall.seen;
        turn(&mut hall);
        assert!(hall.seen > before, "{name}: nothing happened");
        group.bench_function(BenchmarkId::from_parameter(members), |b| b.iter(|| turn(&mut hall)));
    }
}

fn transitions(c: &mut Criterion) {
    let guest = |hall: &mut Hall| hall.connect(GUEST, support::identity(GUEST.into()));
    in_rooms(c, "join and leave", false, guest, |hall| {
        hall.join(GUEST, false);
        hall.leave(GUEST);
    });
    in_rooms(c, "join and leave, all watching", true, guest, |hall| {
        hall.join(GUEST, true);
        hall.leave(GUEST);
    });
    let identity = support::identity(GUEST.into());
    in_rooms(
        c,
        "connect, join and disconnect",
        false,
        |_| {},
        |hall| {
            hall.connect(GUEST, identity.clone());
            hall.join(GUEST, false);
            hall.disconnect(GUEST);
        },
    );
    in_rooms(c, "publish, not stored", false, |_| {}, |hall| hall.typing(0));
    let draft = draft();
    in_rooms(c, "publish, stored", false, |_| {}, |hall| hall.send(0, &draft));
}

criterion_group! {
    name = benches;
    config = support::config();
    targets = transitions
}
criterion_main!(benches);
