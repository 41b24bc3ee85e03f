//! The `ChatServer` actor: it owns the state, and runs the effects that `State` asks for.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use actix::{
    Actor, ActorFuture, ActorFutureExt, Addr, Arbiter, ArbiterHandle, AsyncContext, Context, Handler, MessageResult,
    ResponseActFuture, WeakRecipient, WrapFuture,
};
use futures_util::future::join_all;
use prometheus_client::metrics::counter::Counter;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use super::delivery::{Barrier, FanoutActor, Ops};
use super::effect::{Delivery, Effect, Op};
use super::handle::{Hub, Shared};
use super::outlet::{Departure, End, Seat};
use super::ports::{Change, Outcomes, Store, Unavailable, Written};
use super::state::{Input, Rules, State};
use crate::clock;
use crate::domain::{CloseReason, Command, ConnId, Event, Identity, LoginId, OrgId, Tag, UserId, UserStatus};
use crate::metrics::{EventLabel, Metrics};

/// How often merged marks and ended graces are looked for.
const TICK: Duration = Duration::from_millis(100);

/// Operations that wait for the end of a turn at most: a mailbox that never empties must not hold them back.
const TURN: usize = 1_024;

/// How soon rooms are compared with a store that could not be asked.
const COMPARE_AGAIN: Duration = Duration::from_secs(1);

/// How long a drain waits for writes that are on their way.
const DRAIN_WRITES: Duration = Duration::from_secs(4);

/// Where the hub's actor runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// On a thread of its own, beside several workers.
    OwnThread,
    /// On the thread of the one worker there is, where nothing that they say to each other crosses threads. The worker
    /// calls [`Hub::start_here`].
    WithTheWorker,
}

/// The hub in front of `store`.
pub fn start(rules: Rules, store: Arc<dyn Store>, metrics: Arc<Metrics>, place: Place) -> Hub {
    let hub = Hub::new(rules, Shared::new(store, metrics));
    if place == Place::OwnThread {
        hub.start_in(&Arbiter::new().handle());
    }
    hub
}

impl ChatServer {
    /// Starts the actor.
    pub(super) fn start_on(arbiter: &ArbiterHandle, rules: Rules, shared: &Arc<Shared>) -> Addr<Self> {
        let for_actor = shared.clone();
        let server = Self::start_in_arbiter(arbiter, move |_| Self::new(rules, for_actor));
        shared.store.attach(Box::new(StoreNews(server.clone())));
        server
    }
}

pub struct ChatServer {
    state: State,
    shared: Arc<Shared>,
    inputs: VecDeque<Input>,
    effects: Vec<Effect>,
    workers: Vec<Option<Addr<FanoutActor>>>,
    /// What each worker is to do at the end of this turn.
    out: Vec<Vec<Op>>,
    queued: usize,
    sessions: FxHashMap<ConnId, WeakRecipient<End>>,
    /// Callers without a connection, until they are answered.
    callers: FxHashMap<ConnId, oneshot::Sender<Event>>,
    counters: FxHashMap<&'static str, Counter>,
}

impl Actor for ChatServer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(EndOfTurn);
        ctx.run_interval(TICK, |act, ctx| act.input(Input::Tick, ctx));
    }
}

impl ChatServer {
    fn new(rules: Rules, shared: Arc<Shared>) -> Self {
        Self {
            state: State::new(rules),
            shared,
            inputs: VecDeque::new(),
            effects: Vec::new(),
            workers: Vec::new(),
            out: Vec::new(),
            queued: 0,
            sessions: FxHashMap::default(),
            callers: FxHashMap::default(),
            counters: FxHashMap::default(),
        }
    }

    /// Lets `input` happen, and everything that follows from it at once.
    fn input(&mut self, input: Input, ctx: &mut Context<Self>) {
        self.inputs.push_back(input);
        let now = clock::now();
        while let Some(input) = self.inputs.pop_front() {
            let mut effects = std::mem::take(&mut self.effects);
            self.state.handle(input, now, &mut effects);
            for effect in effects.drain(..) {
                self.run(effect, ctx);
            }
            self.effects = effects;
        }
        if self.queued >= TURN {
            self.end_turn();
        }
    }

    fn run(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Worker(worker, op) => self.out_for(worker).push(op),
            Effect::Deliver { workers, skip, delivery } => self.deliver(&workers, &skip, delivery),
            Effect::LoadAccess { organization, room, user } => {
                let access = self.shared.store.access(organization, room, user);
                ctx.spawn(access.into_actor(self).map(move |access, act, ctx| {
                    act.input(Input::AccessLoaded { organization, room, user, access }, ctx);
                    act.end_turn();
                }));
            }
            Effect::LoadSettled { organization, room, user } => {
                let store = self.shared.store.clone();
                let access = async move {
                    store.flush().await?;
                    store.access(organization, room, user).await
                };
                ctx.spawn(access.into_actor(self).map(move |access, act, ctx| {
                    act.input(Input::AccessLoaded { organization, room, user, access }, ctx);
                    act.end_turn();
                }));
            }
            Effect::Write(mut write) => {
                let ticket = write.ticket;
                if let Change::Amend(amendment) = &mut write.change {
                    amendment.id = clock::message_id().0;
                }
                if self.shared.store.write(write).is_err() {
                    self.inputs.push_back(Input::Busy(ticket));
                }
            }
            Effect::CompareHeads { rooms, comparison } => {
                let heads = self.shared.store.heads(rooms);
                ctx.spawn(heads.into_actor(self).map(move |heads, act, ctx| match heads {
                    Ok(heads) => {
                        act.input(Input::Heads { heads, comparison }, ctx);
                        act.end_turn();
                    }
                    // Gone again, and perhaps back before any write fails: nothing else would ask for a comparison.
                    Err(Unavailable) => {
                        ctx.run_later(COMPARE_AGAIN, |act, ctx| act.input(Input::Recovered, ctx));
                    }
                }));
            }
            Effect::Reply(conn, event) => {
                if let Some(reply) = self.callers.remove(&conn) {
                    // Whoever asked may have stopped waiting.
                    let _ = reply.send(event);
                }
                self.inputs.push_back(Input::Asked(conn));
            }
            Effect::End(conn, reason) => self.end(conn, End::Close(conn, reason)),
        }
    }

    fn deliver(&mut self, workers: &[u16], skip: &[Seat], delivery: Delivery) {
        let name = delivery.broadcast.event.name();
        let events = &self.shared.metrics.events;
        let count = || events.get_or_create(&EventLabel { event_type: name }).clone();
        self.counters.entry(name).or_insert_with(count).inc();
        for worker in workers {
            let skip = skip.iter().filter(|seat| seat.worker == *worker).map(|seat| seat.slot).collect();
            let delivery = delivery.clone();
            self.out_for(*worker).push(Op::Deliver { delivery, skip });
        }
    }

    fn out_for(&mut self, worker: u16) -> &mut Vec<Op> {
        let worker = usize::from(worker);
        self.queued += 1;
        if self.out.len() <= worker {
            self.out.resize_with(worker + 1, Vec::new);
        }
        &mut self.out[worker]
    }

    /// One message per worker with everything that this turn has for it.
    fn end_turn(&mut self) {
        self.queued = 0;
        for (ops, worker) in self.out.iter_mut().zip(&self.workers) {
            if let Some(worker) = worker.as_ref().filter(|_| !ops.is_empty()) {
                worker.do_send(Ops { at: clock::now(), ops: std::mem::take(ops) });
            }
        }
    }

    fn end(&self, conn: ConnId, end: End) {
        if let Some(session) = self.sessions.get(&conn).and_then(WeakRecipient::upgrade) {
            session.do_send(end);
        }
    }

    fn end_all(&self, end: impl Fn(ConnId) -> End) {
        for conn in self.sessions.keys() {
            self.end(*conn, end(*conn));
        }
    }
}

/// Never ends; polled whenever the mailbox has been emptied.
struct EndOfTurn;

impl ActorFuture<ChatServer> for EndOfTurn {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        act: &mut ChatServer,
        _: &mut Context<ChatServer>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<()> {
        act.end_turn();
        Poll::Pending
    }
}

/// A worker's fan-out has started.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub(super) struct AddWorker {
    pub(super) worker: u16,
    pub(super) address: Addr<FanoutActor>,
}

impl Handler<AddWorker> for ChatServer {
    type Result = ();

    fn handle(&mut self, AddWorker { worker, address }: AddWorker, _: &mut Self::Context) {
        let worker = usize::from(worker);
        if self.workers.len() <= worker {
            self.workers.resize(worker + 1, None);
        }
        self.workers[worker] = Some(address);
    }
}

#[derive(actix::Message)]
#[rtype(result = "()")]
pub(super) enum FromSession {
    Register { conn: ConnId, dialect: &'static str, identity: Arc<Identity>, seat: Seat, session: WeakRecipient<End> },
    Command { conn: ConnId, command: Command, tag: Tag },
    Ask { conn: ConnId, identity: Arc<Identity>, command: Command, reply: oneshot::Sender<Event> },
    Watch { conn: ConnId, tag: Tag },
    Status { organization: OrgId, user: UserId, status: UserStatus },
    Renew { conn: ConnId, identity: Arc<Identity> },
    Supersede { conn: ConnId, identity: Arc<Identity> },
    EndLogin { organization: OrgId, user: UserId, login: Option<LoginId> },
    End { conn: ConnId, reason: CloseReason },
    Unregister { conn: ConnId, departure: Departure },
}

impl Handler<FromSession> for ChatServer {
    type Result = ();

    fn handle(&mut self, message: FromSession, ctx: &mut Self::Context) {
        self.shared.taken();
        let input = match message {
            FromSession::Register { conn, dialect, identity, seat, session } => {
                self.sessions.insert(conn, session);
                if self.shared.draining.load(Ordering::Relaxed) {
                    self.end(conn, End::Drain);
                    self.end(conn, End::Close(conn, CloseReason::Restarting));
                }
                Input::Connect { conn, dialect, identity, seat }
            }
            FromSession::Command { conn, command, tag } => Input::Command { conn, command, tag },
            FromSession::Ask { conn, identity, command, reply } => {
                self.callers.insert(conn, reply);
                Input::Ask { conn, identity, command }
            }
            FromSession::Watch { conn, tag } => Input::Watch { conn, tag },
            FromSession::Status { organization, user, status } => Input::Status { organization, user, status },
            FromSession::Renew { conn, identity } => Input::Renew { conn, identity },
            FromSession::Supersede { conn, identity } => Input::Supersede { conn, identity },
            FromSession::EndLogin { organization, user, login } => Input::EndLogin { organization, user, login },
            FromSession::End { conn, reason } => return self.end(conn, End::Close(conn, reason)),
            FromSession::Unregister { conn, departure } => {
                self.sessions.remove(&conn);
                Input::Disconnect { conn, departure }
            }
        };
        self.input(input, ctx);
    }
}

/// What the store has to tell.
#[derive(actix::Message)]
#[rtype(result = "()")]
enum News {
    Written(Vec<Written>),
    Recovered,
}

struct StoreNews(Addr<ChatServer>);

impl Outcomes for StoreNews {
    fn written(&self, batch: Vec<Written>) {
        self.0.do_send(News::Written(batch));
    }

    fn recovered(&self) {
        self.0.do_send(News::Recovered);
    }
}

impl Handler<News> for ChatServer {
    type Result = ();

    fn handle(&mut self, news: News, ctx: &mut Self::Context) {
        let input = match news {
            News::Written(batch) => Input::Written(batch),
            News::Recovered => Input::Recovered,
        };
        self.input(input, ctx);
    }
}

/// Counts of the hub at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub connections: usize,
    pub rooms_with_connections: usize,
    pub by_dialect: Vec<(&'static str, usize)>,
}

#[derive(actix::Message)]
#[rtype(result = "Snapshot")]
pub(super) struct SnapshotQuery;

impl Handler<SnapshotQuery> for ChatServer {
    type Result = MessageResult<SnapshotQuery>;

    fn handle(&mut self, _: SnapshotQuery, _: &mut Self::Context) -> Self::Result {
        MessageResult(Snapshot {
            connections: self.state.connections(),
            rooms_with_connections: self.state.rooms_with_connections(),
            by_dialect: self.state.connections_by_dialect(),
        })
    }
}

/// Which of these users have a connection.
#[derive(actix::Message)]
#[rtype(result = "Vec<bool>")]
pub(super) struct OnlineQuery {
    pub(super) organization: OrgId,
    pub(super) users: Vec<UserId>,
}

impl Handler<OnlineQuery> for ChatServer {
    type Result = MessageResult<OnlineQuery>;

    fn handle(&mut self, query: OnlineQuery, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.state.online(query.organization, &query.users))
    }
}

#[derive(actix::Message)]
#[rtype(result = "()")]
pub(super) struct Drain;

impl Handler<Drain> for ChatServer {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Drain, _: &mut Self::Context) -> Self::Result {
        self.end_all(|_| End::Drain);
        let flush = self.shared.store.flush();
        let flushed = async move { actix::clock::timeout(DRAIN_WRITES, flush).await };
        let acknowledged = flushed.into_actor(self).then(|flushed, act, _| {
            if !matches!(flushed, Ok(Ok(()))) {
                log::warn!(
                    "stopping with {} writes whose fate is not known; their senders have no acknowledgement",
                    act.state.writes_in_flight()
                );
            }
            act.end_turn();
            let barriers: Vec<_> = act.workers.iter().flatten().map(|worker| worker.send(Barrier)).collect();
            join_all(barriers).into_actor(act)
        });
        Box::pin(acknowledged.map(|_, act, _| act.end_all(|conn| End::Close(conn, CloseReason::Restarting))))
    }
}
