//! Sessions without a socket: what is said comes in posts, what is told is fetched by polls, one of each at a time.
//!
//! - Polls and posts are HTTP requests that any worker thread may serve; they come here as messages.
//! - A poll that is cancelled is the end of the session, as a lost socket is, unless the same comes again. Another one
//!   beside it, too.
//! - The answer of a poll that has a name is kept until the next comes: it may not have arrived.
//! - A post is answered when the peer has heard all of it. While the peer is congested, or too much waits to be told, it
//!   is not, and no other may come. A client that moves to a socket fetches nothing more before its post is answered: what
//!   it has posted is heard all the same.
//! - An idle session holds neither buffer nor task, beside its actor.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix::dev::SendError;
use actix::{Addr, AsyncContext as _, Handler, Message};
use bytes::Bytes;
use tokio::sync::oneshot::{self, Sender};

use super::probe::Probe;
use super::{Opening, PIECES_PER_TURN, Pump, SCRATCH, Session};
use crate::domain::CloseReason;
use crate::session::context::SessionContext;
use crate::session::outbox::{Outbox, PollAnswer, PollName, Portion, Unserved, Waiting};
use crate::session::payload::{NOOP, Packets};
use crate::session::peer::Ending;
use crate::session::wheel::Moment;
use crate::transport::io::Io;
use crate::transport::ws::Opcode;
use crate::transport::ws::reader::Reader;
use crate::transport::ws::writer::{close_echo, frame};

/// How many packets of a post are heard before other sessions have their turn.
const PACKETS_PER_TURN: usize = 256;

/// How long a client that leaves may take to fetch the last answer, where it polls and posts at the same time: its poll may
/// be the slower one. Until then its post is not answered, for who polls behind that has no session any more.
pub(super) const LEAVING: Duration = Duration::from_millis(100);

/// How often polls are sent back while a socket is to take their place: it can be used as soon as none waits.
const NOOP_INTERVAL: Duration = Duration::from_millis(100);

/// What a session without a socket has instead.
#[derive(Default)]
pub(super) struct Polling {
    /// What is being heard.
    post: Option<Post>,
    farewell: Option<Farewell>,
    /// A socket that may take over.
    pub(super) probe: Option<Box<Probe>>,
    /// When a poll may be sent back again.
    noop_at: Option<Moment>,
}

struct Post {
    packets: Packets,
    answer: Sender<Result<(), Unserved>>,
}

/// The post in which a client said that it leaves. It is answered when there is no session any more.
struct Farewell(Option<Sender<Result<(), Unserved>>>);

impl Drop for Farewell {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            let _ = answer.send(Ok(()));
        }
    }
}

/// A session without a socket, for whoever serves its requests.
#[derive(Clone, Debug)]
pub struct Polled {
    address: Addr<Session>,
}

/// Makes a session without a socket, on this thread, whose polls take so much. The receiver gets the answer to the first.
pub fn start_polled(opening: Opening, portion: Portion) -> (Polled, oneshot::Receiver<PollAnswer>) {
    let Opening { peer, dialect, sessions } = opening;
    let outbox = Outbox::polled(sessions, dialect, portion);
    let (answer, answered) = oneshot::channel();
    // It is new, so no poll waits yet.
    let _ = outbox.wait(Waiting { answer, name: None, late: false });
    let address = SessionContext::run(Session::new(outbox, peer, Some(Box::default())), |context| {
        context.spawn(Pump);
    });
    (Polled { address }, answered)
}

impl Polled {
    /// Waits for something to be told. Dropping this ends the session as lost, unless it has a name and is called by it
    /// again within a moment.
    pub async fn poll(&self, name: Option<PollName>) -> PollAnswer {
        let (answer, answered) = oneshot::channel();
        self.send(Waits { answer, name })?;
        answered.await.unwrap_or(Err(Unserved::Ended))
    }

    /// Hands over what the client posted, and waits until the peer has heard it.
    ///
    /// # Errors
    /// Why it has not; what is no text, or not what the peer understands, also ends the session.
    pub async fn post(&self, body: Bytes) -> Result<(), Unserved> {
        let (answer, answered) = oneshot::channel();
        self.send(Posted { body, answer })?;
        answered.await.unwrap_or(Err(Unserved::Ended))
    }

    /// The client broke a rule, or off.
    pub fn give_up(&self, why: GivenUp) {
        self.address.do_send(why);
    }

    /// Offers a socket, to which the session moves if its client asks for that within `patience`. `first` is to be written
    /// before anything else; `early` has been read already.
    pub(crate) fn offer(&self, io: Io, first: Vec<u8>, early: Bytes, patience: Duration) {
        self.address.do_send(Offer { io, first, early, patience });
    }

    fn send<M>(&self, message: M) -> Result<(), Unserved>
    where
        M: Message<Result = ()> + Send + 'static,
        Session: Handler<M>,
    {
        // Nobody who keeps to the rules fills a mailbox with requests that come one at a time.
        self.address.try_send(message).map_err(|error| match error {
            SendError::Full(_) => Unserved::Unexpected,
            SendError::Closed(_) => Unserved::Ended,
        })
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Waits {
    answer: Sender<PollAnswer>,
    name: Option<PollName>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Posted {
    body: Bytes,
    answer: Sender<Result<(), Unserved>>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Offer {
    io: Io,
    first: Vec<u8>,
    early: Bytes,
    patience: Duration,
}

/// Why a session ends whose request could not be read to its end.
#[derive(Message, Clone, Copy, PartialEq, Eq, Debug)]
#[rtype(result = "()")]
pub enum GivenUp {
    /// The client has gone.
    Lost,
    /// It is not what the protocol allows.
    Misused,
    /// It is longer than it may be.
    TooBig,
}

impl Handler<Waits> for Session {
    type Result = ();

    fn handle(&mut self, Waits { answer, name }: Waits, context: &mut SessionContext) {
        if !self.serves_requests(context) {
            let _ = answer.send(Err(Unserved::Ended));
            return;
        }
        let late = self.polling.as_ref().is_some_and(|polling| polling.probe.is_some());
        if let Err((Waiting { answer, .. }, why)) = self.outbox.wait(Waiting { answer, name, late }) {
            let _ = answer.send(Err(why));
            match why {
                Unserved::Ended => self.lose(),
                Unserved::Unexpected => self.misused(CloseReason::ProtocolError),
            }
        }
    }
}

impl Handler<Posted> for Session {
    type Result = ();

    fn handle(&mut self, Posted { body, answer }: Posted, context: &mut SessionContext) {
        if !self.serves_requests(context) || self.closing.is_some() {
            let _ = answer.send(Err(Unserved::Ended));
            return;
        }
        let Some(polling) = self.polling.as_mut().filter(|polling| polling.post.is_none()) else {
            let _ = answer.send(Err(Unserved::Unexpected));
            return self.misused(CloseReason::ProtocolError);
        };
        if let Ok(text) = String::from_utf8(body.into()) {
            polling.post = Some(Post { packets: Packets::new(text), answer });
            self.heard_at = Moment::now();
        } else {
            let _ = answer.send(Err(Unserved::Unexpected));
            self.break_off(CloseReason::InvalidUtf8);
        }
    }
}

impl Handler<GivenUp> for Session {
    type Result = ();

    fn handle(&mut self, why: GivenUp, _: &mut SessionContext) {
        match why {
            GivenUp::Misused => self.misused(CloseReason::ProtocolError),
            GivenUp::TooBig => self.misused(CloseReason::TooBig),
            GivenUp::Lost if self.polling.is_some() => self.lose(),
            GivenUp::Lost => {}
        }
    }
}

impl Handler<Offer> for Session {
    type Result = ();

    fn handle(&mut self, Offer { io, mut first, early, patience }: Offer, _: &mut SessionContext) {
        let Ok(io) = io.adopt() else { return };
        match &mut self.polling {
            Some(polling) if polling.probe.is_none() && self.closing.is_none() => {
                polling.probe = Some(Box::new(Probe::new(io, first, early, patience)));
            }
            _ => {
                // As the protocol has it, the client learns this only once it has its socket.
                first.extend_from_slice(&close_echo(None));
                actix_rt::spawn(async move { io.part(&first).await });
            }
        }
    }
}

impl Session {
    /// Whether a poll or a post may be served. Looks at the clock first, which may have been read late.
    fn serves_requests(&mut self, context: &SessionContext) -> bool {
        self.tick(context);
        self.closing.as_ref().is_none_or(|closing| Moment::now() < closing.until)
    }

    /// A client that has a socket is told that the request was wrong, and no more: it may have been late.
    fn misused(&mut self, reason: CloseReason) {
        if self.outbox.is_polled() {
            self.break_off(reason);
        }
    }

    fn lose(&mut self) {
        self.depart(Ending::lost(), false);
        self.stop_waiting();
    }

    /// Sees to what polls, posts and an offered socket brought.
    pub(super) fn attend(&mut self, context: &SessionContext, cx: &mut Context<'_>) {
        self.hear_post(context, cx);
        self.look_at_probe(context, cx);
        self.send_poll_back();
    }

    fn hear_post(&mut self, context: &SessionContext, cx: &mut Context<'_>) {
        let Some(polling) = &mut self.polling else { return };
        let is_moving = polling.probe.as_ref().is_some_and(|probe| probe.is_tried());
        let Some(mut post) = polling.post.take() else { return };
        for _ in 0..PACKETS_PER_TURN {
            if let Some(closing) = &self.closing {
                if let (None, Some(polling)) = (closing.ours, &mut self.polling) {
                    polling.farewell = Some(Farewell(Some(post.answer)));
                } else {
                    let _ = post.answer.send(if closing.at_once { Err(Unserved::Unexpected) } else { Ok(()) });
                }
                return;
            }
            if post.answer.is_closed() {
                return self.lose();
            }
            if self.is_paused() && !is_moving {
                break;
            }
            let Some(packet) = post.packets.next() else {
                let _ = post.answer.send(Ok(()));
                return;
            };
            self.with_peer(context, |peer, link| peer.text(packet, link));
        }
        if is_moving || !self.is_paused() {
            cx.waker().wake_by_ref();
        }
        if let Some(polling) = &mut self.polling {
            polling.post = Some(post);
        }
    }

    /// Reads what came over an offered socket, and moves there if that is what the client wants.
    fn look_at_probe(&mut self, context: &SessionContext, cx: &mut Context<'_>) {
        for _ in 0..PIECES_PER_TURN {
            let Some(polling) = &mut self.polling else { return };
            let Some(probe) = &mut polling.probe else { return };
            if probe.is_taken() {
                return self.move_over();
            }
            // A client that knows that the socket works polls no more: there it can still be told that the session is over.
            if probe.has_failed() || (self.closing.is_some() && !probe.is_tried()) {
                self.reader = Reader::default();
                return self.part_with_probe();
            }
            // What was posted comes before what is said over the socket.
            if polling.post.is_some() {
                return;
            }
            let mut early = probe.take_early();
            if !early.is_empty() {
                self.hear(&mut early, context);
                continue;
            }
            if self.read_probe(context, cx).is_pending() {
                return;
            }
        }
        cx.waker().wake_by_ref();
    }

    /// Closes a socket to which the session does not move.
    pub(super) fn part_with_probe(&mut self) {
        if let Some(probe) = self.polling.as_mut().and_then(|polling| polling.probe.take()) {
            probe.part();
        }
    }

    fn read_probe(&mut self, context: &SessionContext, cx: &mut Context<'_>) -> Poll<()> {
        SCRATCH.with_borrow_mut(|scratch| {
            let Some(probe) = self.polling.as_mut().and_then(|it| it.probe.as_mut()) else { return Poll::Pending };
            match ready!(probe.poll(scratch, cx)) {
                0 => probe.fail(),
                len => self.hear(&mut scratch[..len], context),
            }
            Poll::Ready(())
        })
    }

    fn move_over(&mut self) {
        if let Some(probe) = self.polling.take().and_then(|polling| polling.probe) {
            let (io, unwritten) = probe.into_parts();
            self.outbox.move_to(io, unwritten, NOOP);
        }
    }

    /// Once the socket works, polls only delay that the client uses it.
    fn send_poll_back(&mut self) {
        let Some(polling) = &mut self.polling else { return };
        let now = Moment::now();
        if polling.probe.as_ref().is_some_and(|probe| probe.is_tried())
            && self.outbox.has_poll()
            && self.outbox.queued_bytes() == 0
            && polling.noop_at.is_none_or(|at| at <= now)
        {
            self.outbox.end_poll(NOOP);
            polling.noop_at = Some(now + NOOP_INTERVAL);
        }
    }

    /// When something is due that has to do with polls.
    pub(super) fn polling_due(&self) -> Option<Moment> {
        let polling = self.polling.as_ref()?;
        let probe = polling.probe.as_ref();
        let noop_at = polling.noop_at.filter(|_| probe.is_some_and(|it| it.is_tried()) && self.outbox.has_poll());
        [noop_at, probe.map(|it| it.until()), self.outbox.lost_at()].into_iter().flatten().min()
    }

    /// Whether all has been fetched that a session that is closed had to tell. Where the last poll may come again, that
    /// takes a moment longer.
    pub(super) fn is_fetched(&mut self) -> bool {
        if !self.outbox.is_polled() {
            return false;
        }
        let Some(closing) = self.closing.as_mut() else { return false };
        let now = Moment::now();
        let repeats = closing.ours.is_some_and(may_be_repeated);
        closing.until = self.outbox.repeats_until().filter(|_| repeats).unwrap_or(now).min(closing.until);
        closing.until <= now
    }
}

/// Whether a client that was closed may ask again for the last that it was told. When the process ends, nobody can come
/// again.
fn may_be_repeated(reason: CloseReason) -> bool {
    reason != CloseReason::Restarting
}

/// The frame of a packet that says nothing.
pub(super) fn noop() -> Bytes {
    frame(Opcode::Text, NOOP.as_bytes())
}
