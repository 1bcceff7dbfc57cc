//! Looks after the service as systemd does: starts it again after any end, and ends it when it falls silent.

use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;

use super::notify::Word;
use crate::base::clock::Monotime;
use crate::say;

/// As the unit has them: `WatchdogSec=`, `TimeoutAbortSec=`, `TimeoutStartSec=`.
pub(super) const WATCHDOG: Duration = Duration::from_secs(20);
const ABORT: Duration = Duration::from_secs(8);
const START: Duration = Duration::from_secs(30);
/// Pause before the service is started again.
const AGAIN: Duration = Duration::from_secs(1);
/// Crashes that are kept for the report.
const KEPT: usize = 20;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(n) => f.write_str(&say!("status {n}", "終了コード {n}")),
            Self::Signal(n) => match Signal::try_from(*n) {
                Ok(signal) => f.write_str(signal.as_str()),
                Err(_) => write!(f, "signal {n}"),
            },
        }
    }
}

/// A process of the service.
pub(super) trait Process {
    /// Its number.
    fn pid(&self) -> u32;

    /// How it has ended, if it has. Asked again after that, it tells the same.
    fn ended(&mut self) -> Option<End>;

    /// Sends a signal; one that is gone gets none.
    fn signal(&self, signal: Signal);
}

struct Up<P> {
    process: P,
    ready: Option<Monotime>,
    /// Silence is in order until then.
    until: Monotime,
    /// SIGABRT was sent, then SIGKILL.
    aborted: u8,
}

enum State<P> {
    Down { since: Option<Monotime> },
    Up(Up<P>),
}

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
pub(super) struct Supervisor<P> {
    start: Box<dyn FnMut() -> Result<P> + Send>,
    state: State<P>,
    /// How processes ended.
    pub ends: Ends,
}

impl<P: Process> Supervisor<P> {
    /// Starts nothing before the first [`step`](Self::step).
    pub fn new(start: impl FnMut() -> Result<P> + Send + 'static) -> Self {
        Self {
            start: Box::new(start),
            state: State::Down { since: None },
            ends: Ends::default(),
        }
    }

    /// The process, if there is one, and since when it is ready.
    pub fn process(&self) -> Option<(u32, Option<Monotime>)> {
        match &self.state {
            State::Up(up) => Some((up.process.pid(), up.ready)),
            State::Down { .. } => None,
        }
    }

    /// Does what is due at `now`, after what was heard.
    ///
    /// # Errors
    /// The service cannot be started.
    pub fn step(&mut self, now: Monotime, heard: &[Word]) -> Result<Option<Event>> {
        match &mut self.state {
            State::Down { since } => {
                if since.is_none_or(|since| now.since(since) >= AGAIN) {
                    self.ends.restarts += u64::from(since.is_some());
                    self.state = State::Up(Up {
                        process: (self.start)()?,
                        ready: None,
                        until: now + START,
                        aborted: 0,
                    });
                }
                Ok(None)
            }
            State::Up(up) => {
                let before = up.ready;
                up.listen(now, heard);
                if let Some(end) = up.process.ended() {
                    let silent = up.aborted > 0;
                    self.state = State::Down { since: Some(now) };
                    self.ends.count(end, silent);
                    return Ok(Some(Event::Ended(end)));
                }
                up.watch(now);
                let became = before.is_none() && up.ready.is_some();
                Ok(became.then_some(Event::Ready))
            }
        }
    }

    /// Asks the process to end, or, the second time, makes it. True once there is none any more.
    pub fn end(&mut self, by_force: bool) -> bool {
        let State::Up(up) = &mut self.state else {
            return true;
        };
        if let Some(end) = up.process.ended() {
            self.ends.count(end, by_force || up.aborted > 0);
            self.state = State::Down { since: None };
            return true;
        }
        let signal = if by_force {
            Signal::SIGKILL
        } else {
            Signal::SIGTERM
        };
        up.process.signal(signal);
        false
    }

    /// Whether the process has ended meanwhile, as it was asked to.
    pub fn has_ended(&mut self) -> bool {
        match &mut self.state {
            State::Up(up) => up.process.ended().is_some(),
            State::Down { .. } => true,
        }
    }
}

impl<P: Process> Up<P> {
    fn listen(&mut self, now: Monotime, heard: &[Word]) {
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
    }

    /// First the signal that leaves traces, then the one that cannot be refused.
    fn watch(&mut self, now: Monotime) {
        if self.until > now || self.aborted > 1 {
            return;
        }
        self.aborted += 1;
        self.until = now + ABORT;
        self.process.signal(match self.aborted {
            1 => Signal::SIGABRT,
            _ => Signal::SIGKILL,
        });
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
    use std::sync::{Arc, Mutex};

    /// How it has ended, the signals that it got, and whether it is deaf to all but the last.
    type Told = (Option<End>, Vec<Signal>, bool);

    /// A process that ends by SIGABRT, or only by SIGKILL.
    #[derive(Clone, Default)]
    struct Fake(Arc<Mutex<Told>>);

    impl Process for Fake {
        fn pid(&self) -> u32 {
            7
        }

        fn ended(&mut self) -> Option<End> {
            self.0.lock().unwrap().0
        }

        fn signal(&self, signal: Signal) {
            let mut fake = self.0.lock().unwrap();
            fake.1.push(signal);
            if signal == Signal::SIGKILL || !fake.2 {
                fake.0 = Some(End::Signal(signal as i32));
            }
        }
    }

    fn at(seconds: u64) -> Monotime {
        Monotime::from_zero(Duration::from_secs(seconds))
    }

    /// A supervisor whose processes are all the returned one, which each start makes as new.
    fn supervisor(deaf: bool) -> (Supervisor<Fake>, Fake) {
        let fake = Fake::default();
        let process = fake.clone();
        let start = move || {
            *process.0.lock().unwrap() = (None, Vec::new(), deaf);
            Ok(process.clone())
        };
        (Supervisor::new(start), fake)
    }

    #[test]
    fn any_end_is_followed_by_a_start_and_only_a_bad_one_is_a_crash() {
        let (mut supervisor, fake) = supervisor(false);
        for (n, (end, crashes)) in [
            (End::Status(0), 0),
            (End::Status(1), 1),
            (End::Signal(11), 2),
        ]
        .into_iter()
        .enumerate()
        {
            let n = n as u64 * 10;
            assert_eq!(supervisor.step(at(n), &[]).unwrap(), None);
            assert_eq!(supervisor.process(), Some((7, None)));
            let heard = supervisor.step(at(n + 1), &[Word::Ready]).unwrap();
            assert_eq!(heard, Some(Event::Ready));
            assert_eq!(supervisor.process(), Some((7, Some(at(n + 1)))));
            fake.0.lock().unwrap().0 = Some(end);
            assert_eq!(
                supervisor.step(at(n + 2), &[]).unwrap(),
                Some(Event::Ended(end))
            );
            assert_eq!(supervisor.process(), None);
            assert_eq!(supervisor.ends.crashes, crashes);
            assert_eq!(supervisor.step(at(n + 2), &[]).unwrap(), None);
            assert_eq!(supervisor.process(), None, "a second's pause");
        }
        assert_eq!(supervisor.ends.restarts, 2);
        assert_eq!(supervisor.ends.told, ["status 1", "SIGSEGV"]);
    }

    #[test]
    fn silence_ends_it_by_abort_and_then_by_force() {
        let (mut supervisor, fake) = supervisor(true);
        supervisor.step(at(0), &[]).unwrap();
        supervisor.step(at(1), &[Word::Ready]).unwrap();
        for second in [10, 25, 44] {
            supervisor.step(at(second), &[Word::Watchdog]).unwrap();
        }
        assert_eq!(fake.0.lock().unwrap().1, []);
        supervisor.step(at(64), &[]).unwrap();
        supervisor.step(at(71), &[]).unwrap();
        assert_eq!(fake.0.lock().unwrap().1, [Signal::SIGABRT]);
        supervisor.step(at(72), &[]).unwrap();
        assert_eq!(fake.0.lock().unwrap().1, [Signal::SIGABRT, Signal::SIGKILL]);
        let event = supervisor.step(at(73), &[]).unwrap();
        assert_eq!(event, Some(Event::Ended(End::Signal(9))));
        assert_eq!((supervisor.ends.crashes, supervisor.ends.silences), (1, 1));
    }

    #[test]
    fn a_slow_start_may_ask_for_more_time() {
        let (mut supervisor, fake) = supervisor(false);
        supervisor.step(at(0), &[]).unwrap();
        let more = Word::Extend(Duration::from_secs(60));
        supervisor.step(at(1), &[more, Word::Watchdog]).unwrap();
        supervisor.step(at(60), &[]).unwrap();
        assert_eq!(fake.0.lock().unwrap().1, []);
        supervisor.step(at(61), &[]).unwrap();
        assert_eq!(fake.0.lock().unwrap().1, [Signal::SIGABRT]);
    }

    #[test]
    fn it_is_asked_to_end_before_it_is_made_to() {
        let (mut supervisor, fake) = supervisor(true);
        assert!(supervisor.end(false), "there is none yet");
        supervisor.step(at(0), &[]).unwrap();
        assert!(!supervisor.end(false) && !supervisor.has_ended());
        assert!(!supervisor.end(true));
        assert_eq!(fake.0.lock().unwrap().1, [Signal::SIGTERM, Signal::SIGKILL]);
        assert!(supervisor.has_ended() && supervisor.end(true));
        assert_eq!(supervisor.ends.crashes, 1);
    }
}
