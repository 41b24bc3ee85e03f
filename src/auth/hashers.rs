//! Threads that hash and do nothing else, each with one piece of memory that it uses again and again.
//!
//! On threads that do other work too, each would sooner or later keep as much memory as a hash takes, and there may be
//! hundreds of those.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use argon2::Block;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// What a thread hashes in.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Memory {
    /// So many blocks, with whatever the hash before has left in them. `None`: there is not so much memory.
    pub(super) fn blocks(&mut self, count: usize) -> Option<&mut [Block]> {
        self.0.try_reserve_exact(count.saturating_sub(self.0.len())).ok()?;
        if self.0.len() < count {
            self.0.resize(count, Block::new());
        }
        self.0.get_mut(..count)
    }
}

pub(super) struct Hashers {
    threads: usize,
    /// How many may wait for their turn.
    waiting: usize,
    /// `None`: nobody has needed a hash yet.
    queue: Mutex<Option<SyncSender<Job>>>,
}

impl Hashers {
    /// The threads are started when they are first needed.
    pub(super) fn new(threads: usize, waiting: usize) -> Self {
        Self { threads, waiting, queue: Mutex::default() }
    }

    /// Does `work` as soon as a thread is free. `None`: too many wait already, or there is no thread.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |memory| {
            // Whoever asked may have gone while it waited.
            if !reply.is_closed() {
                let _ = reply.send(work(memory));
            }
        });
        self.queue()?.try_send(job).ok()?;
        answer.await.ok()
    }

    fn queue(&self) -> Option<SyncSender<Job>> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.is_none() {
            *queue = start(self.threads, self.waiting);
        }
        queue.clone()
    }
}

/// The threads end when the queue is gone.
fn start(threads: usize, waiting: usize) -> Option<SyncSender<Job>> {
    let (queue, jobs) = sync_channel(waiting);
    let jobs = Arc::new(Mutex::new(jobs));
    let started = (1..=threads).filter(|number| {
        let jobs = Arc::clone(&jobs);
        let thread = thread::Builder::new().name(format!("hasher-{number}"));
        thread.spawn(move || work_off(&jobs)).is_ok()
    });
    (started.count() > 0).then_some(queue)
}

fn work_off(jobs: &Mutex<Receiver<Job>>) {
    let mut memory = Memory::default();
    loop {
        // The lock is free again before the work begins.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // Whoever waits for it learns that there is no answer; the thread is there for the next.
        if catch_unwind(AssertUnwindSafe(|| job(&mut memory))).is_err() {
            log::error!("a password could not be hashed: the hashing has panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::pin::Pin;
    use std::task::{Context, Waker};

    use futures_util::future::join_all;

    use super::*;

    fn run<T>(work: impl Future<Output = T>) -> T {
        actix_rt::System::new().block_on(work)
    }

    /// It takes its place in the queue.
    #[track_caller]
    fn begin(work: Pin<&mut impl Future>) {
        assert!(work.poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }

    #[test]
    fn all_work_is_done_on_the_same_few_threads_in_the_same_memory() {
        run(async {
            let hashers = Hashers::new(2, 64);
            let here = |memory: &mut Memory| {
                let place = memory.blocks(1_000).map(|it| it.as_ptr().addr());
                thread::sleep(std::time::Duration::from_millis(2));
                (thread::current().name().map(str::to_owned), place)
            };
            let places = join_all((0..50).map(|_| hashers.run(here))).await;
            let places: HashSet<_> = places.into_iter().map(|it| it.expect("an answer")).collect();
            assert!(places.len() <= 2, "{places:?}");
            let names: HashSet<_> = places.iter().filter_map(|(name, _)| name.as_deref()).collect();
            assert!(names.iter().all(|it| ["hasher-1", "hasher-2"].contains(it)), "{names:?}");
        });
    }

    #[test]
    fn a_job_that_panics_costs_no_thread() {
        run(async {
            let hashers = Hashers::new(1, 4);
            assert_eq!(hashers.run(|_| -> u8 { panic!("on purpose") }).await, None);
            assert_eq!(hashers.run(|_| 7).await, Some(7));
        });
    }

    #[test]
    fn as_many_wait_as_may_and_work_that_nobody_waits_for_is_left_out() {
        run(async {
            let hashers = Hashers::new(1, 2);
            let (open, gate) = sync_channel::<()>(0);
            let (begun, begins) = oneshot::channel();
            let first = hashers.run(move |_| {
                let _ = begun.send(());
                gate.recv()
            });
            let mut first = Box::pin(first);
            begin(first.as_mut());
            begins.await.expect("begun");
            let (done, is_done) = std::sync::mpsc::channel();
            let mut second = Box::pin(hashers.run(move |_| done.send(())));
            let mut third = Box::pin(hashers.run(|_| 3));
            begin(second.as_mut());
            begin(third.as_mut());
            assert_eq!(hashers.run(|_| 4).await, None, "one too many");
            drop(second);
            open.send(()).expect("waited for");
            assert_eq!((first.await, third.await), (Some(Ok(())), Some(3)));
            assert!(is_done.recv().is_err(), "nobody waited for it");
        });
    }

    #[test]
    fn memory_that_there_is_not_is_not_asked_for() {
        let mut memory = Memory::default();
        assert_eq!(memory.blocks(8).map(|it| it.len()), Some(8));
        assert!(memory.blocks(usize::MAX / Block::SIZE).is_none());
        assert_eq!(memory.blocks(4).map(|it| it.len()), Some(4));
    }
}
