//! Somebody who reads a stream, as the session sees them: a member of the hub that never says a word.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot::Sender;

use super::ear::Ear;
use super::vocabulary::Vocabulary;
use crate::domain::{CloseReason, ConnId, Identity, Reject, RoomId};
use crate::hub::handle::Hub;
use crate::session::member::Member;
use crate::session::replay::{Left, Replay};
use crate::session::{Ending, Link, Peer, Speaker};

/// Told when the stream is in its rooms, or which of them it cannot enter.
pub(super) type Ready = Sender<Result<(), (RoomId, Reject)>>;

/// What a stream is to tell.
pub(super) struct Plan {
    pub(super) rooms: Vec<RoomId>,
    /// What was missed after this `pos` comes first. `None`: nothing was.
    pub(super) missed_from: Option<u64>,
    /// Where the rooms stood when the stream was asked for.
    pub(super) end: u64,
    /// The client named a place that was never told here.
    pub(super) is_unknown: bool,
}

pub(super) struct Reader {
    member: Member,
    identity: Arc<Identity>,
    hub: Hub,
    stage: Stage,
}

enum Stage {
    New(Box<(Vocabulary, Plan, Ready)>),
    Open(Rc<dyn Speaker>),
    Over,
}

impl Reader {
    pub(super) fn new(
        member: Member,
        hub: Hub,
        identity: Arc<Identity>,
        vocabulary: Vocabulary,
        plan: Plan,
        ready: Ready,
    ) -> Self {
        Self { member, identity, hub, stage: Stage::New(Box::new((vocabulary, plan, ready))) }
    }

    fn with<T>(&mut self, link: &mut Link<'_>, call: impl FnOnce(&mut Member, &mut Link<'_>) -> T) -> Option<T> {
        let Stage::Open(speaker) = &self.stage else { return None };
        Some(call(&mut self.member, &mut link.through(speaker)))
    }
}

impl Peer for Reader {
    fn opened(&mut self, link: &mut Link<'_>) {
        let Stage::New(start) = std::mem::replace(&mut self.stage, Stage::Over) else { return };
        let (vocabulary, plan, ready) = *start;
        let conn = self.member.conn();
        let ear = Ear::new(link.outbox().clone(), self.hub.clone(), conn, vocabulary, &plan.rooms, ready);
        self.stage = Stage::Open(ear.clone());
        self.with(link, Member::opened);
        actix_rt::spawn(begin(ear, self.hub.clone(), self.identity.clone(), plan));
    }

    fn text(&mut self, _: &str, _: &mut Link<'_>) {}

    fn tick(&mut self, link: &mut Link<'_>) -> Option<Duration> {
        self.with(link, Member::tick).flatten()
    }

    fn is_known_to_hub(&self) -> bool {
        true
    }

    fn dismiss(&mut self, _: ConnId, reason: CloseReason, link: &mut Link<'_>) {
        link.close(reason);
    }

    fn drain(&mut self, link: &mut Link<'_>) {
        self.with(link, Member::drain);
    }

    fn ended(&mut self, ending: Ending) {
        self.stage = Stage::Over;
        self.member.ended(ending);
    }
}

/// Tells what was missed, and enters the rooms from there.
async fn begin(ear: Rc<Ear>, hub: Hub, identity: Arc<Identity>, plan: Plan) {
    let reached = match plan.missed_from {
        Some(start) => {
            ear.is_let_in();
            let rooms: Vec<_> = plan.rooms.iter().map(|room| Left { room: *room, joined_pos: 0 }).collect();
            let replay = Replay { hub: &hub, identity: &identity, listener: &*ear };
            replay.tell(&rooms, start, plan.end).await
        }
        None => Some(plan.end),
    };
    // Otherwise its client has gone.
    if let Some(reached) = reached {
        ear.enter(reached);
    }
}
