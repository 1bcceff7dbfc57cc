//! Keeps one process running: starts it, starts it again after any end, and ends it in two steps. Pure: time, start
//! and process are handed in.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::base::backoff::Backoff;
use crate::base::clock::Monotime;
use crate::say;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// Only its parent is told how, and that is somebody else.
    Unseen,
    /// Not at all: SIGKILL had no effect in time (a driver holds it), and it was left behind.
    Stuck,
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Status(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(n) => f.write_str(&say!("status {n}", "終了コード {n}")),
            Self::Signal(n) => match Signal::try_from(*n) {
                Ok(signal) => f.write_str(signal.as_str()),
                Err(_) => write!(f, "signal {n}"),
            },
            Self::Unseen => f.write_str(&say!("unknown status", "終了コード不明")),
            Self::Stuck => f.write_str(&say!(
                "left behind, SIGKILL had no effect",
                "SIGKILL でも終了しないため放置"
            )),
        }
    }
}

/// A process that is looked after.
pub trait Process {
    /// Its number.
    fn pid(&self) -> u32;

    /// How it has ended, if it has. Asked again after that, it tells the same.
    fn ended(&mut self) -> Option<End>;

    /// Sends a signal; one that is gone gets none.
    fn signal(&self, signal: Signal);
}

/// How long to wait before a process is started again.
#[derive(Debug, Clone)]
pub struct Pauses {
    short_run: Duration,
    growing: Backoff,
}

impl Pauses {
    /// After a run that ended by itself in less than `short_run`: `first`, doubling up to `longest`. After any other run
    /// there is none, and the next short one begins with `first` again.
    #[must_use]
    pub fn new(short_run: Duration, first: Duration, longest: Duration) -> Self {
        Self {
            short_run,
            growing: Backoff::new(first, longest),
        }
    }

    fn after(&mut self, ran: Duration, asked: bool) -> Duration {
        if asked || ran >= self.short_run {
            self.growing.reset();
            return Duration::ZERO;
        }
        self.growing.pause()
    }
}

/// What a [step](Supervisor::step) has changed.
#[derive(Debug)]
pub enum Change {
    /// A process was started.
    Started,
    /// None could be started.
    NotStarted {
        /// The reason.
        why: anyhow::Error,
        /// Until the next attempt.
        pause: Duration,
    },
    /// It did not end as it was asked to, and got SIGKILL.
    Killed,
    /// The process has ended.
    Ended {
        /// In which way.
        end: End,
        /// Whether it was asked to.
        asked: bool,
        /// Until the next one is started.
        pause: Duration,
    },
}

struct Up<P> {
    process: P,
    since: Monotime,
    ending: Option<Ending>,
}

struct Ending {
    patience: Duration,
    until: Monotime,
    killed: bool,
}

enum ChildState<P> {
    Down { next: Monotime },
    Up(Up<P>),
}

/// Looks after one process at a time.
pub struct Supervisor<P> {
    start: Box<dyn FnMut() -> Result<P> + Send>,
    pauses: Pauses,
    state: ChildState<P>,
    /// Nothing is started any more.
    over: bool,
}

impl<P: Process> Supervisor<P> {
    /// Starts nothing before the first [`step`](Self::step).
    pub fn new(pauses: Pauses, start: impl FnMut() -> Result<P> + Send + 'static) -> Self {
        Self {
            start: Box::new(start),
            pauses,
            state: ChildState::Down {
                next: Monotime::default(),
            },
            over: false,
        }
    }

    /// Takes over a process that runs since then, instead of starting one.
    pub fn adopt(&mut self, process: P, since: Monotime) {
        self.state = ChildState::Up(Up {
            process,
            since,
            ending: None,
        });
    }

    /// The process, if there is one.
    pub const fn process(&self) -> Option<&P> {
        match &self.state {
            ChildState::Up(up) => Some(&up.process),
            ChildState::Down { .. } => None,
        }
    }

    /// Whether the process was asked to end.
    pub const fn is_ending(&self) -> bool {
        matches!(&self.state, ChildState::Up(up) if up.ending.is_some())
    }

    /// Whether it was [shut down](Self::shut_down) and there is no process any more.
    pub const fn is_over(&self) -> bool {
        self.over && self.process().is_none()
    }

    /// Does what is due at `now`.
    pub fn step(&mut self, now: Monotime) -> Option<Change> {
        match &mut self.state {
            ChildState::Down { next } if self.over || now < *next => None,
            ChildState::Down { next } => match (self.start)() {
                Ok(process) => {
                    self.adopt(process, now);
                    Some(Change::Started)
                }
                Err(why) => {
                    let pause = self.pauses.after(Duration::ZERO, false);
                    *next = now + pause;
                    Some(Change::NotStarted { why, pause })
                }
            },
            ChildState::Up(up) => {
                let asked = up.ending.is_some();
                let end = match up.process.ended() {
                    Some(end) => end,
                    None => match up.insist(now)? {
                        Insisted::Killed => return Some(Change::Killed),
                        Insisted::InVain => End::Stuck,
                    },
                };
                let pause = self.pauses.after(now.since(up.since), asked);
                self.state = ChildState::Down { next: now + pause };
                Some(Change::Ended { end, asked, pause })
            }
        }
    }

    /// Asks the process to end, by `signal`; by SIGKILL if it has not after `patience`. Afterwards another one is
    /// started. False if there is none, or it was asked already.
    pub fn end(&mut self, now: Monotime, signal: Signal, patience: Duration) -> bool {
        match &mut self.state {
            ChildState::Up(up) if up.ending.is_none() => {
                up.process.signal(signal);
                up.ending = Some(Ending {
                    patience,
                    until: now + patience,
                    killed: false,
                });
                true
            }
            _ => false,
        }
    }

    /// The same by SIGTERM, and nothing is started any more.
    pub fn shut_down(&mut self, now: Monotime, patience: Duration) {
        self.over = true;
        self.end(now, Signal::SIGTERM, patience);
    }
}

enum Insisted {
    Killed,
    InVain,
}

impl<P: Process> Up<P> {
    /// What comes when a process has had its time to end.
    fn insist(&mut self, now: Monotime) -> Option<Insisted> {
        let ending = self.ending.as_mut().filter(|e| now >= e.until)?;
        if ending.killed {
            return Some(Insisted::InVain);
        }
        ending.killed = true;
        ending.until = now + ending.patience;
        self.process.signal(Signal::SIGKILL);
        Some(Insisted::Killed)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// How it has ended, the signals that it got, and the only one that has an effect, if not all have.
    #[derive(Default)]
    pub struct Told {
        pub end: Option<End>,
        pub signals: Vec<Signal>,
        pub deaf_to_all_but: Option<Signal>,
    }

    /// A process of a test.
    #[derive(Clone, Default)]
    pub struct Fake(pub Arc<Mutex<Told>>);

    impl Fake {
        pub fn signals(&self) -> Vec<Signal> {
            self.0.lock().unwrap().signals.clone()
        }

        pub fn ends(&self, end: End) {
            self.0.lock().unwrap().end = Some(end);
        }

        /// What each start returns: this one, made as new.
        pub fn starter(
            &self,
            deaf_to_all_but: Option<Signal>,
        ) -> impl FnMut() -> Result<Self> + Send + use<> {
            let process = self.clone();
            move || {
                *process.0.lock().unwrap() = Told {
                    deaf_to_all_but,
                    ..Told::default()
                };
                Ok(process.clone())
            }
        }
    }

    impl Process for Fake {
        fn pid(&self) -> u32 {
            7
        }

        fn ended(&mut self) -> Option<End> {
            self.0.lock().unwrap().end
        }

        fn signal(&self, signal: Signal) {
            let mut told = self.0.lock().unwrap();
            told.signals.push(signal);
            if told.deaf_to_all_but.is_none_or(|only| only == signal) {
                told.end = Some(End::Signal(signal as i32));
            }
        }
    }

    pub fn at(seconds: u64) -> Monotime {
        Monotime::from_zero(Duration::from_secs(seconds))
    }

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn pauses() -> Pauses {
        Pauses::new(s(60), s(1), s(5))
    }

    fn supervisor(deaf_to_all_but: Option<Signal>) -> (Supervisor<Fake>, Fake) {
        let fake = Fake::default();
        let start = fake.starter(deaf_to_all_but);
        (Supervisor::new(pauses(), start), fake)
    }

    #[test]
    fn pauses_grow_with_short_runs_and_are_none_after_a_long_one() {
        let (mut supervisor, fake) = supervisor(None);
        let mut now = at(1000);
        for (ran, wanted) in [
            (0, 1),
            (59, 2),
            (0, 4),
            (0, 5),
            (0, 5),
            (60, 0),
            (0, 1),
            (1, 2),
        ] {
            assert!(matches!(supervisor.step(now), Some(Change::Started)));
            now = now + s(ran);
            assert!(supervisor.step(now).is_none());
            fake.ends(End::Status(0));
            let Some(Change::Ended { end, asked, pause }) = supervisor.step(now) else {
                panic!("no end after {ran} s");
            };
            assert_eq!((end, asked, pause), (End::Status(0), false, s(wanted)));
            assert!(supervisor.process().is_none());
            if wanted > 0 {
                assert!(supervisor.step(now + s(wanted - 1)).is_none());
            }
            now = now + s(wanted);
        }
    }

    #[test]
    fn what_cannot_be_started_is_tried_again_after_growing_pauses() {
        let mut left = 2;
        let mut supervisor = Supervisor::new(pauses(), move || {
            left -= 1;
            anyhow::ensure!(left < 0, "no memory");
            Ok(Fake::default())
        });
        for (second, wanted) in [(0, 1), (1, 2)] {
            let Some(Change::NotStarted { why, pause }) = supervisor.step(at(second)) else {
                panic!("started");
            };
            assert_eq!((why.to_string().as_str(), pause), ("no memory", s(wanted)));
            assert!(supervisor.step(at(second)).is_none());
        }
        assert!(matches!(supervisor.step(at(3)), Some(Change::Started)));
    }

    #[test]
    fn it_is_asked_to_end_and_then_made_to_and_started_again_at_once() {
        let (mut supervisor, fake) = supervisor(Some(Signal::SIGKILL));
        supervisor.step(at(0));
        assert!(supervisor.end(at(10), Signal::SIGTERM, s(5)));
        assert!(!supervisor.end(at(11), Signal::SIGTERM, s(5)) && supervisor.is_ending());
        assert!(supervisor.step(at(14)).is_none());
        assert!(matches!(supervisor.step(at(15)), Some(Change::Killed)));
        assert_eq!(fake.signals(), [Signal::SIGTERM, Signal::SIGKILL]);
        let Some(Change::Ended { end, asked, pause }) = supervisor.step(at(15)) else {
            panic!("no end");
        };
        assert_eq!(
            (end, asked, pause),
            (End::Signal(9), true, Duration::ZERO),
            "a run that was ended from outside is no short one"
        );
        assert!(matches!(supervisor.step(at(15)), Some(Change::Started)));
    }

    #[test]
    fn what_even_sigkill_does_not_end_is_left_behind() {
        let (mut supervisor, _) = supervisor(Some(Signal::SIGUSR1));
        supervisor.step(at(0));
        supervisor.shut_down(at(1), s(5));
        assert!(matches!(supervisor.step(at(6)), Some(Change::Killed)));
        assert!(supervisor.step(at(10)).is_none() && !supervisor.is_over());
        let change = supervisor.step(at(11));
        assert!(matches!(
            change,
            Some(Change::Ended {
                end: End::Stuck,
                ..
            })
        ));
        assert!(supervisor.is_over());
    }

    #[test]
    fn nothing_is_started_after_the_end() {
        let (mut supervisor, fake) = supervisor(None);
        supervisor.shut_down(at(0), s(5));
        assert!(supervisor.is_over(), "there is none yet");
        assert!(supervisor.step(at(9)).is_none() && fake.signals().is_empty());
    }

    #[test]
    fn what_runs_already_is_taken_over_with_its_age() {
        let (mut supervisor, fake) = supervisor(None);
        supervisor.adopt(fake.clone(), at(10));
        assert_eq!(supervisor.process().map(Process::pid), Some(7));
        fake.ends(End::Unseen);
        let change = supervisor.step(at(70));
        assert!(matches!(
            change,
            Some(Change::Ended {
                end: End::Unseen,
                asked: false,
                pause: Duration::ZERO,
            })
        ));
    }
}
