//! Named threads, joined at the end with a time-out; those that do not end are named.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use log::error;

use super::beat::Beat;
use super::clock::Clock;
use super::restarts::{Decision, Restarts};
use super::stop::{Reason, Stop};
use crate::{say, say_warn};

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

    /// Starts a thread called `name` that runs `body` until it returns. After a panic `body` is run again, with
    /// pauses as [`Restarts`] decides; it has to begin afresh each time. When it panics again and again the service
    /// is told to end with that as the reason.
    ///
    /// # Errors
    /// The operating system refuses another thread.
    pub fn start_loop(
        &mut self,
        name: &'static str,
        stop: &Stop,
        clock: &Arc<dyn Clock>,
        beat: &Beat,
        mut body: impl FnMut() + Send + 'static,
    ) -> Result<()> {
        let (order, clock, beat) = (stop.clone(), Arc::clone(clock), beat.clone());
        self.start(name, stop, move || {
            let mut restarts = Restarts::default();
            // Unwind safety: the body restarts from the beginning and must not rely on its old state.
            while catch_unwind(AssertUnwindSafe(&mut body)).is_err() && !order.requested() {
                match restarts.panicked(clock.now()) {
                    Decision::Again(pause) => {
                        say_warn!(
                            "the loop \"{name}\" panicked and is begun again in {pause:?}",
                            "ループ「{name}」がパニックしたため、{pause:?} 後に再開します"
                        );
                        // Not a turn of the loop: a fault that is planted for one must not happen out here.
                        beat.extend_deadline(pause);
                        if clock.wait(&order, pause) {
                            break;
                        }
                        beat.restarted();
                    }
                    Decision::GiveUp(times) => {
                        order.request(Reason::Failure(say!(
                            "the loop \"{name}\" panicked {times} times within five minutes",
                            "ループ「{name}」が5分間に{times}回パニックしました"
                        )));
                        break;
                    }
                }
            }
            beat.over();
        })
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
    fn a_loop_is_begun_again_after_a_panic_until_it_is_too_often() {
        use crate::base::beat::Beats;
        use crate::base::clock::ManualClock;
        let clock: Arc<dyn Clock> = ManualClock::shared(Duration::ZERO);
        let (beats, stop) = (Beats::default(), Stop::new());
        let beat = beats.watch("shaky", Duration::from_secs(9), &clock);
        let mut threads = Threads::default();
        let (ran, runs) = std::sync::mpsc::channel();
        threads
            .start_loop("shaky", &stop, &clock, &beat, move || {
                ran.send(()).unwrap();
                panic!("on purpose");
            })
            .unwrap();
        stop.wait_forever();
        assert!(matches!(stop.reason(), Some(Reason::Failure(why)) if why.contains("shaky")));
        assert_eq!(runs.iter().count(), 5);
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
