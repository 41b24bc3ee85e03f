//! The hub without its actors: what `ChatServer` and the fan-out actors do with the state and the fan-outs, but each
//! hand-over happens when the world says so.

use std::collections::VecDeque;

use tertulia::domain::{CloseReason, ConnId, OrgId, RoomId, Timestamp, UserId};
use tertulia::hub::effect::{Effect, Op};
use tertulia::hub::fanout::{Fanout, Outlets, PageRequest};
use tertulia::hub::handle::Rules;
use tertulia::hub::ports::{Access, Head, Page, Unavailable};
use tertulia::hub::state::{Input, State};

use super::store::Store;

/// Something that has to be looked up in the store.
#[derive(Clone, Debug)]
pub enum Question {
    Access { org: OrgId, room: RoomId, user: UserId },
    Heads { rooms: Vec<RoomId>, comparison: u64 },
    Page { worker: usize, request: PageRequest },
}

#[derive(Clone, Debug)]
pub enum Answer {
    Access(Result<Option<Access>, Unavailable>),
    Heads(Result<Vec<Head>, Unavailable>),
    Page(Result<Page, Unavailable>),
}

/// A look-up on its way: asked, then looked up, then answered, each in its own time.
pub struct Lookup {
    pub question: Question,
    pub answer: Option<Answer>,
}

impl Lookup {
    fn new(question: Question) -> Self {
        Self { question, answer: None }
    }
}

pub struct Worker {
    pub fanout: Fanout,
    pub outlets: Outlets,
    /// Turns of the hub that it has not taken yet.
    inbox: VecDeque<(Timestamp, Vec<Op>)>,
    out: Vec<Op>,
}

pub struct Hub {
    pub state: State,
    pub workers: Vec<Worker>,
    pub lookups: Vec<Lookup>,
    /// Whether it has compared itself with the store since it started.
    pub has_compared: bool,
    /// How often the store has let it down.
    pub troubles: u64,
    effects: Vec<Effect>,
}

impl Hub {
    pub fn new(rules: Rules, workers: usize) -> Self {
        let worker = |_| {
            let outlets = Outlets::default();
            Worker { fanout: Fanout::new(outlets.clone()), outlets, inbox: VecDeque::new(), out: Vec::new() }
        };
        Self {
            state: State::new(rules),
            workers: (0..workers).map(worker).collect(),
            lookups: Vec::new(),
            has_compared: false,
            troubles: 0,
            effects: Vec::new(),
        }
    }

    /// Lets `input` happen, and everything that follows from it at once. Returns the connections to be ended.
    pub fn input(
        &mut self,
        input: Input,
        now: Timestamp,
        store: &mut Store,
        writes: usize,
    ) -> Vec<(ConnId, CloseReason)> {
        let (mut inputs, mut ends) = (VecDeque::from([input]), Vec::new());
        while let Some(input) = inputs.pop_front() {
            self.troubles += u64::from(is_trouble(&input));
            let mut effects = std::mem::take(&mut self.effects);
            self.state.handle(input, now, &mut effects);
            for effect in effects.drain(..) {
                match effect {
                    Effect::Worker(worker, op) => self.workers[usize::from(worker)].out.push(op),
                    Effect::Deliver { workers, skip, delivery } => {
                        for worker in workers {
                            let slots = skip.iter().filter(|seat| seat.worker == worker).map(|seat| seat.slot);
                            let op = Op::Deliver { delivery: delivery.clone(), skip: slots.collect() };
                            self.workers[usize::from(worker)].out.push(op);
                        }
                    }
                    Effect::LoadAccess { organization: org, room, user } => {
                        self.lookups.push(Lookup::new(Question::Access { org, room, user }));
                    }
                    Effect::LoadSettled { .. } => panic!("nobody else writes here"),
                    Effect::Write(write) => {
                        let ticket = write.ticket;
                        if store.write(write, writes).is_err() {
                            inputs.push_back(Input::Busy(ticket));
                        }
                    }
                    Effect::CompareHeads { rooms, comparison } => {
                        self.has_compared = true;
                        self.lookups.push(Lookup::new(Question::Heads { rooms, comparison }));
                    }
                    Effect::Reply(conn, _) => panic!("{conn:?} has a connection, and is answered without it"),
                    Effect::End(conn, reason) => ends.push((conn, reason)),
                }
            }
            self.effects = effects;
        }
        ends
    }

    /// One message per worker with everything that this turn has for it.
    pub fn end_turn(&mut self, now: Timestamp) {
        for worker in self.workers.iter_mut().filter(|worker| !worker.out.is_empty()) {
            worker.inbox.push_back((now, std::mem::take(&mut worker.out)));
        }
    }

    pub fn has_work(&self) -> bool {
        self.workers.iter().any(|worker| !worker.out.is_empty() || !worker.inbox.is_empty())
    }

    /// The worker takes what one turn of the hub had for it. False: there was nothing.
    pub fn take(&mut self, worker: usize) -> bool {
        let worker = &mut self.workers[worker];
        let Some((at, ops)) = worker.inbox.pop_front() else { return false };
        for op in ops {
            worker.fanout.push(at, op);
        }
        true
    }

    /// The worker does a slice of its work. Returns whether it has more to do.
    pub fn step(&mut self, worker: usize) -> bool {
        let fanout = &mut self.workers[worker].fanout;
        let more = fanout.step();
        fanout.take_told();
        let requests = fanout.take_requests();
        let questions = requests.into_iter().map(|request| Question::Page { worker, request });
        self.lookups.extend(questions.map(Lookup::new));
        more
    }

    /// The store looks up what was asked.
    pub fn look(&mut self, index: usize, store: &Store, page: usize) {
        let lookup = &mut self.lookups[index];
        lookup.answer = Some(match &lookup.question {
            Question::Access { org, room, user } => Answer::Access(store.access(*org, *room, *user)),
            Question::Heads { rooms, .. } => Answer::Heads(store.heads(rooms)),
            Question::Page { request, .. } => Answer::Page(store.page(request.room, request.after, page)),
        });
    }

    /// What was looked up arrives. `Some`: for the state.
    pub fn reply(&mut self, index: usize) -> Option<Input> {
        let Lookup { question, answer } = self.lookups.swap_remove(index);
        match (question, answer?) {
            (Question::Access { org, room, user }, Answer::Access(access)) => {
                Some(Input::AccessLoaded { organization: org, room, user, access })
            }
            (Question::Heads { comparison, .. }, Answer::Heads(heads)) => {
                Some(heads.map_or(Input::Recovered, |heads| Input::Heads { heads, comparison }))
            }
            (Question::Page { worker, request }, Answer::Page(page)) => {
                self.workers[worker].fanout.page(request, page);
                None
            }
            _ => unreachable!("an answer to another question"),
        }
    }
}

/// Whether the store says that it could not do what it was asked.
fn is_trouble(input: &Input) -> bool {
    match input {
        Input::AccessLoaded { access: Err(Unavailable), .. } | Input::Busy(_) => true,
        Input::Written(batch) => batch.iter().any(|written| written.outcome.is_err()),
        _ => false,
    }
}
