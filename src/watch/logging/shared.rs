//! Between the threads that log and the thread `log` that writes.
//!
//! Whoever logs formats the line, puts it into the queue and goes on; it waits for nothing but the short lock of
//! the queue. Only [`flush`](Shared::flush), [`finish`](Shared::finish) and [`reopen`](Shared::reopen) wait, for a
//! limited time: at a stop, a panic and a CRITICAL line.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, PoisonError, TryLockError};
use std::thread::{JoinHandle, ThreadId};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::line::Line;
use super::queue::{Order, Queue};
use super::worker::Worker;
use crate::base::clock::Clock;
use crate::base::stop::lock;

/// A stop takes less than a second altogether; a disk that does not answer by then is not waited for.
const PATIENCE: Duration = Duration::from_millis(500);
/// The thread looks at the clock at least this often while counts of repeats are due later.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub(super) struct Shared {
    state: Mutex<LoggerState>,
    /// Something has come into the queue, or the end.
    news: Condvar,
    /// An order has been carried out.
    progress: Condvar,
    /// Held by the thread `log` while it writes.
    worker: Mutex<Worker>,
    handle: Mutex<Option<JoinHandle<()>>>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct LoggerState {
    queue: Queue,
    /// So many orders have left the queue and been dealt with.
    done: u64,
    /// What `done` was when waiting for it was given up: no use to wait again before it moves.
    given_up: Option<u64>,
    thread: Thread,
}

#[derive(Default)]
enum Thread {
    /// There is none (yet, or any more): whoever logs writes.
    #[default]
    None,
    Runs(ThreadId),
    /// To end when the queue is empty.
    Ends(ThreadId),
}

impl Shared {
    pub(super) fn new(worker: Worker, clock: Arc<dyn Clock>) -> Self {
        Self {
            state: Mutex::default(),
            news: Condvar::new(),
            progress: Condvar::new(),
            worker: Mutex::new(worker),
            handle: Mutex::default(),
            clock,
        }
    }

    /// Starts the thread that writes. Until then, and if it cannot be had, whoever logs writes.
    ///
    /// # Errors
    /// The operating system refuses another thread.
    pub(super) fn start(self: &Arc<Self>) -> Result<()> {
        let shared = Arc::clone(self);
        // Not before the thread is known to run: it waits for the lock.
        let mut state = lock(&self.state);
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || shared.run())
            .context("cannot start the thread \"log\"; raise the limit of tasks (ulimit -u)")?;
        state.thread = Thread::Runs(thread.thread().id());
        *lock(&self.handle) = Some(thread);
        Ok(())
    }

    /// Takes a line over; never waits for the disk.
    pub(super) fn line(&self, line: Line) {
        let mut state = lock(&self.state);
        if matches!(state.thread, Thread::None) {
            drop(state);
            // Whoever holds it is stuck with the disk, or is this very thread.
            if let Some(mut worker) = self.try_worker() {
                worker.line(&line);
            }
            return;
        }
        state.queue.line(line);
        drop(state);
        self.news.notify_one();
    }

    /// Waits until everything logged so far is written, for a limited time. False if it is not.
    pub(super) fn flush(&self) -> bool {
        let state = lock(&self.state);
        let own = std::thread::current().id();
        match state.thread {
            Thread::Runs(id) | Thread::Ends(id) if id != own => {}
            // Nobody else would write it.
            _ => return true,
        }
        if state.given_up == Some(state.done) {
            return false;
        }
        let goal = state.queue.end();
        let waiting = |s: &mut LoggerState| s.done < goal && !matches!(s.thread, Thread::None);
        let (mut state, _) = self
            .progress
            .wait_timeout_while(state, PATIENCE, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        let reached = state.done >= goal;
        state.given_up = (!reached).then_some(state.done);
        reached
    }

    /// Everything logged so far is written, counts of repeats as well, and the thread has ended; for a limited
    /// time. Whoever logs from now on writes.
    pub(super) fn finish(&self) {
        let mut state = lock(&self.state);
        let Thread::Runs(id) = state.thread else {
            return;
        };
        state.thread = Thread::Ends(id);
        let hopeless = state.given_up == Some(state.done);
        self.news.notify_one();
        if id == std::thread::current().id() || hopeless {
            return;
        }
        let (mut state, waited) = self
            .progress
            .wait_timeout_while(state, PATIENCE, |s| !matches!(s.thread, Thread::None))
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            state.given_up = Some(state.done);
            return;
        }
        drop(state);
        if let Some(thread) = lock(&self.handle).take() {
            // Its panic has been logged by the hook.
            let _ = thread.join();
        }
    }

    /// Opens the file again; the answer is waited for as long as for a flush.
    pub(super) fn reopen(&self) -> Result<()> {
        let (answer, answered) = sync_channel(1);
        let mut state = lock(&self.state);
        if matches!(state.thread, Thread::None) {
            drop(state);
            let mut worker = self.try_worker().context("the disk does not answer")?;
            return worker.reopen();
        }
        if !state.queue.reopen(answer) {
            bail!("the disk does not answer");
        }
        drop(state);
        self.news.notify_one();
        answered
            .recv_timeout(PATIENCE)
            .context("the disk does not answer; it is opened again as soon as it does")?
    }

    fn try_worker(&self) -> Option<std::sync::MutexGuard<'_, Worker>> {
        match self.worker.try_lock() {
            Ok(worker) => Some(worker),
            Err(TryLockError::Poisoned(worker)) => Some(worker.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The thread `log`.
    fn run(&self) {
        let _gone = Gone(self);
        while let Some(next) = self.next() {
            match next {
                Next::Order(order, number) => {
                    carry_out(order, &mut lock(&self.worker));
                    lock(&self.state).done = number;
                    self.progress.notify_all();
                }
                Next::Lost(lines) => lock(&self.worker).lost(lines),
                Next::Counts => lock(&self.worker).due(),
            }
        }
    }

    /// Waits for what is to be done next; none at the end.
    fn next(&self) -> Option<Next> {
        let due = lock(&self.worker).next();
        let mut state = lock(&self.state);
        loop {
            if let Some(order) = state.queue.pop() {
                return Some(Next::Order(order, state.queue.gone()));
            }
            let lost = state.queue.lost();
            if lost > 0 {
                return Some(Next::Lost(lost));
            }
            if matches!(state.thread, Thread::Ends(_)) {
                return None;
            }
            let wait = due.map(|due| due.since(self.clock.now()).min(LONGEST_WAIT));
            state = match wait {
                None => self
                    .news
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Some(Next::Counts),
                Some(wait) => {
                    let waited = self.news.wait_timeout(state, wait);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

enum Next {
    /// The order, and how many have left the queue with it.
    Order(Order, u64),
    /// So many lines were lost behind the last one.
    Lost(u64),
    /// Counts of repeats are due.
    Counts,
}

fn carry_out(order: Order, worker: &mut Worker) {
    match order {
        Order::Write(line) => worker.line(&line),
        Order::Reopen(answer) => {
            // Whoever asked may have gone.
            let _ = answer.try_send(worker.reopen());
        }
    }
}

/// However the thread `log` ends, whoever logs afterwards knows that it has.
struct Gone<'a>(&'a Shared);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        lock(&self.0.worker).finish();
        loop {
            let mut state = lock(&self.0.state);
            // What came in the meantime.
            let Some(order) = state.queue.pop() else {
                state.thread = Thread::None;
                break;
            };
            // Never the disk with the lock that others need to log.
            drop(state);
            carry_out(order, &mut lock(&self.0.worker));
        }
        self.0.progress.notify_all();
    }
}

#[cfg(test)]
mod tests;
