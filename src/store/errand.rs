//! Writes that somebody waits for besides the hub: each a transaction of its own, on the writer's thread.
//!
//! An errand may be run twice, where nobody knows how the first commit ended; it must find then that it was done.

use diesel::QueryResult;
use tokio::sync::oneshot;

use super::connection::Connection;

/// Something to be written, and how whoever asked for it is told. Dropped untold: the database is not available.
pub(crate) struct Errand(Box<dyn Work>);

trait Work: Send {
    fn run(&mut self, connection: &mut Connection) -> QueryResult<()>;

    fn tell(self: Box<Self>);

    fn is_awaited(&self) -> bool;
}

struct Waiting<F, T> {
    work: F,
    answer: Option<T>,
    reply: oneshot::Sender<T>,
}

impl<F, T> Work for Waiting<F, T>
where
    F: FnMut(&mut Connection) -> QueryResult<T> + Send,
    T: Send,
{
    fn run(&mut self, connection: &mut Connection) -> QueryResult<()> {
        self.answer = Some(connection.change(&mut self.work)?);
        Ok(())
    }

    fn tell(self: Box<Self>) {
        if let Some(answer) = self.answer {
            // Whoever asked may have stopped waiting.
            let _ = self.reply.send(answer);
        }
    }

    fn is_awaited(&self) -> bool {
        !self.reply.is_closed()
    }
}

impl Errand {
    pub(crate) fn new<T: Send + 'static>(
        work: impl FnMut(&mut Connection) -> QueryResult<T> + Send + 'static,
    ) -> (Self, oneshot::Receiver<T>) {
        let (reply, answer) = oneshot::channel();
        (Self(Box::new(Waiting { work, answer: None, reply })), answer)
    }

    pub(crate) fn run(&mut self, connection: &mut Connection) -> QueryResult<()> {
        self.0.run(connection)
    }

    pub(crate) fn tell(self) {
        self.0.tell();
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.0.is_awaited()
    }
}
