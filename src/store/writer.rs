//! The writer: the one thread that changes the database, a batch at a time.
//!
//! Group commit without a timer: what arrives while a batch is on its way becomes the next batch. A batch whose
//! transaction failed is run once more on a fresh connection, under the same ids; so only "not known to be stored" is
//! ever answered as failed, and a single change that the database refuses takes no other with it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Handler, Message, SyncContext};
use diesel::QueryResult;
use diesel::connection::SimpleConnection;
use diesel::result::DatabaseErrorKind as Kind;
use diesel::result::Error;
use log::{error, warn};

use super::batch::{self, Care, Job, Memory, Verdict};
use super::connection::{Connection, on};
use super::errand::Errand;
use super::intake::{Chores, Intake, Turn};
use super::link::{Down, Link};
use super::recovery::{Beat, HubId};
use super::{amend, audit, people, recovery};
use crate::clock;
use crate::domain::{Reject, RejectCode};
use crate::metrics::Metrics;

/// Messages are rarely sent twice, and the unique index notices. After it has, they are looked up first for so many batches,
/// so that somebody who keeps sending the same costs the others little.
const CAREFUL_BATCHES: u32 = 64;
/// How often the writer looks for what is to be removed, while there is little of it.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// How often it removes some of it, while there is much.
const SWEEP_PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Writer {
    intake: Arc<Intake>,
    metrics: Arc<Metrics>,
    link: Link,
    memory: Memory,
    /// For so many batches yet, messages are looked up before they are stored.
    careful: u32,
    /// When to look for what is to be removed.
    sweep_at: Instant,
    upkeep: Upkeep,
    /// There is a hub.
    is_attached: bool,
    /// When to say again that it is there.
    beat_at: Instant,
    /// Not before this can it be said of another hub that it is not there any more: it may be about to come back with the
    /// database.
    judge_at: Instant,
}

/// What there is to know about the connections that are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upkeep {
    /// How long after it was lost a connection can be taken up again.
    pub(crate) window: Duration,
    pub(crate) hub: HubId,
    pub(crate) beat: Beat,
}

impl Actor for Writer {
    type Context = SyncContext<Self>;
}

/// Write until the intake closes. Sent once: between batches there is no detour through a mailbox.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Run;

impl Handler<Run> for Writer {
    type Result = ();

    fn handle(&mut self, _: Run, _: &mut SyncContext<Self>) {
        loop {
            let turn = self.intake.next();
            if matches!(turn, Turn::Closed) {
                return;
            }
            // The thread of a sync arbiter is not replaced, so nothing may unwind through here.
            if catch_unwind(AssertUnwindSafe(|| self.turn(turn))).is_err() {
                error!("The writer panicked: its batch counts as failed");
                self.memory = Memory::default();
                self.intake.abandon();
                self.down();
            }
            self.intake.end_turn();
        }
    }
}

impl Writer {
    pub(crate) fn new(intake: Arc<Intake>, metrics: Arc<Metrics>, link: Link, upkeep: Upkeep) -> Self {
        let (memory, now) = (Memory::default(), Instant::now());
        Self {
            intake,
            metrics,
            link,
            memory,
            careful: 0,
            sweep_at: now,
            upkeep,
            is_attached: false,
            beat_at: now,
            judge_at: now,
        }
    }

    fn turn(&mut self, turn: Turn) {
        match turn {
            Turn::Jobs(mut jobs) => {
                let begun = Instant::now();
                let verdicts = self.store(&mut jobs);
                self.metrics.store_batch_seconds.observe(begun.elapsed().as_secs_f64());
                self.metrics.store_batch_size.observe(u32::try_from(jobs.len()).map_or(f64::MAX, f64::from));
                for job in &jobs {
                    self.metrics.store_latency_seconds.observe(job.since.elapsed().as_secs_f64());
                }
                self.intake.answer(batch::answers(jobs, verdicts));
            }
            Turn::Errands(errands) => errands.into_iter().for_each(|errand| self.run(errand)),
            Turn::Chores(chores) => self.chores(chores),
            Turn::Idle => self.look_around(),
            Turn::Closed => {}
        }
        // Before there is a hub, it may be a command line beside one.
        if !self.is_attached && self.intake.is_attached() {
            self.is_attached = true;
            self.sweep_at = Instant::now();
            self.judge_at = self.sweep_at + self.upkeep.beat.missed();
        }
        if self.is_attached && self.beat_at <= Instant::now() {
            self.beat();
        }
        if self.sweep_at <= Instant::now() {
            self.sweep();
        }
    }

    /// A connection to write with; after failures, one that was seen to take writes.
    fn ready(&mut self) -> Result<&mut Connection, Down> {
        if self.link.get().is_err() {
            self.metrics.store_up.set(0);
            return Err(Down);
        }
        if self.intake.owes_recovery() {
            // A write that tells whether there are writes, and must be there before anyone is told that there are.
            // Whoever looks from elsewhere must not see connections from before the floor under a hub that seems to have gone.
            let Upkeep { hub, beat, .. } = self.upkeep;
            let raised = self.link.get()?.change(|c| {
                recovery::beat(c, hub, beat)?;
                recovery::raise_floor(c, clock::now())
            });
            if let Err(error) = raised {
                warn!("The database takes no writes: {error}");
                self.down();
                return Err(Down);
            }
            self.intake.recovered();
        }
        self.metrics.store_up.set(1);
        self.link.get()
    }

    fn down(&mut self) {
        self.link.drop_connection();
        self.metrics.store_up.set(0);
    }

    /// Stores `jobs` in their order: messages and marks a batch at a time, amendments as many as follow each other.
    fn store(&mut self, jobs: &mut [Job]) -> Vec<Verdict> {
        let mut verdicts = Vec::with_capacity(jobs.len());
        for run in jobs.chunk_by_mut(|one, next| one.amends() == next.amends()) {
            // What comes after something that is not known to be stored is not stored before it.
            let of_run = if verdicts.last().is_some_and(|it| matches!(it, Verdict::Failed)) {
                failed(run)
            } else {
                self.store_run(run)
            };
            append(&mut verdicts, of_run);
        }
        verdicts
    }

    fn store_run(&mut self, jobs: &mut [Job]) -> Vec<Verdict> {
        let care = if self.careful > 0 { Care::Careful } else { Care::Hopeful };
        self.careful = self.careful.saturating_sub(1);
        let mut memory = std::mem::take(&mut self.memory);
        let Ok(connection) = self.ready() else { return failed(jobs) };
        let mut outcome = run(connection, &mut memory, jobs, care);
        if care == Care::Hopeful && matches!(outcome, Err(Error::DatabaseError(Kind::UniqueViolation, _))) {
            outcome = run(connection, &mut memory, jobs, Care::Careful);
            self.careful = CAREFUL_BATCHES;
        }
        self.memory = memory;
        outcome.unwrap_or_else(|error| {
            warn!("A batch of {} failed and is run again: {error}", jobs.len());
            if self.link.renew().is_ok() {
                return self.again(jobs);
            }
            self.down();
            failed(jobs)
        })
    }

    /// Runs jobs that may be stored already; in halves where one of them is at fault.
    fn again(&mut self, jobs: &mut [Job]) -> Vec<Verdict> {
        let Ok(connection) = self.link.get() else { return failed(jobs) };
        let error = match run(connection, &mut self.memory, jobs, Care::Again) {
            Ok(verdicts) => return verdicts,
            Err(error) => error,
        };
        if !is_rows_fault(&error, connection) {
            error!("A batch of {} failed for good: {error}", jobs.len());
            self.down();
            return failed(jobs);
        }
        if let [job] = jobs {
            warn!("The database refuses a change of organization {}: {error}", job.organization);
            let reject = Reject::new(RejectCode::Internal, "The database refuses this; sending it again will not help");
            return vec![Verdict::Refused(reject)];
        }
        let (left, right) = jobs.split_at_mut(jobs.len() / 2);
        let mut verdicts = self.again(left);
        append(&mut verdicts, self.again(right));
        verdicts
    }

    /// An errand that cannot be run is dropped, which tells whoever waits for it.
    fn run(&mut self, mut errand: Errand) {
        if !errand.is_awaited() {
            return;
        }
        let Ok(connection) = self.ready() else { return };
        let Err(error) = errand.run(connection) else { return errand.tell() };
        if is_rows_fault(&error, connection) {
            return error!("The database refuses an errand: {error}");
        }
        warn!("An errand failed and is run again: {error}");
        match self.link.renew().map(|connection| errand.run(connection)) {
            Ok(Ok(())) => errand.tell(),
            _ => self.down(),
        }
    }

    /// Writes them all or none; where one of them is refused, half by half, so that the others are written.
    fn chores(&mut self, mut chores: Chores) {
        let Upkeep { hub, beat, .. } = self.upkeep;
        // Those who find a connection must find its hub.
        let is_due = self.beat_at <= Instant::now() && !chores.connections.is_empty() && self.intake.is_attached();
        let Ok(connection) = self.ready() else { return self.postpone(chores) };
        let written = connection.change(|connection| {
            if is_due {
                recovery::beat(connection, hub, beat)?;
            }
            people::write(connection, &chores.people, clock::now())?;
            audit::write(connection, &chores.lines)?;
            let outdone = recovery::write(connection, &chores.connections, hub)?;
            chores.floor.map_or(Ok(()), |floor| recovery::raise_floor(connection, floor))?;
            Ok(outdone)
        });
        let error = match written {
            Ok(outdone) => {
                if is_due {
                    self.beat_at = Instant::now() + beat.0;
                }
                return self.intake.done(&chores, &outdone);
            }
            Err(error) => error,
        };
        if !is_rows_fault(&error, connection) {
            warn!("People, audit lines and connections to be recovered wait for the database: {error}");
            self.down();
            self.postpone(chores);
        } else if let Some(others) = chores.split_off() {
            self.chores(chores);
            self.chores(others);
        } else {
            let what = match (&*chores.people, &*chores.lines) {
                ([_, ..], _) => "somebody who came",
                (_, [_, ..]) => "an audit line",
                _ => "a connection to be recovered",
            };
            error!("The database refuses to keep {what}: {error}");
            self.intake.refused(&chores);
            self.metrics.audit_dropped.inc_by(chores.lines.len() as u64);
            self.metrics.recovery_dropped.inc_by(chores.connections.len() as u64);
        }
    }

    fn postpone(&mut self, chores: Chores) {
        let dropped = self.intake.postpone(chores);
        self.metrics.audit_dropped.inc_by(dropped as u64);
    }

    /// Says in the database that this hub is there.
    fn beat(&mut self) {
        let Upkeep { hub, beat, .. } = self.upkeep;
        self.beat_at = Instant::now() + beat.0;
        let Ok(connection) = self.ready() else { return self.beat_at = Instant::now() };
        if let Err(error) = connection.change(|connection| recovery::beat(connection, hub, beat)) {
            warn!("The database does not take that this hub is there: {error}");
            self.beat_at = Instant::now();
            if self.link.renew().is_err() {
                self.down();
            }
        }
    }

    /// Removes what nobody can reach any more, some at a time: old keys of requests, messages of rooms that are gone,
    /// connections that were lost too long ago, and those that dead hubs have left.
    fn sweep(&mut self) {
        self.sweep_at = Instant::now() + SWEEP_INTERVAL;
        let now = Instant::now();
        let judges = self.is_attached && self.judge_at <= now;
        if self.is_attached && !judges {
            self.sweep_at = self.sweep_at.min(self.judge_at);
        }
        let upkeep = self.upkeep;
        let Ok(connection) = self.ready() else { return };
        match sweep(connection, upkeep, judges) {
            Ok(false) => {}
            Ok(true) => self.sweep_at = now + SWEEP_PAUSE,
            Err(error) => {
                warn!("What is not needed any more could not be removed: {error}");
                if self.link.renew().is_err() {
                    self.down();
                }
            }
        }
    }

    /// While nobody asks: notices a database that has gone, and one that has come back.
    fn look_around(&mut self) {
        let Ok(connection) = self.ready() else { return };
        if on!(connection, inner => inner.batch_execute("SELECT 1")).is_err() && self.link.renew().is_err() {
            self.metrics.store_up.set(0);
        }
    }
}

/// Stores a run of `jobs` that are alike, all or none.
fn run(connection: &mut Connection, memory: &mut Memory, jobs: &mut [Job], care: Care) -> QueryResult<Vec<Verdict>> {
    if jobs.first().is_some_and(Job::amends) {
        amend::run(connection, memory, jobs, care == Care::Again)
    } else {
        batch::run(connection, memory, jobs, care)
    }
}

/// `judges`: whether it can be said by now which hubs are not there any more. Returns whether there may be more to remove.
fn sweep(connection: &mut Connection, upkeep: Upkeep, judges: bool) -> QueryResult<bool> {
    let Upkeep { window, hub, .. } = upkeep;
    let now = clock::now();
    let left = [
        batch::sweep(connection, now)?,
        amend::sweep(connection)?,
        recovery::sweep(connection, now, window)?,
        judges && recovery::sweep_hubs(connection, hub, window.max(recovery::REMEMBERED))?,
    ];
    Ok(left.contains(&true))
}

/// Puts the verdicts of a run behind those of the runs before it.
fn append(verdicts: &mut Vec<Verdict>, of_run: Vec<Verdict>) {
    let offset = verdicts.len();
    verdicts.extend(of_run.into_iter().map(|verdict| match verdict {
        Verdict::Repeats(first) => Verdict::Repeats(first + offset),
        other => other,
    }));
}

fn failed(jobs: &[Job]) -> Vec<Verdict> {
    vec![Verdict::Failed; jobs.len()]
}

/// Whether it was about the rows that a transaction failed, rather than about the database.
fn is_rows_fault(error: &Error, connection: &mut Connection) -> bool {
    match error {
        Error::DatabaseError(
            Kind::UniqueViolation
            | Kind::ForeignKeyViolation
            | Kind::NotNullViolation
            | Kind::CheckViolation
            | Kind::RestrictViolation
            | Kind::ExclusionViolation,
            _,
        )
        | Error::SerializationError(_)
        | Error::DeserializationError(_) => true,
        // SQLite names everything that a row can do wrong. Postgres does not, so it is asked whether it would write.
        _ => matches!(connection, Connection::Postgres(_)) && connection.takes_writes().is_ok(),
    }
}
