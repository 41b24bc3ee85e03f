//! Sessions that only tell: what they say is the body of an HTTP answer, which an actor in actix's `HttpContext` writes.
//!
//! - The HTTP stack asks for more only while the client reads. So the session itself, which must see to its clock and its
//!   end whether or not anyone reads, runs beside it; between the two stands the [`Outbox`], bounded as any.
//! - The actor hands on one piece at a time, so nothing is buffered where nobody counts it.
//! - What is told comes in whole blocks. A reader that is too slow loses those that wait, never a part of one, and is told
//!   why in the last.
//! - The session ends when the client is gone, or when the answer is dropped.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix::{Actor, ActorContext as _, ActorFuture, AsyncContext as _};
use actix_web::Error;
use actix_web_actors::HttpContext;
use bytes::Bytes;
use futures_util::Stream;

use super::{Opening, Pump, Session};
use crate::session::context::SessionContext;
use crate::session::outbox::{Outbox, Phrases};
use crate::transport::caller::{Caller, Kept};

/// Makes a session that only tells, on this thread, to a client that waits for the answer with this body. `first` is told
/// before anything else.
pub fn start_streamed(
    opening: Opening,
    phrases: Phrases,
    first: Bytes,
    caller: &Caller,
) -> impl Stream<Item = Result<Bytes, Error>> + use<> {
    let Opening { peer, sessions, .. } = opening;
    let outbox = Outbox::streamed(sessions, phrases);
    outbox.hold(first);
    let (caller, kept) = (caller.clone(), caller.keep());
    let gone = Gone { left: Box::pin(async move { caller.gone().await }), _kept: kept };
    SessionContext::run(Session::new(outbox.clone(), peer, None), |context| {
        context.spawn(gone);
        context.spawn(Pump);
    });
    let body = HttpContext::create(Body { outbox: outbox.clone() });
    Answer { body: Box::pin(body), outbox }
}

/// Waits for the client to leave.
struct Gone {
    left: Pin<Box<dyn Future<Output = ()>>>,
    /// It is the client who waits, for as long as the session lasts.
    _kept: Kept,
}

impl ActorFuture<Session> for Gone {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, session: &mut Session, _: &mut SessionContext, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.left.as_mut().poll(cx));
        session.outbox.break_off();
        Poll::Ready(())
    }
}

/// Writes what the session tells into the answer.
struct Body {
    outbox: Rc<Outbox>,
}

impl Actor for Body {
    type Context = HttpContext<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.spawn(Tap);
    }
}

/// Polled whenever the HTTP stack asks for more.
struct Tap;

impl ActorFuture<Body> for Tap {
    type Output = ();

    fn poll(self: Pin<&mut Self>, body: &mut Body, context: &mut HttpContext<Body>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(piece) = ready!(body.outbox.poll_piece(cx)) {
            context.write(piece);
            return Poll::Pending;
        }
        context.write_eof();
        context.stop();
        Poll::Ready(())
    }
}

/// The body of the answer. While it lives, somebody may read it.
struct Answer<S> {
    body: Pin<Box<S>>,
    outbox: Rc<Outbox>,
}

impl<S: Stream> Stream for Answer<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let piece = ready!(self.body.as_mut().poll_next(cx));
        self.outbox.piece_is_taken();
        Poll::Ready(piece)
    }
}

impl<S> Drop for Answer<S> {
    fn drop(&mut self) {
        self.outbox.break_off();
    }
}
