//! The actor around a worker's fan-out, and the seats that connections take in it.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use actix::{Actor, ActorFuture, ActorFutureExt, Addr, AsyncContext, Context, Handler, MessageResult, WrapFuture};

use super::effect::Op;
use super::fanout::{Fanout, Outlets};
use super::handle::Shared;
use super::outlet::{Outlet, Seat};
use super::server::{AddWorker, ChatServer};
use crate::domain::Timestamp;

/// Messages per page of a room's past.
const PAGE: u32 = 100;

/// How soon a session whose peer was slow to read is looked at again.
const PAUSE: Duration = Duration::from_millis(20);

/// How soon a page that could not be read is asked for again.
const RETRY: Duration = Duration::from_millis(500);

/// All operations of one turn of the `ChatServer` for one worker.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct Ops {
    pub at: Timestamp,
    pub ops: Vec<Op>,
}

/// Answered when everything sent before it has been handed to the connections.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct Barrier;

/// The fan-out of one worker thread, as an actor on that thread.
pub struct FanoutActor {
    fanout: Fanout,
    shared: Arc<Shared>,
    /// Wakes the [`Pump`]: the completion of another future does not.
    waker: Option<Waker>,
    pausing: bool,
    retrying: bool,
}

impl Actor for FanoutActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Pump);
    }
}

impl FanoutActor {
    fn turn(&mut self, ctx: &mut Context<Self>) -> bool {
        let more = self.fanout.step();
        self.shared.metrics.messages_out.inc_by(self.fanout.take_told());
        for request in self.fanout.take_requests() {
            let page = self.shared.store.page(request.room, request.after, PAGE);
            ctx.spawn(page.into_actor(self).map(move |page, act, _| {
                act.fanout.page(request, page);
                act.wake();
            }));
        }
        if self.fanout.has_paused() && !self.pausing {
            self.pausing = true;
            ctx.run_later(PAUSE, |act, _| {
                act.pausing = false;
                act.fanout.retry_paused();
                act.wake();
            });
        }
        if self.fanout.has_failed() && !self.retrying {
            self.retrying = true;
            ctx.run_later(RETRY, |act, _| {
                act.retrying = false;
                act.fanout.retry_failed();
                act.wake();
            });
        }
        more
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

/// Never ends; polled whenever the mailbox has been emptied.
struct Pump;

impl ActorFuture<FanoutActor> for Pump {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        act: &mut FanoutActor,
        ctx: &mut Context<FanoutActor>,
        task: &mut std::task::Context<'_>,
    ) -> Poll<()> {
        if act.waker.as_ref().is_none_or(|waker| !waker.will_wake(task.waker())) {
            act.waker = Some(task.waker().clone());
        }
        if act.turn(ctx) {
            task.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Handler<Ops> for FanoutActor {
    type Result = ();

    fn handle(&mut self, Ops { at, ops }: Ops, _: &mut Self::Context) {
        for op in ops {
            self.fanout.push(at, op);
        }
    }
}

impl Handler<Barrier> for FanoutActor {
    type Result = MessageResult<Barrier>;

    fn handle(&mut self, _: Barrier, ctx: &mut Self::Context) -> Self::Result {
        while self.turn(ctx) {}
        MessageResult(())
    }
}

/// A hub's fan-out on this thread.
struct Local {
    hub: u64,
    worker: u16,
    outlets: Outlets,
}

thread_local! {
    static LOCAL: RefCell<Vec<Local>> = const { RefCell::new(Vec::new()) };
}

/// Gives a connection a place in this thread's fan-out, which is started with the first one.
pub(super) fn take_seat(server: &Addr<ChatServer>, shared: &Arc<Shared>, outlet: Rc<dyn Outlet>) -> Seat {
    LOCAL.with_borrow_mut(|locals| {
        let index = locals.iter().position(|local| local.hub == shared.id).unwrap_or_else(|| {
            locals.push(start(server, shared));
            locals.len() - 1
        });
        let local = &locals[index];
        let slot = local.outlets.borrow_mut().insert(outlet);
        // A slab of more than 2^32 connections does not fit into a process.
        Seat { worker: local.worker, slot: u32::try_from(slot).unwrap_or(u32::MAX) }
    })
}

fn start(server: &Addr<ChatServer>, shared: &Arc<Shared>) -> Local {
    let (worker, outlets) = (shared.next_worker(), Outlets::default());
    let fanout = Fanout::new(outlets.clone());
    let address = FanoutActor { fanout, shared: shared.clone(), waker: None, pausing: false, retrying: false }.start();
    server.do_send(AddWorker { worker, address });
    Local { hub: shared.id, worker, outlets }
}
