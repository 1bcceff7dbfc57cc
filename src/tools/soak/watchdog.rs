//! Looks after the service as systemd does: starts it again after any end, and ends it when it falls silent.

use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;

use super::notify::Word;
use crate::base::clock::Monotime;
use crate::say;
use crate::watch::supervise::{Change, End, Pauses, Process, Supervisor};

/// As the unit has them: `WatchdogSec=`, `TimeoutAbortSec=`, `TimeoutStartSec=`.
pub(super) const WATCHDOG: Duration = Duration::from_secs(20);
const ABORT: Duration = Duration::from_secs(8);
const START: Duration = Duration::from_secs(30);
/// Pause before the service is started again, however long it ran.
const AGAIN: Duration = Duration::from_secs(1);
/// Crashes that are kept for the report.
const KEPT: usize = 20;

/// How processes of the service ended.
#[derive(Debug, Clone, Default)]
pub struct Ends {
    /// By a signal, with a status other than 0, or ended for its silence.
    pub crashes: u64,
    /// Of these, the ones that were ended for their silence.
    pub silences: u64,
    /// Times that the service was started again.
    pub restarts: u64,
    /// The first crashes, in words.
    pub told: Vec<String>,
}

/// What has happened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A process has become ready.
    Ready,
    /// A process has ended.
    Ended(End),
}

/// Looks after one process at a time.
pub(super) struct Watchdog<P> {
    supervisor: Supervisor<P>,
    /// Since when the process is ready.
    ready: Option<Monotime>,
    /// Silence is in order until then.
    until: Monotime,
    /// It had to be ended by something stronger than a request.
    forced: bool,
    /// A process has been started before.
    begun: bool,
    /// How processes ended.
    pub ends: Ends,
}

impl<P: Process> Watchdog<P> {
    /// Starts nothing before the first [`step`](Self::step).
    pub fn new(start: impl FnMut() -> Result<P> + Send + 'static) -> Self {
        let pauses = Pauses::new(Duration::MAX, AGAIN, AGAIN);
        Self {
            supervisor: Supervisor::new(pauses, start),
            ready: None,
            until: Monotime::default(),
            forced: false,
            begun: false,
            ends: Ends::default(),
        }
    }

    /// The process, if there is one, and since when it is ready.
    pub fn process(&self) -> Option<(u32, Option<Monotime>)> {
        Some((self.supervisor.process()?.pid(), self.ready))
    }

    /// Does what is due at `now`, after what was heard.
    ///
    /// # Errors
    /// The service cannot be started.
    pub fn step(&mut self, now: Monotime, heard: &[Word]) -> Result<Option<Event>> {
        match self.supervisor.step(now) {
            Some(Change::Started) => {
                self.ends.restarts += u64::from(self.begun);
                (self.begun, self.ready, self.forced) = (true, None, false);
                self.until = now + START;
                Ok(None)
            }
            Some(Change::NotStarted { why, .. }) => Err(why),
            Some(Change::Killed) => {
                self.forced = true;
                Ok(None)
            }
            Some(Change::Ended { end, .. }) => {
                self.ends.count(end, self.forced);
                Ok(Some(Event::Ended(end)))
            }
            None => Ok(self.listen(now, heard)),
        }
    }

    /// Asks the process to end, and makes it after `patience`; for good.
    pub fn shut_down(&mut self, now: Monotime, patience: Duration) {
        self.supervisor.shut_down(now, patience);
    }

    fn listen(&mut self, now: Monotime, heard: &[Word]) -> Option<Event> {
        self.supervisor.process()?;
        let before = self.ready;
        for word in heard {
            match word {
                Word::Ready => {
                    self.ready.get_or_insert(now);
                    self.until = now + WATCHDOG;
                }
                Word::Watchdog if self.ready.is_some() => self.until = now + WATCHDOG,
                Word::Extend(more) => self.until = self.until.max(now + *more),
                Word::Watchdog | Word::Stopping => {}
            }
        }
        if self.until <= now {
            // The signal that leaves traces.
            self.forced |= self.supervisor.end(now, Signal::SIGABRT, ABORT);
        }
        (before.is_none() && self.ready.is_some()).then_some(Event::Ready)
    }
}

impl Ends {
    fn count(&mut self, end: End, silent: bool) {
        self.silences += u64::from(silent);
        if end == End::Status(0) && !silent {
            return;
        }
        self.crashes += 1;
        if self.told.len() < KEPT {
            self.told.push(if silent {
                say!(
                    "{end}, after no sign of life",
                    "{end}（応答なしのため強制終了）"
                )
            } else {
                end.to_string()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::supervise::fakes::{Fake, at};

    /// A watchdog whose processes are all the returned one, deaf to all but SIGKILL or not.
    fn watchdog(deaf: bool) -> (Watchdog<Fake>, Fake) {
        let fake = Fake::default();
        let start = fake.starter(deaf.then_some(Signal::SIGKILL));
        (Watchdog::new(start), fake)
    }

    #[test]
    fn any_end_is_followed_by_a_start_and_only_a_bad_one_is_a_crash() {
        let (mut watchdog, fake) = watchdog(false);
        for (n, (end, crashes)) in [
            (End::Status(0), 0),
            (End::Status(1), 1),
            (End::Signal(11), 2),
        ]
        .into_iter()
        .enumerate()
        {
            // The last run is a long one.
            let n = n as u64 * 1000;
            assert_eq!(watchdog.step(at(n), &[]).unwrap(), None);
            assert_eq!(watchdog.process(), Some((7, None)));
            let heard = watchdog.step(at(n + 1), &[Word::Ready]).unwrap();
            assert_eq!(heard, Some(Event::Ready));
            assert_eq!(watchdog.process(), Some((7, Some(at(n + 1)))));
            fake.ends(end);
            assert_eq!(
                watchdog.step(at(n + 2), &[]).unwrap(),
                Some(Event::Ended(end))
            );
            assert_eq!(watchdog.process(), None);
            assert_eq!(watchdog.ends.crashes, crashes);
            assert_eq!(watchdog.step(at(n + 2), &[]).unwrap(), None);
            assert_eq!(watchdog.process(), None, "a second's pause");
        }
        assert_eq!(watchdog.ends.restarts, 2);
        assert_eq!(watchdog.ends.told, ["status 1", "SIGSEGV"]);
    }

    #[test]
    fn silence_ends_it_by_abort_and_then_by_force() {
        let (mut watchdog, fake) = watchdog(true);
        watchdog.step(at(0), &[]).unwrap();
        watchdog.step(at(1), &[Word::Ready]).unwrap();
        for second in [10, 25, 44] {
            watchdog.step(at(second), &[Word::Watchdog]).unwrap();
        }
        assert_eq!(fake.signals(), []);
        watchdog.step(at(64), &[]).unwrap();
        watchdog.step(at(71), &[]).unwrap();
        assert_eq!(fake.signals(), [Signal::SIGABRT]);
        watchdog.step(at(72), &[]).unwrap();
        assert_eq!(fake.signals(), [Signal::SIGABRT, Signal::SIGKILL]);
        let event = watchdog.step(at(73), &[]).unwrap();
        assert_eq!(event, Some(Event::Ended(End::Signal(9))));
        assert_eq!((watchdog.ends.crashes, watchdog.ends.silences), (1, 1));
    }

    #[test]
    fn a_slow_start_may_ask_for_more_time() {
        let (mut watchdog, fake) = watchdog(false);
        watchdog.step(at(0), &[]).unwrap();
        let more = Word::Extend(Duration::from_secs(60));
        watchdog.step(at(1), &[more, Word::Watchdog]).unwrap();
        watchdog.step(at(60), &[]).unwrap();
        assert_eq!(fake.signals(), []);
        watchdog.step(at(61), &[]).unwrap();
        assert_eq!(fake.signals(), [Signal::SIGABRT]);
    }

    #[test]
    fn at_the_end_it_is_a_crash_only_if_it_has_to_be_made_to() {
        for (deaf, crashes) in [(false, 0), (true, 1)] {
            let (mut watchdog, fake) = watchdog(deaf);
            watchdog.step(at(0), &[]).unwrap();
            watchdog.shut_down(at(1), Duration::from_secs(10));
            if !deaf {
                fake.ends(End::Status(0));
            }
            for second in [10, 11, 12] {
                watchdog.step(at(second), &[]).unwrap();
            }
            assert_eq!(fake.signals().len(), if deaf { 2 } else { 1 });
            assert_eq!(watchdog.process(), None);
            assert_eq!(watchdog.ends.crashes, crashes);
        }
    }
}
