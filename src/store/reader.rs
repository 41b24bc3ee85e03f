//! The readers: a few threads with a connection each, which never wait for the writer, nor it for them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::{Actor, Addr, Handler, Message, SyncContext};
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

pub(crate) struct Reader {
    link: Link,
}

impl Reader {
    pub(crate) fn new(link: Link) -> Self {
        Self { link }
    }

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

#[derive(Message)]
#[rtype(result = "()")]
struct Ask<Q: Query> {
    query: Q,
    reply: oneshot::Sender<Q::Answer>,
    place: Place,
}

impl<Q: Query> Handler<Ask<Q>> for Reader {
    type Result = ();

    fn handle(&mut self, ask: Ask<Q>, _: &mut SyncContext<Self>) {
        let Ask { query, reply, place } = ask;
        if !reply.is_closed() {
            // The thread of a sync arbiter is not replaced, so nothing may unwind through here.
            match catch_unwind(AssertUnwindSafe(|| self.read(&query))) {
                // Whoever asked may have stopped waiting; no answer means unavailable.
                Ok(Ok(answer)) => drop(reply.send(answer)),
                Ok(Err(Down)) => {}
                Err(_) => {
                    error!("A reader panicked");
                    self.link.drop_connection();
                }
            }
        }
        drop(place);
    }
}

/// A place in the queue, free again when it is dropped.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The readers, from outside.
#[derive(Clone)]
pub(crate) struct Readers {
    pool: Addr<Reader>,
    waiting: Arc<AtomicUsize>,
}

impl Readers {
    pub(crate) fn new(pool: Addr<Reader>) -> Self {
        Self { pool, waiting: Arc::default() }
    }

    pub(crate) fn ask<Q: Query>(&self, query: Q) -> Reply<Q::Answer> {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(&self.waiting));
        if waiting >= CAPACITY {
            return Box::pin(async { Err(Unavailable) });
        }
        let (reply, answer) = oneshot::channel();
        // The mailbox does not count; `waiting` does.
        self.pool.do_send(Ask { query, reply, place });
        Box::pin(async {
            match tokio::time::timeout(PATIENCE, answer).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(_)) | Err(_) => Err(Unavailable),
            }
        })
    }
}
