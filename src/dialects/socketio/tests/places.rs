//! What a client names, whatever it was told in which order and wherever it is cut off: it is told exactly what it lacks, or
//! that it has to begin anew.
//!
//! Around the places that are noted and judged stands a small model of the rest: a store, the stream of what is live, which
//! comes behind the store, and rooms whose past is told meanwhile.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::dialects::socketio::keeping::{Keeping, place_in, says_enough};
use crate::dialects::socketio::place::Place;
use crate::domain::{ConnId, Recoverable, RecoveryId};
use crate::session::offset::Offset;

const ROOMS: usize = 3;

/// The first room is heard of in two views.
const VIEWS: [usize; ROOMS] = [2, 1, 1];

#[derive(Clone, Debug)]
enum Step {
    /// Somebody says something in a room, or changes something.
    Write { room: usize, is_message: bool },
    /// The stream brings the next that is stored.
    Stream,
    /// The client joins, or joins again from where it is. `is_known`: others are in the room, so the hub has it as the stream
    /// has brought it, and not as it is stored.
    Join { room: usize, past: bool, is_known: bool },
    /// The client joins, and hears all of the room's past before anything else happens.
    Read { room: usize },
    /// A room's past goes on by so many.
    Tell { room: usize, count: usize },
    /// Too much waits behind a room's past: it is read from the store again.
    Overflow { room: usize },
    /// The client hears so many of what it was told.
    Hear(usize),
    /// The connection is lost, and the client comes back.
    Return,
    /// It goes to another organization, without ever hearing that the old connection is gone.
    Move,
}

/// A stored change: `pos` is its index and one.
#[derive(Clone, Copy, Debug)]
struct Stored {
    room: usize,
    is_message: bool,
}

#[derive(Default)]
struct Organization {
    log: Vec<Stored>,
    streamed: u64,
}

impl Organization {
    fn end(&self) -> u64 {
        self.log.len() as u64
    }

    /// What is stored of a room in this stretch.
    fn of(&self, room: usize, after: u64, until: u64) -> impl Iterator<Item = (u64, bool)> {
        let numbered = (1..).zip(&self.log);
        numbered
            .filter(move |(pos, it)| it.room == room && *pos > after && *pos <= until)
            .map(|(pos, it)| (pos, it.is_message))
    }
}

struct Seat {
    joined_pos: u64,
    /// What the stream brings up to here was told by then.
    until: u64,
    catching: Option<CatchUp>,
    /// From where on it is owed messages.
    owed_from: u64,
    joined_again: bool,
}

#[derive(Default)]
struct CatchUp {
    page: VecDeque<(u64, bool)>,
    since: VecDeque<(u64, bool)>,
}

struct Frame {
    room: usize,
    view: usize,
    pos: u64,
    is_message: bool,
    place: Option<String>,
    is_past: bool,
}

/// A client, and the hub's side of its connection.
struct World {
    organizations: [Organization; 2],
    here: usize,
    keeping: Keeping,
    seats: BTreeMap<usize, Seat>,
    frames: VecDeque<Frame>,
    named: Option<String>,
    heard: BTreeMap<(usize, usize), Vec<(u64, bool)>>,
    /// Changes that were read from the store, where the stream may bring them, too.
    read: BTreeSet<u64>,
    connections: u64,
}

impl World {
    fn new() -> Self {
        let keeping = Keeping::new(ConnId(0), RecoveryId(Uuid::from_u128(0)), None);
        let (seats, frames, heard, read) = Default::default();
        let organizations = Default::default();
        Self { organizations, here: 0, keeping, seats, frames, named: None, heard, read, connections: 0 }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Write { room, is_message } => self.organizations[self.here].log.push(Stored { room, is_message }),
            Step::Stream => self.stream(),
            Step::Join { room, past, is_known } => self.join(room, past, is_known),
            Step::Read { room } => {
                self.join(room, true, true);
                self.finish(room);
                (0..self.frames.len()).for_each(|_| self.hear());
            }
            Step::Tell { room, count } => (0..count).for_each(|_| self.go_on(room)),
            Step::Overflow { room } => self.overflow(room),
            Step::Hear(count) => (0..count).for_each(|_| self.hear()),
            Step::Return => self.come_back(false),
            Step::Move => self.come_back(true),
        }
    }

    fn stream(&mut self) {
        let organization = &mut self.organizations[self.here];
        let pos = organization.streamed + 1;
        let next = (1..).zip(&organization.log).find(|(number, _)| *number == pos);
        let Some((_, Stored { room, is_message })) = next else { return };
        let (room, is_message) = (*room, *is_message);
        organization.streamed = pos;
        let Some(seat) = self.seats.get_mut(&room).filter(|seat| pos > seat.until) else { return };
        match &mut seat.catching {
            Some(catching) => catching.since.push_back((pos, is_message)),
            None => self.tell(room, pos, is_message),
        }
    }

    fn is_catching(&self) -> bool {
        self.seats.values().any(|seat| seat.catching.is_some())
    }

    /// In its place in the order, or late.
    fn tell(&mut self, room: usize, pos: u64, is_message: bool) {
        for view in 0..VIEWS[room] {
            let half = view + 1 < VIEWS[room];
            let usual = self.keeping.place(Offset { pos, half });
            assert!(usual.is_some() || self.is_catching(), "{pos} is late, and no past is told");
            let is_late = usual.is_none() && pos > self.seats[&room].joined_pos;
            let place = usual.or_else(|| is_late.then(|| self.keeping.count_past()));
            self.send(room, view, (pos, is_message), place, is_late);
        }
        self.keeping.told(pos);
    }

    fn tell_past(&mut self, room: usize, (pos, is_message): (u64, bool)) {
        if is_message && pos > self.seats[&room].joined_pos {
            self.keeping.told(pos);
        }
        for view in 0..VIEWS[room] {
            let place = self.keeping.count_past();
            self.send(room, view, (pos, is_message), Some(place), true);
        }
    }

    fn send(&mut self, room: usize, view: usize, (pos, is_message): (u64, bool), place: Option<Place>, is_past: bool) {
        let place = place.map(|place| {
            let mut text = Vec::new();
            place.write(&mut text);
            String::from_utf8(text).unwrap()
        });
        self.frames.push_back(Frame { room, view, pos, is_message, place, is_past });
    }

    fn hear(&mut self) {
        let Some(frame) = self.frames.pop_front() else { return };
        self.heard.entry((frame.room, frame.view)).or_default().push((frame.pos, frame.is_message));
        self.named = frame.place.or(self.named.take());
    }

    fn join(&mut self, room: usize, past: bool, is_known: bool) {
        let organization = &self.organizations[self.here];
        if self.seats.contains_key(&room) {
            if !past {
                return;
            }
            // From the last message that it has heard, with nothing on its way.
            (0..self.frames.len()).for_each(|_| self.hear());
            let organization = &self.organizations[self.here];
            let seat = self.seats.get_mut(&room).unwrap();
            let heard =
                self.heard.get(&(room, 0)).and_then(|it| it.iter().rfind(|it| it.1)).map_or(seat.owed_from, |it| it.0);
            let page = organization.of(room, heard, organization.streamed.max(seat.until)).filter(|it| it.1).collect();
            seat.catching = Some(CatchUp { page, since: VecDeque::new() });
            seat.joined_again = true;
            return;
        }
        let until = if is_known { organization.streamed } else { organization.end() };
        let page = organization.of(room, 0, until).filter(|it| it.1).collect();
        let catching = past.then(|| CatchUp { page, since: VecDeque::new() });
        let owed_from = if past { 0 } else { until };
        self.seats.insert(room, Seat { joined_pos: until, until, catching, owed_from, joined_again: false });
    }

    fn go_on(&mut self, room: usize) {
        let Some(seat) = self.seats.get_mut(&room) else { return };
        let Some(catching) = &mut seat.catching else { return };
        if let Some(piece) = catching.page.pop_front() {
            if !piece.1 {
                self.read.insert(piece.0);
            }
            self.tell_past(room, piece);
        } else if let Some((pos, is_message)) = catching.since.pop_front() {
            self.tell(room, pos, is_message);
        } else if self.organizations[self.here].streamed >= seat.until {
            seat.catching = None;
        }
    }

    fn finish(&mut self, room: usize) {
        while self.seats.get(&room).is_some_and(|seat| seat.catching.is_some()) {
            // It may have joined where the stream has yet to come.
            if self.organizations[self.here].streamed < self.seats[&room].until {
                self.stream();
            }
            self.go_on(room);
        }
    }

    fn overflow(&mut self, room: usize) {
        let organization = &self.organizations[self.here];
        let Some(catching) = self.seats.get_mut(&room).and_then(|seat| seat.catching.as_mut()) else { return };
        let Some((first, _)) = catching.since.front().copied().filter(|_| catching.page.is_empty()) else { return };
        // Messages only as far as the stream has come, and what has changed up to the next one.
        let is_beyond = |(pos, is_message): &(u64, bool)| *is_message && *pos > organization.streamed;
        catching.page = organization.of(room, first - 1, organization.end()).take_while(|it| !is_beyond(it)).collect();
        catching.since.retain(|it| !it.1);
    }

    fn kept(&self) -> Recoverable {
        let organization = OrgId(Uuid::from_u128(self.here as u128));
        self.keeping.recoverable(organization, UserId(Uuid::nil()), Vec::new(), self.is_catching(), None)
    }

    fn come_back(&mut self, moves: bool) {
        let kept = self.kept();
        self.connections += 1;
        let named = self.named.as_deref().and_then(Place::parse);
        let id = RecoveryId(Uuid::from_u128(self.connections.into()));
        self.keeping = Keeping::new(ConnId(self.connections), id, named);
        let place = place_in(&kept, named);
        let has_heard_pasts = !self.is_catching() && !self.frames.iter().any(|frame| frame.is_past);
        let is_recovered = !moves && says_enough(&kept, place);
        assert_eq!(is_recovered, !moves && has_heard_pasts, "named: {named:?}, kept: {kept:?}");
        self.frames.clear();
        if is_recovered {
            return self.recover(&kept, place);
        }
        self.here = if moves { 1 - self.here } else { self.here };
        self.seats.clear();
        self.heard.clear();
        self.read.clear();
    }

    /// Everything from the store, in one order.
    fn recover(&mut self, kept: &Recoverable, place: Option<Place>) {
        let offset = place.map(|place| place.offset);
        let start = offset.map_or(0, |offset| offset.pos);
        self.keeping.resume(kept, place);
        let organization = &self.organizations[self.here];
        let half = offset.filter(|offset| offset.half).map(|offset| offset.pos);
        let end = organization.end();
        let after = half.map_or(start, |half| half - 1);
        let missed = self.seats.iter().flat_map(|(room, seat)| {
            organization.of(*room, after.max(seat.joined_pos), end).map(|(pos, is_message)| (pos, *room, is_message))
        });
        let missed: BTreeSet<_> = missed.collect();
        for (pos, room, is_message) in missed {
            if half == Some(pos) {
                let place = self.keeping.place(Offset { pos, half: false });
                assert!(place.is_some(), "{pos} is not late");
                self.send(room, 1, (pos, is_message), place, false);
                self.keeping.told(pos);
            } else {
                self.tell(room, pos, is_message);
            }
        }
        // By the time that the rooms are joined again the stream has brought it.
        self.organizations[self.here].streamed = end;
    }

    /// Everything is told and heard, and the client has what is stored.
    fn settle(&mut self) {
        for _ in 0..3 {
            (0..self.organizations[self.here].log.len()).for_each(|_| self.stream());
            for room in 0..ROOMS {
                self.finish(room);
            }
            (0..self.frames.len()).for_each(|_| self.hear());
            self.check();
            self.come_back(false);
        }
    }

    fn check(&self) {
        let organization = &self.organizations[self.here];
        for (room, seat) in &self.seats {
            for view in 0..VIEWS[*room] {
                let heard = self.heard.get(&(*room, view)).cloned().unwrap_or_default();
                let messages: Vec<u64> = heard.iter().filter(|it| it.1).map(|it| it.0).collect();
                let stored = organization.of(*room, seat.owed_from, organization.end()).filter(|it| it.1);
                assert_eq!(messages, stored.map(|it| it.0).collect::<Vec<_>>(), "messages of room {room}, view {view}");
                for (pos, _) in organization.of(*room, seat.joined_pos, organization.end()).filter(|it| !it.1) {
                    let times = heard.iter().filter(|it| **it == (pos, false)).count();
                    // Who joins again is not told what had changed of messages that it has.
                    assert!(times > 0 || seat.joined_again, "change {pos} of room {room} was not heard");
                    assert!(times <= 1 || self.read.contains(&pos), "change {pos} of room {room}: {times} times");
                }
            }
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let room = 0..ROOMS;
    let step = prop_oneof![
        6 => (room.clone(), prop::bool::weighted(0.7)).prop_map(|(room, is_message)| Step::Write { room, is_message }),
        6 => Just(Step::Stream),
        3 => (room.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(room, past, is_known)| Step::Join { room, past, is_known }),
        3 => room.clone().prop_map(|room| Step::Read { room }),
        6 => (room.clone(), 1..8_usize).prop_map(|(room, count)| Step::Tell { room, count }),
        1 => room.prop_map(|room| Step::Overflow { room }),
        3 => (1..12_usize).prop_map(Step::Hear),
        3 => Just(Step::Return),
        1 => Just(Step::Move),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_comes_back_is_told_exactly_what_it_lacks_or_begins_anew(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.settle();
    }
}
