//! The order to stop: given once, heard by every wait.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::say;

/// Locks a mutex whose data stays usable even if a thread panicked while it held the lock.
///
/// Every structure that is guarded this way is valid after each single assignment, so a poisoned lock
/// is no reason to bring a second loop down with the first.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Hook = Box<dyn Fn() + Send>;

#[derive(Default)]
struct Inner {
    /// Why the stop was requested; the first reason counts.
    reason: Option<Reason>,
    hooks: Vec<Hook>,
}

/// Why the service ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// `SIGTERM` or `SIGINT` (its number).
    Signal(i32),
    /// `--duration` is over.
    Duration,
    /// A clip with `"repeat": false` has come to its end.
    EndOfClip,
    /// The window was closed, or ESC pressed in it.
    Window,
    /// Something that cannot be recovered from inside the process; ends with status 1.
    Failure(String),
    /// A value given at the start proved unusable; ends with status 2.
    Usage(String),
    /// To be started again; ends with status 0.
    Restart {
        /// Why, for people.
        why: String,
        /// Whether it is because of the memory.
        memory: bool,
    },
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Signal(number) => match nix::sys::signal::Signal::try_from(*number) {
                Ok(signal) => f.write_str(signal.as_str()),
                Err(_) => write!(f, "signal {number}"),
            },
            Self::Duration => f.write_str("--duration"),
            Self::Window => {
                f.write_str(&say!("the window was closed", "ウィンドウが閉じられました"))
            }
            Self::EndOfClip => f.write_str(&say!("end of the clip", "映像の終わり")),
            Self::Failure(why) | Self::Usage(why) => f.write_str(why),
            Self::Restart { why, .. } => write!(f, "[AUTO_RESTART] {why}"),
        }
    }
}

/// A shared order to stop. Clones are the same order.
#[derive(Clone, Default)]
pub struct Stop {
    shared: Arc<(Mutex<Inner>, Condvar)>,
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stop").field(&self.reason()).finish()
    }
}

impl Stop {
    /// An order that has not been given.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the order; wakes every waiter and runs every hook. Later calls change nothing.
    pub fn request(&self, reason: Reason) {
        let mut inner = lock(&self.shared.0);
        if inner.reason.is_some() {
            return;
        }
        inner.reason = Some(reason);
        let hooks = std::mem::take(&mut inner.hooks);
        drop(inner);
        self.shared.1.notify_all();
        for hook in hooks {
            hook();
        }
    }

    /// Whether the order has been given.
    #[must_use]
    pub fn requested(&self) -> bool {
        lock(&self.shared.0).reason.is_some()
    }

    /// The reason of the order, once it was given.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        lock(&self.shared.0).reason.clone()
    }

    /// Waits up to `timeout` for the order. True if it has been given.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        let inner = lock(&self.shared.0);
        let (inner, _) = self
            .shared
            .1
            .wait_timeout_while(inner, timeout, |i| i.reason.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        inner.reason.is_some()
    }

    /// Waits for the order without limit.
    pub fn wait_forever(&self) {
        while !self.wait(Duration::from_secs(3600)) {}
    }

    /// Runs `hook` when the order is given: at once if it already was. It wakes waits that this type
    /// cannot reach, such as a condition variable of a queue or a call into a C library.
    pub fn on_request(&self, hook: impl Fn() + Send + 'static) {
        let mut inner = lock(&self.shared.0);
        if inner.reason.is_none() {
            inner.hooks.push(Box::new(hook));
        } else {
            drop(inner);
            hook();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_waiter_wakes_at_the_order() {
        let stop = Stop::new();
        let waiter = {
            let stop = stop.clone();
            // An hour: the test ends only if the order really wakes it.
            std::thread::spawn(move || stop.wait(Duration::from_secs(3600)))
        };
        stop.request(Reason::Duration);
        assert!(waiter.join().unwrap());
    }

    #[test]
    fn the_first_reason_counts_and_hooks_run_once() {
        let stop = Stop::new();
        let runs = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&runs);
        stop.on_request(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        stop.request(Reason::Signal(15));
        stop.request(Reason::Duration);
        assert_eq!(stop.reason(), Some(Reason::Signal(15)));
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        let count = Arc::clone(&runs);
        stop.on_request(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(runs.load(Ordering::SeqCst), 2, "a late hook runs at once");
    }

    #[test]
    fn a_timeout_is_not_an_order() {
        assert!(!Stop::new().wait(Duration::from_millis(1)));
    }
}
