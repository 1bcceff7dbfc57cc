//! Named threads that are joined, and named again when they will not end.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use log::error;

use super::clock::Clock;
use super::stop::{Reason, Stop};
use crate::say;

/// Every thread of the service, in the order of their start.
#[derive(Debug, Default)]
pub struct Threads {
    running: Vec<(String, JoinHandle<()>)>,
}

impl Threads {
    /// Starts a thread called `name`. If it panics the whole service is told to end with a reason, so
    /// that nothing is ever silently gone.
    ///
    /// # Errors
    /// The operating system refuses another thread.
    pub fn start(
        &mut self,
        name: &str,
        stop: &Stop,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<()> {
        let guard = PanicGuard {
            name: name.to_owned(),
            stop: stop.clone(),
        };
        let handle = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let guard = guard;
                body();
                drop(guard);
            })
            .with_context(|| {
                format!("cannot start the thread \"{name}\"; raise the limit of tasks (ulimit -u)")
            })?;
        self.running.push((name.to_owned(), handle));
        Ok(())
    }

    /// Joins every thread, waiting at most `limit` altogether. Returns the names of those that are stuck
    /// (in a system call, say): they are left behind and end with the process.
    pub fn join(self, clock: &Arc<dyn Clock>, limit: Duration) -> Vec<String> {
        let deadline = clock.now() + limit;
        let never = Stop::new();
        let mut stuck = Vec::new();
        for (name, handle) in self.running {
            while !handle.is_finished() && clock.now() < deadline {
                clock.wait(&never, Duration::from_millis(5));
            }
            if handle.is_finished() {
                // A panic has already been logged by the hook and turned into a reason to stop.
                let _ = handle.join();
            } else {
                stuck.push(name);
            }
        }
        stuck
    }
}

struct PanicGuard {
    name: String,
    stop: Stop,
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let name = &self.name;
            let what = say!(
                "the thread \"{name}\" panicked",
                "スレッド「{name}」がパニックしました"
            );
            error!("{what}");
            self.stop.request(Reason::Failure(what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;

    #[test]
    fn a_panic_stops_the_service_with_a_reason() {
        let stop = Stop::new();
        let mut threads = Threads::default();
        threads
            .start("doomed", &stop, || panic!("on purpose"))
            .unwrap();
        stop.wait_forever();
        assert!(matches!(stop.reason(), Some(Reason::Failure(why)) if why.contains("doomed")));
    }

    #[test]
    fn a_stuck_thread_is_named_and_left_behind() {
        let stop = Stop::new();
        let mut threads = Threads::default();
        let (keep, block) = std::sync::mpsc::channel::<()>();
        threads
            .start("stuck", &stop, move || {
                let _ = block.recv();
            })
            .unwrap();
        threads.start("fine", &stop, || ()).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        assert_eq!(threads.join(&clock, Duration::from_millis(50)), ["stuck"]);
        drop(keep);
    }
}
