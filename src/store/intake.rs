//! What stands between the hub and the writer: a bounded queue, and the one voice in which outcomes are told.
//!
//! Every write that was taken gets exactly one outcome, whatever happens to the writer: if the database neither answers
//! nor fails (a stopped process, a dead disk), the watch gives its batch up, and what comes after it, until it returns.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::error;
use tokio::sync::oneshot;

use super::audit::{AuditLog, Line};
use super::batch::Job;
use super::errand::Errand;
use super::people::People;
use super::recovery::{Sight, Step, Waiting};
use crate::clock;
use crate::domain::{Identity, Recoverable, RecoveryId, Timestamp};
use crate::hub::ports::{Busy, Outcomes, Ticket, WriteError, Written};

/// How much is stored in one transaction.
const BATCH: usize = 512;
/// How long a transaction may take before its writes are answered as failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Whoever was just answered may be about to write again. For as long as this part of what the last batch took, the next
/// one waits for as many as that: senders in step share one sync of the disk, not every other.
const GATHERING_SHARE: u32 = 8;
/// The writer looks around at least this often.
const TICK: Duration = Duration::from_secs(1);
/// People, connections and audit lines are written at most this often, and so many at a time: few milliseconds of work, so
/// that messages hardly wait for them, and as much as one sync of the disk is worth.
const CHORES_INTERVAL: Duration = Duration::from_millis(50);
/// The same, where somebody waits to be told that a connection is kept.
const HURRIED_CHORES: Duration = Duration::from_millis(10);
const PEOPLE: usize = 256;
const LINES: usize = 512;
const CONNECTIONS: usize = 512;
/// How many times as many when somebody waits for them, and nobody for anything else.
const ALL_AT_ONCE: usize = 8;
/// How many errands may wait, and how many are run between two batches.
const ERRANDS: usize = 1_024;
const ERRANDS_AT_ONCE: usize = 8;

/// What the writer does next.
pub(crate) enum Turn {
    Jobs(Vec<Job>),
    Errands(Vec<Errand>),
    Chores(Chores),
    /// Nothing to do for a while.
    Idle,
    /// There will be nothing more.
    Closed,
}

/// What nobody waits for.
#[derive(Default)]
pub(crate) struct Chores {
    pub(crate) people: Vec<Arc<Identity>>,
    pub(crate) lines: Vec<Line>,
    /// Connections to be kept, or forgotten.
    pub(crate) connections: Vec<Step>,
    /// To which time the floor of recovery rises.
    pub(crate) floor: Option<Timestamp>,
}

impl Chores {
    /// The other half of what there is. `None`: there is only one thing.
    pub(crate) fn split_off(&mut self) -> Option<Self> {
        let counts = [self.people.len(), self.lines.len(), self.connections.len()];
        if counts.iter().sum::<usize>() < 2 {
            return None;
        }
        let mut others = Self::default();
        if counts.iter().filter(|count| **count > 0).count() == 1 {
            others.people = self.people.split_off(self.people.len() / 2);
            others.lines = self.lines.split_off(self.lines.len() / 2);
            others.connections = self.connections.split_off(self.connections.len() / 2);
        } else if self.connections.is_empty() {
            others.lines = std::mem::take(&mut self.lines);
        } else {
            others.connections = std::mem::take(&mut self.connections);
        }
        Some(others)
    }
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    errands: VecDeque<Errand>,
    /// Errands were run last, so it is the turn of jobs.
    jobs_next: bool,
    people: People,
    audit: AuditLog,
    connections: Waiting,
    /// Chores are not done before this.
    chores_after: Option<Instant>,
    flight: Option<Flight>,
    gathering: Option<Gathering>,
    flushes: Vec<Flush>,
    /// Writes taken and writes answered, since the start.
    taken: u64,
    answered: u64,
    closed: bool,
}

/// What the writer is at.
struct Flight {
    since: Instant,
    tickets: Vec<Ticket>,
    given_up: bool,
}

impl Flight {
    fn is_overdue(&self) -> bool {
        self.since.elapsed() >= PATIENCE
    }
}

/// A batch that may still grow.
struct Gathering {
    enough: usize,
    until: Instant,
}

impl Gathering {
    /// How long it is worth waiting for more than `waiting`.
    fn left(&self, now: Instant, waiting: usize) -> Duration {
        if waiting >= self.enough { Duration::ZERO } else { self.until.saturating_duration_since(now) }
    }
}

struct Flush {
    /// Waits for this many answers.
    after: u64,
    /// Waits for chores too.
    chores: bool,
    done: oneshot::Sender<()>,
}

#[derive(Default)]
struct Voice {
    outcomes: Option<Box<dyn Outcomes>>,
    /// Writes have failed, and nobody was told yet that the database is back.
    owes_recovery: bool,
}

pub(crate) struct Intake {
    capacity: usize,
    state: Mutex<State>,
    wake: Condvar,
    /// Held while outcomes are told, and taken before `state`: nobody speaks out of turn.
    voice: Mutex<Voice>,
}

/// A panic elsewhere leaves nothing half done in here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Intake {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, state: Mutex::default(), wake: Condvar::new(), voice: Mutex::default() }
    }

    pub(crate) fn attach(&self, outcomes: Box<dyn Outcomes>) {
        lock(&self.voice).outcomes = Some(outcomes);
    }

    pub(crate) fn is_attached(&self) -> bool {
        lock(&self.voice).outcomes.is_some()
    }

    pub(crate) fn push(&self, job: Job) -> Result<(), Busy> {
        let mut state = lock(&self.state);
        if state.closed || state.jobs.len() >= self.capacity {
            return Err(Busy);
        }
        state.taken += 1;
        state.jobs.push_back(job);
        let waiting = state.jobs.len();
        if state.flight.is_none() && (waiting == 1 || state.gathering.as_ref().is_some_and(|it| waiting == it.enough)) {
            self.wake.notify_one();
        }
        Ok(())
    }

    pub(crate) fn send(&self, errand: Errand) -> Result<(), Busy> {
        let mut state = lock(&self.state);
        if state.closed || state.errands.len() >= ERRANDS {
            return Err(Busy);
        }
        state.errands.push_back(errand);
        self.wake.notify_one();
        Ok(())
    }

    pub(crate) fn provision(&self, identity: &Arc<Identity>) {
        let mut state = lock(&self.state);
        // The writer knows already that some wait: a crowd that comes in shall not wake it once per head.
        let is_first = state.people.is_empty();
        state.people.push(identity);
        if is_first && !state.people.is_empty() {
            self.wake.notify_one();
        }
    }

    /// Returns how many connections are not kept any more because there are too many.
    pub(crate) fn keep(&self, connection: Recoverable) -> usize {
        let connection = Arc::new(connection);
        self.recovery(|waiting| waiting.keep(connection))
    }

    /// Resolves when the table says of a connection what waits now, or with `false` when another hub has taken it up since.
    pub(crate) fn when_kept(&self, id: RecoveryId) -> oneshot::Receiver<bool> {
        let (waiter, written) = oneshot::channel();
        let mut state = lock(&self.state);
        state.connections.when_written(id, waiter);
        // Somebody waits for these, if not for long.
        let soon = Instant::now() + HURRIED_CHORES;
        if state.chores_after.is_some_and(|at| at > soon && at <= soon + CHORES_INTERVAL) {
            state.chores_after = Some(soon);
            self.wake.notify_one();
        }
        written
    }

    pub(crate) fn forget_connection(&self, id: RecoveryId, taken_up: u64) {
        let now = clock::now();
        self.recovery(|waiting| waiting.forget(id, taken_up, now));
    }

    fn recovery<T>(&self, change: impl FnOnce(&mut Waiting) -> T) -> T {
        let mut state = lock(&self.state);
        // As with people.
        let is_first = state.connections.is_empty();
        let result = change(&mut state.connections);
        if is_first && !state.connections.is_empty() {
            self.wake.notify_one();
        }
        result
    }

    pub(crate) fn sight(&self, id: RecoveryId) -> Sight {
        lock(&self.state).connections.sight(id)
    }

    /// These chores are done. `outdone`: of these connections another hub has said something newer.
    pub(crate) fn done(&self, chores: &Chores, outdone: &[RecoveryId]) {
        lock(&self.state).connections.written(&chores.connections, outdone, chores.floor);
    }

    /// Changes the audit log. The writer looks at it by itself.
    pub(crate) fn audit<T>(&self, change: impl FnOnce(&mut AuditLog) -> T) -> T {
        change(&mut lock(&self.state).audit)
    }

    /// Keeps for later what could not be written while the database was down; but whoever waits for it, or for the end,
    /// shall not wait for the database. Returns how many audit lines were dropped.
    pub(crate) fn postpone(&self, chores: Chores) -> usize {
        let mut state = lock(&self.state);
        state.connections.put_back(&chores.connections);
        if state.closed {
            state.connections = Waiting::default();
        }
        if state.is_ending() {
            state.flushes.retain(|it| !it.chores);
            return chores.lines.len();
        }
        state.chores_after = Some(Instant::now() + TICK);
        state.people.put_back(chores.people);
        state.audit.put_back(chores.lines)
    }

    /// The database has refused them. Whoever comes again is written again.
    pub(crate) fn refused(&self, chores: &Chores) {
        let mut state = lock(&self.state);
        state.people.forget(&chores.people);
        state.connections.give_up(&chores.connections);
    }

    /// The writer has lost its way, perhaps over one of the connections that it was writing.
    pub(crate) fn abandon(&self) {
        lock(&self.state).connections.abandon();
    }

    /// Resolves when everything taken so far is answered, and with `chores` when all those are done, too.
    pub(crate) fn flush(&self, chores: bool) -> oneshot::Receiver<()> {
        let (done, receiver) = oneshot::channel();
        let mut state = lock(&self.state);
        let after = state.taken;
        state.flushes.push(Flush { after, chores, done });
        self.wake.notify_one();
        receiver
    }

    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.wake.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    /// Waits for what the writer is to do next. The turn before has ended.
    pub(crate) fn next(&self) -> Turn {
        let mut state = lock(&self.state);
        let until = Instant::now() + TICK;
        loop {
            state.resolve_flushes();
            let ending = state.is_ending();
            let hurry = ending || !state.flushes.is_empty();
            let chores_in = state
                .chores_after
                .filter(|_| !ending)
                .map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()));
            let chores = state.has_chores(ending);
            // At the end there are many in a row; those whose senders wait go first.
            if chores && chores_in.is_zero() && (!ending || state.jobs.is_empty()) {
                return Turn::Chores(state.take_chores(ending));
            }
            if !state.errands.is_empty() && (state.jobs.is_empty() || !state.jobs_next) {
                return Turn::Errands(state.take_errands());
            }
            let now = Instant::now();
            let mut wait = until.saturating_duration_since(now);
            if !state.jobs.is_empty() {
                let gather = state.gathering.as_ref().map_or(Duration::ZERO, |it| it.left(now, state.jobs.len()));
                if hurry || gather.is_zero() {
                    return Turn::Jobs(state.take_jobs());
                }
                wait = wait.min(gather);
            } else if state.closed {
                return Turn::Closed;
            } else if wait.is_zero() {
                return Turn::Idle;
            }
            if chores {
                wait = wait.min(chores_in);
            }
            state = self.wake.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Tells what became of the batch in flight.
    pub(crate) fn answer(&self, written: Vec<Written>) {
        let mut voice = lock(&self.voice);
        let flight = lock(&self.state).land(written.len());
        if flight.is_some_and(|it| it.given_up) {
            // It was answered as failed; perhaps it is stored all the same.
            voice.owes_recovery = true;
        } else {
            voice.tell(written);
        }
    }

    /// Ends a turn without outcomes of its own. What was in flight, if anything, has failed.
    pub(crate) fn end_turn(&self) {
        let mut voice = lock(&self.voice);
        let flight = {
            let mut state = lock(&self.state);
            let tickets = state.flight.as_ref().map_or(0, |it| it.tickets.len());
            state.land(tickets)
        };
        match flight {
            Some(flight) if flight.given_up => voice.owes_recovery = true,
            Some(flight) if !flight.tickets.is_empty() => voice.tell(flight.tickets.into_iter().map(failed).collect()),
            _ => {}
        }
    }

    pub(crate) fn owes_recovery(&self) -> bool {
        lock(&self.voice).owes_recovery
    }

    /// The database is back.
    pub(crate) fn recovered(&self) {
        let mut voice = lock(&self.voice);
        if std::mem::take(&mut voice.owes_recovery)
            && let Some(outcomes) = &voice.outcomes
        {
            outcomes.recovered();
        }
    }

    /// Answers what waits for a writer that does not come back. Returns whether there is such.
    pub(crate) fn watch(&self) -> bool {
        if !lock(&self.state).flight.as_ref().is_some_and(Flight::is_overdue) {
            return false;
        }
        let mut voice = lock(&self.voice);
        let mut state = lock(&self.state);
        let Some(flight) = state.flight.as_mut().filter(|it| it.is_overdue()) else { return false };
        let mut tickets = Vec::new();
        if !flight.given_up {
            error!("The database has not answered for {} s: giving its batch up", PATIENCE.as_secs());
            flight.given_up = true;
            tickets.append(&mut flight.tickets);
        }
        tickets.extend(state.jobs.drain(..).map(|job| job.ticket));
        state.errands.clear();
        state.answered += tickets.len() as u64;
        state.flushes.clear();
        drop(state);
        if !tickets.is_empty() {
            voice.tell(tickets.into_iter().map(failed).collect());
        }
        true
    }
}

impl State {
    fn take_jobs(&mut self) -> Vec<Job> {
        self.gathering = None;
        self.jobs_next = false;
        let jobs: Vec<Job> = self.jobs.drain(..self.jobs.len().min(BATCH)).collect();
        self.take_off(jobs.iter().map(|job| job.ticket).collect());
        jobs
    }

    fn take_errands(&mut self) -> Vec<Errand> {
        self.jobs_next = true;
        self.take_off(Vec::new());
        self.errands.drain(..self.errands.len().min(ERRANDS_AT_ONCE)).collect()
    }

    /// Somebody waits for the chores, too.
    fn is_ending(&self) -> bool {
        self.closed || self.flushes.iter().any(|it| it.chores)
    }

    fn take_chores(&mut self, all: bool) -> Chores {
        self.take_off(Vec::new());
        self.chores_after = Some(Instant::now() + CHORES_INTERVAL);
        let times = if all { ALL_AT_ONCE } else { 1 };
        Chores {
            people: self.people.take(times * PEOPLE),
            lines: self.audit.take(times * LINES, clock::now(), all),
            connections: self.connections.take(times * CONNECTIONS),
            floor: self.connections.spilled(),
        }
    }

    fn has_chores(&self, all: bool) -> bool {
        let lines = if all { !self.audit.is_empty() } else { self.audit.is_due(clock::now()) };
        lines || !self.people.is_empty() || !self.connections.is_empty()
    }

    fn take_off(&mut self, tickets: Vec<Ticket>) {
        self.flight = Some(Flight { since: Instant::now(), tickets, given_up: false });
    }

    fn land(&mut self, answered: usize) -> Option<Flight> {
        let flight = self.flight.take();
        if let Some(flight) = flight.as_ref().filter(|it| !it.given_up) {
            self.answered += answered as u64;
            self.gathering = Some(Gathering {
                enough: (self.jobs.len() + answered).min(BATCH),
                until: Instant::now() + flight.since.elapsed() / GATHERING_SHARE,
            });
        }
        flight
    }

    fn resolve_flushes(&mut self) {
        let chores_done = !self.has_chores(true);
        for flush in std::mem::take(&mut self.flushes) {
            if flush.after <= self.answered && (chores_done || !flush.chores) {
                // Whoever asked may have stopped waiting.
                let _ = flush.done.send(());
            } else {
                self.flushes.push(flush);
            }
        }
    }
}

impl Voice {
    fn tell(&mut self, written: Vec<Written>) {
        self.owes_recovery |= written.iter().any(|it| it.outcome.as_ref().is_err_and(|e| *e == WriteError::Failed));
        match &self.outcomes {
            Some(outcomes) => outcomes.written(written),
            None => error!("Nobody is there to hear what became of {} writes", written.len()),
        }
    }
}

fn failed(ticket: Ticket) -> Written {
    Written { ticket, outcome: Err(WriteError::Failed) }
}
