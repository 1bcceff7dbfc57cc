//! Calls that may never return, each waited for up to a time-out.
//!
//! A driver that hangs, a disk at the far end of a dead network, a name server that does not answer: the system call
//! comes back late or never, and nobody can end it from outside. So such a call is made on a thread of its own, and
//! what it opens lives there. One [`Limited`] has one thread, whatever hangs: while a call has not returned, no other is
//! made, and whoever asks hears at once that it [hangs](NotDone::Hangs). Once it returns, the thread is free again.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::beat::Beat;
use super::clock::Clock;
use super::planted;
use super::stop::{Stop, lock};
use crate::say;

/// The names of the threads with a running call, for the end of the process.
static UNDER_WAY: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

/// The threads that are in a call at this moment. At the end of the process they are left behind.
#[must_use]
pub fn under_way() -> Vec<&'static str> {
    lock(&UNDER_WAY).clone()
}

/// Why there is no result.
#[derive(Debug)]
pub enum NotDone {
    /// The call has not returned in time, or one before it has not returned yet.
    Hangs,
    /// The order to stop came first. The call goes on.
    Stopped,
    /// There is nothing that the call could be made on: nothing was opened, or a panic has ended it.
    Closed,
    /// The system refuses another thread.
    NoThread(io::Error),
}

impl std::fmt::Display for NotDone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&match self {
            Self::Hangs => say!("it does not answer", "応答がありません"),
            Self::Stopped => say!("the service is ending", "終了処理中です"),
            Self::Closed => say!("it is not open", "開かれていません"),
            Self::NoThread(e) => say!(
                "no thread can be started ({e}); raise the limit of tasks (ulimit -u)",
                "スレッドを起動できません ({e})。タスク数の上限を上げてください (ulimit -u)"
            ),
        })
    }
}

impl std::error::Error for NotDone {}

/// Waits up to `limit` for the calls under way. The threads of those that have not returned by then.
#[must_use]
pub fn wait_for_all(clock: &dyn Clock, limit: Duration) -> Vec<&'static str> {
    let end = clock.now() + limit;
    loop {
        let left = under_way();
        if left.is_empty() || clock.now() >= end {
            return left;
        }
        clock.wait(&Stop::new(), Duration::from_millis(5));
    }
}

/// A thread for calls that may hang, and what they have opened. The thread begins with the first call and ends when
/// this is dropped and the last call has returned.
pub struct Limited<S> {
    thread: Thread,
    /// What is open. Touched by the thread alone, so that nobody else is held up by it.
    kept: Arc<Mutex<Option<S>>>,
}

impl<S> std::fmt::Debug for Limited<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.thread.shared.name;
        f.debug_tuple("Limited").field(&name).finish()
    }
}

/// The thread, whatever is kept on it: one code for all kinds of devices.
struct Thread {
    shared: Arc<Shared>,
    /// Drops what is open.
    clear: Arc<dyn Fn() + Send + Sync>,
    stop: Stop,
    beat: Beat,
}

struct Shared {
    name: &'static str,
    state: Mutex<CallState>,
    changed: Condvar,
}

#[derive(Default)]
struct CallState {
    /// The call that the thread is to make next.
    next: Option<Call>,
    /// A call is about to be made, is being made, or is overdue.
    busy: bool,
    /// The caller of the running call has timed out.
    overdue: bool,
    /// Calls that have ended.
    ended: u64,
    has_thread: bool,
    closed: bool,
}

struct Call {
    make: Box<dyn FnOnce() + Send>,
    /// Whether what is open stays so if the call returns too late.
    keeps: bool,
}

/// How a call is waited for.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    /// The longest wait.
    pub limit: Duration,
    /// Whether the order to stop ends the wait, or keeps the call from being made.
    pub hears_stop: bool,
    /// Whether a call before it that hangs is waited for.
    pub waits_for_hung: bool,
    /// Whether what is open stays so if the call returns too late.
    pub keeps: bool,
}

impl Terms {
    /// Those of most calls.
    pub(super) const fn within(limit: Duration) -> Self {
        Self {
            limit,
            hears_stop: true,
            waits_for_hung: false,
            keeps: true,
        }
    }
}

impl<S: Send + 'static> Limited<S> {
    /// Calls on a thread called `name`. Waiting ends early at the order to stop, and is announced to `beat`: it has a
    /// limit, whatever the call does.
    #[must_use]
    pub fn new(name: &'static str, stop: &Stop, beat: &Beat) -> Self {
        let kept = Arc::new(Mutex::new(None));
        let open = Arc::clone(&kept);
        let clear = move || drop(lock(&open).take());
        Self {
            thread: Thread::new(name, Arc::new(clear), stop, beat),
            kept,
        }
    }

    /// Opens something that stays on the thread. What an earlier call has opened too late for its limit is taken
    /// instead of opening it again: a device that is slow is not missed for ever.
    ///
    /// # Errors
    /// See [`NotDone`]; the inner error is that of `open`.
    pub fn open<E: Send + 'static>(
        &self,
        limit: Duration,
        open: impl FnOnce() -> Result<S, E> + Send + 'static,
    ) -> Result<Result<(), E>, NotDone> {
        self.attempt(Terms::within(limit), move |kept| {
            if kept.is_none() {
                *kept = Some(open()?);
            }
            Ok(())
        })
    }

    /// A call on what is open. If it returns too late, that is closed on the thread.
    ///
    /// # Errors
    /// See [`NotDone`].
    pub fn with<T: Send + 'static>(
        &self,
        limit: Duration,
        call: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let terms = Terms {
            keeps: false,
            ..Terms::within(limit)
        };
        self.attempt(terms, move |kept| kept.as_mut().map(call))?
            .ok_or(NotDone::Closed)
    }

    /// Moves out what is open.
    ///
    /// # Errors
    /// See [`NotDone`].
    pub fn take(&self, limit: Duration) -> Result<S, NotDone> {
        let terms = Terms {
            keeps: false,
            ..Terms::within(limit)
        };
        self.attempt(terms, Option::take)?.ok_or(NotDone::Closed)
    }

    /// The last call on what is open, which is closed by it; also waited for after the order to stop.
    ///
    /// # Errors
    /// See [`NotDone`]. A call that hangs closes what it was made on itself, once it returns.
    pub fn close<T: Send + 'static>(
        &self,
        limit: Duration,
        call: impl FnOnce(S) -> T + Send + 'static,
    ) -> Result<Option<T>, NotDone> {
        let terms = Terms {
            hears_stop: false,
            waits_for_hung: true,
            keeps: false,
            ..Terms::within(limit)
        };
        self.attempt(terms, move |kept| kept.take().map(call))
    }

    /// A call that opens nothing.
    ///
    /// # Errors
    /// See [`NotDone`].
    pub fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        self.attempt(Terms::within(limit), |_| call())
    }

    /// A call that opens nothing and is made also after the order to stop, as the last words of a loop.
    ///
    /// # Errors
    /// See [`NotDone`].
    pub fn run_to_the_end<T: Send + 'static>(
        &self,
        limit: Duration,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let terms = Terms {
            hears_stop: false,
            ..Terms::within(limit)
        };
        self.attempt(terms, |_| call())
    }

    /// Makes the call as soon as the thread is free, and waits for it. A panic in it goes on in the caller.
    pub(super) fn attempt<T: Send + 'static>(
        &self,
        terms: Terms,
        call: impl FnOnce(&mut Option<S>) -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let answer = Arc::new(Mutex::new(None));
        let (to, kept) = (Arc::clone(&answer), Arc::clone(&self.kept));
        let name = self.thread.shared.name;
        let make = Box::new(move || {
            let mut kept = lock(&kept);
            let done = catch_unwind(AssertUnwindSafe(|| {
                planted::point(name);
                call(&mut kept)
            }));
            if done.is_err() {
                // The call panicked, so the state may be inconsistent: drop it.
                *kept = None;
            }
            *lock(&to) = Some(done);
        });
        self.thread.make(terms, make)?;
        let done: Option<Result<T, Box<dyn Any + Send>>> = lock(&answer).take();
        match done {
            Some(Ok(result)) => Ok(result),
            Some(Err(panic)) => resume_unwind(panic),
            None => Err(NotDone::Closed),
        }
    }
}

impl Thread {
    fn new(
        name: &'static str,
        clear: Arc<dyn Fn() + Send + Sync>,
        stop: &Stop,
        beat: &Beat,
    ) -> Self {
        let shared = Arc::new(Shared {
            name,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let woken = Arc::downgrade(&shared);
        stop.on_request(move || {
            if let Some(shared) = woken.upgrade() {
                // Notify under the lock, or a waiter that is about to wait would miss it.
                let _state = lock(&shared.state);
                shared.changed.notify_all();
            }
        });
        Self {
            shared,
            clear,
            stop: stop.clone(),
            beat: beat.clone(),
        }
    }

    /// Has the thread make a call. When this is done the call has returned.
    fn make(&self, terms: Terms, make: Box<dyn FnOnce() + Send>) -> Result<(), NotDone> {
        self.beat.extend_deadline(terms.limit);
        let end = Instant::now() + terms.limit;
        let state = lock(&self.shared.state);
        let mut state = self.wait(state, end, terms, |s| {
            s.busy && (terms.waits_for_hung || !s.overdue)
        });
        if terms.hears_stop && self.stop.requested() {
            return Err(NotDone::Stopped);
        }
        if state.busy {
            return Err(NotDone::Hangs);
        }
        if !state.has_thread {
            self.start().map_err(NotDone::NoThread)?;
            state.has_thread = true;
        }
        let keeps = terms.keeps;
        state.next = Some(Call { make, keeps });
        state.busy = true;
        state.overdue = false;
        let ticket = state.ended;
        self.shared.changed.notify_all();
        let mut state = self.wait(state, end, terms, |s| s.ended == ticket);
        if state.ended != ticket {
            return Ok(());
        }
        state.overdue = true;
        Err(if terms.hears_stop && self.stop.requested() {
            NotDone::Stopped
        } else {
            NotDone::Hangs
        })
    }

    /// Waits while `pending`, up to `end` or, where the terms say so, to the order to stop.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, CallState>,
        end: Instant,
        terms: Terms,
        pending: impl Fn(&CallState) -> bool,
    ) -> MutexGuard<'a, CallState> {
        let left = end.saturating_duration_since(Instant::now());
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, left, |s| {
                pending(s) && !(terms.hears_stop && self.stop.requested())
            })
            .unwrap_or_else(PoisonError::into_inner);
        state
    }

    fn start(&self) -> io::Result<()> {
        let (shared, clear) = (Arc::clone(&self.shared), Arc::clone(&self.clear));
        std::thread::Builder::new()
            .name(self.shared.name.to_owned())
            .spawn(move || serve(&shared, clear.as_ref()))
            .map(drop)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        lock(&self.shared.state).closed = true;
        self.shared.changed.notify_all();
    }
}

/// Thread body: makes one call after the other until all handles are dropped.
fn serve(shared: &Shared, clear: &dyn Fn()) {
    let mut state = lock(&shared.state);
    loop {
        state = shared
            .changed
            .wait_while(state, |s| s.next.is_none() && !s.closed)
            .unwrap_or_else(PoisonError::into_inner);
        let Some(call) = state.next.take() else {
            break;
        };
        drop(state);
        lock(&UNDER_WAY).push(shared.name);
        (call.make)();
        state = lock(&shared.state);
        if state.overdue && !call.keeps {
            drop(state);
            clear();
            state = lock(&shared.state);
        }
        over(shared.name);
        state.busy = false;
        state.overdue = false;
        state.ended += 1;
        shared.changed.notify_all();
    }
    drop(state);
    // Closing may hang as well.
    lock(&UNDER_WAY).push(shared.name);
    clear();
    over(shared.name);
}

fn over(name: &str) {
    let mut under_way = lock(&UNDER_WAY);
    if let Some(at) = under_way.iter().position(|n| *n == name) {
        under_way.swap_remove(at);
    }
}

/// What `call` returns on a thread of its own called `name`, unless it takes longer than `limit`: it is left behind
/// then. For programs that look once and end; what looks again and again keeps a [`Limited`].
///
/// # Errors
/// See [`NotDone`].
pub fn in_time<T: Send + 'static>(
    name: &'static str,
    limit: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotDone> {
    Limited::<()>::new(name, &Stop::new(), &Beat::default()).run(limit, call)
}

#[cfg(test)]
mod tests;
