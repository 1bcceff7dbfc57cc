//! Two days of leak detector, restarts, watchdog and verdict, in virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::log::Marks;
use super::notify::Word;
use super::probe::Reading;
use super::resources::Resources;
use super::tally::{RequestKind, Tally};
use super::taps::Account;
use super::verdict::{Check, Measured, Outcome, judge};
use super::watchdog::{Event, Watchdog};
use crate::base::clock::{Clock, ManualClock, Monotime};
use crate::watch::health::restart::{FIRST_REST, Now, Plan, Restart, Why};
use crate::watch::supervise::{End, Process};
use crate::watch::trend::Detector;

const MIB: f64 = 1_048_576.0;
const STEP: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);
const WARM_UP: Duration = Duration::from_secs(600);
const LIMIT_MB: f64 = 600.0;

/// A service that leaks: it begins with 60 MiB that waver, and restarts as the real one decides.
struct Leaky {
    began: Monotime,
    restart: Restart,
    detector: Detector,
    full_in: Option<Duration>,
    a_second_mb: f64,
    why: Option<Why>,
}

impl Leaky {
    fn rss_mb(&self, now: Monotime) -> f64 {
        let seconds = now.since(self.began).as_secs_f64();
        60.0 + (seconds / 70.0).sin() + self.a_second_mb * seconds
    }

    fn look(&mut self, now: Monotime, idle: bool) {
        let (age, rss_mb) = (now.since(self.began), self.rss_mb(now));
        self.detector.add(age, rss_mb);
        if age.as_secs().is_multiple_of(600) {
            let verdict = self.detector.verdict();
            self.full_in = verdict.and_then(|v| v.reaches_limit_in);
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // some hundred MiB
        let rss = (rss_mb * MIB) as u64;
        self.why = self.restart.decide(&Now {
            at: now,
            uptime: now.since(self.began),
            card: (!idle).then_some(Duration::ZERO),
            face: !idle,
            sending: false,
            rss,
            full_in: self.full_in,
        });
    }
}

#[derive(Clone)]
struct Handle(Arc<Mutex<Leaky>>);

impl Process for Handle {
    fn pid(&self) -> u32 {
        1
    }

    fn ended(&mut self) -> Option<End> {
        let leaky = self.0.lock().unwrap();
        leaky.why.map(|_| End::Status(0))
    }

    fn signal(&self, signal: Signal) {
        panic!("{signal}: a restart of its own accord needs none");
    }
}

/// 48 h with a leak of so many MiB an hour and a restart every `every`; doors are quiet in the first five minutes of
/// every hour. What was measured, and why it restarted.
fn two_days(leak: f64, every: Option<Duration>) -> (Measured, Vec<Why>) {
    let clock = ManualClock::shared(HOUR);
    let current: Arc<Mutex<Option<Handle>>> = Arc::default();
    let (start_clock, started) = (Arc::clone(&clock), Arc::clone(&current));
    let mut watchdog = Watchdog::new(move || {
        let plan = Plan {
            every,
            limit: 600 << 20,
            rest: FIRST_REST,
        };
        let handle = Handle(Arc::new(Mutex::new(Leaky {
            began: start_clock.now(),
            restart: Restart::new(plan),
            detector: Detector::new(Some(LIMIT_MB)),
            full_in: None,
            a_second_mb: leak / 3600.0,
            why: None,
        })));
        *started.lock().unwrap() = Some(handle.clone());
        Ok(handle)
    });
    let mut resources = Resources::new(WARM_UP);
    let (begin, mut tally, mut whys) = (clock.now(), Tally::default(), Vec::new());
    while clock.now().since(begin) < HOUR * 48 {
        let now = clock.now();
        let heard: &[Word] = match watchdog.process() {
            Some((_, None)) => &[Word::Ready],
            Some(_) => &[Word::Watchdog],
            None => &[],
        };
        let handle = current.lock().unwrap().clone();
        match watchdog.step(now, heard).unwrap() {
            Some(Event::Ready) => resources.another(),
            Some(Event::Ended(_)) => whys.extend(handle.unwrap().0.lock().unwrap().why),
            None => {}
        }
        if let (Some((_, Some(ready))), Some(handle)) =
            (watchdog.process(), &*current.lock().unwrap())
        {
            let mut leaky = handle.0.lock().unwrap();
            leaky.look(now, now.since_zero().as_secs() % 3600 < 300);
            let reading = Reading {
                rss_mb: leaky.rss_mb(now),
                descriptors: 24,
                threads: 18,
                ..Reading::default()
            };
            resources.add(now.since(ready), reading);
        }
        tally.add(RequestKind::Tap, Some(Duration::from_millis(7)));
        clock.advance(STEP);
    }
    let measured = Measured {
        tally,
        taps: Account::default(),
        resources,
        ends: watchdog.ends,
        marks: Marks::default(),
        loop_restarts: 0,
        complete: true,
    };
    (measured, whys)
}

fn red(measured: &Measured) -> Vec<Check> {
    let rows = judge(measured);
    let failed = rows.iter().filter(|r| r.outcome == Outcome::Failed);
    failed.map(|r| r.check).collect()
}

#[test]
fn planned_restarts_are_no_crashes() {
    let (measured, whys) = two_days(0.0, Some(HOUR * 12));
    assert_eq!(red(&measured), []);
    assert_eq!((whys.len(), measured.ends.restarts), (3, 3));
    assert!(
        whys.iter().all(|w| *w == Why::Planned(HOUR * 12)),
        "{whys:?}"
    );
}

#[test]
fn a_slow_leak_is_red_although_planned_restarts_hide_it() {
    let (measured, whys) = two_days(4.0, Some(HOUR * 12));
    assert_eq!(red(&measured), [Check::MemoryGrowth, Check::MemorySlope]);
    assert!(
        whys.iter().all(|w| *w == Why::Planned(HOUR * 12)),
        "{whys:?}"
    );
    let memory = measured.resources.memory().unwrap();
    assert!((memory.slope - 4.0).abs() < 0.1, "{memory:?}");
}

#[test]
fn a_fast_leak_restarts_before_its_limit_and_is_red() {
    let (measured, whys) = two_days(60.0, None);
    assert_eq!(red(&measured), [Check::MemoryGrowth, Check::MemorySlope]);
    assert!((4..=7).contains(&whys.len()), "{whys:?}");
    assert!(
        whys.iter()
            .all(|w| matches!(w, Why::Leak(left) if *left > Duration::ZERO)),
        "{whys:?}"
    );
    assert_eq!(measured.ends.crashes, 0);
}
