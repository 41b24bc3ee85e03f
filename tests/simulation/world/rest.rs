//! How a world comes to rest, and what must be true when it has.

use tertulia::domain::{Command, ConnId, Timestamp};
use tertulia::hub::fanout::Fanout;
use tertulia::hub::handle::{Departure, Seat};
use tertulia::hub::presence::GRACE;
use tertulia::hub::state::{Input, State};

use super::{DIALECT, World};
use crate::device::Link;
use crate::people::{PEOPLE, ROOM_IDS};
use crate::verdict::may_enter;

impl World {
    /// Everything that was put off happens, nothing fails any more, and time passes until nobody waits for anything.
    pub(super) fn come_to_rest(&mut self) {
        self.tell(|| "everything comes to rest".to_owned());
        self.store.is_up = true;
        self.store.recover();
        for _ in 0..4 {
            self.drain();
            self.send_what_is_owed();
            self.drain();
            self.pass(GRACE);
        }
    }

    fn drain(&mut self) {
        for round in 0.. {
            assert!(round < 10_000, "it never comes to rest");
            let mut is_busy = self.hub.has_work();
            while !self.inboxes.is_empty() || !self.store.news.is_empty() {
                is_busy = true;
                self.take_input();
            }
            self.hub.end_turn(self.now);
            for worker in 0..self.config.workers {
                while self.hub.take(worker) {}
                while self.hub.step(worker) {}
                let fanout = &self.hub.workers[worker].fanout;
                if fanout.has_failed() || fanout.has_paused() {
                    is_busy = true;
                    self.retry(worker);
                }
            }
            while self.store.has_writes() {
                is_busy = true;
                self.store.commit(&mut self.rng, 0, self.now);
            }
            while !self.hub.lookups.is_empty() {
                is_busy = true;
                self.look();
                self.reply();
            }
            for device in 0..self.devices.len() {
                self.read(device, usize::MAX);
                let has_ended = self.devices[device].link.as_ref().is_some_and(|link| link.socket.has_ended());
                if has_ended {
                    is_busy = true;
                    self.hang_up(device, Departure::Lost);
                }
            }
            if !is_busy {
                return;
            }
        }
    }

    /// Those who are connected send again what was not acknowledged.
    fn send_what_is_owed(&mut self) {
        for device in 0..self.devices.len() {
            if self.devices[device].link.is_none() {
                continue;
            }
            for index in 0..self.devices[device].wishes.len() {
                if !self.devices[device].wishes[index].is_sent {
                    let command = self.devices[device].send_again(index, &mut self.message_ids);
                    self.command(device, command);
                }
            }
        }
    }

    pub(super) fn check_everyone_is_up_to_date(&self) {
        let links: Vec<&Link> = self.devices.iter().filter_map(|device| device.link.as_ref()).collect();
        assert_eq!(self.hub.state.connections(), links.len(), "connections that are known");
        assert_eq!(self.hub.state.writes_in_flight(), 0, "writes without an outcome");
        for (device, link) in self.devices.iter().filter_map(|device| Some((device, device.link.as_ref()?))) {
            assert!(!link.socket.has_unflushed(), "frames that were never written");
            for (room, view) in &link.rooms {
                assert_eq!(
                    view.cursor,
                    self.store.last_seq(*room),
                    "{:?} has not come to the end of {room}",
                    link.conn
                );
                assert!(view.is_caught_up, "{:?} was not told that it has caught up in {room}", link.conn);
                let (row, role) = (&self.store.rooms[room], link.roles[link.roles.len() - 1]);
                assert!(may_enter(device.who, role, row.now()), "{:?} is in {room}, and may not be", link.conn);
                device.places[room].shown.check(row);
            }
            let is_owed = |command: &Command| !matches!(command, Command::Typing { .. });
            let unanswered = link.asked.iter().find(|(_, asked)| is_owed(&asked.command));
            assert!(unanswered.is_none(), "{:?} was never answered {:?}", link.conn, unanswered.map(|(tag, _)| tag));
        }
    }

    pub(super) fn check_the_acknowledged(&self) {
        for device in &self.devices {
            for (room, id, seq) in &device.acknowledged {
                let stored = &self.store.rooms[room].messages[*seq as usize - 1];
                assert_eq!(stored.id, *id, "acknowledged, and not there under its number");
            }
        }
        for room in ROOM_IDS.iter().filter_map(|room| self.store.rooms.get(room)) {
            let mut names: Vec<_> = room.messages.iter().map(|it| (it.user, it.client_message_id.clone())).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "stored twice under one client_message_id");
        }
    }

    pub(super) fn check_nothing_is_left(&self) {
        let fresh = one_has_come_and_gone(State::new(self.config.rules.clone()));
        assert_eq!(without_ticket(&self.hub.state), without_ticket(&fresh), "left in the state");
        for worker in &self.hub.workers {
            assert!(worker.outlets.borrow().is_empty(), "places that nobody gave back");
            let fresh = Fanout::new(worker.outlets.clone());
            assert_eq!(format!("{:?}", worker.fanout), format!("{fresh:?}"), "left in a fan-out");
        }
    }
}

/// A state that has seen a connection, and remembers its dialect.
fn one_has_come_and_gone(mut state: State) -> State {
    let (conn, seat, who) = (ConnId(0), Seat { worker: 0, slot: 0 }, PEOPLE[0]);
    let (identity, mut effects) = (who.identity(who.role), Vec::new());
    state.handle(Input::Connect { conn, dialect: DIALECT, identity, seat }, Timestamp::default(), &mut effects);
    state.handle(Input::Disconnect { conn, departure: Departure::Left }, Timestamp::default(), &mut effects);
    state
}

/// Everything in a state but the numbers of its last write and comparison, which only grow.
fn without_ticket(state: &State) -> String {
    let mut text = format!("{state:?}");
    for name in ["last_ticket: ", "comparisons: "] {
        let (before, rest) = text.split_once(name).expect("a state numbers what it asks for");
        text = format!("{before}{}", rest.trim_start_matches(|it: char| it.is_ascii_digit()));
    }
    text
}
