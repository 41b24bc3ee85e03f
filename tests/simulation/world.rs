//! The run of one seed: who does what when, and what must be true whenever everything has come to rest.

mod rest;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tertulia::domain::{Command, ConnId, Timestamp};
use tertulia::hub::handle::{Departure, Seat};
use tertulia::hub::state::Input;

use super::config::{Act, Config, Wants};
use super::device::{Device, Link};
use super::hub::Hub;
use super::people::PEOPLE;
use super::rng::Rng;
use super::socket::{Heard, Socket};
use super::store::Store;
use super::verdict::Facts;

/// More than is kept of a room's deliveries for a session that catches up.
const FLOOD: usize = 300;

const DIALECT: &str = "simulated";

pub struct World {
    rng: Rng,
    config: Config,
    now: Timestamp,
    hub: Hub,
    store: Store,
    devices: Vec<Device>,
    /// What each connection has told the hub that it has not taken yet, in order.
    inboxes: BTreeMap<ConnId, VecDeque<Input>>,
    owners: BTreeMap<ConnId, usize>,
    conns: u64,
    tags: u64,
    message_ids: u128,
    is_told: bool,
}

impl World {
    pub fn new(seed: u64, is_told: bool) -> Self {
        let mut rng = Rng::new(seed);
        let config = Config::new(&mut rng);
        let devices = (0..config.devices).map(|index| Device::new(index, rng.pick(&config.people))).collect();
        Self {
            hub: Hub::new(config.rules.clone(), config.workers),
            rng,
            config,
            now: Timestamp::from_secs(1_000_000),
            store: Store::new(),
            devices,
            inboxes: BTreeMap::new(),
            owners: BTreeMap::new(),
            conns: 0,
            tags: 0,
            message_ids: 0,
            is_told,
        }
    }

    pub fn run(mut self) {
        if self.config.is_crowded {
            self.fill_a_room();
        }
        for _ in 0..2 {
            for _ in 0..self.config.steps {
                let act = self.config.acts.pick(&mut self.rng);
                self.act(act);
            }
            self.come_to_rest();
            self.check_everyone_is_up_to_date();
        }
        self.check_the_acknowledged();
        if self.devices[0].link.is_none() {
            self.connect(0);
        }
        for device in 0..self.devices.len() {
            self.hang_up(device, Departure::Left);
        }
        self.come_to_rest();
        self.check_nothing_is_left();
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.is_told {
            println!("{}", what());
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Client => self.client(),
            Act::Read => {
                let (device, frames) = (self.rng.below(self.devices.len()), self.rng.between(1, 40));
                self.read(device, frames);
            }
            Act::Input => self.take_input(),
            Act::EndTurn => self.hub.end_turn(self.now),
            Act::Take => {
                let worker = self.rng.below(self.config.workers);
                if self.hub.take(worker) {
                    self.tell(|| format!("worker {worker} takes a turn"));
                }
            }
            Act::Step => {
                let worker = self.rng.below(self.config.workers);
                self.hub.step(worker);
            }
            Act::Retry => {
                let worker = self.rng.below(self.config.workers);
                self.retry(worker);
            }
            Act::Look => self.look(),
            Act::Reply => self.reply(),
            Act::Commit => {
                self.store.commit(&mut self.rng, self.config.failing, self.now);
                self.tell(|| format!("the writer has {:?} news", self.store.news));
            }
            Act::Outage => {
                self.store.is_up = !self.store.is_up;
                if self.store.is_up {
                    self.store.recover();
                }
                self.tell(|| format!("the database is {}", if self.store.is_up { "back" } else { "gone" }));
            }
            Act::Time => {
                let passed = self.rng.pick(&[1, 100, 1_000, 10_000]);
                self.pass(Duration::from_millis(passed));
            }
            Act::Crash => {
                if self.rng.one_in(20) {
                    self.crash();
                }
            }
            Act::Flood => self.flood(),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.input(Input::Tick);
    }

    fn input(&mut self, input: Input) {
        self.tell(|| format!("hub: {input:?}"));
        self.store.told(&input);
        let ends = self.hub.input(input, self.now, &mut self.store, self.config.writes);
        for (conn, reason) in ends {
            self.tell(|| format!("{conn:?} is to end: {reason}"));
            let link = self.owners.get(&conn).and_then(|index| self.devices[*index].link.as_ref());
            if let Some(link) = link.filter(|link| link.conn == conn) {
                link.socket.end();
            }
        }
    }

    /// The hub takes the next input of someone who has one: the store, or a connection.
    fn take_input(&mut self) {
        let from = self.rng.below(self.inboxes.len() + 1);
        let input = match self.inboxes.iter_mut().nth(from) {
            None => self.store.news.pop_front(),
            Some((_, inbox)) => inbox.pop_front(),
        };
        self.inboxes.retain(|_, inbox| !inbox.is_empty());
        if let Some(input) = input {
            self.input(input);
        }
    }

    fn retry(&mut self, worker: usize) {
        let fanout = &mut self.hub.workers[worker].fanout;
        fanout.retry_failed();
        fanout.retry_paused();
        self.hub.step(worker);
    }

    fn look(&mut self) {
        let open: Vec<usize> =
            (0..self.hub.lookups.len()).filter(|index| self.hub.lookups[*index].answer.is_none()).collect();
        if !open.is_empty() {
            let index = self.rng.pick(&open);
            self.hub.look(index, &self.store, self.config.page);
        }
    }

    fn reply(&mut self) {
        let ready: Vec<usize> =
            (0..self.hub.lookups.len()).filter(|index| self.hub.lookups[*index].answer.is_some()).collect();
        if !ready.is_empty() {
            let index = self.rng.pick(&ready);
            self.tell(|| {
                let lookup = &self.hub.lookups[index];
                format!("{:?} is answered: {:?}", lookup.question, lookup.answer)
            });
            if let Some(input) = self.hub.reply(index) {
                self.input(input);
            }
        }
    }

    fn client(&mut self) {
        let device = self.rng.below(self.devices.len());
        let Some(link) = &mut self.devices[device].link else { return self.connect(device) };
        if link.socket.has_ended() {
            return self.hang_up(device, Departure::Lost);
        }
        match self.config.wants.pick(&mut self.rng) {
            Wants::Away => {
                let departure = self.rng.pick(&[Departure::Left, Departure::Lost]);
                self.hang_up(device, departure);
            }
            Wants::Renewal => {
                let role = self.rng.pick(&PEOPLE).role;
                link.roles.push(role);
                let (conn, identity) = (link.conn, self.devices[device].who.identity(role));
                self.post(conn, Input::Renew { conn, identity });
            }
            Wants::Much => {
                for _ in 0..self.rng.between(2, 6) {
                    let wants = self.rng.pick(&[Wants::Join, Wants::Leave, Wants::Send, Wants::Presence]);
                    self.ask(device, wants);
                }
            }
            wants => self.ask(device, wants),
        }
    }

    fn ask(&mut self, device: usize, wants: Wants) {
        let room = self.devices[device].room(&self.config.rooms, &mut self.rng);
        let command = self.devices[device].want(wants, room, &mut self.rng, &self.store, &mut self.message_ids);
        self.command(device, command);
    }

    fn command(&mut self, device: usize, command: Command) {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.devices[device].note(&tag, &command, &self.store, self.hub.troubles);
        let Some(link) = &self.devices[device].link else { return };
        let conn = link.conn;
        self.post(conn, Input::Command { conn, command, tag: Some(tag.into()) });
    }

    fn post(&mut self, conn: ConnId, input: Input) {
        self.inboxes.entry(conn).or_default().push_back(input);
    }

    fn connect(&mut self, device: usize) {
        self.conns += 1;
        let conn = ConnId(self.conns);
        let worker = self.rng.below(self.config.workers);
        let socket = Socket::new(self.config.frames, self.store.ledger.clone());
        let slot = self.hub.workers[worker].outlets.borrow_mut().insert(socket.clone());
        let seat = Seat { worker: u16::try_from(worker).unwrap(), slot: u32::try_from(slot).unwrap() };
        let who = self.devices[device].who;
        self.tell(|| format!("device {device} connects as {conn:?} at {seat:?}"));
        self.devices[device].link = Some(Link::new(conn, socket, who.role, &self.store));
        self.owners.insert(conn, device);
        self.post(conn, Input::Connect { conn, dialect: DIALECT, identity: who.identity(who.role), seat });
    }

    /// The connection ends; what was written and not read is lost.
    fn hang_up(&mut self, device: usize, departure: Departure) {
        let Some(link) = self.devices[device].hang_up() else { return };
        self.tell(|| format!("device {device} hangs up {:?}: {departure:?}", link.conn));
        link.socket.end();
        self.owners.remove(&link.conn);
        self.post(link.conn, Input::Disconnect { conn: link.conn, departure });
    }

    /// The device takes in so many frames, and what comes with them.
    fn read(&mut self, device: usize, frames: usize) {
        let mut left = frames;
        while left > 0 {
            let Some(link) = &self.devices[device].link else { return };
            let Some(heard) = link.socket.read() else { return };
            self.tell(|| format!("device {device} is told {heard:?}"));
            left -= usize::from(matches!(heard, Heard::Told(_)));
            let facts = Facts {
                store: &self.store,
                auto_create: self.config.rules.auto_create,
                max_rooms: self.config.rules.max_rooms_per_connection,
                troubles: self.hub.troubles,
                has_compared: self.hub.has_compared,
            };
            self.devices[device].hear(heard, facts);
        }
    }

    fn fill_a_room(&mut self) {
        for device in 0..self.devices.len() {
            self.connect(device);
            self.ask(device, Wants::Join);
        }
        self.come_to_rest();
    }

    fn flood(&mut self) {
        let device = self.rng.below(self.devices.len());
        let Some(link) = &self.devices[device].link else { return };
        let Some(room) = link.rooms.keys().next().copied() else { return };
        for _ in 0..FLOOD {
            let command = self.devices[device].send_new(room, &mut self.message_ids);
            self.command(device, command);
        }
    }

    /// The process dies: everything but the store, and what was on the wire already, is gone.
    fn crash(&mut self) {
        self.tell(|| "the hub dies".to_owned());
        self.inboxes.clear();
        for device in 0..self.devices.len() {
            let frames = self.rng.between(0, 20);
            self.read(device, frames);
            self.devices[device].hang_up();
        }
        self.owners.clear();
        self.store.crash(&mut self.rng, self.now);
        self.hub = Hub::new(self.config.rules.clone(), self.config.workers);
    }
}
