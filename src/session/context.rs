//! The context in which a session runs as an actor: mailbox and futures as any, no more.

use actix::dev::{AsyncContextParts, ContextFut, ContextParts, Envelope, Mailbox, ToEnvelope};
use actix::{Actor, ActorContext, ActorFuture, ActorState, Addr, AsyncContext, Handler, Message, SpawnHandle};
use tokio::sync::oneshot::Sender;

use super::actor::Session;

pub struct SessionContext {
    parts: ContextParts<Session>,
}

impl SessionContext {
    /// Runs a session on this thread until it stops, with the futures that `prepare` spawns.
    pub(super) fn run(session: Session, prepare: impl FnOnce(&mut Self)) -> Addr<Session> {
        let mailbox = Mailbox::default();
        let mut context = Self { parts: ContextParts::new(mailbox.sender_producer()) };
        prepare(&mut context);
        let address = context.address();
        actix_rt::spawn(ContextFut::new(context, session, mailbox));
        address
    }
}

impl ActorContext for SessionContext {
    fn stop(&mut self) {
        self.parts.stop();
    }

    fn terminate(&mut self) {
        self.parts.terminate();
    }

    fn state(&self) -> ActorState {
        self.parts.state()
    }
}

impl AsyncContext<Session> for SessionContext {
    fn spawn<F>(&mut self, future: F) -> SpawnHandle
    where
        F: ActorFuture<Session, Output = ()> + 'static,
    {
        self.parts.spawn(future)
    }

    fn wait<F>(&mut self, future: F)
    where
        F: ActorFuture<Session, Output = ()> + 'static,
    {
        self.parts.wait(future);
    }

    fn waiting(&self) -> bool {
        self.parts.waiting()
    }

    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        self.parts.cancel_future(handle)
    }

    fn address(&self) -> Addr<Session> {
        self.parts.address()
    }
}

impl AsyncContextParts<Session> for SessionContext {
    fn parts(&mut self) -> &mut ContextParts<Session> {
        &mut self.parts
    }
}

impl<M> ToEnvelope<Session, M> for SessionContext
where
    Session: Actor<Context = Self> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn pack(message: M, reply: Option<Sender<M::Result>>) -> Envelope<Session> {
        Envelope::new(message, reply)
    }
}
