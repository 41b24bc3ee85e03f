//! A client in one namespace: what it says goes to the hub, after it is noted what it wants of which room.

use std::rc::Rc;
use std::time::Duration;

use super::asked::{Asked, Verb, View};
use super::ear::Ear;
use crate::clock;
use crate::domain::{CloseReason, ConnId, Reject};
use crate::session::dialect::Misread;
use crate::session::member::Member;
use crate::session::{Ending, Link, Peer as _, Speaker};
use crate::socketio::{Line, Packet, Socket};

pub(super) struct HubSocket {
    member: Member,
    ear: Rc<Ear>,
}

impl HubSocket {
    pub(super) fn new(member: Member, ear: Rc<Ear>) -> Self {
        Self { member, ear }
    }

    pub(super) fn opened(&mut self, line: &mut Line<'_, '_>) {
        self.with(line, Member::opened);
        self.ear.desk().hub().watch(self.member.conn(), Asked { verb: Verb::Watch, ack: None }.tag());
    }

    fn with<T>(&mut self, line: &mut Line<'_, '_>, call: impl FnOnce(&mut Member, &mut Link<'_>) -> T) -> T {
        let speaker: Rc<dyn Speaker> = self.ear.clone();
        call(&mut self.member, &mut line.link().through(&speaker))
    }
}

impl Socket for HubSocket {
    fn event(&mut self, packet: Packet<'_>, line: &mut Line<'_, '_>) {
        let decoded = if packet.attachments.is_empty() {
            self.ear.desk().decode(packet.args, packet.ack).and_then(|inbound| self.ear.expect(inbound))
        } else {
            let tag = Asked { verb: Verb::Other(View::Conversation), ack: packet.ack }.tag();
            Err(Misread { reject: Reject::field("payload", "no binary data: no event here takes any"), tag })
        };
        self.with(line, |member, link| member.hear(decoded, link));
    }

    fn conn(&self) -> Option<ConnId> {
        Some(self.member.conn())
    }

    fn dismissed(&mut self, reason: CloseReason, _: &mut Line<'_, '_>) {
        // A restart was told before, with a time to come back.
        if reason == CloseReason::Restarting {
            self.ear.join_stored(u64::MAX);
        } else {
            self.ear.bid_farewell(reason);
        }
    }

    fn tick(&mut self, line: &mut Line<'_, '_>) -> Option<Duration> {
        self.with(line, Member::tick)
    }

    fn is_congested(&self) -> bool {
        self.ear.is_busy() || self.member.is_congested()
    }

    fn drain(&mut self, line: &mut Line<'_, '_>) {
        self.with(line, Member::drain);
    }

    fn ended(&mut self, ending: Ending) {
        self.ear.ended(ending.is_resumable(), clock::now());
        self.member.ended(ending);
    }
}
