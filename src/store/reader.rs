//! The readers: a few threads with a connection each, which never wait for the writer, nor it for them.
//!
//! They take queries from one queue, straight from whoever asks. A reader that has work looks for more before it sleeps,
//! so that a crowd that asks wakes nobody once per question.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::{Actor, Addr, Handler, Message, SyncArbiter, SyncContext};
use diesel::QueryResult;
use log::{error, warn};
use tokio::sync::oneshot;

use super::connection::Connection;
use super::link::{Down, Link};
use crate::hub::ports::{Reply, Unavailable};

/// How many queries may wait for the readers together.
const CAPACITY: usize = 4_096;
/// How long a query may take, its time in the queue included.
const PATIENCE: Duration = Duration::from_secs(10);

/// Something to be read. It is run again if the connection breaks.
pub(crate) trait Query: Send + 'static {
    type Answer: Send + 'static;

    fn run(&self, connection: &mut Connection) -> QueryResult<Self::Answer>;
}

struct Reader {
    queue: Arc<Queue>,
    link: Link,
}

impl Reader {
    fn read<Q: Query>(&mut self, query: &Q) -> Result<Q::Answer, Down> {
        let error = match query.run(self.link.get()?) {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        warn!("A query failed and is run again: {error}");
        match query.run(self.link.renew()?) {
            Ok(answer) => Ok(answer),
            Err(error) => {
                error!("A query failed: {error}");
                self.link.drop_connection();
                Err(Down)
            }
        }
    }
}

impl Actor for Reader {
    type Context = SyncContext<Self>;
}

/// Read until the queue closes. Sent once to each reader: between queries there is no detour through a mailbox.
#[derive(Message)]
#[rtype(result = "()")]
struct Run;

impl Handler<Run> for Reader {
    type Result = ();

    fn handle(&mut self, _: Run, _: &mut SyncContext<Self>) {
        while let Some(question) = self.queue.next() {
            // The thread of a sync arbiter is not replaced, so nothing may unwind through here.
            if catch_unwind(AssertUnwindSafe(|| question.answer(self))).is_err() {
                error!("A reader panicked");
                self.link.drop_connection();
            }
        }
    }
}

/// A query and whoever waits for its answer.
trait Question: Send {
    /// Dropped without an answer, it tells whoever waits that there is none.
    fn answer(self: Box<Self>, reader: &mut Reader);
}

struct Asked<Q: Query> {
    query: Q,
    reply: oneshot::Sender<Q::Answer>,
}

impl<Q: Query> Question for Asked<Q> {
    fn answer(self: Box<Self>, reader: &mut Reader) {
        if self.reply.is_closed() {
            return;
        }
        if let Ok(answer) = reader.read(&self.query) {
            // Whoever asked may have stopped waiting.
            let _ = self.reply.send(answer);
        }
    }
}

#[derive(Default)]
struct Queue {
    state: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Default)]
struct Waiting {
    questions: VecDeque<Box<dyn Question>>,
    /// Readers that sleep.
    idle: usize,
    closed: bool,
}

impl Queue {
    /// A panic elsewhere leaves nothing half done in here.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, question: Box<dyn Question>) -> Result<(), Unavailable> {
        let mut waiting = self.lock();
        if waiting.closed || waiting.questions.len() >= CAPACITY {
            return Err(Unavailable);
        }
        waiting.questions.push_back(question);
        let is_idle = waiting.idle > 0;
        drop(waiting);
        if is_idle {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// The next question; `None`: there will be none.
    fn next(&self) -> Option<Box<dyn Question>> {
        let mut waiting = self.lock();
        loop {
            if waiting.closed {
                return None;
            }
            if let Some(question) = waiting.questions.pop_front() {
                return Some(question);
            }
            waiting.idle += 1;
            waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            waiting.idle -= 1;
        }
    }
}

/// The readers, from outside. They end with the last of these.
#[derive(Clone)]
pub(crate) struct Readers(Arc<Pool>);

struct Pool {
    queue: Arc<Queue>,
    _readers: Addr<Reader>,
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        waiting.closed = true;
        waiting.questions.clear();
        drop(waiting);
        self.queue.wake.notify_all();
    }
}

impl Readers {
    /// Starts as many, each with a connection that `link` makes. Needs a running actix system.
    pub(crate) fn start(count: usize, link: impl Fn() -> Link + Send + Sync + 'static) -> Self {
        let queue = Arc::<Queue>::default();
        let readers = SyncArbiter::start(count, {
            let queue = Arc::clone(&queue);
            move || Reader { queue: Arc::clone(&queue), link: link() }
        });
        for _ in 0..count {
            readers.do_send(Run);
        }
        Self(Arc::new(Pool { queue, _readers: readers }))
    }

    pub(crate) fn ask<Q: Query>(&self, query: Q) -> Reply<Q::Answer> {
        let (reply, answer) = oneshot::channel();
        if self.0.queue.push(Box::new(Asked { query, reply })).is_err() {
            return Box::pin(async { Err(Unavailable) });
        }
        Box::pin(async {
            match tokio::time::timeout(PATIENCE, answer).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(_)) | Err(_) => Err(Unavailable),
            }
        })
    }
}
